# SPDX-License-Identifier: BSL-1.0
# cmake -C cmake/variants/tsan.cmake -S . -B build/tsan
# ThreadSanitizer. It does not see fences; gcc warns about each (-Wtsan), and our targets turn warnings into errors.
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1 -fno-omit-frame-pointer -fsanitize=thread" CACHE STRING "")
