// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// locate_n, pick_n, locate_excluding, pick_excluding — the next nodes of a key, over any placement.
///
/// Use it for     the nodes that hold copies of a key; the node to try after others have failed
/// Not for        copies that must not share a rack or zone (spread_constraint)
/// Thread-safety  that of reading the placement
/// Complexity     one walk, stopped as soon as possible. locate_n compares each visit with what it has found; pick_n allocates
///                its answer
/// Errors         pick_n: std::bad_alloc, and what a copy of a node throws. Fewer nodes than asked for: as many as there are
///
/// The nodes are those of walk(placement, key), each once: the first is locate(key). With an ordered placement (ring_hash,
/// rendezvous_hash) they keep their order when other nodes come or go: one change alters at most one of them. Over a
/// placement without an order of its own, the nodes behind the first are found by other hashes of the key, and a change may
/// alter more.

#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/placement.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <optional>
#include <ranges>
#include <span>
#include <vector>

namespace sluice {

/// Which nodes are out of question: a predicate, or a range of their indices.
template <class T>
concept tried_nodes = std::predicate<T const&, node_index> ||
                      (std::ranges::input_range<T const&> && std::convertible_to<std::ranges::range_value_t<T const&>, node_index>);

/// Fills `out` from its begin and says how much of it.
template <placement P>
[[nodiscard]] std::size_t locate_n(P const& p, hashed_key key, std::span<node_index> out) {
    std::size_t const wanted = std::min<std::size_t>(out.size(), p.size());
    std::size_t       found = 0;
    if (wanted == 0) return 0;
    walk(p, key, [&](node_index i) {
        auto const so_far = out.first(found);
        if (std::find(so_far.begin(), so_far.end(), i) == so_far.end()) out[found++] = i;
        return found < wanted;
    });
    return found;
}

/// The same nodes themselves, up to n.
template <placement P>
[[nodiscard]] std::vector<typename P::node_type> pick_n(P const& p, hashed_key key, std::size_t n) {
    std::size_t const                     wanted = std::min<std::size_t>(n, p.size());
    std::vector<typename P::node_type>    nodes;
    if (wanted == 0) return nodes;
    nodes.reserve(wanted);
    std::vector<bool> seen(p.index_bound());
    walk(p, key, [&](node_index i) {
        if (!seen[i]) {
            seen[i] = true;
            nodes.push_back(p.node(i));
        }
        return nodes.size() < wanted;
    });
    return nodes;
}

/// The first node of the key that has not been tried; empty if all have.
template <placement P, tried_nodes Tried>
[[nodiscard]] std::optional<node_index> locate_excluding(P const& p, hashed_key key, Tried const& tried) {
    std::optional<node_index> found;
    walk(p, key, [&](node_index i) {
        if constexpr (std::predicate<Tried const&, node_index>) {
            if (tried(i)) return true;
        } else {
            for (auto const t : tried)
                if (static_cast<node_index>(t) == i) return true;
        }
        found = i;
        return false;
    });
    return found;
}

/// The same as a node.
template <placement P, tried_nodes Tried>
[[nodiscard]] std::optional<typename P::node_type> pick_excluding(P const& p, hashed_key key, Tried const& tried) {
    auto const i = locate_excluding(p, key, tried);
    if (!i) return std::nullopt;
    return p.node(*i);
}

// The same for keys that the placement hashes.

template <placement P, placement_key<P> Key>
[[nodiscard]] std::size_t locate_n(P const& p, Key const& key, std::span<node_index> out) {
    return sluice::locate_n(p, p.key(key), out);
}
template <placement P, placement_key<P> Key>
[[nodiscard]] std::vector<typename P::node_type> pick_n(P const& p, Key const& key, std::size_t n) {
    return sluice::pick_n(p, p.key(key), n);
}
template <placement P, placement_key<P> Key, tried_nodes Tried>
[[nodiscard]] std::optional<node_index> locate_excluding(P const& p, Key const& key, Tried const& tried) {
    return sluice::locate_excluding(p, p.key(key), tried);
}
template <placement P, placement_key<P> Key, tried_nodes Tried>
[[nodiscard]] std::optional<typename P::node_type> pick_excluding(P const& p, Key const& key, Tried const& tried) {
    return sluice::pick_excluding(p, p.key(key), tried);
}

}  // namespace sluice
