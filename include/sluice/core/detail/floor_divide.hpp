// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::floor_divide, detail::floor_remainder — division that rounds down, where C++ rounds towards zero.
///
/// Use it for     cutting the time line into slices: those on both sides of its zero are as long as the others
/// Thread-safety  any thread
/// Complexity     one division
/// Errors         none; requires a divisor > 0

#include <cstdint>

namespace sluice::detail {

[[nodiscard]] constexpr std::int64_t floor_divide(std::int64_t a, std::int64_t divisor) noexcept {
    return a / divisor - (a % divisor < 0 ? 1 : 0);
}

/// From 0 up to, and without, the divisor.
[[nodiscard]] constexpr std::int64_t floor_remainder(std::int64_t a, std::int64_t divisor) noexcept {
    std::int64_t const rest = a % divisor;
    return rest < 0 ? rest + divisor : rest;
}

}  // namespace sluice::detail
