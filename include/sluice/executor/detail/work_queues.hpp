// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::work_queues — where the work of a pool lies, and who takes it.
///
/// Use it for     detail::scheduler, which adds the threads; not a public interface
/// Thread-safety  every member from any thread unless it takes a worker: then that worker's thread only
/// Progress       submit: lock-free; a stopped worker never blocks it
/// Complexity     submit, take_own: O(1). A look for work: O(places)
/// Errors         submit: std::bad_alloc from a worker, and then without effect
/// Source         one deque per worker and an injector: Blumofe, Leiserson, JACM 46, 1999, doi:10.1145/324133.324234
///
/// Each worker owns two deques. `forks` holds halves of parallel_invoke, strictly nested: what a function pushed it has
/// taken off again when it returns, so a waiter finds its own fork at the bottom or knows that it was stolen. `tasks`
/// holds what was posted from this worker and what it took out of the injector. An entry of `tasks` is a task, or the
/// rest of a chain that was taken from the injector at once: it lies at the old end, so thieves find it first.
///
/// A letter is a task for one worker only. It lies in that worker's inbox, from which nobody else takes; the inbox is open
/// as long as the place has a thread that is not leaving. Once there has been a letter the word has a mark for good, and
/// each worker looks into its inbox between two tasks; before that nobody does so who has work.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <sluice/core/assert.hpp>
#include <sluice/core/cacheline.hpp>
#include <sluice/executor/detail/idle_gate.hpp>
#include <sluice/executor/detail/isolation.hpp>
#include <sluice/executor/detail/pool_counts.hpp>
#include <sluice/executor/detail/pool_state.hpp>
#include <sluice/executor/detail/roster.hpp>
#include <sluice/executor/detail/scheduler_observer.hpp>
#include <sluice/executor/detail/task.hpp>
#include <sluice/executor/detail/worker.hpp>
#include <sluice/queue/event_count.hpp>
#include <sluice/queue/injector.hpp>

namespace sluice::detail {

// Ordering
//   (D) count    finished, accepted: written by their worker only; store release   -> load acquire by idle(): pool_counts
//   (E) stop     state_ fetch_or release / load acquire; sleepers are woken after it. The mark `crowded` likewise (roster)
//   (G) awake    seq_cst: a worker marks itself, and later pushes by a seq_cst operation and looks for sleepers; a sleeper
//                announces itself, then looks at the marks. If it does not see the mark it is announced before the push
//   (M) mail     the mark: fetch_or relaxed before the letter is pushed; a busy worker sees it by some look. One that goes to
//                sleep takes itself off the marks (G) by a seq_cst operation, then looks into its inbox; the sender pushes, then
//                looks at (G), all seq_cst: the worker sees the letter, or the sender sees that it sleeps and moves the
//                epoch of the gate, in which the worker has announced itself before: it does not sleep, or wakes
//   (stat)       metrics: relaxed
// Why idle() is right: it adds up `finished`, then sees the injector empty, then adds up `accepted`. All counts only grow
// and finished <= accepted at every instant, so equal sums mean that both stood still from the first read to the last,
// and at the moment between, when the injector was empty, everything accepted was finished. A worker counts one task as
// accepted before it empties the injector, so a chain on its way is never missed. A place that was made too late for the
// first sum is seen by the second if it took from the injector (its take is acquired by the look); if it stole, the task was
// accepted in another place and is not yet among the finished ones.

class work_queues {
public:
    explicit work_queues(scheduler_options const& o)
        : options_(o),
          state_((o.metrics ? pool_state::sampling : 0) |
                 (o.metrics || o.fewest_workers != o.most_workers ? pool_state::counting : 0)),
          roster_(state_, o.most_workers), awake_(std::make_unique<std::atomic<std::uint64_t>[]>((o.most_workers + 63) / 64)),
          gate_(searchers_for(o.workers)), counts_(roster_) {}
    work_queues(work_queues const&) = delete;
    work_queues& operator=(work_queues const&) = delete;

    /// The calling thread's worker if it belongs to this pool.
    [[nodiscard]] worker* here() noexcept;
    /// The same, but null while it is in a region (isolation.hpp).
    [[nodiscard]] worker* plain_here() const noexcept {
        worker* const w = this_worker;
        return w != nullptr && w->plain == this ? w : nullptr;
    }

    /// Takes the task over; false, and no effect, if the pool has been closed. From a worker it may throw std::bad_alloc,
    /// and then has no effect either.
    [[nodiscard]] bool submit(task* t) {
        worker* const w = this_worker;
        if (w != nullptr && w->plain == this) {
            push_own(*w, t);
        } else if (w != nullptr && &w->queues == this) {
            submit_isolated(*w, t);
        } else {
            bool const plain =
                (state_.load(std::memory_order_relaxed) & (pool_state::refuses | pool_state::counting)) == 0;  // (E)
            if ((!plain || !injector_.push(t)) && !submit_marked(t)) return false;
        }
        gate_.notify_ordered();
        return true;
    }

    enum class answer : std::uint8_t { taken, closed, absent };

    /// The same for worker i only; `absent`: its place has no thread, or one that is leaving. The caller then says that the
    /// pool may be idle again.
    [[nodiscard]] answer submit_letter(std::size_t i, task* t) noexcept {
        worker* const me = here();
        if (me == nullptr && guest_of != this && refuses()) return answer::closed;
        auto const all = roster_.made();
        if (i >= all.size()) return answer::absent;
        if ((state_.load(std::memory_order_relaxed) & pool_state::mail) == 0)               // (M)
            state_.fetch_or(pool_state::mail, std::memory_order_relaxed);                   // (M)
        me != nullptr ? worker::count(me->accepted, 1) : counts_.accept_outside();
        if (!all[i]->inbox.push(t)) {
            me != nullptr ? pool_counts::take_back(*me) : counts_.void_outside();
            return refuses() ? answer::closed : answer::absent;
        }
        if (me == nullptr && counting()) counts_.submit_outside();
        if (!awake(i)) gate_.stir(0xffff'ffffU);  // they sleep on one address: all of them look round
        return answer::taken;
    }

    /// Whether nothing is queued and nothing runs.
    [[nodiscard]] bool idle() const noexcept {
        std::uint64_t const finished = counts_.finished();
        if (has_injected()) return false;
        return finished == counts_.accepted();
    }

    /// Whether the pool is dropping its work.
    [[nodiscard]] bool discards() const noexcept { return marked(pool_state::discarding); }
    /// Whether it takes no more work from outside.
    [[nodiscard]] bool refuses() const noexcept { return marked(pool_state::refuses); }

    [[nodiscard]] bool has_injected() const noexcept { return !injector_.empty_approx() || !returned_.empty_approx(); }

    /// Own, newest first: takes a task off the worker's deque if wanted(it). The caller runs it by run_taken.
    /// It may lie in an isolated_task, here and below.
    template <class Wanted>
    task* pop_if_wanted(worker& me, Wanted wanted) noexcept {
        auto const entry = me.tasks.pop();
        if (!entry) return nullptr;
        if ((*entry & chain_bit) == 0) {
            task* const t = reinterpret_cast<task*>(*entry);
            if (wanted(t)) return t;
        }
        me.tasks.push(*entry);  // back to the place that it has just left: no growth, so nothing is thrown
        gate_.notify();         // a worker may have looked while it was in our hands
        return nullptr;
    }

    /// Steals one task from another worker for a waiter that can only run some of them; `unwanted` says that it was none
    /// of those, and that it went to the injector, where every worker finds it.
    template <class Wanted>
    task* steal_if_wanted(worker& me, Wanted wanted, bool& unwanted) noexcept {
        unwanted = false;
        auto const all = roster_.made();
        for (std::size_t n = all.size(), i = me.index + 1; i < me.index + n; ++i) {
            worker& victim = *all[i % n];
            if (victim.tasks.empty_approx()) continue;
            auto const got = victim.tasks.steal();
            if (!got) continue;
            task* const t = first_of(got.value);
            if (wanted(t)) {
                count_steal(me, i % n);
                return t;
            }
            give_back(t, true);
            gate_.notify();
            unwanted = true;
            return nullptr;
        }
        return nullptr;
    }

    /// Takes one of those that went back to the injector, the oldest that is wanted.
    template <class Wanted>
    task* take_returned_if(worker& me, Wanted wanted) noexcept {
        if (returned_.empty_approx()) return nullptr;
        worker::count(me.accepted, 1);  // as in fetch
        task* mine = nullptr;
        bool  left = false;
        for (task* t = returned_.take_all(); t != nullptr;) {
            task* const next = t->next;
            if (mine == nullptr && wanted(t)) {
                mine = t;
            } else {
                give_back(t, false);
                left = true;
            }
            t = next;
        }
        if (mine == nullptr) pool_counts::take_back(me);
        if (left) gate_.notify();  // a worker may have looked while they were in our hands
        return mine;
    }

protected:
    static constexpr std::uintptr_t chain_bit = 1;
    using time_point = std::chrono::steady_clock::time_point;

    ~work_queues() = default;

    static constexpr std::uint32_t searchers_for(std::size_t workers) noexcept {
        return static_cast<std::uint32_t>((workers + 1) / 2);
    }
    [[nodiscard]] bool marked(std::uint32_t marks) const noexcept {
        return (state_.load(std::memory_order_relaxed) & marks) != 0;                       // (E)
    }
    [[nodiscard]] bool counting() const noexcept { return marked(pool_state::counting); }

    [[gnu::always_inline]] void push_own(worker& me, task* t) {
        worker::count(me.accepted, 1);
        try {
            me.tasks.push_ordered(reinterpret_cast<std::uintptr_t>(t));
        } catch (...) {
            pool_counts::take_back(me);
            throw;
        }
    }
    /// The rest of submit from a worker that is in a region.
    [[gnu::noinline, gnu::cold]] void submit_isolated(worker& me, task* t) {
        auto wrapped = std::make_unique<isolated_task>(t, me.isolated);
        push_own(me, wrapped.get());
        (void)wrapped.release();
        joins_.notify_all();  // who waits in the region may run it
    }

    /// The rest of submit, from outside, where something is to be counted or the pool is being closed.
    [[gnu::noinline]] bool submit_marked(task* t) noexcept {
        if (refuses() || !injector_.push(t)) {
            if (guest_of != this) return false;
            give_back(t, false);  // what a task queues that has been accepted is accepted too
        }
        if (counting()) counts_.submit_outside();
        return true;
    }

    // ---- taking work ----

    /// From the worker's own deque, newest first; now and then the oldest, or from the injector, in turn, so that a task
    /// that posts tasks for ever does not keep the others waiting.
    work take_own(worker& me) noexcept {
        if (me.until_injector-- == 0) {
            me.until_injector = options_.fairness;
            me.oldest_is_due = !me.oldest_is_due;
            if (me.oldest_is_due)
                if (auto const got = me.tasks.steal()) return unpack(me, got.value);
            if (work const w = fetch(me)) return w;
        }
        if (auto const entry = me.tasks.pop()) return unpack(me, *entry);
        return {};
    }

    work take(worker& me) noexcept {
        if (work const w = take_own(me)) return w;
        if (work const w = fetch(me)) return w;
        return steal(me);
    }

    /// The oldest letter, or nothing.
    work open_letter(worker& me) noexcept {
        if (me.letters == nullptr) me.letters = me.inbox.take_all();
        if (me.letters == nullptr) return {};
        task* const t = me.letters;
        me.letters = t->next;
        return work::letter(t);
    }
    /// This one, if it is there.
    work open_letter(worker& me, task* awaited) noexcept {
        task** at = &me.letters;
        for (int look = 0; look < 2; ++look) {
            for (; *at != nullptr; at = &(*at)->next)
                if (*at == awaited) return *at = awaited->next, work::letter(awaited);
            if (look == 0) *at = me.inbox.take_all();
        }
        return {};
    }
    /// Whatever there is, letters first.
    work take_any(worker& me) noexcept {
        if (work const w = open_letter(me)) return w;
        return take(me);
    }

    /// Everything from the injector: some of it to the worker's own deque, the rest as one entry for thieves.
    work fetch(worker& me) noexcept {
        if (!has_injected()) return {};
        worker::add(me.fetched, 1);
        worker::count(me.accepted, 1);  // so that idle() does not overlook the chain while it is in nobody's count
        task* const chain = take_injected();
        if (chain == nullptr) {
            pool_counts::take_back(me);
            worker::add(me.fetched, ~std::uint64_t{0});  // less one
            return {};
        }
        if (chain->next != nullptr) {
            std::uint64_t rest = 0;
            for (task* t = chain->next; t != nullptr; t = t->next) ++rest;
            worker::add(me.fetched, rest);
            worker::count(me.accepted, rest);
        }
        return spread(me, chain);
    }

    task* take_injected() noexcept {
        if (!returned_.empty_approx()) [[unlikely]]
            if (task* const chain = returned_.take_all()) return chain;
        return injector_.take_all();
    }

    work unpack(worker& me, std::uintptr_t entry) noexcept {
        task* const t = reinterpret_cast<task*>(entry & ~chain_bit);
        return (entry & chain_bit) != 0 ? spread(me, t) : work::of(t);
    }

    work spread(worker& me, task* chain) noexcept {
        std::uintptr_t entries[64];
        std::size_t    n = 0;
        task*          rest = chain->next;
        std::size_t const most = options_.fetch < 64 ? options_.fetch : 63;
        while (rest != nullptr && n + 1 < most) {
            entries[63 - n++] = reinterpret_cast<std::uintptr_t>(rest);
            rest = rest->next;
        }
        if (rest != nullptr) entries[63 - n] = reinterpret_cast<std::uintptr_t>(rest) | chain_bit, ++n;
        if (n != 0) {
            try {
                me.tasks.push_bulk(entries + (64 - n), n);
                gate_.notify();  // a worker may have looked, and gone to sleep, while they were in our hands
            } catch (...) {  // no memory for a larger ring: let others have them
                first_of(reinterpret_cast<std::uintptr_t>(chain) | chain_bit);
            }
        }
        return work::of(chain);
    }

    /// The first task of an entry; the rest of a chain goes back to where everybody finds it.
    task* first_of(std::uintptr_t entry) noexcept {
        task* const t = reinterpret_cast<task*>(entry & ~chain_bit);
        if ((entry & chain_bit) == 0 || t->next == nullptr) return t;
        for (task* rest = t->next; rest != nullptr;) {
            task* const next = rest->next;
            give_back(rest, true);
            rest = next;
        }
        gate_.notify();
        return t;
    }

    /// Puts a task where every worker finds it: a second injector, because the first may be closed by now. Whoever takes
    /// it there will count it as accepted, so if it has been counted once already it counts as finished for now. The
    /// caller notifies.
    void give_back(task* t, bool counted) noexcept {
        bool const isolated = region_of(t) != nullptr;  // from the next line on it may be gone
        bool const pushed = returned_.push(t);
        static_cast<void>(pushed);
        SLUICE_ASSERT(pushed);  // it is never closed
        if (isolated) [[unlikely]] joins_.notify_all();
        if (!counted) return;
        if (worker* const me = here())
            pool_counts::give_back(*me);
        else
            counts_.return_outside();
    }

    /// Puts what the worker has where everybody finds it. Outside of tasks there are no forks.
    void hand_over(worker& me, task* first) noexcept {
        bool any = first != nullptr;
        if (any) give_back(first, true);
        for (auto got = me.tasks.steal(); got.status != steal_status::empty; got = me.tasks.steal()) {
            if (!got) continue;
            any = true;
            bool const chained = (got.value & chain_bit) != 0;
            for (task* t = reinterpret_cast<task*>(got.value & ~chain_bit); t != nullptr;) {
                task* const next = chained ? t->next : nullptr;
                give_back(t, true);
                t = next;
            }
        }
        if (any) gate_.notify();
    }

    work steal(worker& me) noexcept {
        for (bool again = true; again;) {  // a lost race is not "empty", and whoever won it has made progress
            again = false;
            me.victims.start_round([&](std::size_t i) {
                return awake(i) ? roster_[i].tasks.size_approx() + roster_[i].forks.size_approx() : 0;
            });
            for (std::size_t i = me.victims.next(); i != victim_selector::none; i = me.victims.next()) {
                if (!awake(i)) continue;
                worker& victim = roster_[i];
                bool    lost = false;
                // Not empty_approx() first: the last look before sleep has to be a seq_cst one, and an empty steal is one.
                if (auto const got = victim.forks.steal()) {
                    count_steal(me, i);
                    me.victims.succeeded(i);
                    return work::of(got.value);
                } else {
                    lost |= got.status == steal_status::lost;
                }
                if (auto const got = victim.tasks.steal()) {
                    count_steal(me, i);
                    me.victims.succeeded(i);
                    return unpack(me, got.value);
                } else {
                    lost |= got.status == steal_status::lost;
                }
                me.victims.failed(i);
                worker::add(lost ? me.lost : me.empty, 1);
                again |= lost;
            }
        }
        return {};
    }

    void count_steal(worker& me, std::size_t victim) noexcept {
        worker::add(me.steals, 1);
        if (auto const* const o = options_.observer; o != nullptr && o->steal != nullptr) [[unlikely]]
            o->steal(o->context, me.index, victim, 1);
    }

    /// A worker that sleeps or has left has nothing in its queues, so a thief need not touch them. It is marked awake before it
    /// can put something there, and before that its place has been made.
    [[nodiscard]] bool awake(std::size_t i) const noexcept {
        return (awake_[i / 64].load(std::memory_order_seq_cst) >> (i % 64) & 1) != 0;       // (G)
    }

    void set_awake(std::size_t i, bool on) noexcept {
        std::uint64_t const bit = std::uint64_t{1} << (i % 64);
        if (on)
            awake_[i / 64].fetch_or(bit, std::memory_order_seq_cst);                        // (G)
        else
            awake_[i / 64].fetch_and(~bit, std::memory_order_seq_cst);                      // (G)
    }

    [[nodiscard]] bool work_in_sight() const noexcept {
        if (has_injected()) return true;
        for (auto const& w : roster_.made())
            if (awake(w->index) && (!w->tasks.empty_approx() || !w->forks.public_empty_approx())) return true;
        return false;
    }

    scheduler_options const                options_;
    alignas(cache_line_size) std::atomic<std::uint32_t> state_;
    roster                                 roster_;
    std::unique_ptr<std::atomic<std::uint64_t>[]> awake_;
    alignas(cache_line_size) idle_gate     gate_;
    injector<task>                         injector_;
    injector<task>                         returned_;  // tasks that were taken by somebody who cannot run them
    pool_counts                            counts_;
    alignas(cache_line_size) event_count   joins_;     // workers wait here for something that is being run
};

}  // namespace sluice::detail
