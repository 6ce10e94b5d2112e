// SPDX-License-Identifier: BSL-1.0
// 750 — 800, 1200 and 2000 messages per second against a server that does 1000: where the queue goes, with and without a bound.
// Build:  c++ -std=c++20 -Iinclude examples/750_queue_saturation.cpp
#include <sluice/flow/codel.hpp>
#include <sluice/flow/fifo.hpp>
#include <sluice/scaling/mg1.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/sample_set.hpp>
#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/service_times.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/traffic.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

struct seen {
    double wait;    ///< ms, in the mean
    double growth;  ///< of the queue, messages a second
    double useful;  ///< messages a second
};

/// A minute; a message is of use within 100 ms.
template <class Discipline, class Service>
seen run(char const* name, int per_second, std::size_t capacity, sluice::duration deadline, Service service) {
    sim::simulation              sim(1);
    sim::sample_set              sojourns, waits;
    std::uint64_t                useful = 0;
    sim::server_pool<Discipline> server(sim, {.capacity = capacity}, [&](sim::finished_job const& j) {
        if (j.end != sim::job_end::done) return;
        sojourns.add(j.sojourn());
        waits.add(j.wait());
        useful += j.sojourn() <= 100ms ? 1 : 0;
    });
    auto         work = sim.stream(0, "work");
    sim::traffic messages(sim, sim::poisson_arrivals(sluice::per_second(per_second)), sim.stream(0, "gaps"),
                          [&] { server.submit(service(work), {.deadline = sim.now() + deadline}); });
    sim.run_until(sluice::time_point(60s));
    std::printf("%5d/s  %-28s %6llu waiting   p50 %6lld ms   useful %4.0f/s\n", per_second, name,
                static_cast<unsigned long long>(server.queued()), static_cast<long long>(*sojourns.quantile(.5) / 1ms),
                static_cast<double>(useful) / 60);
    return {static_cast<double>(*waits.mean() / 1us) / 1e3, static_cast<double>(server.queued()) / 60, static_cast<double>(useful) / 60};
}

int main() {
    sim::deterministic const alike(1ms);
    sim::exponential const   mixed(1ms);
    auto const               calm = run<sluice::fifo>("no bound, mixed lengths", 800, SIZE_MAX, 24h, mixed);
    std::vector<seen>        unbounded;
    for (int const rate : {800, 1200, 2000}) {
        unbounded.push_back(run<sluice::fifo>("no bound", rate, SIZE_MAX, 24h, alike));
        run<sluice::fifo>("50 places", rate, 50, 24h, alike);
        run<sluice::fifo>("deadlines that are looked at", rate, SIZE_MAX, 90ms, alike);
        run<sluice::codel>("CoDel", rate, SIZE_MAX, 24h, alike);
    }
    auto const model = [](int rate, double scv) { return sluice::mg1(sluice::per_second(rate), 1ms, scv); };
    auto const wait = [&](double scv) { return model(800, scv).mean_wait()->count() * 1e3; };
    std::printf("Right: at 80 %% a message waits %.0f ms (theory; here %.1f), if lengths are mixed as the "
                "exponential's are. If all take 1 ms\n"
                "it is %.0f (here %.1f). Right: above the capacity the queue grows by the difference, %.0f or %.0f a "
                "second (theory; here %.0f\n"
                "and %.0f), for ever. Wrong: that the server then still does 1000 useful ones a second; without a "
                "bound it does %.0f and %.0f.\n",
                wait(1), calm.wait, wait(0), unbounded[0].wait, model(1200, 0).growth_per_second(), model(2000, 0).growth_per_second(),
                unbounded[1].growth, unbounded[2].growth, unbounded[1].useful, unbounded[2].useful);
}
// Expected output:
//     800/s  no bound, mixed lengths           0 waiting   p50      3 ms   useful  800/s
//     800/s  no bound                          0 waiting   p50      2 ms   useful  800/s
//     800/s  50 places                         0 waiting   p50      2 ms   useful  800/s
//     800/s  deadlines that are looked at      0 waiting   p50      2 ms   useful  800/s
//     800/s  CoDel                             0 waiting   p50      2 ms   useful  800/s
//    1200/s  no bound                      11965 waiting   p50   4977 ms   useful    7/s
//    1200/s  50 places                        47 waiting   p50     49 ms   useful 1000/s
//    1200/s  deadlines that are looked at    103 waiting   p50     89 ms   useful 1000/s
//    1200/s  CoDel                            11 waiting   p50     10 ms   useful  997/s
//    2000/s  no bound                      59984 waiting   p50  14985 ms   useful    3/s
//    2000/s  50 places                        50 waiting   p50     50 ms   useful 1000/s
//    2000/s  deadlines that are looked at    177 waiting   p50     90 ms   useful 1000/s
//    2000/s  CoDel                            19 waiting   p50     10 ms   useful  999/s
//   Right: at 80 % a message waits 4 ms (theory; here 4.0), if lengths are mixed as the exponential's are. If all take 1 ms
//   it is 2 (here 2.0). Right: above the capacity the queue grows by the difference, 200 or 1000 a second (theory; here 199
//   and 1000), for ever. Wrong: that the server then still does 1000 useful ones a second; without a bound it does 7 and 3.
