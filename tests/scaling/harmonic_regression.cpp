// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/forecaster.hpp>
#include <sluice/scaling/harmonic_regression.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <vector>

using sluice::harmonic_regression;
using sluice::harmonic_regression_options;

namespace {

double const no_number = std::numeric_limits<double>::quiet_NaN();
double const infinity = std::numeric_limits<double>::infinity();
double const turn = 6.283185307179586477;

double day(double t) { return 100 + 20 * std::sin(turn * t / 24) + 5 * std::cos(2 * turn * t / 24); }

/// Normal equations, solved by elimination with pivots.
std::vector<double> normal_equations(std::vector<std::vector<double>> const& rows, std::vector<double> const& y,
                                     std::vector<double> const& weight) {
    std::size_t const p = rows[0].size();
    std::vector<std::vector<long double>> a(p, std::vector<long double>(p + 1, 0));
    for (std::size_t k = 0; k < rows.size(); ++k)
        for (std::size_t i = 0; i < p; ++i) {
            for (std::size_t j = 0; j < p; ++j) a[i][j] += static_cast<long double>(weight[k] * rows[k][i]) * rows[k][j];
            a[i][p] += static_cast<long double>(weight[k] * rows[k][i]) * y[k];
        }
    for (std::size_t i = 0; i < p; ++i) {
        std::size_t best = i;
        for (std::size_t k = i; k < p; ++k)
            if (std::abs(a[k][i]) > std::abs(a[best][i])) best = k;
        std::swap(a[i], a[best]);
        for (std::size_t k = 0; k < p; ++k)
            if (k != i) {
                auto const f = a[k][i] / a[i][i];
                for (std::size_t j = i; j <= p; ++j) a[k][j] -= f * a[i][j];
            }
    }
    std::vector<double> x(p);
    for (std::size_t i = 0; i < p; ++i) x[i] = static_cast<double>(a[i][p] / a[i][i]);
    return x;
}

}  // namespace

TEST_CASE("harmonic_regression: a day of two harmonics", "[scaling][harmonic_regression][unit]") {
    harmonic_regression model({.period = 24, .harmonics = 2});
    for (int t = 0; t < 48; ++t) {
        REQUIRE(model.ready() == (t >= 5));  // as soon as there are as many as coefficients
        model.update(day(t));
    }
    double const expected[] = {100, 20, 0, 0, 5};
    REQUIRE(model.coefficients() == 5);
    for (std::size_t i = 0; i < 5; ++i) REQUIRE(model.coefficient(i) == Approx(expected[i]).margin(1e-10));
    REQUIRE(model.at(54).value() == Approx(115).margin(1e-10));
    REQUIRE(model.forecast(7).value() == Approx(115).margin(1e-10));
    REQUIRE(model.forecast(0).value() == Approx(day(47)).margin(1e-10));
    REQUIRE(model.forecast(24'000'007).value() == Approx(115).margin(1e-9));
    REQUIRE(model.forecast(240'000'000'000'008).value() == Approx(day(55)).margin(1e-9));
}

TEST_CASE("harmonic_regression: with a trend, a period that is not whole, and gaps",
          "[scaling][harmonic_regression][unit]") {
    auto const f = [](double t) { return 7 + .5 * t + 3 * std::sin(turn * t / 10.5) - 2 * std::cos(turn * t / 10.5); };
    harmonic_regression model({.period = 10.5, .harmonics = 1, .trend = true});
    for (int t = 0; t < 60; ++t) {
        if (t % 7 == 3) model.update(std::nullopt);
        else if (t % 7 == 4) model.update(t % 2 == 0 ? no_number : infinity);
        else model.update(f(t));
    }
    model.skip(40);
    REQUIRE(model.coefficient(0) == Approx(7).margin(1e-9));
    REQUIRE(model.coefficient(1) == Approx(3).margin(1e-9));
    REQUIRE(model.coefficient(2) == Approx(-2).margin(1e-9));
    REQUIRE(model.coefficient(3) == Approx(.5 * 10.5).margin(1e-9));
    for (std::uint64_t h = 1; h < 50; ++h)
        REQUIRE(model.forecast(h).value() == Approx(f(99 + static_cast<double>(h))).margin(1e-8));
}

TEST_CASE("harmonic_regression: against the normal equations", "[scaling][harmonic_regression][property]") {
    auto const bits = test::keys(3000, test::seed());
    std::size_t at = 0;
    auto const uniform = [&] { return static_cast<double>(bits[at++ % bits.size()] >> 11) * 0x1p-53; };
    for (int round = 0; round < 12; ++round) {
        auto const harmonics = static_cast<std::uint32_t>(1 + round % 3);
        bool const trend = round % 2 == 1;
        double const forgetting = round % 4 < 2 ? 1 : .97;
        double const period = 12 + 10 * uniform();
        harmonic_regression model({.period = period, .harmonics = harmonics, .trend = trend, .forgetting = forgetting});
        std::vector<std::vector<double>> rows;
        std::vector<double> y, weight;
        for (int t = 0; t < 80; ++t) {
            for (double& w : weight) w *= forgetting;
            if (uniform() < .1) {
                model.update(std::nullopt);
                continue;
            }
            std::vector<double> row{1};
            for (std::uint32_t k = 1; k <= harmonics; ++k) {
                row.push_back(std::sin(turn * k * t / period));
                row.push_back(std::cos(turn * k * t / period));
            }
            if (trend) row.push_back(t / period);
            rows.push_back(row);
            weight.push_back(1);
            y.push_back(50 + 100 * uniform());
            model.update(y.back());
        }
        auto const expected = normal_equations(rows, y, weight);
        for (std::size_t i = 0; i < expected.size(); ++i)
            REQUIRE(model.coefficient(i) == Approx(expected[i]).epsilon(1e-8).margin(1e-8));
    }
}

TEST_CASE("harmonic_regression: with forgetting it follows a shape that changes", "[scaling][harmonic_regression][unit]") {
    harmonic_regression model({.period = 24, .harmonics = 2, .forgetting = .95});
    for (int t = 0; t < 240; ++t) model.update(day(t));
    for (int t = 240; t < 1200; ++t) model.update(3 * day(t));
    REQUIRE(model.forecast(6).value() == Approx(3 * day(1205)).epsilon(1e-6));
    // Long without news: what is known last stays.
    auto const before = model.forecast(24'000'001).value();
    model.skip(24'000'000);
    REQUIRE(model.forecast(1).value() == Approx(before));
    model.update(3 * day(0));
    REQUIRE(std::isfinite(model.forecast(1).value()));
}

TEST_CASE("harmonic_regression: nothing is said before it is determined", "[scaling][harmonic_regression][unit]") {
    harmonic_regression model({.period = 24, .harmonics = 2});
    REQUIRE_FALSE(model.forecast(0));
    for (int i = 0; i < 1000; ++i) {  // always at the same hour: the shape cannot be known
        model.update(50);
        model.skip(23);
        REQUIRE_FALSE(model.ready());
        REQUIRE_FALSE(model.forecast(3));
        REQUIRE_FALSE(model.at(3));
        REQUIRE(model.coefficient(0) == 0);
    }
    harmonic_regression two_hours({.period = 24, .harmonics = 2});
    for (int i = 0; i < 1000; ++i) {
        two_hours.update(50 + i % 3);
        two_hours.skip(i % 2 == 0 ? 6 : 16);
        REQUIRE_FALSE(two_hours.ready());
    }
    harmonic_regression large({.period = 5, .harmonics = 1});
    for (int t = 0; t < 40; ++t) large.update(t % 2 == 0 ? 1.7e308 : 3e150);
    REQUIRE(std::isfinite(large.forecast(1).value()));
}

TEST_CASE("harmonic_regression: options that cannot work", "[scaling][harmonic_regression][unit]") {
    auto const refuses = [](harmonic_regression_options o) {
        REQUIRE_THROWS_AS(static_cast<void>(harmonic_regression(o)), std::invalid_argument);
    };
    refuses({});
    for (double const bad : {-1., 0., 2., no_number, infinity}) refuses({.period = bad});
    refuses({.period = 24, .harmonics = 0});
    refuses({.period = 24, .harmonics = 12});
    refuses({.period = 24000, .harmonics = 101});
    for (double const bad : {-1., 0., 1.01, no_number}) refuses({.period = 24, .forgetting = bad});
}
