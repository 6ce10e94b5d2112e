// SPDX-License-Identifier: BSL-1.0
// schedule, start_on, resume_on, when_all, when_all_on.
#include <sluice/executor/schedule.hpp>
#include <sluice/executor/sync_wait.hpp>
#include <sluice/executor/task.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/executor/when_all.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"

#include <atomic>
#include <deque>
#include <latch>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <variant>

using sluice::schedule;
using sluice::sync_wait;
using sluice::task;
using sluice::thread_pool;

namespace {

/// Keeps what it gets until it is told to run it.
struct shelf {
    std::deque<sluice::unique_function<void()>> tasks;
    bool                                        refuse = false;

    template <class F>
    void post(F&& f) {
        sluice::unique_function<void()> mine(std::forward<F>(f));  // takes it, then may refuse
        if (refuse) throw std::runtime_error("refused");
        tasks.push_back(std::move(mine));
    }
    bool run_one() {
        if (tasks.empty()) return false;
        auto f = std::move(tasks.front());
        tasks.pop_front();
        f();
        return true;
    }
};

struct dropper {
    template <class F>
    void post(F&& f) {
        std::decay_t<F> const mine(std::forward<F>(f));
    }
};

task<bool> on(thread_pool& pool) { co_return pool.on_worker(); }
task<int>  value(int i) { co_return i; }
task<int>  failing(std::string what) {
    throw std::runtime_error(what);
    co_return 0;
}

task<std::uint64_t> fib(thread_pool& pool, unsigned n) {
    if (n < 2) co_return n;
    auto const [a, b] = co_await sluice::when_all_on(pool, fib(pool, n - 1), fib(pool, n - 2));
    co_return a + b;
}

}  // namespace

TEST_CASE("schedule: goes on on the pool, and from pool to pool", "[executor][schedule][unit]") {
    thread_pool a(2), b(1);
    auto const  hop = [](thread_pool& x, thread_pool& y) -> task<int> {
        int right = !x.on_worker();
        for (int i = 0; i < 100; ++i) {
            co_await schedule(x);
            right += x.on_worker();
            co_await schedule(y);
            right += y.on_worker();
        }
        co_return right;
    };
    CHECK(sync_wait(hop(a, b)) == 201);
    CHECK(sync_wait(sluice::start_on(a, on(a))));
    CHECK_FALSE(sync_wait(sluice::start_on(a, on(b))));
    CHECK_FALSE(sync_wait(on(a)));
}

TEST_CASE("resume_on: whether the task returned or threw", "[executor][schedule][unit]") {
    thread_pool a(1), b(1);
    auto const  back = [](thread_pool& x, thread_pool& y) -> task<int> {
        int n = co_await sluice::resume_on(y, sluice::start_on(x, value(3)));
        if (!y.on_worker()) n += 100;
        try {
            (void)co_await sluice::resume_on(x, failing("x"));
        } catch (std::runtime_error const&) {
            if (!x.on_worker()) n += 1000;
        }
        co_await sluice::resume_on(y, []() -> task<> { co_return; }());
        if (!y.on_worker()) n += 10'000;
        int  here = 5;
        int& same = co_await sluice::resume_on(x, [](int& i) -> task<int&> { co_return i; }(here));
        co_return n + (&same == &here ? 10 : 0);
    };
    CHECK(sync_wait(back(a, b)) == 13);
}

TEST_CASE("schedule: on a pool it allocates nothing besides the frame", "[executor][schedule][unit]") {
    thread_pool pool(1);
    auto const  hops = [](thread_pool& p) -> task<std::int64_t> {
        co_await schedule(p);
        for (int i = 0; i < 10; ++i) co_await schedule(p);
        auto const before = test::allocations::total();
        for (int i = 0; i < 100; ++i) co_await schedule(p);
        co_return test::allocations::total() - before;
    };
    CHECK(sync_wait(hops(pool)) == 0);
}

TEST_CASE("schedule: a stop is answered by task_stopped", "[executor][schedule][unit]") {
    thread_pool      pool(1);
    std::stop_source source;
    auto const       stopping = [](thread_pool& p, std::stop_source s, int& steps) -> task<> {
        co_await schedule(p);
        ++steps;
        s.request_stop();
        co_await schedule(p);
        ++steps;
    };
    int steps = 0;
    CHECK_THROWS_AS(sync_wait(stopping(pool, source, steps), source.get_token()), sluice::task_stopped);
    CHECK(steps == 1);

    shelf            late;  // requested while it is queued
    std::stop_source other;
    bool             ran = false;
    auto const       queued = [](shelf& e, bool& flag) -> task<> {
        co_await schedule(e);
        flag = true;
    };
    auto t = queued(late, ran);
    std::stop_token const token = other.get_token();
    t.internals().promise().stop = &token;
    t.internals().promise().continuation = std::noop_coroutine();
    t.internals().resume();
    other.request_stop();
    CHECK(late.run_one());
    CHECK(t.internals().done());
    CHECK_THROWS_AS(t.internals().promise().take(), sluice::task_stopped);
    CHECK_FALSE(ran);
}

TEST_CASE("schedule: executors that refuse or drop", "[executor][schedule][unit]") {
    auto const on_executor = [](auto& e) -> task<std::string> {
        try {
            co_await schedule(e);
        } catch (std::runtime_error const& x) {
            co_return x.what();
        } catch (sluice::pool_closed const&) {
            co_return "closed";
        } catch (sluice::broken_task const&) {
            co_return "broken";
        }
        co_return "ran";
    };
    shelf refusing;
    refusing.refuse = true;
    CHECK(sync_wait(on_executor(refusing)) == "refused");
    dropper drops;
    CHECK(sync_wait(on_executor(drops)) == "broken");
    {
        thread_pool closed(1);
        (void)closed.shutdown();
        CHECK(sync_wait(on_executor(closed)) == "closed");
    }
    {
        shelf later;
        auto  t = on_executor(later);
        t.internals().promise().continuation = std::noop_coroutine();
        t.internals().resume();
        CHECK(later.tasks.size() == 1);
        later.tasks.clear();
        CHECK(t.internals().promise().take() == "broken");
        auto u = on_executor(later);
        u.internals().promise().continuation = std::noop_coroutine();
        u.internals().resume();
        CHECK(later.run_one());
        CHECK(u.internals().promise().take() == "ran");
    }
    {
        thread_pool pool(1);
        std::latch  busy(1), go(1);
        pool.post([&] {
            busy.count_down();
            go.wait();
        });
        busy.wait();
        auto t = on_executor(pool);
        t.internals().promise().continuation = std::noop_coroutine();
        t.internals().resume();
        std::thread ender([&] { (void)pool.shutdown(sluice::shutdown_mode::discard); });
        CHECK(test::eventually([&] { return pool.internals().discards(); }));
        go.count_down();
        ender.join();
        CHECK(t.internals().promise().take() == "broken");
    }
}

TEST_CASE("sync_wait: on a worker of the only thread", "[executor][schedule][unit]") {
    thread_pool pool(1);
    auto const  hop = [](thread_pool& p) -> task<int> {
        co_await schedule(p);
        co_return 5;
    };
    CHECK(pool.submit([&] { return sync_wait(hop(pool)); }).get() == 5);
    CHECK(pool.submit([&] {
              return sync_wait([](thread_pool& p, auto& again) -> task<int> {
                  co_await schedule(p);
                  co_return sync_wait(again(p));  // and once more inside
              }(pool, hop));
          }).get() == 5);
}

TEST_CASE("when_all: results in their order, of every kind", "[executor][when_all][unit]") {
    auto const all = []() -> task<int> {
        int  i = 4;
        auto r = co_await sluice::when_all(value(1), []() -> task<> { co_return; }(), [](int& x) -> task<int&> { co_return x; }(i),
                                           []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(2); }());
        static_assert(std::is_same_v<decltype(r), std::tuple<int, std::monostate, int&, std::unique_ptr<int>>>);
        std::get<2>(r) += 1;
        auto none = co_await sluice::when_all();
        static_assert(std::is_same_v<decltype(none), std::tuple<>>);
        auto [one] = co_await sluice::when_all(value(7));
        co_return std::get<0>(r) + i + *std::get<3>(r) + one;
    };
    CHECK(sync_wait(all()) == 15);
}

TEST_CASE("when_all: waits for every task, then throws the first error in order", "[executor][when_all][unit]") {
    thread_pool       pool(2);
    std::atomic<int>  ended{0};
    auto const        slow = [](thread_pool& p, std::atomic<int>& n) -> task<> {
        for (int i = 0; i < 50; ++i) co_await schedule(p);
        n.fetch_add(1);
    };
    CHECK_THROWS_WITH(sync_wait([](auto& s, thread_pool& p, std::atomic<int>& n) -> task<> {
                          (void)co_await sluice::when_all(s(p, n), failing("first"), s(p, n), failing("second"));
                      }(slow, pool, ended)),
                      "first");
    CHECK(ended.load() == 2);
}

TEST_CASE("when_all_on: fork and join", "[executor][when_all][unit]") {
    for (std::size_t const workers : {1U, 2U}) {
        thread_pool pool(workers);
        CHECK(sync_wait(sluice::start_on(pool, fib(pool, 13))) == 233);
        CHECK(sync_wait(fib(pool, 10)) == 55);  // begins outside
    }
    thread_pool closed(1);
    (void)closed.shutdown();
    CHECK(sync_wait(fib(closed, 10)) == 55);  // refused: all of it here
    dropper    drops;
    auto const two = [](dropper& d) -> task<> { (void)co_await sluice::when_all_on(d, value(1), value(2)); };
    CHECK_THROWS_AS(sync_wait(two(drops)), sluice::broken_task);
}

TEST_CASE("when_all_on: tasks have the awaiter's stop token", "[executor][when_all][unit]") {
    thread_pool      pool(2);
    std::stop_source source;
    auto const       wait = [](thread_pool& p) -> task<int> {
        auto const stop = co_await sluice::current_stop_token();
        try {
            for (;;) co_await schedule(p);
        } catch (sluice::task_stopped const&) {
            co_return stop.stop_requested();
        }
    };
    std::thread stopper([&] { source.request_stop(); });
    int const   n = sync_wait([](auto& w, thread_pool& p) -> task<int> {
        auto [a, b, c] = co_await sluice::when_all_on(p, w(p), w(p), w(p));
        co_return a + b + c;
    }(wait, pool), source.get_token());
    stopper.join();
    CHECK(n == 3);
}
