// SPDX-License-Identifier: BSL-1.0
// 460 — how large a batch: set-up costs against items that wait, what keeps up at all, and how long an item takes then.
// Build:  c++ -std=c++20 -Iinclude examples/460_batch_size.cpp
#include <sluice/flow/batcher.hpp>
#include <sluice/scaling/batch_or_stream.hpp>
#include <sluice/scaling/optimal_batch.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/sample_set.hpp>
#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/traffic.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

/// The production batcher in virtual time, ten seconds: an item's time from its arrival to the end of its batch, in the mean.
/// One worker, 5 ms for a batch and 50 us for each item.
static sluice::duration latency(std::uint64_t size, int per_second) {
    sim::simulation                              sim(1);
    std::vector<std::vector<sluice::time_point>> batches;  // when their items came; a job's tag is an index of it
    sim::sample_set                              times;
    sim::server_pool<> worker(sim, {}, [&](sim::finished_job const& j) {
        for (auto const came : batches[static_cast<std::size_t>(j.tag)]) times.add(j.ended - came);
    });
    auto const flush = [&](std::span<sluice::time_point> items) {
        batches.emplace_back(items.begin(), items.end());
        worker.submit(5ms + static_cast<std::int64_t>(items.size()) * 50us, {}, batches.size() - 1);
    };
    sluice::batcher<sluice::time_point, void, sim::sim_clock> rows(
        {.max_items = static_cast<std::size_t>(size), .max_age = 1s, .at_end = sluice::batcher_at_end::cancel}, flush, sim.clock());
    sim::traffic items(sim, sim::poisson_arrivals(sluice::per_second(per_second)), sim.stream(0, "gaps"),
                       [&] { static_cast<void>(rows.try_push(sim.now())); });
    sim.run_until(sluice::time_point(10s));
    auto const mean = *times.mean();
    std::printf("%10llu  %12.1f  %12.1f%s\n", static_cast<unsigned long long>(size), static_cast<double>(mean / 1us) / 1e3,
                static_cast<double>(*times.quantile(.99) / 1us) / 1e3, worker.queued() > 10 ? "  and growing" : "");
    return mean;
}

int main() {
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

    std::printf("batch size  mean, ms      p99, ms\n");
    std::uint64_t    quickest = 0;
    sluice::duration least = sluice::duration::max();
    auto const       keeps_up = bound->whole;
    for (std::uint64_t const n : {keeps_up / 5, keeps_up, keeps_up + 9, keeps_up * 5 / 4, keeps_up * 3 / 2, keeps_up * 2, keeps_up * 4})
        if (auto const mean = latency(n, 10'000); mean < least) least = mean, quickest = n;

    // Ten million events a day, one by one or every hour.
    auto const day = sluice::batch_or_stream({.events = 10'000'000,
                                              .over = 24h,
                                              .stream_time = 10ms,
                                              .batch_time = 2ms,
                                              .batch_every = 1h});
    std::printf("\none by one %.1f CPU-hours; in batches %.1f, and a mean delay of %.0f minutes until a batch begins, which takes %.0f\n",
                day.stream_cpu.count() / 3600, day.batch_cpu.count() / 3600, day.batch_delay.count() / 60, day.batch_cpu.count() / 24 / 60);
    std::printf("Right: %.1f and %.1f, if an event takes 10 ms alone and 2 ms among others, which is to be measured, not assumed.\n"
                "Wrong: a batch of sqrt(setup x holding) = %.2f items; it is sqrt(2 x rate x setup / holding) = %.0f.\n"
                "Wrong: that the smallest batch that keeps up is the quickest; of these it is %llu, not %llu.\n",
                day.stream_cpu.count() / 3600, day.batch_cpu.count() / 3600, std::sqrt(costs.setup_cost * costs.holding_cost), best.size,
                static_cast<unsigned long long>(quickest), static_cast<unsigned long long>(keeps_up));
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
//   batch size  mean, ms      p99, ms
//           20        3334.0        6602.9  and growing
//          101          20.8          34.3
//          110          16.5          22.8
//          126          17.6          24.9
//          151          20.1          28.6
//          202          25.1          36.3
//          404          45.3          66.6
//
//   one by one 27.8 CPU-hours; in batches 5.6, and a mean delay of 30 minutes until a batch begins, which takes 14
//   Right: 27.8 and 5.6, if an event takes 10 ms alone and 2 ms among others, which is to be measured, not assumed.
//   Wrong: a batch of sqrt(setup x holding) = 0.22 items; it is sqrt(2 x rate x setup / holding) = 1000.
//   Wrong: that the smallest batch that keeps up is the quickest; of these it is 110, not 101.
