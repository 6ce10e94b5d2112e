// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/earliest_deadline.hpp>

#include <sluice/core/random.hpp>
#include <sluice/flow/bounded_queue.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <list>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::earliest_deadline;
using sluice::overdue;
using sluice::queue_node;
using sluice::time_point;

namespace {

time_point at(std::int64_t ms) { return time_point(std::chrono::milliseconds(ms)); }

queue_node with(time_point deadline, std::uint32_t id, std::uint32_t cost = 1) {
    queue_node n;
    n.attributes.deadline = deadline;
    n.attributes.tenant = id;
    n.attributes.cost = cost;
    return n;
}

std::vector<std::pair<int, bool>> all_of(earliest_deadline& d, time_point now) {
    std::vector<std::pair<int, bool>> seen;
    for (;;) {
        auto const* const next = d.peek(now);
        auto const        p = d.pop(now);
        CHECK(next == p.node);
        if (p.node == nullptr) return seen;
        seen.emplace_back(static_cast<int>(p.node->attributes.tenant), p.shed);
    }
}

}  // namespace

TEST_CASE("earliest_deadline: by date, then by arrival, without a date last; and the overdue as asked for",
          "[flow][earliest_deadline][unit]") {
    using list = std::vector<std::pair<int, bool>>;
    auto const run = [](overdue late) {
        earliest_deadline d({.late = late});
        std::vector<queue_node> nodes{with(at(30), 1), with(sluice::no_deadline, 2), with(at(10), 3), with(at(20), 4),
                                      with(at(30), 5), with(at(9), 6),               with(sluice::no_deadline, 7)};
        for (auto& n : nodes) d.push(n, at(0));
        CHECK(d.size() == 7);
        auto seen = all_of(d, at(10));
        CHECK(d.size() == 0);
        return seen;
    };
    list const by_date{{6, false}, {3, false}, {4, false}, {1, false}, {5, false}, {2, false}, {7, false}};
    CHECK(run(overdue::serve) == by_date);
    CHECK(run(overdue::shed) == list{{6, true}, {3, true}, {4, false}, {1, false}, {5, false}, {2, false}, {7, false}});
    CHECK(run(overdue::last) == list{{4, false}, {1, false}, {5, false}, {2, false}, {7, false}, {6, false}, {3, false}});
}

TEST_CASE("earliest_deadline: room is made by what cannot be in time", "[flow][earliest_deadline][unit]") {
    earliest_deadline d, kept({.late = overdue::last});
    auto              a = with(at(10), 1), b = with(at(20), 2), c = with(at(10), 3);
    d.push(a, at(0));
    d.push(b, at(0));
    kept.push(c, at(0));
    CHECK(d.make_room({}, at(10)) == nullptr);
    CHECK(d.make_room({}, at(11)) == &a);
    CHECK(d.make_room({}, at(11)) == nullptr);
    CHECK(d.size() == 1);
    CHECK(kept.make_room({}, at(11)) == nullptr);
}

TEST_CASE("earliest_deadline: what is ahead of an item", "[flow][earliest_deadline][unit]") {
    earliest_deadline       d;
    std::vector<queue_node> nodes;
    for (std::uint32_t i = 0; i <= 10; ++i) nodes.push_back(with(at(100 + 10 * i), i, 2));
    nodes.push_back(with(sluice::no_deadline, 99, 5));
    CHECK(d.cost_ahead({.deadline = at(1)}, at(0)) == 0);
    for (auto& n : nodes) d.push(n, at(0));
    CHECK(d.cost_ahead({.deadline = at(99)}, at(0)) == 0);
    CHECK(d.cost_ahead({.deadline = at(150)}, at(0)) == 11);  // half of 22
    CHECK(d.cost_ahead({.deadline = at(200)}, at(0)) == 22);
    CHECK(d.cost_ahead({.deadline = at(500)}, at(0)) == 22);
    CHECK(d.cost_ahead({}, at(0)) == 27);
}

TEST_CASE("earliest_deadline: it does what a list does that is searched", "[flow][earliest_deadline][property]") {
    auto const late = GENERATE(overdue::serve, overdue::shed, overdue::last);
    sluice::xoshiro256ss  random(test::seed());
    earliest_deadline     d({.late = late});
    std::list<queue_node> storage;
    struct model {
        time_point deadline;
        int        id;
    };
    std::vector<model> waiting;
    time_point         now = at(0);
    for (int i = 0; i < 4000; ++i) {
        now += std::chrono::milliseconds(sluice::uniform_below(random, 3));
        if (sluice::uniform_below(random, 5) < 3) {
            auto const deadline = sluice::uniform_below(random, 6) == 0
                                      ? sluice::no_deadline
                                      : now + std::chrono::milliseconds(1 + sluice::uniform_below(random, 40));
            storage.push_back(with(deadline, static_cast<std::uint32_t>(i)));
            waiting.push_back({deadline, i});
            d.push(storage.back(), now);
            continue;
        }
        // serve, shed: by date; last: overdue ones behind those without a date
        auto const rank = [&](model const& m) {
            bool const is_late = late == overdue::last && m.deadline <= now;
            return std::make_pair(is_late ? 2 : m.deadline == sluice::no_deadline ? 1 : 0, m.deadline);
        };
        auto const best = std::min_element(waiting.begin(), waiting.end(),
                                           [&](model const& a, model const& b) { return rank(a) < rank(b); });
        auto const popped = d.pop(now);
        REQUIRE((popped.node == nullptr) == waiting.empty());
        if (popped.node == nullptr) continue;
        REQUIRE(static_cast<int>(popped.node->attributes.tenant) == best->id);
        REQUIRE(popped.shed == (late == overdue::shed && best->deadline <= now));
        waiting.erase(best);
        REQUIRE(d.size() == waiting.size());
    }
}

TEST_CASE("earliest_deadline: in a bounded_queue late items are dropped, or served last", "[flow][earliest_deadline][unit]") {
    for (auto const late : {overdue::serve, overdue::last}) {
        sluice::manual_clock                                                        clock;
        sluice::bounded_queue<int, earliest_deadline, sluice::manual_clock> queue({.capacity = 8}, earliest_deadline({.late = late}),
                                                                                  {}, clock);
        REQUIRE(queue.push(1, {.deadline = at(10)}));
        REQUIRE(queue.push(2, {.deadline = at(30)}));
        REQUIRE(queue.push(3));
        clock.set(at(20));
        std::vector<int> served;
        while (auto const item = queue.try_pop()) served.push_back(item->value);
        CHECK(served == (late == overdue::last ? std::vector{2, 3, 1} : std::vector{2, 3}));
        CHECK(queue.counters().expired == (late == overdue::last ? 0u : 1u));
    }
}
