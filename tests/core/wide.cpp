// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/detail/wide.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cstdint>

using sluice::detail::multiply_divide;
using sluice::detail::multiply_divide_portable;
using sluice::detail::multiply_wide;
using sluice::detail::multiply_wide_portable;
using sluice::detail::round_to;
using sluice::detail::wide;

TEST_CASE("multiply_wide: both versions give the exact product", "[core][wide][unit]") {
    constexpr std::uint64_t most = UINT64_MAX;
    struct row {
        std::uint64_t a, b;
        wide product;
    };
    for (auto const& [a, b, product] : {row{0, 0, {0, 0}},
                                        {0, most, {0, 0}},
                                        {1, most, {0, most}},
                                        {2, most, {1, most - 1}},
                                        {most, most, {most - 1, 1}},
                                        {0xFFFFFFFF, 0xFFFFFFFF, {0, 0xFFFFFFFE00000001}},
                                        {0x100000000, 0x100000000, {1, 0}},
                                        {0xFFFFFFFF00000000, 0xFFFFFFFF00000000, {0xFFFFFFFE00000001, 0}},
                                        {10'000'000'000'000'000'000u, 10, {5, 7'766'279'631'452'241'920u}}}) {
        CAPTURE(a, b);
        REQUIRE(multiply_wide(a, b) == product);
        REQUIRE(multiply_wide_portable(a, b) == product);
        REQUIRE(multiply_wide_portable(b, a) == product);
    }
}

TEST_CASE("multiply_divide: both versions round as told and stay at the largest number", "[core][wide][unit]") {
    constexpr std::uint64_t most = UINT64_MAX;
    struct row {
        std::uint64_t a, b, divisor, floor, ceiling;
    };
    for (auto const& [a, b, divisor, floor, ceiling] : {row{0, 5, 7, 0, 0},
                                                        {1, 1, 1, 1, 1},
                                                        {1, 1, 2, 0, 1},
                                                        {7, 3, 2, 10, 11},
                                                        {most, most, most, most, most},
                                                        {most, 2, 2, most, most},
                                                        {most, 2, 1, most, most},
                                                        {most, most, 1, most, most},
                                                        {most, 3, most - 1, 3, 4},
                                                        {most - 1, most, most, most - 1, most - 1},
                                                        // 2^64 · 2^63 / (2^64 - 1) = 2^63 and a rest, through the carry
                                                        {most, std::uint64_t{1} << 63, most - 1, std::uint64_t{1} << 63,
                                                         (std::uint64_t{1} << 63) + 1},
                                                        // just under 2^64: the ceiling must not wrap to 0
                                                        {253'921, 145'295'143'558'111, 2, most, most},
                                                        {most, 3, 3, most, most}}) {
        CAPTURE(a, b, divisor);
        REQUIRE(multiply_divide(a, b, divisor, round_to::floor) == floor);
        REQUIRE(multiply_divide(a, b, divisor, round_to::ceiling) == ceiling);
        REQUIRE(multiply_divide_portable(a, b, divisor, round_to::floor) == floor);
        REQUIRE(multiply_divide_portable(a, b, divisor, round_to::ceiling) == ceiling);
    }
}

TEST_CASE("multiply_divide: the quotient times the divisor gives the product back", "[core][wide][property]") {
    auto const numbers = test::keys(6'000, test::seed());
    for (std::size_t i = 0; i + 3 <= numbers.size(); i += 3) {
        auto const a = numbers[i] >> (numbers[i] % 60), b = numbers[i + 1] >> (numbers[i + 1] % 60);
        auto const divisor = (numbers[i + 2] >> (numbers[i + 2] % 60)) | 1;
        CAPTURE(a, b, divisor);
        auto const product = multiply_wide_portable(a, b);
        REQUIRE(multiply_wide(a, b) == product);
        for (auto const version : {&multiply_divide, &multiply_divide_portable}) {
            auto const floor = version(a, b, divisor, round_to::floor);
            auto const ceiling = version(a, b, divisor, round_to::ceiling);
            if (product.high >= divisor) {
                REQUIRE(floor == UINT64_MAX);
                REQUIRE(ceiling == UINT64_MAX);
                continue;
            }
            auto const below = multiply_wide_portable(floor, divisor);
            auto const borrow = product.low < below.low ? 1u : 0u;
            auto const rest = wide{product.high - below.high - borrow, product.low - below.low};
            REQUIRE(rest.high == 0);
            REQUIRE(rest.low < divisor);
            REQUIRE(ceiling - floor == (rest.low != 0 && floor != UINT64_MAX ? 1u : 0u));
        }
    }
}

TEST_CASE("wide: the smaller of two, by the upper half first, the portable version too", "[core][wide][unit]") {
    using sluice::detail::wide;
    std::uint64_t const some[] = {0, 1, 2, UINT64_MAX >> 1, (UINT64_MAX >> 1) + 1, UINT64_MAX};
    for (auto const a : some)
        for (auto const b : some)
            for (auto const c : some)
                for (auto const d : some) {
                    wide const x{a, b}, y{c, d}, least = y < x ? y : x;
                    REQUIRE(sluice::detail::smaller(x, y) == least);
                    REQUIRE(sluice::detail::smaller_portable(x, y) == least);
                }
}
