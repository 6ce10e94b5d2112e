// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/topology.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::coordination_cost;
using sluice::topology;

namespace {

/// The same graph as lists of neighbours, made from the sentences in the header and nothing else.
struct graph {
    std::vector<std::vector<std::size_t>> next;

    explicit graph(std::size_t n) : next(n) {}
    void link(std::size_t a, std::size_t b) {
        if (a == b || std::count(next[a].begin(), next[a].end(), b) != 0) return;
        next[a].push_back(b);
        next[b].push_back(a);
    }
    [[nodiscard]] std::vector<std::uint64_t> distances(std::size_t from) const {
        std::vector<std::uint64_t> d(next.size(), UINT64_MAX);
        std::vector<std::size_t>   queue{from};
        d[from] = 0;
        for (std::size_t k = 0; k < queue.size(); ++k)
            for (auto const b : next[queue[k]])
                if (d[b] == UINT64_MAX) d[b] = d[queue[k]] + 1, queue.push_back(b);
        return d;
    }

    static graph mesh(std::size_t n) {
        graph g(n);
        for (std::size_t a = 0; a < n; ++a)
            for (std::size_t b = 0; b < a; ++b) g.link(a, b);
        return g;
    }
    static graph tree(std::size_t n, std::size_t branching) {
        graph g(n);
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t child = branching * i + 1; child <= branching * i + branching && child < n; ++child) g.link(i, child);
        return g;
    }
    static graph cells(std::size_t n, std::size_t cell) {
        graph       g(n);
        std::size_t last = 0;
        for (std::size_t i = 0; i < n; ++i) {
            if (i % cell != 0) g.link(i, i - i % cell);
            else if (i != 0) g.link(i, last), last = i;
        }
        g.link(last, 0);
        return g;
    }
};

void agrees(topology const& t, graph const& g) {
    CAPTURE(static_cast<int>(t.kind()), t.nodes());
    std::uint64_t links = 0, most = 0, longest = 0;
    for (std::size_t a = 0; a < g.next.size(); ++a) {
        links += g.next[a].size();
        most = std::max<std::uint64_t>(most, g.next[a].size());
        REQUIRE(t.degree(a) == g.next[a].size());
        auto const d = g.distances(a);
        for (std::size_t b = 0; b < g.next.size(); ++b) {
            if (t.hops(a, b) != d[b]) REQUIRE(t.hops(a, b) == d[b]);
            longest = std::max(longest, d[b]);
        }
    }
    REQUIRE(t.paths() == links / 2);
    REQUIRE(t.max_degree() == most);
    REQUIRE(t.diameter() == longest);

    // Leaders and groups are two sides of one thing.
    std::uint64_t leading = 0, led = 0;
    for (std::uint64_t i = 0; i < t.nodes(); ++i) {
        auto const group = t.group(i);
        leading += group.count > 0 ? 1 : 0;
        for (std::uint64_t k = 0; k < group.count; ++k) REQUIRE(t.leader_of(group.first + k) == i);
        led += t.leader_of(i) ? 1 : 0;
    }
    std::uint64_t members = 0;
    for (std::uint64_t i = 0; i < t.nodes(); ++i) members += t.group(i).count;
    REQUIRE(members == led);
    REQUIRE(t.leaders() == leading);
}

}  // namespace

TEST_CASE("topology: a mesh has n(n - 1)/2 paths, a tree n - 1", "[routing][topology][unit]") {
    struct row { std::uint64_t nodes, mesh; };
    for (auto const [nodes, mesh] : {row{1, 0}, {2, 1}, {10, 45}, {100, 4950}, {200, 19'900}, {1000, 499'500}}) {
        REQUIRE(topology::mesh(nodes).paths() == mesh);
        REQUIRE(topology::star(nodes).paths() == nodes - 1);
        REQUIRE(topology::tree(nodes, 10).paths() == nodes - 1);
    }
    static_assert(topology::mesh(std::uint64_t{1} << 32).paths() == 9'223'372'034'707'292'160u);
    static_assert(topology::mesh(std::uint64_t{1} << 32).round().messages == 18'446'744'069'414'584'320u);
}

TEST_CASE("topology: arithmetic and graph agree", "[routing][topology][property]") {
    for (std::size_t n = 1; n <= 40; ++n) {
        agrees(topology::mesh(n), graph::mesh(n));
        agrees(topology::star(n), graph::tree(n, n));
        for (std::size_t b = 2; b <= 7; ++b) agrees(topology::tree(n, b), graph::tree(n, b));
        for (std::size_t c = 1; c <= n; ++c) agrees(topology::cells(n, c), graph::cells(n, c));
    }
}

TEST_CASE("topology: 200 nodes, four ways", "[routing][topology][unit]") {
    REQUIRE(topology::mesh(200).round() == coordination_cost{39'800, 1, 398});
    REQUIRE(topology::star(200).round() == coordination_cost{398, 2, 398});
    // 1 + 10 + 100 + 89: three levels below the root, eleven links at an inner node.
    REQUIRE(topology::tree(200, 10).height() == 3);
    REQUIRE(topology::tree(200, 10).leaders() == 20);
    REQUIRE(topology::tree(200, 10).round() == coordination_cost{398, 6, 22});
    // Ten cells of 20: 190 members up and down, the ring's 10 · 9; each leader hears 19 members twice and 9 leaders.
    REQUIRE(topology::cells(200, 20).leaders() == 10);
    REQUIRE(topology::cells(200, 20).paths() == 200);
    REQUIRE(topology::cells(200, 20).round() == coordination_cost{470, 7, 56});
    // 1 ms a hop and 100 µs a message at the busiest node.
    REQUIRE(topology::mesh(200).round().time(1ms, 100us) == 1ms + 39'800us);
    REQUIRE(topology::tree(200, 10).round().time(1ms, 100us) == 8'200us);
}

TEST_CASE("topology: a round reaches everybody, by simulation", "[routing][topology][property]") {
    // Ring of leaders, both ways: after floor(c / 2) steps everybody has everybody's, each received once.
    for (std::uint64_t c = 1; c <= 17; ++c) {
        auto const    t = topology::cells(c, 1);
        std::uint64_t messages = 0;
        for (std::uint64_t i = 0; i < c; ++i)
            for (std::uint64_t j = 0; j < c; ++j) messages += i != j ? 1 : 0;  // j receives i's, once
        REQUIRE(t.round().messages == messages);
        REQUIRE(t.round().hops == t.diameter());
        // Messages sent in the ring are messages received in it.
        if (c > 2) REQUIRE(t.round().busiest == 2 * (c - 1));
        if (c == 2) REQUIRE(t.round().busiest == 2);
    }
    for (std::uint64_t n = 1; n < 300; n += 7) {
        REQUIRE(topology::tree(n, 3).round().hops == 2 * topology::tree(n, 3).height());
        REQUIRE(topology::tree(n, 3).round().hops >= topology::tree(n, 3).diameter());
    }
}

TEST_CASE("topology: sizes that cannot be", "[routing][topology][unit]") {
    REQUIRE_THROWS_AS(topology::mesh(0), std::invalid_argument);
    REQUIRE_THROWS_WITH(topology::mesh((std::uint64_t{1} << 32) + 1), test::contains("nodes (1 to 2^32) is 4294967297"));
    REQUIRE_THROWS_AS(topology::star(0), std::invalid_argument);
    for (std::uint64_t const bad : {0u, 1u}) REQUIRE_THROWS_WITH(topology::tree(5, bad), test::contains("branching (>= 2) is"));
    REQUIRE_THROWS_AS(topology::cells(5, 0), std::invalid_argument);
    REQUIRE_THROWS_WITH(topology::cells(5, 6), test::contains("cell (1 to nodes) is 6"));
    REQUIRE(topology::tree(std::uint64_t{1} << 32, UINT64_MAX).height() == 1);
    REQUIRE(topology::tree(std::uint64_t{1} << 32, 2).height() == 32);
    REQUIRE(topology::mesh(std::uint64_t{1} << 32).round().time(1h, 1h) == sluice::duration::max());
    REQUIRE(topology::mesh(7).round().time(-1h, sluice::duration(0)) == 0ns);
}
