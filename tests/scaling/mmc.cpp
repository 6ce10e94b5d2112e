// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/littles_law.hpp>
#include <sluice/scaling/mm1.hpp>
#include <sluice/scaling/mmc.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::mmc;
using sluice::model_seconds;
using sluice::per;
using sluice::per_second;

TEST_CASE("mmc: waits in service times", "[scaling][mmc][unit]") {
    struct row {
        std::uint32_t servers;
        sluice::rate load;  // at 1 s of service
        double wait, p95;
    };
    for (auto const& [servers, load, wait, p95] : {row{1, per_second(.5), 1, 4.60517},
                                                   {2, per(5, 7s), .14619883, 1.02998},
                                                   {2, per_second(1), .33333333, 1.89712},
                                                   {3, per_second(2), .44444444, 2.1848},
                                                   {8, per_second(6), .17849054, .98283},
                                                   {10, per_second(8), .20459008, 1.05107},
                                                   {10, per_second(9), .66873152, 2.59336},
                                                   {20, per_second(18), .2753845, 1.19965},
                                                   {100, per_second(90), .021694048, .14676},
                                                   {143, per_second(100), 7.4644327e-7, 0},
                                                   {196, per_second(180), .010406794, .075189},
                                                   {200, per_second(180), .0047235609, .0318136},
                                                   {1000, per_second(950), .0013650683, .00622409}}) {
        CAPTURE(servers);
        mmc const queue(load, 1s, servers);
        REQUIRE(queue.mean_wait()->count() == Approx(wait).epsilon(3e-8));
        REQUIRE(queue.wait_quantile(.95)->count() == Approx(p95).epsilon(2e-5));
    }
    struct utilisation {
        int permille;
        double two, hundred;  // at 100 ms of service
    };
    for (auto const& [permille, two, hundred] : {utilisation{500, .0333333, 6.52e-13},
                                                 {700, .0960784, 1.53e-6},
                                                 {800, .177778, 9.82e-5},
                                                 {900, .426316, .0021694},
                                                 {950, .925641, .0101291},
                                                 {990, 4.92513, .0882768}}) {
        CAPTURE(permille);
        REQUIRE(mmc(per(2 * permille, 100s), 100ms, 2).mean_wait()->count() == Approx(two).epsilon(1e-5));
        REQUIRE(mmc(per(permille, 1s), 100ms, 100).mean_wait()->count() == Approx(hundred).epsilon(1e-3));
    }
    // Ten servers at 50/80/90/95/99 %: what a table for one server hides.
    int const percents[] = {50, 80, 90, 95, 99};
    double const waits[] = {.0007, .0205, .067, .165, .964};
    for (int i = 0; i < 5; ++i)
        REQUIRE(mmc(per_second(percents[i]), 100ms, 10).mean_wait()->count() == Approx(waits[i]).epsilon(.035));
}

TEST_CASE("mmc: published queues", "[scaling][mmc][unit]") {
    mmc const two(per_second(5), 100ms, 2);
    REQUIRE(two.utilisation() == .25);
    REQUIRE(two.mean_in_system().value() == Approx(.5333333).epsilon(1e-6));
    REQUIRE(two.mean_queued().value() == Approx(.0333333).epsilon(1e-5));
    REQUIRE(two.mean_response()->count() == Approx(.1066667).epsilon(1e-6));
    REQUIRE(two.mean_wait()->count() == Approx(.0066667).epsilon(1e-5));
    REQUIRE(two.probability_empty() == Approx(.6));

    STATIC_REQUIRE(mmc(per_second(1), 1s, 2).mean_queued() > .333);
    STATIC_REQUIRE(mmc(per_second(1), 1s, 2).mean_queued() < .334);

    mmc const three(per_second(2), 1s, 3);
    REQUIRE(three.mean_in_system().value() == Approx(2.8888889));
    REQUIRE(three.mean_queued().value() == Approx(.8888889));
    REQUIRE(three.mean_response()->count() == Approx(1.4444444));
    REQUIRE(three.mean_wait()->count() == Approx(.4444444));
    REQUIRE(three.probability_empty() == Approx(.1111111));
    REQUIRE(1 - three.probability_wait_above(1s) == Approx(.8364980261).epsilon(1e-10));
    REQUIRE(1 - three.probability_response_above(2s) == Approx(.7443666872).epsilon(1e-10));
    mmc const beside(per_second(2), 999'999'999ns, 3);  // load 2 - 2e-9: next to where the printed formula divides by 0
    REQUIRE(1 - beside.probability_response_above(2s) == Approx(.74436669).epsilon(1e-8));

    mmc const airport(per(240, 1h), 15s, 2);
    REQUIRE(airport.mean_queued().value() == Approx(1.0 / 3));
    REQUIRE(airport.mean_response()->count() == Approx(20));
    mmc const eight(per(960, 1h), 15s, 8);  // not the printed 15.24, whose sum begins at 1
    REQUIRE(eight.mean_response()->count() == Approx(15.2214).epsilon(1e-5));
    REQUIRE(eight.mean_queued().value() == Approx(.05904).epsilon(1e-3));
}

TEST_CASE("mmc: with one server it is mm1", "[scaling][mmc][property]") {
    for (int percent = 1; percent < 130; percent += 8) {
        CAPTURE(percent);
        mmc const many(per(percent, 100ms), 1ms, 1);
        sluice::mm1 const one(per(percent, 100ms), 1ms);
        REQUIRE(many.saturated() == one.saturated());
        REQUIRE(many.utilisation() == one.utilisation());
        REQUIRE(many.growth_per_second() == one.growth_per_second());
        REQUIRE(many.mean_wait().has_value() == one.mean_wait().has_value());
        if (one.saturated()) continue;
        REQUIRE(many.mean_wait()->count() == Approx(one.mean_wait()->count()));
        REQUIRE(*many.mean_in_system() == Approx(*one.mean_in_system()));
        REQUIRE(many.probability_empty() == Approx(one.probability_empty()));
        for (double p : {.1, .9, .999}) {
            REQUIRE(many.wait_quantile(p)->count() == Approx(one.wait_quantile(p)->count()));
            REQUIRE(many.response_quantile(p)->count() == Approx(one.response_quantile(p)->count()));
        }
    }
}

TEST_CASE("mmc: tails fall, quantiles invert them, Little's law holds", "[scaling][mmc][property]") {
    auto const numbers = test::keys(600, test::seed());
    for (std::size_t i = 0; i + 3 <= numbers.size(); i += 3) {
        auto const servers = static_cast<std::uint32_t>(numbers[i] % 50 + 1);
        auto const arrivals = per(numbers[i + 1] % 1'000'000 + 1, 1s);
        auto const most = 1'000'000'000 * static_cast<std::uint64_t>(servers) / static_cast<std::uint64_t>(arrivals.count());
        auto const service = duration(static_cast<std::int64_t>(numbers[i + 2] % (most > 1 ? most - 1 : 1) + 1));
        mmc const queue(arrivals, service, servers);
        CAPTURE(servers, arrivals.count(), service.count());
        if (queue.saturated()) continue;
        REQUIRE(sluice::littles_law(arrivals, *queue.mean_response()) == Approx(*queue.mean_in_system()));
        double last_wait = 1;
        double last_response = 1;
        for (double x = 0; x < 1000; x = x * 1.7 + .01) {
            auto const t = x * model_seconds(service);
            double const wait = queue.probability_wait_above(t);
            double const response = queue.probability_response_above(t);
            REQUIRE((wait >= 0 && wait <= last_wait));
            REQUIRE((response >= wait * (1 - 1e-12) && response <= last_response));
            last_wait = wait;
            last_response = response;
        }
        for (double p : {.5, .99}) {
            REQUIRE(queue.probability_wait_above(queue.wait_quantile(p).value()) <= (1 - p) * (1 + 1e-9));
            REQUIRE(queue.probability_response_above(queue.response_quantile(p).value()) == Approx(1 - p).epsilon(1e-9));
        }
    }
    REQUIRE(mmc(per_second(2), 1s, 3).probability_response_above(model_seconds(1e308)) == 0);
    REQUIRE(mmc(per_second(2), 1s, 3).probability_response_above(model_seconds(HUGE_VAL)) == 0);
    REQUIRE(mmc(per_second(2), 1s, 3).response_quantile(0) == model_seconds(0));
}

TEST_CASE("mmc: a million servers", "[scaling][mmc][unit]") {
    mmc const queue(per_second(999'000), 1s, 1'000'000);
    REQUIRE(queue.probability_wait() == Approx(.2233033902913440).epsilon(1e-11));
    REQUIRE(queue.mean_wait()->count() == Approx(.2233033902913440e-3).epsilon(1e-11));
    REQUIRE(queue.probability_empty() == 0);
}

TEST_CASE("mmc: a queue that cannot keep up is a state with a growth", "[scaling][mmc][unit]") {
    mmc const queue(per_second(120), 100ms, 10);
    REQUIRE(queue.saturated());
    REQUIRE(queue.growth_per_second() == Approx(20));
    REQUIRE(queue.utilisation() == 1);
    REQUIRE_FALSE(queue.mean_wait());
    REQUIRE_FALSE(queue.mean_response());
    REQUIRE_FALSE(queue.mean_queued());
    REQUIRE_FALSE(queue.mean_in_system());
    REQUIRE_FALSE(queue.wait_quantile(.5));
    REQUIRE_FALSE(queue.response_quantile(.5));
    REQUIRE(queue.probability_wait() == 1);
    REQUIRE(queue.probability_empty() == 0);
    REQUIRE(queue.probability_response_above(1h) == 1);
    REQUIRE(mmc(per_second(100), 100ms, 10).saturated());
    REQUIRE(mmc(per_second(100), 100ms, 10).growth_per_second() == 0);
    REQUIRE_FALSE(std::signbit(mmc(per_second(100), 100ms, 10).growth_per_second()));
    REQUIRE_FALSE(mmc(per_second(100), 100ms - 1ns, 10).saturated());
    // The largest numbers there are.
    mmc const flood(per(INT64_MAX, 1ns), duration::max(), UINT32_MAX);
    REQUIRE(flood.saturated());
    REQUIRE(std::isfinite(flood.growth_per_second()));
}

TEST_CASE("mmc: what it cannot work with is refused by name and value", "[scaling][mmc][unit]") {
    constexpr auto no_number = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_WITH(mmc(per_second(1), 1ms, 0), test::contains("mmc: servers (> 0) is 0"));
    REQUIRE_THROWS_WITH(mmc(per_second(1), 0ms, 1), test::contains("mmc: service_time (> 0 ns) is 0"));
    mmc const queue(per_second(1), 1ms, 2);
    for (double bad : {-.1, 1., no_number}) {
        REQUIRE_THROWS_AS(queue.wait_quantile(bad), std::invalid_argument);
        REQUIRE_THROWS_AS(queue.response_quantile(bad), std::invalid_argument);
    }
    REQUIRE_THROWS_AS(queue.probability_wait_above(model_seconds(no_number)), std::invalid_argument);
    REQUIRE_THROWS_AS(queue.probability_response_above(model_seconds(no_number)), std::invalid_argument);
}
