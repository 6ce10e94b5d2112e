// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/placement.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

using sluice::hashed_key;
using sluice::node_index;

namespace {

/// Takes every key to the first node that is there, and says nothing about an order.
struct stubborn {
    using node_type = std::string;
    std::vector<std::string> names;  // an empty name is a free index

    std::size_t size() const noexcept {
        return static_cast<std::size_t>(std::count_if(names.begin(), names.end(), [](auto& n) { return !n.empty(); }));
    }
    std::size_t index_bound() const noexcept { return names.size(); }
    bool        contains_index(node_index i) const noexcept { return i < names.size() && !names[i].empty(); }
    std::optional<node_index> locate(hashed_key) const noexcept {
        for (node_index i = 0; i < names.size(); ++i)
            if (!names[i].empty()) return i;
        return std::nullopt;
    }
    std::string                node(node_index i) const { return names[i]; }
    std::optional<std::string> pick(hashed_key key) const {
        auto const i = locate(key);
        return i ? std::optional(names[*i]) : std::nullopt;
    }
};
static_assert(sluice::placement<stubborn> && !sluice::ordered_placement<stubborn>);

}  // namespace

TEST_CASE("placement: the generic walk leaves no node out and ends", "[routing][placement][unit]") {
    stubborn const p{{"", "a", "b", "", "c"}};
    for (std::uint64_t key = 0; key < 50; ++key) {
        std::set<node_index> seen;
        std::size_t          visits = 0;
        REQUIRE(sluice::walk(p, hashed_key(sluice::mix64(key)), [&](node_index i) {
            seen.insert(i);
            ++visits;
            return true;
        }));
        REQUIRE(seen == std::set<node_index>{1, 2, 4});
        REQUIRE(visits == 4 * 3 + 32 + 3);
    }
}

TEST_CASE("placement: a walk begins with locate and stops when told", "[routing][placement][unit]") {
    stubborn const          p{{"a", "b"}};
    std::vector<node_index> seen;
    REQUIRE_FALSE(sluice::walk(p, hashed_key(9), [&](node_index i) {
        seen.push_back(i);
        return false;
    }));
    REQUIRE(seen == std::vector<node_index>{0});
    REQUIRE(sluice::walk(stubborn{}, hashed_key(9), [](node_index) { return false; }));
}

TEST_CASE("placement: other hashes of a key differ", "[routing][placement][unit]") {
    hashed_key const key(12345);
    REQUIRE(sluice::rehashed(key, 0) == key);
    std::set<std::uint64_t> seen;
    for (std::uint64_t k = 0; k < 1000; ++k) seen.insert(sluice::rehashed(key, k).value);
    REQUIRE(seen.size() == 1000);
}
