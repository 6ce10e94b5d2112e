// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/holt_winters.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <vector>

using sluice::holt_winters;
using sluice::holt_winters_options;
using sluice::seasonality;

namespace {

double const no_number = std::numeric_limits<double>::quiet_NaN();
double const infinity = std::numeric_limits<double>::infinity();

/// Box, Jenkins: airline passengers per month in thousands, 1949 … 1960.
std::vector<double> const passengers{
    112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118, 115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140,
    145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166, 171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194,
    196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201, 204, 188, 235, 227, 234, 264, 302, 293, 259, 229, 203, 229,
    242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278, 284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306,
    315, 301, 356, 348, 355, 422, 465, 467, 404, 347, 305, 336, 340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337,
    360, 342, 406, 396, 420, 472, 548, 559, 463, 407, 362, 405, 417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432};

/// The same arithmetic on a plain list, from given starting values.
struct naive {
    double alpha, beta, gamma, level, trend;
    bool multiplicative;
    std::vector<double> season;
    double errors = 0;

    void update(double y) {
        double const s = season.front();
        double const ahead = level + trend;
        double const error = y - (multiplicative ? ahead * s : ahead + s);
        errors += error * error;
        double const before = level;
        level = alpha * (multiplicative ? y / s : y - s) + (1 - alpha) * ahead;
        trend = beta * (level - before) + (1 - beta) * trend;
        season.erase(season.begin());
        season.push_back(gamma * (multiplicative ? y / level : y - level) + (1 - gamma) * s);
    }
};

void feed(holt_winters& model, std::vector<double> const& series) {
    for (double const y : series) model.update(y);
}

}  // namespace

TEST_CASE("holt_winters: a level alone", "[scaling][holt_winters][unit]") {
    std::vector<double> const series{71, 70, 69, 68, 64, 65, 72, 78, 75, 75, 75, 70};
    std::vector<double> const expected{71,       70.9,      70.71,      70.439,      69.7951,    69.31559,
                                       69.584031, 70.4256279, 70.88306511, 71.2947586, 71.66528274};
    holt_winters model({.alpha = .1, .trend = false});
    REQUIRE_FALSE(model.forecast(1));
    model.update(series[0]);
    for (std::size_t i = 0; i < expected.size(); ++i) {
        REQUIRE(model.forecast(1).value() == Approx(expected[i]).margin(1e-8));
        model.update(series[i + 1]);
    }
    REQUIRE(model.squared_errors() == Approx(208.8184097).margin(1e-7));
    REQUIRE(model.forecasts() == 11);
    REQUIRE(model.level() == Approx(71.49875447).margin(1e-8));
    REQUIRE(model.forecast(100) == model.level());

    holt_winters quicker({.alpha = .5, .trend = false});
    feed(quicker, series);
    REQUIRE(quicker.squared_errors() == Approx(181.4617662).margin(1e-7));
    REQUIRE(quicker.level() == Approx(72.40185547).margin(1e-8));
}

TEST_CASE("holt_winters: level and trend", "[scaling][holt_winters][unit]") {
    std::vector<double> const series{6.4, 5.6, 7.8, 8.8, 11.0, 11.6, 16.7, 15.3, 21.6, 22.4};
    std::vector<double> const expected{7.2,       6.84064,   7.756112,  9.080409, 11.417441,
                                       13.191288, 17.441406, 18.868655, 23.050868};
    holt_winters model({.alpha = .3623, .beta = 1}, {.level = 6.4, .trend = .8});
    for (std::size_t i = 0; i < expected.size(); ++i) {
        REQUIRE(model.forecast(1).value() == Approx(expected[i]).margin(1e-6));
        model.update(series[i + 1]);
    }
    std::vector<double> const ahead{25.771896, 28.728733, 31.685570, 34.642407, 37.599245};
    for (std::size_t h = 1; h <= ahead.size(); ++h)
        REQUIRE(model.forecast(h).value() == Approx(ahead[h - 1]).margin(1e-6));

    // Starting values of its own: the second observation and the first difference.
    holt_winters own({.alpha = .3623, .beta = .5});
    own.update(series[0]);
    REQUIRE_FALSE(own.ready());
    own.update(series[1]);
    REQUIRE(own.forecast(1).value() == Approx(5.6 - .8));
    for (std::size_t i = 2; i < series.size(); ++i) own.update(series[i]);
    REQUIRE(own.level() == Approx(22.208022028628825).epsilon(1e-12));
    REQUIRE(own.trend() == Approx(2.9514723972378167).epsilon(1e-12));
    REQUIRE(own.squared_errors() == Approx(78.21499987775198).epsilon(1e-12));
}

TEST_CASE("holt_winters: the airline's passengers", "[scaling][holt_winters][unit]") {
    holt_winters model({.alpha = .2755925, .beta = .0326930, .gamma = .8707292,
                        .season = seasonality::multiplicative, .season_length = 12});
    for (std::size_t i = 0; i < passengers.size(); ++i) {
        REQUIRE(model.ready() == (i >= 24));
        model.update(passengers[i]);
    }
    // As published, of parameters with more digits.
    REQUIRE(model.level() == Approx(469.3232206).margin(1e-4));
    REQUIRE(model.trend() == Approx(3.0215391).margin(1e-5));
    REQUIRE(model.forecast(1).value() == Approx(447.0559313).margin(1e-4));
    REQUIRE(model.forecast(7).value() == Approx(666.5922934).margin(1e-4));
    REQUIRE(model.forecasts() == 132);
    // As calculated elsewhere.
    REQUIRE(model.level() == Approx(469.3232444292828).epsilon(1e-12));
    REQUIRE(model.squared_errors() == Approx(16570.77786770954).epsilon(1e-12));

    holt_winters additive({.alpha = .2479595, .beta = .0345373, .gamma = 1,
                           .season = seasonality::additive, .season_length = 12});
    feed(additive, passengers);
    REQUIRE(additive.level() == Approx(477.828997445316).epsilon(1e-12));
    REQUIRE(additive.trend() == Approx(3.1276745270239195).epsilon(1e-12));
    REQUIRE(additive.season(0) == Approx(-27.45877638485888).epsilon(1e-10));
    REQUIRE(additive.season(11) == Approx(-45.82899744531602).epsilon(1e-10));
    REQUIRE(additive.squared_errors() == Approx(21860.184680577193).epsilon(1e-12));
}

TEST_CASE("holt_winters: starting values for short seasons, even and odd", "[scaling][holt_winters][unit]") {
    std::vector<double> const quarters{10, 22, 33, 41, 11, 24, 35, 45, 13, 26, 37, 48, 14, 27, 40, 52};
    holt_winters by_factor(
        {.alpha = .4, .beta = .2, .gamma = .3, .season = seasonality::multiplicative, .season_length = 4});
    feed(by_factor, quarters);
    REQUIRE(by_factor.level() == Approx(34.01244889171833).epsilon(1e-12));
    REQUIRE(by_factor.trend() == Approx(.5522558178896516).epsilon(1e-12));
    REQUIRE(by_factor.season(3) == Approx(1.521680788474999).epsilon(1e-12));
    REQUIRE(by_factor.squared_errors() == Approx(15.856327336049093).epsilon(1e-11));
    holt_winters by_sum({.alpha = .4, .beta = .2, .gamma = .3, .season = seasonality::additive, .season_length = 4});
    feed(by_sum, quarters);
    REQUIRE(by_sum.level() == Approx(34.95829866695689).epsilon(1e-12));
    REQUIRE(by_sum.season(0) == Approx(-16.96558107574044).epsilon(1e-12));
    REQUIRE(by_sum.squared_errors() == Approx(35.77604159445413).epsilon(1e-11));

    holt_winters odd({.alpha = .4, .beta = .2, .gamma = .3, .season = seasonality::multiplicative, .season_length = 5});
    feed(odd, {10, 22, 33, 41, 7, 11, 24, 35, 45, 8, 13, 26, 37, 48, 9, 14});
    REQUIRE(odd.level() == Approx(29.139869601315862).epsilon(1e-12));
    REQUIRE(odd.season(0) == Approx(.9822779761001788).epsilon(1e-12));
    REQUIRE(odd.squared_errors() == Approx(15.18609284861462).epsilon(1e-11));
}

TEST_CASE("holt_winters: given starting values", "[scaling][holt_winters][unit]") {
    std::array const factors{.4, .8, 1.2, 1.6};
    holt_winters by_factor({.alpha = .5, .beta = .3, .gamma = .2, .season = seasonality::multiplicative, .season_length = 4},
                           {.level = 25, .trend = 1, .season = factors});
    REQUIRE(by_factor.ready());
    REQUIRE(by_factor.forecast(1).value() == Approx(10.4));
    REQUIRE(by_factor.forecast(6).value() == Approx(31 * .8));
    feed(by_factor, {10, 20, 30, 40, 11, 22, 33, 44});
    REQUIRE(by_factor.level() == Approx(28.006885776109204).epsilon(1e-13));
    REQUIRE(by_factor.trend() == Approx(.4252017742817905).epsilon(1e-13));
    REQUIRE(by_factor.season(2) == Approx(1.192015053234667).epsilon(1e-13));
    REQUIRE(by_factor.squared_errors() == Approx(9.358442242698326).epsilon(1e-13));

    std::array const sums{-15., -5., 5., 15.};
    holt_winters by_sum({.alpha = .5, .beta = .3, .gamma = .2, .season = seasonality::additive, .season_length = 4},
                        {.level = 25, .trend = 1, .season = sums});
    feed(by_sum, {10, 20, 30, 40, 11, 22, 33, 44});
    REQUIRE(by_sum.level() == Approx(28.676019063671877).epsilon(1e-13));
    REQUIRE(by_sum.season(1) == Approx(-5.05057834375).epsilon(1e-13));
    REQUIRE(by_sum.squared_errors() == Approx(8.285368852101973).epsilon(1e-13));
}

TEST_CASE("holt_winters: against a plain list", "[scaling][holt_winters][property]") {
    auto const bits = test::keys(20'000, test::seed());
    std::size_t at = 0;
    auto const uniform = [&] { return static_cast<double>(bits[at++ % bits.size()] >> 11) * 0x1p-53; };
    for (int round = 0; round < 40; ++round) {
        bool const multiplicative = round % 2 == 0;
        auto const f = static_cast<std::uint32_t>(2 + round % 9);
        naive expected{uniform(), uniform() / 4, uniform() / 4, 50 + 50 * uniform(), uniform(), multiplicative, {}};
        for (std::uint32_t i = 0; i < f; ++i)
            expected.season.push_back(multiplicative ? .5 + uniform() : 20 * uniform() - 10);
        holt_winters model({.alpha = expected.alpha, .beta = expected.beta, .gamma = expected.gamma,
                            .season = multiplicative ? seasonality::multiplicative : seasonality::additive,
                            .season_length = f},
                           {.level = expected.level, .trend = expected.trend, .season = expected.season});
        for (int i = 0; i < 60; ++i) {
            double const y = 40 + 40 * uniform();
            model.update(y);
            expected.update(y);
            REQUIRE(model.level() == Approx(expected.level).epsilon(1e-12));
            REQUIRE(model.trend() == Approx(expected.trend).epsilon(1e-12).margin(1e-11));
            for (std::size_t h = 0; h < 2 * std::size_t{f}; ++h) {
                double const base = expected.level + static_cast<double>(h + 1) * expected.trend;
                double const s = expected.season[h % f];
                REQUIRE(model.forecast(h + 1).value() == Approx(multiplicative ? base * s : base + s).margin(1e-9));
            }
        }
        REQUIRE(model.squared_errors() == Approx(expected.errors).epsilon(1e-11));
    }
}

TEST_CASE("holt_winters: what is missed changes no forecast of the time after", "[scaling][holt_winters][unit]") {
    for (auto const season : {seasonality::none, seasonality::additive, seasonality::multiplicative}) {
        holt_winters model({.season = season, .season_length = season == seasonality::none ? 0u : 12u});
        feed(model, passengers);
        auto one_by_one = model, at_once = model, refused = model;
        for (std::uint64_t n = 1; n <= 30; ++n) {
            one_by_one.update(std::nullopt);
            at_once = model;
            at_once.skip(n);
            refused.update(n % 2 == 0 ? no_number : infinity);
            for (std::uint64_t h = 1; h <= 24; ++h) {
                double const expected = model.forecast(n + h).value();
                REQUIRE(one_by_one.forecast(h).value() == Approx(expected));
                REQUIRE(at_once.forecast(h).value() == Approx(expected));
                REQUIRE(refused.forecast(h).value() == Approx(expected));
            }
        }
        REQUIRE(one_by_one.forecasts() == model.forecasts());
        REQUIRE(one_by_one.squared_errors() == model.squared_errors());
    }
}

TEST_CASE("holt_winters: what is missed in the first two seasons", "[scaling][holt_winters][unit]") {
    auto const shape = [](std::uint64_t i) { return 100 + (i % 6 < 3 ? 40. : -40.); };
    for (std::size_t gone = 0; gone < 12; ++gone) {
        holt_winters model({.season = seasonality::additive, .season_length = 6});
        for (std::size_t i = 0; i < 12; ++i) {
            if (i == gone || (gone % 2 == 1 && i == (gone + 6) % 12)) model.update(std::nullopt);
            else model.update(shape(i));
        }
        CAPTURE(gone);
        if (gone == 0) {  // it begins with the first observation that there is
            REQUIRE_FALSE(model.ready());
            model.update(shape(12));
        }
        REQUIRE(model.ready());
        std::size_t const next = gone == 0 ? 13 : 12;
        for (std::uint64_t h = 1; h <= 6; ++h) {
            REQUIRE(std::isfinite(model.forecast(h).value()));
            if (gone % 2 == 0) REQUIRE(model.forecast(h).value() == Approx(shape(next + h - 1)).margin(8));
        }
    }
    // A gap of two seasons before there is anything: it begins again.
    holt_winters model({.season = seasonality::additive, .season_length = 6});
    for (std::size_t i = 0; i < 7; ++i) model.update(1e6);
    model.skip(UINT64_MAX);
    for (std::size_t i = 0; i < 12; ++i) {
        REQUIRE_FALSE(model.ready());
        model.update(shape(i));
    }
    REQUIRE(model.forecast(1).value() == Approx(shape(0)).margin(1e-9));
    // Both seasons lack the same phases: a line between the neighbours.
    holt_winters line_between({.season = seasonality::additive, .season_length = 6});
    for (std::size_t i = 0; i < 12; ++i)
        if (i % 6 == 2 || i % 6 == 3) line_between.update(std::nullopt);
        else line_between.update(i % 6 == 1 ? 10 : i % 6 == 4 ? 40 : 25);
    REQUIRE(line_between.forecast(3).value() == Approx(20).margin(1e-9));
    REQUIRE(line_between.forecast(4).value() == Approx(30).margin(1e-9));
    // A gap that ends the warm-up and goes on.
    holt_winters over({.season = seasonality::additive, .season_length = 6});
    for (std::size_t i = 0; i < 9; ++i) over.update(shape(i));
    over.skip(11);
    REQUIRE(over.ready());
    for (std::uint64_t h = 1; h <= 6; ++h) REQUIRE(over.forecast(h).value() == Approx(shape(19 + h)).margin(1e-9));
    // Level and trend: the second is not there.
    holt_winters line({});
    line.update(5);
    line.update(std::nullopt);
    REQUIRE(line.forecast(3) == 5.);
}

TEST_CASE("holt_winters: a multiplicative season with zeros", "[scaling][holt_winters][unit]") {
    for (double const gamma : {.1, .5, 1.}) {
        holt_winters model(
            {.alpha = .3, .beta = .1, .gamma = gamma, .season = seasonality::multiplicative, .season_length = 4});
        for (int day = 0; day < 50; ++day)
            for (double const y : {0., 10., 20., 10.}) {
                model.update(y);
                if (!model.ready()) continue;
                for (std::uint64_t h = 1; h <= 8; ++h) REQUIRE(std::isfinite(model.forecast(h).value()));
            }
        double const expected[] = {0, 10, 20, 10};
        for (std::uint64_t h = 1; h <= 4; ++h) REQUIRE(model.forecast(h).value() == Approx(expected[h - 1]).margin(.5));
        // A night phase that wakes up is learnt.
        for (int day = 0; day < 100; ++day)
            for (double const y : {10., 10., 20., 10.}) model.update(y);
        REQUIRE(model.forecast(1).value() == Approx(10).margin(1.5));
        // Nothing at all, for long, and something again.
        for (int i = 0; i < 2000; ++i) model.update(0);
        REQUIRE(model.forecast(1).value() == Approx(0).margin(1e-3));
        for (int i = 0; i < 400; ++i) model.update(8);
        REQUIRE(std::isfinite(model.forecast(1).value()));
    }
    // A level below zero tells nothing about a factor.
    std::array const ones{1., 1.};
    holt_winters falling({.alpha = 0, .beta = 0, .gamma = .5, .season = seasonality::multiplicative, .season_length = 2},
                         {.level = 10, .trend = -20, .season = ones});
    falling.update(5);
    REQUIRE(falling.level() == -10);
    REQUIRE(falling.season(1) == 1);
    holt_winters nothing({.season = seasonality::multiplicative, .season_length = 3});
    for (int i = 0; i < 30; ++i) nothing.update(0);
    REQUIRE(nothing.forecast(2) == 0.);
    // No factor can be told from a negative number.
    auto before = nothing;
    nothing.update(-1);
    before.update(std::nullopt);
    REQUIRE(nothing.forecast(2) == before.forecast(2));
}

TEST_CASE("holt_winters: a week of minutes", "[scaling][holt_winters][unit]") {
    auto const load = [](std::size_t i) {
        return 1000 + 500 * std::sin(6.283185307179586 * static_cast<double>(i % 1440) / 1440);
    };
    holt_winters model({.season = seasonality::multiplicative, .season_length = 10'080});
    std::size_t i = 0;
    for (; i < 20'160; ++i) {
        if (i > 0 && i % 3 != 0) model.update(std::nullopt);  // most of it is missing
        else model.update(load(i));
    }
    REQUIRE(model.ready());
    for (std::uint64_t h = 1; h < 10'080; h += 97)
        REQUIRE(model.forecast(h).value() == Approx(load(i + static_cast<std::size_t>(h) - 1)).epsilon(.01));
}

TEST_CASE("holt_winters: numbers too large to calculate with", "[scaling][holt_winters][unit]") {
    for (auto const season : {seasonality::none, seasonality::additive, seasonality::multiplicative}) {
        holt_winters model(
            {.alpha = 1, .beta = 1, .season = season, .season_length = season == seasonality::none ? 0u : 3u});
        for (int i = 0; i < 60; ++i) {
            model.update(i % 3 == 0 ? 1.7e308 : i % 3 == 1 ? 3e150 : 0);
            if (auto const y = model.forecast(1)) REQUIRE(std::isfinite(*y));
            if (auto const y = model.forecast(UINT64_MAX)) REQUIRE(std::isfinite(*y));
            REQUIRE(std::isfinite(model.level()));
        }
    }
}

TEST_CASE("holt_winters: options that cannot work", "[scaling][holt_winters][unit]") {
    auto const refuses = [](holt_winters_options o) {
        REQUIRE_THROWS_AS(static_cast<void>(holt_winters(o)), std::invalid_argument);
    };
    REQUIRE(holt_winters({}).season(3) == 0);
    for (double const bad : {-.1, 1.1, no_number, infinity}) {
        refuses({.alpha = bad});
        refuses({.beta = bad});
        refuses({.gamma = bad});
    }
    refuses({.season_length = 4});
    refuses({.season = seasonality::additive});
    refuses({.season = seasonality::additive, .season_length = 1});
    std::array const three{1., 2., 3.};
    std::array const negative{1., -2.};
    using sluice::holt_winters_start;
    auto const refuses_start = [](holt_winters_options o, holt_winters_start s) {
        REQUIRE_THROWS_AS(static_cast<void>(holt_winters(o, s)), std::invalid_argument);
    };
    refuses_start({}, {.level = no_number});
    refuses_start({}, {.trend = infinity});
    refuses_start({}, {.season = three});
    refuses_start({.season = seasonality::additive, .season_length = 4}, {.season = three});
    refuses_start({.season = seasonality::multiplicative, .season_length = 2}, {.season = negative});
    REQUIRE_NOTHROW(holt_winters({.season = seasonality::additive, .season_length = 2}, {.season = negative}));
}
