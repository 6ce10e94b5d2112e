// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// sync_wait — runs a task and blocks the calling thread until it has ended.
///
/// Use it for     the way from a function into coroutines: main, a test
/// Not for        waiting inside a coroutine (co_await)
/// Thread-safety  any thread. The task begins on the calling thread; everything in it happens before sync_wait returns
/// Progress       blocks. On a worker of a thread_pool it runs that pool's queued tasks meanwhile, any of them, and looks for more
///                once a millisecond, so that a task that needs this very worker cannot deadlock. Nested that way more than
///                thread_pool_options::help_depth times it only waits
/// Errors         rethrows what the task threw
/// Example        examples/591_coroutine_fork_join.cpp

#include <condition_variable>
#include <mutex>
#include <sluice/core/assert.hpp>
#include <sluice/executor/detail/resume.hpp>
#include <sluice/executor/detail/wait_or_help.hpp>
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
        self.changed.notify_one();  // under the lock: the waiter may destroy us as soon as it has it
        return false;
    }
    void wait() {
        std::unique_lock lock(mutex);
        wait_or_help(lock, changed, [this] { return done; });
    }

    std::mutex              mutex;
    std::condition_variable changed;
    bool                    done = false;
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
