// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// task — a coroutine that runs when it is awaited, and hands its result to whoever awaited it.
///
/// Use it for     asynchronous code that reads like a function: co_await suspends it without blocking a thread
/// Not for        code that never waits (a function), or a result that several want
/// Thread-safety  a task belongs to one thread at a time. It begins on the thread that awaits it and goes on where what it
///                awaits resumes it: schedule(executor) says where. Everything before a suspension happens before what follows
/// Progress       nothing waits. Who awaits a task that ends without suspending goes on at once; no length of such a chain
///                makes the stack grow, with any compiler (see detail/resume.hpp)
/// Complexity     a frame for each call: the coroutine's variables and arguments, and about 100 bytes on a 64-bit target; up to
///                1 KiB it comes from the thread's own store (detail/frame_memory.hpp), without an atomic operation. gcc never
///                leaves a frame out; clang seldom does, as a task may be moved
/// Errors         what the coroutine throws is rethrown by co_await. Calling it may throw std::bad_alloc: no frame, no effect. A task
///                that is destroyed before it was awaited never runs; its arguments are destroyed. Destroying one that is
///                suspended in the middle requires that nothing will resume it
/// Source         lazy tasks with a continuation: L. Baker, "C++ coroutines: understanding symmetric transfer", 2020
/// Example        examples/591_coroutine_fork_join.cpp
///
/// Cancellation: a task has its awaiter's stop token, and the outermost one that of sync_wait or async_scope.
/// co_await current_stop_token() gives it. What can be stopped (schedule, async_semaphore) throws task_stopped when it was.

#include <concepts>
#include <coroutine>
#include <exception>
#include <memory>
#include <new>
#include <sluice/core/assert.hpp>
#include <sluice/executor/detail/frame_memory.hpp>
#include <sluice/executor/detail/resume.hpp>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice {

/// What a co_await throws that gave up because a stop was requested.
class task_stopped : public std::exception {
public:
    [[nodiscard]] char const* what() const noexcept override { return "sluice: a stop was requested"; }
};

template <class T = void>
class task;

namespace detail {

/// Told when a task has ended, if it is not simply awaited. True: the continuation goes on. False: the task may be gone.
struct task_completion {
    bool (*arrived)(task_completion&) noexcept;
};

struct task_promise_base {
    struct final_awaiter {
        static constexpr bool await_ready() noexcept { return false; }
        template <class Promise>
        transfer_result await_suspend(std::coroutine_handle<Promise> h) const noexcept {
            task_promise_base& p = h.promise();
            if (p.completion != nullptr && !p.completion->arrived(*p.completion)) return transfer_nowhere();
            return transfer(h, p.continuation);
        }
        static constexpr void await_resume() noexcept {}
    };

    static std::suspend_always initial_suspend() noexcept { return {}; }
    static final_awaiter       final_suspend() noexcept { return {}; }
    void                       unhandled_exception() noexcept { error = std::current_exception(); }

    static void* operator new(std::size_t size) { return frame_memory::allocate(size); }
    static void  operator delete(void* p, std::size_t size) noexcept { frame_memory::deallocate(p, size); }

    std::coroutine_handle<> continuation;
    task_completion*        completion = nullptr;
    std::stop_token const*  stop = nullptr;  // the outermost awaiter's, which is there as long as the task runs
    [[nodiscard]] std::stop_token const* stop_pointer() const noexcept { return stop; }
    std::exception_ptr      error;
};

template <class T>
struct task_promise : task_promise_base {
    using stored = std::conditional_t<std::is_reference_v<T>, std::remove_reference_t<T>*, T>;

    task_promise() noexcept {}  // NOLINT: the value comes later
    ~task_promise() {
        if constexpr (!std::is_trivially_destructible_v<stored>)
            if (has_value) std::destroy_at(value());
    }
    sluice::task<T> get_return_object() noexcept;

    template <class U = T>
        requires std::convertible_to<U, T>
    void return_value(U&& u) noexcept(std::is_nothrow_constructible_v<T, U>) {
        if constexpr (std::is_reference_v<T>) {
            T r = static_cast<U&&>(u);
            ::new (static_cast<void*>(bytes)) stored(std::addressof(r));
        } else {
            ::new (static_cast<void*>(bytes)) stored(std::forward<U>(u));
        }
        has_value = true;
    }
    T take() {
        if (error) std::rethrow_exception(std::exchange(error, nullptr));
        if constexpr (std::is_reference_v<T>)
            return static_cast<T>(**value());
        else
            return std::move(*value());
    }

private:
    stored* value() noexcept { return std::launder(reinterpret_cast<stored*>(bytes)); }

    bool has_value = false;
    alignas(stored) unsigned char bytes[sizeof(stored)];
};

template <>
struct task_promise<void> : task_promise_base {
    sluice::task<void> get_return_object() noexcept;
    static void        return_void() noexcept {}
    void               take() {
        if (error) std::rethrow_exception(std::exchange(error, nullptr));
    }
};

/// The stop token that an awaiting coroutine has, or null.
template <class Promise>
[[nodiscard]] std::stop_token const* stop_of(std::coroutine_handle<Promise> h) noexcept {
    if constexpr (requires { { h.promise().stop_pointer() } -> std::same_as<std::stop_token const*>; })
        return h.promise().stop_pointer();
    else
        return nullptr;
}

template <class T>
struct task_awaiter {
    std::coroutine_handle<task_promise<T>> coroutine;

    static constexpr bool await_ready() noexcept { return false; }
    template <class Promise>
    transfer_result await_suspend(std::coroutine_handle<Promise> awaiting) const noexcept {
        coroutine.promise().continuation = awaiting;
        coroutine.promise().stop = stop_of(awaiting);
        return transfer(awaiting, coroutine);
    }
    T await_resume() const { return coroutine.promise().take(); }
};

struct stop_token_awaiter {
    std::stop_token token{};

    static constexpr bool await_ready() noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
        if (auto const* const stop = stop_of(h)) token = *stop;
        return false;
    }
    std::stop_token await_resume() noexcept { return std::move(token); }
};

[[nodiscard]] inline bool stop_requested(std::stop_token const* stop) noexcept { return stop != nullptr && stop->stop_requested(); }

}  // namespace detail

template <class T>
class [[nodiscard]] task {
public:
    using promise_type = detail::task_promise<T>;
    using value_type = T;

    task() noexcept = default;
    task(task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
    task& operator=(task&& other) noexcept {
        if (this != &other) {
            reset();
            coroutine_ = std::exchange(other.coroutine_, nullptr);
        }
        return *this;
    }
    ~task() { reset(); }

    /// False after a move from it.
    [[nodiscard]] bool valid() const noexcept { return coroutine_ != nullptr; }

    /// co_await std::move(t), once: runs the task, then gives its result.
    auto operator co_await() && noexcept {
        SLUICE_ASSERT(valid());
        return detail::task_awaiter<T>{coroutine_};
    }

    /// For sync_wait, async_scope and when_all: they tell the promise what to do in the end, and resume it.
    [[nodiscard]] std::coroutine_handle<promise_type> internals() const noexcept { return coroutine_; }

private:
    friend promise_type;
    explicit task(std::coroutine_handle<promise_type> h) noexcept : coroutine_(h) {}
    void reset() noexcept {
        if (coroutine_ != nullptr) std::exchange(coroutine_, nullptr).destroy();
    }

    std::coroutine_handle<promise_type> coroutine_;
};

template <class T>
task<T> detail::task_promise<T>::get_return_object() noexcept {
    return sluice::task<T>(std::coroutine_handle<task_promise>::from_promise(*this));
}
inline task<void> detail::task_promise<void>::get_return_object() noexcept {
    return sluice::task<void>(std::coroutine_handle<task_promise>::from_promise(*this));
}

/// co_await current_stop_token() inside a task: the token that says whether its result is still wanted.
[[nodiscard]] inline detail::stop_token_awaiter current_stop_token() noexcept { return {}; }

}  // namespace sluice
