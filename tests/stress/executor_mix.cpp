// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <sluice/parallel/parallel_invoke.hpp>
#include <sluice/parallel/parallel_reduce.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

using sluice::thread_pool;

namespace {

/// A tree whose inner nodes work in every way that there is; its answer is the number of its leaves.
std::uint64_t leaves(thread_pool& pool, thread_pool& other, std::uint64_t seed, int depth) {
    if (depth == 0) return 1;
    auto const next = [&](std::uint64_t i) { return leaves(pool, other, seed * 6364136223846793005U + i * 2 + 1, depth - 1); };
    switch ((seed >> 33) % 7) {
        case 0: {
            std::uint64_t a = 0, b = 0;
            sluice::parallel_invoke(pool, [&] { a = next(0); }, [&] { b = next(1); });
            return a + b;
        }
        case 1: {
            std::atomic<std::uint64_t> sum{0};
            sluice::task_group group(pool);
            for (std::uint64_t i = 0; i < 3; ++i) group.run([&, i] { sum.fetch_add(next(i)); });
            group.wait();
            return sum.load();
        }
        case 2: {
            auto f = pool.submit([&] { return next(0); });
            std::uint64_t const mine = next(1);
            return mine + f.get();
        }
        case 3: {
            std::atomic<std::uint64_t> sum{0};
            sluice::parallel_for(pool, std::uint64_t{0}, std::uint64_t{4}, [&](std::uint64_t i) { sum.fetch_add(next(i)); });
            return sum.load();
        }
        case 4:
            return sluice::parallel_reduce(pool, std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{0}, next, std::plus<std::uint64_t>());
        case 5: {
            auto f = other.submit([&] { return leaves(other, pool, seed + 1, depth - 1); });
            pool.post([] {});
            return f.get();
        }
        default: {
            std::atomic<std::uint64_t> sum{0};
            sluice::task_group group(other);
            group.run([&] { sum.fetch_add(leaves(other, pool, seed + 2, depth - 1)); });
            group.run_and_wait([&] { sum.fetch_add(next(1)); });
            return sum.load();
        }
    }
}

}  // namespace

TEST_CASE("executor: every way to work inside every other, over two pools", "[stress][executor][parallel]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{5});
    thread_pool alone(1), pool(workers), other(workers == 1 ? 1 : 2);
    auto const random = test::keys(64, test::seed() + workers);
    std::uint64_t const rounds = 12 * test::stress_factor();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        auto const seed = random[round % 64] + round;
        std::uint64_t const expected = alone.submit([&] { return leaves(alone, alone, seed, 7); }).get();
        std::vector<std::uint64_t> got(4);
        test::run_threads(4, [&](std::size_t t) {
            got[t] = t % 2 == 0 ? leaves(pool, other, seed, 7) : other.submit([&] { return leaves(other, pool, seed, 7); }).get();
        });
        for (auto x : got) REQUIRE(x == expected);
    }
    pool.wait_idle();
    other.wait_idle();
    for (auto const& w : pool.metrics().workers) CHECK(w.depth == 0);
}

TEST_CASE("executor: exceptions from everywhere, all of them accounted for", "[stress][executor]") {
    std::atomic<std::uint64_t> handled{0};
    thread_pool pool({.workers = 3, .on_error = [&](std::exception_ptr) { handled.fetch_add(1); }});
    std::atomic<std::uint64_t> thrown{0};
    std::atomic<std::uint64_t> received{0};
    std::uint64_t const rounds = 500 * test::stress_factor();
    test::run_threads(3, [&](std::size_t t) {
        auto const fails = [&] {
            thrown.fetch_add(1);
            throw t;
        };
        for (std::uint64_t round = 0; round < rounds; ++round) {
            pool.post(fails);
            try {
                (void)pool.submit(fails);
                pool.submit(fails).get();
            } catch (std::size_t) {
                received.fetch_add(1);
            }
            try {
                sluice::task_group group(pool, round % 2 == 0 ? sluice::error_policy::cancel_siblings : sluice::error_policy::run_all);
                for (int i = 0; i < 3; ++i) group.run(fails);
                group.wait();
            } catch (std::size_t) {
                received.fetch_add(1);
            }
            try {
                sluice::parallel_invoke(pool, fails, fails, fails);
            } catch (std::size_t) {
                received.fetch_add(1);
            }
            try {
                sluice::parallel_for(pool, 0, 4, [&](int) { fails(); });
            } catch (std::size_t) {
                received.fetch_add(1);
            }
        }
    });
    pool.wait_idle();
    CHECK(handled.load() == 3 * rounds);
    CHECK(handled.load() + received.load() + pool.metrics().errors_dropped == thrown.load());
}

TEST_CASE("executor: 64 workers on few cores", "[stress][executor]") {
    thread_pool pool(64);
    std::atomic<std::uint64_t> ran{0};
    std::uint64_t const rounds = 20 * test::stress_factor();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        for (int i = 0; i < 500; ++i) pool.post([&] { ran.fetch_add(1); });
        sluice::parallel_for(pool, 0, 500, [&](int) { ran.fetch_add(1); }, sluice::dynamic_partitioner{});
        sluice::task_group group(pool);
        for (int i = 0; i < 100; ++i) group.run([&] { ran.fetch_add(1); });
        group.wait();
    }
    pool.wait_idle();
    CHECK(ran.load() == 1100 * rounds);
}
