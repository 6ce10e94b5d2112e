// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::call_on_worker — moves a recursion that forks to where forks can be stolen.
///
/// Thread-safety  any thread; from outside the pool the caller sleeps until f has returned on a worker
/// Complexity     nothing on a worker; otherwise one allocation and a wake-up
/// Errors         what f throws is rethrown; std::bad_alloc, and then f has not been called

#include <sluice/executor/future.hpp>
#include <sluice/executor/thread_pool.hpp>

namespace sluice::detail {

/// Runs f() on a worker of the pool, or here: on a worker already, or if the pool has been closed, or drops its work before f has begun.
template <class F>
void call_on_worker(thread_pool& pool, F&& f) {
    if (pool.on_worker()) return f();
    bool         begun = false;
    future<void> done;
    try {
        done = pool.submit([&] {
            begun = true;
            f();
        });
    } catch (pool_closed const&) {
        return f();
    }
    done.wait();
    if (!begun) return f();
    done.get();
}

}  // namespace sluice::detail
