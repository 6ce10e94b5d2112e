// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/point_policy.hpp>
#include <sluice/routing/ring_hash.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <string>
#include <vector>

using envoy_ring = sluice::ring_hash<std::string, sluice::xxh3, sluice::envoy_points>;
static_assert(sluice::ordered_placement<envoy_ring>);
static_assert(sluice::point_policy<sluice::mixed_points, sluice::xxh3, int>);
static_assert(!sluice::point_policy<sluice::envoy_points, sluice::xxh3, int>, "names only");

TEST_CASE("point_policy: decimal numbers", "[routing][point_policy][unit]") {
    for (std::uint64_t const n : {std::uint64_t{0}, std::uint64_t{7}, std::uint64_t{10}, std::uint64_t{4294967295}, UINT64_MAX})
        REQUIRE(sluice::detail::decimal(n).view() == std::to_string(n));
}

TEST_CASE("envoy_points: XXH64 of the name, an underscore and a number", "[routing][point_policy][unit]") {
    sluice::xxhash64 const hash;
    std::string const      name(100, 'x');
    auto const             points = sluice::envoy_points().points_of(0, name);
    for (std::uint32_t const r : {0u, 1u, 12u, 999'999u}) REQUIRE(points(r) == hash(name + "_" + std::to_string(r)));
    REQUIRE(sluice::envoy_points().key(0, "127.0.0.1:90").value == 0xb6e9805bf4890ed5);
}

TEST_CASE("envoy_points: Envoy's own ring of six hosts", "[routing][point_policy][unit]") {
    envoy_ring ring({.virtual_nodes = 2});
    for (int port = 95; port >= 90; --port) ring.add("127.0.0.1:" + std::to_string(port));
    struct row { std::uint64_t point; int port; };
    std::vector<row> const expected{{833437586790550860u, 94},    {928266305478181108u, 92},    {1033482794131418490u, 90},
                                    {3551244743356806947u, 95},   {3851675632748031481u, 93},   {5583722120771150861u, 91},
                                    {6311230543546372928u, 91},   {7700377290971790572u, 93},   {13144177310400110813u, 95},
                                    {13444792449719432967u, 92},  {15516499411664133160u, 94},  {16117243373044804889u, 90}};
    auto const all = ring.sorted_points();
    auto const name = [](int port) { return "127.0.0.1:" + std::to_string(port); };
    REQUIRE(all.size() == expected.size());
    for (std::size_t n = 0; n < all.size(); ++n)
        REQUIRE((all[n].point == expected[n].point && ring.node(all[n].node) == name(expected[n].port)));
    for (auto const& [key, port] : {row{0, 94}, row{UINT64_MAX, 94}, row{3551244743356806947u, 95}, row{3551244743356806948u, 93}})
        REQUIRE(*ring.pick(sluice::hashed_key(key)) == name(port));
}
