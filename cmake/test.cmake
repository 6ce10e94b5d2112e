# SPDX-License-Identifier: BSL-1.0
# Everything a change must pass: configures, builds and runs the tests, checks, examples and consumers.
#
#   cmake -P cmake/test.cmake
#   cmake -DVARIANT=tsan -DCXX=clang++ -DJOBS=4 -P cmake/test.cmake
#
# VARIANT   debug (default), release, asan or tsan: a file in cmake/variants/
# CXX       the compiler (default: CMake's own choice)
# JOBS      parallel jobs (default: one per core)
# BUILD     the build tree (default: build/test, and build/test-VARIANT for other variants)
# ONLY      a regular expression over ctest labels: run these alone. Labels: unit, stress, interleaving, check, fail,
#           consumer, example, and one per folder
# EXCLUDE   the opposite
# ARGS      more arguments for the configure step

cmake_minimum_required(VERSION 3.25)
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)
if(NOT VARIANT)
  set(VARIANT debug)
endif()
if(NOT EXISTS ${root}/cmake/variants/${VARIANT}.cmake)
  message(FATAL_ERROR "VARIANT=${VARIANT}: there is no cmake/variants/${VARIANT}.cmake")
endif()
if(NOT JOBS)
  cmake_host_system_information(RESULT JOBS QUERY NUMBER_OF_LOGICAL_CORES)
endif()
if(NOT BUILD)
  set(BUILD ${root}/build/test)
  if(NOT VARIANT STREQUAL "debug")
    string(APPEND BUILD -${VARIANT})
  endif()
endif()

set(configure -S ${root} -B ${BUILD} -C ${root}/cmake/variants/${VARIANT}.cmake
  -DSLUICE_BUILD_TESTS=ON -DSLUICE_BUILD_EXAMPLES=ON)
find_program(ninja NAMES ninja ninja-build NO_CACHE)
if(ninja AND NOT EXISTS ${BUILD}/CMakeCache.txt)
  list(APPEND configure -G Ninja)
endif()
if(CXX)
  list(APPEND configure -DCMAKE_CXX_COMPILER=${CXX})
endif()
list(APPEND configure ${ARGS})

set(ctest --test-dir ${BUILD} --output-on-failure --parallel ${JOBS})
if(ONLY)
  list(APPEND ctest --label-regex ${ONLY})
endif()
if(EXCLUDE)
  list(APPEND ctest --label-exclude ${EXCLUDE})
endif()

execute_process(COMMAND ${CMAKE_COMMAND} ${configure} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --parallel ${JOBS} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_CTEST_COMMAND} ${ctest} RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "ctest failed")
endif()
