// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/dx_hash.hpp>

#include "routing/bucket_laws.hpp"

#include <bit>
#include <cmath>
#include <utility>
#include <vector>

using sluice::dx_hash;
using sluice::hashed_key;
using sluice::node_index;

namespace {

double draws_per_key(dx_hash<> const& buckets, std::size_t n) {
    std::uint64_t sum = 0;
    for (auto const key : test::keys(n, test::seed())) sum += buckets.draws(hashed_key(key));
    return static_cast<double>(sum) / static_cast<double>(n);
}

}  // namespace

TEST_CASE("dx_hash: is a placement", "[routing][dx_hash][law]") {
    test::placement_laws([] { return dx_hash(); });
}

TEST_CASE("dx_hash: doubling the capacity moves keys to the new bucket only", "[routing][dx_hash][law]") {
    auto const ks = test::keys(5000, test::seed());
    dx_hash    buckets;
    auto       before = test::owners(buckets, ks);
    for (node_index b = 0; b < 140; ++b) {
        REQUIRE(buckets.add() == b);
        REQUIRE(buckets.capacity() == std::bit_ceil(b + 1));
        auto const after = test::owners(buckets, ks);
        for (std::size_t i = 0; i < ks.size(); ++i)
            if (before[i] != after[i]) REQUIRE(after[i] == b);
        before = after;
    }
}

TEST_CASE("dx_hash: owners do not depend on the capacity or on what happened before", "[routing][dx_hash][law]") {
    dx_hash              buckets(500);
    sluice::xoshiro256ss rng(1);
    for (int i = 0; i < 3000; ++i) {
        auto const b = static_cast<node_index>(sluice::uniform_below(rng, 512));
        if (buckets.contains_index(b)) buckets.remove(b);
        else buckets.add();
    }
    while (buckets.contains_index(511)) buckets.remove(511);
    auto const state = buckets.state();
    auto const same = dx_hash<>::restore(state), larger = dx_hash<>::restore({4096, state.working});
    REQUIRE(same.state() == state);
    REQUIRE(larger.capacity() == 4096);
    for (auto const key : test::keys(2000, test::seed())) {
        REQUIRE(same.locate(hashed_key(key)) == buckets.locate(hashed_key(key)));
        REQUIRE(larger.locate(hashed_key(key)) == buckets.locate(hashed_key(key)));
    }
}

TEST_CASE("dx_hash: a look-up draws capacity / size times", "[routing][dx_hash][law]") {
    // Geometric: the standard deviation of one look-up is below its mean r; of the mean of 10 000 below r / 100.
    sluice::xoshiro256ss rng(2);
    dx_hash              buckets(1024);
    REQUIRE(draws_per_key(buckets, 100) == 1);
    for (std::size_t const left : {1000u, 512u, 256u, 64u}) {
        while (buckets.size() > left) {
            auto const b = static_cast<node_index>(sluice::uniform_below(rng, 1024));
            if (buckets.contains_index(b)) buckets.remove(b);
        }
        double const expected = 1024.0 / static_cast<double>(left);
        REQUIRE(std::abs(draws_per_key(buckets, 10'000) - expected) < 0.05 * expected);
        REQUIRE(test::chi_square(buckets, test::keys(40'000, test::seed())) < test::chi_square_limit(left));
    }
    // The lower half gone, the upper half gone: equal shares still.
    for (node_index const begin : {0u, 512u}) {
        dx_hash half(1024);
        for (node_index b = begin; b < begin + 512; ++b) half.remove(b);
        REQUIRE(test::chi_square(half, test::keys(40'000, test::seed())) < test::chi_square_limit(512));
    }
}

TEST_CASE("dx_hash: when hardly a bucket works, look-ups end and moves stay necessary ones", "[routing][dx_hash][law]") {
    auto const ks = test::keys(1000, test::seed());
    auto       buckets = dx_hash<>::restore({1u << 14, {3, 9000, 9001, 16383}});
    std::size_t in_vain = 0;
    for (auto const key : ks) {
        auto const draws = buckets.draws(hashed_key(key));
        REQUIRE(draws <= dx_hash<>::most_draws + 1);
        in_vain += draws > dx_hash<>::most_draws ? 1u : 0u;
    }
    REQUIRE(in_vain > 500);  // e^(-1024 * 4 / 16384) = 0.78 of them
    REQUIRE(test::chi_square(buckets, ks) < test::chi_square_limit(4));
    auto const before = test::owners(buckets, ks);
    buckets.remove(9000);
    auto const without = test::owners(buckets, ks);
    for (std::size_t i = 0; i < ks.size(); ++i) REQUIRE((before[i] == without[i] || before[i] == 9000u));
    REQUIRE(buckets.add() == 0);
    auto const with = test::owners(buckets, ks);
    for (std::size_t i = 0; i < ks.size(); ++i) REQUIRE((with[i] == without[i] || with[i] == 0u));
    for (node_index const b : {0u, 3u, 9001u}) buckets.remove(b);
    REQUIRE(buckets.locate(hashed_key(7)) == 16383u);
    buckets.remove(16383);
    REQUIRE_FALSE(buckets.locate(hashed_key(7)).has_value());
    REQUIRE(buckets.draws(hashed_key(7)) == 0);
}

TEST_CASE("dx_hash: the lowest free bucket comes next", "[routing][dx_hash][unit]") {
    dx_hash buckets(200);
    REQUIRE(buckets.capacity() == 256);
    REQUIRE(buckets.add() == 200);
    for (node_index const b : {190u, 5u, 70u}) buckets.remove(b);
    for (node_index const b : {5u, 70u, 190u, 201u}) REQUIRE(buckets.add() == b);
}

TEST_CASE("dx_hash: impossible changes and states are refused", "[routing][dx_hash][unit]") {
    dx_hash buckets(3);
    REQUIRE_THROWS_WITH(buckets.remove(3), "sluice: dx_hash: bucket to remove (a working one) is 3");
    buckets.remove(1);
    REQUIRE_THROWS_AS(buckets.remove(1), std::invalid_argument);
    REQUIRE_THROWS_AS(buckets.remove(UINT32_MAX), std::invalid_argument);
    REQUIRE_THROWS_WITH(dx_hash((1u << 31) + 1), "sluice: dx_hash: buckets (<= 2^31) is 2147483649");
    REQUIRE_THROWS_AS(dx_hash<>::restore({3, {}}), std::invalid_argument);
    REQUIRE_THROWS_AS(dx_hash<>::restore({0, {}}), std::invalid_argument);
    REQUIRE_THROWS_AS(dx_hash<>::restore({4, {4}}), std::invalid_argument);
    REQUIRE_THROWS_AS(dx_hash<>::restore({4, {2, 2}}), std::invalid_argument);
    REQUIRE(dx_hash<>::restore({1, {0}}).pick("a") == 0u);
    REQUIRE_FALSE(dx_hash<>::restore({1, {}}).pick("a").has_value());
}
