// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// task_group — tasks that are waited for, cancelled and reported together.
///
/// Use it for     a number of tasks known only as they are made; trees of them, groups inside tasks of groups
/// Not for        two or three functions at once (parallel_invoke: no allocation), loops (parallel_for)
/// Thread-safety  run, cancel, wait and the rest: any thread, workers of any pool included, also while tasks run. The
///                destructor: after every other call has returned. Everything before run happens before the task, and all
///                tasks happen before the return of wait
/// Progress       run: lock-free. wait: a worker runs tasks of this group that have not begun, those of groups made inside
///                them, and nothing else, unless wait_mode says otherwise; so waiting cannot deadlock on queued work, with one
///                thread either, and never enters unrelated work. Inside isolate (executor/isolate.hpp) it runs tasks of this very
///                group, and of the others those that were made there too. Any other thread sleeps
/// Complexity     run: O(1), one allocation
/// Errors         run throws std::bad_alloc, what copying the callable throws, or pool_closed, and then has no effect. By
///                default the first exception of a task cancels the tasks that have not begun and is rethrown by wait; the
///                others are counted. error_policy says otherwise. The destructor waits; an exception that wait did not
///                rethrow is then counted (pool_metrics::errors_dropped)
/// Example        examples/530_exceptions.cpp, examples/540_cancellation.cpp

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <sluice/executor/detail/deadline.hpp>
#include <sluice/executor/detail/isolation.hpp>
#include <sluice/executor/detail/scheduler.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice {

enum class error_policy : std::uint8_t {
    cancel_siblings,  ///< the first exception cancels the group; wait rethrows it
    run_all,          ///< every task runs; wait rethrows the first exception
    collect,          ///< every task runs; wait returns, and errors() has every exception
};

/// What a worker may run inside the task that waits. Nested more than thread_pool_options::help_depth times it takes nothing from
/// other workers, nor any other task.
enum class wait_mode : std::uint8_t {
    descendants,  ///< tasks of the group, and of groups made inside them (eight levels): what it may be waiting for
    group_only,   ///< tasks of this very group
    any           ///< these first, then any task of the pool: more work is done, but locks that the waiting task holds, its
                  ///< thread-locals and its stack meet code that knows nothing of them
};

// Ordering
//   (A) finish  pending_ fetch_sub acq_rel, after the callable was destroyed and the exception stored -> wait: load acquire
//   (B) await   pending_ fetch_add seq_cst of a waiter before it sleeps; a run or a finish that comes later sees it and
//               wakes, one that came before is seen by the waiter. Each waiter takes off only itself: a flag for all would
//               be taken from under a waiter of the next round
//   (C) claim   claimed exchange acq_rel: whoever turns it to true runs the task, a worker with its ticket from the queue
//               or a waiter that found it in the list
//   (D) list    push: CAS seq_cst; take: load seq_cst, then exchange acq_rel. It holds the tasks that may not have begun; a
//               reference each. A waiter announces itself (B), then looks at the list; a run pushes, then looks for waiters
//               (B). All four are seq_cst, so not both can miss: the waiter finds the task or run finds the waiter
//   (E) refs    fetch_sub acq_rel: the last one frees
//   (F) cancel  store release, load acquire: what cancel's caller did before is visible to a task that sees it.
//               Parent: its flag is stored first, then cancelled_; wait takes cancelled_ back by exchange, then looks at the
//               flag. Either the exchange is first and the group stays cancelled, or it acquires the flag
//   (stat)      counts
class task_group {
public:
    /// Stops with `parent`: when that is requested to stop, the tasks of this group that have not begun are dropped.
    explicit task_group(thread_pool& pool, error_policy policy = error_policy::cancel_siblings,
                        std::stop_token parent = {})
        : task_group(pool.internals(), policy, std::move(parent)) {}
    task_group(thread_pool& pool, std::stop_token parent) : task_group(pool, error_policy::cancel_siblings, std::move(parent)) {}
    task_group(task_group const&) = delete;
    task_group& operator=(task_group const&) = delete;

    /// A group of the same pool that is cancelled when this one is, and its own groups with it; never the other way. Its
    /// exceptions are its own: they come out of its wait. Cancelled once it stays so, also when this one is used again.
    [[nodiscard]] task_group subgroup(error_policy policy = error_policy::cancel_siblings) {
        return task_group(pool_, policy, get_token());
    }

    ~task_group() {
        join(wait_mode::descendants);
        parent_.reset();
        release_list(list_.load(std::memory_order_acquire));                                // (D)
        if (error_) pool_.errors().drop();
        for (std::size_t i = 0; i < errors_.size(); ++i) pool_.errors().drop();
    }

    /// Runs f(), or f(get_token()), on some worker. If the group has been cancelled f is destroyed unrun.
    template <class F>
        requires(std::is_invocable_v<std::decay_t<F>, std::stop_token> && !std::is_invocable_v<std::decay_t<F>>)
    void run(F&& f) {
        run([token = get_token(), own = std::decay_t<F>(std::forward<F>(f))]() mutable { std::move(own)(std::move(token)); });
    }
    template <class F>
    void run(F&& f) {
        static_assert(std::is_invocable_v<std::decay_t<F>>, "task_group::run needs a callable without parameters");
        auto* const t = new closure<std::decay_t<F>>(*this, std::forward<F>(f));
        pending_.fetch_add(one, std::memory_order_relaxed);                                 // (B) the task cannot finish before
        bool accepted = false;
        try {
            accepted = pool_.submit(t);
        } catch (...) {
            withdraw(t);
            throw;
        }
        if (!accepted) {
            withdraw(t);
            throw pool_closed();
        }
        enlist(t);
    }

    /// Runs f() here, then waits.
    template <class F>
    void run_and_wait(F&& f, wait_mode mode = wait_mode::descendants) {
        pending_.fetch_add(one, std::memory_order_relaxed);                                 // (B)
        if (!cancelled()) {
            try {
                std::forward<F>(f)();
            } catch (...) {
                fail(std::current_exception());
            }
        } else {
            dropped_.fetch_add(1, std::memory_order_relaxed);                               // (stat)
        }
        finish(pool_);
        wait(mode);
    }

    /// Until every task has ended or been dropped; then rethrows the first exception, unless the policy is collect. The
    /// group can be used again afterwards, and is no longer cancelled unless its parent is.
    void wait(wait_mode mode = wait_mode::descendants) {
        join(mode);
        settle();
    }

    /// As wait, but false if the time came first: then nothing has changed and tasks go on. A worker that waits runs tasks of
    /// the group as in wait, begins none once the time has come, and returns late by the one that it is in.
    [[nodiscard]] bool wait_until(std::chrono::steady_clock::time_point deadline, wait_mode mode = wait_mode::descendants) {
        if (!join_until(deadline, mode)) return false;
        settle();
        return true;
    }
    template <class Rep, class Period>
    [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> const& d, wait_mode mode = wait_mode::descendants) {
        return wait_until(detail::deadline_in(d), mode);
    }

    /// Drops the tasks that have not begun; running ones can ask cancelled() or get_token().
    void cancel() noexcept {
        cancelled_.store(true, std::memory_order_release);                                  // (F)
        std::optional<std::stop_source> source;
        {
            std::lock_guard const lock(mutex_);
            source = source_;
        }
        if (source) source->request_stop();
    }
    [[nodiscard]] bool cancelled() const noexcept { return cancelled_.load(std::memory_order_acquire); }  // (F)

    /// A token that is stopped when the group is cancelled, for tasks and nested groups.
    [[nodiscard]] std::stop_token get_token() {
        std::stop_source source(std::nostopstate);
        {
            std::lock_guard const lock(mutex_);
            if (!source_) source_.emplace();
            source = *source_;
        }
        if (cancelled()) source.request_stop();  // without the lock: it may call somebody who calls us
        return source.get_token();
    }

    /// Tasks that have not ended.
    [[nodiscard]] std::size_t size_approx() const noexcept {
        return static_cast<std::size_t>(pending_.load(std::memory_order_relaxed) / one);    // (stat)
    }
    /// Tasks that were dropped unrun since the group was made.
    [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }  // (stat)

    /// With error_policy::collect: every exception since the last call. Requires that no task is running.
    [[nodiscard]] std::vector<std::exception_ptr> errors() {
        std::lock_guard const lock(mutex_);
        return std::exchange(errors_, {});
    }

private:
    task_group(detail::scheduler& pool, error_policy policy, std::stop_token parent) : pool_(pool), policy_(policy) {
        lineage_[0] = pool_.new_group_id();
        if (auto* const me = detail::this_worker; me != nullptr && me->lineage != nullptr)
            for (int i = 1; i < detail::lineage_depth; ++i) lineage_[i] = me->lineage[i - 1];
        if (parent.stop_possible()) parent_.emplace(std::move(parent), canceller{this});
    }
    // pending_: tasks:48 | waiters:16
    static constexpr std::uint64_t waiter = 1;
    static constexpr std::uint64_t one = std::uint64_t{1} << 16;
    static constexpr bool awaited(std::uint64_t pending) noexcept { return pending % one != 0; }

    struct member : detail::task {
        member(function f, void (*e)(member*, bool) noexcept, task_group& g) noexcept : task(f), group(&g), end(e) {
            for (int i = 0; i < detail::lineage_depth; ++i) ids[i] = g.lineage_[i];
        }
        void release(std::uint32_t n) noexcept {
            if (refs.load(std::memory_order_acquire) == n ||                                // (E) nobody else has one
                refs.fetch_sub(n, std::memory_order_acq_rel) == n)                          // (E)
                destroy(this);
        }
        task_group*                group;
        void                       (*end)(member*, bool run) noexcept;  // runs it or not, destroys the callable
        void                       (*destroy)(member*) noexcept = nullptr;
        member*                    listed = nullptr;
        std::atomic<std::uint32_t> refs{2};
        std::atomic<bool>          claimed{false};
        std::uint64_t              ids[detail::lineage_depth];
        detail::isolation::reference region{detail::region_here()};  // for those who run it without its place in the queue
    };

    template <class F>
    struct closure final : member, detail::slab_allocated<closure<F>> {
        template <class G>
        closure(task_group& g, G&& f) : member(&task_group::act, &end_closure, g) {
            ::new (static_cast<void*>(bytes)) F(std::forward<G>(f));
            this->destroy = [](member* m) noexcept { delete static_cast<closure*>(m); };
        }
        static void end_closure(member* m, bool run) noexcept {
            F* const f = std::launder(reinterpret_cast<F*>(static_cast<closure*>(m)->bytes));
            if (run) {
                try {
                    std::move (*f)();
                } catch (...) {
                    m->group->fail(std::current_exception());
                }
            }
            try {
                std::destroy_at(f);
            } catch (...) {
                m->group->fail(std::current_exception());
            }
        }
        alignas(F) unsigned char bytes[sizeof(F)];
    };

    struct canceller {
        task_group* group;
        void        operator()() const noexcept {
            group->parent_stopped_.store(true, std::memory_order_release);                  // (F)
            group->cancel();
        }
    };

    static void act(detail::task* t, detail::scheduler& pool, detail::task_action a) noexcept {
        auto* const m = static_cast<member*>(t);
        if (!m->claimed.exchange(true, std::memory_order_acq_rel))                          // (C)
            execute(m, pool, a == detail::task_action::run);
        m->release(1);
    }

    [[gnu::always_inline]] static void execute(member* m, detail::scheduler& pool, bool run) noexcept {
        task_group& g = *m->group;
        if (!run) pool.count_discarded(1);
        if (run && g.cancelled()) run = false;
        if (!run) g.dropped_.fetch_add(1, std::memory_order_relaxed);                       // (stat)
        if (auto* const me = detail::this_worker) {
            std::uint64_t const* const outer = std::exchange(me->lineage, m->ids);
            if (me->isolated == m->region.get()) [[likely]]
                m->end(m, run);
            else
                end_in_region(*me, m, run);
            me->lineage = outer;
        } else {
            m->end(m, run);
        }
        g.finish(pool);
    }

    [[gnu::noinline, gnu::cold]] static void end_in_region(detail::worker& me, member* m, bool run) noexcept {
        detail::isolation_scope const in(me, detail::entered(me, m->region.get()));
        m->end(m, run);
    }

    void finish(detail::scheduler& pool) noexcept {
        // From the subtraction on the group may be gone.
        std::uint64_t const before = pending_.fetch_sub(one, std::memory_order_acq_rel);    // (A)
        if (before < 2 * one && awaited(before)) pool.notify_waiters();
    }

    void fail(std::exception_ptr e) noexcept {
        {
            std::lock_guard const lock(mutex_);
            if (policy_ == error_policy::collect) {
                try {
                    errors_.push_back(std::move(e));
                } catch (...) {
                    pool_.errors().drop();
                }
                return;
            }
            if (error_)
                pool_.errors().drop();
            else
                error_ = std::move(e);
            failed_.store(true, std::memory_order_relaxed);                                 // (A)
        }
        if (policy_ == error_policy::cancel_siblings) cancel();
    }

    void withdraw(member* t) noexcept {
        t->end(t, false);
        t->release(2);
        finish(pool_);
    }

    // ---- the list of tasks that may not have begun ----

    void enlist(member* t) noexcept {
        if (t->claimed.load(std::memory_order_acquire)) {                                   // (C)
            t->release(1);
        } else {
            push_list(t, t);
            std::size_t const listed = listed_.load(std::memory_order_relaxed) + 1;         // (stat) may miss a few
            listed_.store(listed, std::memory_order_relaxed);                               // (stat)
            if (listed > 64 + 2 * size_approx()) tidy();
        }
        if (awaited(pending_.load(std::memory_order_seq_cst))) pool_.notify_waiters();      // (B)
        pool_.notify_helpers();
    }

    void push_list(member* first, member* last) noexcept {
        member* head = list_.load(std::memory_order_relaxed);                               // (D)
        do {
            last->listed = head;
        } while (!list_.compare_exchange_weak(head, first, std::memory_order_seq_cst, std::memory_order_relaxed));  // (D)
    }

    /// Takes those that have begun off the list, so that a group that lives for long does not keep them.
    void tidy() noexcept {
        member*     m = list_.exchange(nullptr, std::memory_order_acq_rel);                 // (D)
        member*     first = nullptr;
        member*     last = nullptr;
        std::size_t left = 0;
        while (m != nullptr) {
            member* const next = m->listed;
            if (m->claimed.load(std::memory_order_acquire)) {                               // (C)
                m->release(1);
            } else {
                ++left;
                m->listed = first;
                if (first == nullptr) last = m;
                first = m;
            }
            m = next;
        }
        listed_.store(left, std::memory_order_relaxed);                                     // (stat)
        if (first == nullptr) return;
        push_list(first, last);
        if (awaited(pending_.load(std::memory_order_seq_cst))) pool_.notify_waiters();      // (B) they looked in vain
    }

    /// A task that has not begun, now the caller's with the list's reference; or null.
    member* claim_listed() noexcept {
        if (list_.load(std::memory_order_seq_cst) == nullptr) return nullptr;               // (D)
        member* m = list_.exchange(nullptr, std::memory_order_acq_rel);                     // (D)
        member* mine = nullptr;
        while (m != nullptr && mine == nullptr) {
            member* const next = m->listed;
            if (m->claimed.load(std::memory_order_relaxed) ||                               // (C)
                m->claimed.exchange(true, std::memory_order_acq_rel))                       // (C)
                m->release(1);
            else
                mine = m;
            m = next;
        }
        if (m != nullptr) {
            member* expected = nullptr;
            if (!list_.compare_exchange_strong(expected, m, std::memory_order_seq_cst, std::memory_order_relaxed)) {  // (D)
                member* last = m;
                while (last->listed != nullptr) last = last->listed;
                push_list(m, last);
            }
            if (awaited(pending_.load(std::memory_order_seq_cst))) pool_.notify_waiters();  // (B)
        }
        return mine;
    }

    static void release_list(member* m) noexcept {
        while (m != nullptr) {
            member* const next = m->listed;
            m->release(1);
            m = next;
        }
    }

    // ---- waiting ----

    void join(wait_mode mode) noexcept {
        for (detail::worker* const me = pool_.here();;) {  // most of the time all that is left is on this worker's deque
            if (pending_.load(std::memory_order_acquire) < one) return;                     // (A)
            if (me == nullptr || !help_own(*me, mode)) break;
        }
        int        unwanted_left = detail::scheduler::most_unwanted;
        auto const help_here = [&] { return detail::this_worker != nullptr && help(unwanted_left, mode); };
        (void)as_waiter(mode, [&](detail::worker* any, auto const& done) {
            return any != nullptr ? pool_.wait_helping(*any, done, help_here) : (pool_.wait_until(done, help_here), true);
        });
    }

    /// The same with an end; false if it came first.
    bool join_until(std::chrono::steady_clock::time_point deadline, wait_mode mode) noexcept {
        using clock = std::chrono::steady_clock;
        if (deadline == clock::time_point::max()) return join(mode), true;
        if (pending_.load(std::memory_order_acquire) < one) return true;                    // (A)
        int        unwanted_left = detail::scheduler::most_unwanted;
        auto const help_here = [&] {
            return detail::this_worker != nullptr && clock::now() < deadline && help(unwanted_left, mode);
        };
        return as_waiter(mode, [&](detail::worker* any, auto const& done) {
            return any != nullptr ? pool_.wait_helping(*any, done, help_here, deadline) : pool_.wait_until(done, help_here, deadline);
        });
    }
    /// wait(worker, done), counted as a waiter: the worker that may run any task, or null. Nothing if all is done already.
    template <class Wait>
    bool as_waiter(wait_mode mode, Wait wait) noexcept {
        auto const done = [this] { return pending_.load(std::memory_order_acquire) < one; };  // (A)
        bool const ended = pending_.fetch_add(waiter, std::memory_order_seq_cst) < one ||     // (B)
                           wait(mode == wait_mode::any ? pool_.here() : nullptr, done);
        pending_.fetch_sub(waiter, std::memory_order_relaxed);                              // (B)
        return ended;
    }

    /// After a join: rethrows, and makes the group as new.
    void settle() {
        if (!failed_.load(std::memory_order_relaxed) && !cancelled()) return;               // (A) came with the last task
        std::exception_ptr first;
        {
            std::lock_guard const lock(mutex_);
            first = std::exchange(error_, nullptr);
            failed_.store(false, std::memory_order_relaxed);                                // (A)
            reset_cancel();
        }
        if (first) std::rethrow_exception(first);
    }

    /// Whether the task belongs to this group; or to one that was made inside it (as far as lineage_depth goes), if that is asked
    /// for and the worker is in no region or the task is from inside it.
    [[nodiscard]] bool wanted(detail::task* t, detail::worker const& me, wait_mode mode) const noexcept {
        detail::task* inside = t;
        if (t->act != &task_group::act) {
            inside = detail::task_inside(t);
            if (inside->act != &task_group::act) return false;
        }
        auto const& ids = static_cast<member*>(inside)->ids;
        if (ids[0] == lineage_[0]) return true;
        if (mode == wait_mode::group_only) return false;
        for (int i = 1; i < detail::lineage_depth; ++i)
            if (ids[i] == lineage_[0]) return detail::may_run_inside(me.isolated, t);
        return false;
    }

    bool help_own(detail::worker& me, wait_mode mode) noexcept {
        detail::task* const t = pool_.pop_if_wanted(me, [&](detail::task* x) { return wanted(x, me, mode); });
        if (t != nullptr) pool_.run_taken(me, t);
        return t != nullptr;
    }

    bool help(int& unwanted_left, wait_mode mode) noexcept {
        detail::worker* const me = pool_.here();
        if (me != nullptr && help_own(*me, mode)) return true;
        if (member* const m = claim_listed()) {
            execute(m, pool_, !pool_.discards());
            m->release(1);
            return true;
        }
        if (me == nullptr || unwanted_left == 0 || me->help_depth >= pool_.help_depth_limit()) return false;
        bool unwanted = false;
        if (detail::task* const t = pool_.steal_if_wanted(
                *me, [&](detail::task* x) { return wanted(x, *me, mode); }, unwanted)) {
            ++me->help_depth;
            pool_.run_taken(*me, t);
            --me->help_depth;
            unwanted_left = detail::scheduler::most_unwanted;
            return true;
        }
        if (unwanted) --unwanted_left;
        return false;
    }

    void reset_cancel() noexcept {
        if (!cancelled_.exchange(false, std::memory_order_acq_rel)) return;                 // (F)
        if (parent_stopped_.load(std::memory_order_relaxed))                                // (F)
            cancelled_.store(true, std::memory_order_release);                              // (F) for good
        else
            source_.reset();
    }

    detail::scheduler&             pool_;
    error_policy const             policy_;
    std::uint64_t                  lineage_[detail::lineage_depth] = {};
    alignas(cache_line_size) std::atomic<std::uint64_t> pending_{0};
    std::atomic<member*>           list_{nullptr};
    std::atomic<std::size_t>       listed_{0};
    std::atomic<std::uint64_t>     dropped_{0};
    std::atomic<bool>              cancelled_{false};
    std::atomic<bool>              failed_{false};  // error_ is there
    std::atomic<bool>              parent_stopped_{false};
    std::mutex                     mutex_;  // errors and the stop source: not on the path of a task that succeeds
    std::exception_ptr             error_;
    std::vector<std::exception_ptr> errors_;
    std::optional<std::stop_source> source_;
    std::optional<std::stop_callback<canceller>> parent_;
};

}  // namespace sluice
