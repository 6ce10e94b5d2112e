// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/ema_error_window.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <limits>

using namespace std::chrono_literals;
using sluice::ema_error_window;
using sluice::time_point;

namespace {

bool record(ema_error_window& w, bool failed, sluice::duration took = 1ms) {
    w.record({.failed = failed, .elapsed = took}, time_point{});
    return w.opens({}, time_point{});
}

}  // namespace

TEST_CASE("ema_error_window: brpc's numbers", "[flow][ema_error_window][unit]") {
    ema_error_window w;
    CHECK(w.short_smooth() == Approx(.997395).margin(5e-7));
    CHECK(w.long_smooth() == Approx(.998697).margin(5e-7));
    for (int i = 0; i < 150; ++i) REQUIRE_FALSE(record(w, true));
    CHECK(record(w, true));
    w.reset();
    for (int i = 0; i < 150; ++i) REQUIRE_FALSE(record(w, true));
    for (int i = 0; i < 1000; ++i) REQUIRE_FALSE(record(w, false));
    CHECK(record(w, true));
    CHECK(w.tally(time_point{}).calls == 1151);
}

TEST_CASE("ema_error_window: afterwards the cost of the errors counts, and successes wear it off",
          "[flow][ema_error_window][property]") {
    // One part, errors of the usual length: a quarter of them is borne, a third is not.
    for (int every : {200, 20, 5, 4, 3, 2}) {
        ema_error_window w({.short_part = {1000, .10}, .long_part = {1'000'000, 1}});
        double const     s = std::pow(.02, 1.0 / 1000);
        double           cost = 0;
        bool             opened = false;
        bool             expected = false;
        for (int i = 0; i < 20'000; ++i) {
            bool const failed = i >= 1000 && i % every == 0;
            opened = record(w, failed);
            if (failed) cost += 1e6;
            else cost = cost < 500e3 ? 0 : cost * s;
            expected = failed && cost > 1e6 * 1000 * .1 * 1.02;
            REQUIRE(opened == expected);
            if (opened) break;
        }
        CHECK(opened == (every <= 3));
    }
}

TEST_CASE("ema_error_window: a failure costs at most twice the usual time", "[flow][ema_error_window][unit]") {
    auto const failures_until_open = [](sluice::duration took) {
        ema_error_window w({.short_part = {100, .10}, .long_part = {100, .10}});
        for (int i = 0; i < 100; ++i) REQUIRE_FALSE(record(w, false));
        int n = 1;
        while (!record(w, true, took)) ++n;
        return n;
    };
    CHECK(failures_until_open(1ms) == 11);
    CHECK(failures_until_open(2ms) == 6);
    CHECK(failures_until_open(1h) == 6);
    CHECK(failures_until_open(100us) == 103);
}

TEST_CASE("ema_error_window: a success clears a small cost", "[flow][ema_error_window][unit]") {
    for (auto least : {3500us, 2500us}) {
        ema_error_window w({.short_part = {100, .10}, .long_part = {100, .10}, .min_error_cost = least});
        bool             opened = false;
        for (int i = 0; i < 100; ++i) REQUIRE_FALSE(record(w, false));
        for (int i = 0; i < 50; ++i) {
            for (int k = 0; k < 3; ++k) opened = record(w, true) || opened;
            record(w, false);
        }
        CHECK(opened == (least < 3ms));
    }
}

TEST_CASE("ema_error_window: successes that take no time are no reason to open at the first failure",
          "[flow][ema_error_window][unit]") {
    ema_error_window w({.short_part = {100, .10}, .long_part = {100, .10}, .min_error_cost = 0ns});
    for (int i = 0; i < 100; ++i) REQUIRE_FALSE(record(w, false, 0ns));
    for (int i = 0; i < 5; ++i) REQUIRE_FALSE(record(w, true, 1s));  // 2 ns each, of 10.2
    CHECK(record(w, true, 1s));
}

TEST_CASE("ema_error_window: what cannot work is refused by name", "[flow][ema_error_window][unit]") {
    constexpr auto nan = std::numeric_limits<double>::quiet_NaN();
    for (double v : {0.0, -1.0, 1.1, nan, std::numeric_limits<double>::infinity()}) {
        CHECK_THROWS_WITH(ema_error_window({.epsilon = v}), test::contains("epsilon"));
        CHECK_THROWS_WITH(ema_error_window({.short_part = {10, v}}), test::contains("short_part.error_rate"));
        CHECK_THROWS_WITH(ema_error_window({.long_part = {10, v}}), test::contains("long_part.error_rate"));
    }
    CHECK_THROWS_WITH(ema_error_window({.short_part = {0, .1}}), test::contains("short_part.size"));
    CHECK_THROWS_WITH(ema_error_window({.failed_multiple = nan}), test::contains("failed_multiple"));
    CHECK_THROWS_WITH(ema_error_window({.min_error_cost = -1ns}), test::contains("min_error_cost"));
}
