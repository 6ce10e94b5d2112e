// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// backlog_latency — as many workers as work the queue off within the latency that is acceptable.
///
/// Use it for     queues with a promise: "started within 10 s". The backlog that a worker may have before it is
///                latency / service time: 10 s at .1 s are 100 tasks, and 1500 tasks are 15 workers
/// Not for        a steady load with a short queue, for the reason given at queue_depth
/// Thread-safety  values; one thread at a time
/// Complexity     O(1), no allocation
/// Errors         constructor: std::invalid_argument names the option. Without the queue length, or as long as no service time
///                is known, there is no opinion
/// Source         the backlog-per-instance metric of the Amazon EC2 Auto Scaling guide

#include <sluice/core/clock.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/recommender.hpp>

#include <algorithm>
#include <chrono>
#include <optional>

namespace sluice {

struct backlog_latency_options {
    duration                acceptable = std::chrono::seconds(10);  ///< from accepted to begun; > 0
    std::optional<duration> service_time{};                         ///< > 0; empty: from the samples, the last one known
};

class backlog_latency {
public:
    explicit backlog_latency(backlog_latency_options o) : o_(o), service_(o.service_time) {
        auto const ns = [](duration d) { return static_cast<double>(d.count()); };
        detail::require_number(o.acceptable.count() > 0, "backlog_latency: acceptable (> 0 ns)", ns(o.acceptable));
        detail::require_number(!o.service_time || o.service_time->count() > 0, "backlog_latency: service_time (> 0 ns)",
                               o.service_time ? ns(*o.service_time) : 0);
    }

    recommendation recommend(scaling_sample const& sample, time_point) noexcept {
        if (!o_.service_time) {
            auto const measured = known(sample.service_time);
            if (measured && measured->count() > 0) service_ = measured;
        }
        if (!sample.queued) return {{}, "backlog_latency: queue length not known", {}};
        if (*sample.queued == 0) return {0.0, "backlog_latency: nothing queued", {}};
        if (!service_) return {{}, "backlog_latency: no service time", {}};
        double const work = static_cast<double>(*sample.queued) * static_cast<double>(service_->count());
        return {std::min(work / static_cast<double>(o_.acceptable.count()), 1e18), "backlog_latency", {}};
    }

    [[nodiscard]] backlog_latency_options const& options() const noexcept { return o_; }

private:
    backlog_latency_options o_;
    std::optional<duration> service_;
};

}  // namespace sluice
