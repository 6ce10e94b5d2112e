// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// sync_wait — runs a task and blocks the calling thread until it has ended.
///
/// Use it for     the way from a function into coroutines: main, a test
/// Not for        waiting inside a coroutine (co_await)
/// Thread-safety  any thread. The task begins on the calling thread; everything in it happens before sync_wait returns
/// Progress       blocks. On a worker of a thread_pool it runs that pool's queued tasks meanwhile, any of them (wait_mode::any), and is
///                woken for new ones, so that a task that needs this very worker cannot deadlock. Nested that way more than
///                thread_pool_options::help_depth times it only waits. Inside isolate it runs only what was made there
/// Errors         rethrows what the task threw
/// Example        examples/591_coroutine_fork_join.cpp

#include <mutex>
#include <sluice/core/assert.hpp>
#include <sluice/executor/detail/resume.hpp>
#include <sluice/executor/detail/helping_wait.hpp>
#include <sluice/executor/task.hpp>
#include <stop_token>
#include <utility>

namespace sluice {

namespace detail {

struct blocking_completion : task_completion {
    blocking_completion() noexcept : task_completion{&set} {}
    static bool set(task_completion& c) noexcept {
        auto&                 self = static_cast<blocking_completion&>(c);
        std::lock_guard const lock(self.mutex);
        self.done = true;
        self.changed.notify();  // under the lock: the waiter may destroy us as soon as it has it
        return false;
    }
    void wait() {
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return done; });
    }

    std::mutex   mutex;
    helping_wait changed;
    bool         done = false;
};

}  // namespace detail

/// `stop` is what the task's current_stop_token() gives.
template <class T>
T sync_wait(task<T> t, std::stop_token stop = {}) {
    SLUICE_ASSERT(t.valid());
    detail::blocking_completion end;
    auto const                  coroutine = t.internals();
    coroutine.promise().completion = &end;
    coroutine.promise().stop = &stop;
    detail::resume(coroutine);
    end.wait();
    return coroutine.promise().take();
}

}  // namespace sluice
