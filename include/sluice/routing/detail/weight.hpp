// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::binary_weight, detail::is_weight — a node's weight taken apart, for arithmetic that is the same on every machine.
///
/// Thread-safety  values; any thread

#include <sluice/core/assert.hpp>

#include <bit>
#include <cstdint>
#include <limits>

namespace sluice::detail {

[[nodiscard]] constexpr bool is_weight(double weight) noexcept {
    return weight > 0 && weight <= std::numeric_limits<double>::max();
}

/// mantissa · 2^exponent, exactly; the mantissa's highest bit is set. Requires is_weight(weight).
struct binary_weight {
    std::uint64_t mantissa;
    int           exponent;

    explicit constexpr binary_weight(double weight) noexcept : mantissa(0), exponent(0) {
        static_assert(std::numeric_limits<double>::is_iec559 && sizeof(double) == 8);
        SLUICE_ASSERT(is_weight(weight));
        auto const    bits = std::bit_cast<std::uint64_t>(weight);
        auto const    field = static_cast<int>(bits >> 52);
        std::uint64_t digits = bits & ((std::uint64_t{1} << 52) - 1);
        if (field != 0) digits |= std::uint64_t{1} << 52;
        int const shift = std::countl_zero(digits);
        mantissa = digits << shift;
        exponent = (field != 0 ? field : 1) - 1075 - shift;
    }
};

}  // namespace sluice::detail
