# SPDX-License-Identifier: BSL-1.0
# What the checks share. A check is called as  cmake -DROOT=<tree> -P cmake/checks/<name>.cmake  and
#   complains   with one line per finding, "file:line: sentence", and fails at the end
#   or passes   with one line that says how many files it read; none at all is a failure too

cmake_minimum_required(VERSION 3.25)
get_filename_component(check "${CMAKE_SCRIPT_MODE_FILE}" NAME_WE)
if(NOT ROOT)
  cmake_path(SET ROOT NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../..")
endif()
cmake_path(ABSOLUTE_PATH ROOT NORMALIZE)
set(complaints 0)

macro(complain where sentence)
  message("${where}: ${sentence}")
  math(EXPR complaints "${complaints} + 1")
endmacro()

# Files below ROOT, as paths relative to it.
function(find_files result)
  set(files "")
  foreach(pattern IN LISTS ARGN)
    file(GLOB_RECURSE found RELATIVE "${ROOT}" "${ROOT}/${pattern}")
    list(APPEND files ${found})
  endforeach()
  list(SORT files)
  set(${result} "${files}" PARENT_SCOPE)
endfunction()

# The lines of a file as a list. Characters that have a meaning in CMake lists arrive as others: ; as $, [ as <, ] as >
# and \ as /.
function(read_lines file result)
  file(READ "${ROOT}/${file}" text)
  string(REPLACE ";" "$" text "${text}")
  string(REPLACE "[" "<" text "${text}")
  string(REPLACE "]" ">" text "${text}")
  string(REPLACE "\\" "/" text "${text}")
  string(REGEX REPLACE "\n$" "" text "${text}")
  string(REPLACE "\n" ";" text "${text}")
  set(${result} "${text}" PARENT_SCOPE)
endfunction()

macro(finish what)
  list(LENGTH files count)
  if(count EQUAL 0)
    message(FATAL_ERROR "${check}: no ${what} below ${ROOT}")
  endif()
  if(complaints GREATER 0)
    message(FATAL_ERROR "${check}: ${complaints} findings in ${count} ${what}")
  endif()
  message(STATUS "${check}: ${count} ${what}, nothing found")
endmacro()
