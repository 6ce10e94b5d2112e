// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/hashed_key.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <string>
#include <string_view>

using sluice::hashed_key;
using sluice::hash_of;

static_assert(sluice::routing_key<std::string_view> && sluice::routing_key<std::string> && sluice::routing_key<int>);
static_assert(sluice::routing_key<char[4]> && sluice::routing_key<hashed_key> && sluice::routing_key<std::uint64_t>);
static_assert(!sluice::routing_key<double> && !sluice::routing_key<void*>);
static_assert(!std::is_convertible_v<std::uint64_t, hashed_key>, "a number is a key, not a hash");

TEST_CASE("hashed_key: a hash is taken as it is, everything else is hashed", "[routing][hashed_key][unit]") {
    sluice::xxhash64 const hash;
    REQUIRE(hash_of(hash, hashed_key(42)).value == 42);
    REQUIRE(hash_of(hash, std::uint64_t{42}).value == 0xb556806fb6d14353);
    REQUIRE(hash_of(hash, 42) == hash_of(hash, std::uint64_t{42}));
    REQUIRE(hash_of(hash, "abc").value == 0x44bc2cf5ad770999);
    REQUIRE(hash_of(hash, std::string("abc")) == hash_of(hash, std::string_view("abc")));
    static_assert(hash_of(sluice::xxh3(), hashed_key(7)).value == 7);
}
