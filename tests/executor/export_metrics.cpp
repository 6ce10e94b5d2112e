// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/export_metrics.hpp>
#include <sluice/executor/triage.hpp>

#include "support/catch.hpp"
#include "support/json.hpp"

#include <sluice/executor/thread_pool.hpp>

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sluice::finding;
using sluice::pool_metrics;
using sluice::worker_metrics;

namespace {

struct exposition {
    std::map<std::string, std::string> types;    // of families
    std::map<std::string, double>      samples;  // by name and labels
};

/// Reads the format line by line; throws where a line is not allowed, or a sample comes before its family's TYPE.
exposition read(std::string const& text) {
    exposition         result;
    std::istringstream lines(text);
    std::string        helped;
    if (text.empty() || text.back() != '\n') throw std::runtime_error("the last line does not end");
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string        a, b, c, d;
        if (line.starts_with("# HELP ")) {
            words >> a >> b >> helped;
        } else if (line.starts_with("# TYPE ")) {
            words >> a >> b >> c >> d;
            if (c != helped || (d != "counter" && d != "gauge") || !result.types.emplace(c, d).second) throw std::runtime_error(line);
        } else {
            auto const end = line.rfind(' ');
            auto const name = line.substr(0, end);
            if (!result.types.contains(name.substr(0, name.find('{')))) throw std::runtime_error("no TYPE: " + line);
            if (!result.samples.emplace(name, std::stod(line.substr(end + 1))).second) throw std::runtime_error("twice: " + line);
        }
    }
    return result;
}

pool_metrics two_workers() {
    pool_metrics m;
    m.elapsed = 10s;
    m.errors_dropped = 3;
    m.workers.push_back({.tasks = 100, .steals = 4, .steals_lost = 2, .steals_empty = 9, .depth = 1, .mean_depth = 0.5, .busy = 9s + 1ns,
                         .searching = 500ms, .parked = 500ms});
    m.workers.push_back({.tasks = 20, .busy = 9s, .searching = 250ms, .absent = 2s});
    return m;
}

}  // namespace

TEST_CASE("export_metrics: Prometheus text, sample by sample", "[executor][export_metrics][unit]") {
    auto const e = read(to_prometheus(two_workers()));
    CHECK(e.types.at("sluice_pool_tasks_total") == "counter");
    CHECK(e.types.at("sluice_pool_queue_depth") == "gauge");
    CHECK(e.samples.at("sluice_pool_tasks_total{worker=\"0\"}") == 100);
    CHECK(e.samples.at("sluice_pool_tasks_total{worker=\"1\"}") == 20);
    CHECK(e.samples.at("sluice_pool_steals_empty_total{worker=\"0\"}") == 9);
    CHECK(e.samples.at("sluice_pool_absent_seconds_total{worker=\"1\"}") == 2);
    CHECK(e.samples.at("sluice_pool_errors_dropped_total") == 3);
    CHECK(e.samples.at("sluice_pool_elapsed_seconds_total") == 10);
    CHECK(e.samples.at("sluice_pool_coordination_overhead") == two_workers().coordination_overhead().value);
    CHECK(to_prometheus(two_workers()).find("sluice_pool_busy_seconds_total{worker=\"0\"} 9.000000001\n") != std::string::npos);
    for (auto const& [name, type] : e.types) CHECK((name.ends_with("_total")) == (type == "counter"));
    CHECK_NOTHROW(read(to_prometheus(pool_metrics{})));
}

TEST_CASE("export_metrics: labels are escaped, and names that are none refused", "[executor][export_metrics][unit]") {
    sluice::metric_label const labels[] = {{"pool", "a\"b\\c\nd"}, {"zone_1", ""}};
    auto const                 text = to_prometheus(two_workers(), labels);
    CHECK(text.find("sluice_pool_tasks_total{pool=\"a\\\"b\\\\c\\nd\",zone_1=\"\",worker=\"1\"} 20\n") != std::string::npos);
    CHECK(text.find("sluice_pool_errors_dropped_total{pool=\"a\\\"b\\\\c\\nd\",zone_1=\"\"} 3\n") != std::string::npos);
    for (auto const* name : {"", "1a", "a-b", "worker", "a b", "\xC3\xA9"}) {
        sluice::metric_label const bad[] = {{name, "x"}};
        CHECK_THROWS_AS(to_prometheus(two_workers(), bad), std::invalid_argument);
    }
}

TEST_CASE("export_metrics: JSON with grades", "[executor][export_metrics][unit]") {
    auto const j = test::parse_json(to_json(two_workers()));
    CHECK(j["elapsed_seconds"].text == "10.000000000");
    CHECK(j["workers"].items.size() == 2);
    CHECK(j["workers"][0]["busy_seconds"].text == "9.000000001");
    CHECK(j["workers"][0]["mean_depth"].text == "0.5");
    CHECK(j["workers"][1]["tasks"].text == "20");
    CHECK(j["measures"]["utilisation_variation"]["grade"].text == "good");
    CHECK(j["measures"]["speedup_ratio"]["grade"].text == "good");
    CHECK(j["measures"]["coordination_overhead"]["grade"].text == "good");
    CHECK(std::stod(j["measures"]["queue_depth_ratio"]["value"].text) == 2);
    CHECK(j["findings"].items.empty());
    auto bad = two_workers();
    bad.workers[0].mean_depth = std::numeric_limits<double>::infinity();
    CHECK(test::parse_json(to_json(bad))["workers"][0]["mean_depth"].what == test::json::kind::null);
    CHECK_NOTHROW(test::parse_json(to_json(pool_metrics{})));
    CHECK_NOTHROW(to_prometheus(bad));
}

TEST_CASE("export_metrics: counters of a live pool never fall", "[executor][export_metrics][unit]") {
    sluice::thread_pool pool({.workers = 2, .metrics = true});
    exposition          before = read(to_prometheus(pool.metrics()));
    for (int round = 0; round < 5; ++round) {
        pool.post_bulk(50, [](std::size_t) {});
        pool.wait_idle();
        auto const now = read(to_prometheus(pool.metrics()));
        for (auto const& [name, value] : before.samples)
            if (before.types.at(name.substr(0, name.find('{'))) == "counter") CHECK(now.samples.at(name) >= value);
        before = now;
    }
}

TEST_CASE("triage: what the measures point to", "[executor][triage][unit]") {
    auto const pool = [](std::size_t n, worker_metrics w) {
        pool_metrics m;
        m.elapsed = 10s;
        m.workers.assign(n, w);
        return m;
    };
    CHECK(triage(pool(4, {.busy = 9s, .searching = 100ms})).findings.empty());
    CHECK(triage(pool(4, {.busy = 4s, .searching = 6s})).findings == std::vector{finding::coordination_bottleneck});
    CHECK(triage(pool(4, {.busy = 5s, .searching = 5s})).findings.empty());  // 0.5 is not above 0.5
    CHECK(triage(pool(4, {.busy = 1s, .parked = 9s})).findings == std::vector{finding::too_little_work});
    CHECK(triage(pool_metrics{}).findings.empty());
    CHECK(triage(pool(3, {})).findings.empty());

    auto hot = pool(20, {.mean_depth = 1, .busy = 9s});
    hot.workers[7].mean_depth = 19.1;  // of a mean of 1.905
    CHECK(triage(hot).has(finding::hot_partition));
    CHECK(triage(hot).hottest == 7);
    hot.workers[7].mean_depth = 18.9;
    CHECK_FALSE(triage(hot).has(finding::hot_partition));
    auto unmeasured = pool(20, {.busy = 9s});
    unmeasured.workers[3].depth = 5;
    CHECK(triage(unmeasured).has(finding::hot_partition));
    CHECK(triage(unmeasured).hottest == 3);

    auto uneven = pool(4, {.busy = 2s, .parked = 8s});
    uneven.workers[0].busy = 10s;
    CHECK(triage(uneven).findings == std::vector{finding::uneven_work, finding::too_little_work});

    CHECK(triage_text(pool(4, {.busy = 4s, .searching = 6s})) ==
          "utilisation variation  0.00  good\ncoordination overhead  0.60  bad\nqueue depth ratio      1.00  good\n"
          "speed-up ratio         0.40  bad\n"
          "coordination bottleneck: of the time awake the share that went into looking for work is 0.60\n");
    CHECK(triage_text(unmeasured).ends_with("hot partition: worker 3 has 20.00 times the mean depth\n"));
    CHECK(triage_text(pool(4, {.busy = 9s})).ends_with("nothing found\n"));
}
