// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// mix64 — spreads the bits of one number over all 64: a bijection with good avalanche.
///
/// Use it for     numbers that are spread badly (counters, addresses) before a table or a router sees them
/// Not for        strings (core/hash.hpp), or input that an attacker chooses: the inverse is published
/// Thread-safety  any thread
/// Complexity     O(1): two multiplications
/// Source         the finaliser of splitmix64, "Mix13" of D. Stafford; Steele, Lea, Flood, OOPSLA 2014,
///                doi:10.1145/2660193.2660195

#include <cstdint>

namespace sluice {

/// Different numbers give different results; 0 gives 0.
[[nodiscard]] constexpr std::uint64_t mix64(std::uint64_t x) noexcept {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

}  // namespace sluice
