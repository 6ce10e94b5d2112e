// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// ema_error_window — a circuit_breaker's memory that fades: the time that errors cost, over a short and a long window.
///
/// Use it for     many calls per second: two numbers for each window however long it is; errors that took long weigh more
/// Not for        exact rates (count_window, time_window)
/// Thread-safety  belongs to its breaker, which calls it under its mutex
/// Complexity     O(1), no allocation
/// Errors         std::invalid_argument for a size 0, an error_rate or epsilon outside (0, 1], NaN, a multiple < 1 or
///                infinite, a negative cost
/// Units          sizes in calls; a call that lies `size` successes back weighs epsilon. Costs in nanoseconds
/// Source         brpc's circuit breaker: 1500 calls at 10 % and 3000 at 5 %, epsilon 0.02
/// Differs        only the window's own rates matter here, those of the breaker are for its probes; slow calls do not count
///
/// With s = epsilon^(1 / size): a success multiplies the cost by s, or clears it below min_error_cost; a failure adds the
/// time it took, 1 ns at least and at most failed_multiple times the mean (by s) of the successes' times. Too much is more than
/// mean · size · error_rate · (1 + epsilon). The first `size` calls are counted instead: size · error_rate failures are
/// allowed, the next one opens. Afterwards a constant share f of errors, each as long as a success, opens where f / (1 - f)
/// passes error_rate · (1 + epsilon) · ln(1 / epsilon): 29 % for the 10 % of the default, not 10 %.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/breaker_window.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace sluice {

struct ema_error_part {
    std::uint32_t size;
    double        error_rate;
};

struct ema_error_window_options {
    ema_error_part short_part{1500, 0.10};
    ema_error_part long_part{3000, 0.05};
    double         epsilon = 0.02;
    double         failed_multiple = 2;
    duration       min_error_cost = std::chrono::microseconds(500);
};

class ema_error_window {
public:
    explicit ema_error_window(ema_error_window_options options = {}) : options_(options) {
        detail::require_option(options.epsilon > 0 && options.epsilon <= 1, "ema_error_window: epsilon (in (0, 1])",
                               options.epsilon);
        detail::require_option(options.failed_multiple >= 1 && options.failed_multiple <= 1e9,
                               "ema_error_window: failed_multiple (1 to 10^9)", options.failed_multiple);
        detail::require_option(options.min_error_cost.count() >= 0, "ema_error_window: min_error_cost (>= 0 ns)",
                               options.min_error_cost.count());
        parts_[0] = make("ema_error_window: short_part.size (> 0)", "ema_error_window: short_part.error_rate (in (0, 1])",
                         options.short_part);
        parts_[1] = make("ema_error_window: long_part.size (> 0)", "ema_error_window: long_part.error_rate (in (0, 1])",
                         options.long_part);
    }

    void record(breaker_sample const& s, time_point) noexcept {
        tally_.add(s);
        opens_ = false;
        for (auto& p : parts_) opens_ = !record(p, s) || opens_;
    }
    void reset() noexcept {
        for (auto& p : parts_) p.calls = p.failed = 0, p.cost = p.mean = 0;
        tally_ = {};
        opens_ = false;
    }
    /// All calls since the last reset.
    [[nodiscard]] breaker_tally tally(time_point) const noexcept { return tally_; }
    [[nodiscard]] bool opens(breaker_thresholds const&, time_point) const noexcept { return opens_; }

    /// What a success leaves of a cost in the short and the long part: epsilon^(1 / size).
    [[nodiscard]] double short_smooth() const noexcept { return parts_[0].smooth; }
    [[nodiscard]] double long_smooth() const noexcept { return parts_[1].smooth; }

private:
    struct part {
        std::uint32_t size = 0;
        double        error_rate = 0;
        double        smooth = 0;
        double        allowed = 0;  // errors while it fills
        std::uint32_t calls = 0;
        std::uint32_t failed = 0;
        double        cost = 0;
        double        mean = 0;     // of the successes' times; 0: none yet
    };

    [[nodiscard]] part make(char const* size, char const* rate, ema_error_part const& p) const {
        detail::require_option(p.size > 0, size, p.size);
        detail::require_option(p.error_rate > 0 && p.error_rate <= 1, rate, p.error_rate);
        part made;
        made.size = p.size;
        made.error_rate = p.error_rate;
        made.smooth = std::pow(options_.epsilon, 1.0 / p.size);
        made.allowed = std::floor(p.size * p.error_rate + 1e-6);
        return made;
    }

    /// Whether all is well.
    [[nodiscard]] bool record(part& p, breaker_sample const& s) const noexcept {
        auto const elapsed = std::max(1.0, static_cast<double>(s.elapsed.count()));
        bool       well = true;
        if (s.failed) {
            p.cost += p.mean > 0 ? std::min(elapsed, p.mean * options_.failed_multiple) : elapsed;
            well = p.cost <= p.mean * p.size * p.error_rate * (1 + options_.epsilon);
        } else {
            p.mean = p.mean > 0 ? p.mean * p.smooth + elapsed * (1 - p.smooth) : elapsed;
            p.cost = p.cost < static_cast<double>(options_.min_error_cost.count()) ? 0 : p.cost * p.smooth;
        }
        if (p.calls == p.size) return well;
        ++p.calls;
        p.failed += s.failed ? 1 : 0;
        return !s.failed || p.failed <= p.allowed;
    }

    ema_error_window_options options_;
    std::array<part, 2>      parts_;
    breaker_tally            tally_;
    bool                     opens_ = false;
};

static_assert(breaker_window<ema_error_window>);

}  // namespace sluice
