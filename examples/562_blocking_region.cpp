// SPDX-License-Identifier: BSL-1.0
// 562 — tasks that block lend their worker's place to others
// Build:  c++ -std=c++20 -Iinclude examples/562_blocking_region.cpp -pthread
#include <sluice/executor/blocking_region.hpp>
#include <sluice/executor/thread_pool.hpp>

#include <cstdio>
#include <latch>
#include <thread>

int main() {
    std::latch          all(4);
    sluice::thread_pool pool({.workers = 1, .min_workers = 1, .max_workers = 4});

    // Four tasks that wait for each other, and one worker. Each says that it is going to block.
    for (int i = 0; i < 4; ++i)
        pool.post([&] {
            sluice::blocking_region const region(pool);
            all.arrive_and_wait();
        });
    pool.wait_idle();
    std::printf("four met, with %d worker asked for\n", static_cast<int>(pool.size()));

    // Or for one call, with its result.
    int const answer = pool.submit([&] { return sluice::blocking(pool, [] { return 42; }); }).get();
    std::printf("the answer is %d\n", answer);

    // The substitutes leave when they have nothing to do.
    while (pool.provisioned() != 1) std::this_thread::yield();
    std::printf("and one worker is left\n");
}
// Expected output:
//   four met, with 1 worker asked for
//   the answer is 42
//   and one worker is left
