// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// sleeper, thread_sleeper, manual_sleeper, default_sleeper — how a call that must wait until a time does so.
///
/// Use it for     the last parameter of acquire_until and of whatever else waits for a time rather than for an event
/// Not for        waiting for another thread (event_count, a future)
/// Thread-safety  a sleeper may be used by any number of threads
/// Progress       thread_sleeper blocks the calling thread. manual_sleeper never blocks
/// Complexity     thread_sleeper: one timed wait. Systems add 50 to 100 µs to any sleep
/// Errors         thread_sleeper may throw std::bad_alloc before it sleeps; the rest throws nothing. A sleep ends early only
///                because a stop was requested, and says so

#include <sluice/core/clock.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace sluice {

/// Something that can let time pass. Returns true when the time has come, false when a stop was requested before.
template <class S>
concept sleeper = requires(S& s, time_point until, std::stop_token stop) {
    { s.sleep_until(until, stop) } -> std::same_as<bool>;
};

/// Puts the calling thread to sleep, on steady time.
class thread_sleeper {
public:
    bool sleep_until(time_point until, std::stop_token stop) const {
        if (stop.stop_requested()) return false;
        std::mutex                  mutex;
        std::condition_variable_any never;
        std::unique_lock            lock(mutex);
        for (;;) {  // at most an hour at a time: a far deadline may not fit the system's own type
            auto const soon = std::min(until, saturating_add(steady_clock().now(), std::chrono::hours(1)));
            if (never.wait_until(lock, stop, soon, [&] { return stop.stop_requested(); })) return false;
            if (soon == until) return true;
        }
    }
};

/// Moves a manual clock on instead of sleeping: whoever waits in a test waits in virtual time.
class manual_sleeper {
public:
    explicit manual_sleeper(manual_clock clock) noexcept : clock_(clock) {}

    bool sleep_until(time_point until, std::stop_token stop) {
        if (stop.stop_requested()) return false;
        if (auto const missing = saturating_sub(until, clock_.now()); missing.count() > 0) clock_.advance(missing);
        return true;
    }

private:
    manual_clock clock_;
};

/// The sleeper that belongs to a clock: threads sleep on steady time, a manual clock is moved on.
[[nodiscard]] inline thread_sleeper default_sleeper(steady_clock const&) noexcept { return {}; }
[[nodiscard]] inline manual_sleeper default_sleeper(manual_clock const& clock) noexcept { return manual_sleeper(clock); }

static_assert(sleeper<thread_sleeper> && sleeper<manual_sleeper>);

}  // namespace sluice
