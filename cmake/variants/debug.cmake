# SPDX-License-Identifier: BSL-1.0
# cmake -C cmake/variants/debug.cmake -S . -B build/debug
# Assertions on, ours and the standard library's; lightly optimised, because the tests then take a third of the time.
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -D_GLIBCXX_ASSERTIONS" CACHE STRING "")
