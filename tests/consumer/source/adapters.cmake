# SPDX-License-Identifier: BSL-1.0
# The adapters' targets: there with what they need, and only with it; each is enough to build and link a program.

function(expect_adapter name header)
  find_path(folder ${header} NO_CACHE)
  if(folder AND TARGET sluice::${name})
    add_executable(consumer_${name} ../source/${name}.cpp)
    target_link_libraries(consumer_${name} PRIVATE sluice::${name})
    add_dependencies(consumer consumer_${name})
    add_custom_command(TARGET consumer_${name} POST_BUILD COMMAND consumer_${name})
  elseif(folder)
    message(FATAL_ERROR "${folder}/${header} is there, and there is no sluice::${name}")
  elseif(TARGET sluice::${name})
    message(FATAL_ERROR "There is a sluice::${name} without ${header}")
  endif()
endfunction()
expect_adapter(asio boost/asio/any_io_executor.hpp)
expect_adapter(std_execution stdexec/execution.hpp)
