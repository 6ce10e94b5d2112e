// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/mg1.hpp>
#include <sluice/scaling/mm1.hpp>

#include "support/catch.hpp"

#include <limits>
#include <vector>

using namespace std::chrono_literals;
using sluice::mg1;
using sluice::model_seconds;
using sluice::per;
using sluice::per_second;
using sluice::service_class;

TEST_CASE("mg1: waits in service times", "[scaling][mg1][unit]") {
    int const percents[] = {50, 70, 80, 90, 95};
    double const constant[] = {.5, 1.1666667, 2, 4.5, 9.5};
    double const quarter[] = {.625, 1.4583333, 2.5, 5.625, 11.875};
    double const sixteen[] = {8.5, 19.833333, 34, 76.5, 161.5};
    for (int i = 0; i < 5; ++i) {
        CAPTURE(percents[i]);
        auto const arrivals = per(percents[i], 100s);
        REQUIRE(mg1(arrivals, 1s, 0).mean_wait()->count() == Approx(constant[i]).epsilon(1e-7));
        REQUIRE(mg1(arrivals, 1s, .25).mean_wait()->count() == Approx(quarter[i]).epsilon(1e-7));
        REQUIRE(mg1(arrivals, 1s, 16).mean_wait()->count() == Approx(sixteen[i]).epsilon(1e-7));
    }
    STATIC_REQUIRE(mg1(per_second(.5), 1s, 0).mean_wait() == model_seconds(.5));
}

TEST_CASE("mg1: exponential service is mm1", "[scaling][mg1][property]") {
    for (int percent = 1; percent < 120; percent += 9) {
        CAPTURE(percent);
        mg1 const general(per(percent, 100ms), 1ms, 1);
        sluice::mm1 const queue(per(percent, 100ms), 1ms);
        REQUIRE(general.saturated() == queue.saturated());
        REQUIRE(general.growth_per_second() == queue.growth_per_second());
        if (queue.saturated()) continue;
        REQUIRE(general.mean_wait()->count() == Approx(queue.mean_wait()->count()));
        REQUIRE(general.mean_response()->count() == Approx(queue.mean_response()->count()));
        REQUIRE(*general.mean_queued() == Approx(*queue.mean_queued()));
        REQUIRE(*general.mean_in_system() == Approx(*queue.mean_in_system()));
        for (double p : {.1, .95}) REQUIRE(general.wait_quantile(p)->count() == Approx(queue.wait_quantile(p)->count()));
    }
}

TEST_CASE("mg1: mixes of work", "[scaling][mg1][unit]") {
    mg1 const hyper(per_second(.5), {{.share = .9, .mean = 100ms, .scv = 1}, {.share = .1, .mean = 10s, .scv = 1}});
    REQUIRE(hyper.service_time().count() == Approx(1.09));
    REQUIRE(hyper.scv() == Approx(15.84875011).epsilon(1e-9));
    REQUIRE(hyper.utilisation() == Approx(.545));
    REQUIRE(hyper.mean_wait()->count() == Approx(10.998901099).epsilon(1e-10));

    // 99 % of 1 ms behind 1 % of 100 ms, at 80 %.
    auto const arrivals = per(80'000, 199s);
    mg1 const blocked(arrivals, {{.share = 99, .mean = 1ms}, {.share = 1, .mean = 100ms}});
    REQUIRE(blocked.service_time().count() == Approx(.00199));
    REQUIRE(blocked.scv() == Approx(24.501881).epsilon(1e-7));
    REQUIRE(blocked.mean_wait()->count() == Approx(.10149749).epsilon(1e-7));
    REQUIRE(mg1(arrivals, 1'990us, 1).mean_wait()->count() == Approx(.00796));
    REQUIRE(mg1(arrivals, 1'990us, 0).mean_wait()->count() == Approx(.00398));

    mg1 const same(per_second(5), {{.share = 1, .mean = 100ms}, {.share = 2, .mean = 100ms}});
    REQUIRE(same.scv() < 1e-30);
    REQUIRE(mg1(per_second(5), {{.share = 1, .mean = 0ms}, {.share = 1, .mean = 100ms}}).scv() == 1);
}

TEST_CASE("mg1: a queue that cannot keep up is a state with a growth", "[scaling][mg1][unit]") {
    mg1 const queue(per_second(12), 100ms, 3);
    REQUIRE(queue.saturated());
    REQUIRE(queue.growth_per_second() == Approx(2));
    REQUIRE(queue.utilisation() == 1);
    REQUIRE(queue.probability_wait() == 1);
    REQUIRE_FALSE(queue.mean_wait());
    REQUIRE_FALSE(queue.mean_response());
    REQUIRE_FALSE(queue.mean_queued());
    REQUIRE_FALSE(queue.mean_in_system());
    REQUIRE_FALSE(queue.wait_quantile(.5));
    REQUIRE(mg1(per_second(10), 100ms, 0).saturated());
    REQUIRE(mg1(per_second(.2), {{.share = 1, .mean = 10s}}).growth_per_second() == Approx(.1));
}

TEST_CASE("mg1: what it cannot work with is refused by name and value", "[scaling][mg1][unit]") {
    constexpr auto no_number = std::numeric_limits<double>::quiet_NaN();
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    REQUIRE_THROWS_WITH(mg1(per_second(1), 1ms, -1), test::contains("mg1: scv (>= 0) is -1"));
    REQUIRE_THROWS_WITH(mg1(per_second(1), 0ms, 1), test::contains("mg1: service_time (> 0 ns) is 0"));
    std::vector<service_class> const none;
    REQUIRE_THROWS_WITH(mg1(per_second(1), none), test::contains("mg1: sum of shares (> 0) is 0"));
    REQUIRE_THROWS_WITH(mg1(per_second(1), {{.share = 1, .mean = 0ms}}), test::contains("mean service time"));
    REQUIRE_THROWS_AS(mg1(per_second(1), {{.share = 1, .mean = -1ns}}), std::invalid_argument);
    for (double bad : {-1., no_number, infinity}) {
        REQUIRE_THROWS_AS(mg1(per_second(1), 1ms, bad), std::invalid_argument);
        REQUIRE_THROWS_AS(mg1(per_second(1), {{.share = bad, .mean = 1ms}}), std::invalid_argument);
        REQUIRE_THROWS_AS(mg1(per_second(1), {{.share = 1, .mean = 1ms, .scv = bad}}), std::invalid_argument);
        REQUIRE_THROWS_AS(mg1(per_second(1), 1ms, 1).wait_quantile(bad), std::invalid_argument);
    }
}
