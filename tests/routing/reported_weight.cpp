// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/reported_weight.hpp>

#include "support/catch.hpp"

#include <array>
#include <limits>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::reported_weight;
using sluice::time_point;

namespace {

time_point at(sluice::duration d) { return time_point(d); }
double     after_one(double qps, double eps, double utilization, double penalty = 1) {
    reported_weight w({.blackout = 0s, .error_penalty = penalty});
    w.report(qps, eps, utilization, at(1s));
    return w.weight(at(1s)).value_or(-1);
}

}  // namespace

TEST_CASE("reported_weight: requests per utilisation, errors cost", "[routing][reported_weight][unit]") {
    REQUIRE(after_one(100, 0, .5) == Approx(200));
    REQUIRE(after_one(100, 10, .5) == Approx(166.667).epsilon(1e-5));
    REQUIRE(after_one(100, 10, .5, 0) == Approx(200));
    REQUIRE(after_one(100, 100, 1.5) == Approx(40));  // above full use
    double const inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
    for (auto const& r : {std::array{0., 0., .5}, {100., 0., 0.}, {-1., 0., .5}, {100., -1., .5}, {nan, 0., .5}, {100., nan, .5},
                          {100., 0., nan}, {inf, 0., .5}, {100., 0., inf}, {100., inf, .5}, {inf, inf, inf}, {1e300, 0., 1e-300}})
        REQUIRE(after_one(r[0], r[1], r[2]) == -1);
    REQUIRE_THROWS_AS(reported_weight({.blackout = -1s}), std::invalid_argument);
    REQUIRE_THROWS_AS(reported_weight({.expiration = 0s}), std::invalid_argument);
    REQUIRE_THROWS_AS(reported_weight({.error_penalty = nan}), std::invalid_argument);
}

TEST_CASE("reported_weight: blackout at the start and after silence, expiry in between", "[routing][reported_weight][unit]") {
    reported_weight w;
    REQUIRE_FALSE(w.weight(at(0s)));
    for (int s = 100; s <= 120; ++s) {
        w.report(100, 0, .5, at(1s * s));
        REQUIRE(w.weight(at(1s * s)).has_value() == (s >= 110));
    }
    REQUIRE(w.weight(at(299s)) == 200.);
    REQUIRE_FALSE(w.weight(at(300s)));  // 180 s after the last
    REQUIRE(w.weight(at(299s)) == 200.);  // a read changes nothing
    w.report(50, 0, .5, at(301s));
    REQUIRE_FALSE(w.weight(at(301s)));
    REQUIRE_FALSE(w.weight(at(310s)));
    REQUIRE(w.weight(at(311s)) == 100.);
    w.report(70, 0, .5, at(305s));
    REQUIRE(w.weight(at(480s)) == 140.);
    w.report(0, 0, 0, at(470s));  // says nothing, so holds nothing up
    REQUIRE_FALSE(w.weight(at(485s)));
}

TEST_CASE("reported_weight: scaled for a scheduler", "[routing][reported_weight][unit]") {
    std::vector<reported_weight> reports(4, reported_weight({.blackout = 0s}));
    std::vector<std::uint32_t>   weights(4);
    reports[0].report(100, 0, .5, at(1s));
    sluice::scale_weights(reports, at(1s), weights);
    REQUIRE(weights == std::vector<std::uint32_t>{1, 1, 1, 1});
    reports[1].report(100, 0, 1, at(1s));
    reports[3].report(1, 0, 1000, at(1s));
    sluice::scale_weights(reports, at(1s), weights);
    REQUIRE(weights == std::vector<std::uint32_t>{65535, 32768, 32768, 1});
    sluice::scale_weights({}, at(1s), {});
}
