// SPDX-License-Identifier: BSL-1.0
#include <sluice/stats/holt.hpp>

#include <sluice/core/random.hpp>
#include <sluice/scaling/holt_winters.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

using sluice::holt;
using sluice::holt_options;
using sluice::holt_start;

TEST_CASE("holt: the handbook's example", "[stats][holt][unit]") {
    std::vector<double> const series{6.4, 5.6, 7.8, 8.8, 11.0, 11.6, 16.7, 15.3, 21.6, 22.4};
    std::vector<double> const one_step{7.2,       6.84064,   7.756112,  9.080409, 11.417441,
                                       13.191288, 17.441406, 18.868655, 23.050868};
    holt model({.alpha = .3623, .beta = 1}, {.level = 6.4, .trend = .8});
    for (std::size_t i = 0; i < one_step.size(); ++i) {
        REQUIRE(model.forecast().value() == Approx(one_step[i]).margin(1e-6));
        model.update(series[i + 1]);
    }
    double const ahead[] = {25.771896, 28.728733, 31.685570, 34.642407, 37.599245};
    for (int h = 1; h <= 5; ++h) REQUIRE(model.forecast(h).value() == Approx(ahead[h - 1]).margin(1e-6));
    REQUIRE(model.forecast(1.5).value() == Approx((ahead[0] + ahead[1]) / 2).margin(1e-6));
    REQUIRE(model.forecast(0).value() == model.level());
}

TEST_CASE("holt: without missed observations it is holt_winters without a season", "[stats][holt][law]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 100; ++round) {
        double const         alpha = sluice::uniform_real(rng), beta = sluice::uniform_real(rng);
        bool const           trend = round % 3 != 0;
        holt                 model({.alpha = alpha, .beta = beta, .trend = trend});
        sluice::holt_winters other({.alpha = alpha, .beta = beta, .trend = trend});
        for (int i = 0; i < 40; ++i) {
            double const y = sluice::uniform_real(rng) * 100 - 20;
            model.update(y);
            other.update(y);
            REQUIRE(model.forecast().has_value() == other.forecast().has_value());
            if (model.forecast()) REQUIRE(*model.forecast(3) == Approx(*other.forecast(3)).epsilon(1e-12));
        }
    }
}

TEST_CASE("holt: a straight line is found, whatever is missed and however uneven the steps", "[stats][holt][law]") {
    sluice::xoshiro256ss rng(test::seed());
    holt                 model({.alpha = .4, .beta = .2});
    double               t = 0;
    for (int i = 0; i < 200; ++i) {
        double const step = .1 + 3 * sluice::uniform_real(rng);
        t += step;
        if (i % 5 == 3) model.skip(step);
        else model.update(7 + 2 * t, step);
        if (i < 2) continue;
        for (double const h : {0., 1., 2.5}) REQUIRE(model.forecast(h).value() == Approx(7 + 2 * (t + h)).epsilon(1e-9));
    }
    REQUIRE(model.trend() == Approx(2).epsilon(1e-9));
}

TEST_CASE("holt: a missed observation lengthens the next step", "[stats][holt][unit]") {
    holt missed({.alpha = .5, .beta = .5}, {10, 1}), longer = missed;
    missed.update(std::nullopt);
    REQUIRE(missed.forecast().value() == 12);  // two steps after the level
    missed.update(20);
    longer.update(20, 2);
    // ahead 12, a = .75: level 18; b = .75: trend .75 · 4 + .25 = 3.25
    REQUIRE(longer.level() == Approx(18));
    REQUIRE(longer.trend() == Approx(3.25));
    REQUIRE(missed.level() == longer.level());
    REQUIRE(missed.trend() == longer.trend());
    // Smoothing composes: twice half a step towards the same value is one step.
    holt half({.alpha = .5, .trend = false}, {10, 0}), whole = half;
    half.update(20, .5);
    half.update(20, .5);
    whole.update(20);
    REQUIRE(half.level() == Approx(whole.level()).epsilon(1e-14));
}

TEST_CASE("holt: no numbers, no distance, and the ends of the range", "[stats][holt][unit]") {
    double const nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
    holt model({.alpha = .5, .beta = .5});
    REQUIRE_FALSE(model.ready());
    REQUIRE_FALSE(model.forecast());
    model.skip(7);
    model.update(10, 1);
    REQUIRE_FALSE(model.forecast());
    model.update(30, 0);  // of the same moment: 20, and no trend of infinity
    REQUIRE_FALSE(model.ready());
    for (double const y : {nan, inf, -inf, 1e200}) model.update(y, 1);
    model.update(28, 0);
    REQUIRE(model.ready());
    REQUIRE(model.trend() == 2);  // 8 in the four steps
    REQUIRE(model.forecast(1) == 30.0);
    for (double const d : {0., -1., nan}) {
        double const before = model.level();
        model.update(before + 4, d);
        REQUIRE(model.level() == Approx(before + 1));
        REQUIRE(model.trend() == 2);
    }
    REQUIRE_FALSE(model.forecast(inf));
    REQUIRE_FALSE(model.forecast(nan));
    model.update(5, inf);  // so long ago that nothing is left
    REQUIRE(model.forecast() == 5.0);
    model.update(1, 1e300);
    model.update(9, 1);
    REQUIRE(std::isfinite(model.forecast().value()));
    model.reset();
    REQUIRE_FALSE(model.ready());
    model.update(1);
    model.update(2);
    REQUIRE(model.forecast() == 3.0);

    holt level({.alpha = .5, .trend = false});
    level.update(4);
    REQUIRE(level.forecast(1e300) == 4.0);
}

TEST_CASE("holt: impossible parameters are refused", "[stats][holt][unit]") {
    double const nan = std::numeric_limits<double>::quiet_NaN();
    for (double const bad : {-.01, 1.01, nan}) {
        REQUIRE_THROWS_AS(holt({.alpha = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(holt({.beta = bad}), std::invalid_argument);
    }
    REQUIRE_THROWS_AS(holt({}, {nan, 0}), std::invalid_argument);
    REQUIRE_THROWS_AS(holt({}, {0, std::numeric_limits<double>::infinity()}), std::invalid_argument);
}
