// SPDX-License-Identifier: BSL-1.0
// 510 — a pool of threads: tasks that nobody waits for, tasks with a result, and many at once.
// Build:  c++ -std=c++20 -Iinclude examples/510_thread_pool.cpp -pthread
#include <sluice/executor/thread_pool.hpp>
#include <atomic>
#include <cstdio>

int main() {
    // What tasks look at is declared before the pool: its destructor runs what is left, then joins the threads, and only then
    // do these two end.
    std::atomic<int>    posted{0};
    std::atomic<long>   sum{0};
    sluice::thread_pool pool(4);

    // post: run it some time. What it throws would go to the pool's error handler.
    for (int i = 0; i < 100; ++i) pool.post([&] { ++posted; });
    pool.wait_idle();
    std::printf("posted  %d\n", posted.load());

    // submit: the future has the result. On a worker, get() runs the task itself if nobody has begun it.
    auto answer = pool.submit([&pool] {
        auto half = pool.submit([] { return 21; });
        return 2 * half.get();
    });
    std::printf("answer  %d\n", answer.get());

    // post_bulk: f(0) … f(n-1) a few nanoseconds each.
    pool.post_bulk(1000, [&](std::size_t i) { sum += static_cast<long>(i); });
    pool.wait_idle();
    std::printf("sum     %ld\n", sum.load());
}
// Expected output:
//   posted  100
//   answer  42
//   sum     499500
