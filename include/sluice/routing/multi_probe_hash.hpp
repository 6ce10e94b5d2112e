// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// multi_probe_hash — a ring with one point per node, on which each key looks from several places and takes the closest node.
///
/// Use it for     even shares with little memory and cheap changes: the peak is 3 to 7 % above the mean at 21 probes
/// Not for        the fastest look-ups (ring_hash, maglev, anchor_hash); weights
/// Thread-safety  a value: any number of readers, or one writer
/// Complexity     look-up: O(probes), an index makes each O(1) expected. Changes: O(n). About 36 bytes and the node for each
/// Errors         std::invalid_argument for 0 probes, a node that is a member already (add) or is not (remove). add may throw what
///                allocation and the node's copy throw and then has no effect; remove may throw std::bad_alloc likewise. Look-ups
///                are noexcept; with no node the answer is empty
/// Source         Appleton, O'Reilly: Multi-probe consistent hashing, 2015, arXiv:1505.00062
/// Differs        nodes on the same point are ordered; they do not replace each other
///
/// The largest share is about 1 + 1 / (probes − 1) of the mean. A key moves only to a node that comes or from one that goes.
/// Only the set of nodes and the number of probes matter. Of two equally close nodes that of the earlier probe has the
/// key, of two nodes on one point the smaller one.

#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/hash.hpp>
#include <sluice/core/mix64.hpp>
#include <sluice/routing/detail/member_table.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/placement.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace sluice {

struct multi_probe_options {
    std::uint32_t probes = 21;  ///< places from which a key looks; > 0
};

template <detail::member Node, hasher<Node> Hash = xxh3>
class multi_probe_hash {
public:
    using node_type = Node;

    explicit multi_probe_hash(multi_probe_options options = {}, Hash hash = {})
        : hash_(std::move(hash)), probes_(options.probes) {
        detail::require_option(options.probes > 0, "multi_probe_hash: probes (> 0)", options.probes);
    }

    void add(Node node) {
        auto const position = members_.position_for(node, "multi_probe_hash");
        auto const point = point_of(node);
        auto const place = place_of(point, node);
        auto       starts = empty_starts(members_.size() + 1);
        points_.reserve(points_.size() + 2);
        table::make_room(owners_);
        auto const index = members_.free_index();
        members_.insert(position, std::move(node), index);
        if (points_.empty()) points_.push_back(UINT64_MAX);  // ends each search
        points_.insert(points_.begin() + place, point);
        owners_.insert(owners_.begin() + place, index);
        adopt(std::move(starts));
    }
    void remove(Node const& node) {
        auto const position = members_.position_of(node, "multi_probe_hash");
        auto const place = place_of(point_of(node), node);
        auto       starts = empty_starts(members_.size() - 1);
        members_.erase(position);
        points_.erase(points_.begin() + place);
        owners_.erase(owners_.begin() + place);
        adopt(std::move(starts));
    }
    [[nodiscard]] bool contains(Node const& node) const { return members_.contains(node); }

    [[nodiscard]] std::size_t size() const noexcept { return members_.size(); }
    [[nodiscard]] std::size_t index_bound() const noexcept { return members_.index_bound(); }
    [[nodiscard]] bool        contains_index(node_index i) const noexcept { return members_.contains_index(i); }
    [[nodiscard]] Node const& node(node_index i) const noexcept { return members_.node(i); }

    [[nodiscard]] std::optional<node_index> locate(hashed_key key) const noexcept {
        std::size_t const n = owners_.size();
        if (n == 0) return std::nullopt;
        std::uint64_t const* const points = points_.data();
        std::uint32_t const* const starts = starts_.data();
        std::uint64_t              closest = UINT64_MAX;
        std::size_t                best = n;
        for (std::uint32_t k = 0; k < probes_; ++k) {
            auto const  probe = rehashed(key, k).value;
            std::size_t i = starts[static_cast<std::size_t>(probe >> shift_)];
            while (points[i] < probe) ++i;
            i = i == n ? 0 : i;
            auto const distance = points[i] - probe;  // clockwise, past 0 too
            bool const closer = distance < closest || best == n;
            best = closer ? i : best;
            closest = closer ? distance : closest;
        }
        return owners_[best];
    }
    /// Its 64 bits, for what takes no other key.
    template <routing_key<Hash> Key>
    [[nodiscard]] constexpr hashed_key key(Key const& key) const noexcept {
        return hash_of(hash_, key);
    }
    template <routing_key<Hash> Key>
    [[nodiscard]] std::optional<Node> pick(Key const& key) const {
        auto const i = locate(hash_of(hash_, key));
        return i ? std::optional<Node>(node(*i)) : std::nullopt;
    }

    [[nodiscard]] std::uint32_t probes() const noexcept { return probes_; }
    /// The node's place on the ring. Not its hash: a key of the same text is elsewhere.
    [[nodiscard]] std::uint64_t point_of(Node const& node) const noexcept {
        return mix64(hash_(node) ^ 0x9FB21C651E98DF25u);
    }

private:
    using table = detail::member_table<Node>;

    /// Where the node is among the points, or would be.
    [[nodiscard]] std::ptrdiff_t place_of(std::uint64_t point, Node const& node) const {
        std::size_t i = 0;
        if (!owners_.empty()) {
            auto const end = points_.end() - 1;
            i = static_cast<std::size_t>(std::lower_bound(points_.begin(), end, point) - points_.begin());
            while (i < owners_.size() && points_[i] == point && members_.node(owners_[i]) < node) ++i;
        }
        return static_cast<std::ptrdiff_t>(i);
    }

    /// Four to eight per node; a search begins at the first point with the same highest bits, or after it.
    [[nodiscard]] static std::vector<std::uint32_t> empty_starts(std::size_t nodes) {
        return std::vector<std::uint32_t>(nodes == 0 ? 0 : std::bit_ceil(4 * nodes));
    }
    void adopt(std::vector<std::uint32_t> starts) noexcept {
        starts_ = std::move(starts);
        if (starts_.empty()) return;
        shift_ = 64 - static_cast<unsigned>(std::countr_zero(starts_.size()));
        std::size_t i = 0;
        for (std::size_t s = 0; s < starts_.size(); ++s) {
            while (i < owners_.size() && (points_[i] >> shift_) < s) ++i;
            starts_[s] = static_cast<std::uint32_t>(i);
        }
    }

    [[no_unique_address]] Hash hash_;
    std::uint32_t              probes_;
    unsigned                   shift_ = 0;
    table                      members_;
    std::vector<std::uint64_t> points_;  // sorted; then the largest number
    std::vector<node_index>    owners_;  // of the points; those on one point in the order of the nodes
    std::vector<std::uint32_t> starts_;
};

}  // namespace sluice
