// SPDX-License-Identifier: BSL-1.0
// 330 — an adaptive limiter finds a server's knee: ten workers at 10 ms, then 30 ms, and 200 clients that always want more.
// Build:  c++ -std=c++20 -Iinclude examples/330_adaptive_limit.cpp
#include <sluice/flow/concurrency_limiter.hpp>
#include <cstdio>
#include <deque>
#include <utility>

using namespace std::chrono_literals;

int main() {
    sluice::concurrency_limiter limiter(sluice::knee_limit({.initial = 150}), {}, sluice::manual_clock());

    struct request {
        sluice::permit     permit;
        sluice::time_point done;
    };
    std::deque<request> inside;                           // first come, first served
    sluice::time_point  now{}, free_at[10] = {};          // when each worker is free again
    sluice::duration    service = 10ms, slowest{};
    int                 worker = 0;

    std::printf("requests  limit  slowest\n");
    for (int ended = 1; ended <= 20'000; ++ended) {
        if (ended == 12'001) service = 30ms;
        while (inside.size() < 200) {
            auto permit = limiter.try_acquire(now);
            if (!permit) break;  // permit.why().retry_after says when to come again
            auto& free = free_at[worker++ % 10];
            free = (free < now ? now : free) + service;
            inside.push_back({std::move(permit), free});
        }
        auto& first = inside.front();
        now = first.done;
        if (now - first.permit.start() > slowest) slowest = now - first.permit.start();
        first.permit.success(now);
        inside.pop_front();

        if (ended <= 1'000 ? ended % 250 == 0 : ended % 2'000 == 0) {
            std::printf("%8d  %5u  %4lld ms\n", ended, limiter.limit(), static_cast<long long>(slowest / 1ms));
            slowest = {};
        }
    }
}
// Expected output:
//   requests  limit  slowest
//        250    150   150 ms
//        500    105   150 ms
//        750     73   110 ms
//       1000     35    80 ms
//       2000      4    60 ms
//       4000     12    20 ms
//       6000     12    20 ms
//       8000     12    20 ms
//      10000     12    20 ms
//      12000     12    20 ms
//      14000     12    60 ms
//      16000     12    60 ms
//      18000     12    60 ms
//      20000     12    60 ms
