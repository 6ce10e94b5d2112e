// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::negative_log, detail::power_of_two, detail::scale — logarithms and powers of random numbers in integers alone.
///
/// Thread-safety  functions of their arguments; any thread
/// Complexity     negative_log: a table, seven wide multiplications. power_of_two: nine
/// Errors         none; noexcept. negative_log and power_of_two are right to about 2^-57, relative to 1 and to the result
/// Differs        std::log and std::exp may differ in the last bit from library to library, and floating-point sums from compiler
///                to compiler (contraction, x87): a simulation that draws through them runs differently there
///
/// Fixed-point numbers: Qn counts units of 2^-n.

#include <sluice/core/detail/wide.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace sluice::sim::detail {

using sluice::detail::multiply_wide;
using sluice::detail::wide;

inline constexpr std::uint64_t ln2_q64 = 0xB172'17F7'D1CF'79ABu;  // ln 2 = .693147180559945309417…

/// a · b / 2^64, downward.
[[nodiscard]] constexpr std::uint64_t times(std::uint64_t a, std::uint64_t b) noexcept { return multiply_wide(a, b).high; }

/// ln(1 + x) in Q64 for x in Q64 below 2^-6: the alternating series, ten terms.
[[nodiscard]] constexpr std::uint64_t log1p_q64(std::uint64_t x) noexcept {
    constexpr std::uint64_t one = UINT64_MAX;
    std::uint64_t           sum = one / 10;
    for (std::uint64_t n = 9; n >= 2; --n) sum = one / n - times(x, sum);  // 1/n - x(1/(n+1) - x(…))
    return x - times(times(x, x), sum);
}

struct log_row {
    std::uint64_t inverse;    ///< Q64 of 1/c, c the beginning of the row's range in [1, 2)
    std::uint64_t logarithm;  ///< Q64 of ln c
};

/// 64 rows: ln c is the sum of the logarithms of the steps to it.
[[nodiscard]] constexpr std::array<log_row, 64> make_log_rows() noexcept {
    std::array<log_row, 64> rows{};
    rows[0] = {UINT64_MAX, 0};
    std::uint64_t sum = 0;
    for (std::uint64_t i = 1; i < 64; ++i) {
        auto const step = sluice::detail::multiply_divide(std::uint64_t{1} << 63, 2, 64 + i - 1,  // 1/(64 + i - 1) in Q64
                                                          sluice::detail::round_to::floor);
        sum += log1p_q64(step);
        auto const inverse =
            sluice::detail::multiply_divide(std::uint64_t{1} << 63, 128, 64 + i, sluice::detail::round_to::floor);
        rows[static_cast<std::size_t>(i)] = {inverse, sum};
    }
    return rows;
}

inline constexpr auto log_rows = make_log_rows();

/// -ln(u / 2^64) in Q58, 0 counting as 1: from 0 to 44.4.
[[nodiscard]] constexpr std::uint64_t negative_log(std::uint64_t u) noexcept {
    if (u == 0) u = 1;
    auto const zeros = static_cast<unsigned>(std::countl_zero(u));
    auto const m = u << zeros;                              // [1, 2) in Q63
    auto const row = log_rows[static_cast<std::size_t>((m >> 57) & 63)];
    auto const excess = (m & ((std::uint64_t{1} << 57) - 1)) << 1;  // m - c in Q64
    auto const x = times(excess, row.inverse);              // m = c(1 + x)
    auto const log_of_m = row.logarithm + log1p_q64(x);     // below ln 2
    auto const bits = zeros + 1;                            // u = m · 2^-(zeros + 1)
    auto const most = bits * (ln2_q64 >> 6) + ((bits * (ln2_q64 & 63)) >> 6);
    return most > (log_of_m >> 6) ? most - (log_of_m >> 6) : 0;  // u next to 2^64: the last digit of two roundings
}

/// 2^(x / 2^64) in Q63, from 1 to below 2: e^(x ln 2) as a series, argument reduced to below 1/16 by a table of its powers.
[[nodiscard]] constexpr std::uint64_t power_of_two(std::uint64_t x) noexcept {
    // 2^(1/2), 2^(1/4), 2^(1/8), 2^(1/16) in Q63
    constexpr std::array<std::uint64_t, 4> roots{0xB504'F333'F9DE'6484u, 0x9837'F051'8DB8'A96Fu, 0x8B95'C1E3'EA8B'D6E7u,
                                                 0x85AA'C367'CC48'7B15u};
    auto const t = times(x & (UINT64_MAX >> 4), ln2_q64);  // below .0434, Q64
    constexpr std::uint64_t one = UINT64_MAX;
    // e^t - 1 = t(1 + t/2(1 + t/3(1 + …))), in Q64 of what follows the one
    std::uint64_t inner = 0;
    for (std::uint64_t n = 11; n >= 2; --n) {
        auto const part = times(t, one / n);
        inner = part + times(part, inner);
    }
    auto const    after_one = t + times(t, inner);
    std::uint64_t result = (std::uint64_t{1} << 63) | (after_one >> 1);
    for (std::size_t i = 0; i < roots.size(); ++i)
        if ((x >> (63 - i)) & 1) {
            auto const product = multiply_wide(result, roots[i]);
            result = (product.high << 1) | (product.low >> 63);
        }
    return result;
}

/// (a · b) / 2^shift for shift from 0 to 127 with its fraction in 32 bits more: whole and fraction; the largest where it is more.
struct whole_and_fraction {
    std::uint64_t whole;
    std::uint32_t fraction;
};
[[nodiscard]] constexpr whole_and_fraction scale(std::uint64_t a, std::uint64_t b, unsigned shift) noexcept {
    auto const p = multiply_wide(a, b);
    if (shift == 0) return p.high != 0 ? whole_and_fraction{UINT64_MAX, 0} : whole_and_fraction{p.low, 0};
    if (shift < 64) {
        if ((p.high >> shift) != 0) return {UINT64_MAX, 0};
        auto const below = p.low << (64 - shift);
        return {(p.high << (64 - shift)) | (p.low >> shift), static_cast<std::uint32_t>(below >> 32)};
    }
    if (shift == 64) return {p.high, static_cast<std::uint32_t>(p.low >> 32)};
    auto const below = (p.high << (128 - shift)) | (p.low >> (shift - 64));
    return {p.high >> (shift - 64), static_cast<std::uint32_t>(below >> 32)};
}

/// The same rounded to the nearest whole number.
[[nodiscard]] constexpr std::uint64_t scale_rounded(std::uint64_t a, std::uint64_t b, unsigned shift) noexcept {
    auto const r = scale(a, b, shift);
    return r.whole + (r.fraction >> 31 != 0 && r.whole != UINT64_MAX ? 1 : 0);
}

/// base · 2^(± exponent), the exponent in Q64 with `whole` before it; the largest number where it is more.
[[nodiscard]] constexpr std::uint64_t times_power(std::uint64_t base, bool negative, std::uint64_t whole,
                                                  std::uint64_t fraction) noexcept {
    if (negative) {
        if (fraction != 0) ++whole;
        return whole > 64 ? 0 : scale_rounded(base, power_of_two(0 - fraction), static_cast<unsigned>(63 + whole));
    }
    if (base == 0) return 0;
    return whole > 63 ? UINT64_MAX : scale_rounded(base, power_of_two(fraction), static_cast<unsigned>(63 - whole));
}

}  // namespace sluice::sim::detail
