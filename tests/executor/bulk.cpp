// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/bulk.hpp>
#include <sluice/executor/pool_scheduler.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "executor/receiver.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"

#include <atomic>
#include <cstddef>
#include <exception>
#include <latch>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

using sluice::get_scheduler;
using sluice::thread_pool;
using test::outcome;
using test::receiver;

TEST_CASE("bulk: every index once, and the completion on a worker", "[executor][bulk][unit]") {
    for (std::size_t const workers : {1u, 2u, 4u, 6u}) {
        for (std::size_t const n : {0u, 1u, 2u, 7u, 1000u}) {
            std::vector<std::atomic<int>> calls(n);
            outcome                       o;
            thread_pool                   pool(workers);
            o.pool = &pool;
            auto op = sluice::bulk(get_scheduler(pool), n, [&](std::size_t i) { calls[i].fetch_add(1); }).connect(receiver(o));
            op.start();
            pool.wait_idle();
            CHECK(o.values.load() == 1);
            CHECK(o.on_pool.load() == 1);
            CHECK(o.all() == 1);
            for (auto const& c : calls) REQUIRE(c.load() == 1);
        }
    }
}

TEST_CASE("bulk: all workers take part", "[executor][bulk][unit]") {
    outcome     o;
    std::latch  all(6);  // each index waits for every other one
    thread_pool pool(6);
    auto op = sluice::bulk(get_scheduler(pool), 6, [&](std::size_t) { all.arrive_and_wait(); }).connect(receiver(o));
    op.start();
    pool.wait_idle();
    CHECK(o.values.load() == 1);
}

TEST_CASE("bulk: the first exception ends it", "[executor][bulk][unit]") {
    std::atomic<int> calls{0};
    outcome          o;
    thread_pool      pool(1);
    auto op = sluice::bulk(get_scheduler(pool), 1000, [&](std::size_t i) {
                  calls.fetch_add(1);
                  if (i == 3) throw std::runtime_error("three");
              }).connect(receiver(o));
    op.start();
    pool.wait_idle();
    REQUIRE(o.errors.load() == 1);
    CHECK(o.all() == 1);
    CHECK_THROWS_AS(std::rethrow_exception(o.error), std::runtime_error);
    CHECK(calls.load() == 4);

    outcome     many;
    thread_pool four(4);
    auto each = sluice::bulk(get_scheduler(four), 100, [](std::size_t) { throw 1; }).connect(receiver(many));
    each.start();
    four.wait_idle();
    CHECK(many.errors.load() == 1);
    CHECK(many.all() == 1);
    CHECK_THROWS_AS(std::rethrow_exception(many.error), int);
}

TEST_CASE("bulk: stops before, while queued, and during", "[executor][bulk][unit]") {
    std::atomic<int> calls{0};
    outcome          before, queued, during, late;
    std::stop_source first, second, third, fourth;
    before.token = first.get_token();
    queued.token = second.get_token();
    during.token = third.get_token();
    late.token = fourth.get_token();
    std::latch  busy(1), go(1);
    thread_pool pool(1);
    auto const  count = [&](std::size_t) { calls.fetch_add(1); };
    first.request_stop();
    auto a = sluice::bulk(get_scheduler(pool), 10, count).connect(receiver(before));
    a.start();
    CHECK(before.stops.load() == 1);

    pool.post([&] {
        busy.count_down();
        go.wait();
    });
    busy.wait();
    auto b = sluice::bulk(get_scheduler(pool), 0, count).connect(receiver(queued));
    b.start();
    CHECK(queued.all() == 0);
    second.request_stop();
    go.count_down();
    pool.wait_idle();
    CHECK(queued.stops.load() == 1);
    CHECK(calls.load() == 0);

    auto c = sluice::bulk(get_scheduler(pool), 1000, [&](std::size_t i) {
                 calls.fetch_add(1);
                 if (i == 4) third.request_stop();
             }).connect(receiver(during));
    c.start();
    pool.wait_idle();
    CHECK(during.stops.load() == 1);
    CHECK(during.all() == 1);
    CHECK(calls.load() == 5);

    auto d = sluice::bulk(get_scheduler(pool), 5, [&](std::size_t i) {
                 if (i == 4) fourth.request_stop();
             }).connect(receiver(late));
    d.start();
    pool.wait_idle();
    CHECK(late.values.load() == 1);  // nothing was left to begin
}

TEST_CASE("bulk: a pool that ends", "[executor][bulk][unit]") {
    std::atomic<int> calls{0};
    outcome          dropped, refused;
    std::latch       busy(1), go(1);
    thread_pool      pool(1);
    auto const       count = [&](std::size_t) { calls.fetch_add(1); };
    pool.post([&] {
        busy.count_down();
        go.wait();
    });
    busy.wait();
    auto lost = sluice::bulk(get_scheduler(pool), 10, count).connect(receiver(dropped));
    lost.start();
    std::thread ender([&] { (void)pool.shutdown(sluice::shutdown_mode::discard); });
    bool const  discards = test::eventually([&] { return pool.internals().discards(); });
    go.count_down();
    ender.join();
    CHECK(discards);
    CHECK(dropped.stops.load() == 1);
    CHECK(dropped.all() == 1);
    auto late = sluice::bulk(get_scheduler(pool), 10, count).connect(receiver(refused));
    late.start();
    REQUIRE(refused.errors.load() == 1);
    CHECK_THROWS_AS(std::rethrow_exception(refused.error), sluice::pool_closed);
    CHECK(calls.load() == 0);
}

TEST_CASE("bulk: a pool that drops its work cuts short what has begun", "[executor][bulk][unit]") {
    constexpr std::size_t n = 1000;
    std::atomic<int>  calls{0};
    outcome           o;
    std::latch        busy(1), go(1);
    thread_pool       pool(1);
    auto op = sluice::bulk(get_scheduler(pool), n, [&](std::size_t) {
                  if (calls.fetch_add(1) != 0) return;
                  busy.count_down();
                  go.wait();
              }).connect(receiver(o));
    op.start();
    busy.wait();
    std::thread ender([&] { (void)pool.shutdown(sluice::shutdown_mode::discard); });
    bool const  discards = test::eventually([&] { return pool.internals().discards(); });
    go.count_down();
    ender.join();
    CHECK(discards);
    CHECK(o.stops.load() == 1);
    CHECK(o.all() == 1);
    CHECK(calls.load() == static_cast<int>(n / 8 + 1));  // the claim that it had
}

TEST_CASE("bulk: the operation may be destroyed in its completion", "[executor][bulk][unit]") {
    struct nothing {
        void operator()(std::size_t) const {}
    };
    using sender = decltype(sluice::bulk(std::declval<sluice::pool_scheduler>(), 1, nothing{}));
    using operation = decltype(std::declval<sender const&>().connect(std::declval<receiver>()));
    for (int round = 0; round < 50; ++round) {
        outcome     o;
        thread_pool pool(round % 4 == 0 ? 6 : 3);
        auto* const op = new operation(sluice::bulk(get_scheduler(pool), 20, nothing{}).connect(receiver(o)));
        o.with = op;
        o.then = [](void* v) { delete static_cast<operation*>(v); };
        op->start();
        pool.wait_idle();
        CHECK(o.values.load() == 1);
    }
}

TEST_CASE("bulk: one array for more than four tickets, else nothing", "[executor][bulk][unit]") {
    for (std::size_t const workers : {4u, 5u}) {
        outcome     o;
        thread_pool pool(workers);
        std::latch  all(static_cast<std::ptrdiff_t>(workers));  // each worker has begun, and allocates no more
        pool.post_bulk(workers, [&](std::size_t) { all.arrive_and_wait(); });
        pool.wait_idle();
        auto const before = test::allocations::total();
        auto       op = sluice::bulk(get_scheduler(pool), 100, [](std::size_t) {}).connect(receiver(o));
        auto const connected = test::allocations::total();
        CHECK(connected - before == (workers > 4 ? 1 : 0));
        op.start();
        pool.wait_idle();
        CHECK(test::allocations::total() == connected);
        CHECK(o.values.load() == 1);
    }
}
