// SPDX-License-Identifier: BSL-1.0
// What decides or forecasts allocates in its constructor alone.
#include <sluice/scaling/autoscale_step.hpp>
#include <sluice/scaling/autoscaler.hpp>
#include <sluice/scaling/backlog_latency.hpp>
#include <sluice/scaling/concurrency_tracking.hpp>
#include <sluice/scaling/feed_forward.hpp>
#include <sluice/scaling/harmonic_regression.hpp>
#include <sluice/scaling/holt_winters.hpp>
#include <sluice/scaling/learned.hpp>
#include <sluice/scaling/max_of.hpp>
#include <sluice/scaling/pid.hpp>
#include <sluice/scaling/pid_tracking.hpp>
#include <sluice/scaling/predictive.hpp>
#include <sluice/scaling/queue_depth.hpp>
#include <sluice/scaling/scaling_rules.hpp>
#include <sluice/scaling/scheduled.hpp>
#include <sluice/scaling/slo_erlang.hpp>
#include <sluice/scaling/target_tracking.hpp>
#include <sluice/scaling/usl_cap.hpp>

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
    REQUIRE(taken(sluice::target_tracking({})) == 0);
    REQUIRE(taken(sluice::concurrency_tracking({.scale_down_delay = 5min})) == 0);
    REQUIRE(taken(sluice::slo_erlang({})) == 0);
    REQUIRE(taken(sluice::feed_forward({.start_delay = 2min})) == 0);
    REQUIRE(taken(sluice::usl_cap(sluice::max_of(sluice::backlog_latency({}), sluice::queue_depth({})), sluice::usl({}))) == 0);
    REQUIRE(taken(sluice::scaling_rules{{.metric = sluice::scaling_metric::queued, .value = 1, .lasting = 1min, .add = 5}}) == 0);
    sluice::fixed_offset_calendar const utc(time_point{}, std::chrono::sys_days(std::chrono::year(2024) / 1 / 1));
    REQUIRE(taken(sluice::scheduled({.entries = {{sluice::cron("* 8-17 * * 1-5"), 50}}, .lead = 5min}, utc)) == 0);
}

namespace {

struct breathing_pool {
    std::uint32_t size = 3;
    std::uint64_t turn = 0;
    void          request_size(std::uint32_t n) noexcept { size = n; }
    std::uint32_t provisioned() const noexcept { return size; }
    std::uint32_t ready() const noexcept { return size; }
    std::uint32_t busy() const noexcept { return static_cast<std::uint32_t>(turn % 40 < 20 ? size : size / 2); }
    std::uint64_t queued() const noexcept { return turn % 100 < 40 ? turn % 1000 : 0; }
    std::uint64_t submitted() const noexcept { return turn * 100 + turn % 977 * 50; }
    std::uint64_t completed() const noexcept { return turn * 100; }
    std::uint64_t busy_nanoseconds() const noexcept { return turn * 5'000'000'000; }
};

}  // namespace

TEST_CASE("autoscaler: turns with all stages allocate nothing", "[scaling][autoscaler][allocation][unit]") {
    sluice::autoscaler policy(sluice::max_of(sluice::feed_forward({.start_delay = 3s}), sluice::target_tracking({})),
                              {.stabilisation = {.down = 20s, .up = 2s},
                               .rates = {.up = {{{sluice::rate_kind::count, 4, 1s}, {sluice::rate_kind::percent, 50, 10s}}},
                                         .down = {{{sluice::rate_kind::percent, 10, 5s}}}},
                               .cooldown = {.up = 1s, .down = 3s},
                               .fallback = 5});
    breathing_pool pool;
    auto const     before = test::allocations::total();
    std::uint32_t  changes = 0;
    for (; pool.turn < 5000; ++pool.turn) {
        auto const was = pool.size;
        (void)autoscale_step(policy, pool, time_point(pool.turn * 1s));
        if (pool.turn % 50 == 49) (void)policy.decide({}, time_point(pool.turn * 1s));
        changes += pool.size != was;
    }
    REQUIRE(test::allocations::total() - before == 0);
    REQUIRE(changes > 100);
}
