# SPDX-License-Identifier: BSL-1.0
# together: all headers compile in one file, in the order of their names and in the reverse: none minds what comes before it.
#   COMPILER    the compiler (default: c++)
#   FLAGS       more flags, separated by commas
# Adapters are left out: each needs its outsider.
include("${CMAKE_CURRENT_LIST_DIR}/report.cmake")

if(NOT COMPILER)
  set(COMPILER c++)
endif()
string(REPLACE "," ";" FLAGS "${FLAGS}")
find_files(files "include/*.hpp")
list(FILTER files EXCLUDE REGEX "/(adapters/|sluice\\.hpp$)")
set(commands "")
foreach(order IN ITEMS forward reverse)
  set(includes "")
  foreach(file IN LISTS files)
    list(APPEND includes -include "${ROOT}/${file}")
  endforeach()
  list(APPEND commands COMMAND "${COMPILER}" -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
    ${FLAGS} "-I${ROOT}/include" ${includes} -x c++ /dev/null)
  list(REVERSE files)
endforeach()
execute_process(${commands} RESULTS_VARIABLE results ERROR_VARIABLE errors OUTPUT_QUIET)
set(orders forward reverse)
foreach(order result IN ZIP_LISTS orders results)
  if(NOT result EQUAL 0)
    complain("include/sluice:1" "does not compile in ${order} order")
  endif()
endforeach()
if(errors)
  message("${errors}")
endif()
finish("headers")
