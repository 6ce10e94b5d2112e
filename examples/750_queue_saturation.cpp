// SPDX-License-Identifier: BSL-1.0
// 750 — 800, 1200 and 2000 messages per second against a server that does 1000: where the queue goes, with and without a bound.
// Build:  c++ -std=c++20 -Iinclude examples/750_queue_saturation.cpp
#include <sluice/flow/codel.hpp>
#include <sluice/flow/fifo.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/sample_set.hpp>
#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/traffic.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdio>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

/// A minute; a message is of use within 100 ms.
template <class Discipline>
void run(char const* name, int per_second, std::size_t capacity, sluice::duration deadline) {
    sim::simulation              sim(1);
    sim::sample_set              sojourns;
    std::uint64_t                useful = 0;
    sim::server_pool<Discipline> server(sim, {.capacity = capacity}, [&](sim::finished_job const& j) {
        if (j.end != sim::job_end::done) return;
        sojourns.add(j.sojourn());
        useful += j.sojourn() <= 100ms ? 1 : 0;
    });
    sim::traffic messages(sim, sim::poisson_arrivals(sluice::per_second(per_second)), sim.stream(0, "gaps"),
                          [&] { server.submit(1ms, {.deadline = sim.now() + deadline}); });
    sim.run_until(sluice::time_point(60s));
    std::printf("%5d/s  %-28s %6llu waiting   p50 %6lld ms   useful %4llu/s\n", per_second, name,
                static_cast<unsigned long long>(server.queued()), static_cast<long long>(*sojourns.quantile(.5) / 1ms),
                static_cast<unsigned long long>(useful / 60));
}

int main() {
    for (int const rate : {800, 1200, 2000}) {
        run<sluice::fifo>("no bound", rate, SIZE_MAX, 24h);
        run<sluice::fifo>("50 places", rate, 50, 24h);
        run<sluice::fifo>("deadlines that are looked at", rate, SIZE_MAX, 90ms);
        run<sluice::codel>("CoDel", rate, SIZE_MAX, 24h);
    }
    std::printf("Right: below the capacity a queue stays small (theory at 800/s: a mean wait of 2 ms), above it grows by the\n"
                "difference, 200 or 1000 a second, for ever. Wrong: that the server then still does 1000 useful ones a second.\n");
}
// Expected output:
//     800/s  no bound                          0 waiting   p50      2 ms   useful  799/s
//     800/s  50 places                         0 waiting   p50      2 ms   useful  799/s
//     800/s  deadlines that are looked at      0 waiting   p50      2 ms   useful  799/s
//     800/s  CoDel                             0 waiting   p50      2 ms   useful  799/s
//    1200/s  no bound                      11965 waiting   p50   4977 ms   useful    6/s
//    1200/s  50 places                        47 waiting   p50     49 ms   useful  999/s
//    1200/s  deadlines that are looked at    103 waiting   p50     89 ms   useful  999/s
//    1200/s  CoDel                            11 waiting   p50     10 ms   useful  997/s
//    2000/s  no bound                      59984 waiting   p50  14985 ms   useful    2/s
//    2000/s  50 places                        50 waiting   p50     50 ms   useful  999/s
//    2000/s  deadlines that are looked at    177 waiting   p50     90 ms   useful  999/s
//    2000/s  CoDel                            19 waiting   p50     10 ms   useful  999/s
//   Right: below the capacity a queue stays small (theory at 800/s: a mean wait of 2 ms), above it grows by the
//   difference, 200 or 1000 a second, for ever. Wrong: that the server then still does 1000 useful ones a second.
