// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

using sluice::thread_pool;

TEST_CASE("thread_pool: a submission that races with shutdown is run, dropped or refused, exactly once",
          "[stress][executor][thread_pool]") {
    auto const mode = GENERATE(sluice::shutdown_mode::drain, sluice::shutdown_mode::discard, sluice::shutdown_mode::cancel);
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{4});
    auto const random = test::keys(1024, test::seed());
    std::uint64_t const rounds = 150 * test::stress_factor();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        constexpr std::size_t threads = 3, each = 60;
        std::atomic<std::uint64_t> ran{0}, destroyed{0}, accepted{0}, refused{0}, nested{0}, dropped{0};
        struct counted {
            std::atomic<std::uint64_t>* n;
            explicit counted(std::atomic<std::uint64_t>& x) : n(&x) {}
            counted(counted&& o) noexcept : n(std::exchange(o.n, nullptr)) {}
            ~counted() {
                if (n != nullptr) n->fetch_add(1);
            }
        };
        {
            thread_pool pool(workers);
            test::run_threads(threads + 2, [&](std::size_t t) {
                if (t == threads) {
                    for (std::uint64_t k = 0; k < random[round % 1024] % 3000; ++k) sluice::cpu_relax();
                    dropped += pool.shutdown(mode);
                    return;
                }
                if (t == threads + 1) {  // somebody who takes what is there, and puts back what he cannot run; and pauses
                    for (std::uint64_t k = 0; k < 50; ++k) {
                        (void)pool.try_run_one();
                        if (k + round % 7 == 20) pool.pause();
                        if (k == 25 && round % 2 == 0) pool.resume();
                    }
                    return;
                }
                for (std::size_t i = 0; i < each; ++i) {
                    try {
                        switch ((i + round) % 5) {
                            case 0: pool.post([&ran, c = counted(destroyed)] { ran.fetch_add(1); }); break;
                            case 1: (void)pool.submit([&ran, c = counted(destroyed)] { ran.fetch_add(1); }); break;
                            case 2:
                                pool.post([&, c = counted(destroyed)] {  // works with others, which may lie between strangers
                                    sluice::task_group group(pool);
                                    for (int k = 0; k < 3; ++k) group.run([&] { nested.fetch_add(1); });
                                    pool.post([] {});
                                    group.wait();
                                    nested.fetch_add(group.dropped());
                                    ran.fetch_add(1);
                                });
                                break;
                            case 3: pool.post_on(i % workers, [&ran, c = counted(destroyed)] { ran.fetch_add(1); }); break;
                            default: pool.post_bulk(1, [&ran, c = counted(destroyed)](std::size_t) { ran.fetch_add(1); });
                        }
                        accepted.fetch_add(1);
                    } catch (sluice::pool_closed const&) {
                        refused.fetch_add(1);
                    }
                }
            });
            REQUIRE(accepted.load() + refused.load() == threads * each);
            REQUIRE(destroyed.load() == threads * each);
            REQUIRE(nested.load() % 3 == 0);
            REQUIRE_FALSE(pool.paused());
            if (mode == sluice::shutdown_mode::drain) {
                REQUIRE(ran.load() == accepted.load());
                REQUIRE(dropped.load() == 0);
            } else {
                REQUIRE(ran.load() <= accepted.load());
                REQUIRE(ran.load() + dropped.load() >= accepted.load());
            }
        }
        REQUIRE(destroyed.load() == threads * each);
    }
}
