// SPDX-License-Identifier: BSL-1.0
// The n-th allocation fails, for every n, in the parallel algorithms: they run everything once, or throw and leak nothing.
#include <sluice/parallel/parallel_for.hpp>
#include <sluice/parallel/parallel_invoke.hpp>
#include <sluice/parallel/parallel_reduce.hpp>

#include "support/allocation_new.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <cstdint>
#include <vector>

using sluice::thread_pool;
namespace allocations = test::allocations;

namespace {

/// Counts down at the end of a scope. (Not local to its user: clang loses the destructor of a class local to a generic lambda.)
struct leave {
    std::atomic<int>& n;
    ~leave() { n.fetch_sub(1); }
};

/// run(pool, ran) counts what it ran into ran; `expected` if it does not throw, at most that if it does.
template <class Run>
void check_path(int expected, Run run) {
    for (bool const from_worker : {false, true}) {
        std::atomic<int> wrong{0}, refused{0};
        auto const result = allocations::sweep([&](auto arm, auto disarm) {
            std::atomic<int> ran{0};
            thread_pool pool(2);
            bool threw = false;
            auto const body = [&] {
                if (from_worker)
                    for (int i = 0; i < 256; ++i) pool.post([] {});
                arm();
                try {
                    run(pool, ran);
                } catch (std::bad_alloc const&) {
                    threw = true;
                }
                disarm();
            };
            if (from_worker)
                pool.submit([&body] { body(); }).get();
            else
                body();
            pool.wait_idle();
            if (threw ? ran.load() > expected : ran.load() != expected) wrong.fetch_add(1);
            if (threw) refused.fetch_add(1);
            if (pool.submit([] { return 3; }).get() != 3) wrong.fetch_add(1);
        });
        CHECK(wrong.load() == 0);
        CHECK(result.leaked == 0);
        if (!from_worker) CHECK(result.runs >= 2);
    }
}

}  // namespace

TEST_CASE("parallel_for: allocation failure leaves no iteration run twice", "[parallel][parallel_for][fault]") {
    check_path(500, [](thread_pool& pool, std::atomic<int>& ran) {
        sluice::parallel_for(pool, 0, 500, [&](int) { ran.fetch_add(1); }, sluice::dynamic_partitioner{.grain = 8});
    });
    check_path(8, [](thread_pool& pool, std::atomic<int>& ran) {
        sluice::parallel_for(pool, 0, 8, [&](int) { ran.fetch_add(1); });
    });
}

TEST_CASE("parallel_reduce: allocation failure", "[parallel][parallel_reduce][fault]") {
    check_path(8, [](thread_pool& pool, std::atomic<int>& ran) {
        if (sluice::parallel_reduce(pool, 0, 8, 0, [&](int) { return ran.fetch_add(1), 1; }, std::plus<int>()) != 8) ran = -1;
    });
}

TEST_CASE("parallel_invoke: allocation failure", "[parallel][parallel_invoke][fault]") {
    check_path(8, [](thread_pool& pool, std::atomic<int>& ran) {
        auto const tree = [&](auto const& self, int depth) -> void {
            if (depth == 0) return void(ran.fetch_add(1));
            sluice::parallel_invoke(pool, [&] { self(self, depth - 1); }, [&] { self(self, depth - 1); });
        };
        tree(tree, 3);
    });
}

TEST_CASE("parallel_invoke: the deque of forks may fail to grow", "[parallel][parallel_invoke][fault]") {
    // More forks inside each other than the first ring has room for.
    std::atomic<int> wrong{0};
    auto const result = allocations::sweep([&](auto arm, auto disarm) {
        thread_pool pool(1);
        pool.submit([&] {
                std::atomic<int> ran{0}, inside{0};
                auto const deep = [&](auto const& self, int depth) -> void {
                    if (depth == 0) return;
                    inside.fetch_add(1);
                    leave const l{inside};
                    sluice::parallel_invoke(pool, [&] { self(self, depth - 1); }, [&] { ran.fetch_add(1); });
                };
                bool threw = false;
                arm();
                try {
                    deep(deep, 300);
                } catch (std::bad_alloc const&) {
                    threw = true;
                }
                disarm();
                if (inside.load() != 0 || ran.load() != (threw ? 0 : 300)) wrong.fetch_add(1);
                ran = 0;
                deep(deep, 300);
                if (ran.load() != 300) wrong.fetch_add(1);
            }).get();
    });
    CHECK(wrong.load() == 0);
    CHECK(result.leaked == 0);
    CHECK(result.runs >= 3);
}

TEST_CASE("parallel_invoke, parallel_for: no allocation on a worker, none for a short loop", "[parallel][unit]") {
    thread_pool pool(1);
    auto const spent = pool.submit([&] {
        auto const before = allocations::total();
        std::atomic<int> ran{0};
        for (int i = 0; i < 100; ++i) {
            sluice::parallel_invoke(pool, [&] { ran.fetch_add(1); }, [&] { ran.fetch_add(1); }, [&] { ran.fetch_add(1); });
            sluice::parallel_for(pool, 0, 100, [&](int) { ran.fetch_add(1); });
        }
        return allocations::total() - before;
    }).get();
    CHECK(spent == 0);
}
