// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/adaptive_lifo.hpp>

#include "support/catch.hpp"
#include "support/queue_nodes.hpp"
#include "support/random.hpp"

#include <sluice/core/random.hpp>

#include <algorithm>
#include <deque>

using namespace std::chrono_literals;
using test::at_ms;
using test::nothing;

TEST_CASE("adaptive_lifo: first in, first out while the queue was empty in the last 100 ms", "[flow][adaptive_lifo][unit]") {
    test::entries         nodes;
    sluice::adaptive_lifo d;
    nodes.push(d, 1, {}, at_ms(0));
    nodes.push(d, 2, {}, at_ms(1));
    nodes.push(d, 3, {}, at_ms(2));
    REQUIRE_FALSE(d.overloaded(at_ms(100)));
    REQUIRE(d.cost_ahead({}, at_ms(100)) == UINT64_MAX);
    REQUIRE(test::pop(d, at_ms(100)) == 1);  // waited 100 ms: its patience, not more
    REQUIRE(test::pop(d, at_ms(100)) == 2);
    REQUIRE(test::pop(d, at_ms(100)) == 3);
    REQUIRE(test::pop(d, at_ms(100)) == nothing);
}

TEST_CASE("adaptive_lifo: the newest first, with 5 ms of patience, once it has not been empty for longer",
          "[flow][adaptive_lifo][unit]") {
    test::entries         nodes;
    sluice::adaptive_lifo d;
    nodes.push(d, 1, {}, at_ms(0));
    nodes.push(d, 2, {}, at_ms(50));   // patience 100 ms
    REQUIRE(test::pop(d, at_ms(50)) == 1);
    nodes.push(d, 3, {}, at_ms(101));  // 5 ms
    nodes.push(d, 4, {}, at_ms(103));
    nodes.push(d, 5, {}, at_ms(104));
    REQUIRE(d.overloaded(at_ms(104)));
    REQUIRE(d.cost_ahead({}, at_ms(104)) == 0);
    REQUIRE(test::id_of(d.peek(at_ms(104))) == 5);
    REQUIRE(test::pop(d, at_ms(104)) == 5);
    REQUIRE(test::pop(d, at_ms(108.5)) == -5);      // 4, dropped: 5.5 ms; the order of the newest first found it
    REQUIRE(test::pop(d, at_ms(108.5)) == -4);      // 3
    REQUIRE(test::pop(d, at_ms(150)) == 2);
    REQUIRE(d.size() == 0);
    nodes.push(d, 6, {}, at_ms(160));               // empty meanwhile: all is quiet again
    nodes.push(d, 7, {}, at_ms(161));
    REQUIRE(test::pop(d, at_ms(200)) == 6);
    REQUIRE(test::pop(d, at_ms(261.5)) == -8);
}

TEST_CASE("adaptive_lifo: it does what a list does that is looked through at every step",
          "[flow][adaptive_lifo][property]") {
    struct waiting {
        int                id;
        sluice::time_point since;
        sluice::duration   patience;
    };
    sluice::xoshiro256ss  random(test::seed());
    sluice::adaptive_lifo d({.window = 20ms, .patience = 30ms, .patience_overloaded = 15ms});
    std::deque<waiting>   model;
    test::entries         nodes;
    auto                  now = at_ms(0);
    auto                  empty_at = now;
    int                   kinds[3] = {};
    for (int i = 1; i < 30'000; ++i) {
        bool const busy = i / 500 % 2 == 0;
        now += std::chrono::microseconds(sluice::uniform_below(random, 3000));
        bool const overloaded = !model.empty() && now - empty_at > 20ms;
        REQUIRE(d.overloaded(now) == overloaded);
        if (sluice::uniform_below(random, 10) < (busy ? 6u : 4u)) {
            if (model.empty()) empty_at = now;
            nodes.push(d, i, {}, now);
            model.push_back({i, now, overloaded ? 15ms : 30ms});
            continue;
        }
        int expected = nothing;
        if (!model.empty()) {
            auto const late = [&](waiting const& w) { return now - w.since > w.patience; };
            bool const newest = !late(model.front()) && overloaded;
            auto const chosen = newest ? model.back() : model.front();
            if (newest) model.pop_back();
            else model.pop_front();
            expected = late(chosen) ? -chosen.id - 1 : chosen.id;
            ++kinds[late(chosen) ? 0 : newest ? 1 : 2];
            REQUIRE(test::id_of(d.peek(now)) == chosen.id);
        }
        REQUIRE(test::pop(d, now) == expected);
        if (model.empty()) empty_at = now;
    }
    INFO(kinds[0] << " dropped, " << kinds[1] << " newest, " << kinds[2] << " oldest");
    REQUIRE(std::min({kinds[0], kinds[1], kinds[2]}) > 50);
}

TEST_CASE("adaptive_lifo: impossible times are refused", "[flow][adaptive_lifo][unit]") {
    REQUIRE_THROWS_WITH(sluice::adaptive_lifo({.window = 0ms}), test::contains("window (> 0 ns) is 0"));
    REQUIRE_THROWS_WITH(sluice::adaptive_lifo({.patience = -1ns}), test::contains("patience (> 0 ns) is -1"));
    REQUIRE_THROWS_WITH(sluice::adaptive_lifo({.patience_overloaded = 0ns}), test::contains("patience_overloaded"));
}
