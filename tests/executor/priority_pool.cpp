// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/priority_pool.hpp>

#include <sluice/executor/executor.hpp>
#include <sluice/executor/keyed_executor.hpp>
#include <sluice/flow/earliest_deadline.hpp>

#include "support/catch.hpp"
#include "support/pools.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using sluice::overflow;
using sluice::priority_pool;
using test::hold;

static_assert(sluice::executor<priority_pool<>>);

TEST_CASE("priority_pool: priorities, also with futures", "[executor][priority_pool][unit]") {
    std::vector<std::uint32_t> order;
    priority_pool              pool({.pool = {.workers = 1}});
    hold                       held(pool.pool(), 1);
    for (std::uint32_t const p : {2u, 0u, 1u, 2u, 0u}) pool.post([&order, p] { order.push_back(p); }, {.priority = p});
    auto last = pool.submit([&order] { return order.size(); }, {.priority = 3});
    REQUIRE(pool.size_approx() == 6);
    held.release();
    REQUIRE(last.get() == 5);
    pool.wait_idle();
    REQUIRE(order == std::vector<std::uint32_t>{0, 0, 1, 2, 2});
    auto const end = pool.shutdown();
    REQUIRE(end.accepted == 6);
    REQUIRE(end.ran == 6);
}

TEST_CASE("priority_pool: expiry, stop, and a certain worker", "[executor][priority_pool][unit]") {
    std::atomic<int>  expired{0}, ran{0};
    std::size_t       where = 9;
    std::stop_source  stop;
    priority_pool     pool({.pool = {.workers = 1}});
    hold              held(pool.pool(), 1);
    auto const        soon = sluice::steady_clock().now() + 1ms;
    pool.post([&] { ++ran; }, {.expiry = soon}, [&] { ++expired; });
    auto stopped = pool.submit([&] { ++ran; }, {.stop = stop.get_token()});
    pool.post([&] { where = pool.pool().this_worker_index(); }, {.worker = 0});
    REQUIRE(pool.size_approx() == 2);  // that one is in the worker's inbox
    stop.request_stop();
    while (sluice::steady_clock().now() < soon) {
    }
    held.release();
    REQUIRE_THROWS_AS(stopped.get(), sluice::broken_task);
    pool.wait_idle();
    REQUIRE(where == 0);
    REQUIRE(expired == 1);
    REQUIRE(ran == 0);
    REQUIRE_THROWS_AS(pool.post([] {}, {.worker = 1}), std::out_of_range);
    auto const c = pool.counters();
    REQUIRE(c.accepted == 2);
    REQUIRE(c.expired == 1);
    REQUIRE(c.cancelled == 1);
}

TEST_CASE("priority_pool: a full queue refuses, drops, or runs on the caller; waiting has an end", "[executor][priority_pool][unit]") {
    std::atomic<int> ran{0};
    auto const       task = [&ran] { ++ran; };
    {
        priority_pool pool({.pool = {.workers = 1}, .queue = {.capacity = 2, .when_full = overflow::reject}});
        hold          held(pool.pool(), 1);
        pool.post(task);
        pool.post(task);
        REQUIRE_THROWS_AS(pool.post(task), sluice::task_rejected);
        REQUIRE_THROWS_AS(pool.submit(task), sluice::task_rejected);
        REQUIRE_FALSE(pool.try_post(task));
        REQUIRE_FALSE(pool.try_post_for(1ms, task));
        held.release();
        REQUIRE(pool.try_post_for(10s, task));
        auto const end = pool.shutdown();
        REQUIRE(end.rejected == 4);
        REQUIRE(end.ran == 3);
        REQUIRE_THROWS_AS(pool.post(task), sluice::task_rejected);
    }
    REQUIRE(ran == 3);
    {
        priority_pool pool({.pool = {.workers = 1}, .queue = {.capacity = 1, .when_full = overflow::caller_runs}});
        hold          held(pool.pool(), 1);
        pool.post(task);
        pool.post(task);  // here
        REQUIRE(ran == 4);
        held.release();
    }  // the destructor runs what waits
    REQUIRE(ran == 5);
    {
        priority_pool pool({.pool = {.workers = 1}, .queue = {.capacity = 1, .when_full = overflow::drop_oldest}});
        hold          held(pool.pool(), 1);
        auto          first = pool.submit(task);
        pool.post(task);
        REQUIRE_THROWS_AS(first.get(), sluice::broken_task);
        held.release();
        REQUIRE(pool.shutdown().dropped == 1);
    }
    REQUIRE(ran == 6);
}

TEST_CASE("priority_pool: so many may wait for one worker", "[executor][priority_pool][unit]") {
    std::atomic<int> ran{0};
    auto const       task = [&ran] { ++ran; };
    std::stop_source stop;
    priority_pool    pool({.pool = {.workers = 1}, .worker_capacity = 2});
    {
        hold held(pool.pool(), 1);
        pool.post(task, {.worker = 0, .stop = stop.get_token()});
        REQUIRE(pool.try_post(task, {.worker = 0}));
        REQUIRE(pool.try_post(task, {.worker = 0}).reason == sluice::reject_reason::full);
        REQUIRE(pool.try_post_for(10s, task, {.worker = 0}).reason == sluice::reject_reason::full);  // nobody waits for such a place
        REQUIRE_THROWS_AS(pool.post(task, {.worker = 0}), sluice::task_rejected);
        REQUIRE_THROWS_AS(pool.post(task, {.worker = 1}), std::out_of_range);
        stop.request_stop();
        held.release();
    }
    pool.wait_idle();
    REQUIRE(ran == 1);  // the other one was stopped
    pool.post([&] { pool.post(task, {.worker = 0}), pool.post(task, {.worker = 0}); }, {.worker = 0});  // places are given back
    pool.wait_idle();
    REQUIRE(ran == 3);
    REQUIRE_THROWS_AS(priority_pool<>({.worker_capacity = 0}), std::invalid_argument);
    pool.pool().post([&] {  // those that wait at the end give their places back, too
        for (int i = 0; i < 2; ++i) pool.post(task, {.worker = 0});
    });
}

TEST_CASE("priority_pool: shutdown that discards breaks the futures and accounts for every task", "[executor][priority_pool][unit]") {
    std::atomic<int>                 ran{0};
    std::vector<sluice::future<int>> results;
    priority_pool                    pool({.pool = {.workers = 1}, .queue = {.capacity = 100, .concurrency = 3}});
    hold                             held(pool.pool(), 1);
    for (int i = 0; i < 20; ++i) results.push_back(pool.submit([&ran] { return ++ran; }, {.priority = static_cast<std::uint32_t>(i % 3)}));
    pool.pool().post([] {});  // the pool's own, behind the tickets
    std::thread ends([&] { held.release(); });
    auto const  end = pool.shutdown(sluice::shutdown_mode::discard);
    ends.join();
    REQUIRE(end.accepted == 20);
    REQUIRE(end.ran + end.dropped == 20);
    REQUIRE(static_cast<int>(end.ran) == ran);
    int broken = 0;
    for (auto& r : results) {
        REQUIRE(r.is_ready());
        try {
            (void)r.get();
        } catch (sluice::broken_task const&) {
            ++broken;
        }
    }
    REQUIRE(broken == static_cast<int>(end.dropped));
}

TEST_CASE("priority_pool: another discipline, the order of a key, errors", "[executor][priority_pool][unit]") {
    std::vector<int> order;
    {
        priority_pool<sluice::earliest_deadline> pool({.pool = {.workers = 1}});
        hold                                     held(pool.pool(), 1);
        auto const                               now = sluice::steady_clock().now();
        for (int const hours : {3, 1, 2}) pool.post([&order, hours] { order.push_back(hours); }, {.expiry = now + hours * 1h});
        held.release();
    }
    REQUIRE(order == std::vector<int>{1, 2, 3});

    std::atomic<int> errors{0};
    order.clear();
    {
        priority_pool<> pool({.pool = {.workers = 2}, .queue = {.capacity = 100, .on_error = [&](std::exception_ptr) { ++errors; }}});
        sluice::keyed_executor<int, priority_pool<>> keyed(pool);
        for (int i = 0; i < 50; ++i) keyed.post(1, [&order, i] { order.push_back(i); });
        pool.post([] { throw std::runtime_error("to on_error"); });
        pool.wait_idle();
        REQUIRE_THROWS_AS(pool.submit([]() -> int { throw std::logic_error("to the future"); }).get(), std::logic_error);
    }
    REQUIRE(errors == 1);
    REQUIRE(order.size() == 50);
    REQUIRE(std::is_sorted(order.begin(), order.end()));
    REQUIRE_THROWS_AS(priority_pool<>({.queue = {.capacity = 0}}), std::invalid_argument);
    REQUIRE_THROWS_AS(priority_pool<>({.pool = {.workers = 0}}), std::invalid_argument);
}
