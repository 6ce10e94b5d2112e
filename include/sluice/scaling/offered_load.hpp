// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// offered_load, model_seconds — the servers that an arrival rate keeps busy, in erlangs; a time in a model's answer.
///
/// Use it for     the one number that capacity depends on: arrival rate × service time
/// Thread-safety  functions of their arguments; any thread
/// Complexity     O(1), constexpr, no allocation
/// Errors         std::invalid_argument: a negative service time
/// Units          erlangs: 1000/s × 100 ms = 100. model_seconds is std::chrono::duration<double>: a mean wait may be far
///                below a nanosecond; std::chrono::ceil<sluice::duration> makes it one that clocks use

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/units.hpp>
#include <sluice/scaling/detail/check.hpp>

#include <chrono>
#include <cstdint>

namespace sluice {

using model_seconds = std::chrono::duration<double>;

/// Busy servers in the mean, were there always enough of them. service_time >= 0.
[[nodiscard]] constexpr double offered_load(rate arrival_rate, duration service_time) {
    detail::require_number(service_time.count() >= 0, "offered_load: service_time (>= 0 ns)",
                           static_cast<double>(service_time.count()));
    return static_cast<double>(arrival_rate.count()) * static_cast<double>(service_time.count()) /
           static_cast<double>(arrival_rate.period().count());
}

namespace detail {

[[nodiscard]] constexpr double to_double(wide w) noexcept {
    return static_cast<double>(w.high) * 0x1p64 + static_cast<double>(w.low);
}

/// a - b. Requires a >= b.
[[nodiscard]] constexpr wide subtract(wide a, wide b) noexcept {
    return {a.high - b.high - (a.low < b.low ? 1u : 0u), a.low - b.low};
}

/// servers - offered load, the difference taken before anything is rounded: exact sign, and full precision close to 0.
/// Requires service_time >= 0.
[[nodiscard]] constexpr double spare_servers(rate arrival_rate, duration service_time, std::uint64_t servers) noexcept {
    auto const period = static_cast<std::uint64_t>(arrival_rate.period().count());
    auto const have = multiply_wide(servers, period);
    auto const need = multiply_wide(static_cast<std::uint64_t>(arrival_rate.count()),
                                    static_cast<std::uint64_t>(service_time.count()));
    return have < need ? -to_double(subtract(need, have)) / static_cast<double>(period)
                       : to_double(subtract(have, need)) / static_cast<double>(period);
}

}  // namespace detail
}  // namespace sluice
