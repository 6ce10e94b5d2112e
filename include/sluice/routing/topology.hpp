// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// topology — who talks to whom when n nodes coordinate, and what a round of it costs: mesh, star, tree, ring of cells.
///
/// Use it for     choosing a structure before building it: links, hops, the busiest node, messages and time of a round;
///                finding a node's leader and its group
/// Not for        routes through a network of given links: these graphs are regular, their answers are arithmetic
/// Thread-safety  a value; any thread
/// Complexity     O(1), but O(height) for hops and height in a tree; no allocation. constexpr
/// Errors         std::invalid_argument: nodes not in [1, 2^32], branching < 2, a cell of 0 nodes or more than there are
/// Units          nodes are numbered from 0; messages; hops, each a message's way from one node to another
/// Source         mesh n(n - 1)/2; complete trees by their usual numbering
///
///     mesh       everybody talks to everybody. Nobody leads
///     star       node 0 leads all others
///     tree       node i leads the nodes b·i + 1 … b·i + b
///     cells      groups of `cell` neighbours in number, the last one smaller; the first of each leads, in a cell all talk to
///                their leader alone, and the leaders form a ring
///
/// A round is: what each node knows reaches every node. In a mesh by itself; in a star or tree by way of the root, up and
/// down again; in cells up to the leader, round the ring both ways, and down. Every message carries one node's knowledge in a
/// mesh, and all that its sender has gathered otherwise.

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/pairs.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace sluice {

enum class topology_kind : std::uint8_t { mesh, star, tree, cells };

/// What a round costs.
struct coordination_cost {
    std::uint64_t messages = 0;
    std::uint64_t hops = 0;     ///< one after the other
    std::uint64_t busiest = 0;  ///< messages that one node sends and receives, at most

    /// With so long for each hop and so long for each message that the busiest node handles, one at a time.
    [[nodiscard]] constexpr duration time(duration hop, duration handling) const noexcept {
        return saturating_add(product(hops, hop), product(busiest, handling));
    }

    friend constexpr bool operator==(coordination_cost const&, coordination_cost const&) noexcept = default;

private:
    [[nodiscard]] static constexpr duration product(std::uint64_t n, duration d) noexcept {
        if (n == 0 || d.count() <= 0) return duration(0);
        auto const most = static_cast<std::uint64_t>(duration::max().count());
        auto const each = static_cast<std::uint64_t>(d.count());
        return n > most / each ? duration::max() : duration(static_cast<std::int64_t>(n * each));
    }
};

class topology {
public:
    /// The nodes that one leads: first … first + count - 1, not the leader itself.
    struct group_type {
        std::uint64_t first = 0;
        std::uint64_t count = 0;
        friend constexpr bool operator==(group_type const&, group_type const&) noexcept = default;
    };

    [[nodiscard]] static constexpr topology mesh(std::uint64_t nodes) { return {topology_kind::mesh, nodes, 1}; }
    [[nodiscard]] static constexpr topology star(std::uint64_t nodes) { return {topology_kind::star, nodes, nodes}; }
    [[nodiscard]] static constexpr topology tree(std::uint64_t nodes, std::uint64_t branching) {
        if (branching < 2) detail::throw_invalid("topology: branching (>= 2)", branching);
        return {topology_kind::tree, nodes, branching};
    }
    [[nodiscard]] static constexpr topology cells(std::uint64_t nodes, std::uint64_t cell) {
        if (cell < 1 || cell > nodes) detail::throw_invalid("topology: cell (1 to nodes)", cell);
        return {topology_kind::cells, nodes, cell};
    }

    [[nodiscard]] constexpr topology_kind kind() const noexcept { return kind_; }
    [[nodiscard]] constexpr std::uint64_t nodes() const noexcept { return n_; }

    /// Direct links, each counted once.
    [[nodiscard]] constexpr std::uint64_t paths() const noexcept {
        switch (kind_) {
        case topology_kind::mesh: return detail::pairs(n_);
        case topology_kind::star:
        case topology_kind::tree: return n_ - 1;
        case topology_kind::cells: break;
        }
        return n_ - cell_count() + ring_links();
    }

    /// Direct links of one node, and of the node that has most.
    [[nodiscard]] constexpr std::uint64_t degree(std::uint64_t i) const noexcept {
        SLUICE_ASSERT(i < n_);
        if (kind_ == topology_kind::mesh) return n_ - 1;
        if (kind_ == topology_kind::cells)
            return i % width_ == 0 ? group(i).count + std::min<std::uint64_t>(cell_count() - 1, 2) : 1;
        return group(i).count + (i == 0 ? 0u : 1u);
    }
    [[nodiscard]] constexpr std::uint64_t max_degree() const noexcept {
        if (kind_ == topology_kind::mesh) return n_ - 1;
        if (kind_ == topology_kind::cells) return degree(0);  // the first cell is a full one
        std::uint64_t most = degree(0);
        for (std::uint64_t i = 1; i < n_ && i <= 2; ++i) most = std::max(most, degree(i));
        return most;
    }

    /// Levels of leaders above the lowest node: 0 in a mesh, 1 in a star and in cells, the depth of a tree.
    [[nodiscard]] constexpr std::uint64_t height() const noexcept {
        if (kind_ == topology_kind::mesh || n_ == 1) return 0;
        if (kind_ == topology_kind::cells) return width_ == 1 ? 0 : 1;
        return depth(n_ - 1);
    }

    /// Hops from one node to the other by direct links, the fewest.
    [[nodiscard]] constexpr std::uint64_t hops(std::uint64_t a, std::uint64_t b) const noexcept {
        SLUICE_ASSERT(a < n_ && b < n_);
        if (a == b) return 0;
        if (kind_ == topology_kind::mesh) return 1;
        if (kind_ == topology_kind::cells) {
            auto const steps = [this](std::uint64_t i) { return i % width_ == 0 ? 0u : 1u; };
            auto const apart = a / width_ > b / width_ ? a / width_ - b / width_ : b / width_ - a / width_;
            return steps(a) + std::min(apart, cell_count() - apart) + steps(b);
        }
        std::uint64_t sum = 0;
        for (; a != b; ++sum) (a > b ? a : b) = (std::max(a, b) - 1) / width_;  // a parent has the smaller number
        return sum;
    }

    /// The longest of these ways.
    [[nodiscard]] constexpr std::uint64_t diameter() const noexcept {
        if (n_ == 1) return 0;
        if (kind_ == topology_kind::mesh) return 1;
        if (kind_ == topology_kind::cells) {
            // Between two that do not lead, in cells that are farthest apart; the last cell may have none of those.
            std::uint64_t const c = cell_count();
            std::uint64_t const full = n_ / width_;  // cells with the most nodes
            if (width_ == 1) return c / 2;
            std::uint64_t const last = n_ % width_;
            if (c == 1) return width_ > 2 ? 2 : 1;
            bool const all = last != 1;  // every cell has somebody who does not lead
            if (all) return c / 2 + 2;
            // The last cell is its leader alone. Of the others, two are c / 2 apart unless there are only two cells, or three
            // whose two full ones are neighbours (c / 2 is 1 then, and they are).
            return full >= 2 && c / 2 <= full - 1 ? c / 2 + 2 : std::max<std::uint64_t>(c / 2 + 1, width_ > 2 ? 2 : 1);
        }
        // In a complete tree the last node is a deepest one, and so is one under another child of the root, or not quite.
        std::uint64_t const deep = depth(n_ - 1);
        if (n_ == 2) return 1;
        std::uint64_t first_of_level = 0;
        for (std::uint64_t level = 0, size = 1; level < deep; ++level, size *= width_) first_of_level += size;
        std::uint64_t under = n_ - 1;  // the child of the root above the last node
        for (std::uint64_t up = deep; up > 1; --up) under = (under - 1) / width_;
        std::uint64_t under_first = first_of_level;
        for (std::uint64_t up = deep; up > 1; --up) under_first = (under_first - 1) / width_;
        return under == under_first ? 2 * deep - 1 : 2 * deep;
    }

    /// Whom a node reports to; empty for those that have nobody above them.
    [[nodiscard]] constexpr std::optional<std::uint64_t> leader_of(std::uint64_t i) const noexcept {
        SLUICE_ASSERT(i < n_);
        if (kind_ == topology_kind::mesh) return std::nullopt;
        if (kind_ == topology_kind::cells) {
            if (i % width_ == 0) return std::nullopt;
            return i - i % width_;
        }
        if (i == 0) return std::nullopt;
        return (i - 1) / width_;
    }

    /// Whom it leads; a count of 0: nobody.
    [[nodiscard]] constexpr group_type group(std::uint64_t leader) const noexcept {
        SLUICE_ASSERT(leader < n_);
        if (kind_ == topology_kind::mesh || (kind_ == topology_kind::cells && leader % width_ != 0)) return {leader + 1, 0};
        if (kind_ == topology_kind::cells) return {leader + 1, std::min(width_, n_ - leader) - 1};
        if (leader > (n_ - 1) / width_) return {n_, 0};  // also where b·i + 1 would not fit
        std::uint64_t const first = leader * width_ + 1;
        return {first, first < n_ ? std::min(width_, n_ - first) : 0};
    }

    /// Nodes that lead somebody.
    [[nodiscard]] constexpr std::uint64_t leaders() const noexcept {
        switch (kind_) {
        case topology_kind::mesh: return 0;
        case topology_kind::star:
        case topology_kind::tree: return (n_ - 1 + width_ - 1) / width_;
        case topology_kind::cells: break;
        }
        return n_ / width_ * (width_ > 1 ? 1u : 0u) + (n_ % width_ > 1 ? 1u : 0u);
    }

    /// What it costs until each node's knowledge has reached every other.
    [[nodiscard]] constexpr coordination_cost round() const noexcept {
        if (n_ == 1) return {};
        switch (kind_) {
        case topology_kind::mesh: return {2 * detail::pairs(n_), 1, 2 * (n_ - 1)};
        case topology_kind::star:
        case topology_kind::tree: return {2 * (n_ - 1), 2 * height(), 2 * max_degree()};
        case topology_kind::cells: break;
        }
        std::uint64_t const c = cell_count();
        // Each leader's knowledge goes half way round each side: it reaches the c - 1 others once each. A leader receives c - 1
        // such messages and sends them on except where they end; it begins with one to each side.
        std::uint64_t const sent = c == 1 ? 0 : c == 2 ? 1 : c - 1;
        std::uint64_t const members = n_ - c;
        std::uint64_t const steps = width_ > 1 ? 2 : 0;
        return {2 * members + c * (c - 1), steps + c / 2, 2 * group(0).count + (c - 1) + sent};
    }

private:
    constexpr topology(topology_kind kind, std::uint64_t nodes, std::uint64_t width) : kind_(kind), n_(nodes), width_(width) {
        if (nodes < 1 || nodes > std::uint64_t{1} << 32) detail::throw_invalid("topology: nodes (1 to 2^32)", nodes);
    }

    [[nodiscard]] constexpr std::uint64_t cell_count() const noexcept { return (n_ + width_ - 1) / width_; }
    [[nodiscard]] constexpr std::uint64_t ring_links() const noexcept {
        std::uint64_t const c = cell_count();
        return c < 3 ? c - 1 : c;
    }
    [[nodiscard]] constexpr std::uint64_t depth(std::uint64_t i) const noexcept {
        std::uint64_t levels = 0;
        for (; i != 0; ++levels) i = (i - 1) / width_;
        return levels;
    }

    topology_kind kind_;
    std::uint64_t n_;
    std::uint64_t width_;  // branching, or nodes in a cell
};

}  // namespace sluice
