// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/blocking_region.hpp>
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/pools.hpp"
#include "support/random.hpp"

#include <atomic>
#include <cstdint>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

using sluice::blocking_region;
using sluice::thread_pool;
using sluice::thread_pool_options;
using test::settles;
using test::sized;

TEST_CASE("blocking_region: tasks that block on each other progress, up to max_workers", "[executor][blocking_region][unit]") {
    auto const  workers = GENERATE(std::size_t{1}, std::size_t{2});
    std::size_t const most = 6;
    thread_pool pool(sized(workers, 1, most));
    for (int round = 0; round < 10; ++round) {
        std::latch       all(static_cast<std::ptrdiff_t>(most));  // hangs with fewer
        std::atomic<int> ran{0};
        for (std::size_t i = 0; i < most; ++i)
            pool.post([&] {
                sluice::blocking(pool, [&] {
                    all.count_down();
                    all.wait();
                });
                ran.fetch_add(1);
            });
        pool.wait_idle();
        CHECK(ran.load() == static_cast<int>(most));
        CHECK(pool.size() == workers);  // nobody has asked for more
        CHECK(pool.provisioned() <= most);
    }
    CHECK(settles(pool, workers));  // back to the baseline
    CHECK(pool.submit([] { return 7; }).get() == 7);
}

TEST_CASE("blocking_region: one more thread for each worker that blocks, and no more than there are places",
          "[executor][blocking_region][unit]") {
    thread_pool       pool(sized(2, 1, 4));
    std::atomic<bool> go{false};
    std::atomic<int>  in{0};
    auto const        block = [&] {
        blocking_region const region(pool);
        blocking_region const again(pool);  // the same worker: as one
        in.fetch_add(1);
        go.wait(false);
    };
    for (int i = 0; i < 4; ++i) {
        pool.post(block);
        REQUIRE(test::eventually([&] { return in.load() == i + 1; }));
        CHECK(pool.provisioned() == (i < 2 ? 3U + static_cast<std::size_t>(i) : 4U));
    }
    pool.resize(1);  // what is lent counts on top of it
    CHECK(pool.provisioned() == 4);
    go.store(true);
    go.notify_all();
    pool.wait_idle();
    CHECK(settles(pool, 1));
}

TEST_CASE("blocking_region: a substitute stays as long as it has something to do", "[executor][blocking_region][unit]") {
    std::atomic<bool> busy{true};
    std::atomic<int>  loops{0};
    thread_pool       pool(sized(1, 1, 3));
    struct again {  // there is always another one
        thread_pool&       pool;
        std::atomic<bool>& busy;
        std::atomic<int>&  loops;
        void operator()() const {
            loops.fetch_add(1);
            if (busy.load()) pool.post(again{pool, busy, loops});
        }
    };
    std::latch begun(1), leave(1);
    pool.post([&] {
        blocking_region const region(pool);
        begun.count_down();
        leave.wait();
    });
    begun.wait();
    REQUIRE(pool.provisioned() == 2);
    for (int i = 0; i < 8; ++i) pool.post(again{pool, busy, loops});
    leave.count_down();
    int const then = loops.load();
    CHECK(test::eventually([&] { return loops.load() > then + 2000; }));
    CHECK(pool.provisioned() == 2);
    // It is the next one to be lent: no thread is started.
    pool.submit([&] {
            blocking_region const region(pool);
            if (pool.provisioned() != 2) throw std::logic_error("a third");
        }).get();
    busy.store(false);
    pool.wait_idle();
    CHECK(settles(pool, 1));
    // One that was asked away leaves although there is work.
    pool.resize(2);
    busy.store(true);
    for (int i = 0; i < 8; ++i) pool.post(again{pool, busy, loops});
    pool.resize(1);
    CHECK(test::eventually([&] { return pool.provisioned() == 1; }));
    busy.store(false);
}

TEST_CASE("blocking_region: elsewhere it has no effect, and it gives back what f returns or throws",
          "[executor][blocking_region][unit]") {
    thread_pool pool(sized(1, 1, 3)), other(1);
    CHECK(sluice::blocking(pool, [] { return 7; }) == 7);
    int        x = 0;
    int&       y = sluice::blocking(pool, [&]() -> int& { return x; });
    CHECK(&x == &y);
    CHECK_THROWS_AS(sluice::blocking(pool, []() -> int { throw std::runtime_error("no"); }), std::runtime_error);
    CHECK(pool.provisioned() == 1);
    other.submit([&] { CHECK(sluice::blocking(pool, [&] { return pool.provisioned(); }) == 1); }).get();
    {
        auto const            me = pool.attach_current_thread();
        blocking_region const region(pool);
        CHECK(pool.provisioned() == 1);
    }
    // A pool of fixed size has nobody to lend.
    CHECK(other.submit([&] { return sluice::blocking(other, [&] { return other.provisioned(); }); }).get() == 1);
    // A throw inside ends the region.
    CHECK_THROWS_AS(pool.submit([&] { sluice::blocking(pool, []() -> void { throw std::runtime_error("no"); }); }).get(),
                    std::runtime_error);
    CHECK(settles(pool, 1));
}

TEST_CASE("blocking_region: where no thread can be started it does without", "[executor][blocking_region][fault]") {
    std::atomic<int> wrong{0};
    auto const result = test::allocations::sweep([&](auto arm, auto disarm) {
        thread_pool pool(sized(1, 1, 2));
        if (!settles(pool, 1)) wrong.fetch_add(1);
        bool const alone = pool.submit([&] {
                                   arm();
                                   blocking_region const region(pool);
                                   disarm();
                                   return pool.provisioned() == 1;
                               }).get();
        pool.wait_idle();
        static_cast<void>(alone);
        if (!settles(pool, 1)) wrong.fetch_add(1);
    });
    CHECK(wrong.load() == 0);
    CHECK(result.leaked == 0);
}

TEST_CASE("blocking_region: with resizes, letters and groups at once", "[executor][blocking_region][stress]") {
    thread_pool      pool(sized(2, 1, 6));
    std::atomic<int> ran{0};
    int const        rounds = static_cast<int>(300 * test::stress_factor());
    for (int i = 0; i < rounds; ++i) {
        pool.post([&, i] {
            blocking_region const region(pool);
            if (i % 3 == 0) std::this_thread::yield();
            sluice::task_group group(pool);
            for (int k = 0; k < 3; ++k)
                group.run([&] {
                    blocking_region const inner(pool);
                    ran.fetch_add(1);
                });
            group.wait();
        });
        if (i % 7 == 0) pool.resize(static_cast<std::size_t>(i / 7 % 4) + 1);
        if (i % 11 == 0) (void)pool.broadcast([](std::size_t) {});
        if (i % 50 == 0) pool.wait_idle();
    }
    pool.resize(2);
    pool.wait_idle();
    CHECK(ran.load() == rounds * 3);
    CHECK(settles(pool, 2));
}
