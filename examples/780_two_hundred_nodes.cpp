// SPDX-License-Identifier: BSL-1.0
// 780 — two hundred nodes that must all know of a change: everybody to everybody, by a tree, by cells, by gossip.
// Build:  c++ -std=c++20 -Iinclude examples/780_two_hundred_nodes.cpp
#include <sluice/core/random.hpp>
#include <sluice/routing/gossip.hpp>
#include <sluice/routing/topology.hpp>
#include <sluice/scaling/coordination_paths.hpp>
#include <sluice/scaling/effective_workers.hpp>
#include <sluice/scaling/usl.hpp>
#include <sluice/sim/network.hpp>
#include <sluice/sim/service_times.hpp>
#include <sluice/sim/simulation.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <vector>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

/// Everybody knows everybody; the load of node 0 changes. Ticks of a second until all have heard, messages of 2 ms.
static void gossip(std::uint32_t n, std::size_t fan_out, std::uint32_t loss) {
    sim::simulation            sim(4);
    sim::network               network(sim, sim::deterministic(2ms), {.loss = loss});
    auto                       rng = sim.stream(0, "peers");
    using node = sluice::gossip<std::uint32_t>;
    std::vector<node> nodes;
    for (std::uint32_t i = 0; i < n; ++i) {
        nodes.emplace_back(i, 1, sluice::gossip_options{.fan_out = fan_out});
        for (std::uint32_t k = 0; k < n; ++k)
            if (k != i) nodes[i].join(k, sim.now());
    }
    auto const all_know = [&] {
        return std::all_of(nodes.begin(), nodes.end(), [](node const& x) { return x.find(0) != nullptr && x.find(0)->load == 7; });
    };
    struct post {
        decltype(network)&  net;
        std::vector<node>&  nodes;
        sim::simulation&    sim;
        void                operator()(std::uint32_t from, std::uint32_t to, node::message const& m) {
            net.send(from, to, [this, to, m] {
                nodes[to].receive(m, sim.now(), [this, to](std::uint32_t back, node::message const& r) { (*this)(to, back, r); });
            });
        }
    } send{network, nodes, sim};
    auto const round = [&] {
        for (std::uint32_t i = 0; i < n; ++i)
            nodes[i].tick(sim.now(), rng, [&](std::uint32_t to, node::message const& m) { send(i, to, m); });
        sim.run_until(sim.now() + 1s);
    };
    for (int i = 0; i < 4; ++i) round();  // until all have been heard of
    nodes[0].set_load(7);
    auto const before = network.sent();
    int        rounds = 0;
    for (; !all_know() && rounds < 100; ++rounds) round();
    std::printf("gossip to %zu, %2u %% lost  %6llu messages in %d rounds, whatever they tell\n", nodes[0].fan_out(), loss / 10,
                static_cast<unsigned long long>(network.sent() - before), rounds);
}

int main() {
    auto const show = [](char const* name, sluice::topology const& t) {
        auto const c = t.round();
        std::printf("%-22s  %6llu messages, %2llu hops, the busiest node handles %3llu: %4lld ms\n", name,
                    static_cast<unsigned long long>(c.messages), static_cast<unsigned long long>(c.hops),
                    static_cast<unsigned long long>(c.busiest), static_cast<long long>(c.time(2ms, 100us) / 1ms));
        return c;
    };
    auto const n = [](auto x) { return static_cast<unsigned long long>(x); };
    auto const pairs = sluice::coordination_paths(200);
    std::printf("%llu pairs\n", n(pairs));
    auto const mesh = show("mesh", sluice::topology::mesh(200));
    show("star", sluice::topology::star(200));
    auto const tree = show("tree of 4", sluice::topology::tree(200, 4));
    show("ring of cells of 14", sluice::topology::cells(200, 14));
    gossip(200, 2, 0);
    gossip(200, 0, 0);
    gossip(200, 2, 300);
    std::printf("Right: 200 nodes are %llu pairs. Wrong: that a round is as many messages: both ends of a pair tell, %llu;\n"
                "and that one hop is fastest: a node of the mesh handles %llu messages, %lld ms, and %llu hops of a tree take %lld ms.\n",
                n(pairs), n(mesh.messages), n(mesh.busiest), static_cast<long long>(mesh.time(2ms, 100us) / 1ms), n(tree.hops),
                static_cast<long long>(tree.time(2ms, 100us) / 1ms));
    std::printf("Wrong: 200 workers as 5 by the USL with .05 and .001. That has %.2f; %.2f comes from N/(1 + .001 N^2).\n",
                sluice::usl({.contention = .05, .coherency = .001}).speedup(200), sluice::effective_workers(200, .001));
}
// Expected output:
//   19900 pairs
//   mesh                     39800 messages,  1 hops, the busiest node handles 398:   41 ms
//   star                       398 messages,  2 hops, the busiest node handles 398:   43 ms
//   tree of 4                  398 messages,  8 hops, the busiest node handles  10:   17 ms
//   ring of cells of 14        580 messages,  9 hops, the busiest node handles  54:   23 ms
//   gossip to 2,  0 % lost    4000 messages in 5 rounds, whatever they tell
//   gossip to 8,  0 % lost    6400 messages in 2 rounds, whatever they tell
//   gossip to 2, 30 % lost    5415 messages in 8 rounds, whatever they tell
//   Right: 200 nodes are 19900 pairs. Wrong: that a round is as many messages: both ends of a pair tell, 39800;
//   and that one hop is fastest: a node of the mesh handles 398 messages, 41 ms, and 8 hops of a tree take 17 ms.
//   Wrong: 200 workers as 5 by the USL with .05 and .001. That has 3.94; 4.88 comes from N/(1 + .001 N^2).
