// SPDX-License-Identifier: BSL-1.0
// 720 — does the simulator tell the truth? Simulated waits beside the formulas, on all cores.
// Build:  c++ -std=c++20 -Iinclude examples/720_mm1_against_theory.cpp -pthread
#include <sluice/executor/thread_pool.hpp>
#include <sluice/scaling/mg1.hpp>
#include <sluice/scaling/mm1.hpp>
#include <sluice/scaling/mmc.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/batch_means.hpp>
#include <sluice/sim/replicate.hpp>
#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/service_times.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/traffic.hpp>
#include <cstdint>
#include <cstdio>
#include <optional>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

template <class Service>
void compare(sluice::thread_pool& pool, char const* name, sluice::rate arrivals, Service service, std::uint32_t servers,
             std::optional<sluice::model_seconds> theory) {
    auto const means = sim::replicate(pool, 20, [&](std::uint64_t seed) {  // each in a simulation of its own; the same as serially
        sim::simulation    sim(seed);
        sim::batch_means   waits({.skip = 2'000});
        sim::server_pool<> queue(sim, {.servers = servers}, [&](sim::finished_job const& j) {
            waits.add(static_cast<double>(j.wait().count()) / 1e6);
        });
        auto         work = sim.stream(0, "work");
        sim::traffic jobs(sim, sim::poisson_arrivals(arrivals), sim.stream(0, "gaps"), [&] { queue.submit(service(work)); });
        sim.run_until(sluice::time_point(arrivals.time_for(22'000)));
        return waits.mean();
    });
    sim::batch_means runs({.batches = 20});  // independent runs: their means are the batches
    for (double const m : means) runs.add(m);
    auto const i = runs.interval(.99);
    double const expected = theory->count() * 1e3;
    std::printf("%-22s %8.1f %8.1f +- %5.1f   %s\n", name, expected, i.mean, i.half_width, i.contains(expected) ? "agrees" : "differs");
}

int main() {
    sluice::thread_pool pool(2);
    std::printf("%-22s %8s %8s             mean wait in ms, S = 100 ms\n", "", "theory", "measured");
    auto const five = sluice::per_second(5), eight = sluice::per_second(8), twenty = sluice::per_second(20);
    compare(pool, "M/M/1 at 50 %", five, sim::exponential(100ms), 1, sluice::mm1(five, 100ms).mean_wait());
    compare(pool, "M/M/1 at 80 %", eight, sim::exponential(100ms), 1, sluice::mm1(eight, 100ms).mean_wait());
    compare(pool, "M/M/3 at 67 %", twenty, sim::exponential(100ms), 3, sluice::mmc(twenty, 100ms, 3).mean_wait());
    compare(pool, "M/D/1 at 80 %", eight, sim::deterministic(100ms), 1, sluice::mg1(eight, 100ms, 0).mean_wait());
    compare(pool, "M/E4/1 at 80 %", eight, sim::erlang({100ms, 4}), 1, sluice::mg1(eight, 100ms, .25).mean_wait());
    compare(pool, "M/M/1 is not M/D/1", eight, sim::exponential(100ms), 1, sluice::mg1(eight, 100ms, 0).mean_wait());
}
// Expected output:
//                            theory measured             mean wait in ms, S = 100 ms
//   M/M/1 at 50 %             100.0     99.5 +-   2.2   agrees
//   M/M/1 at 80 %             400.0    396.2 +-  16.2   agrees
//   M/M/3 at 67 %              44.4     44.2 +-   1.7   agrees
//   M/D/1 at 80 %             200.0    199.6 +-   6.4   agrees
//   M/E4/1 at 80 %            250.0    245.9 +-   8.7   agrees
//   M/M/1 is not M/D/1        200.0    396.2 +-  16.2   differs
