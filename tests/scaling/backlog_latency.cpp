// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/backlog_latency.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <stdexcept>

using namespace std::chrono_literals;
using sluice::backlog_latency;
using sluice::time_point;

TEST_CASE("backlog_latency: as many as have done it in time", "[scaling][backlog_latency][unit]") {
    STATIC_REQUIRE(sluice::recommender<backlog_latency>);
    backlog_latency rule({.acceptable = 10s, .service_time = 100ms});
    REQUIRE(rule.recommend({.queued = 1500}, time_point{}).desired == 15);
    REQUIRE(rule.recommend({.queued = 1500, .service_time = 9s}, time_point{}).desired == 15);
    REQUIRE(rule.recommend({.queued = 1}, time_point{}).desired == .01);
    REQUIRE(backlog_latency({.acceptable = 1ns, .service_time = 10'000h}).recommend({.queued = UINT64_MAX}, time_point{}).desired ==
            1e18);
}

TEST_CASE("backlog_latency: the service time is the last one known", "[scaling][backlog_latency][unit]") {
    backlog_latency rule({.acceptable = 10s});
    REQUIRE_FALSE(rule.recommend({.queued = 1500}, time_point{}).desired);
    REQUIRE(rule.recommend({.queued = 0}, time_point{}).desired == 0);  // whatever a task takes
    REQUIRE_FALSE(rule.recommend({.queued = 1500, .service_time = 0s}, time_point{}).desired);
    REQUIRE_FALSE(rule.recommend({.queued = 1500, .service_time = -1s}, time_point{}).desired);
    REQUIRE(rule.recommend({.queued = 1500, .service_time = 100ms}, time_point{}).desired == 15);
    REQUIRE(rule.recommend({.queued = 100}, time_point{}).desired == 1);
    REQUIRE(rule.recommend({.queued = 100, .service_time = 1s}, time_point{}).desired == 10);
    REQUIRE_FALSE(rule.recommend({.service_time = 1s}, time_point{}).desired);
}

TEST_CASE("backlog_latency: options that cannot work", "[scaling][backlog_latency][unit]") {
    REQUIRE_THROWS_AS(backlog_latency({.acceptable = 0s}), std::invalid_argument);
    REQUIRE_THROWS_AS(backlog_latency({.acceptable = -1s}), std::invalid_argument);
    REQUIRE_THROWS_AS(backlog_latency({.service_time = 0s}), std::invalid_argument);
}
