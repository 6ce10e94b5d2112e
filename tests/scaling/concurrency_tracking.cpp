// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/concurrency_tracking.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::concurrency_tracking;
using sluice::concurrency_tracking_options;
using sluice::duration;
using sluice::excess_burst_capacity;
using sluice::time_point;

namespace {

double const no_number = std::numeric_limits<double>::quiet_NaN();

struct row {
    duration      at;
    double        stable;
    double        panic;
    std::uint32_t ready;
    double        desired;
};

void check(concurrency_tracking_options o, std::vector<row> const& rows) {
    o.max_scale_down_rate = 10;
    if (o.max_scale_up_rate == 1000) o.max_scale_up_rate = 10;
    concurrency_tracking rule(o);
    for (auto const& r : rows) {
        CAPTURE(r.at, r.stable, r.panic, r.ready);
        REQUIRE(rule.decide(r.stable, r.panic, r.ready, time_point(r.at)) == r.desired);
    }
}

}  // namespace

TEST_CASE("concurrency_tracking: the published cases", "[scaling][concurrency_tracking][unit]") {
    STATIC_REQUIRE(sluice::recommender<concurrency_tracking>);
    check({.target = 10}, {{0s, 50, 10, 1, 5}, {0s, 100, 10, 1, 10}});
    // 41 of 40 is calm: the clock does not move, and at 62 s the panic of 0 s is over.
    check({.target = 1}, {{0s, 11, 25, 10, 25}, {30s, 30, 41, 40, 41}, {62s, 50, 56, 55, 50}});
    check({.target = 1}, {{0s, 11, 25, 10, 25}, {30s, 30, 80, 40, 80}});
    check({.target = 10}, {{0s, 100, 100, 1, 10}, {0s, 100, 1000, 10, 100}, {30s, 1, 1, 10, 100}, {61s, 1, 1, 10, 1}});
    check({.target = 1, .max_scale_up_rate = 1.1}, {{0s, 3, 3.1, 2, 3}});
    check({.target = 10}, {{0s, 1, 0, 1, 1}, {0s, 0, 0, 1, 0}});
    check({.target = 10}, {{0s, 1000, 888, 0, 10}});  // nobody ready counts as one, and 10 times that is allowed
    // 100 ready that were not known before: in panic, which holds them. So two objects for what upstream asks one.
    check({.target = 10}, {{0s, 1, 1, 100, 100}, {61s, 1, 1, 100, 10}, {61s, 1, 1, 10, 1}});
}

TEST_CASE("concurrency_tracking: the clock of the panic", "[scaling][concurrency_tracking][unit]") {
    // Restarted at 30 s: over only when 60 s have passed from there, strictly.
    check({.target = 1}, {{0s, 11, 25, 10, 25}, {30s, 30, 80, 40, 80}, {62s, 50, 56, 55, 80}, {90s, 50, 56, 55, 80},
                          {90001ms, 50, 56, 55, 50}});
    // Rounded up before it is compared: 19.5 of 10 is not below the threshold of two.
    check({.target = 1}, {{0s, 1, 0, 1, 1}, {1s, 10, 19.5, 10, 20}, {2s, 10, 0, 10, 20}});
    check({.target = 1}, {{0s, 1, 0, 1, 1}, {1s, 10, 19, 10, 10}, {2s, 9, 0, 10, 9}});
    // The stable window may want more than the panic's.
    check({.target = 1}, {{0s, 40, 25, 10, 40}, {1s, 5, 5, 40, 40}});
}

TEST_CASE("concurrency_tracking: a new object that finds workers keeps them for a window", "[scaling][concurrency_tracking][unit]") {
    for (std::uint32_t const ready : {0u, 1u, 2u, 7u}) {
        concurrency_tracking rule({.target = 10});
        REQUIRE(rule.decide(0, 0, ready, time_point(5s)) == (ready > 1 ? ready : 0));
        REQUIRE(rule.panicking() == (ready > 1));
        REQUIRE(rule.decide(0, 0, ready, time_point(65s)) == (ready > 1 ? ready : 0));
        REQUIRE(rule.decide(0, 0, ready, time_point(65001ms)) == ready / 2);
    }
}

TEST_CASE("concurrency_tracking: not faster than the rates", "[scaling][concurrency_tracking][unit]") {
    concurrency_tracking rule({.target = 1, .max_scale_up_rate = 1.1});
    REQUIRE(rule.decide(1000, 0, 1, time_point{}) == 2);
    REQUIRE(rule.decide(1000, 0, 10, time_point{}) == 11);  // 1.1 × 10 is 11, also in doubles
    REQUIRE(rule.decide(1000, 0, 15, time_point{}) == 17);
    REQUIRE(rule.decide(0, 0, 7, time_point{}) == 3);
    REQUIRE(rule.decide(0, 0, 1, time_point{}) == 0);
}

TEST_CASE("concurrency_tracking: scaling down later", "[scaling][concurrency_tracking][unit]") {
    check({.target = 10, .scale_down_delay = 5min},
          {{8min, 0, 0, 1, 0}, {9min, 40, 40, 5, 4}, {10min, 30, 30, 5, 4}, {11min, 0, 0, 5, 4}, {14min, 0, 0, 5, 3}, {15min, 0, 0, 5, 0}});
}

TEST_CASE("concurrency_tracking: windows of its own", "[scaling][concurrency_tracking][unit]") {
    concurrency_tracking rule({.target = 1});
    auto const asks = [&](duration t, double tasks, std::uint32_t ready) {
        return rule.recommend({.ready = ready, .in_flight = tasks}, time_point(t)).desired;
    };
    for (int t = 0; t < 60; ++t) REQUIRE(asks(t * 1s, 10, 1) == 10);  // 10 of one: panic
    for (int t = 60; t < 130; ++t) REQUIRE(asks(t * 1s, 10, 10) == 10);
    REQUIRE_FALSE(rule.panicking());
    // Three times the load: the short window has twice of it after three of its six seconds.
    REQUIRE(asks(130s, 30, 10) == 11);  // (59 × 10 + 30) / 60
    REQUIRE(asks(131s, 30, 10) == 11);
    REQUIRE(asks(132s, 30, 10) == 20);
    REQUIRE(rule.panicking());
    REQUIRE(asks(135s, 30, 20) == 30);
    // One second without a sample, and nothing is thought of it.
    REQUIRE(rule.recommend({.ready = 30}, time_point(136s)).desired == 30);
    REQUIRE_FALSE(rule.recommend({.in_flight = 30}, time_point(137s)).desired);
    REQUIRE_FALSE(rule.recommend({.ready = 30}, time_point(1000s)).desired);
    REQUIRE(rule.recommend({.ready = 30, .busy = 20, .queued = 15}, time_point(1000s)).desired == 35);
    REQUIRE_FALSE(concurrency_tracking({}).recommend({.ready = 5, .in_flight = no_number}, time_point{}).desired);
}

TEST_CASE("concurrency_tracking: a time that goes back counts as the last one", "[scaling][concurrency_tracking][unit]") {
    concurrency_tracking rule({.target = 1});
    REQUIRE(rule.decide(0, 0, 8, time_point(100s)) == 8);
    REQUIRE(rule.decide(0, 0, 8, time_point(0s)) == 8);
    REQUIRE(rule.decide(0, 0, 8, time_point(161s)) == 4);
    REQUIRE(rule.decide(no_number, -1, 1, time_point(162s)) == 0);
}

TEST_CASE("excess_burst_capacity: what could come at once", "[scaling][concurrency_tracking][unit]") {
    REQUIRE(excess_burst_capacity(1, 10 / .75, 100, 50) == -137);
    REQUIRE(excess_burst_capacity(1, 10 / .75, 101, 10) == -98);
    REQUIRE(excess_burst_capacity(10, 1 / .75, 98, 25) == -110);
    REQUIRE(excess_burst_capacity(40, 1 / .75, 98, 41) == -86);
    REQUIRE(excess_burst_capacity(10, 10 / .75, 61, 1001) == -929);
    STATIC_REQUIRE(excess_burst_capacity(2, 10, 5, 0) == 15);
    REQUIRE_THROWS_AS((void)excess_burst_capacity(1, no_number, 0, 0), std::invalid_argument);
    REQUIRE_THROWS_AS((void)excess_burst_capacity(1, 1, -1, 0), std::invalid_argument);
}

TEST_CASE("concurrency_tracking: options that cannot work", "[scaling][concurrency_tracking][unit]") {
    auto const refuses = [](concurrency_tracking_options o) {
        REQUIRE_THROWS_AS(static_cast<void>(concurrency_tracking(o)), std::invalid_argument);
    };
    for (double const bad : {0., -1., no_number}) refuses({.target = bad});
    refuses({.stable_window = 0s});
    for (double const bad : {0., 1.1, no_number}) refuses({.panic_window_share = bad});
    for (double const bad : {1., no_number}) {
        refuses({.panic_threshold = bad});
        refuses({.max_scale_up_rate = bad});
        refuses({.max_scale_down_rate = bad});
    }
    refuses({.scale_down_delay = -1s});
    refuses({.bucket = 0s});
}
