// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/littles_law_limit.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

using namespace std::chrono_literals;
using sluice::littles_law_limit;
using sluice::time_point;
using sluice::window_summary;

static_assert(sluice::limit_algorithm<littles_law_limit>);

namespace {

/// A window of `samples` at `throughput` per second.
window_summary window(sluice::duration rtt, double throughput, time_point& now, std::uint64_t samples = 100) {
    auto s = window_summary::of(rtt, 1, false);
    s.samples = samples;
    s.begin = now;
    now += sluice::duration(static_cast<std::int64_t>(static_cast<double>(samples) / throughput * 1e9));
    s.end = now;
    return s;
}

double saturate(littles_law_limit& l, int windows, time_point& now, int servers = 10) {
    for (int i = 0; i < windows; ++i) {
        auto const n = static_cast<int>(l.limit());
        double const busy = std::min(n, servers);
        l.update(window(10ms * std::max(n, servers) / servers, busy * 100, now));
    }
    return l.limit();
}

}  // namespace

TEST_CASE("littles_law_limit: latency times throughput, and 6 to 30 percent more", "[flow][littles_law_limit][unit]") {
    littles_law_limit l({.initial = 4});
    time_point        now{};
    l.update(window(10ms, 1000, now));
    REQUIRE(l.explore_ratio() == Approx(0.3));
    REQUIRE(l.limit() == 13);
    l.update(window(12ms, 1000, now));  // slower at the same throughput
    REQUIRE(l.explore_ratio() == Approx(0.28));
    REQUIRE(l.limit() == 12);
    for (int i = 0; i < 20; ++i) l.update(window(12ms, 1000, now));
    REQUIRE(l.explore_ratio() == Approx(0.06));
    REQUIRE(l.limit() == 10);
    l.update(window(10ms, 1000, now));
    REQUIRE(l.explore_ratio() == Approx(0.08));
    // A lower latency is taken a tenth at a time, a lower throughput a hundredth.
    l.update(window(5ms, 1000, now));
    REQUIRE(l.baseline() == 9500us);
}

TEST_CASE("littles_law_limit: on a saturated server of ten it ends at 10 from 4, and stays above 40 from 40",
          "[flow][littles_law_limit][unit]") {
    littles_law_limit low({.initial = 4});
    littles_law_limit high({.initial = 40});
    time_point        now{}, later{};
    REQUIRE(saturate(low, 200, now) == 10);
    for (int i = 0; i < 200; ++i) REQUIRE(saturate(high, 1, later) >= 40);
    REQUIRE(high.limit() <= 45);
}

TEST_CASE("littles_law_limit: a remeasurement lowers the limit to nine tenths, then takes the next latency",
          "[flow][littles_law_limit][unit]") {
    littles_law_limit l({.initial = 40, .remeasure_min = 25s, .remeasure_max = 50s, .seed = 3});
    time_point        now{};
    while (!l.probing()) {
        REQUIRE(now < time_point(51s));
        saturate(l, 1, now);
    }
    REQUIRE(now > time_point(25s));
    REQUIRE(l.limit() <= 36 + 1);
    auto const epoch = l.epoch();
    while (l.probing()) saturate(l, 1, now);
    REQUIRE(l.epoch() == epoch + 1);
    REQUIRE(l.baseline() == 0ns);
    saturate(l, 1, now);
    REQUIRE(l.baseline() <= 37ms);
    REQUIRE(l.baseline() >= 34ms);
}

TEST_CASE("littles_law_limit: never 0: requests of a microsecond and less, windows of failures", "[flow][littles_law_limit][unit]") {
    littles_law_limit l({.initial = 40});
    time_point        now{};
    l.update(window(100ns, 1e6, now));
    REQUIRE(l.limit() == 1);
    for (int i = 0; i < 100; ++i) l.update(window(25us, 400'000, now));
    REQUIRE(l.limit() >= 1);
    for (int i = 0; i < 100; ++i) l.update(window_summary::of(1s, 1, true, now));
    REQUIRE(l.limit() == 1);

    littles_law_limit failing({.initial = 40});
    failing.update(window_summary::of(1s, 40, true));
    REQUIRE(failing.limit() == 20);
    REQUIRE(failing.baseline() == 0ns);
    failing.update(window_summary{});
    REQUIRE(failing.limit() == 20);
    auto standing = window_summary::of(10ms, 10);
    standing.begin = standing.end;
    failing.update(standing);  // no time has passed: no throughput
    REQUIRE(failing.limit() == 20);
    time_point then{};
    for (int i = 0; i < 1000; ++i) saturate(failing, 1, then);
    REQUIRE(failing.limit() >= 10);
}

TEST_CASE("littles_law_limit: drops make the latency longer", "[flow][littles_law_limit][unit]") {
    littles_law_limit l({.initial = 40});
    time_point        now{};
    l.update(window(10ms, 1000, now));
    auto s = window(10ms, 1000, now);
    s.drops = 10;
    s.drop_mean = 100ms;  // 1000 ms over 100 samples
    l.update(s);
    REQUIRE(l.explore_ratio() == Approx(0.28));
}

TEST_CASE("littles_law_limit: a clock that is set back does not put off a remeasurement, nor its end", "[flow][littles_law_limit][unit]") {
    sluice::littles_law_limit l({.remeasure_min = 1s, .remeasure_max = 1s});
    auto const                at = [&](sluice::duration t) {
        l.update(sluice::window_summary::of(10ms, 10, false, sluice::time_point(t)));
    };
    at(1000s);
    at(5s);
    REQUIRE_FALSE(l.probing());
    at(6s);
    REQUIRE(l.probing());
    at(1s);
    REQUIRE_FALSE(l.probing());
}

TEST_CASE("littles_law_limit: impossible options are refused by name", "[flow][littles_law_limit][unit]") {
    auto const nan = std::numeric_limits<double>::quiet_NaN();
    using l = littles_law_limit;
    REQUIRE_THROWS_WITH(l({.initial = 0}), test::contains("littles_law_limit: initial"));
    REQUIRE_THROWS_WITH(l({.explore_min = 0.4}), test::contains("explore_min"));
    REQUIRE_THROWS_WITH(l({.explore_max = nan}), test::contains("explore_max"));
    REQUIRE_THROWS_WITH(l({.explore_step = 0}), test::contains("explore_step"));
    REQUIRE_THROWS_WITH(l({.latency_smoothing = nan}), test::contains("latency_smoothing"));
    REQUIRE_THROWS_WITH(l({.throughput_smoothing = 2}), test::contains("throughput_smoothing"));
    REQUIRE_THROWS_WITH(l({.drop_cost = -1}), test::contains("drop_cost"));
    REQUIRE_THROWS_WITH(l({.remeasure_min = 0s}), test::contains("remeasure_min"));
    REQUIRE_THROWS_WITH(l({.remeasure_max = 1s}), test::contains("remeasure_max"));
    REQUIRE_THROWS_WITH(l({.remeasure_ratio = 0}), test::contains("remeasure_ratio"));
}
