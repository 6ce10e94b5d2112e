// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// task_observer, no_observer, observed_executor — somebody looks on while an executor runs tasks.
///
/// Use it for     traces (trace_recorder), times in the queue (queue_wait_histogram), tasks that hang (stuck_watchdog), your own
/// Not for        what the pool counts by itself, at less cost (pool_metrics)
/// Thread-safety  as the executor; the observer is called from all its threads at once and must outlive the last task;
///                the observed_executor itself need not
/// Progress       as the executor's; nothing here waits
/// Complexity     post: the executor's, one relaxed addition, 40 bytes more in the closure; three looks at the clock a task.
///                With no_observer there is no wrapper: observed<E, no_observer> is E&
/// Errors         observers must not throw, which is checked when they are compiled. Exceptions of tasks go on to the executor
///                after the observer saw them. If the executor refuses, the task that was announced is said to be dropped
/// Units          times on the given clock
/// Example        examples/564_trace_export.cpp
///
/// Of each task in turn: on_submit, before it can be seen by another thread; then either on_start, perhaps on_exception,
/// on_finish(ran or threw), all on the thread that runs it and properly nested with tasks inside tasks; or only
/// on_finish(dropped), when it was destroyed without having run.

#include <sluice/core/clock.hpp>
#include <sluice/executor/executor.hpp>
#include <sluice/executor/task_attributes.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sluice {

enum class task_status : std::uint8_t { ran, threw, dropped };

[[nodiscard]] constexpr char const* to_string(task_status s) noexcept {
    return s == task_status::ran ? "ran" : s == task_status::threw ? "threw" : "dropped";
}

/// What an observer is told. Times that have not come are time_point{}.
struct task_info {
    std::string_view name{};        ///< outlives the task: a literal
    std::uint64_t    id = 0;        ///< counts the tasks of one observed_executor from 1
    time_point       submitted{};
    time_point       started{};
    time_point       finished{};
};

template <class O>
concept task_observer = requires(O& o, task_info const& t, task_status s, std::exception_ptr const& e) {
    { o.on_submit(t) } noexcept;
    { o.on_start(t) } noexcept;
    { o.on_finish(t, s) } noexcept;
    { o.on_exception(t, e) } noexcept;
};

/// Nobody looks.
struct no_observer {
    void on_submit(task_info const&) noexcept {}
    void on_start(task_info const&) noexcept {}
    void on_finish(task_info const&, task_status) noexcept {}
    void on_exception(task_info const&, std::exception_ptr const&) noexcept {}
};

/// Several, called in this order.
template <task_observer... Observers>
class observer_list {
public:
    explicit observer_list(Observers&... observers) noexcept : all_(observers...) {}
    void on_submit(task_info const& t) noexcept {
        std::apply([&](auto&... o) { (o.on_submit(t), ...); }, all_);
    }
    void on_start(task_info const& t) noexcept {
        std::apply([&](auto&... o) { (o.on_start(t), ...); }, all_);
    }
    void on_finish(task_info const& t, task_status s) noexcept {
        std::apply([&](auto&... o) { (o.on_finish(t, s), ...); }, all_);
    }
    void on_exception(task_info const& t, std::exception_ptr const& e) noexcept {
        std::apply([&](auto&... o) { (o.on_exception(t, e), ...); }, all_);
    }

private:
    std::tuple<Observers&...> all_;
};

template <class Executor, task_observer Observer, clock_source Clock = steady_clock>
class observed_executor {
public:
    observed_executor(Executor& executor, Observer& observer, Clock clock = {}) noexcept
        : executor_(executor), observer_(observer), clock_(clock) {}
    observed_executor(observed_executor const&) = delete;
    observed_executor& operator=(observed_executor const&) = delete;

    /// As executor.post(f). The name must outlive the task.
    template <class F>
    void post(F&& f, std::string_view name = {}) {
        executor_.post(announced(std::forward<F>(f), name));
    }
    /// As executor.post(f, attributes, …), under attributes.name. A task that expires is said to be dropped.
    template <class F, class... Expiry>
        requires requires(Executor& e, detail::move_only_task t, task_attributes const& a, Expiry&&... x) {
            e.post(std::move(t), a, std::forward<Expiry>(x)...);
        }
    void post(F&& f, task_attributes const& a, Expiry&&... on_expiry) {
        executor_.post(announced(std::forward<F>(f), a.name), a, std::forward<Expiry>(on_expiry)...);
    }

    [[nodiscard]] bool on_worker() const noexcept
        requires requires(Executor const& e) { e.on_worker(); }
    {
        return executor_.on_worker();
    }
    template <class F>
        requires requires(Executor& e, F&& f) { e.at_task_end(std::forward<F>(f)); }
    void at_task_end(F&& f) {
        executor_.at_task_end(std::forward<F>(f));
    }

    [[nodiscard]] Executor& executor() const noexcept { return executor_; }

private:
    template <class F>
    class observed_task {
    public:
        template <class G>
        observed_task(Observer& observer, Clock const& clock, task_info const& info, G&& g)
            : f_(std::forward<G>(g)), observer_(&observer), clock_(clock), name_(info.name), id_(info.id), submitted_(info.submitted) {}
        observed_task(observed_task&& other) noexcept(std::is_nothrow_move_constructible_v<F> &&
                                                      std::is_nothrow_copy_constructible_v<Clock>)
            : f_(std::move(other.f_)), observer_(other.observer_), clock_(other.clock_), name_(other.name_), id_(other.id_),
              submitted_(other.submitted_), announced_(std::exchange(other.announced_, false)) {}
        observed_task& operator=(observed_task&&) = delete;
        ~observed_task() {
            if (announced_) observer_->on_finish(info(), task_status::dropped);
        }
        void announce() noexcept { announced_ = true; }

        void operator()() {
            announced_ = false;
            Observer& o = *observer_;
            task_info t = info();
            t.started = clock_.now();
            o.on_start(t);
            try {
                std::move(f_)();
            } catch (...) {
                t.finished = clock_.now();
                o.on_exception(t, std::current_exception());
                o.on_finish(t, task_status::threw);
                throw;
            }
            t.finished = clock_.now();
            o.on_finish(t, task_status::ran);
        }

    private:
        [[nodiscard]] task_info info() const noexcept { return {.name = name_, .id = id_, .submitted = submitted_}; }

        F                           f_;
        Observer*                   observer_;
        [[no_unique_address]] Clock clock_;
        std::string_view            name_;
        std::uint64_t               id_;
        time_point                  submitted_;
        bool                        announced_ = false;  // and neither run nor dropped
    };

    template <class F>
    [[nodiscard]] observed_task<std::decay_t<F>> announced(F&& f, std::string_view name) {
        task_info const info{.name = name, .id = last_id_.fetch_add(1, std::memory_order_relaxed) + 1,  // (stat)
                             .submitted = clock_.now()};
        observed_task<std::decay_t<F>> task(observer_, clock_, info, std::forward<F>(f));
        observer_.on_submit(info);
        task.announce();
        return task;
    }

    Executor&                   executor_;
    Observer&                   observer_;
    [[no_unique_address]] Clock clock_;
    std::atomic<std::uint64_t>  last_id_{0};
};

/// The executor itself where nobody looks.
template <class Executor, task_observer Observer, clock_source Clock = steady_clock>
using observed = std::conditional_t<std::is_same_v<Observer, no_observer>, Executor&, observed_executor<Executor, Observer, Clock>>;

/// An executor with somebody who looks on, or, with no_observer, just the executor:
///     sluice::observed<Pool, Observer> seen = sluice::observe(pool, observer);
template <class Executor, task_observer Observer, clock_source Clock = steady_clock>
[[nodiscard]] observed<Executor, Observer, Clock> observe(Executor& executor, Observer& observer, Clock clock = {}) noexcept {
    if constexpr (std::is_same_v<Observer, no_observer>)
        return executor;
    else
        return observed_executor<Executor, Observer, Clock>(executor, observer, clock);
}

static_assert(task_observer<no_observer> && std::is_empty_v<no_observer>);

}  // namespace sluice
