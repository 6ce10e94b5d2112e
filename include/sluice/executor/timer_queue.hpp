// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// timer_queue, timer_handle — what is to be posted to an executor later, once or again and again.
///
/// Use it for     timers where something else lets time pass: an event loop, a simulation, a test with a manual_clock
/// Not for        a program that has no such loop (timer_service has a thread for it)
/// Thread-safety  every member of both, from any thread; one lock for each queue, which is not held while callables are
///                called, posted or destroyed. The destructor: after every other call of the queue has returned, but it may
///                be called by a callback of the queue. A handle may outlive the queue. One timer's callback never runs twice
///                at once
/// Progress       a passive object: nothing happens before somebody calls expire. cancel_and_wait and the destructor wait
///                for callbacks that run on other threads
/// Complexity     O(log n) for n pending timers, cancel too, which leaves nothing behind; expire: O(log n) for each that is due.
///                Memory for each timer on a 64-bit target: one block of 72 bytes and the callable, and 32 to 64 bytes
///                of tables, which never shrink
/// Errors         schedule_* throw std::bad_alloc or what copying the callable throws and then have no effect; a period of
///                zero or less throws std::invalid_argument. What post throws leaves expire: what was not posted is still due.
///                What a callback throws goes where the executor sends what a task throws; a periodic timer goes on. The
///                callable's destructor must not throw. A task that the executor destroys unrun ends its timer
/// Units          a time point in the past is due at once; so is a negative delay. At the end of the time line (292 years)
///                periods end. A clock that is set back delays: deadlines stay what they are, and fixed_rate never goes back
/// Source         the heap: LaMarca, Ladner, ACM J. Exp. Alg. 1, 1996, doi:10.1145/235141.235145
/// Example        examples/590_timers.cpp

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/executor/detail/timer_core.hpp>

#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

namespace sluice {

struct periodic_options {
    timer_mode              mode = timer_mode::fixed_rate;
    missed_runs             missed = missed_runs::skip;  ///< for fixed_rate
    std::optional<duration> first_after{};               ///< the delay of the first run; one period unless it says otherwise
};

/// Refers to one timer; copies refer to the same one. Whoever does not need it may let it go: the timer stays.
class timer_handle {
public:
    timer_handle() noexcept = default;
    timer_handle(timer_handle const& other) noexcept : entry_(other.entry_) {
        if (entry_ != nullptr) detail::timer_core::retain(*entry_);
    }
    timer_handle(timer_handle&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
    timer_handle& operator=(timer_handle other) noexcept {
        std::swap(entry_, other.entry_);
        return *this;
    }
    ~timer_handle() {
        if (entry_ != nullptr) detail::timer_core::release(*entry_);
    }

    /// Ends the timer. True: its callback does not run, and will not run any more. False: it is running now, for the last
    /// time.
    bool cancel() const noexcept { return entry_ == nullptr || entry_->core->cancel(*entry_, false); }

    /// The same, but waits until a callback that runs has returned and the callable has been destroyed. False only if it was
    /// called by that callback, or by something that runs inside it on the same thread: then it does not wait.
    bool cancel_and_wait() const noexcept { return entry_ == nullptr || entry_->core->cancel(*entry_, true); }

    /// Moves the next run to t, also one that has been posted and has not begun; a fixed_rate goes on from there. While the
    /// callback runs: it will run again at t, at the end of this run if t has passed by then. False, and no effect, if the
    /// timer has ended.
    bool reschedule(time_point t) const noexcept { return entry_ != nullptr && entry_->core->reschedule(*entry_, t); }

    /// Whether a run of it has yet to begin.
    [[nodiscard]] bool active() const noexcept { return entry_ != nullptr && entry_->core->active(*entry_); }

private:
    template <class, clock_source>
    friend class timer_queue;
    explicit timer_handle(detail::timer_entry* e) noexcept : entry_(e) {}

    detail::timer_entry* entry_ = nullptr;
};

/// The executor needs executor.post(f) for a callable f that can only be moved.
template <class Executor, clock_source Clock = steady_clock>
class timer_queue {
public:
    explicit timer_queue(Executor& executor, Clock clock = {})
        : executor_(&executor), clock_(clock), core_(new detail::timer_core_on<Clock>(clock)) {}
    timer_queue(timer_queue const&) = delete;
    timer_queue& operator=(timer_queue const&) = delete;

    /// Cancels every timer; waits for nothing. From now on a timer ends when it is made, and a periodic one after the run that
    /// is under way.
    void close() noexcept { core_->close(false); }

    /// Cancels every timer and waits for those callbacks that run on other threads.
    ~timer_queue() {
        core_->close();
        core_->release();
    }

    template <class F>
    timer_handle schedule_at(time_point t, F&& f) {
        return add(t, duration{0}, {}, std::forward<F>(f));
    }
    template <class F>
    timer_handle schedule_after(duration d, F&& f) {
        return add(saturating_add(clock_.now(), d), duration{0}, {}, std::forward<F>(f));
    }
    template <class F>
    timer_handle schedule_every(duration period, F&& f, periodic_options options = {}) {
        detail::require_option(period.count() > 0, "timer_queue::schedule_every's period (more than 0 ns)", period.count());
        return add(saturating_add(clock_.now(), options.first_after.value_or(period)), period, options, std::forward<F>(f));
    }

    /// When expire has something to do; nothing while no timer is pending.
    [[nodiscard]] std::optional<time_point> next_deadline() const noexcept { return core_->next_deadline(); }

    /// Posts what is due at `now`, in the order of the deadlines, among equal ones in the order of the calls that set them;
    /// but not more than were pending when it began, so that callbacks that are run inside post end some time. Returns how
    /// many were posted. A periodic timer is pending again when its run has ended.
    std::size_t expire(time_point now) {
        auto* const executor = executor_;  // a callback that is run inside post may destroy the queue
        struct keep {
            detail::timer_core& core;
            explicit keep(detail::timer_core& c) noexcept : core(c) { core.retain(); }
            ~keep() { core.release(); }
        } const kept(*core_);
        detail::timer_core::posting batch[32];
        std::size_t                 posted = 0;
        for (std::size_t left = kept.core.pending(); left > 0;) {
            std::size_t const n = kept.core.take_due(now, batch, left < 32 ? left : 32);
            if (n == 0) break;
            for (std::size_t i = 0; i < n; ++i) try {
                    executor->post(detail::timer_task(batch[i]));
                } catch (...) {
                    kept.core.confirm(batch, i);
                    kept.core.put_back(batch + i, n - i);
                    throw;
                }
            kept.core.confirm(batch, n);
            posted += n;
            left -= n;
        }
        return posted;
    }
    std::size_t expire() { return expire(clock_.now()); }

    /// Timers that wait for their time; not those that are posted or running.
    [[nodiscard]] std::size_t pending() const noexcept { return core_->pending(); }

    [[nodiscard]] Clock const& clock() const noexcept { return clock_; }

    /// For timer_service.
    [[nodiscard]] detail::timer_core& internals() noexcept { return *core_; }

private:
    template <class F>
    timer_handle add(time_point t, duration period, periodic_options const& options, F&& f) {
        using callable = std::decay_t<F>;
        static_assert(std::is_invocable_v<callable&>, "a timer needs a callable without parameters");
        auto* const e = new detail::timer_entry_of<callable>(std::forward<F>(f));
        e->deadline = t;
        e->period = period;
        e->mode = options.mode;
        e->missed = options.missed;
        try {
            core_->add(*e);
        } catch (...) {
            e->discard();
            throw;
        }
        return timer_handle(e);
    }

    Executor*           executor_;
    Clock               clock_;
    detail::timer_core* core_;
};

}  // namespace sluice
