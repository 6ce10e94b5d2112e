// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/slo_erlang.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <limits>
#include <stdexcept>

using namespace std::chrono_literals;
using sluice::slo_erlang;
using sluice::time_point;

namespace {
double const no_number = std::numeric_limits<double>::quiet_NaN();
}

TEST_CASE("slo_erlang: what few wait for", "[scaling][slo_erlang][unit]") {
    STATIC_REQUIRE(sluice::recommender<slo_erlang>);
    slo_erlang rule({.wait = 50ms, .late = .01, .service_time = 100ms});
    REQUIRE(rule.recommend({.arrivals_per_second = 10}, time_point{}).desired == 4);
    REQUIRE(rule.recommend({.arrivals_per_second = 10'000}, time_point{}).desired == 1009);
    REQUIRE(rule.recommend({.arrivals_per_second = 10}, time_point{}).desired == 4);  // not the one remembered
    REQUIRE(rule.recommend({.arrivals_per_second = 0}, time_point{}).desired == 0);
    REQUIRE(rule.recommend({.arrivals_per_second = 1e-300}, time_point{}).desired == 1);
    REQUIRE(rule.recommend({.arrivals_per_second = 1e300}, time_point{}).desired == UINT32_MAX);
    // Nobody may wait at all, hardly ever: P(wait) <= 1 % at 100 erlangs.
    slo_erlang strict({.wait = 0s, .late = .01, .service_time = 100ms});
    REQUIRE(strict.recommend({.arrivals_per_second = 1000}, time_point{}).desired == 125);
}

TEST_CASE("slo_erlang: the service time may come with the sample", "[scaling][slo_erlang][unit]") {
    slo_erlang rule({.wait = 50ms, .late = .01});
    REQUIRE_FALSE(rule.recommend({.arrivals_per_second = 10}, time_point{}).desired);
    REQUIRE(rule.recommend({.arrivals_per_second = 10, .service_time = 100ms}, time_point{}).desired == 4);
    REQUIRE(rule.recommend({.arrivals_per_second = 10}, time_point{}).desired == 4);
    REQUIRE(rule.recommend({.arrivals_per_second = 10, .service_time = 1s}, time_point{}).desired.value() > 10);
    for (double const bad : {-1., no_number}) REQUIRE_FALSE(rule.recommend({.arrivals_per_second = bad}, time_point{}).desired);
    REQUIRE_FALSE(rule.recommend({}, time_point{}).desired);
}

TEST_CASE("slo_erlang: options that cannot work", "[scaling][slo_erlang][unit]") {
    REQUIRE_THROWS_AS(slo_erlang({.wait = -1ns}), std::invalid_argument);
    for (double const bad : {0., -1., 1.01, no_number}) REQUIRE_THROWS_AS(slo_erlang({.late = bad}), std::invalid_argument);
    REQUIRE_THROWS_AS(slo_erlang({.service_time = 0s}), std::invalid_argument);
}
