// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// vegas_limit — a concurrency limit that keeps a small number of requests queued, as TCP Vegas keeps packets.
///
/// Use it for     one server with steady latencies
/// Not for        a noisy one: each request is judged alone, against the fastest one seen (knee_limit)
/// Thread-safety  one thread at a time; concurrency_limiter sees to it
/// Complexity     O(1)
/// Errors         std::invalid_argument from the constructor, names the option
/// Units          limit in requests; alpha, beta, threshold in units of k = max(1, floor(log10 limit))
/// Source         Brakmo, Peterson, 1995, doi:10.1109/49.464716; rules and numbers of Netflix concurrency-limits VegasLimit
/// Differs        a drop counts before anything else and its time is no baseline; a probe measures the baseline at a part
///                of the limit for probe_samples requests, where the published one takes the next request as it is and
///                drifts upward (13, 98, 302, 438 on a saturated server of ten): that is probe_ratio = 1
///
/// What a probe does: after 15 to 30 times the limit in requests (probe_interval · a random half to whole), limit() is
/// probe_ratio of itself until probe_samples have come, and what it was afterwards.

#include <sluice/core/random.hpp>
#include <sluice/flow/detail/baseline.hpp>
#include <sluice/flow/detail/limit_options.hpp>
#include <sluice/flow/limit_window.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace sluice {

struct vegas_limit_options {
    std::uint32_t initial = 20;
    std::uint32_t min_limit = 1;
    std::uint32_t max_limit = 1000;
    double        alpha = 3;           ///< fewer queued: + k; > 0
    double        beta = 6;            ///< more queued: - k; >= alpha
    double        threshold = 1;       ///< at most so many queued: + beta · k; in (0, alpha]
    double        smoothing = 1;       ///< share of a change that is made at once; in (0, 1]
    double        decrease_ratio = 1;  ///< below 1: a decrease leaves this part of the limit, instead of - k; in (0, 1]
    std::uint32_t probe_interval = 30; ///< times the limit, in requests; 0: never
    double        probe_ratio = 0.5;   ///< part of the limit that a probe leaves; in (0, 1]
    std::uint32_t probe_samples = 10;  ///< > 0
    std::uint64_t seed = 1;            ///< of the jitter
};

class vegas_limit {
public:
    static constexpr bool per_sample = true;

    explicit vegas_limit(vegas_limit_options o = {}) : o_(o), random_(o.seed), limit_(o.initial) {
        detail::require_limits("vegas_limit", o.initial, o.min_limit, o.max_limit);
        detail::require_ratio("vegas_limit", "alpha", o.alpha, 0, 1e6);
        detail::require_option(o.beta >= o.alpha && o.beta <= 1e6, "vegas_limit: beta (in [alpha, 1e6])", o.beta);
        detail::require_ratio("vegas_limit", "threshold", o.threshold, 0, o.alpha);
        detail::require_ratio("vegas_limit", "smoothing", o.smoothing, 0, 1);
        detail::require_ratio("vegas_limit", "decrease_ratio", o.decrease_ratio, 0, 1);
        detail::require_ratio("vegas_limit", "probe_ratio", o.probe_ratio, 0, 1);
        detail::require_option(o.probe_samples > 0, "vegas_limit: probe_samples (> 0)", o.probe_samples);
        jitter_ = next_jitter();
    }

    double update(window_summary const& s) noexcept {
        if (s.drops > 0) {
            if (probing_) end_probe();
            change(decreased());
            return limit();
        }
        if (s.samples == 0) return limit();
        double const rtt = std::max(1.0, static_cast<double>(s.rtt_mean.count()));
        if (probing_) return probe(rtt, s);
        since_probe_ += s.samples;
        if (o_.probe_interval > 0 && static_cast<double>(since_probe_) >= jitter_ * o_.probe_interval * limit_) {
            since_probe_ = 0;
            jitter_ = next_jitter();
            if (o_.probe_ratio == 1) {
                baseline_ = rtt;
            } else {
                probing_ = true;
                ++epoch_;
                probed_ = 0;
                before_ = {static_cast<double>(std::max(1u, s.inflight_max)), rtt};
            }
            return limit();
        }
        if (baseline_ == 0 || rtt < baseline_) {
            baseline_ = rtt;
            return limit();
        }
        if (2.0 * s.inflight_max < limit_) return limit();
        double const volatile idle = baseline_ / rtt;  // a double on every target: the next line is decided by its last bit
        double const queue = std::ceil(limit_ * (1 - idle));
        double const k = unit();
        if (queue <= o_.threshold * k)
            change(limit_ + o_.beta * k);
        else if (queue < o_.alpha * k)
            change(limit_ + k);
        else if (queue > o_.beta * k)
            change(decreased());
        return limit();
    }
    [[nodiscard]] double limit() const noexcept {
        if (!probing_) return limit_;
        return std::max(std::floor(limit_ * o_.probe_ratio), static_cast<double>(o_.min_limit));
    }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] bool probing() const noexcept { return probing_; }
    /// The latency without load, as far as it is known; 0 at first.
    [[nodiscard]] duration baseline() const noexcept { return detail::to_duration(baseline_); }

private:
    [[nodiscard]] double unit() const noexcept { return std::max(1.0, std::floor(std::log10(std::floor(limit_)))); }
    [[nodiscard]] double decreased() const noexcept {
        return o_.decrease_ratio < 1 ? limit_ * o_.decrease_ratio : limit_ - unit();
    }
    void change(double wanted) noexcept {
        wanted = detail::clamp_limit(wanted, o_.min_limit, o_.max_limit);
        limit_ = (1 - o_.smoothing) * limit_ + o_.smoothing * wanted;
    }
    double probe(double rtt, window_summary const& s) noexcept {
        fastest_ = probed_ == 0 ? rtt : std::min(fastest_, rtt);
        probed_ += s.samples;
        if (probed_ < o_.probe_samples) return limit();
        double const n = std::max(1u, s.inflight_max);
        baseline_ = detail::baseline_after_probe(baseline_, before_, {n, fastest_});
        end_probe();
        return limit();
    }
    void end_probe() noexcept {
        probing_ = false;
        ++epoch_;
        since_probe_ = 0;
    }
    double next_jitter() noexcept { return 0.5 + uniform_real(random_) / 2; }

    vegas_limit_options  o_;
    xoshiro256ss         random_;
    double               limit_;
    double               baseline_ = 0;
    double               jitter_ = 1;
    double               fastest_ = 0;
    detail::load_point   before_;
    std::uint64_t        since_probe_ = 0;
    std::uint64_t        epoch_ = 0;
    std::uint64_t        probed_ = 0;
    bool                 probing_ = false;
};

}  // namespace sluice
