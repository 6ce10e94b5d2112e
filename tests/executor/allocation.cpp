// SPDX-License-Identifier: BSL-1.0
// The n-th allocation fails, for every n, in every way to hand work to a pool: no effect, no leak, and the pool goes on.
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/allocation_new.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/thread_creation.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <system_error>
#include <thread>

using sluice::task_group;
using sluice::thread_pool;
namespace allocations = test::allocations;

namespace {

/// Sweeps one way to submit: submit(pool, ran) adds `expected` to ran or throws and adds nothing.
template <class Submit>
void check_path(int expected, Submit submit) {
    for (bool const from_worker : {false, true})
        for (bool const large : {false, true}) {  // a closure that does not fit a slab allocates each time
            std::atomic<int> wrong{0}, refused{0};
            auto const result = allocations::sweep([&](auto arm, auto disarm) {
                std::atomic<int> ran{0};
                auto const count = std::make_shared<int>(0);
                {
                    thread_pool pool(2);
                    bool threw = false;
                    auto const body = [&] {
                        if (from_worker && large)  // the next push onto the worker's deque makes it grow
                            for (int i = 0; i < 256; ++i) pool.post([] {});
                        arm();
                        try {
                            std::array<char, 600> ballast{};
                            if (large)
                                submit(pool, [&ran, count, ballast](std::size_t = 0) mutable { ballast[0] = 1, ran.fetch_add(1); });
                            else
                                submit(pool, [&ran, count](std::size_t = 0) { ran.fetch_add(1); });
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
                    if (ran.load() != (threw ? 0 : expected)) wrong.fetch_add(1);
                    if (threw) refused.fetch_add(1);
                    if (count.use_count() != 1) wrong.fetch_add(1);
                    if (pool.submit([] { return 3; }).get() != 3) wrong.fetch_add(1);
                }
            });
            CHECK(wrong.load() == 0);
            CHECK(result.leaked == 0);
            CHECK(refused.load() >= 1);
            CHECK(result.runs >= 2);
        }
}

}  // namespace

TEST_CASE("thread_pool: allocation failure in post has no effect", "[executor][thread_pool][fault]") {
    check_path(1, [](thread_pool& pool, auto&& f) { pool.post(std::move(f)); });
}

TEST_CASE("thread_pool: allocation failure in submit has no effect", "[executor][thread_pool][fault]") {
    check_path(1, [](thread_pool& pool, auto&& f) { (void)pool.submit(std::move(f)); });
}

TEST_CASE("thread_pool: allocation failure in post_bulk has no effect", "[executor][thread_pool][fault]") {
    check_path(7, [](thread_pool& pool, auto&& f) { pool.post_bulk(7, std::move(f)); });
}

TEST_CASE("task_group: allocation failure in run has no effect", "[executor][task_group][fault]") {
    check_path(1, [](thread_pool& pool, auto&& f) {
        task_group group(pool);
        try {
            group.run(std::move(f));
        } catch (...) {
            if (group.size_approx() != 0) throw 1;
            group.wait();
            throw;
        }
        group.wait();
    });
}

TEST_CASE("thread_pool: allocation failure while it is made leaves nothing behind", "[executor][thread_pool][fault]") {
    std::atomic<int> made{0}, refused{0};
    auto const result = allocations::sweep([&](auto arm, auto disarm) {
        arm();
        try {
            thread_pool pool({.workers = 3, .victims = {.policy = sluice::victim_policy::history}, .on_error = [](auto) {}});
            disarm();
            made.fetch_add(1);
        } catch (std::bad_alloc const&) {
            disarm();
            refused.fetch_add(1);
        }
    });
    CHECK(result.leaked == 0);
    CHECK(made.load() >= 1);
    CHECK(refused.load() >= 10);
}

TEST_CASE("thread_pool: when a thread cannot be started the others are joined", "[executor][thread_pool][fault]") {
    int others = test::thread_creation::running();  // a sanitizer has one, and one that was joined may not be gone yet
    for (int n = 0; n <= 8; ++n) {
        auto const before = allocations::live();
        test::thread_creation::fail_after(n);
        bool refused = false;
        std::error_code code;
        try {
            thread_pool pool(8);
            test::thread_creation::never_fail();
            pool.submit([] {}).get();
        } catch (std::system_error const& e) {
            refused = true;
            code = e.code();
        }
        test::thread_creation::never_fail();
        CHECK(refused == (n < 8 && test::thread_creation::possible));
        if (refused) CHECK(code == std::errc::resource_unavailable_try_again);
        CHECK(test::eventually([&] { return test::thread_creation::running() <= others; }));
        others = std::min(others, test::thread_creation::running());
        // (what a first submission keeps for this thread: one slab)
        CHECK(allocations::live() - before <= (refused ? 0 : 1));
    }
    thread_pool pool(2);
    CHECK(pool.submit([] { return 1; }).get() == 1);
}

TEST_CASE("resize: when a thread cannot be started the request has no effect", "[executor][resize][fault]") {
    for (int n = 0; n <= 3; ++n) {
        thread_pool pool({.workers = 2, .min_workers = 1, .max_workers = 5});
        auto const settles = [&](std::size_t size) {
            return test::eventually([&] { return pool.provisioned() == size && pool.ready() == size; });
        };
        REQUIRE(settles(2));
        test::thread_creation::fail_after(n);
        std::error_code code;
        try {
            pool.request_size(5);
        } catch (std::system_error const& e) {
            code = e.code();
        }
        test::thread_creation::never_fail();
        bool const refused = n < 3 && test::thread_creation::possible;
        CHECK((code == std::errc::resource_unavailable_try_again) == refused);
        CHECK(pool.size() == (refused ? 2 : 5));
        REQUIRE(settles(refused ? 2 : 5));  // those that could be started have left again
        CHECK(pool.submit([] { return 3; }).get() == 3);
        pool.request_size(4);
        REQUIRE(settles(4));
    }
}

TEST_CASE("thread_pool: what costs an allocation and what does not", "[executor][thread_pool][unit]") {
    std::thread([] {  // a thread of its own: its slab ends with it
        thread_pool pool(2);
        pool.submit([] { return 1; }).get();
        pool.wait_idle();
        auto const before = allocations::total();
        for (int i = 0; i < 1000; ++i) pool.submit([i] { return i; }).get();
        auto const spent = allocations::total() - before;
        // 1000 nodes come out of slabs, about seventy in each; at most one allocation each is what is promised
        if (spent > 100) std::abort();
    }).join();
    CHECK(true);
}
