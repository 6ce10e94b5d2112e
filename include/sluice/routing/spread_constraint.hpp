// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// spread_constraint, locate_replicas, pick_replicas — copies of a key that do not fail together, over any placement.
///
/// Use it for     replicas in different zones and racks, as far as there are enough of them
/// Not for        different nodes only (locate_n)
/// Thread-safety  that of reading the placement and calling the projections
/// Complexity     for each level a walk that stops as soon as possible. After 32 visits without a new replica all indices are
///                looked at once: if no node fits this level, it ends there; if one does, the walk goes on until it comes to it.
///                So at most (levels + 1) · (one whole walk + one scan of the indices for each replica); no allocation
/// Errors         none but what the projections throw; more replicas than nodes: as many as there are. pick_replicas:
///                std::bad_alloc
/// Differs        the answer says how many levels had to be given up, and how many replicas were found under each
///
///     sluice::spread_constraint const apart([&](sluice::node_index i) { return zone[i]; },   // the strictest level first
///                                           [&](sluice::node_index i) { return rack[i]; });
///     auto const copies = sluice::pick_replicas(ring, ring.key("key"), 3, apart);
///
/// First the nodes of the key's walk that share no zone with one taken before; when no such node is left, those that share
/// no rack; in the end, any. Domains must be nested and named for the whole (no two zones with a rack 1): then, with an
/// ordered placement, a change of one node alters at most one replica.

#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/placement.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace sluice {

/// From a node to the domain that it fails with: anything that can be compared.
template <class F>
concept domain_projection = std::invocable<F const&, node_index> &&
                            std::equality_comparable<std::invoke_result_t<F const&, node_index>>;

template <domain_projection... Level>
class spread_constraint {
public:
    static constexpr std::size_t levels = sizeof...(Level);

    explicit spread_constraint(Level... level) : level_(std::move(level)...) {}

    /// Whether the node may stand beside the others at this level; at `levels`: whether it is none of them.
    [[nodiscard]] bool allows(std::size_t level, node_index node, std::span<node_index const> others) const {
        return allows(level, node, others, std::index_sequence_for<Level...>());
    }

private:
    template <std::size_t... L>
    [[nodiscard]] bool allows(std::size_t level, node_index node, std::span<node_index const> others, std::index_sequence<L...>) const {
        if (std::find(others.begin(), others.end(), node) != others.end()) return false;
        bool apart = true;
        ((L == level ? void(apart = apart_at<L>(node, others)) : void()), ...);
        return apart;
    }
    template <std::size_t L>
    [[nodiscard]] bool apart_at(node_index node, std::span<node_index const> others) const {
        auto const& domain = std::get<L>(level_);
        auto const  mine = domain(node);
        return std::none_of(others.begin(), others.end(), [&](node_index o) { return domain(o) == mine; });
    }

    std::tuple<Level...> level_;
};

/// What was found, and under which constraint.
template <std::size_t Levels>
struct spread_result {
    std::size_t found = 0;
    std::size_t relaxed = 0;                              ///< so many levels were given up; 0: all replicas are in different domains
    std::array<std::size_t, Levels + 1> found_at{};       ///< replicas found while level 0, 1, … held; the last: none
};
template <class Node, std::size_t Levels>
struct replica_set : spread_result<Levels> {
    std::vector<Node> nodes;
};

/// Fills `out` from its begin. The first is locate(key).
template <placement P, class... Level>
[[nodiscard]] spread_result<sizeof...(Level)> locate_replicas(P const& p, hashed_key key, std::span<node_index> out,
                                                              spread_constraint<Level...> const& apart) {
    constexpr std::size_t                       patience = 32;
    std::size_t const                           wanted = std::min<std::size_t>(out.size(), p.size());
    spread_result<sizeof...(Level)>             result;
    for (std::size_t level = 0; level <= sizeof...(Level) && result.found < wanted; ++level) {
        std::size_t in_vain = 0;
        auto const  fits = [&](node_index i) { return apart.allows(level, i, out.first(result.found)); };
        result.relaxed = level;
        walk(p, key, [&](node_index i) {
            if (fits(i)) {
                out[result.found++] = i;
                ++result.found_at[level];
                in_vain = 0;
            } else if (++in_vain == patience) {
                bool some = false;
                for (std::size_t n = 0, bound = p.index_bound(); n < bound && !some; ++n)
                    some = p.contains_index(static_cast<node_index>(n)) && fits(static_cast<node_index>(n));
                if (!some) return false;
            }
            return result.found < wanted;
        });
    }
    return result;
}

/// The same as nodes, up to n.
template <placement P, class... Level>
[[nodiscard]] replica_set<typename P::node_type, sizeof...(Level)> pick_replicas(P const& p, hashed_key key, std::size_t n,
                                                                                 spread_constraint<Level...> const& apart) {
    replica_set<typename P::node_type, sizeof...(Level)> result;
    std::vector<node_index>                              indices(std::min<std::size_t>(n, p.size()));
    static_cast<spread_result<sizeof...(Level)>&>(result) = locate_replicas(p, key, indices, apart);
    result.nodes.reserve(result.found);
    for (std::size_t i = 0; i < result.found; ++i) result.nodes.push_back(p.node(indices[i]));
    return result;
}

}  // namespace sluice
