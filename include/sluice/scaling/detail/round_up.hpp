// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::round_up — from a computed number of workers to a whole one, where the last digits are rounding.
///
/// Thread-safety  any thread
/// Errors         none: NaN and what is below 0 give 0, beyond 2^32 - 1 it stays there

#include <cstdint>
#include <limits>

namespace sluice::detail {

/// A number that exceeds a whole one by no more than a few roundings (8 units in the last place) counts as that one: as
/// computed by doubles, 100 × .88 / .8 is 110.00000000000001, and 110 workers are meant.
[[nodiscard]] constexpr std::uint32_t round_up(double workers) noexcept {
    if (!(workers > 0)) return 0;
    if (!(workers < 0x1p33)) return UINT32_MAX;
    double const guarded = workers * (1 - 8 * std::numeric_limits<double>::epsilon());
    if (!(guarded < static_cast<double>(UINT32_MAX))) return UINT32_MAX;
    auto const whole = static_cast<std::uint32_t>(guarded);
    return static_cast<double>(whole) < guarded ? whole + 1 : whole;
}

}  // namespace sluice::detail
