// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/bbr_limit.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <limits>

using namespace std::chrono_literals;
using sluice::bbr_limit;
using sluice::time_point;
using sluice::window_summary;

static_assert(sluice::limit_algorithm<bbr_limit>);

namespace {

double machine_load = 0;

window_summary window(std::uint64_t samples, sluice::duration rtt, time_point end, std::uint64_t drops = 0) {
    auto s = window_summary::of(rtt, 1, false, end);
    s.samples = samples;
    s.drops = drops;
    return s;
}

}  // namespace

TEST_CASE("bbr_limit: 20 in 100 ms at 50 ms is 10 in flight, once there is overload", "[flow][bbr_limit][unit]") {
    bbr_limit l;
    REQUIRE(l.limit() == 10'000);
    l.update(window(10, 50ms, time_point(10ms)));
    l.update(window(10, 50ms, time_point(90ms)));
    REQUIRE(l.estimate() == 0);  // the bucket that is being filled does not count
    l.update(window(1, 80ms, time_point(150ms)));
    REQUIRE(l.estimate() == 10);
    REQUIRE(l.limit() == 10'000);
    REQUIRE(l.update(window(1, 80ms, time_point(160ms), 1)) == 10);
    REQUIRE(l.update(window(1, 80ms, time_point(1159ms))) == 10);
    REQUIRE(l.update(window(1, 80ms, time_point(1160ms))) == 10'000);
}

TEST_CASE("bbr_limit: buckets are forgotten after a hundred", "[flow][bbr_limit][unit]") {
    bbr_limit l;
    l.update(window(20, 50ms, time_point(50ms)));
    l.update(window(2, 100ms, time_point(5050ms)));
    l.update(window(1, 80ms, time_point(9950ms), 1));
    REQUIRE(l.limit() == 10);
    l.update(window(1, 80ms, time_point(10'050ms), 1));
    REQUIRE(l.limit() == 2);  // 2 in 100 ms at 80
    // A clock that steps back moves nothing back.
    l.update(window(1000, 1ms, time_point(50ms), 1));
    REQUIRE(l.limit() == 2);
    l.update(window(1, 1ms, time_point(sluice::duration::max()), 1));
    REQUIRE(l.limit() == 10'000);  // nothing is known any more
}

TEST_CASE("bbr_limit: the load counts smoothed, by time", "[flow][bbr_limit][unit]") {
    bbr_limit l({.load = []() noexcept { return machine_load; }});
    machine_load = 1;
    auto now = time_point(0s);
    l.update(window(20, 50ms, now));
    REQUIRE(l.smoothed_load() == 0);
    now += 500ms;
    l.update(window(20, 50ms, now));
    REQUIRE(l.smoothed_load() == Approx(0.05));
    int steps = 1;
    while (l.limit() == 10'000 && steps < 100) {
        now += 500ms;
        l.update(window(20, 50ms, now));
        ++steps;
    }
    REQUIRE(steps == 32);  // 1 - 0.95^32 > 0.8
    REQUIRE(l.limit() == 10);
    machine_load = std::numeric_limits<double>::quiet_NaN();
    l.update(window(20, 50ms, now + 500ms));
    REQUIRE(l.limit() == 10);
    machine_load = 0;
    l.update(window(20, 50ms, now + 3s));
    REQUIRE(l.limit() == 10'000);
}

TEST_CASE("bbr_limit: impossible options are refused by name", "[flow][bbr_limit][unit]") {
    auto const nan = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_WITH(bbr_limit({.min_limit = 0}), test::contains("bbr_limit: min_limit"));
    REQUIRE_THROWS_WITH(bbr_limit({.min_limit = 2, .max_limit = 1}), test::contains("max_limit"));
    REQUIRE_THROWS_WITH(bbr_limit({.bucket = 0ns}), test::contains("bucket"));
    REQUIRE_THROWS_WITH(bbr_limit({.load_threshold = nan}), test::contains("load_threshold"));
    REQUIRE_THROWS_WITH(bbr_limit({.load_smoothing = 1}), test::contains("load_smoothing"));
    REQUIRE_THROWS_WITH(bbr_limit({.drop_memory = -1ns}), test::contains("drop_memory"));
}

TEST_CASE("bbr_limit: time may be negative, and zero is a moment like any other", "[flow][bbr_limit][unit]") {
    for (sluice::duration const begin : {-100'000ms, -10'000ms, -4000ms, -2000ms, 0ms}) {
        CAPTURE(begin.count());
        bbr_limit l;
        // 20 in each 100 ms, at 50 ms; and the best ten seconds ago, which counts until its bucket is the 100th.
        l.update(window(40, 50ms, time_point(begin + 10ms)));
        for (sluice::duration at = begin + 100ms; at < begin + 10'000ms; at += 50ms) {
            l.update(window(10, 50ms, time_point(at)));
            REQUIRE(l.estimate() == 20);
        }
        l.update(window(10, 50ms, time_point(begin + 10'000ms)));
        REQUIRE(l.estimate() == 10);
    }
}
