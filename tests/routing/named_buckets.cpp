// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/named_buckets.hpp>

#include "routing/bucket_laws.hpp"

#include <sluice/routing/anchor_hash.hpp>
#include <sluice/routing/dx_hash.hpp>
#include <sluice/routing/jump_hash.hpp>
#include <sluice/routing/memento_hash.hpp>

#include <string>

using sluice::hashed_key;
using sluice::named_buckets;

static_assert(sluice::bucket_placement<sluice::jump_hash<>> && sluice::bucket_placement<sluice::anchor_hash<>>);
static_assert(sluice::bucket_placement<sluice::memento_hash<>> && sluice::bucket_placement<sluice::dx_hash<>>);
static_assert(!sluice::bucket_placement<named_buckets<sluice::jump_hash<>, std::string>>);

TEST_CASE("named_buckets: is a placement over each algorithm", "[routing][named_buckets][law]") {
    SECTION("jump_hash") {
        test::placement_laws([] { return named_buckets<sluice::jump_hash<>, std::string>(); }, {.only_last = true});
    }
    SECTION("anchor_hash") {
        using anchored = named_buckets<sluice::anchor_hash<>, std::string>;
        test::placement_laws([] { return anchored(sluice::anchor_hash({.capacity = 60})); }, {.order_is_state = true});
    }
    SECTION("memento_hash") {
        test::placement_laws([] { return named_buckets<sluice::memento_hash<>, std::string>(); }, {.order_is_state = true});
    }
    SECTION("dx_hash") {
        test::placement_laws([] { return named_buckets<sluice::dx_hash<>, std::string>(); },
                             {.order_is_state = true, .undoes = false});
    }
}

TEST_CASE("named_buckets: a name follows its bucket", "[routing][named_buckets][unit]") {
    named_buckets<sluice::memento_hash<>, std::string> nodes;
    for (auto const* name : {"c", "a", "b"}) nodes.add(name);
    REQUIRE(nodes.node(0) == "c");
    REQUIRE(nodes.buckets().state() == sluice::memento_hash_state{3, {}});
    nodes.remove("a");
    REQUIRE(nodes.buckets().state() == sluice::memento_hash_state{3, {1}});
    for (int key = 0; key < 100; ++key) REQUIRE(nodes.pick(key) != std::string("a"));
    nodes.add("z");
    REQUIRE(nodes.node(1) == "z");
    REQUIRE(nodes.pick("k") == nodes.node(*nodes.locate(hashed_key(sluice::xxh3()("k")))));
    REQUIRE(nodes.contains("z"));
    REQUIRE_FALSE(nodes.contains("a"));
}

TEST_CASE("named_buckets: impossible changes are refused and have no effect", "[routing][named_buckets][unit]") {
    named_buckets<sluice::jump_hash<>, std::string> list;
    list.add("a");
    list.add("b");
    REQUIRE_THROWS_WITH(list.remove("a"), "sluice: jump_hash: bucket to remove (only the last can go, which is 1) is 0");
    REQUIRE_THROWS_WITH(list.remove("c"), "sluice: named_buckets: node (a member) is \"c\"");
    REQUIRE_THROWS_WITH(list.add("b"), "sluice: named_buckets: node (not a member yet) is \"b\"");
    REQUIRE(list.size() == 2);
    REQUIRE(list.contains("a"));

    named_buckets<sluice::anchor_hash<>, int> full(sluice::anchor_hash({.capacity = 1}));
    full.add(7);
    REQUIRE_THROWS_AS(full.add(8), std::length_error);
    REQUIRE(full.size() == 1);
    REQUIRE(full.pick("any") == 7);

    using named = named_buckets<sluice::dx_hash<>, int>;
    REQUIRE_THROWS_WITH(named(sluice::dx_hash(3)), "sluice: named_buckets: buckets that work already (0) is 3");
}
