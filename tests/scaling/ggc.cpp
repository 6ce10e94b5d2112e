// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/ggc.hpp>
#include <sluice/scaling/mg1.hpp>
#include <sluice/scaling/mmc.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <limits>

using namespace std::chrono_literals;
using sluice::ggc;
using sluice::ggc_approximation;
using sluice::per;
using sluice::per_second;

TEST_CASE("ggc: Kingman's waits in service times", "[scaling][ggc][unit]") {
    struct row {
        int percent;
        double arrivals, service, wait;
    };
    for (auto const& [percent, arrivals, service, wait] : {row{80, 1, 1, 4},
                                                           {80, .25, .25, 1},
                                                           {90, 1, 0, 4.5},
                                                           {90, .5, 1.5, 9},
                                                           {95, 4, 1, 47.5},
                                                           {70, 1, 2, 3.5}}) {
        CAPTURE(percent, arrivals, service);
        ggc const queue({.arrival_rate = per(percent, 100s),
                         .service_time = 1s,
                         .arrival_scv = arrivals,
                         .service_scv = service,
                         .approximation = ggc_approximation::kingman});
        REQUIRE(queue.mean_wait()->count() == Approx(wait).epsilon(1e-12));
        // On one server all three agree.
        for (auto other : {ggc_approximation::allen_cunneen, ggc_approximation::sakasegawa}) {
            ggc const same({per(percent, 100s), 1s, 1, arrivals, service, other});
            REQUIRE(same.mean_wait()->count() == Approx(wait).epsilon(1e-12));
        }
    }
}

TEST_CASE("ggc: Allen and Cunneen's is exact for mmc and scales with variation", "[scaling][ggc][property]") {
    for (std::uint32_t servers : {1u, 2u, 10u, 100u, 1000u})
        for (int percent : {10, 50, 80, 95, 99}) {
            CAPTURE(servers, percent);
            auto const arrivals = per(static_cast<std::uint64_t>(percent) * servers, 100s);
            sluice::mmc const exact(arrivals, 1s, servers);
            ggc const plain({arrivals, 1s, servers});
            REQUIRE(plain.mean_wait()->count() == Approx(exact.mean_wait()->count()));
            REQUIRE(plain.mean_response()->count() == Approx(exact.mean_response()->count()));
            REQUIRE(*plain.mean_queued() == Approx(*exact.mean_queued()));
            REQUIRE(*plain.mean_in_system() == Approx(*exact.mean_in_system()));
            REQUIRE(plain.wait_quantile(.9)->count() == Approx(exact.wait_quantile(.9)->count()));
            ggc const bursts({arrivals, 1s, servers, 4, 2});
            REQUIRE(bursts.mean_wait()->count() == Approx(3 * exact.mean_wait()->count()));
            ggc const clockwork({arrivals, 1s, servers, 0, 0});
            REQUIRE(clockwork.mean_wait()->count() == 0);
            REQUIRE(clockwork.wait_quantile(.999)->count() == 0);
        }
}

TEST_CASE("ggc: Sakasegawa's comes near without Erlang C", "[scaling][ggc][unit]") {
    for (std::uint32_t servers : {2u, 5u, 10u})
        for (int percent : {80, 90, 95, 99}) {
            CAPTURE(servers, percent);
            auto const arrivals = per(static_cast<std::uint64_t>(percent) * servers, 100s);
            ggc const near({arrivals, 1s, servers, 1, 1, ggc_approximation::sakasegawa});
            REQUIRE(near.mean_wait()->count() ==
                    Approx(sluice::mmc(arrivals, 1s, servers).mean_wait()->count()).epsilon(.08));
        }
    double const wait = std::pow(.9, std::sqrt(22.) - 1) / (10 * .1) * 2.5;
    REQUIRE(ggc({per_second(9), 1s, 10, 3, 2, ggc_approximation::sakasegawa}).mean_wait()->count() == Approx(wait));
}

TEST_CASE("ggc: with random arrivals on one server it is mg1", "[scaling][ggc][unit]") {
    for (double scv : {0., .25, 16.})
        REQUIRE(ggc({.arrival_rate = per_second(8), .service_time = 100ms, .service_scv = scv}).mean_wait()->count() ==
                Approx(sluice::mg1(per_second(8), 100ms, scv).mean_wait()->count()));
}

TEST_CASE("ggc: a queue that cannot keep up is a state with a growth", "[scaling][ggc][unit]") {
    ggc const queue({per_second(120), 100ms, 10});
    REQUIRE(queue.saturated());
    REQUIRE(queue.growth_per_second() == Approx(20));
    REQUIRE(queue.utilisation() == 1);
    REQUIRE(queue.probability_wait() == 1);
    REQUIRE_FALSE(queue.mean_wait());
    REQUIRE_FALSE(queue.mean_response());
    REQUIRE_FALSE(queue.mean_queued());
    REQUIRE_FALSE(queue.mean_in_system());
    REQUIRE_FALSE(queue.wait_quantile(.5));
    // Far too many servers: nobody waits, and that is a number.
    ggc const idle({per_second(1), 1s, 1000});
    REQUIRE(idle.mean_wait()->count() == 0);
    REQUIRE(idle.wait_quantile(.999)->count() == 0);
}

TEST_CASE("ggc: what it cannot work with is refused by name and value", "[scaling][ggc][unit]") {
    constexpr auto no_number = std::numeric_limits<double>::quiet_NaN();
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    REQUIRE_THROWS_WITH(ggc({per_second(1), 1ms, 0}), test::contains("ggc: servers (> 0) is 0"));
    REQUIRE_THROWS_WITH(ggc({per_second(1), 1ms, 2, 1, 1, ggc_approximation::kingman}),
                        test::contains("ggc: servers (1 for kingman) is 2"));
    REQUIRE_THROWS_WITH(ggc({per_second(1), -1ms, 2}), test::contains("ggc: service_time (> 0 ns) is -1000000"));
    for (double bad : {-1., no_number, infinity}) {
        REQUIRE_THROWS_AS(ggc({per_second(1), 1ms, 1, bad, 1}), std::invalid_argument);
        REQUIRE_THROWS_AS(ggc({per_second(1), 1ms, 1, 1, bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(ggc({per_second(1), 1ms}).wait_quantile(bad), std::invalid_argument);
    }
}
