// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// karp_flatt — the serial fraction that a measured speed-up reveals.
///
/// Use it for     a diagnosis: constant over N means serial work, growing with N means overhead that grows
/// Not for        a model of the curve (fit_amdahl, fit_usl)
/// Thread-safety  a function of its arguments; any thread
/// Complexity     O(1), constexpr, no allocation
/// Errors         std::invalid_argument names parameter and value. One worker reveals nothing and is refused
/// Units          a fraction; negative where the speed-up exceeds N
/// Source         Karp, Flatt, CACM 33(5), 1990, doi:10.1145/78607.78614

#include <sluice/scaling/detail/check.hpp>

namespace sluice {

/// (1/S - 1/N) / (1 - 1/N), with S > 0 and N > 1.
[[nodiscard]] constexpr double karp_flatt(double speedup, double workers) {
    detail::require_number(speedup > 0 && detail::is_finite(speedup), "karp_flatt: speedup (> 0)", speedup);
    detail::require_number(workers > 1 && detail::is_finite(workers), "karp_flatt: workers (> 1)", workers);
    double const fraction = (workers / speedup - 1) / (workers - 1);
    detail::require_number(detail::is_finite(fraction), "karp_flatt: speedup (> 0, within range of workers)", speedup);
    return fraction;
}

}  // namespace sluice
