// SPDX-License-Identifier: BSL-1.0
#include <sluice/adapters/asio.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>

namespace asio = boost::asio;
using sluice::thread_pool;

static_assert(asio::execution::is_executor<sluice::asio_executor>::value);
static_assert(asio::can_require<sluice::asio_executor, asio::execution::blocking_t::never_t>::value);
static_assert(asio::can_query<sluice::asio_executor, asio::execution::context_t>::value);

TEST_CASE("asio: post goes through the queue, dispatch runs at once on a worker", "[adapters][asio][unit]") {
    thread_pool          pool(1);
    sluice::asio_context context(pool);
    auto const           ex = context.get_executor();
    std::atomic<int>     ran{0}, at_once{0};
    asio::post(ex, [&, owned = std::make_unique<int>(1)] {
        ran.fetch_add(*owned);
        asio::dispatch(ex, [&] { ran.fetch_add(1); });
        at_once.store(ran.load());
        asio::post(ex, [&] { ran.fetch_add(1); });
        at_once.fetch_add(10 * ran.load());
    });
    pool.wait_idle();
    CHECK(ran.load() == 3);
    CHECK(at_once.load() == 22);
    CHECK(ex == context.get_executor());
    CHECK_FALSE(ex == asio::require(ex, asio::execution::blocking.never));
    CHECK(asio::query(ex, asio::execution::blocking) == asio::execution::blocking.possibly);
    CHECK(&asio::query(ex, asio::execution::context) == &context);
}

TEST_CASE("asio: a strand on the pool", "[adapters][asio][unit]") {
    thread_pool          pool(3);
    sluice::asio_context context(pool);
    auto                 strand = asio::make_strand(context.get_executor());
    int                  n = 0;  // guarded by the strand
    for (int i = 0; i < 1000; ++i) asio::post(strand, [&] { ++n; });
    pool.wait_idle();
    CHECK(n == 1000);
}

TEST_CASE("asio: timers complete on the pool", "[adapters][asio][unit]") {
    thread_pool          pool(2);
    sluice::asio_context context(pool);
    std::atomic<int>     cancelled{0}, timed{0}, elsewhere{0};
    asio::steady_timer   never(context.get_executor(), std::chrono::hours(1));
    never.async_wait([&](boost::system::error_code const& e) {
        if (!pool.on_worker()) elsewhere.fetch_add(1);
        cancelled.fetch_add(e == asio::error::operation_aborted);
    });
    asio::steady_timer once(context.get_executor(), std::chrono::milliseconds(1));
    once.async_wait([&](boost::system::error_code const& e) {
        if (!pool.on_worker()) elsewhere.fetch_add(1);
        timed.fetch_add(!e);
    });
    CHECK(never.cancel() == 1);
    CHECK(test::eventually([&] { return timed.load() == 1 && cancelled.load() == 1; }));
    pool.wait_idle();
    CHECK(elsewhere.load() == 0);
}

#if defined(BOOST_ASIO_HAS_CO_AWAIT)  // Boost 1.74 does not know that clang has coroutines
TEST_CASE("asio: coroutines run on the pool", "[adapters][asio][unit]") {
    thread_pool          pool(2);
    sluice::asio_context context(pool);
    std::atomic<int>     steps{0}, elsewhere{0};
    auto const           session = [&]() -> asio::awaitable<void> {
        asio::steady_timer timer(co_await asio::this_coro::executor);
        for (int i = 0; i < 3; ++i) {
            timer.expires_after(std::chrono::microseconds(100));
            co_await timer.async_wait(asio::use_awaitable);
            if (!pool.on_worker()) elsewhere.fetch_add(1);
            steps.fetch_add(1);
        }
    };
    for (int i = 0; i < 5; ++i) asio::co_spawn(context.get_executor(), session, asio::detached);
    CHECK(test::eventually([&] { return steps.load() == 15; }));
    pool.wait_idle();
    CHECK(elsewhere.load() == 0);
}
#endif

TEST_CASE("asio: what a handler throws goes to the pool's on_error", "[adapters][asio][unit]") {
    std::atomic<int>     errors{0};
    thread_pool          pool({.workers = 1, .on_error = [&](std::exception_ptr) { errors.fetch_add(1); }});
    sluice::asio_context context(pool);
    asio::post(context.get_executor(), [] { throw std::runtime_error("x"); });
    pool.wait_idle();
    CHECK(errors.load() == 1);
}
