// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// blocking_region, blocking — a worker that is going to block lends its place to another thread meanwhile.
///
/// Use it for     waiting inside a task for something that is no work of the pool: a file, a socket, a lock, a condition
/// Not for        waiting for futures, groups and loops: these run what they wait for
/// Thread-safety  the thread that made it. From a thread that is no worker of the pool, an attached one too, it has no effect
/// Progress       takes a lock that is held while a thread is started, never while a task runs
/// Complexity     beginning: a thread's start, or nothing if one is left from an earlier region. Inside another one of the same
///                worker: an addition
/// Errors         none: if no thread can be started, or max_workers are there, the worker blocks without a substitute
///
/// While k workers block, k more threads than size() work, up to max_workers: so a pool whose size is fixed has none, and
/// more tasks that block on each other than max_workers do not progress. A substitute is not sent away in the middle of the
/// load: when the region ends it goes on until it has nothing to do, and is the first to be lent again until then.
///
/// Example        examples/562_blocking_region.cpp

#include <sluice/executor/detail/scheduler.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <utility>

namespace sluice {

class [[nodiscard]] blocking_region {
public:
    explicit blocking_region(thread_pool& pool) noexcept : me_(pool.internals().here()) {
        if (me_ != nullptr) me_->owner.begin_blocking(*me_);
    }
    blocking_region(blocking_region const&) = delete;
    blocking_region& operator=(blocking_region const&) = delete;
    ~blocking_region() {
        if (me_ != nullptr) me_->owner.end_blocking(*me_);
    }

private:
    detail::worker* me_;
};

/// f() in a blocking_region; returns what it returns.
template <class F>
decltype(auto) blocking(thread_pool& pool, F&& f) {
    blocking_region const region(pool);
    return std::forward<F>(f)();
}

}  // namespace sluice
