// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// simc, amigo, amigo_pid, max_stable_gain, max_monotone_gain — gains for a pid from what is controlled and its delay.
///
/// Use it for     a first set of gains from a step response; how fast a loop may be whose workers take periods to start
/// Not for        Ziegler-Nichols' rules: 57 % overshoot where these have 3 … 5 % (first order, time constant 5 × delay)
/// Thread-safety  functions of their arguments; any thread
/// Complexity     O(1), no allocation; ultimate_point some hundred arc tangents
/// Errors         std::invalid_argument names parameter and value: gain 0, NaN; a time < 0, NaN; a delay of 0 where the rule
///                divides by it
/// Units          times in seconds of any std::chrono::duration
/// Source         Skogestad, J. Process Control 13 (2003), doi:10.1016/S0959-1524(02)00062-8 (SIMC); Åström, Hägglund,
///                J. Process Control 14 (2004), doi:10.1016/j.jprocont.2004.01.002 (AMIGO)

#include <sluice/core/clock.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/offered_load.hpp>
#include <sluice/scaling/pid.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sluice {

/// First order with dead time: after a step of the output by 1 nothing happens for `delay`, then the measurement goes to
/// `gain` as 1 - exp(-t/time_constant). A negative gain is one with pid_response::falling; kp comes out positive.
struct process_model {
    double        gain = 1;         ///< not 0
    model_seconds time_constant{};  ///< >= 0
    model_seconds delay{};          ///< >= 0
};

namespace detail {

inline void require_process(process_model const& p) {
    require_number(p.gain != 0 && is_finite(p.gain), "process_model: gain (not 0)", p.gain);
    require_number(p.time_constant.count() >= 0 && is_finite(p.time_constant.count()),
                   "process_model: time_constant (>= 0 s)", p.time_constant.count());
    require_number(p.delay.count() >= 0 && is_finite(p.delay.count()), "process_model: delay (>= 0 s)", p.delay.count());
}

}  // namespace detail

/// PI by SIMC: `closed_loop` is the wanted time constant, > 0 where there is no delay. Needs a time constant > 0.
[[nodiscard]] inline pid_gains simc(process_model const& p, model_seconds closed_loop) {
    detail::require_process(p);
    detail::require_number(p.time_constant.count() > 0, "simc: time_constant (> 0 s; amigo can do without)",
                           p.time_constant.count());
    double const sum = closed_loop.count() + p.delay.count();
    detail::require_number(closed_loop.count() >= 0 && sum > 0 && detail::is_finite(sum),
                           "simc: closed_loop (>= 0 s, > 0 without delay)", closed_loop.count());
    double const t = p.time_constant.count();
    return {.kp = t / (std::abs(p.gain) * sum), .integral_time = model_seconds(std::min(t, 4 * sum))};
}

/// The same with a closed loop as slow as the delay, which has to be > 0.
[[nodiscard]] inline pid_gains simc(process_model const& p) { return simc(p, p.delay); }

/// PI by AMIGO: robust, little overshoot. Needs a delay > 0; the time constant may be 0.
[[nodiscard]] inline pid_gains amigo(process_model const& p) {
    detail::require_process(p);
    detail::require_number(p.delay.count() > 0, "amigo: delay (> 0 s)", p.delay.count());
    double const k = std::abs(p.gain);
    double const t = p.time_constant.count();
    double const l = p.delay.count();
    double const ratio = t / l;  // all in delays: no overflow of a square
    double const kp = .15 / k + (.35 - ratio / ((1 + ratio) * (1 + ratio))) * ratio / k;
    double const ti = l * (.35 + 13 * ratio * (ratio / ((ratio + 12) * ratio + 7)));
    return {.kp = kp, .integral_time = model_seconds(ti)};
}

/// PID by AMIGO. Needs a delay > 0.
[[nodiscard]] inline pid_gains amigo_pid(process_model const& p) {
    detail::require_process(p);
    detail::require_number(p.delay.count() > 0, "amigo_pid: delay (> 0 s)", p.delay.count());
    double const t = p.time_constant.count();
    double const l = p.delay.count();
    return {.kp = (.2 + .45 * (t / l)) / std::abs(p.gain),
            .integral_time = model_seconds(l * ((.4 * l + .8 * t) / (l + .1 * t))),
            .derivative_time = model_seconds(.5 * l * (t / (.3 * l + t)))};
}

/// Where a proportional controller keeps the process oscillating.
struct ultimate_point_result {
    double        gain;
    model_seconds period;
};

/// Needs a delay and a time constant > 0: without either there is no such gain, or none that depends on them.
[[nodiscard]] inline ultimate_point_result ultimate_point(process_model const& p) {
    detail::require_process(p);
    detail::require_number(p.delay.count() > 0, "ultimate_point: delay (> 0 s)", p.delay.count());
    detail::require_number(p.time_constant.count() > 0, "ultimate_point: time_constant (> 0 s)", p.time_constant.count());
    double const pi = 3.14159265358979323846;
    double const ratio = p.time_constant.count() / p.delay.count();
    double low = pi / 2;  // of the phase that the delay turns: the rest is atan(ratio × phase)
    double high = pi;
    for (int i = 0; i < 100; ++i) {
        double const middle = low + (high - low) / 2;
        (middle + std::atan(ratio * middle) < pi ? low : high) = middle;
    }
    return {std::hypot(1, ratio * high) / std::abs(p.gain), model_seconds(2 * pi * (p.delay.count() / high))};
}

/// The gain from which n' = n + gain × (need - n of `delay_periods` ago) no longer settles: 2, 1, .618, .445 …
[[nodiscard]] inline double max_stable_gain(std::uint32_t delay_periods) noexcept {
    double const pi = 3.14159265358979323846;
    return 2 * std::sin(pi / (2 * (2 * static_cast<double>(delay_periods) + 1)));
}

/// The largest gain with which the same loop never overshoots: 1, .25, .148, .105 …
[[nodiscard]] inline double max_monotone_gain(std::uint32_t delay_periods) noexcept {
    if (delay_periods == 0) return 1;
    double const d = delay_periods;
    return std::exp(-d * std::log1p(1 / d)) / (d + 1);  // d^d / (d + 1)^(d + 1)
}

/// Standard deviation of D for noise of 1 in every measurement, sampled every `period` > 0: what the filter is for.
[[nodiscard]] inline double derivative_noise(pid_gains const& g, model_seconds period) {
    detail::require_number(period.count() > 0 && detail::is_finite(period.count()), "derivative_noise: period (> 0 s)",
                           period.count());
    double const filter = g.derivative_time.count() / g.filter_n;
    double const decay = filter / (filter + period.count());
    return g.kp * (g.derivative_time.count() / (filter + period.count())) * std::sqrt(2 / (1 + decay));
}

}  // namespace sluice
