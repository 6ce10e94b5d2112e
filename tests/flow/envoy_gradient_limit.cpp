// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/envoy_gradient_limit.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::envoy_gradient_limit;
using sluice::time_point;
using sluice::window_summary;

static_assert(sluice::limit_algorithm<envoy_gradient_limit>);

namespace {

window_summary window(sluice::duration rtt, std::uint32_t inflight, std::uint64_t samples = 50, time_point end = {}) {
    auto s = window_summary::of(rtt, inflight, false, end);
    s.samples = samples;
    return s;
}

}  // namespace

TEST_CASE("envoy_gradient_limit: the published updates", "[flow][envoy_gradient_limit][unit]") {
    struct row {
        std::uint32_t    limit;
        sluice::duration sample;
        double           buffer;
        double           next;
    };
    for (auto const& r : {row{100, 10ms, .25, 136}, row{100, 12'500us, .25, 110}, row{100, 20ms, .25, 70}, row{100, 40ms, .25, 57},
                          row{100, 5ms, .25, 214}, row{900, 5ms, .25, 1000}, row{3, 100ms, .25, 3}}) {
        CAPTURE(r.limit, r.sample.count());
        envoy_gradient_limit l({.initial = r.limit, .baseline = 10ms, .buffer = r.buffer});
        REQUIRE(l.update(window(r.sample, r.limit)) == r.next);
    }
}

TEST_CASE("envoy_gradient_limit: the published trajectories", "[flow][envoy_gradient_limit][unit]") {
    envoy_gradient_limit wide({.initial = 3, .baseline = 5ms, .buffer = 0.5});
    for (int const expected : {5, 8, 13, 20, 30, 43, 61, 84, 115, 155}) {
        auto const n = static_cast<std::uint32_t>(wide.limit());
        REQUIRE(wide.update(window(6ms, n)) == expected);
    }
    envoy_gradient_limit narrow({.initial = 7, .baseline = 5ms, .buffer = 0.1});
    for (int const expected : {12, 20, 32, 50, 77, 116, 172, 251, 363, 521}) {
        auto const n = static_cast<std::uint32_t>(narrow.limit());
        REQUIRE(narrow.update(window(4ms, n)) == expected);
    }
    for (int const expected : {499, 478, 459, 441, 424}) REQUIRE(narrow.update(window(6ms, 500)) == expected);
}

TEST_CASE("envoy_gradient_limit: it rests where L = g / (1 - g)^2, as it is without rounding", "[flow][envoy_gradient_limit][unit]") {
    for (auto const& [gradient, rest] : {std::pair{0.9, 90.0}, std::pair{0.8, 20.0}}) {
        // Rounding down stops it on the way up; from above it comes to within that.
        envoy_gradient_limit l({.initial = static_cast<std::uint32_t>(rest), .baseline = 1s, .buffer = 0});
        auto const rtt = sluice::duration(static_cast<std::int64_t>(1e9 / gradient));
        for (int i = 0; i < 50; ++i) l.update(window(rtt, 1000));
        CAPTURE(gradient, l.limit());
        REQUIRE(l.limit() <= rest);
        REQUIRE(l.limit() >= rest * 0.75);
        REQUIRE(gradient / ((1 - gradient) * (1 - gradient)) == Approx(rest));
    }
}

TEST_CASE("envoy_gradient_limit: on a saturated server of ten it goes 5 8 13 16, and to 13 without a buffer",
          "[flow][envoy_gradient_limit][unit]") {
    auto const run = [](double buffer, std::uint32_t from) {
        envoy_gradient_limit l({.initial = from, .baseline = 10ms, .buffer = buffer});
        std::vector<int>     limits;
        for (int i = 0; i < 100; ++i) {
            auto const n = static_cast<std::uint32_t>(l.limit());
            l.update(window(1ms * std::max(10u, n), n));
            limits.push_back(static_cast<int>(l.limit()));
        }
        return limits;
    };
    REQUIRE(run(0.25, 5)[0] == 8);
    REQUIRE(run(0.25, 5)[1] == 13);
    REQUIRE(run(0.25, 5)[2] == 16);
    REQUIRE(run(0.25, 5).back() == 16);
    REQUIRE(run(0, 5).back() == 13);
}

TEST_CASE("envoy_gradient_limit: the baseline is measured at a low limit, which then is restored", "[flow][envoy_gradient_limit][unit]") {
    envoy_gradient_limit l({.initial = 40, .interval = 60s, .jitter = 0.15, .seed = 7});
    REQUIRE(l.probing());
    REQUIRE(l.limit() == 3);
    REQUIRE(l.baseline() == 0ns);
    l.update(window(10ms, 3, 25, time_point(1s)));
    REQUIRE(l.probing());
    l.update(window(12ms, 3, 25, time_point(2s)));
    REQUIRE_FALSE(l.probing());
    REQUIRE(l.baseline() == 11ms);
    REQUIRE(l.limit() == 40);
    REQUIRE(l.epoch() == 1);
    // The next is a minute later, and up to 15 % more.
    auto now = time_point(2s);
    while (!l.probing() && now < time_point(80s)) {
        now += 100ms;
        l.update(window(11ms, 40, 50, now));
    }
    REQUIRE(now > time_point(62s));
    REQUIRE(now <= time_point(71s + 100ms));
    REQUIRE(l.epoch() == 2);
    REQUIRE(l.limit() == 3);
}

TEST_CASE("envoy_gradient_limit: a probe may keep a part of the limit", "[flow][envoy_gradient_limit][unit]") {
    envoy_gradient_limit l({.initial = 40, .probe_ratio = 0.5});
    REQUIRE(l.limit() == 20);
}

TEST_CASE("envoy_gradient_limit: windows without successes make no baseline", "[flow][envoy_gradient_limit][unit]") {
    envoy_gradient_limit l({.initial = 40});
    for (int i = 0; i < 100; ++i) {
        l.update(window_summary::of(1ms, 3, true, time_point(i * 1s)));
        l.update(window_summary{});
    }
    REQUIRE(l.probing());
    REQUIRE(l.baseline() == 0ns);
    REQUIRE(l.limit() == 3);
    l.update(window(10ms, 3));
    REQUIRE(l.baseline() == 10ms);
    REQUIRE(l.limit() == 3);  // what the drops left
    l.update(window(10ms, 3));
    REQUIRE(l.limit() > 3);
}

TEST_CASE("envoy_gradient_limit: five windows at the floor are a reason to measure again", "[flow][envoy_gradient_limit][unit]") {
    envoy_gradient_limit l({.initial = 3, .baseline = 10ms, .probe_ratio = 1});
    for (int i = 0; i < 4; ++i) {
        l.update(window(100ms, 3));
        REQUIRE_FALSE(l.probing());
    }
    l.update(window(100ms, 3));
    REQUIRE(l.probing());
    l.update(window(100ms, 3));
    REQUIRE(l.baseline() == 100ms);
    REQUIRE(l.update(window(100ms, 3)) > 3);
}

TEST_CASE("envoy_gradient_limit: drops count, and growth needs the limit in use", "[flow][envoy_gradient_limit][unit]") {
    envoy_gradient_limit l({.initial = 100, .baseline = 10ms});
    auto s = window(10ms, 100);
    s.drops = 1;
    REQUIRE(l.update(s) == 90);
    REQUIRE(l.update(window(10ms, 44)) == 90);
    REQUIRE(l.update(window(10ms, 45)) > 90);
}

TEST_CASE("envoy_gradient_limit: a clock that is set back does not put off the next probe", "[flow][envoy_gradient_limit][unit]") {
    sluice::envoy_gradient_limit l({.initial = 20, .baseline = 10ms, .interval = 1s, .jitter = 0});
    for (auto const t : {1000s, 5s}) {
        l.update(sluice::window_summary::of(10ms, 20, false, sluice::time_point(t)));
        REQUIRE_FALSE(l.probing());
    }
    l.update(sluice::window_summary::of(10ms, 20, false, sluice::time_point(6s)));
    REQUIRE(l.probing());
}

TEST_CASE("envoy_gradient_limit: impossible options are refused by name", "[flow][envoy_gradient_limit][unit]") {
    auto const nan = std::numeric_limits<double>::quiet_NaN();
    using l = envoy_gradient_limit;
    REQUIRE_THROWS_WITH(l({.initial = 2}), test::contains("envoy_gradient_limit: initial"));
    REQUIRE_THROWS_WITH(l({.baseline = -1ns}), test::contains("baseline"));
    REQUIRE_THROWS_WITH(l({.buffer = nan}), test::contains("buffer"));
    REQUIRE_THROWS_WITH(l({.latency_quantile = 0}), test::contains("latency_quantile"));
    REQUIRE_THROWS_WITH(l({.latency_quantile = 1.1}), test::contains("latency_quantile"));
    REQUIRE_THROWS_WITH(l({.interval = 0s}), test::contains("interval"));
    REQUIRE_THROWS_WITH(l({.jitter = nan}), test::contains("jitter"));
    REQUIRE_THROWS_WITH(l({.probe_limit = 0}), test::contains("probe_limit"));
    REQUIRE_THROWS_WITH(l({.probe_ratio = -1}), test::contains("probe_ratio"));
    REQUIRE_THROWS_WITH(l({.probe_samples = 0}), test::contains("probe_samples"));
    REQUIRE_THROWS_WITH(l({.floor_updates = 0}), test::contains("floor_updates"));
    REQUIRE_THROWS_WITH(l({.drop_ratio = nan}), test::contains("drop_ratio"));
}
