// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// queued_executor — a bounded queue in front of an executor: how much may wait, how much may run, and what is next.
///
/// Use it for     back-pressure in front of a pool; priorities that do not starve (aging_priority), dates (earliest_deadline),
///                shares per tenant (drr, wfq), delay bounds (codel); several of them in front of one pool
/// Not for        the lowest cost per task: post to the pool itself
/// Thread-safety  every member from any thread, also from inside tasks and callbacks. The executor must outlive what is
///                posted; the queued_executor need not: what was accepted runs
/// Progress       blocking, for a moment: the queue's mutex, under which no task, callback or destructor of one runs. Only post,
///                try_post_for and try_post_until wait, where the policy is block
/// Complexity     that of the discipline; per task one allocation for the callable (a slab has a hundred or so), and the
///                executor's own post of a ticket of 24 bytes. Places in the queue are used again
/// Errors         std::invalid_argument for impossible options. Posts throw std::bad_alloc, what moving the callable throws, or
///                what the executor's post throws, and then have no effect. What tasks and expiry callbacks throw goes to
///                on_error; without one, a task's leaves the ticket, and what else is thrown (by a callback, or by a task that ran
///                inside a post) is posted to the executor by itself, so that both go where that sends errors; if that post
///                fails it is counted in errors_dropped
/// Units          capacity in tasks that wait, concurrency in tickets; times in nanoseconds of the clock
/// Example        examples/581_priority_ageing.cpp, examples/582_bounded_submit.cpp
///
///     sluice::queued_executor<sluice::thread_pool, sluice::aging_priority> queue(pool, {.capacity = 1000, .concurrency = 4});
///     queue.post(f, {.priority = 2, .stop = source.get_token()});
///     if (auto const r = queue.try_post(g, {.expiry = now + 50ms}, on_expired); !r) reply(503, r.retry_after);
///
/// Each accepted task has the executor run one ticket, and a ticket runs whatever the discipline says is next at that time. With
/// `concurrency` no more tickets than that are at the executor at once, and the others wait here, in order; without it, in the
/// executor too, where a ticket keeps its place and tasks change theirs.
///
/// Of its attributes, a task's worker and name mean nothing here: a ticket runs on any worker (priority_pool, thread_pool::post_on).
///
/// Every accepted task ends exactly once, and is destroyed once: run, expired (its callback is called instead), cancelled (by
/// its stop_token, noticed when it would be next), or dropped (given up by the discipline, displaced by drop_oldest, or because
/// the executor dropped tickets and has none left that could run it, or refused one while it had no other).
///
/// Starvation. With aging_priority{step} and k tasks at a time a task of priority p posted at t is begun before t + p · step + C ·
/// s / k + s, if the queue holds at most C tasks, each lasts at most s, and the executor runs k tickets at once: what is pushed
/// later than p · step after it goes behind it, however much urgent work makes more urgent work. A pool that is busy with
/// other work comes on top.
///
/// A full queue and `block`: who is not a worker waits for a place. A worker of the executor (on_worker(), or a task of this queue)
/// must not, as it may be the only one: it runs what is next in the queue, inside its own task, until there is a place; beyond
/// the concurrency, if its task is not one of the queue's. Nested 64 deep, or inside isolate, it is told that the queue is full:
/// post throws. In front of a strand the workers are those inside it; other workers of the pool below should not block there.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/executor/detail/deferred_task.hpp>
#include <sluice/executor/detail/ticket.hpp>
#include <sluice/executor/detail/worker.hpp>
#include <sluice/executor/executor.hpp>
#include <sluice/executor/strand.hpp>
#include <sluice/executor/task_attributes.hpp>
#include <sluice/flow/bounded_queue.hpp>
#include <sluice/flow/detail/clock_wait.hpp>
#include <sluice/flow/detail/displacing.hpp>
#include <sluice/flow/fifo.hpp>
#include <sluice/flow/load_level.hpp>
#include <sluice/flow/push_result.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <algorithm>
#include <atomic>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice {

/// What becomes of a task that finds the queue full. Also of one that is refused for another reason that passes: max_delay, a
/// quota, the ramp; but drop_oldest makes place only.
enum class overflow : std::uint8_t {
    block,        ///< post waits for a place
    reject,       ///< post throws task_rejected
    caller_runs,  ///< post runs it, on the calling thread
    drop_oldest,  ///< what the discipline would serve next is dropped for it: the oldest, with fifo
    grow          ///< there is always a place; capacity bounds nothing, and the levels follow max_delay alone
};

struct queued_executor_options {
    std::size_t         capacity = 0;                 ///< most tasks that wait; > 0
    std::size_t         concurrency = SIZE_MAX;       ///< most tickets at the executor at once; > 0
    overflow            when_full = overflow::block;
    duration            max_delay = duration::max();  ///< longest estimated wait that is accepted; > 0
    duration            expected_service{0};          ///< what a task takes: a margin before its expiry; >= 0
    bool                measure_service = false;      ///< learn that from the tasks, for two looks at the clock each
    load_gauge_options  levels{};                     ///< high and low water: shares of capacity, or of max_delay
    /// Gets what tasks and expiry callbacks throw, from several threads at once; must not throw.
    unique_function<void(std::exception_ptr)> on_error{};
};

/// What post throws when the task was not taken.
class task_rejected : public std::exception {
public:
    explicit task_rejected(push_result const& r) noexcept : result_(r) {}
    [[nodiscard]] char const*        what() const noexcept override { return "sluice: the queue did not take the task"; }
    [[nodiscard]] push_result const& result() const noexcept { return result_; }

private:
    push_result result_;
};

/// accepted == ran + expired + cancelled + dropped + what waits or is just being taken. Who posts and is refused counts in
/// rejected once, however long he waited; caller_ran are neither.
struct queued_executor_counters {
    std::uint64_t accepted = 0;
    std::uint64_t ran = 0;
    std::uint64_t expired = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t dropped = 0;
    std::uint64_t rejected = 0;
    std::uint64_t caller_ran = 0;
    std::uint64_t errors_dropped = 0;
};

namespace detail {

// Ordering
//   (A) tickets  CAS and fetch_sub acq_rel. A poster pushes under the queue's mutex, then looks whether there may be one more
//                ticket; who ends one takes it off, then looks into the queue under its mutex. If the poster pushed before that
//                look, the look finds the task; otherwise the mutex orders the take-off before the poster's look at tickets_
//   (B) waiters  a poster adds itself, then tries again under the queue's mutex; who makes a place does so under that mutex, then
//                looks at waiting_. Relaxed: the mutex orders them as in (A), so one sees the other
//   (C) orphans  relaxed, set before a take-off (A), which publishes it to whoever ends a ticket later; who ends one earlier has
//                left a ticket's place that the loser counts: the last one drops what waits
//   (stat)       serial numbers and counts
template <class Executor, class Discipline, class Clock>
class queued_state {
public:
    using queue_type = bounded_queue<deferred_ptr, displacing<Discipline>, Clock>;
    using pointer = std::shared_ptr<queued_state>;

    queued_state(Executor& e, queued_executor_options o, Discipline d, Clock clock)
        : executor_(e), options_(checked(std::move(o))), clock_(clock),
          queue_(queue_options(options_), displacing<Discipline>(std::move(d), options_.when_full == overflow::drop_oldest),
                 [this](deferred_ptr&& t, drop_info const& info) { gone(std::move(t), info); }, clock) {}

    [[nodiscard]] queue_type&       queue() noexcept { return queue_; }
    [[nodiscard]] queue_type const& queue() const noexcept { return queue_; }
    [[nodiscard]] Executor&         executor() noexcept { return executor_; }
    [[nodiscard]] overflow          when_full() const noexcept { return options_.when_full; }
    [[nodiscard]] time_point        now() const noexcept { return clock_.now(); }

    /// The task is the caller's if it was not accepted.
    [[nodiscard]] push_result offer(pointer const& self, deferred_ptr& task, item_attributes const& attributes) {
        auto const serial = serial_.fetch_add(1, std::memory_order_relaxed) + 1;  // (stat)
        task->serial = serial;
        push_result result;
        try {
            result = queue_.push(std::move(task), attributes);
        } catch (...) {
            if (task != nullptr) throw;  // nothing was taken
            report(std::current_exception());  // a listener of the level
            result.level = queue_.level();
        }
        if (!result) return result;
        accepted_.fetch_add(1, std::memory_order_relaxed);  // (stat)
        if (!take_ticket()) return result;
        try {
            post_ticket(executor_, self, next_serial());
        } catch (...) {
            if (lost(serial)) throw;
        }
        return result;
    }

    /// As offer, until there is a place or the deadline has come.
    [[nodiscard]] push_result offer_until(pointer const& self, deferred_ptr& task, item_attributes const& attributes,
                                          time_point deadline) {
        auto result = offer(self, task, attributes);
        if (result || final(result)) return result;
        for (std::uint64_t seen = 0;;) {
            if (deadline != time_point::max() && clock_.now() >= deadline) return result;
            if (may_be_the_only_one()) {
                // In a region (executor/isolate.hpp) what is queued is from outside it.
                if (strand_frame::count(this) >= most_nested || region_here() != nullptr) return result;
                help();
                result = offer(self, task, attributes);
            } else {
                waiter const here(*this);
                {
                    std::lock_guard const lock(mutex_);
                    seen = departures_;
                }
                result = offer(self, task, attributes);
                if (result || final(result)) return result;
                std::unique_lock lock(mutex_);
                (void)clock_wait(departed_, lock, clock_, std::min(deadline, attributes.deadline), {},
                                 [&] { return departures_ != seen; });
            }
            if (result || final(result)) return result;
        }
    }

    /// Runs the task on the calling thread.
    void run_here(deferred_ptr task) noexcept {
        if (task->stop.stop_requested()) {
            accepted_.fetch_add(1, std::memory_order_relaxed);   // (stat)
            cancelled_.fetch_add(1, std::memory_order_relaxed);  // (stat)
            return;
        }
        caller_ran_.fetch_add(1, std::memory_order_relaxed);  // (stat)
        report(call(std::move(task), deferred_task::action::run));
    }
    void count_rejected() noexcept { rejected_.fetch_add(1, std::memory_order_relaxed); }  // (stat)

    void close() {
        queue_.close();
        departure();
    }

    void run_ticket(pointer const& self, std::uint64_t) {
        std::exception_ptr error;
        for (bool more = true; more;) {
            auto const began = options_.measure_service ? clock_.now() : time_point{};
            bool       ran = false;
            {
                strand_frame const here(this);
                auto               e = run_next(ran);
                if (e && options_.on_error)
                    options_.on_error(std::move(e));
                else if (e && error)
                    report(std::move(e));
                else if (e)
                    error = std::move(e);
            }
            if constexpr (requires { executor_.at_task_end(queued_end{self, began, ran}); }) {
                at_task_end(executor_, queued_end{self, began, ran});
                more = false;
            } else {
                served(began, ran);
                more = !end_or_post(self);
            }
        }
        if (error) std::rethrow_exception(error);
    }
    void ticket_lost(pointer const&, std::uint64_t) noexcept { (void)lost(0); }

    [[nodiscard]] bool inside() const noexcept { return strand_frame::inside(this); }

    [[nodiscard]] queued_executor_counters counters() const noexcept {
        auto const get = [](auto const& c) { return c.load(std::memory_order_relaxed); };  // (stat)
        queued_executor_counters c;
        c.ran = get(ran_);
        c.expired = get(expired_);
        c.cancelled = get(cancelled_);
        c.dropped = get(dropped_);
        c.rejected = get(rejected_);
        c.caller_ran = get(caller_ran_);
        c.errors_dropped = get(errors_dropped_);
        c.accepted = get(accepted_);
        return c;
    }

private:
    static constexpr std::size_t most_nested = 64;

    struct queued_end {
        pointer    state;
        time_point began;
        bool       ran;
        void operator()() noexcept {
            state->served(began, ran);
            if (!state->end_or_post(state)) (void)state->lost(0);
        }
    };
    struct waiter {
        queued_state& state;
        explicit waiter(queued_state& s) noexcept : state(s) { s.waiting_.fetch_add(1, std::memory_order_relaxed); }  // (B)
        waiter(waiter const&) = delete;
        waiter& operator=(waiter const&) = delete;
        ~waiter() { state.waiting_.fetch_sub(1, std::memory_order_relaxed); }                                         // (B)
    };

    static queued_executor_options checked(queued_executor_options o) {
        require_option(o.capacity > 0, "queued_executor_options::capacity (> 0)", o.capacity);
        require_option(o.concurrency > 0, "queued_executor_options::concurrency (> 0)", o.concurrency);
        return o;
    }
    static bounded_queue_options queue_options(queued_executor_options const& o) noexcept {
        return {.capacity = o.when_full == overflow::grow ? SIZE_MAX / 2 : o.capacity,
                .max_delay = o.max_delay,
                .expected_service = o.expected_service,
                .levels = o.levels};
    }

    /// Waiting does not help.
    [[nodiscard]] static bool final(push_result const& r) noexcept {
        return r.reason == reject_reason::closed || r.reason == reject_reason::deadline;
    }
    [[nodiscard]] bool limited() const noexcept { return options_.concurrency != SIZE_MAX; }
    [[nodiscard]] bool tickets_are_short() const noexcept {
        return limited() || orphans_.load(std::memory_order_relaxed);  // (C)
    }
    [[nodiscard]] std::uint64_t next_serial() noexcept {
        return serial_.fetch_add(1, std::memory_order_relaxed) + 1;  // (stat)
    }

    [[nodiscard]] bool take_ticket() noexcept {
        auto n = tickets_.load(std::memory_order_acquire);                                  // (A)
        do {
            if (n >= options_.concurrency) return false;
        } while (!tickets_.compare_exchange_weak(n, n + 1, std::memory_order_acq_rel, std::memory_order_acquire));  // (A)
        return true;
    }

    /// One ticket less, unrun. Who has the last one drops what waits. True: the task of that number was among it, and is not
    /// counted as accepted.
    bool lost(std::uint64_t serial) noexcept {
        orphans_.store(true, std::memory_order_relaxed);                                    // (C)
        if (tickets_.fetch_sub(1, std::memory_order_acq_rel) != 1) return false;            // (A)
        bool found = false;
        try {
            (void)queue_.drain([&](deferred_ptr&& t, drop_info const&) {
                if (t->serial == serial) {
                    found = true;
                    accepted_.fetch_sub(1, std::memory_order_relaxed);  // (stat)
                } else {
                    dropped_.fetch_add(1, std::memory_order_relaxed);   // (stat)
                }
                t.reset();
            });
        } catch (...) {
            report(std::current_exception());  // a listener of the level
        }
        departure();
        return found;
    }

    /// The ticket ends; another one is posted for what waits. False: the executor does not take it, and this one goes on.
    [[nodiscard]] bool end_or_post(pointer const& self) noexcept {
        tickets_.fetch_sub(1, std::memory_order_acq_rel);                                   // (A)
        if (!tickets_are_short() || queue_.size_approx() == 0 || !take_ticket()) return true;
        try {
            post_ticket(executor_, self, next_serial());
            return true;
        } catch (...) {
            return false;
        }
    }

    /// Runs, or cancels, what is next; what it threw.
    [[nodiscard]] std::exception_ptr run_next(bool& ran) noexcept {
        deferred_ptr       task;
        std::exception_ptr error;
        try {
            if (auto item = queue_.try_pop(); item) task = std::move(item->value);
        } catch (...) {  // a listener of the level; the task is still inside
            orphans_.store(true, std::memory_order_relaxed);                                // (C)
            error = std::current_exception();
        }
        departure();  // also where others were given up and nothing was left
        if (task == nullptr) return error;
        if (task->stop.stop_requested()) {
            task.reset();
            cancelled_.fetch_add(1, std::memory_order_relaxed);  // (stat)
            return nullptr;
        }
        ran = true;
        error = call(std::move(task), deferred_task::action::run);
        ran_.fetch_add(1, std::memory_order_relaxed);  // (stat)
        return error;
    }

    [[nodiscard]] static std::exception_ptr call(deferred_ptr task, deferred_task::action a) noexcept {
        try {
            auto* const t = task.release();
            t->act(t, a);
        } catch (...) {
            return std::current_exception();
        }
        return nullptr;
    }

    /// On a worker that wants to post to a full queue.
    void help() noexcept {
        strand_frame const here(this);
        bool               ran = false;
        report(run_next(ran));
    }

    [[nodiscard]] bool may_be_the_only_one() const noexcept {
        if constexpr (requires { { executor_.on_worker() } -> std::convertible_to<bool>; }) {
            if (executor_.on_worker()) return true;
        }
        return inside();
    }

    /// The drop handler of the queue: an accepted task that is not delivered.
    void gone(deferred_ptr&& task, drop_info const& info) noexcept {
        if (info.reason == drop_reason::expired) {
            report(call(std::move(task), deferred_task::action::expire));
            expired_.fetch_add(1, std::memory_order_relaxed);  // (stat)
        } else {
            task.reset();
            dropped_.fetch_add(1, std::memory_order_relaxed);  // (stat)
        }
    }

    void served(time_point began, bool ran) noexcept {
        if (ran && options_.measure_service) queue_.report_service(saturating_sub(clock_.now(), began));
    }

    /// There is a place.
    void departure() noexcept {
        if (waiting_.load(std::memory_order_relaxed) == 0) return;                          // (B)
        {
            std::lock_guard const lock(mutex_);
            ++departures_;
        }
        departed_.notify_all();
    }

    /// An exception that no ticket carries.
    void report(std::exception_ptr e) noexcept {
        if (!e) return;
        if (options_.on_error) return options_.on_error(std::move(e));
        try {
            executor_.post([e] { std::rethrow_exception(e); });
        } catch (...) {
            errors_dropped_.fetch_add(1, std::memory_order_relaxed);  // (stat)
        }
    }

    Executor&                   executor_;
    queued_executor_options     options_;
    Clock                       clock_;
    std::atomic<std::size_t>    tickets_{0};  // at the executor
    std::atomic<bool>           orphans_{false};  // there may be fewer tickets than tasks
    std::atomic<std::size_t>    waiting_{0};
    std::atomic<std::uint64_t>  serial_{0};
    std::mutex                  mutex_;
    std::condition_variable_any departed_;
    std::uint64_t               departures_ = 0;
    std::atomic<std::uint64_t>  accepted_{0}, ran_{0}, expired_{0}, cancelled_{0}, dropped_{0}, rejected_{0}, caller_ran_{0},
        errors_dropped_{0};
    queue_type                  queue_;  // last: its destructor still counts
};

}  // namespace detail

template <executor Executor, queue_discipline Discipline = fifo, clock_source Clock = steady_clock>
class queued_executor {
public:
    explicit queued_executor(Executor& e, queued_executor_options options, Discipline discipline = Discipline{},
                             Clock clock = {})
        : state_(std::make_shared<state>(e, std::move(options), std::move(discipline), std::move(clock))) {}
    queued_executor(queued_executor const&) = delete;
    queued_executor& operator=(queued_executor const&) = delete;
    ~queued_executor() { state_->close(); }

    /// Takes the task, or does what the policy says; throws task_rejected where neither is possible: full and `reject`, closed,
    /// or on its expiry.
    template <class F, class Expiry = detail::no_expiry>
    void post(F&& f, task_attributes const& attributes = {}, Expiry&& on_expiry = {}) {
        auto       task = make(std::forward<F>(f), std::forward<Expiry>(on_expiry), attributes);
        auto const item = attributes.item();
        auto const result = state_->when_full() == overflow::block ? state_->offer_until(state_, task, item, time_point::max())
                                                                   : state_->offer(state_, task, item);
        if (result) return;
        if (state_->when_full() == overflow::caller_runs && result.reason != reject_reason::closed &&
            result.reason != reject_reason::deadline)
            return state_->run_here(std::move(task));
        state_->count_rejected();
        throw task_rejected(result);
    }

    /// Never waits, and runs nothing here. Refused: says why; f and on_expiry are as they were, if their moves do not throw.
    template <class F, class Expiry = detail::no_expiry>
    push_result try_post(F&& f, task_attributes const& attributes = {}, Expiry&& on_expiry = {}) {
        return attempt(f, on_expiry, attributes, [&](detail::deferred_ptr& task) {
            return state_->offer(state_, task, attributes.item());
        }, std::forward<F>(f), std::forward<Expiry>(on_expiry));
    }
    /// Waits for a place, whatever the policy; a worker runs tasks of the queue meanwhile.
    template <class F, class Expiry = detail::no_expiry>
    push_result try_post_until(time_point deadline, F&& f, task_attributes const& attributes = {}, Expiry&& on_expiry = {}) {
        return attempt(f, on_expiry, attributes, [&](detail::deferred_ptr& task) {
            return state_->offer_until(state_, task, attributes.item(), deadline);
        }, std::forward<F>(f), std::forward<Expiry>(on_expiry));
    }
    template <class F, class Expiry = detail::no_expiry>
    push_result try_post_for(duration d, F&& f, task_attributes const& attributes = {}, Expiry&& on_expiry = {}) {
        return try_post_until(saturating_add(state_->now(), d), std::forward<F>(f), attributes,
                              std::forward<Expiry>(on_expiry));
    }

    /// Refuses every further post, those that wait for a place too. What was accepted runs.
    void close() { state_->close(); }
    [[nodiscard]] bool closed() const { return state_->queue().closed(); }

    [[nodiscard]] std::size_t size_approx() const { return state_->queue().size_approx(); }
    [[nodiscard]] load_level  level() const noexcept { return state_->queue().level(); }
    /// For those upstream: on_edge, when_below, wait_below. Listeners must outlive what was accepted, which may be longer than
    /// the queued_executor lives.
    [[nodiscard]] load_gauge<Clock>& gauge() noexcept { return state_->queue().gauge(); }
    [[nodiscard]] queued_executor_counters counters() const noexcept { return state_->counters(); }
    [[nodiscard]] duration estimated_wait(task_attributes const& a = {}) const {
        return state_->queue().estimated_wait(a.item());
    }
    /// Whether the caller is inside a task of this queue.
    [[nodiscard]] bool on_worker() const noexcept { return state_->inside(); }

    /// On an executor whose tasks end later than they return: inside a task, calls f at that end.
    template <class F>
    void at_task_end(F&& f)
        requires requires(Executor& e) { e.at_task_end(std::forward<F>(f)); }
    {
        state_->executor().at_task_end(std::forward<F>(f));
    }

private:
    using state = detail::queued_state<Executor, Discipline, Clock>;
    template <class F, class Expiry>
    using callable = detail::deferred_callable<std::decay_t<F>, std::decay_t<Expiry>>;

    template <class F, class Expiry>
    [[nodiscard]] static detail::deferred_ptr make(F&& f, Expiry&& on_expiry, task_attributes const& a) {
        return detail::deferred_ptr(new callable<F, Expiry>(std::forward<F>(f), std::forward<Expiry>(on_expiry), a.stop));
    }

    template <class F, class Expiry, class Offer, class FF, class EE>
    push_result attempt(F& f, Expiry& on_expiry, task_attributes const& attributes, Offer offer, FF&& ff, EE&& ee) {
        auto       task = make(std::forward<FF>(ff), std::forward<EE>(ee), attributes);
        auto const result = offer(task);
        if (result) return result;
        state_->count_rejected();
        auto& made = static_cast<callable<FF, EE>&>(*task);
        if constexpr (!std::is_lvalue_reference_v<FF>) put_back(f, made.f);
        if constexpr (!std::is_lvalue_reference_v<EE>) put_back(on_expiry, made.on_expiry);
        return result;
    }
    /// Of an rvalue that was moved from: what it was.
    template <class T>
    static void put_back(T& to, std::remove_const_t<T>& from) noexcept {
        if constexpr (!std::is_const_v<T> && std::is_nothrow_move_constructible_v<T>) {
            std::destroy_at(&to);
            ::new (static_cast<void*>(&to)) T(std::move(from));
        }
    }

    std::shared_ptr<state> state_;
};

}  // namespace sluice
