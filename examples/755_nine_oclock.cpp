// SPDX-License-Identifier: BSL-1.0
// 755 — ten thousand clients at nine o'clock: all at once, spread over ten minutes, or admitted one by one.
// Build:  c++ -std=c++20 -Iinclude examples/755_nine_oclock.cpp
#include <sluice/core/random.hpp>
#include <sluice/flow/gcra.hpp>
#include <sluice/flow/staggered_start.hpp>
#include <sluice/sim/sample_set.hpp>
#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/service_times.hpp>
#include <sluice/sim/simulation.hpp>
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <numeric>
#include <vector>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

/// Two servers of 20 logins a second each. `start` says when a client comes; a limit, if there is one, when it may.
template <class Start>
int run(char const* name, bool limited, Start start) {
    sim::simulation      sim(9);
    sim::sample_set      sojourns;
    sim::server_pool<>   servers(sim, {.servers = 2}, [&](sim::finished_job const& j) { sojourns.add(j.sojourn()); });
    sluice::gcra         limit({.rate = sluice::per_second(36), .burst = 10}, sim.clock());
    sim::exponential     service(50ms);
    auto                 work = sim.stream(0, "work");
    std::array<int, 900> second{};
    std::function<void()> come = [&] {
        if (limited)
            if (auto const answer = limit.try_acquire(); !answer.admitted()) {  // later, and not all at that moment
                auto const spread = sluice::duration(static_cast<std::int64_t>(sluice::uniform_below(work, 300'000'000'000)));
                return static_cast<void>(sim.after(answer.retry_after + spread, [&] { come(); }));
            }
        ++second[std::min<std::size_t>(static_cast<std::size_t>(sim.now().time_since_epoch() / 1s), 899)];
        servers.submit(service(work));
    };
    for (std::uint64_t i = 0; i < 10'000; ++i) {
        auto rng = sim.stream(i, "client");
        sim.at(sluice::time_point(start(i, rng)), [&] { come(); });
    }
    sim.run();
    int const busiest = *std::max_element(second.begin(), second.end());
    std::printf("%-34s busiest second %5d   p50 %6.1f s   p99 %6.1f s   all done after %4lld s\n", name, busiest,
                std::chrono::duration<double>(*sojourns.quantile(.5)).count(),
                std::chrono::duration<double>(*sojourns.quantile(.99)).count(), static_cast<long long>(sim.now().time_since_epoch() / 1s));
    return busiest;
}

int main() {
    sluice::staggered_start const ten_minutes({.window = 600s, .count = 10'000});
    auto const at_once = [](std::uint64_t, sluice::xoshiro256ss&) { return 0ns; };
    run("all at nine", false, at_once);
    int const seen = run("at random within ten minutes", false, [&](std::uint64_t, auto& rng) { return ten_minutes.random(rng); });
    int const even = run("evenly, by number", false, [&](std::uint64_t i, auto&) { return ten_minutes.even(i); });
    run("all at nine, admitted at 36/s", true, at_once);

    std::vector<int> mornings;  // the busiest second of each of two hundred
    for (std::uint64_t day = 0; day < 200; ++day) {
        sluice::xoshiro256ss rng(day);
        std::array<int, 600> second{};
        for (int i = 0; i < 10'000; ++i) ++second[static_cast<std::size_t>(ten_minutes.random(rng) / 1s)];
        mornings.push_back(*std::max_element(second.begin(), second.end()));
    }
    std::sort(mornings.begin(), mornings.end());
    double const mean = 10'000 / 600., busiest = std::accumulate(mornings.begin(), mornings.end(), 0.) / 200;
    std::printf("Right: 10 000 over 600 s are %.1f a second. Wrong: that this is the peak to plan for; the busiest second had %d here,\n"
                "%.0f in the mean of 200 mornings, %.1f times as many, and in one of twenty %d or more. Clients with numbers need %d.\n",
                mean, seen, busiest, busiest / mean, mornings[190], even);
}
// Expected output:
//   all at nine                        busiest second 10000   p50  123.0 s   p99  243.9 s   all done after  246 s
//   at random within ten minutes       busiest second    29   p50    0.0 s   p99    0.3 s   all done after  600 s
//   evenly, by number                  busiest second    17   p50    0.0 s   p99    0.2 s   all done after  600 s
//   all at nine, admitted at 36/s      busiest second    45   p50    0.1 s   p99    0.6 s   all done after  548 s
//   Right: 10 000 over 600 s are 16.7 a second. Wrong: that this is the peak to plan for; the busiest second had 29 here,
//   31 in the mean of 200 mornings, 1.8 times as many, and in one of twenty 34 or more. Clients with numbers need 17.
