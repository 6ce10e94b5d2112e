// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/round_robin.hpp>

#include "routing/balancer_laws.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <string>

using sluice::round_robin;
using sluice::time_point;
using test::server;

static_assert(sluice::balancer<round_robin<>, std::vector<server>>);
static_assert(sluice::balancer<round_robin<>, test::masked_list>);

namespace {

std::string turns(round_robin<>& b, std::vector<server> const& nodes, int n) {
    sluice::xoshiro256ss rng(1);
    std::string          s;
    for (int i = 0; i < n; ++i) s += static_cast<char>('a' + b.choose(nodes, time_point{}, rng).value());
    return s;
}

}  // namespace

TEST_CASE("round_robin: keeps the laws of balancers", "[routing][round_robin][law]") {
    test::balancer_laws([](auto const&) { return std::make_unique<round_robin<>>(); }, test::shares::even);
}

TEST_CASE("round_robin: the turn of a node that is out is nobody's", "[routing][round_robin][unit]") {
    round_robin<>       b;
    std::vector<server> nodes(5);
    REQUIRE(turns(b, nodes, 7) == "abcdeab");
    nodes[2].available = nodes[3].available = false;
    REQUIRE(turns(b, nodes, 9) == "eabeabeab");  // not twice e
    nodes[0].weight = 0;
    REQUIRE(turns(b, nodes, 4) == "ebeb");
    nodes.resize(2);
    REQUIRE(turns(b, nodes, 3) == "bbb");
    REQUIRE(turns(b, {4, server{}}, 4).size() == 4);
    round_robin<> other({.start = 3});
    REQUIRE(turns(other, std::vector<server>(5), 4) == "deab");
}

TEST_CASE("round_robin: shares stay equal where the numbers begin again", "[routing][round_robin][unit]") {
    for (std::uint64_t n : {3u, 5u, 7u, 8u, 1000u}) {
        auto const          whole = (UINT64_MAX - n + 1) / n * n;  // a round begins here; a few follow
        round_robin<>       b({.start = whole - 2 * n});
        std::vector<server> nodes(n);
        sluice::xoshiro256ss rng(1);
        auto const chosen = test::tally(b, nodes, static_cast<std::size_t>(6 * n), rng);
        for (auto const c : chosen) REQUIRE(c == 6);
        // The same with a node that is out, the last one too.
        round_robin<> other({.start = whole - 2 * n});
        nodes[n - 1].available = nodes[1].available = false;
        auto const fewer = test::tally(other, nodes, static_cast<std::size_t>(6 * (n - 2)), rng);
        for (std::size_t i = 0; i < n; ++i) REQUIRE(fewer[i] == (i == 1 || i == n - 1 ? 0u : 6u));
    }
}

TEST_CASE("round_robin: threads together keep the turns", "[routing][round_robin][unit]") {
    round_robin<>       b;
    std::vector<server> nodes(6);
    nodes[1].available = nodes[2].available = false;
    std::atomic<int> chosen[6] = {};
    test::run_threads(3, [&](std::size_t) {
        sluice::xoshiro256ss rng(1);
        for (int i = 0; i < 4000; ++i) chosen[*b.choose(nodes, time_point{}, rng)].fetch_add(1);
    });
    for (std::size_t i = 0; i < 6; ++i) REQUIRE(chosen[i].load() == (nodes[i].available ? 3000 : 0));
}
