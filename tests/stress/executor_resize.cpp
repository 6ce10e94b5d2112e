// SPDX-License-Identifier: BSL-1.0
// Random sizes at random moments under every kind of work: each task runs once, every wait ends.
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <sluice/parallel/parallel_invoke.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

using sluice::thread_pool;

namespace {

constexpr std::size_t most = 5;

sluice::thread_pool_options resizable(sluice::idle_policy idle, bool metrics) {
    sluice::thread_pool_options o;
    o.workers = 2;
    o.min_workers = 1;
    o.max_workers = most;
    o.idle = idle;
    o.metrics = metrics;
    return o;
}

std::uint64_t fib(thread_pool& pool, unsigned n) {
    if (n < 2) return n;
    std::uint64_t a = 0, b = 0;
    sluice::parallel_invoke(pool, [&] { a = fib(pool, n - 1); }, [&] { b = fib(pool, n - 2); });
    return a + b;
}

}  // namespace

TEST_CASE("resize: every task runs once while the size changes at random", "[stress][executor][resize]") {
    auto const idle = GENERATE(sluice::idle_policy::balanced(), sluice::idle_policy::park_at_once());
    bool const metrics = GENERATE(false, true);
    auto const random = test::keys(4096, test::seed());
    std::uint64_t const rounds = 12 * test::stress_factor();
    thread_pool pool(resizable(idle, metrics));
    for (std::uint64_t round = 0; round < rounds; ++round) {
        constexpr std::size_t         threads = 3, each = 120;
        std::vector<std::atomic<int>> ran(threads * each);
        std::atomic<std::uint64_t>    nested{0}, wrong{0}, expected{0};
        std::atomic<std::size_t>      working{threads};
        test::run_threads(threads + 1, [&](std::size_t t) {
            if (t == threads) {
                for (std::uint64_t i = round; working.load() != 0; ++i) {
                    pool.request_size(random[i % 4096] % most + 1);
                    for (std::uint64_t k = random[(i + 7) % 4096] % 2000; k > 0; --k) sluice::cpu_relax();
                    if (i % 16 == 0) std::this_thread::yield();
                }
                return;
            }
            for (std::size_t i = 0; i < each; ++i) {
                auto& mine = ran[t * each + i];
                switch ((i + t + round) % 7) {
                    case 0: pool.post([&] { mine.fetch_add(1); }); break;
                    case 1: pool.submit([&] { mine.fetch_add(1); }).get(); break;
                    case 2:
                        pool.post([&, i] {  // changes the size itself, and fills its worker's queue
                            pool.request_size(i % most + 1);
                            for (int k = 0; k < 40; ++k) pool.post([&] { nested.fetch_add(1); });
                            mine.fetch_add(1);
                        });
                        expected.fetch_add(40);
                        break;
                    case 3: {
                        sluice::task_group group(pool);
                        for (int k = 0; k < 10; ++k) group.run([&] { nested.fetch_add(1); });
                        group.run_and_wait([&] { mine.fetch_add(1); });
                        expected.fetch_add(10);
                        break;
                    }
                    case 4:
                        if (fib(pool, 11) != 89) wrong.fetch_add(1);
                        mine.fetch_add(1);
                        break;
                    case 5:
                        sluice::parallel_for(pool, 0, 64, [&](int) { nested.fetch_add(1); }, sluice::dynamic_partitioner{});
                        expected.fetch_add(64);
                        mine.fetch_add(1);
                        break;
                    default:
                        pool.post_bulk(3, [&](std::size_t) { nested.fetch_add(1); });
                        expected.fetch_add(3);
                        (void)pool.try_run_one();
                        mine.fetch_add(1);
                }
            }
            working.fetch_sub(1);
        });
        pool.wait_idle();
        for (auto& r : ran) REQUIRE(r.load() == 1);
        REQUIRE(nested.load() == expected.load());
        REQUIRE(wrong.load() == 0);
        REQUIRE(pool.completed() == pool.submitted());
    }
    for (std::size_t const n : {std::size_t{1}, most}) {
        pool.request_size(n);
        REQUIRE(test::eventually([&] { return pool.provisioned() == n && pool.ready() == n; }));
    }
    for (auto const& w : pool.metrics().workers) CHECK(w.depth == 0);
}

TEST_CASE("resize: one task at a time always finds a worker, however the size changes", "[stress][executor][resize]") {
    // A call that goes to a worker that leaves, and is not passed on, hangs here.
    thread_pool pool(resizable(sluice::idle_policy::park_at_once(), false));
    std::atomic<bool> over{false};
    std::thread sizes([&] {
        for (std::size_t i = 0; !over.load(); ++i) {
            pool.request_size(i % 2 == 0 ? 1 : most);
            if (i % 4 == 0) std::this_thread::yield();
        }
    });
    std::uint64_t const rounds = 4000 * test::stress_factor();
    std::uint64_t       late = 0;
    std::atomic<std::uint64_t> ran{0};
    for (std::uint64_t i = 0; i < rounds && late == 0; ++i) {
        pool.post([&] { ran.fetch_add(1); });  // nobody waits in a way that would call again
        if (!test::eventually([&] { return ran.load() == i + 1; }, std::chrono::seconds(30))) ++late;
    }
    over.store(true);
    sizes.join();
    CHECK(late == 0);
}

TEST_CASE("resize: whoever is idle leaves, although others are busy for long", "[stress][executor][resize]") {
    // A wake-up that is to make a sleeper leave may hit one that finds work: it has to tell another.
    std::uint64_t const rounds = 300 * test::stress_factor();
    auto const          random = test::keys(1024, test::seed() + 1);
    thread_pool         pool(resizable(sluice::idle_policy::park_at_once(), false));
    for (std::uint64_t round = 0; round < rounds; ++round) {
        pool.request_size(3);
        REQUIRE(test::eventually([&] { return pool.ready() == 3 && pool.busy() == 0; }));
        std::atomic<bool> go{false};
        std::thread       works([&] {
            for (std::uint64_t k = random[round % 1024] % 2000; k > 0; --k) sluice::cpu_relax();
            pool.post([&] { go.wait(false); });
        });
        for (std::uint64_t k = random[(round + 5) % 1024] % 2000; k > 0; --k) sluice::cpu_relax();
        pool.request_size(2);
        works.join();
        bool const left = test::eventually([&] { return pool.provisioned() == 2; }, std::chrono::seconds(30));
        go.store(true);
        go.notify_all();
        pool.wait_idle();
        REQUIRE(left);
    }
}

TEST_CASE("resize: shutdown at a random moment of a resize loses nothing", "[stress][executor][resize]") {
    auto const mode = GENERATE(sluice::shutdown_mode::drain, sluice::shutdown_mode::discard);
    auto const random = test::keys(1024, test::seed());
    std::uint64_t const rounds = 60 * test::stress_factor();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        constexpr std::size_t each = 60;
        std::atomic<std::uint64_t> ran{0}, destroyed{0}, accepted{0}, refused{0}, dropped{0};
        struct counted {
            std::atomic<std::uint64_t>* n;
            explicit counted(std::atomic<std::uint64_t>& x) : n(&x) {}
            counted(counted&& o) noexcept : n(std::exchange(o.n, nullptr)) {}
            ~counted() {
                if (n != nullptr) n->fetch_add(1);
            }
        };
        thread_pool pool(resizable(sluice::idle_policy::balanced(), false));
        test::run_threads(4, [&](std::size_t t) {
            if (t == 0) {
                for (std::uint64_t k = 0; k < random[round % 1024] % 20'000; ++k) sluice::cpu_relax();
                dropped += pool.shutdown(mode);
            } else if (t == 1) {
                for (std::size_t i = 0; i < 200; ++i) pool.request_size(random[(round + i) % 1024] % most + 1);
            } else {
                for (std::size_t i = 0; i < each; ++i) {
                    try {
                        pool.post([&, i, c = counted(destroyed)] {
                            if (i % 8 == 0) pool.request_size(i / 8 % most + 1);
                            ran.fetch_add(1);
                        });
                        accepted.fetch_add(1);
                    } catch (sluice::pool_closed const&) {
                        refused.fetch_add(1);
                    }
                }
            }
        });
        REQUIRE(pool.provisioned() == 0);
        REQUIRE(accepted.load() + refused.load() == 2 * each);
        REQUIRE(destroyed.load() == 2 * each);
        REQUIRE(ran.load() + dropped.load() == accepted.load());
        REQUIRE(pool.completed() == accepted.load());
        REQUIRE(pool.submitted() == accepted.load());
    }
}
