// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::scheduler_observer — a table of functions that the pool calls on its rare paths.
///
/// Use it for     tracing and tests; the observers for users are written on top of it
/// Not for        counting tasks: posting and running one calls nothing here
/// Thread-safety  the functions are called from several threads at once
/// Complexity     one look at a pointer on paths that cost a system call or a cache miss anyway
/// Errors         the functions must not throw (they are noexcept), and must not call the pool, whose lock may be held; they
///                may read its observers
/// Units          numbers of workers, as thread_pool::this_worker_index tells them

#include <cstddef>

namespace sluice::detail {

/// Functions that are null are not called. The table and the context live at least as long as the pool.
struct scheduler_observer {
    void* context = nullptr;
    /// The thief took n entries out of the victim's queues: a task, a chain of tasks or a fork each.
    void (*steal)(void* context, std::size_t thief, std::size_t victim, std::size_t n) noexcept = nullptr;
    /// The worker goes to sleep for want of work, or because the pool is paused; it is awake again.
    void (*park)(void* context, std::size_t worker) noexcept = nullptr;
    void (*unpark)(void* context, std::size_t worker) noexcept = nullptr;
    /// On the worker's thread, before its first task and after its last one; an attached thread's too.
    void (*start)(void* context, std::size_t worker) noexcept = nullptr;
    void (*exit)(void* context, std::size_t worker) noexcept = nullptr;
    /// So many workers were wanted, and so many are now; on the thread that asked for it.
    void (*resize)(void* context, std::size_t from, std::size_t to) noexcept = nullptr;
};

}  // namespace sluice::detail
