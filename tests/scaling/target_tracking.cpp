// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/target_tracking.hpp>

#include <sluice/scaling/detail/round_up.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <stdexcept>

using sluice::scaling_sample;
using sluice::target_metric;
using sluice::target_tracking;
using sluice::target_tracking_options;
using sluice::time_point;
using sluice::detail::round_up;

namespace {

double constexpr no_number = std::numeric_limits<double>::quiet_NaN();
double constexpr infinite = std::numeric_limits<double>::infinity();

std::optional<double> asks(target_tracking_options o, scaling_sample const& s) {
    return target_tracking(o).recommend(s, time_point{}).desired;
}

scaling_sample at(double utilisation, std::uint32_t ready, std::uint32_t provisioned) {
    return {.provisioned = provisioned, .ready = ready, .utilisation = utilisation};
}

std::uint32_t whole(target_tracking_options o, scaling_sample const& s) { return round_up(asks(o, s).value()); }

}  // namespace

TEST_CASE("round_up: up, but not for a last digit", "[scaling][round_up][unit]") {
    STATIC_REQUIRE(round_up(0) == 0);
    STATIC_REQUIRE(round_up(.1) == 1);
    STATIC_REQUIRE(round_up(3) == 3);
    STATIC_REQUIRE(round_up(100 * (.88 / .8)) == 110);
    STATIC_REQUIRE(round_up(600 * .07 / .7) == 60);
    STATIC_REQUIRE(round_up(3.000001) == 4);
    STATIC_REQUIRE(round_up(-1) == 0);
    STATIC_REQUIRE(round_up(no_number) == 0);
    STATIC_REQUIRE(round_up(infinite) == UINT32_MAX);
    STATIC_REQUIRE(round_up(4294967295.) == UINT32_MAX);
    STATIC_REQUIRE(round_up(4294967294.) == UINT32_MAX - 1);
    for (std::uint32_t n = 1; n <= 5000; ++n)  // quotient and product: what is whole stays whole
        for (double const u : {.1, .3, .7, .8, .9}) REQUIRE(round_up(n * u / u) == n);
}

TEST_CASE("target_tracking: the ratio of utilisation and target", "[scaling][target_tracking][unit]") {
    STATIC_REQUIRE(sluice::recommender<target_tracking>);
    REQUIRE(whole({.target = .3}, at(.5, 3, 3)) == 5);
    REQUIRE(whole({.target = .5}, at(.28, 5, 5)) == 3);
    REQUIRE(whole({.target = 1}, at(5.87, 4, 4)) == 24);
    REQUIRE(whole({.target = .8, .tolerance = .09}, at(.88, 100, 100)) == 110);
    REQUIRE(asks({.target = .7}, at(.77, 10, 10)) == 10);  // 1.1 and .9, both within
    REQUIRE(asks({.target = .7}, at(.63, 10, 10)) == 10);
    REQUIRE(whole({.target = .7}, at(.78, 10, 10)) == 12);
    REQUIRE(whole({.target = .7}, at(.62, 10, 10)) == 9);
    REQUIRE(asks({}, at(0, 10, 10)) == 0);
    REQUIRE(whole({.target = .5}, {.provisioned = 10, .ready = 10, .busy = 9}) == 18);
}

TEST_CASE("target_tracking: under overload it grows by one over the target", "[scaling][target_tracking][unit]") {
    std::uint32_t n = 15;
    for (std::uint32_t const expected : {22u, 32u, 46u, 66u, 95u, 136u, 195u}) {
        n = whole({}, at(1, n, n));
        REQUIRE(n == expected);
    }
}

TEST_CASE("target_tracking: those that start are not ordered again", "[scaling][target_tracking][unit]") {
    REQUIRE(asks({}, at(1, 15, 22)) == 22);  // 21.4 wanted, 22 come
    REQUIRE(whole({}, at(1, 15, 18)) == 22);
    REQUIRE(asks({}, at(1, 15, 40)) == 40);  // more come than are wanted: not for this to say
    REQUIRE(whole({}, at(.2, 10, 40)) == 3);  // fewer are wanted, whoever comes
    REQUIRE(asks({}, at(.7, 10, 40)) == 40);
    // Three, the first starts, .5 and .7 busy: .6 of .3 is twice of two, four, as the replica counts have it.
    REQUIRE(whole({.target = .3}, at(.6, 2, 3)) == 4);
}

TEST_CASE("target_tracking: it rests within its tolerance and nowhere else", "[scaling][target_tracking][unit]") {
    // 10 erlangs at .7: 14.2857. From anywhere it ends at 13, 14 or 15; without a tolerance at 15.
    for (double const tolerance : {.1, 0.}) {
        std::set<std::uint32_t> ends;
        for (std::uint32_t start = 1; start <= 40; ++start) {
            std::uint32_t n = start;
            for (int k = 0; k < 50; ++k) n = whole({.tolerance = tolerance}, at(std::min(1., 10. / n), n, n));
            ends.insert(n);
        }
        REQUIRE(ends == (tolerance > 0 ? std::set<std::uint32_t>{13, 14, 15} : std::set<std::uint32_t>{15}));
    }
}

TEST_CASE("target_tracking: totals are shared out", "[scaling][target_tracking][unit]") {
    scaling_sample const s{.provisioned = 3, .ready = 1, .busy = 1, .queued = 19, .arrivals_per_second = 8.6, .in_flight = 20};
    REQUIRE(whole({.metric = target_metric::in_flight, .target = 5}, s) == 4);
    REQUIRE(whole({.metric = target_metric::queued, .target = 5}, s) == 4);
    REQUIRE(whole({.metric = target_metric::arrivals_per_second, .target = 2.15}, s) == 4);
    REQUIRE(asks({.metric = target_metric::arrivals_per_second, .target = 2.867}, s) == 3);
    REQUIRE(asks({.metric = target_metric::in_flight, .target = 5}, {.busy = 1, .queued = 19}) == 4);
    REQUIRE(asks({.metric = target_metric::in_flight, .target = 5}, {.provisioned = 0, .in_flight = 20}) == 4);
    REQUIRE(asks({.metric = target_metric::in_flight, .target = 1e-300}, {.in_flight = 1e300}).value() < infinite);
}

TEST_CASE("target_tracking: no data is no opinion", "[scaling][target_tracking][unit]") {
    for (auto const m : {target_metric::utilisation, target_metric::in_flight, target_metric::queued,
                         target_metric::arrivals_per_second}) {
        REQUIRE_FALSE(asks({.metric = m}, {}));
        REQUIRE_FALSE(asks({.metric = m}, {.provisioned = 5, .ready = 5, .arrivals_per_second = no_number, .in_flight = -1,
                                           .utilisation = infinite}));
    }
    REQUIRE_FALSE(asks({}, {.provisioned = 5, .utilisation = .5}));
    REQUIRE_FALSE(asks({}, at(.5, 0, 5)));
    REQUIRE_FALSE(asks({}, {.provisioned = 0, .ready = 0, .busy = 0}));
}

TEST_CASE("target_tracking: options that cannot work", "[scaling][target_tracking][unit]") {
    auto const refuses = [](target_tracking_options o) {
        REQUIRE_THROWS_AS(static_cast<void>(target_tracking(o)), std::invalid_argument);
    };
    for (double const bad : {0., -1., 1.01, no_number, infinite}) refuses({.target = bad});
    for (double const bad : {0., -1., no_number, infinite}) refuses({.metric = target_metric::queued, .target = bad});
    for (double const bad : {-.1, 1., no_number}) refuses({.tolerance = bad});
}
