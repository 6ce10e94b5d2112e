# SPDX-License-Identifier: BSL-1.0
# The main job: builds the word count in Release and runs it on the system's headers; then the quick benchmark.
#
#   cmake -P cmake/main.cmake
#   cmake -DBENCH=OFF -P cmake/main.cmake
#   cmake "-DARGS=/usr/share/doc;--repeat;5" -P cmake/main.cmake
#
# BENCH    OFF: without the benchmark
# ARGS     a list of arguments for the word count: paths, --workers, --repeat, --limit (default: the system's headers)
# CXX      the compiler (default: CMake's own choice)
# BUILD    the build tree (default: build/main); the table is BUILD/word_count.json
# JOBS     parallel jobs for the build (default: one per core)
#
# In the end it says once more how the word count scales, and where a page with all of it is: build/bench/report.html, or
# without the benchmark BUILD/report.html.

cmake_minimum_required(VERSION 3.25)
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)
if(NOT BUILD)
  set(BUILD ${root}/build/main)
endif()
cmake_path(ABSOLUTE_PATH BUILD)
if(NOT JOBS)
  cmake_host_system_information(RESULT JOBS QUERY NUMBER_OF_LOGICAL_CORES)
endif()

set(configure -S ${root} -B ${BUILD} -DCMAKE_BUILD_TYPE=Release -DSLUICE_BUILD_EXAMPLES=ON -DSLUICE_BUILD_TESTS=OFF
  -DSLUICE_BUILD_BENCH=OFF)
find_program(ninja NAMES ninja ninja-build NO_CACHE)
if(ninja AND NOT EXISTS ${BUILD}/CMakeCache.txt)
  list(APPEND configure -G Ninja)
endif()
if(CXX)
  list(APPEND configure -DCMAKE_CXX_COMPILER=${CXX})
endif()
execute_process(COMMAND ${CMAKE_COMMAND} ${configure} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --parallel ${JOBS} --target sluice_example_650_word_count
  sluice_html_report sluice_record_stealing COMMAND_ERROR_IS_FATAL ANY)

find_program(word_count NAMES 650_word_count PATHS ${BUILD}/examples ${BUILD}/examples/Release NO_DEFAULT_PATH NO_CACHE
  REQUIRED)
message(STATUS "Counting: one pass to look at everything, then three rounds of each number of workers")
execute_process(COMMAND ${word_count} --json ${BUILD}/word_count.json ${ARGS} RESULT_VARIABLE failed
  OUTPUT_VARIABLE said ECHO_OUTPUT_VARIABLE)
if(failed)
  message(FATAL_ERROR "the word count ended with ${failed}")
endif()

if(NOT DEFINED BENCH OR BENCH)
  message(STATUS "The quick benchmark of the executor and what it is made of: a minute to build, under two to run (-DBENCH=OFF "
    "leaves it out; cmake -P bench/run.cmake has routing and scaling as well)")
  set(forward -DWORD_COUNT=${BUILD}/word_count.json "-DFAMILY=^(deque|forkjoin|post|future|loop|wake|idle|memory|flow|compile)$")
  if(CXX)
    list(APPEND forward -DCXX=${CXX})
  endif()
  execute_process(COMMAND ${CMAKE_COMMAND} -DJOBS=${JOBS} ${forward} -P ${root}/bench/run.cmake RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "the benchmark ended with ${failed}")
  endif()
  set(page ${root}/build/bench/report.html)
else()
  include(${root}/bench/support/page.cmake)
  make_page(${BUILD} "" ${BUILD}/word_count.json failed)
  if(failed)
    message(FATAL_ERROR "the page could not be made: ${failed}")
  endif()
  set(page ${BUILD}/report.html)
endif()

string(REGEX MATCH "your workload:.*\nJSON: " fit "${said}")
string(REPLACE "\nJSON: " "" fit "${fit}")
message("\n${fit}\nreport   ${page}")
