// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/sized_lanes.hpp>

#include <sluice/executor/manual_executor.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sluice::manual_executor;
using sluice::sized_lanes;
using sluice::sized_lanes_options;
using sluice::thread_pool;
using sluice::time_point;

static_assert(sluice::executor<sized_lanes<manual_executor>>);

namespace {

struct job {
    time_point       arrival{};
    sluice::duration length{};
    sluice::duration wait{};
};

/// Poisson arrivals, 99 % of 1 ms and 1 % of 100 ms, one server busy 80 % of the time; all times `scale` as long.
std::vector<job> jobs(std::size_t n, std::uint64_t seed, int scale) {
    sluice::xoshiro256ss random(seed);
    std::vector<job>     all(n);
    double               t = 0;
    for (auto& j : all) {
        t += -std::log(1 - sluice::uniform_real(random)) * 1.99e6 / 0.8;
        j.arrival = time_point(sluice::duration(static_cast<std::int64_t>(t)));
        j.length = sluice::uniform_below(random, 100) == 0 ? 100ms * scale : 1ms * scale;
    }
    return all;
}

template <class Lanes>
void play(manual_executor& e, Lanes& lanes, std::vector<job>& all) {
    for (auto& j : all) {
        e.run_until(j.arrival);
        lanes.post(j.length, [&e, &j] {
            j.wait = e.now() - j.arrival;
            e.spend(j.length);
        });
    }
    e.run_until_idle();
}

double mean_wait_ms(std::vector<job> const& all, bool small, int scale) {
    double sum = 0, n = 0;
    for (auto const& j : all)
        if ((j.length == 1ms * scale) == small) sum += static_cast<double>(j.wait.count()) / 1e6, ++n;
    return sum / n;
}

}  // namespace

TEST_CASE("sized_lanes: small work does not wait for large work", "[executor][sized_lanes][law]") {
    constexpr std::size_t n = 60'000;
    auto const            seed = test::seed();
    {  // one lane, one server: each waits as Lindley says, and the mean is near M/G/1's
        manual_executor              e;
        sized_lanes<manual_executor> one(e, {.lanes = {{}}});
        auto                         all = jobs(n, seed, 1);
        play(e, one, all);
        sluice::duration w{0};
        for (std::size_t i = 0; i < n; ++i) {
            if (i > 0) w = std::max(sluice::duration{0}, w + all[i - 1].length - (all[i].arrival - all[i - 1].arrival));
            REQUIRE(all[i].wait == w);
        }
        double const lambda = 0.8 / 1.99, second = 0.99 + 100.0;  // E[S²] = .99 · 1 + .01 · 100²
        double const expected = lambda * second / (2 * (1 - 0.8));
        CHECK(std::abs(expected - 101.5) < 0.05);
        // Twelve hundred busy periods or so; over seeds the mean of a run spreads by 20 %.
        CHECK(mean_wait_ms(all, true, 1) > 0.4 * expected);
        CHECK(mean_wait_ms(all, true, 1) < 2.2 * expected);
    }
    for (bool const both : {false, true}) {  // two servers, each half as fast: the same capacity
        manual_executor              e({.workers = 2});
        sized_lanes<manual_executor> lanes(e, {.lanes = {{.up_to = 10ms}, {}}});
        auto                         all = jobs(n, seed, 2);
        if (!both) {  // the small lane by itself: what is large goes elsewhere
            manual_executor              own({.workers = 1});
            sized_lanes<manual_executor> alone(own, {.lanes = {{}}});
            std::vector<job>             small;
            std::copy_if(all.begin(), all.end(), std::back_inserter(small), [](job const& j) { return j.length == 2ms; });
            play(own, alone, small);
            // M/D/1 at .99 · .8 / 1.99 · 2 = .796: 3.9 ms; the mean of a run spreads by a few per cent.
            CHECK(mean_wait_ms(small, true, 2) > 0.7 * 3.9);
            CHECK(mean_wait_ms(small, true, 2) < 1.4 * 3.9);
            continue;
        }
        play(e, lanes, all);
        CHECK(mean_wait_ms(all, true, 2) < 3.9);   // with what it borrows, less than alone
        CHECK(mean_wait_ms(all, true, 2) > 0.1);
        CHECK(lanes.counters(0).borrowed > n / 50);
        CHECK(lanes.counters(1).borrowed == 0);    // would stand in the way of small ones
        sluice::duration longest{0};
        for (auto const& j : all)
            if (j.length == 2ms) longest = std::max(longest, j.wait);
        CHECK(longest < 100ms);                    // a large one lasts 200
    }
}

TEST_CASE("sized_lanes: who may use whose places", "[executor][sized_lanes][unit]") {
    manual_executor              e({.workers = 6});
    sized_lanes<manual_executor> l(e, {.lanes = {{.up_to = 10ms, .reserve = 1}, {.up_to = 1s, .reserve = 2}, {.reserve = 1}},
                                       .concurrency = 6});
    CHECK(l.lanes() == 3);
    CHECK(l.lane_of(-1s) == 0);
    CHECK(l.lane_of(10ms) == 0);
    CHECK(l.lane_of(10'000'001ns) == 1);
    CHECK(l.lane_of(2h) == 2);
    auto const running = [&] { return std::vector{l.counters(0).running, l.counters(1).running, l.counters(2).running}; };
    auto const add = [&](int n, sluice::duration d) {
        for (int i = 0; i < n; ++i) l.post(d, [&e, d] { e.spend(d); });
    };
    add(9, 1h);  // its own, and the two of nobody; not what is kept for smaller ones
    CHECK(running() == std::vector<std::size_t>{0, 0, 3});
    add(9, 500ms);  // its own two; not the small lane's
    CHECK(running() == std::vector<std::size_t>{0, 2, 3});
    add(2, 4ms);
    CHECK(running() == std::vector<std::size_t>{1, 2, 3});
    CHECK(l.counters(2).borrowed == 2);
    CHECK(l.counters(2).waiting == 6);
    e.run_for(6ms);  // one small done, the next at once
    CHECK(running() == std::vector<std::size_t>{1, 2, 3});
    e.run_until_idle();
    CHECK(running() == std::vector<std::size_t>{0, 0, 0});
    CHECK(l.counters(2).accepted == 9);
    CHECK(e.completed() == 20);

    add(20, 4ms);  // small ones borrow everything
    CHECK(running() == std::vector<std::size_t>{6, 0, 0});
    add(1, 1h);
    e.run_for(4ms);  // and give it back first, though more of them wait
    CHECK(running() == std::vector<std::size_t>{5, 0, 1});
    e.run_until_idle();
    l.post([] {});  // of unknown length
    CHECK(l.counters(2).running == 1);
    e.run_until_idle();
}

TEST_CASE("sized_lanes: full, failed and dropped", "[executor][sized_lanes][unit]") {
    int                          errors = 0;
    manual_executor              e({.on_error = [&](std::exception_ptr) { ++errors; }});
    sized_lanes<manual_executor> l(e, {.lanes = {{.up_to = 10ms, .capacity = 2}, {}}});
    auto                         token = std::make_shared<int>(0);
    auto const                   task = [&] { return [token] { ++*token; }; };
    l.post(1ms, task());
    l.post(1ms, task());
    CHECK_THROWS_AS(l.post(1ms, task()), sluice::lane_full);
    CHECK(token.use_count() == 3);
    e.run_until_idle();
    CHECK(*token == 2);
    for (int i = 0; i < 4; ++i)
        l.post([&, token, i] {
            if (i == 1) throw std::runtime_error("one");
            ++*token;
        });
    e.run_until_idle();
    CHECK(*token == 5);
    CHECK(errors == 1);
    for (int i = 0; i < 4; ++i) l.post(task());
    e.discard();
    CHECK(token.use_count() == 1);
    CHECK(l.dropped() == 4);
    l.post(task());
    e.run_until_idle();
    CHECK(*token == 6);

    thread_pool              pool(1);
    sized_lanes<thread_pool> m(pool);
    (void)pool.shutdown();
    CHECK_THROWS_AS(m.post(task()), sluice::pool_closed);
    CHECK(token.use_count() == 1);
    CHECK(m.counters(2).accepted == 0);
    CHECK(m.counters(2).running == 0);
}

TEST_CASE("sized_lanes: impossible options are refused", "[executor][sized_lanes][unit]") {
    manual_executor e;
    auto const      make = [&](std::vector<sluice::lane_options> lanes, std::size_t concurrency) {
        return sized_lanes<manual_executor>(e, {.lanes = std::move(lanes), .concurrency = concurrency}).lanes();
    };
    CHECK(make({{.up_to = 1ms, .reserve = 2}, {}}, 3) == 2);
    CHECK_THROWS_AS(make({}, 0), std::invalid_argument);
    CHECK_THROWS_AS(make({{.up_to = 1ms}}, 0), std::invalid_argument);
    CHECK_THROWS_AS(make({{.up_to = 2ms}, {.up_to = 2ms}, {}}, 0), std::invalid_argument);
    CHECK_THROWS_AS(make({{.reserve = 0}}, 0), std::invalid_argument);
    CHECK_THROWS_AS(make({{.capacity = 0}}, 0), std::invalid_argument);
    CHECK_THROWS_AS(make({{.up_to = 1ms, .reserve = 2}, {}}, 2), std::invalid_argument);
}

TEST_CASE("sized_lanes: on a pool, small tasks pass while large ones hold their places", "[executor][sized_lanes][stress]") {
    thread_pool              pool(3);
    sized_lanes<thread_pool> lanes(pool);
    std::latch               end(1);
    std::atomic<int>         large{0}, small{0};
    for (int i = 0; i < 5; ++i)
        lanes.post(1h, [&] {
            end.wait();
            ++large;
        });
    std::latch all(3000);
    test::run_threads(3, [&](std::size_t) {
        for (int i = 0; i < 1000; ++i)
            lanes.post(1ms, [&] {
                ++small;
                all.count_down();
            });
    });
    all.wait();  // though five large ones came first
    CHECK(small.load() == 3000);
    CHECK(large.load() == 0);
    end.count_down();
    pool.wait_idle();
    CHECK(large.load() == 5);
    CHECK(lanes.counters(0).accepted == 3000);
    CHECK(lanes.counters(0).running == 0);
}
