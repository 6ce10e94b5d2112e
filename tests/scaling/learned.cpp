// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/learned.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::learned;
using sluice::learned_options;
using sluice::scaling_sample;
using sluice::time_point;

namespace {

double const no_number = std::numeric_limits<double>::quiet_NaN();

/// A pool of 1000 that needs 5 workers and 50 ms per arrival.
scaling_sample seen(double rate, double fixed = 5, double each = .05) {
    return {.ready = 1000, .arrivals_per_second = rate, .utilisation = (fixed + each * rate) / 1000};
}

}  // namespace

TEST_CASE("learned: finds the line", "[scaling][learned][unit]") {
    STATIC_REQUIRE(sluice::recommender<learned>);
    learned policy({.target = .5});
    for (int k = 0; k < 50; ++k) {
        auto const answer = policy.recommend(seen(100 + 10 * (k % 17)), time_point{});
        REQUIRE(answer.desired.has_value() == (k >= 9));
    }
    REQUIRE(policy.line().fixed == Approx(5));
    REQUIRE(policy.line().per_arrival == Approx(.05));
    REQUIRE(policy.error() < .01);
    // Only the load is known: what it has learnt does for the rest, and for saturation too.
    REQUIRE(policy.recommend({.arrivals_per_second = 200}, time_point{}).desired.value() == Approx(30));
    REQUIRE(policy.recommend({.ready = 10, .arrivals_per_second = 400, .utilisation = 1}, time_point{}).desired.value() ==
            Approx(50));
    REQUIRE(policy.line().fixed == Approx(5));
    REQUIRE(policy.recommend({.arrivals_per_second = 0}, time_point{}).desired.value() == Approx(10));
}

TEST_CASE("learned: against weighted least squares", "[scaling][learned][property]") {
    auto const bits = test::keys(400, test::seed());
    for (double const forgetting : {1., .95}) {
        learned policy({.forgetting = forgetting});
        std::vector<double> x, y;
        for (std::size_t k = 0; k < bits.size(); ++k) {
            x.push_back(100 + static_cast<double>(bits[k] % 1000));
            y.push_back(8 + .3 * x.back() + static_cast<double>(bits[k] >> 32 & 31));
            (void)policy.recommend({.ready = 1000, .arrivals_per_second = x.back(), .utilisation = y.back() / 1000},
                                   time_point{});
        }
        long double s = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, w = 1;
        for (std::size_t k = x.size(); k-- > 0; w *= forgetting) {
            s += w, sx += w * x[k], sy += w * y[k], sxx += w * x[k] * x[k], sxy += w * x[k] * y[k];
        }
        auto const slope = (s * sxy - sx * sy) / (s * sxx - sx * sx);
        REQUIRE(policy.line().per_arrival == Approx(static_cast<double>(slope)).epsilon(1e-10));
        REQUIRE(policy.line().fixed == Approx(static_cast<double>((sy - slope * sx) / s)).epsilon(1e-8));
    }
}

TEST_CASE("learned: one load tells one number", "[scaling][learned][unit]") {
    learned policy({.target = 1});
    for (int k = 0; k < 100'000; ++k) (void)policy.recommend(seen(200 + (k % 2) * 1e-9), time_point{});
    REQUIRE(policy.line().fixed == 0);
    REQUIRE(policy.line().per_arrival == Approx(15. / 200));
    REQUIRE(policy.recommend({.arrivals_per_second = 220}, time_point{}).desired.value() == Approx(16.5));
    // A load of zero, and nothing else.
    learned idle({.target = 1});
    for (int k = 0; k < 20; ++k) (void)idle.recommend(seen(0), time_point{});
    REQUIRE(idle.recommend({.arrivals_per_second = 0}, time_point{}).desired.value() == Approx(5));
    REQUIRE_FALSE(idle.recommend({.arrivals_per_second = 10}, time_point{}).desired);
}

TEST_CASE("learned: when its error grows somebody else speaks, until it has learnt again", "[scaling][learned][unit]") {
    learned policy({.target = .5, .forgetting = .9});
    auto const ask = [&](double rate, double fixed, double each) {
        auto sample = seen(rate, fixed, each);
        sample.service_time = 100ms;
        return policy.recommend(sample, time_point{});
    };
    auto const load = [](int k) { return 100. + 10 * (k % 17); };
    for (int k = 0; k < 9; ++k) {
        auto const answer = ask(load(k), 5, .05);
        REQUIRE(answer.desired.value() == Approx(load(k) * .1 / .5));
        REQUIRE(answer.reason == "learned: fallback, load × service time");
    }
    for (int k = 0; k < 100; ++k) REQUIRE(ask(load(k), 5, .05).reason == "learned");
    // Tasks take three times as long from now on.
    int until_doubt = 0, until_belief = 0;
    while (policy.believed()) {
        (void)ask(load(until_doubt), 5, .15);
        REQUIRE(++until_doubt < 10);
    }
    REQUIRE(ask(150, 5, .15).reason == "learned: fallback, load × service time");
    REQUIRE(policy.recommend({.arrivals_per_second = 150}, time_point{}).reason == "learned: error");
    REQUIRE_FALSE(policy.recommend({.arrivals_per_second = 150}, time_point{}).desired);
    while (!policy.believed()) {
        (void)ask(load(until_belief), 5, .15);
        REQUIRE(++until_belief < 100);
    }
    REQUIRE(policy.error() <= .1);
    for (int k = 0; k < 100; ++k) (void)ask(load(k), 5, .15);
    REQUIRE(policy.line().per_arrival == Approx(.15).epsilon(1e-3));
}

TEST_CASE("learned: no opinion on loads far beyond those it has seen", "[scaling][learned][unit]") {
    learned policy({.target = 1});
    for (int k = 0; k < 30; ++k) (void)policy.recommend(seen(100 + k), time_point{});
    REQUIRE(policy.recommend({.arrivals_per_second = 250}, time_point{}).desired.has_value());
    REQUIRE(policy.recommend({.arrivals_per_second = 300}, time_point{}).reason == "learned: load not seen");
    REQUIRE(policy.recommend({.arrivals_per_second = 300, .service_time = 1s}, time_point{}).desired.value() == Approx(300));
}

TEST_CASE("learned: what does not show the demand teaches nothing", "[scaling][learned][unit]") {
    learned policy({.target = 1});
    for (auto const& s : {scaling_sample{},
                          {.ready = 10, .utilisation = .5},
                          {.arrivals_per_second = 5, .utilisation = .5},
                          {.ready = 0, .arrivals_per_second = 5, .utilisation = .5},
                          {.ready = 10, .arrivals_per_second = 5, .utilisation = .95},
                          {.ready = 10, .arrivals_per_second = 5, .utilisation = 1.5},
                          {.ready = 10, .arrivals_per_second = 5, .utilisation = no_number},
                          {.ready = 10, .arrivals_per_second = no_number, .utilisation = .5},
                          {.ready = 10, .arrivals_per_second = -1, .utilisation = .5},
                          {.ready = 10, .busy = 10, .arrivals_per_second = 5},
                          {.ready = 10, .busy = 11, .arrivals_per_second = 5},
                          {.ready = 10, .arrivals_per_second = 1e200, .utilisation = .5}}) {
        REQUIRE_FALSE(policy.recommend(s, time_point{}).desired);
        REQUIRE(policy.samples() == 0);
    }
    for (std::uint32_t k = 0; k < 20; ++k)
        (void)policy.recommend({.ready = 100, .busy = 20 + k, .arrivals_per_second = 200. + 10 * k}, time_point{});
    REQUIRE(policy.samples() == 20);
    REQUIRE(policy.recommend({.arrivals_per_second = 300}, time_point{}).desired.value() == Approx(30));
    // More load and fewer busy: no line has such a slope, the mean share does.
    learned odd({.target = 1, .max_error = 5});
    for (int k = 0; k < 30; ++k) (void)odd.recommend(seen(100 + k, 200, -1), time_point{});
    REQUIRE(odd.line().fixed == 0);
    REQUIRE(odd.recommend({.arrivals_per_second = 100}, time_point{}).desired.value() >= 0);
}

TEST_CASE("learned: finite whatever it is fed", "[scaling][learned][property]") {
    learned policy({.max_error = 1e9});
    for (auto const bits : test::keys(3000, test::seed())) {
        double const rate = std::pow(10, static_cast<double>(bits % 400) / 3 - 30);
        auto const ready = static_cast<std::uint32_t>(bits >> 32);
        double const utilisation = static_cast<double>(bits >> 20 & 1023) / 1000;
        auto const answer = policy.recommend({.ready = ready,
                                              .arrivals_per_second = rate,
                                              .utilisation = utilisation,
                                              .service_time = std::chrono::nanoseconds(bits >> 2)},
                                             time_point{});
        if (answer.desired) {
            REQUIRE(std::isfinite(*answer.desired));
            REQUIRE(*answer.desired >= 0);
        }
    }
}

TEST_CASE("learned: options that cannot work", "[scaling][learned][unit]") {
    auto const refuses = [](learned_options o) { REQUIRE_THROWS_AS(static_cast<void>(learned(o)), std::invalid_argument); };
    for (double const bad : {0., -.1, 1.1, no_number}) {
        refuses({.target = bad});
        refuses({.forgetting = bad});
        refuses({.error_weight = bad});
        refuses({.saturation = bad});
    }
    for (double const bad : {0., -1., no_number}) refuses({.max_error = bad});
    refuses({.min_samples = 0});
}
