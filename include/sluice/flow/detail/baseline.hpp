// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::load_point, baseline_after_probe — what a latency at lower concurrency says about the latency without load.
///
/// Thread-safety  values; any thread
/// Complexity     O(1)
/// Units          latencies in nanoseconds as double, >= 1; concurrency >= 1
///
/// A server with room answers as fast at half the concurrency; a saturated one, twice as fast. The line between the two is
/// drawn at the square root of the ratio.

#include <sluice/core/clock.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace sluice::detail {

/// So many in flight, so long a round trip.
struct load_point {
    double inflight = 1;
    double rtt = 1;
};

/// Whether the latency went down with the concurrency, as it does behind a queue. Requires low.inflight > 0.
[[nodiscard]] inline bool queued_at(load_point high, load_point low) noexcept {
    return low.inflight < high.inflight && low.rtt < high.rtt * std::sqrt(low.inflight / high.inflight);
}

/// A lower latency is always the better baseline; a higher one is believed only if less concurrency did not help.
[[nodiscard]] inline double baseline_after_probe(double baseline, load_point before, load_point probe) noexcept {
    if (baseline == 0 || probe.rtt < baseline) return probe.rtt;
    return probe.inflight < before.inflight && !queued_at(before, probe) ? probe.rtt : baseline;
}

[[nodiscard]] inline duration to_duration(double nanoseconds) noexcept {
    if (!(nanoseconds > 0)) return duration{0};
    return nanoseconds < 0x1p63 ? duration(static_cast<std::int64_t>(nanoseconds)) : duration::max();
}

}  // namespace sluice::detail
