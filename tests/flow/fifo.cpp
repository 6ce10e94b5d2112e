// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/fifo.hpp>

#include "support/catch.hpp"
#include "support/queue_nodes.hpp"
#include "support/random.hpp"

#include <sluice/core/random.hpp>

#include <deque>

using test::at_ms;

TEST_CASE("fifo: it does what a list does that grows at the end and shrinks at the beginning", "[flow][fifo][property]") {
    sluice::xoshiro256ss random(test::seed());
    sluice::fifo         d;
    std::deque<int>      model;
    test::entries        nodes;
    for (int i = 0; i < 20'000; ++i) {
        auto const now = at_ms(i);
        REQUIRE(d.size() == model.size());
        REQUIRE(test::id_of(d.peek(now)) == (model.empty() ? -1 : model.front()));
        switch (sluice::uniform_below(random, 5)) {
        case 0:
        case 1:
            nodes.push(d, i, {}, now);
            model.push_back(i);
            break;
        case 2:
            REQUIRE(test::id_of(d.take_newest()) == (model.empty() ? -1 : model.back()));
            if (!model.empty()) model.pop_back();
            break;
        default:
            REQUIRE(test::pop(d, now) == (model.empty() ? test::nothing : model.front()));
            if (!model.empty()) model.pop_front();
        }
    }
}

TEST_CASE("fifo, queue_list: a list that moves takes its nodes along", "[flow][fifo][unit]") {
    test::entries nodes;
    sluice::fifo  a;
    nodes.push(a, 1, {}, at_ms(0));
    nodes.push(a, 2, {}, at_ms(0));
    sluice::fifo b(std::move(a));
    REQUIRE(b.size() == 2);
    REQUIRE(test::pop(b, at_ms(0)) == 1);
    REQUIRE(test::pop(b, at_ms(0)) == 2);
    REQUIRE(test::pop(b, at_ms(0)) == test::nothing);
}

TEST_CASE("fifo: it makes room only by what cannot be finished in time", "[flow][fifo][unit]") {
    test::entries nodes;
    sluice::fifo  d;
    REQUIRE(d.make_room({}, at_ms(5)) == nullptr);
    nodes.push(d, 1, {.deadline = at_ms(10)}, at_ms(0));
    nodes.push(d, 2, {}, at_ms(0));
    REQUIRE(d.make_room({}, at_ms(10)) == nullptr);
    REQUIRE(test::id_of(d.make_room({}, at_ms(10.000001))) == 1);
    REQUIRE(d.make_room({}, at_ms(1000)) == nullptr);
    REQUIRE(d.size() == 1);
}
