// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// predictive — workers for the load that is forecast for the time when workers ordered now are ready.
///
/// Use it for     loads with a shape in time and workers that take long to start; behind max_of, beside a rule that reacts
/// Not for        loads without a pattern: it can only be late there, as feed_forward is, and less sure
/// Thread-safety  one thread at a time
/// Complexity     a decision O(1) and without allocation; once per step O(horizon / step) forecasts
/// Errors         constructor: std::invalid_argument names the option. Samples without an arrival rate are steps missed; a
///                time that goes back changes nothing. An exception of the forecaster's passes through
/// Units          one observation per `step`: the mean of the samples' arrival rates, each for the time that it covers
///
/// The horizon is start_delay + period: what is ordered now works from then on, and until the next decision. The answer is
/// for the largest load from now to there, the present one included, so it never takes a worker away before the forecast low
/// has come. Workers = load × service time / target. While there is no forecast the present load decides alone; after
/// max_missing steps without a rate there is no opinion.

#include <sluice/core/clock.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/forecaster.hpp>
#include <sluice/scaling/instances_for.hpp>
#include <sluice/scaling/recommender.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace sluice {

struct predictive_options {
    duration                step = std::chrono::minutes(1);     ///< between the forecaster's observations; > 0
    duration                start_delay{};                      ///< from the order of a worker to its first task; >= 0
    duration                period = std::chrono::seconds(15);  ///< between decisions; > 0
    double                  target = .7;                        ///< utilisation; in (0, 1]
    std::optional<duration> service_time{};                     ///< > 0; empty: from the samples, the last one known
    std::uint32_t           max_missing = 3;                    ///< steps without a rate before there is no opinion
};

template <forecaster Forecaster>
class predictive {
public:
    explicit predictive(Forecaster forecaster, predictive_options o) : o_(o), forecaster_(std::move(forecaster)) {
        auto const ns = [](duration d) { return static_cast<double>(d.count()); };
        detail::require_number(o.step.count() > 0, "predictive: step (> 0 ns)", ns(o.step));
        detail::require_number(o.start_delay.count() >= 0, "predictive: start_delay (>= 0 ns)", ns(o.start_delay));
        detail::require_number(o.period.count() > 0, "predictive: period (> 0 ns)", ns(o.period));
        detail::require_number(o.target > 0 && o.target <= 1, "predictive: target (in (0, 1])", o.target);
        detail::require_number(!o.service_time || o.service_time->count() > 0, "predictive: service_time (> 0 ns)",
                               o.service_time ? ns(*o.service_time) : 0);
        auto const horizon = saturating_add(o.start_delay, o.period).count();
        steps_ahead_ = static_cast<std::uint64_t>(horizon / o.step.count() + (horizon % o.step.count() != 0 ? 1 : 0));
        detail::require_number(steps_ahead_ <= 10'000, "predictive: steps in the horizon (<= 10000)",
                               static_cast<double>(steps_ahead_));
        reach_ = duration((o.step.count() - horizon % o.step.count()) % o.step.count());
        service_ = o.service_time;
    }

    recommendation recommend(scaling_sample const& sample, time_point now) {
        auto const rate = known(sample.arrivals_per_second);
        observe(rate, sample.interval, now);
        if (!o_.service_time) {
            auto const measured = known(sample.service_time);
            if (measured && measured->count() > 0) service_ = measured;
        }
        if (!started_) return {{}, "predictive: no arrival rate", {}};
        // The last step of the horizon comes into view in the course of the present one.
        bool const whole = now > saturating_add(begin_, reach_);
        auto const look_again = saturating_add(begin_, o_.step);
        if (missing_ > o_.max_missing) return {{}, "predictive: no arrival rate", look_again};
        if (!service_) return {{}, "predictive: no service time", look_again};
        double const present = rate ? *rate : last_rate_;
        if (!ahead_) return {workers(present), "predictive: no forecast yet, present load", look_again};
        double const ahead = whole ? std::max(*ahead_, beyond_.value_or(0)) : *ahead_;
        if (present > ahead) return {workers(present), "predictive: present load", look_again};
        return {workers(ahead), "predictive: forecast", look_again};
    }

    /// The largest rate per second forecast up to the horizon, seen from the step's beginning; empty while there is none.
    [[nodiscard]] std::optional<double> forecast() const noexcept { return ahead_; }
    [[nodiscard]] Forecaster const& model() const noexcept { return forecaster_; }
    [[nodiscard]] predictive_options const& options() const noexcept { return o_; }

private:
    [[nodiscard]] double workers(double rate) const noexcept {
        double const load = std::min(rate * (static_cast<double>(service_->count()) * 1e-9), 1e18);
        return instances_for(load, o_.target);
    }

    /// The mean that comes with a sample covers its interval, or all since the last sample: it is spread over the steps.
    void observe(std::optional<double> rate, std::optional<duration> interval, time_point now) {
        if (!started_) {
            if (!rate) return;
            started_ = true;
            begin_ = last_ = now;
        } else if (now < last_) {
            return;
        }
        if (rate) last_rate_ = *rate;
        auto covered = saturating_sub(now, last_);
        if (auto const said = known(interval)) covered = std::min(covered, *said);
        if (covered / most_at_once > o_.step) covered = o_.step * most_at_once;
        auto const from = now - covered;
        last_ = now;
        bool const closes = saturating_sub(now, begin_) >= o_.step;
        while (saturating_sub(now, begin_) >= o_.step) {
            auto const end = begin_ + o_.step;
            if (from >= end && weight_ == 0) {  // whole steps of which nothing is known
                auto const n = saturating_sub(from, begin_).count() / o_.step.count();
                forecaster_.skip(static_cast<std::uint64_t>(n));
                missing_ = std::min(missing_, UINT64_MAX / 2) + static_cast<std::uint64_t>(n);
                begin_ += duration(n * o_.step.count());
                continue;
            }
            if (rate) add(*rate, end - std::max(from, begin_));
            if (weight_ > 0) {
                forecaster_.update(std::optional<double>(sum_ / weight_));
                missing_ = 0;
            } else {
                forecaster_.update(std::optional<double>());
                missing_ = std::min(missing_, UINT64_MAX / 2) + 1;
            }
            sum_ = weight_ = 0;
            begin_ = end;
        }
        if (rate) add(*rate, now - std::max(from, begin_));
        if (rate) missing_ = 0;
        if (closes) look_ahead();
    }

    void add(double rate, duration time) noexcept {
        double const weight = static_cast<double>(time.count());
        if (weight <= 0 || !detail::is_finite(sum_ + rate * weight)) return;
        sum_ += rate * weight;
        weight_ += weight;
    }

    void look_ahead() {
        ahead_.reset();
        for (std::uint64_t h = 1; h <= steps_ahead_; ++h)
            if (auto const y = known(positive(forecaster_.forecast(h)))) ahead_ = std::max(ahead_.value_or(0), *y);
        beyond_ = known(positive(forecaster_.forecast(steps_ahead_ + 1)));
    }

    [[nodiscard]] static std::optional<double> positive(std::optional<double> y) noexcept {
        if (y && *y < 0) y = 0;
        return y;
    }

    static constexpr std::int64_t most_at_once = 1000;  // steps that one sample can tell about

    predictive_options      o_;
    Forecaster              forecaster_;
    std::uint64_t           steps_ahead_ = 1;
    std::optional<duration> service_;
    duration                reach_{};  // into the present step, until the horizon reaches one more
    double                  last_rate_ = 0;
    std::optional<double>   ahead_;
    std::optional<double>   beyond_;  // the one more
    time_point              begin_{};  // of the present step
    time_point              last_{};
    double                  sum_ = 0;  // rate × nanoseconds in the present step
    double                  weight_ = 0;
    std::uint64_t           missing_ = 0;
    bool                    started_ = false;
};

}  // namespace sluice
