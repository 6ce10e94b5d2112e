// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/weighted_random.hpp>

#include "routing/balancer_laws.hpp"

#include <array>

using sluice::weighted_random;
using test::server;

static_assert(sluice::balancer<weighted_random, std::vector<server>>);

namespace {

/// Numbers on request: the first draw names the column, the second the place in it.
struct scripted {
    using result_type = std::uint64_t;
    std::array<std::uint64_t, 2> words{};
    std::size_t                  at = 0;
    std::uint64_t                operator()() { return words[at++ % 2]; }
    static constexpr std::uint64_t min() { return 0; }
    static constexpr std::uint64_t max() { return UINT64_MAX; }
};
/// A word that uniform_below(n) turns into k, and does not refuse.
std::uint64_t word_for(std::uint64_t k, std::uint64_t n) {
    return 2 * sluice::detail::multiply_divide(k, std::uint64_t{1} << 63, n, sluice::detail::round_to::floor) + 3;
}

}  // namespace

TEST_CASE("weighted_random: keeps the laws of balancers", "[routing][weighted_random][law]") {
    test::balancer_laws([](auto const& nodes) { return std::make_unique<weighted_random>(nodes); }, test::shares::by_weight);
}

TEST_CASE("weighted_random: the table holds each weight exactly", "[routing][weighted_random][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 60; ++round) {
        std::vector<server> nodes(1 + static_cast<std::size_t>(rng() % 9));
        std::uint64_t       total = 0;
        for (auto& s : nodes) total += s.weight = static_cast<std::uint32_t>(rng() % 12);
        if (total == 0) nodes[0].weight = 1, total = 1;
        weighted_random            b(nodes);
        std::vector<std::uint64_t> drawn(nodes.size());
        for (std::uint64_t c = 0; c < nodes.size(); ++c)
            for (std::uint64_t k = 0; k < total; ++k) {
                scripted s{{word_for(c, nodes.size()), word_for(k, total)}};
                ++drawn[b.choose(nodes, sluice::time_point{}, s).value()];
            }
        for (std::size_t i = 0; i < nodes.size(); ++i) REQUIRE(drawn[i] == nodes[i].weight * nodes.size());
    }
}

TEST_CASE("weighted_random: the largest weights, a list that changes its size", "[routing][weighted_random][unit]") {
    sluice::xoshiro256ss rng(3);
    std::vector<server>  nodes(3, {.weight = UINT32_MAX});
    nodes[1].weight = 1;
    weighted_random b(nodes);
    auto const      chosen = test::tally(b, nodes, 2000, rng);
    REQUIRE((chosen[1] == 0 && chosen[0] == Approx(1000).margin(100)));  // 4.5 standard deviations
    nodes.push_back({.weight = 1000});
    REQUIRE(test::tally(b, nodes, 1000, rng)[3] == 0);
    nodes.resize(2);
    nodes[0].available = false;
    REQUIRE(b.choose(nodes, sluice::time_point{}, rng) == 1u);
}
