// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/limit_window.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

using namespace std::chrono_literals;
using sluice::limit_window;
using sluice::time_point;
using sluice::window_summary;

TEST_CASE("limit_window: an empty window has zeros, not the largest minimum", "[flow][limit_window][unit]") {
    limit_window w;
    auto const   s = w.summarise(0.5);
    REQUIRE(s.samples == 0);
    REQUIRE(s.drops == 0);
    REQUIRE(s.rtt_min == 0ns);
    REQUIRE(s.rtt_mean == 0ns);
    REQUIRE(s.rtt_max == 0ns);
    REQUIRE(s.rtt_quantile == 0ns);
    REQUIRE(s.throughput() == 0);
    REQUIRE(w.elapsed() == 0ns);
}

TEST_CASE("limit_window: drops alone leave no latency", "[flow][limit_window][unit]") {
    limit_window w;
    w.add(5ms, 3, true, time_point(10ms));
    w.add(7ms, 9, true, time_point(12ms));
    auto const s = w.summarise(0.5);
    REQUIRE(s.drops == 2);
    REQUIRE(s.drop_mean == 6ms);
    REQUIRE(s.samples == 0);
    REQUIRE(s.rtt_min == 0ns);
    REQUIRE(s.rtt_quantile == 0ns);
    REQUIRE(s.inflight_max == 9);
    REQUIRE(s.begin == time_point(5ms));
    REQUIRE(s.end == time_point(12ms));
}

TEST_CASE("limit_window: mean, extremes, throughput", "[flow][limit_window][unit]") {
    limit_window w;
    w.reset(time_point(1s));
    w.add(10ms, 2, false, time_point(1100ms));
    w.add(30ms, 5, false, time_point(1500ms));
    w.add(20ms, 4, false, time_point(1200ms));  // ended earlier, was told later
    auto const s = w.summarise();
    REQUIRE(s.samples == 3);
    REQUIRE(s.rtt_min == 10ms);
    REQUIRE(s.rtt_mean == 20ms);
    REQUIRE(s.rtt_max == 30ms);
    REQUIRE(s.rtt_quantile == 20ms);
    REQUIRE(s.inflight_max == 5);
    REQUIRE(s.throughput() == Approx(6));
    REQUIRE(w.elapsed() == 500ms);
    w.add(0ns, 1, false, time_point(0s));
    REQUIRE(w.summarise().rtt_min == 1ns);
    REQUIRE(w.summarise().end == time_point(1500ms));
}

TEST_CASE("limit_window: quantiles are exact up to 256 samples, and close beyond", "[flow][limit_window][property]") {
    for (std::size_t const n : {1u, 2u, 10u, 256u, 257u, 1000u, 10'000u}) {
        limit_window              w;
        std::vector<std::int64_t> all;
        for (auto const key : test::keys(n, test::seed() + n)) {
            all.push_back(static_cast<std::int64_t>(key % 1'000'000 + 1));
            w.add(sluice::duration(all.back()), 1, false, time_point(1s));
        }
        std::sort(all.begin(), all.end());
        for (double const q : {0.01, 0.5, 0.9, 1.0}) {
            auto const at = std::max<std::size_t>(1, static_cast<std::size_t>(q * static_cast<double>(n) + (1 - 1e-9))) - 1;
            auto const got = w.summarise(q).rtt_quantile.count();
            CAPTURE(n, q, got);
            if (n <= limit_window::capacity)
                REQUIRE(got == all[at]);
            else
                REQUIRE(std::abs(static_cast<double>(got) / 1e6 - q) < 0.15);
        }
    }
}

TEST_CASE("limit_window: the ends of the number ranges stay there", "[flow][limit_window][unit]") {
    limit_window w;
    for (int i = 0; i < 4; ++i) w.add(sluice::duration::max(), 1, false, time_point::max());
    REQUIRE(w.summarise(0.5).rtt_mean == sluice::duration::max());
    REQUIRE(w.summarise(0.5).rtt_quantile == sluice::duration::max());
    limit_window back;
    back.add(1s, 1, false, time_point::min());
    REQUIRE(back.summarise().throughput() == 0);
    REQUIRE(window_summary::of(sluice::duration::max(), 1, false, time_point::min()).samples == 1);
}
