// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/batch_or_stream.hpp>

#include "support/catch.hpp"

#include <limits>

using namespace std::chrono_literals;
using sluice::batch_or_stream;
using sluice::processing;

TEST_CASE("batch_or_stream: ten million events a day", "[scaling][batch_or_stream][unit]") {
    auto const day = batch_or_stream(
        {.events = 10'000'000, .over = 24h, .stream_time = 10ms, .batch_time = 2ms, .batch_every = 1h});
    REQUIRE(day.stream_cpu.count() / 3600 == Approx(27.7777778));
    REQUIRE(day.batch_cpu.count() / 3600 == Approx(5.5555556));
    REQUIRE(day.batch_delay.count() == 1800);
    REQUIRE(day.cheaper == processing::batch);
    REQUIRE(day.stream_cost == 0);
    STATIC_REQUIRE(batch_or_stream({10, 1h, 1s, 2s, 0s, 1h}).cheaper == processing::stream);
    STATIC_REQUIRE(batch_or_stream({10, 1h, 1s, 1s, 0s, 1h}).cheaper == processing::stream);
}

TEST_CASE("batch_or_stream: set-ups and delays turn it around", "[scaling][batch_or_stream][unit]") {
    sluice::batch_or_stream_options o{
        .events = 3600, .over = 1h, .stream_time = 10ms, .batch_time = 2ms, .batch_setup = 1s, .batch_every = 60s};
    REQUIRE(batch_or_stream(o).batch_cpu.count() == Approx(7.2 + 60));
    REQUIRE(batch_or_stream(o).cheaper == processing::stream);
    o.batch_every = 600s;
    REQUIRE(batch_or_stream(o).batch_cpu.count() == Approx(7.2 + 6));
    REQUIRE(batch_or_stream(o).cheaper == processing::batch);
    o.cpu_hour_cost = 3600;
    o.delay_cost = 1;
    auto const priced = batch_or_stream(o);
    REQUIRE(priced.stream_cost == Approx(36));
    REQUIRE(priced.batch_cost == Approx(13.2 + 300));
    REQUIRE(priced.cheaper == processing::stream);
    REQUIRE(batch_or_stream({0, 1h, 1s, 1ms, 0s, 1h}).stream_cpu.count() == 0);
}

TEST_CASE("batch_or_stream: what it cannot work with is refused by name and value", "[scaling][batch_or_stream][unit]") {
    constexpr auto no_number = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_WITH(batch_or_stream({1, 0s, 1s, 1s, 0s, 1h}), test::contains("batch_or_stream: over (> 0 ns) is 0"));
    REQUIRE_THROWS_WITH(batch_or_stream({1, 1h, -1ns, 1s, 0s, 1h}), test::contains("stream_time (>= 0 ns) is -1"));
    REQUIRE_THROWS_WITH(batch_or_stream({1, 1h, 1s, -1ns, 0s, 1h}), test::contains("batch_time (>= 0 ns) is -1"));
    REQUIRE_THROWS_WITH(batch_or_stream({1, 1h, 1s, 1s, -1ns, 1h}), test::contains("batch_setup (>= 0 ns) is -1"));
    REQUIRE_THROWS_WITH(batch_or_stream({1, 1h, 1s, 1s, 0s, 0s}), test::contains("batch_every (> 0 ns) is 0"));
    for (double bad : {-1., no_number}) {
        REQUIRE_THROWS_AS(batch_or_stream({1, 1h, 1s, 1s, 0s, 1h, bad, 0}), std::invalid_argument);
        REQUIRE_THROWS_AS(batch_or_stream({1, 1h, 1s, 1s, 0s, 1h, 0, bad}), std::invalid_argument);
    }
}
