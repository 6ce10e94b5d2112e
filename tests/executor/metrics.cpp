// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/metrics.hpp>
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"

#include <atomic>
#include <chrono>
#include <cmath>
#include <initializer_list>
#include <string>

using sluice::pool_metrics;
using sluice::grade;
using namespace std::chrono_literals;

namespace {

pool_metrics with_busy(std::initializer_list<int> ms, std::chrono::milliseconds elapsed = 100ms) {
    pool_metrics m;
    for (int x : ms) m.workers.push_back({.tasks = 1, .busy = std::chrono::milliseconds(x)});
    m.elapsed = elapsed;
    return m;
}
pool_metrics with_depths(std::initializer_list<double> depths) {
    pool_metrics m;
    for (double d : depths) m.workers.push_back({.mean_depth = d});
    return m;
}
pool_metrics with_searching(int busy, int searching) {
    pool_metrics m;
    m.workers.push_back({.busy = std::chrono::milliseconds(busy), .searching = std::chrono::milliseconds(searching), .parked = 1h});
    return m;
}

}  // namespace

TEST_CASE("pool_metrics: the measures and their grades", "[executor][metrics][unit]") {
    auto const is = [](sluice::measure m, double value, grade g) { return m.value == Approx(value) && m.grade == g; };
    CHECK(is(with_busy({10, 10, 10, 10}).utilisation_variation(), 0, grade::good));
    CHECK(is(with_busy({12, 8}).utilisation_variation(), 0.2, grade::fair));
    CHECK(is(with_busy({20, 0}).utilisation_variation(), 1, grade::bad));
    CHECK(is(with_busy({40, 0, 0, 0}).utilisation_variation(), std::sqrt(3.0), grade::bad));
    CHECK(is(with_searching(96, 4).coordination_overhead(), 0.04, grade::good));
    CHECK(is(with_searching(90, 10).coordination_overhead(), 0.1, grade::fair));
    CHECK(is(with_searching(75, 25).coordination_overhead(), 0.25, grade::bad));
    CHECK(is(with_searching(0, 25).coordination_overhead(), 1, grade::bad));
    CHECK(is(with_depths({1, 1, 1}).queue_depth_ratio(), 1, grade::good));
    CHECK(is(with_depths({3, 1, 0.5, 0.5}).queue_depth_ratio(), 2.4, grade::fair));
    CHECK(is(with_depths({11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}).queue_depth_ratio(), 11, grade::bad));
    CHECK(is(with_busy({90, 90}).speedup_ratio(), 0.9, grade::good));
    CHECK(is(with_busy({90, 30}).speedup_ratio(), 0.6, grade::fair));
    CHECK(is(with_busy({90, 0}).speedup_ratio(), 0.45, grade::bad));
    auto resized = with_busy({90, 0});
    resized.workers[1].absent = 80ms;  // was there for a fifth of the time, and is paid for that
    CHECK(is(resized.speedup_ratio(), 0.75, grade::fair));
    CHECK(std::string(to_string(grade::good)) + to_string(grade::fair) + to_string(grade::bad) == "goodfairbad");
}

TEST_CASE("pool_metrics: without data every measure is a number, and good", "[executor][metrics][unit]") {
    pool_metrics none;
    pool_metrics idle = with_busy({0, 0, 0}, 0ms);
    for (auto const* m : {&none, &idle})
        for (auto const x : {m->utilisation_variation(), m->coordination_overhead(), m->queue_depth_ratio(), m->speedup_ratio()}) {
            CHECK(std::isfinite(x.value));
            CHECK(x.grade == grade::good);
        }
    CHECK(none.tasks() == 0);
    CHECK(none.steals() == 0);
    sluice::thread_pool pool(3);
    auto const fresh = pool.metrics();
    CHECK(fresh.workers.size() == 3);
    CHECK(fresh.tasks() == 0);
    CHECK(std::isfinite(fresh.speedup_ratio().value));
}

TEST_CASE("pool_metrics: counts agree with what was run", "[executor][metrics][unit]") {
    sluice::thread_pool pool({.workers = 2, .metrics = true, .on_error = [](std::exception_ptr) {}});
    CHECK(pool.metrics().tasks() == 0);
    for (int i = 0; i < 100; ++i) pool.post([] {});
    for (int i = 0; i < 10; ++i) pool.post([] { throw 1; });
    for (int i = 0; i < 20; ++i) (void)pool.submit([] { throw 1; });
    pool.post_bulk(1000, [](std::size_t) {});
    pool.wait_idle();
    auto m = pool.metrics();
    CHECK(m.tasks() == 1130);
    CHECK(m.errors_handled == 10);
    CHECK(m.errors_dropped == 20);
    CHECK(m.tasks_discarded == 0);
    sluice::task_group group(pool);
    for (int i = 0; i < 50; ++i) group.run([] {});
    group.wait();
    pool.wait_idle();
    m = pool.metrics();
    CHECK(m.tasks() == 1180);
    std::uint64_t sum = 0;
    for (auto const& w : m.workers) {
        sum += w.tasks;
        CHECK(w.depth == 0);
        CHECK(w.busy >= 0ns);
        CHECK(w.searching >= 0ns);
        CHECK(w.parked >= 0ns);
        CHECK(w.mean_depth >= 0);
    }
    CHECK(sum == m.tasks());
}

TEST_CASE("pool_metrics: times add up to the time that has passed", "[executor][metrics][unit]") {
    sluice::thread_pool pool({.workers = 2, .metrics = true});
    std::atomic<bool> stop{false};
    pool.post([&] {
        while (!stop.load()) std::this_thread::yield();
    });
    // Read all the while, from the moment it is made.
    auto const end = std::chrono::steady_clock::now() + 30ms;
    bool good = true;
    while (std::chrono::steady_clock::now() < end) {
        auto const m = pool.metrics();
        auto const elapsed = pool.metrics().elapsed;  // later than all that m has seen, however long the reading took
        for (auto const& w : m.workers)
            if (w.busy + w.searching + w.parked > elapsed + 1ms) good = false;
    }
    CHECK(good);
    CHECK(test::eventually([&] {
        auto const m = pool.metrics();
        return m.workers[0].busy + m.workers[1].busy > 20ms;  // the open interval counts, too
    }));
    stop.store(true);
    pool.wait_idle();
    sluice::thread_pool off(1);
    off.submit([] {}).get();
    off.wait_idle();
    auto const m = off.metrics();
    CHECK(m.workers[0].busy + m.workers[0].searching + m.workers[0].parked == 0ns);
    CHECK(m.workers[0].mean_depth == 0);
    CHECK(m.elapsed > 0ns);
}
