// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// priority_pool — a thread_pool with a bounded queue in front: every task may have a priority, a tenant, a cost, an expiry, a
/// worker, a stop_token.
///
/// Use it for     a service's pool, where what is urgent comes first, nothing starves, and too much is refused
/// Not for        many tasks of less than a microsecond (thread_pool), or the same from several queues (queued_executor); parts of
///                one piece of work: run task_group and the loops of parallel/ on pool(), inside a task
/// Thread-safety  as queued_executor and thread_pool; the destructor and shutdown: not from a task
/// Progress       as queued_executor
/// Complexity     as queued_executor: that of the discipline, a mutex for a moment, two allocations for a task
/// Errors         std::invalid_argument for impossible options of either. What a task throws goes to queue.on_error if there is one,
///                otherwise to pool.on_error; with submit to the future
/// Example        examples/582_bounded_submit.cpp
///
///     sluice::priority_pool pool({.queue = {.capacity = 10'000, .when_full = sluice::overflow::reject}});
///     pool.post(f, {.priority = 2, .expiry = now + 50ms}, on_expired);
///     auto r = pool.submit(g, {.stop = source.get_token()});
///
/// What each attribute does: priority as the discipline has it (aging_priority: 0 first, and nobody waits for ever; with
/// earliest_deadline the expiry orders, with drr and wfq the key shares); from its expiry on a task is not begun, on_expiry is called
/// instead; stopped before it begins it is only destroyed; the name is for an observer: observe(pool, o).post(f, attributes). A task
/// for a certain worker does not wait here but in that worker's inbox, in the order of its letters: priority and the queue's
/// capacity do not hold for it, worker_capacity does, always by refusing; where there is no such worker it throws worker_absent or
/// std::out_of_range as the pool does. The order of each key's tasks is kept by a keyed_executor in front of this.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/executor/packaged_task.hpp>
#include <sluice/executor/queued_executor.hpp>
#include <sluice/executor/shutdown.hpp>
#include <sluice/executor/task_attributes.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/executor/thread_pool_options.hpp>
#include <sluice/flow/aging_priority.hpp>
#include <sluice/flow/push_result.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace sluice {

struct priority_pool_options {
    thread_pool_options     pool{};
    queued_executor_options queue{.capacity = 100'000};
    std::size_t             worker_capacity = SIZE_MAX;  ///< most tasks that wait for one and the same certain worker; > 0
};

// Ordering
//   (A) places  relaxed: the count alone decides who has a place; what a task sees is ordered by the inbox

template <queue_discipline Discipline = aging_priority>
class priority_pool {
public:
    explicit priority_pool(priority_pool_options options = {}, Discipline discipline = Discipline{})
        : worker_capacity_(checked(options.worker_capacity)), pool_(std::move(options.pool)),
          queue_(pool_, std::move(options.queue), std::move(discipline)) {
        if (worker_capacity_ != SIZE_MAX) letters_ = std::make_unique<std::atomic<std::size_t>[]>(pool_.max_workers());
    }

    /// As queued_executor::post; for a certain worker as thread_pool::post, or task_rejected where too many wait for it.
    template <class F, class Expiry = detail::no_expiry>
    void post(F&& f, task_attributes const& a = {}, Expiry&& on_expiry = {}) {
        if (a.worker == any_worker) return queue_.post(std::forward<F>(f), a, std::forward<Expiry>(on_expiry));
        if (auto const r = send(std::forward<F>(f), a, std::forward<Expiry>(on_expiry)); !r) throw task_rejected(r);
    }
    /// The same with a future; expired, stopped or dropped, the task leaves broken_task there.
    template <class F>
    [[nodiscard]] auto submit(F&& f, task_attributes const& a = {}) {
        packaged_task<std::decay_t<F>> task(pool_, std::forward<F>(f));
        auto                           result = task.get_future();
        post(std::move(task), a);
        return result;
    }

    /// As in queued_executor: never waits; waits for a place until then. For a place at a certain worker nobody waits. Throws as the
    /// pool does where that worker is not.
    template <class F, class Expiry = detail::no_expiry>
    push_result try_post(F&& f, task_attributes const& a = {}, Expiry&& on_expiry = {}) {
        if (a.worker != any_worker) return send(std::forward<F>(f), a, std::forward<Expiry>(on_expiry));
        return queue_.try_post(std::forward<F>(f), a, std::forward<Expiry>(on_expiry));
    }
    template <class F, class Expiry = detail::no_expiry>
    push_result try_post_until(time_point deadline, F&& f, task_attributes const& a = {}, Expiry&& on_expiry = {}) {
        if (a.worker != any_worker) return send(std::forward<F>(f), a, std::forward<Expiry>(on_expiry));
        return queue_.try_post_until(deadline, std::forward<F>(f), a, std::forward<Expiry>(on_expiry));
    }
    template <class F, class Expiry = detail::no_expiry>
    push_result try_post_for(duration d, F&& f, task_attributes const& a = {}, Expiry&& on_expiry = {}) {
        if (a.worker != any_worker) return send(std::forward<F>(f), a, std::forward<Expiry>(on_expiry));
        return queue_.try_post_for(d, std::forward<F>(f), a, std::forward<Expiry>(on_expiry));
    }

    /// Takes no more; what was accepted runs. Waits for nothing.
    void close() { queue_.close(), pool_.close(); }
    /// As thread_pool::shutdown. Afterwards accepted == ran + expired + cancelled + dropped; what was posted to a certain worker is
    /// counted by the pool alone.
    queued_executor_counters shutdown(shutdown_mode mode = shutdown_mode::drain) {
        queue_.close();
        (void)pool_.shutdown(mode);
        return queue_.counters();
    }

    /// Until nothing waits and nothing runs. Not from a task.
    void wait_idle() { pool_.wait_idle(); }
    void pause() noexcept { pool_.pause(); }
    void resume() noexcept { pool_.resume(); }
    /// As thread_pool::resize.
    void                      resize(std::size_t workers) { pool_.resize(workers); }
    [[nodiscard]] std::size_t size() const noexcept { return pool_.size(); }
    [[nodiscard]] std::size_t size_approx() const { return queue_.size_approx(); }
    [[nodiscard]] bool        on_worker() const noexcept { return pool_.on_worker(); }
    [[nodiscard]] queued_executor_counters counters() const noexcept { return queue_.counters(); }

    /// For groups, loops and timers; what is posted there does not go through the queue.
    [[nodiscard]] thread_pool& pool() noexcept { return pool_; }
    /// For the level, those who listen to it, and the estimated wait.
    [[nodiscard]] queued_executor<thread_pool, Discipline>& queue() noexcept { return queue_; }

private:
    /// A place among those who wait for a worker, or none, until the task begins or is given up.
    class place {
    public:
        explicit place(std::atomic<std::size_t>* count) noexcept : count_(count) {}
        place(place&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
        place& operator=(place&&) = delete;
        ~place() { give_up(); }
        void give_up() noexcept {
            if (count_ != nullptr) std::exchange(count_, nullptr)->fetch_sub(1, std::memory_order_relaxed);  // (A)
        }

    private:
        std::atomic<std::size_t>* count_;
    };
    template <class F>
    struct letter {
        F     f;
        place here;
        void  operator()() {
            here.give_up();
            std::move(f)();
        }
    };

    static std::size_t checked(std::size_t worker_capacity) {
        detail::require_option(worker_capacity > 0, "priority_pool_options::worker_capacity (> 0)", worker_capacity);
        return worker_capacity;
    }

    template <class F, class Expiry>
    push_result send(F&& f, task_attributes const& a, Expiry&& on_expiry) {
        std::atomic<std::size_t>* taken = nullptr;
        if (worker_capacity_ != SIZE_MAX && a.worker < pool_.max_workers()) {
            auto& count = letters_[a.worker];
            auto  n = count.load(std::memory_order_relaxed);                                         // (A)
            do {
                if (n >= worker_capacity_) return {.reason = reject_reason::full};
            } while (!count.compare_exchange_weak(n, n + 1, std::memory_order_relaxed, std::memory_order_relaxed));  // (A)
            taken = &count;
        }
        place here(taken);
        pool_.post(letter<std::decay_t<F>>{std::forward<F>(f), std::move(here)}, a, std::forward<Expiry>(on_expiry));
        return {};
    }

    std::size_t                                 worker_capacity_;
    std::unique_ptr<std::atomic<std::size_t>[]> letters_;  // before the pool, whose last tasks count there
    thread_pool                                 pool_;
    queued_executor<thread_pool, Discipline>    queue_;
};

}  // namespace sluice
