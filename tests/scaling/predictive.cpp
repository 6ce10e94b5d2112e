// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/harmonic_regression.hpp>
#include <sluice/scaling/holt_winters.hpp>
#include <sluice/scaling/predictive.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::holt_winters;
using sluice::predictive;
using sluice::predictive_options;
using sluice::scaling_sample;
using sluice::time_point;

namespace {

double const no_number = std::numeric_limits<double>::quiet_NaN();

/// Writes down what it is told; forecasts what it is told to.
struct recorder {
    std::vector<std::optional<double>> seen{};
    std::uint64_t skipped = 0;
    std::vector<double> next{};
    void update(std::optional<double> y) { seen.push_back(y); }
    void skip(std::uint64_t n) { skipped += n; }
    std::optional<double> forecast(std::uint64_t h) const {
        if (next.empty() || h == 0) return std::nullopt;
        return next[static_cast<std::size_t>((h - 1) % next.size())];
    }
};

predictive<recorder> made(predictive_options o, std::vector<double> next = {}) {
    return predictive(recorder{{}, 0, next}, o);
}

}  // namespace

TEST_CASE("predictive: is a recommender", "[scaling][predictive][unit]") {
    STATIC_REQUIRE(sluice::recommender<predictive<holt_winters>>);
    STATIC_REQUIRE(sluice::recommender<predictive<sluice::harmonic_regression>>);
    predictive deduced(holt_winters({}), {.step = 1s});
    REQUIRE_FALSE(deduced.recommend({}, time_point{}).desired);
}

TEST_CASE("predictive: the mean of a step, each sample for the time that it covers", "[scaling][predictive][unit]") {
    auto p = made({.step = 60s, .service_time = 1s});
    auto const sample = [&](double rate, duration at) { (void)p.recommend({.arrivals_per_second = rate}, time_point(at)); };
    sample(1000, 0s);   // before the first step
    sample(10, 20s);    // 20 s of it
    sample(40, 60s);    // 40 s of it: (20 × 10 + 40 × 40) / 60
    REQUIRE(p.model().seen.size() == 1);
    REQUIRE(p.model().seen[0].value() == Approx(30));
    sample(6, 90s);
    sample(12, 150s);  // half of it in either step
    REQUIRE(p.model().seen.size() == 2);
    REQUIRE(p.model().seen[1].value() == Approx(9));
    sample(12, 180s);
    REQUIRE(p.model().seen[2].value() == Approx(12));
    sample(5, 360s);  // one sample for three steps
    REQUIRE(p.model().seen.size() == 6);
    for (std::size_t i = 3; i < 6; ++i) REQUIRE(p.model().seen[i].value() == Approx(5));
    // It says that it covers only the last 30 s: of two steps before nothing is known.
    (void)p.recommend({.arrivals_per_second = 8, .interval = 30s}, time_point(540s));
    REQUIRE(p.model().skipped == 2);
    REQUIRE(p.model().seen.size() == 7);
    REQUIRE(p.model().seen[6].value() == Approx(8));
    REQUIRE(p.recommend({}, time_point(541s)).look_again == time_point(600s));
    // Longer than since the last sample: that one has told the rest.
    (void)p.recommend({.arrivals_per_second = 30, .interval = 1h}, time_point(561s));
    (void)p.recommend({.arrivals_per_second = 90, .interval = 1h}, time_point(600s));
    REQUIRE(p.model().seen.size() == 8);
    REQUIRE(p.model().seen[7].value() == Approx((30 * 20 + 90 * 39) / 59.));
}

TEST_CASE("predictive: the largest load up to the horizon", "[scaling][predictive][unit]") {
    struct row {
        duration start_delay;
        double rate;
        double desired;
    };
    // One to five steps ahead: 100, 300, 200, 700, 50 per second at 100 ms and .5: two workers per ten.
    for (auto const& [start_delay, rate, desired] :
         {row{0s, 80, 20}, {0s, 150, 30}, {60s, 80, 60}, {120s, 80, 60}, {180s, 80, 140}, {10s, 1, 60}, {1000s, 900, 180}}) {
        CAPTURE(start_delay.count(), rate);
        auto p = made({.step = 60s, .start_delay = start_delay, .period = 60s, .target = .5, .service_time = 100ms},
                      {100, 300, 200, 700, 50});
        (void)p.recommend({.arrivals_per_second = rate}, time_point(0s));
        auto const answer = p.recommend({.arrivals_per_second = rate}, time_point(60s));
        REQUIRE(answer.desired == desired);
    }
}

TEST_CASE("predictive: the horizon moves on within a step", "[scaling][predictive][unit]") {
    // 80 s ahead in steps of 60 s: two steps, and a third one from 40 s on.
    auto p = made({.step = 60s, .start_delay = 60s, .period = 20s, .target = 1, .service_time = 1s}, {10, 20, 30, 40});
    for (auto const at : {0s, 60s, 80s, 100s}) {
        auto const wanted = p.recommend({.arrivals_per_second = 1}, time_point(at)).desired;
        REQUIRE(wanted == (at == 0s ? 1 : 20));
    }
    REQUIRE(p.recommend({.arrivals_per_second = 1}, time_point(100s + 1ns)).desired == 30);
    REQUIRE(p.recommend({.arrivals_per_second = 1}, time_point(119s)).desired == 30);
    REQUIRE(p.recommend({.arrivals_per_second = 1}, time_point(120s)).desired == 20);
}

TEST_CASE("predictive: the arithmetic of instances_for", "[scaling][predictive][unit]") {
    auto p = made({.step = 60s, .target = .7});
    REQUIRE(p.recommend({.arrivals_per_second = 600, .service_time = 70ms}, time_point(0s)).desired == 60);
    REQUIRE(p.recommend({.arrivals_per_second = 1000, .service_time = 100ms}, time_point(1s)).desired == 143);
    REQUIRE(p.recommend({.arrivals_per_second = 0, .service_time = 100ms}, time_point(2s)).desired == 0);
    REQUIRE(p.recommend({.arrivals_per_second = 1e300, .service_time = 100h}, time_point(3s)).desired == 4294967295.);
}

TEST_CASE("predictive: without data it says nothing, and zero is data", "[scaling][predictive][unit]") {
    auto p = made({.step = 60s, .max_missing = 3});
    REQUIRE_FALSE(p.recommend({}, time_point(0s)).desired);
    REQUIRE_FALSE(p.recommend({.arrivals_per_second = no_number}, time_point(1s)).desired);
    REQUIRE_FALSE(p.recommend({.arrivals_per_second = -1}, time_point(2s)).desired);
    REQUIRE_FALSE(p.recommend({.arrivals_per_second = 10}, time_point(3s)).desired);  // no service time
    REQUIRE(p.recommend({.service_time = 1s}, time_point(4s)).desired == 15);         // the rate is the last one known
    REQUIRE(p.recommend({.service_time = -1s}, time_point(5s)).desired == 15);
    for (int k = 1; k <= 3; ++k) REQUIRE(p.recommend({}, time_point(5s + k * 60s)).desired == 15);
    auto const late = p.recommend({}, time_point(5s + 4 * 60s));
    REQUIRE_FALSE(late.desired);
    REQUIRE(late.reason == "predictive: no arrival rate");
    REQUIRE(p.recommend({.arrivals_per_second = 0}, time_point(306s)).desired == 0);
    // The rest of an age without a sample.
    REQUIRE_FALSE(p.recommend({}, time_point::max()).desired);
    REQUIRE(p.model().skipped > 100'000'000);
}

TEST_CASE("predictive: a time that goes back changes nothing", "[scaling][predictive][unit]") {
    auto p = made({.step = 60s, .service_time = 1s});
    for (int k = 0; k < 10; ++k) (void)p.recommend({.arrivals_per_second = 10}, time_point(k * 60s));
    auto const seen = p.model().seen.size();
    for (auto const t : {time_point(0s), time_point::min(), time_point(539s)})
        REQUIRE(p.recommend({.arrivals_per_second = 1e6}, t).desired.has_value());
    REQUIRE(p.model().seen.size() == seen);
    (void)p.recommend({.arrivals_per_second = 10}, time_point(600s));
    REQUIRE(p.model().seen.size() == seen + 1);
    REQUIRE(p.model().seen.back().value() == Approx(10));
}

TEST_CASE("predictive: workers are there before the load is", "[scaling][predictive][unit]") {
    // A day of 24 min in steps of a minute; workers take two minutes to start.
    auto const load = [](double minute) { return 500 + 400 * std::sin(6.283185307179586 * minute / 24); };
    auto const late = [&](auto policy) {
        std::vector<double> ordered;
        double missing = 0;
        for (int k = 0; k < 24 * 6 * 4; ++k) {  // every 15 s
            double const t = k / 4.;
            auto const answer =
                policy.recommend({.arrivals_per_second = load(t), .service_time = 100ms}, time_point(k * 15s));
            ordered.push_back(answer.desired.value_or(0));
            double const ready = k >= 8 ? ordered[static_cast<std::size_t>(k) - 8] : 0;
            if (t >= 72) missing += std::max(0., load(t) * .1 / .7 - ready);
        }
        return missing;
    };
    predictive_options const o{.step = 1min, .start_delay = 2min, .period = 15s};
    double const reactive = late(made(o));
    double const by_season =
        late(predictive(holt_winters({.season = sluice::seasonality::additive, .season_length = 24}), o));
    double const by_harmonics = late(predictive(sluice::harmonic_regression({.period = 24, .harmonics = 2}), o));
    CAPTURE(reactive, by_season, by_harmonics);
    REQUIRE(by_season < reactive / 20);
    REQUIRE(by_harmonics < reactive / 20);
}

TEST_CASE("predictive: a forecast that is no number or below zero", "[scaling][predictive][unit]") {
    for (double const odd : {no_number, std::numeric_limits<double>::infinity()}) {
        auto p = made({.step = 1s, .service_time = 1s}, {odd});
        (void)p.recommend({.arrivals_per_second = 7}, time_point(0s));
        REQUIRE(p.recommend({.arrivals_per_second = 7}, time_point(1s)).desired == 10);
        REQUIRE_FALSE(p.forecast());
    }
    auto p = made({.step = 1s, .service_time = 1s}, {-5});
    (void)p.recommend({.arrivals_per_second = 0}, time_point(0s));
    REQUIRE(p.recommend({.arrivals_per_second = 0}, time_point(1s)).desired == 0);
    REQUIRE(p.forecast() == 0);
}

TEST_CASE("predictive: options that cannot work", "[scaling][predictive][unit]") {
    auto const refuses = [](predictive_options o) { REQUIRE_THROWS_AS(made(o), std::invalid_argument); };
    refuses({.step = 0s});
    refuses({.step = -1s});
    refuses({.start_delay = -1s});
    refuses({.period = 0s});
    for (double const bad : {0., -.1, 1.1, no_number}) refuses({.target = bad});
    refuses({.service_time = 0s});
    refuses({.step = 1ns, .start_delay = 1s});
}
