// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/when_any.hpp>

#include <sluice/executor/async_semaphore.hpp>
#include <sluice/executor/schedule.hpp>
#include <sluice/executor/sync_wait.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/catch.hpp"

#include <atomic>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <variant>

using sluice::async_semaphore;
using sluice::sync_wait;
using sluice::task;
using sluice::when_any;

namespace {

/// Waits until it is asked to stop; `asked` counts.
task<int> waits(async_semaphore& never, int& asked) {
    try {
        co_await never.acquire();
    } catch (sluice::task_stopped const&) {
        ++asked;
        throw;
    }
    co_return -1;
}
task<std::string> text() { co_return "text"; }
task<>            fails() {
    throw std::runtime_error("first");
    co_return;
}

}  // namespace

TEST_CASE("when_any: the first to end wins, the others are asked to stop and waited for", "[executor][when_any][unit]") {
    async_semaphore never(0);
    int             asked = 0;
    auto const      all = [&]() -> task<> {
        auto const r = co_await when_any(waits(never, asked), waits(never, asked), text());
        CHECK(r.index() == 2);
        CHECK(std::get<2>(r) == "text");
        CHECK(asked == 2);
    };
    sync_wait(all());
}

TEST_CASE("when_any: once one has ended, the rest do not begin", "[executor][when_any][unit]") {
    async_semaphore never(0);
    int             asked = 0;
    bool            begun = false;
    auto const      begins = [&]() -> task<> {
        begun = true;
        co_return;
    };
    auto const all = [&]() -> task<> {
        auto const r = co_await when_any(waits(never, asked), text(), begins(), waits(never, asked));
        CHECK(r.index() == 1);
    };
    sync_wait(all());
    CHECK_FALSE(begun);
    CHECK(asked == 1);
}

TEST_CASE("when_any: to end by an exception is to end, and the losers' are dropped", "[executor][when_any][unit]") {
    async_semaphore never(0);
    int             asked = 0;
    auto const      all = [&]() -> task<> { co_await when_any(waits(never, asked), fails(), text()); };
    CHECK_THROWS_AS(sync_wait(all()), std::runtime_error);
    CHECK(asked == 1);
}

TEST_CASE("when_any: passes the awaiter's stop on", "[executor][when_any][unit]") {
    async_semaphore  never(0);
    int              asked = 0;
    std::stop_source stop;
    auto const       asks = [&]() -> task<> {
        stop.request_stop();
        co_await never.acquire();
    };
    auto const all = [&]() -> task<> { co_await when_any(waits(never, asked), waits(never, asked), asks()); };
    CHECK_THROWS_AS(sync_wait(all(), stop.get_token()), sluice::task_stopped);
    CHECK(asked == 2);
}

TEST_CASE("when_any: tasks that end at the same time on several threads", "[executor][when_any][stress]") {
    sluice::thread_pool pool(3);
    std::atomic<int>    ended{0};
    auto const          one = [&](int i) -> task<int> {
        try {
            co_await schedule(pool);
        } catch (sluice::task_stopped const&) {
            ended.fetch_add(1);
            throw;
        }
        ended.fetch_add(1);
        co_return i;
    };
    auto const all = [&]() -> task<int> {
        auto const r = co_await when_any(one(0), one(1), one(2));
        int const  value = std::visit([](int i) { return i; }, r);
        co_return value == static_cast<int>(r.index()) ? 1 : 0;
    };
    int right = 0;
    int before = 0, wrong = 0;
    for (int round = 0; round < 300; ++round) {
        right += sync_wait(all());
        int const now = ended.load();
        if (now - before < 1 || now - before > 3) ++wrong;
        before = now;
    }
    CHECK(right == 300);
    CHECK(wrong == 0);
    pool.wait_idle();
    CHECK(ended.load() == before);  // nothing was left behind
}
