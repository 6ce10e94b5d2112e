// SPDX-License-Identifier: BSL-1.0
// fork_join and fork_task: results, errors, stop tokens, children that suspend, and the pool around them.
#include <sluice/executor/async_semaphore.hpp>
#include <sluice/executor/fork_join.hpp>
#include <sluice/executor/future.hpp>
#include <sluice/executor/schedule.hpp>
#include <sluice/executor/shutdown.hpp>
#include <sluice/executor/sync_wait.hpp>
#include <sluice/executor/task.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/death.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

using sluice::fork_join;
using sluice::fork_point;
using sluice::fork_task;
using sluice::sync_wait;
using sluice::task;
using sluice::thread_pool;

namespace {

fork_task<std::uint64_t> fib(fork_point, thread_pool& pool, unsigned n) {
    if (n < 2) co_return n;
    auto const [x, y] = co_await fork_join(
        pool, [&](fork_point p) { return fib(p, pool, n - 1); }, [&](fork_point p) { return fib(p, pool, n - 2); });
    co_return x + y;
}

/// One that comes from no coroutine that this callable has called.
fork_task<int> number_of_none(fork_task<int> t) {
    return t;
}

/// The same where some calls go through the pool's queue, and some throw.
fork_task<std::uint64_t> wild(fork_point, thread_pool& pool, unsigned n, unsigned path) {
    if (path % 5 == 3) co_await sluice::schedule(pool);
    if (n == 0) {
        if (path % 64 == 63) throw std::runtime_error("leaf");
        co_return 1;
    }
    std::uint64_t sum = 0;
    try {
        auto const [x, y, z] = co_await fork_join(
            pool, [&](fork_point p) { return wild(p, pool, n - 1, path * 3); },
            [&](fork_point p) { return wild(p, pool, n - 1, path * 3 + 1); },
            [&](fork_point p) { return wild(p, pool, n - 1, path * 3 + 2); });
        sum = x + y + z;
    } catch (std::runtime_error const&) {
        sum = 1000;
    }
    if (path % 7 == 2) co_await sluice::schedule(pool);
    co_return sum;
}
std::uint64_t wild_alone(unsigned n, unsigned path, bool& threw) {
    threw = n == 0 && path % 64 == 63;
    if (n == 0) return 1;
    std::uint64_t sum = 0;
    bool          any = false;
    for (unsigned i = 0; i < 3; ++i) {
        bool t = false;
        sum += wild_alone(n - 1, path * 3 + i, t);
        any |= t;
    }
    return any ? 1000 : sum;
}

template <class T, class F>
task<T> root(thread_pool& pool, F f) {
    auto [x] = co_await fork_join(pool, std::move(f));
    co_return std::move(x);
}

/// Suspends whoever awaits it, until somebody resumes it.
struct gate {
    std::atomic<void*> waiting{nullptr};

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) noexcept { waiting.store(h.address()); }
    void await_resume() const noexcept {}
    void open() { std::coroutine_handle<>::from_address(waiting.exchange(nullptr)).resume(); }
    void open_when_there() {
        while (waiting.load() == nullptr) std::this_thread::yield();
        open();
    }
};

fork_task<int>         number(fork_point, int i) { co_return i; }
fork_task<>            nothing(fork_point) { co_return; }
fork_task<std::string> text(fork_point, std::string s) { co_return s; }
fork_task<int&>        reference(fork_point, int& i) { co_return i; }
fork_task<std::unique_ptr<int>> unique(fork_point, int i) { co_return std::make_unique<int>(i); }
fork_task<int>         waits(fork_point, gate& g, int i) {
    co_await g;
    co_return i;
}
/// How many of 2^(depth+1) - 1 coroutines see a stop.
fork_task<int> asks(fork_point, thread_pool& pool, int depth) {
    int const mine = (co_await sluice::current_stop_token()).stop_requested() ? 1 : 0;
    if (depth == 0) co_return mine;
    auto const [x, y] = co_await fork_join(
        pool, [&](fork_point p) { return asks(p, pool, depth - 1); }, [&](fork_point p) { return asks(p, pool, depth - 1); });
    co_return mine + x + y;
}
fork_task<int> throws(fork_point, char const* what) {
    throw std::runtime_error(what);
    co_return 1;
}

}  // namespace

TEST_CASE("fork_join: recursion gives the function's value, from a worker and from outside", "[executor][fork_join][unit]") {
    for (unsigned const workers : {1U, 2U, 4U}) {
        thread_pool pool(workers);
        auto const  of = [&](unsigned n) {
            return root<std::uint64_t>(pool, [&pool, n](fork_point p) { return fib(p, pool, n); });
        };
        CHECK(sync_wait(of(1)) == 1);
        CHECK(sync_wait(of(15)) == 610);
        CHECK(sync_wait(sluice::start_on(pool, of(16))) == 987);
    }
}

TEST_CASE("fork_join: results of every kind", "[executor][fork_join][unit]") {
    thread_pool pool(2);
    int         i = 1;
    auto const  all = [&]() -> task<bool> {
        auto [a, b, c, d, e] = co_await fork_join(
            pool, [](fork_point p) { return number(p, 7); }, [](fork_point p) { return nothing(p); },
            [](fork_point p) { return text(p, std::string(100, 'x')); }, [&](fork_point p) { return reference(p, i); },
            [](fork_point p) { return unique(p, 3); });
        static_assert(std::is_same_v<decltype(b), std::monostate> && std::is_same_v<decltype(d), int&>);
        co_await fork_join(pool);
        auto const [l] = co_await fork_join(pool, [k = 4](fork_point p) {
            return [](fork_point, int v) -> fork_task<int> { co_return v; }(p, k);  // a lambda is a coroutine, too
        });
        co_return a == 7 && c.size() == 100 && &d == &i && *e == 3 && l == 4;
    };
    CHECK(sync_wait(all()));
    CHECK(sync_wait(sluice::start_on(pool, all())));
}

TEST_CASE("fork_join: every child runs, then the first error in order is thrown", "[executor][fork_join][unit]") {
    thread_pool pool(2);
    auto const  token = std::make_shared<int>(0);
    int         ran = 0;
    auto const  run = [&]() -> task<std::string> {
        try {
            (void)co_await fork_join(
                pool, [&](fork_point p) { return text(p, std::string(100, 'y')); },
                [&](fork_point p) { return throws(p, "second"); },
                [&](fork_point p) -> fork_task<int> {
                    if (token) throw std::runtime_error("third");  // before there is a coroutine
                    return number(p, 1);
                },
                [&](fork_point p) {
                    return [](fork_point, int& n, std::shared_ptr<int>) -> fork_task<> {
                        ++n;
                        co_return;
                    }(p, ran, token);
                });
        } catch (std::runtime_error const& e) {
            co_return e.what();
        }
        co_return "nothing";
    };
    CHECK(sync_wait(run()) == "second");
    CHECK(sync_wait(sluice::start_on(pool, run())) == "second");
    CHECK(ran == 2);
    CHECK(token.use_count() == 1);
}

TEST_CASE("fork_join: a callable that calls no coroutine is a named error, and one that calls two is found",
          "[executor][fork_join][fault]") {
    static_assert(!std::is_copy_constructible_v<fork_task<int>>);
    std::optional<thread_pool> pool(std::in_place, std::size_t{1});
    auto const                 run = [&]() -> task<int> {
        std::optional<fork_task<int>> kept;
        auto const [x, y] = co_await fork_join(
            *pool,
            [&](fork_point p) {
                kept.emplace(number(p, 1));
                return number_of_none(std::move(*kept));
            },
            [&](fork_point) { return number_of_none(std::move(*kept)); });
        co_return x + y;
    };
    for (int outside = 0; outside < 2; ++outside)
        CHECK_THROWS_WITH(sync_wait(outside != 0 ? run() : sluice::start_on(*pool, run())),
                          test::contains("without having called a coroutine"));
    pool.reset();  // no other thread runs
#if !defined(NDEBUG)
    auto const twice = test::in_child([] {
        thread_pool two(1);
        auto const  main = [&]() -> task<int> {
            auto const [x] = co_await fork_join(two, [](fork_point p) {
                (void)number(p, 1);
                return number(p, 2);
            });
            co_return x;
        };
        (void)sync_wait(main());
    });
    CHECK(twice.aborted);
    CHECK_THAT(twice.errors, test::contains("place.inside"));
#endif
}

TEST_CASE("fork_join: no memory for a child's frame is that child's error", "[executor][fork_join][unit]") {
    thread_pool pool(1);
    auto const  large = [](fork_point) -> fork_task<int> {
        char volatile big[4000] = {};
        co_return 1 + big[17];
    };
    bool       threw = false;
    auto const run = [&]() -> task<int> {
        co_await sluice::schedule(pool);
        {
            test::scarce_memory const scarce(0);
            try {
                (void)co_await fork_join(pool, large, [](fork_point p) { return number(p, 1); });
            } catch (std::bad_alloc const&) {
                threw = true;
            }
        }
        auto const [x] = co_await fork_join(pool, large);
        co_return x;
    };
    CHECK(sync_wait(run()) == 1);
    CHECK(threw);
}

TEST_CASE("fork_join: children that suspend and throw anywhere, on several workers", "[executor][fork_join][property]") {
    bool       threw = false;
    auto const expected = wild_alone(6, 1, threw);
    for (unsigned const workers : {1U, 2U, 3U}) {
        thread_pool pool(workers);
        for (int i = 0; i < 5; ++i)
            CHECK(sync_wait(root<std::uint64_t>(pool, [&](fork_point p) { return wild(p, pool, 6, 1); })) == expected);
        pool.wait_idle();
    }
}

TEST_CASE("fork_join: a child that is suspended holds up neither worker nor pool", "[executor][fork_join][unit]") {
    thread_pool pool(1);
    gate        first, second;
    int         sum = 0;
    std::thread::id last;
    auto const  run = [&]() -> task<> {
        co_await sluice::schedule(pool);
        auto const [a, b, c] = co_await fork_join(
            pool, [&](fork_point p) { return waits(p, first, 1); }, [&](fork_point p) { return waits(p, second, 2); },
            [&](fork_point p) { return number(p, 4); });
        sum = a + b + c;
        last = std::this_thread::get_id();
    };
    std::thread waiter([&] { sync_wait(run()); });
    while (second.waiting.load() == nullptr) std::this_thread::yield();
    pool.wait_idle();  // what waits for something else is not the pool's
    CHECK(pool.submit([] { return 5; }).get() == 5);
    CHECK(sum == 0);
    second.open();
    CHECK(sum == 0);
    first.open();  // the last one: the parent goes on here
    waiter.join();
    CHECK(sum == 7);
    CHECK(last == std::this_thread::get_id());
}

TEST_CASE("fork_join: a child that its own worker resumes later", "[executor][fork_join][unit]") {
    thread_pool pool(1);
    gate        g;
    int         got = 0;
    auto const  run = [&]() -> task<> {
        co_await sluice::schedule(pool);
        auto const [a, b] = co_await fork_join(
            pool, [&](fork_point p) { return waits(p, g, 1); }, [](fork_point p) { return number(p, 2); });
        got = a + b;
    };
    auto t = run();
    t.internals().promise().continuation = std::noop_coroutine();
    t.internals().resume();
    pool.wait_idle();
    CHECK(got == 0);
    pool.submit([&] { g.open(); }).get();
    CHECK(got == 3);
    CHECK(t.internals().done());
}

TEST_CASE("fork_join: a child that is stolen ends, suspends or throws at the thief's", "[executor][fork_join][unit]") {
    enum how { ends, suspends, fails };
    // The first child waits until a thief has begun the others, and the second until the first has ended.
    struct meeting {
        std::atomic<bool> stolen{false}, first_ended{false};
        std::thread::id   here, there;
        gate              g;
    };
    struct first_child {
        static fork_task<int> run(fork_point, meeting& m) {
            struct at_end {
                meeting& of;
                ~at_end() { of.first_ended.store(true); }
            } const end{m};
            m.here = std::this_thread::get_id();
            while (!m.stolen.load()) std::this_thread::yield();
            co_return 1;
        }
    };
    struct second_child {
        static fork_task<int> run(fork_point, meeting& m, how h) {
            m.there = std::this_thread::get_id();
            m.stolen.store(true);
            while (!m.first_ended.load()) std::this_thread::yield();
            for (int i = 0; i < 100; ++i) std::this_thread::yield();
            if (h == suspends) co_await m.g;
            if (h == fails) throw std::runtime_error("stolen");
            co_return 2;
        }
    };
    thread_pool pool(2);
    for (how const h : {ends, suspends, fails}) {
        for (int i = 0; i < 20; ++i) {
            meeting    m;
            auto const run = [&]() -> task<int> {
                co_await sluice::schedule(pool);
                try {
                    auto const [a, b, c] = co_await fork_join(
                        pool, [&](fork_point p) { return first_child::run(p, m); },
                        [&](fork_point p) { return second_child::run(p, m, h); }, [&](fork_point p) { return number(p, 4); });
                    co_return a + b + c;
                } catch (std::runtime_error const&) {
                    co_return -1;
                }
            };
            std::thread opener([&] {
                if (h == suspends) m.g.open_when_there();
            });
            int const got = sync_wait(run());
            opener.join();
            REQUIRE(got == (h == fails ? -1 : 7));
            REQUIRE(m.here != m.there);
        }
    }
}

TEST_CASE("fork_join: wait_idle waits for all that was forked", "[executor][fork_join][unit]") {
    std::uint64_t got = 0;
    thread_pool   pool(3);
    for (int i = 0; i < 30; ++i) {
        got = 0;
        auto t = [](thread_pool& p, std::uint64_t& out) -> task<> {
            co_await sluice::schedule(p);
            auto const [x] = co_await fork_join(p, [&](fork_point at) { return fib(at, p, 12); });
            out = x;
        }(pool, got);
        t.internals().promise().continuation = std::noop_coroutine();
        t.internals().resume();
        pool.wait_idle();
        REQUIRE(got == 144);
        REQUIRE(t.internals().done());
    }
}

TEST_CASE("fork_join: a parent that is suspended when the pool is closed goes on without it", "[executor][fork_join][unit]") {
    gate          g;
    std::uint64_t sum = 0;
    thread_pool   pool(2);
    auto const    run = [&]() -> task<> {
        co_await sluice::schedule(pool);
        auto const [a, b] = co_await fork_join(
            pool, [&](fork_point p) { return waits(p, g, 1); }, [&](fork_point p) { return number(p, 2); });
        auto const [c] = co_await fork_join(pool, [&](fork_point p) { return fib(p, pool, 10); });  // refused: here
        sum = static_cast<std::uint64_t>(a + b) + c;
    };
    std::thread waiter([&] { sync_wait(run()); });
    while (g.waiting.load() == nullptr) std::this_thread::yield();
    pool.wait_idle();
    pool.shutdown(sluice::shutdown_mode::drain);
    g.open();
    waiter.join();
    CHECK(sum == 58);
}

TEST_CASE("fork_join: what the pool drops is broken_task", "[executor][fork_join][unit]") {
    bool        ran = false, broken = false;
    thread_pool pool(1);
    std::atomic<bool> runs{false}, go{false};
    pool.post([&] {
        runs.store(true);
        while (!go.load()) std::this_thread::yield();
    });
    while (!runs.load()) std::this_thread::yield();
    auto const run = [&]() -> task<> {
        try {
            (void)co_await fork_join(pool, [&](fork_point p) {
                ran = true;
                return number(p, 1);
            });
        } catch (sluice::broken_task const&) {
            broken = true;
        }
    };
    auto t = run();
    t.internals().promise().continuation = std::noop_coroutine();
    t.internals().resume();  // posted, and the only worker is busy
    std::thread closer([&] { pool.shutdown(sluice::shutdown_mode::discard); });
    while (pool.try_post([] {})) std::this_thread::yield();  // until it has been closed
    go.store(true);
    closer.join();
    CHECK(broken);
    CHECK_FALSE(ran);
}

TEST_CASE("fork_join: children have their parent's stop token", "[executor][fork_join][unit]") {
    thread_pool      pool(2);
    std::stop_source source;
    auto const run = [&]() -> task<int> {
        co_await sluice::schedule(pool);
        auto const [before] = co_await fork_join(pool, [&](fork_point p) { return asks(p, pool, 3); });
        source.request_stop();
        auto const [after] = co_await fork_join(pool, [&](fork_point p) { return asks(p, pool, 3); });
        co_return 100 * before + after;
    };
    CHECK(sync_wait(run(), source.get_token()) == 15);
    CHECK(sync_wait([&]() -> task<int> {
              auto const [n] = co_await fork_join(pool, [&](fork_point p) { return asks(p, pool, 2); });
              co_return n;
          }()) == 0);
}

TEST_CASE("fork_join: many at once, from many threads", "[executor][fork_join][stress]") {
    thread_pool                pool(3);
    std::atomic<std::uint64_t> sum{0};
    test::run_threads(4, [&](std::size_t) {
        for (int i = 0; i < 10; ++i)
            sum += sync_wait(root<std::uint64_t>(pool, [&](fork_point p) { return fib(p, pool, 10); }));
    });
    CHECK(sum.load() == 4 * 10 * 55);
}
