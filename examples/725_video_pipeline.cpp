// SPDX-License-Identifier: BSL-1.0
// 725 — a thousand cores for video, a fifth of each video serial: 4.98 times as fast, or a thousand times as many.
// Build:  c++ -std=c++20 -Iinclude examples/725_video_pipeline.cpp
#include <sluice/scaling/amdahl.hpp>
#include <sluice/scaling/gustafson.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/sample_set.hpp>
#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/traffic.hpp>
#include <cstdint>
#include <cstdio>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

int main() {
    constexpr double           serial = .2;
    constexpr std::uint32_t    cores = 1000;
    constexpr sluice::duration video = 100min;  // on one core: 20 in a row (demux, rate control, mux), 80 by chunks
    auto const                 minutes = [](sluice::duration d) { return static_cast<double>(d / 1s) / 60; };

    // The fleet in teams of so many cores, a video for each; 120 videos come in an hour, whenever they do, for four weeks.
    std::printf("cores a video  times as fast  videos at once  most an hour   minutes to the end, p50     p95\n");
    for (std::uint32_t const team : {1u, 4u, 16u, 20u, 32u, 1000u}) {
        double const       faster = sluice::amdahl(serial, team);
        auto const         each = sluice::duration(static_cast<std::int64_t>(static_cast<double>(video.count()) / faster));
        std::uint32_t const teams = cores / team;
        sim::simulation    sim(7);
        sim::sample_set    times;
        sim::server_pool<> fleet(sim, {.servers = teams}, [&](sim::finished_job const& j) { times.add(j.sojourn()); });
        sim::traffic       videos(sim, sim::poisson_arrivals(sluice::per_hour(120)), sim.stream(0, "gaps"), [&] { fleet.submit(each); });
        sim.run_until(sluice::time_point(4 * 168h));
        std::printf("%13u  %13.2f  %14u  %12.0f", team, faster, teams, teams * 60 / minutes(each));
        if (fleet.queued() > 1000) std::printf("   %llu wait, and more each hour\n", static_cast<unsigned long long>(fleet.queued()));
        else std::printf("   %23.0f  %6.0f\n", minutes(*times.quantile(.5)), minutes(*times.quantile(.95)));
    }
    std::printf("\nRight: a fifth in series leaves %.2f of a thousand cores, and never more than %.0f. Wrong: that the others are lost.\n"
                "They have other videos, and the best team is neither one core nor all of them, but as many as the load leaves. (For one\n"
                "video whose parallel part grows with the machine they do the work of %.0f: Gustafson. With half the serial part: %.2f.)\n",
                sluice::amdahl(serial, cores), 1 / serial, sluice::gustafson(serial, cores), sluice::amdahl(serial / 2, cores));
}
// Expected output:
//   cores a video  times as fast  videos at once  most an hour   minutes to the end, p50     p95
//               1           1.00            1000           600                       100     100
//               4           2.50             250           375                        40      40
//              16           4.00              62           149                        25      25
//              20           4.17              50           125                        25      37
//              32           4.44              31            83   24232 wait, and more each hour
//            1000           4.98               1             3   77776 wait, and more each hour
//
//   Right: a fifth in series leaves 4.98 of a thousand cores, and never more than 5. Wrong: that the others are lost.
//   They have other videos, and the best team is neither one core nor all of them, but as many as the load leaves. (For one
//   video whose parallel part grows with the machine they do the work of 800: Gustafson. With half the serial part: 9.91.)
