// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// random_choice — any node, each with the same probability.
///
/// Use it for     many clients that know nothing of each other: nothing is shared, nothing falls into step
/// Not for        even load in the short run: of n requests to n nodes some node gets about ln n / ln ln n (the law of d = 1 in
///                power_of_two_choices)
/// Thread-safety  choose: any thread, each with its own random numbers
/// Complexity     O(1) while most nodes can be chosen, O(n) at worst, never endless
/// Errors         none; noexcept if reading the list is
/// Units          weights do not count, but for 0 (not chosen); see weighted_random

#include <sluice/core/clock.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>

#include <optional>

namespace sluice {

class random_choice {
public:
    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point, Source& rng) const {
        return any_usable(nodes, rng);
    }
};

}  // namespace sluice
