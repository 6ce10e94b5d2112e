// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::member_table — the nodes of a placement: each with an index that stays its own, and all in their order.
///
/// Thread-safety  a value: any number of readers, or one writer
/// Complexity     look-ups by index O(1), by node O(log n); changes O(n)
/// Errors         insert may throw what copies or allocations throw and then has no effect; a node that is here already, or is
///                not here, is refused by name: std::invalid_argument

#include <sluice/core/assert.hpp>
#include <sluice/routing/detail/describe.hpp>
#include <sluice/routing/node_index.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sluice::detail {

template <class Node>
concept member = std::copyable<Node> && requires(Node const& a, Node const& b) {
    { a < b } -> std::convertible_to<bool>;
};

template <member Node>
class member_table {
public:
    [[nodiscard]] std::size_t size() const noexcept { return order_.size(); }
    [[nodiscard]] std::size_t index_bound() const noexcept { return nodes_.size(); }
    [[nodiscard]] bool contains_index(node_index i) const noexcept { return i < nodes_.size() && nodes_[i].has_value(); }
    /// Requires contains_index(i).
    [[nodiscard]] Node const& node(node_index i) const noexcept {
        SLUICE_ASSERT(contains_index(i));
        return *nodes_[i];
    }
    /// The index of the node at this position of the order.
    [[nodiscard]] node_index at(std::size_t position) const noexcept { return order_[position]; }

    /// Where it is, or would be, in the order.
    [[nodiscard]] std::size_t lower_bound(Node const& node) const {
        auto const less = [this](node_index i, Node const& n) { return static_cast<bool>(*nodes_[i] < n); };
        return static_cast<std::size_t>(std::lower_bound(order_.begin(), order_.end(), node, less) - order_.begin());
    }
    [[nodiscard]] bool contains(Node const& node) const { return is_at(lower_bound(node), node); }
    /// The position for a node that comes, and of one that is here.
    [[nodiscard]] std::size_t position_for(Node const& node, char const* placement) const {
        auto const position = lower_bound(node);
        if (is_at(position, node)) refuse_node((std::string(placement) + ": node (not a member yet)").c_str(), node);
        return position;
    }
    [[nodiscard]] std::size_t position_of(Node const& node, char const* placement) const {
        auto const position = lower_bound(node);
        if (!is_at(position, node)) refuse_node((std::string(placement) + ": node (a member)").c_str(), node);
        return position;
    }

    /// The lowest index that is nobody's.
    [[nodiscard]] node_index free_index() const noexcept {
        if (order_.size() == nodes_.size()) return static_cast<node_index>(nodes_.size());
        auto const is_free = [](std::optional<Node> const& n) { return !n.has_value(); };
        return static_cast<node_index>(std::find_if(nodes_.begin(), nodes_.end(), is_free) - nodes_.begin());
    }
    /// Requires an index that is nobody's.
    void insert(std::size_t position, Node node, node_index index) {
        SLUICE_ASSERT(!contains_index(index));
        make_room(order_);
        if (index >= nodes_.size()) {
            if (index >= nodes_.capacity()) nodes_.reserve(std::max(std::size_t{index} + 1, 2 * nodes_.size()));
            auto const before = nodes_.size();
            nodes_.resize(std::size_t{index} + 1);
            try {
                nodes_[index].emplace(std::move(node));
            } catch (...) {
                nodes_.resize(before);
                throw;
            }
        } else {
            nodes_[index].emplace(std::move(node));
        }
        order_.insert(order_.begin() + static_cast<std::ptrdiff_t>(position), index);
    }
    void erase(std::size_t position) noexcept {
        nodes_[order_[position]].reset();
        order_.erase(order_.begin() + static_cast<std::ptrdiff_t>(position));
        while (!nodes_.empty() && !nodes_.back().has_value()) nodes_.pop_back();
    }

    /// So that one more element cannot throw.
    template <class T>
    static void make_room(std::vector<T>& v) {
        if (v.size() == v.capacity()) v.reserve(std::max<std::size_t>(4, 2 * v.size()));
    }

private:
    [[nodiscard]] bool is_at(std::size_t position, Node const& node) const {
        return position < order_.size() && !(node < *nodes_[order_[position]]);
    }

    std::vector<std::optional<Node>> nodes_;  // by index
    std::vector<node_index>          order_;  // indices by node
};

}  // namespace sluice::detail
