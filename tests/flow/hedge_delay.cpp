// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/hedge_delay.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <limits>
#include <random>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::hedge_delay;

TEST_CASE("hedge_delay: the quantile of what was seen, once there is enough", "[flow][hedge_delay][unit]") {
    hedge_delay d({.quantile = .95, .initial = 500ms, .min_samples = 100});
    for (int i = 1; i <= 99; ++i) {
        d.record(i * 10ms);
        REQUIRE(d.delay() == 500ms);
    }
    d.record(1s);
    CHECK(d.delay() >= 950ms);
    CHECK(d.delay() <= 950ms + 950ms / 32);
}

TEST_CASE("hedge_delay: never less than the minimum", "[flow][hedge_delay][unit]") {
    hedge_delay d({.initial = 0s, .min_samples = 1});
    CHECK(d.delay() == 1ms);
    d.record(10us);
    CHECK(d.delay() == 1ms);
    d.record(-1s);
    CHECK(d.delay() == 1ms);
    hedge_delay huge({.min_samples = 1});
    huge.record(duration::max());
    CHECK(huge.delay() == duration::max());
}

TEST_CASE("hedge_delay: it follows a service that has become slower, and hedges stay few", "[flow][hedge_delay][property]") {
    std::mt19937_64 random(test::seed());
    hedge_delay     d({.quantile = .95, .half_life = 2000});
    for (int phase = 1; phase <= 2; ++phase) {
        int late = 0;
        int total = 0;
        for (int i = 0; i < 30'000; ++i) {
            auto const latency = duration(static_cast<std::int64_t>(random() % 100'000'000) * phase);
            if (i >= 15'000) {
                ++total;
                late += latency > d.delay() ? 1 : 0;
            }
            d.record(latency);
        }
        CHECK(late < total * 6 / 100);
        CHECK(late > total * 1 / 100);
    }
}

TEST_CASE("hedge_delay: threads", "[flow][hedge_delay][stress]") {
    hedge_delay d({.quantile = .5, .min_delay = 0s, .half_life = 500});
    test::run_threads(4, [&](std::size_t) {
        for (int i = 0; i < 2000; ++i) d.record(20ms);
    });
    CHECK(d.delay() >= 20ms);
    CHECK(d.delay() <= 21ms);
}

TEST_CASE("hedge_delay: what cannot work is refused by name", "[flow][hedge_delay][unit]") {
    for (double q : {0.0, 1.0, -1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
        CHECK_THROWS_WITH(hedge_delay({.quantile = q}), test::contains("hedge_delay: quantile"));
    CHECK_THROWS_WITH(hedge_delay({.min_delay = -1ns}), test::contains("hedge_delay: min_delay"));
    CHECK_THROWS_WITH(hedge_delay({.initial = -1ns}), test::contains("hedge_delay: initial"));
    CHECK_THROWS_WITH(hedge_delay({.min_samples = 0}), test::contains("hedge_delay: min_samples"));
    CHECK_THROWS_WITH(hedge_delay({.refresh = 0}), test::contains("hedge_delay: refresh"));
    CHECK_THROWS_WITH(hedge_delay({.half_life = 0}), test::contains("hedge_delay: half_life"));
}
