// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// envoy_gradient_limit — a concurrency limit from windows of latencies against a minimum that is measured every minute.
///
/// Use it for     servers whose latency drifts over minutes: the baseline is measured anew at a low concurrency
/// Not for        servers that cannot do with a few requests at once for the time of a measurement (probe_ratio, knee_limit)
/// Thread-safety  one thread at a time; concurrency_limiter sees to it
/// Complexity     O(1) for each window
/// Errors         std::invalid_argument from the constructor, names the option
/// Units          limit in requests
/// Source         Envoy, adaptive concurrency filter, gradient controller
/// Differs        drops count (drop_ratio); a window without samples changes no latency; the probe may keep a part of the
///                limit; what comes out at the end of a probe is a mean of the windows in it, weighted by samples
///
/// What a probe does: every interval (plus up to jitter of it), and after floor_updates windows at min_limit, limit() is
/// max(probe_limit, probe_ratio · limit) until probe_samples requests that began meanwhile have succeeded. The old limit is
/// restored then. The first one is made at once, unless a baseline is given.

#include <sluice/core/random.hpp>
#include <sluice/flow/detail/baseline.hpp>
#include <sluice/flow/detail/limit_options.hpp>
#include <sluice/flow/limit_window.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace sluice {

struct envoy_gradient_limit_options {
    std::uint32_t initial = 20;
    std::uint32_t min_limit = 3;
    std::uint32_t max_limit = 1000;
    duration      baseline{0};                            ///< 0: measured at once
    double        buffer = 0.25;                          ///< latency over the minimum that does not count; in [0, 10]
    double        latency_quantile = 0.5;                 ///< of a window; in (0, 1]
    duration      interval = std::chrono::minutes(1);     ///< between probes; > 0
    double        jitter = 0.15;                          ///< part of the interval; in [0, 1]
    std::uint32_t probe_limit = 3;                        ///< > 0
    double        probe_ratio = 0;                        ///< in [0, 1]
    std::uint32_t probe_samples = 50;                     ///< > 0
    std::uint32_t floor_updates = 5;                      ///< > 0
    double        drop_ratio = 0.9;                       ///< what a window with drops leaves of the limit; in (0, 1]
    std::uint64_t seed = 1;                               ///< of the jitter
};

class envoy_gradient_limit {
public:
    static constexpr std::uint32_t window_samples = 50;

    explicit envoy_gradient_limit(envoy_gradient_limit_options o = {})
        : o_(o), random_(o.seed), limit_(o.initial), baseline_(static_cast<double>(o.baseline.count())) {
        auto const type = "envoy_gradient_limit";
        detail::require_limits(type, o.initial, o.min_limit, o.max_limit);
        detail::require_option(o.baseline.count() >= 0, "envoy_gradient_limit: baseline (>= 0 ns)", o.baseline.count());
        detail::require_option(o.buffer >= 0 && o.buffer <= 10, "envoy_gradient_limit: buffer (in [0, 10])", o.buffer);
        detail::require_ratio(type, "latency_quantile", o.latency_quantile, 0, 1);
        detail::require_option(o.interval.count() > 0, "envoy_gradient_limit: interval (> 0 ns)", o.interval.count());
        detail::require_option(o.jitter >= 0 && o.jitter <= 1, "envoy_gradient_limit: jitter (in [0, 1])", o.jitter);
        detail::require_option(o.probe_limit > 0 && o.probe_limit <= detail::largest_limit,
                               "envoy_gradient_limit: probe_limit (in [1, 2^24))", o.probe_limit);
        detail::require_option(o.probe_ratio >= 0 && o.probe_ratio <= 1, "envoy_gradient_limit: probe_ratio (in [0, 1])",
                               o.probe_ratio);
        detail::require_option(o.probe_samples > 0, "envoy_gradient_limit: probe_samples (> 0)", o.probe_samples);
        detail::require_option(o.floor_updates > 0, "envoy_gradient_limit: floor_updates (> 0)", o.floor_updates);
        detail::require_ratio(type, "drop_ratio", o.drop_ratio, 0, 1);
        probing_ = baseline_ == 0;
    }

    double update(window_summary const& s) noexcept {
        if (s.samples + s.drops == 0) return limit();
        if (s.drops > 0) limit_ = detail::clamp_limit(std::floor(limit_ * o_.drop_ratio), o_.min_limit, o_.max_limit);
        if (!scheduled_ || saturating_sub(next_probe_, s.end) > longest_interval()) schedule(s.end);  // or a clock set back
        if (probing_) {
            measure(s);
            return limit();
        }
        if (s.samples > 0 && s.drops == 0) {
            double const rtt = std::max(1.0, static_cast<double>(s.rtt_quantile.count()));
            double const gradient = std::clamp(baseline_ * (1 + o_.buffer) / rtt, 0.5, 2.0);
            double const scaled = limit_ * gradient;
            double const wanted = std::floor(scaled + std::sqrt(scaled));
            if (wanted <= limit_ || 2.0 * s.inflight_max >= limit_ || s.inflight_max == 0)
                limit_ = detail::clamp_limit(wanted, o_.min_limit, o_.max_limit);
        }
        at_floor_ = limit_ <= o_.min_limit ? at_floor_ + 1 : 0;
        if (s.end >= next_probe_ || at_floor_ >= o_.floor_updates) begin_probe();
        return limit();
    }
    [[nodiscard]] double limit() const noexcept {
        if (!probing_) return limit_;
        return std::min<double>(o_.max_limit, std::max<double>(o_.probe_limit, std::floor(limit_ * o_.probe_ratio)));
    }
    [[nodiscard]] double quantile() const noexcept { return o_.latency_quantile; }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] bool probing() const noexcept { return probing_; }
    [[nodiscard]] duration baseline() const noexcept { return detail::to_duration(baseline_); }

private:
    void begin_probe() noexcept {
        probing_ = true;
        ++epoch_;
        probed_ = 0;
        sum_ = 0;
    }
    void measure(window_summary const& s) noexcept {
        sum_ += static_cast<double>(s.rtt_quantile.count()) * static_cast<double>(s.samples);
        probed_ += s.samples;
        if (probed_ < o_.probe_samples) return;
        baseline_ = std::max(1.0, sum_ / static_cast<double>(probed_));
        probing_ = false;
        ++epoch_;
        probed_ = 0;
        sum_ = 0;
        at_floor_ = 0;
        schedule(s.end);
    }
    [[nodiscard]] duration longest_interval() const noexcept {
        return detail::to_duration(static_cast<double>(o_.interval.count()) * (1 + o_.jitter));
    }
    void schedule(time_point now) noexcept {
        double const jittered = static_cast<double>(o_.interval.count()) * (1 + o_.jitter * uniform_real(random_));
        next_probe_ = saturating_add(now, detail::to_duration(jittered));
        scheduled_ = true;
    }

    envoy_gradient_limit_options o_;
    xoshiro256ss                 random_;
    double                       limit_;
    double                       baseline_;
    double                       sum_ = 0;
    std::uint64_t                probed_ = 0;
    std::uint64_t                epoch_ = 0;
    std::uint32_t                at_floor_ = 0;
    time_point                   next_probe_{};
    bool                         scheduled_ = false;
    bool                         probing_ = false;
};

}  // namespace sluice
