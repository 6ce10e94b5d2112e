// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/littles_law.hpp>
#include <sluice/scaling/mm1.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <limits>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::mm1;
using sluice::model_seconds;
using sluice::per;
using sluice::per_second;

TEST_CASE("mm1: waits at 100 ms of service", "[scaling][mm1][unit]") {
    struct row {
        double per_second;
        double wait, response;
    };
    for (auto const& [arrivals, wait, response] :
         {row{5, .1, .2}, {8, .4, .5}, {9, .9, 1}, {9.5, 1.9, 2}, {9.9, 9.9, 10}}) {
        CAPTURE(arrivals);
        mm1 const queue(per_second(arrivals), 100ms);
        REQUIRE(queue.mean_wait()->count() == Approx(wait).epsilon(1e-12));
        REQUIRE(queue.mean_response()->count() == Approx(response).epsilon(1e-12));
        REQUIRE(queue.utilisation() == Approx(arrivals / 10));
        REQUIRE(queue.growth_per_second() == 0);
    }
}

TEST_CASE("mm1: a published queue", "[scaling][mm1][unit]") {
    mm1 const queue(per_second(.25), 3s);
    REQUIRE(queue.utilisation() == .75);
    REQUIRE(queue.mean_in_system() == 3.);
    REQUIRE(queue.mean_queued() == 2.25);
    REQUIRE(queue.mean_response() == model_seconds(12));
    REQUIRE(queue.mean_wait() == model_seconds(9));
    STATIC_REQUIRE(mm1(per_second(.25), 3s).mean_wait() == model_seconds(9));
    // 80 % at "1000 messages a second": as arrivals, and as capacity.
    REQUIRE(mm1(per_second(1000), 800us).mean_wait()->count() == Approx(.0032));
    REQUIRE(mm1(per_second(1000), 800us).mean_response()->count() == Approx(.0040));
    REQUIRE(mm1(per_second(800), 1ms).mean_wait()->count() == Approx(.0040));
    REQUIRE(mm1(per_second(800), 1ms).mean_response()->count() == Approx(.0050));
    // Two single queues of an airport.
    REQUIRE(mm1(per_second(120 / 3600.), 15s).mean_queued().value() == Approx(.5).epsilon(1e-6));
    REQUIRE(mm1(per(120, 1h), 15s).mean_response()->count() == Approx(30));
}

TEST_CASE("mm1: tails and quantiles are inverse to one another", "[scaling][mm1][property]") {
    for (int percent = 1; percent < 100; percent += 7) {
        mm1 const queue(per(percent, 100ms), 1ms);
        for (double p : {0., .1, .5, .9, .95, .99, .999999}) {
            CAPTURE(percent, p);
            auto const wait = queue.wait_quantile(p).value();
            REQUIRE(queue.probability_wait_above(wait) <= (1 - p) * (1 + 1e-12));
            if (wait.count() > 0) REQUIRE(queue.probability_wait_above(wait) == Approx(1 - p));
            REQUIRE(queue.probability_response_above(queue.response_quantile(p).value()) == Approx(1 - p));
        }
        REQUIRE(queue.probability_wait_above(0s) == queue.probability_wait());
        REQUIRE(queue.probability_wait_above(-1s) == 1);
        REQUIRE(queue.probability_response_above(0s) == 1);
        REQUIRE(queue.probability_wait() + queue.probability_empty() == Approx(1));
        REQUIRE(sluice::littles_law(per(percent, 100ms), *queue.mean_response()) == Approx(*queue.mean_in_system()));
        REQUIRE(sluice::littles_law(per(percent, 100ms), *queue.mean_wait()) == Approx(*queue.mean_queued()));
    }
    REQUIRE(mm1(per_second(5), 100ms).wait_quantile(.95)->count() == Approx(.460517));
    REQUIRE(mm1(per_second(5), 100ms).probability_wait_above(model_seconds(std::numeric_limits<double>::infinity())) == 0);
}

TEST_CASE("mm1: a queue that cannot keep up is a state with a growth", "[scaling][mm1][unit]") {
    struct row {
        double per_second, growth;
    };
    for (auto const& [arrivals, growth] : {row{10, 0}, {12, 2}, {1000, 990}}) {
        CAPTURE(arrivals);
        mm1 const queue(per_second(arrivals), 100ms);
        REQUIRE(queue.saturated());
        REQUIRE(queue.growth_per_second() == Approx(growth));
        REQUIRE_FALSE(std::signbit(queue.growth_per_second()));  // "-0" is nothing to print
        REQUIRE(queue.utilisation() == 1);
        REQUIRE(queue.offered_load() == Approx(arrivals / 10));
        REQUIRE_FALSE(queue.mean_wait());
        REQUIRE_FALSE(queue.mean_response());
        REQUIRE_FALSE(queue.mean_queued());
        REQUIRE_FALSE(queue.mean_in_system());
        REQUIRE_FALSE(queue.wait_quantile(.5));
        REQUIRE_FALSE(queue.response_quantile(.5));
        REQUIRE(queue.probability_wait() == 1);
        REQUIRE(queue.probability_empty() == 0);
        REQUIRE(queue.probability_wait_above(1h) == 1);
        REQUIRE(queue.probability_response_above(1h) == 1);
    }
    // Decided exactly: a load of 1 - 1e-18 is the double 1.
    mm1 const nearly(per(INT64_MAX - 1, duration(INT64_MAX)), 1ns);
    REQUIRE_FALSE(nearly.saturated());
    REQUIRE(nearly.mean_in_system().value() == Approx(9.22e18).epsilon(.01));
    REQUIRE(mm1(per_second(3), 333'333'334ns).saturated());
    REQUIRE_FALSE(mm1(per_second(3), 333'333'333ns).saturated());
}

TEST_CASE("mm1: what it cannot work with is refused by name and value", "[scaling][mm1][unit]") {
    constexpr auto no_number = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_WITH(mm1(per_second(1), 0ns), test::contains("mm1: service_time (> 0 ns) is 0"));
    REQUIRE_THROWS_WITH(mm1(per_second(1), -5ns), test::contains("is -5"));
    REQUIRE_THROWS_AS(per_second(no_number), std::invalid_argument);
    REQUIRE_THROWS_AS(per_second(-1), std::invalid_argument);
    mm1 const queue(per_second(1), 1ms);
    REQUIRE_THROWS_WITH(queue.wait_quantile(1), test::contains("quantile: p (0 to below 1) is 1"));
    for (double bad : {-.1, 1.5, no_number}) {
        REQUIRE_THROWS_AS(queue.wait_quantile(bad), std::invalid_argument);
        REQUIRE_THROWS_AS(queue.response_quantile(bad), std::invalid_argument);
    }
    REQUIRE_THROWS_AS(queue.probability_wait_above(model_seconds(no_number)), std::invalid_argument);
    REQUIRE_THROWS_AS(queue.probability_response_above(model_seconds(no_number)), std::invalid_argument);
}
