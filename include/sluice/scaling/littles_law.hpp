// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// littles_law — L = λW: of the number inside, the rate and the time inside, any two give the third.
///
/// Use it for     sanity checks of measurements; the same law holds for the queue alone (Lq = λWq) and the servers (a = λS)
/// Not for        a system that grows while it is watched: what came in and did not leave is not in the mean
/// Thread-safety  functions of their arguments; any thread
/// Complexity     O(1), constexpr, no allocation
/// Errors         std::invalid_argument names parameter and value: negative, NaN, infinite
/// Units          numbers inside are means and need not be whole
/// Source         Little, Operations Research 9(3), 1961, doi:10.1287/opre.9.3.383

#include <sluice/core/units.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/offered_load.hpp>

namespace sluice {

/// The mean number inside.
[[nodiscard]] constexpr double littles_law(rate throughput, model_seconds time_inside) {
    detail::require_number(time_inside.count() >= 0 && detail::is_finite(time_inside.count()),
                           "littles_law: time_inside (>= 0 s)", time_inside.count());
    return throughput.to_per_second() * time_inside.count();
}

/// The mean time inside.
[[nodiscard]] constexpr model_seconds littles_law(double inside, rate throughput) {
    detail::require_number(inside >= 0 && detail::is_finite(inside), "littles_law: inside (>= 0)", inside);
    return model_seconds(inside / throughput.to_per_second());
}

/// The throughput in events per second; a bare number because it may be 0, which no rate is. time_inside > 0.
[[nodiscard]] constexpr double littles_law(double inside, model_seconds time_inside) {
    detail::require_number(inside >= 0 && detail::is_finite(inside), "littles_law: inside (>= 0)", inside);
    detail::require_number(time_inside.count() > 0 && detail::is_finite(time_inside.count()),
                           "littles_law: time_inside (> 0 s)", time_inside.count());
    return inside / time_inside.count();
}

}  // namespace sluice
