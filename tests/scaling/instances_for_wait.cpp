// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/instances_for_wait.hpp>
#include <sluice/scaling/mmc.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <limits>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::instances_for_wait;
using sluice::mmc;
using sluice::per;
using sluice::per_second;

TEST_CASE("instances_for_wait: sizes for a share that waits at all", "[scaling][instances_for_wait][unit]") {
    std::uint32_t const sizes[] = {106, 111, 115, 119, 125, 134};
    double const shares[] = {.5, .2, .1, .05, .01, .001};
    for (int i = 0; i < 6; ++i) {
        CAPTURE(shares[i]);
        REQUIRE(instances_for_wait(per_second(1000), 100ms, 0ns, shares[i]) == sizes[i]);
    }
}

TEST_CASE("instances_for_wait: against the rule of 70 %, at both ends", "[scaling][instances_for_wait][unit]") {
    REQUIRE(instances_for_wait(per_second(10), 100ms, 50ms, .01) == 4);
    REQUIRE(instances_for_wait(per_second(10'000), 100ms, 50ms, .01) == 1009);
}

TEST_CASE("instances_for_wait: one instance less is too few", "[scaling][instances_for_wait][property]") {
    for (std::uint64_t arrivals : {1u, 10u, 99u, 5'000u, 1'000'000u})
        for (duration limit : {duration(0), duration(1ms), duration(100ms), duration(10s)})
            for (double share : {1e-6, .01, .5, 1.}) {
                CAPTURE(arrivals, limit.count(), share);
                auto const n = instances_for_wait(per_second(arrivals), 100ms, limit, share);
                mmc const enough(per_second(arrivals), 100ms, n);
                REQUIRE_FALSE(enough.saturated());
                REQUIRE(enough.probability_wait_above(limit) <= share);
                if (n < 2) continue;
                mmc const less(per_second(arrivals), 100ms, n - 1);
                REQUIRE((less.saturated() || less.probability_wait_above(limit) > share));
            }
    // Any share may wait any time: what keeps up is enough, exactly.
    REQUIRE(instances_for_wait(per_second(10), 100ms, 0ns, 1) == 2);
    REQUIRE(instances_for_wait(per_second(10), 100ms - 1ns, 0ns, 1) == 1);
    REQUIRE(instances_for_wait(per(INT64_MAX, 1ns), 1h, 0ns, .5) == UINT32_MAX);
}

TEST_CASE("instances_for_wait: what it cannot work with is refused by name and value",
          "[scaling][instances_for_wait][unit]") {
    constexpr auto no_number = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_WITH(instances_for_wait(per_second(1), 0ns, 1ms, .1), test::contains("service_time (> 0 ns) is 0"));
    REQUIRE_THROWS_WITH(instances_for_wait(per_second(1), 1ms, -1ns, .1), test::contains("limit (>= 0 ns) is -1"));
    for (double bad : {0., -.1, 1.1, no_number})
        REQUIRE_THROWS_AS(instances_for_wait(per_second(1), 1ms, 1ms, bad), std::invalid_argument);
}
