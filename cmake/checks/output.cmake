# SPDX-License-Identifier: BSL-1.0
# output: runs an example and compares what it prints with the block at the end of its source:
#   // Expected output:
#   //   each line, behind two slashes and three spaces
# An example whose output differs from run to run says so instead, and is only run:
#   // Output varies: <why>
#   // Test arguments: <arguments>      (optional, for either kind; ${SLUICE_SOURCE_DIR} is the project's folder)
#
#   PROGRAM, SOURCE   and EMULATOR, a command separated by commas
# With CHECK_ONLY the source must have one of the two, and nothing is run.
cmake_minimum_required(VERSION 3.25)
cmake_path(GET SOURCE FILENAME name)

file(READ "${SOURCE}" text)
string(REGEX MATCH "\n// Test arguments: *([^\n]*)" unused "${text}")
set(arguments "${CMAKE_MATCH_1}")
cmake_path(SET root NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../..")
string(REPLACE "\${SLUICE_SOURCE_DIR}" "${root}" arguments "${arguments}")
separate_arguments(arguments UNIX_COMMAND "${arguments}")
string(REGEX MATCH "\n// Output varies: *[^\n ]" varies "${text}")
string(FIND "${text}" "\n// Expected output:\n" begin REVERSE)
if(NOT varies AND begin LESS 0)
  message(FATAL_ERROR "output: ${name} has no block // Expected output: and no line // Output varies: <why>")
elseif(varies AND NOT begin LESS 0)
  message(FATAL_ERROR "output: ${name} has both // Expected output: and // Output varies:")
endif()
if(CHECK_ONLY)
  return()
endif()

string(REPLACE "," ";" EMULATOR "${EMULATOR}")
execute_process(COMMAND ${EMULATOR} "${PROGRAM}" ${arguments} RESULT_VARIABLE result OUTPUT_VARIABLE printed)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "output: ${name} ended with ${result}\n${printed}")
endif()
if(varies)
  message(STATUS "output: ${name} ran")
  return()
endif()

string(SUBSTRING "${text}" ${begin} -1 expected)
string(REGEX REPLACE "^\n// Expected output:\n" "" expected "${expected}")
string(REGEX REPLACE "\n(//   |//)" "\n" expected "\n${expected}")  # an empty line is // alone
string(SUBSTRING "${expected}" 1 -1 expected)
if(NOT printed STREQUAL expected)
  message(FATAL_ERROR "output: ${name} printed\n${printed}but its source expects\n${expected}")
endif()
message(STATUS "output: ${name} printed what it should")
