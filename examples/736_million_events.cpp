// SPDX-License-Identifier: BSL-1.0
// 736 — a million events per second: one queue, one queue fetched in batches, partitions by key, and a key that is hot.
// Build:  c++ -std=c++20 -Iinclude examples/736_million_events.cpp
#include <sluice/routing/jump_hash.hpp>
#include <sluice/routing/key_splitter.hpp>
#include <sluice/scaling/drain_time.hpp>
#include <sluice/scaling/instances_for.hpp>
#include <sluice/scaling/optimal_batch.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/sample_set.hpp>
#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/traffic.hpp>
#include <cstdint>
#include <cstdio>
#include <deque>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

// An event is 20 µs of work. Who takes from a shared queue holds its lock for 2 µs, and 20 ns more for each event.
constexpr sluice::rate     million = sluice::per_second(1'000'000);
constexpr sluice::duration work = 20us, lock = 2us, item = 20ns;
constexpr std::uint32_t    workers = sluice::instances_for(million, work, .7);

struct outcome {
    sim::sample_set    sojourns{};
    unsigned long long waiting = 0;
    void               print(char const* name) {
        std::printf("%-26s %4llu 000/s   p50 %6lld us   p99 %6lld us   %6llu waiting\n", name,
                    static_cast<unsigned long long>(sojourns.size() / 250), static_cast<long long>(*sojourns.quantile(.5) / 1us),
                    static_cast<long long>(*sojourns.quantile(.99) / 1us), waiting);
    }
};

/// A quarter of a second of it. A batch is as old as its first event.
unsigned long long shared(char const* name, std::uint32_t batch) {
    sim::simulation    sim(1);
    outcome            seen;
    sluice::time_point first;
    std::uint32_t      gathered = 0;
    sim::server_pool<> pool(sim, {.servers = workers}, [&](sim::finished_job const& j) {
        for (std::uint32_t i = 0; i < batch; ++i) seen.sojourns.add(sim.now().time_since_epoch() - sluice::duration(j.tag));
    });
    sim::server_pool<> queue(sim, {.servers = 1}, [&](sim::finished_job const& j) { pool.submit(batch * work, {}, j.tag); });
    sim::traffic events(sim, sim::poisson_arrivals(million), sim.stream(0, "gaps"), [&] {
        if (gathered == 0) first = sim.now();
        if (++gathered < batch) return;
        gathered = 0;
        queue.submit(lock + batch * item, {}, static_cast<std::uint64_t>(first.time_since_epoch().count()));
    });
    sim.run_until(sluice::time_point(250ms));
    seen.waiting = (queue.queued() + pool.queued()) * batch;
    seen.print(name);
    return seen.waiting;
}

/// A queue for each worker, which nobody else takes from; hot_percent of the events have the same key, which is read from k of them.
unsigned long long partitions(char const* name, std::uint32_t n, std::uint32_t hot_percent, std::uint32_t k) {
    sim::simulation      sim(1);
    outcome              seen;
    sluice::jump_hash<>  home(n);
    sluice::hashed_key   hot_key{1};
    sluice::key_splitter splitter({.migration = 0s});
    splitter.split(hot_key, k, sim.now());
    std::deque<sim::server_pool<>> parts;
    for (std::uint32_t i = 0; i < n; ++i)
        parts.emplace_back(sim, sim::server_pool_options{}, [&](sim::finished_job const& j) { seen.sojourns.add(j.sojourn()); });
    auto         random = sim.stream(0, "keys");
    sim::traffic events(sim, sim::poisson_arrivals(million), sim.stream(0, "gaps"), [&] {
        bool const hot = sluice::uniform_below(random, 100) < hot_percent;
        parts[*splitter.read(home, hot ? hot_key : sluice::hashed_key{random()}, sim.now(), random)].submit(work);
    });
    sim.run_until(sluice::time_point(250ms));
    for (auto const& p : parts) seen.waiting += p.queued();
    seen.print(name);
    return seen.waiting;
}

int main() {
    constexpr auto no_spare = sluice::instances_for(million, work, 1.);
    auto const     least = static_cast<unsigned long long>(*sluice::stable_batch(million, lock, item));
    std::printf("%u workers at 70 %%, %u would be busy all the time; a queue keeps up with batches of %llu or more\n\n", workers,
                no_spare, least);
    auto const locked = shared("one queue", 1);
    shared("one queue, batches of 3", 3);
    shared("one queue, batches of 32", 32);
    auto const apart = partitions("partitions", workers, 0, 1);
    auto const busy = partitions("partitions, 20 workers", no_spare, 0, 1);
    auto const hot = partitions("partitions, 5 % one key", workers, 5, 1);
    auto const split = partitions("the same, key on 4 of them", workers, 5, 4);
    std::printf("\nAfter an outage of ten seconds: %.0f s until the backlog is gone.\n",
                static_cast<double>(sluice::drain_time(10'000'000, workers, work, million)->count()) / 1e9);
    std::printf("Right: partitions carry a million a second without a common lock, and keep the order of each key: %llu wait. Wrong: that\n"
                "%u workers do because 20 us times a million is %u: after a quarter of a second %llu wait; that more workers help a queue\n"
                "whose lock takes 2 us: %llu; and that a good hash spreads the load: it spreads keys, %llu. With its key split %llu wait,\n"
                "but that key is in order no longer.\n", apart, no_spare, no_spare, busy, locked, hot, split);
}
// Expected output:
//   29 workers at 70 %, 20 would be busy all the time; a queue keeps up with batches of 3 or more
//
//   one queue                   495 000/s   p50  63218 us   p99 124985 us   126938 waiting
//   one queue, batches of 3    1002 000/s   p50     64 us   p99     68 us        0 waiting
//   one queue, batches of 32   1000 000/s   p50    673 us   p99    688 us        0 waiting
//   partitions                 1002 000/s   p50     33 us   p99    144 us       23 waiting
//   partitions, 20 workers      993 000/s   p50   1045 us   p99   5290 us     2245 waiting
//   partitions, 5 % one key     968 000/s   p50     32 us   p99  81365 us     8518 waiting
//   the same, key on 4 of them 1002 000/s   p50     35 us   p99    298 us       44 waiting
//
//   After an outage of ten seconds: 22 s until the backlog is gone.
//   Right: partitions carry a million a second without a common lock, and keep the order of each key: 23 wait. Wrong: that
//   20 workers do because 20 us times a million is 20: after a quarter of a second 2245 wait; that more workers help a queue
//   whose lock takes 2 us: 126938; and that a good hash spreads the load: it spreads keys, 8518. With its key split 44 wait,
//   but that key is in order no longer.
