// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/jump_hash.hpp>

#include "routing/bucket_laws.hpp"

#include <vector>

using sluice::hashed_key;
using sluice::jump_bucket;
using sluice::jump_hash;
using sluice::node_index;

static_assert(jump_hash(10).pick(hashed_key(0xDEADBEEF)) == 5u);
static_assert(jump_hash(0).pick(hashed_key(1)) == std::nullopt);
static_assert(jump_bucket(hashed_key(1), 1) == 0);

TEST_CASE("jump_hash: the published buckets", "[routing][jump_hash][unit]") {
    struct row {
        std::uint64_t           key;
        std::vector<node_index> buckets;  // of 1, 2, … 20
    };
    row const rows[] = {
        {0, std::vector<node_index>(20, 0)},
        {1, {0, 0, 0, 0, 0, 0, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 17, 17, 17}},
        {0xDEADBEEF, {0, 1, 2, 3, 3, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 16, 16, 16, 16}},
        {0x0DDC0FFEEBADF00D, {0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 15, 15, 15, 15, 15}},
    };
    for (auto const& r : rows)
        for (std::uint32_t n = 1; n <= 20; ++n) REQUIRE(jump_bucket(hashed_key(r.key), n) == r.buckets[n - 1]);

    node_index const of_100[] = {0, 55, 62, 8, 45, 59, 86, 97, 82, 59, 73, 37, 17, 56, 86, 21, 90, 37, 38, 83};
    for (std::uint64_t key = 0; key < 20; ++key) REQUIRE(jump_hash(100).pick(hashed_key(key)) == of_100[key]);
}

TEST_CASE("jump_hash: integers agree with the paper's doubles", "[routing][jump_hash][property]") {
    auto const paper = [](std::uint64_t key, std::int64_t buckets) {
        std::int64_t b = -1, j = 0;
        while (j < buckets) {
            b = j;
            key = key * 2862933555777941757u + 1;
            j = static_cast<std::int64_t>(static_cast<double>(b + 1) *
                                          (static_cast<double>(1LL << 31) / static_cast<double>((key >> 33) + 1)));
        }
        return static_cast<node_index>(b);
    };
    for (std::uint32_t const n : {2u, 10u, 1000u, 1u << 20, (1u << 30) + 1, (1u << 31) - 1})
        for (auto const key : test::keys(5000, test::seed())) REQUIRE(jump_bucket(hashed_key(key), n) == paper(key, n));
    for (auto const key : test::keys(1000, test::seed())) {  // beyond the paper's range the law still holds
        auto const before = jump_bucket(hashed_key(key), UINT32_MAX - 1), after = jump_bucket(hashed_key(key), UINT32_MAX);
        REQUIRE((after == before || after == UINT32_MAX - 1));
        REQUIRE(after < UINT32_MAX);
    }
}

TEST_CASE("jump_hash: is a placement", "[routing][jump_hash][law]") {
    test::placement_laws([] { return jump_hash(); }, {.only_last = true});
}

TEST_CASE("jump_hash: a hundred buckets are equally full", "[routing][jump_hash][law]") {
    REQUIRE(test::chi_square(jump_hash(100), test::keys(100'000, test::seed())) < test::chi_square_limit(100));
}

TEST_CASE("jump_hash: keys are hashed, hashed keys are not", "[routing][jump_hash][unit]") {
    jump_hash const buckets(1000);
    for (std::uint64_t key = 0; key < 100; ++key) {
        REQUIRE(buckets.pick(key) == buckets.locate(hashed_key(sluice::xxh3()(key))));
        REQUIRE(buckets.pick(hashed_key(key)) == buckets.locate(hashed_key(key)));
    }
    REQUIRE(buckets.pick("user-7") == buckets.locate(hashed_key(sluice::xxh3()("user-7"))));
    REQUIRE(jump_hash(1000, sluice::xxhash64(3)).pick("a") == buckets.pick(hashed_key(sluice::xxhash64(3)("a"))));
}

TEST_CASE("jump_hash: only the last bucket can be removed", "[routing][jump_hash][unit]") {
    jump_hash buckets(10);
    REQUIRE_THROWS_WITH(buckets.remove(3),
                        "sluice: jump_hash: bucket to remove (only the last can go, which is 9) is 3");
    REQUIRE_THROWS_AS(buckets.remove(10), std::invalid_argument);
    REQUIRE(buckets.size() == 10);
    buckets.remove(9);
    buckets.remove();
    REQUIRE(buckets.size() == 8);
    REQUIRE(buckets.add() == 8);

    jump_hash none(0);
    REQUIRE_THROWS_WITH(none.remove(0), "sluice: jump_hash: bucket to remove (there is none) is 0");
    REQUIRE_THROWS_AS(none.remove(), std::invalid_argument);
    jump_hash full(UINT32_MAX);
    REQUIRE_THROWS_AS(full.add(), std::length_error);
    REQUIRE(full.size() == UINT32_MAX);
}
