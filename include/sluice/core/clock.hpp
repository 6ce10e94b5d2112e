// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// clock_source, steady_clock, manual_clock — where time comes from, and the one time line all of sluice counts on.
///
/// Use it for     the Clock parameter of whatever needs the time: steady_clock in production, manual_clock in a test
/// Not for        calendar time: the time line has no fixed beginning and never jumps with the wall clock
/// Thread-safety  any thread may use any clock, its own copy or a shared one
/// Progress       steady_clock: the system's. manual_clock: now, set are wait-free, advance is lock-free
/// Complexity     O(1); a manual_clock allocates once when it is made, its copies do not
/// Errors         manual_clock() may throw std::bad_alloc, the rest is noexcept; sums stay within the range
/// Units          integer nanoseconds in 64 bits: ± 292 years

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstdint>

namespace sluice {

/// A span of time. Shorter names for its values: std::chrono_literals.
using duration = std::chrono::duration<std::int64_t, std::nano>;

/// A point on the steady time line. It is std::chrono::steady_clock's own, so that it can be handed to the standard
/// library's wait_until; a manual_clock counts from zero on the same line.
using time_point = std::chrono::time_point<std::chrono::steady_clock, duration>;

/// Something that knows the time. Copies of one object must agree about it.
template <class C>
concept clock_source = std::copyable<C> && requires(C const& clock) {
    { clock.now() } noexcept -> std::same_as<time_point>;
};

/// a + b, or the end of the range that the exact sum lies beyond.
[[nodiscard]] constexpr duration saturating_add(duration a, duration b) noexcept {
    if (b.count() > 0 && a > duration::max() - b) return duration::max();
    if (b.count() < 0 && a < duration::min() - b) return duration::min();
    return a + b;
}

/// t + d, or the end of the time line that the exact sum lies beyond.
[[nodiscard]] constexpr time_point saturating_add(time_point t, duration d) noexcept {
    return time_point(saturating_add(t.time_since_epoch(), d));
}

/// later - earlier, or the end of the range that the exact difference lies beyond. Negative if `later` is not later.
[[nodiscard]] constexpr duration saturating_sub(time_point later, time_point earlier) noexcept {
    auto const a = later.time_since_epoch();
    auto const b = earlier.time_since_epoch();
    if (b.count() < 0 && a > duration::max() + b) return duration::max();
    if (b.count() > 0 && a < duration::min() + b) return duration::min();
    return a - b;
}

/// The system's monotonic clock.
class steady_clock {
public:
    [[nodiscard]] time_point now() const noexcept {
        return std::chrono::time_point_cast<duration>(std::chrono::steady_clock::now());
    }
};

// Ordering
//   (A) publish  set, advance: release            -> now: acquire; who sees a time sees all that was done before it
//   (B) private                 relaxed: the value goes into the CAS of (A), which reads it again
//   (C) count    copy           relaxed: the copied clock keeps the state alive meanwhile
//   (D) count    destruction    acq_rel: the last owner frees the state after every other owner's last access

/// A clock that moves only when told. Copies share one time line, which starts at time_point{}; hand copies to the
/// objects under test and keep one to move the time with. A step backward is allowed, and every copy sees it.
class manual_clock {
public:
    manual_clock() : state_(new state) {}
    explicit manual_clock(time_point start) : manual_clock() { set(start); }

    manual_clock(manual_clock const& other) noexcept : state_(other.state_) {
        state_->owners.fetch_add(1, std::memory_order_relaxed);  // (C)
    }

    manual_clock& operator=(manual_clock const& other) noexcept {
        manual_clock copy(other);
        auto* const mine = state_;
        state_ = copy.state_;
        copy.state_ = mine;
        return *this;
    }

    ~manual_clock() {
        if (state_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete state_;  // (D)
    }

    [[nodiscard]] time_point now() const noexcept {
        return time_point(duration(state_->now.load(std::memory_order_acquire)));  // (A)
    }

    /// Moves the time by d, back if d is negative. Returns the new time; at the ends of the time line it stops.
    time_point advance(duration d) noexcept {
        auto before = state_->now.load(std::memory_order_relaxed);  // (B)
        for (;;) {
            auto const after = saturating_add(duration(before), d);
            if (state_->now.compare_exchange_weak(before, after.count(), std::memory_order_acq_rel,  // (A)
                                                  std::memory_order_relaxed))                        // (B)
                return time_point(after);
        }
    }

    void set(time_point t) noexcept {
        state_->now.store(t.time_since_epoch().count(), std::memory_order_release);  // (A)
    }

private:
    struct state {
        std::atomic<std::int64_t> now{0};
        std::atomic<std::uint32_t> owners{1};
    };

    state* state_;
};

}  // namespace sluice
