// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/queue_depth.hpp>

#include "support/catch.hpp"

#include <limits>
#include <stdexcept>

using sluice::queue_depth;
using sluice::time_point;

TEST_CASE("queue_depth: a worker for so many", "[scaling][queue_depth][unit]") {
    STATIC_REQUIRE(sluice::recommender<queue_depth>);
    queue_depth rule({.tasks_per_worker = 100});
    REQUIRE(rule.recommend({.queued = 12'750}, time_point{}).desired == 127.5);
    REQUIRE(rule.recommend({.queued = 1}, time_point{}).desired == .01);
    REQUIRE(rule.recommend({.queued = 0}, time_point{}).desired == 0);
    REQUIRE_FALSE(rule.recommend({.provisioned = 5}, time_point{}).desired);
    REQUIRE(queue_depth({.tasks_per_worker = 1e-300}).recommend({.queued = UINT64_MAX}, time_point{}).desired == 1e18);
    for (double const bad : {0., -1., std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
        REQUIRE_THROWS_AS(queue_depth({.tasks_per_worker = bad}), std::invalid_argument);
}
