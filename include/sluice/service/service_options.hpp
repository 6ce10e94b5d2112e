// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// service_options, service_result, service_metrics — what a service is told, what it answers, what it counts.
///
/// Use it for     the arguments and answers of service
/// Thread-safety  values; any thread
/// Complexity     O(1), no allocation
/// Units          times in nanoseconds of the service's clock

#include <sluice/core/clock.hpp>
#include <sluice/flow/backoff_policy.hpp>
#include <sluice/flow/load_level.hpp>
#include <sluice/flow/retry_budget.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <stop_token>

namespace sluice {

/// What makes the breaker between the queue and the handler open.
struct service_breaker_options {
    double failure_rate = 0.5;                     ///< in (0, 1]
    std::uint32_t minimum_calls = 0;  ///< in its window before the rate means anything; 0: there is no breaker
    duration open_time = std::chrono::seconds(5);  ///< > 0
};

struct service_options {
    std::size_t lanes = 1;                  ///< queues side by side; 1 to 2^20
    std::size_t capacity = 1000;            ///< most calls that wait in each; > 0
    duration max_delay = duration::max();   ///< longest estimated wait that is accepted; > 0
    duration expected_service{0};           ///< what a call takes: a margin before its expiry; >= 0
    duration time_limit = duration::max();  ///< expiry of a call that has none, from its submit on; > 0
    std::uint32_t max_attempts = 1;         ///< with the first one; 1 to 64
    exponential_backoff_options backoff{.base = std::chrono::milliseconds(10), .cap = std::chrono::seconds(1), .spread = jitter::full()};
    retry_budget_options budget{};          ///< pays for attempts beyond the first, of all calls together
    duration hedge_delay{0};  ///< > 0: a second attempt beside the first after so long, in place of retries
    service_breaker_options breaker{};              ///< none unless minimum_calls says so
    load_gauge_options levels{};  ///< high and low water of each lane
    std::uint64_t seed = 0;       ///< of the lanes' choice and the jitter
};

enum class service_end : std::uint8_t {
    served,     ///< the handler succeeded
    failed,     ///< its last attempt failed, or the breaker was open for the last
    expired,    ///< its time was over before an attempt began
    cancelled,  ///< a stop was requested before an attempt began
    dropped     ///< the discipline gave it up, or the executor did
};

/// What the completion is called with, once for each call that was accepted.
struct service_result {
    service_end end = service_end::dropped;
    std::uint32_t attempts = 0;  ///< that reached the handler
    duration latency{0};         ///< from submit on
    std::exception_ptr error{};  ///< failed: what the attempt threw that decided it, if it threw
};

/// What the handler may want to know.
struct service_attempt {
    std::uint32_t number = 1;  ///< from 1 on
    time_point expiry{};       ///< of no use from then on
    std::stop_token stop{};    ///< a stop is requested when the call is decided elsewhere (hedges), or by its owner
};

/// offered == refused + rejected + served + failed + expired + cancelled + dropped + in_flight
struct service_metrics {
    std::uint64_t offered = 0;
    std::uint64_t refused = 0;   ///< by the admission
    std::uint64_t rejected = 0;  ///< by a lane: full, too late, closed
    std::uint64_t served = 0;
    std::uint64_t failed = 0;
    std::uint64_t expired = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t dropped = 0;
    std::uint64_t in_flight = 0;  ///< accepted, not ended
    std::uint64_t attempts = 0;   ///< calls of the handler
    std::uint64_t retries = 0;    ///< attempts that were asked for after a failure
    std::uint64_t hedges = 0;     ///< attempts beside another one
    std::uint64_t broken = 0;     ///< attempts that an open breaker kept from the handler
    duration p50{0};              ///< of the latencies of served calls, at most 3.2 % above
    duration p99{0};
};

}  // namespace sluice
