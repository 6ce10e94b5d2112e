// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// pid_limit — a concurrency limit steered by a PID controller on the queueing delay.
///
/// Use it for     a wanted amount of queueing, as a part of the latency without load
/// Not for        latencies that vary by more than the target from window to window
/// Thread-safety  one thread at a time; concurrency_limiter sees to it
/// Complexity     O(1) for each window
/// Errors         std::invalid_argument from the constructor, names the option
/// Units          error = target - (rtt / baseline - 1); the output is the change of ln(limit), between ln 0.5 and ln 1.5
/// Source         the velocity form of the PID law (Åström, Hägglund, 1995): it has no integral to wind up
///
/// On a server of ten with the default target it rests at 12 or 13. The gains are stable there for ki · (1 + target) < 2.
/// What a probe does: for one window limit() is probe_ratio of itself and the baseline is measured; a higher one is believed
/// only if the lower concurrency did not help. The first comes at once, the next after 10 windows while the baseline falls,
/// later ones after probe_interval windows, a quarter more or less.

#include <sluice/core/random.hpp>
#include <sluice/flow/detail/baseline.hpp>
#include <sluice/flow/detail/limit_options.hpp>
#include <sluice/flow/limit_window.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace sluice {

struct pid_limit_options {
    std::uint32_t initial = 20;
    std::uint32_t min_limit = 1;
    std::uint32_t max_limit = 1000;
    double        target = 0.25;         ///< wanted queueing delay over the baseline; in (0, 10]
    double        kp = 0.2;              ///< in [0, 2]
    double        ki = 0.2;              ///< in (0, 1]
    double        kd = 0;                ///< in [0, 1]
    double        drop_ratio = 0.9;      ///< what a window with drops leaves of the limit, at most; in (0, 1)
    std::uint32_t probe_interval = 100;  ///< in windows; 0: only the first ones
    double        probe_ratio = 0.5;     ///< in (0, 1)
    std::uint64_t seed = 1;              ///< of the jitter
};

class pid_limit {
public:
    static constexpr std::uint32_t window_samples = 100;

    explicit pid_limit(pid_limit_options o = {}) : o_(o), random_(o.seed), limit_(o.initial) {
        detail::require_limits("pid_limit", o.initial, o.min_limit, o.max_limit);
        detail::require_ratio("pid_limit", "target", o.target, 0, 10);
        detail::require_option(o.kp >= 0 && o.kp <= 2, "pid_limit: kp (in [0, 2])", o.kp);
        detail::require_ratio("pid_limit", "ki", o.ki, 0, 1);
        detail::require_option(o.kd >= 0 && o.kd <= 1, "pid_limit: kd (in [0, 1])", o.kd);
        detail::require_ratio("pid_limit", "drop_ratio", o.drop_ratio, 0, 1 - 1e-9);
        detail::require_ratio("pid_limit", "probe_ratio", o.probe_ratio, 0, 1 - 1e-9);
    }

    double update(window_summary const& s) noexcept {
        if (s.samples + s.drops == 0) return limit();
        if (s.drops > 0) {
            if (probing_) end_probe();
            double const lost = static_cast<double>(s.drops) / static_cast<double>(s.samples + s.drops);
            limit_ = clamp(limit_ * std::clamp(1 - lost, 0.5, o_.drop_ratio));
            return limit();
        }
        double const rtt = std::max(1.0, static_cast<double>(s.rtt_mean.count()));
        double const inflight = std::max(1.0, static_cast<double>(s.inflight_max));
        if (probing_) {
            double const old = baseline_;
            baseline_ = detail::baseline_after_probe(baseline_, before_, {inflight, rtt});
            until_probe_ = baseline_ < old * 0.95 ? 10 : next_interval();
            end_probe();
            return limit();
        }
        if (baseline_ == 0 || rtt < baseline_ || std::floor(limit_) <= o_.min_limit) baseline_ = rtt;
        if (until_probe_ > 0) --until_probe_;
        if (until_probe_ == 0 && probe_limit() < std::floor(limit_)) {
            before_ = {inflight, rtt};
            probing_ = true;
            ++epoch_;
            return limit();
        }
        double const error = o_.target - (rtt / baseline_ - 1);
        if (!steady_) last_ = before_last_ = error;
        steady_ = true;
        double const change = o_.kp * (error - last_) + o_.ki * error + o_.kd * (error - 2 * last_ + before_last_);
        before_last_ = last_;
        last_ = error;
        if (change <= 0 || 2 * inflight >= limit_)
            limit_ = clamp(limit_ * std::exp(std::clamp(change, std::log(0.5), std::log(1.5))));
        return limit();
    }
    [[nodiscard]] double limit() const noexcept { return probing_ ? probe_limit() : limit_; }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] bool probing() const noexcept { return probing_; }
    [[nodiscard]] duration baseline() const noexcept { return detail::to_duration(baseline_); }

private:
    [[nodiscard]] double clamp(double wanted) const noexcept {
        return detail::clamp_limit(wanted, o_.min_limit, o_.max_limit);
    }
    [[nodiscard]] double probe_limit() const noexcept {
        return std::max(std::floor(limit_ * o_.probe_ratio), static_cast<double>(o_.min_limit));
    }
    void end_probe() noexcept {
        probing_ = false;
        steady_ = false;
        ++epoch_;
    }
    std::uint64_t next_interval() noexcept {
        if (o_.probe_interval == 0) return UINT64_MAX;
        return o_.probe_interval * 3ull / 4 + 1 + uniform_below(random_, o_.probe_interval / 2 + 1);
    }

    pid_limit_options  o_;
    xoshiro256ss       random_;
    double             limit_;
    double             baseline_ = 0;
    double             last_ = 0, before_last_ = 0;
    detail::load_point before_;
    std::uint64_t      until_probe_ = 1;
    std::uint64_t      epoch_ = 0;
    bool               probing_ = false;
    bool               steady_ = false;
};

}  // namespace sluice
