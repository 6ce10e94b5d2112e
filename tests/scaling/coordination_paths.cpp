// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/coordination_paths.hpp>

#include "support/catch.hpp"

#include <cstdint>

using sluice::coordination_paths;

TEST_CASE("coordination_paths: n(n - 1)/2, without overflow", "[scaling][coordination_paths][unit]") {
    STATIC_REQUIRE(coordination_paths(0) == 0);
    STATIC_REQUIRE(coordination_paths(1) == 0);
    STATIC_REQUIRE(coordination_paths(2) == 1);
    STATIC_REQUIRE(coordination_paths(10) == 45);
    STATIC_REQUIRE(coordination_paths(100) == 4950);
    STATIC_REQUIRE(coordination_paths(200) == 19'900);
    STATIC_REQUIRE(coordination_paths(1000) == 499'500);
    STATIC_REQUIRE(coordination_paths(UINT32_MAX) == 9'223'372'030'412'324'865u);
    STATIC_REQUIRE(coordination_paths(std::uint64_t{1} << 32) == 9'223'372'034'707'292'160u);
    STATIC_REQUIRE(coordination_paths(6'074'001'000) == 18'446'744'070'963'499'500u);
    STATIC_REQUIRE(coordination_paths(6'074'001'001) == UINT64_MAX);
    STATIC_REQUIRE(coordination_paths(UINT64_MAX) == UINT64_MAX);
}

TEST_CASE("coordination_paths: one more worker talks to all before it", "[scaling][coordination_paths][property]") {
    for (std::uint64_t n = 0; n < 1000; ++n) REQUIRE(coordination_paths(n + 1) == coordination_paths(n) + n);
    for (std::uint64_t n = 4'294'967'000; n < 4'294'968'000; ++n)
        REQUIRE(coordination_paths(n + 1) == coordination_paths(n) + n);
}
