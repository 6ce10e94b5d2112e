// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// pid_tracking — keeps a measured signal per worker at its target, with a pid whose gains fit the start-up delay.
///
/// Use it for     a signal that says what is wanted but not how many workers that takes: latency, queue per worker
/// Not for        a known arrival rate: feed_forward and predictive need not wait for an error; a latency that says nothing
///                until a queue is there: it leads up and down for ever
/// Thread-safety  one thread at a time
/// Complexity     O(1), no allocation; a logarithm or two, an exponential
/// Errors         constructor: std::invalid_argument names the option. Without the signal, or without `provisioned`, there
///                is no opinion and nothing changes; a time that is not later repeats the last answer
/// Units          the target in the signal's: tasks per worker, share of time, seconds
/// Source         gains by AMIGO for a process that is all delay: kp .15, Ti .35 (start_delay + period)
///
/// The controller works on ln(workers) and ln(signal / target): a gain then means the same at 10 workers and at 1000. The
/// signals per worker are divided by the provisioned, so that workers on their way are not ordered twice.
///
/// What was really done is the next sample's `provisioned`. If it differs by a worker or more from what was asked, the
/// integral starts again from there, whatever the reason was: limits, cooldowns, a pool that refused. Less is rounding, and
/// the fraction accumulates.
///
/// No change, and no integral, while the signal is within dead_band of the target, or while one worker fewer would bring it
/// above that band: an integral and whole workers would otherwise go up and down by one for ever.

#include <sluice/core/clock.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/pid.hpp>
#include <sluice/scaling/pid_tuning.hpp>
#include <sluice/scaling/recommender.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>

namespace sluice {

enum class pid_signal : std::uint8_t {
    in_flight,    ///< tasks queued or in hand, per worker
    queued,       ///< tasks queued, per worker
    utilisation,  ///< clipped at 1: at most ln(1 / target) of error upwards, so it is slow under overload
    latency,      ///< the 99th percentile
};

struct pid_tracking_options {
    pid_signal               signal = pid_signal::in_flight;
    double                   target = .7;                        ///< > 0; a utilisation < 1
    duration                 start_delay{};                      ///< from the order of a worker to its first task; >= 0
    duration                 period = std::chrono::seconds(15);  ///< between decisions; > 0
    std::optional<pid_gains> gains{};                            ///< of logarithms; empty: from the two above
    double                   dead_band = .1;                     ///< relative to the target; in [0, 1)
    std::uint32_t            min_workers = 1;                    ///< >= 1
    std::uint32_t            max_workers = 1000;                 ///< > min_workers
};

class pid_tracking {
public:
    explicit pid_tracking(pid_tracking_options o) : o_(checked(o)), pid_(controller(o)) {}

    recommendation recommend(scaling_sample const& sample, time_point now) noexcept {
        auto const total = signal(sample);
        if (!total) return {{}, "pid_tracking: no signal", {}};
        if (!sample.provisioned) return {{}, "pid_tracking: provisioned not known", {}};
        double const n = *sample.provisioned;
        if (n == 0) {  // no ratio leads away from zero
            started_ = false;
            double const wanted = per_worker() ? *total / o_.target : *total > 0 ? 1 : 0;
            return {limited(wanted), "pid_tracking: from zero", {}};
        }
        if (started_ && now <= last_) return {desired_, "pid_tracking: no time has passed", {}};
        last_ = now;
        double const ratio = *total / (per_worker() ? n : 1) / o_.target;
        double const x = std::log(std::clamp(ratio, 1 / most_ratio, most_ratio));
        double const size = std::log(n);
        double const high = (1 + o_.dead_band) * (1 + 1e-12);
        double const low = std::min(1 - o_.dead_band, high * (n - 1) / n) * (1 - 1e-12);
        bool const quiet = ratio <= high && ratio >= low;
        if (!started_ || quiet) {
            started_ = true;
            (void)pid_.reset(now, 0, x, size);
            desired_ = limited(n);
            return {desired_, quiet ? "pid_tracking: within the dead band" : "pid_tracking: first sample", {}};
        }
        if (std::abs(n - desired_) >= 1) (void)pid_.track(size);
        desired_ = limited(std::exp(pid_.update(0, x, now).value));
        return {desired_, ratio > 1 ? "pid_tracking: above the target" : "pid_tracking: below the target", {}};
    }

    [[nodiscard]] pid_gains const& gains() const noexcept { return pid_.options().gains; }
    [[nodiscard]] pid_tracking_options const& options() const noexcept { return o_; }

private:
    static constexpr double most_ratio = 16;  // a larger error is no reason for a larger leap

    static pid_tracking_options const& checked(pid_tracking_options const& o) {
        auto const ns = [](duration d) { return static_cast<double>(d.count()); };
        detail::require_number(o.target > 0 && detail::is_finite(o.target), "pid_tracking: target (> 0)", o.target);
        detail::require_number(o.signal != pid_signal::utilisation || o.target < 1,
                               "pid_tracking: target (< 1, a utilisation)", o.target);
        detail::require_number(o.start_delay.count() >= 0, "pid_tracking: start_delay (>= 0 ns)", ns(o.start_delay));
        detail::require_number(o.period.count() > 0, "pid_tracking: period (> 0 ns)", ns(o.period));
        detail::require_number(o.dead_band >= 0 && o.dead_band < 1, "pid_tracking: dead_band (in [0, 1))", o.dead_band);
        detail::require_number(o.min_workers >= 1, "pid_tracking: min_workers (>= 1)", o.min_workers);
        detail::require_number(o.min_workers < o.max_workers, "pid_tracking: max_workers (> min_workers)", o.max_workers);
        return o;
    }

    static pid_options controller(pid_tracking_options const& o) {
        auto gains = o.gains ? *o.gains
                             : amigo({.delay = model_seconds(saturating_add(o.start_delay, o.period))});
        if (gains.tracking_time.count() == 0) gains.tracking_time = std::chrono::nanoseconds(1);  // at once
        return {.gains = gains,
                .min_output = std::log(static_cast<double>(o.min_workers)),
                .max_output = std::log(static_cast<double>(o.max_workers)),
                .windup = anti_windup::back_calculation,
                .response = pid_response::falling,
                .max_interval = o.period <= duration::max() / 3 ? 3 * o.period : duration::max()};
    }

    [[nodiscard]] bool per_worker() const noexcept {
        return o_.signal == pid_signal::in_flight || o_.signal == pid_signal::queued;
    }

    /// Of all workers where it is one per worker.
    [[nodiscard]] std::optional<double> signal(scaling_sample const& s) const noexcept {
        switch (o_.signal) {
        case pid_signal::in_flight:
            if (auto const tasks = known(s.in_flight)) return tasks;
            if (s.queued && s.busy) return static_cast<double>(*s.queued) + *s.busy;
            return std::nullopt;
        case pid_signal::queued:
            if (!s.queued) return std::nullopt;
            return static_cast<double>(*s.queued);
        case pid_signal::utilisation: {
            // Of the provisioned: those that start are idle.
            auto u = known(s.utilisation);
            if (!u && s.ready && s.busy && *s.ready > 0) u = static_cast<double>(*s.busy) / *s.ready;
            if (u && s.ready && s.provisioned && *s.ready < *s.provisioned)
                *u *= static_cast<double>(*s.ready) / *s.provisioned;
            return u;
        }
        case pid_signal::latency: {
            auto const p99 = known(s.latency_p99);
            if (!p99) return std::nullopt;
            return static_cast<double>(p99->count()) * 1e-9;
        }
        }
        return std::nullopt;
    }

    [[nodiscard]] double limited(double n) const noexcept {
        double const whole = std::round(n);  // what is whole but for the logarithm's last digit is whole
        if (std::abs(n - whole) <= 1e-9 * whole) n = whole;
        return std::clamp(n, static_cast<double>(o_.min_workers), static_cast<double>(o_.max_workers));
    }

    pid_tracking_options o_;
    pid                  pid_;
    double               desired_ = 0;
    time_point           last_{};
    bool                 started_ = false;
};

}  // namespace sluice
