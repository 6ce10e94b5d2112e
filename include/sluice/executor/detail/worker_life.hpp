// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::worker_life — what a thread of a pool does from its start to its end.
///
/// Use it for     detail::scheduler; not a public interface
/// Thread-safety  what takes a worker: that worker's thread only; the rest any thread
/// Progress       a worker that is stopped holds up nobody but for what it runs (detail/idle_gate.md)
/// Complexity     between two tasks one look at the word of marks (detail/pool_state.hpp), whatever is out of the ordinary
/// Errors         what a hook throws goes where a posted task's error goes
///
/// A worker looks between two tasks whether it is one too many (detail/roster.hpp), and leaves; never inside a task, so not
/// while it waits there for others. It leaves nothing behind: what lies in its deque goes back to the injector, and its letters it
/// reads first. Workers without work go first, those before all that have slept longest as far as the system wakes them in
/// that order.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <sluice/core/backoff.hpp>
#include <sluice/core/cacheline.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/executor/detail/gate_waiters.hpp>
#include <sluice/executor/detail/pause_gate.hpp>
#include <sluice/executor/detail/pool_state.hpp>
#include <sluice/executor/detail/roster.hpp>
#include <sluice/executor/detail/scheduler_observer.hpp>
#include <sluice/executor/detail/task.hpp>
#include <sluice/executor/detail/task_memory.hpp>
#include <sluice/executor/detail/thread_name.hpp>
#include <sluice/executor/detail/work_queues.hpp>
#include <sluice/executor/detail/worker.hpp>
#include <sluice/queue/event_count.hpp>
#include <string>
#include <thread>
#include <utility>

namespace sluice::detail {

// Ordering
//   (A) done     a fork's state: fetch_or acq_rel by the thief after it ran          -> load acquire by the waiter
//   (B) await    a fork's state: fetch_or acq_rel by the waiter, before it sleeps; whichever of (A) and (B) is second sees
//                the first: the thief then wakes, or the waiter does not sleep
//   (C) taken    a fork's state: fetch_or release by the thief, thief and base before it   -> load acquire by the waiter
//   (E) stop     state_ fetch_or release / load acquire; sleepers are woken after it. The mark `crowded` likewise (roster)
//   (F) idle     idle_waiters_ relaxed, ordered by the gate's word: the waiter adds itself, meets the gate, looks at the
//                counts; a worker counts, announces itself at the gate, looks for waiters. Both are read-modify-writes of
//                one word, so the later one has acquired from the earlier: the waiter sees the counts, or the worker sees
//                the waiter. The last worker to announce itself sees everybody's counts
//   (H) hook     exiting: stored under the roster's lock or before it, so whoever gets the place sees it; store release after
//                the exit hook -> load acquire before the next start hook
//   (stat)       metrics: relaxed

/// What each thread of a pool does at its beginning and its end.
struct worker_hooks {
    std::string                        name;
    unique_function<void(std::size_t)> start, exit;
};

class worker_life : public work_queues {
public:
    [[nodiscard]] error_sink& errors() noexcept { return *errors_; }
    [[nodiscard]] std::shared_ptr<error_sink> const& shared_errors() const noexcept { return errors_; }

    /// A group or a future that somebody waits for is complete.
    void notify_waiters() noexcept {
        notify_joins();
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
    [[nodiscard]] bool paused() const noexcept { return pause_.paused(); }

protected:
    worker_life(scheduler_options const& o, std::shared_ptr<error_sink> errors, worker_hooks hooks)
        : work_queues(o), errors_(std::move(errors)), hooks_(std::move(hooks)) {}
    ~worker_life() = default;

    // ---- waiting for it ----

    /// Workers that wait inside a task look again.
    void notify_joins() noexcept {
        helping_.notify_all();
    }
    /// Those that sleep at the gate, waits inside a task not included.
    [[nodiscard]] std::uint32_t idle_sleepers_approx() const noexcept {
        std::uint32_t const asleep = gate_.sleepers_approx(), inside = helping_.count_approx();
        return asleep > inside ? asleep - inside : 0;
    }

    // ---- running it ----

    [[gnu::always_inline]] void run(worker& me, work w) noexcept {
        if (w.what != work::one_fork && discards()) [[unlikely]] {
            w.task->act(w.task, me.owner, task_action::discard);  // counts what it drops
            worker::count(me.finished, 1);
        } else {
            run_now(me, w);
        }
    }

    void run_now(worker& me, work w) noexcept {
        if (w.what != work::one_fork) {
            worker::add(me.ran, 1);
            w.task->act(w.task, me.owner, task_action::run);
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

    auto starter() noexcept {
        return [this](worker& w) { start(w); };
    }
    auto stirrer() noexcept {
        return [this](std::size_t surplus) {
            gate_.stir(static_cast<std::uint32_t>(surplus));
            if (paused()) pause_.nudge();
        };
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
        w.inbox.open();
    }

    void work_until_stopped(worker& me) noexcept {
        std::size_t const index = me.index;
        if (!hooks_.name.empty()) name_this_thread(thread_name(hooks_.name, index));
        if (hooks_.exit) me.exiting.wait(true, std::memory_order_acquire);                  // (H)
        roster_.began();
        this_worker = &me;
        tell_start(me);
        call(hooks_.start, index);
        task_memory::gather(true);
        live(me);  // from here on the place may be another thread's
        task_memory::gather(false);
        this_worker = nullptr;
        call(hooks_.exit, index);
        tell_exit(index);
        if (hooks_.exit && me.exiting.load(std::memory_order_relaxed)) {                    // (H)
            me.exiting.store(false, std::memory_order_release);                             // (H)
            me.exiting.notify_all();
        }
    }
    void call(unique_function<void(std::size_t)>& hook, std::size_t index) noexcept {
        if (!hook) return;
        try {
            hook(index);
        } catch (...) {
            errors().handle(std::current_exception());
        }
    }
    void tell_start(worker const& me) const noexcept {
        if (auto const* const o = options_.observer; o != nullptr && o->start != nullptr) o->start(o->context, me.index);
    }
    void tell_exit(std::size_t index) const noexcept {
        if (auto const* const o = options_.observer; o != nullptr && o->exit != nullptr) o->exit(o->context, index);
    }
    void tell_park(worker const& me) const noexcept {
        if (auto const* const o = options_.observer; o != nullptr && o->park != nullptr) [[unlikely]]
            o->park(o->context, me.index);
    }
    void tell_unpark(worker const& me) const noexcept {
        if (auto const* const o = options_.observer; o != nullptr && o->unpark != nullptr) [[unlikely]]
            o->unpark(o->context, me.index);
    }

    /// Until the pool stops or the worker has left.
    void live(worker& me) noexcept {
        while (work w = next(me)) {
            me.clock_in(worker::busy);
            do {
                // Here, not in run, so that there is one look for all that is out of the ordinary.
                std::uint32_t const state = state_.load(std::memory_order_relaxed);         // (E)
                if ((state & pool_state::before_task) != 0) [[unlikely]] {
                    if (!run_marked(me, w)) return;
                } else {
                    run_now(me, w);
                }
                w = take_own(me);
            } while (w);
            me.clock_in(worker::searching);
        }
    }

    /// Runs it, or drops it, after a pause; then a letter, if there is one. Or, where there are too many workers and none of
    /// them sleeps, gives it to the others and leaves. False: it has left.
    [[gnu::noinline]] bool run_marked(worker& me, work w) noexcept {
        if (w.what == work::one_task && marked(pool_state::crowded) && idle_sleepers_approx() == 0 && may_leave(me, false)) {
            hand_over(me, w.task);
            return !leave(me);
        }
        for (bool letter_is_due = marked(pool_state::mail); w;) {
            if (w.what != work::one_fork && paused()) {
                if (!hold(me, w)) return false;
                me.clock_in(worker::busy);
            }
            if (w) {
                me.sample_depth();
                run(me, w);
            }
            if (!std::exchange(letter_is_due, false)) break;
            w = open_letter(me);
        }
        return true;
    }

    /// Between two tasks of a paused pool, one of them in hand perhaps. False: it has left.
    bool hold(worker& me, work& w) noexcept {
        gate_.meet();                                                                       // (F) as announce
        notice_idle();
        me.clock_in(worker::parked);
        tell_park(me);
        auto const wake = [&] {
            tell_unpark(me);
            me.clock_in(worker::searching);
        };
        constexpr std::uint32_t too_many = pool_state::crowded | pool_state::spare;
        bool stays = w.what == work::one_letter;
        while (!pause_.hold([&] { return !stays && (state_.load(std::memory_order_acquire) & too_many) != 0; })) {  // (E)
            if (!may_leave(me, true)) {  // it has letters, or the mark has fallen meanwhile
                stays = me.letters != nullptr || !me.inbox.empty();
                continue;
            }
            hand_over(me, w ? w.task : nullptr);
            w = {};
            wake();
            if (leave(me)) return false;
            me.clock_in(worker::parked);
            tell_park(me);
        }
        wake();
        return true;
    }

    /// One too many, and nothing for it alone: its inbox is closed then.
    [[nodiscard]] bool may_leave(worker& me, bool idle) noexcept {
        return roster_.may_leave(idle, [&] { return me.letters == nullptr && me.inbox.close(); });
    }

    /// After may_leave and hand_over: false if the worker is wanted again.
    [[nodiscard]] bool leave(worker& me) noexcept {
        task_memory::flush();
        gate_.meet();                                                                       // (F) as announce
        notice_idle();
        me.clock_in(worker::absent);
        set_awake(me.index, false);
        if (hooks_.exit) me.exiting.store(true, std::memory_order_relaxed);                 // (H) before the place is free
        bool const left = roster_.leave(me, [&] { me.inbox.open(); });
        if (left) {
            if (paused()) pause_.changed();
            return true;
        }
        if (hooks_.exit) me.exiting.store(false, std::memory_order_relaxed);                // (H)
        set_awake(me.index, true);
        me.clock_in(worker::searching);
        return false;
    }

    /// Looks, pauses, sleeps, until there is work (see idle_gate.md); nothing when the pool has stopped or the worker has left.
    work next(worker& me) noexcept {
        constexpr std::uint32_t   not_plain = pool_state::crowded | pool_state::spare | pool_state::paused;
        bool                      searching = gate_.try_begin_search();
        bool                      woken = false;
        std::chrono::milliseconds patience{1};
        for (;;) {
            if (marked(pool_state::paused)) [[unlikely]] {
                // It ends its search without having looked, and looks when it has been let go.
                if (searching) (void)gate_.end_search();
                task_memory::flush();
                work none;
                if (!hold(me, none)) return {};
                searching = gate_.try_begin_search();
            }
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
            // A look that came too late for what lay in the injector has counted a task for a moment: whoever ran that one may
            // have found the pool busy because of it, and this worker was the last to change the counts.
            std::uint64_t const voided = me.voided.load(std::memory_order_relaxed);         // (stat) its own
            std::uint32_t const marks = state_.load(std::memory_order_acquire);             // (E)
            bool const          over = (marks & pool_state::stopped) != 0;
            if (work const w = over || (marks & pool_state::paused) != 0 ? work{} : take_any(me)) {
                bool const last = gate_.leave() ? gate_.end_search() : true;
                if (last && gate_.sleepers_approx() != 0 && work_in_sight()) gate_.notify();
                if (woken) pass_on();
                return w;
            }
            if (me.voided.load(std::memory_order_relaxed) != voided) [[unlikely]] {         // (stat) its own
                gate_.meet();                                                               // (F) as announce
                notice_idle();
            }
            if (over) {
                if (gate_.leave()) (void)gate_.end_search();
                me.clock_in(worker::parked);
                roster_.ended();
                return {};
            }
            if ((marks & not_plain) != 0) [[unlikely]] {
                // Whoever has been called has to look for work first: it was somebody's wake-up.
                searching = gate_.leave();
                if (!searching && (marks & pool_state::paused) == 0 && may_leave(me, true)) {
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
                if (!me.inbox.empty()) {  // see (M) of work_queues
                    set_awake(me.index, true);
                    me.clock_in(worker::searching);
                    searching = gate_.leave();
                    if (!searching) searching = gate_.try_begin_search();
                    continue;
                }
                tell_park(me);
                bool const called_off = !gate_.sleep(key, guards ? &until : nullptr, searching);
                tell_unpark(me);
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
            if (work const w = take_any(me)) return w;
            if (marked(pool_state::stopped | pool_state::paused)) return {};
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
        if ((state_.load(std::memory_order_acquire) & (pool_state::crowded | pool_state::spare)) != 0) [[unlikely]]  // (E)
            gate_.stir(1);
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

    std::shared_ptr<error_sink>          errors_;
    worker_hooks                         hooks_;
    alignas(cache_line_size) event_count outside_joins_;  // threads from outside wait here
    gate_waiters                         helping_{joins_, gate_};
    alignas(cache_line_size) std::atomic<std::uint32_t> idle_waiters_{0};
    event_count                          idle_events_;
    alignas(cache_line_size) pause_gate  pause_{state_};
};

}  // namespace sluice::detail
