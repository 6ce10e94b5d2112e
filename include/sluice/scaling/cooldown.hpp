// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// cooldown — a pause after a change, each direction its own.
///
/// Use it for     changes whose effect takes a while to show in the metrics
/// Not for        short dips of the load (stabilisation_window), speed (rate_policy)
/// Thread-safety  values; one thread at a time
/// Complexity     O(1), no allocation
/// Errors         constructor: std::invalid_argument names the option. A time before the last change does not shorten a pause
/// Source         the scale-out and scale-in cooldowns of AWS Application Auto Scaling
///
/// Growth waits for `up` after growth only: a load that comes back is served at once. Shrinking waits for `down` after any
/// change. A decision that changed nothing begins no pause, so a trickle of them cannot prolong one.

#include <sluice/core/clock.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/scaling_limit.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace sluice {

struct cooldown_options {
    duration up{};    ///< >= 0
    duration down{};  ///< >= 0
};

class cooldown {
public:
    explicit cooldown(cooldown_options o) : o_(o) {
        detail::require_number(o.up.count() >= 0, "cooldown: up (>= 0 ns)", static_cast<double>(o.up.count()));
        detail::require_number(o.down.count() >= 0, "cooldown: down (>= 0 ns)", static_cast<double>(o.down.count()));
    }

    [[nodiscard]] scaling_limit limit(std::uint32_t desired, std::uint32_t current, time_point now) const noexcept {
        if (desired == current) return {desired, {}};
        auto const over = desired > current ? up_until_ : down_until_;
        if (!over || now >= *over) return {desired, {}};
        return {current, over};
    }

    void decided(std::uint32_t workers, std::uint32_t current, time_point now) noexcept {
        if (workers == current) return;
        auto const later = [](std::optional<time_point> a, time_point b) { return a ? std::max(*a, b) : b; };
        if (workers > current) up_until_ = later(up_until_, saturating_add(now, o_.up));
        down_until_ = later(down_until_, saturating_add(now, o_.down));
    }

    [[nodiscard]] cooldown_options const& options() const noexcept { return o_; }

private:
    cooldown_options          o_;
    std::optional<time_point> up_until_;
    std::optional<time_point> down_until_;
};

static_assert(scaling_limiter<cooldown>);

}  // namespace sluice
