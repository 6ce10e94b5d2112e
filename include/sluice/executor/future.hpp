// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// future — the result of thread_pool::submit, in one allocation together with its task.
///
/// Use it for     waiting for one task and getting what it returned or threw; a coroutine waits by co_await std::move(f)
/// Not for        many tasks (task_group)
/// Thread-safety  one future belongs to one thread at a time. Everything before submit happens before the task, and
///                everything in the task before the return of get, wait or a true wait_for
/// Progress       get and wait block. On a worker of any pool they run the task themselves if it has not begun, so a wait
///                for queued work cannot deadlock, with one thread either; they run nothing else, inside isolate neither. A task
///                that has begun is waited for asleep. co_await suspends the coroutine, and blocks no thread: the worker that
///                ran the task goes on with the coroutine, at once; if the result is there already the coroutine just goes on
/// Complexity     submit allocates once; get and co_await allocate nothing
/// Errors         what the task threw is rethrown by get, once. If the pool dropped the task (shutdown by discard) get
///                throws broken_task. An exception that nobody gets is counted (pool_metrics::errors_dropped)
///                get, wait, wait_for, wait_until require valid()
/// Units          deadlines are of std::chrono::steady_clock

#include <atomic>
#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <sluice/core/assert.hpp>
#include <sluice/executor/detail/deadline.hpp>
#include <sluice/executor/detail/future_word.hpp>
#include <sluice/executor/detail/resume.hpp>
#include <sluice/executor/detail/scheduler.hpp>
#include <type_traits>
#include <utility>

namespace sluice {

/// What get throws when the task was dropped unrun.
class broken_task : public std::exception {
public:
    [[nodiscard]] char const* what() const noexcept override { return "sluice: the task was discarded before it ran"; }
};

namespace detail {

// Ordering: word_ see detail/future_word.hpp
//   (D) refs    fetch_sub acq_rel: the last one frees
template <class R>
class future_state : public task {
public:
    using stored = std::conditional_t<std::is_void_v<R>, char,
                                      std::conditional_t<std::is_reference_v<R>, std::remove_reference_t<R>*, R>>;

    future_state(function f, void (*run)(future_state*) noexcept, void (*drop)(future_state*) noexcept,
                 void (*destroy)(future_state*) noexcept) noexcept
        : task(f), run_(run), drop_(drop), destroy_(destroy) {}

    /// From now on only the worker that it is queued for runs it, however it is waited for; or `several` are queued for it.
    void pin(bool several = false) noexcept { pinned_ = true, several_ = several; }

    [[nodiscard]] bool is_ready() const noexcept { return word_.is_ready(); }
    [[nodiscard]] bool claim() noexcept { return word_.claim(); }
    /// `asked`: a waiter runs it, so the future is alive; the other reference, the queue's, may be gone by then.
    void execute(scheduler& pool, bool asked) noexcept {
        run_(this);
        if (error_ && !asked && refs_.load(std::memory_order_acquire) == 1) {               // (D) the future is gone
            pool.errors().drop();
            error_ = nullptr;
        } else if (error_) {
            try {
                sink_ = pool.shared_errors();
            } catch (...) {
            }
        }
        complete(pool);
    }
    /// It was never queued: destroys the callable; nobody will wait.
    void abandon() noexcept { drop_(this); }
    void discard(scheduler& pool) noexcept {
        pool.count_discarded(1);
        forsake(pool);
    }
    /// Nobody will run it.
    void forsake(scheduler& pool) noexcept {
        drop_(this);
        complete(pool);
    }

    void wait(scheduler& pool) noexcept {
        pool.wait_until([this] { return word_.announce(); }, [&] { return help(pool); });
    }
    bool wait(scheduler& pool, std::chrono::steady_clock::time_point deadline) noexcept {
        return pool.wait_until([this] { return word_.announce(); }, [&] { return help(pool); }, deadline);
    }
    /// False: the result is there already. True: h, which is suspended, will be resumed, or has been.
    bool continue_with(std::coroutine_handle<> h) noexcept {
        continuation_ = h;
        return !word_.announce_continuation();
    }

    void release() noexcept {
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) {                           // (D)
            if (error_ && sink_) sink_->drop();
            destroy_(this);
        }
    }

    R take() {
        if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
        if constexpr (std::is_reference_v<R>)
            return static_cast<R>(**value());
        else if constexpr (!std::is_void_v<R>)
            return std::move(*value());
    }

    stored* value() noexcept { return std::launder(reinterpret_cast<stored*>(bytes_)); }
    template <class F>
    void set_from(F&& f) {
        if constexpr (std::is_void_v<R>)
            std::forward<F>(f)();
        else if constexpr (std::is_reference_v<R>)
            ::new (static_cast<void*>(bytes_)) stored(address_of(std::forward<F>(f)()));
        else
            ::new (static_cast<void*>(bytes_)) stored(std::forward<F>(f)());
        has_value_ = !std::is_void_v<R>;
    }
    void set_error(std::exception_ptr e) noexcept { error_ = std::move(e); }

protected:
    ~future_state() {
        if constexpr (!std::is_trivially_destructible_v<stored>)
            if (has_value_) std::destroy_at(value());
    }

private:
    bool help(scheduler& pool) noexcept {
        if (pinned_) return pool.help_with_letters(several_ ? nullptr : this);
        if (this_worker == nullptr || !claim()) return false;
        execute(pool, true);
        return true;
    }
    template <class T>
    static T* address_of(T&& object) noexcept {  // of an expiring value, too
        return std::addressof(object);
    }
    template <class T>
    static T* address_of(T& object) noexcept {
        return std::addressof(object);
    }
    void complete(scheduler& pool) noexcept {
        std::uint32_t const who = word_.complete();
        if (who != 0) tell(pool, who);
    }
    void tell(scheduler& pool, std::uint32_t who) noexcept {
        if ((who & future_word<>::awaited) != 0) pool.notify_waiters();
        if ((who & future_word<>::continued) != 0) resume(continuation_);
    }

    void (*run_)(future_state*) noexcept;
    void (*drop_)(future_state*) noexcept;
    void (*destroy_)(future_state*) noexcept;
    std::exception_ptr           error_;
    std::shared_ptr<error_sink>  sink_;
    std::coroutine_handle<>      continuation_;
    std::atomic<std::uint32_t>   refs_{2};
    future_word<>                word_;
    bool                         has_value_ = false;
    bool                         pinned_ = false;
    bool                         several_ = false;
    alignas(stored) unsigned char bytes_[sizeof(stored)];
};

template <class R, class F>
class future_task final : public future_state<R>, public slab_allocated<future_task<R, F>> {
public:
    using base = future_state<R>;

    template <class G>
    explicit future_task(G&& f) : base(&act, &run, &drop, &destroy) {
        ::new (static_cast<void*>(closure_)) F(std::forward<G>(f));
    }

private:
    F* closure() noexcept { return std::launder(reinterpret_cast<F*>(closure_)); }

    static void act(task* t, scheduler& pool, task_action a) noexcept {
        auto* const self = static_cast<future_task*>(t);
        if (self->claim()) {
            if (a == task_action::run)
                self->execute(pool, false);
            else
                self->discard(pool);
        }
        self->release();
    }
    static void run(base* b) noexcept {
        auto* const self = static_cast<future_task*>(b);
        try {
            self->set_from([self]() -> R { return std::move(*self->closure())(); });
        } catch (...) {
            self->set_error(std::current_exception());
        }
        self->destroy_closure();
    }
    static void drop(base* b) noexcept {
        static_cast<future_task*>(b)->destroy_closure();
        b->set_error(std::make_exception_ptr(broken_task()));
    }
    static void destroy(base* b) noexcept { delete static_cast<future_task*>(b); }

    void destroy_closure() noexcept {
        try {
            std::destroy_at(closure());
        } catch (...) {
            this->set_error(std::current_exception());
        }
    }

    alignas(F) unsigned char closure_[sizeof(F)];
};

}  // namespace detail

template <class R>
class [[nodiscard]] future {
public:
    future() noexcept = default;
    future(future&& other) noexcept : state_(std::exchange(other.state_, nullptr)), pool_(other.pool_) {}
    future& operator=(future&& other) noexcept {
        if (this != &other) {
            reset();
            state_ = std::exchange(other.state_, nullptr);
            pool_ = other.pool_;
        }
        return *this;
    }
    /// Does not wait: the task runs all the same.
    ~future() { reset(); }

    [[nodiscard]] bool valid() const noexcept { return state_ != nullptr; }
    [[nodiscard]] bool is_ready() const noexcept { return state_ != nullptr && state_->is_ready(); }

    /// Waits, then returns what the task returned or throws what it threw. Afterwards the future is no longer valid.
    R get() {
        wait();
        struct last {
            future& f;
            ~last() { f.reset(); }
        } const reset_after{*this};
        return state_->take();
    }

    void wait() const noexcept {
        SLUICE_ASSERT(valid());
        if (!state_->is_ready()) state_->wait(*pool_);
    }
    /// True if the result is there. On a worker these may run the task themselves and then take as long as it takes.
    [[nodiscard]] bool wait_until(std::chrono::steady_clock::time_point deadline) const noexcept {
        SLUICE_ASSERT(valid());
        if (state_->is_ready()) return true;
        if (deadline == std::chrono::steady_clock::time_point::max()) return state_->wait(*pool_), true;
        return state_->wait(*pool_, deadline);
    }
    /// Not more than nothing, NaN too: until now. Longer than the clock can say: for ever.
    template <class Rep, class Period>
    [[nodiscard]] bool wait_for(std::chrono::duration<Rep, Period> const& d) const noexcept {
        return wait_until(detail::deadline_in(d));
    }

    /// co_await std::move(f): as get, for a coroutine.
    auto operator co_await() && noexcept {
        SLUICE_ASSERT(valid());
        struct awaiter {
            future result;

            [[nodiscard]] bool await_ready() const noexcept { return result.state_->is_ready(); }
            [[nodiscard]] bool await_suspend(std::coroutine_handle<> h) const noexcept { return result.state_->continue_with(h); }
            R                  await_resume() { return result.get(); }
        };
        return awaiter{std::move(*this)};
    }

private:
    friend class thread_pool;
    template <class F>
    friend class packaged_task;
    future(detail::future_state<R>* s, detail::scheduler* p) noexcept : state_(s), pool_(p) {}
    void reset() noexcept {
        if (state_ != nullptr) std::exchange(state_, nullptr)->release();
    }

    detail::future_state<R>* state_ = nullptr;
    detail::scheduler*       pool_ = nullptr;
};

}  // namespace sluice
