// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// executor — something that runs what it is given: a thread pool, a manual_executor, a strand, one of your own.
///
/// Use it for     the Executor parameter of whatever needs work done and does not care where
/// Not for        results (thread_pool::submit), or waiting for what was posted (task_group)
/// Thread-safety  what the executor says; the library posts from any thread that uses the component, and from inside tasks
///
///   e.post(f)   takes any callable f(), also one that can only be moved, and calls it once, some time, on some thread: after
///               post, or before it returns. Or it throws, and f is never called. What is done before post happens before f.
///               What f throws goes where the executor sends errors. An executor that gives up what it was given (a shutdown
///               that discards) destroys it without a call: components in front of it notice that
///
/// Also used where an executor has them: on_worker() tells whether the calling thread is one that runs its tasks;
/// at_task_end(f), called inside a task, says that the task ends later than it returns, see manual_executor.

#include <utility>

namespace sluice {

namespace detail {

/// The least that an executor must be able to take.
struct move_only_task {
    move_only_task(move_only_task&&) noexcept {}
    move_only_task& operator=(move_only_task&&) = delete;
    void operator()() {}
};

}  // namespace detail

template <class E>
concept executor = requires(E& e, detail::move_only_task f) { e.post(std::move(f)); };

}  // namespace sluice
