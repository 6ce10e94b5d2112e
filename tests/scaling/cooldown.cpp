// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/cooldown.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <stdexcept>

using namespace std::chrono_literals;
using sluice::cooldown;
using sluice::scaling_limit;
using sluice::time_point;

TEST_CASE("cooldown: a pause for each direction", "[scaling][cooldown][unit]") {
    cooldown c({.up = 10s, .down = 300s});
    REQUIRE(c.limit(20, 10, time_point(0s)) == scaling_limit{20, {}});
    c.decided(20, 10, time_point(0s));
    REQUIRE(c.limit(30, 20, time_point(9s)) == scaling_limit{20, time_point(10s)});
    REQUIRE(c.limit(30, 20, time_point(10s)).workers == 30);
    REQUIRE(c.limit(15, 20, time_point(299s)) == scaling_limit{20, time_point(300s)});  // not at once after growth either
    REQUIRE(c.limit(15, 20, time_point(300s)).workers == 15);
    c.decided(15, 20, time_point(300s));
    REQUIRE(c.limit(20, 15, time_point(301s)).workers == 20);  // growth does not wait for a shrinking
    REQUIRE(c.limit(10, 15, time_point(301s)).workers == 15);
    c.decided(20, 15, time_point(301s));
    REQUIRE(c.limit(10, 20, time_point(600s)).workers == 20);
    REQUIRE(c.limit(10, 20, time_point(601s)).workers == 10);
}

TEST_CASE("cooldown: decisions that change nothing prolong nothing", "[scaling][cooldown][unit]") {
    cooldown c({.up = 0s, .down = 300s});
    c.decided(20, 10, time_point(0s));
    for (int t = 1; t < 300; ++t) c.decided(20, 20, time_point(t * 1s));
    REQUIRE(c.limit(10, 20, time_point(300s)).workers == 10);
    cooldown none({});
    none.decided(20, 10, time_point(0s));
    REQUIRE(none.limit(10, 20, time_point(0s)).workers == 10);
    REQUIRE(none.limit(30, 20, time_point(0s)).workers == 30);
}

TEST_CASE("cooldown: a time that goes back shortens nothing", "[scaling][cooldown][unit]") {
    cooldown c({.up = 60s, .down = 60s});
    c.decided(20, 10, time_point(100s));
    REQUIRE(c.limit(30, 20, time_point(0s)).workers == 20);
    c.decided(25, 20, time_point(0s));
    REQUIRE(c.limit(30, 25, time_point(159s)).workers == 25);
    REQUIRE(c.limit(30, 25, time_point(160s)).workers == 30);
    c.decided(30, 25, time_point::max());
    REQUIRE(c.limit(40, 30, time_point::max()).workers == 40);
    REQUIRE_THROWS_AS(cooldown({.up = -1s}), std::invalid_argument);
    REQUIRE_THROWS_AS(cooldown({.down = -1s}), std::invalid_argument);
}
