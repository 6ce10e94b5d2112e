// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// dead_band — no change for a small difference.
///
/// Use it for     the first stage of a pipeline: it looks at the real number, before it is rounded up
/// Thread-safety  values; any thread
/// Complexity     O(1), no allocation
/// Errors         constructor: std::invalid_argument names the option
/// Units          shares of the workers that there are
/// Source         the HorizontalPodAutoscaler's tolerance, which may differ for the directions since KEP-4951

#include <sluice/scaling/detail/check.hpp>

#include <cstdint>

namespace sluice {

struct dead_band_options {
    double up = .1;    ///< >= 0
    double down = .1;  ///< in [0, 1)
};

class dead_band {
public:
    explicit constexpr dead_band(dead_band_options o) : o_(o) {
        detail::require_number(o.up >= 0 && detail::is_finite(o.up), "dead_band: up (>= 0)", o.up);
        detail::require_number(o.down >= 0 && o.down < 1, "dead_band: down (in [0, 1))", o.down);
    }

    /// The difference is too small to be one; its limits belong to it, whatever their last digits. With nobody there, none is.
    [[nodiscard]] constexpr bool holds(double desired, std::uint32_t current) const noexcept {
        double const n = current;
        return desired <= n * (1 + o_.up) * (1 + 1e-12) && desired >= n * (1 - o_.down) * (1 - 1e-12);
    }

    [[nodiscard]] constexpr double limit(double desired, std::uint32_t current) const noexcept {
        return holds(desired, current) ? current : desired;
    }

    [[nodiscard]] constexpr dead_band_options const& options() const noexcept { return o_; }

private:
    dead_band_options o_;
};

}  // namespace sluice
