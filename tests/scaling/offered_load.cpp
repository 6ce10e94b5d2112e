// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/offered_load.hpp>

#include "support/catch.hpp"

#include <cstdint>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::offered_load;
using sluice::per;
using sluice::per_second;
using sluice::detail::spare_servers;

TEST_CASE("offered_load: rate × time, in erlangs", "[scaling][offered_load][unit]") {
    STATIC_REQUIRE(offered_load(per_second(1000), 100ms) == 100);
    STATIC_REQUIRE(offered_load(per(5, 7s), 1s) == 5.0 / 7);
    STATIC_REQUIRE(offered_load(per_second(10), 0ns) == 0);
    REQUIRE_THROWS_WITH(offered_load(per_second(10), -1ns), test::contains("offered_load: service_time (>= 0 ns) is -1"));
}

TEST_CASE("offered_load: the servers to spare have an exact sign", "[scaling][offered_load][unit]") {
    STATIC_REQUIRE(spare_servers(per_second(10), 100ms, 1) == 0);
    STATIC_REQUIRE(spare_servers(per_second(10), 100ms, 3) == 2);
    STATIC_REQUIRE(spare_servers(per_second(30), 100ms, 1) == -2);
    STATIC_REQUIRE(spare_servers(per_second(3), 333'333'333ns, 1) == 1e-9);
    STATIC_REQUIRE(spare_servers(per_second(3), 333'333'334ns, 1) == -2e-9);
    // Loads of the same double, on three sides of it.
    auto const most = INT64_MAX;
    STATIC_REQUIRE(offered_load(per(most - 1, duration(most)), 1ns) == 1);
    STATIC_REQUIRE(spare_servers(per(most - 1, duration(most)), 1ns, 1) > 0);
    STATIC_REQUIRE(spare_servers(per(most, duration(most - 1)), 1ns, 1) < 0);
    STATIC_REQUIRE(spare_servers(per(most, 1ns), duration::max(), UINT32_MAX) < -8e37);
}
