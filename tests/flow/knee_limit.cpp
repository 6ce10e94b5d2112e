// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/knee_limit.hpp>

#include <sluice/flow/concurrency_limiter.hpp>

#include "flow/plant.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

using namespace std::chrono_literals;
using sluice::knee_limit;
using sluice::knee_limit_options;
using sluice::time_point;
using sluice::window_summary;
using limiter = sluice::concurrency_limiter<knee_limit, sluice::manual_clock>;

static_assert(sluice::limit_algorithm<knee_limit>);

namespace {

limiter make(knee_limit_options o) { return limiter(knee_limit(o)); }

}  // namespace

TEST_CASE("knee_limit: from any start it settles in [10, 16] on a saturated server of ten, and stays for a million",
          "[flow][knee_limit][property]") {
    // The algorithm alone, window by window, all 200.
    for (std::uint32_t initial = 1; initial <= 200; ++initial) {
        CAPTURE(initial);
        knee_limit l({.initial = initial, .seed = test::seed() + initial});
        double     least = 1e9, most = 0;
        for (int window = 0; window < 10'060; ++window) {
            auto const n = static_cast<std::uint32_t>(l.limit());
            auto       s = window_summary::of(1ms * std::max(10u, n), n);
            s.samples = 100;
            l.update(s);
            if (window < 60) continue;
            least = std::min(least, l.limit());
            most = std::max(most, l.limit());
        }
        REQUIRE(least >= 10);
        REQUIRE(most <= 16);
    }
    // Behind the limiter, request by request.
    bool const all = test::stress_factor() > 1;
    for (std::uint32_t const initial : {1u, 2u, 5u, 9u, 10u, 11u, 16u, 20u, 43u, 50u, 100u, 110u, 150u, 199u, 200u}) {
        CAPTURE(initial);
        auto        l = make({.initial = initial, .seed = test::seed() + initial});
        test::plant server;
        watch(server, l, 5'000);
        auto const seen = watch(server, l, all ? 1'000'000 : 10'000);
        REQUIRE(seen.least >= 10);
        REQUIRE(seen.most <= 16);
    }
}

TEST_CASE("knee_limit: it does so whatever the jitter", "[flow][knee_limit][property]") {
    for (std::uint64_t i = 0; i < 4; ++i) {
        auto        l = make({.initial = 20 + static_cast<std::uint32_t>(i) * 7, .probe_interval = 5, .seed = test::seed() * 31 + i});
        test::plant server;
        watch(server, l, 5'000);
        auto const seen = watch(server, l, 20'000);
        CAPTURE(i, seen.mean);
        REQUIRE(seen.least >= 10);
        REQUIRE(seen.most <= 16);
        REQUIRE(seen.least < seen.most);  // it did probe
    }
}

TEST_CASE("knee_limit: the knee of other servers", "[flow][knee_limit][property]") {
    for (int const servers : {1, 3, 50, 200}) {
        for (std::uint32_t const initial : {1u, 20u, 300u}) {
            CAPTURE(servers, initial);
            auto        l = make({.initial = initial});
            test::plant server;
            server.servers = servers;
            watch(server, l, servers < 50 ? 5'000 : 20'000);
            auto const seen = watch(server, l, 10'000);
            REQUIRE(seen.least >= static_cast<std::uint32_t>(servers));
            REQUIRE(seen.most <= static_cast<std::uint32_t>(servers * 1.6) + 1);
        }
    }
}

TEST_CASE("knee_limit: services of a few nanoseconds, and of hours", "[flow][knee_limit][unit]") {
    for (auto const service : {sluice::duration(3), sluice::duration(900), sluice::duration(25us), sluice::duration(2h)}) {
        CAPTURE(service.count());
        auto        l = make({});
        test::plant server;
        server.service = service;
        watch(server, l, 5'000);
        auto const seen = watch(server, l, 20'000);
        // Of three nanoseconds, one is a third: windows scatter, and so it descends now and then.
        REQUIRE(seen.least >= (service.count() == 3 ? 4 : 10));
        REQUIRE(seen.most <= 17);
    }
}

TEST_CASE("knee_limit: exponential service times leave it near the knee nearly always", "[flow][knee_limit][property]") {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        CAPTURE(seed);
        auto        l = make({.seed = seed});
        test::plant server(seed);
        server.exponential = true;
        watch(server, l, 5'000);
        auto const begin = server.now;
        auto const seen = watch(server, l, 50'000, 9, 18);
        auto const seconds = static_cast<double>((server.now - begin).count()) / 1e9;
        REQUIRE(seen.outside < 0.15);
        REQUIRE(seen.mean > 10);
        REQUIRE(seen.mean < 15);
        REQUIRE(seen.most <= 25);
        REQUIRE(50'000 / seconds > 930);  // of 1000 that the servers can do
    }
}

TEST_CASE("knee_limit: a start far above the knee is left, whatever the noise and the order of service",
          "[flow][knee_limit][property]") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        auto        l = make({.initial = seed % 5 == 0 ? 1u : 200u, .seed = seed});
        test::plant server(seed * 77);
        server.exponential = true;
        server.shuffled = true;
        watch(server, l, 25'000);
        auto const seen = watch(server, l, 20'000, 9, 18);
        REQUIRE(seen.outside < 0.2);
        REQUIRE(seen.mean > 9);
        REQUIRE(seen.most <= 25);
    }
}

TEST_CASE("knee_limit: load that comes and goes is no shift of the latency", "[flow][knee_limit][unit]") {
    for (std::uint32_t const initial : {20u, 50u, 200u}) {
        CAPTURE(initial);
        auto        l = make({.initial = initial});
        test::plant server;
        watch(server, l, 5'000);
        for (int i = 0; i < 10; ++i) {
            server.most = i % 2 == 0 ? 3 : UINT32_MAX;
            auto const seen = watch(server, l, 2'500 + static_cast<std::uint64_t>(i) * 37);
            REQUIRE(seen.least >= 10);
            REQUIRE(seen.most <= 16);
        }
    }
}

TEST_CASE("knee_limit: the service becomes three times slower, and fast again", "[flow][knee_limit][unit]") {
    auto        l = make({});
    test::plant server;
    watch(server, l, 20'000);
    REQUIRE(l.algorithm().baseline() == 10ms);
    for (auto const& [service, ends] :
         {std::pair{30ms, 20'000}, std::pair{10ms, 20'000}, std::pair{11ms, 40'000}, std::pair{8ms, 20'000}}) {
        CAPTURE(service.count());
        server.service = service;
        watch(server, l, 10'000);
        auto const seen = watch(server, l, static_cast<std::uint64_t>(ends));
        REQUIRE(seen.least >= 10);
        REQUIRE(seen.most <= 16);
        REQUIRE(l.algorithm().baseline() == service);
    }
    server.servers = 40;
    watch(server, l, 20'000);
    REQUIRE(watch(server, l, 20'000).least >= 38);
    server.servers = 4;
    watch(server, l, 20'000);
    REQUIRE(watch(server, l, 20'000).most <= 7);
}

TEST_CASE("knee_limit: light load does not let it grow", "[flow][knee_limit][property]") {
    auto        l = make({});
    test::plant server;
    server.most = 6;
    server.exponential = true;
    REQUIRE(watch(server, l, 50'000).most <= 20);
    // What was learned under light load is verified when the load comes.
    server.exponential = false;
    server.most = UINT32_MAX;
    watch(server, l, 10'000);
    auto const seen = watch(server, l, 20'000);
    REQUIRE(seen.least >= 10);
    REQUIRE(seen.most <= 16);
    // A longer latency under light load is a new baseline, not a reason to shrink.
    server.most = 4;
    server.service = 50ms;
    watch(server, l, 100);
    auto const light = watch(server, l, 20'000);
    REQUIRE(light.least >= 6);  // more than is asked for
    REQUIRE(l.algorithm().baseline() > 45ms);
}

TEST_CASE("knee_limit: drops alone bound it, and it comes back", "[flow][knee_limit][unit]") {
    auto        l = make({});
    test::plant server;
    server.servers = 1000;
    server.drop_above = 30;  // constant latency: only drops speak
    watch(server, l, 30'000);
    auto const seen = watch(server, l, 50'000);
    REQUIRE(seen.most <= 36);
    REQUIRE(seen.mean > 15);
    server.drop_above = 0;  // everything fails
    watch(server, l, 20'000);
    REQUIRE(l.limit() == 1);
    server.drop_above = UINT32_MAX;
    server.servers = 10;
    watch(server, l, 20'000);
    auto const after = watch(server, l, 10'000);
    REQUIRE(after.least >= 10);
    REQUIRE(after.most <= 16);
}

TEST_CASE("knee_limit: where throughput falls with concurrency it does not rest above the knee", "[flow][knee_limit][unit]") {
    auto        l = make({.initial = 100});
    test::plant server;
    server.thrash = 0.01;
    watch(server, l, 20'000);
    auto const seen = watch(server, l, 50'000);
    REQUIRE(seen.most <= 17);
    REQUIRE(seen.mean >= 7);
}

TEST_CASE("drift_guard: the sign of the covariance, where there is one", "[flow][knee_limit][unit]") {
    sluice::detail::drift_guard up, flat, down, still;
    for (int i = 0; i < 40; ++i) {
        double const n = 10 + i % 5;
        up.add({n, 10});            // throughput n / 10
        flat.add({n, n});           // constant
        down.add({n, n * n / 10});  // falls as 1 / n
        still.add({12, 10.0 + i % 3});
    }
    REQUIRE_FALSE(up.drifting());
    REQUIRE_FALSE(flat.drifting());
    REQUIRE(down.drifting());
    REQUIRE_FALSE(still.drifting());
    down.reset();
    REQUIRE_FALSE(down.drifting());
}

TEST_CASE("knee_limit: 10 ms and 2 s mixed, then overload ends: not stuck at 1", "[flow][knee_limit][unit]") {
    knee_limit l;
    auto const update = [&](sluice::duration rtt, std::uint64_t drops) {
        auto s = window_summary::of(rtt, static_cast<std::uint32_t>(l.limit()));
        s.samples = 100;
        s.drops = drops;
        l.update(s);
    };
    for (unsigned i = 0; i < 200; ++i) update(i % 3 == 0 ? 2s : 10ms, i % 2);
    for (int i = 0; i < 50; ++i) update(2s, 50);
    REQUIRE(l.limit() == 1);
    for (int i = 0; i < 60; ++i) update(i % 4 == 0 ? 30ms : 20ms, 0);
    REQUIRE(l.limit() >= 10);
}

TEST_CASE("knee_limit: windows without anything change nothing; the limit is whole and within its bounds", "[flow][knee_limit][property]") {
    knee_limit l({.initial = 10, .min_limit = 3, .max_limit = 50, .probe_interval = 3, .seed = test::seed()});
    REQUIRE(l.update(window_summary{}) == 10);
    REQUIRE(l.baseline() == 0ns);
    for (auto const key : test::keys(20'000, test::seed())) {
        window_summary s;
        s.samples = key % 3 == 0 ? 0 : key % 200;
        s.drops = key % 7 == 0 ? key % 50 : 0;
        s.rtt_mean = s.samples == 0 ? 0ns : sluice::duration(static_cast<std::int64_t>(key >> (1 + key % 63)));
        s.inflight_max = static_cast<std::uint32_t>(key >> 32) % 60;
        double const limit = l.update(s);
        REQUIRE(limit == l.limit());
        REQUIRE(limit >= 3);
        REQUIRE(limit <= 50);
        REQUIRE(limit == static_cast<int>(limit));
    }
}

TEST_CASE("knee_limit: impossible options are refused by name", "[flow][knee_limit][unit]") {
    auto const nan = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_WITH(knee_limit({.initial = 0}), test::contains("knee_limit: initial"));
    REQUIRE_THROWS_WITH(knee_limit({.min_limit = 5, .max_limit = 4}), test::contains("max_limit (>= min_limit) is 4"));
    REQUIRE_THROWS_WITH(knee_limit({.grow_below = 1.5}), test::contains("grow_below"));
    REQUIRE_THROWS_WITH(knee_limit({.grow_below = nan}), test::contains("grow_below"));
    REQUIRE_THROWS_WITH(knee_limit({.shrink_above = nan}), test::contains("shrink_above"));
    REQUIRE_THROWS_WITH(knee_limit({.drop_ratio = 0}), test::contains("drop_ratio"));
    REQUIRE_THROWS_WITH(knee_limit({.probe_ratio = 1}), test::contains("probe_ratio"));
}
