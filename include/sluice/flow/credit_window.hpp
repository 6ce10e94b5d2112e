// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// credit_window — a number of requests that may be under way at once, told and changed by the receiver.
///
/// Use it for     the sender's half of credit_pool, or of any receiver that grants a window
/// Not for        a limit of one's own with waiting (bulkhead)
/// Thread-safety  any thread. Outlives its permits (SLUICE_ASSERT)
/// Progress       lock-free
/// Complexity     O(1), no allocation
/// Errors         none; noexcept
/// Units          credits are requests

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/flow/permit.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace sluice {

// Ordering
//   (A) spend   CAS acquire                   <- grant and return: who spends a credit sees what came before it was given
//   (B) return  fetch_sub release
//   (C) grant   CAS release
//   (H) hint    relaxed: an old word makes the CAS fail, or the answer is that of a moment ago
// Window and use are one word: a credit is spent in the CAS that has seen use below the window.

template <template <class> class Atom = std::atomic>
class credit_window {
public:
    /// retry_after of a denial: when a new window may come, say the time there and back. Less than 0 counts as 0.
    explicit credit_window(std::uint32_t window = 0, duration retry_after = duration{0}) noexcept
        : word_(std::uint64_t{window} << 32), retry_after_(std::max(retry_after, duration{0})) {}
    credit_window(credit_window const&) = delete;
    credit_window& operator=(credit_window const&) = delete;
    ~credit_window() { SLUICE_ASSERT(used_approx() == 0); }

    /// Spends a credit until the permit ends, however it ends.
    [[nodiscard]] permit try_acquire(time_point now) noexcept {
        std::uint64_t w = word_.load(std::memory_order_relaxed);  // (H)
        while (used(w) < w >> 32)
            if (word_.compare_exchange_weak(w, w + 1, std::memory_order_acquire, std::memory_order_relaxed))  // (A)
                return permit(this, &finish, {.start = now});
        return permit::denied(verdict::later(retry_after_, 0));
    }

    /// A new window, in place of the old one.
    void grant(std::uint32_t window) noexcept {
        std::uint64_t w = word_.load(std::memory_order_relaxed);  // (H)
        while (!word_.compare_exchange_weak(w, std::uint64_t{window} << 32 | used(w), std::memory_order_release,
                                            std::memory_order_relaxed)) {}  // (C)
    }

    [[nodiscard]] std::uint32_t window() const noexcept {
        return static_cast<std::uint32_t>(word_.load(std::memory_order_relaxed) >> 32);  // (H)
    }
    /// Credits under way.
    [[nodiscard]] std::uint32_t used_approx() const noexcept {
        return static_cast<std::uint32_t>(used(word_.load(std::memory_order_relaxed)));  // (H)
    }

private:
    [[nodiscard]] static std::uint64_t used(std::uint64_t w) noexcept { return w & UINT32_MAX; }
    static void finish(void* self, permit_ticket const&, outcome, time_point const*) noexcept {
        static_cast<credit_window*>(self)->word_.fetch_sub(1, std::memory_order_release);  // (B)
    }

    Atom<std::uint64_t> word_;
    duration            retry_after_;
};

}  // namespace sluice
