// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// pool_counters, pool_sampler — from counters that only grow to what happened between two looks at them.
///
/// Use it for     feeding an autoscaler; autoscale_step does it
/// Thread-safety  one thread at a time
/// Complexity     O(1), no allocation
/// Errors         none. A counter that went backwards (a pool that was replaced, a reader that lies) is no data for this interval
///                and the beginning of the next. No time between two looks: no means, and the interval goes on
/// Units          tasks, nanoseconds of work; an interval is from one look to the next
///
/// utilisation is work per ready worker's time, at most 1. service_time is work per completed task: of tasks longer than the
/// interval, and there alone, it is a mixture of neighbours. in_flight and the number of ready workers are the means of the two
/// looks; what was ready once the pool had been told its new size (resized) counts for the first of them.

#include <sluice/core/clock.hpp>
#include <sluice/scaling/recommender.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace sluice {

/// A pool at one moment. The last three only grow.
struct pool_counters {
    std::uint32_t provisioned = 0;
    std::uint32_t ready = 0;
    std::uint32_t busy = 0;
    std::uint64_t queued = 0;
    std::uint64_t submitted = 0;
    std::uint64_t completed = 0;
    std::uint64_t busy_nanoseconds = 0;  ///< of all workers together, the tasks in hand included
};

class pool_sampler {
public:
    scaling_sample sample(pool_counters const& c, time_point now) noexcept {
        scaling_sample s{.provisioned = c.provisioned, .ready = c.ready, .busy = c.busy, .queued = c.queued};
        if (before_) {
            auto const interval = saturating_sub(now, at_);
            if (interval.count() <= 0) {
                if (interval.count() < 0) keep(c, now);
                return s;
            }
            means(s, *before_, c, interval);
        }
        keep(c, now);
        return s;
    }

    /// So many are ready since the last look, because the pool was told another size right after it.
    void resized(std::uint32_t ready) noexcept {
        if (before_) before_->ready = ready;
    }

private:
    void keep(pool_counters const& c, time_point now) noexcept {
        before_ = c;
        at_ = now;
    }

    static void means(scaling_sample& s, pool_counters const& a, pool_counters const& b, duration interval) noexcept {
        auto const grown = [](std::uint64_t from, std::uint64_t to) -> std::optional<double> {
            if (to < from) return std::nullopt;
            return static_cast<double>(to - from);
        };
        double const ns = static_cast<double>(interval.count());
        s.interval = interval;
        s.in_flight = (static_cast<double>(a.queued) + a.busy + static_cast<double>(b.queued) + b.busy) / 2;
        auto const submitted = grown(a.submitted, b.submitted);
        auto const completed = grown(a.completed, b.completed);
        auto const work = grown(a.busy_nanoseconds, b.busy_nanoseconds);
        double const ready = (static_cast<double>(a.ready) + b.ready) / 2;
        if (submitted) s.arrivals_per_second = *submitted / ns * 1e9;
        if (work && ready > 0) s.utilisation = std::min(1.0, *work / (ns * ready));
        if (work && completed && *completed > 0 && *work > 0)
            s.service_time = duration(static_cast<std::int64_t>(std::min(*work / *completed, 9e18)));
    }

    std::optional<pool_counters> before_;
    time_point                   at_{};
};

}  // namespace sluice
