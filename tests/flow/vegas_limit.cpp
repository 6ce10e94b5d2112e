// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/vegas_limit.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

using namespace std::chrono_literals;
using sluice::vegas_limit;
using sluice::window_summary;

static_assert(sluice::limit_algorithm<vegas_limit>);

namespace {

/// Ten servers at 10 ms, as many requests as allowed, seen at once.
void saturate(vegas_limit& l, int samples) {
    for (int i = 0; i < samples; ++i) {
        auto const n = static_cast<std::uint32_t>(l.limit());
        l.update(window_summary::of(1ms * std::max(10u, n), n));
    }
}

}  // namespace

TEST_CASE("vegas_limit: the published cases", "[flow][vegas_limit][unit]") {
    auto const small = [] { return vegas_limit({.initial = 10, .max_limit = 20}); };
    SECTION("the first request is the baseline; then room grows by beta") {
        auto l = small();
        REQUIRE(l.update(window_summary::of(10ms, 10)) == 10);
        REQUIRE(l.update(window_summary::of(10ms, 11)) == 16);
    }
    SECTION("a long queue shrinks it by one") {
        auto l = small();
        l.update(window_summary::of(10ms, 10));
        REQUIRE(l.update(window_summary::of(50ms, 11)) == 9);
    }
    SECTION("between alpha and beta it rests") {
        auto l = small();
        l.update(window_summary::of(10ms, 10));
        REQUIRE(l.update(window_summary::of(14ms, 14)) == 10);
    }
    SECTION("app-limited it rests") {
        auto l = small();
        l.update(window_summary::of(10ms, 10));
        REQUIRE(l.update(window_summary::of(10ms, 4)) == 10);
    }
    SECTION("large") {
        vegas_limit l({.initial = 10'000, .max_limit = 20'000});
        REQUIRE(l.update(window_summary::of(10s, 5000)) == 10'000);
        REQUIRE(l.update(window_summary::of(10s, 6000)) == 10'024);
    }
    SECTION("decrease by halves, smoothed") {
        vegas_limit l({.initial = 100, .max_limit = 200, .smoothing = 0.5, .decrease_ratio = 0.5});
        REQUIRE(static_cast<int>(l.update(window_summary::of(10ms, 100))) == 100);
        REQUIRE(static_cast<int>(l.update(window_summary::of(20ms, 100))) == 75);
        REQUIRE(static_cast<int>(l.update(window_summary::of(20ms, 100))) == 56);
    }
    SECTION("decrease by halves") {
        vegas_limit l({.initial = 100, .max_limit = 200, .decrease_ratio = 0.5});
        REQUIRE(l.update(window_summary::of(10ms, 100)) == 100);
        REQUIRE(l.update(window_summary::of(20ms, 100)) == 50);
        REQUIRE(l.update(window_summary::of(20ms, 100)) == 25);
    }
}

TEST_CASE("vegas_limit: a drop counts first, and is no baseline", "[flow][vegas_limit][unit]") {
    vegas_limit l({.initial = 20});
    REQUIRE(l.update(window_summary::of(1us, 20, true)) == 19);
    REQUIRE(l.baseline() == 0ns);
    l.update(window_summary::of(10ms, 19));
    REQUIRE(l.update(window_summary::of(1ms, 1, true)) == 18);
    REQUIRE(l.baseline() == 10ms);
    for (int i = 0; i < 50; ++i) l.update(window_summary::of(1ms, 1, true));
    REQUIRE(l.limit() == 1);
    REQUIRE(l.update(window_summary::of(10ms, 1)) == 7);
}

TEST_CASE("vegas_limit: what the published limit does on a saturated server of ten", "[flow][vegas_limit][unit]") {
    SECTION("without probes: from 5 to 13, but from above the queue is taken for the baseline") {
        vegas_limit low({.initial = 5, .probe_interval = 0});
        vegas_limit high({.initial = 20, .probe_interval = 0});
        saturate(low, 1);
        REQUIRE(low.limit() == 5);
        saturate(low, 1);
        REQUIRE(low.limit() == 11);
        saturate(low, 1);
        REQUIRE(low.limit() == 12);
        saturate(low, 1000);
        REQUIRE(low.limit() == 13);
        saturate(high, 1000);
        REQUIRE(high.limit() == 26);
    }
    SECTION("with its probes it drifts upward without end") {
        vegas_limit l({.initial = 5, .probe_ratio = 1});
        saturate(l, 20'000);
        double const early = l.limit();
        saturate(l, 180'000);
        REQUIRE(early > 40);
        REQUIRE(l.limit() > 2 * early);
    }
}

TEST_CASE("vegas_limit: probes at half the limit keep it at the knee, from any start", "[flow][vegas_limit][property]") {
    for (std::uint32_t const initial : {1u, 5u, 20u, 50u, 200u}) {
        CAPTURE(initial);
        vegas_limit l({.initial = initial});
        saturate(l, 60'000);
        for (int i = 0; i < 20'000; ++i) {
            saturate(l, 1);
            if (l.probing()) {
                REQUIRE(l.limit() >= 5);
            } else {
                REQUIRE(l.limit() >= 10);
            }
            REQUIRE(l.limit() <= 16);
        }
        REQUIRE(l.baseline() == 10ms);
    }
}

TEST_CASE("vegas_limit: a probe counts requests, also where windows have many", "[flow][vegas_limit][unit]") {
    vegas_limit l({.initial = 20, .probe_interval = 1, .probe_samples = 10});
    auto        s = window_summary::of(20ms, 20);
    s.samples = 100;
    l.update(s);
    REQUIRE(l.probing());
    s.samples = 5;
    l.update(s);
    REQUIRE(l.probing());
    l.update(s);
    REQUIRE_FALSE(l.probing());
}

TEST_CASE("vegas_limit: impossible options are refused by name", "[flow][vegas_limit][unit]") {
    auto const nan = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_WITH(vegas_limit({.initial = 0}), test::contains("vegas_limit: initial"));
    REQUIRE_THROWS_WITH(vegas_limit({.min_limit = 0}), test::contains("min_limit (>= 1) is 0"));
    REQUIRE_THROWS_WITH(vegas_limit({.max_limit = 10}), test::contains("initial"));
    REQUIRE_THROWS_WITH(vegas_limit({.alpha = nan}), test::contains("alpha"));
    REQUIRE_THROWS_WITH(vegas_limit({.beta = 2}), test::contains("beta"));
    REQUIRE_THROWS_WITH(vegas_limit({.threshold = 4}), test::contains("threshold"));
    REQUIRE_THROWS_WITH(vegas_limit({.smoothing = nan}), test::contains("smoothing"));
    REQUIRE_THROWS_WITH(vegas_limit({.smoothing = 1.5}), test::contains("smoothing"));
    REQUIRE_THROWS_WITH(vegas_limit({.decrease_ratio = 0}), test::contains("decrease_ratio"));
    REQUIRE_THROWS_WITH(vegas_limit({.probe_ratio = 0}), test::contains("probe_ratio"));
    REQUIRE_THROWS_WITH(vegas_limit({.probe_samples = 0}), test::contains("probe_samples"));
}
