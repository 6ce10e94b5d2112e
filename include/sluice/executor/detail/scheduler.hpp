// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::scheduler — the workers of a pool for those outside: waiting for work, helping with it, counts, pause, the end.
///
/// Use it for     thread_pool, task_group and the parallel algorithms; not a public interface
/// Thread-safety  every member from any thread unless it takes a worker: then that worker's thread only
/// Source         leapfrogging in help(): Wagner, Calder, PPoPP 1993, doi:10.1145/155332.155354
///
/// Where the work lies: detail/work_queues.hpp. Which threads there are: detail/roster.hpp. What they do: detail/worker_life.hpp. How
/// they sleep: detail/idle_gate.md.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <sluice/core/backoff.hpp>
#include <sluice/core/cacheline.hpp>
#include <sluice/executor/detail/pool_counts.hpp>
#include <sluice/executor/detail/pool_state.hpp>
#include <sluice/executor/detail/roster.hpp>
#include <sluice/executor/detail/task.hpp>
#include <sluice/executor/detail/work_queues.hpp>
#include <sluice/executor/detail/worker.hpp>
#include <sluice/executor/detail/worker_life.hpp>
#include <sluice/executor/metrics.hpp>
#include <sluice/executor/shutdown.hpp>
#include <sluice/queue/event_count.hpp>
#include <stop_token>
#include <thread>
#include <utility>

namespace sluice::detail {

// Ordering, where the same letters are explained at length in detail/worker_life.hpp
//   (A) done     a fork's state: load acquire -> the thief's fetch_or after it ran
//   (B) await    a fork's state: fetch_or acq_rel before the waiter sleeps
//   (C) taken    a fork's state: load acquire -> the thief's fetch_or, after it wrote where its own forks begin
//   (E) stop     state_ fetch_or release; closing_: who is first by compare_exchange acq_rel, and stores release when the pool has
//                ended -> the others: load acquire
//   (F) idle     idle_waiters_ relaxed, ordered by the gate's word
//   (stat)       metrics: relaxed

class scheduler : public worker_life {
    auto maker() noexcept {
        return [this](std::size_t i) { return std::make_unique<worker>(*this, *this, i, options_, born_); };
    }

public:
    scheduler(scheduler_options const& o, std::shared_ptr<error_sink> errors, worker_hooks hooks = {})
        : worker_life(o, std::move(errors), std::move(hooks)), born_(worker::ticks()) {
        try {
            request_size(o.workers);
        } catch (...) {
            stop_threads();
            throw;
        }
    }
    /// From now on n workers are wanted; requires that n is possible.
    void request_size(std::size_t n) {
        std::size_t const before = size();
        gate_.limit_searchers(searchers_for(n));
        roster_.request(n, maker(), starter(), stirrer());
        auto const* const o = options_.observer;
        if (o != nullptr && o->resize != nullptr && before != n) o->resize(o->context, before, n);
    }

    /// Workers wanted.
    [[nodiscard]] std::size_t size() const noexcept { return roster_.wanted(); }
    [[nodiscard]] std::size_t fewest() const noexcept { return options_.fewest_workers; }
    [[nodiscard]] std::size_t most() const noexcept { return roster_.places(); }
    [[nodiscard]] std::size_t provisioned() const noexcept { return roster_.provisioned(); }
    [[nodiscard]] std::size_t ready() const noexcept { return roster_.ready(); }
    /// Workers that are ready and neither sleep nor look for work.
    [[nodiscard]] std::size_t busy_approx() const noexcept {
        std::size_t const ready = roster_.ready(), at_gate = gate_.idle_approx() + pause_.held_approx(),
                          inside = helping_.count_approx();
        std::size_t const idle = at_gate > inside ? at_gate - inside : 0;
        return ready > idle ? ready - idle : 0;
    }
    [[nodiscard]] std::size_t queued_approx() const noexcept {
        std::uint64_t const n = counts_.in_flight(counting()), busy = busy_approx();
        return n > busy ? static_cast<std::size_t>(n - busy) : 0;
    }
    [[nodiscard]] std::uint64_t submitted() noexcept { return counts_.submitted(counting()); }
    [[nodiscard]] std::uint64_t completed() noexcept { return counts_.completed(); }
    [[nodiscard]] std::uint64_t busy_nanoseconds() noexcept { return counts_.busy_nanoseconds(); }

    /// A worker waits for its own fork that was stolen: it helps the thief with what that fork forked, and nothing else.
    void join(worker& me, fork& f) noexcept {
        auto const done = [&] { return (f.state.load(std::memory_order_acquire) & fork::done) != 0; };  // (A)
        auto const help_thief = [&] { return help(me, f); };
        (void)look_then_sleep(done, help_thief, time_point::max(), [&] {
            auto const key = joins_.prepare_wait();
            if ((f.state.fetch_or(fork::awaited, std::memory_order_acq_rel) & fork::done) != 0 || help_thief())  // (B)
                joins_.cancel_wait();
            else
                joins_.commit_wait(key);
            return false;
        });
    }

    /// How many tasks a waiter takes out of others' queues in vain before it sleeps.
    static constexpr int most_unwanted = 4;

    /// Blocks until done(), which is looked at again whenever notify_waiters() was called. A worker tries help() in
    /// between, which may do a piece of work and says whether it did.
    template <class Done, class Help>
    void wait_until(Done done, Help help) noexcept {
        event_count& events = this_worker != nullptr ? joins_ : outside_joins_;
        (void)look_then_sleep(done, help, time_point::max(), [&] { return sleep_unless(events, done, help, time_point::max()); });
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

    /// Blocks until done(), or the deadline, and then it is false. Runs any task of the pool meanwhile that help() does not find
    /// first, in a region only those from inside it; sleeps where it is called for a new one. Nested help_depth deep, or in a
    /// region, or in a paused pool, it sleeps in joins_. Who makes done() true calls notify_waiters().
    template <class Done, class Help>
    [[nodiscard]] bool wait_helping(worker& me, Done done, Help help, time_point deadline = time_point::max()) noexcept {
        int        unwanted_left = most_unwanted;
        auto const run_one = [&] { return help() || run_any_inside(me, unwanted_left); };
        if (me.isolated != nullptr || me.help_depth >= options_.help_depth)
            return look_then_sleep(done, run_one, deadline, [&] {
                (void)sleep_unless(joins_, done, run_one, deadline);
                unwanted_left = most_unwanted;
                return false;
            });
        auto const goes_on = [this] { return !paused(); };  // until then no new task has to wake it
        return look_then_sleep(done, run_one, deadline, [&] {
            return goes_on() ? sleep_at_gate(me, done, deadline) : sleep_unless(joins_, done, goes_on, deadline);
        });
    }

    /// Runs one queued task on the calling thread, whoever it is. Nothing in a paused pool; in a region only what is from inside it.
    bool try_run_one() noexcept {
        if (worker* const me = here()) {
            int unwanted_left = 1;
            if (me->isolated != nullptr) return run_any_inside(*me, unwanted_left);
            auto const* const lineage = std::exchange(me->lineage, nullptr);
            bool const        ran = me->attached ? run_one_attached(*me) : run_one(*me);
            me->lineage = lineage;
            return ran;
        }
        if (!pause_.enter()) return false;
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
        pause_.leave();
        gate_.meet();
        notice_idle();
        return t != nullptr;
    }

    void wait_idle() noexcept { (void)wait_idle_until(time_point::max()); }

    /// False if the deadline came first.
    bool wait_idle_until(time_point deadline) noexcept {
        idle_waiters_.fetch_add(1, std::memory_order_relaxed);                              // (F)
        gate_.meet();
        bool over = false;
        while (!idle() && !over) {
            auto const key = idle_events_.prepare_wait();
            if (idle()) {
                idle_events_.cancel_wait();
                break;
            }
            sleep_on(idle_events_, key, deadline);
            over = deadline != time_point::max() && std::chrono::steady_clock::now() >= deadline;
        }
        idle_waiters_.fetch_sub(1, std::memory_order_relaxed);                              // (F)
        return !over || idle();
    }

    // ---- pause ----

    void pause() noexcept { (void)pause_.pause(); }
    void resume() noexcept {
        // Everybody looks: a worker that was called for some work may have been held instead, and have left; an attached
        // thread may sleep although it has letters.
        if (!pause_.resume()) return;
        gate_.stir(0xffff'ffffU);
        joins_.notify_all();
    }
    /// Blocks while the pool is paused and something runs.
    void wait_paused() noexcept {
        gate_.stir(0xffff'ffffU);  // who sleeps is to be held
        pause_.wait_until([this] {
            return !pause_.paused() || roster_.with_threads([this](std::size_t n) {
                return pause_.settled(static_cast<std::uint32_t>(n));
            });
        });
    }

    // ---- the end ----

    [[nodiscard]] std::stop_token stop_token() const noexcept { return stop_.get_token(); }

    /// Refuses new work from outside; nothing else.
    void close() noexcept { state_.fetch_or(pool_state::closed, std::memory_order_release); }  // (E)

    /// Refuses new work from outside, runs or drops what is there, from the deadline on as `rest` says, ends the threads.
    /// From outside the pool. Later calls pass on what they want to be dropped, wait for the first and have nothing to tell.
    shutdown_result shut_down(shutdown_mode mode, time_point deadline, shutdown_mode rest) noexcept {
        std::uint32_t expected = 0;
        bool const    first = closing_.compare_exchange_strong(expected, 1, std::memory_order_acq_rel, std::memory_order_acquire);  // (E)
        if (!first && expected == 2) return {};
        std::uint64_t const done = counts_.completed(), dropped = counts_.discarded_tasks();
        state_.fetch_or(pool_state::closed | pool_state::ending, std::memory_order_release);  // (E)
        give_up(mode);
        resume();
        if (!first) {
            closing_.wait(1, std::memory_order_acquire);                                    // (E)
            return {};
        }
        shutdown_result result;
        auto const      settle = [&] {
            if (wait_idle_until(deadline)) return;
            result.in_time = false;
            give_up(rest);
            deadline = time_point::max();
            wait_idle();
        };
        do {
            settle();
        } while (!injector_.close() || !close_inboxes());
        settle();  // something may have come, and been taken, between the look and the close
        result.dropped = counts_.discarded();
        result.ran = counts_.completed() - done - (counts_.discarded_tasks() - dropped);
        stop_threads();
        closing_.store(2, std::memory_order_release);                                       // (E)
        closing_.notify_all();
        return result;
    }

    // ---- threads of the user's own, and workers that block ----

    /// The calling thread becomes a worker; null if there is no place.
    worker* attach() {
        return roster_.attach(maker(), [this](worker& w) {
            w.clock_in(worker::busy);
            set_awake(w.index, true);
            w.inbox.open();
            this_worker = &w;
            tell_start(w);
        });
    }
    void detach(worker& me) noexcept {
        do {
            while (work const w = open_letter(me)) run(me, w);
        } while (!me.inbox.close());
        // When the pool has closed its places its last look round may be over, and its workers gone.
        if (!roster_.unless_closed([&] { hand_over(me, nullptr); }))
            while (work const w = take_any(me)) run(me, w);
        gate_.meet();                                                                       // (F) as announce
        notice_idle();
        me.clock_in(worker::absent);
        set_awake(me.index, false);
        tell_exit(me.index);
        this_worker = nullptr;
        roster_.detach(me);
    }
    /// Runs tasks until enough() or the end of the pool; sleeps in between, at most for `patience` if that is not 0. Who makes
    /// enough() true otherwise calls wake_all().
    template <class Enough>
    void run_until(worker& me, Enough enough, std::chrono::milliseconds patience) {
        struct present {
            scheduler& s;
            worker&    w;
            present(scheduler& pool, worker& me_) : s(pool), w(me_) {
                s.roster_.began();
                w.clock_in(worker::searching);
            }
            ~present() {
                w.clock_in(worker::busy);
                s.roster_.ended();
            }
        } const in(*this, me);
        while (!enough() && !marked(pool_state::stopped)) {
            if (run_one_attached(me)) continue;
            bool       called = false;
            auto const key = gate_.announce(false);
            notice_idle();
            set_awake(me.index, false);
            // The second look; a paused pool is left asleep, and wakes everybody when it goes on.
            bool const work_waits = !paused() && (me.letters != nullptr || !me.inbox.empty() || work_in_sight());
            if (work_waits || marked(pool_state::stopped) || (patience.count() == 0 && enough())) {
                called = gate_.leave();
            } else {
                time_point const until = std::chrono::steady_clock::now() + patience;
                me.clock_in(worker::parked);
                (void)gate_.sleep(key, patience.count() != 0 ? &until : nullptr, called);
                me.clock_in(worker::searching);
            }
            set_awake(me.index, true);
            if (called) {  // somebody relies on it to look; it may have had enough
                (void)gate_.end_search();
                if (work_in_sight()) gate_.notify();
            }
        }
    }
    void wake_all() noexcept { gate_.stir(0xffff'ffffU); }

    /// A worker is going to block, and does so no longer.
    void begin_blocking(worker& me) noexcept {
        if (!me.attached && me.blocking++ == 0) roster_.lend(maker(), starter());
    }
    void end_blocking(worker& me) noexcept {
        if (!me.attached && --me.blocking == 0) roster_.give_back(stirrer());
    }

    // ---- letters ----

    answer post_letter(std::size_t i, task* t) noexcept {
        answer const a = submit_letter(i, t);
        if (a == answer::taken) {
            notify_joins();  // it may wait for a letter that is to answer this one
        } else {
            gate_.meet();
            notice_idle();
        }
        return a;
    }
    /// f(worker index) for each worker with a thread of the pool's, while none comes or goes; it may post_letter.
    template <class F>
    void for_each_worker(F f) {
        roster_.for_each([&](worker& w) { f(w.index); });
    }
    /// A worker that waits for a letter's end runs its own; in a region only that one, if it is one.
    bool help_with_letters(task* awaited) noexcept {
        worker* const me = here();
        if (me == nullptr) return false;
        work const w = me->isolated == nullptr || awaited == nullptr ? open_letter(*me) : open_letter(*me, awaited);
        if (w) run(*me, w);
        return static_cast<bool>(w);
    }

    void count_discarded_ticket(std::uint64_t n) noexcept { counts_.discard_ticket(n); }
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
    /// A task that pop_if_wanted() gave is not to be run, and no longer in an isolated_task.
    void forget(worker& me, task* t) noexcept {
        if (t->act == &isolated_task::act_inside) delete static_cast<isolated_task*>(t);
        worker::count(me.finished, 1);
    }

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
        if (!paused() && work_in_sight()) {
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

    /// Steals from the thief of `f`, but only what it forked while it ran f: items from f.base on, as long as f runs.
    bool help(worker& me, fork& f) noexcept {
        if ((f.state.load(std::memory_order_acquire) & fork::taken) == 0) return false;     // (C)
        if (me.help_depth >= options_.help_depth) return false;
        auto const got = f.thief->forks.steal_if([&](std::uint64_t index) {
            return index_distance(index, f.base) >= 0 &&
                   (f.state.load(std::memory_order_acquire) & fork::done) == 0;             // (A)
        });
        if (!got) return false;
        count_steal(me, f.thief->index);
        ++me.help_depth;
        run_fork(me, *got.value);
        --me.help_depth;
        return true;
    }

    /// Until done(), or the deadline, and then it is false: help(), looks again for a while, then sleep(), which says whether it
    /// has done a piece of work.
    template <class Done, class Help, class Sleep>
    static bool look_then_sleep(Done const& done, Help const& help, time_point deadline, Sleep const& sleep) noexcept {
        for (std::uint32_t pauses = 0; !done();) {
            if (deadline != time_point::max() && std::chrono::steady_clock::now() >= deadline) return done();
            if (help())
                pauses = 0;
            else if (++pauses < 200)
                pauses < 100 ? cpu_relax() : std::this_thread::yield();
            else
                pauses = sleep() ? 0 : 150;
        }
        return true;
    }
    /// One sleep among those who wait for something that is being run. Always false, for look_then_sleep.
    template <class Done, class Help>
    bool sleep_unless(event_count& events, Done const& done, Help const& help, time_point deadline) noexcept {
        auto const key = events.prepare_wait();
        if (done() || help())
            events.cancel_wait();
        else
            (void)sleep_on(events, key, deadline);
        return false;
    }
    /// One sleep of a worker that may run any task; true if it has run one. While others are said to be looking for work they may
    /// have been stopped: then it looks again now and then (see worker_life::next).
    template <class Done>
    bool sleep_at_gate(worker& me, Done const& done, time_point const& deadline) noexcept {
        work       w;
        time_point until = deadline;
        auto const look = [&] {
            bool const may = !done() && may_take(me);
            if (may) w = take_any(me);
            if (may && !w) took(me);
            return w || done();
        };
        auto const end = [&]() -> time_point const* {
            if (gate_.under_way_approx() != 0)
                until = std::min(until, std::chrono::steady_clock::now() + std::chrono::milliseconds(8));
            return until != time_point::max() ? &until : nullptr;
        };
        helping_.sleep(look, end, [this] { return !paused() && work_in_sight(); });
        pass_on();
        if (!w) return false;
        run_inside(me, w);
        took(me);
        return true;
    }

    /// One queued task that a worker may run inside another: any, or in a region one from inside it.
    bool run_any_inside(worker& me, int& unwanted_left) noexcept {
        if (me.help_depth >= options_.help_depth || !may_take(me)) return false;
        work w;
        if (me.isolated == nullptr)
            w = take_any(me);
        else if (task* const t = take_inside(me, unwanted_left))
            w = work::of(t);
        if (w) run_inside(me, w);
        took(me);
        return static_cast<bool>(w);
    }
    /// It belongs to no group that the task around it belongs to.
    void run_inside(worker& me, work w) noexcept {
        auto const* const lineage = std::exchange(me.lineage, nullptr);
        ++me.help_depth;
        run(me, w);
        --me.help_depth;
        me.lineage = lineage;
    }
    task* take_inside(worker& me, int& unwanted_left) noexcept {
        auto const wanted = [&](task* t) { return may_run_inside(me.isolated, t); };
        if (task* const t = pop_if_wanted(me, wanted)) return t;
        if (task* const t = take_returned_if(me, wanted)) return t;
        if (unwanted_left == 0) return nullptr;
        bool        unwanted = false;
        task* const t = steal_if_wanted(me, wanted, unwanted);
        if (unwanted) --unwanted_left;
        return t;
    }
    /// Whether a task may begin that is not part of what runs. An attached thread is a guest as far as a pause goes: took() follows.
    bool may_take(worker& me) noexcept { return me.attached ? pause_.enter() : !paused(); }
    void took(worker& me) noexcept {
        if (!me.attached) return;
        pause_.leave();
        gate_.meet();
        notice_idle();
    }

    /// As try_run_one, for a worker.
    bool run_one(worker& me) noexcept {
        if (paused()) return false;
        work const w = take_any(me);
        if (w) run(me, w);
        return static_cast<bool>(w);
    }
    /// An attached thread is a guest as far as a pause goes. It may have no look at the gate for long: it says at once when
    /// the pool may be idle.
    bool run_one_attached(worker& me) noexcept {
        if (!pause_.enter()) return false;
        std::uint64_t const voided = me.voided.load(std::memory_order_relaxed);             // (stat) its own
        work const          w = take_any(me);
        if (w) {
            me.clock_in(worker::busy);
            run(me, w);
        }
        pause_.leave();
        if (w || me.voided.load(std::memory_order_relaxed) != voided) {                     // (stat) see worker_life::next
            gate_.meet();
            notice_idle();
        }
        return static_cast<bool>(w);
    }

    /// From now on what is queued is dropped, unless mode is drain.
    void give_up(shutdown_mode mode) noexcept {
        if (mode == shutdown_mode::drain) return;
        state_.fetch_or(pool_state::closed | pool_state::discarding, std::memory_order_release);  // (E)
        if (mode == shutdown_mode::cancel) stop_.request_stop();
    }

    /// False: there are letters to be read first. Nobody leaves or begins from now on, so none is opened again.
    bool close_inboxes() noexcept {
        roster_.close();
        for (auto const& w : roster_.made())
            if (!w->inbox.close()) return false;
        return true;
    }

    std::stop_source           stop_;
    std::atomic<std::uint32_t> closing_{0};
    std::int64_t const         born_;
    std::atomic<std::uint64_t> outside_groups_{0};
    std::uint64_t const        pool_id_ = (reinterpret_cast<std::uintptr_t>(this) / cache_line_size & 0xf'ffffU) << 10;
};

inline worker* work_queues::here() noexcept {
    worker* const w = this_worker;
    return w != nullptr && &w->owner == this ? w : nullptr;
}

}  // namespace sluice::detail
