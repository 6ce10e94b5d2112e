// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// cost_aware — the cheapest node that meets the demands, where a second of latency has a price too.
///
/// Use it for     own machines before rented ones, spot before regular ones, a far cheap region for what can wait
/// Not for        balance: the cheapest node is filled up to its capacity before the next one gets anything
/// Thread-safety  any thread; the object holds its options and nothing else
/// Complexity     choose, explain: O(nodes · (needs + used domains)); no allocation
/// Errors         constructor: std::invalid_argument names the option. No node that meets the demands is an empty answer
/// Units          cost = price + second_price · latency in seconds: money per request
///
/// Demands: placement_constraints.hpp; a node without room for one more is refused there. A node whose price is unknown, or whose
/// latency is unknown while seconds have a price, has no cost and comes behind all that have one. Equal costs go to the less
/// loaded node for its weight, then to any.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_facts.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/placement_constraints.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace sluice {

struct cost_aware_options {
    double second_price = 0;  ///< what a second of latency is worth; in [0, 10^12]
};

struct cost_explanation {
    placement_check       check{};
    std::optional<double> cost{};  ///< of a node that meets the demands; empty where it is unknown
};

class cost_aware {
public:
    explicit cost_aware(cost_aware_options o = {}) : o_(o) {
        detail::require_option(o.second_price >= 0 && o.second_price <= 1e12, "cost_aware: second_price (in [0, 10^12])",
                               o.second_price);
    }

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, placement_request const& request, Source& rng) const {
        std::optional<node_index> chosen;
        std::optional<double>     lowest;
        std::uint32_t             ties = 0;
        for (std::size_t i = 0, n = nodes.size(); i < n; ++i) {
            auto const& node = nodes[i];
            if (!check_placement(node, request)) continue;
            auto const c = cost(node);
            bool const even = chosen && c == lowest;
            bool const cheaper = !chosen || (c && (!lowest || *c < *lowest));
            if (cheaper || (even && detail::lighter(node, nodes[*chosen]))) {
                chosen = static_cast<node_index>(i);
                lowest = c;
                ties = 1;
            } else if (even && !detail::lighter(nodes[*chosen], node) && uniform_below(rng, ++ties) == 0) {
                chosen = static_cast<node_index>(i);
            }
        }
        return chosen;
    }

    /// A request without demands.
    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point, Source& rng) const {
        return choose(nodes, placement_request{}, rng);
    }

    /// Each node; fills as much as there is room for and returns how many.
    template <node_list List>
    std::size_t explain(List const& nodes, placement_request const& r, std::span<cost_explanation> out) const noexcept {
        std::size_t const n = std::min<std::size_t>(nodes.size(), out.size());
        for (std::size_t i = 0; i < n; ++i) {
            out[i] = {check_placement(nodes[i], r), {}};
            if (out[i].check) out[i].cost = cost(nodes[i]);
        }
        return n;
    }

    /// Of one request there; empty where it is unknown.
    template <class N>
    [[nodiscard]] std::optional<double> cost(N const& node) const noexcept {
        auto sum = node_price(node);
        if (!sum || o_.second_price <= 0) return sum;
        auto const latency = node_latency(node);
        if (!latency) return std::nullopt;
        *sum += o_.second_price * (static_cast<double>(latency->count()) * 1e-9);
        if (!std::isfinite(*sum)) return std::nullopt;
        return sum;
    }

    [[nodiscard]] cost_aware_options const& options() const noexcept { return o_; }

private:
    cost_aware_options o_;
};

}  // namespace sluice
