// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// placement_score — work flows to where it can be processed most efficiently: near, free, well equipped, and not beside its
/// own copies.
///
/// Use it for     placing tasks, replicas or sessions, seconds or hours long, where several goods are weighed against each other
/// Not for        short requests, where one number decides (cost_aware, slo_aware, or a balancer by load)
/// Thread-safety  any thread; the object holds its options and nothing else
/// Complexity     choose, explain: O(nodes · (needs + used domains)); no allocation
/// Errors         constructor: std::invalid_argument names the option. No node that meets the demands is an empty answer
/// Units          each term and the score in [0, 1], 1 is best, never NaN
///
/// Demands come first (placement_constraints.hpp): a node that does not meet them has no score, and explain() says which one.
/// The others have four terms, weighed with the options' weights over their sum:
///
///     latency     half_latency / (half_latency + latency)                 1 here, .5 at half_latency, .1 at nine times it
///     capacity    (capacity - in_flight - slots) / capacity               the share that stays free
///     resources   least of (free - need) / free over the needs            1 without needs
///     spread      1 / (1 + copies in its failure domain)                  1 without other copies
///
/// A term of which the node says nothing is `unknown`, by default 0: what is not known earns nothing. Equal scores go to
/// the less loaded node for its weight, then to any.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_facts.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/placement_constraints.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace sluice {

struct placement_score_options {
    double   latency = 1;    ///< weights; in [0, 10^9], at least one > 0
    double   capacity = 1;
    double   resources = 1;
    double   spread = 1;
    duration half_latency = std::chrono::milliseconds(10);  ///< > 0
    double   unknown = 0;    ///< a term's value where nothing is known; in [0, 1]
};

struct placement_terms {
    double latency = 0;
    double capacity = 0;
    double resources = 0;
    double spread = 0;
};

struct placement_explanation {
    placement_check check{};
    placement_terms terms{};    ///< of a node that meets the demands
    double          score = 0;  ///< likewise
};

class placement_score {
public:
    explicit placement_score(placement_score_options o = {}) : o_(o) {
        detail::require_option(o.latency >= 0 && o.latency <= 1e9, "placement_score: latency (in [0, 10^9])", o.latency);
        detail::require_option(o.capacity >= 0 && o.capacity <= 1e9, "placement_score: capacity (in [0, 10^9])", o.capacity);
        detail::require_option(o.resources >= 0 && o.resources <= 1e9, "placement_score: resources (in [0, 10^9])", o.resources);
        detail::require_option(o.spread >= 0 && o.spread <= 1e9, "placement_score: spread (in [0, 10^9])", o.spread);
        sum_ = o.latency + o.capacity + o.resources + o.spread;
        detail::require_option(sum_ > 0, "placement_score: sum of the weights (> 0)", sum_);
        detail::require_option(o.half_latency.count() > 0, "placement_score: half_latency (> 0 ns)", o.half_latency.count());
        detail::require_option(o.unknown >= 0 && o.unknown <= 1, "placement_score: unknown (in [0, 1])", o.unknown);
    }

    /// The node with the highest score among those that meet the demands.
    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, placement_request const& request, Source& rng) const {
        std::optional<node_index> chosen;
        double                    highest = 0;
        std::uint32_t             ties = 0;
        for (std::size_t i = 0, n = nodes.size(); i < n; ++i) {
            auto const& node = nodes[i];
            auto const  e = evaluate(node, request);
            if (!e.check) continue;
            bool const even = chosen && e.score == highest;
            if (!chosen || e.score > highest || (even && detail::lighter(node, nodes[*chosen]))) {
                chosen = static_cast<node_index>(i);
                highest = e.score;
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

    /// One node: the demand that it does not meet, or its terms and score.
    template <class N>
    [[nodiscard]] placement_explanation evaluate(N const& node, placement_request const& r) const noexcept {
        placement_explanation e;
        e.check = check_placement(node, r);
        if (!e.check) return e;
        auto& t = e.terms;
        t.latency = t.capacity = t.spread = o_.unknown;
        if (auto const latency = node_latency(node)) {
            auto const half = static_cast<double>(o_.half_latency.count());
            t.latency = half / (half + static_cast<double>(latency->count()));
        }
        if (auto const capacity = node_capacity(node)) {
            std::uint64_t const used = std::uint64_t{node_in_flight(node)} + r.slots;
            t.capacity = used >= *capacity ? 0 : static_cast<double>(*capacity - used) / *capacity;
        }
        t.resources = 1;
        auto const resources = node_resources(node);
        for (std::size_t i = 0; i < r.needs.size(); ++i)
            if (r.needs[i] > 0) t.resources = std::min(t.resources, (resources[i] - r.needs[i]) / resources[i]);
        if (r.used_domains.empty()) t.spread = 1;
        else if (auto const domain = node_failure_domain(node)) t.spread = 1 / (1 + static_cast<double>(copies_in(r, *domain)));
        double const sum =
            o_.latency * t.latency + o_.capacity * t.capacity + o_.resources * t.resources + o_.spread * t.spread;
        e.score = std::min(sum / sum_, 1.0);
        return e;
    }

    /// Each node; fills as much as there is room for and returns how many.
    template <node_list List>
    std::size_t explain(List const& nodes, placement_request const& r, std::span<placement_explanation> out) const noexcept {
        std::size_t const n = std::min<std::size_t>(nodes.size(), out.size());
        for (std::size_t i = 0; i < n; ++i) out[i] = evaluate(nodes[i], r);
        return n;
    }

    [[nodiscard]] placement_score_options const& options() const noexcept { return o_; }

private:
    placement_score_options o_;
    double                  sum_ = 0;
};

}  // namespace sluice
