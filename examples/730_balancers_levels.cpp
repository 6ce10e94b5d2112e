// SPDX-License-Identifier: BSL-1.0
// 730 — four levels of balancing over an uneven fleet: how much of it can be used before answers get slow?
// Build:  c++ -std=c++20 -Iinclude examples/730_balancers_levels.cpp
#include <sluice/routing/dns_record_set.hpp>
#include <sluice/routing/least_loaded.hpp>
#include <sluice/routing/peak_ewma.hpp>
#include <sluice/routing/power_of_two_choices.hpp>
#include <sluice/routing/predictive_balancer.hpp>
#include <sluice/routing/random_choice.hpp>
#include <sluice/routing/round_robin.hpp>
#include <sluice/routing/weighted_round_robin.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/sample_set.hpp>
#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/service_times.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/traffic.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

// Fifteen servers, even, or five each with half, the usual and twice the speed, which the weights say. In the uneven fleet another
// one works at a quarter of its speed for 2 s of every 4, which no weight says. Work is exponential, 10 ms at the usual speed.
struct server {
    sim::server_pool<>  pool;
    std::uint32_t       weight;
    sluice::peak_ewma<> latency{{.decay = 1s, .initial = 10ms}, sluice::time_point{}};
    server(sim::simulation& sim, std::uint32_t w, sim::server_pool<>::observer done) : pool(sim, {}, std::move(done)), weight(w) {}
    std::uint32_t in_flight() const { return pool.in_flight(); }
};

/// The p99 of the response at a load, the share of all that the fleet could do.
template <class Balancer>
sluice::duration p99(Balancer balancer, std::uint32_t percent, bool uneven) {
    sim::simulation    sim(7);
    std::deque<server> fleet;
    sim::sample_set    responses;
    for (std::uint32_t i = 0; i < 15; ++i) {
        auto const done = [&, i](sim::finished_job const& j) {
            fleet[i].latency.record(j.sojourn(), sim.now());
            if (j.arrived > sluice::time_point(2s)) responses.add(j.sojourn());  // after the warm-up
            if constexpr (requires { balancer.observe(i, 0., sim.now()); })
                balancer.observe(i, fleet[i].in_flight(), sim.now());  // an answer tells the load of its server
        };
        fleet.emplace_back(sim, uneven ? 1u << i % 3 : 2, done);
    }
    auto const speed = [&](std::uint32_t i, std::uint32_t divisor) { fleet[i].pool.set_speed(0, fleet[i].weight * 500 / divisor); };
    for (std::uint32_t i = 0; i < 15; ++i) speed(i, 1);
    std::uint32_t slow = 14;
    if (uneven) sim.every_from(sluice::time_point(0s), 4s, [&] {
        slow = (slow + 7) % 15;
        speed(slow, 4);
        sim.after(2s, [&, i = slow] { speed(i, 1); });
    });
    auto             work = sim.stream(0, "work"), draws = sim.stream(0, "draws");
    sim::exponential service(10ms);
    sim::traffic     requests(sim, sim::poisson_arrivals(sluice::per_second((uneven ? 17.5 : 15) * percent)), sim.stream(0, "gaps"),
                              [&] { fleet[*balancer.choose(fleet, sim.now(), draws)].pool.submit(service(work)); });
    sim.run_until(sluice::time_point(7s));
    return *responses.quantile(.99);
}

template <class Make>
void row(int level, char const* name, Make make) {
    std::printf("%d  %-24s", level, name);
    for (bool const uneven : {false, true}) {
        std::uint32_t best = 0;
        for (std::uint32_t load = 30; load < 100; load += 5)
            if (p99(make(), load, uneven) <= 100ms) best = load;
        std::printf("  %3u %%", best);
    }
    std::printf("  %8lld ms\n", static_cast<long long>(p99(make(), 70, true) / 1ms));
}

/// A hundred clients with a resolver each, which keep an answer for 30 s.
struct dns_clients {
    std::unique_ptr<sluice::dns_record_set> names;
    std::vector<sluice::dns_cache>          caches;
    dns_clients() {
        std::vector<sluice::node_index> all;
        for (sluice::node_index i = 0; i < 15; ++i) all.push_back(i);
        names = std::make_unique<sluice::dns_record_set>(std::move(all));
        caches.assign(100, sluice::dns_cache(*names));
    }
    template <class List, class Source>
    auto choose(List const& nodes, sluice::time_point now, Source& rng) {
        return caches[static_cast<std::size_t>(sluice::uniform_below(rng, 100))].choose(nodes, now, rng);
    }
};

int main() {
    std::printf("most load with p99 <= 100 ms  even uneven  p99 at 70 %%, uneven\n");
    row(1, "random", [] { return sluice::random_choice(); });
    row(1, "round robin", [] { return sluice::round_robin<>(); });
    row(1, "DNS, TTL 30 s", [] { return dns_clients(); });
    row(2, "weighted round robin", [] { return sluice::weighted_round_robin(); });
    row(2, "least in flight", [] { return sluice::least_loaded<>(); });
    row(2, "two choices, in flight", [] { return sluice::power_of_two_choices<>(); });
    row(2, "two choices, peak EWMA", [] { return sluice::power_of_two_choices<sluice::latency_load>(); });
    row(4, "predictive, reported", [] { return sluice::predictive_balancer(15, {.step = 10ms, .scan = sluice::predictive_scan::all}); });
    std::printf("Often quoted: 60-70, 70-85, 80-90, 90-95 %% for the levels 1 to 4. Measured: what a balancer knows at the\n"
                "moment counts, not its level; on uneven servers one that knows nothing has no band at all.\n");
}
// Expected output:
//   most load with p99 <= 100 ms  even uneven  p99 at 70 %, uneven
//   1  random                     55 %    0 %      3512 ms
//   1  round robin                75 %    0 %      3049 ms
//   1  DNS, TTL 30 s              50 %    0 %      3326 ms
//   2  weighted round robin       75 %    0 %      1042 ms
//   2  least in flight            95 %   95 %        41 ms
//   2  two choices, in flight     95 %   60 %       101 ms
//   2  two choices, peak EWMA     95 %   70 %        94 ms
//   4  predictive, reported       95 %   85 %        79 ms
//   Often quoted: 60-70, 70-85, 80-90, 90-95 % for the levels 1 to 4. Measured: what a balancer knows at the
//   moment counts, not its level; on uneven servers one that knows nothing has no band at all.
