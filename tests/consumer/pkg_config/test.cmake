# SPDX-License-Identifier: BSL-1.0
# The library installed, found by pkg-config.
#   PREFIX, SLUICE_IS, COMPILER, OUTPUT   and FLAGS, separated by commas
cmake_minimum_required(VERSION 3.25)
find_program(pkg_config NAMES pkg-config pkgconf NO_CACHE)
if(NOT pkg_config)
  message(STATUS "pkg_config: skipped, there is no pkg-config")
  return()
endif()
set(ENV{PKG_CONFIG_PATH} ${PREFIX}/share/pkgconfig)
string(REPLACE "," ";" FLAGS "${FLAGS}")

execute_process(COMMAND ${pkg_config} --modversion sluice OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
if(NOT version STREQUAL SLUICE_IS)
  message(FATAL_ERROR "pkg-config says version ${version}, this is ${SLUICE_IS}")
endif()
execute_process(COMMAND ${pkg_config} --exists "sluice >= 99" RESULT_VARIABLE result)
if(result EQUAL 0)
  message(FATAL_ERROR "Version ${SLUICE_IS} was taken for 99")
endif()

execute_process(COMMAND ${pkg_config} --cflags --libs sluice OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
file(MAKE_DIRECTORY ${OUTPUT})
set(source ${CMAKE_CURRENT_LIST_DIR}/../source)
execute_process(COMMAND ${COMPILER} -std=c++20 ${source}/main.cpp ${source}/other.cpp ${flags} ${FLAGS}
  -o ${OUTPUT}/consumer COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${OUTPUT}/consumer COMMAND_ERROR_IS_FATAL ANY)
