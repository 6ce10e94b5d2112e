// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/drain_time.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <limits>

using namespace std::chrono_literals;
using sluice::drain_time;
using sluice::duration;
using sluice::instances_to_drain;
using sluice::per;
using sluice::per_second;

TEST_CASE("drain_time: backlog over what is gained", "[scaling][drain_time][unit]") {
    STATIC_REQUIRE(drain_time(1000, 10, 100ms) == 10s);
    STATIC_REQUIRE(drain_time(1000, 10, 100ms, per_second(50)) == 20s);
    STATIC_REQUIRE(drain_time(1, 3, 1s) == 333'333'334ns);
    STATIC_REQUIRE(drain_time(0, 0, 1s) == 0s);
    STATIC_REQUIRE(drain_time(0, 1, 1s, per_second(100)) == 0s);
    STATIC_REQUIRE(!drain_time(1, 0, 1s));
    STATIC_REQUIRE(!drain_time(1, 0, 1s, per_second(1)));
    STATIC_REQUIRE(!drain_time(1, 10, 100ms, per_second(100)));
    STATIC_REQUIRE(!drain_time(1, 10, 100ms, per_second(101)));
    // One nanosecond decides.
    STATIC_REQUIRE(drain_time(1, 10, 100ms - 1ns, per_second(100)) > 99'000s);
    STATIC_REQUIRE(drain_time(UINT64_MAX, 1, duration::max()) == duration::max());
    STATIC_REQUIRE(drain_time(UINT64_MAX, 1, 1s, per(1, 2s)) == duration::max());
}

TEST_CASE("drain_time: the instances it takes", "[scaling][drain_time][unit]") {
    STATIC_REQUIRE(instances_to_drain(1000, per_second(50), 100ms, 20s, 1) == 10);
    STATIC_REQUIRE(instances_to_drain(0, per_second(600), 70ms, 45s, .7) == 60);
    STATIC_REQUIRE(instances_to_drain(12'750, per_second(1000), 100ms, 45s, .7) == 172);  // 142.857 + 28.333
    STATIC_REQUIRE(instances_to_drain(UINT64_MAX, per(INT64_MAX, 1ns), duration::max(), 1ns, .7) == UINT32_MAX);
    for (std::uint64_t backlog = 1; backlog < 5000; backlog += 37)
        for (std::uint32_t arrivals = 1; arrivals < 100; arrivals += 13) {
            CAPTURE(backlog, arrivals);
            auto const n = instances_to_drain(backlog, per_second(arrivals), 100ms, 30s, 1);
            REQUIRE(drain_time(backlog, n, 100ms, per_second(arrivals)).value() <= 30s);
            auto const fewer = drain_time(backlog, n - 1, 100ms, per_second(arrivals));
            REQUIRE((!fewer || *fewer > 30s));
        }
}

TEST_CASE("drain_time: what it cannot work with is refused by name and value", "[scaling][drain_time][unit]") {
    constexpr auto no_number = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_WITH(drain_time(1, 1, 0ns), test::contains("drain_time: service_time (> 0 ns) is 0"));
    REQUIRE_THROWS_WITH(drain_time(1, 1, -3ns, per_second(1)), test::contains("is -3"));
    REQUIRE_THROWS_WITH(instances_to_drain(1, per_second(1), 1s, 0s, .5), test::contains("within (> 0 ns) is 0"));
    REQUIRE_THROWS_AS(instances_to_drain(1, per_second(1), 0s, 1s, .5), std::invalid_argument);
    for (double bad : {0., -1., 1.1, no_number})
        REQUIRE_THROWS_AS(instances_to_drain(1, per_second(1), 1s, 1s, bad), std::invalid_argument);
}
