// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::bucket_draws, detail::salted — further hashes of one key, one for each bucket that turns out to be gone.
///
/// Thread-safety  values; any thread
/// Complexity     two multiplications of 64 bits per draw

#include <sluice/core/detail/wide.hpp>
#include <sluice/routing/hashed_key.hpp>

#include <bit>
#include <cstdint>

namespace sluice::detail {

/// Both halves of a · b: each bit of either number changes about half of the bits.
[[nodiscard]] constexpr std::uint64_t folded(std::uint64_t a, std::uint64_t b) noexcept {
    auto const product = multiply_wide(a, b);
    return product.high ^ product.low;
}

/// A number in [0, bound) from 64 uniform bits, off by less than bound / 2^64 in each probability.
[[nodiscard]] constexpr std::uint32_t reduced(std::uint64_t hash, std::uint32_t bound) noexcept {
    return static_cast<std::uint32_t>(multiply_wide(hash, bound).high);
}

/// The n-th of many hashes of one key.
[[nodiscard]] constexpr std::uint64_t salted(std::uint64_t key, std::uint64_t n) noexcept {
    return folded(key ^ ((n + 1) * 0x9E3779B97F4A7C15u), std::rotl(key, 32) ^ 0xD6E8FEB86659FD93u);
}

class bucket_draws {
public:
    explicit constexpr bucket_draws(hashed_key key) noexcept : key_(key.value) {}

    /// The key's own place among `bound` buckets.
    [[nodiscard]] constexpr std::uint32_t first(std::uint32_t bound) const noexcept { return reduced(key_, bound); }
    /// Where it goes instead of the bucket, among `bound` others; the same whenever it is asked.
    [[nodiscard]] constexpr std::uint32_t next(std::uint32_t bucket, std::uint32_t bound) const noexcept {
        return reduced(salted(key_, bucket), bound);
    }

private:
    std::uint64_t key_;
};

}  // namespace sluice::detail
