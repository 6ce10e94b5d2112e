// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// instances_for_wait — the fewest instances with which at most a given share of the arrivals waits longer than a limit.
///
/// Use it for     sizing by what a user notices. For P(wait > 50 ms) <= 1 % at 100 ms of service, 10/s need 4 instances
///                where 70 % utilisation says 2, and 10 000/s need 1009 where it says 1429
/// Not for        bursty arrivals or service times that vary more than exponential ones: this is M/M/c
/// Thread-safety  a function of its arguments; any thread
/// Complexity     some ten evaluations of erlang_c, O(sqrt(load)) each; no allocation
/// Errors         std::invalid_argument names parameter and value: service_time <= 0, limit < 0, a probability outside
///                0 < … <= 1. Beyond 2^32 - 1 the answer stays there
/// Example        examples/430_capacity_for_slo.cpp

#include <sluice/core/units.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/erlang.hpp>
#include <sluice/scaling/mmc.hpp>
#include <sluice/scaling/offered_load.hpp>

#include <cmath>
#include <cstdint>

namespace sluice {

[[nodiscard]] inline std::uint32_t instances_for_wait(rate arrival_rate, duration service_time, duration limit,
                                                      double probability) {
    detail::require_number(service_time.count() > 0, "instances_for_wait: service_time (> 0 ns)",
                           static_cast<double>(service_time.count()));
    detail::require_number(limit.count() >= 0, "instances_for_wait: limit (>= 0 ns)", static_cast<double>(limit.count()));
    detail::require_number(probability > 0 && probability <= 1, "instances_for_wait: probability (> 0, <= 1)", probability);
    double const load = offered_load(arrival_rate, service_time);
    if (!(load < static_cast<double>(UINT32_MAX) - 1)) return UINT32_MAX;
    auto least = static_cast<std::uint32_t>(load);  // the load is rounded: find the first that keeps up, exactly
    if (least > 0) --least;
    while (least < UINT32_MAX && !(detail::spare_servers(arrival_rate, service_time, least) > 0)) ++least;
    return detail::first_number(least, std::sqrt(load), [&](std::uint32_t servers) {
        return mmc(arrival_rate, service_time, servers).probability_wait_above(limit) <= probability;
    });
}

}  // namespace sluice
