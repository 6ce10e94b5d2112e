// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// futex_parker, condvar_parker — how a thread sleeps until the upper half of a 64-bit word changes.
///
/// Use it for     the policy parameter of event_count and of the pool's idle gate; tests put a model in its place
/// Not for        direct use: event_count has the protocol
/// Thread-safety  any thread
/// Progress       wake never waits for a sleeper. futex_parker: a stopped thread holds up nobody. condvar_parker: takes a
///                mutex for a few instructions, so it may wait for a thread that was stopped in there
/// Complexity     one system call each (Linux); wake is called only when somebody is known to wait
/// Errors         none; returning early is allowed, callers look again
/// Units          deadlines are std::chrono::steady_clock time points
/// Source         Linux futex(2). std::atomic::wait has no deadline and shares its waiting rooms between objects

#include <atomic>
#include <chrono>
#include <cstdint>
#if defined(__linux__)
#include <algorithm>
#include <bit>
#include <climits>
#include <limits>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#else
#include <condition_variable>
#include <mutex>
#endif

namespace sluice {

// Ordering
//   (H) hint  relaxed: whether to sleep at all; the caller's protocol orders the word (event_count, idle_gate)

#if defined(__linux__)

namespace detail {

/// Whole seconds in the system's type, which has 32 bits on some targets: as many as fit.
template <class Seconds>
[[nodiscard]] constexpr Seconds seconds_in(std::chrono::seconds since) noexcept {
    return static_cast<Seconds>(std::min<std::int64_t>(since.count(), std::numeric_limits<Seconds>::max()));
}

}  // namespace detail

/// Sleeps in the kernel on the address of the word's upper half: no object, no lock, no memory.
class futex_parker {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Returns when the upper half of `word` differs from `seen`, when woken, or when the deadline (if any) has passed.
    void wait(std::atomic<std::uint64_t>& word, std::uint32_t seen, time_point const* deadline) noexcept {
        static_assert(sizeof(std::atomic<std::uint64_t>) == sizeof(std::uint64_t));
        if (deadline == nullptr) {
            call(word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, seen, nullptr);
            return;
        }
        auto const since = deadline->time_since_epoch();
        if (since.count() <= 0) return;
        auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
        // FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC, which is steady_clock's.
        timespec until{};
        until.tv_sec = detail::seconds_in<time_t>(seconds);
        until.tv_nsec = static_cast<decltype(until.tv_nsec)>(std::chrono::nanoseconds(since - seconds).count());
        call(word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, seen, &until);
    }

    /// Wakes at most `n` threads that sleep on `word`.
    void wake(std::atomic<std::uint64_t>& word, std::uint32_t n) noexcept {
        call(word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n > static_cast<std::uint32_t>(INT_MAX) ? INT_MAX : n, nullptr);
    }

private:
    static void call(std::atomic<std::uint64_t>& word, int operation, std::uint32_t value, timespec* until) noexcept {
        auto* const half = reinterpret_cast<std::uint32_t*>(&word) + (std::endian::native == std::endian::little ? 1 : 0);
#if defined(SYS_futex_time64) && !defined(__LP64__)
        if constexpr (sizeof(timespec) == 16) {  // a 32-bit target with 64-bit time
            syscall(SYS_futex_time64, half, operation, value, until, nullptr, 0xffff'ffffU);
            return;
        }
#endif
        syscall(SYS_futex, half, operation, value, until, nullptr, 0xffff'ffffU);  // the last: FUTEX_BITSET_MATCH_ANY
    }
};

using default_parker = futex_parker;

#else

/// For systems without a futex: a mutex and a condition variable inside the object.
class condvar_parker {
public:
    using time_point = std::chrono::steady_clock::time_point;

    void wait(std::atomic<std::uint64_t>& word, std::uint32_t seen, time_point const* deadline) noexcept {
        std::unique_lock lock(mutex_);
        auto const changed = [&] {
            return static_cast<std::uint32_t>(word.load(std::memory_order_relaxed) >> 32) != seen;  // (H)
        };
        if (deadline == nullptr)
            condition_.wait(lock, changed);
        else
            condition_.wait_until(lock, *deadline, changed);
    }
    void wake(std::atomic<std::uint64_t>&, std::uint32_t n) noexcept {
        { std::lock_guard const lock(mutex_); }  // a waiter is now before its look at the word, or asleep
        if (n == 1)
            condition_.notify_one();
        else
            condition_.notify_all();
    }

private:
    std::mutex              mutex_;
    std::condition_variable condition_;
};

using default_parker = condvar_parker;

#endif

}  // namespace sluice
