// SPDX-License-Identifier: BSL-1.0
// 775 — one service, live or in virtual time: here a minute of it at up to three times its capacity, with and without protection.
// Build:  c++ -std=c++20 -Iinclude examples/775_composed_service.cpp
#include <sluice/core/random.hpp>
#include <sluice/executor/manual_executor.hpp>
#include <sluice/service/service.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/service_times.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>

using namespace std::chrono_literals;

struct load {
    double goodput;        // calls a second that were answered within 100 ms
    sluice::duration p99;  // of all that were served
    std::size_t waiting;   // at most
};

/// Four workers of 10 ms: 400 calls a second. 60 more come at once each second.
load run(double times_capacity, sluice::service_options options, bool deadlines) {
    sluice::manual_executor workers({.workers = 4});  // a thread_pool, live
    sluice::sim::exponential work(10ms);
    sluice::xoshiro256ss rng(1), sizes(2);
    std::uint64_t good = 0;
    sluice::service app(
        workers, [&](sluice::duration& length) { workers.spend(length); }, options, workers.clock());

    load result{};
    auto const offer = [&] {
        (void)app.submit(work(sizes), {.expiry = deadlines ? workers.now() + 100ms : sluice::no_deadline},
                         [&](sluice::service_result const& r) { good += r.end == sluice::service_end::served && r.latency <= 100ms; });
        result.waiting = std::max(result.waiting, app.queued());
    };
    auto const end = workers.now() + 60s;
    auto burst = workers.now() + 500ms;
    sluice::sim::poisson_arrivals arrivals(sluice::per_second(static_cast<std::uint64_t>(400 * times_capacity) - 60), workers.now());
    for (auto t = *arrivals.next(rng); t < end; t = *arrivals.next(rng)) {
        for (; burst <= t; burst += 1s) {
            workers.run_until(burst);
            for (int i = 0; i < 60; ++i) offer();
        }
        workers.run_until(t);
        offer();
    }
    workers.run_until_idle();
    result.goodput = static_cast<double>(good) / 60;
    result.p99 = app.metrics().p99;
    return result;
}

int main() {
    load calm{}, calm_without{}, flood{}, flood_without{};
    for (double const times : {.5, 1., 1.5, 3.}) {
        auto const with = run(times, {.capacity = 200, .max_delay = 40ms, .expected_service = 30ms}, true);
        auto const without = run(times, {.capacity = 1'000'000}, false);
        auto const ms = [](sluice::duration d) { return static_cast<long long>(d / 1ms); };
        std::printf("%4.1f x capacity   in time %5.0f/s, p99 %3lld ms, %4zu wait   |   unprotected %5.0f/s, p99 %6lld ms, %6zu wait\n",
                    times, with.goodput, ms(with.p99), with.waiting, without.goodput, ms(without.p99), without.waiting);
        if (times == .5) calm = with, calm_without = without;
        flood = with, flood_without = without;
    }
    std::printf("Right: protected, three times the load is answered at %.0f %% of the capacity of 400/s, unprotected "
                "at %.0f %%. Wrong: that\n"
                "protection costs nothing: at half the load it turns away what would have been in time, %.0f against %.0f a second.\n",
                flood.goodput / 4, flood_without.goodput / 4, calm.goodput, calm_without.goodput);
}
// Expected output:
//    0.5 x capacity   in time   157/s, p99  62 ms,   60 wait   |   unprotected   167/s, p99    171 ms,     64 wait
//    1.0 x capacity   in time   345/s, p99  71 ms,   23 wait   |   unprotected    46/s, p99    511 ms,    226 wait
//    1.5 x capacity   in time   394/s, p99  88 ms,   24 wait   |   unprotected     3/s, p99  31138 ms,  12179 wait
//    3.0 x capacity   in time   400/s, p99  92 ms,   26 wait   |   unprotected     1/s, p99 120259 ms,  47854 wait
//   Right: protected, three times the load is answered at 100 % of the capacity of 400/s, unprotected at 0 %. Wrong: that
//   protection costs nothing: at half the load it turns away what would have been in time, 157 against 167 a second.
