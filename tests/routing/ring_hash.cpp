// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/random.hpp>
#include <sluice/routing/ring_hash.hpp>

#include "placement_laws.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <iomanip>
#include <limits>
#include <map>
#include <stdexcept>
#include <sstream>
#include <string>
#include <vector>

using sluice::hashed_key;
using sluice::node_index;
using sluice::ring_hash;
namespace laws = test::placement_laws;

static_assert(sluice::placement<ring_hash<>> && sluice::ordered_placement<ring_hash<>>);
static_assert(sluice::ordered_placement<ring_hash<int, sluice::xxhash64>>);

namespace {

/// Only ten places on the ring: nearly all points are equal to others.
struct ten_points {
    struct stream {
        std::uint64_t seed;
        std::uint64_t operator()(std::uint32_t r) const noexcept { return sluice::mix64(seed + r) % 10 * (UINT64_MAX / 10); }
    };
    template <class Hash, class Node>
    stream points_of(Hash const& hash, Node const& node) const noexcept {
        return {hash(node)};
    }
};
/// All points in a narrow part of the ring.
struct clustered_points {
    struct stream {
        std::uint64_t seed;
        std::uint64_t operator()(std::uint32_t r) const noexcept { return (sluice::mix64(seed + r) & 0xFFFF'FFFFu) + (7ull << 60); }
    };
    template <class Hash, class Node>
    stream points_of(Hash const& hash, Node const& node) const noexcept {
        return {hash(node)};
    }
};

struct ring {
    using placement_type = ring_hash<>;
    static placement_type make(std::vector<std::string> const& nodes) {
        placement_type p;
        p.add(nodes);
        return p;
    }
    static void add(placement_type& p, std::string node) { p.add(std::move(node)); }
    static void remove(placement_type& p, std::string const& node) { p.remove(node); }
};
template <class Points>
struct odd_ring {
    using placement_type = ring_hash<std::string, sluice::xxh3, Points>;
    static placement_type make(std::vector<std::string> const& nodes) {
        placement_type p({.virtual_nodes = 20});
        p.add(nodes);
        return p;
    }
    static void add(placement_type& p, std::string node) { p.add(std::move(node)); }
    static void remove(placement_type& p, std::string const& node) { p.remove(node); }
};

/// The owner as a sorted vector and lower_bound find it, from points worked out here.
template <class Ring>
struct naive {
    struct point {
        std::uint64_t where;
        std::string   node;
        auto operator<=>(point const&) const = default;
    };
    std::vector<point> points;

    template <class Policy>
    naive(Policy policy, std::map<std::string, std::uint32_t> const& members) {
        for (auto const& [name, count] : members) {
            auto stream = policy.points_of(sluice::xxh3(), name);
            for (std::uint32_t r = 0; r < count; ++r) points.push_back({stream(r), name});
        }
        std::sort(points.begin(), points.end());
    }
    std::string const& owner(std::uint64_t key) const {
        auto const i = std::lower_bound(points.begin(), points.end(), key, [](point const& p, std::uint64_t k) { return p.where < k; });
        return i == points.end() ? points.front().node : i->node;
    }
};

template <class Points>
void random_changes(unsigned virtual_nodes, int steps) {
    ring_hash<std::string, sluice::xxh3, Points> r({.virtual_nodes = virtual_nodes});
    std::map<std::string, std::uint32_t>         members;
    sluice::xoshiro256ss                         rng(test::seed());
    auto const weight = [&] { return static_cast<double>(1 + rng() % 12) / 4; };  // exact
    for (int step = 0; step < steps; ++step) {
        std::string const name = "n" + std::to_string(rng() % 25);
        double const      w = weight();
        auto const        points = std::max(1u, static_cast<unsigned>(w * virtual_nodes));
        if (!members.contains(name)) {
            if (rng() % 4 == 0) {
                std::vector<typename decltype(r)::member> many{{name, w}, {name + "b", 1}};
                if (members.contains(name + "b")) many.pop_back();
                r.add(many);
                for (auto const& m : many) members[m.node] = m.node == name ? points : virtual_nodes;
            } else {
                r.add(name, w);
                members[name] = points;
            }
        } else if (rng() % 2 == 0) {
            r.remove(name);
            members.erase(name);
        } else {
            r.set_weight(name, w);
            members[name] = points;
            REQUIRE(r.weight(*r.index_of(name)) == w);
        }
        REQUIRE(r.size() == members.size());
        if (members.empty()) {
            REQUIRE_FALSE(r.pick(hashed_key(1)));
            sluice::node_index untouched = 7;
            REQUIRE_FALSE(r.locate_each(std::array{hashed_key(1)}, {&untouched, 1}));
            REQUIRE(untouched == 7);
            continue;
        }
        naive<decltype(r)> const        model(Points(), members);
        std::vector<hashed_key>         asked;
        REQUIRE(r.points() == model.points.size());
        for (int n = 0; n < 20; ++n) {
            auto const near = model.points[static_cast<std::size_t>(rng() % model.points.size())].where;
            for (std::uint64_t const key : {rng(), near, near + 1, near - 1}) {
                REQUIRE(*r.pick(hashed_key(key)) == model.owner(key));
                asked.emplace_back(key);
            }
        }
        asked.resize(asked.size() - static_cast<std::size_t>(rng() % asked.size()), hashed_key(0));
        std::vector<sluice::node_index> found(asked.size() + 1, UINT32_MAX);
        REQUIRE(r.locate_each(asked, found));
        for (std::size_t i = 0; i < asked.size(); ++i) REQUIRE(found[i] == *r.locate(asked[i]));
        REQUIRE(found.back() == UINT32_MAX);
    }
}

}  // namespace

TEST_CASE("ring_hash: keeps the laws of a placement", "[routing][ring_hash][law]") {
    laws::empty_has_no_owner<ring>();
    laws::order_of_adding_does_not_matter<ring>(40);
    laws::a_change_moves_only_its_own<ring>(1);
    laws::a_change_moves_only_its_own<ring>(10);
    laws::a_change_moves_only_its_own<ring>(30);
    laws::indices_are_stable<ring>();
    laws::a_walk_is_complete<ring>(20);
}

TEST_CASE("ring_hash: equal points and clusters change nothing about that", "[routing][ring_hash][law]") {
    laws::empty_has_no_owner<odd_ring<ten_points>>();
    laws::order_of_adding_does_not_matter<odd_ring<ten_points>>(20);
    laws::indices_are_stable<odd_ring<ten_points>>();
    laws::a_walk_is_complete<odd_ring<ten_points>>(20);
    laws::order_of_adding_does_not_matter<odd_ring<clustered_points>>(20);
    laws::a_walk_is_complete<odd_ring<clustered_points>>(20);
}

TEST_CASE("ring_hash: finds what lower_bound finds, under random changes", "[routing][ring_hash][property]") {
    random_changes<sluice::mixed_points>(40, 90);
    random_changes<ten_points>(8, 90);
    random_changes<clustered_points>(20, 90);
}

TEST_CASE("ring_hash: what has been published stays", "[routing][ring_hash][unit]") {
    // Whoever changes one of these moves the keys of every ring that is in use.
    auto const points = sluice::mixed_points().points_of(sluice::xxh3(), std::string("a"));  // XXH3: e6c632b61e964e1f
    CHECK(points(0) == 0xdbac1e875f4d0340u);
    CHECK(points(1) == 0x9e8d7fa925e84efau);
    CHECK(points(149) == 0xc4bb4b9ecc2a1cc5u);
    CHECK(sluice::mixed_points().points_of(sluice::xxh3(), 1)(0) == 0x62967168a4ad94bu);
    ring_hash<> r;
    r.add(laws::names(10));
    std::string owners;
    for (auto const* const key : {"apple", "banana", "cherry", "date", "elderberry", "fig", "grape", ""}) owners += r.pick(key)->back();
    CHECK(owners == "43970845");
    owners.clear();
    for (int key = 0; key < 16; ++key) owners += r.pick(key)->back();
    CHECK(owners == "5657810003763965");
}

TEST_CASE("ring_hash: the spread of shares is that of the theory", "[routing][ring_hash][law]") {
    // Each share is Beta(V, (n - 1) V): relative standard deviation sqrt((n - 1) / (n V + 1)). Measured over all nodes of
    // `rings` rings; that estimate has itself a standard deviation of 1 / sqrt(2 n rings), 3.5 % here, 5 % for V = 1 whose tail is
    // longer: bands of four or more.
    struct row { unsigned nodes, virtual_nodes; double expected, band; };
    for (auto const& [nodes, virtual_nodes, expected, band] :
         {row{100, 1, 0.990, 0.25}, row{100, 10, 0.315, 0.15}, row{100, 100, 0.0995, 0.15}, row{50, 150, 0.0808, 0.15}}) {
        double      sum = 0;
        unsigned    count = 0;
        unsigned const rings = 400 / nodes;
        for (unsigned ring = 0; ring < rings; ++ring) {
            ring_hash<> r({.virtual_nodes = virtual_nodes});
            r.add(laws::names(nodes, "r" + std::to_string(ring) + "-"));
            double total = 0;
            for (double const share : r.shares()) {
                double const relative = share * nodes - 1;
                sum += relative * relative;
                total += share;
                ++count;
            }
            REQUIRE(total == Approx(1).epsilon(1e-12));
        }
        CAPTURE(nodes, virtual_nodes);
        REQUIRE(std::sqrt(sum / count) == Approx(expected).epsilon(band));
        REQUIRE(expected == Approx(std::sqrt((nodes - 1.0) / (nodes * virtual_nodes + 1.0))).epsilon(0.01));
    }
}

TEST_CASE("ring_hash: shares are what keys see", "[routing][ring_hash][unit]") {
    ring_hash<> r;
    REQUIRE(r.shares().empty());
    r.add("a");
    REQUIRE(r.shares() == std::vector<double>{1});
    r.add("b", 2);
    r.add("c", 0.5);
    r.remove("a");
    auto const shares = r.shares();
    REQUIRE(shares[0] == 0);
    REQUIRE(shares[1] + shares[2] == Approx(1).epsilon(1e-15));
    int to_b = 0;
    for (auto const key : test::keys(20'000, 1)) to_b += *r.pick(hashed_key(key)) == "b" ? 1 : 0;
    REQUIRE(to_b / 20'000.0 == Approx(shares[1]).margin(0.0136));  // 4 standard deviations of at most 0.0034
    ring_hash<std::string, sluice::xxh3, ten_points> t({.virtual_nodes = 300});
    t.add("x"), t.add("y");
    REQUIRE(t.shares() == std::vector<double>{1, 0});  // at every place "x" stands first
}

TEST_CASE("ring_hash: three nodes and a fourth: a quarter moves; with modulo three quarters", "[routing][ring_hash][law]") {
    auto const  keys = test::keys(20'000, 7);
    ring_hash<> r;
    r.add(laws::names(3));
    auto const before = laws::owners(r, keys);
    auto const fourth = r.add("node-3");
    auto const after = laws::owners(r, keys);
    double     moved = 0, by_modulo = 0;
    for (std::size_t k = 0; k < keys.size(); ++k) {
        moved += before[k] != after[k] ? 1 : 0;
        by_modulo += keys[k] % 3 != keys[k] % 4 ? 1 : 0;
        REQUIRE((before[k] == after[k] || after[k] == "node-3"));
    }
    REQUIRE(moved / 20'000 == Approx(r.shares()[fourth]).margin(0.013));  // sampling, 4 standard deviations
    REQUIRE(moved / 20'000 == Approx(0.25).margin(0.071));  // 4 of sqrt(3 / (4 V + 1)) / 4, and the sampling
    REQUIRE(by_modulo / 20'000 == Approx(0.75).margin(0.013));
}

TEST_CASE("ring_hash: a weight is so many points, whatever others have", "[routing][ring_hash][unit]") {
    ring_hash<> r;
    struct row { double weight; unsigned points; };
    for (auto const& [weight, points] : {row{1, 150}, row{2, 300}, row{0.5, 75}, row{1.5, 225}, row{1e-9, 1}, row{1.0 / 151, 1},
                                         row{0.7, 105}, row{1.0 / 3, 50}, row{0.29, 43}, row{1.999, 299}, row{2.0 / 3, 100},
                                         row{5e-324, 1}, row{100.01, 15001}, row{0.99999, 149}}) {
        auto const i = r.add("n", weight);
        CAPTURE(weight);
        REQUIRE(r.point_count(i) == points);
        REQUIRE(r.points() == points);
        r.remove("n");
    }
    ring_hash<> large({.virtual_nodes = 100});
    REQUIRE(large.point_count(large.add("n", 0.29)) == 29);  // 28.999999999999996 in doubles
    r.add("a"), r.add("b"), r.add("c", 3);
    auto const keys = test::keys(5000, 3);
    auto const before = laws::owners(r, keys);
    for (double const weight : {2.0, 0.25, 1.0}) {
        auto const old = laws::owners(r, keys);
        bool const grows = weight > r.weight(*r.index_of("b"));
        r.set_weight("b", weight);
        auto const now = laws::owners(r, keys);
        for (std::size_t k = 0; k < keys.size(); ++k)
            if (old[k] != now[k]) REQUIRE((grows ? now[k] : old[k]) == "b");
    }
    REQUIRE(laws::owners(r, keys) == before);
    r.set_weight("b", 1);
    REQUIRE(laws::owners(r, keys) == before);
}

TEST_CASE("ring_hash: a list in braces is nodes, each one", "[routing][ring_hash][unit]") {
    ring_hash<> r;
    r.add({"a", "b"});  // not the text from the address of "a" to that of "b"
    r.add({"c"});
    REQUIRE(r.size() == 3);
    REQUIRE((r.contains("a") && r.contains("b") && r.contains("c")));
    REQUIRE_THROWS_AS(r.add({"d", "a"}), std::invalid_argument);
    REQUIRE_FALSE(r.contains("d"));
    ring_hash<int> numbers;
    numbers.add({1, 2, 3});
    numbers.add({{4, 0.5}, {5, 2.0}});
    REQUIRE(numbers.size() == 5);
    REQUIRE(numbers.points() == 150 * 3 + 75 + 300);
}

TEST_CASE("ring_hash: refuses what cannot be and changes nothing", "[routing][ring_hash][unit]") {
    double const nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
    REQUIRE_THROWS_AS(ring_hash<>({.virtual_nodes = 0}), std::invalid_argument);
    REQUIRE_THROWS_WITH(ring_hash<>({.virtual_nodes = (1u << 24) + 1}), test::contains("virtual_nodes") && test::contains("16777217"));
    ring_hash<> r;
    r.add("a"), r.add("b");
    for (double const w : {0.0, -0.0, -1.0, nan, -nan, inf, -inf, 1e300, 111'849.0}) {
        std::ostringstream shown;
        shown << std::setprecision(9) << w;
        REQUIRE_THROWS_WITH(r.add("c", w), test::contains("weight") && test::contains(" is " + shown.str()));
        REQUIRE_THROWS_AS(r.set_weight("a", w), std::invalid_argument);
        REQUIRE_THROWS_AS(r.add(std::vector<ring_hash<>::member>{{"d", 1}, {"c", w}}), std::invalid_argument);
    }
    REQUIRE_THROWS_WITH(r.add("a"), test::contains("\"a\""));
    REQUIRE_THROWS_WITH(r.add(std::vector<std::string>{"x", "b"}), test::contains("\"b\""));
    REQUIRE_THROWS_WITH(r.add(std::vector<std::string>{"x", "y", "x"}), test::contains("\"x\""));
    REQUIRE_THROWS_WITH(r.remove("z"), test::contains("\"z\""));
    REQUIRE_THROWS_WITH(r.set_weight("z", 1), test::contains("\"z\""));
    REQUIRE_THROWS_WITH(ring_hash<int>().remove(-5), test::contains("-5"));
    REQUIRE((r.size() == 2 && r.points() == 300 && r.contains("a") && !r.contains("x") && !r.index_of("c")));
    REQUIRE(r.index_bound() == 2);
}

TEST_CASE("ring_hash: without memory a change does not happen", "[routing][ring_hash][unit]") {
    auto const keys = test::keys(300, 5);
    auto const sweep = [&](auto change) {
        for (std::uint64_t n = 0;; ++n) {
            ring_hash<> r({.virtual_nodes = 100});
            r.add("a"), r.add("b, a name that is too long for the string itself");
            auto const before = laws::owners(r, keys);
            bool       failed = false;
            {
                test::scarce_memory const scarce(n);
                try {
                    change(r);
                } catch (std::bad_alloc const&) {
                    failed = true;
                }
                REQUIRE(failed == scarce.failed());
            }
            if (!failed) return n;
            REQUIRE((r.size() == 2 && r.points() == 200));
            REQUIRE(laws::owners(r, keys) == before);
            r.add("c");  // all of it is usable
            r.remove("c");
            REQUIRE(laws::owners(r, keys) == before);
        }
    };
    std::vector<std::string> const many{"x", "y", "z, another name that needs memory of its own"};
    REQUIRE(sweep([&](ring_hash<>& r) { r.add("a third name that needs memory of its own, too", 5); }) >= 2);
    REQUIRE(sweep([&](ring_hash<>& r) { r.add(many); }) >= 5);
    REQUIRE(sweep([](ring_hash<>& r) { r.set_weight("a", 7); }) >= 1);
}

TEST_CASE("ring_hash: remove needs no memory", "[routing][ring_hash][unit]") {
    ring_hash<> r({.virtual_nodes = 100});
    r.add(laws::names(10));
    for (int n = 9; n > 0; --n) {
        std::string const         name = "node-" + std::to_string(n);
        test::scarce_memory const scarce(0);  // also where it would make the table smaller
        r.remove(name);
    }
    REQUIRE((r.size() == 1 && r.points() == 100 && *r.pick("key") == "node-0"));
}

TEST_CASE("ring_hash: look-ups need no memory", "[routing][ring_hash][unit]") {
    ring_hash<> r;
    r.add(laws::names(30));
    test::scarce_memory const scarce(0);
    node_index                some[5];
    std::size_t               found = 0;
    for (std::uint64_t k = 0; k < 200; ++k) {
        hashed_key const key(sluice::mix64(k));
        found += r.locate(key).has_value() && r.locate_n(key, some) == 5 ? 1u : 0u;
    }
    bool const allocated = scarce.allocations() != 0;
    REQUIRE((!allocated && found == 200));
}

TEST_CASE("ring_hash: explain tells the point behind the key", "[routing][ring_hash][unit]") {
    ring_hash<> r({.virtual_nodes = 30});
    REQUIRE_FALSE(r.explain("key"));
    r.add(laws::names(7));
    auto const all = r.sorted_points();
    REQUIRE(all.size() == 210);
    for (auto const key : test::keys(200, 2)) {
        auto i = std::lower_bound(all.begin(), all.end(), key, [](auto const& p, std::uint64_t k) { return p.point < k; });
        if (i == all.end()) i = all.begin();
        auto const why = r.explain(hashed_key(key)).value();
        REQUIRE((why.point == i->point && why.node == i->node && why.replica == i->replica));
    }
}

TEST_CASE("ring_hash: more than 65536 nodes", "[routing][ring_hash][unit]") {
    ring_hash<std::uint32_t> r({.virtual_nodes = 1});
    std::vector<std::uint32_t> nodes(65'530);
    for (std::uint32_t i = 0; i < nodes.size(); ++i) nodes[i] = i * 7;
    r.add(nodes);
    auto const small = r.lookup_bytes();
    for (std::uint32_t i = 65'530; i < 65'545; ++i) r.add(i * 7);
    REQUIRE(r.lookup_bytes() > small);
    REQUIRE((r.size() == 65'545 && r.points() == 65'545));
    for (std::uint32_t i = 65'520; i < 65'540; ++i) r.remove(i * 7);
    auto const all = r.sorted_points();
    for (auto const key : test::keys(2000, 4)) {
        auto i = std::lower_bound(all.begin(), all.end(), key, [](auto const& p, std::uint64_t k) { return p.point < k; });
        if (i == all.end()) i = all.begin();
        REQUIRE(*r.locate(hashed_key(key)) == i->node);
        sluice::node_index together;
        REQUIRE(r.locate_each(std::array{hashed_key(key)}, {&together, 1}));
        REQUIRE(together == i->node);
    }
}

TEST_CASE("ring_hash: less than 2 KB for a node with 150 points", "[routing][ring_hash][unit]") {
    for (std::size_t const n : {20u, 100u, 250u}) {
        ring_hash<> at_once, one_by_one;
        at_once.add(laws::names(n));
        for (auto const& name : laws::names(n)) one_by_one.add(name);
        REQUIRE(at_once.bytes() / n < 2048);
        REQUIRE(one_by_one.bytes() / n < 2048);
        for (std::size_t i = n / 5; i < n; ++i) one_by_one.remove(laws::names(n)[i]);
        REQUIRE(one_by_one.lookup_bytes() / (n / 5) < 4096);
    }
}
