// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// octaves_of, exp2_octaves — logarithm and power to the base 2 in whole numbers: the same on every machine.
///
/// Thread-safety  any thread
/// Complexity     O(1), some multiplications and a table of 65 words
/// Errors         none; relative error of exp2_octaves below 2^-33 and half a unit, error of octaves_of below 2^-31 octaves
/// Units          octaves in 2^-32

#include <sluice/core/detail/wide.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace sluice::detail {

inline constexpr auto octave_steps = [] {  // 2^(k/64) in 2^-62; 46 bits of each are kept, which every compiler agrees on
    std::array<std::uint64_t, 65> table{};
    for (std::size_t k = 0; k <= 64; ++k) {
        double const x = static_cast<double>(k) * (0.69314718055994530942 / 64);
        double       sum = 1, term = 1;
        for (int n = 1; n < 24; ++n) sum += term *= x / n;
        table[k] = static_cast<std::uint64_t>(sum * 0x1p46 + 0.5) << 16;
    }
    return table;
}();

/// 2^octaves, to the nearest whole number; the largest where it is larger.
[[nodiscard]] constexpr std::uint64_t exp2_octaves(std::uint64_t octaves) noexcept {
    std::uint64_t const whole = octaves >> 32;
    if (whole >= 64) return UINT64_MAX;
    std::uint64_t const part = octaves & 0xFFFF'FFFFu;
    std::uint64_t const y = (part & 0x3FF'FFFFu) * 47'632'711'549u >> 32;  // ln 2 in 2^-36; y < 0.011 likewise
    std::uint64_t const y2 = y * y >> 36, y3 = y2 * y >> 36, y4 = y3 * y >> 36;
    std::uint64_t const factor = (std::uint64_t{1} << 36) + y + y2 / 2 + y3 / 6 + y4 / 24;
    std::uint64_t const mantissa = multiply_wide(octave_steps[static_cast<std::size_t>(part >> 26)] << 1, factor << 27).high;  // 2^-62
    if (whole >= 62) return mantissa << (whole - 62);
    auto const down = static_cast<int>(62 - whole);
    return (mantissa >> down) + ((mantissa >> (down - 1)) & 1);
}

/// log2(n) in 2^-32. Requires n > 0.
[[nodiscard]] constexpr std::uint64_t octaves_of(std::uint64_t n) noexcept {
    int const           whole = static_cast<int>(std::bit_width(n)) - 1;
    std::uint64_t const mantissa = whole <= 62 ? n << (62 - whole) : n >> 1;  // in 2^-62, from 1 to 2
    auto                k = static_cast<std::size_t>((mantissa >> 56) & 63);
    while (k < 63 && octave_steps[k + 1] <= mantissa) ++k;
    // mantissa / 2^(k/64) = mantissa · 2^((64-k)/64) / 2
    std::uint64_t const ratio = multiply_wide(mantissa << 1, octave_steps[64 - k]).high;
    std::uint64_t const one = std::uint64_t{1} << 62;
    std::uint64_t const z = ratio > one ? (ratio - one) >> 26 : 0;  // in 2^-36, < 0.011
    std::uint64_t const z2 = z * z >> 36, z3 = z2 * z >> 36, z4 = z3 * z >> 36, z5 = z4 * z >> 36;
    std::uint64_t const ln = z - z2 / 2 + z3 / 3 - z4 / 4 + z5 / 5;
    std::uint64_t const log = ln * 6'196'328'019u >> 36;  // log2(e) = 6196328019 / 2^32
    return (static_cast<std::uint64_t>(whole) << 32) + (std::uint64_t{k} << 26) + log;
}

inline constexpr auto octaves_below_64 = [] {
    std::array<std::uint64_t, 64> table{};
    for (std::size_t n = 1; n < 64; ++n) table[n] = octaves_of(n);
    return table;
}();
/// The same, faster for small numbers.
[[nodiscard]] constexpr std::uint64_t octaves_of_count(std::uint64_t n) noexcept {
    return n < 64 ? octaves_below_64[static_cast<std::size_t>(n)] : octaves_of(n);
}

}  // namespace sluice::detail
