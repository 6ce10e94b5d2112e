# SPDX-License-Identifier: BSL-1.0
# sluice_add_adapters([GLOBAL]) defines a target for each adapter header whose library is there, which links what the header needs:
#
#   sluice::asio           sluice/adapters/asio.hpp            Boost.Asio 1.74 or later
#   sluice::std_execution  sluice/adapters/std_execution.hpp   stdexec; a standard library that has senders needs no target
#
# A library that is not there is not asked for: no target, no message. A target that the user's project has already (Boost::headers,
# STDEXEC::stdexec) is preferred; the rest writes nothing to the cache.

function(sluice_add_adapters)
  sluice_add_adapter(asio boost/asio/any_io_executor.hpp Boost::headers ${ARGN})  # the header is new in 1.74
  if(NOT TARGET sluice::std_execution)
    sluice_add_adapter(std_execution stdexec/execution.hpp STDEXEC::stdexec ${ARGN})
    # It includes <execution>, which refers to TBB where libstdc++ finds TBB's headers.
    find_library(tbb_library tbb NO_CACHE)
    if(TARGET sluice::std_execution AND tbb_library)
      target_link_libraries(sluice::std_execution INTERFACE ${tbb_library})
    endif()
  endif()
endfunction()

# sluice::<name>, if the package's target is there or else the header.
function(sluice_add_adapter name header package)
  unset(adapter_dir)  # a caller's variable of that name would be taken for an answer
  find_path(adapter_dir ${header} NO_CACHE)
  if(TARGET sluice::${name} OR NOT (TARGET ${package} OR adapter_dir))
    return()
  endif()
  add_library(sluice::${name} INTERFACE IMPORTED ${ARGN})
  target_link_libraries(sluice::${name} INTERFACE sluice::sluice)
  if(TARGET ${package})
    target_link_libraries(sluice::${name} INTERFACE ${package})
  else()
    target_include_directories(sluice::${name} SYSTEM INTERFACE ${adapter_dir})
  endif()
endfunction()
