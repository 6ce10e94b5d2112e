// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/aimd_limit.hpp>

#include "support/catch.hpp"

#include <limits>

using namespace std::chrono_literals;
using sluice::aimd_limit;
using sluice::window_summary;

static_assert(sluice::limit_algorithm<aimd_limit>);

TEST_CASE("aimd_limit: the published cases", "[flow][aimd_limit][unit]") {
    struct row {
        std::uint32_t    initial;
        sluice::duration rtt;
        std::uint32_t    inflight;
        bool             dropped;
        std::uint32_t    max;
        double           limit;
    };
    for (auto const& r : {row{20, 1ms, 10, false, 200, 21}, row{30, 1ms, 15, true, 200, 27}, row{21, 1ms, 100, false, 21, 21},
                          row{100, 1ms, 49, false, 200, 100}, row{100, 1ms, 50, false, 200, 101},
                          row{100, 6s, 100, false, 200, 90}, row{100, 5s, 100, false, 200, 101}, row{21, 1ms, 21, true, 200, 20}}) {
        CAPTURE(r.initial, r.rtt.count(), r.inflight, r.dropped);
        aimd_limit l({.initial = r.initial, .max_limit = r.max});
        REQUIRE(l.limit() == r.initial);
        REQUIRE(l.update(window_summary::of(r.rtt, r.inflight, r.dropped)) == r.limit);
        REQUIRE(l.limit() == r.limit);
    }
}

TEST_CASE("aimd_limit: it never reaches 0, and comes back from 1", "[flow][aimd_limit][unit]") {
    aimd_limit l({.initial = 10, .min_limit = 1});
    for (int i = 0; i < 100; ++i) l.update(window_summary::of(1ms, 10, true));
    REQUIRE(l.limit() == 1);
    for (int i = 0; i < 9; ++i) l.update(window_summary::of(1ms, static_cast<std::uint32_t>(l.limit())));
    REQUIRE(l.limit() == 10);
    REQUIRE(l.update(window_summary{}) == 10);
}

TEST_CASE("aimd_limit: without drops it grows to its end, whatever the latency", "[flow][aimd_limit][unit]") {
    aimd_limit l;
    for (int i = 0; i < 1000; ++i) {
        auto const n = static_cast<std::uint32_t>(l.limit());
        l.update(window_summary::of(10ms * std::max(10u, n) / 10, n));
    }
    REQUIRE(l.limit() == 200);
}

TEST_CASE("aimd_limit: impossible options are refused by name", "[flow][aimd_limit][unit]") {
    auto const nan = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_WITH(aimd_limit({.min_limit = 0}), test::contains("aimd_limit: min_limit (>= 1) is 0"));
    REQUIRE_THROWS_WITH(aimd_limit({.min_limit = 300}), test::contains("max_limit (>= min_limit) is 200"));
    REQUIRE_THROWS_WITH(aimd_limit({.initial = 5}), test::contains("initial"));
    REQUIRE_THROWS_WITH(aimd_limit({.max_limit = 1u << 24}), test::contains("max_limit (< 2^24)"));
    REQUIRE_THROWS_WITH(aimd_limit({.drop_ratio = nan}), test::contains("drop_ratio"));
    REQUIRE_THROWS_WITH(aimd_limit({.drop_ratio = 0}), test::contains("drop_ratio"));
    REQUIRE_THROWS_WITH(aimd_limit({.drop_ratio = 1}), test::contains("drop_ratio"));
    REQUIRE_THROWS_WITH(aimd_limit({.timeout = 0ns}), test::contains("timeout (> 0 ns) is 0"));
}
