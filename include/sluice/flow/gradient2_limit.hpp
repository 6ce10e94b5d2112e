// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// gradient2_limit — a concurrency limit times the ratio of the long-term to the present latency.
///
/// Use it for     comparison with the published limit; load that is above capacity only for moments
/// Not for        lasting overload: its long-term latency follows the queue, and the limit goes with it: 28, 45, 94 and 200
///                after 10, 100, 500 and 1000 saturated requests on a server of ten (knee_limit)
/// Thread-safety  one thread at a time; concurrency_limiter sees to it
/// Complexity     O(1)
/// Errors         std::invalid_argument from the constructor, names the option
/// Units          limit in requests
/// Source         Netflix concurrency-limits Gradient2Limit
/// Differs        a drop leaves drop_ratio of the limit and its time is not averaged; the published one does not look at
///                drops and rises on them (20 to 60 in 50)

#include <sluice/flow/detail/baseline.hpp>
#include <sluice/flow/detail/limit_options.hpp>
#include <sluice/flow/limit_window.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace sluice {

struct gradient2_limit_options {
    std::uint32_t initial = 20;
    std::uint32_t min_limit = 20;
    std::uint32_t max_limit = 200;
    double        tolerance = 1.5;    ///< latency over the long-term one that is no reason to decrease; in [1, 1000]
    double        smoothing = 0.2;    ///< share of a change that is made at once; in (0, 1]
    double        drop_ratio = 0.9;   ///< in (0, 1)
    std::uint32_t queue = 4;          ///< room for a queue
    std::uint32_t long_window = 600;  ///< requests in the long-term average; > 0
    std::uint32_t warm_up = 10;       ///< that many requests first are averaged plainly
};

class gradient2_limit {
public:
    static constexpr bool per_sample = true;

    explicit gradient2_limit(gradient2_limit_options o = {}) : o_(o), limit_(o.initial) {
        detail::require_limits("gradient2_limit", o.initial, o.min_limit, o.max_limit);
        detail::require_option(o.tolerance >= 1 && o.tolerance <= 1000, "gradient2_limit: tolerance (in [1, 1000])",
                               o.tolerance);
        detail::require_ratio("gradient2_limit", "smoothing", o.smoothing, 0, 1);
        detail::require_ratio("gradient2_limit", "drop_ratio", o.drop_ratio, 0, 1 - 1e-9);
        detail::require_option(o.queue <= detail::largest_limit, "gradient2_limit: queue (< 2^24)", o.queue);
        detail::require_option(o.long_window > 0, "gradient2_limit: long_window (> 0)", o.long_window);
    }

    double update(window_summary const& s) noexcept {
        if (s.drops > 0) return limit_ = detail::clamp_limit(limit_ * o_.drop_ratio, o_.min_limit, o_.max_limit);
        if (s.samples == 0) return limit_;
        double const rtt = std::max(1.0, static_cast<double>(s.rtt_mean.count()));
        if (seen_ < o_.warm_up) {
            sum_ += rtt;
            long_ = sum_ / ++seen_;
        } else {
            double const factor = 2.0 / (o_.long_window + 1.0);
            long_ = long_ == 0 ? rtt : long_ * (1 - factor) + rtt * factor;
        }
        double const long_term = long_;
        if (long_term / rtt > 2) long_ *= 0.95;
        if (s.inflight_max < limit_ / 2) return limit_;
        double const gradient = std::max(0.5, std::min(1.0, o_.tolerance * long_term / rtt));
        double const wanted = limit_ * gradient + o_.queue;
        limit_ = detail::clamp_limit(limit_ * (1 - o_.smoothing) + wanted * o_.smoothing, o_.min_limit, o_.max_limit);
        return limit_;
    }
    [[nodiscard]] double limit() const noexcept { return limit_; }
    [[nodiscard]] duration long_term() const noexcept { return detail::to_duration(long_); }

private:
    gradient2_limit_options o_;
    double                  limit_;
    double                  long_ = 0;
    double                  sum_ = 0;
    std::uint32_t           seen_ = 0;
};

}  // namespace sluice
