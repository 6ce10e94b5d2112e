// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// task_attributes — what a task may say about itself to whatever stands in front of an executor.
///
/// Use it for     the second argument of post where there is one: priority_pool, queued_executor, admitted_executor, thread_pool
/// Thread-safety  a value; any thread
/// Complexity     O(1), no allocation; a stop_token that has a source is counted
/// Units          priority 0 is the most urgent; cost in what the caller counts; times on the queue's clock
///
/// Each component uses what it knows: a queue the order and the expiry, a pool with places of its own for a worker that one.
/// The rest is a wish.

#include <sluice/core/clock.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string_view>

namespace sluice {

/// The worker of a task that may run on any.
inline constexpr std::size_t any_worker = SIZE_MAX;

struct task_attributes {
    std::uint32_t    priority = 0;            ///< aging_priority
    std::uint64_t    key = 0;                 ///< whose it is: the tenant of drr and wfq
    std::uint32_t    cost = 1;                ///< how much work it is: drr, wfq, the estimated wait, the lane
    time_point       expiry = no_deadline;    ///< of no use any more from then on, and then not begun; earliest_deadline
    std::size_t      worker = any_worker;     ///< thread_pool and priority_pool; a queue by itself has no workers
    std::stop_token  stop{};                  ///< not begun after a stop
    std::string_view name{};                  ///< observed_executor; outlives the task: a literal

    [[nodiscard]] item_attributes item() const noexcept {
        return {.tenant = key, .priority = priority, .cost = cost, .deadline = expiry};
    }
};

namespace detail {

/// The expiry callback of a task that has none.
struct no_expiry {
    void operator()() const noexcept {}
};

}  // namespace detail

}  // namespace sluice
