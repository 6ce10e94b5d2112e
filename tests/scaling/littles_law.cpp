// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/littles_law.hpp>

#include "support/catch.hpp"

#include <limits>

using namespace std::chrono_literals;
using sluice::littles_law;
using sluice::model_seconds;
using sluice::per_second;

TEST_CASE("littles_law: two of the three give the third", "[scaling][littles_law][unit]") {
    STATIC_REQUIRE(littles_law(per_second(10), 500ms) == 5);
    STATIC_REQUIRE(littles_law(5.0, per_second(10)) == model_seconds(.5));
    STATIC_REQUIRE(littles_law(5.0, model_seconds(.5)) == 10);
    STATIC_REQUIRE(littles_law(5, 500ms) == 10);
    STATIC_REQUIRE(littles_law(0, 1s) == 0);
    STATIC_REQUIRE(littles_law(per_second(10), 0s) == 0);
}

TEST_CASE("littles_law: what it cannot work with is refused", "[scaling][littles_law][unit]") {
    constexpr auto nan = std::numeric_limits<double>::quiet_NaN();
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    REQUIRE_THROWS_WITH(littles_law(per_second(1), -2s), test::contains("littles_law: time_inside (>= 0 s) is -2"));
    REQUIRE_THROWS_WITH(littles_law(-3.0, 1s), test::contains("littles_law: inside (>= 0) is -3"));
    REQUIRE_THROWS_WITH(littles_law(3.0, 0s), test::contains("littles_law: time_inside (> 0 s) is 0"));
    for (double bad : {nan, infinity}) {
        REQUIRE_THROWS_AS(littles_law(per_second(1), model_seconds(bad)), std::invalid_argument);
        REQUIRE_THROWS_AS(littles_law(bad, per_second(1)), std::invalid_argument);
        REQUIRE_THROWS_AS(littles_law(bad, model_seconds(1)), std::invalid_argument);
        REQUIRE_THROWS_AS(littles_law(1.0, model_seconds(bad)), std::invalid_argument);
    }
}
