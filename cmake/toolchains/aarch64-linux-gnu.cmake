# SPDX-License-Identifier: BSL-1.0
# 64-bit Arm on a Debian cross compiler. One emulated core: qemu's translation of several threads' memory orders is its
# weakest point, and one core also finds loops that spin while the thread they wait for cannot run.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(CMAKE_CROSSCOMPILING_EMULATOR taskset;-c;0;qemu-aarch64)
