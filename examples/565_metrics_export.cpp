// SPDX-License-Identifier: BSL-1.0
// 565 — what a pool did, for a monitoring system and for people.
// Build:  c++ -std=c++20 -Iinclude examples/565_metrics_export.cpp -pthread
#include <sluice/executor/export_metrics.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/executor/triage.hpp>
#include <chrono>
#include <cstdio>
#include <string>

int main() {
    using namespace std::chrono_literals;
    // Live: serve this text at /metrics. (What it says differs from run to run; here only how many tasks.)
    sluice::thread_pool pool({.workers = 1, .metrics = true});
    pool.post_bulk(8, [](std::size_t) {});
    pool.wait_idle();
    sluice::metric_label const labels[] = {{"pool", "images"}};
    std::string const          text = sluice::to_prometheus(pool.metrics(), labels);
    auto const                 from = text.find("# HELP sluice_pool_tasks_total"), to = text.find("# HELP sluice_pool_steals_total");
    std::printf("%s\n", text.substr(from, to - from).c_str());

    // A morning's numbers of twelve workers, kept from a slow day: what is wrong?
    sluice::pool_metrics slow;
    slow.elapsed = 60s;
    slow.workers.assign(12, {.tasks = 1000, .mean_depth = 0.1, .busy = 20s, .searching = 25s, .parked = 15s});
    slow.workers[4].mean_depth = 40;
    std::printf("%s", sluice::triage_text(slow).c_str());
}
// Expected output:
//   # HELP sluice_pool_tasks_total Tasks run.
//   # TYPE sluice_pool_tasks_total counter
//   sluice_pool_tasks_total{pool="images",worker="0"} 8
//
//   utilisation variation  0.00  good
//   coordination overhead  0.56  bad
//   queue depth ratio      11.68  bad
//   speed-up ratio         0.33  bad
//   coordination bottleneck: of the time awake the share that went into looking for work is 0.56
//   hot partition: worker 4 has 11.68 times the mean depth
