// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/pool_scheduler.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "executor/receiver.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"

#include <atomic>
#include <concepts>
#include <cstddef>
#include <exception>
#include <latch>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using sluice::get_scheduler;
using sluice::pool_scheduler;
using sluice::thread_pool;
using test::outcome;
using test::receiver;
using vocabulary = sluice::own_vocabulary;

namespace {

/// Without an environment.
struct bare {
    std::atomic<int>* n;
    void              set_value() && noexcept { n->fetch_add(1); }
    void              set_error(std::exception_ptr) && noexcept {}
    void              set_stopped() && noexcept {}
};

using sender = decltype(std::declval<pool_scheduler const&>().schedule());
using operation = decltype(std::declval<sender const&>().connect(std::declval<receiver>()));

static_assert(std::copyable<pool_scheduler> && std::equality_comparable<pool_scheduler> && std::copyable<sender>);
static_assert(std::is_nothrow_copy_constructible_v<pool_scheduler> && noexcept(std::declval<pool_scheduler>().schedule()));
static_assert(!std::is_move_constructible_v<operation> && noexcept(std::declval<operation&>().start()));
static_assert(std::same_as<sender::sender_concept, vocabulary::sender_t> &&
              std::same_as<pool_scheduler::scheduler_concept, vocabulary::scheduler_t>);
static_assert(std::same_as<sender::completion_signatures,
                           vocabulary::completion_signatures<vocabulary::set_value_t(), vocabulary::set_error_t(std::exception_ptr),
                                                        vocabulary::set_stopped_t()>>);
// The node is the operation: a task, the pool, and the receiver.
static_assert(sizeof(operation) == sizeof(sluice::detail::task) + sizeof(void*) + sizeof(receiver));

}  // namespace

TEST_CASE("pool_scheduler: completes on the pool, once, without an allocation", "[executor][pool_scheduler][unit]") {
    thread_pool pool(2);
    outcome     o;
    o.pool = &pool;
    constexpr int n = 200;
    std::vector<std::optional<operation>> ops(n);
    struct elide {
        sender    s;
        outcome&  o;
        operator operation() const { return s.connect(receiver(o)); }
    };
    for (auto& op : ops) op.emplace(elide{get_scheduler(pool).schedule(), o});
    pool.submit([] {}).get();
    auto const before = test::allocations::total();
    for (auto& op : ops) op->start();
    CHECK(test::eventually([&] { return o.all() == n; }));
    CHECK(test::allocations::total() == before);
    pool.wait_idle();
    CHECK(o.values.load() == n);
    CHECK(o.on_pool.load() == n);
    std::atomic<int> plain{0};
    auto             op = get_scheduler(pool).schedule().connect(bare{&plain});
    op.start();
    pool.wait_idle();
    CHECK(plain.load() == 1);
}

TEST_CASE("pool_scheduler: equality and queries", "[executor][pool_scheduler][unit]") {
    thread_pool a(1), b(1);
    auto const  s = get_scheduler(a);
    CHECK(s == get_scheduler(a));
    CHECK_FALSE(s == get_scheduler(b));
    CHECK(&s.pool() == &a);
    CHECK(s.query(vocabulary::get_forward_progress_guarantee_t{}) == vocabulary::forward_progress_guarantee::parallel);
    auto const back = s.schedule().get_env().query(vocabulary::get_completion_scheduler_t<vocabulary::set_value_t>{});
    CHECK(back == s);
}

TEST_CASE("pool_scheduler: stops and errors", "[executor][pool_scheduler][unit]") {
    thread_pool      pool(1);
    outcome          before, queued, dropped, refused;
    std::stop_source source;
    before.token = source.get_token();
    source.request_stop();
    auto early = get_scheduler(pool).schedule().connect(receiver(before));
    early.start();
    CHECK(before.stops.load() == 1);

    std::latch       busy(1), go(1), again(1), end(1);
    std::stop_source later;
    queued.token = later.get_token();
    pool.post([&] {
        busy.count_down();
        go.wait();
    });
    busy.wait();
    auto waiting = get_scheduler(pool).schedule().connect(receiver(queued));
    waiting.start();
    CHECK(queued.all() == 0);
    later.request_stop();
    go.count_down();
    pool.wait_idle();
    CHECK(queued.stops.load() == 1);

    pool.post([&] {
        again.count_down();
        end.wait();
    });
    again.wait();
    auto lost = get_scheduler(pool).schedule().connect(receiver(dropped));
    lost.start();
    std::thread ender([&] { (void)pool.shutdown(sluice::shutdown_mode::discard); });
    CHECK(test::eventually([&] { return pool.internals().discards(); }));
    end.count_down();
    ender.join();
    CHECK(dropped.stops.load() == 1);

    auto late = get_scheduler(pool).schedule().connect(receiver(refused));
    late.start();
    REQUIRE(refused.errors.load() == 1);
    CHECK_THROWS_AS(std::rethrow_exception(refused.error), sluice::pool_closed);
    CHECK(before.all() + queued.all() + dropped.all() + refused.all() == 4);
}
