// SPDX-License-Identifier: BSL-1.0
// 260 — the same requests, six balancers, uneven servers: how long do requests wait?
// Build:  c++ -std=c++20 -Iinclude examples/260_balancer_shootout.cpp
#include <sluice/routing/least_loaded.hpp>
#include <sluice/routing/peak_ewma.hpp>
#include <sluice/routing/power_of_two_choices.hpp>
#include <sluice/routing/random_choice.hpp>
#include <sluice/routing/round_robin.hpp>
#include <sluice/routing/weighted_round_robin.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <queue>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::time_point;

// Ten servers, each working on one request at a time; three are twice as fast. Every 20 s another one is slow for 5 s, which no
// weight knows. Virtual time: the run is the same everywhere.
struct server {
    std::uint32_t       weight = 1;
    std::uint32_t       in_flight = 0;
    time_point          free{};
    sluice::peak_ewma<> latency{{.decay = 2s, .initial = 1ms}, time_point{}};
};
struct answer {
    time_point  at;
    duration    took;
    std::size_t server;
    bool        operator<(answer const& other) const { return at > other.at; }  // the earliest on top of the queue
};

static duration up_to(duration most, sluice::xoshiro256ss& rng) {
    return duration(static_cast<std::int64_t>(sluice::uniform_below(rng, static_cast<std::uint64_t>(most.count()))));
}

template <class Balancer>
void run(char const* name, Balancer&& balancer) {
    std::array<server, 10>      servers;
    std::priority_queue<answer> under_way;
    std::vector<duration>       waits;
    sluice::xoshiro256ss        requests(1), draws(2);
    for (std::size_t i = 0; i < 3; ++i) servers[i].weight = 2;

    for (time_point now{}; waits.size() < 100'000; now += up_to(2ms, requests)) {
        for (; !under_way.empty() && under_way.top().at <= now; under_way.pop()) {  // what has been answered by now
            auto const& a = under_way.top();
            --servers[a.server].in_flight;
            servers[a.server].latency.record(a.took, a.at);
        }
        auto const i = balancer.choose(servers, now, draws).value();
        auto const second = now.time_since_epoch() / 1s;
        bool const slow = second % 20 < 5 && static_cast<std::size_t>(second / 20 % 10) == i;
        auto const work = up_to(16ms, requests) / servers[i].weight;
        auto const begin = std::max(now, servers[i].free);
        servers[i].free = begin + work * (slow ? 5 : 1);
        ++servers[i].in_flight;
        under_way.push({servers[i].free, servers[i].free - now, i});
        waits.push_back(begin - now);
    }
    std::sort(waits.begin(), waits.end());
    duration sum{0};
    for (auto const w : waits) sum += w;
    std::printf("%-24s mean %5lld ms   p99 %5lld ms\n", name, static_cast<long long>(sum / waits.size() / 1ms),
                static_cast<long long>(waits[waits.size() * 99 / 100] / 1ms));
}

int main() {
    run("random", sluice::random_choice());
    run("round robin", sluice::round_robin<>());
    run("weighted round robin", sluice::weighted_round_robin());
    run("two choices, in flight", sluice::power_of_two_choices<>());
    run("two choices, peak EWMA", sluice::power_of_two_choices<sluice::latency_load>());
    run("least loaded", sluice::least_loaded<>());
}
// Expected output:
//   random                   mean   698 ms   p99 13311 ms
//   round robin              mean   750 ms   p99 13533 ms
//   weighted round robin     mean   972 ms   p99  9790 ms
//   two choices, in flight   mean     2 ms   p99    20 ms
//   two choices, peak EWMA   mean     2 ms   p99    16 ms
//   least loaded             mean     0 ms   p99     7 ms
