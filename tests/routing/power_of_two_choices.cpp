// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/power_of_two_choices.hpp>

#include "routing/balancer_laws.hpp"

#include <algorithm>
#include <stdexcept>

using sluice::power_of_two_choices;
using sluice::time_point;
using test::server;

static_assert(sluice::balancer<power_of_two_choices<>, std::vector<server>>);
static_assert(sluice::balancer<power_of_two_choices<>, test::masked_list>);

namespace {

/// The fullest node after `requests` to n idle nodes; none ends.
std::uint32_t fullest(std::size_t n, std::size_t requests, std::uint32_t choices, sluice::xoshiro256ss& rng) {
    power_of_two_choices b({.choices = choices});
    std::vector<server>  nodes(n);
    for (std::size_t i = 0; i < requests; ++i) ++nodes[*b.choose(nodes, time_point{}, rng)].in_flight;
    return std::max_element(nodes.begin(), nodes.end(), [](auto& x, auto& y) { return x.in_flight < y.in_flight; })->in_flight;
}

/// All loads alike but those of `busy`: with k drawn of u usable, a busy one wins only if all drawn are busy.
void check_pairs(std::size_t n, std::size_t out, std::uint32_t choices, sluice::xoshiro256ss& rng) {
    std::vector<server> nodes(n);
    for (std::size_t i = 0; i < out; ++i) nodes[i * n / out].available = false;
    power_of_two_choices b({.choices = choices});
    // Equal loads: every usable node alike.
    double const usable = static_cast<double>(n - out), calls = 20'000;
    auto const   chosen = test::tally(b, nodes, static_cast<std::size_t>(calls), rng);
    double       chi = 0;
    for (std::size_t i = 0; i < n; ++i) {
        double const due = nodes[i].available ? calls / usable : 0;
        if (due == 0) REQUIRE(chosen[i] == 0);
        else chi += (static_cast<double>(chosen[i]) - due) * (static_cast<double>(chosen[i]) - due) / due;
    }
    REQUIRE(chi < usable - 1 + 5 * std::sqrt(2 * (usable - 1)) + 5);
    // Ranked loads: the best of k of u comes with probability k/u, the worst k - 1 never.
    std::uint32_t rank = 0;
    for (auto& s : nodes)
        if (s.available) s.in_flight = rank++;
    auto const by_rank = test::tally(b, nodes, static_cast<std::size_t>(calls), rng);
    double     left = 1;  // P(none of the better ones was drawn)
    for (std::size_t i = 0; i < n; ++i) {
        if (!nodes[i].available) continue;
        double const others = usable - nodes[i].in_flight;
        double const p = left * std::min(1.0, choices / others);
        left -= p;
        double const band = 5 * std::sqrt(calls * p * (1 - p)) + 1e-6 * calls;
        REQUIRE(static_cast<double>(by_rank[i]) == Approx(calls * p).margin(band));
    }
}

}  // namespace

TEST_CASE("power_of_two_choices: keeps the laws of balancers", "[routing][power_of_two_choices][law]") {
    for (std::uint32_t choices : {2u, 3u, 64u})
        test::balancer_laws(
            [=](auto const&) {
                return std::make_unique<power_of_two_choices<>>(sluice::power_of_two_choices_options{choices});
            },
            test::shares::other);
}

TEST_CASE("power_of_two_choices: each set of usable nodes is drawn alike", "[routing][power_of_two_choices][property]") {
    sluice::xoshiro256ss rng(test::seed());
    struct row {
        std::size_t   n, out;
        std::uint32_t choices;
    };
    for (auto const& r : {row{2, 0, 2}, row{3, 0, 2}, row{10, 0, 2}, row{10, 3, 2}, row{10, 8, 2}, row{30, 27, 2}, row{10, 0, 3},
                          row{10, 4, 3}, row{12, 8, 3}, row{6, 0, 5}, row{8, 2, 6}})
        check_pairs(r.n, r.out, r.choices, rng);
    // Two nodes: never the worse one.
    power_of_two_choices b;
    std::vector<server>  two(2);
    two[1].in_flight = 1;
    for (int i = 0; i < 100; ++i) REQUIRE(b.choose(two, time_point{}, rng) == 0u);
}

TEST_CASE("power_of_two_choices: two choices make the fullest node much less full", "[routing][power_of_two_choices][law]") {
    sluice::xoshiro256ss rng(test::seed());
    std::size_t const    n = std::size_t{1} << 15;
    std::vector<std::uint32_t> one(n);  // d = 1
    for (std::size_t i = 0; i < n; ++i) ++one[static_cast<std::size_t>(sluice::uniform_below(rng, n))];
    REQUIRE(*std::max_element(one.begin(), one.end()) >= 6);
    REQUIRE(fullest(n, n, 2, rng) <= 4);
    REQUIRE(fullest(n, n, 2, rng) >= 3);
    REQUIRE(fullest(n, n, 3, rng) == 3);
    REQUIRE(fullest(n, n, 4, rng) <= 3);
    // Heavy load: the gap over the mean of 100 does not grow with it; with one choice it would be near 30.
    REQUIRE(fullest(1000, 100'000, 2, rng) <= 103);
}

TEST_CASE("power_of_two_choices: weights count by load per weight", "[routing][power_of_two_choices][unit]") {
    sluice::xoshiro256ss rng(test::seed());
    power_of_two_choices b;
    std::vector<server>  nodes(40);
    for (std::size_t i = 0; i < 40; i += 2) nodes[i].weight = 3;
    for (int i = 0; i < 8000; ++i) ++nodes[*b.choose(nodes, time_point{}, rng)].in_flight;
    for (auto const& s : nodes) REQUIRE(s.in_flight == Approx(100 * s.weight).margin(12));
    for (std::uint32_t choices : {0u, 1u, 65u})
        REQUIRE_THROWS_AS(power_of_two_choices({.choices = choices}), std::invalid_argument);
    REQUIRE_NOTHROW(power_of_two_choices({.choices = 64}));
}
