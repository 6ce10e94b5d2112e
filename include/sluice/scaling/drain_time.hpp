// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// drain_time, instances_to_drain — how long a backlog takes to go away, and how many instances make it go in time.
///
/// Use it for     the term that sizing by arrival rate forgets: what has piled up already
/// Thread-safety  functions of their arguments; any thread
/// Complexity     O(1), constexpr, no allocation
/// Errors         std::invalid_argument names parameter and value: service_time <= 0, within <= 0, a utilisation
///                outside (0, 1]. A backlog that never goes away is an empty optional, also where it only fails to shrink
/// Units          a steady flow: backlog / (workers/service_time - arrival_rate). Exact, rounded up to the nanosecond;
///                times and counts beyond the range stay at its end

#include <sluice/core/detail/wide.hpp>
#include <sluice/core/units.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/detail/exact.hpp>
#include <sluice/scaling/offered_load.hpp>

#include <cstdint>
#include <optional>

namespace sluice {

/// With nothing more arriving; none where there is work but no worker.
[[nodiscard]] constexpr std::optional<duration> drain_time(std::uint64_t backlog, std::uint32_t workers,
                                                           duration service_time) {
    detail::require_number(service_time.count() > 0, "drain_time: service_time (> 0 ns)",
                           static_cast<double>(service_time.count()));
    if (backlog == 0) return duration(0);
    if (workers == 0) return std::nullopt;
    auto const exact = detail::multiply_divide(backlog, static_cast<std::uint64_t>(service_time.count()), workers,
                                               detail::round_to::ceiling);
    auto const longest = static_cast<std::uint64_t>(duration::max().count());
    return exact < longest ? duration(static_cast<std::int64_t>(exact)) : duration::max();
}

/// While more arrives; none where the workers are too few to gain on it.
[[nodiscard]] constexpr std::optional<duration> drain_time(std::uint64_t backlog, std::uint32_t workers,
                                                           duration service_time, rate arrival_rate) {
    detail::require_number(service_time.count() > 0, "drain_time: service_time (> 0 ns)",
                           static_cast<double>(service_time.count()));
    if (backlog == 0) return duration(0);
    // B / (n/S - c/p) = B·S·p / (n·p - c·S)
    auto const service = static_cast<std::uint64_t>(service_time.count());
    auto const period = static_cast<std::uint64_t>(arrival_rate.period().count());
    auto const have = detail::multiply_wide(workers, period);
    auto const need = detail::multiply_wide(static_cast<std::uint64_t>(arrival_rate.count()), service);
    if (!(need < have)) return std::nullopt;
    auto const gained = detail::subtract(have, need);
    auto const half_word = std::uint64_t{1} << 32;
    auto const under = detail::natural(gained.high) * half_word * half_word + detail::natural(gained.low);
    auto const over = detail::natural(backlog) * service * period;
    return duration(static_cast<std::int64_t>(
        detail::divide_up(over, under, static_cast<std::uint64_t>(duration::max().count()))));
}

/// Instances that serve the arrivals at the utilisation and work the backlog off in the time `within` besides:
/// ceil(λS/U + QS/T), exactly.
[[nodiscard]] constexpr std::uint32_t instances_to_drain(std::uint64_t backlog, rate arrival_rate, duration service_time,
                                                         duration within, detail::number auto utilisation) {
    detail::require_number(service_time.count() > 0, "instances_to_drain: service_time (> 0 ns)",
                           static_cast<double>(service_time.count()));
    detail::require_number(within.count() > 0, "instances_to_drain: within (> 0 ns)", static_cast<double>(within.count()));
    auto const u = detail::utilisation_fraction("instances_to_drain: utilisation (> 0, <= 1)", utilisation);
    auto const count = static_cast<std::uint64_t>(arrival_rate.count());
    auto const period = static_cast<std::uint64_t>(arrival_rate.period().count());
    auto const time = static_cast<std::uint64_t>(within.count());
    auto const need = detail::natural(count) * time * u.under + detail::natural(backlog) * period * u.over;
    return detail::divide_up(need * static_cast<std::uint64_t>(service_time.count()),
                             detail::natural(period) * time * u.over);
}

}  // namespace sluice
