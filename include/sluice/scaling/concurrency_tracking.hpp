// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// concurrency_tracking, excess_burst_capacity — tasks in flight per worker, over a long window when calm and a short one in panic.
///
/// Use it for     requests whose number in flight is known and little else; it sees a queue, and it sees it soon
/// Not for        a service time that is known besides the arrivals: feed_forward asks for what the queue needs, not for a worker
///                per waiting task
/// Thread-safety  one thread at a time
/// Complexity     O(buckets of the windows); two allocations, in the constructor
/// Errors         constructor: std::invalid_argument names the option. Without tasks in flight within the stable window, or
///                without a number of workers, there is no opinion
/// Source         the Knative Pod Autoscaler (serving/pkg/autoscaler/scaling, its rules, none of its code)
/// Differs        seconds without a sample are left out, where there they count as 0; times before the last one count as it
///
/// Panic begins when the short window wants panic_threshold times the ready workers; each decision that still does restarts
/// its clock. It ends when the clock is older than the stable window. In panic the answer never falls. A new object that finds
/// workers begins in panic: nothing is known yet that would justify fewer.

#include <sluice/core/clock.hpp>
#include <sluice/scaling/bucketed_mean.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/detail/round_up.hpp>
#include <sluice/scaling/detail/sliding_extreme.hpp>
#include <sluice/scaling/recommender.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>

namespace sluice {

struct concurrency_tracking_options {
    double      target = .7;                               ///< tasks in flight per worker; > 0
    duration    stable_window = std::chrono::seconds(60);  ///< > 0
    double      panic_window_share = .1;                   ///< of the stable window, rounded to buckets; in (0, 1]
    double      panic_threshold = 2;                       ///< > 1
    double      max_scale_up_rate = 1000;                  ///< at most so many times the ready ones; > 1
    double      max_scale_down_rate = 2;                   ///< at least the ready ones divided by this; > 1
    duration    scale_down_delay{};                        ///< the answer is the largest of this time; >= 0
    duration    bucket = std::chrono::seconds(1);          ///< of the windows; > 0
    bucket_gaps gaps = bucket_gaps::skip;
};

class concurrency_tracking {
public:
    explicit concurrency_tracking(concurrency_tracking_options o)
        : o_(checked(o)),
          stable_({.window = o.stable_window, .bucket = o.bucket, .gaps = o.gaps}),
          panic_({.window = panic_window(o), .bucket = o.bucket, .gaps = o.gaps}),
          delayed_(o.scale_down_delay) {}

    recommendation recommend(scaling_sample const& sample, time_point now) noexcept {
        auto tasks = known(sample.in_flight);
        if (!tasks && sample.queued && sample.busy) tasks = static_cast<double>(*sample.queued) + *sample.busy;
        if (tasks) {
            stable_.record(*tasks, now);
            panic_.record(*tasks, now);
        }
        auto const ready = sample.ready ? sample.ready : sample.provisioned;
        if (!ready) return {{}, "concurrency_tracking: workers not known", {}};
        auto const calm = stable_.mean(now);
        if (!calm) return {{}, "concurrency_tracking: tasks in flight not known", {}};
        double const desired = decide(*calm, panic_.mean(now).value_or(*calm), *ready, now);
        if (!panicking_) return {desired, "concurrency_tracking: stable window", {}};
        return {desired, "concurrency_tracking: panic", saturating_add(panic_began_, o_.stable_window)};
    }

    /// The rule itself, from means that somebody else has taken. Arguments that are not finite, or negative, count as 0.
    double decide(double stable, double panic, std::uint32_t ready, time_point now) noexcept {
        if (started_ && now < last_) now = last_;
        last_ = now;
        if (!started_) {
            started_ = true;
            if (ready > 1) begin_panic(now), most_ = ready;
        }
        double const n = std::max(1.0, static_cast<double>(ready));
        double const most = detail::round_up(n * o_.max_scale_up_rate);
        double const least = std::floor(n / o_.max_scale_down_rate * (1 + 1e-12));
        double const wanted_calm = detail::round_up(known(std::optional(stable)).value_or(0) / o_.target);
        double const wanted_now = detail::round_up(known(std::optional(panic)).value_or(0) / o_.target);

        if (wanted_now / n >= o_.panic_threshold) begin_panic(now);
        else if (panicking_ && saturating_sub(now, panic_began_) > o_.stable_window) panicking_ = false, most_ = 0;

        double desired = std::clamp(wanted_calm, least, most);
        if (panicking_) desired = most_ = std::max({most_, desired, std::clamp(wanted_now, least, most)});
        if (o_.scale_down_delay.count() > 0) {
            delayed_.record(static_cast<std::uint32_t>(desired), now);
            desired = delayed_.best(now).value_or(0);
        }
        return desired;
    }

    [[nodiscard]] bool panicking() const noexcept { return panicking_; }
    [[nodiscard]] concurrency_tracking_options const& options() const noexcept { return o_; }

private:
    static concurrency_tracking_options const& checked(concurrency_tracking_options const& o) {
        auto const above = [](double x, double least) { return x > least && detail::is_finite(x); };
        detail::require_number(above(o.target, 0), "concurrency_tracking: target (> 0)", o.target);
        detail::require_number(o.panic_window_share > 0 && o.panic_window_share <= 1,
                               "concurrency_tracking: panic_window_share (in (0, 1])", o.panic_window_share);
        detail::require_number(above(o.panic_threshold, 1), "concurrency_tracking: panic_threshold (> 1)", o.panic_threshold);
        detail::require_number(above(o.max_scale_up_rate, 1), "concurrency_tracking: max_scale_up_rate (> 1)",
                               o.max_scale_up_rate);
        detail::require_number(above(o.max_scale_down_rate, 1), "concurrency_tracking: max_scale_down_rate (> 1)",
                               o.max_scale_down_rate);
        detail::require_number(o.scale_down_delay.count() >= 0, "concurrency_tracking: scale_down_delay (>= 0 ns)",
                               static_cast<double>(o.scale_down_delay.count()));
        return o;
    }

    static duration panic_window(concurrency_tracking_options const& o) {
        if (o.stable_window.count() <= 0 || o.bucket.count() <= 0) return o.stable_window;  // stable_ has said so
        double const buckets = std::round(o.panic_window_share * static_cast<double>(o.stable_window.count()) /
                                          static_cast<double>(o.bucket.count()));
        if (buckets <= 1) return o.bucket;
        return std::min(o.stable_window, o.bucket * static_cast<std::int64_t>(buckets));
    }

    void begin_panic(time_point now) noexcept {
        panicking_ = true;
        panic_began_ = now;
    }

    concurrency_tracking_options                   o_;
    bucketed_mean                                  stable_;
    bucketed_mean                                  panic_;
    detail::sliding_extreme<std::greater<>>        delayed_;
    double                                         most_ = 0;  // asked for in this panic
    time_point                                     panic_began_{};
    time_point                                     last_{};
    bool                                           panicking_ = false;
    bool                                           started_ = false;
};

/// Tasks that the ready workers could take at once beyond those in flight and a reserve; below 0 the burst has to wait. Rounded
/// down. tasks_per_worker and the rest >= 0.
[[nodiscard]] constexpr double excess_burst_capacity(std::uint32_t ready, double tasks_per_worker, double reserve,
                                                     double in_flight) {
    detail::require_number(tasks_per_worker >= 0 && detail::is_finite(tasks_per_worker),
                           "excess_burst_capacity: tasks_per_worker (>= 0)", tasks_per_worker);
    detail::require_number(reserve >= 0 && detail::is_finite(reserve), "excess_burst_capacity: reserve (>= 0)", reserve);
    detail::require_number(in_flight >= 0 && detail::is_finite(in_flight), "excess_burst_capacity: in_flight (>= 0)", in_flight);
    double const spare = ready * tasks_per_worker - reserve - in_flight;
    if (spare >= 0x1p62 || spare <= -0x1p62) return spare;
    auto const whole = static_cast<double>(static_cast<std::int64_t>(spare));
    return whole > spare ? whole - 1 : whole;
}

}  // namespace sluice
