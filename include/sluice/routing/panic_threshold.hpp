// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// panic_threshold — when too few nodes are healthy, the health is not believed (or the work refused).
///
/// Use it for     not drowning the last healthy nodes: round any balancer, inside of outlier_ejection
/// Not for        levels of nodes (priority_failover has a threshold for each)
/// Thread-safety  that of the inner balancer; the wrapper itself changes nothing
/// Complexity     choose: O(n) to count, and the inner balancer's; no allocation
/// Errors         constructor: std::invalid_argument for percent > 100
/// Units          percent of the nodes with a weight; weights do not count further
/// Source         Envoy (healthy_panic_threshold, fail_traffic_on_panic)
/// Differs        the same whether or not a zone router is inside
///
/// Panic: healthy · 100 < percent · nodes, where nodes are those with weight > 0. Then, by mode,
///
///     use_all      every node with weight > 0 is shown as available
///     fail         nothing is chosen
///     last_resort  the healthy ones, as long as there is one; without any, every node with weight > 0
///
/// A weight of 0 is never overruled, in no mode: drain a node, or leave a position free, by weight 0. Nor is it overruled that
/// this request has been at a node (retry_exclusion), which counts as healthy for the share: retries make no panic. All nodes
/// down is one more panic; no node with a weight at all is an empty answer.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/node_view.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace sluice {

enum class panic_mode : std::uint8_t { use_all, fail, last_resort };

struct panic_threshold_options {
    std::uint32_t percent = 50;  ///< of the nodes healthy, at least, or it is a panic; at most 100. 0: never a panic
    panic_mode    mode = panic_mode::use_all;
};

/// How many nodes could take work, and how many of them are healthy.
struct node_health {
    std::size_t healthy = 0;
    std::size_t nodes = 0;

    /// Fewer than percent of them, or none of some. Nothing at all is not below anything.
    [[nodiscard]] constexpr bool below(std::uint32_t percent) const noexcept {
        return std::uint64_t{healthy} * 100 < std::uint64_t{nodes} * percent;
    }
    friend constexpr bool operator==(node_health const&, node_health const&) noexcept = default;
};

template <node_list List>
[[nodiscard]] constexpr node_health health_of(List const& nodes) noexcept {
    node_health health;
    for (std::size_t i = 0, n = nodes.size(); i < n; ++i) {
        auto&& node = nodes[i];
        if (node_weight(node) == 0) continue;
        ++health.nodes;
        if (node_healthy(node)) ++health.healthy;
    }
    return health;
}

namespace detail {

/// All are healthy. (Without a weight none is usable.)
struct show_all {
    template <class N>
    [[nodiscard]] constexpr bool healthy(std::size_t, N const&) const noexcept {
        return true;
    }
};

}  // namespace detail

template <class Inner>
class panic_threshold {
public:
    explicit panic_threshold(panic_threshold_options options = {})
        requires std::default_initializable<Inner>
        : options_(checked(options)), inner_() {}
    panic_threshold(panic_threshold_options options, Inner inner)
        : options_(checked(options)), inner_(std::move(inner)) {}

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point now, Source& rng) {
        if (!panics(nodes)) return inner_.choose(nodes, now, rng);
        if (options_.mode == panic_mode::fail) return std::nullopt;
        return inner_.choose(node_view<List, detail::show_all>(nodes, {}), now, rng);
    }

    /// Whether choose(nodes) would not believe the nodes' health now, or refuse.
    template <node_list List>
    [[nodiscard]] bool panics(List const& nodes) const noexcept {
        if (options_.percent == 0) return false;
        auto const health = health_of(nodes);
        if (options_.mode == panic_mode::last_resort && health.healthy > 0) return false;
        return health.below(options_.percent);
    }

    [[nodiscard]] Inner&       inner() noexcept { return inner_; }
    [[nodiscard]] Inner const& inner() const noexcept { return inner_; }

private:
    static panic_threshold_options checked(panic_threshold_options o) {
        detail::require_option(o.percent <= 100, "panic_threshold: percent (<= 100)", o.percent);
        return o;
    }

    panic_threshold_options options_;
    Inner                   inner_;
};

}  // namespace sluice
