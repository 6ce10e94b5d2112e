// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// knee_limit — a concurrency limit that finds where more requests at once stop being answered faster; the default.
///
/// Use it for     any server whose capacity is not known: from any start, with any number of workers
/// Not for        dependencies that say "enough" by dropping only, with constant latency (aimd_limit is simpler)
/// Thread-safety  one thread at a time; concurrency_limiter sees to it
/// Complexity     O(1) for each window
/// Errors         std::invalid_argument from the constructor, names the option
/// Units          limit in requests; latencies are means of windows
/// Source         the test of a gradient by moving the limit: Vegas and BBR with the probe at the other side; the sign of
///                cov(in-flight, throughput) against drift: Uber's Cinnamon auto-tuner, 2023
///
/// With R the mean latency of a window and B the baseline (the latency without a queue):
///   * R <= grow_below · B and the limit in use (3/4 of it, at least): the limit grows by its square root
///   * R > shrink_above · B: a descent (below); between the two it rests, so it settles at 1.15 to 1.45 times the knee
///   * drops: min(drop_ratio, 1 - share of drops) of it is left, at least half; then growth by one up to the old limit
/// What a descent does: the limit goes down step by step, while R goes down with it (R2/R1 < sqrt(n2/n1): a queue).
/// It ends when R is no longer high, or when two steps in a row did not help, or at min_limit: then the R that is left is
/// the baseline, whether higher or lower than before, and the limit goes on at 1.2 times the knee, the most that n/R · B
/// was. No baseline is ever believed that was not measured so, or below half a knee; only lower ones are taken at once.
/// What dips, how deep, how often:
///   * every probe_interval windows (a random half to 3/2 of it), for one window, the limit is the knee, n · B/R, not less.
///     If R is B there, within the scatter of the windows, that is all. On a steady server the limit is never below its knee
///     The first two come after a quarter and a half of that
///   * a descent follows if R was not B; if R fell below B; if R moved at a constant limit, up or down, by more than 5 % and
///     the scatter; if throughput falls while in-flight rises; and with every 8th probe where windows scatter by more than
///     2 %, as a slow shift could hide in there; with the 1st, 2nd and 4th, too, if B was measured at min_limit, where
///     nothing confirmed it. It takes the limit to about half the knee for two or three windows
/// The first window is not judged, nor the first after each change of the limit, but for drops: it has what was queued
/// before. Counting only requests that began after the change would favour the short ones. Nor is the first window judged
/// in which the limit is in use again.

#include <sluice/core/random.hpp>
#include <sluice/flow/detail/baseline.hpp>
#include <sluice/flow/detail/limit_options.hpp>
#include <sluice/flow/limit_window.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace sluice {

struct knee_limit_options {
    std::uint32_t initial = 20;
    std::uint32_t min_limit = 1;
    std::uint32_t max_limit = 1000;
    double        grow_below = 1.15;     ///< in [1, shrink_above)
    double        shrink_above = 1.45;   ///< in (1, 10]
    double        drop_ratio = 0.9;      ///< what a window with drops leaves of the limit, at most; in (0, 1)
    double        probe_ratio = 0.7;     ///< one step of a descent; in [0.1, 0.95]
    std::uint32_t probe_interval = 200;  ///< in windows; 0: no scheduled probes
    std::uint64_t seed = 1;              ///< of the jitter
};

namespace detail {

/// The sign of cov(in-flight, throughput) over some sixteen windows, where both have moved enough to have one.
class drift_guard {
public:
    void reset() noexcept { *this = {}; }
    void add(load_point p) noexcept {
        double const throughput = p.inflight / p.rtt;  // Little: independent of when a window began
        if (n_ == 0) mean_n_ = p.inflight, mean_x_ = throughput;
        ++n_;
        double const dn = p.inflight - mean_n_;
        double const dx = throughput - mean_x_;
        mean_n_ += rate * dn;
        mean_x_ += rate * dx;
        nn_ += rate * (dn * dn - nn_);
        xx_ += rate * (dx * dx - xx_);
        nx_ += rate * (dn * dx - nx_);
    }
    /// Throughput went down where in-flight went up.
    [[nodiscard]] bool drifting() const noexcept {
        if (n_ < 8 || nn_ < 1e-4 * mean_n_ * mean_n_ || xx_ < 1e-4 * mean_x_ * mean_x_) return false;
        return nx_ < -0.5 * std::sqrt(nn_ * xx_);
    }

private:
    static constexpr double rate = 1.0 / 16;
    double                  mean_n_ = 0, mean_x_ = 0, nn_ = 0, xx_ = 0, nx_ = 0;
    std::uint64_t           n_ = 0;
};

}  // namespace detail

class knee_limit {
public:
    static constexpr std::uint32_t window_samples = 100;

    explicit knee_limit(knee_limit_options o = {}) : o_(o), random_(o.seed), limit_(o.initial) {
        auto const type = "knee_limit";
        detail::require_limits(type, o.initial, o.min_limit, o.max_limit);
        detail::require_ratio(type, "shrink_above", o.shrink_above, 1, 10);
        detail::require_option(o.grow_below >= 1 && o.grow_below < o.shrink_above,
                               "knee_limit: grow_below (in [1, shrink_above))", o.grow_below);
        detail::require_ratio(type, "drop_ratio", o.drop_ratio, 0, 1 - 1e-9);
        detail::require_option(o.probe_ratio >= 0.1 && o.probe_ratio <= 0.95, "knee_limit: probe_ratio (in [0.1, 0.95])",
                               o.probe_ratio);
        until_probe_ = next_interval();
    }

    double update(window_summary const& s) noexcept {
        if (s.samples + s.drops == 0) return limit_;
        double const before = limit_;
        bool const   settled = settled_;
        settled_ = true;
        if (s.drops > 0)
            on_drops(s);
        else if (settled)
            on_samples(s);
        if (limit_ != before) settled_ = false, fresh_ = true;
        return limit_;
    }
    [[nodiscard]] double limit() const noexcept { return limit_; }
    /// Whether the limit is low in order to measure.
    [[nodiscard]] bool probing() const noexcept { return mode_ != mode::steady; }
    [[nodiscard]] duration baseline() const noexcept { return detail::to_duration(baseline_); }

private:
    enum class mode : std::uint8_t { steady, dip, descent };
    using point = detail::load_point;

    void on_drops(window_summary const& s) noexcept {
        double const lost = static_cast<double>(s.drops) / static_cast<double>(s.samples + s.drops);
        drop_limit_ = limit_;
        set(limit_ * std::clamp(1 - lost, 0.5, o_.drop_ratio));
        mode_ = mode::steady;
        grew_ = false;
    }

    void on_samples(window_summary const& s) noexcept {
        point const p{std::clamp(static_cast<double>(s.inflight_max), 1.0, limit_),
                      std::max(1.0, static_cast<double>(s.rtt_mean.count()))};
        bool const  in_use = p.inflight >= 0.75 * limit_;
        // Little's is too high while a queue builds up; what was counted depends on where the window began.
        double const counted = s.throughput() / 1e9;
        throughput_ = counted > 0 ? std::min(counted, p.inflight / p.rtt) : p.inflight / p.rtt;
        if (mode_ == mode::descent) return descend(p, in_use);
        if (mode_ == mode::dip) return end_dip(p, in_use);
        if (in_use != in_use_) {  // another load; a window that has both is not judged
            in_use_ = in_use;
            fresh_ = true;
            if (in_use) return;
        }
        compare(p);
        if (!in_use) {
            // The load decides. Far below the knee its latency is the baseline, in both directions.
            if (baseline_ == 0 || p.rtt < baseline_ * (1 - tolerance()))
                baseline_ = p.rtt, verified_ = false;
            else if (knee_ > 0 && p.inflight <= knee_ / 2)
                baseline_ += 0.2 * (p.rtt - baseline_);
            grew_ = false;
            return;
        }
        if (limit_ <= o_.min_limit) {  // nothing lower to compare with
            baseline_ = baseline_ == 0 || p.rtt < baseline_ || !verified_ ? p.rtt : baseline_ + 0.5 * (p.rtt - baseline_);
            knee_ = std::max(knee_, p.inflight);
            verified_ = from_floor_ = true;
        } else if (baseline_ == 0 || !verified_ || std::max(p.rtt, mean_) < baseline_ * (1 - tolerance())) {
            verified_ = false;
            return begin_descent(p, limit_);
        }
        guard_.add(p);
        // Windows at one limit are averaged, and the newest must agree with the average: noise alone moves nothing much.
        double const least = std::min(p.rtt, mean_) / baseline_;
        double const most = std::max(p.rtt, mean_) / baseline_;
        if ((shifted_ || guard_.drifting()) && limit_ > o_.min_limit) {
            verified_ = false;
            begin_descent(p, limit_);
        } else if (most <= o_.grow_below) {
            if (!moved_) grow();
        } else if (least > o_.shrink_above) {
            patience_ = grew_ ? std::min<std::uint32_t>(64, 2 * patience_ + 1) : 0;
            wait_ = patience_;
            begin_descent(p, limit_);
        } else {
            grew_ = false;
            patience_ = 0;
            if (o_.probe_interval > 0 && --until_probe_ == 0) probe(p);
        }
    }

    void grow() noexcept {
        if (wait_ > 0) {
            --wait_;
            grew_ = false;
            return;
        }
        double step = std::floor(std::sqrt(limit_));
        if (drop_limit_ > 0 && limit_ + step >= drop_limit_) step = 1;
        if (limit_ >= drop_limit_) drop_limit_ = 0;
        set(limit_ + step);
        grew_ = true;
    }

    void probe(point p) noexcept {
        until_probe_ = next_interval();
        ++probes_;
        bool const unsure = from_floor_ && std::has_single_bit(probes_);
        if ((unsure || probes_ % 8 == 0) && compared_ >= 16 && scatter_ > 0.01) {
            verified_ = false;
            return begin_descent(p, limit_);
        }
        double const knee = std::ceil(p.inflight * baseline_ / p.rtt - 1e-9);
        saved_ = limit_;
        set(std::min(knee, limit_ - 1));
        if (limit_ < saved_) mode_ = mode::dip;
    }
    void end_dip(point p, bool in_use) noexcept {
        mode_ = mode::steady;
        if (in_use && std::abs(p.rtt - baseline_) > tolerance() * baseline_) {
            verified_ = false;
            return begin_descent(p, saved_);
        }
        set(saved_);
    }

    void begin_descent(point p, double resume) noexcept {
        guard_.reset();
        mode_ = mode::descent;
        resume_ = resume;
        last_ = p;
        useless_ = 0;
        best_ = throughput_;
        if (limit_ <= o_.min_limit) return end_descent(p.rtt);
        step_down(p.rtt);
    }
    void step_down(double rtt) noexcept {
        double const ratio = verified_ ? std::clamp(1.2 * baseline_ / rtt, 0.5, 0.95) : o_.probe_ratio;
        set(std::min(limit_ * ratio, limit_ - 1));
    }
    void descend(point p, bool in_use) noexcept {
        if (!in_use) {  // the load went away: nothing is learned but that it is no slower than this
            if (baseline_ == 0 || p.rtt < baseline_) baseline_ = p.rtt, verified_ = false;
            mode_ = mode::steady;
            set(resume_);
            return;
        }
        best_ = std::max(best_, throughput_);
        if (verified_ && p.rtt <= o_.shrink_above * baseline_) {
            mode_ = mode::steady;
            return;
        }
        if (p.inflight < last_.inflight) {
            if (detail::queued_at(last_, p) || p.rtt > 1.2 * last_.rtt) {  // slower with less: last_ was not at rest
                useless_ = 0;
                last_ = p;
            } else if (++useless_ == 2) {
                return end_descent((useless_rtt_ + p.rtt) / 2);
            } else {  // the next is compared with the same, so that a queue that drains late is seen
                useless_rtt_ = p.rtt;
                if (p.rtt >= last_.rtt) last_ = p;
            }
        }
        if (limit_ <= o_.min_limit) return end_descent(p.rtt);
        step_down(p.rtt);
    }
    void end_descent(double rtt) noexcept {
        mode_ = mode::steady;
        from_floor_ = limit_ <= o_.min_limit;
        baseline_ = rtt;
        verified_ = true;
        knee_ = best_ * rtt;
        set(std::round(1.2 * knee_));
    }

    /// How far windows at the same limit lie apart: half the difference over the mean.
    void compare(point p) noexcept {
        moved_ = shifted_ = false;
        if (fresh_ || previous_ == 0) {
            mean_ = anchor_ = p.rtt;
        } else {
            moved_ = std::abs(p.rtt - mean_) > std::max(0.03, 4 * scatter_) * mean_;
            mean_ += 0.25 * (p.rtt - mean_);
            anchor_ += (p.rtt - anchor_) / 64;
            ++compared_;
            scatter_ += 0.1 * (std::abs(p.rtt - previous_) / (p.rtt + previous_) - scatter_);
            shifted_ = std::abs(mean_ - anchor_) > std::max(0.05, 4 * scatter_) * anchor_;
        }
        previous_ = p.rtt;
        fresh_ = false;
    }
    [[nodiscard]] double tolerance() const noexcept { return std::clamp(4 * scatter_, 0.02, 0.3); }
    void set(double wanted) noexcept { limit_ = detail::clamp_limit(std::floor(wanted), o_.min_limit, o_.max_limit); }
    std::uint64_t next_interval() noexcept {
        if (o_.probe_interval == 0) return 0;
        std::uint32_t const sooner = std::max(40u, o_.probe_interval >> (probes_ < 2 ? 2 - probes_ : 0));
        std::uint32_t const interval = std::min(sooner, o_.probe_interval);
        return interval / 2 + 1 + uniform_below(random_, interval);
    }

    knee_limit_options  o_;
    xoshiro256ss        random_;
    double              limit_;           // whole
    double              baseline_ = 0;    // 0: unknown
    double              knee_ = 0;        // in-flight there, at the last descent
    double              best_ = 0;        // throughput in a descent
    double              throughput_ = 0;  // of this window
    double              resume_ = 0, saved_ = 0, useless_rtt_ = 0, drop_limit_ = 0;
    double              scatter_ = 0.05, previous_ = 0, mean_ = 0, anchor_ = 0;
    point               last_;
    detail::drift_guard guard_;
    std::uint64_t       until_probe_ = 0, probes_ = 0, compared_ = 0;
    std::uint32_t       useless_ = 0, patience_ = 0, wait_ = 0;
    mode                mode_ = mode::steady;
    bool                verified_ = false;    // the baseline comes from a descent
    bool                from_floor_ = false;  // that had nothing lower to go to
    bool                moved_ = false, shifted_ = false;
    bool                grew_ = false, fresh_ = true, settled_ = false, in_use_ = true;
};

}  // namespace sluice
