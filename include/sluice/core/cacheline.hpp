// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// cache_line_size — how far apart two hot variables must be so that they never share a cache line.
///
/// Use it for     alignas(cache_line_size) on fields that different threads write
/// Thread-safety  a constant
/// Units          bytes
/// Differs        the standard's hardware_destructive_interference_size draws a warning from gcc when it is used in a
///                header, because it may differ between two translation units; this constant depends on the target only

#include <cstddef>

namespace sluice {

#if defined(__powerpc64__)
inline constexpr std::size_t cache_line_size = 128;
#elif defined(__aarch64__) && defined(__APPLE__)
inline constexpr std::size_t cache_line_size = 128;
#else
inline constexpr std::size_t cache_line_size = 64;
#endif

}  // namespace sluice
