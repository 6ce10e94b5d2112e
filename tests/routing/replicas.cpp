// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/anchor_hash.hpp>
#include <sluice/routing/bounded_load.hpp>
#include <sluice/routing/dx_hash.hpp>
#include <sluice/routing/jump_hash.hpp>
#include <sluice/routing/maglev.hpp>
#include <sluice/routing/memento_hash.hpp>
#include <sluice/routing/multi_probe_hash.hpp>
#include <sluice/routing/named_buckets.hpp>
#include <sluice/routing/rendezvous_hash.hpp>
#include <sluice/routing/replicas.hpp>
#include <sluice/routing/ring_hash.hpp>
#include <sluice/routing/virtual_shards.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using sluice::hashed_key;
using sluice::node_index;

namespace {

/// Knows only an owner: every second node, so that a walk has to look for the others at its end.
struct no_order {
    using node_type = int;
    node_index n = 0;

    std::size_t               size() const noexcept { return n; }
    std::size_t               index_bound() const noexcept { return n; }
    bool                      contains_index(node_index i) const noexcept { return i < n; }
    std::optional<node_index> locate(hashed_key k) const noexcept {
        if (n == 0) return std::nullopt;
        return static_cast<node_index>(k.value % ((n + 1) / 2) * 2);
    }
    int                node(node_index i) const { return static_cast<int>(i) * 10; }
    std::optional<int> pick(hashed_key k) const {
        auto const i = locate(k);
        return i ? std::optional(node(*i)) : std::nullopt;
    }
};
static_assert(sluice::placement<no_order> && !sluice::ordered_placement<no_order>);

sluice::ring_hash<> ring_of(std::size_t n) {
    sluice::ring_hash<>      r({.virtual_nodes = 20});
    std::vector<std::string> nodes;
    for (std::size_t i = 0; i < n; ++i) nodes.push_back("n" + std::to_string(i));
    r.add(nodes);
    return r;
}

}  // namespace

TEST_CASE("replicas: the different nodes of the points behind the key", "[routing][replicas][unit]") {
    auto const r = ring_of(9);
    auto const all = r.sorted_points();
    for (auto const key : test::keys(200, test::seed())) {
        auto i = std::lower_bound(all.begin(), all.end(), key, [](auto const& p, std::uint64_t k) { return p.point < k; });
        std::vector<std::string> expected;
        for (std::size_t n = 0; n < all.size(); ++n, ++i) {
            if (i == all.end()) i = all.begin();
            if (std::find(expected.begin(), expected.end(), r.node(i->node)) == expected.end()) expected.push_back(r.node(i->node));
        }
        REQUIRE(expected.size() == 9);
        for (std::size_t const n : {0u, 1u, 3u, 9u, 12u}) {
            auto const some = std::vector(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(n, 9)));
            REQUIRE(r.pick_n(hashed_key(key), n) == some);
            std::vector<node_index> indices(n);
            REQUIRE(r.locate_n(hashed_key(key), indices) == some.size());
            for (std::size_t k = 0; k < some.size(); ++k) REQUIRE(r.node(indices[k]) == some[k]);
        }
        std::vector<node_index> tried;
        for (auto const& name : expected) {
            REQUIRE(*r.pick_excluding(hashed_key(key), tried) == name);
            REQUIRE(*sluice::pick_excluding(r, hashed_key(key), [&](node_index n) {
                return std::find(tried.begin(), tried.end(), n) != tried.end();
            }) == name);
            tried.push_back(*r.index_of(name));
        }
        REQUIRE_FALSE(r.pick_excluding(hashed_key(key), tried));
    }
}

TEST_CASE("replicas: a change of another node alters at most one", "[routing][replicas][law]") {
    auto r = ring_of(12);
    for (auto const key : test::keys(300, test::seed())) {
        auto const before = r.pick_n(hashed_key(key), 4);
        for (std::size_t n = 0; n < 12; ++n) {
            std::string const gone = "n" + std::to_string(n);
            bool const        is_one = std::find(before.begin(), before.end(), gone) != before.end();
            auto const        skipping = [&](node_index i) { return r.node(i) == gone; };
            auto              expected = before;
            if (is_one) {  // the others keep their order, and a new last one comes
                expected.erase(std::find(expected.begin(), expected.end(), gone));
                auto const more = r.pick_n(hashed_key(key), 5);
                expected.push_back(more.back());
            }
            REQUIRE(*sluice::pick_excluding(r, hashed_key(key), skipping) == expected.front());
            if (n % 4 != key % 4) continue;  // the change itself, for some
            r.remove(gone);
            REQUIRE(r.pick_n(hashed_key(key), 4) == expected);
            r.add(gone);
            REQUIRE(r.pick_n(hashed_key(key), 4) == before);
        }
    }
}

TEST_CASE("replicas: a placement without an order gives each node once, too", "[routing][replicas][unit]") {
    no_order const p{7};
    for (auto const key : test::keys(50, test::seed())) {
        auto some = sluice::pick_n(p, hashed_key(key), 7);
        REQUIRE(some.front() == *p.pick(hashed_key(key)));
        std::sort(some.begin(), some.end());
        REQUIRE(some == std::vector{0, 10, 20, 30, 40, 50, 60});
        std::vector<node_index> const even{0, 2, 4, 6};
        REQUIRE(*sluice::locate_excluding(p, hashed_key(key), even) % 2 == 1);
    }
    REQUIRE(sluice::pick_n(no_order{}, hashed_key(1), 3).empty());
    REQUIRE_FALSE(sluice::locate_excluding(no_order{}, hashed_key(1), std::vector<node_index>()));
}

namespace {

template <sluice::placement P>
void takes_keys_as_they_are(P const& p) {
    auto const same = [&](auto const& key) {
        hashed_key const                 hash = p.key(key);
        std::vector<node_index>          out(2), expected(2);
        std::vector<node_index> const    none;
        REQUIRE(p.pick(key) == p.pick(hash));
        REQUIRE(sluice::pick_n(p, key, 2) == sluice::pick_n(p, hash, 2));
        REQUIRE(sluice::locate_n(p, key, out) == sluice::locate_n(p, hash, expected));
        REQUIRE(out == expected);
        REQUIRE(sluice::locate_excluding(p, key, out) == sluice::locate_excluding(p, hash, expected));
        REQUIRE(sluice::pick_excluding(p, key, none) == p.pick(key));
        sluice::bounded_load<P> bounded(p);
        REQUIRE(bounded.acquire(key).index() == *p.locate(hash));
    };
    same("text");
    same(std::string("another"));
    same(42);
    same(std::vector<unsigned char>{1, 2, 3});
    REQUIRE(p.key(hashed_key(7)) == hashed_key(7));
    REQUIRE(p.key("text") != p.key(42));
}

template <sluice::placement P>
void is_empty_when_moved_from(P p) {
    auto const key = hashed_key(12345);
    auto const size = p.size();
    auto const owner = p.pick(key);
    P          other = std::move(p);
    auto const empty = [&] {
        return p.size() == 0 && !p.locate(key) && !p.pick("k") && sluice::pick_n(p, key, 3).empty() &&
               sluice::walk(p, key, [](node_index) { return false; });
    };
    REQUIRE(empty());
    REQUIRE((other.size() == size && other.pick(key) == owner));
    P copy = p;
    p = std::move(other);
    REQUIRE((p.size() == size && p.pick(key) == owner));
    p = std::move(copy);
    REQUIRE(empty());
    if constexpr (requires { p.add("z"); p.weight("z"); }) {
        p.add("z");
        REQUIRE(*p.pick(key) == "z");
    }
}

template <class Visit>
void each_placement(Visit visit) {
    sluice::rendezvous_hash<std::string>                       rendezvous;
    sluice::maglev<std::string>                                maglev({.table_size = 101});
    sluice::multi_probe_hash<std::string>                      probes;
    sluice::virtual_shards<>                                   shards;
    sluice::named_buckets<sluice::jump_hash<>, std::string>    jump;
    sluice::named_buckets<sluice::memento_hash<>, std::string> memento;
    sluice::named_buckets<sluice::dx_hash<>, std::string>      dx;
    sluice::named_buckets<sluice::anchor_hash<>, std::string>  anchor(sluice::anchor_hash<>({.capacity = 9}));
    for (auto const* name : {"a", "b", "c", "d"}) {
        rendezvous.add(name), maglev.add(name), probes.add(name), shards.add(name);
        jump.add(name), memento.add(name), dx.add(name), anchor.add(name);
    }
    visit(ring_of(5)), visit(rendezvous), visit(maglev), visit(probes), visit(shards);
    visit(jump), visit(memento), visit(dx), visit(anchor);
    visit(memento.buckets()), visit(dx.buckets()), visit(anchor.buckets());
}

}  // namespace

TEST_CASE("replicas: every placement takes the same keys", "[routing][replicas][law]") {
    each_placement([](auto const& p) { takes_keys_as_they_are(p); });
    sluice::rendezvous_hash<std::string> rendezvous;
    for (auto const* name : {"a", "b", "c", "d"}) rendezvous.add(name);
    for (std::size_t const n : {0u, 1u, 3u, 9u}) REQUIRE(rendezvous.pick_n("k", n) == sluice::pick_n(rendezvous, "k", n));
    std::vector<node_index> out(3), expected(3);
    REQUIRE(rendezvous.locate_n("k", out) == rendezvous.locate_n(rendezvous.key("k"), expected));
    REQUIRE(out == expected);
    REQUIRE(sluice::rendezvous_hash<int>().pick_n("k", 3).empty());
}

TEST_CASE("replicas: a placement that was moved from is empty, and good for use", "[routing][replicas][law]") {
    each_placement([](auto const& p) { is_empty_when_moved_from(p); });
    auto ring = ring_of(3);
    auto other = std::move(ring);
    ring.add("z");
    ring.add({"a", "b"});
    REQUIRE(ring.size() == 3);
    ring.remove("z");
    REQUIRE(ring.pick("k") != std::nullopt);
    sluice::memento_hash<> memento(5);
    memento.remove(2);
    auto const more = std::move(memento);
    REQUIRE((memento.add() == 0 && memento.add() == 1 && more.size() == 4));
    sluice::dx_hash<> dx(70);
    auto const        rest = std::move(dx);
    REQUIRE((dx.add() == 0 && dx.add() == 1 && dx.size() == 2 && rest.size() == 70));
    sluice::anchor_hash<> anchor({.capacity = 5, .working = 3});
    auto const            taken = std::move(anchor);
    REQUIRE((anchor.size() == 0 && anchor.capacity() == 0 && !anchor.contains_index(0) && taken.size() == 3));
    REQUIRE_THROWS_AS(anchor.add(), std::length_error);
    sluice::virtual_shards<> shards;
    auto const               table = std::move(shards);
    REQUIRE_THROWS_AS(shards.add("a"), std::invalid_argument);
    REQUIRE(table.shard_count() == 1000);
}
