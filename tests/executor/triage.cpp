// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/triage.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstddef>
#include <string>

using namespace std::chrono_literals;

namespace {

/// So many workers that were busy for so many of 100 seconds, and slept for the rest, with so many tasks in each queue.
sluice::pool_metrics pool(std::size_t workers, std::chrono::nanoseconds busy, double waiting) {
    sluice::pool_metrics m;
    m.elapsed = 100s;
    m.workers.resize(workers);
    for (auto& w : m.workers) w.busy = busy, w.parked = 100s - busy, w.mean_depth = waiting;
    return m;
}

bool too_few(sluice::pool_metrics const& m) { return sluice::triage(m).has(sluice::finding::too_few_workers); }

}  // namespace

TEST_CASE("triage: too few workers is all busy and much waiting", "[executor][triage][unit]") {
    struct row {
        std::size_t              workers;
        std::chrono::nanoseconds busy;
        double                   waiting;
        bool                     found;
    };
    for (auto const& [workers, busy, waiting, found] : {
             row{4, 100s, 50, true},
             row{1, 100s, 11, true},
             row{16, 96s, 10.5, true},
             row{4, 94s, 50, false},   // they had time to sleep
             row{4, 100s, 10, false},  // busy, but nothing to speak of waits: the right size
             row{4, 100s, 0, false},
             row{4, 60s, 50, false},   // a queue from a burst
             row{4, 0s, 50, false},    // nothing was timed
             row{0, 0s, 0, false},
         }) {
        CAPTURE(workers, busy.count(), waiting);
        auto const m = pool(workers, busy, waiting);
        CHECK(too_few(m) == found);
        if (found) CHECK(sluice::triage(m).findings.size() == 1);
    }
}

TEST_CASE("triage: workers that search, or one that sleeps, are not too few", "[executor][triage][unit]") {
    auto m = pool(4, 100s, 50);
    for (auto& w : m.workers) w.searching = 150s;  // of the time awake more than half
    CHECK_FALSE(too_few(m));
    CHECK(sluice::triage(m).has(sluice::finding::coordination_bottleneck));

    m = pool(4, 100s, 50);
    m.workers[3].busy = 60s;  // 90 % in all
    CHECK_FALSE(too_few(m));
}

TEST_CASE("triage: too few workers without mean depths, with absent workers, and beside a hot partition",
          "[executor][triage][unit]") {
    auto m = pool(4, 100s, 0);
    for (auto& w : m.workers) w.depth = 20;
    CHECK(too_few(m));

    m = pool(4, 100s, 50);
    m.workers[3] = {};
    m.workers[3].absent = 100s;  // a place that no thread had
    CHECK(sluice::triage(m).waiting == 37.5);
    CHECK(too_few(m));

    m = pool(16, 100s, 1);
    m.workers[5].mean_depth = 400;
    auto const r = sluice::triage(m);
    REQUIRE(r.findings.size() == 2);  // moving keys helps, and is not enough: all are busy
    CHECK(r.findings[0] == sluice::finding::hot_partition);
    CHECK(r.findings[1] == sluice::finding::too_few_workers);
}

TEST_CASE("triage: the text says how much waits", "[executor][triage][unit]") {
    CHECK(sluice::triage_text(pool(2, 100s, 12.5)).find("too few workers: all are busy, and 12.50 tasks wait for each\n") !=
          std::string::npos);
    CHECK(sluice::triage_text(pool(2, 100s, 0)).find("nothing found\n") != std::string::npos);
}
