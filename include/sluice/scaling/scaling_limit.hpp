// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// scaling_limit, scaling_limiter — what a stage between a recommendation and the pool answers.
///
/// Thread-safety  values; a limiter belongs to one thread at a time
/// Complexity     a limiter is O(1) or bounded by what it was made with, and allocates nothing after its construction
///
/// A limiter is asked with limit(), and told with decided() what became of it after all the stages behind it: what counts for
/// a rate or a cooldown is what was done, not what it allowed.

#include <sluice/core/clock.hpp>

#include <concepts>
#include <cstdint>
#include <optional>

namespace sluice {

struct scaling_limit {
    std::uint32_t             workers = 0;
    std::optional<time_point> look_again{};  ///< the limit is another one then

    friend constexpr bool operator==(scaling_limit const&, scaling_limit const&) noexcept = default;
};

/// limit(desired, current, now): what remains of the wish `desired` of a pool that has `current` workers provisioned.
template <class L>
concept scaling_limiter = std::move_constructible<L> && requires(L& l, std::uint32_t workers, time_point now) {
    { l.limit(workers, workers, now) } noexcept -> std::same_as<scaling_limit>;
};

}  // namespace sluice
