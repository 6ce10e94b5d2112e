// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/codel.hpp>

#include "support/catch.hpp"
#include "support/queue_nodes.hpp"
#include "support/random.hpp"

#include <sluice/core/random.hpp>

#include <algorithm>
#include <deque>
#include <vector>

using namespace std::chrono_literals;
using test::at_ms;
using test::nothing;

namespace {

/// Pops an item that waited so long; true if it is shed.
bool shed(sluice::codel& d, test::entries& nodes, double now_ms, double delay_ms) {
    nodes.push(d, 0, {}, at_ms(now_ms - delay_ms));
    auto const p = d.pop(at_ms(now_ms));
    REQUIRE(p.node != nullptr);
    return p.shed;
}

}  // namespace

TEST_CASE("codel: it drops only after an interval whose least wait was above the target", "[flow][codel][unit]") {
    struct row {
        double now, delay;
        bool   dropped, overloaded;
        int    load;
    };
    row const rows[] = {
        {1000, 50, false, false, 100},  // begins the first interval
        {1050, 50, false, false, 100},  // not judged yet
        {1100, 50, false, false, 100},  // the interval's end belongs to it
        {1100.1, 50, false, true, 100}, // judged; the first of the new interval
        {1110, 10, false, true, 100},   // twice the target is not too long
        {1120, 10.001, true, true, 100},
        {1130, 6, false, true, 60},
        {1150, 99, true, true, 60},
        {1201, 99, false, true, 100},   // 6 ms at least: still overloaded; the first again
        {1202, 99, true, true, 100},
        {1203, 5, false, true, 50},     // 5 ms is not above the target
        {1204, 99, true, true, 50},     // until the interval ends
        {1302, 99, false, false, 100},
        {1303, 99, false, false, 100},
        {1304, 0, false, false, 0},
    };
    test::entries nodes;
    sluice::codel d;
    REQUIRE(d.load() == 0);
    for (auto const& r : rows) {
        INFO("at " << r.now << " ms");
        REQUIRE(shed(d, nodes, r.now, r.delay) == r.dropped);
        REQUIRE(d.overloaded() == r.overloaded);
        REQUIRE(d.load() == r.load);
    }
}

TEST_CASE("codel: an empty queue answers nothing and changes nothing", "[flow][codel][unit]") {
    test::entries nodes;
    sluice::codel d;
    REQUIRE(test::pop(d, at_ms(0)) == nothing);
    REQUIRE(test::pop(d, at_ms(500)) == nothing);
    REQUIRE_FALSE(shed(d, nodes, 1000, 50));
    REQUIRE_FALSE(d.overloaded());
}

TEST_CASE("codel: it does what a list of all waits of an interval says", "[flow][codel][property]") {
    sluice::xoshiro256ss                            random(test::seed());
    sluice::codel                                   d({.target = 3ms, .interval = 20ms});
    std::deque<std::pair<int, sluice::time_point>>  model;
    std::vector<sluice::duration>                   waits;
    test::entries                                   nodes;
    auto                                            now = at_ms(0);
    sluice::time_point                              end{};
    bool                                            overloaded = false;
    int                                             dropped = 0, served = 0;
    for (int i = 1; i < 30'000; ++i) {
        bool const busy = i / 1000 % 2 == 0;
        now += std::chrono::microseconds(sluice::uniform_below(random, 1500));
        if (sluice::uniform_below(random, 10) < (busy ? 6u : 4u)) {
            nodes.push(d, i, {}, now);
            model.emplace_back(i, now);
            continue;
        }
        if (model.empty()) {
            REQUIRE(test::pop(d, now) == nothing);
            continue;
        }
        auto const [id, since] = model.front();
        model.pop_front();
        bool first = false;
        if (waits.empty() || now > end) {
            overloaded = !waits.empty() && *std::min_element(waits.begin(), waits.end()) > 3ms;
            waits.clear();
            end = now + 20ms;
            first = true;
        }
        waits.push_back(now - since);
        bool const drop = !first && overloaded && now - since > 6ms;
        REQUIRE(test::pop(d, now) == (drop ? -id - 1 : id));
        REQUIRE(d.overloaded() == overloaded);
        ++(drop ? dropped : served);
    }
    REQUIRE(dropped > 500);
    REQUIRE(served > 500);
}

TEST_CASE("codel: impossible times are refused, the longest are not", "[flow][codel][unit]") {
    REQUIRE_THROWS_WITH(sluice::codel({.target = 0ms}), test::contains("codel: target (> 0 ns) is 0"));
    REQUIRE_THROWS_WITH(sluice::codel({.interval = -1ns}), test::contains("codel: interval (> 0 ns) is -1"));
    test::entries nodes;
    sluice::codel d({.target = sluice::duration::max(), .interval = sluice::duration::max()});
    nodes.push(d, 1, {}, sluice::time_point::min());
    REQUIRE(test::pop(d, sluice::time_point::max()) == 1);
    REQUIRE(d.load() == 100);
}
