// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// async_semaphore, async_mutex — coroutines wait for permits, or for each other, without blocking a thread.
///
/// Use it for     at most n of something at once among coroutines
/// Not for        threads (std::counting_semaphore, std::mutex), or admission with a decision (flow/)
/// Thread-safety  every member from any thread. The destructor: nobody waits
/// Progress       first come, first served: a permit that is released goes to the longest waiter, nobody overtakes. The waiter goes
///                on on the thread that releases, inside release; released by a coroutine that itself goes on that way it has
///                its turn when that one has suspended or ended, so the stack does not grow. co_await schedule(pool)
///                afterwards lets the releaser go on at once
/// Complexity     a short lock; no allocation, but for a wait that can be stopped (one, by std::stop_callback's rules none, on
///                usual libraries)
/// Errors         a task whose stop token is stopped before it has the permit gets task_stopped; it then has none
///
///     co_await semaphore.acquire();  …  semaphore.release();
///     auto const lock = co_await mutex.lock();               // until the end of the block

#include <coroutine>
#include <cstddef>
#include <mutex>
#include <optional>
#include <sluice/executor/detail/resume.hpp>
#include <sluice/executor/task.hpp>
#include <stop_token>
#include <utility>

namespace sluice {

namespace detail {

/// A suspended coroutine in a list; the node is part of its awaiter.
struct ready_node {
    std::coroutine_handle<> coroutine{};
    ready_node*             next = nullptr;
    ready_node*             previous = nullptr;
};

/// A doubly linked list, first in first out.
class ready_list {
public:
    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    void               push(ready_node& n) noexcept {
        n.next = nullptr;
        n.previous = last_;
        (last_ != nullptr ? last_->next : first_) = &n;
        last_ = &n;
    }
    void erase(ready_node& n) noexcept {
        (n.previous != nullptr ? n.previous->next : first_) = n.next;
        (n.next != nullptr ? n.next->previous : last_) = n.previous;
    }
    ready_node& pop() noexcept {
        ready_node& n = *first_;
        erase(n);
        return n;
    }

private:
    ready_node* first_ = nullptr;
    ready_node* last_ = nullptr;
};

inline constinit thread_local ready_list* resuming_here = nullptr;

/// Resumes them one after the other; what they make ready meanwhile, on this thread, comes behind them.
inline void resume_in_turn(ready_list& ready) noexcept {
    if (resuming_here != nullptr) {
        while (!ready.empty()) resuming_here->push(ready.pop());
        return;
    }
    resuming_here = &ready;
    while (!ready.empty()) resume(ready.pop().coroutine);
    resuming_here = nullptr;
}

}  // namespace detail

class async_semaphore {
    class acquirer;

public:
    explicit async_semaphore(std::size_t permits) noexcept : permits_(permits) {}
    async_semaphore(async_semaphore const&) = delete;
    async_semaphore& operator=(async_semaphore const&) = delete;

    /// co_await acquire(): takes a permit, if need be later.
    [[nodiscard]] acquirer acquire() noexcept { return acquirer(*this); }

    [[nodiscard]] bool try_acquire() noexcept {
        std::lock_guard const lock(mutex_);
        if (permits_ == 0) return false;
        --permits_;
        return true;
    }

    void release(std::size_t n = 1) noexcept {
        detail::ready_list ready;
        {
            std::lock_guard const lock(mutex_);
            for (; n > 0 && !waiting_.empty(); --n) {
                auto& a = static_cast<acquirer&>(waiting_.pop());
                a.now_ = acquirer::granted;
                ready.push(a);
            }
            permits_ += n;
        }
        detail::resume_in_turn(ready);
    }

    /// Permits that nobody has, at this moment.
    [[nodiscard]] std::size_t available_approx() const noexcept {
        std::lock_guard const lock(mutex_);
        return permits_;
    }

private:
    class acquirer : detail::ready_node {
    public:
        explicit acquirer(async_semaphore& s) noexcept : semaphore_(s) {}

        static constexpr bool await_ready() noexcept { return false; }
        template <class Promise>
        bool await_suspend(std::coroutine_handle<Promise> h) {
            coroutine = h;
            std::stop_token const* const stop = detail::stop_of(h);
            if (detail::stop_requested(stop)) {
                now_ = stopped;
                return false;
            }
            if (semaphore_.try_acquire()) {
                now_ = granted;
                return false;
            }
            // Before it is queued: afterwards it may be resumed, and gone, at any time.
            if (stop != nullptr && stop->stop_possible()) callback_.emplace(*stop, stopper{*this});
            std::lock_guard const lock(semaphore_.mutex_);
            if (now_ == stopped) return false;
            if (semaphore_.permits_ > 0) {
                --semaphore_.permits_;
                now_ = granted;
                return false;
            }
            now_ = queued;
            semaphore_.waiting_.push(*this);
            return true;
        }
        void await_resume() {
            callback_.reset();
            if (now_ == stopped) throw task_stopped();
        }

    private:
        friend async_semaphore;
        enum phase : unsigned char { fresh, queued, granted, stopped };
        struct stopper {
            acquirer& a;
            void      operator()() noexcept { a.stop(); }
        };
        void stop() noexcept {
            detail::ready_list ready;
            {
                std::lock_guard const lock(semaphore_.mutex_);
                if (now_ == granted) return;
                if (now_ == queued) {
                    semaphore_.waiting_.erase(*this);
                    ready.push(*this);
                }
                now_ = stopped;
            }
            detail::resume_in_turn(ready);
        }

        async_semaphore& semaphore_;
        phase            now_ = fresh;
        std::optional<std::stop_callback<stopper>> callback_;
    };

    std::mutex mutable mutex_;
    std::size_t        permits_;
    detail::ready_list waiting_;
};

/// A semaphore with one permit, and a guard that gives it back.
class async_mutex {
public:
    class [[nodiscard]] guard {
    public:
        explicit guard(async_mutex& m) noexcept : mutex_(&m) {}
        guard(guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
        guard& operator=(guard&&) = delete;
        ~guard() {
            if (mutex_ != nullptr) mutex_->one_.release();
        }

    private:
        async_mutex* mutex_;
    };

    async_mutex() noexcept : one_(1) {}

    /// co_await lock(): a guard, once nobody else has one.
    [[nodiscard]] auto lock() noexcept { return locker{one_.acquire(), *this}; }

private:
    using acquirer = decltype(std::declval<async_semaphore&>().acquire());
    struct locker {
        acquirer     one;
        async_mutex& mutex;

        static constexpr bool await_ready() noexcept { return false; }
        template <class Promise>
        bool await_suspend(std::coroutine_handle<Promise> h) {
            return one.await_suspend(h);
        }
        guard await_resume() {
            one.await_resume();
            return guard(mutex);
        }
    };

    async_semaphore one_;
};

}  // namespace sluice
