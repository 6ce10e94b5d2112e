// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::require_limits, require_ratio — the checks that all adaptive limits share.
///
/// Thread-safety  any thread
/// Errors         std::invalid_argument names the type, the field and its value

#include <sluice/core/detail/invalid.hpp>

#include <algorithm>
#include <cstdint>
#include <string>

namespace sluice::detail {

inline constexpr std::uint32_t largest_limit = (std::uint32_t{1} << 24) - 1;

inline void require_limits(char const* type, std::uint32_t initial, std::uint32_t least, std::uint32_t most) {
    std::string const name(type);
    require_option(least >= 1, (name + ": min_limit (>= 1)").c_str(), least);
    require_option(most <= largest_limit, (name + ": max_limit (< 2^24)").c_str(), most);
    require_option(least <= most, (name + ": max_limit (>= min_limit)").c_str(), most);
    require_option(initial >= least && initial <= most, (name + ": initial (in [min_limit, max_limit])").c_str(), initial);
}

/// low < value <= high; never NaN.
inline void require_ratio(char const* type, char const* field, double value, double low, double high) {
    require_option(value > low && value <= high,
                   (std::string(type) + ": " + field + " (in (" + std::to_string(low) + ", " + std::to_string(high) + "])")
                       .c_str(),
                   value);
}

/// The least one where value is not a number.
[[nodiscard]] inline double clamp_limit(double value, std::uint32_t least, std::uint32_t most) noexcept {
    return value > least ? std::min(value, static_cast<double>(most)) : static_cast<double>(least);
}

/// A limit as an admission counts it: whole, at least 1.
[[nodiscard]] inline std::uint32_t whole_limit(double limit) noexcept {
    return static_cast<std::uint32_t>(clamp_limit(limit, 1, largest_limit));
}

}  // namespace sluice::detail
