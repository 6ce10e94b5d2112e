// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// splitmix64, xoshiro256ss, uniform_below, uniform_real — small, fast, repeatable random numbers.
///
/// Use it for     victims, jitter, samples, simulations: the same seed gives the same numbers on every machine
/// Not for        secrets: the state can be computed from a few outputs
/// Thread-safety  an object belongs to one thread. Give each thread its own: the same seed and jump(), or other seeds
/// Complexity     O(1) per number; jump(): 256 steps. uniform_below: one multiplication, rarely a division
/// Errors         xoshiro256ss: std::invalid_argument for the state of four zeros; the rest is noexcept
/// Source         Steele, Lea, Flood, OOPSLA 2014, doi:10.1145/2660193.2660195 (splitmix64);
///                Blackman, Vigna, TOMS 2021, doi:10.1145/3460772 (xoshiro256**);
///                Lemire, TOMACS 2019, doi:10.1145/3230636 (uniform_below)

#include <sluice/core/assert.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/mix64.hpp>

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <type_traits>

namespace sluice {

/// A source of uniform 64-bit numbers: a std::uniform_random_bit_generator that uses its whole range.
template <class G>
concept random_source = std::invocable<G&> && std::same_as<std::invoke_result_t<G&>, std::uint64_t> &&
                        (G::min() == 0) && (G::max() == UINT64_MAX);

/// One word of state; every seed is a good one. Passes through each number once in 2^64 steps. Mostly used to seed.
class splitmix64 {
public:
    using result_type = std::uint64_t;

    explicit constexpr splitmix64(std::uint64_t seed = 0) noexcept : state_(seed) {}

    constexpr result_type operator()() noexcept { return mix64(state_ += 0x9E3779B97F4A7C15u); }

    [[nodiscard]] static constexpr result_type min() noexcept { return 0; }
    [[nodiscard]] static constexpr result_type max() noexcept { return UINT64_MAX; }

    friend constexpr bool operator==(splitmix64 const&, splitmix64 const&) noexcept = default;

private:
    std::uint64_t state_;
};

/// xoshiro256**: four words of state, period 2^256 - 1. The generator to use when nothing speaks for another.
class xoshiro256ss {
public:
    using result_type = std::uint64_t;

    /// Any seed, also 0: the state comes from splitmix64, as the authors advise.
    explicit constexpr xoshiro256ss(std::uint64_t seed = 0) noexcept : state_{} {
        splitmix64 words(seed);
        for (auto& word : state_) word = words();
    }

    /// The state itself. Four zeros would stay zeros and are refused.
    explicit constexpr xoshiro256ss(std::array<std::uint64_t, 4> const& state) : state_(state) {
        if ((state[0] | state[1] | state[2] | state[3]) == 0)
            throw std::invalid_argument("sluice::xoshiro256ss: state = {0, 0, 0, 0}, must have a bit set");
    }

    constexpr result_type operator()() noexcept {
        auto const result = std::rotl(state_[1] * 5, 7) * 9;
        auto const t = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= t;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

    /// As 2^128 calls: n generators of one seed, the k-th jumped k times, never meet.
    constexpr void jump() noexcept {
        leap({0x180EC6D33CFD0ABAu, 0xD5A61266F0C9392Cu, 0xA9582618E03FC9AAu, 0x39ABDC4529B1661Cu});
    }

    /// As 2^192 calls: a jump between groups of generators that jump().
    constexpr void long_jump() noexcept {
        leap({0x76E15D3EFEFDCBBFu, 0xC5004E441C522FB3u, 0x77710069854EE241u, 0x39109BB02ACBE635u});
    }

    [[nodiscard]] static constexpr result_type min() noexcept { return 0; }
    [[nodiscard]] static constexpr result_type max() noexcept { return UINT64_MAX; }

    friend constexpr bool operator==(xoshiro256ss const&, xoshiro256ss const&) noexcept = default;

private:
    constexpr void leap(std::array<std::uint64_t, 4> const& polynomial) noexcept {
        std::array<std::uint64_t, 4> sum{};
        for (auto const word : polynomial) {
            for (int bit = 0; bit < 64; ++bit) {
                if ((word >> bit) & 1)
                    for (std::size_t i = 0; i < 4; ++i) sum[i] ^= state_[i];
                (*this)();
            }
        }
        state_ = sum;
    }

    std::array<std::uint64_t, 4> state_;
};

/// A number in [0, n), each equally likely: no modulo bias. Requires n > 0. Takes one number from the source, and
/// another with a probability below n / 2^64.
template <random_source Source>
[[nodiscard]] constexpr std::uint64_t uniform_below(Source& source, std::uint64_t n) noexcept(noexcept(source())) {
    SLUICE_ASSERT(n > 0);
    auto product = detail::multiply_wide(source(), n);
    if (product.low < n) {
        auto const excess = (0 - n) % n;  // 2^64 mod n
        while (product.low < excess) product = detail::multiply_wide(source(), n);
    }
    return product.high;
}

/// A number in [0, 1), a multiple of 2^-53. Never 1, so that log(1 - u) is finite.
template <random_source Source>
[[nodiscard]] constexpr double uniform_real(Source& source) noexcept(noexcept(source())) {
    return static_cast<double>(source() >> 11) * 0x1p-53;
}

}  // namespace sluice
