// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::natural, detail::fraction, detail::fraction_of — whole-number arithmetic for answers that are rounded up.
///
/// Thread-safety  values; any thread
/// Complexity     O(1), constexpr, no allocation
/// Errors         none. Products beyond 256 bits stay at the largest number

#include <sluice/core/detail/wide.hpp>
#include <sluice/core/units.hpp>
#include <sluice/scaling/detail/check.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace sluice::detail {

/// A number of up to 256 bits: the product of four that a caller gives.
class natural {
public:
    constexpr natural(std::uint64_t value) noexcept : words_{value, 0, 0, 0} {}  // NOLINT: a number is a number

    [[nodiscard]] friend constexpr natural operator*(natural const& a, std::uint64_t b) noexcept {
        natural product(0);
        std::uint64_t carry = 0;
        for (std::size_t i = 0; i < a.words_.size(); ++i) {
            auto const part = multiply_wide(a.words_[i], b);
            product.words_[i] = part.low + carry;
            carry = part.high + (product.words_[i] < carry ? 1u : 0u);
        }
        return carry == 0 ? product : largest();
    }

    [[nodiscard]] friend constexpr natural operator+(natural const& a, natural const& b) noexcept {
        natural sum(0);
        std::uint64_t carry = 0;
        for (std::size_t i = 0; i < a.words_.size(); ++i) {
            std::uint64_t const part = a.words_[i] + b.words_[i];
            sum.words_[i] = part + carry;
            carry = part < a.words_[i] || sum.words_[i] < carry ? 1 : 0;
        }
        return carry == 0 ? sum : largest();
    }

    [[nodiscard]] friend constexpr bool operator<(natural const& a, natural const& b) noexcept {
        for (std::size_t i = a.words_.size(); i-- > 0;)
            if (a.words_[i] != b.words_[i]) return a.words_[i] < b.words_[i];
        return false;
    }

private:
    [[nodiscard]] static constexpr natural largest() noexcept {
        natural n(0);
        n.words_ = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
        return n;
    }

    std::array<std::uint64_t, 4> words_;
};

/// a / b, rounded up; `most` where the exact answer is larger. Requires b > 0, b × most below 2^256.
[[nodiscard]] constexpr std::uint64_t divide_up(natural const& a, natural const& b, std::uint64_t most) noexcept {
    std::uint64_t low = 0;
    std::uint64_t high = most;
    while (low < high) {
        std::uint64_t const middle = low + (high - low) / 2;
        if (b * middle < a) low = middle + 1;
        else high = middle;
    }
    return low;
}

/// The same as a number of instances.
[[nodiscard]] constexpr std::uint32_t divide_up(natural const& a, natural const& b) noexcept {
    return static_cast<std::uint32_t>(divide_up(a, b, UINT32_MAX));
}

struct fraction {
    std::uint64_t over;
    std::uint64_t under;
};

/// The simplest fraction between two, both of which are > 0 and may be the answer. Requires low < high.
[[nodiscard]] constexpr fraction simplest_between(fraction low, fraction high) noexcept {
    // Continued fraction: p/q is the answer's convergent so far, before_p/before_q the one before it.
    std::uint64_t p = 1, q = 0, before_p = 0, before_q = 1;
    for (;;) {
        std::uint64_t whole = low.over / low.under;
        std::uint64_t const rest = low.over % low.under;
        bool const last = rest == 0 || high.over / high.under > whole;
        if (last && rest != 0) ++whole;
        std::uint64_t const next_p = whole * p + before_p;
        std::uint64_t const next_q = whole * q + before_q;
        if (last) return {next_p, next_q};
        before_p = p;
        before_q = q;
        p = next_p;
        q = next_q;
        fraction const turned_low{high.under, high.over - whole * high.under};
        high = {low.under, rest};
        low = turned_low;
    }
}

/// The simplest fraction that is x to the last bit: .7 is 7/10 and 1.0/3 is 1/3. Below 1/512 one near x, with up to 18
/// decimals if those are all it has. Requires 0 < x <= 1.
template <std::floating_point F>
[[nodiscard]] constexpr fraction fraction_of(F x) noexcept {
    if constexpr (std::numeric_limits<F>::digits > std::numeric_limits<double>::digits) {
        return fraction_of(static_cast<double>(x));
    } else if (x >= F(0x1p-9)) {
        if (x == F(1)) return {1, 1};
        std::uint64_t under = 2;
        while (x < static_cast<F>(std::uint64_t{1} << (std::numeric_limits<F>::digits - 1))) {
            x *= 2;
            under *= 2;
        }
        auto const twice = 2 * static_cast<std::uint64_t>(x);
        return simplest_between({twice - 1, under}, {twice + 1, under});
    } else {
        F const tolerance = 2 * std::numeric_limits<F>::epsilon();
        F scaled = x;
        std::uint64_t under = 1;
        for (int decimals = 1; decimals <= 18; ++decimals) {
            scaled *= 10;
            under *= 10;
            if (scaled >= F(0x1p52)) break;
            auto const nearest = static_cast<std::uint64_t>(scaled + F(0.5));
            F const off = static_cast<F>(nearest) - scaled;
            if (nearest > 0 && off <= tolerance * scaled && -off <= tolerance * scaled) return {nearest, under};
        }
        if (x >= F(1e-9)) return {static_cast<std::uint64_t>(x * F(0x1p62)), std::uint64_t{1} << 62};
        return {1, 1 / x < F(0x1p62) ? static_cast<std::uint64_t>(1 / x) : std::uint64_t{1} << 62};
    }
}

/// A utilisation, checked: 0 < x <= 1, whatever kind of number it is.
template <number N>
[[nodiscard]] constexpr fraction utilisation_fraction(char const* name_and_range, N utilisation) {
    require_number(utilisation > 0 && utilisation <= 1, name_and_range, static_cast<double>(utilisation));
    if constexpr (std::integral<N>) return {1, 1};
    else return fraction_of(utilisation);
}

}  // namespace sluice::detail
