// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::scheduler — the workers of a pool: what they do with the work, when they sleep, how they stop.
///
/// Use it for     thread_pool, task_group and the parallel algorithms; not a public interface
/// Thread-safety  every member from any thread unless it takes a worker: then that worker's thread only
/// Source         leapfrogging in help(): Wagner, Calder, PPoPP 1993, doi:10.1145/155332.155354
///
/// Where the work lies: detail/work_queues.hpp. Which threads there are: detail/roster.hpp. How they sleep: detail/idle_gate.md.
///
/// A worker looks between two tasks whether it is one too many (detail/roster.hpp), and leaves; never inside a task, so not
/// while it waits there for others. It leaves nothing behind: what lies in its deque goes back to the injector. Workers
/// without work go first, those before all that have slept longest as far as the system wakes them in that order.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <sluice/core/backoff.hpp>
#include <sluice/core/cacheline.hpp>
#include <sluice/executor/detail/idle_gate.hpp>
#include <sluice/executor/detail/pool_counts.hpp>
#include <sluice/executor/detail/roster.hpp>
#include <sluice/executor/detail/task.hpp>
#include <sluice/executor/detail/task_memory.hpp>
#include <sluice/executor/detail/work_queues.hpp>
#include <sluice/executor/detail/worker.hpp>
#include <sluice/executor/metrics.hpp>
#include <sluice/queue/event_count.hpp>
#include <thread>
#include <utility>

namespace sluice::detail {

// Ordering
//   (A) done     a fork's state: fetch_or acq_rel by the thief after it ran          -> load acquire by the waiter
//   (B) await    a fork's state: fetch_or acq_rel by the waiter, before it sleeps; whichever of (A) and (B) is second sees
//                the first: the thief then wakes, or the waiter does not sleep
//   (C) taken    a fork's state: fetch_or release by the thief, thief and base before it   -> load acquire by the waiter
//   (D) count    finished, accepted: written by their worker only; store release   -> load acquire by idle(): pool_counts
//   (E) stop     state_ fetch_or release / load acquire; sleepers are woken after it. The mark `crowded` likewise (roster)
//   (F) idle     idle_waiters_ relaxed, ordered by the gate's word: the waiter adds itself, meets the gate, looks at the
//                counts; a worker counts, announces itself at the gate, looks for waiters. Both are read-modify-writes of
//                one word, so the later one has acquired from the earlier: the waiter sees the counts, or the worker sees
//                the waiter. The last worker to announce itself sees everybody's counts
//   (stat)       metrics: relaxed
class scheduler : public work_queues {
public:
    scheduler(scheduler_options const& o, std::shared_ptr<error_sink> errors)
        : work_queues(o), errors_(std::move(errors)), born_(worker::ticks()) {
        try {
            request_size(o.workers);
        } catch (...) {
            stop_threads();
            throw;
        }
    }
    /// From now on n workers are wanted; requires that n is possible.
    void request_size(std::size_t n) {
        gate_.limit_searchers(searchers_for(n));
        roster_.request(
            n, [this](std::size_t i) { return std::make_unique<worker>(*this, i, options_, born_); },
            [this](worker& w) { start(w); }, [this](std::size_t surplus) { gate_.stir(static_cast<std::uint32_t>(surplus)); });
    }

    /// Workers wanted.
    [[nodiscard]] std::size_t size() const noexcept { return roster_.wanted(); }
    [[nodiscard]] std::size_t fewest() const noexcept { return options_.fewest_workers; }
    [[nodiscard]] std::size_t most() const noexcept { return roster_.places(); }
    [[nodiscard]] std::size_t provisioned() const noexcept { return roster_.provisioned(); }
    [[nodiscard]] std::size_t ready() const noexcept { return roster_.ready(); }
    /// Workers that are ready and neither sleep nor look for work.
    [[nodiscard]] std::size_t busy_approx() const noexcept {
        std::size_t const ready = roster_.ready(), idle = gate_.idle_approx();
        return ready > idle ? ready - idle : 0;
    }
    [[nodiscard]] std::size_t queued_approx() const noexcept {
        std::uint64_t const n = counts_.in_flight(counting()), busy = busy_approx();
        return n > busy ? static_cast<std::size_t>(n - busy) : 0;
    }
    [[nodiscard]] std::uint64_t submitted() noexcept { return counts_.submitted(counting()); }
    [[nodiscard]] std::uint64_t completed() noexcept { return counts_.completed(); }
    [[nodiscard]] std::uint64_t busy_nanoseconds() noexcept { return counts_.busy_nanoseconds(); }

    [[nodiscard]] error_sink& errors() noexcept { return *errors_; }
    [[nodiscard]] std::shared_ptr<error_sink> const& shared_errors() const noexcept { return errors_; }

    /// A group or a future that somebody waits for is complete.
    void notify_waiters() noexcept {
        joins_.notify_all();
        outside_joins_.notify_all();
    }
    /// A group that workers wait for has a new task, or a fork has become visible: waiting workers may help.
    void notify_helpers() noexcept {
        if (joins_.waiters_approx() != 0) [[unlikely]] joins_.notify_all();
    }

    /// A fork has become visible to thieves.
    void announce_fork() noexcept {
        gate_.notify();
        notify_helpers();
    }

    /// A worker waits for its own fork that was stolen: it helps the thief with what that fork forked, and nothing else.
    void join(worker& me, fork& f) noexcept {
        for (std::uint32_t pauses = 0;;) {
            if ((f.state.load(std::memory_order_acquire) & fork::done) != 0) return;        // (A)
            if (help(me, f)) {
                pauses = 0;
            } else if (++pauses < 200) {
                pauses < 100 ? cpu_relax() : std::this_thread::yield();
            } else {
                auto const key = joins_.prepare_wait();
                if ((f.state.fetch_or(fork::awaited, std::memory_order_acq_rel) & fork::done) != 0 || help(me, f))  // (B)
                    joins_.cancel_wait();
                else
                    joins_.commit_wait(key);
                pauses = 150;
            }
        }
    }

    /// Blocks until done(), which is looked at again whenever notify_waiters() was called. A worker tries help() in
    /// between, which may do a piece of work and says whether it did.
    template <class Done, class Help>
    void wait_until(Done done, Help help) noexcept {
        event_count& events = this_worker != nullptr ? joins_ : outside_joins_;
        for (std::uint32_t pauses = 0; !done();) {
            if (help()) {
                pauses = 0;
            } else if (++pauses < 200) {
                pauses < 100 ? cpu_relax() : std::this_thread::yield();
            } else {
                auto const key = events.prepare_wait();
                if (done() || help())
                    events.cancel_wait();
                else
                    sleep_on(events, key);
                pauses = 150;
            }
        }
    }

    /// The same with an end; false if the deadline came first.
    template <class Done, class Help>
    [[nodiscard]] bool wait_until(Done done, Help help, std::chrono::steady_clock::time_point deadline) noexcept {
        event_count& events = this_worker != nullptr ? joins_ : outside_joins_;
        while (!done()) {
            if (help()) continue;
            auto const key = events.prepare_wait();
            if (done() || help()) {
                events.cancel_wait();
            } else if (!sleep_on(events, key, deadline) && std::chrono::steady_clock::now() >= deadline) {
                return done();
            }
        }
        return true;
    }

    /// Runs one queued task on the calling thread, whoever it is.
    bool try_run_one() noexcept {
        worker* const me = here();
        if (me != nullptr) {
            if (work const w = take(*me)) {
                run(*me, w);
                return true;
            }
            return false;
        }
        task* t = nullptr;
        counts_.accept_outside();  // see idle()
        if (task* const chain = take_injected()) {
            t = chain;
            task* rest = chain->next;
            bool const more = rest != nullptr;
            while (rest != nullptr) {
                task* const next = rest->next;
                give_back(rest, false);
                rest = next;
            }
            if (more) gate_.notify();  // a worker may have looked while they were in our hands
        } else {
            counts_.void_outside();
            for (auto const& v : roster_.made()) {
                auto got = v->tasks.steal();
                while (got.status == steal_status::lost) got = v->tasks.steal();
                if (!got) continue;
                t = first_of(got.value);
                break;
            }
        }
        if (t != nullptr) {
            work_queues* const before = std::exchange(guest_of, this);
            t->act(t, *this, discards() ? task_action::discard : task_action::run);
            guest_of = before;
            counts_.finish_outside();
        }
        gate_.meet();
        notice_idle();
        return t != nullptr;
    }

    void wait_idle() noexcept {
        idle_waiters_.fetch_add(1, std::memory_order_relaxed);                              // (F)
        gate_.meet();
        while (!idle()) {
            auto const key = idle_events_.prepare_wait();
            if (idle()) {
                idle_events_.cancel_wait();
                break;
            }
            sleep_on(idle_events_, key);
        }
        idle_waiters_.fetch_sub(1, std::memory_order_relaxed);                              // (F)
    }

    /// Refuses new work from outside, runs or drops what is there, ends the threads; returns how many tasks were dropped.
    /// From outside the pool. Later calls wait for the first and return 0.
    std::uint64_t shut_down_once(bool discard) noexcept {
        std::uint32_t expected = 0;
        if (!closing_.compare_exchange_strong(expected, 1, std::memory_order_acq_rel, std::memory_order_acquire)) {  // (E)
            closing_.wait(1, std::memory_order_acquire);                                    // (E)
            return 0;
        }
        state_.fetch_or(discard ? pool_state::discarding : pool_state::draining, std::memory_order_release);  // (E)
        do {
            wait_idle();
        } while (!injector_.close());
        wait_idle();  // something may have come, and been taken, between the look and the close
        stop_threads();
        closing_.store(2, std::memory_order_release);                                       // (E)
        closing_.notify_all();
        return discarded();
    }

    /// Metrics: n tasks of a bulk were dropped, or run.
    void count_discarded(std::uint64_t n) noexcept { counts_.discard(n); }
    void count_ran(std::uint64_t n) noexcept {
        if (worker* const me = here()) worker::add(me->ran, n);
    }
    [[nodiscard]] std::uint64_t discarded() const noexcept { return counts_.discarded(); }

    [[nodiscard]] pool_metrics metrics() const {
        pool_metrics       m;
        std::int64_t const t = worker::ticks();
        m.elapsed = std::chrono::nanoseconds(t - born_);
        m.errors_handled = errors_->handled.load(std::memory_order_relaxed);                // (stat)
        m.errors_dropped = errors_->dropped.load(std::memory_order_relaxed);                // (stat)
        m.tasks_discarded = discarded();
        for (auto const& w : roster_.made()) m.workers.push_back(pool_counts::of(*w, t));
        return m;
    }

    void run_taken(worker& me, task* t) noexcept { run(me, work::of(t)); }
    /// A task that pop_if_wanted() gave is not to be run.
    void forget(worker& me) noexcept { worker::count(me.finished, 1); }

    [[nodiscard]] std::uint32_t help_depth_limit() const noexcept { return options_.help_depth; }

    /// An id that no other group has, of this pool or another: a group may be made inside a task of another pool's.
    [[nodiscard]] std::uint64_t new_group_id() noexcept {
        if (worker* const me = here()) return ++me->groups << 30 | pool_id_ | (me->index + 1);
        return (outside_groups_.fetch_add(1, std::memory_order_relaxed) + 1) << 30 | pool_id_;  // (stat)
    }

private:
    /// Sleeps. As long as nobody takes what is queued it looks again now and then, and calls one more worker: those who
    /// were called for it may have been stopped.
    bool sleep_on(event_count& events, event_count::key key, time_point deadline = time_point::max()) noexcept {
        if (work_in_sight()) {
            time_point const soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
            if (soon < deadline) {
                if (events.commit_wait_until(key, soon)) return true;
                if (work_in_sight()) gate_.notify_more();
                return false;
            }
        }
        if (deadline != time_point::max()) return events.commit_wait_until(key, deadline);
        events.commit_wait(key);
        return true;
    }

    // ---- running it ----

    void run(worker& me, work w) noexcept {
        if (w.what == work::one_task && discards()) [[unlikely]] {
            w.task->act(w.task, *this, task_action::discard);  // counts what it drops
            worker::count(me.finished, 1);
        } else {
            run_now(me, w);
        }
    }

    void run_now(worker& me, work w) noexcept {
        if (w.what == work::one_task) {
            worker::add(me.ran, 1);
            w.task->act(w.task, *this, task_action::run);
            worker::count(me.finished, 1);
        } else {
            run_fork(me, *w.fork);
        }
    }

    void run_fork(worker& me, fork& f) noexcept {
        f.thief = &me;
        f.base = me.forks.next_index();
        f.state.fetch_or(fork::taken, std::memory_order_release);                           // (C)
        worker::add(me.ran, 1);
        f.run(&f);
        // From the next line on f may be gone.
        if ((f.state.fetch_or(fork::done, std::memory_order_acq_rel) & fork::awaited) != 0) joins_.notify_all();  // (A)
    }

    /// Steals from the thief of `f`, but only what it forked while it ran f: items from f.base on, as long as f runs.
    bool help(worker& me, fork& f) noexcept {
        if ((f.state.load(std::memory_order_acquire) & fork::taken) == 0) return false;     // (C)
        if (me.help_depth >= options_.help_depth) return false;
        auto const got = f.thief->forks.steal_if([&](std::uint64_t index) {
            return index_distance(index, f.base) >= 0 &&
                   (f.state.load(std::memory_order_acquire) & fork::done) == 0;             // (A)
        });
        if (!got) return false;
        worker::add(me.steals, 1);
        ++me.help_depth;
        run_fork(me, *got.value);
        --me.help_depth;
        return true;
    }

    // ---- the life of a worker ----

    /// A thread for a place without one.
    void start(worker& w) {
        w.clock_in(worker::searching);
        set_awake(w.index, true);
        try {
            w.thread = std::thread([this, &w] { work_until_stopped(w); });
        } catch (...) {
            set_awake(w.index, false);
            w.clock_in(worker::absent);
            throw;
        }
    }

    void work_until_stopped(worker& me) noexcept {
        roster_.began();
        this_worker = &me;
        task_memory::gather(true);
        live(me);  // from here on the place may be another thread's
        task_memory::gather(false);
        this_worker = nullptr;
    }

    /// Until the pool stops or the worker has left.
    void live(worker& me) noexcept {
        while (work w = next(me)) {
            me.clock_in(worker::busy);
            do {
                // Here, not in run, so that there is one look for all that is out of the ordinary.
                std::uint32_t const state = state_.load(std::memory_order_relaxed);         // (E)
                if ((state & (pool_state::discarding | pool_state::crowded | pool_state::sampling)) != 0) [[unlikely]] {
                    if (!run_or_leave(me, w)) return;
                } else {
                    run_now(me, w);
                }
                w = take_own(me);
            } while (w);
            me.clock_in(worker::searching);
        }
    }

    /// Runs it, or drops it; or, where there are too many workers and none of them sleeps, gives it to the others and leaves.
    /// False: it has left.
    [[gnu::noinline]] bool run_or_leave(worker& me, work w) noexcept {
        if (w.what == work::one_task && crowded() && gate_.sleepers_approx() == 0 && roster_.may_leave()) {
            hand_over(me, w.task);
            return !leave(me);
        }
        me.sample_depth();
        run(me, w);
        return true;
    }

    /// After may_leave and hand_over: false if the worker is wanted again.
    [[nodiscard]] bool leave(worker& me) noexcept {
        task_memory::flush();
        gate_.meet();                                                                       // (F) as announce
        notice_idle();
        me.clock_in(worker::absent);
        set_awake(me.index, false);
        if (roster_.leave(me)) return true;
        set_awake(me.index, true);
        me.clock_in(worker::searching);
        return false;
    }

    /// Looks, pauses, sleeps, until there is work (see idle_gate.md); nothing when the pool has stopped or the worker has left.
    work next(worker& me) noexcept {
        bool                      searching = gate_.try_begin_search();
        bool                      woken = false;
        std::chrono::milliseconds patience{1};
        for (;;) {
            if (searching) {
                if (work const w = search(me)) {
                    if (gate_.end_search() && work_in_sight()) gate_.notify();
                    if (woken) pass_on();
                    return w;
                }
            }
            task_memory::flush();
            std::uint32_t const key = gate_.announce(searching);
            notice_idle();
            bool const over = (state_.load(std::memory_order_acquire) & pool_state::phase) == pool_state::stopped;  // (E)
            if (work const w = over ? work{} : take(me)) {
                bool const last = gate_.leave() ? gate_.end_search() : true;
                if (last && gate_.sleepers_approx() != 0 && work_in_sight()) gate_.notify();
                if (woken) pass_on();
                return w;
            }
            if (over) {
                if (gate_.leave()) (void)gate_.end_search();
                me.clock_in(worker::parked);
                roster_.ended();
                return {};
            }
            if (crowded()) [[unlikely]] {
                // Whoever has been called has to look for work first: it was somebody's wake-up.
                searching = gate_.leave();
                if (!searching && roster_.may_leave()) {
                    hand_over(me, nullptr);
                    if (leave(me)) return {};
                }
                if (!searching) searching = gate_.try_begin_search();
                continue;
            }
            if (!options_.idle.parks) {
                searching = gate_.leave();
                std::this_thread::yield();
            } else {
                // While others are said to be looking for work they may have been stopped: then it looks again now and
                // then, without becoming one of them. In an idle pool nobody looks, and nobody has a timer.
                bool const       guards = gate_.under_way_approx() != 0;
                time_point const until = guards ? std::chrono::steady_clock::now() + patience : time_point::max();
                me.clock_in(worker::parked);
                set_awake(me.index, false);
                bool const called_off = !gate_.sleep(key, guards ? &until : nullptr, searching);
                set_awake(me.index, true);
                me.clock_in(worker::searching);
                woken = true;
                if (called_off) {
                    if (patience < std::chrono::milliseconds(32)) patience *= 2;
                    continue;
                }
                patience = std::chrono::milliseconds(1);
            }
            if (!searching) searching = gate_.try_begin_search();
        }
    }

    work search(worker& me) noexcept {
        backoff pause(64);
        for (std::uint32_t looks = 0;; ++looks) {
            if (work const w = take(me)) return w;
            if (phase() == pool_state::stopped) return {};
            if (looks < options_.idle.relaxed_looks)
                pause.pause();
            else if (looks < options_.idle.relaxed_looks + options_.idle.yielding_looks)
                std::this_thread::yield();
            else
                return {};
        }
    }

    /// A worker that was woken, perhaps in order to leave, has found work instead: another may leave.
    void pass_on() noexcept {
        if (crowded()) [[unlikely]] gate_.stir(1);
    }

    void notice_idle() noexcept {
        if (idle_waiters_.load(std::memory_order_relaxed) != 0 && idle()) idle_events_.notify_all();  // (F)
    }

    void stop_threads() noexcept {
        roster_.close();
        state_.fetch_or(pool_state::stopped, std::memory_order_release);                    // (E)
        gate_.notify_all();
        roster_.join();
    }

    std::shared_ptr<error_sink>            errors_;
    std::atomic<std::uint32_t>             closing_{0};
    alignas(cache_line_size) event_count   joins_;          // workers wait here
    event_count                            outside_joins_;  // and other threads here
    std::int64_t const                     born_;
    alignas(cache_line_size) std::atomic<std::uint32_t> idle_waiters_{0};
    event_count                            idle_events_;
    std::atomic<std::uint64_t>             outside_groups_{0};
    std::uint64_t const                    pool_id_ = (reinterpret_cast<std::uintptr_t>(this) / cache_line_size & 0xf'ffffU) << 10;
};

inline worker* work_queues::here() noexcept {
    worker* const w = this_worker;
    return w != nullptr && &w->owner == this ? w : nullptr;
}

}  // namespace sluice::detail
