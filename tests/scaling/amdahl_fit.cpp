// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/amdahl_fit.hpp>
#include <sluice/scaling/usl_fit.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <limits>
#include <vector>

using sluice::fit_amdahl;
using sluice::fit_bounds;
using sluice::usl_point;

namespace {

using points = std::vector<usl_point>;

points on(double serial, double unit) {
    points p;
    for (double n = 1; n <= 64; n *= 2) p.push_back({n, unit * sluice::amdahl(serial, n)});
    return p;
}

}  // namespace

TEST_CASE("amdahl_fit: exact data give the fraction back", "[scaling][amdahl_fit][property]") {
    for (double serial : {0., .001, .1, .5, 1.})
        for (double unit : {1e-20, 3., 1e20}) {
            CAPTURE(serial, unit);
            auto const fit = fit_amdahl(on(serial, unit));
            REQUIRE(fit.serial_fraction == Approx(serial).epsilon(1e-11).margin(1e-15));
            REQUIRE(fit.unit_throughput == Approx(unit).epsilon(1e-11));
            REQUIRE(fit.converged);
            REQUIRE((fit.serial_fraction >= 0 && fit.serial_fraction <= 1));
            REQUIRE(fit.model().throughput(10) == Approx(unit * sluice::amdahl(serial, 10)));
        }
}

TEST_CASE("amdahl_fit: it is the USL's fit where coherency is on its bound", "[scaling][amdahl_fit][unit]") {
    points const raytracer = {{1, 20},  {4, 78},   {8, 130},  {12, 170}, {16, 190}, {20, 200},
                              {24, 210}, {28, 230}, {32, 260}, {48, 280}, {64, 310}};
    auto const fit = fit_amdahl(raytracer);
    auto const usl = sluice::fit_usl(raytracer);
    REQUIRE(fit.serial_fraction == Approx(.0577707806).epsilon(1e-8));
    REQUIRE(fit.serial_fraction == usl.model.contention());
    REQUIRE(fit.unit_throughput == usl.model.unit_throughput());
    REQUIRE(fit.residual_sum == usl.residual_sum);
    REQUIRE(fit.degrees_of_freedom == 9);
    REQUIRE(fit.residual_sd == Approx(usl.residual_sd * std::sqrt(8 / 9.)));
    REQUIRE(fit.serial_fraction_error.value() == Approx(usl.standard_errors.contention.value() * std::sqrt(8 / 9.)));
    REQUIRE_FALSE(fit.at_bound);
    REQUIRE(fit_amdahl(raytracer, {.weighting = sluice::fit_weighting::relative}).serial_fraction < fit.serial_fraction);
}

TEST_CASE("amdahl_fit: beyond its bounds it stops at the end, and says so", "[scaling][amdahl_fit][unit]") {
    points const superlinear = {{1, 10}, {2, 22}, {4, 48}, {8, 100}};
    auto const held = fit_amdahl(superlinear);
    REQUIRE(held.serial_fraction == 0);
    REQUIRE(held.at_bound);
    REQUIRE_FALSE(held.serial_fraction_error);
    REQUIRE(held.unit_throughput == Approx((10 + 44 + 192 + 800) / 85.));
    auto const free = fit_amdahl(superlinear, {.bounds = fit_bounds::free});
    REQUIRE(free.serial_fraction < 0);
    REQUIRE(free.residual_sum < held.residual_sum);

    points const falling = {{1, 10}, {2, 9}, {4, 8}, {8, 7}};
    auto const serial = fit_amdahl(falling);
    REQUIRE(serial.serial_fraction == 1);
    REQUIRE(serial.at_bound);
    REQUIRE(serial.unit_throughput == Approx(8.5));
    REQUIRE(fit_amdahl(falling, {.bounds = fit_bounds::free}).serial_fraction > 1);
}

TEST_CASE("amdahl_fit: two points are passed through", "[scaling][amdahl_fit][unit]") {
    points const two = {{2, 18}, {8, 40}};
    auto const fit = fit_amdahl(two);
    REQUIRE(fit.model().throughput(2) == Approx(18).epsilon(1e-10));
    REQUIRE(fit.model().throughput(8) == Approx(40).epsilon(1e-10));
    REQUIRE(fit.degrees_of_freedom == 0);
    REQUIRE_FALSE(fit.serial_fraction_error);
}

TEST_CASE("amdahl_fit: what it cannot work with is refused by name and value", "[scaling][amdahl_fit][unit]") {
    points const one = {{2, 18}, {2, 19}, {2, 20}};
    points const negative = {{2, 18}, {-4, 19}};
    points const nothing = {{2, 18}, {4, 0}};
    REQUIRE_THROWS_WITH(fit_amdahl(one), test::contains("fit_amdahl: distinct n (>= 2) is 1"));
    REQUIRE_THROWS_WITH(fit_amdahl(negative), test::contains("fit_amdahl: n (> 0) is -4"));
    REQUIRE_THROWS_WITH(fit_amdahl(nothing), test::contains("fit_amdahl: throughput (> 0) is 0"));
    REQUIRE_THROWS_AS(fit_amdahl(on(.1, 1), {.confidence = 2}), std::invalid_argument);
}
