// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// named_buckets, bucket_placement — gives names to the numbered buckets of jump, anchor, memento or dx hashing.
///
/// Use it for     using those as any other placement: named_buckets<anchor_hash<>, std::string>, then add("a"), remove("a")
/// Not for        placements that take nodes already (ring_hash, rendezvous_hash, maglev)
/// Thread-safety  a value: any number of readers, or one writer
/// Complexity     look-up: that of the buckets. Changes: theirs and O(n)
/// Errors         std::invalid_argument for a node that is a member already (add) or is not (remove), and for buckets that work
///                before they have names. What the buckets throw: no room (std::length_error), and with jump_hash each node
///                but the last added one: it cannot be removed (std::invalid_argument). A failed change has no effect
///
/// A node gets the bucket that the algorithm gives out next. So the owners depend on the order of the changes, not on the
/// set of names alone: parties that must agree apply the same changes in the same order.

#include <sluice/core/detail/invalid.hpp>
#include <sluice/routing/detail/member_table.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/placement.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace sluice {

/// A placement that numbers its nodes itself. A remove right after an add undoes it and does not throw.
template <class B>
concept bucket_placement = placement<B> && std::same_as<typename B::node_type, node_index> && requires(B& b, node_index i) {
    { b.add() } -> std::same_as<node_index>;
    b.remove(i);
};

template <bucket_placement Buckets, detail::member Node>
class named_buckets {
public:
    using node_type = Node;
    using buckets_type = Buckets;

    explicit named_buckets(Buckets buckets = Buckets{}) : buckets_(std::move(buckets)) {
        detail::require_option(buckets_.size() == 0, "named_buckets: buckets that work already (0)", buckets_.size());
    }

    void add(Node node) {
        auto const position = members_.position_for(node, "named_buckets");
        auto const bucket = buckets_.add();
        try {
            members_.insert(position, std::move(node), bucket);
        } catch (...) {
            buckets_.remove(bucket);
            throw;
        }
    }
    void remove(Node const& node) {
        auto const position = members_.position_of(node, "named_buckets");
        buckets_.remove(members_.at(position));
        members_.erase(position);
    }
    [[nodiscard]] bool           contains(Node const& node) const { return members_.contains(node); }
    [[nodiscard]] Buckets const& buckets() const noexcept { return buckets_; }

    [[nodiscard]] std::size_t size() const noexcept { return members_.size(); }
    [[nodiscard]] std::size_t index_bound() const noexcept { return members_.index_bound(); }
    [[nodiscard]] bool        contains_index(node_index i) const noexcept { return members_.contains_index(i); }
    [[nodiscard]] Node const& node(node_index i) const noexcept { return members_.node(i); }

    [[nodiscard]] std::optional<node_index> locate(hashed_key key) const noexcept { return buckets_.locate(key); }
    template <class Key>
        requires requires(Buckets const& buckets, Key const& key) { buckets.key(key); }
    [[nodiscard]] hashed_key key(Key const& key) const noexcept {
        return buckets_.key(key);
    }
    template <class Key>
        requires requires(Buckets const& buckets, Key const& key) { buckets.pick(key); }
    [[nodiscard]] std::optional<Node> pick(Key const& key) const {
        auto const i = buckets_.pick(key);
        return i ? std::optional<Node>(node(*i)) : std::nullopt;
    }

private:
    Buckets                    buckets_;
    detail::member_table<Node> members_;
};

}  // namespace sluice
