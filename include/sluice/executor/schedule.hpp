// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// schedule, start_on, resume_on — on which executor a coroutine goes on.
///
/// Use it for     co_await schedule(pool): from here on the coroutine runs on the pool
/// Thread-safety  as task
/// Progress       schedule always goes through the executor's queue, also from one of its own threads: it is a yield, too
/// Complexity     one post. On a thread_pool the node is part of the coroutine's frame: no allocation. Any other executor gets a
///                callable of two pointers, and a small block is allocated, which says that the executor dropped the callable
/// Errors         co_await schedule(e) throws, on the thread it was on, what post throws (the coroutine then is where it was);
///                task_stopped if a stop was requested before, or while it was queued; broken_task, wherever it happens to be,
///                if the executor destroys what was posted without running it (shutdown by discard)
/// Example        examples/591_coroutine_fork_join.cpp

#include <atomic>
#include <concepts>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <sluice/executor/detail/resume.hpp>
#include <sluice/executor/detail/scheduler.hpp>
#include <sluice/executor/detail/task.hpp>
#include <sluice/executor/future.hpp>
#include <sluice/executor/task.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {

/// An executor that takes nodes as they are: thread_pool.
template <class Executor>
concept takes_nodes = requires(Executor& e) {
    { e.internals() } -> std::same_as<scheduler&>;
};

/// Something that an executor is to run once, and that lives until it has, in its owner's memory. `end(*this, ran)`.
template <class Executor>
class posted_node;

template <takes_nodes Executor>
class posted_node<Executor> : public detail::task {
public:
    explicit posted_node(void (*end)(posted_node&, bool ran) noexcept) noexcept : detail::task(&act_on), end_(end) {}
    /// If it throws there was no effect. Otherwise the node may be gone.
    void post(Executor& e) {
        if (!e.internals().submit(this)) throw pool_closed();
    }

private:
    static void act_on(detail::task* t, scheduler& pool, task_action a) noexcept {
        if (a != task_action::run) pool.count_discarded(1);
        auto* const self = static_cast<posted_node*>(t);
        self->end_(*self, a == task_action::run);
    }
    void (*end_)(posted_node&, bool) noexcept;
};

// Ordering
//   (A) drop  state exchange acq_rel, by the poster when post has returned and by the destructor of a callable that was not
//             run: the second of them ends the node. If post throws, only the poster's word counts

template <class Executor>
    requires(!takes_nodes<Executor>)
class posted_node<Executor> {
public:
    explicit posted_node(void (*end)(posted_node&, bool ran) noexcept) noexcept : end_(end) {}

    void post(Executor& e) {
        auto const state = std::make_shared<std::atomic<int>>(0);
        e.post(callable(this, state));
        if (state->exchange(1, std::memory_order_acq_rel) == 2) end_(*this, false);         // (A)
    }

private:
    class callable {
    public:
        callable(posted_node* n, std::shared_ptr<std::atomic<int>> s) noexcept : node_(n), state_(std::move(s)) {}
        callable(callable&& other) noexcept : node_(std::exchange(other.node_, nullptr)), state_(std::move(other.state_)) {}
        callable& operator=(callable&&) = delete;
        ~callable() {
            if (node_ != nullptr && state_->exchange(2, std::memory_order_acq_rel) == 1) node_->end_(*node_, false);  // (A)
        }
        void operator()() noexcept {
            posted_node& n = *std::exchange(node_, nullptr);
            n.end_(n, true);
        }

    private:
        posted_node*                      node_;
        std::shared_ptr<std::atomic<int>> state_;
    };
    void (*end_)(posted_node&, bool) noexcept;
};

template <class Executor>
class schedule_awaiter : posted_node<Executor> {
public:
    explicit schedule_awaiter(Executor& e) noexcept : posted_node<Executor>(&end), executor_(e) {}

    static constexpr bool await_ready() noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
        stop_ = stop_of(h);
        if (stop_requested(stop_)) return false;
        coroutine_ = h;
        this->post(executor_);
        return true;
    }
    void await_resume() const {
        if (dropped_) throw broken_task();
        if (stop_requested(stop_)) throw task_stopped();
    }

private:
    static void end(posted_node<Executor>& n, bool ran) noexcept {
        auto& self = static_cast<schedule_awaiter&>(n);
        self.dropped_ = !ran;
        resume(self.coroutine_);
    }

    Executor&               executor_;
    std::coroutine_handle<> coroutine_;
    std::stop_token const*  stop_ = nullptr;
    bool                    dropped_ = false;
};

}  // namespace detail

/// co_await schedule(executor): the coroutine goes on there. The executor has to be there as long.
template <class Executor>
[[nodiscard]] auto schedule(Executor& executor) noexcept {
    return detail::schedule_awaiter<Executor>(executor);
}

/// The same task, but it begins on the executor. It ends wherever it ends.
template <class Executor, class T>
[[nodiscard]] task<T> start_on(Executor& executor, task<T> t) {
    co_await schedule(executor);
    co_return co_await std::move(t);
}

/// The same task, but who awaits it goes on on the executor, whether it returned or threw.
template <class Executor, class T>
[[nodiscard]] task<T> resume_on(Executor& executor, task<T> t) {
    std::exception_ptr error;
    if constexpr (std::is_void_v<T>) {
        try {
            co_await std::move(t);
        } catch (...) {
            error = std::current_exception();
        }
        co_await schedule(executor);
        if (error) std::rethrow_exception(error);
    } else if constexpr (std::is_reference_v<T>) {
        std::remove_reference_t<T>* result = nullptr;
        try {
            auto&& r = co_await std::move(t);
            result = std::addressof(r);
        } catch (...) {
            error = std::current_exception();
        }
        co_await schedule(executor);
        if (error) std::rethrow_exception(error);
        co_return static_cast<T>(*result);
    } else {
        std::optional<T> result;
        try {
            result.emplace(co_await std::move(t));
        } catch (...) {
            error = std::current_exception();
        }
        co_await schedule(executor);
        if (error) std::rethrow_exception(error);
        co_return std::move(*result);
    }
}

}  // namespace sluice
