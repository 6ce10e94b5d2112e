// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// multiply_wide, multiply_divide, smaller — the products of 64-bit numbers that need 128 bits, and the smaller of two such, on
/// every target.
///
/// Thread-safety  any thread
/// Complexity     one multiplication where the compiler has 128-bit integers; otherwise four, and 64 steps per division. smaller
///                is meant to become conditional moves: for numbers whose order no processor can guess
/// Errors         multiply_divide requires a divisor other than 0; a quotient beyond 64 bits stays at the largest one

#include <sluice/core/assert.hpp>

#include <cstdint>

namespace sluice::detail {

struct wide {
    std::uint64_t high;
    std::uint64_t low;

    friend constexpr bool operator==(wide const&, wide const&) noexcept = default;
    friend constexpr bool operator<(wide const& a, wide const& b) noexcept {
        return a.high != b.high ? a.high < b.high : a.low < b.low;
    }
};

enum class round_to { floor, ceiling };

/// The version for compilers without a 128-bit integer; separate, so that it is tested everywhere.
[[nodiscard]] constexpr wide multiply_wide_portable(std::uint64_t a, std::uint64_t b) noexcept {
    constexpr std::uint64_t half = 0xFFFFFFFFu;
    std::uint64_t const low_low = (a & half) * (b & half);
    std::uint64_t const high_low = (a >> 32) * (b & half);
    std::uint64_t const low_high = (a & half) * (b >> 32);
    std::uint64_t const middle = (low_low >> 32) + (high_low & half) + low_high;  // at most 2^64 - 1
    return {(a >> 32) * (b >> 32) + (high_low >> 32) + (middle >> 32), (middle << 32) | (low_low & half)};
}

/// a · b / divisor, where the product has 128 bits; likewise tested everywhere.
[[nodiscard]] constexpr std::uint64_t multiply_divide_portable(std::uint64_t a, std::uint64_t b, std::uint64_t divisor,
                                                               round_to rounding) noexcept {
    auto const product = multiply_wide_portable(a, b);
    if (product.high >= divisor) return UINT64_MAX;
    std::uint64_t remainder = product.high;
    std::uint64_t quotient = 0;
    for (int bit = 63; bit >= 0; --bit) {
        bool const carry = (remainder >> 63) != 0;
        remainder = (remainder << 1) | ((product.low >> bit) & 1);
        quotient <<= 1;
        if (carry || remainder >= divisor) {
            remainder -= divisor;
            quotient |= 1;
        }
    }
    if (rounding == round_to::ceiling && remainder != 0 && quotient != UINT64_MAX) ++quotient;
    return quotient;
}

[[nodiscard]] constexpr wide multiply_wide(std::uint64_t a, std::uint64_t b) noexcept {
#if defined(__SIZEOF_INT128__)
    __extension__ using number = unsigned __int128;
    auto const product = static_cast<number>(a) * b;
    return {static_cast<std::uint64_t>(product >> 64), static_cast<std::uint64_t>(product)};
#else
    return multiply_wide_portable(a, b);
#endif
}

/// a · b / divisor, rounded as told, with a product of 128 bits. Requires divisor > 0.
[[nodiscard]] constexpr std::uint64_t multiply_divide(std::uint64_t a, std::uint64_t b, std::uint64_t divisor,
                                                      round_to rounding) noexcept {
    SLUICE_ASSERT(divisor > 0);
#if defined(__SIZEOF_INT128__)
    __extension__ using number = unsigned __int128;
    auto const product = static_cast<number>(a) * b;
    if (static_cast<std::uint64_t>(product >> 64) >= divisor) return UINT64_MAX;
    auto const quotient = static_cast<std::uint64_t>(product / divisor);
    bool const up = rounding == round_to::ceiling && product % divisor != 0 && quotient != UINT64_MAX;
    return up ? quotient + 1 : quotient;
#else
    return multiply_divide_portable(a, b, divisor, rounding);
#endif
}

/// As above, for compilers without a 128-bit integer.
[[nodiscard]] constexpr wide smaller_portable(wide a, wide b) noexcept {
    bool const second = (b.high < a.high) | ((b.high == a.high) & (b.low < a.low));
    return {second ? b.high : a.high, second ? b.low : a.low};
}

[[nodiscard]] constexpr wide smaller(wide a, wide b) noexcept {
#if defined(__SIZEOF_INT128__)
    __extension__ using number = unsigned __int128;
    auto const x = static_cast<number>(a.high) << 64 | a.low, y = static_cast<number>(b.high) << 64 | b.low;
    auto const least = y < x ? y : x;
    return {static_cast<std::uint64_t>(least >> 64), static_cast<std::uint64_t>(least)};
#else
    return smaller_portable(a, b);
#endif
}

}  // namespace sluice::detail
