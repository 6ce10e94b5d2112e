// SPDX-License-Identifier: BSL-1.0
// 790 — a billion requests a day, from 10 workers at midnight to 10 000 in a burst at noon: what a rate of 100 workers/min means.
// Build:  c++ -std=c++20 -Iinclude examples/790_billion_a_day.cpp
#include <sluice/scaling/autoscale_step.hpp>
#include <sluice/scaling/autoscaler.hpp>
#include <sluice/scaling/feed_forward.hpp>
#include <sluice/scaling/instances_for.hpp>
#include <sluice/scaling/max_of.hpp>
#include <sluice/scaling/recommender.hpp>
#include <sluice/scaling/scheduled.hpp>
#include <sluice/sim/fluid_pool.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using load = std::vector<double>;  // requests in each second of the day

/// Requests as a fluid; each takes a worker 200 ms, a worker takes a minute to start, a decision is made every 15 s by the
/// production autoscaler. Late: who meets a queue of more than a second. Returns their percentage.
template <class Rule>
static double run(char const* name, Rule rule, sluice::rate_direction up, load const& day, std::uint32_t begin = 10) {
    sluice::autoscaler policy(std::move(rule), {.period = 15s, .rates = {.up = std::move(up)}, .size = {.min = 10, .max = 10'000}});
    sluice::sim::fluid_pool pool({.workers = begin, .service_time = 200ms, .start_delay = 60s});
    std::uint32_t           most = begin;
    double                  late = 0, longest = 0;
    for (std::size_t t = 0; t < day.size(); ++t) {
        if (t % 15 == 0) most = std::max(most, sluice::autoscale_step(policy, pool, pool.now()).desired);
        pool.flow(day[t], 1s);
        longest = std::max(longest, pool.wait().count());
        if (pool.wait() > 1s) late += day[t];
    }
    std::printf("%-36s %6u workers at most  %7.0f worker-hours  late %6.2f %%  longest wait %5.0f s\n", name, most,
                pool.worker_hours(), 100 * late / pool.arrived(), longest);
    return 100 * late / pool.arrived();
}

struct always {
    double n;
    sluice::recommendation recommend(sluice::scaling_sample const&, sluice::time_point) { return {n, "always", {}}; }
};

int main() {
    load   day(86'400);
    double sum = 0, peak = 0, top = 0;  // of all; of the hill without the burst
    for (std::size_t t = 0; t < day.size(); ++t) {  // nobody at midnight; at noon ten minutes of 1.6 times as much
        double const x = static_cast<double>(t) / 86'400, hill = x * x * (1 - x) * (1 - x);
        sum += day[t] = hill * (t >= 43'200 && t < 43'800 ? 1.6 : 1);
        top = std::max(top, hill);
    }
    for (auto& rate : day) peak = std::max(peak, rate *= 1e9 / sum);
    auto const per_mean = sluice::instances_for(1e9 / 86'400 * .2, .7), per_peak = sluice::instances_for(peak * .2, .7);
    std::printf("mean %.0f/s: %u workers at 70 %%; busiest second %.0f/s: %u\n", 1e9 / 86'400, per_mean, peak, per_peak);

    sluice::rate_direction const slow{.rules = {{sluice::rate_kind::count, 100, 60s}}}, free{};
    sluice::rate_direction const both{.rules = {{sluice::rate_kind::count, 100, 60s}, {sluice::rate_kind::percent, 100, 60s}}};
    sluice::feed_forward const   flow({.target = .7, .start_delay = 60s, .period = 15s});
    run("always as many as the mean needs", always{double(per_mean)}, free, day, per_mean);
    run("always as many as the peak needs", always{double(per_peak)}, free, day, per_peak);
    double const late = run("autoscaler, +100 a minute", flow, slow, day);
    run("autoscaler, +100 or +100 % a minute", flow, both, day);
    sluice::fixed_offset_calendar const utc({}, std::chrono::sys_days(std::chrono::year(2024) / 1 / 1));
    auto const noon = [&](sluice::duration lead) {
        sluice::scheduled_options const burst{.entries = {{sluice::cron("0-9 12 * * *"), per_peak}}, .otherwise = 0, .lead = lead};
        return sluice::max_of(flow, sluice::scheduled(burst, utc));
    };
    run("  +100, the burst known 5 min before", noon(5min), slow, day);
    double const forewarned = run("  +100, the burst known 45 min before", noon(45min), slow, day);
    double const mean = 1e9 / 86'400;
    std::printf("Right: 10^9 a day are %.0f a second. Wrong: that this sizes a pool: the day's hill is %.1f times as "
                "high, its burst %.1f.\n"
                "Right: 100 workers a minute follow a day. Wrong: that they follow a burst: from 10 to 10 000 they "
                "take %u minutes, and %.1f %%\n"
                "of all requests are late; who knows of the burst in time has %.1f %%.\n", mean, top * 1e9 / sum / mean, peak / mean,
                (10'000 - 10 + 99) / 100, late, forewarned);
}
// Expected output:
//   mean 11574/s: 3307 workers at 70 %; busiest second 34453/s: 9844
//   always as many as the mean needs       3307 workers at most    79368 worker-hours  late  78.60 %  longest wait  6512 s
//   always as many as the peak needs       9844 workers at most   236256 worker-hours  late   0.00 %  longest wait     0 s
//   autoscaler, +100 a minute              6928 workers at most    77565 worker-hours  late   2.49 %  longest wait    77 s
//   autoscaler, +100 or +100 % a minute   10000 workers at most    79489 worker-hours  late   0.32 %  longest wait    14 s
//     +100, the burst known 5 min before   7228 workers at most    77667 worker-hours  late   2.17 %  longest wait    29 s
//     +100, the burst known 45 min before   9028 workers at most    79661 worker-hours  late   0.00 %  longest wait     0 s
//   Right: 10^9 a day are 11574 a second. Wrong: that this sizes a pool: the day's hill is 1.9 times as high, its burst 3.0.
//   Right: 100 workers a minute follow a day. Wrong: that they follow a burst: from 10 to 10 000 they take 100 minutes, and 2.5 %
//   of all requests are late; who knows of the burst in time has 0.0 %.
