// SPDX-License-Identifier: BSL-1.0
// 726 — ten partitions, and a celebrity with half of all reads: found by counting, spread over the others, in time.
// Build:  c++ -std=c++20 -Iinclude examples/726_hot_partition.cpp
#include <sluice/routing/hot_keys.hpp>
#include <sluice/routing/key_splitter.hpp>
#include <sluice/routing/ring_hash.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/sample_set.hpp>
#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/traffic.hpp>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

// A partition does 1000 reads a second, 2500 come: a quarter of what all can do. From second 10 on half of them are of one key.
void run(bool spread) {
    sim::simulation                        sim(3);
    sluice::ring_hash<std::uint32_t>       home;
    for (std::uint32_t i = 0; i < 10; ++i) home.add(i, 1);
    sluice::hot_keys<std::uint64_t> counts({.threshold = .05, .half_life = 1s});
    sluice::key_splitter            splitter({.reads = sluice::split_reads::two_choices, .share_per_node = .05, .migration = 1s});
    sim::sample_set                 before, after;  // second 9, second 14
    std::array<double, 10>          reads{};  // of the last ten seconds
    std::deque<sim::server_pool<>>  parts;
    for (std::uint32_t i = 0; i < 10; ++i)
        parts.emplace_back(sim, sim::server_pool_options{}, [&](sim::finished_job const& j) {
            auto const second = j.arrived.time_since_epoch() / 1s;
            if (second == 9) before.add(j.sojourn());
            if (second == 14) after.add(j.sojourn());
        });
    auto         random = sim.stream(0, "keys");
    sim::traffic requests(sim, sim::poisson_arrivals(sluice::per_second(2500)), sim.stream(0, "gaps"), [&] {
        bool const star = sim.now() >= sluice::time_point(10s) && sluice::uniform_below(random, 2) == 0;
        auto const user = star ? 0 : 1 + sluice::uniform_below(random, 100'000);
        auto const key = home.key(user);
        if (spread && counts.record(user, sim.now())) {
            auto const nodes = splitter.fan_out_for(counts.share(user));
            if (nodes > splitter.fan_out(key)) {
                if (nodes == 2 || nodes == 5 || nodes == 10)
                    std::printf("    %.2f s: key %llu has %.0f %% of the reads: %u partitions\n",
                                static_cast<double>(sim.now().time_since_epoch() / 10ms) / 100, static_cast<unsigned long long>(user),
                                100 * counts.share(user), nodes);
                splitter.split(key, nodes, sim.now());
            }
        }
        auto const part = *splitter.read(home, key, sim.now(), random, [&](sluice::node_index i) { return parts[i].in_flight(); });
        if (sim.now() >= sluice::time_point(20s)) ++reads[part];
        parts[part].submit(1ms);
    });
    sim.run_until(sluice::time_point(30s));
    double mean = 0, square = 0;
    for (double const r : reads) mean += r / 10;
    for (double const r : reads) square += (r - mean) * (r - mean) / 10;
    std::uint64_t waiting = 0;
    for (auto const& p : parts) waiting += p.queued();
    std::printf("    p99 in second 9: %.0f ms, in second 14: %.0f ms; load at the end: %.0f/s +- %.0f %%, %llu wait\n",
                static_cast<double>(*before.quantile(.99) / 1us) / 1e3, static_cast<double>(*after.quantile(.99) / 1us) / 1e3, mean / 10,
                100 * std::sqrt(square) / mean, static_cast<unsigned long long>(waiting));
}

int main() {
    std::printf("A place for each key:\n");
    run(false);
    std::printf("Hot keys on several partitions:\n");
    run(true);
    std::printf("Right: one key can stop a partition while nine have nothing to do, and neither more partitions nor a better hash help.\n"
                "Wrong: that it takes an operator. Counting finds the key at once, and reads of it go wherever there is less to do;\n"
                "its writes then go to all of those, and their order is nobody's.\n");
}
// Expected output:
//   A place for each key:
//       p99 in second 9: 3 ms, in second 14: 1932 ms; load at the end: 248/s +- 148 %, 7213 wait
//   Hot keys on several partitions:
//       10.11 s: key 0 has 5 % of the reads: 2 partitions
//       10.65 s: key 0 has 20 % of the reads: 5 partitions
//       13.05 s: key 0 has 45 % of the reads: 10 partitions
//       p99 in second 9: 3 ms, in second 14: 2 ms; load at the end: 248/s +- 4 %, 0 wait
//   Right: one key can stop a partition while nine have nothing to do, and neither more partitions nor a better hash help.
//   Wrong: that it takes an operator. Counting finds the key at once, and reads of it go wherever there is less to do;
//   its writes then go to all of those, and their order is nobody's.
