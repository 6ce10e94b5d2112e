// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/ketama_points.hpp>
#include <sluice/routing/ring_hash.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using sluice::detail::md5;
using ketama_ring = sluice::ring_hash<std::string, sluice::xxh3, sluice::ketama_points>;

static_assert(sluice::ordered_placement<ketama_ring>);
static_assert(md5::of("")[0] == 0xD98C1DD4u, "works at compile time");

namespace {

std::string hex(md5::digest const& d) {
    std::string text;
    for (auto const word : d)
        for (unsigned byte = 0; byte < 4; ++byte) {
            char two[3];
            std::snprintf(two, sizeof two, "%02x", static_cast<unsigned>(word >> (8 * byte) & 0xFFu));
            text += two;
        }
    return text;
}

std::string server(std::size_t n) { return "10.0.1." + std::to_string(n) + ":11211"; }

ketama_ring shipped_file() {
    std::vector<std::uint64_t> const memory{600, 300, 200, 350, 1000, 800, 950, 100};
    auto const                       weights = sluice::ketama_weights(memory);
    ketama_ring                      ring({.virtual_nodes = 160});
    for (std::size_t n = 0; n < memory.size(); ++n) ring.add(server(n + 1), weights[n]);
    return ring;
}

struct row {
    std::uint32_t point;
    std::size_t   server;
};

}  // namespace

TEST_CASE("md5: RFC 1321's own test suite", "[routing][ketama_points][unit]") {
    struct vector { char const* text; char const* digest; };
    for (auto const& [text, digest] :
         {vector{"", "d41d8cd98f00b204e9800998ecf8427e"}, vector{"a", "0cc175b9c0f1b6a831c399e269772661"},
          vector{"abc", "900150983cd24fb0d6963f7d28e17f72"}, vector{"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
          vector{"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
          vector{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"},
          vector{"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                 "57edf4a22be3c955ac49da2e2107b67a"}}) {
        REQUIRE(hex(md5::of(text)) == digest);
        md5 in_pieces;
        for (char const* c = text; *c != '\0'; ++c) in_pieces.add(std::string_view(c, 1));
        REQUIRE(hex(in_pieces.finish()) == digest);
    }
}

TEST_CASE("ketama_points: four words of one digest", "[routing][ketama_points][unit]") {
    auto stream = sluice::ketama_points().points_of(0, server(1));
    std::vector<std::uint64_t> const expected{2431485715, 4123933443, 100894374, 2720740989};
    for (unsigned const r : {3u, 0u, 2u, 1u}) REQUIRE(stream(r) >> 32 == expected[r]);
    REQUIRE(stream(9) != stream(8));
    REQUIRE(stream(0) == std::uint64_t{2431485715} << 32);
}

TEST_CASE("ketama_points: the ring of the server file that libketama ships", "[routing][ketama_points][unit]") {
    auto const ring = shipped_file();
    REQUIRE(ring.points() == 1264);
    std::vector<unsigned> const counts{176, 88, 56, 104, 296, 236, 280, 28};
    for (std::size_t n = 0; n < 8; ++n) REQUIRE(ring.point_count(static_cast<sluice::node_index>(n)) == counts[n]);
    auto const all = ring.sorted_points();
    std::vector<row> const first{{762113, 5}, {2322555, 5}, {3967256, 6}, {4398564, 4}, {10171922, 1}};
    std::vector<row> const last{{4290013132, 4}, {4290842419, 7}, {4293620028, 5}};
    for (std::size_t n = 0; n < 5; ++n)
        REQUIRE((all[n].point == std::uint64_t{first[n].point} << 32 && ring.node(all[n].node) == server(first[n].server)));
    for (std::size_t n = 0; n < 3; ++n)
        REQUIRE((all[1261 + n].point == std::uint64_t{last[n].point} << 32 && ring.node(all[1261 + n].node) == server(last[n].server)));
    struct key_row { char const* key; std::uint32_t hash, point; std::size_t server; };
    for (auto const& [key, hash, point, number] :
         {key_row{"0", 2216742351, 2217271743, 1}, key_row{"1", 943901380, 949045552, 5}, key_row{"2", 2373066440, 2374693370, 6},
          key_row{"12345", 248216706, 250943416, 5}}) {
        REQUIRE(ring.key(key).value >> 32 == hash);
        REQUIRE(ring.explain(key)->point >> 32 == point);
        REQUIRE(*ring.pick(key) == server(number));
    }
}

TEST_CASE("ketama_points: three equal servers", "[routing][ketama_points][unit]") {
    ketama_ring ring({.virtual_nodes = 160});
    ring.add(std::vector{server(1), server(2), server(3)});
    auto const             all = ring.sorted_points();
    std::vector<row> const first{{4826654, 2}, {10171922, 1}, {24617692, 3}, {24991403, 2}};
    REQUIRE(all.size() == 480);
    for (std::size_t n = 0; n < 4; ++n)
        REQUIRE((all[n].point == std::uint64_t{first[n].point} << 32 && ring.node(all[n].node) == server(first[n].server)));
}

TEST_CASE("ketama_points: the digest of libketama's list of keys", "[routing][ketama_points][property]") {
    // "hash point server" for each key "0", "1", …: all million keys with SLUICE_STRESS > 1, otherwise the first 5000.
    bool const        full = test::stress_factor() > 1;
    std::size_t const keys = full ? 1'000'000 : 5000;
    auto const        ring = shipped_file();
    auto const        all = ring.sorted_points();
    md5               list;
    list.add("\n");
    bool same = true;
    for (std::size_t k = 0; k < keys; ++k) {
        auto const key = ring.key(std::to_string(k));
        auto       i = std::lower_bound(all.begin(), all.end(), key.value, [](auto const& p, std::uint64_t h) { return p.point < h; });
        if (i == all.end()) i = all.begin();
        auto const owner = *ring.locate(key);
        same = same && owner == i->node;
        list.add(std::to_string(key.value >> 32) + ' ' + std::to_string(i->point >> 32) + ' ' + ring.node(owner) + '\n');
    }
    REQUIRE(same);
    REQUIRE(hex(list.finish()) == (full ? "5672b131391f5aa2b280936aec1eea74" : "ebfdfd2983407effa87a645919471e72"));
}

TEST_CASE("ketama_weights: refuses what has no share", "[routing][ketama_points][unit]") {
    REQUIRE_THROWS_AS(sluice::ketama_weights(std::vector<std::uint64_t>{1, 0}), std::invalid_argument);
    REQUIRE_THROWS_AS(sluice::ketama_weights(std::vector<std::uint64_t>{1, UINT64_MAX}), std::invalid_argument);
    REQUIRE(sluice::ketama_weights({}).empty());
    REQUIRE(sluice::ketama_weights(std::vector<std::uint64_t>{5, 5, 5}) == std::vector<double>{1, 1, 1});
    REQUIRE(sluice::ketama_weights(std::vector<std::uint64_t>{1'000'000, 1})[1] == 1.0 / 160);
}
