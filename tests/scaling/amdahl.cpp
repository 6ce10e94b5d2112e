// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/amdahl.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <limits>

using sluice::amdahl;
using sluice::amdahl_limit;
using sluice::amdahl_workers;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("amdahl: worked figures", "[scaling][amdahl][unit]") {
    struct row {
        double serial, workers, speedup;
    };
    for (auto const& [serial, workers, speedup] : {row{.1, 10, 5.2631578947},
                                                   {.1, 100, 9.1743119266},
                                                   {.1, 1000, 9.9108027750},
                                                   {.2, 1000, 4.9800796813},
                                                   {.01, 1024, 91.1843276937},
                                                   {.02, 1024, 47.7166821994},
                                                   {.04, 1024, 24.4274809160},
                                                   {0, 7, 7},
                                                   {1, 7, 1},
                                                   {.3, 1, 1}}) {
        CAPTURE(serial, workers);
        REQUIRE(amdahl(serial, workers) == Approx(speedup).epsilon(1e-10));
    }
    STATIC_REQUIRE(amdahl(.5, 2) > 1.33);
    STATIC_REQUIRE(amdahl(.5, 2) < 1.34);
}

TEST_CASE("amdahl: the limit is one over the serial fraction", "[scaling][amdahl][unit]") {
    REQUIRE(amdahl_limit(.1) == Approx(10));
    REQUIRE(amdahl_limit(.2) == Approx(5));
    REQUIRE(amdahl_limit(0) == infinity);
    REQUIRE(amdahl_limit(std::numeric_limits<double>::denorm_min()) == infinity);
    for (double serial = .01; serial <= 1; serial += .01) REQUIRE(amdahl(serial, 1e9) <= amdahl_limit(serial));
}

TEST_CASE("amdahl: the workers for a speed-up reach it, and none reach the limit", "[scaling][amdahl][property]") {
    for (double serial : {0., .001, .1, .5, .99}) {
        for (double workers : {.5, 1., 2., 31., 1e4}) {
            CAPTURE(serial, workers);
            REQUIRE(amdahl_workers(serial, amdahl(serial, workers)).value() == Approx(workers).epsilon(1e-8));
        }
    }
    REQUIRE_FALSE(amdahl_workers(.1, 10.000001));
    REQUIRE_FALSE(amdahl_workers(.125, 8));
    REQUIRE_FALSE(amdahl_workers(1, .5));
}

TEST_CASE("amdahl: what it cannot work with is refused by name and value", "[scaling][amdahl][unit]") {
    REQUIRE_THROWS_WITH(amdahl(-1e-12, 4), test::contains("amdahl: serial_fraction (0 to 1) is -1e-12"));
    REQUIRE_THROWS_WITH(amdahl(1.5, 4), test::contains("is 1.5"));
    REQUIRE_THROWS_AS(amdahl(no_number, 4), std::invalid_argument);
    REQUIRE_THROWS_WITH(amdahl(.1, 0), test::contains("amdahl: workers (> 0) is 0"));
    for (double workers : {-1., no_number, infinity}) REQUIRE_THROWS_AS(amdahl(.1, workers), std::invalid_argument);
    for (double serial : {-.1, 1.1, no_number, infinity}) {
        REQUIRE_THROWS_AS(amdahl_limit(serial), std::invalid_argument);
        REQUIRE_THROWS_AS(amdahl_workers(serial, 2), std::invalid_argument);
    }
    for (double speedup : {0., -1., no_number, infinity})
        REQUIRE_THROWS_AS(amdahl_workers(.1, speedup), std::invalid_argument);
}
