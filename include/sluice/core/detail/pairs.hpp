// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::pairs — how many pairs n things make: n(n - 1)/2.
///
/// Thread-safety  a function of its argument; any thread
/// Complexity     O(1), constexpr
/// Errors         none. Exact as long as the answer fits 64 bits (n <= 6 074 001 000), beyond that the largest number

#include <cstdint>

namespace sluice::detail {

[[nodiscard]] constexpr std::uint64_t pairs(std::uint64_t n) noexcept {
    if (n < 2) return 0;
    std::uint64_t const even = n % 2 == 0 ? n / 2 : (n - 1) / 2;
    std::uint64_t const odd = n % 2 == 0 ? n - 1 : n;
    return even > UINT64_MAX / odd ? UINT64_MAX : even * odd;
}

}  // namespace sluice::detail
