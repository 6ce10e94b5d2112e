// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// when_all, when_all_on — awaits several tasks at once.
///
/// Use it for     tasks that wait for different things (when_all), or a fork and join on an executor (when_all_on)
/// Not for        a number of tasks that is known only later (async_scope)
/// Thread-safety  as task; the tasks run at the same time if what they await, or the executor, lets them
/// Progress       when_all: all begin on the calling thread, one after the other, each when the one before has suspended or ended.
///                when_all_on: the last begins on the calling thread, the others are posted, and run there if nobody takes them
///                first. The awaiting coroutine goes on on the thread that ended the last one
/// Complexity     no allocation besides the tasks' frames: nodes and counter are in the awaiter, on a thread_pool; for other
///                executors see schedule. Two atomic operations for each task
/// Errors         every task is waited for; then the exception of the first in the order of the arguments that has one is
///                rethrown, and the others are dropped. If the executor refuses a task it runs on the calling thread; if it drops
///                one, that one's exception is broken_task
/// Example        examples/591_coroutine_fork_join.cpp
///
///     auto [a, b] = co_await sluice::when_all_on(pool, left(), right());     // void gives std::monostate

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <sluice/executor/detail/resume.hpp>
#include <sluice/executor/future.hpp>
#include <sluice/executor/schedule.hpp>
#include <sluice/executor/task.hpp>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace sluice {

namespace detail {

// Ordering
//   (A) arrive  fetch_sub acq_rel by each task in the end: the last one goes on with the awaiting coroutine, which then sees
//               what all of them did

struct when_all_counter : task_completion {
    explicit when_all_counter(std::size_t n) noexcept : task_completion{&arrive}, left(n) {}
    static bool arrive(task_completion& c) noexcept {
        return static_cast<when_all_counter&>(c).left.fetch_sub(1, std::memory_order_acq_rel) == 1;  // (A)
    }
    std::atomic<std::size_t> left;
};

template <class T>
using when_all_value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
when_all_value<T> take_result(sluice::task<T> const& t) {
    if constexpr (std::is_void_v<T>) {
        t.internals().promise().take();
        return {};
    } else {
        return t.internals().promise().take();
    }
}

/// A task that begins on an executor.
template <class Executor, class T>
struct forked : posted_node<Executor> {
    explicit forked(sluice::task<T>& t) noexcept : posted_node<Executor>(&end), coroutine(t.internals()) {}
    static void end(posted_node<Executor>& n, bool ran) noexcept {
        auto const h = static_cast<forked&>(n).coroutine;
        if (ran) return resume(h);
        auto& p = h.promise();
        auto const next = p.continuation;
        p.error = std::make_exception_ptr(broken_task());
        if (p.completion->arrived(*p.completion)) resume(next);
    }
    std::coroutine_handle<task_promise<T>> coroutine;
};

struct nowhere {};  // no executor: the tasks begin here

template <class T>
struct forked<nowhere, T> {
    explicit forked(sluice::task<T>& t) noexcept : coroutine(t.internals()) {}
    std::coroutine_handle<task_promise<T>> coroutine;
};

template <class Executor, class... T>
class when_all_awaiter {
public:
    when_all_awaiter(Executor* e, sluice::task<T>&&... t) : tasks_(std::move(t)...), executor_(e) {}

    static constexpr bool await_ready() noexcept { return sizeof...(T) == 0; }
    template <class Promise>
    transfer_result await_suspend(std::coroutine_handle<Promise> h) noexcept {
        return begin(h, stop_of(h), std::index_sequence_for<T...>());
    }
    std::tuple<when_all_value<T>...> await_resume() {
        return std::apply([](auto&... t) { return std::tuple<when_all_value<T>...>{take_result(t)...}; }, tasks_);
    }

private:
    template <std::size_t... I>
    transfer_result begin(std::coroutine_handle<> h, [[maybe_unused]] std::stop_token const* stop, std::index_sequence<I...>) noexcept {
        if constexpr (sizeof...(T) == 0) {
            return transfer(h, h);  // never: see await_ready
        } else {
            constexpr std::size_t last = sizeof...(T) - 1;
            (prepare(std::get<I>(tasks_), h, stop), ...);
            (start<I != last>(std::get<I>(nodes_)), ...);
            return transfer(h, std::get<last>(nodes_).coroutine);  // until now it was missing, so we were still there
        }
    }
    template <class U>
    void prepare(sluice::task<U>& t, std::coroutine_handle<> h, std::stop_token const* stop) noexcept {
        auto& p = t.internals().promise();
        p.continuation = h;
        p.completion = &counter_;
        p.stop = stop;
    }
    template <bool Now, class U>
    void start(forked<Executor, U>& n) noexcept {
        if constexpr (!Now) {
            return;
        } else if constexpr (std::is_same_v<Executor, nowhere>) {
            resume(n.coroutine);
        } else {
            try {
                n.post(*executor_);
            } catch (...) {
                resume(n.coroutine);
            }
        }
    }

    using nodes = std::tuple<forked<Executor, T>...>;

    std::tuple<sluice::task<T>...> tasks_;
    nodes            nodes_ = std::apply([](auto&... t) { return nodes{forked<Executor, T>(t)...}; }, tasks_);
    when_all_counter counter_{sizeof...(T)};
    [[maybe_unused]] Executor* executor_;
};

}  // namespace detail

/// co_await when_all(a(), b(), …): a tuple of the results.
template <class... T>
[[nodiscard]] auto when_all(task<T>... tasks) {
    return detail::when_all_awaiter<detail::nowhere, T...>(nullptr, std::move(tasks)...);
}

/// The same with tasks that run on an executor.
template <class Executor, class... T>
[[nodiscard]] auto when_all_on(Executor& executor, task<T>... tasks) {
    return detail::when_all_awaiter<Executor, T...>(&executor, std::move(tasks)...);
}

}  // namespace sluice
