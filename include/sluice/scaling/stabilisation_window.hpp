// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// stabilisation_window — down to the largest wish of the last minutes, up to the smallest.
///
/// Use it for     what keeps a pool from flapping: a dip that is shorter than the window changes nothing
/// Not for        a pause between two changes (cooldown)
/// Thread-safety  one thread at a time
/// Complexity     amortised O(1), no allocation, 3 kB
/// Errors         constructor: std::invalid_argument names the option. A time that goes back counts as the last one
/// Units          a wish counts while its age is less than the window; if wishes come more often than every window/64, some
///                count so much longer
/// Source         the HorizontalPodAutoscaler's stabilizationWindowSeconds; Autopilot, EuroSys 2020, doi:10.1145/3342195.3387524
/// Differs        the first wish is preceded by the size that is found, so that a restart does not forget why there are so many

#include <sluice/core/clock.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/detail/sliding_extreme.hpp>
#include <sluice/scaling/scaling_limit.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>

namespace sluice {

struct stabilisation_window_options {
    duration down = std::chrono::seconds(60);  ///< >= 0
    duration up{};                             ///< >= 0
    bool     seeded = true;                    ///< the size found at first counts as a wish: a restart does not shrink
};

class stabilisation_window {
public:
    explicit stabilisation_window(stabilisation_window_options o) : o_(checked(o)), largest_(o.down), smallest_(o.up) {}

    /// Remembers the wish.
    scaling_limit limit(std::uint32_t desired, std::uint32_t current, time_point now) noexcept {
        if (!started_ || now > last_) last_ = now;
        now = last_;
        if (!started_ && o_.seeded) largest_.record(current, now);
        started_ = true;
        largest_.record(desired, now);
        smallest_.record(desired, now);
        auto const low = std::min(desired, smallest_.best(now).value_or(desired));
        auto const high = std::max(desired, largest_.best(now).value_or(desired));
        scaling_limit answer{std::clamp(current, low, high), {}};
        if (answer.workers > desired) answer.look_again = largest_.expiry();
        if (answer.workers < desired) answer.look_again = smallest_.expiry();
        return answer;
    }

    [[nodiscard]] stabilisation_window_options const& options() const noexcept { return o_; }

private:
    static stabilisation_window_options const& checked(stabilisation_window_options const& o) {
        detail::require_number(o.down.count() >= 0, "stabilisation_window: down (>= 0 ns)", static_cast<double>(o.down.count()));
        detail::require_number(o.up.count() >= 0, "stabilisation_window: up (>= 0 ns)", static_cast<double>(o.up.count()));
        return o;
    }

    stabilisation_window_options            o_;
    detail::sliding_extreme<std::greater<>> largest_;
    detail::sliding_extreme<std::less<>>    smallest_;
    time_point                              last_{};
    bool                                    started_ = false;
};

static_assert(scaling_limiter<stabilisation_window>);

}  // namespace sluice
