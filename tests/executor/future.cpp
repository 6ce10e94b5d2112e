// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/future.hpp>
#include <sluice/executor/sync_wait.hpp>
#include <sluice/executor/task.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/random.hpp"

#include <atomic>
#include <chrono>
#include <latch>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>

using sluice::future;
using sluice::thread_pool;
using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<future<int>> && std::is_nothrow_move_constructible_v<future<int>>);

TEST_CASE("future: results of every kind", "[executor][future][unit]") {
    thread_pool pool(2);
    CHECK(pool.submit([] { return 7; }).get() == 7);
    pool.submit([] {}).get();
    CHECK(pool.submit([] { return std::string(1000, 'x'); }).get() == std::string(1000, 'x'));
    CHECK(*pool.submit([] { return std::make_unique<int>(3); }).get() == 3);
    int here = 1;
    auto lvalue = pool.submit([&]() -> int& { return here; });
    static_assert(std::is_same_v<decltype(lvalue.get()), int&>);
    CHECK(&lvalue.get() == &here);
    auto constant = pool.submit([&]() -> int const& { return here; });
    CHECK(&constant.get() == &here);
    auto expiring = pool.submit([&]() -> int&& { return std::move(here); });
    static_assert(std::is_same_v<decltype(expiring.get()), int&&>);
    int&& same = expiring.get();
    CHECK(&same == &here);
    struct no_default {
        explicit no_default(int x) : value(x) {}
        int value;
    };
    CHECK(pool.submit([] { return no_default(4); }).get().value == 4);
    struct alignas(64) wide {
        int value = 5;
    };
    auto w = pool.submit([] { return wide(); });
    CHECK(w.get().value == 5);
    CHECK(pool.submit([p = std::make_unique<int>(6)]() mutable { return std::move(p); }).get() != nullptr);
    struct once {
        int operator()() && { return 8; }
    };
    CHECK(pool.submit(once{}).get() == 8);
}

TEST_CASE("future: valid, moves, is_ready", "[executor][future][unit]") {
    thread_pool pool(1);
    future<int> none;
    CHECK_FALSE(none.valid());
    CHECK_FALSE(none.is_ready());
    std::latch go(1);
    auto f = pool.submit([&] {
        go.wait();
        return 1;
    });
    CHECK(f.valid());
    CHECK_FALSE(f.is_ready());
    none = std::move(f);
    CHECK_FALSE(f.valid());
    go.count_down();
    none.wait();
    none.wait();  // again
    CHECK(none.is_ready());
    CHECK(none.get() == 1);
    CHECK_FALSE(none.valid());
}

TEST_CASE("future: deadlines", "[executor][future][unit]") {
    thread_pool pool(1);
    std::latch go(1);
    auto f = pool.submit([&] { go.wait(); });
    CHECK_FALSE(f.wait_for(0s));
    CHECK_FALSE(f.wait_for(-1h));
    CHECK_FALSE(f.wait_for(std::chrono::hours::min()));
    CHECK_FALSE(f.wait_for(std::chrono::duration<double>(-1e300)));
    CHECK_FALSE(f.wait_for(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())));
    CHECK_FALSE(f.wait_for(1ms));
    CHECK_FALSE(f.wait_for(std::chrono::duration<double>(0.001)));
    CHECK_FALSE(f.wait_until(std::chrono::steady_clock::time_point::min()));
    CHECK_FALSE(f.wait_until(std::chrono::steady_clock::now() + 2ms));
    go.count_down();
    CHECK(f.wait_for(std::chrono::hours::max()));  // longer than the clock can say
    CHECK(f.wait_for(0s));
    CHECK(f.wait_until(std::chrono::steady_clock::time_point::max()));
    f.get();

    // On a worker a wait with a deadline runs what has not begun.
    pool.submit([&] {
            auto inner = pool.submit([] { return 5; });
            if (!inner.wait_for(0s) || inner.get() != 5) throw std::logic_error("deadline");
        }).get();
    // The time passes for a task that is queued behind one that runs, and the pool lives.
    std::latch held(1), release(1);
    auto first = pool.submit([&] {
        held.count_down();
        release.wait();
    });
    held.wait();
    auto second = pool.submit([] {});
    CHECK_FALSE(second.wait_for(5ms));
    release.count_down();
    CHECK(second.wait_for(1h));
}

TEST_CASE("future: what a task threw is rethrown once", "[executor][future][fault]") {
    thread_pool pool(2);
    auto f = pool.submit([]() -> int { throw std::runtime_error("task"); });
    CHECK_THROWS_WITH(f.get(), "task");
    CHECK_FALSE(f.valid());
    auto reference = pool.submit([]() -> int& { throw 7; });
    CHECK_THROWS_AS(reference.get(), int);
    struct throws_in_move {
        throws_in_move() = default;
        throws_in_move(throws_in_move&&) { throw std::runtime_error("result"); }
    };
    auto result = pool.submit([] { return throws_in_move(); });
    CHECK_THROWS_WITH(result.get(), "result");
    CHECK(pool.metrics().errors_dropped == 0);
    CHECK(pool.metrics().errors_handled == 0);
}

TEST_CASE("future: an exception that nobody gets is counted", "[executor][future][fault]") {
    thread_pool pool(1);
    (void)pool.submit([] { throw 1; });  // gone at once, before or after the task
    pool.wait_idle();
    CHECK(pool.metrics().errors_dropped == 1);
    {
        auto f = pool.submit([] { throw 2; });
        pool.wait_idle();
        CHECK(pool.metrics().errors_dropped == 1);
    }
    CHECK(pool.metrics().errors_dropped == 2);
    {
        auto f = pool.submit([] { throw 3; });
        f.wait();
        f = pool.submit([] {});  // the worker may hold the old state still, and count when it lets go
    }
    pool.wait_idle();
    CHECK(pool.metrics().errors_dropped == 3);
    for (int i = 0; i < 500; ++i) (void)pool.submit([] { throw 4; });  // gone while it runs
    pool.wait_idle();
    CHECK(pool.metrics().errors_dropped == 503);
}

TEST_CASE("future: it may outlive its pool", "[executor][future][unit]") {
    future<int> value, error, unread;
    {
        thread_pool pool(2);
        value = pool.submit([] { return 1; });
        error = pool.submit([]() -> int { throw std::runtime_error("late"); });
        unread = pool.submit([]() -> int { throw std::runtime_error("never"); });
    }
    CHECK(value.get() == 1);
    CHECK_THROWS_WITH(error.get(), "late");
}

TEST_CASE("future: captures are gone before it is ready", "[executor][future][law]") {
    thread_pool pool(2);
    for (int i = 0; i < 2000; ++i) {
        auto shared = std::make_shared<int>(i);
        auto f = pool.submit([shared] { return *shared; });
        while (!f.is_ready()) std::this_thread::yield();
        REQUIRE(shared.use_count() == 1);
        auto g = pool.submit([shared] { throw 1; });
        g.wait();
        REQUIRE(shared.use_count() == 1);
        REQUIRE_THROWS_AS(g.get(), int);
    }
}

TEST_CASE("future: a worker waits for a queued task by running it", "[executor][future][unit]") {
    thread_pool pool(1);
    int depth = 0;
    struct recursion {
        thread_pool& pool;
        int&         depth;
        int operator()(int n) const {
            if (n == 0) return 0;
            ++depth;
            auto f = pool.submit([this, n] { return (*this)(n - 1); });
            return f.get() + 1;
        }
    } const count{pool, depth};
    CHECK(pool.submit([&] { return count(200); }).get() == 200);
    CHECK(depth == 200);
    // and in the order of the waiter, not of the queue
    int sum = pool.submit([&] {
        future<int> f[10];
        for (int i = 0; i < 10; ++i) f[i] = pool.submit([i] { return i; });
        int s = 0;
        for (auto& x : f) s = s * 2 + x.get();
        return s;
    }).get();
    CHECK(sum == 1013);
}

TEST_CASE("future: a task that its waiter runs may throw when its place in the queue has been used up",
          "[executor][future][fault]") {
    // Planted: whoever counts references to learn that the future is gone takes the waiter's for the queue's here, drops
    // the exception, and get() returns what was never made.
    thread_pool pool(1);
    auto const answer = pool.submit([&] {
        auto f = pool.submit([&]() -> std::string {
            (void)pool.try_run_one();  // takes this very task's ticket out of the queue
            throw std::runtime_error("kept");
        });
        try {
            return f.get();
        } catch (std::runtime_error const& e) {
            return std::string(e.what());
        }
    }).get();
    CHECK(answer == "kept");
    CHECK(pool.metrics().errors_dropped == 0);
}

TEST_CASE("future: two pools of one thread wait for each other", "[executor][future][unit]") {
    thread_pool a(1), b(1);
    int const result = a.submit([&] {
        return b.submit([&] {
            return a.submit([&] {
                return b.submit([&] { return a.submit([] { return 1; }).get() + 1; }).get() + 1;
            }).get() + 1;
        }).get() + 1;
    }).get();
    CHECK(result == 5);
    auto f = a.submit([&] { return b.submit([&] { return a.submit([] { return 3; }).get(); }).get(); });
    auto g = b.submit([&] { return a.submit([&] { return b.submit([] { return 4; }).get(); }).get(); });
    CHECK(f.get() + g.get() == 7);
}

TEST_CASE("future: a wait in a worker runs nothing else", "[executor][future][law]") {
    thread_pool pool(1);
    int unrelated = 0;
    int const seen = pool.submit([&] {
        for (int i = 0; i < 100; ++i) pool.post([&] { ++unrelated; });
        auto f = pool.submit([] { return 1; });
        for (int i = 0; i < 100; ++i) pool.post([&] { ++unrelated; });
        f.get();
        return unrelated;
    }).get();
    CHECK(seen == 0);
    pool.wait_idle();
    CHECK(unrelated == 200);
}

TEST_CASE("future: co_await gives results of every kind, and exceptions", "[executor][future][unit]") {
    thread_pool pool(2);
    int         here = 1;
    auto const  all = [](thread_pool& p, int& i) -> sluice::task<std::string> {
        int const n = co_await p.submit([] { return 7; });
        co_await p.submit([] {});
        int& same = co_await p.submit([&i]() -> int& { return i; });
        auto owned = co_await p.submit([] { return std::make_unique<int>(3); });
        auto ready = p.submit([] { return 20; });
        ready.wait();
        int const m = co_await std::move(ready);
        std::string what;
        try {
            co_await p.submit([] { throw std::runtime_error("thrown"); });
        } catch (std::runtime_error const& e) {
            what = e.what();
        }
        co_return what + std::to_string(n + *owned + m + (&same == &i ? 100 : 0));
    };
    CHECK(sluice::sync_wait(all(pool, here)) == "thrown130");
    CHECK(pool.metrics().errors_dropped == 0);
}

TEST_CASE("future: co_await does not hold the only worker, and goes on there", "[executor][future][unit]") {
    thread_pool pool(1);
    auto const  chain = [](thread_pool& p) -> sluice::task<int> {
        int sum = 0;
        for (int i = 0; i < 1000; ++i) {
            sum += co_await p.submit([i] { return i & 1; });
            if (i > 0 && !p.on_worker()) sum += 10'000;
        }
        co_return sum;
    };
    std::latch go(1);
    pool.post([&] { go.wait(); });
    auto t = chain(pool);
    t.internals().promise().continuation = std::noop_coroutine();
    t.internals().resume();  // suspends at the first future
    CHECK_FALSE(t.internals().done());
    go.count_down();
    pool.wait_idle();
    CHECK(t.internals().done());
    CHECK(t.internals().promise().take() == 500);
}

TEST_CASE("future: a coroutine that awaits a task which is discarded gets broken_task", "[executor][future][unit]") {
    thread_pool pool(1);
    std::latch  busy(1), go(1);
    pool.post([&] {
        busy.count_down();
        go.wait();
    });
    busy.wait();
    auto t = [](thread_pool& p) -> sluice::task<int> { co_return co_await p.submit([] { return 1; }); }(pool);
    t.internals().promise().continuation = std::noop_coroutine();
    t.internals().resume();
    std::thread ender([&] { (void)pool.shutdown(sluice::shutdown_mode::discard); });
    CHECK(test::eventually([&] { return pool.internals().discards(); }));
    go.count_down();
    ender.join();
    CHECK(t.internals().done());
    CHECK_THROWS_AS(t.internals().promise().take(), sluice::broken_task);
}

TEST_CASE("future: completion races with co_await", "[executor][future][stress]") {
    thread_pool pool(2);
    auto const  many = [](thread_pool& p) -> sluice::task<int> {
        int sum = 0;
        for (int i = 0; i < 2000; ++i) {
            auto f = p.submit([] { return 1; });
            for (int k = 0; k < i % 64; ++k) (void)f.is_ready();
            sum += co_await std::move(f);
        }
        co_return sum;
    };
    CHECK(sluice::sync_wait(many(pool)) == 2000);
}
