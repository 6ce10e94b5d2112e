// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// thread_pool — threads that share work by stealing it from each other.
///
/// Use it for     running many tasks of unknown length on a few threads; recursion (parallel/parallel_invoke.hpp), loops
///                (parallel/parallel_for.hpp) and groups of tasks (executor/task_group.hpp) build on it
/// Not for        one task now and then, or tasks that mostly wait for something outside: they hold their worker (see
///                executor/blocking_region.hpp)
/// Thread-safety  every member from any thread, workers included, unless it says otherwise. The destructor, shutdown, drain_for,
///                wait_idle and wait_paused: not from a worker or inside a task. The destructor: after every other call has
///                returned, waits on the pool's futures and groups included, and after its attached threads. Everything before
///                post or submit happens before the task
/// Progress       post, submit: lock-free, they never wait for a worker; so are post_on, submit_on, close, pause, resume. A worker that
///                is stopped keeps the task that it is running and those that it is just moving, nothing else. resize: takes
///                a lock that is held while threads are started, never while a task runs; observers are wait-free
/// Complexity     post, submit: O(1), one node (a slab of 8 KiB has a hundred or so). post_bulk: O(workers), two allocations
///                for all. try_run_one from outside: O(queued). An idle pool uses no CPU and has no timer; a task wakes at
///                most one worker, and workers that find more wake the next. A look for work costs O(max_workers) loads; the
///                memory of a worker is taken when it first starts and kept for the next one with its number. resize:
///                O(max_workers) and one thread's start for each missing worker; observers O(workers there have been).
///                post_on: O(1) if its worker is awake, else all that sleep are woken; from the first one on each worker looks
///                into its inbox between two tasks. What is not used costs posts, submits and forks nothing
/// Errors         impossible options throw std::invalid_argument; if a thread cannot be started the constructor joins the
///                others and throws std::system_error. post, submit, post_bulk throw std::bad_alloc or what copying the
///                callable throws, or pool_closed after close or shutdown, and then have no effect. What a posted task throws
///                goes to thread_pool_options::on_error; without one the program ends, because an error must not be lost
/// Units          workers: threads, 1 to 1000. Fixed unless min_workers or max_workers say otherwise
/// Source         see executor/detail/scheduler.hpp
/// Example        examples/510_thread_pool.cpp, 560_resize.cpp, 561_pause_and_drain.cpp

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/executor/attached_thread.hpp>
#include <sluice/executor/detail/attributed.hpp>
#include <sluice/executor/detail/deadline.hpp>
#include <sluice/executor/detail/posted.hpp>
#include <sluice/executor/detail/scheduler.hpp>
#include <sluice/executor/future.hpp>
#include <sluice/executor/metrics.hpp>
#include <sluice/executor/shutdown.hpp>
#include <sluice/executor/task_attributes.hpp>
#include <sluice/executor/thread_pool_options.hpp>
#include <sluice/executor/timer_service.hpp>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

namespace sluice {

/// What post and submit throw when the pool no longer takes work.
class pool_closed : public std::exception {
public:
    [[nodiscard]] char const* what() const noexcept override { return "sluice: the thread_pool has been shut down"; }
};

/// What post_on and submit_on throw when no thread has that number at the moment, or one that is just leaving.
class worker_absent : public std::exception {
public:
    [[nodiscard]] char const* what() const noexcept override { return "sluice: the thread_pool has no worker with this number"; }
};

class thread_pool {
public:
    explicit thread_pool(std::size_t workers) : thread_pool(with_workers(workers)) {}
    explicit thread_pool(thread_pool_options options = {})
        : at_destruction_(options.at_destruction), scheduler_(make(options)) {}
    thread_pool(thread_pool const&) = delete;
    thread_pool& operator=(thread_pool const&) = delete;

    /// As shutdown(options.at_destruction), of a paused pool too.
    ~thread_pool() { (void)shutdown(at_destruction_); }

    /// Runs f() on some worker, some time. Nobody waits for it; see on_error.
    template <class F>
    void post(F&& f) {
        using closure = detail::detached<std::decay_t<F>>;
        static_assert(std::is_invocable_v<std::decay_t<F>>, "post needs a callable without parameters");
        give(std::make_unique<closure>(std::forward<F>(f)));
    }

    /// The same for a task that says something about itself: worker as post_on; stopped before it begins, it is only destroyed;
    /// from its expiry on, on_expiry() is called instead. Priority, key and cost are for queues (queued_executor); here
    /// there is none, and tasks begin in about the order in which they come.
    template <class F, class Expiry = detail::no_expiry>
    void post(F&& f, task_attributes const& a, Expiry&& on_expiry = {}) {
        using task = detail::attributed_post<std::decay_t<F>, std::decay_t<Expiry>>;
        static_assert(std::is_invocable_v<std::decay_t<F>>, "post needs a callable without parameters");
        task t{std::forward<F>(f), std::forward<Expiry>(on_expiry), a.stop, a.expiry};
        if (a.worker == any_worker) post(std::move(t));
        else post_on(a.worker, std::move(t));
    }

    /// False after close or shutdown, and f is as it was unless that happens at the same time; otherwise as post. There is always
    /// a place: for a bounded number of them put a queued_executor in front.
    template <class F>
    [[nodiscard]] bool try_post(F&& f) {
        using closure = detail::detached<std::decay_t<F>>;
        static_assert(std::is_invocable_v<std::decay_t<F>>, "try_post needs a callable without parameters");
        if (closed() && !inside()) return false;
        auto t = std::make_unique<closure>(std::forward<F>(f));
        if (!scheduler_->submit(t.get())) return false;
        (void)t.release();
        return true;
    }

    /// Runs f() on some worker; the future has what it returns or throws.
    template <class F>
    [[nodiscard]] auto submit(F&& f) {
        static_assert(std::is_invocable_v<std::decay_t<F>>, "submit needs a callable without parameters");
        return give_future(std::forward<F>(f), [this](auto* state) {
            if (!scheduler_->submit(state)) throw pool_closed();
        });
    }

    /// The same for a task that says something about itself, see post. Stopped or expired before it begins, it leaves broken_task.
    template <class F>
    [[nodiscard]] auto submit(F&& f, task_attributes const& a) {
        using task = detail::attributed_submit<std::decay_t<F>>;
        static_assert(std::is_invocable_v<std::decay_t<F>>, "submit needs a callable without parameters");
        task t{std::forward<F>(f), a.stop, a.expiry};
        return a.worker == any_worker ? submit(std::move(t)) : submit_on(a.worker, std::move(t));
    }

    /// Posts f() at a time, after a delay, or again and again; see timer_queue. The first call of any of them starts one thread
    /// for all timers of the pool, which only posts. close and shutdown cancel what is pending, whatever their mode. Throws
    /// pool_closed after them; std::system_error, std::bad_alloc or std::invalid_argument, and then has no effect.
    template <class F>
    timer_handle schedule_at(time_point t, F&& f) {
        return timers().schedule_at(t, std::forward<F>(f));
    }
    template <class F>
    timer_handle schedule_after(duration d, F&& f) {
        return timers().schedule_after(d, std::forward<F>(f));
    }
    template <class F>
    timer_handle schedule_every(duration period, F&& f, periodic_options options = {}) {
        return timers().schedule_every(period, std::forward<F>(f), options);
    }

    /// Runs f() on the worker with this number and on no other thread, between two of its tasks; its letters come in the
    /// order in which they were posted, in turn with other tasks. A worker runs all of them before it leaves, and one that is
    /// just leaving takes no more: if the number has no such worker this throws worker_absent; a worker_index of max_workers() or
    /// more: std::out_of_range; pool_closed as post. In each case it has no effect.
    template <class F>
    void post_on(std::size_t worker_index, F&& f) {
        using closure = detail::detached<std::decay_t<F>>;
        static_assert(std::is_invocable_v<std::decay_t<F>>, "post_on needs a callable without parameters");
        auto t = std::make_unique<closure>(std::forward<F>(f));
        send(worker_index, t.get());
        (void)t.release();
    }

    /// The same with a future. Nobody but that worker runs it, however it is waited for. A worker that waits for such a future
    /// runs its own letters meanwhile, so two may wait for each other; one that waits for something else does not.
    template <class F>
    [[nodiscard]] auto submit_on(std::size_t worker_index, F&& f) {
        static_assert(std::is_invocable_v<std::decay_t<F>>, "submit_on needs a callable without parameters");
        return give_future(std::forward<F>(f), [this, worker_index](auto* state) {
            state->pin();
            send(worker_index, state);
        });
    }

    /// Runs f(i) once on each worker i that has a thread now (not on attached threads), between two of its tasks, on several at
    /// once; on the calling worker, if it is one, at once. The future has their number, or the first exception, or
    /// broken_task if some were dropped. A worker that waits for it runs its own letters meanwhile. O(max_workers), under
    /// the lock of resize.
    template <class F>
    [[nodiscard]] future<std::size_t> broadcast(F&& f) {
        static_assert(std::is_invocable_v<std::decay_t<F>&, std::size_t>, "broadcast needs a callable with the number of a worker");
        auto* const         state = new detail::broadcast_state<std::decay_t<F>>(std::forward<F>(f), max_workers());
        future<std::size_t> result(state, scheduler_.get());
        auto* const         me = scheduler_->here();
        bool                closed = me == nullptr && scheduler_->refuses();
        if (me != nullptr && !me->attached) state->call(me->index);
        state->send(
            *scheduler_, [&](auto each) { scheduler_->for_each_worker(each); },
            [&](std::size_t i, detail::task* t) {
                if (me != nullptr && me->index == i) return false;
                auto const a = scheduler_->post_letter(i, t);
                closed = closed || a == detail::scheduler::answer::closed;
                return a == detail::scheduler::answer::taken;
            });
        if (closed) throw pool_closed();
        return result;
    }

    /// Runs f(0) … f(n-1), each once, in any order, on several workers at once: f must allow that. Two allocations, and a
    /// few nanoseconds for each i. An exception of f(i) goes to on_error; the others run all the same.
    template <class F>
    void post_bulk(std::size_t n, F&& f) {
        static_assert(std::is_invocable_v<std::decay_t<F>&, std::size_t>, "post_bulk needs a callable with an index");
        if (n == 0) return;
        using shared = detail::bulk<std::decay_t<F>>;
        auto const hands = size();
        auto const wanted = n < hands ? n : hands;
        std::unique_ptr<shared> all(new shared(std::forward<F>(f), n, wanted));
        for (std::size_t i = 0; i < wanted; ++i) {
            bool accepted;
            try {
                accepted = scheduler_->submit(all->ticket(i));
            } catch (...) {
                if (i == 0) throw;
                accepted = false;
            }
            if (!accepted) {
                if (i == 0) throw pool_closed();
                all->give_up(*scheduler_, wanted - i);  // fewer workers take part; those tickets that are queued do it all
                break;
            }
        }
        (void)all.release();
    }

    /// Blocks until nothing is queued and nothing runs; in a paused pool, until it goes on and has done so. Throws
    /// std::logic_error from a worker, whose own task would have to end first.
    void wait_idle() {
        require_outside("sluice: thread_pool::wait_idle called from its own worker");
        scheduler_->wait_idle();
    }

    /// From now on no queued task begins, but for one that a worker has in hand already. What runs goes on, and what it waits for
    /// may be run by who waits: forks, futures, groups. Work is taken on as before. Waits for nothing; twice is as once, and
    /// after shutdown it has no effect.
    void pause() noexcept { scheduler_->pause(); }
    /// The workers go on. Without a pause no effect.
    void resume() noexcept { scheduler_->resume(); }
    [[nodiscard]] bool paused() const noexcept { return scheduler_->paused(); }
    /// Blocks until no task runs in the paused pool; from then until resume none does. Returns if the pool is not paused, or no
    /// longer. Wakes every worker once. Throws std::logic_error from a worker.
    void wait_paused() {
        require_outside("sluice: thread_pool::wait_paused called from its own worker");
        scheduler_->wait_paused();
    }

    /// Runs one queued task on the calling thread, if there is one and the pool is not paused: a worker its own or a stolen one,
    /// any other thread one from the injector or a stolen one.
    bool try_run_one() { return scheduler_->try_run_one(); }

    /// The calling thread becomes a worker until the guard ends. It takes a number, so there has to be a free one: max_workers()
    /// above size(), and no other thread there. Otherwise std::length_error; std::logic_error if the thread is a worker
    /// already, of any pool; pool_closed after shutdown; std::bad_alloc.
    [[nodiscard]] attached_thread attach_current_thread() {
        if (detail::this_worker != nullptr) detail::throw_logic_error("sluice: attach_current_thread called from a worker");
        auto* const me = scheduler_->attach();
        if (me == nullptr) {
            if (scheduler_->refuses()) throw pool_closed();
            throw std::length_error("sluice: thread_pool::max_workers leaves no place for an attached thread");
        }
        return attached_thread(*scheduler_, *me);
    }

    /// Takes no more work from outside: post and submit throw pool_closed. Tasks may still queue tasks. Waits for nothing; the
    /// workers stay until shutdown.
    void close() noexcept {
        scheduler_->close();
        timers_.close();
    }
    /// After close or shutdown.
    [[nodiscard]] bool closed() const noexcept { return scheduler_->refuses(); }

    /// Stopped when work is dropped by shutdown_mode::cancel, for tasks that run for long.
    [[nodiscard]] std::stop_token stop_token() const noexcept { return scheduler_->stop_token(); }

    /// Ends the pool: refuses new work from outside, resumes if paused, runs or drops what is queued, joins the threads. Returns how many
    /// queued tasks were dropped. A second call, also at the same time, waits for the first and returns 0; if the first still
    /// drains and the second drops, so does the first from then on. From a worker of this pool, or inside one of its tasks,
    /// it would wait for itself: prints a message and calls std::terminate.
    std::uint64_t shutdown(shutdown_mode mode = shutdown_mode::drain) noexcept {
        return end(mode, std::chrono::steady_clock::time_point::max(), mode).dropped;
    }

    /// The same in two steps: what can be run within this time is run, then the rest is dropped (or run all the same, if `rest`
    /// is drain). A task that runs at that moment is waited for. Not more than nothing, NaN too: drops at once; longer than
    /// the clock can tell: for ever.
    template <class Rep, class Period>
    shutdown_result drain_for(std::chrono::duration<Rep, Period> const& d, shutdown_mode rest = shutdown_mode::discard) noexcept {
        return drain_until(detail::deadline_in(d), rest);
    }
    shutdown_result drain_until(std::chrono::steady_clock::time_point deadline,
                                shutdown_mode                         rest = shutdown_mode::discard) noexcept {
        return end(shutdown_mode::drain, deadline, rest);
    }

    /// Workers that were last asked for: by the options, then by resize.
    [[nodiscard]] std::size_t size() const noexcept { return scheduler_->size(); }
    [[nodiscard]] std::size_t min_workers() const noexcept { return scheduler_->fewest(); }
    [[nodiscard]] std::size_t max_workers() const noexcept { return scheduler_->most(); }

    /// Asks for n workers; the last request is the one that counts. Missing threads are started here. Those that are too many
    /// leave one by one, each between two tasks, never inside one: first who sleeps (the longest sleeper first, where the
    /// system wakes in that order), then who comes to the end of a task. What a worker has in its queue when it leaves goes to the
    /// others. One that has not left yet stays if a later request wants it.
    /// Waits for no task, from workers neither. n outside [min_workers(), max_workers()] throws std::invalid_argument. If a
    /// thread cannot be started: std::system_error or std::bad_alloc, and what was asked for before is asked for again (those
    /// threads that could be started leave again); std::length_error, and no effect, if attached threads have the places.
    /// After shutdown: no effect.
    void resize(std::size_t n) { request_size(n, "thread_pool::resize (min_workers to max_workers)"); }
    /// The same under the name that the autoscalers use (scaling/resizable_executor.hpp).
    void request_size(std::size_t n) { request_size(n, "thread_pool::request_size (min_workers to max_workers)"); }

    /// Threads that have been started and have not left. 0 after shutdown.
    [[nodiscard]] std::size_t provisioned() const noexcept { return scheduler_->provisioned(); }
    /// Those of them that take tasks: neither just starting nor just leaving.
    [[nodiscard]] std::size_t ready() const noexcept { return scheduler_->ready(); }
    /// Those of them that are in a task, as far as can be seen, waits inside a task included.
    [[nodiscard]] std::size_t busy() const noexcept { return scheduler_->busy_approx(); }
    /// Tasks that wait for a worker, as far as can be seen. A task is what one post, submit, task_group::run or future makes, a
    /// bulk or a loop one for each worker that it invites. A task that waits inside while its worker runs another counts
    /// here.
    [[nodiscard]] std::size_t queued() const noexcept { return scheduler_->queued_approx(); }
    /// Tasks taken on and tasks ended (run or dropped) since the pool was made; they never fall, and each task is in both in the
    /// end. In a pool of fixed size without metrics, submitted and queued learn of a task from outside when a worker takes
    /// it, which costs nothing; in others when it is submitted.
    [[nodiscard]] std::uint64_t submitted() const noexcept { return scheduler_->submitted(); }
    [[nodiscard]] std::uint64_t completed() const noexcept { return scheduler_->completed(); }
    /// Time in tasks, all workers together, those that are running included; never falls. 0 without options.metrics.
    [[nodiscard]] std::uint64_t busy_nanoseconds() const noexcept { return scheduler_->busy_nanoseconds(); }

    /// Whether the calling thread is one of this pool's workers.
    [[nodiscard]] bool on_worker() const noexcept { return scheduler_->here() != nullptr; }

    /// The number of the calling thread among this pool's workers, less than max_workers(), or max_workers() for any other
    /// thread. While workers leave, the numbers of those that stay have gaps; one that comes takes the lowest that is free.
    [[nodiscard]] std::size_t this_worker_index() const noexcept {
        auto* const w = scheduler_->here();
        return w != nullptr ? w->index : max_workers();
    }

    [[nodiscard]] pool_metrics metrics() const { return scheduler_->metrics(); }

    /// For the algorithms of the library.
    [[nodiscard]] detail::scheduler& internals() noexcept { return *scheduler_; }

private:
    void request_size(std::size_t n, char const* name) {
        detail::require_option(n >= min_workers() && n <= max_workers(), name, n);
        scheduler_->request_size(n);
    }

    /// Whether the calling thread has to return before the pool can be idle.
    [[nodiscard]] bool inside() const noexcept { return scheduler_->here() != nullptr || detail::guest_of == scheduler_.get(); }
    void               require_outside(char const* otherwise) const {
        if (inside()) detail::throw_logic_error(otherwise);
    }
    shutdown_result end(shutdown_mode mode, std::chrono::steady_clock::time_point deadline, shutdown_mode rest) noexcept {
        if (inside()) {
            std::fputs("sluice: a thread_pool was shut down or destroyed from its own worker\n", stderr);
            std::terminate();
        }
        timers_.close();
        return scheduler_->shut_down(mode, deadline, rest);
    }
    [[nodiscard]] timer_service<thread_pool>& timers() {
        auto* const service = closed() ? nullptr : timers_.get(*this);
        if (service == nullptr) throw pool_closed();
        return *service;
    }

    void send(std::size_t worker_index, detail::task* t) {
        using answer = detail::scheduler::answer;
        if (worker_index >= max_workers())
            throw std::out_of_range("sluice: worker_index (less than max_workers) is " + std::to_string(worker_index));
        switch (scheduler_->post_letter(worker_index, t)) {
            case answer::taken: return;
            case answer::closed: throw pool_closed();
            case answer::absent: throw worker_absent();
        }
    }

    /// queue(state) takes the task over, or throws.
    template <class F, class Queue>
    auto give_future(F&& f, Queue queue) {
        using R = std::invoke_result_t<std::decay_t<F>>;
        auto* const state = new detail::future_task<R, std::decay_t<F>>(std::forward<F>(f));
        future<R>   result(state, scheduler_.get());
        struct undo {
            detail::future_state<R>* s;
            ~undo() {
                if (s == nullptr) return;
                s->abandon();
                s->release();
            }
        } guard{state};
        queue(state);
        guard.s = nullptr;
        return result;
    }

    /// Without a look at how many the system would have.
    static thread_pool_options with_workers(std::size_t workers) { return {.workers = workers}; }

    static std::unique_ptr<detail::scheduler> make(thread_pool_options& o) {
        detail::require_option(o.workers >= 1 && o.workers <= 1000, "thread_pool_options::workers (1 to 1000)", o.workers);
        detail::require_option(o.injector_batch >= 1 && o.injector_batch <= 64,
                               "thread_pool_options::injector_batch (1 to 64)", o.injector_batch);
        detail::require_option(o.fairness_interval >= 1, "thread_pool_options::fairness_interval (at least 1)",
                               o.fairness_interval);
        detail::require_option(o.victims.threshold >= 0 && o.victims.threshold < 1e18,
                               "thread_pool_options::victims.threshold (at least 0)", o.victims.threshold);
        if (o.min_workers == 0) o.min_workers = o.workers;
        if (o.max_workers == 0) o.max_workers = o.workers;
        detail::require_option(o.min_workers <= o.workers, "thread_pool_options::min_workers (1 to workers)", o.min_workers);
        detail::require_option(o.max_workers >= o.workers && o.max_workers <= 1000,
                               "thread_pool_options::max_workers (workers to 1000)", o.max_workers);
        auto errors = std::make_shared<detail::error_sink>();
        errors->handler = std::move(o.on_error);
        return std::make_unique<detail::scheduler>(
            detail::scheduler_options{o.workers, o.min_workers, o.max_workers, o.victims, o.idle, o.injector_batch,
                                      o.fairness_interval, o.help_depth, o.metrics, o.observer},
            std::move(errors),
            detail::worker_hooks{std::move(o.name), std::move(o.on_worker_start), std::move(o.on_worker_exit)});
    }

    template <class T>
    void give(std::unique_ptr<T> t) {
        if (!scheduler_->submit(t.get())) throw pool_closed();
        (void)t.release();
    }

    shutdown_mode                      at_destruction_;
    std::unique_ptr<detail::scheduler> scheduler_;
    lazy_timer_service<thread_pool>    timers_;
};

}  // namespace sluice
