// SPDX-License-Identifier: BSL-1.0
// task and sync_wait, without an executor.
#include <sluice/executor/sync_wait.hpp>
#include <sluice/executor/task.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"

#include <coroutine>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

using sluice::sync_wait;
using sluice::task;

static_assert(!std::is_copy_constructible_v<task<int>> && std::is_nothrow_move_constructible_v<task<int>>);

namespace {

task<int> seven() { co_return 7; }
task<>    nothing() { co_return; }
task<int> thrower() {
    throw std::runtime_error("thrown");
    co_return 1;
}
task<std::unique_ptr<int>> unique(int i) { co_return std::make_unique<int>(i); }
task<int&>                 reference(int& i) { co_return i; }
task<int const&>           constant(int const& i) { co_return i; }
task<std::string>          text(std::string s) { co_return s; }

struct no_default {
    explicit no_default(int i) : value(i) {}
    int value;
};
task<no_default> wrapped(int i) { co_return no_default(i); }

task<int> bit(int i) { co_return i & 1; }
task<std::int64_t> many(int n) {
    std::int64_t sum = 0;
    for (int i = 0; i < n; ++i) sum += co_await bit(i);
    co_return sum;
}
task<int> deep(int n) {
    if (n == 0) co_return 0;
    co_return 1 + co_await deep(n - 1);
}

/// Resumes by hand, as somebody who knows nothing of us would.
struct gate {
    std::coroutine_handle<> waiting;

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) noexcept { waiting = h; }
    void await_resume() const noexcept {}
    void open() { std::exchange(waiting, nullptr).resume(); }
};

}  // namespace

TEST_CASE("task: results of every kind", "[executor][task][unit]") {
    CHECK(sync_wait(seven()) == 7);
    sync_wait(nothing());
    CHECK(*sync_wait(unique(3)) == 3);
    int i = 1;
    CHECK(&sync_wait(reference(i)) == &i);
    CHECK(&sync_wait(constant(i)) == &i);
    CHECK(sync_wait(text(std::string(1000, 'x'))).size() == 1000);
    CHECK(sync_wait(wrapped(4)).value == 4);
    CHECK_THROWS_WITH(sync_wait(thrower()), "thrown");
    CHECK(sync_wait([](int n) -> task<int> {
              int sum = 0;
              for (int k = 0; k < n; ++k) sum += co_await seven();
              co_await nothing();
              sum += *co_await unique(1);
              co_return sum + (co_await wrapped(2)).value;
          }(3)) == 24);
}

TEST_CASE("task: an exception goes through co_await", "[executor][task][unit]") {
    auto const caught = [](bool outer) -> task<std::string> {
        std::string what;
        try {
            (void)co_await thrower();
        } catch (std::runtime_error const& e) {
            what = e.what();
        }
        if (outer) (void)co_await thrower();
        co_return what;
    };
    CHECK(sync_wait(caught(false)) == "thrown");
    CHECK_THROWS_AS(sync_wait(caught(true)), std::runtime_error);
}

TEST_CASE("task: does nothing before it is awaited, and may be dropped", "[executor][task][unit]") {
    auto const token = std::make_shared<int>(0);
    auto const touch = [](std::shared_ptr<int> p) -> task<int> { co_return ++*p; };
    {
        auto t = touch(token);
        CHECK(t.valid());
        CHECK(*token == 0);
        CHECK(token.use_count() == 2);
        auto u = std::move(t);
        CHECK_FALSE(t.valid());
        t = std::move(u);
        t = touch(token);  // the first frame goes
        CHECK(token.use_count() == 2);
    }
    CHECK(token.use_count() == 1);
    CHECK(*token == 0);
    CHECK_FALSE(task<int>().valid());
    CHECK(sync_wait(touch(token)) == 1);
    CHECK(token.use_count() == 1);
}

TEST_CASE("task: dropped while it is suspended", "[executor][task][unit]") {
    auto const token = std::make_shared<int>(0);
    gate       g;
    auto       outer = [](gate& at, std::shared_ptr<int> p) -> task<> {
        auto inner = [](gate& there, std::shared_ptr<int>) -> task<> { co_await there; };
        co_await inner(at, p);
    }(g, token);
    outer.internals().resume();
    CHECK(token.use_count() > 2);
    outer = {};
    CHECK(token.use_count() == 1);
}

TEST_CASE("task: neither a million awaits nor a long chain make the stack grow", "[executor][task][unit]") {
    std::int64_t sum = 0;
    int          depth = 0;
    auto const   run = [&] {
        sum = sync_wait(many(1'000'000));
        depth = sync_wait(deep(50'000));
    };
    run();
    CHECK(sum == 500'000);
    CHECK(depth == 50'000);
}

TEST_CASE("task: resumed by somebody who knows nothing of it", "[executor][task][unit]") {
    gate       g, h;
    bool       second = false;
    auto const wait_twice = [](gate& a, gate& b, bool& flag) -> task<std::int64_t> {
        co_await a;
        flag = true;
        auto const n = co_await many(1000);  // goes on inside a.open()
        co_await b;
        co_return n + co_await many(1000);
    };
    auto t = wait_twice(g, h, second);
    auto opener = [](gate& a, gate& b, bool& flag) -> task<bool> {
        co_await nothing();
        a.open();  // from inside a coroutine that we resumed
        bool const seen = flag && b.waiting != nullptr;
        co_await nothing();
        co_return seen;
    };
    t.internals().promise().continuation = std::noop_coroutine();
    t.internals().resume();
    CHECK(sync_wait(opener(g, h, second)));
    h.open();
    CHECK(t.internals().done());
    CHECK(t.internals().promise().take() == 1000);
}

TEST_CASE("task: frames are used again", "[executor][task][unit]") {
    (void)sync_wait(many(10));
    std::uint64_t allocations = 0;
    {
        test::scarce_memory const scarce(0);
        (void)sync_wait(many(100));
        allocations = scarce.allocations();
    }
    CHECK(allocations == 0);
}

TEST_CASE("task: no memory for a frame, no effect", "[executor][task][unit]") {
    auto const token = std::make_shared<int>(0);
    auto const large = [](std::shared_ptr<int> p) -> task<int> {
        char volatile big[4000] = {};
        co_await nothing();
        co_return *p + big[17];
    };
    task<int> (*volatile make)(std::shared_ptr<int>) = large;  // clang leaves the frame out where it sees that it can
    bool threw = false;
    {
        test::scarce_memory const scarce(0);
        try {
            (void)make(token);
        } catch (std::bad_alloc const&) {
            threw = true;
        }
    }
    CHECK(threw);
    CHECK(token.use_count() == 1);
    CHECK(sync_wait(make(token)) == 0);
}

TEST_CASE("task: frames that are freed on another thread", "[executor][task][unit]") {
    for (int i = 0; i < 20; ++i) {
        std::vector<task<int>> tasks;
        for (int k = 0; k < 100; ++k) tasks.push_back(bit(k));
        std::thread([&] { tasks.clear(); }).join();
    }
    CHECK(sync_wait(seven()) == 7);
}

TEST_CASE("task: has its awaiter's stop token", "[executor][task][unit]") {
    std::stop_source source;
    auto const       inner = []() -> task<bool> { co_return (co_await sluice::current_stop_token()).stop_requested(); };
    auto const       outer = [&](std::stop_source s) -> task<int> {
        int n = co_await inner() ? 1 : 0;
        s.request_stop();
        co_return n + (co_await inner() ? 2 : 0);
    };
    CHECK(sync_wait(outer(source), source.get_token()) == 2);
    CHECK(sync_wait(outer(source)) == 0);
    CHECK_FALSE(sync_wait([]() -> task<bool> { co_return (co_await sluice::current_stop_token()).stop_possible(); }()));
}
