// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/slo_aware.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::node_index;
using sluice::slo_aware;
using sluice::slo_late;
using sluice::slo_preference;
using sluice::slo_reason;
using sluice::slo_verdict;
using sluice::time_point;

namespace {

struct server {
    std::uint32_t in_flight = 0;
    std::uint32_t weight = 1;
    double        price = 0;
    bool          available = true;
};
static_assert(sluice::balancer<slo_aware, std::span<server const>>);

time_point at(duration d) { return time_point(d); }

/// Observed often enough that the deviation has gone.
void learn(slo_aware& b, node_index node, duration service, time_point now = at(0s)) {
    for (int i = 100; i > 0; --i) b.observe(node, service, 1, now - i * 10s);
    b.observe(node, service, 1, now);
}

double const no_data = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("slo_aware: what is expected of a node", "[routing][slo_aware][unit]") {
    std::array<server, 2> nodes{};
    slo_aware             b(1, {.memory = 10s, .deviations = 2, .concurrency = 4});
    REQUIRE_FALSE(b.expected(nodes, 0, at(0s)));
    b.observe(0, 100ms, 1, at(0s));  // mean 100, deviation 50
    REQUIRE(b.expected(nodes, 0, at(0s)) == 200ms);
    b.observe(0, 100ms, 1, at(10s));  // deviation 50/e
    auto const e = b.expected(nodes, 0, at(10s)).value();
    REQUIRE(static_cast<double>(e.count()) == Approx(100e6 + 2 * 50e6 * std::exp(-1.0)));
    nodes[0].in_flight = 3;  // the fourth still finds a place
    REQUIRE(b.expected(nodes, 0, at(10s)) == e);
    nodes[0].in_flight = 7;
    REQUIRE(static_cast<double>(b.expected(nodes, 0, at(10s))->count()) == Approx(2 * static_cast<double>(e.count())));
    nodes[0].in_flight = 0;
    // A latency with a queue is taken back to one without: eight in flight, twice the service time.
    slo_aware queued(1, {.deviations = 0, .concurrency = 4});
    queued.observe(0, 200ms, 8, at(0s));
    REQUIRE(queued.expected(nodes, 0, at(0s)) == 100ms);
    queued.forget(0);
    queued.observe(0, 200ms, 0, at(0s));
    REQUIRE(queued.expected(nodes, 0, at(0s)) == 200ms);
    queued.observe(0, -1ns, 1, at(5s));
    queued.observe(1, 1ms, 1, at(5s));  // not followed
    queued.forget(1);
    REQUIRE(queued.expected(nodes, 0, at(5s)) == 200ms);
    REQUIRE_FALSE(queued.expected(nodes, 1, at(5s)));
}

TEST_CASE("slo_aware: arithmetic ends at the longest duration", "[routing][slo_aware][unit]") {
    sluice::xoshiro256ss  rng(1);
    std::array<server, 1> nodes{{{.in_flight = UINT32_MAX}}};
    slo_aware             b(1, {.deviations = 100});
    b.observe(0, duration::max(), 1, at(0s));
    REQUIRE(b.expected(nodes, 0, at(0s)) == duration::max());
    auto const answer = b.decide(nodes, time_point::max(), at(0s), rng);
    REQUIRE(answer.in_time);
    REQUIRE(b.decide(nodes, time_point::max(), time_point::min(), rng).in_time);  // the difference saturates as well
    REQUIRE(b.decide(nodes, time_point::max() - 1ns, at(0s), rng).reason == slo_reason::best_chance);
    REQUIRE(b.decide(nodes, time_point::min(), time_point::max(), rng).reason == slo_reason::expired);
    slo_aware longest(1, {.slo = duration::max()});
    REQUIRE(longest.choose(nodes, time_point::max() - 1ns, rng) == node_index(0));
}

TEST_CASE("slo_aware: the rules in their order", "[routing][slo_aware][unit]") {
    sluice::xoshiro256ss  rng(1);
    std::array<server, 4> nodes{};
    slo_aware             b(4, {.deviations = 0, .explore = 0});
    slo_aware             strict(4, {.deviations = 0, .explore = 0, .late = slo_late::refuse});
    auto const            both = [&](node_index i, duration d) { learn(b, i, d), learn(strict, i, d); };
    auto const            ask = [&](slo_aware& which, duration left) { return which.decide(nodes, at(left), at(0s), rng); };

    REQUIRE(ask(b, 0s).reason == slo_reason::expired);
    REQUIRE_FALSE(ask(b, 0s).node);
    REQUIRE(ask(b, -1s).reason == slo_reason::expired);
    for (auto& n : nodes) n.in_flight = 5;
    nodes[2].in_flight = 4;  // nothing is known and nobody is idle: the least loaded
    REQUIRE(ask(strict, 1s).node == node_index(2));
    REQUIRE(ask(b, 1s).reason == slo_reason::explored);
    for (auto& n : nodes) n.in_flight = 0;

    both(0, 10ms);
    both(1, 50ms);
    nodes[2].available = false;
    nodes[3].in_flight = 1;  // unknown and busy
    auto a = ask(b, 20ms);
    REQUIRE((a.node == node_index(0) && a.expected == 10ms && a.in_time && a.reason == slo_reason::in_time));
    nodes[0].in_flight = 1;
    REQUIRE(ask(b, 20ms).node == node_index(0));  // just in time
    nodes[0].in_flight = 2;
    a = ask(b, 20ms);  // 30 ms; node 3 has not answered yet
    REQUIRE((a.node == node_index(0) && a.expected == 30ms && !a.in_time && a.reason == slo_reason::best_chance));
    a = ask(strict, 20ms);
    REQUIRE((!a.node && a.expected == 30ms && !a.in_time && a.reason == slo_reason::refused));
    nodes[3].in_flight = 0;
    a = ask(strict, 20ms);
    REQUIRE((a.node == node_index(3) && !a.expected && !a.in_time && a.reason == slo_reason::explored));
    REQUIRE(ask(b, 50ms).node == node_index(1));  // the less loaded of two in time
    REQUIRE(b.choose(nodes, at(0s), rng) == node_index(1));  // slo 100 ms

    std::array<sluice::slo_explanation, 5> why{};
    REQUIRE(b.explain(nodes, at(40ms), at(0s), why) == 4);
    REQUIRE((why[0].verdict == slo_verdict::in_time && why[0].expected == 30ms));
    REQUIRE((why[1].verdict == slo_verdict::late && why[1].expected == 50ms));
    REQUIRE((why[2].verdict == slo_verdict::unusable && !why[2].expected));
    REQUIRE((why[3].verdict == slo_verdict::unknown && !why[3].expected));
    REQUIRE(b.explain(nodes, at(0s), at(0s), std::span(why).first(1)) == 1);
    REQUIRE(why[0].verdict == slo_verdict::late);  // the deadline has come

    for (auto& n : nodes) n.weight = 0;
    REQUIRE(ask(b, 1s).reason == slo_reason::no_node);
    REQUIRE(b.decide(std::span<server const>(), at(1s), at(0s), rng).reason == slo_reason::no_node);
}

TEST_CASE("slo_aware: among those in time", "[routing][slo_aware][unit]") {
    sluice::xoshiro256ss  rng(1);
    std::array<server, 6> nodes{};
    std::array<double, 6> const prices{3, 1, 1, no_data, 2, 0};  // node 5 is late
    for (std::size_t i = 0; i < 6; ++i) nodes[i].price = prices[i];
    auto const make = [&](slo_preference p) {
        slo_aware b(6, {.deviations = 0, .explore = 0, .prefer = p});
        for (node_index i = 0; i < 6; ++i) learn(b, i, i == 5 ? 1s : 1ms);
        return b;
    };
    auto const counts = [&](slo_aware& b) {
        std::array<int, 6> n{};
        for (int i = 0; i < 6000; ++i) ++n[b.choose(nodes, at(0s), rng).value()];
        return n;
    };
    auto cheap = make(slo_preference::cheapest);
    auto n = counts(cheap);
    REQUIRE(n[1] + n[2] == 6000);
    REQUIRE(n[1] == Approx(3000).margin(200));  // ties: 5 standard deviations
    nodes[1].in_flight = 1;
    REQUIRE(counts(cheap)[2] == 6000);
    for (std::size_t i : {1u, 2u, 4u, 0u}) nodes[i].available = false;
    REQUIRE(counts(cheap)[3] == 6000);  // no price: the last, but before a late one
    for (auto& s : nodes) s.available = true;

    auto least = make(slo_preference::least_loaded);
    for (auto& s : nodes) s.in_flight = 4;
    nodes[5].in_flight = 0;
    nodes[4] = {.in_flight = 11, .weight = 4};  // 12 / 4 against 5 / 1
    REQUIRE(counts(least)[4] == 6000);
    nodes[4] = {.in_flight = 4};
    n = counts(least);
    for (std::size_t i = 0; i < 5; ++i) REQUIRE(n[i] == Approx(1200).margin(155));  // 5 standard deviations

    auto two = make(slo_preference::two_choices);
    for (std::size_t i = 0; i < 5; ++i) nodes[i].in_flight = static_cast<std::uint32_t>(4 - i);
    n = counts(two);  // node i is chosen when it is drawn with one of the i fuller ones, of 10 pairs
    for (std::size_t i = 0; i < 5; ++i) REQUIRE(n[i] == Approx(600. * static_cast<double>(i)).margin(200));
    REQUIRE(n[0] == 0);
    REQUIRE(n[5] == 0);
    for (std::size_t i = 1; i < 5; ++i) nodes[i].available = false;
    REQUIRE(counts(two)[0] == 6000);
}

TEST_CASE("slo_aware: unknown nodes get a share, one request at a time", "[routing][slo_aware][unit]") {
    sluice::xoshiro256ss  rng(1);
    std::array<server, 4> nodes{};
    slo_aware             b(4, {.deviations = 0, .forget_after = 60s, .explore = .1});
    learn(b, 0, 1ms);
    learn(b, 1, 1ms);
    std::array<int, 4> n{};
    for (int i = 0; i < 10'000; ++i) ++n[b.choose(nodes, at(0s), rng).value()];
    for (std::size_t i : {2u, 3u}) REQUIRE(n[i] == Approx(500).margin(110));  // 5 standard deviations
    nodes[3].in_flight = 1;
    for (int i = 0; i < 1000; ++i) REQUIRE(b.choose(nodes, at(0s), rng).value() < 3);
    nodes[2].in_flight = 1;
    for (int i = 0; i < 1000; ++i) REQUIRE(b.choose(nodes, at(0s), rng).value() < 2);
    nodes[2].in_flight = nodes[3].in_flight = 0;
    // What was long ago is not known any more, and starts afresh.
    REQUIRE(b.expected(nodes, 0, at(60s)));
    REQUIRE_FALSE(b.expected(nodes, 0, at(60s + 1ns)));
    REQUIRE(b.expected(nodes, 0, at(-100s)));  // a step backward makes nothing old
    b.observe(0, 5ms, 1, at(100s));
    REQUIRE(b.expected(nodes, 0, at(100s)) == 5ms);
    b.forget(0);
    REQUIRE_FALSE(b.expected(nodes, 0, at(100s)));
}

TEST_CASE("slo_aware: no allocation, and bad options", "[routing][slo_aware][unit]") {
    sluice::xoshiro256ss rng(1);
    std::vector<server>  nodes(10);
    slo_aware            b(10);
    auto const           before = test::allocations::total();
    for (int i = 0; i < 1000; ++i) {
        auto const c = b.choose(nodes, at(i * 1ms), rng);
        b.observe(*c, duration(i * 1000), 1, at(i * 1ms));
    }
    REQUIRE(test::allocations::total() == before);
    REQUIRE_THROWS_AS(slo_aware(1, {.slo = 0s}), std::invalid_argument);
    REQUIRE_THROWS_AS(slo_aware(1, {.memory = 0s}), std::invalid_argument);
    REQUIRE_THROWS_AS(slo_aware(1, {.concurrency = 0}), std::invalid_argument);
    REQUIRE_THROWS_AS(slo_aware(1, {.forget_after = 0s}), std::invalid_argument);
    REQUIRE_THROWS_AS(slo_aware(1, {.unknown_in_flight = 0}), std::invalid_argument);
    for (double const bad : {no_data, -.1, 101.}) {
        REQUIRE_THROWS_AS(slo_aware(1, {.deviations = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(slo_aware(1, {.explore = bad}), std::invalid_argument);
    }
}
