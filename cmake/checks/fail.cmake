# SPDX-License-Identifier: BSL-1.0
# fail: a file below tests/fail must compile as it is, must not compile with SLUICE_FAIL defined, and the compiler must
# then say one of the sentences behind "// Expected:".
#   COMPILER, SOURCE   and FLAGS, separated by commas
cmake_minimum_required(VERSION 3.25)
string(REPLACE "," ";" FLAGS "${FLAGS}")
cmake_path(GET SOURCE FILENAME name)

file(STRINGS "${SOURCE}" expected REGEX "^// Expected: ")
if(NOT expected)
  message(FATAL_ERROR "fail: ${name} has no line // Expected:")
endif()
set(compile "${COMPILER}" -std=c++20 -fsyntax-only ${FLAGS})

execute_process(COMMAND ${compile} "${SOURCE}" RESULT_VARIABLE result ERROR_VARIABLE errors)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "fail: ${name} does not compile without SLUICE_FAIL either\n${errors}")
endif()
execute_process(COMMAND ${compile} -DSLUICE_FAIL "${SOURCE}" RESULT_VARIABLE result ERROR_VARIABLE errors)
if(result EQUAL 0)
  message(FATAL_ERROR "fail: ${name} compiles, and must not")
endif()
foreach(sentence IN LISTS expected)
  string(REGEX REPLACE "^// Expected: +" "" sentence "${sentence}")
  string(FIND "${errors}" "${sentence}" position)
  if(position GREATER_EQUAL 0)
    message(STATUS "fail: ${name}: ${sentence}")
    return()
  endif()
endforeach()
message(FATAL_ERROR "fail: ${name}: the compiler does not say what is expected, but\n${errors}")
