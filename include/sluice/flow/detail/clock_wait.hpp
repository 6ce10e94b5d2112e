// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::clock_wait — wait for a condition under a mutex, until a time of the owner's own clock, or a stop.
///
/// Thread-safety  as std::condition_variable_any: the lock is held by the caller, given up while it waits
/// Errors         what the standard's wait throws
///
/// On steady_clock the thread sleeps, for an hour at a time: a far deadline does not fit into a 32-bit time_t. Any other
/// clock has its default_sleeper, which lets the time come as that clock does it, and then the condition is looked at once:
/// a manual_clock is moved on to the deadline, so what another thread does at a time between comes too late for this call.
/// A deadline at the end of the time line is none, on any clock: then the thread waits for the condition or the stop.

#include <sluice/core/clock.hpp>
#include <sluice/core/sleeper.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace sluice::detail {

/// Whether the condition holds in the end. `lock` is held before and after; the condition is only called under it.
template <clock_source Clock, class Condition>
[[nodiscard]] bool clock_wait(std::condition_variable_any& changed, std::unique_lock<std::mutex>& lock, Clock const& clock,
                              time_point deadline, std::stop_token const& stop, Condition condition) {
    if (condition()) return true;
    if (stop.stop_requested()) return false;
    if (deadline == time_point::max()) return changed.wait(lock, stop, condition);
    if (clock.now() >= deadline) return false;
    if constexpr (std::same_as<Clock, steady_clock>) {
        for (;;) {
            time_point const now = clock.now();
            if (now >= deadline) return false;
            time_point const until = std::min(deadline, saturating_add(now, std::chrono::hours(1)));
            if (changed.wait_until(lock, stop, until, condition)) return true;
            if (stop.stop_requested()) return false;
        }
    } else {
        lock.unlock();
        auto sleeper = default_sleeper(clock);
        (void)sleeper.sleep_until(deadline, stop);
        lock.lock();
        return condition();
    }
}

}  // namespace sluice::detail
