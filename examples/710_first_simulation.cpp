// SPDX-License-Identifier: BSL-1.0
// 710 — a day in virtual time: the production rate limiter and queue of a shop, and a clock that jumps.
// Build:  c++ -std=c++20 -Iinclude examples/710_first_simulation.cpp
#include <sluice/flow/token_bucket.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/sample_set.hpp>
#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/service_times.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/traffic.hpp>
#include <cstdint>
#include <cstdio>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

int main() {
    sim::simulation      sim(42);                          // the same seed is the same day, on every machine
    sluice::token_bucket limit({.refill = sluice::per_second(18), .burst = 100}, sim.clock());  // production code, this clock
    sim::sample_set      answers;
    sim::server_pool<>   servers(sim, {.servers = 2}, [&](sim::finished_job const& j) { answers.add(j.sojourn()); });

    sim::log_normal service({.median = 80ms, .sigma = .6});
    auto            work = sim.stream(0, "work");
    std::uint64_t   refused = 0;
    sim::diurnal_arrivals day({.peak = sluice::per_second(30), .profile = {50, 20, 200, 1000, 700, 400}});
    sim::traffic    customers(sim, day, sim.stream(0, "customers"), [&] {
        if (limit.try_acquire().admitted()) servers.submit(service(work));
        else ++refused;
    });

    auto const n = [](std::uint64_t x) { return static_cast<unsigned long long>(x); };
    auto const noon = sim.after(12h, [&] { std::printf("12:00  %llu customers so far\n", n(customers.count())); });
    sim.every(4h, [&] {
        std::printf("%02lld:00  %2llu waiting\n", static_cast<long long>(sim.now().time_since_epoch() / 1h), n(servers.queued()));
    });
    std::printf("cancelled: %s\n", sim.cancel(noon) ? "yes" : "no");

    auto const result = sim.run_until(sluice::time_point(24h));
    auto const ms = [&](double p) { return static_cast<long long>(*answers.quantile(p) / 1ms); };
    auto const sums = servers.little();
    std::printf("%s after %llu events\n", result.end == sim::run_end::horizon ? "horizon" : "?", n(result.events));
    std::printf("%llu customers, %llu refused; p50 %lld ms, p99 %lld ms\n", n(customers.count()), n(refused), ms(.5), ms(.99));
    std::printf("Little's law to the nanosecond: %s\n", sums.inside == sums.sojourns ? "yes" : "no");
}
// Expected output:
//   cancelled: yes
//   04:00   0 waiting
//   08:00   0 waiting
//   12:00   0 waiting
//   16:00   1 waiting
//   20:00   0 waiting
//   24:00   0 waiting
//   horizon after 1885550 events
//   1021194 customers, 156844 refused; p50 135 ms, p99 707 ms
//   Little's law to the nanosecond: yes
