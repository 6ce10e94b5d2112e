// SPDX-License-Identifier: BSL-1.0
// The stages without a memory: dead_band, busy_protection, size_limits.
#include <sluice/scaling/dead_band.hpp>

#include <sluice/scaling/busy_protection.hpp>
#include <sluice/scaling/size_limits.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>

using sluice::busy_protection;
using sluice::dead_band;
using sluice::size_limits;

namespace {
double constexpr no_number = std::numeric_limits<double>::quiet_NaN();
}

TEST_CASE("dead_band: small differences are none, and its edges belong to it", "[scaling][dead_band][unit]") {
    constexpr dead_band band({});
    for (std::uint32_t n = 1; n <= 3000; ++n) {
        REQUIRE(band.limit(n * 1.1, n) == n);
        REQUIRE(band.limit(n * .9, n) == n);
        REQUIRE(band.limit(n * 1.1001, n) == n * 1.1001);
        REQUIRE(band.limit(n * .8999, n) == n * .8999);
    }
    STATIC_REQUIRE(band.limit(.001, 0) == .001);  // from nobody, somebody
    STATIC_REQUIRE(band.limit(0, 0) == 0);
    STATIC_REQUIRE(band.limit(0, 1) == 0);
    constexpr dead_band uneven({.up = 0, .down = .5});
    STATIC_REQUIRE(uneven.limit(10.01, 10) == 10.01);
    STATIC_REQUIRE(uneven.limit(5, 10) == 10);
    STATIC_REQUIRE(dead_band({.up = 0, .down = 0}).limit(10, 10) == 10);
    for (double const bad : {-.1, no_number, std::numeric_limits<double>::infinity()}) {
        REQUIRE_THROWS_AS(dead_band({.up = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(dead_band({.down = bad}), std::invalid_argument);
    }
    REQUIRE_THROWS_AS(dead_band({.down = 1}), std::invalid_argument);
}

TEST_CASE("busy_protection: who works stays", "[scaling][busy_protection][unit]") {
    constexpr busy_protection p({});
    STATIC_REQUIRE(p.limit(3, 10, 7) == 7);
    STATIC_REQUIRE(p.limit(8, 10, 7) == 8);
    STATIC_REQUIRE(p.limit(12, 10, 10) == 12);
    STATIC_REQUIRE(p.limit(10, 10, 12) == 10);  // never a reason to grow
    STATIC_REQUIRE(p.limit(3, 10, 12) == 10);
    STATIC_REQUIRE(p.limit(3, 10, std::nullopt) == 3);
    STATIC_REQUIRE(busy_protection({.spare = 2}).limit(3, 10, 7) == 9);
    STATIC_REQUIRE(busy_protection({.spare = UINT32_MAX}).limit(3, 10, 7) == 10);
    STATIC_REQUIRE(busy_protection({.enabled = false}).limit(3, 10, 7) == 3);
}

TEST_CASE("size_limits: between min and max", "[scaling][size_limits][unit]") {
    constexpr size_limits l({.min = 3, .max = 8});
    STATIC_REQUIRE(l.limit(7) == 7);
    STATIC_REQUIRE(l.limit(1) == 3);
    STATIC_REQUIRE(l.limit(1000) == 8);
    STATIC_REQUIRE(size_limits({}).limit(0) == 1);
    STATIC_REQUIRE(size_limits({.min = 0}).limit(0) == 0);
    for (std::uint32_t n = 0; n < 20; ++n) REQUIRE(l.limit(l.limit(n)) == l.limit(n));
    REQUIRE_THROWS_AS(size_limits({.min = 9, .max = 8}), std::invalid_argument);
    REQUIRE_THROWS_AS(size_limits({.min = 0, .max = 0}), std::invalid_argument);
}
