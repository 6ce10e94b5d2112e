// SPDX-License-Identifier: BSL-1.0
// 785 — the latency has gone up: from what the workers measure, and what the model says of such load, to the culprit.
// Build:  c++ -std=c++20 -Iinclude examples/785_latency_triage.cpp
#include <sluice/core/random.hpp>
#include <sluice/executor/metrics.hpp>
#include <sluice/executor/triage.hpp>
#include <sluice/scaling/mg1.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/sample_set.hpp>
#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/service_times.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/traffic.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <iterator>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

struct fault {
    std::uint32_t slow = 0;  ///< workers that take three times as long
    unsigned      hot = 0;   ///< percent of all tasks that have worker 0's key, besides its share of the others
    bool          pauses = false;
};

struct look {
    double busy;  ///< share of the time
    double wait;  ///< ms, in the mean
};

/// 16 workers, each with a queue of its own, and tasks of 10 ms in the mean; a minute.
static look run(char const* name, int per_second, fault f) {
    sim::simulation                sim(3);
    sim::sample_set                waits;
    std::deque<sim::server_pool<>> workers;
    sluice::pool_metrics           m;
    m.workers.resize(16);
    m.elapsed = 60s;
    for (std::uint32_t i = 0; i < 16; ++i) {
        workers.emplace_back(sim, sim::server_pool_options{}, [&](sim::finished_job const& j) {
            if (j.tag == 0) waits.add(j.wait());
        });
        if (i < f.slow) workers[i].set_speed(0, 333);
    }
    auto             work = sim.stream(0, "work");
    sim::exponential service(10ms);
    sim::traffic tasks(sim, sim::poisson_arrivals(sluice::per_second(per_second)), sim.stream(0, "gaps"), [&] {
        bool const hot = sluice::uniform_below(work, 100) < f.hot;
        auto const i = hot ? 0 : static_cast<std::size_t>(sluice::uniform_below(work, 16));
        workers[i].submit(service(work));
    });
    for (int t = 0; t < 6000; ++t) {  // a look every 10 ms, and a collector that stops everybody for 200 ms every 2 s
        for (std::size_t i = 0; i < 16; ++i) {
            if (f.pauses && t % 200 == 100) workers[i].submit(200ms, {}, 1);
            m.workers[i].mean_depth += static_cast<double>(workers[i].queued()) / 6000;
        }
        sim.run_until(sim.now() + 10ms);
    }
    double busy = 0;
    for (std::size_t i = 0; i < 16; ++i) {
        m.workers[i].busy = std::chrono::nanoseconds(workers[i].busy_nanoseconds());
        m.workers[i].parked = m.elapsed - m.workers[i].busy;
        busy += static_cast<double>(workers[i].busy_nanoseconds()) / 60e9 / 16;
    }
    auto const model = sluice::mg1(sluice::per_second(per_second / 16), 10ms, 1);  // all alike, and nothing but tasks
    auto const found = sluice::triage(m).findings;
    double const mean = static_cast<double>(waits.mean()->count()) * 1e-6;
    double const expected = model.mean_wait() ? model.mean_wait()->count() * 1e3 : 0;
    std::printf("%-21s  busy %3.0f %%  waits %4.0f ms, p99 %4lld ms, model", name, 100 * busy, mean,
                static_cast<long long>(*waits.quantile(.99) / 1ms));
    if (model.saturated()) std::printf(" no end: ");
    else std::printf(" %2.0f ms: ", expected);
    for (auto const kind : found) std::printf("%s%s", kind == found.front() ? "" : ", ", sluice::to_string(kind));
    if (found.empty())
        std::printf("%s", mean > 2 * expected ? "not the tasks, something stops the workers" : "nothing");
    std::printf("\n");
    return {busy, mean};
}

int main() {
    auto const well = run("as it should be", 960, {});
    auto const hot = run("a hot key", 960, {.hot = 6});
    look const crises[] = {hot, run("three slow machines", 480, {.slow = 3}), run("a collector's pauses", 960, {.pauses = true}),
                           run("too much for all", 1760, {}), run("slow elsewhere", 320, {})};
    auto const idle = std::count_if(std::begin(crises), std::end(crises), [](look const& c) { return c.busy < .705; });
    std::printf("Right: a busier pool waits longer, %.0f ms at %.0f %%. Wrong: that how busy it is finds the culprit: in %d of these %zu\n"
                "crises the pool is busy for 70 %% of the time or less, and with the hot key it waits %.0f ms at %.0f %%.\n", well.wait,
                100 * well.busy, static_cast<int>(idle), std::size(crises), hot.wait, 100 * hot.busy);
}
// Expected output:
//   as it should be        busy  60 %  waits   15 ms, p99  104 ms, model 15 ms: nothing
//   a hot key              busy  59 %  waits  360 ms, p99 5972 ms, model 15 ms: hot partition
//   three slow machines    busy  42 %  waits   58 ms, p99  826 ms, model  4 ms: uneven work, too little work
//   a collector's pauses   busy  70 %  waits   43 ms, p99  245 ms, model 15 ms: not the tasks, something stops the workers
//   too much for all       busy 100 %  waits 2860 ms, p99 6624 ms, model no end: too few workers
//   slow elsewhere         busy  20 %  waits    2 ms, p99   36 ms, model  2 ms: too little work
//   Right: a busier pool waits longer, 15 ms at 60 %. Wrong: that how busy it is finds the culprit: in 4 of these 5
//   crises the pool is busy for 70 % of the time or less, and with the hot key it waits 360 ms at 59 %.
