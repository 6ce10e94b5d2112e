// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// learned — workers from a straight line between load and busy workers, learnt while the pool runs.
///
/// Use it for     pools whose service time nobody knows or that drifts; a fixed part beside the one that grows with the load
/// Not for        a first hour: it has to have seen the loads that it speaks about
/// Thread-safety  one thread at a time
/// Complexity     O(1), no allocation
/// Errors         constructor: std::invalid_argument names the option. A sample without arrival rate, or without busy
///                workers, teaches nothing; without an arrival rate there is no opinion
/// Units          load in arrivals per second; busy workers = utilisation × ready, or the number busy
/// Source         recursive least squares with forgetting, Ljung, System Identification, 2nd ed., 1999,
///                ISBN 0-13-656695-2; in the form of means and centred sums, which keeps its digits
///
///   busy = fixed + per_arrival × rate          desired = busy(rate) / target
///
/// It learns from samples that show the demand: a pool at saturation or above does not, it shows its size. The line goes
/// through the origin until the loads seen differ enough to tell two numbers. Before it learns a sample it says what it
/// would have been; the mean of the error, relative to what was busy or to one worker, decides whether it is believed. Above
/// max_error, below min_samples, or beyond twice the largest load that it remembers, the fallback speaks: load × service
/// time where the sample has one, nobody otherwise. It is believed again at half of max_error.

#include <sluice/core/clock.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/recommender.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

namespace sluice {

struct learned_options {
    double        target = .7;        ///< utilisation; in (0, 1]
    double        forgetting = .99;   ///< weight of the sample before against the latest; in (0, 1]
    double        max_error = .2;     ///< relative; above, the fallback speaks; > 0
    double        error_weight = .1;  ///< of the latest in the mean error; in (0, 1]
    double        saturation = .95;   ///< utilisation from which a sample teaches nothing; in (0, 1]
    std::uint32_t min_samples = 10;   ///< > 0
};

/// busy = fixed + per_arrival × rate
struct learned_line {
    double fixed;
    double per_arrival;
};

class learned {
public:
    explicit learned(learned_options o) : o_(o) {
        detail::require_number(o.target > 0 && o.target <= 1, "learned: target (in (0, 1])", o.target);
        detail::require_number(o.forgetting > 0 && o.forgetting <= 1, "learned: forgetting (in (0, 1])", o.forgetting);
        detail::require_number(o.max_error > 0 && detail::is_finite(o.max_error), "learned: max_error (> 0)", o.max_error);
        detail::require_number(o.error_weight > 0 && o.error_weight <= 1, "learned: error_weight (in (0, 1])",
                               o.error_weight);
        detail::require_number(o.saturation > 0 && o.saturation <= 1, "learned: saturation (in (0, 1])", o.saturation);
        detail::require_number(o.min_samples > 0, "learned: min_samples (> 0)", o.min_samples);
    }

    /// Learns from the sample, then answers for its load.
    recommendation recommend(scaling_sample const& sample, time_point) noexcept {
        auto const rate = known(sample.arrivals_per_second);
        if (!rate || *rate > largest) return {{}, "learned: no arrival rate", {}};
        if (auto const busy = demand(sample)) learn(*rate, *busy);
        bool const beyond = *rate > 2 * most_ * (1 + 1e-12);
        if (!believed() || beyond) {
            auto const service = known(sample.service_time);
            if (!service || service->count() == 0) {
                if (samples_ < o_.min_samples) return {{}, "learned: few samples", {}};
                return {{}, doubted_ ? "learned: error" : "learned: load not seen", {}};
            }
            double const load = *rate * (static_cast<double>(service->count()) * 1e-9);
            return {load / o_.target, "learned: fallback, load × service time", {}};
        }
        return {std::max(0.0, predicted(*rate)) / o_.target, "learned", {}};
    }

    /// The line, if it is believed; or not.
    [[nodiscard]] learned_line line() const noexcept {
        // The spread of the loads, relative to their mean, tells whether two numbers can be told apart.
        if (samples_ >= 2 && spread_ > .0025 * weight_ * mean_rate_ * mean_rate_) {
            double const slope = shared_ / spread_;
            double const fixed = mean_busy_ - slope * mean_rate_;
            if (slope >= 0 && detail::is_finite(slope) && detail::is_finite(fixed)) return {fixed, slope};
        }
        if (mean_rate_ > 0) return {0, mean_busy_ / mean_rate_};
        return {mean_busy_, 0};
    }
    [[nodiscard]] bool believed() const noexcept { return samples_ >= o_.min_samples && !doubted_; }
    /// Mean relative error of what it would have said.
    [[nodiscard]] double error() const noexcept { return error_; }
    [[nodiscard]] std::uint64_t samples() const noexcept { return samples_; }
    [[nodiscard]] learned_options const& options() const noexcept { return o_; }

private:
    static constexpr double largest = 1e100;

    /// Busy workers, if they show what the load needs.
    [[nodiscard]] std::optional<double> demand(scaling_sample const& s) const noexcept {
        if (!s.ready || *s.ready == 0) return std::nullopt;
        double const ready = *s.ready;
        auto utilisation = known(s.utilisation);
        if (!utilisation && s.busy) utilisation = *s.busy / ready;
        if (!utilisation || *utilisation > 1 || *utilisation >= o_.saturation) return std::nullopt;
        return *utilisation * ready;
    }

    [[nodiscard]] double predicted(double rate) const noexcept {
        auto const l = line();
        return l.fixed + l.per_arrival * rate;
    }

    void learn(double rate, double busy) noexcept {
        if (samples_ >= 1) {
            double const off = std::min(10.0, std::abs(predicted(rate) - busy) / std::max(busy, 1.0));
            // The first errors weigh alike: nobody starts out believed.
            double const weight = std::max(o_.error_weight, 1 / static_cast<double>(samples_));
            error_ += weight * (off - error_);
            if (error_ > o_.max_error) doubted_ = true;
            else if (error_ <= o_.max_error / 2) doubted_ = false;
        }
        weight_ = o_.forgetting * weight_ + 1;
        double const from_rate = rate - mean_rate_;
        double const from_busy = busy - mean_busy_;
        double const old = 1 - 1 / weight_;  // the share of what was there
        mean_rate_ += from_rate / weight_;
        mean_busy_ += from_busy / weight_;
        spread_ = o_.forgetting * spread_ + old * from_rate * from_rate;
        shared_ = o_.forgetting * shared_ + old * from_rate * from_busy;
        most_ = std::max(o_.forgetting * most_, rate);
        if (samples_ < UINT64_MAX) ++samples_;
    }

    learned_options o_;
    double          weight_ = 0;
    double          mean_rate_ = 0;
    double          mean_busy_ = 0;
    double          spread_ = 0;  // Σ weight × (rate - mean)²
    double          shared_ = 0;  // Σ weight × (rate - mean)(busy - mean)
    double          most_ = 0;    // the largest load, fading as the rest does
    double          error_ = 0;
    std::uint64_t   samples_ = 0;
    bool            doubted_ = false;
};

}  // namespace sluice
