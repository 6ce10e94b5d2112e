// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/random.hpp>
#include <sluice/routing/ring_hash.hpp>
#include <sluice/routing/spread_constraint.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

using sluice::hashed_key;
using sluice::node_index;
using ring = sluice::ring_hash<int>;

namespace {

/// Node n is in zone n / 100, rack n / 10.
ring ring_of(std::vector<int> const& nodes) {
    ring r({.virtual_nodes = 20});
    r.add(nodes);
    return r;
}
auto apart(ring const& r) {
    return sluice::spread_constraint([&r](node_index i) { return r.node(i) / 100; }, [&r](node_index i) { return r.node(i) / 10; });
}
std::vector<int> grid(int zones, int racks, int nodes) {
    std::vector<int> all;
    for (int z = 0; z < zones; ++z)
        for (int k = 0; k < racks; ++k)
            for (int n = 0; n < nodes; ++n) all.push_back(100 * z + 10 * k + n);
    return all;
}

/// The rule, by whole passes over the order of the key.
std::vector<int> naive(ring const& r, hashed_key key, std::size_t n) {
    auto const       order = r.pick_n(key, r.size());
    std::vector<int> taken;
    for (int const size : {100, 10, 1})
        for (int const node : order)
            if (taken.size() < n && std::none_of(taken.begin(), taken.end(), [&](int t) { return t / size == node / size; }))
                taken.push_back(node);
    return taken;
}

}  // namespace

TEST_CASE("spread_constraint: zones, then racks, then nodes; and it says so", "[routing][spread_constraint][unit]") {
    struct row { int zones, racks, nodes; std::size_t wanted, found, relaxed; std::vector<std::size_t> at; };
    for (auto const& [zones, racks, nodes, wanted, found, relaxed, at] :
         {row{3, 2, 3, 3, 3, 0, {3, 0, 0}}, row{3, 2, 3, 4, 4, 1, {3, 1, 0}}, row{3, 2, 3, 6, 6, 1, {3, 3, 0}},
          row{3, 2, 3, 7, 7, 2, {3, 3, 1}}, row{1, 1, 5, 3, 3, 2, {1, 0, 2}}, row{5, 1, 1, 5, 5, 0, {5, 0, 0}},
          row{3, 1, 2, 9, 6, 2, {3, 0, 3}}, row{2, 2, 1, 0, 0, 0, {0, 0, 0}}}) {
        ring const r = ring_of(grid(zones, racks, nodes));
        for (auto const k : test::keys(40, test::seed())) {
            auto const set = sluice::pick_replicas(r, hashed_key(k), wanted, apart(r));
            CAPTURE(zones, racks, nodes, wanted);
            REQUIRE((set.found == found && set.nodes.size() == found && set.relaxed == relaxed));
            REQUIRE(std::equal(at.begin(), at.end(), set.found_at.begin()));
            REQUIRE(set.nodes == naive(r, hashed_key(k), wanted));
            if (wanted > 0) REQUIRE(set.nodes.front() == *r.pick(hashed_key(k)));
        }
    }
    REQUIRE(sluice::pick_replicas(ring(), hashed_key(1), 3, apart(ring())).found == 0);
}

TEST_CASE("spread_constraint: the rule holds in crooked clusters, and a change alters at most one", "[routing][spread_constraint][law]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 40; ++round) {
        std::set<int> members;
        for (std::uint64_t n = 3 + rng() % 20; n > 0; --n) members.insert(static_cast<int>(rng() % 2 * 100 + rng() % 3 * 10 + rng() % 8));
        ring r = ring_of({members.begin(), members.end()});
        for (int n = 0; n < 8; ++n) {
            hashed_key const  key(rng());
            auto const        wanted = static_cast<std::size_t>(1 + rng() % 6);
            auto const        before = sluice::pick_replicas(r, key, wanted, apart(r)).nodes;
            REQUIRE(before == naive(r, key, wanted));
            int const  other = *std::next(members.begin(), static_cast<std::ptrdiff_t>(rng() % members.size()));
            r.remove(other);
            auto const after = sluice::pick_replicas(r, key, wanted, apart(r)).nodes;
            r.add(other);
            std::size_t lost = 0, gained = 0;
            for (int const node : before) lost += std::find(after.begin(), after.end(), node) == after.end() ? 1u : 0u;
            for (int const node : after) gained += std::find(before.begin(), before.end(), node) == before.end() ? 1u : 0u;
            REQUIRE((lost <= 1 && gained <= 1));
            REQUIRE(sluice::pick_replicas(r, key, wanted, apart(r)).nodes == before);
        }
    }
}

TEST_CASE("spread_constraint: a lone node in a far zone is found; zones that do not exist are not looked for",
          "[routing][spread_constraint][unit]") {
    auto nodes = grid(1, 6, 10);
    nodes.push_back(100);
    ring const r = ring_of(nodes);
    std::size_t calls = 0;
    sluice::spread_constraint const zones([&](node_index i) { return ++calls, r.node(i) / 100; });
    for (auto const k : test::keys(30, test::seed())) {
        auto const set = sluice::pick_replicas(r, hashed_key(k), 2, zones);
        REQUIRE((set.relaxed == 0 && std::find(set.nodes.begin(), set.nodes.end(), 100) != set.nodes.end()));
    }
    ring const                      one = ring_of(grid(1, 6, 10));  // 1200 points
    sluice::spread_constraint const same([&](node_index) { return ++calls, 0; });
    calls = 0;
    auto const set = sluice::pick_replicas(one, hashed_key(5), 2, same);
    REQUIRE((set.found == 2 && set.relaxed == 1));
    REQUIRE(calls <= 2 * (32 + 60));
}

TEST_CASE("spread_constraint: needs no memory", "[routing][spread_constraint][unit]") {
    ring const                r = ring_of(grid(3, 2, 2));
    auto const                constraint = apart(r);
    node_index                out[5];
    test::scarce_memory const scarce(0);
    bool const                five = sluice::locate_replicas(r, hashed_key(9), out, constraint).found == 5;
    bool const                allocated = scarce.allocations() != 0;
    REQUIRE((five && !allocated));
}
