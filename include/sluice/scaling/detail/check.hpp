// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::require_number — refuses a number that a model cannot work with, with all of its digits.
///
/// Thread-safety  any thread
/// Errors         std::invalid_argument; where the call is a constant expression, a compiler error

#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>

namespace sluice::detail {

[[noreturn]] inline void throw_number(char const* name_and_range, double value) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.9g", value);
    throw std::invalid_argument("sluice: " + std::string(name_and_range) + " is " + digits);
}

constexpr void require_number(bool possible, char const* name_and_range, double value) {
    if (!possible) throw_number(name_and_range, value);
}

[[nodiscard]] constexpr bool is_finite(double x) noexcept {  // std::isfinite is not constexpr in C++20
    return x >= std::numeric_limits<double>::lowest() && x <= std::numeric_limits<double>::max();
}

}  // namespace sluice::detail
