// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::deadline_in — the point in time that lies a duration of any type ahead.
///
/// Thread-safety  any thread
/// Errors         none. Not more than nothing, NaN too: now. Longer than the clock can say: time_point::max(), for ever

#include <chrono>

namespace sluice::detail {

template <class Rep, class Period>
[[nodiscard]] std::chrono::steady_clock::time_point deadline_in(std::chrono::duration<Rep, Period> const& d) noexcept {
    using clock = std::chrono::steady_clock;
    using seconds = std::chrono::duration<double>;
    auto const   now = clock::now();
    double const wait = seconds(d).count();
    if (!(wait > 0)) return now;
    if (wait > seconds(clock::time_point::max() - now).count() * 0.5) return clock::time_point::max();
    return now + std::chrono::ceil<clock::duration>(d);
}

}  // namespace sluice::detail
