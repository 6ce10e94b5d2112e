// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::race_speed, detail::race_time — who of several with weights comes first, decided by integers alone.
///
/// Thread-safety  values; any thread
/// Complexity     race_time: four multiplications and two reads of a table of 2 KiB
/// Errors         none; race_speed requires a weight > 0, finite
/// Differs        −ln(1 − h / 2^64) / weight, where libraries round logarithms differently: a table with straight lines between
///                its points, off by less than 2 · 10^-6 of the value, and never falling while h rises
///
/// Each runner needs an exponentially distributed time: its hash gives the uniform number. The first one is each runner with
/// a probability of its share of the weights. Equal weights come in the order of their hashes.

#include <sluice/core/detail/wide.hpp>
#include <sluice/routing/detail/weight.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace sluice::detail {

/// 1 / weight as mantissa · 2^exponent, exact to 62 bits.
struct race_speed {
    std::uint64_t mantissa = 0;
    int           exponent = 0;

    race_speed() noexcept = default;
    explicit race_speed(double weight) noexcept {
        constexpr std::uint64_t half = std::uint64_t{1} << 63;
        binary_weight const     w(weight);
        mantissa = multiply_divide(half, half, w.mantissa, round_to::floor);
        exponent = -w.exponent;
    }

    friend bool operator==(race_speed const&, race_speed const&) noexcept = default;
};

/// −ln(1 − v) / v at v = i / 512, with 63 bits after the point.
inline constexpr auto race_table = [] {
    std::array<std::uint64_t, 257> table{};
    for (std::size_t i = 0; i < table.size(); ++i) {
        std::uint64_t power = std::uint64_t{1} << 63;  // of v
        for (std::uint64_t k = 1; power != 0; ++k) {
            table[i] += power / k;
            power = multiply_wide(power, std::uint64_t{i} << 55).high;
        }
    }
    return table;
}();

/// −ln(1 − h / 2^64) with 58 bits after the point.
[[nodiscard]] constexpr std::uint64_t exponential(std::uint64_t h) noexcept {
    constexpr std::uint64_t ln2 = race_table[256] >> 6;
    auto const k = static_cast<unsigned>(std::countl_one(h));  // 1 − h / 2^64 = 2^-k · (1 − v) with v < 1/2
    auto const v = (h << (k / 2)) << (k - k / 2);
    auto const i = static_cast<std::size_t>(v >> 55);
    auto const slope = race_table[i] + multiply_wide(race_table[i + 1] - race_table[i], v << 9).high;
    return k * ln2 + (multiply_wide(v, slope).high >> 5);
}

/// The time as a number that is only good for comparing: 12 bits of exponent, then 52 of mantissa.
[[nodiscard]] constexpr std::uint64_t race_time(std::uint64_t h, race_speed const& speed) noexcept {
    auto const time = exponential(h);
    if (time == 0) return 0;
    int const  zeros = std::countl_zero(time);
    auto const product = multiply_wide(time << zeros, speed.mantissa).high;
    int const  more = std::countl_zero(product);
    auto const exponent = static_cast<std::uint64_t>(1100 + speed.exponent - zeros - more);  // 74 … 2236
    return (exponent << 52) | (((product << more) << 1) >> 12);
}

}  // namespace sluice::detail
