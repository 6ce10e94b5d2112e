// SPDX-License-Identifier: BSL-1.0
#include <sluice/parallel/parallel_invoke.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

using sluice::parallel_invoke;
using sluice::thread_pool;

namespace {

int fib(thread_pool& pool, int n) {
    if (n < 2) return n;
    int a = 0, b = 0;
    parallel_invoke(pool, [&] { a = fib(pool, n - 1); }, [&] { b = fib(pool, n - 2); });
    return a + b;
}

void sort(thread_pool& pool, std::uint64_t* first, std::uint64_t* last) {
    if (last - first < 8) return std::sort(first, last);
    std::uint64_t const pivot = first[(last - first) / 2];
    auto* const middle = std::partition(first, last, [&](auto x) { return x < pivot; });
    auto* const behind = std::partition(middle, last, [&](auto x) { return x == pivot; });
    parallel_invoke(pool, [&] { sort(pool, first, middle); }, [&] { sort(pool, behind, last); });
}

}  // namespace

TEST_CASE("parallel_invoke: recursion", "[parallel][parallel_invoke][unit]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{8});
    thread_pool pool(workers);
    CHECK(fib(pool, 15) == 610);                                       // from outside
    CHECK(pool.submit([&] { return fib(pool, 22); }).get() == 17711);  // on a worker
    auto keys = test::keys(50'000, test::seed());
    pool.submit([&] { sort(pool, keys.data(), keys.data() + keys.size()); }).get();
    CHECK(std::is_sorted(keys.begin(), keys.end()));
    test::run_threads(3, [&](std::size_t) { (void)fib(pool, 12); });
}

TEST_CASE("parallel_invoke: two to six functions of every kind, each once", "[parallel][parallel_invoke][unit]") {
    static std::atomic<int> ran;
    ran = 0;
    struct function {
        static void plain() { ran.fetch_add(1); }
    };
    auto const constant = []() noexcept { ran.fetch_add(1); };
    auto changes = [n = 0]() mutable { ran.fetch_add(++n); };
    auto only_moves = [p = std::make_unique<int>(1)] { ran.fetch_add(*p); };
    thread_pool pool(2);
    auto const go = [&] {
        parallel_invoke(pool, function::plain, &function::plain);
        parallel_invoke(pool, constant, changes, only_moves);
        parallel_invoke(pool, constant, constant, [] { return 7; }, constant);
        parallel_invoke(pool, constant, constant, constant, constant, constant, constant);
    };
    go();
    CHECK(ran.load() == 14);
    pool.submit(go).get();
    CHECK(ran.load() == 29);  // `changes` has counted on
}

TEST_CASE("parallel_invoke: the halves can run at the same time", "[parallel][parallel_invoke][unit]") {
    thread_pool pool(2);
    bool const from_worker = GENERATE(false, true);
    std::barrier<> both(2);
    std::atomic<int> met{0};
    auto const meet = [&] {
        both.arrive_and_wait();
        met.fetch_add(1);
    };
    auto const go = [&] { parallel_invoke(pool, meet, meet); };
    for (int i = 0; i < 100; ++i)
        if (from_worker)
            pool.submit(go).get();
        else
            go();
    CHECK(met.load() == 200);
}

TEST_CASE("parallel_invoke: the leftmost exception wins and the others are counted", "[parallel][parallel_invoke][fault]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2});
    bool const from_worker = GENERATE(false, true);
    thread_pool pool(workers);
    auto const run = [&](auto f) {
        if (from_worker)
            pool.submit(f).get();
        else
            f();
    };
    std::atomic<int> ran{0};
    CHECK_THROWS_WITH(run([&] {
        parallel_invoke(pool, [] { throw std::runtime_error("first"); }, [&] { ran.fetch_add(1); });
    }), "first");
    CHECK_THROWS_WITH(run([&] {
        parallel_invoke(pool, [&] { ran.fetch_add(1); }, [] { throw std::runtime_error("second"); });
    }), "second");
    CHECK_THROWS_WITH(run([&] {
        parallel_invoke(pool, [] {}, [] {}, [] { throw std::runtime_error("third"); }, [] {});
    }), "third");
    for (int i = 0; i < 50; ++i) {
        auto const before = pool.metrics().errors_dropped;
        std::atomic<std::uint64_t> threw{0};
        CHECK_THROWS_WITH(run([&] {
            parallel_invoke(pool,
                            [&] {
                                if (workers > 1) (void)test::eventually([&] { return threw.load() == 1; });
                                threw.fetch_add(1);
                                throw std::runtime_error("left");
                            },
                            [&] {
                                threw.fetch_add(1);
                                throw std::runtime_error("right");
                            });
        }), "left");
        CHECK(pool.metrics().errors_dropped - before == threw.load() - 1);
    }
    CHECK(fib(pool, 10) == 55);
}

TEST_CASE("parallel_invoke: an exception climbs out of deep recursion, and everybody has ended", "[parallel][parallel_invoke][fault]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{4});
    thread_pool pool(workers);
    for (int round = 0; round < 30; ++round) {
        std::atomic<int> inside{0};
        std::atomic<int> leaves{0};
        auto const tree = [&](auto const& self, int depth) -> void {
            struct scope {
                std::atomic<int>& n;
                explicit scope(std::atomic<int>& x) : n(x) { n.fetch_add(1); }
                ~scope() { n.fetch_sub(1); }
            } const here(inside);
            if (depth == 0) {
                if (leaves.fetch_add(1) % 100 == 50) throw depth;
                return;
            }
            parallel_invoke(pool, [&] { self(self, depth - 1); }, [&] { self(self, depth - 1); });
        };
        REQUIRE_THROWS_AS(tree(tree, 10), int);
        REQUIRE(inside.load() == 0);
    }
}

TEST_CASE("parallel_invoke: two pools of one thread, each in the other", "[parallel][parallel_invoke][unit]") {
    thread_pool a(1), b(1);
    std::atomic<int> ran{0};
    auto const deep = [&](auto const& self, thread_pool& x, thread_pool& y, int n) -> void {
        if (n == 0) return void(ran.fetch_add(1));
        auto const next = [&] { self(self, y, x, n - 1); };
        parallel_invoke(x, next, next);
    };
    auto f = a.submit([&] { deep(deep, b, a, 6); });
    auto g = b.submit([&] { deep(deep, a, b, 6); });
    f.get();
    g.get();
    CHECK(ran.load() == 128);
}

TEST_CASE("parallel_invoke: a worker that waits for its other half does nothing unrelated", "[parallel][parallel_invoke][law]") {
    thread_pool pool(2);
    static thread_local bool inside = false;
    std::atomic<int> bad{0}, ran{0};
    std::mutex mutex;
    for (int round = 0; round < 200; ++round) {
        auto f = pool.submit([&] {
            for (int i = 0; i < 5; ++i)
                pool.post([&] {
                    if (inside) bad.fetch_add(1);
                    std::lock_guard const lock(mutex);
                    ran.fetch_add(1);
                });
            std::lock_guard const lock(mutex);  // whoever runs one of those inside locks it twice
            inside = true;
            parallel_invoke(pool, [&] { (void)fib(pool, 5); }, [&] { (void)fib(pool, 8); });
            inside = false;
        });
        f.get();
    }
    pool.wait_idle();
    CHECK(bad.load() == 0);
    CHECK(ran.load() == 1000);
}

TEST_CASE("parallel_invoke: on a pool that has been shut down", "[parallel][parallel_invoke][fault]") {
    thread_pool pool(1);
    (void)pool.shutdown();
    std::atomic<int> ran{0};
    auto const count = [&] { ran.fetch_add(1); };
    CHECK_THROWS_AS(parallel_invoke(pool, count, count), sluice::pool_closed);
    CHECK(ran.load() == 0);
}

TEST_CASE("parallel_invoke: on a pool that drops its work", "[parallel][parallel_invoke][fault]") {
    std::atomic<int> ran{0};
    auto const       count = [&] { ran.fetch_add(1); };
    thread_pool      pool(sluice::thread_pool_options{.workers = 1, .metrics = true});
    pool.pause();
    bool        told = false;
    std::thread caller([&] {
        try {
            parallel_invoke(pool, count, count);
        } catch (sluice::broken_task const&) {
            told = true;
        }
    });
    CHECK(test::eventually([&] { return pool.submitted() == 1; }));
    (void)pool.shutdown(sluice::shutdown_mode::discard);
    caller.join();
    CHECK(told);
    CHECK(ran.load() == 0);
}
