// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::plant — a deterministic pool in which work flows like water, for comparing what drives it.
///
/// Each second `load(t)` tasks arrive, the ready workers do 10 each, the rest waits. Every `period` seconds a policy decides, on
/// means of the period that has just ended. New workers are ready `delay` seconds after they are ordered; of those dismissed the
/// youngest go first, at once.

#include <sluice/core/clock.hpp>
#include <sluice/scaling/recommender.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

namespace test {

struct plant_options {
    int           seconds = 1200;
    int           period = 15;
    int           delay = 0;
    std::uint32_t workers = 15;  ///< at first, all ready
};

struct plant_result {
    double                     largest_queue = 0;
    double                     late = 0;  ///< share of arrivals that meet more than .5 s of queue
    double                     worker_seconds = 0;
    int                        changes = 0;
    int                        reversals = 0;  ///< changes in the other direction than the one before
    std::vector<std::uint32_t> sizes{};        ///< decisions
};

/// Ten times as much for ten minutes: from 60 s to 660 s.
inline double step_load(int t) { return t >= 60 && t < 660 ? 1000 : 100; }
/// Up and down within an hour.
inline double diurnal_load(int t) { return 500 + 400 * std::sin(2 * 3.14159265358979323846 * t / 3600); }

template <class Policy, class Load>
plant_result run_plant(Policy& policy, Load load, plant_options o = {}) {
    using namespace std::chrono_literals;
    constexpr double each = 10;  // tasks per second and worker
    plant_result     result;
    std::uint32_t    provisioned = o.workers, ready = o.workers;
    std::deque<std::pair<int, std::uint32_t>> starting;  // ready when, how many
    double arrived = 0, late = 0, queue = 0, done = 0;
    double arrivals = 0, in_flight = 0, worked = 0, ready_seconds = 0;  // in this period
    int    direction = 0;
    for (int t = 0; t < o.seconds; ++t) {
        if (t > 0 && t % o.period == 0) {
            sluice::scaling_sample const sample{
                .provisioned = provisioned,
                .ready = ready,
                .busy = static_cast<std::uint32_t>(std::ceil(done / each)),
                .queued = static_cast<std::uint64_t>(queue),
                .arrivals_per_second = arrivals / o.period,
                .in_flight = in_flight / o.period,
                .utilisation = ready_seconds > 0 ? std::optional(worked / each / ready_seconds) : std::nullopt,
                .service_time = 100ms,
                .interval = o.period * 1s};
            auto const wanted = policy.decide(sample, sluice::time_point(t * 1s)).desired;
            result.sizes.push_back(wanted);
            if (wanted != provisioned) {
                int const now = wanted > provisioned ? 1 : -1;
                ++result.changes;
                result.reversals += direction != 0 && now != direction;
                direction = now;
            }
            if (wanted > provisioned) starting.emplace_back(t + o.delay, wanted - provisioned);
            for (auto gone = wanted < provisioned ? provisioned - wanted : 0; gone > 0;) {
                auto&      from = starting.empty() ? ready : starting.back().second;
                auto const some = std::min(gone, from);
                from -= some;
                gone -= some;
                if (!starting.empty() && starting.back().second == 0) starting.pop_back();
            }
            provisioned = wanted;
            arrivals = in_flight = worked = ready_seconds = 0;
        }
        while (!starting.empty() && starting.front().first <= t) {
            ready += starting.front().second;
            starting.pop_front();
        }
        double const comes = load(t);
        done = std::min(ready * each, queue + comes);
        queue += comes - done;
        arrived += comes;
        if (queue > .5 * each * ready) late += comes;
        result.largest_queue = std::max(result.largest_queue, queue);
        result.worker_seconds += provisioned;
        arrivals += comes;
        in_flight += queue + done / each;
        worked += done;
        ready_seconds += ready;
    }
    result.late = late / arrived;
    return result;
}

}  // namespace test
