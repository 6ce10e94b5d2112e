// SPDX-License-Identifier: BSL-1.0
// Workers that wait and run anything meanwhile, and threads that wait for an idle pool: no wake-up is lost.
#include <sluice/executor/schedule.hpp>
#include <sluice/executor/sync_wait.hpp>
#include <sluice/executor/task.hpp>
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <cstdint>
#include <thread>

using sluice::thread_pool;

namespace {

sluice::thread_pool_options resizable(std::size_t most, sluice::idle_policy idle) {
    sluice::thread_pool_options o;
    o.workers = most;
    o.min_workers = 1;
    o.max_workers = most;
    o.idle = idle;
    return o;
}

sluice::task<int> hop(thread_pool& pool) {
    co_await sluice::schedule(pool);
    co_await sluice::schedule(pool);
    co_return 1;
}

/// Waits inside waits: for a coroutine that needs a worker, and for a group whose task posts a task.
int waits(thread_pool& pool, std::atomic<std::uint64_t>& ran, int depth) {
    int sum = sluice::sync_wait(hop(pool));
    if (depth == 0) return sum;
    std::atomic<int>   below{0};
    sluice::task_group group(pool);
    group.run([&] {
        pool.post([&ran] { ran.fetch_add(1); });
        below.fetch_add(waits(pool, ran, depth - 1));
    });
    group.wait(sluice::wait_mode::any);
    return sum + below.load();
}

}  // namespace

TEST_CASE("executor: workers asleep in waits are woken by tasks, ends, resizing and pauses", "[stress][executor][isolate]") {
    auto const most = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{4});
    auto const idle = GENERATE(sluice::idle_policy::balanced(), sluice::idle_policy::park_at_once());
    auto const                 random = test::keys(4096, test::seed() + most);
    std::uint64_t const        each = 60 * test::stress_factor();
    std::atomic<std::uint64_t> ran{0};
    std::atomic<int>           wrong{0}, working{2};
    thread_pool                pool(resizable(most, idle));
    test::run_threads(4, [&](std::size_t t) {
        if (t < 2) {
            for (std::uint64_t i = 0; i < each; ++i) {
                int const depth = static_cast<int>((random[(2 * i + t) % 4096] >> 40) % 4);
                auto      f = pool.submit([&, depth] { return waits(pool, ran, depth); });
                if (i % 3 == 0) pool.post([] {});
                if (f.get() != depth + 1) wrong.fetch_add(1);
            }
            working.fetch_sub(1);
        } else if (t == 2) {
            for (std::uint64_t i = 0; working.load() != 0; ++i) {
                pool.request_size(random[i % 4096] % most + 1);
                std::this_thread::yield();
            }
        } else {
            for (std::uint64_t i = 0; working.load() != 0; ++i) {
                pool.pause();
                for (std::uint64_t k = random[i % 4096] % 500; k > 0; --k) sluice::cpu_relax();
                pool.resume();
                for (int k = 0; k < 20; ++k) std::this_thread::yield();
            }
        }
    });
    pool.wait_idle();
    std::uint64_t expected = 0;
    for (std::uint64_t i = 0; i < each; ++i)
        for (std::uint64_t t = 0; t < 2; ++t) expected += (random[(2 * i + t) % 4096] >> 40) % 4;
    CHECK(wrong.load() == 0);
    CHECK(ran.load() == expected);
}

TEST_CASE("executor: who waits for an idle pool is woken by the last to change the counts", "[stress][executor]") {
    auto const  idle = GENERATE(sluice::idle_policy::balanced(), sluice::idle_policy::park_at_once());
    thread_pool pool(resizable(3, idle));
    std::uint64_t const        rounds = 3000 * test::stress_factor();
    std::atomic<std::uint64_t> round{0};
    int                        late = 0;
    test::run_threads(2, [&](std::size_t t) {
        if (t == 0) {
            for (std::uint64_t i = 0; i < rounds; ++i) {
                for (std::uint64_t k = i % 4 + 1; k > 0; --k) pool.post([] {});
                pool.wait_idle();
                round.store(i + 1);
            }
            return;
        }
        for (std::uint64_t seen = 0; seen != rounds && late == 0; seen = round.load()) {
            if (test::eventually([&] { return round.load() != seen; })) continue;
            ++late;
            pool.post([] {});  // frees the one that waits, so that the test ends
        }
    });
    CHECK(late == 0);
}
