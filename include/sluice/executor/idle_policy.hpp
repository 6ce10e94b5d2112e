// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// idle_policy — how long a worker without work keeps looking before it sleeps.
///
/// Use it for     thread_pool_options::idle; four named settings and any numbers between them
/// Thread-safety  a plain value
/// Complexity     a look is one visit of every queue of the pool; between looks the worker relaxes, then yields
/// Units          looks
///
/// | policy       | wakes in                                  | costs                                          |
/// | park_at_once | a system wake-up, some 40 µs on idle cores | nothing while idle                             |
/// | balanced     | the same, but 0.2 µs for work that comes within a few µs | a few µs of CPU per time it runs dry |
/// | low_latency  | 0.2 µs for work that comes within some 100 µs | that much CPU per time it runs dry           |
/// | spin         | 0.2 µs always                              | every worker burns its core                    |

#include <cstdint>

namespace sluice {

struct idle_policy {
    std::uint32_t relaxed_looks = 5;   ///< looks with a growing pause of relax instructions between them
    std::uint32_t yielding_looks = 2;  ///< further looks, each after giving up the rest of the time slice
    bool          parks = true;        ///< false: never sleeps; yields for ever

    [[nodiscard]] static constexpr idle_policy park_at_once() noexcept { return {0, 0, true}; }
    [[nodiscard]] static constexpr idle_policy balanced() noexcept { return {}; }
    [[nodiscard]] static constexpr idle_policy low_latency() noexcept { return {256, 512, true}; }
    [[nodiscard]] static constexpr idle_policy spin() noexcept { return {256, 0, false}; }

    friend constexpr bool operator==(idle_policy const&, idle_policy const&) noexcept = default;
};

}  // namespace sluice
