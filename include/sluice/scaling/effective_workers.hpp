// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// effective_workers, effective_workers_peak — N/(1 + cN²): workers that lose to one another in pairs.
///
/// Use it for     a rule of thumb with one number
/// Not for        the Universal Scalability Law: here one worker counts 1/(1 + c), not 1 (usl)
/// Thread-safety  functions of their arguments; any thread
/// Complexity     O(1), no allocation; effective_workers is constexpr
/// Errors         std::invalid_argument names parameter and value: workers or cost < 0, NaN, infinity

#include <sluice/scaling/detail/check.hpp>

#include <cmath>
#include <optional>

namespace sluice {

/// What `workers` >= 0 are worth when each pair costs `pair_cost` >= 0.
[[nodiscard]] constexpr double effective_workers(double workers, double pair_cost) {
    detail::require_number(workers >= 0 && detail::is_finite(workers), "effective_workers: workers (>= 0)", workers);
    detail::require_number(pair_cost >= 0 && detail::is_finite(pair_cost), "effective_workers: pair_cost (>= 0)", pair_cost);
    if (workers <= 1) return workers / (1 + pair_cost * workers * workers);
    return 1 / (1 / workers + pair_cost * workers);  // cN² may overflow where this does not
}

struct effective_peak {
    double workers;    ///< 1/sqrt(c): real; compare the whole numbers beside it
    double effective;  ///< 1/(2 sqrt(c))
};

/// The most that any number of workers is worth; none for a cost of 0, where more is always more.
[[nodiscard]] inline std::optional<effective_peak> effective_workers_peak(double pair_cost) {
    detail::require_number(pair_cost >= 0 && detail::is_finite(pair_cost), "effective_workers_peak: pair_cost (>= 0)",
                           pair_cost);
    if (pair_cost == 0) return std::nullopt;
    double const root = std::sqrt(pair_cost);
    return effective_peak{1 / root, 1 / (2 * root)};
}

}  // namespace sluice
