// SPDX-License-Identifier: BSL-1.0
// 730 — four levels of balancing over an uneven fleet: how much of it can be used before answers get slow?
// Build:  c++ -std=c++20 -Iinclude examples/730_balancers_levels.cpp
#include <sluice/core/mix64.hpp>
#include <sluice/routing/bounded_load.hpp>
#include <sluice/routing/dns_record_set.hpp>
#include <sluice/routing/least_loaded.hpp>
#include <sluice/routing/nearest.hpp>
#include <sluice/routing/peak_ewma.hpp>
#include <sluice/routing/power_of_two_choices.hpp>
#include <sluice/routing/predictive_balancer.hpp>
#include <sluice/routing/random_choice.hpp>
#include <sluice/routing/ring_hash.hpp>
#include <sluice/routing/round_robin.hpp>
#include <sluice/routing/session_affinity.hpp>
#include <sluice/routing/weighted_round_robin.hpp>
#include <sluice/routing/zone_aware.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/sample_set.hpp>
#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/service_times.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/traffic.hpp>
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

// Fifteen servers, even, or five each with half, the usual and twice the speed, which the weights say. In the uneven fleet another
// one works at a quarter of its speed for 2 s of every 4, which no weight says. Work is exponential, 10 ms at the usual speed.
struct server {
    sim::server_pool<>  pool;
    std::uint32_t       weight, zone, capacity;  // the nearest server takes so many at once
    sluice::geo_point   location;
    sluice::peak_ewma<> latency{{.decay = 1s, .initial = 10ms}, sluice::time_point{}};
    server(sim::simulation& sim, std::uint32_t i, std::uint32_t w, sim::server_pool<>::observer done)
        : pool(sim, {}, std::move(done)), weight(w), zone(i / 5), capacity(3 * w), location(places[zone]) {}
    static inline std::array<sluice::geo_point, 3> const places{{{52.5, 13.4}, {48.9, 2.4}, {40.4, -3.7}}};
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
            if constexpr (requires { balancer.ended(i); }) balancer.ended(i);
        };
        fleet.emplace_back(sim, i, uneven ? 1u << i % 3 : 2, done);
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

struct span {
    std::uint32_t least = 100, most = 0;
};
std::array<span, 5> found;  // of each level, on the uneven fleet

template <class Make>
void row(int level, char const* name, Make make) {
    std::printf("%d  %-24s", level, name);
    for (bool const uneven : {false, true}) {
        std::uint32_t best = 0;
        for (std::uint32_t load = 95; load >= 30 && best == 0; load -= 5)
            if (p99(make(), load, uneven) <= 100ms) best = load;
        std::printf("  %3u %%", best);
        auto& [least, most] = found[static_cast<std::size_t>(level)];
        if (uneven) least = std::min(least, best), most = std::max(most, best);
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

template <class Source>
sluice::hashed_key user(Source& rng) { return sluice::hashed_key{sluice::mix64(sluice::uniform_below(rng, 10'000))}; }
template <class Source>
std::uint32_t place(Source& rng) { return static_cast<std::uint32_t>(sluice::uniform_below(rng, 3)); }

/// A user's requests go to the user's server, whatever it has to do; or to another one, if it has a quarter more than its share.
struct by_user {
    using ring = sluice::ring_hash<std::uint32_t>;
    double                                      load_factor;
    std::unique_ptr<sluice::bounded_load<ring>> bounded;
    template <class List, class Source>
    std::optional<sluice::node_index> choose(List const& nodes, sluice::time_point, Source& rng) {
        if (bounded == nullptr) {
            ring all;
            for (std::uint32_t i = 0; i < nodes.size(); ++i) all.add(i, nodes[i].weight);
            sluice::bounded_load_options const options{.load_factor = load_factor};
            bounded = std::make_unique<sluice::bounded_load<ring>>(std::move(all), options);
        }
        return bounded->acquire_index(user(rng));
    }
    void ended(std::uint32_t i) { bounded->release(i); }
};

/// The server that a user had the last time, unless ten requests are there; the first time the one with the least to do.
struct sessions {
    sluice::session_affinity<sluice::least_loaded<>> table{sluice::least_loaded<>(), {.sessions = 40'000}, {10}};
    template <class List, class Source>
    auto choose(List const& nodes, sluice::time_point now, Source& rng) { return table.route(user(rng), nodes, now, rng).node; }
};

/// A router in each zone, which knows its own servers' load.
struct zones {
    std::vector<sluice::zone_aware<sluice::least_loaded<>>> routers;
    zones() {
        for (std::uint32_t z = 0; z < 3; ++z)
            routers.emplace_back(sluice::zone_aware_options{.zones = 3, .local = z}).set_callers(std::array<std::uint32_t, 3>{1, 1, 1});
    }
    template <class List, class Source>
    auto choose(List const& nodes, sluice::time_point now, Source& rng) { return routers[place(rng)].choose(nodes, now, rng); }
};

/// The nearest server that is not full; those of one place are equally near.
struct nearest_site {
    sluice::nearest sites{{.tie_metres = 1000, .when_full = sluice::nearest_full::nearest}};
    template <class List, class Source>
    auto choose(List const& nodes, sluice::time_point now, Source& rng) {
        return sites.choose(nodes, server::places[place(rng)], now, rng);
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
    row(3, "ring, by user", [] { return by_user{1000, nullptr}; });
    row(3, "ring, bounded load 1.25", [] { return by_user{1.25, nullptr}; });
    row(3, "session affinity", [] { return sessions(); });
    row(3, "zone aware, in flight", [] { return zones(); });
    row(3, "nearest with room", [] { return nearest_site(); });
    row(4, "predictive, reported", [] { return sluice::predictive_balancer(15, {.step = 10ms, .scan = sluice::predictive_scan::all}); });
    std::printf("Often quoted for the levels: 60-70, 70-85, 80-90, 90-95 %%. Measured, uneven:");
    for (int level = 1; level <= 4; ++level) {
        auto const& [least, most] = found[static_cast<std::size_t>(level)];
        std::printf("%s %u-%u", level == 1 ? "" : ",", least, most);
    }
    std::printf(" %%.\nRight: knowing more carries more. Wrong: that it is the level. What a balancer knows at the moment counts, and on\n"
                "uneven servers one that knows nothing has no band at all, be it of level 1, 2 or 3.\n");
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
//   3  ring, by user              60 %    0 %      1441 ms
//   3  ring, bounded load 1.25    95 %   90 %        59 ms
//   3  session affinity           95 %   85 %        58 ms
//   3  zone aware, in flight      90 %   80 %        63 ms
//   3  nearest with room          95 %   80 %        90 ms
//   4  predictive, reported       95 %   85 %        79 ms
//   Often quoted for the levels: 60-70, 70-85, 80-90, 90-95 %. Measured, uneven: 0-0, 0-95, 0-90, 85-85 %.
//   Right: knowing more carries more. Wrong: that it is the level. What a balancer knows at the moment counts, and on
//   uneven servers one that knows nothing has no band at all, be it of level 1, 2 or 3.
