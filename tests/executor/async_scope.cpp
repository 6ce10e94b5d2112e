// SPDX-License-Identifier: BSL-1.0
// async_scope, async_semaphore, async_mutex.
#include <sluice/executor/async_scope.hpp>
#include <sluice/executor/async_semaphore.hpp>
#include <sluice/executor/schedule.hpp>
#include <sluice/executor/sync_wait.hpp>
#include <sluice/executor/task.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/executor/when_all.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>

using sluice::async_mutex;
using sluice::async_scope;
using sluice::async_semaphore;
using sluice::schedule;
using sluice::sync_wait;
using sluice::task;
using sluice::thread_pool;

namespace {

task<> hops(thread_pool& pool, int n, std::atomic<int>& ended) {
    for (int i = 0; i < n; ++i) co_await schedule(pool);
    ended.fetch_add(1);
}
task<> until_stopped(thread_pool& pool, std::atomic<int>& ended) {
    try {
        for (;;) co_await schedule(pool);
    } catch (sluice::task_stopped const&) {
        ended.fetch_add(1);
        throw;
    }
}
task<> fails(thread_pool& pool, std::string what) {
    co_await schedule(pool);
    throw std::runtime_error(what);
}
task<> join(async_scope& scope) { co_await scope.join(); }

task<> note(std::string& log, char c) {
    log += c;
    co_return;
}
task<> enter(async_semaphore& s, std::string& log, char c) {
    co_await s.acquire();
    log += c;
}

}  // namespace

TEST_CASE("async_scope: join waits for all, and the scope can be used again", "[executor][async_scope][unit]") {
    thread_pool      pool(2);
    std::atomic<int> ended{0};
    async_scope      scope;
    sync_wait(join(scope));
    for (int round = 1; round <= 3; ++round) {
        for (int i = 0; i < 50; ++i) scope.spawn(hops(pool, i, ended));
        sync_wait(join(scope));
        CHECK(ended.load() == 50 * round);
        CHECK(scope.size() == 0);
    }
    std::string log;
    scope.spawn(note(log, 'a'));  // begins at once, and here
    CHECK(log == "a");
    scope.spawn([]() -> task<int> { co_return 1; }());
    sync_wait([](async_scope& s) -> task<> { (void)co_await sluice::when_all(join(s), join(s), join(s)); }(scope));
}

TEST_CASE("async_scope: the first error stops the others and comes out of join", "[executor][async_scope][unit]") {
    thread_pool      pool(2);
    std::atomic<int> ended{0};
    async_scope      scope;
    for (int i = 0; i < 10; ++i) scope.spawn(until_stopped(pool, ended));
    scope.spawn(fails(pool, "one"));
    CHECK_THROWS_WITH(sync_wait(join(scope)), "one");
    CHECK(ended.load() == 10);
    sync_wait(join(scope));  // it is rethrown once
    CHECK(scope.dropped() == 0);
    CHECK(scope.get_token().stop_requested());

    async_scope two;
    auto const  at_once = [](int) -> task<> {
        throw std::runtime_error("now");
        co_return;
    };
    for (int i = 0; i < 5; ++i) two.spawn(at_once(i));
    CHECK(two.dropped() == 4);
    CHECK_THROWS_WITH(sync_wait(join(two)), "now");
}

TEST_CASE("async_scope: a parent's stop, and the destructor", "[executor][async_scope][unit]") {
    thread_pool      pool(2);
    std::stop_source parent;
    std::atomic<int> ended{0};
    {
        async_scope scope(parent.get_token());
        for (int i = 0; i < 5; ++i) scope.spawn(until_stopped(pool, ended));
        parent.request_stop();
        sync_wait(join(scope));  // a stop is no error
        CHECK(ended.load() == 5);
    }
    {
        async_scope scope;
        for (int i = 0; i < 5; ++i) scope.spawn(until_stopped(pool, ended));
    }
    CHECK(ended.load() == 10);
    thread_pool one(1);  // on the only worker that could run them
    one.submit([&] {
        async_scope scope;
        for (int i = 0; i < 5; ++i) scope.spawn(until_stopped(one, ended));
    }).get();
    CHECK(ended.load() == 15);
}

TEST_CASE("async_scope: tasks that spawn tasks", "[executor][async_scope][unit]") {
    thread_pool      pool(2);
    std::atomic<int> ended{0};
    async_scope      scope;
    struct tree {
        static task<> grow(async_scope& s, thread_pool& p, int depth, std::atomic<int>& n) {
            co_await schedule(p);
            if (depth > 0) {
                s.spawn(grow(s, p, depth - 1, n));
                s.spawn(grow(s, p, depth - 1, n));
            }
            n.fetch_add(1);
        }
    };
    scope.spawn(tree::grow(scope, pool, 7, ended));
    sync_wait(join(scope));
    CHECK(ended.load() == 255);
}

TEST_CASE("async_semaphore: first come, first served", "[executor][async_semaphore][unit]") {
    async_semaphore s(2);
    std::string     log;
    async_scope     scope;
    for (char c = 'a'; c <= 'f'; ++c) scope.spawn(enter(s, log, c));
    CHECK(log == "ab");
    CHECK_FALSE(s.try_acquire());
    s.release();
    CHECK(log == "abc");
    s.release(5);
    CHECK(log == "abcdef");
    CHECK(s.available_approx() == 2);
    CHECK(s.try_acquire());
    CHECK(s.available_approx() == 1);
}

TEST_CASE("async_semaphore: a stop takes a waiter out of the middle", "[executor][async_semaphore][unit]") {
    async_semaphore s(0);
    std::string     log;
    async_scope     before, middle, after;
    before.spawn(enter(s, log, 'a'));
    middle.spawn(enter(s, log, 'b'));
    after.spawn(enter(s, log, 'c'));
    middle.request_stop();
    CHECK(middle.size() == 0);
    middle.spawn(enter(s, log, 'd'));  // stopped already
    s.release(2);
    CHECK(log == "ac");
    CHECK(s.available_approx() == 0);
    sync_wait(join(middle));
}

TEST_CASE("async_semaphore: a row of waiters that release each other does not make the stack grow",
          "[executor][async_semaphore][unit]") {
    async_semaphore s(0);
    std::string     log;
    async_scope     scope;
    int             through = 0;
    auto const      pass = [](async_semaphore& sem, int& n) -> task<> {
        co_await sem.acquire();
        ++n;
        sem.release();
    };
    for (int i = 0; i < 50'000; ++i) scope.spawn(pass(s, through));
    s.release();
    CHECK(through == 50'000);
}

TEST_CASE("async_mutex: one at a time, on many threads", "[executor][async_semaphore][stress]") {
    thread_pool pool(3);
    async_mutex mutex;
    async_scope scope;
    int         plain = 0;  // guarded by the mutex
    auto const  add = [](thread_pool& p, async_mutex& m, int& n) -> task<> {
        for (int i = 0; i < 50; ++i) {
            co_await schedule(p);
            auto const lock = co_await m.lock();
            int const  seen = n;
            if (i % 8 == 0) co_await schedule(p);
            n = seen + 1;
        }
    };
    for (int i = 0; i < 20; ++i) scope.spawn(add(pool, mutex, plain));
    sync_wait(join(scope));
    CHECK(plain == 1000);
}

TEST_CASE("async_semaphore: stops that race with releases", "[executor][async_semaphore][stress]") {
    thread_pool pool(2);
    for (int round = 0; round < 200; ++round) {
        async_semaphore  s(1);
        std::atomic<int> got{0};
        async_scope      kept, stopped;
        auto const       use = [](thread_pool& p, async_semaphore& sem, std::atomic<int>& n) -> task<> {
            co_await schedule(p);
            co_await sem.acquire();
            n.fetch_add(1);
            sem.release();
        };
        for (int i = 0; i < 4; ++i) {
            kept.spawn(use(pool, s, got));
            stopped.spawn(use(pool, s, got));
        }
        stopped.request_stop();
        sync_wait(join(kept));
        sync_wait(join(stopped));
        REQUIRE(got.load() >= 4);
        REQUIRE(s.available_approx() == 1);  // no permit is lost, none is made
    }
}
