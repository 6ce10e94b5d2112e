// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/amdahl.hpp>
#include <sluice/scaling/karp_flatt.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <limits>

using sluice::karp_flatt;

TEST_CASE("karp_flatt: a constant serial fraction shows as one", "[scaling][karp_flatt][unit]") {
    double const speedups[] = {1.82, 2.50, 3.08, 3.57, 4.00, 4.38, 4.71};
    double const fractions[] = {.0989, .1000, .0996, .1001, .1000, .0997, .0998};
    for (int i = 0; i < 7; ++i) {
        CAPTURE(i);
        REQUIRE(std::abs(karp_flatt(speedups[i], i + 2) - fractions[i]) <= .00005);
    }
}

TEST_CASE("karp_flatt: it is the inverse of Amdahl's law", "[scaling][karp_flatt][property]") {
    REQUIRE(std::abs(karp_flatt(sluice::amdahl(.1, 8), 8) - .1) <= 2.8e-17);
    for (double serial : {0., .001, .25, 1.})
        for (double workers : {1.5, 2., 64., 1e6}) {
            CAPTURE(serial, workers);
            REQUIRE(karp_flatt(sluice::amdahl(serial, workers), workers) == Approx(serial).margin(1e-15));
        }
    REQUIRE(karp_flatt(9, 8) < 0);  // superlinear
}

TEST_CASE("karp_flatt: one worker reveals nothing", "[scaling][karp_flatt][unit]") {
    constexpr auto nan = std::numeric_limits<double>::quiet_NaN();
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    REQUIRE_THROWS_WITH(karp_flatt(1, 1), test::contains("karp_flatt: workers (> 1) is 1"));
    REQUIRE_THROWS_WITH(karp_flatt(0, 2), test::contains("karp_flatt: speedup (> 0) is 0"));
    for (double workers : {0., -3., .5, nan, infinity}) REQUIRE_THROWS_AS(karp_flatt(1, workers), std::invalid_argument);
    for (double speedup : {-1., nan, infinity, 1e-320}) REQUIRE_THROWS_AS(karp_flatt(speedup, 2), std::invalid_argument);
}
