// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// Four ways of sizing a pool under the same load, in virtual time: the load and the pool are arithmetic, the deciding is the
/// library's own code. No randomness: the same answer on every machine.

#include <sluice/scaling/autoscale_step.hpp>
#include <sluice/scaling/autoscaler.hpp>
#include <sluice/scaling/feed_forward.hpp>
#include <sluice/scaling/target_tracking.hpp>
#include <sluice/sim/fluid_pool.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace bench::autoscaling {

struct response {
    std::string               name;
    std::vector<double>       ready;             ///< at the begin of each sample
    std::vector<double>       waiting;           ///< tasks queued, likewise
    double                    late         = 0;  ///< share of the tasks that meet more than 5 s of queue
    double                    worker_hours = 0;
    double                    most_waiting = 0;
};

constexpr int    seconds = 3 * 3600, sample_every = 60;
constexpr int    start_delay = 60, period = 15;  ///< seconds
constexpr double target = .7, night = 20, day = 100, spike = 160;

/// Tasks a second: night, a step up to the day, a spike of five minutes, a slope of half an hour down to the night.
[[nodiscard]] inline double load(int t) {
    int const m = t / 60;
    if (m < 30) return night;
    if (m >= 80 && m < 85) return spike;
    if (m < 110) return day;
    if (m < 140) return day - (day - night) * (m - 110) / 30;
    return night;
}

[[nodiscard]] inline double needed(int t) { return load(t) / target; }

/// What nobody can have: it reads the future as far as a worker takes to start.
struct clairvoyant {
    sluice::recommendation recommend(sluice::scaling_sample const&, sluice::time_point now) const {
        auto const t    = static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
        double     most = 0;
        for (int ahead = 0; ahead <= start_delay + 2 * period; ++ahead) most = std::max(most, needed(t + ahead));
        return {most, "clairvoyant", {}};
    }
};

struct constant {
    double                 n;
    sluice::recommendation recommend(sluice::scaling_sample const&, sluice::time_point) const { return {n, "constant", {}}; }
};

/// A task takes one second of a worker, a worker a minute to start; a decision every 15 s.
template <class Rule>
[[nodiscard]] response run(std::string name, Rule rule, std::uint32_t at_first) {
    sluice::autoscaler      policy(std::move(rule), {.period = std::chrono::seconds(period), .rates = {}});
    sluice::sim::fluid_pool pool({.workers = at_first, .start_delay = std::chrono::seconds(start_delay)});
    response                r{.name = std::move(name), .ready = {}, .waiting = {}};
    double                  late = 0;
    for (int t = 0; t < seconds; ++t) {
        if (t % period == 0) (void)sluice::autoscale_step(policy, pool, pool.now());
        if (t % sample_every == 0) r.ready.push_back(pool.ready()), r.waiting.push_back(pool.backlog());
        pool.flow(load(t), std::chrono::seconds(1));
        r.most_waiting = std::max(r.most_waiting, pool.backlog());
        if (pool.wait() > std::chrono::seconds(5)) late += load(t);
    }
    r.worker_hours = pool.worker_hours();
    r.late = late / pool.arrived();
    return r;
}

[[nodiscard]] inline std::vector<response> all() {
    auto const at_night = static_cast<std::uint32_t>(night / target) + 1;
    auto const for_peak = static_cast<std::uint32_t>(spike / target) + 1;
    std::vector<response> r;
    r.push_back(run("ideal: knows the future", clairvoyant{}, at_night));
    r.push_back(run("reactive: utilisation", sluice::target_tracking({.target = target}), at_night));
    r.push_back(run("over-provisioned", constant{spike / target}, for_peak));
    r.push_back(run("ours: feed-forward", sluice::feed_forward({.target = target, .start_delay = std::chrono::seconds(start_delay),
                                                                .period = std::chrono::seconds(period)}), at_night));
    return r;
}

}  // namespace bench::autoscaling
