// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// async_scope — tasks that are begun now and awaited together later.
///
/// Use it for     any number of tasks, found one after the other, none of which may outlive what they refer to
/// Not for        a few tasks whose results are wanted (when_all)
/// Thread-safety  spawn, join, request_stop, get_token, size: any thread. The destructor: no call may be under way
/// Progress       spawn runs the task up to its first suspension, on the calling thread (start_on to begin elsewhere). co_await
///                join() suspends, and goes on on the thread that ended the last task. The destructor requests a stop and
///                blocks until every task has ended; on a worker of a pool it runs that pool's tasks meanwhile, as sync_wait does
/// Complexity     one small block for each task besides its frame; one lock when it begins and one when it ends
/// Errors         the first exception of a task requests a stop, for the tasks of this scope only, and is rethrown by the next
///                join; later ones are counted (dropped). task_stopped is no error. An exception that nobody joins is dropped by
///                the destructor. spawn may throw std::bad_alloc; then the task does not run
///
///     sluice::async_scope scope;
///     for (auto& r : requests) scope.spawn(sluice::start_on(pool, serve(r)));
///     co_await scope.join();                                 // again usable afterwards

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <sluice/core/assert.hpp>
#include <sluice/executor/detail/frame_memory.hpp>
#include <sluice/executor/detail/resume.hpp>
#include <sluice/executor/detail/helping_wait.hpp>
#include <sluice/executor/task.hpp>
#include <stop_token>
#include <utility>

namespace sluice {

class async_scope {
public:
    /// A stop of `parent` is a stop of the scope.
    explicit async_scope(std::stop_token parent = {}) : token_(source_.get_token()) {
        if (parent.stop_possible()) parent_.emplace(std::move(parent), stopper{source_});
    }
    async_scope(async_scope const&) = delete;
    async_scope& operator=(async_scope const&) = delete;
    ~async_scope() {
        request_stop();
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return left_ == 0; });
    }

    /// What the task returns is destroyed.
    template <class T>
    void spawn(task<T> t) {
        SLUICE_ASSERT(t.valid());
        auto* const o = new operation<T>(*this, std::move(t));
        {
            std::lock_guard const lock(mutex_);
            ++left_;
        }
        detail::resume(o->task.internals());
    }

    /// co_await join(): until no task is left; then the first exception is rethrown.
    [[nodiscard]] auto join() noexcept { return joiner{*this}; }

    void request_stop() noexcept { source_.request_stop(); }
    [[nodiscard]] std::stop_token get_token() const noexcept { return token_; }

    /// Tasks that have not ended.
    [[nodiscard]] std::size_t size() const noexcept {
        std::lock_guard const lock(mutex_);
        return left_;
    }
    /// Exceptions that came after the first one, since the scope was made.
    [[nodiscard]] std::uint64_t dropped() const noexcept {
        std::lock_guard const lock(mutex_);
        return dropped_;
    }

private:
    struct stopper {
        std::stop_source source;
        void             operator()() noexcept { source.request_stop(); }
    };

    template <class T>
    struct operation : detail::task_completion {
        operation(async_scope& s, sluice::task<T>&& t) noexcept
            : detail::task_completion{&arrived}, scope(s), task(std::move(t)) {
            task.internals().promise().completion = this;
            task.internals().promise().stop = &s.token_;
        }
        static bool arrived(detail::task_completion& c) noexcept {
            auto* const        self = static_cast<operation*>(&c);
            async_scope&       s = self->scope;
            std::exception_ptr error = std::move(self->task.internals().promise().error);
            delete self;  // the frame, too: what it refers to may go when we are no longer counted
            s.finish(std::move(error));
            return false;
        }
        static void* operator new(std::size_t size) { return detail::frame_memory::allocate(size); }
        static void  operator delete(void* p, std::size_t size) noexcept { detail::frame_memory::deallocate(p, size); }

        async_scope&    scope;
        sluice::task<T> task;
    };

    struct joiner {
        async_scope&            scope;
        std::coroutine_handle<> coroutine{};
        joiner*                 next = nullptr;

        static constexpr bool await_ready() noexcept { return false; }
        bool                  await_suspend(std::coroutine_handle<> h) noexcept {
            coroutine = h;
            std::lock_guard const lock(scope.mutex_);
            if (scope.left_ == 0) return false;
            next = std::exchange(scope.joiners_, this);
            return true;
        }
        void await_resume() {
            std::unique_lock   lock(scope.mutex_);
            std::exception_ptr error = std::exchange(scope.error_, nullptr);
            lock.unlock();
            if (error) std::rethrow_exception(std::move(error));
        }
    };

    static bool is_stop(std::exception_ptr const& e) noexcept {
        try {
            std::rethrow_exception(e);
        } catch (task_stopped const&) {
            return true;
        } catch (...) {
            return false;
        }
    }

    void finish(std::exception_ptr error) noexcept {
        if (error && !is_stop(error)) {
            bool first = false;
            {
                std::lock_guard const lock(mutex_);
                first = !error_;
                if (first)
                    error_ = std::move(error);
                else
                    ++dropped_;
            }
            if (first) request_stop();  // without the lock: it calls others
        }
        joiner* all = nullptr;
        {
            std::lock_guard const lock(mutex_);
            if (--left_ != 0) return;
            all = std::exchange(joiners_, nullptr);
            changed_.notify();
        }
        while (all != nullptr) {  // from here on the scope may be gone
            joiner* const next = all->next;
            detail::resume(all->coroutine);
            all = next;
        }
    }

    std::stop_source        source_;
    std::stop_token         token_;
    std::mutex mutable      mutex_;
    detail::helping_wait    changed_;
    std::size_t             left_ = 0;
    std::uint64_t           dropped_ = 0;
    joiner*                 joiners_ = nullptr;
    std::exception_ptr      error_;
    std::optional<std::stop_callback<stopper>> parent_;
};

}  // namespace sluice
