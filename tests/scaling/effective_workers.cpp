// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/effective_workers.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <limits>

using sluice::effective_workers;
using sluice::effective_workers_peak;

TEST_CASE("effective_workers: the figures that are often printed as the USL's", "[scaling][effective_workers][unit]") {
    struct row {
        double workers, effective;
    };
    for (auto const& [workers, effective] : {row{10, 9.09}, {32, 15.81}, {50, 14.29}, {100, 9.09}, {200, 4.88}}) {
        CAPTURE(workers);
        REQUIRE(std::abs(effective_workers(workers, .001) - effective) <= .005);
    }
    STATIC_REQUIRE(effective_workers(1, 1) == .5);  // not the USL: one worker is worth less than one
    STATIC_REQUIRE(effective_workers(8, 0) == 8);
    STATIC_REQUIRE(effective_workers(0, 1) == 0);
    REQUIRE(effective_workers(1e200, 1e-3) > 0);  // N² is beyond the range
}

TEST_CASE("effective_workers: its peak", "[scaling][effective_workers][unit]") {
    auto const peak = effective_workers_peak(.001).value();
    REQUIRE(peak.workers == Approx(31.6227766));
    REQUIRE(peak.effective == Approx(15.8113883));
    REQUIRE(effective_workers(peak.workers, .001) == Approx(peak.effective));
    REQUIRE_FALSE(effective_workers_peak(0));
}

TEST_CASE("effective_workers: what it cannot work with is refused", "[scaling][effective_workers][unit]") {
    constexpr auto nan = std::numeric_limits<double>::quiet_NaN();
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    REQUIRE_THROWS_WITH(effective_workers(-2, .1), test::contains("effective_workers: workers (>= 0) is -2"));
    REQUIRE_THROWS_WITH(effective_workers(2, -.1), test::contains("effective_workers: pair_cost (>= 0) is -0.1"));
    for (double bad : {nan, infinity, -1.}) {
        REQUIRE_THROWS_AS(effective_workers(bad, .1), std::invalid_argument);
        REQUIRE_THROWS_AS(effective_workers(2, bad), std::invalid_argument);
        REQUIRE_THROWS_AS(effective_workers_peak(bad), std::invalid_argument);
    }
}
