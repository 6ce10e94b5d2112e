// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// amdahl, amdahl_limit, amdahl_workers — how much faster a fixed amount of work becomes when part of it stays serial.
///
/// Use it for     the bound that a serial fraction sets, however many workers come
/// Not for        work that grows with the workers (gustafson), or that gets slower with too many of them (usl)
/// Thread-safety  functions of their arguments; any thread
/// Complexity     O(1), constexpr, no allocation
/// Errors         std::invalid_argument names parameter and value: a fraction outside 0 … 1, workers or speed-up
///                <= 0, NaN, infinity
/// Units          speed-up against one worker, no unit
/// Source         Amdahl, AFIPS 1967, doi:10.1145/1465482.1465560
/// Example        examples/410_amdahl_and_usl.cpp

#include <sluice/scaling/detail/check.hpp>

#include <limits>
#include <optional>

namespace sluice {

/// Speed-up of `workers` > 0 on work of which `serial_fraction` (0 … 1) is done by one of them alone: 1/(s + (1 - s)/N).
[[nodiscard]] constexpr double amdahl(double serial_fraction, double workers) {
    detail::require_number(serial_fraction >= 0 && serial_fraction <= 1, "amdahl: serial_fraction (0 to 1)",
                           serial_fraction);
    detail::require_number(workers > 0 && detail::is_finite(workers), "amdahl: workers (> 0)", workers);
    return 1 / (serial_fraction + (1 - serial_fraction) / workers);
}

/// What the speed-up approaches with more and more workers, 1/s; infinity for s = 0.
[[nodiscard]] constexpr double amdahl_limit(double serial_fraction) {
    detail::require_number(serial_fraction >= 0 && serial_fraction <= 1, "amdahl_limit: serial_fraction (0 to 1)",
                           serial_fraction);
    auto const smallest = 1 / std::numeric_limits<double>::max();
    return serial_fraction > smallest ? 1 / serial_fraction : std::numeric_limits<double>::infinity();
}

/// Workers that reach `speedup` > 0, not rounded; none where no number of workers does.
[[nodiscard]] constexpr std::optional<double> amdahl_workers(double serial_fraction, double speedup) {
    detail::require_number(serial_fraction >= 0 && serial_fraction <= 1, "amdahl_workers: serial_fraction (0 to 1)",
                           serial_fraction);
    detail::require_number(speedup > 0 && detail::is_finite(speedup), "amdahl_workers: speedup (> 0)", speedup);
    double const left = 1 / speedup - serial_fraction;
    if (!(left > 0)) return std::nullopt;
    double const workers = (1 - serial_fraction) / left;
    if (!(workers > 0) || !detail::is_finite(workers)) return std::nullopt;
    return workers;
}

}  // namespace sluice
