// SPDX-License-Identifier: BSL-1.0
#include <sluice/sim/network.hpp>
#include <sluice/sim/server_failures.hpp>

#include "support/catch.hpp"
#include "support/sentence.hpp"

#include <sluice/sim/server_pool.hpp>
#include <sluice/sim/service_times.hpp>
#include <sluice/sim/simulation.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace sim = sluice::sim;
using sluice::time_point;
using test::sentence_of;

TEST_CASE("network: a message takes its time, or is lost", "[sim][network][unit]") {
    sim::simulation s(1);
    sim::network    net(s, sim::exponential(1ms), {.at_least = 2ms, .loss = 250});
    int             n = 0, to_itself = 0;
    double          sum = 0;
    for (int i = 0; i < 10'000; ++i) {
        net.send(0, 1, [&] {
            ++n;
            sum += std::chrono::duration<double, std::milli>(s.now().time_since_epoch()).count();
            if (s.now() < time_point(2ms)) n += 100'000;
        });
        net.send(3, 3, [&] { ++to_itself; });
    }
    s.run();
    CHECK(std::abs(n - 7'500) < 4.5 * std::sqrt(10'000 * .25 * .75));
    CHECK(std::abs(sum / n - 3) < 4.5 / std::sqrt(7'500.));
    CHECK(to_itself == 10'000);
    CHECK(net.sent() == 20'000);
    CHECK(net.lost() == static_cast<std::uint64_t>(10'000 - n));
}

TEST_CASE("network: a partition stops what is sent during it, and shifts no random number", "[sim][network][unit]") {
    auto const times = [](bool parted) {
        sim::simulation           s(7);
        sim::network              net(s, sim::exponential(1ms));
        std::vector<std::int64_t> arrived;
        auto const send = [&](std::uint32_t from, std::uint32_t to) {
            net.send(from, to, [&, to] { arrived.push_back(s.now().time_since_epoch().count() * 10 + to); });
        };
        send(0, 1);  // under way: arrives
        if (parted) net.partition(1, 5), net.partition(2, 5), net.partition(9, 0);
        CHECK(net.reachable(0, 1) == !parted);
        CHECK(net.reachable(1, 2));
        CHECK(net.reachable(0, 9));
        send(0, 1);
        send(1, 0);
        send(1, 2);
        send(1, 1);
        net.heal();
        send(0, 2);
        s.run();
        CHECK(net.lost() == (parted ? 2 : 0));
        return arrived;
    };
    auto const all = times(false), some = times(true);
    CHECK(all.size() == 6);
    CHECK(some.size() == 4);
    for (auto const t : some) CHECK(std::count(all.begin(), all.end(), t) == 1);
}

TEST_CASE("network: impossible parameters are named", "[sim][network][unit]") {
    sim::simulation s;
    CHECK(sentence_of([&] { sim::network(s, sim::exponential(1ms), {.loss = 1001}); }) == "sluice: network: loss (0 to 1000) is 1001");
    CHECK(sentence_of([&] { sim::network(s, sim::exponential(1ms), {.at_least = -1ns}); }) ==
          "sluice: network: at_least (>= 0 ns) is -1");
}

TEST_CASE("network: what send refuses was not sent", "[sim][network][unit]") {
    struct backward {
        std::int64_t     next = -5;
        sluice::duration operator()(sluice::xoshiro256ss&) { return sluice::duration(next++); }
    };
    for (std::uint32_t const loss : {0u, 1000u}) {
        sim::simulation s;
        sim::network    net(s, backward{}, {.at_least = 1ms, .loss = loss});
        CHECK(sentence_of([&] { net.send(0, 1, [] {}); }) == "sluice: network: latency drawn (>= 0 ns) is -5");
        CHECK(sentence_of([&] { net.send(1, 1, [] {}); }) == "sluice: network: latency drawn (>= 0 ns) is -4");
        CHECK(net.sent() == 0);
        CHECK(net.lost() == 0);
        CHECK(s.pending() == 0);
        struct no_copy {
            no_copy() = default;
            no_copy(no_copy const&) { throw std::runtime_error("no copy"); }
            void operator()() const {}
        } const f;
        for (int i = 0; i < 3; ++i) sentence_of([&] { net.send(0, 1, f); });
        CHECK(sentence_of([&] { net.send(2, 2, f); }) == "no copy");
        CHECK(net.sent() == 0);
        net.send(0, 1, [] {});
        CHECK(net.sent() == 1);
        CHECK(net.lost() == (loss == 0 ? 0 : 1));
    }
}

TEST_CASE("server_failures: the share of time up is that of the two means", "[sim][server_failures][property]") {
    auto const run = [](std::uint32_t servers) {
        sim::simulation      s(3);
        sim::server_pool<>   pool(s, {.servers = servers});
        sim::server_failures trouble(s, pool, sim::exponential(90s), sim::exponential(10s));
        std::vector<int>     first;  // the first server's history
        double               up = 0;
        for (int i = 0; i < 3'000; ++i) {
            s.run_for(10s);
            up += pool.ready();
            if (i < 100) first.push_back(pool.fail(0) ? (pool.restart(0), 1) : 0);
        }
        CHECK(trouble.count() > servers * 200);
        CHECK(trouble.count() < servers * 400);
        CHECK(std::abs(up / 3'000 / servers - .9) < .02);  // .3 of 3000 looks are independent: 4.5 · .3 / sqrt(900 · 20) = .01
        return first;
    };
    auto const twenty = run(20);
    CHECK(run(40) == twenty);
    sim::simulation    s;
    sim::server_pool<> pool(s, {.servers = 1});
    {
        sim::server_failures late(s, pool, sim::deterministic(5s), sim::deterministic(1s));
        pool.request_size(2);  // seen after a second
        s.run_until(time_point(5500ms));
        CHECK(pool.ready() == 1);
        s.run_until(time_point(6500ms));
        CHECK(late.count() == 2);
        CHECK(pool.ready() == 1);  // the first is back, the second is not
    }
    CHECK(s.pending() == 0);
    CHECK(sentence_of([&] { sim::server_failures(s, pool, sim::deterministic(5s), sim::deterministic(1s), 0, 0s); }) ==
          "sluice: server_failures: scan (> 0 ns) is 0");
}

TEST_CASE("server_failures: times that cannot be, and a pool without servers", "[sim][server_failures][unit]") {
    struct script {  // draws what stands there, the last one for ever
        std::vector<sluice::duration> times;
        std::size_t                   next = 0;
        sluice::duration operator()(sluice::xoshiro256ss&) { return times[std::min(next++, times.size() - 1)]; }
    };
    sim::simulation    s(1, {.max_events = 1000});
    sim::server_pool<> pool(s, {.servers = 2});
    CHECK(sentence_of([&] { sim::server_failures(s, pool, script{{5s, -1ns}}, sim::deterministic(1s)); }) ==
          "sluice: simulation::after: delay is -1 ns: in the past, it is 0 ns already");
    CHECK(s.pending() == 0);  // nothing of it is left
    {
        sim::server_failures trouble(s, pool, sim::deterministic(5s), script{{-1ns}});
        CHECK(sentence_of([&] { s.run(); }) == "sluice: simulation::after: delay is -1 ns: in the past, it is 5000000000 ns already");
        CHECK(pool.ready() == 2);
    }
    {
        sim::server_failures endless(s, pool, sim::deterministic(0s), sim::deterministic(0s));
        auto const           now = s.now();
        auto const           r = s.run_for(1h);
        CHECK(r.end == sim::run_end::event_limit);
        CHECK(r.events == 1000);
        CHECK(s.now() == now);
    }
    pool.request_size(0);
    sim::server_pool<>   none(s, {.servers = 0});
    sim::server_failures idle(s, none, sim::deterministic(5s), sim::deterministic(1s));
    CHECK(s.run_for(1min).end == sim::run_end::horizon);
    CHECK(idle.count() == 0);
}
