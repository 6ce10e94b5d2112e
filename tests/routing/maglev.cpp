// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/maglev.hpp>

#include "routing/bucket_laws.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

using sluice::hashed_key;
using sluice::node_index;
using names = sluice::maglev<std::string>;

static_assert(sluice::placement<names> && sluice::placement<sluice::maglev<int>>);

namespace {

/// The permutations are given by hand.
struct by_hand {
    std::map<int, sluice::maglev_turns> turns;
    sluice::maglev_turns operator()(int node, std::uint32_t) const { return turns.at(node); }
};

template <class P>
std::vector<node_index> table(P const& p) {
    std::vector<node_index> result;
    for (std::uint32_t slot = 0; slot < p.table_size(); ++slot) result.push_back(p.entry(slot));
    return result;
}
template <class P>
std::vector<std::size_t> slots(P const& p) {
    std::vector<std::size_t> result(p.index_bound());
    for (std::uint32_t slot = 0; slot < p.table_size(); ++slot) ++result[p.entry(slot)];
    return result;
}

std::vector<std::string> numbered(int n) {
    std::vector<std::string> result;
    for (int i = 0; i < n; ++i) result.push_back(test::node_name(i));
    return result;
}
names of(std::vector<std::string> const& nodes, std::uint32_t table_size = 65537) {
    names p({.table_size = table_size});
    p.assign(nodes);
    return p;
}

double moved(names const& a, names const& b) {
    std::size_t n = 0;
    for (std::uint32_t slot = 0; slot < a.table_size(); ++slot) n += a.node(a.entry(slot)) != b.node(b.entry(slot));
    return static_cast<double>(n) / a.table_size();
}

}  // namespace

TEST_CASE("maglev: the paper's table", "[routing][maglev][unit]") {
    using hand = sluice::maglev<int, sluice::xxh3, by_hand>;
    hand paper({.table_size = 7}, {}, {{{0, {3, 4}}, {1, {0, 2}}, {2, {3, 1}}}});
    for (int const node : {0, 1, 2}) paper.add(node);
    REQUIRE(table(paper) == std::vector<node_index>{1, 0, 1, 0, 2, 2, 0});
    paper.remove(1);
    REQUIRE(table(paper) == std::vector<node_index>{0, 0, 0, 0, 2, 2, 2});
    hand other({.table_size = 7}, {}, {{{0, {2, 4}}, {1, {0, 5}}, {2, {1, 2}}}});
    for (int const node : {2, 1, 0}) other.add(node);  // indices 2, 1, 0
    REQUIRE(table(other) == std::vector<node_index>{1, 0, 2, 0, 2, 1, 2});
}

TEST_CASE("maglev: the tables of Envoy", "[routing][maglev][unit]") {
    std::vector<std::string> hosts, ports;
    for (int port = 90; port < 96; ++port) {
        hosts.push_back("127.0.0.1:" + std::to_string(port));
        ports.push_back(std::to_string(port));
    }
    REQUIRE(table(of(hosts, 7)) == std::vector<node_index>{2, 4, 0, 1, 5, 0, 3});
    REQUIRE(table(of(ports, 7)) == std::vector<node_index>{2, 5, 0, 3, 4, 1, 0});
    REQUIRE(table(of(hosts, 13)) == std::vector<node_index>{2, 1, 3, 0, 0, 5, 4, 1, 4, 2, 3, 5, 0});
    names weighted({.table_size = 17});
    weighted.add(hosts[0], 1);
    weighted.add(hosts[1], 2);
    std::vector<node_index> const expected = {1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1};
    REQUIRE(table(weighted) == expected);
    for (double const scale : {1e-300, 0.1, 1.0 / 3, 1e300}) {  // only the ratio counts
        weighted.assign(std::vector{hosts[0], hosts[1]}, std::vector{scale, 2 * scale});
        REQUIRE(table(weighted) == expected);
    }
}

TEST_CASE("maglev: turns by weight are exact for whole numbers", "[routing][maglev][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 60; ++round) {
        std::uint32_t const      m = round % 2 == 0 ? 101 : 509;
        std::vector<std::string> nodes;
        std::vector<double>      weights;
        std::vector<unsigned>    whole;
        for (int i = 0; i < 8; ++i) {
            nodes.push_back(test::node_name(i));
            whole.push_back(1 + static_cast<unsigned>(sluice::uniform_below(rng, 12)));
            weights.push_back(whole.back() * 0.75);
        }
        names p({.table_size = m});
        p.assign(nodes, weights);

        // In round r node i has had at most r * weight / largest turns before it takes one.
        unsigned const          largest = *std::max_element(whole.begin(), whole.end());
        std::vector<unsigned>   had(8, 0), seen(8, 0);
        std::vector<node_index> expected(m, UINT32_MAX);
        std::uint32_t           filled = 0;
        for (unsigned r = 1; filled < m; ++r)
            for (std::size_t i = 0; i < 8 && filled < m; ++i) {
                if (r * whole[i] < had[i] * largest) continue;
                ++had[i];
                auto const    turns = sluice::maglev_permutation()(nodes[i], m);
                std::uint32_t slot = 0;
                do slot = (turns.offset + turns.skip * seen[i]++) % m;
                while (expected[slot] != UINT32_MAX);
                expected[slot] = static_cast<node_index>(i);
                ++filled;
            }
        REQUIRE(table(p) == expected);
    }
}

TEST_CASE("maglev: whole tables of 65537 slots", "[routing][maglev][unit]") {
    auto const digest = [](names const& p) {
        std::vector<std::byte> bytes;
        for (auto const i : table(p)) {
            bytes.push_back(static_cast<std::byte>(i & 0xFFu));
            bytes.push_back(static_cast<std::byte>(i >> 8));
        }
        return sluice::xxhash64()(std::span<std::byte const>(bytes));
    };
    REQUIRE(digest(of(numbered(3))) == 0x623D5776EB825FD4u);
    REQUIRE(digest(of(numbered(10))) == 0x6DB43B4D1EB563D3u);
    REQUIRE(digest(of(numbered(100))) == 0x71F5267BBCFC19C0u);
    REQUIRE(digest(of(numbered(1000))) == 0x300812ECA07BB46Du);
}

TEST_CASE("maglev: is a placement", "[routing][maglev][law]") {
    // Between old nodes: as many as n = 20 needs in this table, with room; the disruption itself is measured below.
    test::placement_laws([] { return names({.table_size = 16411}); }, {.moved_between_old = 0.03});
}

TEST_CASE("maglev: slots are equal within one", "[routing][maglev][law]") {
    for (auto const& [n, least] : std::vector<std::pair<int, std::size_t>>{{1, 65537}, {10, 6553}, {100, 655}, {1000, 65}}) {
        auto const count = slots(of(numbered(n)));
        for (auto const c : count) REQUIRE((c == least || c == least + 1));
    }
    auto const full = slots(of(numbered(101), 101));
    for (auto const c : full) REQUIRE(c == 1);
}

TEST_CASE("maglev: slots follow the weights", "[routing][maglev][law]") {
    names p;
    for (int i = 0; i < 4; ++i) p.add(test::node_name(i), 1 + i);
    REQUIRE(slots(p) == std::vector<std::size_t>{6554, 13108, 19661, 26214});
    p.set_weight("node-0", 1e-200);  // at least one slot
    REQUIRE(slots(p)[0] == 1);
    p.set_weight("node-0", 0.5);
    REQUIRE(std::abs(static_cast<double>(slots(p)[0]) - 65537 * 0.5 / 9.5) < 2);
    REQUIRE(p.weight("node-0") == 0.5);
}

TEST_CASE("maglev: how much a removal and an addition move", "[routing][maglev][law]") {
    struct row {
        int    nodes;
        double share;  // of the slots, as measured elsewhere; removals differ, so the band is one of a quarter
    };
    for (auto const& r : {row{10, 0.1024}, {100, 0.0157}, {1000, 0.0066}}) {
        auto const all = of(numbered(r.nodes));
        double     sum = 0;
        for (int const gone : {r.nodes / 2, r.nodes / 3, r.nodes - 1}) {
            auto without = all;
            without.remove(test::node_name(gone));
            REQUIRE(moved(all, without) >= static_cast<double>(slots(all)[static_cast<std::size_t>(gone)]) / 65537);
            sum += moved(all, without);
        }
        REQUIRE(std::abs(sum / 3 / r.share - 1) < 0.25);
    }
    auto const few = of(numbered(100), 655373), many = of(numbered(100));
    auto few_without = few, many_without = many;
    few_without.remove("node-50");
    many_without.remove("node-50");
    REQUIRE(moved(few, few_without) < moved(many, many_without));  // a larger table moves less
}

TEST_CASE("maglev: a key's slot is its high bits", "[routing][maglev][unit]") {
    auto const p = of(numbered(50), 101);
    for (auto const key : test::keys(1000, test::seed()))
        REQUIRE(*p.locate(hashed_key(key)) == p.entry(static_cast<std::uint32_t>((key >> 32) * 101 >> 32)));
    REQUIRE(*p.locate(hashed_key(0)) == p.entry(0));
    REQUIRE(*p.locate(hashed_key(UINT64_MAX)) == p.entry(100));
}

TEST_CASE("maglev: indices beyond 16 bits", "[routing][maglev][unit]") {
    std::vector<int> many;
    for (int i = 0; i < 65'537; ++i) many.push_back(i);
    sluice::maglev<int> p({.table_size = 65539});
    p.assign(many);
    REQUIRE(p.index_bound() == 65537);
    std::size_t const high = slots(p)[65536];
    REQUIRE(high >= 1);
    for (auto const key : test::keys(1000, test::seed())) REQUIRE(p.node(*p.locate(hashed_key(key))) == *p.pick(hashed_key(key)));
    p.remove(65'536);  // now 16 bits do
    REQUIRE(p.index_bound() == 65536);
    REQUIRE(slots(p)[65535] >= 1);
}

TEST_CASE("maglev: impossible tables, nodes and weights are refused", "[routing][maglev][unit]") {
    for (std::uint32_t const size : {0u, 1u, 4u, 9u, 65536u, 65535u, 65539u * 65521u})
        REQUIRE_THROWS_WITH(names({.table_size = size}),
                            "sluice: maglev: table_size (a prime number) is " + std::to_string(size));
    for (std::uint32_t const size : {2u, 3u, 5u, 65537u, 655373u, 5000011u, 4294967291u})
        REQUIRE(names({.table_size = size}).table_size() == size);

    names p({.table_size = 3});
    for (auto const* name : {"a", "b", "c"}) p.add(name);
    REQUIRE_THROWS_WITH(p.add("d"), "sluice: maglev: nodes (<= table_size) is 4");
    REQUIRE_THROWS_WITH(p.add("b"), "sluice: maglev: node (not a member yet) is \"b\"");
    REQUIRE_THROWS_WITH(p.remove("d"), "sluice: maglev: node (a member) is \"d\"");
    REQUIRE_THROWS_AS(p.set_weight("d", 1), std::invalid_argument);
    p.remove("c");
    double const inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
    for (double const w : {0.0, -1.0, nan, inf}) {
        REQUIRE_THROWS_AS(p.add("c", w), std::invalid_argument);
        REQUIRE_THROWS_AS(p.set_weight("a", w), std::invalid_argument);
    }
    REQUIRE_THROWS_AS(p.assign(std::vector<std::string>{"x", "x"}), std::invalid_argument);
    REQUIRE_THROWS_WITH(p.assign(std::vector<std::string>{"x", "y"}, std::vector<double>{1}),
                        "sluice: maglev: weights (as many as nodes) is 1");
    REQUIRE(p.size() == 2);
    REQUIRE(p.contains("a"));
    REQUIRE(p.weight("a") == 1);
    p.assign({});
    REQUIRE(p.size() == 0);
    REQUIRE_FALSE(p.pick("k").has_value());
    names two({.table_size = 2});
    two.add("a");
    two.add("b");
    REQUIRE(slots(two) == std::vector<std::size_t>{1, 1});
}
