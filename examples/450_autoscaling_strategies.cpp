// SPDX-License-Identifier: BSL-1.0
// 450 — who looks at what: strategies compared on a week of office hours, or on a recorded trace.
// Build:  c++ -std=c++20 -Iinclude examples/450_autoscaling_strategies.cpp
// Run:    450_autoscaling_strategies [trace.csv]     (a heading, then lines of minute,requests)
#include <sluice/scaling/autoscale_step.hpp>
#include <sluice/scaling/autoscaler.hpp>
#include <sluice/scaling/harmonic_regression.hpp>
#include <sluice/scaling/holt_winters.hpp>
#include <sluice/scaling/learned.hpp>
#include <sluice/scaling/max_of.hpp>
#include <sluice/scaling/predictive.hpp>
#include <sluice/scaling/scheduled.hpp>
#include <sluice/scaling/target_tracking.hpp>
#include <sluice/sim/fluid_pool.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

static std::vector<std::string> picture(14, std::string(52, ' '));  // of the second day, from 8:58 on; a column is ten workers
static std::size_t const        picture_from = (24 + 9) * 60 - 2;

/// A task takes a second, a worker a minute to start; a decision every 15 s. Late: who meets more than 5 s of queue.
template <class Rule>
static void run(char const* name, Rule rule, std::vector<double> const& per_minute, char mark = 0) {
    sluice::autoscaler      policy(std::move(rule), {.period = 15s, .rates = {}});
    sluice::sim::fluid_pool pool({.workers = 50, .service_time = 1s, .start_delay = 60s});
    double                  late = 0;
    for (std::size_t t = 0; t < per_minute.size() * 60; ++t) {
        double const rate = per_minute[t / 60] / 60;
        if (t % 15 == 0) sluice::autoscale_step(policy, pool, pool.now());
        if (mark != 0 && t % 60 == 0 && t / 60 - picture_from < picture.size())
            picture[t / 60 - picture_from][std::min(pool.ready() / 10, 51u)] = mark;
        pool.flow(rate, 1s);
        if (pool.wait() > 5s) late += rate;
    }
    std::printf("%-34s %8.2f %% %12.0f\n", name, 100 * late / pool.arrived(), pool.worker_hours());
}

struct always {
    double n;
    sluice::recommendation recommend(sluice::scaling_sample const&, sluice::time_point) { return {n, "always", {}}; }
};

int main(int argc, char** argv) {
    std::vector<double> load;
    if (std::FILE* file = argc > 1 ? std::fopen(argv[1], "r") : nullptr) {
        double minute = 0, requests = 0;
        for (std::fscanf(file, "%*[^\n]"); std::fscanf(file, "%lf,%lf", &minute, &requests) == 2;) load.push_back(requests);
        std::fclose(file);
    } else {  // a week: 20/s at night, 100/s from nine to five
        for (int m = 0; m < 7 * 1440; ++m) load.push_back(60 * (m % 1440 >= 9 * 60 && m % 1440 < 17 * 60 ? 100 : 20));
    }
    if (load.empty()) return 1;
    double most = 0;
    for (double const x : load) most = std::max(most, x / 60);

    sluice::feed_forward const    flow({.start_delay = 60s, .period = 15s});
    sluice::predictive_options const ahead{.step = 15min, .start_delay = 60s, .period = 15s};
    sluice::fixed_offset_calendar const utc({}, std::chrono::sys_days(std::chrono::year(2024) / 1 / 1));
    std::printf("%-34s %10s %12s\n", "", "late", "worker-hours");
    run("as many as the peak needs", always{most / .7}, load, '#');
    run("target tracking of utilisation", sluice::target_tracking({}), load, 'o');
    run("feed-forward and drain", flow, load, '*');
    sluice::holt_winters const day({.trend = false, .season = sluice::seasonality::additive, .season_length = 96});
    run("  and Holt-Winters", sluice::max_of(flow, sluice::predictive(day, ahead)), load);
    sluice::harmonic_regression const waves({.period = 96, .harmonics = 8});
    run("  and harmonics", sluice::max_of(flow, sluice::predictive(waves, ahead)), load);
    run("  and a learned line", sluice::max_of(flow, sluice::learned({})), load);
    if (argc > 1) return 0;  // of a trace nobody knows the hours
    auto const hours = sluice::scheduled({.entries = {{sluice::cron("* 9-16 * * *"), 143}}, .otherwise = 0, .lead = 75s}, utc);
    run("  and the office hours", sluice::max_of(flow, hours), load);
    std::printf("\nready at nine: needed |, feed-forward *, target tracking o, for the peak #\n");
    for (std::size_t m = 0; m < picture.size(); ++m) {
        auto& line = picture[m];
        auto& need = line[static_cast<std::size_t>(load[picture_from + m] / 60 / .7 / 10)];
        if (need == ' ') need = '|';
        std::printf("%2d:%02zu %s\n", m < 2 ? 8 : 9, (58 + m) % 60, line.substr(0, line.find_last_not_of(' ') + 1).c_str());
    }
}
// Expected output:
//                                            late worker-hours
//   as many as the peak needs              0.00 %        24024
//   target tracking of utilisation         1.18 %        11890
//   feed-forward and drain                 0.20 %        11349
//     and Holt-Winters                     0.09 %        11299
//     and harmonics                        0.12 %        12791
//     and a learned line                   0.20 %        11356
//     and the office hours                 0.00 %        11286
//
//   ready at nine: needed |, feed-forward *, target tracking o, for the peak #
//    8:58   *           #
//    8:59   *           #
//    9:00   *           #
//    9:01   *           #
//    9:02     o         #                                  *
//    9:03       o       *
//    9:04        o      *
//    9:05            o  *
//    9:06               *
//    9:07               *    o
//    9:08               *          o
//    9:09               *     o
//    9:10               *o
//    9:11               *o
