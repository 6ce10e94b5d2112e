// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/single_flight.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using sluice::manual_clock;
using sluice::once_status;
using sluice::run_status;
using sluice::single_flight;
using sluice::time_point;

namespace {

struct loud_hash {
    bool* fail;
    std::size_t operator()(int key) const {
        if (*fail) throw 7;
        return static_cast<std::size_t>(key);
    }
};
struct loud_equal {
    bool* fail;
    bool  operator()(int a, int b) const {
        if (*fail) throw 8;
        return a == b;
    }
};

}  // namespace

TEST_CASE("single_flight: one caller alone runs its function each time", "[flow][single_flight][unit]") {
    single_flight<std::string, int> flights;
    int                             calls = 0;
    for (int i = 1; i <= 3; ++i) {
        auto const r = flights.run("k", [&] { return ++calls; });
        REQUIRE(r);
        REQUIRE(r.status() == run_status::led);
        REQUIRE(*r == i);
        REQUIRE(flights.in_flight() == 0);
        REQUIRE(flights.kept() == 0);
    }
    REQUIRE_THROWS_AS(flights.run("k", []() -> int { throw std::runtime_error("no"); }), std::runtime_error);
    REQUIRE(*flights.run("k", [] { return 9; }) == 9);

    single_flight<int, void> effects;
    bool                     done = false;
    REQUIRE(effects.run(1, [&] { done = true; }));
    REQUIRE(done);
    single_flight<int, std::unique_ptr<int>> movers;
    REQUIRE(**movers.run(1, [] { return std::make_unique<int>(4); }) == 4);
}

TEST_CASE("single_flight: who comes before the end shares the result, who comes after begins anew", "[flow][single_flight][unit]") {
    single_flight<int, int, manual_clock> flights;
    auto first = flights.join(1);
    auto second = flights.join(1);
    auto other = flights.join(2);
    REQUIRE(first.status() == once_status::first);
    REQUIRE(second.status() == once_status::waiting);
    REQUIRE(other.leads());
    REQUIRE(flights.in_flight() == 2);
    REQUIRE(second.poll() == once_status::waiting);
    REQUIRE_THROWS_AS(second.value(), std::logic_error);
    REQUIRE_FALSE(second.complete(3));
    REQUIRE(first.complete(42));
    REQUIRE_FALSE(first.complete(43));
    REQUIRE(first.value() == 42);
    REQUIRE(second.poll() == once_status::done);
    REQUIRE(second.value() == 42);
    auto third = flights.join(1);
    REQUIRE(third.leads());
    REQUIRE(second.value() == 42);
}

TEST_CASE("single_flight: many threads, one leader, one result", "[flow][single_flight][stress]") {
    constexpr std::size_t threads = 8;
    for (std::uint64_t round = 0; round < 20 * test::stress_factor(); ++round) {
        single_flight<int, int> flights;
        std::atomic<int>        calls{0}, led{0}, shared{0}, wrong{0};
        auto                    gate = flights.join(5);  // nobody gets through before all are there
        std::atomic<std::size_t> arrived{0};
        test::run_threads(threads + 1, [&](std::size_t t) {
            if (t == threads) {
                while (arrived.load() != threads) std::this_thread::yield();
                gate.abandon();
                return;
            }
            arrived.fetch_add(1);
            auto const r = flights.run(5, [&] {
                calls.fetch_add(1);
                return 77;
            });
            (r.status() == run_status::led ? led : shared).fetch_add(1);
            if (*r != 77) wrong.fetch_add(1);
        });
        REQUIRE(wrong.load() == 0);
        REQUIRE(calls.load() == led.load());
        REQUIRE(led.load() >= 1);
        REQUIRE(led.load() + shared.load() == static_cast<int>(threads));
        REQUIRE(flights.in_flight() == 0);
    }
}

TEST_CASE("single_flight: at most one leader per key at any moment", "[flow][single_flight][stress]") {
    constexpr std::size_t                keys = 3;
    single_flight<std::size_t, std::uint64_t> flights;
    std::array<std::atomic<int>, keys>   inside{};
    std::atomic<int>                     overlaps{0}, wrong{0}, gave_up{0};
    auto const                           rounds = static_cast<std::size_t>(300 * test::stress_factor());
    test::run_threads(4, [&](std::size_t t) {
        auto const words = test::keys(rounds, test::seed() + t);
        for (auto const w : words) {
            auto const key = static_cast<std::size_t>(w % keys);
            std::stop_source stop;
            if (w % 11 == 0) stop.request_stop();
            try {
                auto const r = flights.run(
                    key,
                    [&, key, w] {
                        if (inside[key].fetch_add(1) != 0) overlaps.fetch_add(1);
                        if (w % 3 == 0) std::this_thread::yield();
                        inside[key].fetch_sub(1);
                        if (w % 5 == 0) throw 5;
                        return static_cast<std::uint64_t>(key);
                    },
                    {.stop = stop.get_token()});
                if (r ? *r != key : r.status() != run_status::cancelled) wrong.fetch_add(1);
                if (!r) gave_up.fetch_add(1);
            } catch (int) {  // the leader's, or its own
            }
        }
    });
    REQUIRE(overlaps.load() == 0);
    REQUIRE(wrong.load() == 0);
    REQUIRE(gave_up.load() > 0);
    REQUIRE(flights.in_flight() == 0);
}

TEST_CASE("single_flight: all who wait get the same exception object", "[flow][single_flight][unit]") {
    single_flight<int, int> flights;
    auto                    gate = flights.join(1);
    std::array<std::exception_ptr, 4> caught{};
    std::atomic<int>        ran{0};
    std::atomic<int>        entered{0};
    test::run_threads(5, [&](std::size_t t) {
        if (t == 4) {
            while (entered.load() != 4) std::this_thread::yield();
            gate.fail(std::make_exception_ptr(42));
            return;
        }
        entered.fetch_add(1);
        try {
            static_cast<void>(flights.run(1, [&] { return ran.fetch_add(1); }));
        } catch (...) {
            caught[t] = std::current_exception();
        }
    });
    std::exception_ptr one;
    int                same = 0;
    for (auto const& e : caught) {
        if (!one) one = e;
        if (e && e == one) ++same;
    }
    REQUIRE(same + ran.load() == 4);  // who was too late to wait ran its own
    auto late = flights.join(1);
    REQUIRE(late.leads());  // a failure is not kept

    auto leader = flights.join(2);
    auto a = flights.join(2);
    auto b = flights.join(2);
    auto const error = std::make_exception_ptr(std::runtime_error("down"));
    REQUIRE(leader.fail(error));
    REQUIRE(a.poll() == once_status::failed);
    REQUIRE(b.poll() == once_status::failed);
    for (auto* t : {&leader, &a, &b}) {
        try {
            static_cast<void>(t->value());
            FAIL("no exception");
        } catch (...) {
            REQUIRE(std::current_exception() == error);
        }
    }
}

TEST_CASE("single_flight: who gives up waiting disturbs nobody", "[flow][single_flight][unit]") {
    manual_clock                          clock(time_point(1s));
    single_flight<int, int, manual_clock> flights({}, clock);
    auto                                  leader = flights.join(1);
    auto                                  stays = flights.join(1);
    // Deadline in the past, deadline now: no wait at all.
    for (auto const deadline : {time_point(0s), time_point(1s)}) {
        auto const r = flights.run(1, [] { return 0; }, {.deadline = deadline});
        REQUIRE_FALSE(r);
        REQUIRE(r.status() == run_status::timed_out);
        REQUIRE(r.share() == nullptr);
        REQUIRE_THROWS_AS(r.value(), std::logic_error);
    }
    // Not even as a leader, when it is too late.
    REQUIRE(flights.run(2, [] { return 0; }, {.deadline = time_point(1s)}).status() == run_status::timed_out);
    REQUIRE(flights.in_flight() == 1);
    std::stop_source stopped;
    stopped.request_stop();
    REQUIRE(flights.run(1, [] { return 0; }, {.stop = stopped.get_token()}).status() == run_status::cancelled);
    REQUIRE(flights.run(3, [] { return 0; }, {.stop = stopped.get_token()}).status() == run_status::cancelled);
    {
        auto leaves = flights.join(1);
        REQUIRE(leaves.status() == once_status::waiting);
    }
    // A deadline that comes while waiting, on the table's clock; a stop that does.
    std::stop_source stop;
    run_status       by_time{}, by_stop{};
    test::run_threads(4, [&](std::size_t t) {
        if (t == 0) by_time = flights.run(1, [] { return 0; }, {.deadline = time_point(2s)}).status();
        if (t == 1) by_stop = flights.run(1, [] { return 0; }, {.stop = stop.get_token()}).status();
        if (t == 2) clock.advance(1s);
        if (t == 3) stop.request_stop();
    });
    REQUIRE(by_time == run_status::timed_out);
    REQUIRE(by_stop == run_status::cancelled);
    REQUIRE(leader.complete(6));
    REQUIRE(stays.poll() == once_status::done);
    REQUIRE(stays.value() == 6);
}

TEST_CASE("single_flight: a real deadline ends a wait on steady time", "[flow][single_flight][unit]") {
    single_flight<int, int> flights;
    auto                    leader = flights.join(1);
    auto const              deadline = sluice::steady_clock().now() + 2ms;
    auto const              r = flights.run(1, [] { return 0; }, {.deadline = deadline});
    REQUIRE(r.status() == run_status::timed_out);
    REQUIRE(sluice::steady_clock().now() >= deadline);
}

TEST_CASE("single_flight: a cancelled leader hands over instead of failing the others", "[flow][single_flight][unit]") {
    single_flight<int, int> flights;
    std::stop_source        of_leader;
    std::atomic<bool>       leads{false}, waits{false};
    bool                    leader_threw = false;
    std::array<run_status, 2> status{};
    std::array<int, 2>      value{};
    test::run_threads(4, [&](std::size_t t) {
        if (t == 0) {
            try {
                static_cast<void>(flights.run(
                    1,
                    [&](std::stop_token stop) -> int {
                        leads = true;
                        while (!stop.stop_requested()) std::this_thread::yield();
                        throw std::runtime_error("cancelled");
                    },
                    {.stop = of_leader.get_token()}));
            } catch (std::runtime_error const&) {
                leader_threw = true;
            }
        } else if (t == 3) {
            while (!waits) std::this_thread::yield();
            of_leader.request_stop();
        } else {
            while (!leads) std::this_thread::yield();
            waits = true;
            auto const r = flights.run(1, [t] { return static_cast<int>(t); });
            status[t - 1] = r.status();
            value[t - 1] = *r;
        }
    });
    REQUIRE(leader_threw);
    REQUIRE(value[0] >= 1);
    REQUIRE(value[1] >= 1);
    for (std::size_t i : {0u, 1u}) REQUIRE((status[i] == run_status::led) == (value[i] == static_cast<int>(i) + 1));

    // Step by step: the one who waits longest is next; one who has left is passed over; the last one out turns off the light.
    auto a = std::optional(flights.join(2));
    auto b = std::optional(flights.join(2));
    auto c = std::optional(flights.join(2));
    auto d = std::optional(flights.join(2));
    int  told_c = 0, told_d = 0;
    c->on_change([&]() noexcept { ++told_c; });
    d->on_change([&]() noexcept { ++told_d; });
    b.reset();
    a.reset();
    REQUIRE(told_c == 1);
    REQUIRE(c->poll() == once_status::first);
    REQUIRE(d->poll() == once_status::waiting);
    auto e = flights.join(2);
    REQUIRE(e.status() == once_status::waiting);
    c->abandon();
    REQUIRE(c->status() == once_status::ended);
    REQUIRE(told_d == 1);
    d.reset();  // elected and destroyed before it even looked: the turn is not lost
    REQUIRE(e.poll() == once_status::first);
    REQUIRE(flights.in_flight() == 1);
    e.abandon();
    REQUIRE(flights.in_flight() == 0);
}

TEST_CASE("single_flight: a leader whose own deadline has passed fails alone", "[flow][single_flight][unit]") {
    manual_clock                          clock;
    single_flight<int, int, manual_clock> flights({}, clock);
    std::optional<decltype(flights.join(1))> waits;
    auto const run = [&](auto limits) {
        return flights.run(
            1,
            [&]() -> int {
                waits.emplace(flights.join(1));
                clock.advance(2s);
                throw 3;
            },
            limits);
    };
    REQUIRE_THROWS_AS(run(sluice::once_limits{.deadline = time_point(1s)}), int);
    REQUIRE(waits->poll() == once_status::first);
    waits.reset();
    REQUIRE_THROWS_AS(run(sluice::once_limits{.deadline = time_point(100s)}), int);
    REQUIRE(waits->poll() == once_status::failed);
}

TEST_CASE("single_flight: a function that waits for its own key is told", "[flow][single_flight][unit]") {
    single_flight<int, int> flights;
    REQUIRE_THROWS_AS(flights.run(1, [&] { return *flights.run(1, [] { return 2; }); }), std::logic_error);
    REQUIRE(flights.in_flight() == 0);
    REQUIRE(*flights.run(1, [&] { return *flights.run(2, [] { return 2; }) + 1; }) == 3);  // another key is fine
    // A leader may look without waiting, and after forget the key is free.
    REQUIRE(*flights.run(1, [&] {
        auto const same = flights.join(1);
        flights.forget(1);
        return same.status() == once_status::waiting ? *flights.run(1, [] { return 5; }) : 0;
    }) == 5);
}

TEST_CASE("single_flight: after forget later callers begin anew while the old flight goes on", "[flow][single_flight][unit]") {
    single_flight<int, int> flights;
    REQUIRE_FALSE(flights.forget(1));
    auto old = flights.join(1);
    auto waits_for_old = flights.join(1);
    REQUIRE(flights.forget(1));
    REQUIRE_FALSE(flights.forget(1));
    auto fresh = flights.join(1);
    auto waits_for_fresh = flights.join(1);
    REQUIRE(fresh.leads());
    REQUIRE(old.complete(1));
    REQUIRE(waits_for_old.poll() == once_status::done);
    REQUIRE(waits_for_old.value() == 1);
    REQUIRE(waits_for_fresh.poll() == once_status::waiting);
    REQUIRE(fresh.complete(2));
    REQUIRE(waits_for_fresh.poll() == once_status::done);
    REQUIRE(waits_for_fresh.value() == 2);
    // A forgotten flight that is abandoned is still handed over.
    auto x = flights.join(3);
    auto y = flights.join(3);
    flights.forget(3);
    x.abandon();
    REQUIRE(y.poll() == once_status::first);
    REQUIRE(y.complete(9));
    REQUIRE(flights.in_flight() == 0);
}

TEST_CASE("single_flight: with a ttl a result stays exactly so long", "[flow][single_flight][unit]") {
    manual_clock                          clock;
    single_flight<int, int, manual_clock> flights({.ttl = 10s, .max_kept = 3}, clock);
    int                                   calls = 0;
    auto const get = [&](int key) { return flights.run(key, [&] { return ++calls; }); };
    REQUIRE(*get(1) == 1);
    clock.advance(10s - 1ns);
    REQUIRE(get(1).status() == run_status::shared);
    REQUIRE(calls == 1);
    clock.advance(-5s);  // backward: neither longer nor shorter
    REQUIRE(*get(1) == 1);
    clock.set(time_point(10s));
    REQUIRE(*get(1) == 2);
    REQUIRE(flights.forget(1));
    REQUIRE(*get(1) == 3);
    REQUIRE_THROWS_AS(flights.run(9, []() -> int { throw 1; }), int);
    REQUIRE(flights.kept() == 1);  // a failure does not stay
    for (int key = 2; key <= 4; ++key) {
        clock.advance(1s);
        static_cast<void>(get(key));
    }
    REQUIRE(flights.kept() == 3);
    REQUIRE(get(2).status() == run_status::shared);
    REQUIRE(get(1).status() == run_status::led);  // the oldest had gone
    clock.advance(10s - 1ns);
    REQUIRE(flights.sweep() == 1);
    clock.advance(1ns);
    REQUIRE(flights.sweep() == 2);
    REQUIRE(flights.kept() == 0);
    REQUIRE_THROWS_WITH((single_flight<int, int>({.ttl = -1ns})), test::contains("ttl") && test::contains("-1"));
}

TEST_CASE("single_flight: keys that throw leave no dead key behind", "[flow][single_flight][unit]") {
    bool hash_fails = false, equal_fails = false;
    single_flight<int, int, manual_clock, loud_hash, loud_equal> flights({}, {}, {&hash_fails}, {&equal_fails});
    hash_fails = true;
    REQUIRE_THROWS_AS(flights.run(1, [] { return 1; }), int);
    hash_fails = false;
    REQUIRE(flights.in_flight() == 0);
    auto leader = flights.join(1);
    auto waits = flights.join(1);
    equal_fails = true;
    REQUIRE_THROWS_AS(flights.join(1), int);
    hash_fails = true;
    REQUIRE(leader.complete(4));  // asks neither
    REQUIRE(waits.poll() == once_status::done);
    hash_fails = equal_fails = false;
    REQUIRE(flights.in_flight() == 0);
    REQUIRE(*flights.run(1, [&] {
        hash_fails = equal_fails = true;  // while it runs
        return 3;
    }) == 3);
    REQUIRE(flights.in_flight() == 0);
}

TEST_CASE("single_flight: an event loop joins, is told, and polls", "[flow][single_flight][unit]") {
    single_flight<int, std::string> flights;
    std::vector<std::string>        log;
    auto                            leader = flights.join(1);
    auto                            a = flights.join(1);
    auto                            b = flights.join(1);
    a.on_change([&]() noexcept { log.push_back("a"); });
    b.on_change([&]() noexcept {
        auto c = flights.join(1);  // no lock is held, and the flight is over
        log.push_back(c.leads() ? "b leads" : "b");
    });
    auto moved = std::move(a);
    REQUIRE(log.empty());
    leader.complete("x");
    REQUIRE(log == std::vector<std::string>{"a", "b leads"});
    REQUIRE(moved.poll() == once_status::done);
    REQUIRE(moved.value() == "x");
    moved.on_change([&]() noexcept { log.push_back("at once"); });
    REQUIRE(log.back() == "at once");
    REQUIRE(a.status() == once_status::ended);  // NOLINT: moved from
}

TEST_CASE("single_flight: who does the work of a ticket on this thread cannot wait for itself", "[flow][single_flight][unit]") {
    single_flight<int, int> flights;
    auto                    leader = flights.join(1);
    auto                    waits = flights.join(1);
    waits.runs_here();  // not its turn: no effect
    leader.runs_here();
    REQUIRE_THROWS_AS(flights.run(1, [] { return 2; }), std::logic_error);
    leader.abandon();
    REQUIRE(waits.poll() == once_status::first);
    leader.runs_here();  // no longer
    REQUIRE(flights.run(1, [] { return 2; }, {.deadline = sluice::steady_clock().now()}).status() == run_status::timed_out);
    auto other = flights.join(1);
    REQUIRE(waits.complete(4));
    other.on_change(nullptr);
    REQUIRE(other.poll() == once_status::done);
    // A handler that is taken back is not called.
    int  told = 0;
    auto a = flights.join(2);
    auto b = flights.join(2);
    b.on_change([&]() noexcept { ++told; });
    b.on_change(nullptr);
    REQUIRE(a.finish(std::make_shared<int const>(8)));
    REQUIRE_FALSE(b.finish(std::make_shared<int const>(9)));
    REQUIRE(told == 0);
    REQUIRE(b.poll() == once_status::done);
    REQUIRE(b.value() == 8);
}
