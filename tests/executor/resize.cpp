// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <sluice/parallel/parallel_invoke.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/pools.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <latch>
#include <mutex>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using sluice::thread_pool;
using sluice::thread_pool_options;
using test::hold;
using test::settles;
using test::sized;

namespace {

std::string message_of(auto f) {
    try {
        f();
    } catch (std::invalid_argument const& e) {
        return e.what();
    }
    return "";
}

}  // namespace

TEST_CASE("resize: impossible sizes are refused by name and value", "[executor][resize][unit]") {
    auto const made = [](std::size_t n, std::size_t least, std::size_t most) {
        return message_of([&] { thread_pool pool(sized(n, least, most)); });
    };
    CHECK(made(2, 3, 4) == "sluice: thread_pool_options::min_workers (1 to workers) is 3");
    CHECK(made(2, 1, 1) == "sluice: thread_pool_options::max_workers (workers to 1000) is 1");
    CHECK(made(2, 1, 1001) == "sluice: thread_pool_options::max_workers (workers to 1000) is 1001");
    thread_pool pool(sized(2, 1, 4));
    for (std::size_t const n : {std::size_t{0}, std::size_t{5}, static_cast<std::size_t>(-1)}) {
        CHECK(message_of([&] { pool.request_size(n); }) ==
              "sluice: thread_pool::request_size (min_workers to max_workers) is " + std::to_string(n));
        CHECK(pool.size() == 2);
    }
    thread_pool fixed(2);
    fixed.request_size(2);
    CHECK_THROWS_AS(fixed.request_size(1), std::invalid_argument);
    CHECK_THROWS_AS(fixed.request_size(3), std::invalid_argument);
    CHECK(fixed.min_workers() == 2);
    CHECK(fixed.max_workers() == 2);
    CHECK(pool.min_workers() == 1);
    CHECK(pool.max_workers() == 4);
}

TEST_CASE("resize: an idle pool has as many threads as were last asked for", "[executor][resize][unit]") {
    auto const idle = GENERATE(sluice::idle_policy::balanced(), sluice::idle_policy::park_at_once(), sluice::idle_policy::spin());
    auto o = sized(2, 1, 6);
    o.idle = idle;
    thread_pool pool(std::move(o));
    REQUIRE(settles(pool, 2));
    for (std::size_t const n : {6U, 6U, 1U, 1U, 3U, 2U, 5U, 1U, 6U, 4U}) {
        pool.request_size(n);
        CHECK(pool.size() == n);
        REQUIRE(settles(pool, n));
        CHECK(pool.submit([] { return 7; }).get() == 7);
    }
}

TEST_CASE("resize: as many tasks run at once as there are workers", "[executor][resize][unit]") {
    thread_pool pool(sized(1, 1, 8));
    for (std::size_t const n : {8U, 3U, 1U, 5U}) {
        pool.request_size(n);
        REQUIRE(settles(pool, n));
        std::mutex            mutex;
        std::set<std::size_t> seen;
        std::atomic<int>      extra{0};
        {
            hold all(pool, n);  // hangs if there are fewer
            CHECK(test::eventually([&] { return pool.busy() == n; }));
            for (int i = 0; i < 10; ++i)
                pool.post([&] {
                    extra.fetch_add(1);
                    std::lock_guard const lock(mutex);
                    seen.insert(pool.this_worker_index());
                });
            CHECK(extra.load() == 0);  // nobody is left to run one
            CHECK(pool.queued() == 10);
        }
        pool.wait_idle();
        CHECK(pool.queued() == 0);
        CHECK(test::eventually([&] { return pool.busy() == 0; }));
        for (auto const i : seen) CHECK(i < pool.max_workers());
    }
    CHECK(pool.this_worker_index() == pool.max_workers());
}

TEST_CASE("resize: a worker never leaves inside a task, and who has none leaves instead", "[executor][resize][unit]") {
    thread_pool pool(sized(4, 1, 4));
    {
        hold two(pool, 2);
        pool.request_size(2);  // those without a task
        REQUIRE(settles(pool, 2));
        pool.request_size(1);  // nobody can go
        for (int i = 0; i < 1000; ++i) std::this_thread::yield();
        CHECK(pool.provisioned() == 2);
        CHECK(pool.size() == 1);
        pool.request_size(2);  // taken back before it was carried out
        two.release();
        pool.wait_idle();
        for (int i = 0; i < 1000; ++i) std::this_thread::yield();
        CHECK(pool.provisioned() == 2);
    }
    {
        hold two(pool, 2);
        pool.request_size(1);
    }
    REQUIRE(settles(pool, 1));
}

TEST_CASE("resize: a saturated pool shrinks too, and what the leaver had queued is run", "[executor][resize][unit]") {
    thread_pool pool(sized(3, 1, 3));
    std::atomic<bool> stop{false};
    std::atomic<int>  ran{0};
    int               posted = 0;
    struct again {  // fills its worker's own queue, and there is always more
        thread_pool&       pool;
        std::atomic<bool>& stop;
        void operator()() const {
            if (!stop.load()) pool.post(again{pool, stop});
        }
    };
    for (int i = 0; i < 60; ++i) pool.post(again{pool, stop});
    pool.request_size(1);
    CHECK(test::eventually([&] { return pool.provisioned() == 1; }));
    pool.request_size(3);
    for (; posted < 500; ++posted) pool.post([&] { ran.fetch_add(1); });
    CHECK(test::eventually([&] { return ran.load() == posted; }));
    pool.request_size(2);
    CHECK(test::eventually([&] { return pool.provisioned() == 2; }));
    stop.store(true);
    pool.wait_idle();
    CHECK(ran.load() == posted);
}

TEST_CASE("resize: what lies in the queue of a worker that leaves is run once, a chain included", "[executor][resize][unit]") {
    // The last of two workers to end its task is one too many, and its queue holds what it posted and the rest of a chain.
    for (int round = 0; round < 20; ++round) {
        thread_pool pool(sized(2, 1, 2));
        constexpr int n = 200;
        std::vector<std::atomic<int>> ran(2 * n);
        std::latch both(2), fill(1);
        std::atomic<bool> go{false};
        for (int k = 0; k < 2; ++k)
            pool.post([&, k] {
                both.count_down();
                fill.wait();
                for (int i = 0; i < n / 2; ++i) pool.post([&, j = k * n / 2 + i] { ran[static_cast<std::size_t>(j)].fetch_add(1); });
                go.wait(false);
            });
        both.wait();
        for (int i = 0; i < n; ++i) pool.post([&, j = n + i] { ran[static_cast<std::size_t>(j)].fetch_add(1); });
        fill.count_down();
        pool.request_size(1);
        go.store(true);
        go.notify_all();
        pool.wait_idle();
        for (auto& r : ran) REQUIRE(r.load() == 1);
        REQUIRE(settles(pool, 1));
        CHECK(pool.submitted() == 2 * n + 2);
        CHECK(pool.completed() == 2 * n + 2);
    }
}

TEST_CASE("resize: requests from workers, and from inside loops, groups and halves", "[executor][resize][unit]") {
    thread_pool pool(sized(2, 1, 5));
    std::atomic<int> ran{0};
    auto const       change = [&](int i) { pool.request_size(static_cast<std::size_t>(i % 5) + 1); };
    sluice::parallel_for(pool, 0, 500, [&](int i) {
        change(i);
        ran.fetch_add(1);
    }, sluice::dynamic_partitioner{});
    CHECK(ran.load() == 500);
    {
        sluice::task_group group(pool);
        for (int i = 0; i < 200; ++i)
            group.run([&, i] {
                change(i);
                sluice::parallel_invoke(pool, [&] { ran.fetch_add(1); }, [&] { change(i + 1), ran.fetch_add(1); });
            });
        group.wait();
    }
    CHECK(ran.load() == 900);
    pool.submit([&] {  // a worker that waits inside a task stays, whatever is asked for
            pool.request_size(1);
            sluice::task_group group(pool);
            for (int i = 0; i < 100; ++i) group.run([&] { ran.fetch_add(1); });
            group.wait();
            if (!pool.on_worker()) throw std::logic_error("left inside a task");
        }).get();
    CHECK(ran.load() == 1000);
    REQUIRE(settles(pool, 1));
}

TEST_CASE("resize: requests at once from many threads; the last one counts", "[executor][resize][unit]") {
    thread_pool pool(sized(2, 1, 6));
    std::atomic<int> ran{0};
    test::run_threads(6, [&](std::size_t t) {
        for (std::size_t i = 0; i < 300; ++i) {
            pool.request_size((t + i) % 6 + 1);
            pool.post([&] { ran.fetch_add(1); });
        }
    });
    pool.request_size(4);
    pool.wait_idle();
    CHECK(ran.load() == 1800);
    REQUIRE(settles(pool, 4));
}

TEST_CASE("resize: a hundred thousand requests leave nothing behind", "[executor][resize][unit]") {
    auto const threads = [] {
        std::error_code error;
        std::filesystem::directory_iterator const tasks("/proc/self/task", error);
        return error ? 0 : static_cast<int>(std::distance(begin(tasks), end(tasks)));
    };
    int const outside = threads();
    thread_pool pool(sized(4, 1, 4));
    std::atomic<int> ran{0};
    for (int i = 0; i < 100; ++i) pool.post([&] { ran.fetch_add(1); });
    pool.wait_idle();
    auto const random = test::keys(1000, test::seed());
    auto const before = test::allocations::live();
    for (std::size_t i = 0; i < 100'000; ++i) pool.request_size(random[i % 1000] % 4 + 1);
    pool.request_size(4);
    REQUIRE(settles(pool, 4));
    // A thread that has been joined, or is the last that left, can be listed for a moment longer.
    if (outside != 0) CHECK(test::eventually([&] { return threads() <= outside + 4 + 1; }));
    CHECK(test::eventually([&] { return test::allocations::live() <= before + 1; }));
    // And when each is carried out before the next is made.
    for (std::size_t i = 0; i < 300; ++i) {
        std::size_t const n = random[i] % 4 + 1;
        pool.request_size(n);
        REQUIRE(test::eventually([&] { return pool.provisioned() == n; }));
    }
    pool.request_size(4);
    REQUIRE(settles(pool, 4));
    if (outside != 0) CHECK(test::eventually([&] { return threads() <= outside + 4 + 1; }));
    CHECK(test::eventually([&] { return test::allocations::live() <= before + 1; }));
    CHECK(ran.load() == 100);
    CHECK(pool.metrics().workers.size() == 4);  // places are used again
}

TEST_CASE("resize: after shutdown it has no effect", "[executor][resize][unit]") {
    auto const mode = GENERATE(sluice::shutdown_mode::drain, sluice::shutdown_mode::discard);
    thread_pool pool(sized(2, 1, 4));
    pool.request_size(4);
    pool.request_size(1);
    (void)pool.shutdown(mode);
    CHECK(pool.provisioned() == 0);
    CHECK(pool.ready() == 0);
    CHECK(pool.busy() == 0);
    pool.request_size(4);
    pool.request_size(2);
    CHECK(pool.provisioned() == 0);
    CHECK(pool.size() == 1);
    CHECK_THROWS_AS(pool.request_size(9), std::invalid_argument);
}

TEST_CASE("resize: allocation failure has no effect", "[executor][resize][fault]") {
    std::atomic<int> refused{0}, wrong{0};
    auto const result = test::allocations::sweep([&](auto arm, auto disarm) {
        thread_pool pool(sized(1, 1, 3));
        if (!settles(pool, 1)) wrong.fetch_add(1);
        bool threw = false;
        arm();
        try {
            pool.request_size(3);
        } catch (std::bad_alloc const&) {
            threw = true;
        }
        disarm();
        if (threw) refused.fetch_add(1);
        if (!settles(pool, threw ? 1 : 3)) wrong.fetch_add(1);
        pool.request_size(2);
        if (!settles(pool, 2)) wrong.fetch_add(1);
    });
    CHECK(wrong.load() == 0);
    CHECK(refused.load() >= 6);
    CHECK(result.leaked == 0);
}

TEST_CASE("resize: observers never go back, and count those who have left", "[executor][resize][metrics]") {
    bool const metrics = GENERATE(false, true);
    auto       o = sized(3, 1, 4);
    o.metrics = metrics;
    thread_pool pool(std::move(o));
    std::atomic<bool> over{false};
    std::atomic<int>  backward{0};
    std::thread looks([&] {
        std::uint64_t s = 0, c = 0, b = 0;
        while (!over.load()) {
            std::uint64_t const done = pool.completed(), all = pool.submitted(), busy = pool.busy_nanoseconds();
            if (done < c || all < s || busy < b || all < done) backward.fetch_add(1);
            c = done, s = all, b = busy;
            if (pool.busy() > 4 || pool.provisioned() > 4) backward.fetch_add(1);
        }
    });
    for (int i = 0; i < 2000; ++i) {
        pool.post([&] { pool.post([] {}); });
        if (i % 8 == 0) pool.post_bulk(2, [](std::size_t) {});
        if (i % 16 == 0) (void)pool.try_run_one();
        if (i % 50 == 0) pool.request_size(static_cast<std::size_t>(i / 50) % 4 + 1);
    }
    pool.wait_idle();
    over.store(true);
    looks.join();
    CHECK(backward.load() == 0);
    pool.request_size(1);
    REQUIRE(settles(pool, 1));
    std::uint64_t const done = pool.completed();
    CHECK(done == pool.submitted());
    CHECK(done >= 4000 + 250);      // a bulk has one ticket for each worker, at most two here
    CHECK(done <= 4000 + 2 * 250);
    CHECK(pool.queued() == 0);
    CHECK((pool.busy_nanoseconds() > 0) == metrics);
    if (metrics) {
        auto const m = pool.metrics();
        CHECK(m.tasks() <= 4000 + 500);
        auto absent = std::chrono::nanoseconds{0};
        for (auto const& w : m.workers) {
            auto const all = w.busy + w.searching + w.parked + w.absent;
            CHECK(all <= m.elapsed + std::chrono::milliseconds(1));
            absent += w.absent;
        }
        CHECK(absent.count() > 0);
    }
}

TEST_CASE("resize: a running task's time counts while it runs", "[executor][resize][metrics]") {
    auto o = sized(1, 1, 2);
    o.metrics = true;
    thread_pool pool(std::move(o));
    hold one(pool, 1);
    auto const then = pool.busy_nanoseconds();
    CHECK(test::eventually([&] { return pool.busy_nanoseconds() > then + 1'000'000; }));
    CHECK(pool.busy() == 1);
    CHECK(pool.submitted() == 1);
    CHECK(pool.completed() == 0);
}

TEST_CASE("resize: a pool of fixed size counts what its workers have taken", "[executor][resize][metrics]") {
    thread_pool pool(2);
    for (int i = 0; i < 100; ++i) pool.post([] {});
    pool.wait_idle();
    CHECK(pool.submitted() == 100);
    CHECK(pool.completed() == 100);
    CHECK(pool.busy_nanoseconds() == 0);
    CHECK(pool.provisioned() == 2);
    CHECK(pool.queued() == 0);
}
