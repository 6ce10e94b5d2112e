// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/cost_aware.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>

using namespace std::chrono_literals;
using sluice::cost_aware;
using sluice::duration;
using sluice::node_index;
using sluice::placement_refusal;

namespace {

double const                    no_data = std::numeric_limits<double>::quiet_NaN();
sluice::placement_request const anything{};

struct server {
    double                       price = 0;
    std::optional<duration>      latency{};
    std::uint32_t                in_flight = 0;
    std::optional<std::uint32_t> capacity{};
    std::uint32_t                weight = 1;
};
static_assert(sluice::balancer<cost_aware, std::span<server const>>);

}  // namespace

TEST_CASE("cost_aware: the cheapest, and what a second is worth", "[routing][cost_aware][unit]") {
    sluice::xoshiro256ss rng(1);
    std::array<server, 4> const nodes{{{3, 10ms}, {1, 80ms}, {no_data, 1ms}, {2, 30ms}}};
    struct {
        double     second_price;
        node_index chosen;
        double     cost;
    } const table[] = {{0, 1, 1}, {10, 1, 1.8}, {21, 3, 2.63}, {49, 3, 3.47}, {51, 0, 3.51}, {1e6, 0, 10'003}};
    for (auto const& row : table) {
        cost_aware const b({.second_price = row.second_price});
        auto const       c = b.choose(nodes, anything, rng).value();
        REQUIRE(c == row.chosen);
        REQUIRE(b.cost(nodes[c]).value() == Approx(row.cost));
        REQUIRE_FALSE(b.cost(nodes[2]));
    }
    std::array<server, 2> const unknown{{{1, {}}, {90, 1s}}};
    REQUIRE(cost_aware().choose(unknown, anything, rng) == node_index(0));
    REQUIRE(cost_aware({.second_price = 1}).choose(unknown, anything, rng) == node_index(1));  // what cannot be reckoned comes last
    std::array<server, 2> const priceless{{{no_data}, {no_data, {}, 3}}};
    REQUIRE(cost_aware().choose(priceless, anything, rng) == node_index(0));  // but comes
    std::array<server, 2> const huge{{{1e308, duration::max()}, {std::numeric_limits<double>::max(), 0ns}}};
    REQUIRE(cost_aware({.second_price = 1e12}).choose(huge, anything, rng) == node_index(0));
    std::array<server, 2> const paid{{{-1, {}}, {0, {}}}};
    REQUIRE(cost_aware().choose(paid, anything, rng) == node_index(0));
}

TEST_CASE("cost_aware: fills the cheapest first, within the demands, and explains", "[routing][cost_aware][unit]") {
    sluice::xoshiro256ss  rng(1);
    cost_aware const      b;
    std::array<server, 3> nodes{{{5, 1ms, 0, 2}, {1, 50ms, 0, 2}, {3, 10ms, 0, 2}}};
    for (node_index const expected : {1u, 1u, 2u, 2u, 0u, 0u}) {
        auto const c = b.choose(nodes, anything, rng).value();
        REQUIRE(c == expected);
        ++nodes[c].in_flight;
    }
    REQUIRE_FALSE(b.choose(nodes, anything, rng));
    for (auto& n : nodes) n.in_flight = 0;
    REQUIRE(b.choose(nodes, {.latency_limit = 20ms}, rng) == node_index(2));
    REQUIRE_FALSE(b.choose(nodes, {.price_limit = 4, .latency_limit = 5ms}, rng));
    nodes[1].in_flight = 2;
    std::array<sluice::cost_explanation, 4> why{};
    REQUIRE(b.explain(nodes, {.price_limit = 4}, why) == 3);
    REQUIRE((why[0].check.refused == placement_refusal::over_price && !why[0].cost));
    REQUIRE((why[1].check.refused == placement_refusal::no_capacity && !why[1].cost));
    REQUIRE((why[2].check && why[2].cost == 3.0));
    REQUIRE(b.explain(nodes, {}, std::span(why).first(1)) == 1);
    REQUIRE(why[0].cost == 5.0);
    REQUIRE_FALSE(b.choose(std::span<server const>(), sluice::time_point{}, rng));
}

TEST_CASE("cost_aware: equal costs are shared, no allocation, bad options", "[routing][cost_aware][unit]") {
    sluice::xoshiro256ss  rng(1);
    cost_aware const      b;
    std::array<server, 3> nodes{{{1}, {1, {}, 1, {}, 2}, {1}}};
    std::array<int, 3>    n{};
    auto const            before = test::allocations::total();
    for (int i = 0; i < 3000; ++i) ++n[b.choose(nodes, sluice::time_point{}, rng).value()];
    REQUIRE(test::allocations::total() == before);
    for (int const k : n) REQUIRE(k == Approx(1000).margin(130));  // 5 standard deviations
    nodes[0].in_flight = 1;
    nodes[1].in_flight = 2;
    REQUIRE(b.choose(nodes, sluice::time_point{}, rng) == node_index(2));
    for (double const bad : {no_data, -1., 2e12}) REQUIRE_THROWS_AS(cost_aware({.second_price = bad}), std::invalid_argument);
}
