# SPDX-License-Identifier: BSL-1.0
# What tests, examples and benchmarks share. A guest in someone's build never comes here.

if(PROJECT_IS_TOP_LEVEL)
  set_target_properties(sluice PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)  # every header alone
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  set(CMAKE_CXX_EXTENSIONS OFF)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Kind of build" FORCE)
  endif()
  if(NOT PROJECT_BINARY_DIR STREQUAL PROJECT_SOURCE_DIR)
    file(WRITE ${PROJECT_BINARY_DIR}/.gitignore "*\n")
  endif()
endif()

# Linked privately by our own executables and by nothing else.
add_library(sluice_warnings INTERFACE)
target_compile_options(sluice_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)

# Without a system xxHash the tests fetch the header; the library itself never downloads anything.
if(NOT sluice_xxhash_dir AND SLUICE_BUILD_TESTS AND PROJECT_IS_TOP_LEVEL)
  include(FetchContent)
  FetchContent_Declare(xxhash GIT_REPOSITORY https://github.com/Cyan4973/xxHash GIT_TAG v0.8.2
    SOURCE_SUBDIR header-only-no-cmake)
  FetchContent_MakeAvailable(xxhash)
  target_include_directories(sluice_warnings SYSTEM INTERFACE ${xxhash_SOURCE_DIR})
endif()
