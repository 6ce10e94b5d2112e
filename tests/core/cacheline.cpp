// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/cacheline.hpp>

#include "support/catch.hpp"

#include <bit>
#include <cstddef>
#include <type_traits>

namespace {

struct two_hot_fields {
    alignas(sluice::cache_line_size) int first;
    alignas(sluice::cache_line_size) int second;
};

}  // namespace

TEST_CASE("cacheline: fields aligned by it lie a whole line apart", "[core][cacheline][unit]") {
    STATIC_REQUIRE(std::is_same_v<decltype(sluice::cache_line_size), std::size_t const>);
    STATIC_REQUIRE(std::has_single_bit(sluice::cache_line_size));
    STATIC_REQUIRE(sluice::cache_line_size >= 64);
    STATIC_REQUIRE(alignof(two_hot_fields) == sluice::cache_line_size);
    STATIC_REQUIRE(sizeof(two_hot_fields) == 2 * sluice::cache_line_size);
    REQUIRE(offsetof(two_hot_fields, second) == sluice::cache_line_size);
}

#if defined(__GCC_DESTRUCTIVE_SIZE) && (defined(__x86_64__) || defined(__i386__))
TEST_CASE("cacheline: on x86 the constant agrees with the compiler", "[core][cacheline][unit]") {
    REQUIRE(sluice::cache_line_size == __GCC_DESTRUCTIVE_SIZE);
}
#endif
