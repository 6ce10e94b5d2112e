// SPDX-License-Identifier: BSL-1.0
// 560 — a pool that follows demand: hands are added while much is queued, and leave between two tasks when they are too many.
// Build:  c++ -std=c++20 -O2 -Iinclude examples/560_resize.cpp -pthread
#include <sluice/executor/thread_pool.hpp>
#include <atomic>
#include <cstdio>
#include <latch>
#include <thread>

void settle(sluice::thread_pool& pool, std::size_t n) {  // request_size returns at once; threads come and go when they can
    while (pool.provisioned() != n || pool.ready() != n) std::this_thread::yield();
}

int main() {
    std::atomic<int>    done{0};
    sluice::thread_pool pool({.workers = 2, .min_workers = 1, .max_workers = 8});

    for (int const demand : {2, 8, 3, 1}) {
        pool.request_size(static_cast<std::size_t>(demand));
        settle(pool, static_cast<std::size_t>(demand));
        std::latch together(demand);  // passes only if that many tasks run at once
        for (int i = 0; i < demand; ++i)
            pool.post([&] {
                together.arrive_and_wait();
                ++done;
            });
        pool.wait_idle();
        std::printf("asked for %d, %d tasks run at once\n", demand, demand);
    }

    // A worker in the middle of a task does not leave; the others do.
    pool.request_size(4);
    settle(pool, 4);
    std::latch begun(3), end(1);
    for (int i = 0; i < 3; ++i)
        pool.post([&] {
            begun.count_down();
            end.wait();
            ++done;
        });
    begun.wait();
    pool.request_size(1);
    settle(pool, 3);
    std::printf("asked for %zu, %zu still have a task\n", pool.size(), pool.provisioned());
    end.count_down();
    settle(pool, 1);
    pool.wait_idle();
    std::printf("%zu worker, %d tasks done, %llu of %llu\n", pool.provisioned(), done.load(),
                static_cast<unsigned long long>(pool.completed()), static_cast<unsigned long long>(pool.submitted()));
}
// Expected output:
//   asked for 2, 2 tasks run at once
//   asked for 8, 8 tasks run at once
//   asked for 3, 3 tasks run at once
//   asked for 1, 1 tasks run at once
//   asked for 1, 3 still have a task
//   1 worker, 17 tasks done, 17 of 17
