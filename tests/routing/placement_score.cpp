// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/placement_score.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::node_index;
using sluice::placement_refusal;
using sluice::placement_request;
using sluice::placement_score;

namespace {

double const                    no_data = std::numeric_limits<double>::quiet_NaN();
sluice::placement_request const anything{};

struct server {
    std::optional<duration>      latency{};
    std::uint32_t                in_flight = 0;
    std::optional<std::uint32_t> capacity{};
    std::array<double, 2>        resources{};
    std::optional<std::uint32_t> failure_domain{};
    std::uint32_t                weight = 1;
};
static_assert(sluice::balancer<placement_score, std::span<server const>>);

}  // namespace

TEST_CASE("placement_score: the terms and their sum", "[routing][placement_score][unit]") {
    std::array<double, 2> const        needs{2, 1};
    std::array<std::uint32_t, 2> const used{4, 4};
    placement_request const            request{.needs = needs, .used_domains = used, .per_domain = 0, .slots = 2};
    placement_score const              even, tilted({.latency = 1, .capacity = 2, .resources = 3, .spread = 4});
    server const                       s{30ms, 3, 10, {4, 4}, 4};
    auto const                         e = even.evaluate(s, request);
    REQUIRE(e.check);
    REQUIRE(e.terms.latency == Approx(.25));    // 10 / (10 + 30)
    REQUIRE(e.terms.capacity == Approx(.5));    // (10 - 3 - 2) / 10
    REQUIRE(e.terms.resources == Approx(.5));   // least of 2/4 and 3/4
    REQUIRE(e.terms.spread == Approx(1. / 3));  // two copies are there
    REQUIRE(e.score == Approx((.25 + .5 + .5 + 1. / 3) / 4));
    REQUIRE(tilted.evaluate(s, request).score == Approx((.25 + 2 * .5 + 3 * .5 + 4. / 3) / 10));
    // The best of all, and one that says nothing.
    server const best{0ms, 0, UINT32_MAX, {1, 1}, 5};
    REQUIRE(even.evaluate(best, {.slots = 0}).score == 1);
    REQUIRE(even.evaluate(server{}, {}).score == Approx(.5));  // without needs and copies: two terms of four
    REQUIRE(placement_score({.unknown = .4}).evaluate(server{}, {}).score == Approx(.7));
    REQUIRE(even.evaluate(server{.capacity = 0}, {.slots = 0}).terms.capacity == 0);
    auto const refused = even.evaluate(s, {.zone = 3});
    REQUIRE((!refused.check && refused.score == 0 && refused.check.refused == placement_refusal::wrong_zone));
}

TEST_CASE("placement_score: a score is a number in [0, 1], and one better fact never lowers it",
          "[routing][placement_score][property]") {
    sluice::xoshiro256ss rng(test::seed());
    auto const below = [&](std::uint64_t n) { return static_cast<std::size_t>(sluice::uniform_below(rng, n)); };
    double const         odd[] = {0, -1, no_data, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::max(), 1e-320, 5};
    for (int round = 0; round < 20'000; ++round) {
        placement_score const score({.latency = static_cast<double>(below(3)),
                                     .capacity = static_cast<double>(below(3)) * 1e9 / 2,
                                     .resources = static_cast<double>(below(3)),
                                     .spread = 1e-300});
        server s;
        if (below(4) != 0) s.latency = duration(static_cast<std::int64_t>(rng() >> below(64)));
        s.in_flight = static_cast<std::uint32_t>(rng() >> (32 + below(32)));
        if (below(4) != 0) s.capacity = static_cast<std::uint32_t>(rng() >> (32 + below(32)));
        s.resources = {odd[below(7)], odd[below(7)]};
        if (below(4) != 0) s.failure_domain = static_cast<std::uint32_t>(below(3));
        std::array<double, 2> const        needs{odd[below(7)], odd[below(7)]};
        std::array<std::uint32_t, 2> const used{0, 1};
        placement_request const request{.needs = std::span(needs).first(below(3)), .used_domains = std::span(used).first(below(3)),
                                        .per_domain = static_cast<std::uint32_t>(below(3)), .slots = static_cast<std::uint32_t>(below(3))};
        auto const e = score.evaluate(s, request);
        REQUIRE((e.score >= 0 && e.score <= 1));
        for (double const t : {e.terms.latency, e.terms.capacity, e.terms.resources, e.terms.spread}) REQUIRE((t >= 0 && t <= 1));
        if (!e.check) continue;
        server better = s;
        if (better.latency) better.latency = std::max(duration(0), *better.latency) / 2;
        better.in_flight /= 2;
        REQUIRE(score.evaluate(better, request).score >= e.score);
    }
}

TEST_CASE("placement_score: chooses the highest among those that meet the demands", "[routing][placement_score][unit]") {
    sluice::xoshiro256ss      rng(1);
    placement_score const     score;
    std::array<server, 4>     nodes{{{1ms, 9, 10, {8, 8}, 1},  // near but nearly full
                                     {5ms, 2, 10, {8, 8}, 2},
                                     {1ms, 0, 10, {1, 8}, 3},  // too small
                                     {90ms, 0, 10, {8, 8}, 4}}};
    std::array<double, 1> const        needs{2};
    std::array<std::uint32_t, 1> const used{2};
    placement_request                  r{.needs = needs};
    REQUIRE(score.choose(nodes, r, rng) == node_index(1));
    r.used_domains = used;
    REQUIRE(score.choose(nodes, r, rng) == node_index(3));  // node 1 would fail together with the copy
    r.latency_limit = 50ms;
    REQUIRE(score.choose(nodes, r, rng) == node_index(0));
    r.slots = 2;
    REQUIRE_FALSE(score.choose(nodes, r, rng));
    std::array<sluice::placement_explanation, 8> why{};
    REQUIRE(score.explain(nodes, r, why) == 4);
    REQUIRE(why[0].check.refused == placement_refusal::no_capacity);
    REQUIRE(why[1].check.refused == placement_refusal::domain_used);
    REQUIRE(why[2].check.refused == placement_refusal::resources_short);
    REQUIRE(why[3].check.refused == placement_refusal::too_far);
    REQUIRE(score.explain(nodes, {}, std::span(why).first(2)) == 2);
    REQUIRE(why[0].check);
    REQUIRE(score.choose(nodes, sluice::time_point{}, rng) == node_index(2));
    REQUIRE_FALSE(score.choose(std::span<server const>(), r, rng));

    // Equal scores: the less loaded for its weight, then any.
    std::array<server, 3> even{{{.in_flight = 4}, {.in_flight = 9, .weight = 2}, {.in_flight = 4}}};
    std::array<int, 3>    n{};
    for (int i = 0; i < 3000; ++i) ++n[score.choose(even, anything, rng).value()];
    for (int const k : n) REQUIRE(k == Approx(1000).margin(130));  // 5 standard deviations
    even[1].in_flight = 8;
    for (int i = 0; i < 100; ++i) REQUIRE(score.choose(even, anything, rng) == node_index(1));
}

TEST_CASE("placement_score: no allocation, and bad options", "[routing][placement_score][unit]") {
    sluice::xoshiro256ss  rng(1);
    std::array<server, 4> nodes{};
    std::array<sluice::placement_explanation, 4> why{};
    placement_score const score;
    auto const            before = test::allocations::total();
    for (int i = 0; i < 100; ++i) {
        (void)score.choose(nodes, anything, rng);
        score.explain(nodes, {}, why);
    }
    REQUIRE(test::allocations::total() == before);
    for (double const bad : {no_data, -1., 2e9}) {
        REQUIRE_THROWS_AS(placement_score({.latency = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(placement_score({.capacity = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(placement_score({.resources = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(placement_score({.spread = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(placement_score({.unknown = bad}), std::invalid_argument);
    }
    REQUIRE_THROWS_AS(placement_score({.latency = 0, .capacity = 0, .resources = 0, .spread = 0}), std::invalid_argument);
    REQUIRE_THROWS_AS(placement_score({.half_latency = 0ns}), std::invalid_argument);
}
