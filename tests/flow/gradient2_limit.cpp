// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/gradient2_limit.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

using namespace std::chrono_literals;
using sluice::gradient2_limit;
using sluice::window_summary;

static_assert(sluice::limit_algorithm<gradient2_limit>);

TEST_CASE("gradient2_limit: the published trajectory", "[flow][gradient2_limit][unit]") {
    gradient2_limit l;
    double const    exact_first[] = {20.8, 21.6, 22.4, 23.2, 24.0, 24.8, 25.6, 26.4, 27.2, 28.0};
    for (double const expected : exact_first) REQUIRE(l.update(window_summary::of(10ms, 100)) == Approx(expected).epsilon(1e-12));
    double const exact_second[] = {27.414, 26.8706, 26.3672};
    int const    second[] = {27, 26, 26, 25, 25, 25, 24, 24, 24, 23};
    for (int i = 0; i < 10; ++i) {
        l.update(window_summary::of(20ms, 100));
        if (i < 3) REQUIRE(l.limit() == Approx(exact_second[i]).margin(5e-5));
        REQUIRE(static_cast<int>(l.limit()) == second[i]);
    }
    REQUIRE(l.update(window_summary::of(40ms, 100)) == Approx(22.1956).margin(5e-5));
    REQUIRE(l.update(window_summary::of(40ms, 100)) == Approx(20.7761).margin(5e-5));
    for (int i = 0; i < 8; ++i) REQUIRE(l.update(window_summary::of(40ms, 100)) == 20);
    int const last[] = {20, 21, 22, 23, 24};
    for (int const expected : last) REQUIRE(static_cast<int>(l.update(window_summary::of(5ms, 100))) == expected);
}

TEST_CASE("gradient2_limit: fifty drops do not raise it", "[flow][gradient2_limit][unit]") {
    gradient2_limit l;
    for (int i = 0; i < 50; ++i) REQUIRE(l.update(window_summary::of(10ms, 100, true)) <= 20);
    gradient2_limit lower({.initial = 100, .min_limit = 1});
    REQUIRE(lower.update(window_summary::of(10ms, 100, true)) == Approx(90));
    REQUIRE(lower.long_term() == 0ns);
    for (int i = 0; i < 500; ++i) lower.update(window_summary::of(10ms, 100, true));
    REQUIRE(lower.limit() == 1);
    lower.update(window_summary::of(10ms, 1));
    REQUIRE(lower.limit() > 1);
}

TEST_CASE("gradient2_limit: on a saturated server of ten its baseline follows the queue", "[flow][gradient2_limit][unit]") {
    gradient2_limit l;
    double          seen[4] = {};
    for (int i = 1; i <= 1000; ++i) {
        auto const n = static_cast<std::uint32_t>(l.limit());
        l.update(window_summary::of(1ms * std::max(10u, n), n));
        if (i == 10) seen[0] = l.limit();
        if (i == 100) seen[1] = l.limit();
        if (i == 500) seen[2] = l.limit();
    }
    seen[3] = l.limit();
    CHECK(static_cast<int>(seen[0]) == 28);
    CHECK(static_cast<int>(seen[1]) == 45);
    CHECK(static_cast<int>(seen[2]) == 94);
    CHECK(seen[3] == 200);
}

TEST_CASE("gradient2_limit: app-limited it rests", "[flow][gradient2_limit][unit]") {
    gradient2_limit l;
    REQUIRE(l.update(window_summary::of(10ms, 9)) == 20);
    REQUIRE(l.update(window_summary::of(10ms, 10)) == Approx(20.8));
}

TEST_CASE("gradient2_limit: impossible options are refused by name", "[flow][gradient2_limit][unit]") {
    auto const nan = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_WITH(gradient2_limit({.min_limit = 21}), test::contains("gradient2_limit: initial"));
    REQUIRE_THROWS_WITH(gradient2_limit({.tolerance = nan}), test::contains("tolerance"));
    REQUIRE_THROWS_WITH(gradient2_limit({.smoothing = nan}), test::contains("smoothing"));
    REQUIRE_THROWS_WITH(gradient2_limit({.drop_ratio = 0}), test::contains("drop_ratio"));
    REQUIRE_THROWS_WITH(gradient2_limit({.long_window = 0}), test::contains("long_window"));
}
