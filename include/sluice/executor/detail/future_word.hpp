// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::future_word — who runs the task of a future, and who is told when the result is there.
///
/// Use it for     future_state; a header of its own so that every interleaving can be tried
/// Thread-safety  claim: the worker that took the task, and the waiter. complete: whoever claimed. The rest: the owner of the future
/// Progress       all wait-free but claim, which is lock-free
/// Complexity     one atomic operation each

#include <atomic>
#include <cstdint>

namespace sluice::detail {

// Ordering
//   (A) claim     CAS acq_rel from queued to started: by the worker that took the task from a queue, or by the waiter; the
//                 loser leaves the task alone
//   (B) ready     fetch_or acq_rel, after the result was constructed and the callable destroyed   -> load acquire
//   (C) await     fetch_or acq_rel of `awaited`, before the waiter sleeps
//   (E) continue  fetch_or acq_rel of `continued`, after the coroutine's handle was written, by a coroutine that is suspended
// (B) and (C), or (B) and (E), are read-modify-writes of one word: the later one has acquired from the earlier. If (B) is
// later it sees the bit, wakes the waiter or reads the handle and resumes. If (E) is later it sees `ready` and the result, and
// the coroutine goes on by itself: complete() has not seen the bit, so it does not resume it too.
template <template <class> class Atom = std::atomic>
class future_word {
public:
    enum : std::uint32_t { queued = 0, started = 1, ready = 2, awaited = 4, continued = 8 };

    [[nodiscard]] bool is_ready() const noexcept { return (word_.load(std::memory_order_acquire) & ready) != 0; }  // (B)

    [[nodiscard]] bool claim() noexcept {
        std::uint32_t expected = word_.load(std::memory_order_relaxed);                     // (A)
        while ((expected & (started | ready)) == 0)
            if (word_.compare_exchange_weak(expected, expected | started, std::memory_order_acq_rel,
                                            std::memory_order_relaxed))                     // (A)
                return true;
        return false;
    }
    /// True if the result is there; otherwise complete() will say that somebody waits.
    [[nodiscard]] bool announce() noexcept {
        if (is_ready()) return true;
        if ((word_.load(std::memory_order_relaxed) & awaited) != 0) return false;           // (C)
        return (word_.fetch_or(awaited, std::memory_order_acq_rel) & ready) != 0;           // (C)
    }
    /// The same for a coroutine, once; its handle has been written.
    [[nodiscard]] bool announce_continuation() noexcept {
        return (word_.fetch_or(continued, std::memory_order_acq_rel) & ready) != 0;         // (E)
    }
    /// The result has been written. Returns who wants to know: awaited, continued, or 0.
    [[nodiscard]] std::uint32_t complete() noexcept {
        return word_.fetch_or(ready, std::memory_order_acq_rel) & (awaited | continued);    // (B)
    }

private:
    Atom<std::uint32_t> word_{queued};
};

}  // namespace sluice::detail
