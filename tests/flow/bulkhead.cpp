// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/bulkhead.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <sluice/core/unique_function.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::bulkhead;
using sluice::duration;
using sluice::manual_clock;
using sluice::permit;
using sluice::time_point;

static_assert(sluice::permit_source<bulkhead<>> && sluice::permit_source<bulkhead<manual_clock>>);
static_assert(!std::is_copy_constructible_v<bulkhead<>>);

namespace {

/// What happens while a thread sleeps on it is the test's affair: between the end of the wait and the look at it.
struct scripted_clock {
    struct script {
        time_point now{};
        sluice::unique_function<void()> asleep;
    };
    script* s;
    time_point now() const noexcept { return s->now; }
};
struct scripted_sleeper {
    scripted_clock::script* s;
    bool sleep_until(time_point until, std::stop_token) {
        if (s->asleep) s->asleep();
        s->now = until;
        return true;
    }
};
scripted_sleeper default_sleeper(scripted_clock const& c) { return {c.s}; }

}  // namespace

TEST_CASE("bulkhead: a permit that comes as the time ends is had", "[flow][bulkhead][unit]") {
    scripted_clock::script s;
    bulkhead               b({.limit = 1}, scripted_clock{&s});
    auto                   held = b.try_acquire();
    s.asleep = [&] { held.success(); };
    auto p = b.acquire_until(time_point(5s));
    REQUIRE(p);
    REQUIRE(p.start() == time_point(5s));  // when it was given, not when it was asked for
    REQUIRE((b.in_flight_approx() == 1 && b.waiting_approx() == 0));
    s.asleep = [&] { b.set_limit(2); };
    auto q = b.acquire_until(time_point(6s));
    REQUIRE((p && q));
    s.asleep = [&] {
        b.set_limit(1);
        p.success();  // above the limit: goes to nobody
    };
    REQUIRE_FALSE(b.acquire_until(time_point(7s)));
    REQUIRE((b.in_flight_approx() == 1 && b.waiting_approx() == 0));
}

TEST_CASE("bulkhead: a wait that throws leaves nothing behind", "[flow][bulkhead][unit]") {
    scripted_clock::script s;
    bulkhead               b({.limit = 1, .max_waiting = 1}, scripted_clock{&s});
    auto                   held = b.try_acquire();
    s.asleep = [] { throw 1; };
    REQUIRE_THROWS_AS(b.acquire_until(time_point(5s)), int);
    REQUIRE((b.in_flight_approx() == 1 && b.waiting_approx() == 0));
    s.asleep = [&] {
        held.success();  // is given to the waiter
        throw 2;
    };
    REQUIRE_THROWS_AS(b.acquire_until(time_point(5s)), int);
    REQUIRE((b.in_flight_approx() == 0 && b.waiting_approx() == 0));
    REQUIRE(b.try_acquire());
    held = b.try_acquire();
    s.asleep = [&] {  // given to the first of two, who throws, and so to the second
        s.asleep = [&] {
            held.success();
            throw 3;
        };
        REQUIRE_FALSE(b.acquire_until(time_point(5s)));  // one waits already
    };
    REQUIRE_FALSE(b.acquire_until(time_point(6s)));
    held.success();
    REQUIRE((b.in_flight_approx() == 0 && b.waiting_approx() == 0));
}

TEST_CASE("bulkhead: a deadline that no system can count to is waited for in pieces", "[flow][bulkhead][stress]") {
    bulkhead          b({.limit = 1});
    auto              held = b.try_acquire();
    std::atomic<bool> got{false};
    test::run_threads(2, [&](std::size_t i) {
        if (i == 0) {
            (void)test::eventually([&] { return b.waiting_approx() == 1; });
            held.success();
        } else {
            got = static_cast<bool>(b.acquire_until(time_point::max() - 1ns));
        }
    });
    REQUIRE(got.load());
}

TEST_CASE("bulkhead: it gives so many permits and no more", "[flow][bulkhead][unit]") {
    manual_clock clock;
    clock.advance(3s);
    bulkhead b({.limit = 2}, clock);
    auto     first = b.try_acquire();
    auto     second = b.try_acquire(time_point(5s));
    REQUIRE((first && second));
    REQUIRE(first.start() == time_point(3s));
    REQUIRE(second.start() == time_point(5s));
    auto third = b.try_acquire();
    REQUIRE_FALSE(third);
    REQUIRE(third.why() == sluice::verdict::later(0ns, 0));
    REQUIRE(b.in_flight_approx() == 2);
    REQUIRE(b.limit() == 2);
    first.drop();
    REQUIRE(b.in_flight_approx() == 1);
    third = b.try_acquire();
    REQUIRE(third);
    first.success();  // an empty permit does nothing
    REQUIRE(b.in_flight_approx() == 2);
    { auto const gone = std::move(third); }
    second.ignore(time_point(1s));
    REQUIRE(b.in_flight_approx() == 0);
}

TEST_CASE("bulkhead: what cannot work is refused by name", "[flow][bulkhead][unit]") {
    REQUIRE_THROWS_WITH(bulkhead({.limit = 0}), test::contains("bulkhead: limit (1 to 2097151) is 0"));
    REQUIRE_THROWS_WITH(bulkhead({.limit = 2'097'152}), test::contains("is 2097152"));
    REQUIRE_THROWS_WITH(bulkhead({.limit = 1, .max_waiting = UINT32_MAX}),
            test::contains("max_waiting (<= 2097151) is 4294967295"));
    REQUIRE_THROWS_WITH(bulkhead({.limit = 1, .max_wait = -1ns}), test::contains("max_wait (>= 0 ns) is -1"));
    bulkhead b({.limit = 2'097'151});
    REQUIRE(b.try_acquire());
    REQUIRE_THROWS_AS(b.set_limit(0), std::invalid_argument);
    REQUIRE_THROWS_AS(b.set_limit(2'097'152), std::invalid_argument);
    REQUIRE(b.limit() == 2'097'151);
}

TEST_CASE("bulkhead: a wait ends at the deadline, at max_wait or at a stop", "[flow][bulkhead][unit]") {
    manual_clock clock;
    bulkhead     b({.limit = 1, .max_wait = 50ms}, clock);
    auto         held = b.acquire_until(time_point::min());  // free: the deadline does not matter
    REQUIRE(held);
    REQUIRE_FALSE(b.acquire_until(time_point(20ms)));
    REQUIRE(clock.now() == time_point(20ms));  // waited in virtual time
    REQUIRE_FALSE(b.acquire_until(time_point::max()));
    REQUIRE(clock.now() == time_point(70ms));
    REQUIRE_FALSE(b.acquire_until(clock.now()));
    std::stop_source stopped;
    stopped.request_stop();
    REQUIRE_FALSE(b.acquire_until(time_point::max(), stopped.get_token()));
    REQUIRE(clock.now() == time_point(70ms));
    REQUIRE(b.waiting_approx() == 0);
    REQUIRE(b.in_flight_approx() == 1);
    held.success();
    REQUIRE(b.acquire_until(time_point::max()));

    bulkhead nobody_waits({.limit = 1, .max_wait = 0ns}, clock);
    auto     p = nobody_waits.try_acquire();
    REQUIRE_FALSE(nobody_waits.acquire_until(time_point::max()));
    bulkhead no_room({.limit = 1, .max_waiting = 0}, clock);
    auto     q = no_room.try_acquire();
    REQUIRE_FALSE(no_room.acquire_until(time_point::max()));
    REQUIRE(clock.now() == time_point(70ms));
}

TEST_CASE("bulkhead: who waits is served first come, first served", "[flow][bulkhead][stress]") {
    bulkhead                 b({.limit = 1, .max_waiting = 3});
    std::vector<std::size_t> order;
    std::atomic<bool>        denied_full{false}, denied_try{false};
    auto                     held = b.try_acquire();
    test::run_threads(5, [&](std::size_t i) {
        if (i == 4) {
            (void)test::eventually([&] { return b.waiting_approx() == 3; });
            denied_full = !b.acquire_until(time_point::max());
            denied_try = !b.try_acquire();
            held.success();
            return;
        }
        if (i == 3) return;
        (void)test::eventually([&] { return b.waiting_approx() == i; });
        auto p = b.acquire_until(time_point::max());
        order.push_back(i);  // under the only permit
        p.success();
    });
    REQUIRE(order == std::vector<std::size_t>{0, 1, 2});
    REQUIRE(denied_full.load());
    REQUIRE(denied_try.load());
    REQUIRE(b.in_flight_approx() == 0);
}

TEST_CASE("bulkhead: a higher limit admits those who wait, a lower one waits for permits to end",
          "[flow][bulkhead][stress]") {
    bulkhead              b({.limit = 1});
    auto                  held = b.try_acquire();
    std::atomic<unsigned> in{0}, most{0};
    std::atomic<bool>     go{false};
    test::run_threads(4, [&](std::size_t i) {
        if (i == 3) {
            (void)test::eventually([&] { return b.waiting_approx() == 3; });
            b.set_limit(3);
            (void)test::eventually([&] { return in.load() == 2; });
            most = in.load();
            b.set_limit(1);
            go = true;
            held.success();
            return;
        }
        auto p = b.acquire_until(time_point::max());
        in.fetch_add(1);
        (void)test::eventually([&] { return go.load(); });
        p.success();
    });
    REQUIRE(most.load() == 2);
    REQUIRE(b.in_flight_approx() == 0);
    REQUIRE(b.try_acquire());
    auto one = b.try_acquire();
    REQUIRE_FALSE(b.try_acquire());
    one.success();
    std::vector<permit> held_now;
    b.set_limit(3);
    for (int i = 0; i < 3; ++i) held_now.push_back(b.try_acquire());
    b.set_limit(2);
    REQUIRE(b.in_flight_approx() == 3);
    held_now.pop_back();
    REQUIRE_FALSE(b.try_acquire());
    held_now.pop_back();
    REQUIRE(b.try_acquire());
}

TEST_CASE("bulkhead: a permit given just as the time ends is not lost", "[flow][bulkhead][stress]") {
    // Waits so short that time-outs and grants fall together; a lost permit would make the last check fail.
    bulkhead              b({.limit = 3});
    std::atomic<unsigned> in{0}, most{0}, got{0};
    auto const            rounds = 300 * test::stress_factor();
    test::run_threads(8, [&](std::size_t i) {
        sluice::steady_clock const clock;
        for (std::uint64_t k = 0; k < rounds; ++k) {
            auto const until = clock.now() + std::chrono::microseconds((k * 7 + i) % 40);
            auto       p = i % 4 == 3 ? b.try_acquire() : b.acquire_until(until);
            if (!p) continue;
            unsigned const n = in.fetch_add(1) + 1;
            unsigned       m = most.load();
            while (m < n && !most.compare_exchange_weak(m, n)) {}
            got.fetch_add(1);
            if (k % 3 == 0) std::this_thread::yield();
            in.fetch_sub(1);
        }
    });
    REQUIRE(most.load() <= 3);
    REQUIRE(got.load() > 0);
    REQUIRE(b.in_flight_approx() == 0);
    REQUIRE(b.waiting_approx() == 0);
    auto x = b.try_acquire(), y = b.try_acquire(), z = b.try_acquire();
    REQUIRE((x && y && z && !b.try_acquire()));
}

TEST_CASE("bulkhead: a hundred threads never have more than ten", "[flow][bulkhead][stress]") {
    bulkhead              b({.limit = 10});
    std::atomic<unsigned> in{0}, most{0}, done{0};
    test::run_threads(100, [&](std::size_t) {
        for (int k = 0; k < 5; ++k) {
            auto           p = b.acquire_until(time_point::max());
            unsigned const n = in.fetch_add(1) + 1;
            unsigned       m = most.load();
            while (m < n && !most.compare_exchange_weak(m, n)) {}
            std::this_thread::yield();
            in.fetch_sub(1);
            done.fetch_add(1);
        }
    });
    REQUIRE(done.load() == 500);
    REQUIRE(most.load() <= 10);
    REQUIRE(b.in_flight_approx() == 0);
}

TEST_CASE("bulkhead: it follows a list of permits", "[flow][bulkhead][property]") {
    bulkhead            b({.limit = 5}, manual_clock{});
    std::vector<permit> held;
    unsigned            limit = 5;
    for (auto const key : test::keys(5'000, test::seed())) {
        switch (key % 8) {
            case 0:
                limit = static_cast<unsigned>(1 + (key >> 8) % 9);
                b.set_limit(limit);
                break;
            case 1: case 2: case 3: case 4: {
                auto p = key % 16 < 8 ? b.try_acquire() : b.acquire_until(time_point::min());
                REQUIRE(static_cast<bool>(p) == (held.size() < limit));
                if (p) held.push_back(std::move(p));
                break;
            }
            default:
                if (held.empty()) break;
                std::swap(held[static_cast<std::size_t>(key >> 8) % held.size()], held.back());
                held.back().finish(static_cast<sluice::outcome>((key >> 5) % 3));
                held.pop_back();
        }
        REQUIRE(b.in_flight_approx() == held.size());
    }
}
