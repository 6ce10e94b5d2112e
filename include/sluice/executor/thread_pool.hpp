// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// thread_pool — threads that share work by stealing it from each other.
///
/// Use it for     running many tasks of unknown length on a few threads; recursion (parallel/parallel_invoke.hpp), loops
///                (parallel/parallel_for.hpp) and groups of tasks (executor/task_group.hpp) build on it
/// Not for        one task now and then, or tasks that mostly wait for something outside: they hold their worker
/// Thread-safety  every member from any thread, workers included, unless it says otherwise. The destructor, shutdown and
///                wait_idle: not from a worker. The destructor: after every other call has returned, waits on the pool's
///                futures and groups included. Everything before post or submit happens before the task
/// Progress       post, submit: lock-free, they never wait for a worker. A worker that is stopped keeps the task that it
///                is running and those that it is just moving, nothing else. request_size: takes a lock that is held while
///                threads are started, never while a task runs; observers are wait-free
/// Complexity     post, submit: O(1), one node (a slab of 8 KiB has a hundred or so). post_bulk: O(workers), two allocations
///                for all. try_run_one from outside: O(queued). An idle pool uses no CPU and has no timer; a task wakes at
///                most one worker, and workers that find more wake the next. A look for work costs O(max_workers) loads; the
///                memory of a worker is taken when it first starts and kept for the next one with its number. request_size:
///                O(max_workers) and one thread's start for each missing worker; observers O(workers there have been)
/// Errors         impossible options throw std::invalid_argument; if a thread cannot be started the constructor joins the
///                others and throws std::system_error. post, submit, post_bulk throw std::bad_alloc or what copying the
///                callable throws, or pool_closed after shutdown, and then have no effect. What a posted task throws goes
///                to thread_pool_options::on_error; without one the program ends, because an error must not be lost
/// Units          workers: threads, 1 to 1000. Fixed unless min_workers or max_workers say otherwise
/// Source         see executor/detail/scheduler.hpp
/// Example        examples/510_thread_pool.cpp, 560_resize.cpp

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/executor/detail/scheduler.hpp>
#include <sluice/executor/future.hpp>
#include <sluice/executor/idle_policy.hpp>
#include <sluice/executor/metrics.hpp>
#include <sluice/executor/victim_policy.hpp>
#include <thread>
#include <type_traits>
#include <utility>

namespace sluice {

/// As many as the system says can run at once for this process; at least 1.
[[nodiscard]] inline std::size_t default_workers() noexcept {
    unsigned const n = std::thread::hardware_concurrency();
    return n == 0 ? 1 : n > 1000 ? 1000 : n;
}

enum class shutdown_mode : std::uint8_t {
    drain,    ///< run what is queued, and what that queues
    discard,  ///< drop what is queued; what is running ends normally
};

struct thread_pool_options {
    std::size_t    workers = default_workers();
    std::size_t    min_workers = 0;                         ///< what request_size may ask for; 0: the same as workers
    std::size_t    max_workers = 0;                         ///< likewise. A pool whose size is fixed pays nothing for this
    victim_options victims{};                               ///< whom a worker without work asks first
    idle_policy    idle = idle_policy::balanced();
    std::uint32_t  injector_batch = 32;                     ///< tasks from outside that a worker takes to itself at once; 1 to 64
    std::uint32_t  fairness_interval = 61;                  ///< after so many own tasks it looks for tasks from outside; > 0
    std::uint32_t  help_depth = 64;                         ///< stolen work that one waiting worker runs inside another, at most
    bool           metrics = false;                         ///< measure busy, searching and parked time and depths
    shutdown_mode  at_destruction = shutdown_mode::drain;
    /// Gets the exceptions of posted tasks, on the worker's thread, from several at once; must not throw.
    /// Empty: std::terminate.
    unique_function<void(std::exception_ptr)> on_error{};
};

/// What post and submit throw when the pool no longer takes work.
class pool_closed : public std::exception {
public:
    [[nodiscard]] char const* what() const noexcept override { return "sluice: the thread_pool has been shut down"; }
};

class thread_pool {
public:
    explicit thread_pool(std::size_t workers) : thread_pool(with_workers(workers)) {}
    explicit thread_pool(thread_pool_options options = {})
        : at_destruction_(options.at_destruction), scheduler_(make(options)) {}
    thread_pool(thread_pool const&) = delete;
    thread_pool& operator=(thread_pool const&) = delete;

    /// As shutdown(options.at_destruction).
    ~thread_pool() { (void)shutdown(at_destruction_); }

    /// Runs f() on some worker, some time. Nobody waits for it; see on_error.
    template <class F>
    void post(F&& f) {
        using closure = detached<std::decay_t<F>>;
        static_assert(std::is_invocable_v<std::decay_t<F>>, "post needs a callable without parameters");
        give(std::make_unique<closure>(std::forward<F>(f)));
    }

    /// Runs f() on some worker; the future has what it returns or throws.
    template <class F>
    [[nodiscard]] auto submit(F&& f) {
        static_assert(std::is_invocable_v<std::decay_t<F>>, "submit needs a callable without parameters");
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
        if (!scheduler_->submit(state)) throw pool_closed();
        guard.s = nullptr;
        return result;
    }

    /// Runs f(0) … f(n-1), each once, in any order, on several workers at once: f must allow that. Two allocations, and a
    /// few nanoseconds for each i. An exception of f(i) goes to on_error; the others run all the same.
    template <class F>
    void post_bulk(std::size_t n, F&& f) {
        static_assert(std::is_invocable_v<std::decay_t<F>&, std::size_t>, "post_bulk needs a callable with an index");
        if (n == 0) return;
        using shared = bulk<std::decay_t<F>>;
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

    /// Blocks until nothing is queued and nothing runs. Throws std::logic_error from a worker, whose own task would have
    /// to end first.
    void wait_idle() {
        if (scheduler_->here() != nullptr) detail::throw_logic_error("sluice: thread_pool::wait_idle called from its own worker");
        scheduler_->wait_idle();
    }

    /// Runs one queued task on the calling thread, if there is one: a worker its own or a stolen one, any other thread
    /// one from the injector or a stolen one.
    bool try_run_one() { return scheduler_->try_run_one(); }

    /// Ends the pool: refuses new work from outside, drains or discards, joins the threads. Returns how many queued tasks
    /// were dropped. A second call, also at the same time, waits for the first and returns 0. From a worker of this pool
    /// it would wait for itself: prints a message and calls std::terminate.
    std::uint64_t shutdown(shutdown_mode mode = shutdown_mode::drain) noexcept {
        if (scheduler_->here() != nullptr) {
            std::fputs("sluice: a thread_pool was shut down or destroyed from its own worker\n", stderr);
            std::terminate();
        }
        return scheduler_->shut_down_once(mode == shutdown_mode::discard);
    }

    /// Workers that were last asked for: by the options, then by request_size.
    [[nodiscard]] std::size_t size() const noexcept { return scheduler_->size(); }
    [[nodiscard]] std::size_t min_workers() const noexcept { return scheduler_->fewest(); }
    [[nodiscard]] std::size_t max_workers() const noexcept { return scheduler_->most(); }

    /// Asks for n workers; the last request is the one that counts. Missing threads are started here. Those that are too many
    /// leave one by one, each between two tasks, never inside one: first who sleeps (the longest sleeper first, where the
    /// system wakes in that order), then who comes to the end of a task. What a worker has in its queue when it leaves goes to the
    /// others. One that has not left yet stays if a later request wants it.
    /// Waits for no task, from workers neither. n outside [min_workers(), max_workers()] throws std::invalid_argument. If a
    /// thread cannot be started: std::system_error or std::bad_alloc, and what was asked for before is asked for again (those
    /// threads that could be started leave again). After shutdown: no effect.
    void request_size(std::size_t n) {
        detail::require_option(n >= min_workers() && n <= max_workers(),
                               "thread_pool::request_size (min_workers to max_workers)", n);
        scheduler_->request_size(n);
    }

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
    template <class F>
    struct detached final : detail::task, detail::slab_allocated<detached<F>> {
        template <class G>
        explicit detached(G&& g) : task(&act), f(std::forward<G>(g)) {}
        static void act(task* t, detail::scheduler& pool, detail::task_action a) noexcept {
            auto* const self = static_cast<detached*>(t);
            if (a == detail::task_action::run) {
                try {
                    std::move(self->f)();
                } catch (...) {
                    pool.errors().handle(std::current_exception());
                }
            } else {
                pool.count_discarded(1);
            }
            try {
                delete self;
            } catch (...) {  // a destructor may throw, too
                pool.errors().handle(std::current_exception());
            }
        }
        F f;
    };

    /// One callable, one counter, and a ticket for each worker that takes part.
    template <class F>
    class bulk {
    public:
        template <class G>
        bulk(G&& g, std::size_t n, std::size_t tickets)
            : f_(std::forward<G>(g)), n_(n), tickets_(tickets), left_(tickets),
              ticket_(std::make_unique<ticket_task[]>(tickets)) {
            for (std::size_t i = 0; i < tickets; ++i) ticket_[i].all = this;
        }
        detail::task* ticket(std::size_t i) noexcept { return &ticket_[i]; }
        void          give_up(detail::scheduler& pool, std::size_t tickets) noexcept { leave(pool, tickets); }

    private:
        struct ticket_task final : detail::task {
            ticket_task() noexcept : task(&take_part) {}
            bulk* all = nullptr;
        };
        // Ordering
        //   (A) claim  next_ fetch_add relaxed: it only decides who runs which index; f_ came with the ticket
        //   (B) leave  left_ fetch_sub acq_rel: the last one frees, after everybody's last call
        static void take_part(detail::task* t, detail::scheduler& pool, detail::task_action a) noexcept {
            bulk&      all = *static_cast<ticket_task*>(t)->all;
            auto const grain = all.n_ / (all.tickets_ * 8) + 1;
            for (;;) {
                std::size_t i = all.next_.fetch_add(grain, std::memory_order_relaxed);      // (A)
                if (i >= all.n_) break;
                std::size_t const items = all.n_ - i < grain ? all.n_ - i : grain;
                std::size_t const end = i + items;
                if (a == detail::task_action::run) {
                    for (; i < end; ++i) try {
                            all.f_(i);
                        } catch (...) {
                            pool.errors().handle(std::current_exception());
                        }
                    pool.count_ran(items);
                } else {
                    pool.count_discarded(items);
                }
            }
            if (a == detail::task_action::run) pool.count_ran(~std::uint64_t{0});  // less one: the ticket is no task
            all.leave(pool, 1);
        }
        void leave(detail::scheduler& pool, std::size_t n) noexcept {
            if (left_.fetch_sub(n, std::memory_order_acq_rel) != n) return;                 // (B)
            try {
                delete this;
            } catch (...) {  // the callable's destructor
                pool.errors().handle(std::current_exception());
            }
        }

        F                              f_;
        std::size_t const              n_;
        std::size_t const              tickets_;
        std::atomic<std::size_t>       next_{0};
        std::atomic<std::size_t>       left_;
        std::unique_ptr<ticket_task[]> ticket_;
    };

    static thread_pool_options with_workers(std::size_t workers) {
        thread_pool_options o;
        o.workers = workers;
        return o;
    }

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
                                      o.fairness_interval, o.help_depth, o.metrics},
            std::move(errors));
    }

    template <class T>
    void give(std::unique_ptr<T> t) {
        if (!scheduler_->submit(t.get())) throw pool_closed();
        (void)t.release();
    }

    shutdown_mode                      at_destruction_;
    std::unique_ptr<detail::scheduler> scheduler_;
};

}  // namespace sluice
