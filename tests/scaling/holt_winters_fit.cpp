// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/holt_winters.hpp>
#include <sluice/scaling/holt_winters_fit.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <vector>

using sluice::fit_holt_winters;
using sluice::holt_winters;
using sluice::seasonality;

namespace {

std::vector<double> const passengers{
    112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118, 115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140,
    145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166, 171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194,
    196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201, 204, 188, 235, 227, 234, 264, 302, 293, 259, 229, 203, 229,
    242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278, 284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306,
    315, 301, 356, 348, 355, 422, 465, 467, 404, 347, 305, 336, 340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337,
    360, 342, 406, 396, 420, 472, 548, 559, 463, 407, 362, 405, 417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432};

double errors(sluice::holt_winters_options o, std::vector<double> const& series) {
    holt_winters model(o);
    for (double const y : series) model.update(y);
    return model.squared_errors();
}

}  // namespace

TEST_CASE("fit_holt_winters: the airline's passengers as published", "[scaling][holt_winters_fit][unit]") {
    auto const fit = fit_holt_winters(passengers, {.season = seasonality::multiplicative, .season_length = 12});
    CAPTURE(fit.options.alpha, fit.options.beta, fit.options.gamma);
    REQUIRE(fit.options.alpha == Approx(.2755925).margin(2e-4));
    REQUIRE(fit.options.beta == Approx(.0326930).margin(2e-4));
    REQUIRE(fit.options.gamma == Approx(.8707292).margin(2e-4));
    REQUIRE(fit.squared_errors <= 16570.7779);
    REQUIRE(fit.squared_errors == errors(fit.options, passengers));
    REQUIRE(fit.options.season_length == 12);
}

TEST_CASE("fit_holt_winters: no neighbour forecasts better", "[scaling][holt_winters_fit][property]") {
    for (auto const season : {seasonality::none, seasonality::additive, seasonality::multiplicative}) {
        for (bool const trend : {false, true}) {
            sluice::holt_winters_options const o{
                .beta = .77, .gamma = .66, .trend = trend, .season = season,
                .season_length = season == seasonality::none ? 0u : 12u};
            auto const fit = fit_holt_winters(passengers, o);
            for (double const a : {-1e-4, 0., 1e-4})
                for (double const b : {-1e-4, 0., 1e-4})
                    for (double const g : {-1e-4, 0., 1e-4}) {
                        auto near = fit.options;
                        near.alpha = std::clamp(near.alpha + a, 0., 1.);
                        near.beta = std::clamp(near.beta + b, 0., 1.);
                        near.gamma = std::clamp(near.gamma + g, 0., 1.);
                        REQUIRE(errors(near, passengers) >= fit.squared_errors * (1 - 1e-7));
                    }
            if (!trend) REQUIRE(fit.options.beta == .77);
            if (season == seasonality::none) REQUIRE(fit.options.gamma == .66);
        }
    }
}

TEST_CASE("fit_holt_winters: a series too short or with gaps", "[scaling][holt_winters_fit][unit]") {
    std::vector<double> const three{1, 2, 3};
    REQUIRE_THROWS_AS(fit_holt_winters({}, {}), std::invalid_argument);
    REQUIRE_THROWS_AS(fit_holt_winters(three, {.season = seasonality::additive, .season_length = 2}), std::invalid_argument);
    REQUIRE_THROWS_AS(fit_holt_winters(three, {.alpha = 2}), std::invalid_argument);
    REQUIRE_NOTHROW(fit_holt_winters(three, {}));
    auto gaps = passengers;
    for (std::size_t i = 30; i < gaps.size(); i += 7) gaps[i] = std::numeric_limits<double>::quiet_NaN();
    auto const fit = fit_holt_winters(gaps, {.season = seasonality::multiplicative, .season_length = 12});
    REQUIRE(std::isfinite(fit.squared_errors));
    REQUIRE(fit.squared_errors > 0);
}
