// SPDX-License-Identifier: BSL-1.0
// How a pool is paused and how it ends.
#include <sluice/executor/shutdown.hpp>
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <sluice/parallel/parallel_invoke.hpp>

#include "support/catch.hpp"
#include "support/death.hpp"
#include "support/eventually.hpp"
#include "support/pools.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <limits>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using sluice::shutdown_mode;
using sluice::shutdown_result;
using sluice::thread_pool;
using sluice::thread_pool_options;
using test::hold;
using test::sized;

namespace {

void a_while() {
    for (int i = 0; i < 2000; ++i) std::this_thread::yield();
}

}  // namespace

TEST_CASE("shutdown: drain_for runs what it can in time and drops the rest, both counted", "[executor][shutdown][unit]") {
    {
        thread_pool      pool(2);
        std::atomic<int> ran{0};
        for (int i = 0; i < 100; ++i) pool.post([&] { ran.fetch_add(1); });
        auto const all = pool.drain_for(std::chrono::hours(24 * 365 * 300));
        CHECK(ran.load() == 100);
        CHECK(all.ran <= 100);
        CHECK(all.dropped == 0);
        CHECK(all.in_time);
        CHECK(pool.provisioned() == 0);
        CHECK(pool.drain_for(1s) == shutdown_result{});  // a second one has nothing to tell
    }
    // Nothing can be run in time: the workers are held until the deadline has passed.
    double const nan = std::numeric_limits<double>::quiet_NaN();
    for (auto const d : {std::chrono::duration<double>(0), std::chrono::duration<double>(-1e300), std::chrono::duration<double>(nan),
                         std::chrono::duration<double>(1e-3)}) {
        auto const rest = GENERATE(shutdown_mode::discard, shutdown_mode::cancel);
        thread_pool      pool(2);
        std::atomic<int> ran{0};
        std::atomic<int> held{0};
        auto const       stop = pool.stop_token();
        for (int i = 0; i < 2; ++i)
            pool.post([&] {
                held.fetch_add(1);
                while (!pool.internals().discards() || (rest == shutdown_mode::cancel && !stop.stop_requested()))
                    std::this_thread::yield();
            });
        while (held.load() != 2) std::this_thread::yield();
        for (int i = 0; i < 10; ++i) pool.post([&] { ran.fetch_add(1); });
        pool.post_bulk(1000, [&](std::size_t) { ran.fetch_add(1); });
        auto const r = pool.drain_for(d, rest);
        CHECK(ran.load() == 0);
        CHECK(r.ran == 2);
        CHECK(r.dropped == 1010);
        CHECK_FALSE(r.in_time);
        CHECK(stop.stop_requested() == (rest == shutdown_mode::cancel));
    }
    // The rest is run although it is late.
    thread_pool      pool(1);
    std::atomic<int> ran{0};
    for (int i = 0; i < 10; ++i)
        pool.post([&] {
            std::this_thread::yield();
            ran.fetch_add(1);
        });
    (void)pool.drain_until(std::chrono::steady_clock::time_point::min(), shutdown_mode::drain);
    CHECK(ran.load() == 10);
}

TEST_CASE("shutdown: cancel stops the token that tasks look at, the others do not", "[executor][shutdown][unit]") {
    auto const mode = GENERATE(shutdown_mode::drain, shutdown_mode::discard, shutdown_mode::cancel);
    bool const at_destruction = GENERATE(false, true);
    std::stop_token  stop;
    std::atomic<int> ran{0};
    {
        thread_pool_options o;
        o.workers = 1;
        o.at_destruction = mode;
        thread_pool pool(std::move(o));
        stop = pool.stop_token();
        std::latch begun(1);
        pool.post([&] {
            begun.count_down();
            if (mode == shutdown_mode::cancel)
                while (!stop.stop_requested()) std::this_thread::yield();  // for ever, but for the token
        });
        begun.wait();
        if (mode != shutdown_mode::discard) pool.post([&] { ran.fetch_add(1); });
        CHECK_FALSE(stop.stop_requested());
        if (!at_destruction) CHECK(pool.shutdown(mode) == (mode == shutdown_mode::cancel ? 1 : 0));
    }
    CHECK(ran.load() == (mode == shutdown_mode::drain ? 1 : 0));
    CHECK(stop.stop_requested() == (mode == shutdown_mode::cancel));
}

TEST_CASE("shutdown: a second call that drops makes a drain drop", "[executor][shutdown][unit]") {
    thread_pool      pool(1);
    std::atomic<int> ran{0};
    std::latch       begun(1);
    pool.post([&] {
        begun.count_down();
        auto const stop = pool.stop_token();
        while (!stop.stop_requested()) std::this_thread::yield();
    });
    begun.wait();
    for (int i = 0; i < 5; ++i) pool.post([&] { ran.fetch_add(1); });
    std::uint64_t first = 0, second = 1;
    test::run_threads(2, [&](std::size_t t) {
        if (t == 0) {
            first = pool.shutdown();
        } else {
            while (!pool.closed()) std::this_thread::yield();
            second = pool.shutdown(shutdown_mode::cancel);
        }
    });
    CHECK(ran.load() == 0);
    CHECK(first == 5);
    CHECK(second == 0);
}

TEST_CASE("shutdown: close refuses work from outside and waits for nothing", "[executor][shutdown][unit]") {
    auto const mode = GENERATE(shutdown_mode::drain, shutdown_mode::discard);
    thread_pool      pool(1);
    std::atomic<int> ran{0};
    std::atomic<bool> go{false};
    pool.post([&] {
        while (!go.load()) std::this_thread::yield();
        pool.post([&] { ran.fetch_add(1); });  // from inside it is still taken
        sluice::task_group group(pool);
        group.run([&] { ran.fetch_add(10); });
        group.wait();
    });
    CHECK_FALSE(pool.closed());
    pool.close();
    pool.close();
    CHECK(pool.closed());
    CHECK_THROWS_AS(pool.post([] {}), sluice::pool_closed);
    CHECK_THROWS_AS(pool.submit([] {}), sluice::pool_closed);
    CHECK_THROWS_AS(pool.post_bulk(2, [](std::size_t) {}), sluice::pool_closed);
    CHECK_THROWS_AS(pool.post_on(0, [] {}), sluice::pool_closed);
    CHECK_THROWS_AS(pool.broadcast([](std::size_t) {}), sluice::pool_closed);
    CHECK(pool.provisioned() == 1);
    CHECK_FALSE(pool.internals().discards());
    go.store(true);
    pool.wait_idle();
    CHECK(ran.load() == 11);
    CHECK(pool.shutdown(mode) == 0);
}

TEST_CASE("shutdown: inside a task that somebody else runs it is diagnosed, too", "[executor][shutdown][fault]") {
    auto const result = test::in_child([] {
        thread_pool pool(1);
        hold        one(pool, 1);
        pool.post([&] { (void)pool.drain_for(1s); });
        (void)pool.try_run_one();
    });
    CHECK(result.aborted);
    CHECK_THAT(result.errors, test::contains("was shut down or destroyed from its own worker"));
    thread_pool pool(1);
    pool.pause();
    std::string why;
    pool.resume();
    {
        hold one(pool, 1);
        pool.post([&] {
            try {
                pool.wait_idle();
            } catch (std::logic_error const& e) {
                why = e.what();
            }
        });
        CHECK(pool.try_run_one());
    }
    CHECK_THAT(why, test::contains("wait_idle called from its own worker"));
    CHECK_THROWS_AS(pool.submit([&] { pool.wait_paused(); }).get(), std::logic_error);
}

TEST_CASE("pause: nothing begins between wait_paused and resume", "[executor][pause][unit]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{4});
    auto const idle = GENERATE(sluice::idle_policy::balanced(), sluice::idle_policy::spin());
    auto o = sized(workers, 1, workers + 1);  // counts what is submitted
    o.idle = idle;
    thread_pool      pool(std::move(o));
    std::atomic<int> ran{0};
    int              posted = 0;
    pool.resume();  // without a pause
    for (int round = 0; round < 30; ++round) {
        for (int i = 0; i < 50; ++i, ++posted) pool.post([&] { ran.fetch_add(1); });
        pool.pause();
        pool.pause();
        pool.wait_paused();
        int const then = ran.load();
        REQUIRE(pool.paused());
        for (int i = 0; i < 20; ++i, ++posted) pool.post([&] { ran.fetch_add(1); });
        auto late = pool.submit([&] { ran.fetch_add(1); });
        ++posted;
        REQUIRE_FALSE(pool.try_run_one());
        REQUIRE_FALSE(late.wait_for(0s));
        if (round % 10 == 0) a_while();
        REQUIRE(ran.load() == then);
        REQUIRE(pool.queued() == static_cast<std::size_t>(posted - then));
        REQUIRE(pool.busy() == 0);
        pool.resume();
        REQUIRE_FALSE(pool.paused());
        pool.wait_paused();  // it is not paused: nothing to wait for
        late.get();
        if (round % 3 == 0) {
            pool.wait_idle();
            REQUIRE(ran.load() == posted);
        }
    }
    pool.wait_idle();
    CHECK(ran.load() == posted);
}

TEST_CASE("pause: what runs goes on and may run what it waits for", "[executor][pause][unit]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{3});
    thread_pool       pool(workers);
    std::atomic<bool> paused{false}, over{false};
    std::atomic<int>  inner{0}, other{0};
    std::latch        begun(1);
    auto done = pool.submit([&] {
        begun.count_down();
        while (!paused.load()) std::this_thread::yield();
        {
            sluice::task_group group(pool);
            for (int i = 0; i < 20; ++i) group.run([&] { inner.fetch_add(1); });
            group.wait();
        }
        pool.submit([&] { inner.fetch_add(1); }).get();
        sluice::parallel_invoke(pool, [&] { inner.fetch_add(1); }, [&] { inner.fetch_add(1); });
        sluice::parallel_for(pool, 0, 100, [&](int) { inner.fetch_add(1); }, sluice::dynamic_partitioner{});
        while (!over.load()) std::this_thread::yield();
    });
    begun.wait();
    pool.pause();
    for (int i = 0; i < 5; ++i) pool.post([&] { other.fetch_add(1); });
    paused.store(true);
    CHECK(test::eventually([&] { return inner.load() == 123; }));
    std::atomic<bool> settled{false};
    std::thread       waits([&] {
        pool.wait_paused();
        settled.store(true);
    });
    a_while();
    CHECK_FALSE(settled.load());  // the task still runs
    CHECK(other.load() == 0);
    over.store(true);
    waits.join();
    done.get();
    CHECK(other.load() == 0);
    pool.resume();
    pool.wait_idle();
    CHECK(other.load() == 5);
}

TEST_CASE("pause: one that runs in a guest or comes with a new thread is waited for or held", "[executor][pause][unit]") {
    thread_pool       pool(sized(1, 1, 4));
    std::atomic<bool> begun{false}, go{false};
    hold              one(pool, 1);
    pool.post([&] {
        begun.store(true);
        while (!go.load()) std::this_thread::yield();
    });
    std::thread guest([&] { (void)pool.try_run_one(); });
    while (!begun.load()) std::this_thread::yield();
    pool.pause();
    one.release();
    std::atomic<bool> settled{false};
    std::thread       waits([&] {
        pool.wait_paused();
        settled.store(true);
    });
    a_while();
    CHECK_FALSE(settled.load());
    std::atomic<int> ran{0};
    for (int i = 0; i < 10; ++i) pool.post([&] { ran.fetch_add(1); });
    pool.resize(4);
    go.store(true);
    waits.join();
    guest.join();
    CHECK(pool.provisioned() == 4);
    a_while();
    CHECK(ran.load() == 0);
    pool.resize(2);  // they leave while they are held
    CHECK(test::eventually([&] { return pool.provisioned() == 2; }));
    pool.wait_paused();
    CHECK(ran.load() == 0);
    pool.resume();
    pool.wait_idle();
    CHECK(ran.load() == 10);
}

TEST_CASE("pause: work that came while it was paused is not forgotten, whoever left meanwhile", "[executor][pause][unit]") {
    // Who is called for the task is held, and leaves: the one that still sleeps has to be called by resume.
    for (int round = 0; round < 100; ++round) {
        auto o = sized(2, 1, 2);
        o.idle = sluice::idle_policy::park_at_once();
        thread_pool pool(std::move(o));
        pool.pause();
        auto f = pool.submit([] { return 7; });
        pool.resize(1);
        if (round % 2 == 0) REQUIRE(test::eventually([&] { return pool.provisioned() == 1; }));
        pool.resume();
        REQUIRE(f.get() == 7);
    }
}

TEST_CASE("pause: shutdown and destruction end it", "[executor][pause][unit]") {
    auto const mode = GENERATE(shutdown_mode::drain, shutdown_mode::discard);
    bool const in_destructor = GENERATE(false, true);
    std::atomic<int> ran{0};
    {
        thread_pool_options o;
        o.workers = 2;
        o.at_destruction = mode;
        thread_pool pool(std::move(o));
        a_while();  // its workers sleep by now
        pool.pause();
        pool.wait_paused();
        for (int i = 0; i < 10; ++i) pool.post([&] { ran.fetch_add(1); });
        pool.post_on(1, [&] { ran.fetch_add(1); });
        if (!in_destructor) {
            CHECK(pool.shutdown(mode) == (mode == shutdown_mode::drain ? 0 : 11));
            CHECK_FALSE(pool.paused());
            pool.pause();
            CHECK_FALSE(pool.paused());
            pool.wait_paused();
        }
    }
    CHECK(ran.load() == (mode == shutdown_mode::drain ? 11 : 0));
}

TEST_CASE("pause: a waiter for idleness hears of the last task that ends in a paused pool", "[executor][pause][unit]") {
    thread_pool pool(2);
    for (int round = 0; round < 5; ++round) {
        std::thread waits;
        {
            hold two(pool, 2);
            pool.pause();
            waits = std::thread([&] { pool.wait_idle(); });
            a_while();  // it sleeps by now
        }
        waits.join();
        CHECK(pool.paused());  // it has not waited for the pool to go on
        CHECK(pool.queued() == 0);
        pool.resume();
    }
}

TEST_CASE("pause: a fork that a worker has in hand belongs to what runs", "[executor][pause][unit]") {
    // Held, it would keep the task from ending, and wait_paused from returning.
    thread_pool pool(3);
    struct tree {
        thread_pool& pool;
        int          operator()(int depth) const {
            if (depth == 0) return 1;
            int a = 0, b = 0;
            sluice::parallel_invoke(pool, [&] { a = (*this)(depth - 1); }, [&] { b = (*this)(depth - 1); });
            return a + b;
        }
    };
    int const rounds = static_cast<int>(200 * test::stress_factor());
    for (int round = 0; round < rounds; ++round) {
        auto f = pool.submit([&] { return tree{pool}(9); });
        for (int i = 0; i < round % 40; ++i) std::this_thread::yield();
        pool.pause();
        pool.wait_paused();
        pool.resume();
        REQUIRE(f.get() == 512);
    }
}

TEST_CASE("resize: resize is request_size by another name", "[executor][resize][unit]") {
    thread_pool pool(sized(2, 1, 4));
    pool.resize(4);
    CHECK(pool.size() == 4);
    pool.request_size(3);
    CHECK(pool.size() == 3);
    try {
        pool.resize(5);
        FAIL("refused");
    } catch (std::invalid_argument const& e) {
        CHECK(std::string(e.what()) == "sluice: thread_pool::resize (min_workers to max_workers) is 5");
    }
}
