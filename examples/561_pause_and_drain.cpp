// SPDX-License-Identifier: BSL-1.0
// 561 — a pool is paused for maintenance, and at the end given only so much time
// Build:  c++ -std=c++20 -Iinclude examples/561_pause_and_drain.cpp -pthread
#include <sluice/executor/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

int main() {
    std::atomic<int>    served{0}, at_work{0};
    sluice::thread_pool pool(2);
    auto const          serve = [&] { served.fetch_add(1); };

    // Nothing runs between wait_paused and resume; what comes meanwhile waits.
    pool.pause();
    pool.wait_paused();
    for (int i = 0; i < 100; ++i) pool.post(serve);
    std::printf("paused:  %d served\n", served.load());
    pool.resume();
    pool.wait_idle();
    std::printf("resumed: %d served\n", served.load());

    // Two long tasks look at the pool's token; ten more wait behind them.
    for (int i = 0; i < 2; ++i)
        pool.post([&, stop = pool.stop_token()] {
            at_work.fetch_add(1);
            while (!stop.stop_requested()) std::this_thread::yield();
        });
    while (at_work.load() != 2) std::this_thread::yield();
    for (int i = 0; i < 10; ++i) pool.post(serve);

    // No new work; 20 ms for the rest; then it is dropped and the token is stopped.
    auto const end = pool.drain_for(std::chrono::milliseconds(20), sluice::shutdown_mode::cancel);
    std::printf("ended:   %d ran, %d dropped, %s\n", static_cast<int>(end.ran), static_cast<int>(end.dropped),
                end.in_time ? "in time" : "late");
    try {
        pool.post(serve);
    } catch (sluice::pool_closed const& e) {
        std::printf("%s\n", e.what());
    }
}
// Expected output:
//   paused:  0 served
//   resumed: 100 served
//   ended:   2 ran, 10 dropped, late
//   sluice: the thread_pool has been shut down
