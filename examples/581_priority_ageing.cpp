// SPDX-License-Identifier: BSL-1.0
// 581 — urgent work that makes more urgent work: without ageing the rest starves, with it the wait of each class has a bound.
// Build:  c++ -std=c++20 -O2 -Iinclude examples/581_priority_ageing.cpp
#include <sluice/executor/manual_executor.hpp>
#include <sluice/executor/queued_executor.hpp>
#include <sluice/flow/aging_priority.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
using namespace std::chrono_literals;

void spiral(sluice::duration step) {
    long                    urgent = 0;
    int                     done[3] = {};
    sluice::duration        longest[3] = {};
    std::function<void()>   high;
    sluice::manual_executor executor({.workers = 2});  // two workers of virtual time: the same numbers on every machine
    sluice::queued_executor<sluice::manual_executor, sluice::aging_priority, sluice::manual_clock> queue(
        executor, {.capacity = 50, .concurrency = 2, .when_full = sluice::overflow::reject},
        sluice::aging_priority({.step = step}), executor.clock());

    high = [&] {  // each makes two more; only the full queue stops them
        ++urgent;
        executor.spend(2ms);
        (void)queue.try_post([&] { high(); });
        (void)queue.try_post([&] { high(); });
    };
    for (std::uint32_t priority : {1u, 2u})
        for (int i = 0; i < 5; ++i)
            queue.post([&, priority] {
                executor.spend(2ms);
                ++done[priority];
                longest[priority] = std::max(longest[priority], executor.now().time_since_epoch());
            }, {.priority = priority});
    queue.post([&] { high(); });
    executor.run_for(5s);

    for (int p : {1, 2}) {
        auto const bound = step * p + 50 * 2ms / 2 + 2ms;  // p · step + C · s / k + s, see the header
        if (done[p] == 0) std::printf("  priority %d: none of 5 in 5 s\n", p);
        if (done[p] != 0)
            std::printf("  priority %d: %d of 5, the last begun after %lld ms, %s %lld\n", p, done[p],
                        static_cast<long long>(longest[p] / 1ms), longest[p] <= bound ? "within" : "NOT within",
                        static_cast<long long>(bound / 1ms));
    }
    std::printf("  and %ld urgent ones\n", urgent);
}

int main() {
    std::printf("a step of 100 ms\n");
    spiral(100ms);
    std::printf("no ageing: a step of an hour\n");
    spiral(1h);
}
// Expected output:
//   a step of 100 ms
//     priority 1: 5 of 5, the last begun after 144 ms, within 152
//     priority 2: 5 of 5, the last begun after 248 ms, within 252
//     and 4992 urgent ones
//   no ageing: a step of an hour
//     priority 1: none of 5 in 5 s
//     priority 2: none of 5 in 5 s
//     and 5002 urgent ones
