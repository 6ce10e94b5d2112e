// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// coordination_paths — the pairs among n workers: n(n - 1)/2.
///
/// Use it for     what "everyone talks to everyone" costs: 10 -> 45, 100 -> 4950, 1000 -> 499 500
/// Thread-safety  a function of its argument; any thread
/// Complexity     O(1), constexpr
/// Errors         none. Exact as long as the answer fits 64 bits (n <= 6 074 001 000), beyond that the largest number

#include <sluice/core/detail/pairs.hpp>

#include <cstdint>

namespace sluice {

[[nodiscard]] constexpr std::uint64_t coordination_paths(std::uint64_t workers) noexcept {
    return detail::pairs(workers);
}

}  // namespace sluice
