// SPDX-License-Identifier: BSL-1.0
// 460 — how large a batch: set-up costs against items that wait, and what keeps up at all.
// Build:  c++ -std=c++20 -Iinclude examples/460_batch_size.cpp
#include <sluice/scaling/batch_or_stream.hpp>
#include <sluice/scaling/optimal_batch.hpp>
#include <cmath>
#include <cstdio>

int main() {
    using namespace std::chrono_literals;

    // 1000 items a second, a set-up costs 5, an item that waits for a second .01.
    sluice::batch_costs const costs{.arrival_rate = sluice::per_second(1000), .setup_cost = 5, .holding_cost = .01};
    auto const best = sluice::optimal_batch(costs);
    std::printf("batch size  cost per second\n");
    for (double size : {1., 100., 500., 1000., 2000., 10'000.})
        std::printf("%10.0f  %15.2f%s\n", size, sluice::batch_cost_per_second(costs, size),
                    size == static_cast<double>(best.whole) ? "  the optimum" : "");

    // The cheapest batch may be too small: each one occupies the worker for the set-up, too.
    sluice::batch_costs const urgent{.arrival_rate = sluice::per_second(10'000), .setup_cost = .02, .holding_cost = 1};
    auto const bound = sluice::optimal_batch(urgent, 5ms, 50us);
    std::printf("\ncheapest %.0f, but 5 ms per batch and 50 us per item at 10 000/s take %llu\n", bound->size,
                static_cast<unsigned long long>(bound->whole));
    std::printf("at 100 us per item: %s\n",
                sluice::optimal_batch(urgent, 5ms, 100us) ? "possible" : "no batch is large enough");

    // Ten million events a day, one by one or every hour.
    auto const day = sluice::batch_or_stream({.events = 10'000'000,
                                              .over = 24h,
                                              .stream_time = 10ms,
                                              .batch_time = 2ms,
                                              .batch_every = 1h});
    std::printf("\none by one %.1f CPU-hours; in batches %.1f, and a mean delay of %.0f minutes\n",
                day.stream_cpu.count() / 3600, day.batch_cpu.count() / 3600, day.batch_delay.count() / 60);
    std::printf("Right: %.1f and %.1f, if an event takes 10 ms alone and 2 ms among others, which is to be measured, not assumed.\n"
                "Wrong: a batch of sqrt(setup x holding) = %.2f items; it is sqrt(2 x rate x setup / holding) = %.0f.\n",
                day.stream_cpu.count() / 3600, day.batch_cpu.count() / 3600, std::sqrt(costs.setup_cost * costs.holding_cost), best.size);
}
// Expected output:
//   batch size  cost per second
//            1          5000.01
//          100            50.50
//          500            12.50
//         1000            10.00  the optimum
//         2000            12.50
//        10000            50.50
//
//   cheapest 20, but 5 ms per batch and 50 us per item at 10 000/s take 101
//   at 100 us per item: no batch is large enough
//
//   one by one 27.8 CPU-hours; in batches 5.6, and a mean delay of 30 minutes
//   Right: 27.8 and 5.6, if an event takes 10 ms alone and 2 ms among others, which is to be measured, not assumed.
//   Wrong: a batch of sqrt(setup x holding) = 0.22 items; it is sqrt(2 x rate x setup / holding) = 1000.
