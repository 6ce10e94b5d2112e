// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// placement, placement_key, walk — the words that everything speaks which sends a key to the same node each time.
///
/// Use it for     code over any placement (bounded_load, replicas, routing_table), and a placement of your own
/// Not for        choice by load, where the key does not matter (balancer)
/// Thread-safety  a placement is a value: any number of readers, or one writer. routing_table lets both at it
/// Complexity     walk: a placement's own order, or at most 4 · size + 32 look-ups and then one pass over the indices
/// Errors         none here; no node at all is an empty answer
///
/// A node's index is its own from its add until its remove, whatever else comes and goes, and below index_bound(); then
/// it may be given to another. So what belongs to a node can live in an array beside the placement.

#include <sluice/core/mix64.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace sluice {

/// From a key to one of the nodes: the same members give the same node, in every process and in whatever order they were
/// added (where an algorithm needs more than the set, its header says so).
template <class P>
concept placement = std::copyable<P> && requires(P const& p, hashed_key key, node_index i) {
    typename P::node_type;
    { p.size() } noexcept -> std::convertible_to<std::size_t>;                    // nodes
    { p.index_bound() } noexcept -> std::convertible_to<std::size_t>;             // > every index in use
    { p.contains_index(i) } noexcept -> std::same_as<bool>;                       // a node has this index
    { p.locate(key) } noexcept -> std::same_as<std::optional<node_index>>;        // empty: there is no node
    { p.node(i) } -> std::convertible_to<typename P::node_type>;                  // requires contains_index(i)
    { p.pick(key) } -> std::same_as<std::optional<typename P::node_type>>;        // node(*locate(key))
};

/// A placement that knows in which order a key prefers the nodes: walk(key, visit) calls visit(index) until it returns
/// false, or until each node that takes keys came at least once. The first is locate(key). Returns false if stopped.
template <class P>
concept ordered_placement = placement<P> && requires(P const& p, hashed_key key, bool (*visit)(node_index)) {
    { p.walk(key, visit) } -> std::same_as<bool>;
};

/// A key that this placement hashes: p.key(key) are its bits, so that p.pick(key) is p.pick(p.key(key)).
template <class Key, class P>
concept placement_key = !std::same_as<Key, hashed_key> && requires(P const& p, Key const& key) {
    { p.key(key) } -> std::same_as<hashed_key>;
};

/// The k-th other hash of a key, k > 0; 0 is the key itself.
[[nodiscard]] constexpr hashed_key rehashed(hashed_key key, std::uint64_t k) noexcept {
    return k == 0 ? key : hashed_key(mix64(key.value + k * 0x9E3779B97F4A7C15u));
}

/// As p.walk where there is one. Otherwise: locate of the key's other hashes, one after the other ("random jump"), and in the
/// end every index from a place that depends on the key, so that no node is left out. Nodes may come more than once.
template <placement P, class Visit>
    requires std::predicate<Visit&, node_index>
bool walk(P const& p, hashed_key key, Visit&& visit) {
    if constexpr (ordered_placement<P>) {
        return p.walk(key, visit);
    } else {
        std::size_t const size = p.size();
        if (size == 0) return true;
        for (std::uint64_t k = 0, tries = 4 * std::uint64_t{size} + 32; k < tries; ++k) {
            auto const i = p.locate(rehashed(key, k));
            if (i && !visit(*i)) return false;
        }
        std::size_t const bound = p.index_bound();
        auto const        begin = static_cast<std::size_t>(rehashed(key, UINT64_MAX).value % bound);
        for (std::size_t n = 0; n < bound; ++n) {
            auto const i = static_cast<node_index>(n < bound - begin ? begin + n : n - (bound - begin));
            if (p.contains_index(i) && !visit(i)) return false;
        }
        return true;
    }
}

}  // namespace sluice
