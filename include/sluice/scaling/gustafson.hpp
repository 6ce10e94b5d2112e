// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// gustafson — how much more work gets done in the same time when the parallel part grows with the workers.
///
/// Use it for     scaled speed-up: the work is made as large as the workers allow
/// Not for        a fixed amount of work (amdahl)
/// Thread-safety  a function of its arguments; any thread
/// Complexity     O(1), constexpr, no allocation
/// Errors         std::invalid_argument names parameter and value
/// Units          speed-up against one worker, no unit. The serial fraction is that of the time on N workers, not on one
/// Source         Gustafson, CACM 31(5), 1988, doi:10.1145/42411.42415

#include <sluice/scaling/detail/check.hpp>

namespace sluice {

/// N - s (N - 1), with s in 0 … 1 and N > 0.
[[nodiscard]] constexpr double gustafson(double serial_fraction, double workers) {
    detail::require_number(serial_fraction >= 0 && serial_fraction <= 1, "gustafson: serial_fraction (0 to 1)",
                           serial_fraction);
    detail::require_number(workers > 0 && detail::is_finite(workers), "gustafson: workers (> 0)", workers);
    return workers - serial_fraction * (workers - 1);
}

}  // namespace sluice
