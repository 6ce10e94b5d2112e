// SPDX-License-Identifier: BSL-1.0
#include <sluice/sim/fluid_pool.hpp>

#include "support/catch.hpp"
#include "support/sentence.hpp"

#include <sluice/core/random.hpp>
#include <sluice/scaling/autoscale_step.hpp>
#include <sluice/scaling/autoscaler.hpp>
#include <sluice/scaling/drain_time.hpp>
#include <sluice/scaling/feed_forward.hpp>
#include <sluice/scaling/instances_for.hpp>
#include <sluice/scaling/target_tracking.hpp>
#include <sluice/sim/arrivals.hpp>
#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/simulation.hpp>
#include <sluice/sim/traffic.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using namespace std::chrono_literals;
namespace sim = sluice::sim;
using sluice::time_point;
using test::sentence_of;

TEST_CASE("fluid_pool: what is too much waits, and drains as drain_time says", "[sim][fluid_pool][unit]") {
    sim::fluid_pool pool({.workers = 10, .service_time = 100ms});  // 100 a second
    for (int s = 0; s < 60; ++s) pool.flow(80, 1s);
    CHECK(pool.backlog() == 0);
    CHECK(pool.wait().count() == 0);
    CHECK(pool.busy() == 8);
    CHECK(pool.submitted() == 4800);
    CHECK(pool.completed() == 4800);
    CHECK(pool.busy_nanoseconds() == 480'000'000'000u);
    for (int s = 0; s < 60; ++s) pool.flow(120, 1s);
    CHECK(pool.queued() == 1200);
    CHECK(pool.busy() == 10);
    CHECK(pool.wait().count() == Approx(12));
    auto const drain = *sluice::drain_time(1200, 10, 100ms, sluice::per_second(80));
    CHECK(drain == 60s);
    for (int s = 0; s < 59; ++s) pool.flow(80, 1s);
    CHECK(pool.queued() == 20);
    pool.flow(80, 1s);
    CHECK(pool.queued() == 0);
    CHECK(pool.now() == time_point(180s));
    CHECK(pool.worker_hours() == Approx(.5));
    CHECK(pool.arrived() == 60 * 80 + 60 * 120 + 60 * 80);
}

TEST_CASE("fluid_pool: the step does not matter, where nobody idles", "[sim][fluid_pool][unit]") {
    sim::fluid_pool coarse({.workers = 3, .service_time = 10ms}), fine({.workers = 3, .service_time = 10ms});
    coarse.flow(4000, 10s);
    for (int i = 0; i < 10'000; ++i) fine.flow(.4, 1ms);
    CHECK(coarse.backlog() == Approx(1000));
    CHECK(fine.backlog() == Approx(1000));
    CHECK(fine.now() == coarse.now());
}

TEST_CASE("fluid_pool: workers start when they should, and the youngest leave first", "[sim][fluid_pool][unit]") {
    sim::fluid_pool pool({.workers = 2, .start_delay = 3s});
    pool.request_size(5);
    pool.flow(0, 1s);
    pool.request_size(6);
    CHECK(pool.provisioned() == 6);
    pool.flow(0, 1999ms);
    CHECK(pool.ready() == 2);
    pool.flow(0, 1ms);
    CHECK(pool.ready() == 5);
    pool.request_size(9);
    pool.request_size(5);  // the four that start
    CHECK(pool.ready() == 5);
    pool.flow(0, 10s);
    CHECK(pool.ready() == 5);
    pool.request_size(7);
    pool.request_size(4);  // two that start and one that is ready
    CHECK(pool.ready() == 4);
    pool.request_size(0);
    pool.flow(7, 1s);
    CHECK(pool.queued() == 7);
    CHECK(pool.busy() == 0);
    CHECK(std::isinf(pool.wait().count()));
    CHECK(pool.completed() == 0);
    sim::fluid_pool at_once({.workers = 0});
    at_once.request_size(3);
    CHECK(at_once.ready() == 3);
}

TEST_CASE("fluid_pool: the production autoscaler sizes it by the formula", "[sim][fluid_pool][unit]") {
    sim::fluid_pool      pool({.workers = 15, .service_time = 100ms, .start_delay = 30s});
    sluice::autoscaler<> policy(sluice::feed_forward({.start_delay = 30s, .period = 15s}), {.period = 15s, .rates = {}});
    double               late = 0;
    for (int t = 0; t < 1200; ++t) {
        if (t % 15 == 0) static_cast<void>(sluice::autoscale_step(policy, pool, pool.now()));
        pool.flow(t < 60 ? 100 : 1000, 1s);
        if (pool.wait() > 500ms) late += t < 60 ? 100 : 1000;
        if (t == 59) CHECK(pool.provisioned() == 15);
    }
    CHECK(pool.provisioned() == sluice::instances_for(sluice::per_second(1000), 100ms, .7));
    CHECK(pool.ready() == pool.provisioned());
    CHECK(pool.queued() == 0);
    CHECK(late > 30'000);  // 15 s until the next decision, 30 until they are there
    CHECK(late < 100'000);
}

TEST_CASE("fluid_pool: the published decisions of utilisation tracking, through autoscale_step", "[sim][fluid_pool][unit]") {
    sim::fluid_pool    pool({.workers = 15, .service_time = 100ms});
    sluice::autoscaler policy(sluice::target_tracking({}),
                              {.period = 15s,
                               .dead_band = {.up = 0, .down = 0},
                               .stabilisation = {.down = 300s, .seeded = false},
                               .rates = {.up = {.rules = {{sluice::rate_kind::percent, 100, 15s}, {sluice::rate_kind::count, 4, 15s}}}},
                               .busy = {.enabled = false}});
    static_cast<void>(policy.sampler().sample(sluice::counters_of(pool), pool.now()));  // nothing is decided on no interval
    std::vector<std::uint32_t> sizes;
    for (int t = 0; t < 14 * 15; ++t) {
        pool.flow(t < 60 ? 100 : 1000, 1s);
        if (t % 15 == 14) sizes.push_back(sluice::autoscale_step(policy, pool, pool.now()).desired);
    }
    CHECK(sizes == std::vector<std::uint32_t>{15, 15, 15, 15, 22, 32, 46, 66, 95, 136, 195, 279, 399, 399});
}

TEST_CASE("fluid_pool: who left at the beginning of an interval was not there for half of it", "[sim][fluid_pool][unit]") {
    for (std::uint32_t const begin : {100u, 40u}) {  // 50 / .7, and 40 / .7: then all is well
        sim::fluid_pool    pool({.workers = begin});
        sluice::autoscaler policy(sluice::target_tracking({}),
                                  {.period = 15s,
                                   .dead_band = {.up = 0, .down = 0},
                                   .stabilisation = {.down = 0s, .seeded = false},
                                   .rates = {}});
        static_cast<void>(policy.sampler().sample(sluice::counters_of(pool), pool.now()));
        std::vector<std::uint32_t> sizes;
        for (int t = 0; t < 60; ++t) {
            pool.flow(begin == 100 ? 50 : 40, 1s);
            if (t % 15 == 14) sizes.push_back(sluice::autoscale_step(policy, pool, pool.now()).desired);
        }
        CHECK(sizes == (begin == 100 ? std::vector<std::uint32_t>{72, 72, 72, 72} : std::vector<std::uint32_t>{58, 58, 58, 58}));
    }
}

TEST_CASE("fluid_pool: many tasks of a server_pool are a fluid", "[sim][fluid_pool][property]") {
    sim::simulation    s(4);
    sim::server_pool<> servers(s, {.servers = 100});
    sim::traffic       tasks(s, sim::poisson_arrivals(sluice::per_second(1200)), s.stream(0), [&] { servers.submit(100ms); });
    sim::fluid_pool    fluid({.workers = 100, .service_time = 100ms});
    s.run_until(time_point(60s));
    for (int t = 0; t < 60; ++t) fluid.flow(1200, 1s);
    CHECK(fluid.queued() == 12'000);
    CHECK(std::abs(static_cast<double>(servers.queued()) - fluid.backlog()) < 4.5 * std::sqrt(1200. * 60));  // of Poisson arrivals
    CHECK(servers.provisioned() == fluid.provisioned());
    CHECK(servers.busy() == fluid.busy());
}

TEST_CASE("fluid_pool: what cannot be is named, and changes nothing", "[sim][fluid_pool][unit]") {
    CHECK(sentence_of([] { sim::fluid_pool({.service_time = 0s}); }) == "sluice: fluid_pool: service_time (> 0 ns) is 0");
    CHECK(sentence_of([] { sim::fluid_pool({.start_delay = -1ns}); }) == "sluice: fluid_pool: start_delay (>= 0 ns) is -1");
    sim::fluid_pool pool;
    CHECK(sentence_of([&] { pool.flow(-1, 1s); }) == "sluice: fluid_pool: tasks (>= 0) is -1");
    CHECK(sentence_of([&] { pool.flow(1, 0s); }) == "sluice: fluid_pool: time (> 0 ns) is 0");
    for (double const bad : {std::nan(""), std::numeric_limits<double>::infinity()}) CHECK_THROWS(pool.flow(bad, 1s));
    CHECK(pool.arrived() == 0);
    CHECK(pool.now() == time_point{});
    pool.flow(1e300, sluice::duration::max());
    CHECK(pool.queued() == UINT64_MAX);
    CHECK(pool.submitted() == UINT64_MAX);
    pool.flow(0, 1s);
    CHECK(pool.now() == time_point::max());
}
