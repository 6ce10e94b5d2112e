// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// autoscale_step — one turn of the loop: look at the pool, decide, ask for the size.
///
/// Use it for     any loop that has the time: autoscaler_driver's thread, an event loop, a simulation
/// Thread-safety  as the policy: one thread at a time. The pool may run meanwhile
/// Complexity     a decision, and eight calls of the pool
/// Errors         what the recommender or the pool throw passes through
///
/// What the pool made of an earlier request is in what it has provisioned now: that is fed back, not what was asked. `adorn` may
/// add to the sample what the pool does not know, a latency for example.

#include <sluice/core/clock.hpp>
#include <sluice/scaling/recommender.hpp>
#include <sluice/scaling/resizable_executor.hpp>
#include <sluice/scaling/scaling_decision.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>

namespace sluice {

/// What autoscale_step drives a pool with: an autoscaler.
template <class P>
concept scaling_policy = requires(P& policy, scaling_sample const& sample, pool_counters const& counters, time_point now) {
    { policy.sampler().sample(counters, now) } -> std::same_as<scaling_sample>;
    { policy.decide(sample, now) } -> std::same_as<scaling_decision>;
};

template <scaling_policy Policy, resizable_executor Pool, std::invocable<scaling_sample&> Adorn>
scaling_decision autoscale_step(Policy& policy, Pool& pool, time_point now, Adorn&& adorn) {
    auto sample = policy.sampler().sample(counters_of(pool), now);
    adorn(sample);
    auto const decision = policy.decide(sample, now);
    pool.request_size(decision.desired);
    policy.sampler().resized(static_cast<std::uint32_t>(std::min<std::uint64_t>(pool.ready(), UINT32_MAX)));
    return decision;
}

template <scaling_policy Policy, resizable_executor Pool>
scaling_decision autoscale_step(Policy& policy, Pool& pool, time_point now) {
    return autoscale_step(policy, pool, now, [](scaling_sample&) noexcept {});
}

}  // namespace sluice
