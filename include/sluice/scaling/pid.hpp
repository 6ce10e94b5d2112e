// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// pid — a proportional-integral-derivative controller that knows what became of its output.
///
/// Use it for     one number held at a set-point by another: workers against a load, a limit against a latency
/// Not for        a signal that clips (utilisation near 1): no gain is right for it, feed the load forward instead
/// Thread-safety  one thread at a time
/// Complexity     O(1), no allocation, some 20 operations
/// Errors         constructor, set_gains, set_limits: std::invalid_argument names the option. Ordinary calls are noexcept:
///                what cannot be used (NaN, infinity, time not later than the last) changes nothing, and the answer says so
/// Units          output and measurement in the caller's; times in seconds of any std::chrono::duration
/// Source         Åström, Hägglund, PID Controllers: Theory, Design, and Tuning, 2nd ed., 1995, ISBN 1-55617-516-7
/// Differs        from textbook code: the derivative acts on the measurement alone and is filtered, the sample period is
///                what it was, and wind-up is judged by what was applied where the caller tells (track)
/// Example        examples/440_pid_anti_windup.cpp
///
///   v = P + I + D          P = kp (b r - y)          I += kp h/Ti (r - y), before it is used
///   u = v within limits    D = a D - kp Td/(Tf + h) (y - y before), with Tf = Td/N and a = Tf/(Tf + h)
///
/// The first measurement has no h: it gives P + I. After a pause longer than max_interval the controller starts again from
/// the output that it had.

#include <sluice/core/clock.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/offered_load.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sluice {

struct pid_gains {
    double        kp = 1;              ///< output per unit of error; > 0
    model_seconds integral_time{};     ///< Ti, 0: no integral action; >= 1 ns otherwise
    model_seconds derivative_time{};   ///< Td, 0: no derivative action; >= 0
    double        filter_n = 10;       ///< the derivative is filtered with Td/N; > 0, infinity: unfiltered
    double        setpoint_weight = 1; ///< b: how much of a set-point step goes through P; in [0, 1]
    model_seconds tracking_time{};     ///< Tt of back-calculation, 0: sqrt(Ti Td), or Ti/2 without derivative; >= 0

    friend bool operator==(pid_gains const&, pid_gains const&) noexcept = default;
};

/// What the integral does while the output cannot be what the controller wants.
enum class anti_windup : std::uint8_t {
    none,              ///< grows; for comparison
    clamping,          ///< stays within the limits itself; simple, lets some wind-up pass
    conditional,       ///< does not move further into the limit
    back_calculation,  ///< is led back to what was applied, with the tracking time
};

/// What the measurement does when the output rises.
enum class pid_response : std::uint8_t {
    rising,   ///< heating and temperature
    falling,  ///< workers and queue length
};

struct pid_options {
    pid_gains    gains{};
    double       min_output = std::numeric_limits<double>::lowest();
    double       max_output = std::numeric_limits<double>::max();  ///< > min_output
    anti_windup  windup = anti_windup::conditional;
    pid_response response = pid_response::rising;
    double       rounding = 0;  ///< track: so small a difference is rounding and not a limit; .5 for whole workers; >= 0
    duration     max_interval = duration::max();  ///< a longer pause starts afresh, without a bump; > 0. Usual: 3 periods
};

enum class pid_status : std::uint8_t {
    ok,
    first,         ///< no time had passed before: neither integral nor derivative moved
    restarted,     ///< after a pause longer than max_interval; the output is the one before, if there is integral action
    manual,        ///< the output is the hand's
    not_a_number,  ///< nothing changed: an argument is NaN or infinite, or too large to calculate with
    not_later,     ///< nothing changed: no time has passed, or less than none
};

struct pid_output {
    double     value;      ///< within the limits; always finite
    double     unlimited;  ///< what it would be without them
    pid_status status;
};

class pid {
public:
    explicit pid(pid_options o) : o_(o) {
        require(o.gains);
        require(o.min_output, o.max_output);
        detail::require_number(o.rounding >= 0 && detail::is_finite(o.rounding), "pid: rounding (>= 0)", o.rounding);
        detail::require_number(o.max_interval.count() > 0, "pid: max_interval (> 0 ns)",
                               static_cast<double>(o.max_interval.count()));
        output_ = unlimited_ = applied_ = limited(0);
    }

    /// The output for a measurement. `value` stays what it was if the sample is refused.
    pid_output update(double setpoint, double measurement, time_point now) noexcept {
        if (!detail::is_finite(setpoint) || !detail::is_finite(measurement)) return answer(pid_status::not_a_number);
        duration const elapsed = started_ ? saturating_sub(now, last_) : duration(0);
        if (started_ && elapsed.count() <= 0) return answer(pid_status::not_later);
        auto const& g = o_.gains;
        double const sign = o_.response == pid_response::rising ? 1 : -1;
        double const y = sign * measurement;
        double const p = g.kp * (g.setpoint_weight * sign * setpoint - y);
        auto status = pid_status::ok;
        double i = integral_;
        double d = 0;
        if (manual_) {
            status = pid_status::manual;
            i = output_ - p;
        } else if (!started_) {
            status = pid_status::first;
        } else if (elapsed > o_.max_interval) {
            status = pid_status::restarted;
            if (g.integral_time.count() > 0) i = applied_ - p;
        } else {
            double const h = static_cast<double>(elapsed.count()) * 1e-9;
            if (measured_ && g.derivative_time.count() > 0) d = derivative(h, y);
            i = integral(h, sign * setpoint - y, p + d);
        }
        double const v = p + i + d;
        if (!detail::is_finite(v) || !detail::is_finite(i) || !detail::is_finite(d)) return answer(pid_status::not_a_number);
        setpoint_ = sign * setpoint;
        measurement_ = y;
        measured_ = started_ = true;
        last_ = now;
        integral_ = i;
        derivative_ = d;
        unlimited_ = v;
        output_ = applied_ = limited(v);
        return answer(status);
    }

    /// What was really applied of the last output: other limits, a rate, a pool that refused. Until the next update.
    /// False and without effect if it is NaN or infinite, and in manual.
    bool track(double applied) noexcept {
        if (!detail::is_finite(applied) || manual_) return false;
        applied_ = std::abs(applied - output_) > o_.rounding ? applied : output_;
        return true;
    }

    /// Other gains. At the last set-point and measurement the output stays what it was; the integral takes the difference.
    void set_gains(pid_gains const& g) {
        require(g);
        double i = integral_;
        double d = derivative_;
        if (measured_) i += proportional(o_.gains) - proportional(g);
        if (!(g.derivative_time.count() > 0)) {
            i += d;
            d = 0;
        }
        detail::require_number(detail::is_finite(i), "pid: kp (times the last error a number)", g.kp);
        o_.gains = g;
        integral_ = i;
        derivative_ = d;
    }

    /// Other limits, from the next update on.
    void set_limits(double min_output, double max_output) {
        require(min_output, max_output);
        o_.min_output = min_output;
        o_.max_output = max_output;
    }

    /// The hand takes over with this output, within the limits; updates go on and keep the controller in step with it.
    /// False and without effect if the output is NaN or infinite.
    bool manual(double output) noexcept {
        if (!detail::is_finite(output)) return false;
        double const u = limited(output);
        double const i = measured_ ? u - proportional(o_.gains) : u;
        if (!detail::is_finite(i)) return false;
        manual_ = true;
        integral_ = i;
        output_ = unlimited_ = applied_ = u;
        derivative_ = 0;
        return true;
    }

    /// The controller takes over where the hand was.
    void automatic() noexcept { manual_ = false; }

    /// Starts at `now` with this integral, in automatic; the next update counts its time from here.
    /// False and without effect if the output is NaN or infinite.
    bool reset(time_point now, double output) noexcept {
        if (!detail::is_finite(output)) return false;
        start(now, output, output);
        measured_ = false;
        return true;
    }

    /// The same, with an integral that makes `output` the right answer to this set-point and measurement.
    bool reset(time_point now, double setpoint, double measurement, double output) noexcept {
        double const sign = o_.response == pid_response::rising ? 1 : -1;
        auto const& g = o_.gains;
        double const i = output - g.kp * (g.setpoint_weight * sign * setpoint - sign * measurement);
        if (!detail::is_finite(setpoint) || !detail::is_finite(measurement) || !detail::is_finite(output)) return false;
        if (!detail::is_finite(i)) return false;
        start(now, output, i);
        setpoint_ = sign * setpoint;
        measurement_ = sign * measurement;
        measured_ = true;
        return true;
    }

    [[nodiscard]] double output() const noexcept { return output_; }
    [[nodiscard]] double integral() const noexcept { return integral_; }
    [[nodiscard]] double derivative() const noexcept { return derivative_; }
    [[nodiscard]] bool is_manual() const noexcept { return manual_; }
    [[nodiscard]] pid_options const& options() const noexcept { return o_; }

private:
    static bool time(model_seconds t) noexcept { return t.count() >= 0 && detail::is_finite(t.count()); }

    static void require(pid_gains const& g) {
        detail::require_number(g.kp > 0 && detail::is_finite(g.kp), "pid: kp (> 0)", g.kp);
        double const ti = g.integral_time.count();
        detail::require_number(time(g.integral_time) && (ti == 0 || ti >= 1e-9), "pid: integral_time (0 s, or >= 1 ns)", ti);
        detail::require_number(time(g.derivative_time), "pid: derivative_time (>= 0 s)", g.derivative_time.count());
        detail::require_number(g.filter_n > 0, "pid: filter_n (> 0)", g.filter_n);
        detail::require_number(g.setpoint_weight >= 0 && g.setpoint_weight <= 1, "pid: setpoint_weight (in [0, 1])",
                               g.setpoint_weight);
        detail::require_number(time(g.tracking_time), "pid: tracking_time (>= 0 s)", g.tracking_time.count());
    }
    static void require(double min_output, double max_output) {
        detail::require_number(detail::is_finite(min_output), "pid: min_output (finite)", min_output);
        detail::require_number(detail::is_finite(max_output), "pid: max_output (finite)", max_output);
        detail::require_number(min_output < max_output, "pid: min_output (< max_output)", min_output);
    }

    [[nodiscard]] double limited(double v) const noexcept { return std::clamp(v, o_.min_output, o_.max_output); }
    [[nodiscard]] double proportional(pid_gains const& g) const noexcept {
        return g.kp * (g.setpoint_weight * setpoint_ - measurement_);
    }

    [[nodiscard]] double derivative(double h, double y) const noexcept {
        auto const& g = o_.gains;
        double const filter = g.derivative_time.count() / g.filter_n;
        return filter / (filter + h) * derivative_ -
               g.kp * (g.derivative_time.count() / (filter + h)) * (y - measurement_);
    }

    [[nodiscard]] double integral(double h, double error, double rest) const noexcept {
        double const ti = o_.gains.integral_time.count();
        if (!(ti > 0)) return integral_;
        double const step = o_.gains.kp * (h / ti) * error;
        double const next = integral_ + step;
        bool const held_up = applied_ > output_;  // more was applied than said
        bool const held_down = applied_ < output_;
        switch (o_.windup) {
        case anti_windup::none: break;
        case anti_windup::clamping: {
            double const most = held_down ? std::min(applied_, o_.max_output) : o_.max_output;
            double const least = held_up ? std::max(applied_, o_.min_output) : o_.min_output;
            if (step > 0) return std::max(integral_, std::min(next, most));
            return std::min(integral_, std::max(next, least));
        }
        case anti_windup::conditional:
            if (step > 0 && (held_down || rest + next > o_.max_output)) return integral_;
            if (step < 0 && (held_up || rest + next < o_.min_output)) return integral_;
            break;
        case anti_windup::back_calculation: return next + std::min(1.0, h / tracking_time()) * (applied_ - unlimited_);
        }
        return next;
    }

    [[nodiscard]] double tracking_time() const noexcept {
        auto const& g = o_.gains;
        if (g.tracking_time.count() > 0) return g.tracking_time.count();
        if (g.derivative_time.count() > 0)
            return std::sqrt(g.integral_time.count()) * std::sqrt(g.derivative_time.count());
        return g.integral_time.count() / 2;
    }

    void start(time_point now, double output, double i) noexcept {
        manual_ = false;
        started_ = true;
        last_ = now;
        integral_ = i;
        derivative_ = 0;
        output_ = applied_ = unlimited_ = limited(output);
    }

    [[nodiscard]] pid_output answer(pid_status status) const noexcept { return {output_, unlimited_, status}; }

    pid_options o_;
    time_point  last_{};
    double      setpoint_ = 0;  // these two with the sign of the response
    double      measurement_ = 0;
    double      integral_ = 0;
    double      derivative_ = 0;
    double      unlimited_;
    double      output_;
    double      applied_;          // of output_, as far as is known
    bool        started_ = false;   // last_ is a time
    bool        measured_ = false;  // setpoint_ and measurement_ are numbers seen
    bool        manual_ = false;
};

}  // namespace sluice
