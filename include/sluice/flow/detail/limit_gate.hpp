// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::basic_limit_gate — the word that counts what is in flight under a limit that moves, and who waits for room.
///
/// Use it for     concurrency_limiter and partitioned_limiter
/// Thread-safety  every member from any thread
/// Progress       try_enter, leave, set_limit: lock-free, a CAS is repeated only after somebody else's success; a system
///                call if somebody sleeps. enter: blocks in the caller's pause()
/// Complexity     O(1), 16 bytes on Linux, no allocation
/// Errors         noexcept, but for what pause() throws
/// Units          limit up to 2^24 - 1, as many in flight; up to 2^16 - 1 waiters, one more is turned away

#include <sluice/core/futex.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace sluice::detail {

// Limit, waiters and in-flight are fields of one word, so a lowered limit and an admission have an order: in-flight is
// at or below the limit at the moment of every admission.
//
// Ordering
//   (A) enter   CAS acquire: who is let in sees what was done under the permits whose places it may have taken
//   (B) leave   fetch_sub acq_rel: release for (A); acquire for the look of a waiter at the gate, see below
//   (C) limit   CAS acquire, or a waiter that goes: as (B), but for the release: no work was done under a permit
//   (D) wait    CAS release adds a waiter, after its look (E) at the gate
//   (E) look    the gate's load acquire, before the look at the word
//   (F) call    the gate's fetch_add release, after (B) or (C) made room and saw a waiter
//   (H) hint    relaxed: goes into a CAS that reads it again, is a statistic, or takes a waiter off the count without a call
// No wake-up is lost. A place becomes free by (B) or (C), in the modification order of the word. If that is after the
// waiter's (D), it reads the waiter, hence (E) happened before (F) and has seen an older gate: the sleep ends at once or is
// ended. If it is before (D), (D) would have failed: it expects the word without the place. In later rounds (E) either has
// seen (F), and the look at the word sees the room, or has not, and the sleep ends. A waiter that gives up looks for room in
// the same CAS that takes it off the count: it goes with the place it was called for, or there was none.

template <class Parker = default_parker, template <class> class Atom = std::atomic>
class basic_limit_gate {
public:
    static constexpr std::uint32_t max_limit = (std::uint32_t{1} << 24) - 1;
    static constexpr std::uint32_t max_waiters = (std::uint32_t{1} << 16) - 1;

    /// Requires 1 <= limit <= max_limit.
    explicit basic_limit_gate(std::uint32_t limit) noexcept : word_(word_of(limit)), gate_(0) {}
    basic_limit_gate(basic_limit_gate const&) = delete;
    basic_limit_gate& operator=(basic_limit_gate const&) = delete;

    /// How many are in flight now, this one included; 0 when there is no room.
    [[nodiscard]] std::uint32_t try_enter() noexcept {
        std::uint64_t w = word_.load(std::memory_order_relaxed);                                      // (H)
        for (;;) {
            std::uint32_t const n = inflight_of(w);
            if (n >= limit_of(w)) return 0;
            if (word_.compare_exchange_weak(w, w + 1, std::memory_order_acquire,                      // (A)
                                            std::memory_order_relaxed))                               // (H)
                return n + 1;
        }
    }

    /// How many were in flight, this one included.
    std::uint32_t leave() noexcept {
        std::uint64_t const before = word_.fetch_sub(1, std::memory_order_acq_rel);                   // (B)
        if (waiters_of(before) != 0) call(1);
        return inflight_of(before);
    }

    /// Returns the former limit. Requires 1 <= limit <= max_limit.
    std::uint32_t set_limit(std::uint32_t limit) noexcept {
        std::uint64_t w = word_.load(std::memory_order_relaxed);                                      // (H)
        for (;;) {
            if (limit_of(w) == limit) return limit;
            if (word_.compare_exchange_weak(w, (w & ~word_of(max_limit)) | word_of(limit),
                                            std::memory_order_acquire, std::memory_order_relaxed))    // (C)
                break;
        }
        if (limit > limit_of(w) && waiters_of(w) != 0) call(0xffff'ffffU);
        return limit_of(w);
    }

    /// As try_enter, but while there is no room calls pause(key), which sleeps and answers whether to go on waiting. Room
    /// that is there when it gives up is taken. 0 also when there are too many waiters.
    template <class Pause>
    [[nodiscard]] std::uint32_t enter(Pause pause) {
        waiter self{*this};
        for (bool giving_up = false;;) {
            auto const    key = static_cast<std::uint32_t>(gate_.load(std::memory_order_acquire) >> 32);  // (E)
            std::uint64_t w = word_.load(std::memory_order_relaxed);                                  // (H)
            for (;;) {
                std::uint32_t const n = inflight_of(w);
                if (n < limit_of(w)) {
                    if (!word_.compare_exchange_weak(w, w + 1 - (self.counted ? one_waiter : 0),
                                                     std::memory_order_acquire,                       // (A)
                                                     std::memory_order_relaxed))                      // (H)
                        continue;
                    self.counted = false;
                    return n + 1;
                }
                if (giving_up || (!self.counted && waiters_of(w) == max_waiters)) {
                    if (self.counted && !word_.compare_exchange_weak(w, w - one_waiter, std::memory_order_relaxed,
                                                                     std::memory_order_relaxed))      // (H)
                        continue;
                    self.counted = false;
                    return 0;
                }
                if (self.counted) break;
                self.counted = word_.compare_exchange_weak(w, w + one_waiter, std::memory_order_release,  // (D)
                                                           std::memory_order_relaxed);                // (H)
                if (self.counted) break;
            }
            giving_up = !pause(key);
        }
    }

    /// For pause(): sleeps until something may have changed since `key`, or the deadline, if any.
    template <class Deadline>
    void sleep(std::uint32_t key, Deadline deadline) noexcept {
        parker_.wait(gate_, key, deadline);
    }
    /// Ends every sleep.
    void wake_all() noexcept { call(0xffff'ffffU); }

    [[nodiscard]] std::uint32_t limit() const noexcept {
        return limit_of(word_.load(std::memory_order_relaxed));                                       // (H)
    }
    [[nodiscard]] std::uint32_t inflight() const noexcept {
        return inflight_of(word_.load(std::memory_order_relaxed));                                    // (H)
    }
    [[nodiscard]] std::uint32_t waiters() const noexcept {
        return waiters_of(word_.load(std::memory_order_relaxed));                                     // (H)
    }

private:
    static constexpr std::uint64_t one_waiter = std::uint64_t{1} << 24;
    static constexpr std::uint64_t one_call = std::uint64_t{1} << 32;

    static constexpr std::uint64_t word_of(std::uint32_t limit) noexcept { return std::uint64_t{limit} << 40; }
    static constexpr std::uint32_t limit_of(std::uint64_t w) noexcept { return static_cast<std::uint32_t>(w >> 40); }
    static constexpr std::uint32_t inflight_of(std::uint64_t w) noexcept {
        return static_cast<std::uint32_t>(w) & max_limit;
    }
    static constexpr std::uint32_t waiters_of(std::uint64_t w) noexcept {
        return static_cast<std::uint32_t>(w >> 24) & max_waiters;
    }

    /// A pause() that throws leaves no waiter behind, and hands on the call that it may have been woken by.
    struct waiter {
        basic_limit_gate& gate;
        bool              counted = false;
        ~waiter() {
            if (!counted) return;
            std::uint64_t const before = gate.word_.fetch_sub(one_waiter, std::memory_order_acquire);  // (C)
            if (waiters_of(before) > 1) gate.call(1);
        }
    };

    void call(std::uint32_t n) noexcept {
        gate_.fetch_add(one_call, std::memory_order_release);                                         // (F)
        parker_.wake(gate_, n);
    }

    Atom<std::uint64_t>          word_;  // limit 24 bits, waiters 16, in-flight 24
    Atom<std::uint64_t>          gate_;  // calls in the upper half, what the parker sleeps on
    [[no_unique_address]] Parker parker_;
};

}  // namespace sluice::detail
