// SPDX-License-Identifier: BSL-1.0
// 570 — a pool that follows its load: the autoscaler decides, the pool grows and shrinks, no task is lost
// Build:  c++ -std=c++20 -Iinclude examples/570_autoscaled_pool.cpp -pthread
// The seconds are counted by hand, so that the output is the same everywhere; autoscaler_driver takes real ones.
#include <sluice/executor/thread_pool.hpp>
#include <sluice/scaling/autoscale_step.hpp>
#include <sluice/scaling/autoscaler.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

int main() {
    using namespace std::chrono_literals;
    sluice::thread_pool_options size;
    size.workers = 1;
    size.max_workers = 16;
    std::atomic<int>    ran = 0;
    sluice::thread_pool pool(std::move(size));

    // A task takes 100 ms on average, and workers should be busy 70 % of their time: 20 tasks a second need 2.9 of them.
    sluice::autoscaler policy(sluice::feed_forward({.target = .7, .service_time = 100ms}),
                              {.stabilisation = {.down = 3s}, .size = {.min = 1, .max = 16}});
    int  posted = 0;
    auto now = sluice::time_point{};
    (void)sluice::autoscale_step(policy, pool, now);  // the first look: counters to compare with
    for (int const load : {20, 20, 100, 100, 100, 100, 20, 20, 20, 20, 0, 0, 0, 0}) {
        for (int k = 0; k < load; ++k) pool.post([&ran] { ++ran; });
        posted += load;
        pool.wait_idle();
        now += 1s;
        auto const decision = sluice::autoscale_step(policy, pool, now);
        while (pool.ready() != decision.desired) std::this_thread::yield();  // threads start, or leave between two tasks
        std::printf("%3d tasks/s  %s\n", load, policy.explain(policy.recent()).c_str());
    }
    std::printf("%d of %d tasks ran\n", ran.load(), posted);
}
// Expected output:
//    20 tasks/s  1.000 s: 1 -> 3, wanted 2.85714 (feed_forward: arrivals)
//    20 tasks/s  2.000 s: 3 -> 3, wanted 2.85714 (feed_forward: arrivals)
//   100 tasks/s  3.000 s: 3 -> 7, wanted 14.2857 (feed_forward: arrivals), limited by rate
//   100 tasks/s  4.000 s: 7 -> 14, wanted 14.2857 (feed_forward: arrivals), limited by rate
//   100 tasks/s  5.000 s: 14 -> 14, wanted 14.2857 (feed_forward: arrivals), limited by dead band
//   100 tasks/s  6.000 s: 14 -> 14, wanted 14.2857 (feed_forward: arrivals), limited by dead band
//    20 tasks/s  7.000 s: 14 -> 14, wanted 2.85714 (feed_forward: arrivals), limited by stabilisation
//    20 tasks/s  8.000 s: 14 -> 14, wanted 2.85714 (feed_forward: arrivals), limited by stabilisation
//    20 tasks/s  9.000 s: 14 -> 3, wanted 2.85714 (feed_forward: arrivals)
//    20 tasks/s  10.000 s: 3 -> 3, wanted 2.85714 (feed_forward: arrivals)
//     0 tasks/s  11.000 s: 3 -> 3, wanted 0 (feed_forward: arrivals), limited by stabilisation
//     0 tasks/s  12.000 s: 3 -> 3, wanted 0 (feed_forward: arrivals), limited by stabilisation
//     0 tasks/s  13.000 s: 3 -> 1, wanted 0 (feed_forward: arrivals), limited by limits
//     0 tasks/s  14.000 s: 1 -> 1, wanted 0 (feed_forward: arrivals), limited by limits
//   520 of 520 tasks ran
