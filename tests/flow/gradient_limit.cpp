// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/gradient_limit.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

using namespace std::chrono_literals;
using sluice::gradient_limit;
using sluice::window_summary;

static_assert(sluice::limit_algorithm<gradient_limit>);

namespace {

void saturate(gradient_limit& l, int samples) {
    for (int i = 0; i < samples; ++i) {
        auto const n = static_cast<std::uint32_t>(l.limit());
        l.update(window_summary::of(1ms * std::max(10u, n), n));
    }
}

}  // namespace

TEST_CASE("gradient_limit: it rests at queue / (1 - gradient)", "[flow][gradient_limit][unit]") {
    gradient_limit l({.initial = 20, .tolerance = 1, .smoothing = 1, .probe_interval = 0});
    l.update(window_summary::of(8ms, 20));
    for (int i = 0; i < 200; ++i) l.update(window_summary::of(10ms, 20));
    REQUIRE(l.limit() == Approx(20));
}

TEST_CASE("gradient_limit: on a saturated server of ten it rests at 24, and at 110 from 50 until it probes",
          "[flow][gradient_limit][unit]") {
    gradient_limit low({.initial = 5, .probe_interval = 0});
    gradient_limit high({.initial = 50, .probe_interval = 0});
    saturate(low, 5000);
    saturate(high, 5000);
    REQUIRE(static_cast<int>(low.limit() + 0.5) == 24);
    REQUIRE(static_cast<int>(high.limit() + 0.5) == 110);
    gradient_limit probing({.initial = 50});
    saturate(probing, 10'000);
    REQUIRE(probing.epoch() >= 5);
    REQUIRE(probing.epoch() <= 10);
    REQUIRE(probing.limit() <= 25);
    REQUIRE(probing.baseline() == 10ms);
}

TEST_CASE("gradient_limit: drops leave nine tenths, a fifth of it at once", "[flow][gradient_limit][unit]") {
    gradient_limit l({.initial = 100});
    REQUIRE(l.update(window_summary::of(1us, 1, true)) == Approx(98));
    REQUIRE(l.baseline() == 0ns);
    for (int i = 0; i < 1000; ++i) l.update(window_summary::of(1us, 1, true));
    REQUIRE(l.limit() == 4);
    REQUIRE(l.update(window_summary::of(1ms, 4)) == 8);
}

TEST_CASE("gradient_limit: app-limited it rests; a probe may keep a part", "[flow][gradient_limit][unit]") {
    gradient_limit l({.initial = 100, .probe_interval = 10, .probe_ratio = 0.5});
    for (int i = 0; i < 9; ++i) REQUIRE(l.update(window_summary::of(1ms, 49)) == 100);
    int probes = 0;
    for (int i = 0; i < 12 && probes == 0; ++i) probes += l.update(window_summary::of(1ms, 49)) == 50;
    REQUIRE(probes == 1);
    REQUIRE(l.epoch() == 1);
    REQUIRE(l.baseline() == 0ns);
}

TEST_CASE("gradient_limit: impossible options are refused by name", "[flow][gradient_limit][unit]") {
    auto const nan = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_WITH(gradient_limit({.min_limit = 60}), test::contains("gradient_limit: initial"));
    REQUIRE_THROWS_WITH(gradient_limit({.tolerance = nan}), test::contains("tolerance"));
    REQUIRE_THROWS_WITH(gradient_limit({.tolerance = 0.5}), test::contains("tolerance"));
    REQUIRE_THROWS_WITH(gradient_limit({.smoothing = 0}), test::contains("smoothing"));
    REQUIRE_THROWS_WITH(gradient_limit({.drop_ratio = 1}), test::contains("drop_ratio"));
    REQUIRE_THROWS_WITH(gradient_limit({.queue = 0}), test::contains("queue"));
    REQUIRE_THROWS_WITH(gradient_limit({.probe_ratio = 1}), test::contains("probe_ratio"));
}
