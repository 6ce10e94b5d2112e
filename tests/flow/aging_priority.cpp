// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/aging_priority.hpp>

#include "support/catch.hpp"
#include "support/queue_nodes.hpp"
#include "support/random.hpp"

#include <sluice/core/random.hpp>

#include <algorithm>
#include <tuple>
#include <vector>

using namespace std::chrono_literals;
using test::at_ms;
using test::nothing;

TEST_CASE("aging_priority: the key is the time of the push plus the priority's steps", "[flow][aging_priority][unit]") {
    test::entries          nodes;
    sluice::aging_priority d({.step = 100ms});
    nodes.push(d, 'A', {.priority = 2}, at_ms(0));    // 200
    nodes.push(d, 'D', {.priority = 1}, at_ms(120));  // 220
    nodes.push(d, 'B', {.priority = 0}, at_ms(150));  // 150
    nodes.push(d, 'C', {.priority = 0}, at_ms(250));  // 250
    for (int const expected : {'B', 'A', 'D', 'C'}) {
        REQUIRE(test::id_of(d.peek(at_ms(250))) == expected);
        REQUIRE(test::pop(d, at_ms(250)) == expected);
    }
    REQUIRE(test::pop(d, at_ms(250)) == nothing);
}

TEST_CASE("aging_priority: of equal keys the first pushed is first", "[flow][aging_priority][unit]") {
    test::entries          nodes;
    sluice::aging_priority d({.step = 10ms});
    for (int i = 0; i < 1000; ++i) {
        auto const priority = static_cast<std::uint32_t>(i % 3);
        nodes.push(d, i, {.priority = priority}, at_ms(20 - 10.0 * priority));  // all 20
    }
    for (int i = 0; i < 1000; ++i) REQUIRE(test::pop(d, at_ms(20)) == i);
}

TEST_CASE("aging_priority: a priority too low for the time line waits until its end", "[flow][aging_priority][unit]") {
    test::entries          nodes;
    sluice::aging_priority d({.step = 100h});
    nodes.push(d, 1, {.priority = UINT32_MAX}, at_ms(0));
    nodes.push(d, 2, {.priority = UINT32_MAX}, at_ms(0));
    nodes.push(d, 3, {.priority = 1}, at_ms(1));
    REQUIRE(test::pop(d, at_ms(1)) == 3);
    REQUIRE(test::pop(d, at_ms(1)) == 1);
    REQUIRE(test::pop(d, at_ms(1)) == 2);
}

TEST_CASE("aging_priority: ahead of an item is what its class and the more urgent ones have",
          "[flow][aging_priority][unit]") {
    test::entries          nodes;
    sluice::aging_priority d;
    nodes.push(d, 1, {.priority = 0, .cost = 5}, at_ms(0));
    nodes.push(d, 2, {.priority = 1, .cost = 20}, at_ms(0));
    nodes.push(d, 3, {.priority = 99, .cost = 300}, at_ms(0));
    REQUIRE(d.cost_ahead({.priority = 0}, at_ms(0)) == 5);
    REQUIRE(d.cost_ahead({.priority = 1}, at_ms(0)) == 25);
    REQUIRE(d.cost_ahead({.priority = 14}, at_ms(0)) == 25);
    REQUIRE(d.cost_ahead({.priority = 50}, at_ms(0)) == 325);
    REQUIRE(test::pop(d, at_ms(0)) == 1);
    REQUIRE(test::pop(d, at_ms(0)) == 2);
    REQUIRE(d.cost_ahead({.priority = 7}, at_ms(0)) == 0);
}

TEST_CASE("aging_priority: room is made by what would go last, and never by what its steps protect",
          "[flow][aging_priority][unit]") {
    test::entries          nodes;
    sluice::aging_priority d({.step = 100ms, .push_out = true});
    nodes.push(d, 1, {.priority = 3}, at_ms(0));   // 300
    nodes.push(d, 2, {.priority = 3}, at_ms(10));  // 310
    nodes.push(d, 3, {.priority = 1}, at_ms(20));  // 120
    nodes.push(d, 4, {.priority = 0}, at_ms(30));  // 30
    REQUIRE(d.make_room({.priority = 3}, at_ms(40)) == nullptr);
    REQUIRE(d.make_room({.priority = 2}, at_ms(110)) == nullptr);  // equal keys: the first pushed is first
    REQUIRE(test::id_of(d.make_room({.priority = 2}, at_ms(109))) == 2);
    REQUIRE(test::id_of(d.make_room({.priority = 0}, at_ms(299))) == 1);
    REQUIRE(d.make_room({.priority = 0}, at_ms(120)) == nullptr);  // 3 has waited for its step
    REQUIRE(d.make_room({.priority = 0}, sluice::time_point::max()) == nullptr);
    REQUIRE(d.size() == 2);
    REQUIRE(d.cost_ahead({.priority = 9}, at_ms(0)) == 2);
    nodes.push(d, 5, {.priority = 20, .deadline = at_ms(50)}, at_ms(40));
    nodes.push(d, 6, {.priority = 30}, at_ms(40));
    REQUIRE(test::id_of(d.make_room({.priority = 60}, at_ms(51))) == 5);  // cannot be finished in time
    REQUIRE(test::id_of(d.make_room({.priority = 0}, at_ms(51))) == 6);
    REQUIRE(test::id_of(d.take_newest()) == 3);
    REQUIRE(test::id_of(d.take_newest()) == 4);
    REQUIRE(d.take_newest() == nullptr);
    REQUIRE(d.cost_ahead({.priority = 99}, at_ms(0)) == 0);
    sluice::aging_priority keeps;
    nodes.push(keeps, 1, {.priority = 3}, at_ms(0));
    nodes.push(keeps, 2, {.priority = 3, .deadline = at_ms(10)}, at_ms(0));
    nodes.push(keeps, 3, {.priority = 2, .deadline = at_ms(10)}, at_ms(0));
    REQUIRE(keeps.make_room({.priority = 0}, at_ms(10)) == nullptr);
    REQUIRE(test::id_of(keeps.make_room({.priority = 0}, at_ms(11))) == 3);  // at the front of its class
    REQUIRE(keeps.make_room({.priority = 0}, at_ms(11)) == nullptr);
    REQUIRE(keeps.size() == 2);
}

TEST_CASE("aging_priority: it does what a list does that is searched for the least key",
          "[flow][aging_priority][property]") {
    sluice::xoshiro256ss                           random(test::seed());
    sluice::aging_priority                         d({.step = 7ms});
    std::vector<std::tuple<sluice::time_point, int>> model;  // ids grow with time: they break ties
    test::entries                                  nodes;
    auto                                           now = at_ms(0);
    for (int i = 0; i < 20'000; ++i) {
        now += std::chrono::milliseconds(sluice::uniform_below(random, 3));
        bool const growing = i / 200 % 2 == 0;
        if (sluice::uniform_below(random, 10) < (growing ? 7u : 3u)) {
            // Few classes in lists, or all of them and the heap.
            auto const priority = static_cast<std::uint32_t>(sluice::uniform_below(random, i < 10'000 ? 4 : 40));
            nodes.push(d, i, {.priority = priority}, now);
            model.emplace_back(now + 7ms * priority, i);
            continue;
        }
        if (i < 10'000 && sluice::uniform_below(random, 4) == 0) {
            auto const most = std::max_element(model.begin(), model.end());
            REQUIRE(test::id_of(d.take_newest()) == (most == model.end() ? -1 : std::get<1>(*most)));
            if (most != model.end()) model.erase(most);
            continue;
        }
        auto const least = std::min_element(model.begin(), model.end());
        REQUIRE(test::pop(d, now) == (least == model.end() ? nothing : std::get<1>(*least)));
        if (least != model.end()) model.erase(least);
        REQUIRE(d.size() == model.size());
    }
}

TEST_CASE("aging_priority: a class waits p steps and for the work then ahead of it, no longer",
          "[flow][aging_priority][law]") {
    // Any load, any sizes: when an item's steps are over, its start is bounded by what is ahead at that moment.
    struct job {
        sluice::time_point pushed, key, limit;
        sluice::duration   size;
        bool               watched = false, waiting = true;
    };
    constexpr auto          step = 40ms;
    sluice::xoshiro256ss    random(test::seed());
    sluice::aging_priority  d({.step = step});
    std::vector<job>        jobs;
    std::vector<int>        unwatched;
    test::entries           nodes;
    auto                    server_free = at_ms(0);
    auto                    next_arrival = at_ms(0);
    std::size_t             checked = 0;
    auto const watch = [&](sluice::time_point now) {  // sets the limit of those whose steps are over
        for (auto& id : unwatched) {
            if (id < 0) continue;
            auto& j = jobs[static_cast<std::size_t>(id)];
            if (j.waiting && j.key > now) continue;
            auto ahead = std::max(server_free, j.key) - j.key;  // what is being served
            for (std::size_t k = 0; k < jobs.size(); ++k)
                if (jobs[k].waiting && (jobs[k].key < j.key || (jobs[k].key == j.key && k < static_cast<std::size_t>(id))))
                    ahead += jobs[k].size;
            j.limit = j.key + ahead;
            j.watched = j.waiting;
            id = -1;
        }
        std::erase(unwatched, -1);
    };
    while (jobs.size() < 1500) {
        if (next_arrival <= server_free || d.size() == 0) {
            auto const now = next_arrival;
            auto const priority = static_cast<std::uint32_t>(sluice::uniform_below(random, 3));
            watch(now - 1ns);
            auto const id = static_cast<int>(jobs.size());
            jobs.push_back({now, now + step * priority, {}, std::chrono::microseconds(sluice::uniform_below(random, 5000))});
            unwatched.push_back(id);
            nodes.push(d, id, {.priority = priority}, now);
            next_arrival += std::chrono::microseconds(sluice::uniform_below(random, jobs.size() % 400 < 250 ? 3500 : 9000));
            server_free = std::max(server_free, d.size() == 1 ? now : server_free);
        } else {
            watch(server_free);
            auto& j = jobs[static_cast<std::size_t>(test::pop(d, server_free))];
            j.waiting = false;
            if (j.watched) {
                ++checked;
                REQUIRE(server_free <= j.limit);
            } else {
                REQUIRE(server_free <= j.key);  // before its steps were over
            }
            server_free += j.size;
        }
    }
    REQUIRE(checked > 300);
}

TEST_CASE("aging_priority: urgent work that makes more urgent work does not starve the rest",
          "[flow][aging_priority][law]") {
    // Every item of priority 0 makes two more, as far as there is room: the queue is full of them for ever.
    constexpr std::size_t  capacity = 50;
    constexpr auto         service = 1ms;
    constexpr auto         step = 100ms;
    sluice::aging_priority d({.step = step});
    test::entries          nodes;
    std::vector<sluice::duration> waits[3];
    auto                   now = at_ms(0);
    for (int i = 0; i < 5000; ++i, now += service) {
        if (i % 20 == 0) nodes.push(d, 1, {.priority = 1}, now);
        if (i % 25 == 0) nodes.push(d, 2, {.priority = 2}, now);
        auto const p = d.pop(now);
        REQUIRE(p.node != nullptr);
        waits[p.node->attributes.priority].push_back(p.node->sojourn(now));
        int const children = p.node->attributes.priority == 0 ? 2 : 1;
        for (int k = 0; k < children && d.size() < capacity; ++k)
            nodes.push(d, 0, {.priority = 0}, now);
    }
    for (std::uint32_t p = 0; p < 3; ++p) {
        REQUIRE(waits[p].size() > 150);
        REQUIRE(*std::max_element(waits[p].begin(), waits[p].end()) <= p * step + static_cast<int>(capacity + 2) * service);
    }
    REQUIRE(*std::min_element(waits[2].begin(), waits[2].end()) > 20ms);  // and urgent work does go first
}

TEST_CASE("aging_priority: a step that is none is refused", "[flow][aging_priority][unit]") {
    REQUIRE_THROWS_WITH(sluice::aging_priority({.step = 0ms}), test::contains("aging_priority: step (> 0 ns) is 0"));
    REQUIRE_THROWS_WITH(sluice::aging_priority({.step = -1ns}), test::contains("is -1"));
}
