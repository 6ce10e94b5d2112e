// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// event_count — sleep until something may have changed, without a lock and without lost wake-ups.
///
/// Use it for     a condition over lock-free data: look; prepare_wait; look again; then commit_wait or cancel_wait
/// Not for        passing data: it carries none. A woken thread looks again, and may have been woken for nothing
/// Thread-safety  every member from any thread. Destruction: after every call has returned
/// Progress       prepare_wait, cancel_wait, notify_*: wait-free (one read-modify-write; a system call if somebody
///                sleeps). commit_wait blocks. A stopped waiter holds up nobody
/// Complexity     O(1), 8 bytes on Linux, no allocation
/// Errors         none: everything is noexcept
/// Units          at most 2³² − 1 waiters. A waiter misses a notification only if it is stopped between prepare_wait and
///                commit_wait for an exact multiple of 2³² notifications
/// Source         D. Vyukov's eventcount; folly EventCount for the single word
///
///     while (!ready()) {
///         auto const key = events.prepare_wait();
///         if (ready()) { events.cancel_wait(); break; }     // notifier: make it ready; events.notify_one();
///         events.commit_wait(key);
///     }

#include <atomic>
#include <chrono>
#include <cstdint>
#include <sluice/core/futex.hpp>

namespace sluice {

// Ordering
//   (A) notify   fetch_add acq_rel on word_, after the condition was made true
//   (B) prepare  fetch_add acq_rel on word_, before the condition is looked at again
//   (C) leave    fetch_sub relaxed: only takes this waiter off the count
//   (H) hint     relaxed: has the epoch moved? Used to stop sleeping; the condition is looked at after (B) of the next
//                round, or was made visible by whoever made it true
// No wake-up is lost: (A) and (B) are read-modify-writes of the same word, so one comes first in its modification order.
// If (A) is first, (B) reads from it or from a later one in its release sequence, and acquires: the second look sees the
// condition. If (B) is first, (A) sees the waiter and moves the epoch on; a commit_wait with the older key does not
// sleep, or is woken. Neither half needs seq_cst or a fence; a plain load as a short cut for "nobody waits" in notify
// would need both, and is therefore not there. The other halves, the acquire of (A) and the release of (B), are for callers that
// let a notifier find out what a waiter did before prepare_wait (executor/detail/gate_waiters.hpp).

template <class Parker = default_parker, template <class> class Atom = std::atomic>
class basic_event_count {
public:
    /// What prepare_wait saw; valid for one commit_wait.
    class key {
        friend class basic_event_count;
        explicit constexpr key(std::uint32_t epoch) noexcept : epoch_(epoch) {}
        std::uint32_t epoch_;
    };
    using time_point = std::chrono::steady_clock::time_point;

    basic_event_count() noexcept : word_(0) {}
    basic_event_count(basic_event_count const&) = delete;
    basic_event_count& operator=(basic_event_count const&) = delete;

    /// Announces a waiter. Look at the condition once more, then call exactly one of cancel_wait and commit_wait*.
    [[nodiscard]] key prepare_wait() noexcept {
        return key(epoch_of(word_.fetch_add(one_waiter, std::memory_order_acq_rel)));       // (B)
    }

    void cancel_wait() noexcept { word_.fetch_sub(one_waiter, std::memory_order_relaxed); }  // (C)

    /// Sleeps until a notification that came after prepare_wait.
    void commit_wait(key k) noexcept {
        while (epoch_of(word_.load(std::memory_order_relaxed)) == k.epoch_)                 // (H)
            parker_.wait(word_, k.epoch_, nullptr);
        word_.fetch_sub(one_waiter, std::memory_order_relaxed);                             // (C)
    }

    /// The same with an end; false if the deadline came first.
    [[nodiscard]] bool commit_wait_until(key k, time_point deadline) noexcept {
        bool notified = true;
        while (epoch_of(word_.load(std::memory_order_relaxed)) == k.epoch_) {               // (H)
            if (std::chrono::steady_clock::now() >= deadline) {
                notified = epoch_of(word_.load(std::memory_order_relaxed)) != k.epoch_;     // (H)
                break;
            }
            parker_.wait(word_, k.epoch_, &deadline);
        }
        word_.fetch_sub(one_waiter, std::memory_order_relaxed);                             // (C)
        return notified;
    }

    void notify_one() noexcept { notify_n(1); }
    void notify_all() noexcept { notify_n(0xffff'ffffU); }

    /// Wakes at most n sleepers. Waiters that have not gone to sleep yet all notice, whatever n is.
    void notify_n(std::uint32_t n) noexcept {
        std::uint64_t const before = word_.fetch_add(one_epoch, std::memory_order_acq_rel);  // (A)
        if (static_cast<std::uint32_t>(before) != 0 && n != 0) parker_.wake(word_, n);
    }

    /// How many threads are between prepare_wait and the end of their wait.
    [[nodiscard]] std::uint32_t waiters_approx() const noexcept {
        return static_cast<std::uint32_t>(word_.load(std::memory_order_relaxed));           // (H)
    }

private:
    static constexpr std::uint64_t one_waiter = 1;
    static constexpr std::uint64_t one_epoch = std::uint64_t{1} << 32;
    static constexpr std::uint32_t epoch_of(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word >> 32); }

    Atom<std::uint64_t>          word_;
    [[no_unique_address]] Parker parker_;
};

using event_count = basic_event_count<>;

}  // namespace sluice
