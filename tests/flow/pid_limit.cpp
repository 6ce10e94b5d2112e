// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/pid_limit.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

using namespace std::chrono_literals;
using sluice::pid_limit;
using sluice::window_summary;

static_assert(sluice::limit_algorithm<pid_limit>);

namespace {

void saturate(pid_limit& l, int windows, int servers = 10, sluice::duration service = 10ms) {
    for (int i = 0; i < windows; ++i) {
        auto const n = static_cast<int>(l.limit());
        l.update(window_summary::of(service * std::max(n, servers) / servers, static_cast<std::uint32_t>(n)));
    }
}

}  // namespace

TEST_CASE("pid_limit: the law, step by step", "[flow][pid_limit][unit]") {
    pid_limit l({.initial = 100, .kp = 0.5, .ki = 0.1, .kd = 0.25, .probe_interval = 0});
    l.update(window_summary::of(10ms, 100));
    REQUIRE(l.probing());
    REQUIRE(l.limit() == 50);
    l.update(window_summary::of(10ms, 50));
    REQUIRE(l.baseline() == 10ms);
    REQUIRE(l.limit() == 100);
    double expected = 100 * std::exp(0.1 * 0.25);  // no change of the error yet
    REQUIRE(l.update(window_summary::of(10ms, 100)) == Approx(expected));
    // error 0.25 -> 0: kp · -0.25 + ki · 0 + kd · (0 - 2 · 0.25 + 0.25)
    expected *= std::exp(-0.5 * 0.25 - 0.25 * 0.25);
    REQUIRE(l.update(window_summary::of(12'500us, 100)) == Approx(expected));
    expected *= 0.5;
    REQUIRE(l.update(window_summary::of(1s, 100)) == Approx(expected));
}

TEST_CASE("pid_limit: from any start it comes to rest at the target", "[flow][pid_limit][property]") {
    for (std::uint32_t const initial : {1u, 5u, 10u, 20u, 50u, 200u}) {
        CAPTURE(initial);
        pid_limit l({.initial = initial});
        saturate(l, 1500);
        REQUIRE(l.baseline() == 10ms);
        for (int i = 0; i < 1000; ++i) {
            saturate(l, 1);
            REQUIRE(l.limit() >= (l.probing() ? 5 : 10));
            REQUIRE(l.limit() <= 16);
        }
    }
}

TEST_CASE("pid_limit: the baseline goes up and down with the service", "[flow][pid_limit][unit]") {
    pid_limit l;
    saturate(l, 500);
    saturate(l, 2000, 10, 30ms);
    REQUIRE(l.baseline() == 30ms);
    saturate(l, 2000);
    REQUIRE(l.baseline() == 10ms);
    saturate(l, 2000, 3);
    REQUIRE(l.limit() <= 6);
    saturate(l, 2000, 50);
    REQUIRE(l.limit() >= 25);  // half of it, in a probe
    REQUIRE(l.limit() <= 75);
}

TEST_CASE("pid_limit: app-limited it does not grow; drops shrink it, to 1 and no further", "[flow][pid_limit][unit]") {
    pid_limit l({.initial = 100, .probe_interval = 0});
    l.update(window_summary::of(10ms, 100));
    l.update(window_summary::of(10ms, 50));
    REQUIRE(l.update(window_summary::of(10ms, 49)) == 100);
    REQUIRE(l.update(window_summary::of(10ms, 50)) > 100);
    double const before = l.limit();
    REQUIRE(l.update(window_summary::of(10ms, 100, true)) == Approx(before / 2));
    for (int i = 0; i < 20; ++i) l.update(window_summary::of(10ms, 100, true));
    REQUIRE(l.limit() == 1);
    for (int i = 0; i < 200; ++i) l.update(window_summary::of(2s, static_cast<std::uint32_t>(l.limit())));
    REQUIRE(l.limit() > 2);
}

TEST_CASE("pid_limit: impossible options are refused by name", "[flow][pid_limit][unit]") {
    auto const nan = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_WITH(pid_limit({.initial = 0}), test::contains("pid_limit: initial"));
    REQUIRE_THROWS_WITH(pid_limit({.target = 0}), test::contains("target"));
    REQUIRE_THROWS_WITH(pid_limit({.kp = nan}), test::contains("kp"));
    REQUIRE_THROWS_WITH(pid_limit({.ki = 0}), test::contains("ki"));
    REQUIRE_THROWS_WITH(pid_limit({.ki = nan}), test::contains("ki"));
    REQUIRE_THROWS_WITH(pid_limit({.kd = -1}), test::contains("kd"));
    REQUIRE_THROWS_WITH(pid_limit({.drop_ratio = 1}), test::contains("drop_ratio"));
    REQUIRE_THROWS_WITH(pid_limit({.probe_ratio = 1}), test::contains("probe_ratio"));
}
