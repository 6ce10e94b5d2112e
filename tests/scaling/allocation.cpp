// SPDX-License-Identifier: BSL-1.0
// What decides or forecasts allocates in its constructor alone.
#include <sluice/scaling/harmonic_regression.hpp>
#include <sluice/scaling/holt_winters.hpp>
#include <sluice/scaling/learned.hpp>
#include <sluice/scaling/pid.hpp>
#include <sluice/scaling/pid_tracking.hpp>
#include <sluice/scaling/predictive.hpp>
#include <sluice/scaling/scheduled.hpp>

#include "support/allocation_new.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

using namespace std::chrono_literals;
using sluice::scaling_sample;
using sluice::time_point;

namespace {

/// Allocations of a day of decisions.
template <sluice::recommender R>
std::int64_t taken(R policy) {
    auto const before = test::allocations::total();
    double sum = 0;
    for (int k = 0; k < 5760; ++k) {
        auto const busy = static_cast<std::uint32_t>(50 + k % 100);
        scaling_sample const sample{.provisioned = 200,
                                    .ready = 200,
                                    .busy = busy,
                                    .queued = 3,
                                    .arrivals_per_second = busy * 10.,
                                    .in_flight = busy + 3.,
                                    .service_time = 100ms};
        sum += policy.recommend(k % 7 == 0 ? scaling_sample{} : sample, time_point(k * 15s)).desired.value_or(0);
    }
    auto const after = test::allocations::total();
    REQUIRE(sum > 0);
    return after - before;
}

/// Allocations of a model's life.
template <sluice::forecaster F>
std::int64_t taken_by_model(F model) {
    auto const before = test::allocations::total();
    double sum = 0;
    for (int k = 0; k < 1000; ++k) {
        model.update(k % 11 == 0 ? std::optional<double>() : 100 + k % 24);
        if (k % 100 == 99) model.skip(5);
        sum += model.forecast(3).value_or(0);
    }
    auto const after = test::allocations::total();
    REQUIRE(sum > 0);
    return after - before;
}

}  // namespace

TEST_CASE("scaling: decisions and forecasts allocate nothing", "[scaling][allocation][unit]") {
    for (auto const season : {sluice::seasonality::additive, sluice::seasonality::multiplicative})
        REQUIRE(taken_by_model(sluice::holt_winters({.season = season, .season_length = 24})) == 0);
    REQUIRE(taken_by_model(sluice::harmonic_regression({.period = 24, .harmonics = 3, .trend = true})) == 0);

    REQUIRE(taken(sluice::pid_tracking({})) == 0);
    REQUIRE(taken(sluice::learned({})) == 0);
    REQUIRE(taken(sluice::predictive(sluice::harmonic_regression({.period = 1440, .harmonics = 3}),
                                     {.start_delay = 2min})) == 0);
    sluice::fixed_offset_calendar const utc(time_point{}, std::chrono::sys_days(std::chrono::year(2024) / 1 / 1));
    REQUIRE(taken(sluice::scheduled({.entries = {{sluice::cron("* 8-17 * * 1-5"), 50}}, .lead = 5min}, utc)) == 0);
}
