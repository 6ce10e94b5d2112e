// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// priority_failover, priority_loads — levels of nodes: the next one takes over as much as the ones before it cannot carry.
///
/// Use it for     a main site and its reserves, round any balancer; node.priority is a level, 0 the first (default: 0)
/// Not for        nearness without an order (zone_aware, nearest)
/// Thread-safety  one thread at a time, or that of the inner balancers: the wrapper itself changes nothing
/// Complexity     choose: O(n + levels) to count, and the inner balancer's; no allocation after construction
/// Errors         constructor: std::invalid_argument names the option; std::bad_alloc
/// Units          percent of all work, whole numbers
/// Source         Envoy (priority levels, overprovisioning factor)
/// Differs        levels with no node are passed over; when all levels are below the panic threshold, loads are not spread anew by
///                the numbers of nodes; a level whose nodes the request has all tried hands it on to the next
///
///     health(level) = min(100, floor(overprovisioning · healthy nodes / nodes)), nodes being those with weight > 0
///     load(level)   = floor(health · 100 / min(100, sum of healths)), until 100 are given away in the order of the levels; what
///                     rounding leaves over goes to the first level with a health
///     no health     all load goes to the first level that has nodes, and that level panics
///     panic         only while the sum of healths is below 100: a level whose share of healthy nodes is below panic_percent
///                   shows all its nodes with a weight as available
///
/// A draw chooses the level. Each level has an inner balancer of its own (copies of one, or as given), so that balancers with a
/// turn stay even within a level; give balancer_ref to share one. If a level's balancer finds nothing, the other levels are
/// asked in order, so an available node is found when there is one. Levels beyond the last count as the last.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/node_view.hpp>
#include <sluice/routing/panic_threshold.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace sluice {

/// The level of a node: member or member function priority, 0 by default. Seen through views.
template <class N>
[[nodiscard]] constexpr std::uint32_t node_priority(N const& n) noexcept {
    auto const& node = node_original(n);
    if constexpr (requires { { node.priority() } -> std::convertible_to<std::uint32_t>; })
        return static_cast<std::uint32_t>(node.priority());
    else if constexpr (requires { { node.priority } -> std::convertible_to<std::uint32_t>; })
        return static_cast<std::uint32_t>(node.priority);
    else return 0;
}

struct priority_failover_options {
    std::size_t   levels = 2;              ///< 1 to max_priority_levels
    std::uint32_t overprovisioning = 140;  ///< percent: at 140, a level carries everything with 72 % of its nodes; 100 to 10^6
    std::uint32_t panic_percent = 50;      ///< at most 100; 0: never a panic, and no health anywhere is an empty answer
};

inline constexpr std::size_t max_priority_levels = 16;

/// How much of the work a level can carry, in percent; 0 without nodes.
[[nodiscard]] constexpr std::uint32_t priority_health(node_health level, std::uint32_t overprovisioning) noexcept {
    if (level.nodes == 0) return 0;
    auto const health = std::uint64_t{overprovisioning} * level.healthy / level.nodes;
    return static_cast<std::uint32_t>(health < 100 ? health : 100);
}

/// Percent of the work for each level, 100 in all, or 0 if no level has nodes. Returns whether panics are possible: the healths'
/// sum is below 100. Requires loads.size() == levels.size().
constexpr bool priority_loads(std::span<node_health const> levels, std::uint32_t overprovisioning,
                              std::span<std::uint32_t> loads) noexcept {
    std::uint64_t sum = 0;
    for (auto const& level : levels) sum += priority_health(level, overprovisioning);
    std::uint32_t const total = sum < 100 ? static_cast<std::uint32_t>(sum) : 100;
    std::uint32_t       left = 100;
    for (std::size_t i = 0; i < levels.size(); ++i) {
        loads[i] = total == 0 ? 0 : std::min(left, priority_health(levels[i], overprovisioning) * 100 / total);
        left -= loads[i];
    }
    for (std::size_t i = 0; left > 0 && i < levels.size(); ++i)
        if (total == 0 ? levels[i].nodes > 0 : priority_health(levels[i], overprovisioning) > 0) {
            loads[i] += left;
            left = 0;
        }
    return total < 100;
}

template <class Inner>
class priority_failover {
public:
    explicit priority_failover(priority_failover_options options = {})
        requires std::default_initializable<Inner>
        : options_(checked(options)), inners_(options.levels) {}
    /// A copy of `inner` for each level.
    priority_failover(priority_failover_options options, Inner const& inner)
        requires std::copy_constructible<Inner>
        : options_(checked(options)), inners_(options.levels, inner) {}
    /// One for each level.
    priority_failover(priority_failover_options options, std::vector<Inner> inners)
        : options_(checked(options)), inners_(std::move(inners)) {
        detail::require_option(inners_.size() == options_.levels, "priority_failover: inner balancers (one for each level)",
                               inners_.size());
    }

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point now, Source& rng) {
        auto const        p = plan_of(nodes);
        auto              drawn = static_cast<std::uint32_t>(uniform_below(rng, 100));
        std::size_t const levels = options_.levels;
        std::size_t       level = 0;
        while (level < levels && drawn >= p.loads[level]) drawn -= p.loads[level++];
        if (level == levels) return std::nullopt;  // no nodes
        if (auto const chosen = choose_in(level, p, nodes, now, rng)) return chosen;
        for (std::size_t other = 0; other < levels; ++other)
            if (other != level)
                if (auto const chosen = choose_in(other, p, nodes, now, rng)) return chosen;
        return std::nullopt;
    }

    struct plan {
        std::array<node_health, max_priority_levels>   health{};
        std::array<std::uint32_t, max_priority_levels> loads{};  ///< percent
        std::array<bool, max_priority_levels>          panics{};
    };
    /// What choose(nodes) goes by.
    template <node_list List>
    [[nodiscard]] plan plan_of(List const& nodes) const noexcept {
        plan p;
        for (std::size_t i = 0, n = nodes.size(); i < n; ++i) {
            auto&& node = nodes[i];
            if (node_weight(node) == 0) continue;
            auto& level = p.health[level_of(node)];
            ++level.nodes;
            if (node_healthy(node)) ++level.healthy;
        }
        auto const levels = options_.levels;
        bool const weak = priority_loads({p.health.data(), levels}, options_.overprovisioning, {p.loads.data(), levels});
        for (std::size_t i = 0; weak && i < levels; ++i) p.panics[i] = p.health[i].below(options_.panic_percent);
        return p;
    }

    [[nodiscard]] Inner&       inner(std::size_t level) noexcept { return inners_[level]; }
    [[nodiscard]] Inner const& inner(std::size_t level) const noexcept { return inners_[level]; }

private:
    template <class N>
    [[nodiscard]] std::size_t level_of(N const& node) const noexcept {
        return std::min<std::size_t>(node_priority(node), options_.levels - 1);
    }

    struct show {
        priority_failover const* self;
        std::size_t              level;
        bool                     panic;

        template <class N>
        [[nodiscard]] bool healthy(std::size_t, N const& n) const noexcept {
            return self->level_of(n) == level && (panic || node_healthy(n));
        }
    };

    template <node_list List, random_source Source>
    std::optional<node_index> choose_in(std::size_t level, plan const& p, List const& nodes, time_point now, Source& rng) {
        if (p.health[level].nodes == 0) return std::nullopt;
        return inners_[level].choose(node_view<List, show>(nodes, {this, level, p.panics[level]}), now, rng);
    }

    static priority_failover_options checked(priority_failover_options o) {
        detail::require_option(o.levels > 0 && o.levels <= max_priority_levels, "priority_failover: levels (1 to 16)", o.levels);
        detail::require_option(o.overprovisioning >= 100 && o.overprovisioning <= 1'000'000,
                               "priority_failover: overprovisioning (100 to 10^6)", o.overprovisioning);
        detail::require_option(o.panic_percent <= 100, "priority_failover: panic_percent (<= 100)", o.panic_percent);
        return o;
    }

    priority_failover_options options_;
    std::vector<Inner>        inners_;
};

}  // namespace sluice
