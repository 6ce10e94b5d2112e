# SPDX-License-Identifier: BSL-1.0
# 32-bit Arm on a Debian cross compiler; see aarch64-linux-gnu.cmake about the single core.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_CXX_COMPILER arm-linux-gnueabihf-g++)
set(CMAKE_CXX_FLAGS_INIT -Wno-psabi)  # a remark about the ABI of gcc 7, not about the code
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(CMAKE_CROSSCOMPILING_EMULATOR taskset;-c;0;qemu-arm)
