// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/mix64.hpp>
#include <sluice/stats/hyperloglog.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <cstdint>
#include <stdexcept>

using sluice::hyperloglog;

TEST_CASE("hyperloglog: the error is what is promised, for few keys and many", "[stats][hyperloglog][law]") {
    for (unsigned const precision : {4u, 8u, 11u})
        for (std::uint64_t const n : {1u, 10u, 100u, 1000u, 5000u, 20'000u}) {
            CAPTURE(precision, n);
            constexpr int runs = 60;
            double        squares = 0, bias = 0;
            double        promised = 0;
            for (std::uint64_t run = 0; run < runs; ++run) {
                hyperloglog h({.precision = precision, .seed = sluice::mix64(run)});
                for (std::uint64_t i = 0; i < n; ++i) h.add(i);
                double const error = h.estimate() / static_cast<double>(n) - 1;
                squares += error * error;
                bias += error;
                promised = h.standard_error();
            }
            // 60 runs give the error to a tenth (1 / sqrt(120)): 4.5 of these. Few keys are counted better than promised.
            REQUIRE(std::sqrt(squares / runs) < promised * 1.41 + (precision == 4 ? 0.05 : 0));
            REQUIRE(std::abs(bias / runs) < 4.5 * promised / std::sqrt(double(runs)) + (precision == 4 ? 0.08 : 0));  // 1.079 / m
            if (n >= 5000) REQUIRE(std::sqrt(squares / runs) > promised * 0.55);  // and is no better: the check can fail
        }
}

TEST_CASE("hyperloglog: with few registers it is too large by what the header says", "[stats][hyperloglog][law]") {
    for (unsigned const precision : {4u, 5u}) {
        constexpr int runs = 1000;
        double        sum = 0, error = 0;
        for (std::uint64_t run = 1; run <= runs; ++run) {
            hyperloglog h({.precision = precision, .seed = sluice::mix64(run)});
            for (std::uint64_t i = 0; i < 2000; ++i) h.add(i);
            sum += h.estimate() / 2000 - 1;
            error = h.standard_error();
        }
        CAPTURE(precision, sum / runs);
        double const promised = 1.08 / (1u << precision), band = 4.5 * error / std::sqrt(double(runs));
        CHECK(std::abs(sum / runs - promised) < band);
        if (precision == 4) CHECK(band < promised * 0.6);  // none at all would be noticed
    }
}

TEST_CASE("hyperloglog: empty, repeated keys, merge, full registers", "[stats][hyperloglog][unit]") {
    hyperloglog a({.precision = 10}), b({.precision = 10}), all({.precision = 10});
    CHECK(a.estimate() == 0);
    for (int k = 0; k < 100; ++k) a.add(42);
    CHECK(a.estimate() > 0.99);
    CHECK(a.estimate() < 1.01);
    a.clear();
    for (std::uint64_t i = 0; i < 3000; ++i) {
        if (i % 3 != 0) a.add(i);
        if (i % 3 != 1) b.add(i);  // a third is in both
        all.add(i);
    }
    a.merge(b);
    CHECK(a == all);
    CHECK_THROWS_AS(a.merge(hyperloglog({.precision = 11})), std::invalid_argument);
    CHECK_THROWS_AS(a.merge(hyperloglog({.precision = 10, .seed = 1})), std::invalid_argument);
    CHECK_THROWS_AS(hyperloglog({.precision = 3}), std::invalid_argument);
    CHECK_THROWS_AS(hyperloglog({.precision = 19}), std::invalid_argument);

    // A key whose mixed hash is 0 behind the register's number fills the register: 61 of 61 possible with precision 4.
    hyperloglog one({.precision = 4});
    bool        finite = true;
    for (std::uint64_t i = 0; i < 100'000; ++i) {
        one.add(sluice::mix64(i));
        if (i % 10'000 == 0) finite = finite && std::isfinite(one.estimate());
    }
    CHECK(finite);
}
