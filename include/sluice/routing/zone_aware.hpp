// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// zone_aware, zone_split — work stays in the caller's own zone, as far as that loads no node more than the others.
///
/// Use it for     saving latency and traffic between zones without overloading a zone that has many callers and few nodes
/// Not for        an order of sites (priority_failover), distances (nearest), or measured loads: it goes by numbers of nodes
/// Thread-safety  choose: one thread at a time, or as the inner balancers; set_callers never during choose
/// Complexity     choose: O(n + zones) to count, and the inner balancer's; no allocation after construction
/// Errors         constructor, set_callers: std::invalid_argument names the option; std::bad_alloc
/// Units          shares in ten-thousandths, whole numbers
/// Source         Envoy (zone aware routing)
/// Differs        zones are matched by number, so callers and nodes may be in different ones; says why it is off; if the chosen zone
///                has nothing left for this request, all zones are asked
///
/// With caller share c(z) and node share u(z), each floor(10000 · part / whole), of healthy nodes with weight > 0:
///
///     u(local) >= c(local)   everything stays in the local zone
///     otherwise              u(local) · 10000 / c(local) ten-thousandths stay; the rest is spread over the other zones by what
///                            is left there: max(0, u(z) - c(z)); if rounding leaves nothing anywhere, evenly by their nodes
///
/// That is right when every caller's zone does the same. Off, with the inner balancer over all nodes (zone_plan::state):
///
///     no_callers       no caller is known, or none in the local zone: set_callers
///     few_zones        fewer than two zones have healthy nodes
///     few_nodes        fewer healthy nodes than min_nodes
///     few_local_nodes  fewer healthy nodes in the local zone than min_local_nodes (at least 1)
///
/// node.zone is a number, 0 by default; a node in a zone >= zones is a node of no zone: only chosen when the routing is off, or
/// when nothing else is left. Each zone has an inner balancer of its own, and "all zones" the last one: inner(zones).

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_facts.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/node_view.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace sluice {

inline constexpr std::size_t max_zones = 64;

enum class zone_state : std::uint8_t { all_local, spilling, no_callers, few_zones, few_nodes, few_local_nodes };

enum class zone_basis : std::uint8_t { nodes, weights };

struct zone_aware_options {
    std::size_t   zones = 2;           ///< 1 to max_zones
    std::uint32_t local = 0;           ///< the caller's own; < zones
    std::size_t   min_nodes = 6;       ///< healthy ones in all zones, or it is off
    std::size_t   min_local_nodes = 1; ///< healthy ones in the local zone, or it is off; > 0
    zone_basis    basis = zone_basis::nodes;  ///< what a zone can carry: its healthy nodes, or the sum of their weights
};

struct zone_plan {
    zone_state                           state = zone_state::no_callers;
    std::uint32_t                        local = 0;   ///< ten-thousandths that stay
    std::array<std::uint32_t, max_zones> residual{};  ///< what is left in the zones up to this one, summed up; 0 for the local one

    [[nodiscard]] bool on() const noexcept { return state == zone_state::all_local || state == zone_state::spilling; }
};

/// Shares of the local zone's work. callers and capacity by zone, of the same length, at most max_zones; local is a zone with
/// callers, and some zone has capacity. (Whether it should be on at all is for zone_aware to say.)
[[nodiscard]] constexpr zone_plan zone_split(std::span<std::uint64_t const> callers, std::span<std::uint64_t const> capacity,
                                             std::size_t local) noexcept {
    auto const share = [](std::span<std::uint64_t const> of, std::size_t zone) -> std::uint32_t {
        std::uint64_t sum = 0;
        for (auto const x : of) sum += x;
        return sum == 0 ? 0 : static_cast<std::uint32_t>(detail::multiply_divide(of[zone], 10'000, sum, detail::round_to::floor));
    };
    zone_plan  plan;
    auto const here = share(capacity, local), needed = share(callers, local);
    if (here >= needed) {
        plan.state = zone_state::all_local;
        plan.local = 10'000;
        return plan;
    }
    plan.state = zone_state::spilling;
    plan.local = here * 10'000 / needed;
    std::uint32_t sum = 0;
    for (std::size_t z = 0; z < capacity.size(); ++z) {
        auto const has = share(capacity, z), wants = share(callers, z);
        if (has > wants) sum += has - wants;
        plan.residual[z] = sum;
    }
    return plan;
}

template <class Inner>
class zone_aware {
public:
    explicit zone_aware(zone_aware_options options = {})
        requires std::default_initializable<Inner>
        : options_(checked(options)), inners_(options.zones + 1), callers_(options.zones) {}
    /// A copy of `inner` for each zone and one for all.
    zone_aware(zone_aware_options options, Inner const& inner)
        requires std::copy_constructible<Inner>
        : options_(checked(options)), inners_(options.zones + 1, inner), callers_(options.zones) {}
    /// One for each zone, then one for all.
    zone_aware(zone_aware_options options, std::vector<Inner> inners)
        : options_(checked(options)), inners_(std::move(inners)), callers_(options.zones) {
        detail::require_option(inners_.size() == options_.zones + 1, "zone_aware: inner balancers (zones + 1)", inners_.size());
    }

    /// How many callers like this one there are in each zone.
    void set_callers(std::span<std::uint32_t const> by_zone) {
        detail::require_option(by_zone.size() == options_.zones, "zone_aware: callers (one number for each zone)", by_zone.size());
        for (std::size_t z = 0; z < by_zone.size(); ++z) callers_[z] = by_zone[z];
    }

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point now, Source& rng) {
        auto const counted = count(nodes);
        auto const p = plan_for(counted);
        if (p.on())
            if (auto const chosen = choose_in(zone_for(p, counted, rng), nodes, now, rng)) return chosen;
        return inners_[options_.zones].choose(nodes, now, rng);
    }

    /// What choose(nodes) goes by, and why it is off if it is.
    template <node_list List>
    [[nodiscard]] zone_plan plan_of(List const& nodes) const noexcept {
        return plan_for(count(nodes));
    }

    [[nodiscard]] Inner&       inner(std::size_t zone) noexcept { return inners_[zone]; }
    [[nodiscard]] Inner const& inner(std::size_t zone) const noexcept { return inners_[zone]; }

private:
    template <class N>
    [[nodiscard]] static std::uint32_t zone_of(N const& n) noexcept {
        return node_zone(n).value_or(0);
    }

    struct counts {
        std::array<std::uint64_t, max_zones> nodes{};
        std::array<std::uint64_t, max_zones> capacity{};
        std::uint64_t                        all = 0;
    };

    template <node_list List>
    [[nodiscard]] counts count(List const& nodes) const noexcept {
        counts c;
        for (std::size_t i = 0, n = nodes.size(); i < n; ++i) {
            auto&&     node = nodes[i];
            auto const zone = zone_of(node);
            auto const weight = node_weight(node);
            if (zone >= options_.zones || weight == 0 || !node_healthy(node)) continue;
            ++c.all;
            ++c.nodes[zone];
            c.capacity[zone] += options_.basis == zone_basis::weights ? weight : 1;
        }
        return c;
    }

    [[nodiscard]] zone_plan plan_for(counts const& c) const noexcept {
        auto const  off = [](zone_state why) { return zone_plan{.state = why}; };
        std::size_t zones = 0;
        for (auto const nodes : c.nodes) zones += nodes > 0 ? 1u : 0u;
        if (callers_[options_.local] == 0) return off(zone_state::no_callers);
        if (zones < 2) return off(zone_state::few_zones);
        if (c.all < options_.min_nodes) return off(zone_state::few_nodes);
        if (c.nodes[options_.local] < options_.min_local_nodes) return off(zone_state::few_local_nodes);
        return zone_split(callers_, {c.capacity.data(), options_.zones}, options_.local);
    }

    template <random_source Source>
    [[nodiscard]] std::size_t zone_for(zone_plan const& p, counts const& c, Source& rng) const {
        if (p.local == 10'000 || uniform_below(rng, 10'000) < p.local) return options_.local;
        if (auto const sum = p.residual[options_.zones - 1]; sum > 0) {
            auto const  drawn = uniform_below(rng, sum);
            std::size_t zone = 0;
            while (drawn >= p.residual[zone]) ++zone;
            return zone;
        }
        auto drawn = uniform_below(rng, c.all - c.nodes[options_.local]);  // at least two zones have nodes
        for (std::size_t zone = 0;; ++zone) {
            if (zone == options_.local) continue;
            if (drawn < c.nodes[zone]) return zone;
            drawn -= c.nodes[zone];
        }
    }

    template <node_list List, random_source Source>
    std::optional<node_index> choose_in(std::size_t zone, List const& nodes, time_point now, Source& rng) {
        auto const here = [zone](std::size_t, auto const& n) { return zone_of(n) == zone; };
        return inners_[zone].choose(detail::only(nodes, here), now, rng);
    }

    static zone_aware_options checked(zone_aware_options o) {
        detail::require_option(o.zones > 0 && o.zones <= max_zones, "zone_aware: zones (1 to 64)", o.zones);
        detail::require_option(o.local < o.zones, "zone_aware: local (< zones)", o.local);
        detail::require_option(o.min_local_nodes > 0, "zone_aware: min_local_nodes (> 0)", o.min_local_nodes);
        return o;
    }

    zone_aware_options         options_;
    std::vector<Inner>         inners_;
    std::vector<std::uint64_t> callers_;
};

}  // namespace sluice
