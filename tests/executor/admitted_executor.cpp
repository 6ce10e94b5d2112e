// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/admitted_executor.hpp>

#include <sluice/executor/manual_executor.hpp>
#include <sluice/executor/overload_signal.hpp>
#include <sluice/executor/queued_executor.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/flow/bulkhead.hpp>
#include <sluice/flow/token_bucket.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::admitted_executor;
using sluice::manual_clock;
using sluice::manual_executor;
using sluice::outcome;
using sluice::task_attributes;
using sluice::thread_pool;
using sluice::time_point;
using sluice::verdict;

namespace {

/// Counts how its permits end, and lets at most `most` be out.
struct book {
    std::uint64_t most = 1000, out = 0, given = 0;
    std::uint64_t ended[3] = {};
    std::vector<std::pair<time_point, time_point>> times;
    sluice::permit try_acquire(time_point now) {
        if (out >= most) return sluice::permit::denied(verdict::later(7ms, 0));
        ++out, ++given;
        return {this, [](void* self, sluice::permit_ticket const& t, outcome how, time_point const* end) noexcept {
            auto& b = *static_cast<book*>(self);
            --b.out;
            ++b.ended[static_cast<int>(how)];
            if (end != nullptr) b.times.emplace_back(t.start, *end);
        }, {.start = now}};
    }
    std::uint64_t all() const { return ended[0] + ended[1] + ended[2]; }
};
struct by_name {  // an admission_policy of one's own
    book&          b;
    sluice::permit admit(task_attributes const& a, time_point now) {
        return a.name == "unwanted" ? sluice::permit::denied(verdict::refuse(0)) : b.try_acquire(now);
    }
};

static_assert(sluice::permit_source<book> && !sluice::admission_policy<book>);
static_assert(sluice::admission_policy<by_name>);
static_assert(sluice::admits_tasks<sluice::bulkhead<>> && sluice::admits_tasks<sluice::token_bucket<>>);
static_assert(!sluice::admits_tasks<int>);
static_assert(sluice::executor<admitted_executor<thread_pool, sluice::bulkhead<>>>);
static_assert(sluice::overload_signal<sluice::load_gauge<>>);
static_assert(!sluice::overload_signal<book>);

template <class Policy>
using admitted = admitted_executor<manual_executor, Policy, manual_clock>;

}  // namespace

TEST_CASE("admitted_executor: an admission ends once, and says how", "[executor][admitted_executor][unit]") {
    auto const      thrown = GENERATE(outcome::ignored, outcome::dropped);
    int             errors = 0, expired = 0, ran = 0;
    manual_executor e({.on_error = [&](std::exception_ptr) { ++errors; }});
    book            b;
    admitted<book>  a(e, b, {.thrown = thrown}, e.clock());
    std::stop_source stop;
    a.post([&] {
        ++ran;
        e.spend(10ms);
    });
    a.post([&] {
        ++ran;
        throw std::runtime_error("task");
    });
    CHECK(a.try_post([&] { ++ran; }, {.expiry = time_point(10ms)}, [&] { ++expired; }));
    CHECK(a.try_post([&] { ++ran; }, {.stop = stop.get_token()}));
    stop.request_stop();
    CHECK(b.given == 4);
    e.run_for(9ms);
    CHECK(b.all() == 0);  // in virtual time, too, it is held until the end
    e.run_until_idle();
    CHECK(ran == 2);
    CHECK(errors == 1);
    CHECK(expired == 1);
    CHECK(b.ended[static_cast<int>(outcome::success)] == 1);
    CHECK(b.ended[static_cast<int>(outcome::ignored)] == (thrown == outcome::ignored ? 2 : 1));
    CHECK(b.ended[static_cast<int>(outcome::dropped)] == (thrown == outcome::dropped ? 2 : 1));
    CHECK(b.times[0] == std::pair(time_point(0ms), time_point(10ms)));

    a.post([&] { ++ran; });
    e.discard();
    CHECK(b.all() == b.given);
    CHECK(b.out == 0);
}

TEST_CASE("admitted_executor: denied is told, and the callable is untouched", "[executor][admitted_executor][unit]") {
    manual_executor e;
    book            b;
    b.most = 1;
    by_name         policy{b};
    admitted<by_name> a(e, policy, {}, e.clock());
    int             ran = 0;
    auto            task = [&, owned = std::make_unique<int>(5)] { ran += *owned; };
    a.post([] {});
    auto v = a.try_post(std::move(task));
    CHECK(v == verdict::later(7ms, 0));
    try {
        a.post(std::move(task));
        CHECK(false);
    } catch (sluice::admission_denied const& x) {
        CHECK(x.why() == verdict::later(7ms, 0));
    }
    e.run_until_idle();
    v = a.try_post(std::move(task), {.name = "unwanted"});
    CHECK(v.kind == sluice::verdict_kind::never);
    a.post(std::move(task));
    e.run_until_idle();
    CHECK(ran == 5);

    sluice::token_bucket bucket({.refill = sluice::per_second(10), .burst = 5}, e.clock());  // a rate, by the cost
    admitted<decltype(bucket)> r(e, bucket, {}, e.clock());
    CHECK(r.try_post([] {}, {.cost = 4}));
    CHECK(!r.try_post([] {}, {.cost = 2}));
    e.run_for(100ms);
    CHECK(r.try_post([] {}, {.cost = 2}));
}

TEST_CASE("admitted_executor: an executor that refuses gets the admission back for its limiter",
          "[executor][admitted_executor][unit]") {
    thread_pool                          pool(1);
    book                                 b;
    admitted_executor<thread_pool, book> a(pool, b);
    (void)pool.shutdown();
    CHECK_THROWS_AS(a.post([] {}), sluice::pool_closed);
    CHECK(b.given == 1);
    CHECK(b.ended[static_cast<int>(outcome::ignored)] == 1);
}

TEST_CASE("admitted_executor: in front of a queue of its own, levels shed the less urgent", "[executor][admitted_executor][unit]") {
    manual_executor e;
    sluice::queued_executor<manual_executor, sluice::fifo, manual_clock> q(e, {.capacity = 10, .when_full = sluice::overflow::reject},
                                                                           sluice::fifo(), e.clock());
    sluice::shed_by_level shed(q.gauge());
    admitted_executor     a(q, shed);
    auto const            taken = [&](std::uint32_t priority) { return a.try_post([] {}, {.priority = priority}).admitted(); };
    for (int i = 0; i < 6; ++i) CHECK(taken(3));
    CHECK(taken(3));  // 7 of 10: yellow from now on
    CHECK(!taken(3));
    CHECK(taken(2));
    CHECK(taken(2));  // 9: red
    CHECK(!taken(2));
    CHECK(taken(1));  // 10: black
    CHECK(!taken(1));
    CHECK_THROWS_AS(taken(0), sluice::task_rejected);  // admitted; the queue is full
    int told = 0;
    q.gauge().when_below(sluice::load_level::red, [&] { ++told; });
    CHECK(e.run_until_idle() == 10);
    CHECK(told == 1);
    CHECK(taken(9));
}

TEST_CASE("admitted_executor: releases equal admissions, whatever happens", "[executor][admitted_executor][property]") {
    sluice::xoshiro256ss random(test::seed());
    auto const           rnd = [&](std::uint64_t n) { return sluice::uniform_below(random, n); };
    int                  errors = 0;
    manual_executor      e({.workers = 2, .order = sluice::manual_order::shuffled, .seed = test::seed(),
                            .on_error = [&](std::exception_ptr) { ++errors; }});
    book                 b;
    b.most = 12;
    admitted<book>       a(e, b, {.thrown = outcome::dropped}, e.clock());
    std::stop_source     stop;
    std::uint64_t        admitted_ones = 0, returned = 0, thrown = 0, begun_late = 0;
    for (int i = 0; i < 5000; ++i) {
        task_attributes attributes{.stop = stop.get_token()};
        if (rnd(4) == 0) attributes.expiry = e.now() + std::chrono::milliseconds(1 + rnd(5));
        admitted_ones += a.try_post([&, due = attributes.expiry, d = rnd(3), bad = rnd(5) == 0] {
            begun_late += e.now() >= due ? 1u : 0u;
            e.spend(std::chrono::milliseconds(d));
            ++(bad ? thrown : returned);
            if (bad) throw std::runtime_error("bad");
        }, attributes) ? 1u : 0u;
        REQUIRE(b.given == admitted_ones);
        REQUIRE(b.out + b.all() == b.given);
        REQUIRE(b.out <= b.most);
        if (rnd(2) == 0) e.run_for(std::chrono::milliseconds(rnd(3)));
        if (rnd(100) == 0) e.discard();
        if (rnd(50) == 0) {
            stop.request_stop();
            stop = std::stop_source();
        }
    }
    e.run_until_idle();
    CHECK(b.out == 0);
    CHECK(b.all() == admitted_ones);
    CHECK(begun_late == 0);
    CHECK(b.ended[static_cast<int>(outcome::success)] == returned);
    CHECK(static_cast<std::uint64_t>(errors) == thrown);
    CHECK(b.ended[static_cast<int>(outcome::dropped)] > thrown);
    CHECK(b.ended[static_cast<int>(outcome::ignored)] > 0);
    CHECK(admitted_ones < 5000);
}

TEST_CASE("admitted_executor: on a pool never more inside than the bulkhead allows", "[executor][admitted_executor][stress]") {
    sluice::bulkhead<>                                 limit({.limit = 1});
    std::atomic<int>                                   inside{0}, most{0}, ran{0}, denied{0};
    {
        thread_pool                                pool(2);
        admitted_executor<thread_pool, sluice::bulkhead<>> a(pool, limit);
        test::run_threads(3, [&](std::size_t) {
            for (int i = 0; i < 2000; ++i) {
                auto const v = a.try_post([&] {
                    int const n = ++inside;
                    int       seen = most.load();
                    while (seen < n && !most.compare_exchange_weak(seen, n)) {}
                    --inside;
                    ++ran;
                });
                if (!v) ++denied;
            }
        });
    }
    CHECK(ran.load() + denied.load() == 6000);
    CHECK(ran.load() > 0);
    CHECK(most.load() == 1);
    CHECK(limit.try_acquire());
}
