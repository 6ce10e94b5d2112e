// SPDX-License-Identifier: BSL-1.0
// 430 — how many instances: the rule of 70 % against "at most 1 % wait longer than 50 ms".
// Build:  c++ -std=c++20 -O2 -Iinclude examples/430_capacity_for_slo.cpp
#include <sluice/scaling/drain_time.hpp>
#include <sluice/scaling/instances_for.hpp>
#include <sluice/scaling/instances_for_wait.hpp>
#include <sluice/scaling/mm1.hpp>
#include <sluice/scaling/mmc.hpp>
#include <cstdio>

int main() {
    using namespace std::chrono_literals;
    constexpr auto service = 100ms;

    // One utilisation is too few instances for a small load and too many for a large one.
    std::printf("per second   70 %%: instances  waiting > 50 ms   for 1 %%: instances  utilisation\n");
    for (int arrivals : {10, 100, 1000, 10'000}) {
        auto const load = sluice::per_second(arrivals);
        auto const rule = sluice::instances_for(load, service, .7);
        auto const slo = sluice::instances_for_wait(load, service, 50ms, .01);
        std::printf("%10d  %16u  %14.4f%%  %18u  %10.1f%%\n", arrivals, rule,
                    100 * sluice::mmc(load, service, rule).probability_wait_above(50ms), slo,
                    100 * sluice::mmc(load, service, slo).utilisation());
    }

    // Arithmetic in doubles would say 61.
    std::printf("\n600/s of 70 ms at 70 %%: %u instances\n", sluice::instances_for(sluice::per_second(600), 70ms, .7));

    std::printf("\nutilisation   one server waits   ten servers wait\n");
    for (int percent : {50, 80, 90, 95, 99})
        std::printf("%10d%%  %15.3f s  %15.4f s\n", percent,
                    sluice::mm1(sluice::per(percent, 10s), service).mean_wait()->count(),
                    sluice::mmc(sluice::per_second(percent), service, 10).mean_wait()->count());

    sluice::mmc const flooded(sluice::per_second(1200), service, 100);
    std::printf("\n1200/s on 100 instances: %s, the queue grows by %.0f/s\n", flooded.saturated() ? "saturated" : "stable",
                flooded.growth_per_second());
    auto const minute = 60 * 200u;
    auto const seconds = [](sluice::duration d) { return std::chrono::duration<double>(d).count(); };
    std::printf("after a minute of that, back at 1000/s, 143 instances need %.1f s; %u do it in 10 s\n",
                seconds(sluice::drain_time(minute, 143, service, sluice::per_second(1000)).value()),
                sluice::instances_to_drain(minute, sluice::per_second(1000), service, 10s, 1));
}
// Expected output:
//   per second   70 %: instances  waiting > 50 ms   for 1 %: instances  utilisation
//           10                 2         20.2177%                   4        25.0%
//          100                15          0.8376%                  15        66.7%
//         1000               143          0.0000%                 108        92.6%
//        10000              1429          0.0000%                1009        99.1%
//
//   600/s of 70 ms at 70 %: 60 instances
//
//   utilisation   one server waits   ten servers wait
//           50%            0.100 s           0.0007 s
//           80%            0.400 s           0.0205 s
//           90%            0.900 s           0.0669 s
//           95%            1.900 s           0.1651 s
//           99%            9.900 s           0.9637 s
//
//   1200/s on 100 instances: saturated, the queue grows by 200/s
//   after a minute of that, back at 1000/s, 143 instances need 27.9 s; 220 do it in 10 s
