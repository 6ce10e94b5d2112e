# SPDX-License-Identifier: BSL-1.0
# twin: shows that a check finds what it is for. Runs it on a small tree of planted bugs; it must fail, and its findings
# must be exactly the lines of that tree's expected.txt: no fewer, and none about the good files beside them.
#   CHECK      the check's name
#   ROOT       the tree
#   ARGUMENTS  further arguments, separated by |
cmake_minimum_required(VERSION 3.25)
string(REPLACE "|" ";" ARGUMENTS "${ARGUMENTS}")
execute_process(COMMAND ${CMAKE_COMMAND} -DROOT=${ROOT} ${ARGUMENTS} -P ${CMAKE_CURRENT_LIST_DIR}/${CHECK}.cmake
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE errors)
if(output MATCHES "${CHECK}: skipped")
  message(STATUS "${output}")
  return()
endif()
if(result EQUAL 0)
  message(FATAL_ERROR "twin: ${CHECK} passes ${ROOT}, whose bugs it must find\n${output}${errors}")
endif()
string(REGEX MATCHALL "(^|\n)[a-z_]+/[^ \n:]+:[0-9]+: [^\n]+" found "${errors}")
list(TRANSFORM found STRIP)
list(SORT found)
file(STRINGS ${ROOT}/expected.txt expected ENCODING UTF-8)
list(SORT expected)
if(NOT found STREQUAL expected)
  list(JOIN found "\n" found)
  list(JOIN expected "\n" expected)
  message(FATAL_ERROR "twin: ${CHECK} found\n${found}\nand should have found\n${expected}\nIts errors:\n${errors}")
endif()
message(STATUS "twin: ${CHECK} finds every planted bug and nothing else")
