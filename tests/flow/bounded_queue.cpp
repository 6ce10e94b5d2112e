// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/bounded_queue.hpp>

#include "support/catch.hpp"
#include "support/death.hpp"
#include "support/queue_nodes.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <sluice/core/random.hpp>
#include <sluice/flow/adaptive_lifo.hpp>
#include <sluice/flow/aging_priority.hpp>
#include <sluice/flow/codel.hpp>
#include <sluice/flow/drr.hpp>
#include <sluice/flow/lifo.hpp>
#include <sluice/flow/rfc_codel.hpp>
#include <sluice/flow/wfq.hpp>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using sluice::bounded_queue;
using sluice::drop_reason;
using sluice::reject_reason;
using test::at_ms;

namespace {

struct record {
    int         id;
    drop_reason reason;
};
using records = std::vector<record>;

bool operator==(record const& a, record const& b) { return a.id == b.id && a.reason == b.reason; }

/// A handler that writes down what it gets.
auto into(records& list) {
    return [&list](auto&& value, sluice::drop_info const& info) { list.push_back({static_cast<int>(value), info.reason}); };
}

template <class Queue>
int pop_id(Queue& q, sluice::time_point now) {
    auto const item = q.try_pop(now);
    return item ? item->value : -1;
}

/// Serves one item per `each` from `now` on while others wait, so that the queue learns the pace.
template <class Queue>
void teach_pace(Queue& q, sluice::time_point now, sluice::duration each, int n) {
    for (int i = 0; i < n; ++i) REQUIRE(q.push(0, {}, now).accepted());
    for (int i = 0; i < n; ++i) REQUIRE(q.try_pop(now + i * each));
}

}  // namespace

TEST_CASE("bounded_queue: what is pushed comes out with its attributes and its wait", "[flow][bounded_queue][unit]") {
    sluice::manual_clock                                                clock;
    bounded_queue<std::string, sluice::fifo, sluice::manual_clock>      q({.capacity = 4}, clock);
    sluice::item_attributes const attributes{.tenant = 7, .priority = 2, .cost = 9, .deadline = at_ms(1000)};
    REQUIRE(q.push("first", attributes).accepted());
    clock.advance(3ms);
    std::string const kept = "second";
    REQUIRE(q.push(kept).accepted());
    REQUIRE(kept == "second");
    clock.advance(1ms);
    REQUIRE(q.size_approx() == 2);
    auto first = q.try_pop();
    REQUIRE(first);
    REQUIRE(first->value == "first");
    REQUIRE(first->attributes == attributes);
    REQUIRE(first->enqueued == at_ms(0));
    REQUIRE(first->sojourn == 4ms);
    auto second = q.try_pop();
    REQUIRE(second->value == "second");
    REQUIRE(second->sojourn == 1ms);
    REQUIRE_FALSE(q.try_pop());
    auto const c = q.counters();
    REQUIRE(c.accepted == 2);
    REQUIRE(c.delivered == 2);
}

TEST_CASE("bounded_queue: an item that is refused stays in the caller's hands, whatever the reason",
          "[flow][bounded_queue][unit]") {
    using box = std::unique_ptr<int>;
    auto const refused = [](auto& q, sluice::item_attributes const& a, sluice::time_point now) {
        auto       item = std::make_unique<int>(5);
        auto const r = q.push(std::move(item), a, now);
        REQUIRE(item != nullptr);
        REQUIRE(*item == 5);
        REQUIRE_FALSE(r.accepted());
        REQUIRE_FALSE(r);
        return r.reason;
    };
    SECTION("full") {
        bounded_queue<box> q({.capacity = 1});
        REQUIRE(q.push(std::make_unique<int>(1), {}, at_ms(0)));
        REQUIRE(refused(q, {}, at_ms(0)) == reject_reason::full);
        REQUIRE(*q.try_pop(at_ms(0))->value == 1);
        REQUIRE(q.push(std::make_unique<int>(2), {}, at_ms(0)));
        REQUIRE(q.counters().rejected == 1);
    }
    SECTION("delay") {
        bounded_queue<box> q({.capacity = 100, .max_delay = 50ms, .expected_drain = 20ms});
        for (int i = 0; i < 3; ++i) REQUIRE(q.push(std::make_unique<int>(i), {}, at_ms(0)));
        auto       item = std::make_unique<int>(5);
        auto const r = q.push(std::move(item), {}, at_ms(0));
        REQUIRE(item != nullptr);
        REQUIRE(r.reason == reject_reason::delay);
        REQUIRE(r.retry_after == 10ms);
        REQUIRE(r.level == sluice::load_level::black);
    }
    SECTION("deadline") {
        bounded_queue<box> q({.capacity = 100, .expected_service = 10ms, .expected_drain = 20ms});
        REQUIRE(refused(q, {.deadline = at_ms(5)}, at_ms(5)) == reject_reason::deadline);  // is over
        REQUIRE(refused(q, {.deadline = at_ms(14)}, at_ms(5)) == reject_reason::deadline);  // 9 ms for a service of 10
        REQUIRE(q.push(std::make_unique<int>(1), {.deadline = at_ms(15)}, at_ms(5)));
        REQUIRE(refused(q, {.deadline = at_ms(34)}, at_ms(5)) == reject_reason::deadline);  // 20 wait + 10 service
        REQUIRE(q.push(std::make_unique<int>(1), {.deadline = at_ms(35)}, at_ms(5)));
    }
    SECTION("closed") {
        bounded_queue<box> q({.capacity = 1});
        q.close();
        REQUIRE(q.closed());
        REQUIRE(refused(q, {}, at_ms(0)) == reject_reason::closed);
    }
    SECTION("tenant quota") {
        bounded_queue<box, sluice::drr<>> q({.capacity = 100}, sluice::drr<>({.tenant_capacity = 2}));
        for (int i = 0; i < 2; ++i) REQUIRE(q.push(std::make_unique<int>(i), {.tenant = 1}, at_ms(0)));
        REQUIRE(refused(q, {.tenant = 1}, at_ms(0)) == reject_reason::tenant_quota);
        REQUIRE(q.push(std::make_unique<int>(3), {.tenant = 2}, at_ms(0)));
    }
    SECTION("ramp") {
        bounded_queue<box>   q({.capacity = 100, .ramp = {.begin = 20, .end = 30}});
        sluice::xoshiro256ss random(test::seed());
        int                  accepted = 0;
        bool                 some = false;
        for (int i = 0; i < 2000; ++i) {
            auto       item = std::make_unique<int>(i);
            auto const r = q.push(std::move(item), {}, at_ms(0), random);
            REQUIRE(r.accepted() == (item == nullptr));
            if (!r) REQUIRE(r.reason == reject_reason::ramp);
            if (!r && accepted < 30) some = true;
            accepted += r.accepted();
            REQUIRE((accepted >= 20 || r));
        }
        REQUIRE(accepted == 30);
        REQUIRE(some);
        REQUIRE(refused(q, {}, at_ms(0)) == reject_reason::ramp);  // from the end on without chance, too
    }
    SECTION("dropped items that nobody took") {
        bounded_queue<box> q({.capacity = 2});
        for (int i = 0; i < 2; ++i) REQUIRE(q.push(std::make_unique<int>(i), {.deadline = at_ms(10)}, at_ms(0)));
        REQUIRE_FALSE(q.try_pop(at_ms(10)));
        REQUIRE(refused(q, {}, at_ms(10)) == reject_reason::dropped_not_taken);
        auto const dropped = q.take_dropped();
        REQUIRE(dropped.size() == 2);
        REQUIRE(*dropped[0].value == 0);
        REQUIRE(dropped[1].info.reason == drop_reason::expired);
        REQUIRE(dropped[1].info.sojourn == 10ms);
        REQUIRE(q.take_dropped().empty());
        REQUIRE(q.push(std::make_unique<int>(3), {}, at_ms(10)));
    }
}

TEST_CASE("bounded_queue: the pace is measured, whoever serves, and bounds the delay", "[flow][bounded_queue][unit]") {
    bounded_queue<int> q({.capacity = 1000, .max_delay = 50ms});
    REQUIRE(q.estimated_wait() == 0ms);
    teach_pace(q, at_ms(0), 5ms, 100);  // two servers of 10 ms look the same
    int accepted = 0;
    while (q.push(0, {}, at_ms(500))) ++accepted;
    REQUIRE(accepted == 11);  // the last one finds ten before it
    REQUIRE(q.estimated_wait() == 55ms);
    REQUIRE(q.push(0, {}, at_ms(500)).retry_after == 5ms);
}

TEST_CASE("bounded_queue: the pace is per unit of cost", "[flow][bounded_queue][unit]") {
    bounded_queue<int>   q({.capacity = 1000});
    sluice::xoshiro256ss random(test::seed());
    auto                 now = at_ms(0);
    for (int i = 0; i < 300; ++i) {
        auto const cost = static_cast<std::uint32_t>(1 + sluice::uniform_below(random, 100));
        REQUIRE(q.push(i, {.cost = cost}, now));
    }
    for (int i = 0; i < 300; ++i) now += q.try_pop(now)->attributes.cost * 1ms;
    REQUIRE(q.push(0, {.cost = 70}, now));
    REQUIRE(std::chrono::abs(q.estimated_wait() - 70ms) < 1us);
}

TEST_CASE("bounded_queue: time in which nothing waits does not count as work", "[flow][bounded_queue][unit]") {
    bounded_queue<int> q({.capacity = 1000}, [](int&&, sluice::drop_info const&) {});
    teach_pace(q, at_ms(0), 1ms, 100);
    auto const pace_after = [&](auto&& leave_alone) {
        auto const now = at_ms(1'000'000);
        REQUIRE(q.push(1, {}, now));
        REQUIRE(q.push(2, {.deadline = now + 5ms}, now));
        REQUIRE(q.try_pop(now));
        leave_alone(now + 10ms);
        REQUIRE(q.push(3, {}, now + 20s));
        REQUIRE(q.push(4, {}, now + 20s));
        REQUIRE(pop_id(q, now + 20s) == 3);
        return q.estimated_wait();
    };
    SECTION("all was dropped") {
        REQUIRE(pace_after([&](sluice::time_point now) { REQUIRE_FALSE(q.try_pop(now)); }) == 1ms);
    }
    SECTION("all was drained") {
        REQUIRE(pace_after([&](sluice::time_point) { REQUIRE(q.drain().size() == 1); }) == 1ms);
    }
}

TEST_CASE("bounded_queue: an estimate that refuses everything comes down again", "[flow][bounded_queue][unit]") {
    SECTION("of the wait: the server was stopped for an hour") {
        records            drops;
        bounded_queue<int> q({.capacity = 1000, .max_delay = 50ms}, into(drops));
        teach_pace(q, at_ms(0), 1ms, 100);
        auto now = at_ms(1000);
        for (int i = 0; i < 40; ++i) REQUIRE(q.push(0, {}, now));
        for (int i = 0; i < 40; ++i) REQUIRE(q.try_pop(now + i * 1h));
        now += 40h;
        REQUIRE(q.estimated_wait({}) == 0ms);
        REQUIRE(q.push(0, {}, now));
        REQUIRE(q.push(0, {}, now).reason == reject_reason::delay);
        int accepted = 0;
        for (int i = 0; i < 3000; ++i) {  // three arrivals a millisecond, one service
            for (int k = 0; k < 3; ++k) accepted += q.push(0, {}, now).accepted();
            (void)q.try_pop(now);
            now += 1ms;
        }
        REQUIRE(accepted > 2000);
        REQUIRE(q.size_approx() > 40);
        REQUIRE(q.size_approx() < 60);
    }
    SECTION("of the service: it took longer than anybody waits") {
        bounded_queue<int> q({.capacity = 1000});
        for (int i = 0; i < 100; ++i) q.report_service(400ms);
        REQUIRE(q.expected_service() == 400ms);
        int accepted = 0;
        for (int i = 0; i < 300; ++i) {
            auto const now = at_ms(i);
            if (!q.push(0, {.deadline = now + 100ms}, now)) continue;
            ++accepted;
            REQUIRE(q.try_pop(now));
            q.report_service(1ms);
        }
        REQUIRE(accepted > 200);
    }
    SECTION("of the service, with items that have time when they come but not when somebody looks") {
        bounded_queue<int> q({.capacity = 1000}, [](int&&, sluice::drop_info const&) {});
        for (int i = 0; i < 100; ++i) q.report_service(400ms);
        int served = 0;
        for (int i = 0; i < 200; ++i) {
            auto const now = at_ms(i * 1000);
            REQUIRE(q.push(0, {.deadline = now + 500ms}, now));
            if (!q.try_pop(now + 300ms)) continue;
            ++served;
            q.report_service(1ms);
        }
        REQUIRE(served > 100);
    }
    SECTION("of the service, but not because of a few among many: those would only waste the server's time") {
        bounded_queue<int> q({.capacity = 1000});
        int                wasted = 0;
        for (int i = 0; i < 3000; ++i) {
            auto const now = at_ms(i * 10);
            if (i % 10 == 0) {
                REQUIRE(q.push(0, {.deadline = now + 100ms}, now));
            } else if (q.push(0, {.deadline = now + 5ms}, now)) {
                ++wasted;
            }
            if (q.try_pop(now)) q.report_service(10ms);
        }
        REQUIRE(wasted <= 1);  // before anything was known
        REQUIRE(q.expected_service() == 10ms);
    }
    SECTION("but what was given as an option is not doubted") {
        bounded_queue<int> q({.capacity = 1000, .expected_service = 400ms});
        for (int i = 0; i < 300; ++i)
            REQUIRE(q.push(0, {.deadline = at_ms(i + 399)}, at_ms(i)).reason == reject_reason::deadline);
        REQUIRE(q.expected_service() == 400ms);
    }
}

TEST_CASE("bounded_queue: an item is dropped when serving it would take longer than there is time",
          "[flow][bounded_queue][unit]") {
    records            drops;
    bounded_queue<int> q({.capacity = 10, .expected_service = 10ms}, into(drops));
    REQUIRE(q.push(1, {.deadline = at_ms(100)}, at_ms(0)));
    REQUIRE(q.push(2, {.deadline = at_ms(100)}, at_ms(0)));
    REQUIRE(q.push(3, {}, at_ms(0)));
    REQUIRE(q.push(4, {.deadline = at_ms(102)}, at_ms(0)));
    REQUIRE(pop_id(q, at_ms(90)) == 1);  // exactly enough
    REQUIRE(pop_id(q, at_ms(91)) == 3);
    REQUIRE(drops == records{{2, drop_reason::expired}});
    for (int i = 0; i < 100; ++i) q.report_service(2ms);
    q.report_service(-5ms);
    REQUIRE(q.expected_service() == 2ms);
    REQUIRE(pop_id(q, at_ms(100)) == 4);
    REQUIRE(q.counters().expired == 1);
}

TEST_CASE("bounded_queue: a handler runs without the lock and may use the queue", "[flow][bounded_queue][unit]") {
    bounded_queue<int>* self = nullptr;
    int                 calls = 0;
    bounded_queue<int>  q({.capacity = 2}, [&](int&& value, sluice::drop_info const& info) {
        ++calls;
        if (info.reason != drop_reason::expired) return;
        REQUIRE(self->push(value + 10, {}, at_ms(20)));
        REQUIRE(self->size_approx() == 1);
    });
    self = &q;
    REQUIRE(q.push(1, {.deadline = at_ms(10)}, at_ms(0)));
    REQUIRE(pop_id(q, at_ms(20)) == 11);
    REQUIRE(calls == 1);
    REQUIRE(pop_id(q, at_ms(20)) == -1);
}

TEST_CASE("bounded_queue: a handler that throws loses nothing but its own item", "[flow][bounded_queue][unit]") {
    int                calls = 0;
    bounded_queue<int> q({.capacity = 3}, [&](int&& value, sluice::drop_info const&) {
        ++calls;
        if (value < 3) throw std::runtime_error("handler");
    });
    REQUIRE(q.push(1, {.deadline = at_ms(10)}, at_ms(0)));
    REQUIRE(q.push(2, {.deadline = at_ms(10)}, at_ms(0)));
    REQUIRE(q.push(3, {}, at_ms(0)));
    REQUIRE_THROWS_AS(q.try_pop(at_ms(20)), std::runtime_error);
    REQUIRE(q.size_approx() == 2);
    auto item = 4;
    REQUIRE(q.push(std::move(item), {}, at_ms(20)));
    REQUIRE_THROWS_AS(q.push(5, {}, at_ms(20)), std::runtime_error);  // full: 2 has expired and goes first
    REQUIRE(calls == 2);
    REQUIRE(q.push(5, {}, at_ms(20)));  // now there is room
    for (int const expected : {3, 4, 5, -1}) REQUIRE(pop_id(q, at_ms(20)) == expected);
    auto const c = q.counters();
    REQUIRE(c.accepted == 5);
    REQUIRE(c.delivered == 3);
    REQUIRE(c.expired == 2);
}

namespace {

/// Throws when it is moved, as often as it is told.
struct shy {
    int         id = 0;
    static int& throws() {
        static int n = 0;
        return n;
    }
    static int& alive() {
        static int n = 0;
        return n;
    }
    explicit shy(int i) : id(i) { ++alive(); }
    shy(shy&& other) : id(other.id) {
        if (throws() > 0 && --throws() == 0) throw std::runtime_error("move");
        ++alive();
    }
    shy& operator=(shy&&) = delete;
    ~shy() { --alive(); }
};

}  // namespace

TEST_CASE("bounded_queue: a move that throws changes nothing", "[flow][bounded_queue][unit]") {
    REQUIRE(shy::alive() == 0);
    {
        bounded_queue<shy, sluice::drr<>> q({.capacity = 3});
        REQUIRE(q.push(shy(1), {.tenant = 1}, at_ms(0)));
        shy two(2);
        shy::throws() = 1;
        REQUIRE_THROWS_AS(q.push(std::move(two), {.tenant = 2}, at_ms(0)), std::runtime_error);
        REQUIRE(q.size_approx() == 1);
        REQUIRE(q.inspect([](auto const& d) { return d.tenants(); }) == 1);
        REQUIRE(q.counters().accepted == 1);
        REQUIRE(q.push(std::move(two), {.tenant = 2}, at_ms(0)));
        REQUIRE(q.push(shy(3), {.tenant = 3}, at_ms(0)));
        shy::throws() = 1;
        REQUIRE_THROWS_AS(q.try_pop(at_ms(1)), std::runtime_error);
        REQUIRE(q.size_approx() == 3);
        REQUIRE(q.push(shy(4), {}, at_ms(1)).reason == reject_reason::full);
        for (int const expected : {1, 2, 3}) {
            auto const item = q.try_pop(at_ms(1));
            REQUIRE(item);
            REQUIRE(item->value.id == expected);
        }
        REQUIRE(q.counters().delivered == 3);
        REQUIRE(q.push(shy(5), {}, at_ms(1)));
        shy::throws() = 1;
        REQUIRE_THROWS_AS(q.try_pop(at_ms(1)), std::runtime_error);
    }
    shy::throws() = 0;
    REQUIRE(shy::alive() == 0);
}

TEST_CASE("bounded_queue: after close what waits comes out, then the end", "[flow][bounded_queue][unit]") {
    bounded_queue<int> q({.capacity = 4});
    REQUIRE(q.push(1));
    REQUIRE(q.push(2));
    q.close();
    q.close();
    REQUIRE(q.push(3).reason == reject_reason::closed);
    REQUIRE(q.push(3).retry_after == sluice::duration::max());
    REQUIRE(q.pop()->value == 1);
    REQUIRE(q.pop_until(sluice::time_point::max())->value == 2);
    REQUIRE_FALSE(q.pop());
}

TEST_CASE("bounded_queue: a waiting consumer is woken by an item, a stop, the end, and its deadline",
          "[flow][bounded_queue][unit]") {
    bounded_queue<int> q({.capacity = 4});
    std::stop_source   stop;
    std::atomic<int>   got = 0, stopped = 0, ended = 0;
    test::run_threads(3, [&](std::size_t i) {
        if (i == 0) {
            if (auto const item = q.pop(); item) got = item->value;
        } else if (i == 1) {
            while (got == 0) std::this_thread::yield();
            if (!q.pop_until(sluice::steady_clock{}.now() + 1h, stop.get_token())) ++stopped;
            if (!q.pop(stop.get_token())) ++stopped;
            if (!q.pop()) ++ended;
        } else {
            (void)q.push(7);
            while (got == 0) std::this_thread::yield();
            stop.request_stop();
            while (stopped != 2) std::this_thread::yield();
            q.close();
        }
    });
    REQUIRE(got == 7);
    REQUIRE(stopped == 2);
    REQUIRE(ended == 1);
    bounded_queue<int> quiet({.capacity = 4});
    REQUIRE_FALSE(quiet.pop_until(sluice::steady_clock{}.now() + 1ms));
    REQUIRE_FALSE(quiet.pop_until(sluice::time_point::min()));
    REQUIRE(quiet.push(1));
    REQUIRE(quiet.pop_until(sluice::time_point::min())->value == 1);
    REQUIRE(quiet.push(2));
    REQUIRE(quiet.pop(stop.get_token())->value == 2);  // an item that is there comes before the stop
}

TEST_CASE("bounded_queue: on a manual clock a wait lets the time come", "[flow][bounded_queue][unit]") {
    sluice::manual_clock                                   clock;
    bounded_queue<int, sluice::fifo, sluice::manual_clock> q({.capacity = 4}, clock);
    REQUIRE_FALSE(q.pop_until(at_ms(30)));
    REQUIRE(clock.now() == at_ms(30));
}

TEST_CASE("bounded_queue: what waits when it is destroyed goes to the handler", "[flow][bounded_queue][unit]") {
    records drops;
    {
        bounded_queue<int, sluice::lifo> q({.capacity = 10}, into(drops));
        for (int i = 1; i <= 3; ++i) REQUIRE(q.push(i, {}, at_ms(0)));
        REQUIRE(pop_id(q, at_ms(0)) == 3);
    }
    REQUIRE(drops == records{{2, drop_reason::destroyed}, {1, drop_reason::destroyed}});
    auto const counted = std::make_shared<int>(1);
    {
        bounded_queue<std::shared_ptr<int>> q({.capacity = 10});
        for (int i = 0; i < 3; ++i) REQUIRE(q.push(counted, {.deadline = at_ms(i == 0 ? 1 : 1000)}, at_ms(0)));
        REQUIRE(q.try_pop(at_ms(5)));
        REQUIRE(counted.use_count() == 3);  // one expired and kept, one waiting
    }
    REQUIRE(counted.use_count() == 1);
}

TEST_CASE("bounded_queue: a handler that throws while the queue is destroyed ends the program", "[flow][bounded_queue][unit]") {
    auto const child = test::in_child([] {
        bounded_queue<int> q({.capacity = 1}, [](int&&, sluice::drop_info const&) { throw std::runtime_error("handler"); });
        (void)q.push(1, {}, at_ms(0));
    });
    REQUIRE(child.aborted);
}

TEST_CASE("bounded_queue: drain hands out everything, due or not", "[flow][bounded_queue][unit]") {
    records            drops;
    bounded_queue<int> q({.capacity = 10}, into(drops));
    for (int i = 1; i <= 3; ++i) REQUIRE(q.push(i, {.deadline = at_ms(i)}, at_ms(0)));
    REQUIRE(q.push(4, {}, at_ms(50)));
    auto const all = q.drain();
    REQUIRE(all.size() == 4);
    REQUIRE(all[0].value == 1);
    REQUIRE(all[0].sojourn == 50ms);
    REQUIRE(q.size_approx() == 0);
    for (int i = 1; i <= 3; ++i) REQUIRE(q.push(i, {}, at_ms(50)));
    records drained;
    REQUIRE_THROWS_AS(q.drain([&](int&& v, sluice::drop_info const& info) {
        drained.push_back({v, info.reason});
        if (v == 2) throw std::runtime_error("sink");
    }),
                      std::runtime_error);
    REQUIRE(q.size_approx() == 1);
    REQUIRE(q.drain(into(drained)) == 1);
    REQUIRE(drained == records{{1, drop_reason::drained}, {2, drop_reason::drained}, {3, drop_reason::drained}});
    REQUIRE(drops.empty());
    REQUIRE(q.counters().drained == 7);
}

TEST_CASE("bounded_queue: drain ends, even if the sink pushes everything again", "[flow][bounded_queue][unit]") {
    bounded_queue<int, sluice::lifo> q({.capacity = 10});
    for (int i = 1; i <= 4; ++i) REQUIRE(q.push(i, {}, at_ms(0)));
    std::vector<int> seen;
    REQUIRE(q.drain([&](int&& v, sluice::drop_info const&) {
        seen.push_back(v);
        REQUIRE(seen.size() < 100);
        REQUIRE(q.push(v + 10, {}, at_ms(0)));
    }) == 4);
    REQUIRE(seen == std::vector{4, 3, 2, 1});
    REQUIRE(q.size_approx() == 4);
    for (int const expected : {11, 12, 13, 14}) REQUIRE(pop_id(q, at_ms(0)) == expected);
}

TEST_CASE("bounded_queue: what a sink that throws did not get is next, in its order", "[flow][bounded_queue][unit]") {
    bounded_queue<int> q({.capacity = 10, .max_delay = 1s, .expected_drain = 1ms});
    for (int i = 1; i <= 5; ++i) REQUIRE(q.push(i, {.cost = 10}, at_ms(0)));
    REQUIRE_THROWS_AS(q.drain([&](int&& v, sluice::drop_info const&) {
        REQUIRE(q.size_approx() == (v == 1 ? 0u : 1u));
        REQUIRE(q.push(v + 10, {.cost = 10}, at_ms(0)));
        if (v == 2) throw std::runtime_error("sink");
    }),
                      std::runtime_error);
    REQUIRE(q.counters().drained == 2);
    REQUIRE(q.size_approx() == 5);
    REQUIRE(q.estimated_wait() == 50ms);
    for (int const expected : {3, 4, 5, 11, 12, -1}) REQUIRE(pop_id(q, at_ms(0)) == expected);
    REQUIRE(q.estimated_wait() == 0ms);
}

TEST_CASE("bounded_queue: items that a sink left wake those who wait", "[flow][bounded_queue][unit]") {
    bounded_queue<int> q({.capacity = 10});
    std::atomic<int>   got = 0;
    for (int i = 1; i <= 3; ++i) REQUIRE(q.push(i));
    test::run_threads(3, [&](std::size_t t) {
        if (t > 0) {
            if (q.pop()) ++got;
            return;
        }
        try {
            q.drain([&](int&&, sluice::drop_info const&) {
                for (int i = 0; i < 1000; ++i) std::this_thread::yield();  // both are likely to sleep by now
                throw std::runtime_error("sink");
            });
        } catch (std::runtime_error const&) {
        }
    });
    REQUIRE(got == 2);
}

TEST_CASE("bounded_queue: a full queue first gives up what cannot be finished in time", "[flow][bounded_queue][unit]") {
    records            drops;
    bounded_queue<int> q({.capacity = 3, .expected_service = 5ms}, into(drops));
    for (int i = 1; i <= 3; ++i) REQUIRE(q.push(i, {.deadline = at_ms(20)}, at_ms(0)));
    REQUIRE(q.push(4, {}, at_ms(15)).reason == reject_reason::full);
    REQUIRE(q.push(4, {}, at_ms(16)));
    REQUIRE(drops == records{{1, drop_reason::expired}});
    REQUIRE(q.size_approx() == 3);
}

TEST_CASE("bounded_queue: with drr a greedy tenant does not fill it at the cost of the others",
          "[flow][bounded_queue][law]") {
    // Demands of 10, 60 and 60 per round on a server of 100, and room for 90: 10, 45 and 45, as without a bound.
    records                           drops;
    bounded_queue<int, sluice::drr<>> q({.capacity = 90}, into(drops));
    int                               served[3] = {};
    int const                         demand[3] = {10, 60, 60};
    sluice::xoshiro256ss              random(test::seed());
    for (int round = 0; round < 200; ++round) {
        std::vector<int> arrivals;
        for (int t = 0; t < 3; ++t) arrivals.insert(arrivals.end(), static_cast<std::size_t>(demand[t]), t);
        for (std::size_t i = arrivals.size(); i > 1; --i)
            std::swap(arrivals[i - 1], arrivals[static_cast<std::size_t>(sluice::uniform_below(random, i))]);
        auto const now = at_ms(round);
        for (std::size_t i = 0; i < arrivals.size(); ++i) {
            auto const t = static_cast<std::uint64_t>(arrivals[i]);
            (void)q.push(arrivals[i], {.tenant = t}, now);
            if (i % 13 < 10) ++served[pop_id(q, now)];
        }
    }
    REQUIRE(served[0] + served[1] + served[2] == 20'000);
    REQUIRE(std::abs(served[0] - 2000) <= 5);
    REQUIRE(std::abs(served[1] - 9000) <= 200);
    REQUIRE(std::all_of(drops.begin(), drops.end(), [](record const& r) {
        return r.id != 0 && (r.reason == drop_reason::displaced || r.reason == drop_reason::destroyed);
    }));
}

TEST_CASE("bounded_queue: urgent items get a place where one is given up for them", "[flow][bounded_queue][unit]") {
    using queue = bounded_queue<int, sluice::aging_priority>;
    records    drops;
    auto const fill = [](queue& q) {
        for (int i = 1; i <= 3; ++i) REQUIRE(q.push(i, {.priority = 2}, at_ms(i)));
    };
    queue strict({.capacity = 3}, into(drops));
    fill(strict);
    REQUIRE(strict.push(9, {.priority = 0}, at_ms(5)).reason == reject_reason::full);
    queue yields({.capacity = 3}, sluice::aging_priority({.push_out = true}), into(drops));
    fill(yields);
    REQUIRE(yields.push(9, {.priority = 2}, at_ms(5)).reason == reject_reason::full);
    REQUIRE(yields.push(9, {.priority = 0}, at_ms(5)));
    REQUIRE(drops == records{{3, drop_reason::displaced}});
    REQUIRE(yields.push(10, {.priority = 0}, at_ms(202)).reason == reject_reason::full);  // all wait for two steps
    for (int const expected : {9, 1, 2, -1}) REQUIRE(pop_id(yields, at_ms(202)) == expected);
    queue silent({.capacity = 3}, sluice::aging_priority({.push_out = true}));  // nobody would get what is given up
    fill(silent);
    REQUIRE(silent.push(9, {.priority = 0}, at_ms(5)).reason == reject_reason::full);
}

TEST_CASE("bounded_queue: while a handler runs the time goes on", "[flow][bounded_queue][unit]") {
    sluice::manual_clock                                   clock;
    records                                                drops;
    bounded_queue<int, sluice::fifo, sluice::manual_clock> q({.capacity = 4}, [&](int&& v, sluice::drop_info const& info) {
        drops.push_back({v, info.reason});
        clock.advance(50ms);
    }, clock);
    REQUIRE(q.push(1, {.deadline = at_ms(10)}));
    REQUIRE(q.push(2, {.deadline = at_ms(40)}));
    REQUIRE(q.push(3, {.deadline = at_ms(200)}));
    clock.advance(20ms);
    REQUIRE(q.try_pop()->value == 3);  // 2 expired while 1 was dropped
    REQUIRE(drops == records{{1, drop_reason::expired}, {2, drop_reason::expired}});
}

TEST_CASE("bounded_queue: a polite tenant is not refused for another's backlog", "[flow][bounded_queue][unit]") {
    bounded_queue<int, sluice::drr<>> q({.capacity = 1000, .max_delay = 50ms, .expected_drain = 1ms});
    int                               greedy = 0;
    while (q.push(0, {.tenant = 1}, at_ms(0))) ++greedy;
    REQUIRE(greedy == 51);
    REQUIRE(q.push(0, {.tenant = 1}, at_ms(0)).reason == reject_reason::delay);
    REQUIRE(q.push(0, {.tenant = 2}, at_ms(0)));
    REQUIRE(q.estimated_wait({.tenant = 3}) == 2ms);
    bounded_queue<int, sluice::aging_priority> p({.capacity = 1000, .max_delay = 50ms, .expected_drain = 1ms});
    while (p.push(0, {.priority = 5}, at_ms(0))) {}
    REQUIRE(p.push(0, {.priority = 0}, at_ms(0)));
}

TEST_CASE("bounded_queue: what a discipline sheds goes to the handler once", "[flow][bounded_queue][unit]") {
    records                           drops;
    bounded_queue<int, sluice::codel> q({.capacity = 10'000}, sluice::codel({.target = 4ms}), into(drops));
    int                               served = 0;
    for (int ms = 0; ms < 1000; ++ms) {
        for (int k = 0; k < 3; ++k) REQUIRE(q.push(ms, {}, at_ms(ms)));
        served += q.try_pop(at_ms(ms)).has_value();
    }
    auto const c = q.counters();
    REQUIRE(served == 1000);
    REQUIRE(c.shed == drops.size());
    REQUIRE(c.shed > 1000);
    REQUIRE(std::all_of(drops.begin(), drops.end(), [](record const& r) { return r.reason == drop_reason::shed; }));
    REQUIRE(c.accepted == c.delivered + c.shed + q.size_approx());
    REQUIRE(q.inspect([](sluice::codel const& d) { return d.overloaded(); }));
}

TEST_CASE("bounded_queue: time that steps backward counts as the latest seen", "[flow][bounded_queue][unit]") {
    bounded_queue<int> q({.capacity = 4});
    REQUIRE(q.push(1, {}, at_ms(100)));
    REQUIRE(q.push(2, {.deadline = at_ms(90)}, at_ms(50)).reason == reject_reason::deadline);
    REQUIRE(q.push(3, {}, at_ms(50)));
    REQUIRE(q.try_pop(at_ms(0))->sojourn == 0ms);
    auto const item = q.try_pop(at_ms(101));
    REQUIRE(item->enqueued == at_ms(100));
    REQUIRE(item->sojourn == 1ms);
    bounded_queue<int> wide({.capacity = 4});
    REQUIRE(wide.push(1, {}, sluice::time_point::min()));
    REQUIRE(wide.push(2, {}, sluice::time_point::min()));
    REQUIRE(wide.try_pop(sluice::time_point::max())->sojourn == sluice::duration::max());
    REQUIRE(wide.try_pop(sluice::time_point::max())->value == 2);
}

TEST_CASE("bounded_queue: the level follows the number or the delay, and its listeners hear of it",
          "[flow][bounded_queue][unit]") {
    using sluice::load_level;
    bounded_queue<int>      q({.capacity = 100});
    std::vector<load_level> heard;
    q.gauge().on_edge([&](sluice::load_edge const& e) { heard.push_back(e.to); });
    load_level level = load_level::green;
    for (int i = 1; i <= 100; ++i) {
        level = q.push(i, {}, at_ms(i)).level;
        REQUIRE(level == q.level());
        if (i == 60) REQUIRE(level == load_level::green);
        if (i == 61) REQUIRE(level == load_level::yellow);
        if (i == 81) REQUIRE(level == load_level::red);
    }
    REQUIRE(level == load_level::black);
    while (q.size_approx() > 60) (void)q.try_pop(at_ms(200));
    REQUIRE(q.level() == load_level::yellow);
    REQUIRE(q.drain().size() == 60);
    REQUIRE(q.level() == load_level::green);
    REQUIRE(heard == std::vector{load_level::yellow, load_level::red, load_level::black, load_level::red, load_level::yellow,
                                 load_level::green});
    bounded_queue<int> slow({.capacity = 1000, .max_delay = 10ms, .expected_drain = 1ms});
    for (int i = 0; i < 7; ++i) level = slow.push(i, {}, at_ms(0)).level;
    REQUIRE(level == load_level::yellow);
}

TEST_CASE("bounded_queue: those who wait for a level below hear of it from drain", "[flow][bounded_queue][unit]") {
    bounded_queue<int> q({.capacity = 10});
    int                resumed = 0;
    auto const         fill = [&] {
        for (int i = 1; i <= 10; ++i) REQUIRE(q.push(i, {}, at_ms(0)));
        REQUIRE(q.gauge().when_below(sluice::load_level::red, [&] {
            ++resumed;
            REQUIRE(q.push(99, {}, at_ms(0)));
        }) != 0);
    };
    fill();
    REQUIRE(q.drain().size() == 10);
    REQUIRE(resumed == 1);  // nobody may come who pushes or pops
    REQUIRE(q.drain([](int&& v, sluice::drop_info const&) { REQUIRE(v == 99); }) == 1);
    fill();
    REQUIRE(q.drain([](int&&, sluice::drop_info const&) {}) == 10);
    REQUIRE(resumed == 2);
    REQUIRE(q.size_approx() == 1);
}

TEST_CASE("bounded_queue: places that nobody frees make the level black", "[flow][bounded_queue][unit]") {
    bounded_queue<int> q({.capacity = 10});
    int                resumed = 0;
    for (int i = 1; i <= 10; ++i) REQUIRE(q.push(i, {.deadline = at_ms(10)}, at_ms(0)));
    REQUIRE_FALSE(q.try_pop(at_ms(20)));
    REQUIRE(q.level() == sluice::load_level::black);
    auto const r = q.push(11, {}, at_ms(20));
    REQUIRE(r.reason == reject_reason::dropped_not_taken);
    REQUIRE(r.level == sluice::load_level::black);
    REQUIRE(q.gauge().when_below(sluice::load_level::yellow, [&] { ++resumed; }) != 0);
    REQUIRE(q.take_dropped().size() == 10);
    REQUIRE(resumed == 1);
    REQUIRE(q.level() == sluice::load_level::green);
}

TEST_CASE("bounded_queue: what a level callback throws while drain makes a list comes later", "[flow][bounded_queue][unit]") {
    bounded_queue<int> q({.capacity = 10});
    q.gauge().on_edge([](sluice::load_edge const& e) {
        if (e.to == sluice::load_level::green) throw std::runtime_error("listener");
    });
    auto const fill_and_drain = [&] {
        for (int i = 1; i <= 7; ++i) REQUIRE(q.push(i, {}, at_ms(0)));
        REQUIRE(q.drain().size() == 7);
    };
    fill_and_drain();
    REQUIRE_THROWS_AS(q.push(1, {}, at_ms(0)), std::runtime_error);  // is taken
    REQUIRE(pop_id(q, at_ms(0)) == 1);
    fill_and_drain();
    REQUIRE_THROWS_AS(q.try_pop(at_ms(0)), std::runtime_error);
    fill_and_drain();
    q.close();
    REQUIRE(q.push(1, {}, at_ms(0)).reason == reject_reason::closed);  // is not: nothing thrown
    REQUIRE_THROWS_AS(q.pop(), std::runtime_error);
    REQUIRE_FALSE(q.pop());
    REQUIRE(q.counters().drained == 21);
}

TEST_CASE("bounded_queue: a refused push calls no listener", "[flow][bounded_queue][unit]") {
    // The limit of the wait falls with the pace: the refusal is what notices.
    bounded_queue<int> q({.capacity = 100, .expected_service = 1ms}, [](int&&, sluice::drop_info const&) {});
    int                heard = 0;
    for (int i = 0; i < 61; ++i) REQUIRE(q.push(i, {}, at_ms(0)));
    REQUIRE(q.level() == sluice::load_level::yellow);
    q.gauge().on_edge([&](sluice::load_edge const& e) {
        ++heard;
        throw std::runtime_error(e.to == sluice::load_level::green ? "green" : "not green");
    });
    REQUIRE_THROWS_AS(q.drain([](int&& v, sluice::drop_info const&) {
        if (v == 60) throw std::logic_error("sink");
    }),
                      std::logic_error);
    auto const r = q.push(1, {.deadline = at_ms(0)}, at_ms(0));
    REQUIRE(r.reason == reject_reason::deadline);
    REQUIRE(r.level == sluice::load_level::green);
    REQUIRE(heard == 0);
    REQUIRE_THROWS_WITH(q.try_pop(at_ms(0)), "green");
    REQUIRE(heard == 1);
    REQUIRE_FALSE(q.try_pop(at_ms(0)));
}

TEST_CASE("bounded_queue: a level callback that throws loses no item", "[flow][bounded_queue][unit]") {
    bounded_queue<int> q({.capacity = 10});
    q.gauge().on_edge([](sluice::load_edge const&) { throw std::runtime_error("listener"); });
    for (int i = 1; i <= 6; ++i) REQUIRE(q.push(i, {}, at_ms(0)));
    REQUIRE_THROWS_AS(q.push(7, {}, at_ms(0)), std::runtime_error);  // was taken
    REQUIRE(q.size_approx() == 7);
    REQUIRE(pop_id(q, at_ms(0)) == 1);
    REQUIRE_THROWS_AS(q.try_pop(at_ms(0)), std::runtime_error);      // yellow to green: 2 is still inside
    for (int i = 2; i <= 7; ++i) REQUIRE(pop_id(q, at_ms(0)) == i);
    REQUIRE(pop_id(q, at_ms(0)) == -1);
}

TEST_CASE("bounded_queue: it does what a list does, with every reason for refusal and loss",
          "[flow][bounded_queue][property]") {
    struct waiting {
        int                id;
        sluice::time_point deadline, since;
    };
    sluice::xoshiro256ss random(test::seed());
    records              drops, expected_drops;
    constexpr auto       service = 4ms;
    bounded_queue<int>   q({.capacity = 20, .expected_service = service}, into(drops));
    std::deque<waiting>  model;
    auto                 now = at_ms(0);
    int                  counts[4] = {};
    for (int i = 1; i < 20'000; ++i) {
        bool const growing = i / 100 % 2 == 0;
        now += std::chrono::microseconds(sluice::uniform_below(random, 3000));
        if (sluice::uniform_below(random, 10) < (growing ? 7u : 4u)) {
            auto const deadline = sluice::uniform_below(random, 2) == 0
                                      ? sluice::no_deadline
                                      : now + std::chrono::milliseconds(sluice::uniform_below(random, 150));
            auto const r = q.push(i, {.deadline = deadline}, now);
            // No estimate of the wait is tested here: what the queue refuses for that reason the model refuses, too.
            if (deadline - now < service) {
                REQUIRE(r.reason == reject_reason::deadline);
                ++counts[0];
            } else if (r.reason == reject_reason::deadline) {
                REQUIRE(deadline != sluice::no_deadline);
                REQUIRE_FALSE(model.empty());
            } else if (model.size() == 20 && model.front().deadline >= now + service) {
                REQUIRE(r.reason == reject_reason::full);
                ++counts[1];
            } else {
                REQUIRE(r.accepted());
                if (model.size() == 20) {
                    expected_drops.push_back({model.front().id, drop_reason::expired});
                    model.pop_front();
                    ++counts[2];
                }
                model.push_back({i, deadline, now});
            }
        } else {
            while (!model.empty() && model.front().deadline < now + service) {
                expected_drops.push_back({model.front().id, drop_reason::expired});
                model.pop_front();
                ++counts[3];
            }
            auto const item = q.try_pop(now);
            REQUIRE(item.has_value() == !model.empty());
            if (item) {
                REQUIRE(item->value == model.front().id);
                REQUIRE(item->sojourn == now - model.front().since);
                model.pop_front();
            }
        }
        REQUIRE(q.size_approx() == model.size());
        REQUIRE(drops == expected_drops);
        if (drops.size() > 50) {
            drops.clear();
            expected_drops.clear();
        }
    }
    for (int const n : counts) CHECK(n > 20);
}

TEMPLATE_TEST_CASE("bounded_queue: every item ends once, with any discipline", "[flow][bounded_queue][property]",
                   sluice::fifo, sluice::lifo, sluice::adaptive_lifo, sluice::codel, sluice::rfc8289_codel, sluice::aging_priority,
                   sluice::wfq, sluice::drr<>, sluice::drr<sluice::codel>, sluice::drr<sluice::lifo>,
                   sluice::drr<sluice::aging_priority>) {
    sluice::xoshiro256ss          random(test::seed());
    std::map<int, int>            ends;
    std::uint64_t                 accepted = 0;
    {
        bounded_queue<int, TestType> q({.capacity = 40, .max_delay = 80ms},
                                       [&](int&& id, sluice::drop_info const&) { ++ends[id]; });
        auto now = at_ms(0);
        for (int i = 0; i < 4000; ++i) {
            now += std::chrono::microseconds(sluice::uniform_below(random, 2000));
            if (sluice::uniform_below(random, 10) < (i / 300 % 2 == 0 ? 8u : 3u)) {
                auto const r = q.push(i, {.tenant = sluice::uniform_below(random, 5),
                                          .priority = static_cast<std::uint32_t>(sluice::uniform_below(random, 3)),
                                          .cost = static_cast<std::uint32_t>(sluice::uniform_below(random, 4)),
                                          .deadline = now + std::chrono::milliseconds(sluice::uniform_below(random, 200))},
                                      now);
                accepted += r.accepted();
                if (!r) ends[i] += 1;
            } else if (auto const item = q.try_pop(now); item) {
                ++ends[item->value];
                if (i % 7 == 0) q.report_service(1ms);
            }
        }
        auto const c = q.counters();
        REQUIRE(c.accepted == accepted);
        REQUIRE(c.accepted == c.delivered + c.expired + c.shed + c.displaced + q.size_approx());
    }
    REQUIRE(accepted > 800);
    REQUIRE(std::all_of(ends.begin(), ends.end(), [](auto const& e) { return e.second == 1; }));
}

TEMPLATE_TEST_CASE("bounded_queue: under many threads every item ends once", "[flow][bounded_queue][stress]", sluice::fifo,
                   sluice::codel, sluice::drr<sluice::lifo>) {
    constexpr std::size_t producers = 3, consumers = 3;
    auto const            each = static_cast<int>(1000 * test::stress_factor());
    std::vector<std::atomic<int>> ends(producers * static_cast<std::size_t>(each));
    std::atomic<std::size_t>      producing = producers;
    std::atomic<int>              wrong = 0;
    {
        using box = std::unique_ptr<std::size_t>;
        bounded_queue<box, TestType> q({.capacity = 64},
                                       [&](box&& b, sluice::drop_info const&) { ++ends[*b]; });
        test::run_threads(producers + consumers, [&](std::size_t t) {
            if (t < producers) {
                for (int i = 0; i < each; ++i) {
                    auto       b = std::make_unique<std::size_t>(t * static_cast<std::size_t>(each));
                    *b += static_cast<std::size_t>(i);
                    auto const now = sluice::steady_clock{}.now();
                    auto const r = q.push(std::move(b), {.tenant = t, .deadline = i % 4 == 0 ? now + 20us : now + 1h}, now);
                    if (r.accepted() != (b == nullptr)) ++wrong;
                    if (b) ++ends[*b];
                    if (i % 64 == 0) std::this_thread::yield();
                }
                if (--producing == 0) q.close();
            } else if (t == producers) {
                while (!(q.closed() && q.size_approx() == 0)) {
                    if (auto const item = q.try_pop(); item) ++ends[*item->value];
                    else std::this_thread::yield();
                }
            } else {
                while (auto const item = t % 2 == 0 ? q.pop() : q.pop_until(sluice::steady_clock{}.now() + 1h)) {
                    ++ends[*item->value];
                    q.report_service(1us);
                }
            }
        });
        auto const c = q.counters();
        REQUIRE(c.accepted == c.delivered + c.expired + c.shed + c.displaced);
        REQUIRE(c.accepted + c.rejected == ends.size());
    }
    REQUIRE(wrong == 0);
    REQUIRE(std::all_of(ends.begin(), ends.end(), [](auto const& n) { return n == 1; }));
}

TEST_CASE("bounded_queue: impossible options are refused by name and value", "[flow][bounded_queue][unit]") {
    using queue = bounded_queue<int>;
    REQUIRE_THROWS_WITH(queue({}), test::contains("bounded_queue: capacity (> 0) is 0"));
    REQUIRE_THROWS_WITH(queue({.capacity = 1, .max_delay = 0ns}), test::contains("bounded_queue: max_delay (> 0 ns) is 0"));
    REQUIRE_THROWS_WITH(queue({.capacity = 1, .expected_service = -1ns}), test::contains("expected_service (>= 0 ns) is -1"));
    REQUIRE_THROWS_WITH(queue({.capacity = 1, .expected_drain = -1ns}), test::contains("expected_drain (>= 0 ns) is -1"));
    REQUIRE_THROWS_WITH(queue({.capacity = 1, .ramp = {.begin = 2, .end = 1}}), test::contains("reject_ramp: end"));
    REQUIRE_THROWS_WITH(queue({.capacity = 1, .levels = {.yellow = 0.0}}), test::contains("load_gauge: yellow"));
    REQUIRE(queue({.capacity = SIZE_MAX}).capacity() == SIZE_MAX);  // allocated as it grows
}
