// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// queue_depth — so many workers per queued task, and nothing else.
///
/// Use it for     work that waits by nature: batches, builds, downloads; one of several rules behind max_of
/// Not for        a steady load: when the queue is empty it wants nobody, so alone it goes up and down for ever (feed_forward
///                knows the arrivals, backlog_latency the time)
/// Thread-safety  values; one thread at a time
/// Complexity     O(1), no allocation
/// Errors         constructor: std::invalid_argument: tasks_per_worker that is not > 0. No queue length, no opinion

#include <sluice/core/clock.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/recommender.hpp>

#include <algorithm>

namespace sluice {

struct queue_depth_options {
    double tasks_per_worker = 100;  ///< queued; > 0
};

class queue_depth {
public:
    explicit queue_depth(queue_depth_options o) : o_(o) {
        detail::require_number(o.tasks_per_worker > 0 && detail::is_finite(o.tasks_per_worker),
                               "queue_depth: tasks_per_worker (> 0)", o.tasks_per_worker);
    }

    recommendation recommend(scaling_sample const& sample, time_point) noexcept {
        if (!sample.queued) return {{}, "queue_depth: queue length not known", {}};
        return {std::min(static_cast<double>(*sample.queued) / o_.tasks_per_worker, 1e18), "queue_depth", {}};
    }

    [[nodiscard]] queue_depth_options const& options() const noexcept { return o_; }

private:
    queue_depth_options o_;
};

}  // namespace sluice
