// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/least_loaded.hpp>

#include "routing/balancer_laws.hpp"

using sluice::least_loaded;
using sluice::time_point;
using test::server;

static_assert(sluice::balancer<least_loaded<>, std::vector<server>>);
static_assert(sluice::balancer<least_loaded<>, test::masked_list>);

TEST_CASE("least_loaded: keeps the laws of balancers", "[routing][least_loaded][law]") {
    test::balancer_laws([](auto const&) { return std::make_unique<least_loaded<>>(); }, test::shares::other);
}

TEST_CASE("least_loaded: always a least one, equals alike", "[routing][least_loaded][property]") {
    sluice::xoshiro256ss rng(test::seed());
    least_loaded         b;
    for (int round = 0; round < 300; ++round) {
        std::vector<server> nodes(1 + static_cast<std::size_t>(rng() % 9));
        for (auto& s : nodes)
            s = {static_cast<std::uint32_t>(rng() % 4), static_cast<std::uint32_t>(rng() % 5), rng() % 4 != 0};
        auto const c = b.choose(nodes, time_point{}, rng);
        REQUIRE(c.has_value() == (sluice::count_usable(nodes) > 0));
        for (auto const& s : nodes)
            if (c && sluice::node_usable(s))
                REQUIRE((s.in_flight + 1.0) / s.weight >= (nodes[*c].in_flight + 1.0) / nodes[*c].weight);
    }
    std::vector<server> nodes(9);
    nodes[0].in_flight = nodes[4].in_flight = 1;
    nodes[7].available = false;
    auto const chosen = test::tally(b, nodes, 12'000, rng);
    for (std::size_t i = 0; i < 9; ++i)
        REQUIRE(chosen[i] == Approx(i == 0 || i == 4 || i == 7 ? 0 : 2000).margin(184));  // 4.5 standard deviations
    // Loads that do not tie draw no numbers.
    sluice::xoshiro256ss used(1), unused(1);
    for (std::size_t i = 0; i < 9; ++i) nodes[i].in_flight = static_cast<std::uint32_t>(9 - i);
    REQUIRE(b.choose(nodes, time_point{}, used) == 8u);
    REQUIRE(used == unused);
    // Any callable is a load.
    least_loaded most_weight([](server const& s, time_point) { return -static_cast<double>(s.weight); });
    nodes[2].weight = 5;
    REQUIRE(most_weight.choose(nodes, time_point{}, rng) == 2u);
}
