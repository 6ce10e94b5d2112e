// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// littles_law_limit — a concurrency limit that is least latency times best throughput, and a little more to explore.
///
/// Use it for     servers that start below their capacity; the limit needs no tuning
/// Not for        a start above capacity: the queue is then taken for the latency until the first remeasurements
/// Thread-safety  one thread at a time; concurrency_limiter sees to it
/// Complexity     O(1) for each window
/// Errors         std::invalid_argument from the constructor, names the option
/// Units          limit in requests; latencies as double, so that requests of less than a microsecond have one
/// Source         brpc, auto concurrency limiter; Little, 1961, doi:10.1287/opre.9.3.383
/// Differs        the limit is never below min_limit, which is at least 1; requests from before a remeasurement do not count
///                in it; jitter from a seed
///
/// What a probe does: every remeasure_min to remeasure_max the limit is remeasure_ratio of latency times throughput for
/// twice the present latency; then the least latency is learned anew from the next window.

#include <sluice/core/random.hpp>
#include <sluice/flow/detail/baseline.hpp>
#include <sluice/flow/detail/limit_options.hpp>
#include <sluice/flow/limit_window.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace sluice {

struct littles_law_limit_options {
    std::uint32_t initial = 40;
    std::uint32_t min_limit = 1;
    std::uint32_t max_limit = 10'000;
    double        explore_min = 0.06;                          ///< in (0, explore_max]
    double        explore_max = 0.3;                           ///< in (0, 10]
    double        explore_step = 0.02;                         ///< in (0, 1]
    double        latency_smoothing = 0.1;                     ///< of a lower latency; in (0, 1]
    double        throughput_smoothing = 0.01;                 ///< of a lower throughput; in (0, 1]
    double        drop_cost = 1;                               ///< part of a drop's time that counts as latency; in [0, 100]
    duration      remeasure_min = std::chrono::seconds(25);    ///< > 0
    duration      remeasure_max = std::chrono::seconds(50);    ///< >= remeasure_min
    double        remeasure_ratio = 0.9;                       ///< in (0, 1]
    std::uint64_t seed = 1;                                    ///< of the time between remeasurements
};

class littles_law_limit {
public:
    static constexpr std::uint32_t window_samples = 100;

    explicit littles_law_limit(littles_law_limit_options o = {})
        : o_(o), random_(o.seed), limit_(o.initial), explore_(o.explore_max) {
        auto const type = "littles_law_limit";
        detail::require_limits(type, o.initial, o.min_limit, o.max_limit);
        detail::require_ratio(type, "explore_max", o.explore_max, 0, 10);
        detail::require_ratio(type, "explore_min", o.explore_min, 0, o.explore_max);
        detail::require_ratio(type, "explore_step", o.explore_step, 0, 1);
        detail::require_ratio(type, "latency_smoothing", o.latency_smoothing, 0, 1);
        detail::require_ratio(type, "throughput_smoothing", o.throughput_smoothing, 0, 1);
        detail::require_option(o.drop_cost >= 0 && o.drop_cost <= 100, "littles_law_limit: drop_cost (in [0, 100])",
                               o.drop_cost);
        detail::require_option(o.remeasure_min.count() > 0, "littles_law_limit: remeasure_min (> 0 ns)",
                               o.remeasure_min.count());
        detail::require_option(o.remeasure_max >= o.remeasure_min, "littles_law_limit: remeasure_max (>= remeasure_min)",
                               o.remeasure_max.count());
        detail::require_ratio(type, "remeasure_ratio", o.remeasure_ratio, 0, 1);
    }

    double update(window_summary const& s) noexcept {
        if (s.samples + s.drops == 0) return limit_;
        if (!scheduled_ || saturating_sub(remeasure_at_, s.end) > o_.remeasure_max) schedule(s.end);  // or a clock set back
        if (s.samples == 0) return set(limit_ / 2);
        if (draining_) {
            if (s.end < drained_at_ && saturating_sub(drained_at_, s.end) <= drain_) return limit_;
            draining_ = false;
            latency_ = 0;
            ++epoch_;
            schedule(s.end);
            return limit_;
        }
        double const succeeded = static_cast<double>(s.samples);
        double const failed = static_cast<double>(s.drops) * static_cast<double>(s.drop_mean.count()) * o_.drop_cost;
        double const latency = std::max(1.0, static_cast<double>(s.rtt_mean.count()) + failed / succeeded);
        double const throughput = s.throughput() / 1e9;  // per nanosecond
        if (latency_ == 0)
            latency_ = latency;
        else if (latency < latency_)
            latency_ += (latency - latency_) * o_.latency_smoothing;
        best_ = throughput >= best_ ? throughput : best_ + (throughput - best_) * o_.throughput_smoothing;
        if (best_ <= 0) return limit_;  // no time has passed
        if (s.end >= remeasure_at_) {
            draining_ = true;
            drain_ = detail::to_duration(2 * latency);
            drained_at_ = saturating_add(s.end, drain_);
            return set(std::ceil(best_ * latency_ * o_.remeasure_ratio));
        }
        bool const room = latency <= latency_ * (1 + o_.explore_min) || throughput <= best_ / (1 + o_.explore_min);
        explore_ = room ? std::min(o_.explore_max, explore_ + o_.explore_step)
                        : std::max(o_.explore_min, explore_ - o_.explore_step);
        return set(std::floor(latency_ * best_ * (1 + explore_) + 1e-9));  // 13, not 12.999…, on every target
    }
    [[nodiscard]] double limit() const noexcept { return limit_; }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] bool probing() const noexcept { return draining_; }
    [[nodiscard]] duration baseline() const noexcept { return detail::to_duration(latency_); }
    [[nodiscard]] double explore_ratio() const noexcept { return explore_; }

private:
    double set(double wanted) noexcept { return limit_ = detail::clamp_limit(wanted, o_.min_limit, o_.max_limit); }
    void   schedule(time_point now) noexcept {
        double const span = static_cast<double>((o_.remeasure_max - o_.remeasure_min).count());
        auto const   extra = detail::to_duration(span * uniform_real(random_));
        remeasure_at_ = saturating_add(saturating_add(now, o_.remeasure_min), extra);
        scheduled_ = true;
    }

    littles_law_limit_options o_;
    xoshiro256ss              random_;
    double                    limit_;
    double                    explore_;
    double                    latency_ = 0;
    double                    best_ = 0;
    time_point                remeasure_at_{}, drained_at_{};
    duration                  drain_{0};
    std::uint64_t             epoch_ = 0;
    bool                      scheduled_ = false;
    bool                      draining_ = false;
};

}  // namespace sluice
