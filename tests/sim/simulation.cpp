// SPDX-License-Identifier: BSL-1.0
#include <sluice/sim/simulation.hpp>

#include "support/allocation_new.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/sentence.hpp"

#include <sluice/core/random.hpp>
#include <sluice/core/units.hpp>
#include <sluice/flow/token_bucket.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::time_point;
using sluice::sim::event_handle;
using sluice::sim::run_end;
using sluice::sim::simulation;
using sluice::sim::tie_order;
using test::sentence_of;

namespace {

time_point at_ns(std::int64_t n) { return time_point(duration(n)); }

}  // namespace

TEST_CASE("simulation: events run by time, then priority, then in the order of asking", "[sim][simulation][unit]") {
    simulation  sim;
    std::string ran;
    sim.at(at_ns(20), [&] { ran += 'e'; });
    sim.at(at_ns(10), [&] { ran += 'c'; });
    sim.at(at_ns(10), [&] { ran += 'd'; });
    sim.at(at_ns(10), [&] { ran += 'b'; }, -1);
    sim.at(at_ns(20), [&] { ran += 'f'; }, 1);
    sim.at(at_ns(10), [&] { ran += 'a'; }, -128);
    sim.at(at_ns(20), [&] { ran += 'g'; }, 127);
    CHECK(sim.pending() == 7);
    auto const result = sim.run();
    CHECK(ran == "abcdefg");
    CHECK(result.end == run_end::drained);
    CHECK(result.events == 7);
    CHECK(sim.now() == at_ns(20));
    CHECK(sim.pending() == 0);
}

TEST_CASE("simulation: an event sees its own time, and may ask for more at that time", "[sim][simulation][unit]") {
    simulation                sim;
    auto const                clock = sim.clock();
    std::vector<std::int64_t> seen;
    sim.after(5ns, [&] {
        seen.push_back(clock.now().time_since_epoch().count());
        sim.after(0ns, [&] { seen.push_back(sim.now().time_since_epoch().count() + 100); });
        sim.at(sim.now(), [&] { seen.push_back(200); }, -5);  // before the other, though asked for later
        sim.after(2ns, [&] { seen.push_back(clock.now().time_since_epoch().count()); });
    });
    sim.run();
    CHECK(seen == std::vector<std::int64_t>{5, 200, 105, 7});
}

TEST_CASE("simulation: a run says why it came back", "[sim][simulation][unit]") {
    simulation sim(1, {.max_events = 10});
    int        ran = 0;
    sim.every(10ns, [&] { ++ran; });
    auto r = sim.run_until(at_ns(35));
    CHECK(r.end == run_end::horizon);
    CHECK(r.events == 3);
    CHECK(sim.now() == at_ns(35));
    r = sim.run_until(at_ns(40));  // the horizon belongs to the run
    CHECK(r.events == 1);
    CHECK(ran == 4);
    r = sim.run_for(0ns);
    CHECK(r.end == run_end::horizon);
    CHECK(r.events == 0);
    r = sim.run();  // does not end by itself
    CHECK(r.end == run_end::event_limit);
    CHECK(r.events == 10);
    CHECK(sim.now() == at_ns(140));
    sim.after(5ns, [&] { sim.stop(); });
    r = sim.run_until(at_ns(1000));
    CHECK(r.end == run_end::stopped);
    CHECK(r.events == 1);
    CHECK(sim.now() == at_ns(145));
    CHECK(sim.events_run() == 15);

    simulation empty;
    r = empty.run_until(at_ns(7));
    CHECK(r.end == run_end::drained);
    CHECK(r.events == 0);
    CHECK(empty.now() == at_ns(7));

    simulation still(1, {.max_events = 1000});  // its time does not move at all
    std::function<void()> again = [&] { still.after(0ns, std::ref(again)); };
    still.after(3ns, std::ref(again));
    r = still.run_until(at_ns(100));
    CHECK(r.end == run_end::event_limit);
    CHECK(still.now() == at_ns(3));

    simulation bounded(1, {.end = at_ns(25)});
    bounded.every(10ns, [] {});
    r = bounded.run();
    CHECK(r.end == run_end::horizon);
    CHECK(r.events == 2);
    r = bounded.run_until(at_ns(100));
    CHECK(r.end == run_end::horizon);
    CHECK(bounded.now() == at_ns(25));
}

TEST_CASE("simulation: what cannot be is refused by name", "[sim][simulation][unit]") {
    simulation sim;
    sim.run_until(at_ns(50));
    CHECK(sentence_of([&] { sim.at(at_ns(49), [] {}); }) ==
          "sluice: simulation::at: time is 49 ns: in the past, it is 50 ns already");
    CHECK(sentence_of([&] { sim.after(-1ns, [] {}); }) ==
          "sluice: simulation::after: delay is -1 ns: in the past, it is 50 ns already");
    CHECK(sentence_of([&] { sim.run_until(at_ns(49)); }) ==
          "sluice: simulation::run_until: horizon is 49 ns: in the past, it is 50 ns already");
    CHECK(sentence_of([&] { sim.run_for(-7ns); }) ==
          "sluice: simulation::run_for: time is -7 ns: in the past, it is 50 ns already");
    CHECK(sentence_of([&] { sim.every(0ns, [] {}); }) == "sluice: simulation::every: period (> 0 ns) is 0");
    CHECK(sentence_of([&] { sim.every(-3ns, [] {}); }) == "sluice: simulation::every: period (> 0 ns) is -3");
    CHECK(sentence_of([&] { sim.every_from(at_ns(1), 1ns, [] {}); }) ==
          "sluice: simulation::every_from: first is 1 ns: in the past, it is 50 ns already");
    CHECK(sentence_of([] { simulation(1, {.max_events = 0}); }) == "sluice: simulation: max_events (> 0) is 0");
    CHECK(sentence_of([] { simulation(1, {.end = time_point(-1ns)}); }) == "sluice: simulation: end (>= 0 ns) is -1");
    CHECK(sim.pending() == 0);
    std::string inside;
    sim.after(1ns, [&] { inside = sentence_of([&] { sim.run(); }); });
    CHECK_THROWS_AS((sim.after(0ns, [&] { sim.run(); }), sim.run()), std::logic_error);
    sim.run();
    CHECK(inside == "sluice: simulation: run is called from inside an event");
}

TEST_CASE("simulation: beyond the time line is its last nanosecond, where a series ends", "[sim][simulation][unit]") {
    simulation sim;
    int        late = 0, ticks = 0;
    sim.run_until(at_ns(100));
    sim.after(duration::max(), [&] { ++late; });
    sim.every_from(time_point::max() - 5ns, 4ns, [&] { ++ticks; });
    CHECK(sim.run().end == run_end::drained);
    CHECK(late == 1);
    CHECK(ticks == 2);
    CHECK(sim.now() == time_point::max());
}

TEST_CASE("simulation: a cancelled event does not run, and its handle stays dead", "[sim][simulation][unit]") {
    simulation sim;
    auto const held = std::make_shared<int>(0);
    int        ran = 0;
    auto const a = sim.after(10ns, [&ran, held] { ++ran; });
    auto const b = sim.after(20ns, [&ran] { ran += 10; });
    CHECK(held.use_count() == 2);
    CHECK(sim.cancel(a));
    CHECK(held.use_count() == 1);  // at once
    CHECK_FALSE(sim.cancel(a));
    CHECK(sim.pending() == 1);
    CHECK_FALSE(sim.cancel(event_handle()));
    auto const c = sim.after(5ns, [&] { CHECK_FALSE(sim.cancel(event_handle())); });
    CHECK_FALSE(sim.cancel(a));
    sim.run();
    CHECK(ran == 10);
    CHECK_FALSE(sim.cancel(b));
    CHECK_FALSE(sim.cancel(c));

    event_handle self;
    bool         answer = true;
    self = sim.after(1ns, [&] { answer = sim.cancel(self); });
    sim.run();
    CHECK_FALSE(answer);  // it is running already
}

TEST_CASE("simulation: a series ends when it is cancelled, from inside or outside", "[sim][simulation][unit]") {
    simulation   sim;
    auto const   held = std::make_shared<int>(0);
    int          inside = 0, outside = 0;
    event_handle one, two;
    one = sim.every(10ns, [&, held] {
        if (++inside == 3) {
            CHECK(sim.cancel(one));
            CHECK_FALSE(sim.cancel(one));
            sim.after(0ns, [] {});  // takes no place that is still in use
            ++inside;
        }
    });
    two = sim.every(10ns, [&] { ++outside; });
    sim.at(at_ns(45), [&] { CHECK(sim.cancel(two)); });
    CHECK(held.use_count() == 2);
    auto const r = sim.run();
    CHECK(r.end == run_end::drained);
    CHECK(inside == 4);
    CHECK(outside == 4);
    CHECK(held.use_count() == 1);
    CHECK_FALSE(sim.cancel(two));
}

TEST_CASE("simulation: a tick is asked for when the one before it has run", "[sim][simulation][unit]") {
    simulation  sim;
    std::string ran;
    sim.at(at_ns(20), [&] { ran += 'e'; });
    sim.every(10ns, [&] { ran += 'a'; });
    sim.every(20ns, [&] { ran += 'b'; });
    sim.at(at_ns(10), [&] { ran += 'c'; });
    sim.every(5ns, [&] { ran += 'd'; }, -1);
    sim.at(at_ns(20), [&] { ran += 'f'; });
    sim.run_until(at_ns(20));
    CHECK(ran == "ddacddebfa");
}

TEST_CASE("simulation: a tick finds its place however many events it has asked for", "[sim][simulation][unit]") {
    for (int n = 0; n < 600; n += 7) {
        simulation sim;
        int        ticks = 0, ran = 0;
        sim.every(10ns, [&] {
            ++ticks;
            for (int i = 0; i < n; ++i) sim.after(1ns, [&] { ++ran; });
        });
        sim.run_until(at_ns(25));
        REQUIRE(ticks == 2);
        REQUIRE(ran == 2 * n);
    }
    for (int n = 240; n < 270; ++n) {  // the heap is full, whatever it begins with
        simulation sim;
        int        ticks = 0;
        for (int i = 0; i < n; ++i) sim.after(1s, [] {});
        sim.every(10ns, [&] {
            ++ticks;
            sim.after(1s, [] {});
            sim.after(1s, [] {});
        });
        sim.run_until(at_ns(105));
        REQUIRE(ticks == 10);
    }
}

TEST_CASE("simulation: an event's exception leaves the run, and the simulation goes on", "[sim][simulation][unit]") {
    simulation sim;
    auto const held = std::make_shared<int>(0);
    int        ticks = 0;
    sim.after(10ns, [held] { throw std::runtime_error("one"); });
    sim.every(10ns, [&] {
        if (++ticks == 1) throw std::runtime_error("two");
        if (ticks == 3) sim.stop();
    });
    CHECK(sentence_of([&] { sim.run(); }) == "one");
    CHECK(held.use_count() == 1);
    CHECK(sim.events_run() == 1);
    CHECK(sentence_of([&] { sim.run(); }) == "two");
    CHECK(sim.run().end == run_end::stopped);
    CHECK(ticks == 3);
    CHECK(sim.pending() == 1);
}

TEST_CASE("simulation: what waits at its end is destroyed, whatever its destructors ask for", "[sim][simulation][unit]") {
    struct farewell {
        simulation*  sim;
        event_handle other;
        int*         gone;
        farewell(simulation& s, event_handle h, int& g) : sim(&s), other(h), gone(&g) {}
        farewell(farewell&& f) noexcept : sim(std::exchange(f.sim, nullptr)), other(f.other), gone(f.gone) {}
        ~farewell() {
            if (sim == nullptr) return;
            ++*gone;
            sim->cancel(other);
            sim->after(1ns, [] {});
        }
        void operator()() const {}
    };
    int        gone = 0;
    auto const held = std::make_shared<int>(0);
    {
        simulation sim;
        auto const h = sim.after(5ns, [held] {});
        sim.after(1ns, farewell(sim, h, gone));
        sim.every(3ns, [held] {});
        auto const box = std::make_unique<int>(1);
        sim.after(9ns, [p = std::make_unique<int>(3)] { (void)p; });
        CHECK(held.use_count() == 3);
    }
    CHECK(gone == 1);
    CHECK(held.use_count() == 1);
}

TEST_CASE("simulation: random scripts run as in a sorted list", "[sim][simulation][property]") {
    struct planned {
        std::int64_t time;
        int          priority;
        std::size_t  sequence;
        auto         operator<=>(planned const&) const = default;
    };
    for (std::uint64_t round = 0; round < 30; ++round) {
        INFO("seed " << test::seed() << " round " << round);
        sluice::xoshiro256ss                          rng(test::seed() + round);
        simulation                                    sim;
        std::map<planned, std::pair<int, event_handle>> model;
        std::vector<int>                              ran, expected;
        std::size_t                                   sequence = 0;
        int                                           names = 0;
        auto const below = [&](std::uint64_t n) { return static_cast<std::int64_t>(sluice::uniform_below(rng, n)); };
        std::function<void(int)> act = [&](int name) {
            ran.push_back(name);
            for (auto more = names < 3000 ? below(round % 3 == 0 ? 5 : 4) : 0; more > 0; --more) {
                auto const time = sim.now().time_since_epoch().count() + below(round % 2 == 0 ? 4 : 1000);
                auto const priority = below(3) - 1;
                int const  id = names++;
                auto const h = sim.at(at_ns(time), [&act, id] { act(id); }, static_cast<std::int8_t>(priority));
                model.emplace(planned{time, static_cast<int>(priority), sequence++}, std::pair(id, h));
            }
            for (auto cancels = below(3) / 2 * below(4); cancels > 0 && !model.empty(); --cancels) {
                auto const victim = std::next(model.begin(), static_cast<std::ptrdiff_t>(below(model.size())));
                REQUIRE(sim.cancel(victim->second.second));
                model.erase(victim);
            }
            REQUIRE(sim.pending() == model.size());
            if (model.empty() && names < 3000) {
                int const id = names++;
                auto const time = sim.now().time_since_epoch().count() + 1;
                model.emplace(planned{time, 0, sequence++},
                              std::pair(id, sim.at(at_ns(time), [&act, id] { act(id); })));
            }
            if (!model.empty()) {  // who must be next
                expected.push_back(model.begin()->second.first);
                model.erase(model.begin());
            }
        };
        expected.push_back(0);
        sim.at(at_ns(0), [&, id = names++] { act(id); });
        ++sequence;
        REQUIRE(sim.run().end == run_end::drained);
        REQUIRE(names >= 3000);
        REQUIRE(ran == expected);
    }
}

TEST_CASE("simulation: shuffled ties come in every order, the same one for a seed", "[sim][simulation][property]") {
    auto const order = [](std::uint64_t seed) {
        simulation  sim(seed, {.ties = tie_order::shuffled});
        std::string ran;
        for (char const c : {'a', 'b', 'c', 'd'}) sim.after(1ns, [&ran, c] { ran += c; });
        sim.after(1ns, [&ran] { ran += '0'; }, -1);
        sim.after(0ns, [&ran] { ran += '<'; });
        sim.after(2ns, [&ran] { ran += '>'; });
        sim.run();
        return ran;
    };
    std::map<std::string, int> seen;
    for (std::uint64_t seed = 0; seed < 2400; ++seed) ++seen[order(seed)];
    CHECK(seen.size() == 24);
    for (auto const& [ran, n] : seen) {
        CHECK(ran.substr(0, 2) == "<0");
        CHECK(ran.back() == '>');
        CHECK((n > 60 && n < 140));  // 100 expected, 4 standard deviations are 39
    }
    CHECK(order(7) == order(7));

    simulation       many(3, {.ties = tie_order::shuffled});  // none is lost or doubled
    std::set<int>    ran;
    std::vector<int> first;
    for (int i = 0; i < 5000; ++i) many.after(1ns, [&, i] { ran.insert(i), first.push_back(i); });
    many.run();
    CHECK(ran.size() == 5000);
    CHECK(first.size() == 5000);
    CHECK_FALSE(std::is_sorted(first.begin(), first.end()));
}

TEST_CASE("simulation: no allocation once as many events have waited before", "[sim][simulation][unit]") {
    simulation sim(9);
    struct node {
        simulation*          sim;
        sluice::xoshiro256ss rng;
        std::uint64_t        left;
        event_handle         other;
        void                 visit() {
            if (left-- == 0) return;
            sim->cancel(other);
            other = sim->after(duration(1'000'000), [] {});
            sim->after(duration(static_cast<std::int64_t>(rng() >> 50)), [this] { visit(); });
        }
    };
    std::vector<node> nodes;
    for (std::uint64_t i = 0; i < 1000; ++i) nodes.push_back({&sim, sim.stream(i), 200, {}});
    for (auto& n : nodes) n.visit();
    sim.run_for(200us);
    auto const before = test::allocations::total();
    auto const r = sim.run_for(400us);
    CHECK(test::allocations::total() == before);
    CHECK(r.events > 10'000);  // and as many were cancelled: the rubbish is bounded
    CHECK(sim.pending() <= 2000);
}

TEST_CASE("simulation: an allocation that fails has no effect", "[sim][simulation][fault]") {
    int  refused = 0, wrong = 0;
    auto const result = test::allocations::sweep([&](auto arm, auto disarm) {
        simulation sim;
        auto const held = std::make_shared<int>(0);
        int        ran = 0, wanted = 0;
        arm();
        for (int i = 0; i < 1500; ++i) {  // the heap grows twice, the store once
            try {
                if (i % 500 == 499)
                    sim.every_from(at_ns(i), 1h, [&ran, held] { ++ran; });
                else
                    sim.at(at_ns(i), [&ran, held] { ++ran; });
                ++wanted;
            } catch (std::bad_alloc const&) {
                ++refused;
                if (held.use_count() != wanted + 1 || sim.pending() != static_cast<std::size_t>(wanted)) ++wrong;
            }
        }
        disarm();
        sim.run_for(1ms);
        if (ran != wanted) ++wrong;
    });
    CHECK(wrong == 0);
    CHECK(refused >= 5);
    CHECK(result.leaked == 0);
}

TEST_CASE("event_store: a handle never means a later event", "[sim][simulation][property]") {
    sluice::sim::detail::event_store<std::uint8_t>          store;
    std::set<std::pair<std::uint32_t, std::uint8_t>> old;
    for (int i = 0; i < 2000; ++i) {
        auto const place = store.acquire();
        auto const generation = store[place].generation;
        REQUIRE(store.is_current(place, generation));
        REQUIRE(old.emplace(place, generation).second);
        store.expire(place);
        REQUIRE_FALSE(store.is_current(place, generation));
        store.release(place);
    }
    CHECK(store.size() == 1024);
    for (int i = 0; i < 1024 * 255; ++i) {  // more uses than the first block has
        auto const place = store.acquire();
        store.expire(place);
        store.release(place);
    }
    CHECK(store.size() == 2048);
}

TEST_CASE("simulation: production code runs on its clock unchanged", "[sim][simulation][unit]") {
    simulation sim;
    sluice::token_bucket bucket({.refill = sluice::per_second(100), .burst = 20}, sim.clock());
    int admitted = 0;
    sim.every(1ms, [&] { admitted += bucket.try_acquire().admitted() ? 1 : 0; });
    auto const r = sim.run_until(time_point(1min));
    CHECK(r.end == run_end::horizon);
    CHECK(r.events == 60'000);
    // 20 at first; what has come by 1 ms, 2 ms … one at a time
    CHECK((admitted >= 6'018 && admitted <= 6'020));
}

TEST_CASE("simulation: a stream depends on its seed, entity and purpose alone", "[sim][simulation][unit]") {
    simulation a(1), b(2);
    CHECK(a.stream(3, 4) == a.stream(3, 4));
    CHECK(a.stream(3, "gaps") == simulation(1).stream(3, "gaps"));
    std::set<std::uint64_t> first;
    for (auto const* sim : {&a, &b})
        for (std::uint64_t entity = 0; entity < 100; ++entity)
            for (std::uint64_t purpose = 0; purpose < 10; ++purpose) first.insert(sim->stream(entity, purpose)());
    for (auto const* word : {"", "a", "b", "ab", "ba", "gaps", "service"}) first.insert(a.stream(3, word)());
    CHECK(first.size() == 2007);
    // the same on every machine
    CHECK(a.stream(3, 4)() == 0x7393'219C'D511'5918u);
    CHECK(a.stream(3, "gaps")() == 0x4E52'3815'3875'F08Du);
}

TEST_CASE("simulation: the events of a seed are the same everywhere", "[sim][simulation][unit]") {
    auto const trace = [](tie_order ties) {
        simulation    sim(12, {.ties = ties});
        std::uint64_t hash = 0;
        std::uint64_t left = 20'000;
        struct node {
            sluice::xoshiro256ss rng;
        };
        std::vector<node>                  nodes;
        std::function<void(std::uint32_t)> visit = [&](std::uint32_t i) {
            hash = sluice::mix64(hash ^ static_cast<std::uint64_t>(sim.now().time_since_epoch().count())) + i;
            if (left-- > 100) sim.after(duration(static_cast<std::int64_t>(nodes[i].rng() >> 58)), [&visit, i] { visit(i); });
        };
        for (std::uint32_t i = 0; i < 100; ++i) nodes.push_back({sim.stream(i, "think")});
        for (std::uint32_t i = 0; i < 100; ++i) sim.after(1ns, [&visit, i] { visit(i); });
        sim.run();
        return hash;
    };
    CHECK(trace(tie_order::in_order) == 0xB3F0'64E8'B891'32DCu);
    CHECK(trace(tie_order::shuffled) == 0x5009'9F4A'11A6'14E4u);
}
