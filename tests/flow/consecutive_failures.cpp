// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/consecutive_failures.hpp>

#include "support/catch.hpp"

using sluice::breaker_tally;
using sluice::consecutive_failures;
using sluice::time_point;

TEST_CASE("consecutive_failures: a success ends the row", "[flow][consecutive_failures][unit]") {
    consecutive_failures row;
    auto const           opens = [&] { return row.opens({}, time_point{}); };
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 4; ++i) {
            row.record({.failed = true}, time_point{});
            REQUIRE_FALSE(opens());
        }
        CHECK(row.tally(time_point{}) == breaker_tally{4, 4, 0});
        row.record({.slow = true}, time_point{});
        CHECK(row.tally(time_point{}) == breaker_tally{});
    }
    for (int i = 0; i < 5; ++i) row.record({.failed = true}, time_point{});
    CHECK(opens());
    row.reset();
    CHECK_FALSE(opens());
    CHECK_THROWS_WITH(consecutive_failures({.threshold = 0}), test::contains("consecutive_failures: threshold"));
}
