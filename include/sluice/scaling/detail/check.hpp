// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::require_number — refuses a number that a model cannot work with.
///
/// Thread-safety  any thread
/// Errors         std::invalid_argument; where the call is a constant expression, a compiler error

#include <sluice/core/detail/invalid.hpp>

#include <limits>

namespace sluice::detail {

constexpr void require_number(bool possible, char const* name_and_range, double value) {
    if (!possible) throw_invalid(name_and_range, value);
}

[[nodiscard]] constexpr bool is_finite(double x) noexcept {  // std::isfinite is not constexpr in C++20
    return x >= std::numeric_limits<double>::lowest() && x <= std::numeric_limits<double>::max();
}

}  // namespace sluice::detail
