// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// instances_for — how many instances a load needs at a given utilisation: ceil(rate × time / utilisation), exactly.
///
/// Use it for     the sizing rule everyone uses: 1000/s × 100 ms / .7 = 143
/// Not for        a promise about waiting: at one utilisation few instances wait long and many hardly at all
///                (instances_for_wait)
/// Thread-safety  functions of their arguments; any thread
/// Complexity     O(1), constexpr, no allocation
/// Errors         std::invalid_argument names parameter and value: utilisation <= 0, > 1 or NaN, service_time < 0,
///                load < 0, NaN or infinite. Beyond 2^32 - 1 the answer stays there
/// Units          a rate is a fraction already; the utilisation stands for the simplest fraction it is equal to as a double.
///                So 600/s × 70 ms / .7 is 60, where doubles give 61
/// Example        examples/430_capacity_for_slo.cpp

#include <sluice/core/units.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/detail/exact.hpp>

#include <cstdint>
#include <limits>

namespace sluice {

/// service_time >= 0, 0 < utilisation <= 1. The rate is > 0 by its type; for a load of 0 see below.
[[nodiscard]] constexpr std::uint32_t instances_for(rate arrival_rate, duration service_time,
                                                    detail::number auto utilisation) {
    detail::require_number(service_time.count() >= 0, "instances_for: service_time (>= 0 ns)",
                           static_cast<double>(service_time.count()));
    auto const u = detail::utilisation_fraction("instances_for: utilisation (> 0, <= 1)", utilisation);
    auto const busy = detail::natural(static_cast<std::uint64_t>(arrival_rate.count())) *
                      static_cast<std::uint64_t>(service_time.count());
    auto const period = detail::natural(static_cast<std::uint64_t>(arrival_rate.period().count()));
    return detail::divide_up(busy * u.under, period * u.over);
}

/// From a load >= 0 in erlangs, as measured: 0 for 0. A double cannot be exact, so a quotient that exceeds a whole number by
/// no more than rounding (4 units in the last place) counts as that number.
[[nodiscard]] constexpr std::uint32_t instances_for(double load, detail::number auto utilisation) {
    detail::require_number(load >= 0 && detail::is_finite(load), "instances_for: load (>= 0 erlangs)", load);
    detail::require_number(utilisation > 0 && utilisation <= 1, "instances_for: utilisation (> 0, <= 1)",
                           static_cast<double>(utilisation));
    double const exact = load / static_cast<double>(utilisation);
    double const guarded = exact * (1 - 4 * std::numeric_limits<double>::epsilon());
    if (!(guarded < static_cast<double>(UINT32_MAX))) return UINT32_MAX;
    auto const whole = static_cast<std::uint32_t>(guarded);
    return static_cast<double>(whole) < guarded ? whole + 1 : whole;
}

}  // namespace sluice
