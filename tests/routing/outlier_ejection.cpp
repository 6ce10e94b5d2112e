// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/outlier_ejection.hpp>
#include <sluice/routing/panic_threshold.hpp>
#include <sluice/routing/slow_start.hpp>

#include "routing/around.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <vector>

using namespace std::chrono_literals;
using outcome = sluice::outlier_outcome;

TEST_CASE("outlier_ejection: what is ejected is not chosen until it returns", "[routing][outlier_ejection][unit]") {
    sluice::xoshiro256ss                 rng(1);
    sluice::outlier_detector<>           detector(3, {.return_jitter = 0});
    sluice::outlier_ejection<test::turns> b(detector);
    auto const                           list = test::nodes(4);  // the last: the detector does not know it
    for (int n = 0; n < 5; ++n) detector.report(1, outcome::error, 1ms, test::at(0));
    test::scarce_memory const none(0);
    for (unsigned const expected : {0u, 2u, 3u, 0u, 2u, 3u}) REQUIRE(b.choose(list, test::at(0), rng) == expected);
    detector.evaluate(test::at(30));
    for (unsigned const expected : {0u, 1u, 2u, 3u}) REQUIRE(b.choose(list, test::at(30), rng) == expected);
    REQUIRE(none.allocations() == 0);
    REQUIRE_FALSE(b.choose(test::nodes(0), {}, rng));
}

TEST_CASE("outlier_ejection: panic inside overrules ejections, panic outside does not see them", "[routing][outlier_ejection][law]") {
    sluice::xoshiro256ss       rng(test::seed());
    sluice::outlier_detector<> detector(4, {.max_ejected_percent = 100});
    sluice::outlier_ejection<sluice::panic_threshold<test::random_choice>> inside(detector);
    sluice::panic_threshold<sluice::outlier_ejection<test::random_choice>> outside(
        {}, sluice::outlier_ejection<test::random_choice>(detector));
    auto const                                                             list = test::nodes(4);
    for (std::size_t out = 0; out <= 3; ++out) {
        std::array<int, 4> in{}, around{};
        for (int n = 0; n < 400; ++n) {
            ++in[inside.choose(list, {}, rng).value()];
            ++around[outside.choose(list, {}, rng).value()];
        }
        for (std::size_t i = 0; i < 4; ++i) {
            REQUIRE((around[i] > 0) == (i >= out));
            REQUIRE((in[i] > 0) == (i >= out || out == 3));  // 3 of 4 out: 25 % healthy. As long as there is none they agree
        }
        if (out < 3)
            for (int n = 0; n < 5; ++n)
                detector.report(static_cast<sluice::node_index>(out), outcome::error, 1ms, test::at(0));
    }
}

TEST_CASE("outlier_ejection: what returns begins slowly", "[routing][outlier_ejection][law]") {
    sluice::xoshiro256ss       rng(test::seed());
    sluice::outlier_detector<> detector(2, {.return_jitter = 0});
    using slow = sluice::slow_start<test::by_weight>;
    sluice::outlier_ejection<slow> b(detector, slow(2));
    auto const                     list = test::nodes(2);
    auto const                     look = [&](double t) {
        detector.evaluate(test::at(t), [&](sluice::outlier_change const& c) {
            if (!c.ejected) b.inner().restart(c.node, test::at(t));
        });
    };
    auto const share = [&](double t) {
        int zero = 0;
        for (int n = 0; n < 20'000; ++n) zero += b.choose(list, test::at(t), rng) == 0u;
        return zero / 20'000.;
    };
    auto const close = [](double p) { return Approx(p).margin(4.5 * std::sqrt(p * (1 - p) / 20'000)); };  // 4.5 deviations
    REQUIRE(share(0) == close(.5));
    for (int n = 0; n < 5; ++n) detector.report(0, outcome::error, 1ms, test::at(0));
    look(0);
    REQUIRE(share(0) == 0);
    look(30);
    REQUIRE(share(30) == close(.1 / 1.1));
    REQUIRE(share(60) == close(.5 / 1.5));
    REQUIRE(share(90) == close(.5));
}
