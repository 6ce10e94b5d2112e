// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// size_limits — never below min, never above max; once, and last.
///
/// Thread-safety  values; any thread
/// Complexity     O(1), no allocation
/// Errors         constructor: std::invalid_argument: max of 0, min above max

#include <sluice/scaling/detail/check.hpp>

#include <algorithm>
#include <cstdint>

namespace sluice {

struct size_limits_options {
    std::uint32_t min = 1;
    std::uint32_t max = 1000;  ///< >= 1, >= min
};

class size_limits {
public:
    explicit constexpr size_limits(size_limits_options o) : o_(o) {
        detail::require_number(o.max >= 1, "size_limits: max (>= 1)", o.max);
        detail::require_number(o.min <= o.max, "size_limits: min (<= max)", o.min);
    }

    [[nodiscard]] constexpr std::uint32_t limit(std::uint32_t desired) const noexcept {
        return std::clamp(desired, o_.min, o_.max);
    }

    [[nodiscard]] constexpr size_limits_options const& options() const noexcept { return o_; }

private:
    size_limits_options o_;
};

}  // namespace sluice
