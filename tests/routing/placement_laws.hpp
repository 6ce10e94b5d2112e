// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::placement_laws — what any placement promises, whatever it is made of.
///
/// A subject is a type with: using placement_type; static placement_type make(std::vector<std::string> const& nodes);
/// static void add(placement_type&, std::string); static void remove(placement_type&, std::string). Keys are hashed already.

#include <sluice/routing/placement.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace test::placement_laws {

inline std::vector<std::string> names(std::size_t n, std::string const& prefix = "node-") {
    std::vector<std::string> result;
    for (std::size_t i = 0; i < n; ++i) result.push_back(prefix + std::to_string(i));
    return result;
}

template <sluice::placement P>
std::vector<std::string> owners(P const& p, std::vector<std::uint64_t> const& keys) {
    std::vector<std::string> result;
    result.reserve(keys.size());
    for (auto const key : keys) result.emplace_back(*p.pick(sluice::hashed_key(key)));
    return result;
}

template <class Subject>
void empty_has_no_owner() {
    auto p = Subject::make({});
    REQUIRE(p.size() == 0);
    REQUIRE_FALSE(p.locate(sluice::hashed_key(0)));
    REQUIRE_FALSE(p.pick(sluice::hashed_key(UINT64_MAX)));
    REQUIRE(sluice::walk(p, sluice::hashed_key(1), [](sluice::node_index) { return false; }));
    Subject::add(p, "a");
    for (std::uint64_t const key : {std::uint64_t{0}, std::uint64_t{1} << 63, UINT64_MAX})
        REQUIRE(*p.pick(sluice::hashed_key(key)) == "a");
    Subject::remove(p, "a");
    REQUIRE_FALSE(p.locate(sluice::hashed_key(0)));
}

/// The set decides, not the way to it.
template <class Subject>
void order_of_adding_does_not_matter(std::size_t n) {
    auto const keys = test::keys(2000, test::seed());
    auto       nodes = names(n);
    auto const expected = owners(Subject::make(nodes), keys);
    std::reverse(nodes.begin(), nodes.end());
    REQUIRE(owners(Subject::make(nodes), keys) == expected);
    std::rotate(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(n / 3), nodes.end());
    auto one_by_one = Subject::make({});
    Subject::add(one_by_one, "guest");
    for (auto const& node : nodes) Subject::add(one_by_one, node);
    Subject::remove(one_by_one, "guest");
    Subject::remove(one_by_one, nodes[0]);
    Subject::add(one_by_one, nodes[0]);
    REQUIRE(owners(one_by_one, keys) == expected);
}

/// One more node takes keys for itself and moves none between others; about 1 / (n + 1) of them, within the factor given.
/// Removing it restores all.
template <class Subject>
void a_change_moves_only_its_own(std::size_t n, double at_most = 2) {
    auto const keys = test::keys(20'000, test::seed());
    auto       p = Subject::make(names(n));
    auto const before = owners(p, keys);
    Subject::add(p, "new");
    auto const  after = owners(p, keys);
    std::size_t moved = 0, between_others = 0;
    for (std::size_t k = 0; k < keys.size(); ++k)
        if (before[k] != after[k]) {
            ++moved;
            between_others += after[k] != "new" ? 1u : 0u;
        }
    REQUIRE(between_others == 0);
    double const share = static_cast<double>(moved) / static_cast<double>(keys.size());
    REQUIRE(share < at_most / static_cast<double>(n + 1));
    REQUIRE(share > 1 / at_most / static_cast<double>(n + 1));
    Subject::remove(p, "new");
    REQUIRE(owners(p, keys) == before);
    if (n == 1) return;
    Subject::remove(p, "node-0");
    auto const without = owners(p, keys);
    for (std::size_t k = 0; k < keys.size(); ++k)
        if (before[k] != "node-0" && before[k] != without[k]) FAIL("a key of a node that stays has moved");
    REQUIRE(std::find(without.begin(), without.end(), "node-0") == without.end());
}

/// A node has its index while it is there.
template <class Subject>
void indices_are_stable() {
    auto                                      p = Subject::make(names(10));
    std::map<std::string, sluice::node_index> index;
    for (sluice::node_index i = 0; i < p.index_bound(); ++i)
        if (p.contains_index(i)) index[p.node(i)] = i;
    REQUIRE(index.size() == 10);
    auto const unchanged = [&](std::string const& but) {
        for (auto const& [name, i] : index)
            if (name != but && (!p.contains_index(i) || p.node(i) != name)) return false;
        return true;
    };
    for (auto const* const gone : {"node-3", "node-9", "node-0"}) {
        Subject::remove(p, gone);
        REQUIRE_FALSE(p.contains_index(index[gone]));
        REQUIRE(unchanged(gone));
        Subject::add(p, "other");
        REQUIRE(unchanged(gone));
        Subject::remove(p, "other");
        Subject::add(p, gone);
        REQUIRE(unchanged(gone));
        for (sluice::node_index i = 0; i < p.index_bound(); ++i)
            if (p.contains_index(i) && p.node(i) == gone) index[gone] = i;
    }
    REQUIRE_FALSE(p.contains_index(static_cast<sluice::node_index>(p.index_bound())));
}

/// The walk begins with the owner, knows every node, and does not visit what is not there.
template <class Subject>
void a_walk_is_complete(std::size_t n) {
    auto p = Subject::make(names(n));
    Subject::remove(p, "node-1");
    for (auto const key : test::keys(20, test::seed())) {
        std::vector<bool> seen(p.index_bound());
        bool              first = true;
        REQUIRE(sluice::walk(p, sluice::hashed_key(key), [&](sluice::node_index i) {
            if (first && i != *p.locate(sluice::hashed_key(key))) return false;
            first = false;
            seen.at(i) = true;
            return p.contains_index(i);
        }));
        REQUIRE(static_cast<std::size_t>(std::count(seen.begin(), seen.end(), true)) == n - 1);
    }
}

}  // namespace test::placement_laws
