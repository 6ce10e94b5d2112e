# SPDX-License-Identifier: BSL-1.0
# sluice_add_adapters([GLOBAL]) defines a target for each adapter header whose library is there, which links what the header needs:
#
#   sluice::asio           sluice/adapters/asio.hpp            Boost.Asio 1.74 or later
#   sluice::std_execution  sluice/adapters/std_execution.hpp   stdexec; a standard library that has senders needs no target
#
# A library that is not there is not asked for: no target, no message. A target that the user's project has already (Boost::headers,
# STDEXEC::stdexec) is preferred; the rest writes nothing to the cache.

function(sluice_add_adapters)
  if(NOT TARGET sluice::asio)
    find_path(asio_dir boost/asio/any_io_executor.hpp NO_CACHE)  # new in 1.74
    if(TARGET Boost::headers OR asio_dir)
      add_library(sluice::asio INTERFACE IMPORTED ${ARGN})
      target_link_libraries(sluice::asio INTERFACE sluice::sluice)
      if(TARGET Boost::headers)
        target_link_libraries(sluice::asio INTERFACE Boost::headers)
      else()
        target_include_directories(sluice::asio SYSTEM INTERFACE ${asio_dir})
      endif()
    endif()
  endif()
  if(NOT TARGET sluice::std_execution)
    find_path(stdexec_dir stdexec/execution.hpp NO_CACHE)
    if(TARGET STDEXEC::stdexec OR stdexec_dir)
      add_library(sluice::std_execution INTERFACE IMPORTED ${ARGN})
      target_link_libraries(sluice::std_execution INTERFACE sluice::sluice)
      if(TARGET STDEXEC::stdexec)
        target_link_libraries(sluice::std_execution INTERFACE STDEXEC::stdexec)
      else()
        target_include_directories(sluice::std_execution SYSTEM INTERFACE ${stdexec_dir})
      endif()
      # It includes <execution>, which refers to TBB where libstdc++ finds TBB's headers.
      find_library(tbb_library tbb NO_CACHE)
      if(tbb_library)
        target_link_libraries(sluice::std_execution INTERFACE ${tbb_library})
      endif()
    endif()
  endif()
endfunction()
