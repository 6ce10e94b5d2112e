// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/weighted_round_robin.hpp>

#include "routing/balancer_laws.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>

using sluice::node_index;
using sluice::time_point;
using sluice::weighted_round_robin;
using test::server;

static_assert(sluice::balancer<weighted_round_robin, std::vector<server>>);
static_assert(sluice::balancer<weighted_round_robin, test::masked_list>);

namespace {

std::vector<server> weighing(std::vector<std::uint32_t> const& weights) {
    std::vector<server> nodes;
    for (auto const w : weights) nodes.push_back({.weight = w});
    return nodes;
}
std::string turns(weighted_round_robin& b, std::vector<server> const& nodes, int n) {
    sluice::xoshiro256ss rng(1);
    std::string          s;
    for (int i = 0; i < n; ++i) s += static_cast<char>('a' + b.choose(nodes, time_point{}, rng).value());
    return s;
}

}  // namespace

TEST_CASE("weighted_round_robin: keeps the laws of balancers", "[routing][weighted_round_robin][law]") {
    test::balancer_laws(
        [](auto const& nodes) { return std::make_unique<weighted_round_robin>(sluice::weighted_round_robin_options{nodes.size()}); },
        test::shares::by_weight);
}

TEST_CASE("weighted_round_robin: the known sequences, period after period", "[routing][weighted_round_robin][unit]") {
    struct row {
        std::vector<std::uint32_t> weights;
        std::string                period;
    };
    for (auto const& [weights, period] :
         {row{{5, 1, 1}, "aabacaa"}, row{{3, 2, 1}, "abacba"}, row{{1, 2, 3}, "cbacbc"}, row{{4, 2, 1}, "abacaba"},
          row{{1, 1, 1}, "abc"}, row{{11, 3}, "aabaaaabaaabaa"}, row{{10, 1}, "aaaaabaaaaa"}}) {
        weighted_round_robin b;
        for (int p = 0; p < 3; ++p) REQUIRE(turns(b, weighing(weights), static_cast<int>(period.size())) == period);
    }
}

TEST_CASE("weighted_round_robin: a period gives each its weight, and lags stay small", "[routing][weighted_round_robin][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 20; ++round) {
        std::vector<server> nodes(1 + static_cast<std::size_t>(rng() % 12));
        std::uint64_t       sum = 0;
        for (auto& s : nodes) sum += s.weight = static_cast<std::uint32_t>(1 + rng() % 50);
        weighted_round_robin b;
        for (int period = 0; period < 2; ++period) {
            std::vector<std::uint64_t> chosen(nodes.size());
            for (std::uint64_t t = 1; t <= sum; ++t) {
                ++chosen[b.choose(nodes, time_point{}, rng).value()];
                for (std::size_t i = 0; i < nodes.size(); ++i) {
                    double const due = static_cast<double>(t * nodes[i].weight) / static_cast<double>(sum);
                    REQUIRE(std::abs(static_cast<double>(chosen[i]) - due) < 3);
                }
            }
            for (std::size_t i = 0; i < nodes.size(); ++i) REQUIRE(chosen[i] == nodes[i].weight);
        }
    }
}

TEST_CASE("weighted_round_robin: the largest weights do not overflow", "[routing][weighted_round_robin][unit]") {
    weighted_round_robin b;
    auto                 nodes = std::vector<server>(3000, {.weight = UINT32_MAX});
    sluice::xoshiro256ss rng(1);
    for (std::size_t i = 0; i < 300; ++i) REQUIRE(b.choose(nodes, time_point{}, rng) == static_cast<node_index>(i));
    for (auto& s : nodes) s.weight = 1;
    nodes[7].weight = UINT32_MAX;
    int seven = 0;
    for (int i = 0; i < 300; ++i) seven += b.choose(nodes, time_point{}, rng) == 7u;
    REQUIRE(seven >= 296);
}

TEST_CASE("weighted_round_robin: weights that change all the time give neither burst nor gap", "[routing][weighted_round_robin][unit]") {
    // Two sets of weights in turn: b's share is 1/10 or 2/10, c's 1/10 or 3/10.
    weighted_round_robin b;
    sluice::xoshiro256ss rng(1);
    auto                 nodes = weighing({8, 1, 1});
    std::vector<double>  due(3), got(3);
    double               worst = 0;
    for (int t = 0; t < 5000; ++t) {
        bool const odd = rng() % 2 != 0;
        nodes[0].weight = odd ? 500 : 8, nodes[1].weight = odd ? 200 : 1, nodes[2].weight = odd ? 300 : 1;
        double const sum = odd ? 1000 : 10;
        for (std::size_t i = 0; i < 3; ++i) due[i] += nodes[i].weight / sum;
        ++got[b.choose(nodes, time_point{}, rng).value()];
        for (std::size_t i = 0; i < 3; ++i) worst = std::max(worst, std::abs(due[i] - got[i]));
    }
    REQUIRE(worst < 2);

    // From a thousand to one: the node's next turn comes within its new period, not within the old one.
    weighted_round_robin heavy;
    nodes = weighing({100'000, 100'000});
    (void)turns(heavy, nodes, 1);  // a is in debt now, by half of the sum
    nodes = weighing({1, 1});
    REQUIRE(turns(heavy, nodes, 3) == "bab");
    // A ramp, as slow_start makes it, with 200 others: the light ones are not forgotten.
    weighted_round_robin many;
    nodes.assign(200, {.weight = 5});
    std::vector<int> chosen(200);
    for (std::uint32_t t = 0; t < 2000; ++t) {
        nodes[0].weight = 1 + t % 5;
        ++chosen[many.choose(nodes, time_point{}, rng).value()];
    }
    for (std::size_t i = 1; i < 200; ++i) REQUIRE(chosen[i] == Approx(10).margin(1));
    REQUIRE(chosen[0] == Approx(6).margin(1));
}

TEST_CASE("weighted_round_robin: members come, go and return without burst or gap", "[routing][weighted_round_robin][unit]") {
    weighted_round_robin b;
    auto                 nodes = weighing({1, 1, 1});
    REQUIRE(turns(b, nodes, 4) == "abca");
    nodes[1].available = false;
    auto const without = turns(b, nodes, 40);
    REQUIRE(std::count(without.begin(), without.end(), 'a') == 20);
    nodes[1].available = true;
    auto const with = turns(b, nodes, 9);
    REQUIRE(std::count(with.begin(), with.end(), 'b') == Approx(3).margin(1));
    REQUIRE(with.find("bb") == std::string::npos);
    nodes.push_back({});
    auto const four = turns(b, nodes, 12);
    for (char c : {'a', 'b', 'c', 'd'}) REQUIRE(std::count(four.begin(), four.end(), c) == Approx(3).margin(1));
    // A node that leaves again and again just after its turn: nobody else loses.
    std::vector<int> chosen(4);
    sluice::xoshiro256ss rng(1);
    for (int t = 0; t < 4000; ++t) {
        auto const i = b.choose(nodes, time_point{}, rng).value();
        ++chosen[i];
        nodes[0].available = i != 0;
    }
    REQUIRE(chosen[1] == Approx(chosen[2]).margin(3));
    REQUIRE(chosen[2] == Approx(chosen[3]).margin(3));
    REQUIRE(chosen[0] > 600);
    // One that flaps with every call is not starved.
    nodes[0].available = true;
    chosen.assign(4, 0);
    for (int t = 0; t < 4000; ++t) {
        nodes[2].available = t % 2 == 0;
        ++chosen[b.choose(nodes, time_point{}, rng).value()];
    }
    REQUIRE(chosen[2] == Approx(500).margin(150));

    // A heavy newcomer that is replaced by another after each of its turns does not shut the light ones out.
    weighted_round_robin open;
    nodes = weighing({1, 1, 8});
    chosen.assign(3, 0);
    for (int t = 0; t < 1000; ++t) {
        auto const i = open.choose(nodes, time_point{}, rng).value();
        ++chosen[i];
        if (i == 2) open.removed(2);
    }
    REQUIRE(chosen[0] > 50);
    REQUIRE(chosen[1] > 50);

    weighted_round_robin r;
    nodes = weighing({5, 1, 1});
    (void)turns(r, nodes, 3);  // aab: c is next but one
    nodes.erase(nodes.begin() + 1);
    r.removed(1);
    REQUIRE(turns(r, nodes, 3).find('b') != std::string::npos);
    r.removed(99);
}

TEST_CASE("weighted_round_robin: a failure lowers a node's weight, choices give it back", "[routing][weighted_round_robin][unit]") {
    weighted_round_robin b({.failures_to_zero = 2});
    auto                 nodes = weighing({8, 8});
    REQUIRE(turns(b, nodes, 2) == "ab");
    b.failed(0);
    REQUIRE(b.effective_weight(0) == 4);
    b.failed(0);
    b.failed(0);
    REQUIRE(b.effective_weight(0) == 0);
    REQUIRE(turns(b, nodes, 4) == "bbba");  // currents: a 0 1 3 6, b 8-8 8-9 7-10 4 …
    REQUIRE(b.effective_weight(0) == 4);
    REQUIRE(b.effective_weight(9) == 0);
    (void)turns(b, nodes, 8);
    REQUIRE(b.effective_weight(0) == 8);
    // All at zero: still somebody.
    weighted_round_robin c;
    nodes = weighing({2, 1});
    REQUIRE(turns(c, nodes, 1) == "a");
    c.failed(0), c.failed(1);
    REQUIRE(turns(c, nodes, 1) == "b");
    // A new weight keeps the reduction in proportion.
    weighted_round_robin d;
    nodes = weighing({100, 100});
    (void)turns(d, nodes, 1);
    d.failed(0);
    (void)turns(d, nodes, 50);
    nodes[0].weight = 10;
    (void)turns(d, nodes, 1);
    REQUIRE(d.effective_weight(0) == 6);  // 50 of 100 was 5 of 10, and one more
    REQUIRE_THROWS_AS(weighted_round_robin({.failures_to_zero = 0}), std::invalid_argument);
}
