// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// isolate — calls a function; a worker that waits inside runs nothing but what was made inside.
///
/// Use it for     waiting while a lock is held, a thread-local or a buffer of this thread is in use: what else is queued stays out
/// Not for        waits for a group, a future, a parallel_invoke or a loop alone: these run no foreign work anyway (task_group,
///                future); isolate narrows wait_mode::any, sync_wait, the destructor of async_scope, try_run_one and groups below groups
/// Thread-safety  any thread. One that is no worker of a pool, or one that only helps by try_run_one, just calls f
/// Progress       see below: what is waited for inside must not need a task that was made outside
/// Complexity     one allocation, and one more for each task that is submitted inside, whoever runs it there; parallel_invoke inside
///                costs a few ns more for each function. Where nobody isolates: nothing
/// Errors         std::bad_alloc, and then f is not called; what f throws
/// Source         the idea: oneTBB's this_task_arena::isolate
/// Differs        tasks of the group that is waited for itself are run wherever they were made, so that a wait for a group cannot
///                deadlock here either; a region inside another one is part of it
///
/// Made inside is what f, and whatever was made inside and runs on any worker, gives to its own worker's pool meanwhile: tasks of groups
/// (wherever the group was made), posts, futures, coroutines that are scheduled, pieces of loops, halves of parallel_invoke. They carry
/// the region with them: a worker that runs one is in it, and waits there as f does. A future that its waiter runs itself runs where
/// the waiter is; an item of a graph or a pipeline, where whoever works on that is.
///
/// Not inside, and not run by a waiter inside: what other threads and timers submit, letters (post_on, broadcast; except the one that
/// is waited for, so two workers may not wait for each other's letters inside), what goes to another pool. A coroutine that
/// sync_wait drives inside and that such a task has to resume needs another worker for it. A worker that posts inside to a full
/// queued_executor is told so at once. What is waited for asleep, begun elsewhere or not a task, is waited for as ever.
///
///     std::lock_guard const lock(mutex);
///     sluice::isolate([&] { group.wait(sluice::wait_mode::any); });     // nothing that takes the mutex is begun here

#include <sluice/executor/detail/isolation.hpp>
#include <sluice/executor/detail/worker.hpp>
#include <type_traits>
#include <utility>

namespace sluice {

/// f(), once.
template <class F>
decltype(auto) isolate(F&& f) {
    static_assert(std::is_invocable_v<F>, "isolate needs a callable without parameters");
    detail::worker* const me = detail::this_worker;
    if (me == nullptr) return std::forward<F>(f)();
    detail::isolation_scope const in(*me, detail::isolation::make(me->isolated));
    return std::forward<F>(f)();
}

}  // namespace sluice
