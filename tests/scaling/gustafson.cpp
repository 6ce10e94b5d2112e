// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/gustafson.hpp>

#include "support/catch.hpp"

#include <limits>

using sluice::gustafson;

TEST_CASE("gustafson: scaled speed-up is N - s(N - 1)", "[scaling][gustafson][unit]") {
    STATIC_REQUIRE(gustafson(0, 8) == 8);
    STATIC_REQUIRE(gustafson(1, 8) == 1);
    STATIC_REQUIRE(gustafson(.5, 1) == 1);
    REQUIRE(gustafson(.1, 10) == Approx(9.1));
    REQUIRE(gustafson(.01, 1024) == Approx(1013.77));
    REQUIRE(gustafson(.2, 1000) == Approx(800.2));
}

TEST_CASE("gustafson: what it cannot work with is refused by name and value", "[scaling][gustafson][unit]") {
    constexpr auto nan = std::numeric_limits<double>::quiet_NaN();
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    REQUIRE_THROWS_WITH(gustafson(-.5, 4), test::contains("gustafson: serial_fraction (0 to 1) is -0.5"));
    REQUIRE_THROWS_WITH(gustafson(.5, -4), test::contains("gustafson: workers (> 0) is -4"));
    for (double serial : {1.01, nan, infinity}) REQUIRE_THROWS_AS(gustafson(serial, 4), std::invalid_argument);
    for (double workers : {0., nan, infinity}) REQUIRE_THROWS_AS(gustafson(.1, workers), std::invalid_argument);
}
