// SPDX-License-Identifier: BSL-1.0
// What tasks may say about themselves to the pool, and what it does later.
#include <sluice/executor/executor.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"

#include <atomic>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using sluice::thread_pool;

static_assert(sluice::executor<thread_pool>);

TEST_CASE("thread_pool: a task that is stopped before it begins is only destroyed", "[executor][thread_pool][unit]") {
    thread_pool       pool(1);
    std::stop_source  stop;
    std::atomic<bool> go{false};
    std::atomic<int>  ran{0}, expired{0};
    auto const        owned = std::make_shared<int>(1);
    pool.post([&] { (void)test::eventually([&] { return go.load(); }); });
    pool.post([&ran, owned] { ++ran; }, {.stop = stop.get_token()}, [&] { ++expired; });
    auto broken = pool.submit([&ran, owned] { return ++ran; }, {.stop = stop.get_token()});
    pool.post([&ran] { ++ran; }, {.stop = std::stop_source().get_token()});
    stop.request_stop();
    go = true;
    REQUIRE_THROWS_AS(broken.get(), sluice::broken_task);
    pool.wait_idle();
    REQUIRE(ran == 1);
    REQUIRE(expired == 0);
    REQUIRE(owned.use_count() == 1);
}

TEST_CASE("thread_pool: from its expiry on a task's callback runs instead", "[executor][thread_pool][unit]") {
    thread_pool      pool(2);
    std::atomic<int> ran{0}, expired{0};
    auto const       now = sluice::steady_clock().now();
    pool.post([&] { ++ran; }, {.expiry = now}, [&] { ++expired; });
    pool.post([&] { ++ran; }, {.expiry = now + 1h}, [&] { ++expired; });
    pool.post([&] { ++ran; }, {.expiry = now});  // without a callback: nothing happens
    REQUIRE_THROWS_AS(pool.submit([] { return 1; }, {.expiry = now}).get(), sluice::broken_task);
    REQUIRE(pool.submit([] { return std::make_unique<int>(7); }, {.expiry = now + 1h}).get() != nullptr);
    pool.wait_idle();
    REQUIRE(ran == 1);
    REQUIRE(expired == 1);
}

TEST_CASE("thread_pool: a task for one worker runs there", "[executor][thread_pool][unit]") {
    thread_pool      pool(3);
    std::atomic<int> wrong{0};
    for (std::size_t i = 0; i < 60; ++i) pool.post([&, i] { wrong += pool.this_worker_index() != i % 3; }, {.worker = i % 3});
    REQUIRE(pool.submit([&] { return pool.this_worker_index(); }, {.worker = 2}).get() == 2);
    pool.wait_idle();
    REQUIRE(wrong == 0);
    REQUIRE_THROWS_AS(pool.post([] {}, {.worker = 3}), std::out_of_range);
}

TEST_CASE("thread_pool: try_post takes what an open pool takes", "[executor][thread_pool][unit]") {
    thread_pool      pool(1);
    std::atomic<int> ran{0};
    REQUIRE(pool.try_post([&] { ++ran; }));
    pool.wait_idle();
    pool.close();
    auto const owned = std::make_shared<int>(1);
    auto       f = [owned] {};
    REQUIRE_FALSE(pool.try_post(std::move(f)));
    REQUIRE(owned.use_count() == 2);  // f has it still
    (void)pool.shutdown();
    REQUIRE_FALSE(pool.try_post([&] { ++ran; }));
    REQUIRE(ran == 1);
}

TEST_CASE("thread_pool: runs later what is scheduled, and again", "[executor][thread_pool][unit]") {
    thread_pool      pool(2);
    std::atomic<int> once{0}, often{0}, never{0};
    pool.schedule_after(1ms, [&] { once += pool.on_worker(); });
    pool.schedule_at(sluice::steady_clock().now(), [&] { once += pool.on_worker(); });
    auto const every = pool.schedule_every(1ms, [&] { ++often; });
    auto const far = pool.schedule_after(1h, [&] { ++never; });
    REQUIRE(test::eventually([&] { return once == 2 && often >= 3; }));
    REQUIRE(far.cancel());
    (void)every.cancel_and_wait();
    auto const seen = often.load();
    pool.wait_idle();
    REQUIRE(often == seen);
    REQUIRE(never == 0);
}

TEST_CASE("thread_pool: shutdown cancels timers, whatever its mode", "[executor][thread_pool][unit]") {
    for (auto const mode : {sluice::shutdown_mode::drain, sluice::shutdown_mode::discard, sluice::shutdown_mode::cancel}) {
        thread_pool       pool(1);
        std::atomic<bool> begun{false};
        std::atomic<int>  late{0};
        auto const        far = pool.schedule_after(1h, [&] { ++late; });
        // A timer's own callback runs until the pool stops it, or for a moment: shutdown must not wait for it too early.
        pool.schedule_after(0ns, [&, token = pool.stop_token()] {
            begun = true;
            if (mode == sluice::shutdown_mode::cancel) (void)test::eventually([&] { return token.stop_requested(); });
        });
        REQUIRE(test::eventually([&] { return begun.load(); }));
        (void)pool.shutdown(mode);
        REQUIRE_FALSE(far.active());
        REQUIRE_THROWS_AS(pool.schedule_after(1ms, [&] { ++late; }), sluice::pool_closed);
        REQUIRE(late == 0);
    }
    thread_pool closed(1);
    auto const  far = closed.schedule_after(1h, [] {});
    closed.close();
    REQUIRE_FALSE(far.active());
    thread_pool never_asked(1);
    (void)never_asked.shutdown();
    REQUIRE_THROWS_AS(never_asked.schedule_every(1ms, [] {}), sluice::pool_closed);
}

TEST_CASE("thread_pool: a timer is scheduled while the pool shuts down, or refused", "[executor][thread_pool][unit]") {
    for (int round = 0; round < 30; ++round) {
        thread_pool      pool(2);
        std::atomic<int> made{0}, refused{0};
        std::thread      other([&] {
            for (int i = 0; i < 50; ++i) try {
                    pool.schedule_after(sluice::duration(i % 3), [] {});
                    ++made;
                } catch (sluice::pool_closed const&) {
                    ++refused;
                }
        });
        (void)pool.shutdown();
        other.join();
        REQUIRE(made + refused == 50);
    }
}
