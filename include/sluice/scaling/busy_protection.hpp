// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// busy_protection — not fewer workers than have something in hand.
///
/// Use it for     pools that end a worker in the midst of its task, or wait for it: a long task is not a reason to shrink around
/// Thread-safety  values; any thread
/// Complexity     O(1), no allocation
/// Errors         none. How many are busy is not known: no protection, and never a reason to grow

#include <algorithm>
#include <cstdint>
#include <optional>

namespace sluice {

struct busy_protection_options {
    bool          enabled = true;
    std::uint32_t spare = 0;  ///< idle workers that are kept besides
};

class busy_protection {
public:
    explicit constexpr busy_protection(busy_protection_options o) noexcept : o_(o) {}

    [[nodiscard]] constexpr std::uint32_t limit(std::uint32_t desired, std::uint32_t current,
                                                std::optional<std::uint32_t> busy) const noexcept {
        if (!o_.enabled || !busy || desired >= current) return desired;
        auto const kept = *busy > UINT32_MAX - o_.spare ? UINT32_MAX : *busy + o_.spare;
        return std::max(desired, std::min(current, kept));
    }

    [[nodiscard]] constexpr busy_protection_options const& options() const noexcept { return o_; }

private:
    busy_protection_options o_;
};

}  // namespace sluice
