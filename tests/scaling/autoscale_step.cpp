// SPDX-License-Identifier: BSL-1.0
// The loop around a pool: pool_sampler, resizable_executor, autoscale_step, autoscaler_driver.
#include <sluice/scaling/autoscale_step.hpp>

#include <sluice/scaling/autoscaler.hpp>
#include <sluice/scaling/autoscaler_driver.hpp>
#include <sluice/scaling/pool_sampler.hpp>
#include <sluice/scaling/resizable_executor.hpp>
#include <sluice/scaling/scaling_rules.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::autoscale_step;
using sluice::autoscaler;
using sluice::duration;
using sluice::feed_forward;
using sluice::pool_counters;
using sluice::pool_sampler;
using sluice::scaling_sample;
using sluice::time_point;

namespace {

/// Whatever a test wants it to say; the size follows a request at once, or not at all.
class fake_pool {
public:
    pool_counters              counters{.provisioned = 4, .ready = 4};
    std::vector<std::uint32_t> requests;
    bool                       follows = true;

    void request_size(std::uint32_t n) {
        requests.push_back(n);
        if (follows) counters.provisioned = counters.ready = n;
    }
    std::uint32_t provisioned() const { return counters.provisioned; }
    std::uint32_t ready() const { return counters.ready; }
    std::size_t   busy() const { return counters.busy; }
    std::uint64_t queued() const { return counters.queued; }
    std::uint64_t submitted() const { return counters.submitted; }
    std::uint64_t completed() const { return counters.completed; }
    std::uint64_t busy_nanoseconds() const { return counters.busy_nanoseconds; }
};

struct shrinks_only {
    void request_size(std::uint32_t);
};

/// The same for a thread to drive.
struct shared_pool {
    std::atomic<std::uint32_t> size{3}, requests{0};
    std::atomic<std::uint64_t> work{0};
    std::atomic<bool>          broken{false};

    void request_size(std::uint32_t n) {
        size = n;
        ++requests;
    }
    std::uint32_t provisioned() const {
        if (broken) throw std::runtime_error("gone");
        return size;
    }
    std::uint32_t ready() const { return size; }
    std::uint32_t busy() const { return 0; }
    std::uint64_t queued() const { return 0; }
    std::uint64_t submitted() const { return work; }
    std::uint64_t completed() const { return work; }
    std::uint64_t busy_nanoseconds() const { return work * 100'000'000; }
};

}  // namespace

TEST_CASE("pool_sampler: what happened between two looks", "[scaling][pool_sampler][unit]") {
    pool_sampler sampler;
    auto const   first = sampler.sample({.provisioned = 5, .ready = 4, .busy = 3, .queued = 2, .submitted = 1000}, time_point(10s));
    REQUIRE(first == scaling_sample{.provisioned = 5, .ready = 4, .busy = 3, .queued = 2});
    pool_counters const c{.provisioned = 5, .ready = 4, .busy = 4, .queued = 10, .submitted = 1050, .completed = 40,
                          .busy_nanoseconds = 4'000'000'000};
    auto const          second = sampler.sample(c, time_point(12s));
    REQUIRE(second.interval == 2s);
    REQUIRE(second.arrivals_per_second == 25);
    REQUIRE(second.in_flight == 9.5);
    REQUIRE(second.utilisation == .5);
    REQUIRE(second.service_time == 100ms);
    REQUIRE(second.queued == 10);
    // Nothing came, nothing ended, all slept: zeros, but no service time.
    auto const third = sampler.sample(c, time_point(13s));
    REQUIRE(third.arrivals_per_second == 0);
    REQUIRE(third.utilisation == 0);
    REQUIRE_FALSE(third.service_time);
}

TEST_CASE("pool_sampler: a counter that goes backwards is no data", "[scaling][pool_sampler][unit]") {
    pool_counters const high{.provisioned = 2, .ready = 2, .submitted = 100, .completed = 90, .busy_nanoseconds = 9'000'000'000};
    auto const          after = [&](pool_counters c) {
        pool_sampler sampler;
        (void)sampler.sample(high, time_point(0s));
        return sampler.sample(c, time_point(1s));
    };
    auto c = high;
    c.submitted = 99;
    REQUIRE_FALSE(after(c).arrivals_per_second);
    REQUIRE(after(c).utilisation == 0);
    c = high;
    c.completed = 5;
    c.busy_nanoseconds += 1'000'000'000;
    REQUIRE_FALSE(after(c).service_time);
    REQUIRE(after(c).utilisation == .5);
    REQUIRE(after(c).arrivals_per_second == 0);
    c = high;
    c.busy_nanoseconds = 1;
    c.completed += 10;
    REQUIRE_FALSE(after(c).service_time);
    REQUIRE_FALSE(after(c).utilisation);
    // The next interval begins where they went to.
    pool_sampler sampler;
    (void)sampler.sample(high, time_point(0s));
    (void)sampler.sample({.provisioned = 2, .ready = 2, .submitted = 3}, time_point(1s));
    REQUIRE(sampler.sample({.provisioned = 2, .ready = 2, .submitted = 8}, time_point(2s)).arrivals_per_second == 5);
}

TEST_CASE("pool_sampler: time that stands or goes back", "[scaling][pool_sampler][unit]") {
    pool_sampler sampler;
    (void)sampler.sample({.ready = 1}, time_point(10s));
    auto const same = sampler.sample({.ready = 1, .submitted = 5}, time_point(10s));
    REQUIRE_FALSE(same.arrivals_per_second);
    REQUIRE_FALSE(same.interval);
    REQUIRE(sampler.sample({.ready = 1, .submitted = 10}, time_point(11s)).arrivals_per_second == 10);  // the interval went on
    REQUIRE_FALSE(sampler.sample({.ready = 1, .submitted = 20}, time_point(5s)).arrivals_per_second);
    REQUIRE(sampler.sample({.ready = 1, .submitted = 27}, time_point(6s)).arrivals_per_second == 7);
    // Nobody ready: no share of nobody's time. More work than time: all of it.
    pool_sampler other;
    (void)other.sample({}, time_point(0s));
    REQUIRE_FALSE(other.sample({.busy_nanoseconds = 5}, time_point(1s)).utilisation);
    REQUIRE(other.sample({.ready = 2, .busy_nanoseconds = 5'000'000'000}, time_point(2s)).utilisation == 1);
    REQUIRE(other.sample({.ready = 2, .completed = 1, .busy_nanoseconds = UINT64_MAX}, time_point(3s)).service_time.value() > 100h);
}

TEST_CASE("resizable_executor: who is one", "[scaling][resizable_executor][unit]") {
    STATIC_REQUIRE(sluice::resizable_executor<fake_pool>);
    STATIC_REQUIRE(sluice::resizable_executor<shared_pool>);
    STATIC_REQUIRE_FALSE(sluice::resizable_executor<shrinks_only>);
    STATIC_REQUIRE_FALSE(sluice::resizable_executor<int>);
    STATIC_REQUIRE(sluice::scaling_policy<autoscaler<>>);
    STATIC_REQUIRE_FALSE(sluice::scaling_policy<feed_forward>);
    fake_pool pool;
    pool.counters = {1, 2, 3, 4, 5, 6, 7};
    auto const c = sluice::counters_of(pool);
    REQUIRE((c.provisioned == 1 && c.ready == 2 && c.busy == 3 && c.queued == 4 && c.submitted == 5 && c.completed == 6 &&
             c.busy_nanoseconds == 7));
}

TEST_CASE("autoscale_step: looks, decides, asks", "[scaling][autoscale_step][unit]") {
    fake_pool  pool;
    autoscaler policy(feed_forward({.service_time = 100ms}), {.size = {.max = 100}});
    auto const d = autoscale_step(policy, pool, time_point(0s));  // nothing known yet but who is idle: fewer in a minute
    REQUIRE(d.desired == 4);
    pool.counters.submitted = 70;  // 7 erlangs are 10 workers, and 4 may be 8 in a second
    REQUIRE(autoscale_step(policy, pool, time_point(1s)).desired == 8);
    pool.counters.submitted = 140;
    REQUIRE(autoscale_step(policy, pool, time_point(2s)).desired == 10);
    REQUIRE(pool.requests == std::vector<std::uint32_t>{4, 8, 10});
    // The pool does not follow: what it has is what counts, and it is asked again.
    pool.follows = false;
    pool.counters.submitted = 340;
    REQUIRE(autoscale_step(policy, pool, time_point(3s)).desired == 20);
    pool.counters.submitted = 540;
    auto const again = autoscale_step(policy, pool, time_point(4s));
    REQUIRE(again.desired == 20);
    REQUIRE(policy.recent().current == 10);
}

TEST_CASE("autoscale_step: what the pool does not know can be added", "[scaling][autoscale_step][unit]") {
    fake_pool  pool;
    autoscaler policy(sluice::scaling_rules{{.metric = sluice::scaling_metric::latency_p99, .value = .2, .add = 3}});
    REQUIRE(autoscale_step(policy, pool, time_point(0s)).desired == 4);
    REQUIRE(autoscale_step(policy, pool, time_point(1s), [](scaling_sample& s) { s.latency_p99 = 300ms; }).desired == 7);
}

TEST_CASE("autoscale_step: a pool at work", "[scaling][autoscale_step][unit]") {
    // 10 tasks of 100 ms each second and worker; the loads change every five minutes.
    fake_pool     pool;
    autoscaler    policy(feed_forward({}), {.size = {.min = 1, .max = 500}});
    double        queue = 0;
    std::uint64_t largest = 0;
    auto const    near = [](std::uint32_t n, std::uint32_t is) { return is >= n && is <= n * 1.11; };  // the dead band
    for (int t = 0; t < 1200; ++t) {
        int const rate = t < 300 ? 20 : t < 600 ? 400 : t < 900 ? 60 : 0;
        auto&     c = pool.counters;
        c.submitted += static_cast<std::uint64_t>(rate);
        double const done = std::min(queue + rate, c.ready * 10.);
        queue += rate - done;
        c.queued = static_cast<std::uint64_t>(queue);
        c.busy = static_cast<std::uint32_t>(done / 10);
        c.completed += static_cast<std::uint64_t>(done);
        c.busy_nanoseconds += static_cast<std::uint64_t>(done) * 100'000'000;
        largest = std::max(largest, c.queued);
        (void)autoscale_step(policy, pool, time_point(t * 1s));
        if (t == 299) REQUIRE(near(3, pool.counters.provisioned));
        if (t == 599) REQUIRE(near(58, pool.counters.provisioned));
        if (t == 899) REQUIRE(near(9, pool.counters.provisioned));
    }
    REQUIRE(pool.counters.provisioned == 1);
    REQUIRE(largest < 400 * 6);  // six seconds until it has doubled often enough
}

TEST_CASE("autoscaler_driver: steps when they are due", "[scaling][autoscaler_driver][unit]") {
    shared_pool          pool;
    autoscaler           policy(feed_forward({.service_time = 100ms}));
    sluice::manual_clock clock;
    {
        sluice::autoscaler_driver driver(policy, pool, clock);  // its sleeper moves the clock on
        REQUIRE(test::eventually([&] { return driver.steps() >= 100; }));
        REQUIRE(driver.failures() == 0);
    }
    REQUIRE(pool.requests >= 100);
    REQUIRE(pool.size == 1);  // the minute has passed
    REQUIRE(clock.now() >= time_point(99s));
    auto const last = policy.recent();
    REQUIRE(last.at - policy.recent(1).at <= 1s);
}

TEST_CASE("autoscaler_driver: a step that throws is counted, and the next one comes", "[scaling][autoscaler_driver][unit]") {
    shared_pool pool;
    pool.broken = true;
    autoscaler                policy(feed_forward({}));
    sluice::manual_clock      clock;
    sluice::autoscaler_driver driver(policy, pool, clock);
    REQUIRE(test::eventually([&] { return driver.failures() >= 3; }));
    REQUIRE(pool.requests == 0);
    pool.broken = false;
    REQUIRE(test::eventually([&] { return pool.requests >= 3; }));

    // At the end of the time line there is no second later.
    shared_pool last_pool;
    last_pool.broken = true;
    autoscaler                 last_policy(feed_forward({}));
    sluice::manual_clock const end(time_point::max());
    sluice::autoscaler_driver  last(last_policy, last_pool, end);
    REQUIRE(test::eventually([&] { return last.failures() >= 1; }));
}

TEST_CASE("autoscaler_driver: it ends at once, out of its sleep", "[scaling][autoscaler_driver][unit]") {
    shared_pool pool;
    autoscaler  policy(feed_forward({}), {.period = 1h});
    auto const  begin = std::chrono::steady_clock::now();
    {
        sluice::autoscaler_driver driver(policy, pool);
        REQUIRE(test::eventually([&] { return driver.steps() == 1; }));
    }
    REQUIRE(std::chrono::steady_clock::now() - begin < 30min);
    REQUIRE(pool.requests == 1);
}
