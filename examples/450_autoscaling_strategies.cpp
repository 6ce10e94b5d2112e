// SPDX-License-Identifier: BSL-1.0
// 450 — who looks at what: strategies compared on a week of office hours, or on a recorded trace.
// Build:  c++ -std=c++20 -Iinclude examples/450_autoscaling_strategies.cpp
// Run:    450_autoscaling_strategies [trace.csv]     (a heading, then lines of minute,requests)
#include <sluice/scaling/autoscaler.hpp>
#include <sluice/scaling/harmonic_regression.hpp>
#include <sluice/scaling/holt_winters.hpp>
#include <sluice/scaling/learned.hpp>
#include <sluice/scaling/max_of.hpp>
#include <sluice/scaling/predictive.hpp>
#include <sluice/scaling/scheduled.hpp>
#include <sluice/scaling/target_tracking.hpp>
#include <algorithm>
#include <cstdio>
#include <deque>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

static std::vector<std::string> picture(14, std::string(52, ' '));  // of the second day, from 8:58 on; a column is ten workers
static std::size_t const        picture_from = (24 + 9) * 60 - 2;

/// A task takes a second, a worker a minute to start; a decision every 15 s. Late: who meets more than 5 s of queue.
template <class Rule>
static void run(char const* name, Rule rule, std::vector<double> const& per_minute, char mark = 0) {
    sluice::autoscaler policy(std::move(rule), {.period = 15s, .rates = {}});
    std::deque<std::pair<std::size_t, std::uint32_t>> starting;
    std::uint32_t n = 50, ready = 50;
    double queue = 0, came = 0, arrived = 0, late = 0, worked = 0, paid = 0;
    for (std::size_t t = 0; t < per_minute.size() * 60; ++t) {
        double const rate = per_minute[t / 60] / 60;
        for (; !starting.empty() && starting.front().first <= t; starting.pop_front()) ready += starting.front().second;
        double const done = std::min<double>(ready, queue + rate);
        queue += rate - done;
        came += rate, arrived += rate, worked += done, paid += n;
        if (queue > 5. * ready) late += rate;
        if (mark != 0 && t % 60 == 0 && t / 60 - picture_from < picture.size())
            picture[t / 60 - picture_from][std::min(ready / 10, 51u)] = mark;
        if (t % 15 != 14) continue;
        auto const wanted = policy.decide({.provisioned = n, .ready = ready, .queued = static_cast<std::uint64_t>(queue),
                                           .arrivals_per_second = came / 15, .utilisation = std::min(1., worked / 15 / ready),
                                           .service_time = 1s, .interval = 15s},
                                          sluice::time_point(t * 1s)).desired;
        if (wanted > n) starting.emplace_back(t + 60, wanted - n);
        for (; n > wanted; --n) {  // the youngest first
            if (starting.empty()) --ready;
            else if (--starting.back().second == 0) starting.pop_back();
        }
        n = wanted;
        came = worked = 0;
    }
    std::printf("%-34s %8.2f %% %12.0f\n", name, 100 * late / arrived, paid / 3600);
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
//   target tracking of utilisation         1.19 %        11287
//   feed-forward and drain                 0.19 %        11349
//     and Holt-Winters                     0.09 %        11300
//     and harmonics                        0.11 %        12791
//     and a learned line                   0.19 %        11355
//     and the office hours                 0.00 %        11283
//
//   ready at nine: needed |, feed-forward *, target tracking o, for the peak #
//    8:58   *           #
//    8:59   *           #
//    9:00   *           #
//    9:01   *           #
//    9:02     o         #                                  *
//    9:03       o       *
//    9:04         o     *
//    9:05             o *
//    9:06             o *
//    9:07               *  o
//    9:08               *          o
//    9:09               *                     o
//    9:10               *
//    9:11               *
