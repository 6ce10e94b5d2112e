# SPDX-License-Identifier: BSL-1.0
# What the checks that compile headers share.
#   strict               the options of a compiler that is only asked for its opinion
#   run_side_by_side()   runs `commands`, all at once, and prints what they complain of; `results` has a status for each

set(strict -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)

macro(run_side_by_side)
  execute_process(${commands} RESULTS_VARIABLE results ERROR_VARIABLE errors OUTPUT_QUIET)
  if(errors)
    message("${errors}")
  endif()
  set(commands "")
endmacro()
