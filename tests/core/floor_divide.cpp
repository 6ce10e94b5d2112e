// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/detail/floor_divide.hpp>

#include "support/catch.hpp"

#include <cstdint>

using sluice::detail::floor_divide;
using sluice::detail::floor_remainder;

TEST_CASE("floor_divide: slices on both sides of zero are of one length", "[core][floor_divide][unit]") {
    for (std::int64_t const width : {1, 2, 3, 7})
        for (std::int64_t a = -30; a <= 30; ++a) {
            CHECK(floor_divide(a, width) * width + floor_remainder(a, width) == a);
            CHECK((floor_remainder(a, width) >= 0 && floor_remainder(a, width) < width));
        }
}

TEST_CASE("floor_divide: the ends of the time line", "[core][floor_divide][unit]") {
    static_assert(floor_divide(-1, 10) == -1 && floor_divide(9, 10) == 0 && floor_remainder(-1, 10) == 9);
    CHECK(floor_divide(INT64_MIN, 1) == INT64_MIN);
    CHECK(floor_divide(INT64_MIN, INT64_MAX) == -2);
    CHECK(floor_remainder(INT64_MIN, INT64_MAX) == INT64_MAX - 1);
    CHECK(floor_divide(INT64_MAX, INT64_MAX) == 1);
}
