// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// gradient_limit — a concurrency limit times the ratio of the fastest to the present latency, plus room for a queue.
///
/// Use it for     comparison with the published limit; servers where twice the fastest latency is acceptable
/// Not for        tight queues: with tolerance 2 it rests at 24 on a server of ten (knee_limit)
/// Thread-safety  one thread at a time; concurrency_limiter sees to it
/// Complexity     O(1)
/// Errors         std::invalid_argument from the constructor, names the option
/// Units          limit in requests
/// Source         Netflix concurrency-limits GradientLimit
/// Differs        requests from before a probe are not measured in it, and a drop's time is no baseline
///
/// What a probe does: every probe_interval to twice as many requests the limit falls to probe_ratio of itself, at least to
/// max(min_limit, the queue), the baseline is forgotten, and the limit grows again from there. Before the first probe the
/// queue of a start above the capacity is taken for the baseline: 110 from 50 on a server of ten.

#include <sluice/core/random.hpp>
#include <sluice/flow/detail/baseline.hpp>
#include <sluice/flow/detail/limit_options.hpp>
#include <sluice/flow/limit_window.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace sluice {

struct gradient_limit_options {
    std::uint32_t initial = 50;
    std::uint32_t min_limit = 1;
    std::uint32_t max_limit = 1000;
    double        tolerance = 2;          ///< latency over the fastest that is no reason to decrease; in [1, 1000]
    double        smoothing = 0.2;        ///< share of a decrease that is made at once; in (0, 1]
    double        drop_ratio = 0.9;       ///< in (0, 1)
    std::uint32_t queue = 4;              ///< room for a queue: max(queue, floor(sqrt(limit))); > 0
    std::uint32_t probe_interval = 1000;  ///< in requests; 0: never
    double        probe_ratio = 0;        ///< part of the limit that a probe leaves; in [0, 1)
    std::uint64_t seed = 1;               ///< of the jitter
};

class gradient_limit {
public:
    static constexpr bool per_sample = true;

    explicit gradient_limit(gradient_limit_options o = {}) : o_(o), random_(o.seed), limit_(o.initial) {
        detail::require_limits("gradient_limit", o.initial, o.min_limit, o.max_limit);
        detail::require_option(o.tolerance >= 1 && o.tolerance <= 1000, "gradient_limit: tolerance (in [1, 1000])",
                               o.tolerance);
        detail::require_ratio("gradient_limit", "smoothing", o.smoothing, 0, 1);
        detail::require_ratio("gradient_limit", "drop_ratio", o.drop_ratio, 0, 1 - 1e-9);
        detail::require_option(o.queue > 0 && o.queue <= detail::largest_limit, "gradient_limit: queue (in [1, 2^24))",
                               o.queue);
        detail::require_option(o.probe_ratio >= 0 && o.probe_ratio < 1, "gradient_limit: probe_ratio (in [0, 1))",
                               o.probe_ratio);
        until_probe_ = next_interval();
    }

    double update(window_summary const& s) noexcept {
        double const queue = std::max(static_cast<double>(o_.queue), std::floor(std::sqrt(std::floor(limit_))));
        double       wanted = limit_;
        if (s.samples > 0 && s.drops == 0) {
            double const rtt = std::max(1.0, static_cast<double>(s.rtt_mean.count()));
            if (o_.probe_interval > 0 && until_probe_ <= s.samples) {
                until_probe_ = next_interval();
                baseline_ = 0;
                ++epoch_;
                limit_ = detail::clamp_limit(std::max(queue, limit_ * o_.probe_ratio), o_.min_limit, o_.max_limit);
                return limit_;
            }
            until_probe_ -= o_.probe_interval > 0 ? s.samples : 0;
            baseline_ = baseline_ == 0 ? rtt : std::min(baseline_, rtt);
            if (s.inflight_max < limit_ / 2) return limit_;
            wanted = limit_ * std::max(0.5, std::min(1.0, o_.tolerance * baseline_ / rtt)) + queue;
        } else if (s.drops > 0) {
            wanted = limit_ * o_.drop_ratio;
        }
        if (wanted < limit_) {
            wanted = std::max(static_cast<double>(o_.min_limit), limit_ * (1 - o_.smoothing) + o_.smoothing * wanted);
        }
        wanted = std::max(queue, wanted);
        return limit_ = detail::clamp_limit(wanted, o_.min_limit, o_.max_limit);
    }
    [[nodiscard]] double limit() const noexcept { return limit_; }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] duration baseline() const noexcept { return detail::to_duration(baseline_); }

private:
    std::uint64_t next_interval() noexcept {
        return o_.probe_interval == 0 ? 0 : o_.probe_interval + uniform_below(random_, o_.probe_interval);
    }

    gradient_limit_options o_;
    xoshiro256ss           random_;
    double                 limit_;
    double                 baseline_ = 0;
    std::uint64_t          until_probe_ = 0;
    std::uint64_t          epoch_ = 0;
};

}  // namespace sluice
