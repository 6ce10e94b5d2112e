// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// bulkhead — at most so many at once, and a short orderly queue in front: one part's trouble stays its own.
///
/// Use it for     a fixed share of threads, connections or memory for one dependency or one kind of request
/// Not for        a limit that nobody knows (concurrency_limiter), waiting without a thread (bounded_queue)
/// Thread-safety  any thread. Destruction: after every permit has ended and everybody who waits has left
/// Progress       try_acquire, and the end of a permit while nobody waits: lock-free. With somebody waiting, a mutex
/// Complexity     O(1); acquire_until allocates nothing that outlives it
/// Errors         std::invalid_argument for limit 0 or above max_limit, max_waiting above max_limit, max_wait < 0.
///                acquire_until passes on what std::mutex and std::condition_variable_any throw; nothing is then held
/// Units          limit and max_waiting in permits; max_wait in integer nanoseconds
///
///     sluice::bulkhead db({.limit = 10, .max_waiting = 20, .max_wait = 50ms});
///     if (auto p = db.acquire_until(deadline)) { query(); p.success(); } else reply(503);
///
/// In-flight is never above the limit: it is raised by a CAS that has seen the limit. Permits go to waiters in the order
/// in which they came, and none is taken past them. A waiter whose time ends just as it is given a permit has the permit: it
/// is never lost. How the work ended makes no difference here.

#include <sluice/core/assert.hpp>
#include <sluice/core/cacheline.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/detail/clock_wait.hpp>
#include <sluice/flow/permit.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <utility>

namespace sluice {

struct bulkhead_options {
    std::uint32_t limit = 1;                   ///< permits at once; 1 … max_limit
    std::uint32_t max_waiting = max_limit;     ///< threads in acquire_until; more are denied at once
    duration      max_wait = duration::max();  ///< the longest that one of them waits; 0: nobody does

    static constexpr std::uint32_t max_limit = (1u << 21) - 1;
};

namespace detail {

// Ordering
//   (A) enter    CAS acquire                     <- leave: what the last holder did is visible to the next one
//   (B) leave    CAS release; while somebody waits it is refused, and the permit goes on under the mutex
//   (C) queue    CAS relaxed, under the mutex: numbers only. That a waiter sees what the holder did is the mutex's work
//   (H) hint     relaxed: an old word makes a CAS fail, or the answer is that of a moment ago
// One word has it all, so that no two of the numbers are ever read apart: a free permit and a waiter exclude each other,
// because a waiter enters the word in the same CAS that has seen no free permit, and `leave` frees one only in a CAS that
// has seen no waiter. (Between set_limit and admit_waiter there are both, and then only the mutex's holder acts.) Lowering
// the limit below what is in flight takes effect as permits end.

/// limit, waiting and in-flight in one word, 21 bits each.
template <template <class> class Atom>
class bulkhead_word {
public:
    explicit bulkhead_word(std::uint32_t limit) noexcept : word_(std::uint64_t{limit} << 42) {}

    /// One more in flight, if one is free. One that is free while somebody waits is about to be given away.
    [[nodiscard]] bool try_enter() noexcept {
        std::uint64_t w = word_.load(std::memory_order_relaxed);  // (H)
        while (in_flight(w) < limit(w) && waiting(w) == 0)
            if (word_.compare_exchange_weak(w, w + one, std::memory_order_acquire, std::memory_order_relaxed))  // (A)
                return true;
        return false;
    }

    /// One fewer in flight. False, and nothing happened: somebody waits, hand over under the mutex.
    [[nodiscard]] bool try_leave() noexcept {
        std::uint64_t w = word_.load(std::memory_order_relaxed);  // (H)
        while (waiting(w) == 0)
            if (word_.compare_exchange_weak(w, w - one, std::memory_order_release, std::memory_order_relaxed))  // (B)
                return true;
        return false;
    }

    enum class entry : std::uint8_t { entered, waits, full };

    /// Under the mutex: enters, or counts a waiter more if fewer than `most` are there.
    [[nodiscard]] entry enter_or_wait(std::uint32_t most) noexcept {
        std::uint64_t w = word_.load(std::memory_order_relaxed);  // (H)
        for (;;) {
            if (in_flight(w) < limit(w)) {
                if (word_.compare_exchange_weak(w, w + one, std::memory_order_acquire, std::memory_order_relaxed))  // (A)
                    return entry::entered;
            } else if (waiting(w) >= most) {
                return entry::full;
            } else if (word_.compare_exchange_weak(w, w + one_waiting, std::memory_order_relaxed,
                                                   std::memory_order_relaxed)) {  // (C)
                return entry::waits;
            }
        }
    }

    /// Under the mutex, one who leaves: its permit goes to the first waiter (true), or ends: because nobody waits any more,
    /// or because the limit was lowered.
    [[nodiscard]] bool hand_over() noexcept {
        std::uint64_t w = word_.load(std::memory_order_relaxed);  // (H)
        for (;;) {
            bool const          passes = waiting(w) > 0 && in_flight(w) <= limit(w);
            std::uint64_t const next = passes ? w - one_waiting : w - one;
            if (word_.compare_exchange_weak(w, next, std::memory_order_release, std::memory_order_relaxed))  // (B)
                return passes;
        }
    }

    /// Under the mutex: a free permit for the first waiter, after the limit has been raised.
    [[nodiscard]] bool admit_waiter() noexcept {
        std::uint64_t w = word_.load(std::memory_order_relaxed);  // (H)
        while (waiting(w) > 0 && in_flight(w) < limit(w))
            if (word_.compare_exchange_weak(w, w - one_waiting + one, std::memory_order_acquire,
                                            std::memory_order_relaxed))  // (A)
                return true;
        return false;
    }

    /// Under the mutex: a waiter that has not been given anything goes away.
    void cancel_wait() noexcept { (void)word_.fetch_sub(one_waiting, std::memory_order_relaxed); }  // (C)

    /// Under the mutex.
    void set_limit(std::uint32_t limit) noexcept {
        std::uint64_t w = word_.load(std::memory_order_relaxed);  // (H)
        while (!word_.compare_exchange_weak(w, (w & ~(field << 42)) | (std::uint64_t{limit} << 42),
                                            std::memory_order_relaxed, std::memory_order_relaxed)) {}  // (C)
    }

    struct numbers {
        std::uint32_t limit, waiting, in_flight;
    };
    [[nodiscard]] numbers read() const noexcept {
        std::uint64_t const w = word_.load(std::memory_order_relaxed);  // (H)
        return {limit(w), waiting(w), in_flight(w)};
    }

private:
    static constexpr std::uint64_t one = 1, one_waiting = std::uint64_t{1} << 21, field = (std::uint64_t{1} << 21) - 1;
    [[nodiscard]] static std::uint32_t part(std::uint64_t w) noexcept { return static_cast<std::uint32_t>(w & field); }
    [[nodiscard]] static std::uint32_t in_flight(std::uint64_t w) noexcept { return part(w); }
    [[nodiscard]] static std::uint32_t waiting(std::uint64_t w) noexcept { return part(w >> 21); }
    [[nodiscard]] static std::uint32_t limit(std::uint64_t w) noexcept { return part(w >> 42); }

    Atom<std::uint64_t> word_;
};

}  // namespace detail

template <clock_source Clock = steady_clock, template <class> class Atom = std::atomic>
class bulkhead {
public:
    explicit bulkhead(bulkhead_options options, Clock clock = {})
        : word_(checked_limit(options.limit)), max_waiting_(options.max_waiting), max_wait_(options.max_wait),
          clock_(std::move(clock)) {
        detail::require_option(options.max_waiting <= bulkhead_options::max_limit, "bulkhead: max_waiting (<= 2097151)",
                               options.max_waiting);
        detail::require_option(options.max_wait.count() >= 0, "bulkhead: max_wait (>= 0 ns)", options.max_wait.count());
    }
    bulkhead(bulkhead const&) = delete;
    bulkhead& operator=(bulkhead const&) = delete;
    ~bulkhead() { SLUICE_ASSERT(waiting_approx() == 0 && in_flight_approx() == 0); }

    /// A permit if one is free; never waits. A denial's retry_after is 0: a permit may end at any moment.
    [[nodiscard]] permit try_acquire(time_point now) noexcept {
        return word_.try_enter() ? given(now) : permit::denied(verdict::later(duration{0}, 0));
    }
    [[nodiscard]] permit try_acquire() noexcept { return try_acquire(clock_.now()); }

    /// A permit now, or when one comes before the deadline, max_wait and a stop; behind those who wait already. With
    /// max_waiting others waiting it is denied at once. On a manual_clock the deadline comes at once, see clock_wait.
    [[nodiscard]] permit acquire_until(time_point deadline, std::stop_token stop = {}) {
        time_point const now = clock_.now();
        if (word_.try_enter()) return given(now);
        if (max_wait_ != duration::max()) deadline = std::min(deadline, saturating_add(now, max_wait_));
        if (now >= deadline || stop.stop_requested()) return permit::denied(verdict::later(duration{0}, 0));
        waiter           me;
        std::unique_lock lock(mutex_);
        switch (word_.enter_or_wait(max_waiting_)) {
            case word::entry::entered: return given(now);
            case word::entry::full: return permit::denied(verdict::later(duration{0}, 0));
            case word::entry::waits: break;
        }
        append(me);
        try {
            (void)detail::clock_wait(me.changed, lock, clock_, deadline, stop, [&] { return me.has_permit; });
        } catch (...) {
            if (!lock.owns_lock()) lock.lock();
            if (me.has_permit)
                pass_on();
            else
                leave_queue(me);
            throw;
        }
        if (me.has_permit) return given(clock_.now());  // also if the time ended just then
        leave_queue(me);
        return permit::denied(verdict::later(duration{0}, 0));
    }

    /// Another limit. A higher one admits waiters at once; a lower one takes effect as permits end.
    void set_limit(std::uint32_t limit) {
        (void)checked_limit(limit);
        std::lock_guard const lock(mutex_);
        word_.set_limit(limit);
        while (first_ != nullptr && word_.admit_waiter()) wake_first();
    }

    [[nodiscard]] std::uint32_t limit() const noexcept { return word_.read().limit; }
    [[nodiscard]] std::uint32_t in_flight_approx() const noexcept { return word_.read().in_flight; }
    [[nodiscard]] std::uint32_t waiting_approx() const noexcept { return word_.read().waiting; }

private:
    using word = detail::bulkhead_word<Atom>;

    /// Lies on the stack of a thread in acquire_until.
    struct waiter {
        waiter*                     before = nullptr;
        waiter*                     after = nullptr;
        bool                        has_permit = false;
        std::condition_variable_any changed;
    };

    [[nodiscard]] static std::uint32_t checked_limit(std::uint32_t limit) {
        detail::require_option(limit > 0 && limit <= bulkhead_options::max_limit, "bulkhead: limit (1 to 2097151)", limit);
        return limit;
    }

    [[nodiscard]] permit given(time_point now) noexcept { return permit(this, &finish, {.start = now}); }

    static void finish(void* self, permit_ticket const&, outcome, time_point const*) noexcept {
        auto& b = *static_cast<bulkhead*>(self);
        if (b.word_.try_leave()) return;
        std::lock_guard const lock(b.mutex_);
        b.pass_on();
    }

    // The rest is called with the mutex held.

    void pass_on() noexcept {
        if (word_.hand_over()) wake_first();
    }
    void wake_first() noexcept {
        waiter& w = *first_;
        unlink(w);
        w.has_permit = true;
        w.changed.notify_one();  // under the mutex: after it, w may be gone
    }
    void leave_queue(waiter& w) noexcept {
        unlink(w);
        word_.cancel_wait();
    }
    void append(waiter& w) noexcept {
        w.before = last_;
        (last_ != nullptr ? last_->after : first_) = &w;
        last_ = &w;
    }
    void unlink(waiter& w) noexcept {
        (w.before != nullptr ? w.before->after : first_) = w.after;
        (w.after != nullptr ? w.after->before : last_) = w.before;
    }

    alignas(cache_line_size) word word_;
    alignas(cache_line_size) std::uint32_t max_waiting_;
    duration                    max_wait_;
    [[no_unique_address]] Clock clock_;
    std::mutex                  mutex_;
    waiter*                     first_ = nullptr;
    waiter*                     last_ = nullptr;
};

}  // namespace sluice
