// SPDX-License-Identifier: BSL-1.0
// 591 — coroutines on a pool: fork and join, waiting for a future without blocking a worker, and changing threads.
// Build:  c++ -std=c++20 -Iinclude examples/591_coroutine_fork_join.cpp -pthread
#include <sluice/executor/schedule.hpp>
#include <sluice/executor/sync_wait.hpp>
#include <sluice/executor/task.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/executor/when_all.hpp>
#include <cstdio>
#include <stdexcept>
#include <utility>

using sluice::task;

task<int> fib(sluice::thread_pool& pool, int n) {
    if (n < 2) co_return n;
    auto [a, b] = co_await sluice::when_all_on(pool, fib(pool, n - 1), fib(pool, n - 2));  // no thread waits
    co_return a + b;
}

task<> visit(sluice::thread_pool& pool) {
    std::printf("on a worker: %d\n", pool.on_worker());
    co_await schedule(pool);  // from here on
    std::printf("on a worker: %d\n", pool.on_worker());

    auto answer = pool.submit([] { return 42; });  // the pool has one thread, and this coroutine does not keep it
    std::printf("the answer:  %d\n", co_await std::move(answer));

    try {
        co_await pool.submit([] { throw std::runtime_error("from a future"); });
    } catch (std::exception const& e) {
        std::printf("caught:      %s\n", e.what());
    }
}

int main() {
    sluice::thread_pool one(1), pool(2);
    sync_wait(visit(one));
    std::printf("fib(15):     %d\n", sync_wait(start_on(pool, fib(pool, 15))));
}
// Expected output:
//   on a worker: 0
//   on a worker: 1
//   the answer:  42
//   caught:      from a future
//   fib(15):     610
