// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// balancer_ref — a balancer that is somewhere else: for several wrappers around one, or one that cannot be moved.
///
/// Use it for     inner balancers that must learn from all calls (priority_failover and zone_aware keep one per level or zone)
/// Not for        balancers with a position of their own, as round robin: each level or zone wants its own
/// Thread-safety  that of the balancer, which must outlive every reference
/// Complexity     a pointer
/// Errors         those of the balancer

#include <sluice/core/clock.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>

#include <optional>

namespace sluice {

template <class Balancer>
class balancer_ref {
public:
    explicit constexpr balancer_ref(Balancer& balancer) noexcept : balancer_(&balancer) {}

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point now, Source& rng) {
        return balancer_->choose(nodes, now, rng);
    }
    [[nodiscard]] constexpr Balancer& get() const noexcept { return *balancer_; }

private:
    Balancer* balancer_;
};

}  // namespace sluice
