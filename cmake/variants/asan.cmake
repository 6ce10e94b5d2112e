# SPDX-License-Identifier: BSL-1.0
# cmake -C cmake/variants/asan.cmake -S . -B build/asan
# Address and undefined-behaviour sanitizers; the first finding ends the program.
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1 -D_GLIBCXX_ASSERTIONS -fno-omit-frame-pointer \
-fsanitize=address,undefined -fno-sanitize-recover=all" CACHE STRING "")
