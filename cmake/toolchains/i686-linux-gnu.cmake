# SPDX-License-Identifier: BSL-1.0
# 32-bit x86 on a Debian cross compiler; a 64-bit kernel runs the result itself.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR i686)
set(CMAKE_CXX_COMPILER i686-linux-gnu-g++)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
