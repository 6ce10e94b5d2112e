// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::seed, test::keys, test::stress_factor — what makes a test repeatable, or longer.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace test {

namespace detail {

inline std::uint64_t number_from_environment(char const* name, std::uint64_t otherwise) {
    char const* const text = std::getenv(name);
    if (text == nullptr || *text == '\0') return otherwise;
    return std::strtoull(text, nullptr, 0);
}

}  // namespace detail

/// SLUICE_SEED, or a fixed number. Every executable prints it first.
inline std::uint64_t seed() {
    static std::uint64_t const value = detail::number_from_environment("SLUICE_SEED", 20'050'718);
    return value;
}

/// SLUICE_STRESS, or 1: how many times longer than usual a stress test runs.
inline std::uint64_t stress_factor() {
    static std::uint64_t const value = detail::number_from_environment("SLUICE_STRESS", 1);
    return value == 0 ? 1 : value;
}

/// n different keys, the same ones for the same seed. (A bijection of n different counters; written out here so that
/// a defect in the library's own generators cannot hide itself.)
inline std::vector<std::uint64_t> keys(std::size_t n, std::uint64_t seed_value) {
    std::vector<std::uint64_t> result;
    result.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
        seed_value += 0x9E3779B97F4A7C15;
        std::uint64_t z = seed_value;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        result.push_back(z ^ (z >> 31));
    }
    return result;
}

}  // namespace test
