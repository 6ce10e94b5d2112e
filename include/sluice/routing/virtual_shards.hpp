// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// virtual_shards, shard_plan — many fixed shards for the keys, and a table that says which node has which shard.
///
/// Use it for     data that lives somewhere: a change is a list of shards to copy, known before it is made
/// Not for        stateless routing: ring_hash needs no table to be handed on
/// Thread-safety  a value: any number of readers, or one writer
/// Complexity     look-up: O(1), one or two loads. A plan: O(shards + nodes log nodes). Memory: 12 bytes a shard, 4 a part
/// Errors         std::invalid_argument: shards not in [1, 2^24]; a node added twice or unknown; a weight <= 0, NaN or infinite;
///                the last node removed; a shard or a number of parts that cannot be. A plan made for another epoch is refused
///                by apply (false). What throws changes nothing
/// Units          shards, and shares of them; loads in any unit
/// Differs        from a placement by hashing alone: the table is state. Two tables agree if they applied the same plans, or one
///                is a copy of the other
/// Example        examples/230_virtual_shards.cpp
///
/// Each node gets floor or ceil of its share by weight, and a change moves the fewest shards that make it so. A shard that is
/// too hot (shard_splitter) can be cut into parts on several nodes: its keys are then told apart by further bits of their hash,
/// or, with a salt such as the request's id, the requests for one key are; the writer writes to every part then.

#include <sluice/core/detail/emptied.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/hash.hpp>
#include <sluice/routing/detail/describe.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/placement.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sluice {

/// One shard, or a part of one, goes from one node to another.
struct shard_move {
    std::uint32_t             shard = 0;
    std::uint32_t             part = 0;  ///< 0 of a shard that has no parts
    std::optional<node_index> from{};    ///< empty: there was nobody
    std::optional<node_index> to{};      ///< empty: a part that goes when the shard is merged

    friend bool operator==(shard_move const&, shard_move const&) = default;
};

/// A change that has not been made: what moves, how much, from whom to whom. virtual_shards::apply makes it.
template <class Node>
struct shard_plan {
    enum class kind : std::uint8_t { add, remove, weight, rebalance, parts };
    kind                    what = kind::rebalance;
    std::uint64_t           epoch = 0;  ///< of the table that it is for
    std::optional<Node>     node{};     ///< added, removed, of another weight
    node_index              index = 0;  ///< of that node
    double                  weight = 0;
    std::uint32_t           shard = 0;  ///< cut into `parts`, or merged: parts 0
    std::uint32_t           parts = 0;
    std::vector<shard_move> moves{};
    double                  moved = 0;  ///< share of all shards, or of all load where loads were given
};

struct virtual_shards_options {
    std::uint32_t shards = 1000;  ///< fixed for the table's life; 1 to 2^24
};

template <class Node = std::string, class Hash = xxh3>
    requires std::copyable<Node> && std::totally_ordered<Node>
class virtual_shards {
public:
    using node_type = Node;
    using plan_type = shard_plan<Node>;
    static constexpr std::uint32_t max_parts = 1024;

    explicit virtual_shards(virtual_shards_options o = {}, Hash hash = {}) : hash_(std::move(hash)) {
        detail::require_option(o.shards >= 1 && o.shards <= 1u << 24, "virtual_shards: shards (1 to 2^24)", o.shards);
        shards_.resize(o.shards);
    }

    // ---- look-up ----

    template <routing_key<Hash> Key>
    [[nodiscard]] std::uint32_t shard_of(Key const& key) const noexcept {
        return part_of(hash_of(hash_, key).value, shard_count());
    }

    /// The node that has a key's shard, or its part of it; empty while there is no node.
    [[nodiscard]] std::optional<node_index> locate(hashed_key key) const noexcept { return locate(key, key); }

    /// The same where the salt, not the key, chooses among a shard's parts: they are copies then.
    [[nodiscard]] std::optional<node_index> locate(hashed_key key, hashed_key salt) const noexcept {
        if (size_ == 0) return std::nullopt;
        auto const& s = shards_[part_of(key.value, shard_count())];
        if (s.parts == 0) return s.owner;
        return parts_[s.first + part_of(rehashed(salt, 1).value, s.parts)];
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
    template <routing_key<Hash> Key>
    [[nodiscard]] std::optional<Node> pick(Key const& key, hashed_key salt) const {
        auto const i = locate(hash_of(hash_, key), salt);
        return i ? std::optional<Node>(node(*i)) : std::nullopt;
    }

    [[nodiscard]] std::size_t   size() const noexcept { return size_; }
    [[nodiscard]] std::size_t   index_bound() const noexcept { return nodes_.size(); }
    [[nodiscard]] bool          contains_index(node_index i) const noexcept { return i < nodes_.size() && nodes_[i].node.has_value(); }
    [[nodiscard]] Node const&   node(node_index i) const noexcept { return *nodes_[i].node; }
    [[nodiscard]] std::uint32_t shard_count() const noexcept { return static_cast<std::uint32_t>(shards_.size()); }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }  ///< counts the changes
    [[nodiscard]] std::optional<node_index> index_of(Node const& node) const noexcept {
        for (std::size_t i = 0; i < nodes_.size(); ++i)
            if (nodes_[i].node && *nodes_[i].node == node) return static_cast<node_index>(i);
        return std::nullopt;
    }
    [[nodiscard]] bool contains(Node const& node) const noexcept { return index_of(node).has_value(); }

    /// Who has a shard, undivided; requires size() > 0.
    [[nodiscard]] node_index owner(std::uint32_t shard) const noexcept { return shards_[shard].owner; }
    /// Who has its parts; empty if it is not divided.
    [[nodiscard]] std::span<node_index const> parts(std::uint32_t shard) const noexcept {
        return std::span(parts_).subspan(shards_[shard].first, shards_[shard].parts);
    }
    /// Shards, whole ones, of a node.
    [[nodiscard]] std::uint32_t shards_of(node_index i) const noexcept { return nodes_[i].owned; }

    // ---- changes, planned first ----

    [[nodiscard]] plan_type plan_add(Node node, double weight = 1) const {
        require_weight(weight);
        detail::require_option(!shards_.empty(), "virtual_shards: shards of a table that was moved from (> 0)", 0);
        if (contains(node)) detail::refuse_node("virtual_shards: node (not a member yet)", node);
        plan_type p{.what = plan_type::kind::add, .epoch = epoch_, .weight = weight};
        auto const free = std::find_if(nodes_.begin(), nodes_.end(), [](slot const& s) { return !s.node; });
        p.index = static_cast<node_index>(free - nodes_.begin());
        p.node = std::move(node);
        even_out(p);
        return p;
    }
    [[nodiscard]] plan_type plan_remove(Node const& node) const {
        plan_type p{.what = plan_type::kind::remove, .epoch = epoch_, .node = node, .index = known(node)};
        if (size_ == 1) detail::refuse_node("virtual_shards: node (not the last one, which has all shards)", node);
        even_out(p);
        return p;
    }
    [[nodiscard]] plan_type plan_weight(Node const& node, double weight) const {
        require_weight(weight);
        plan_type p{.what = plan_type::kind::weight, .epoch = epoch_, .node = node, .index = known(node), .weight = weight};
        even_out(p);
        return p;
    }

    /// Moves whole shards from the most to the least loaded node while that helps, at most so many. `loads`: one per shard;
    /// one that is not finite or below 0 counts as 0. The shares by weight are left for it: the next plan restores them.
    [[nodiscard]] plan_type plan_by_load(std::span<double const> loads, std::size_t max_moves) const {
        require_loads(loads);
        plan_type p{.what = plan_type::kind::rebalance, .epoch = epoch_};
        if (size_ < 2) return p;
        std::vector<node_index> owner(shards_.size());
        for (std::size_t s = 0; s < shards_.size(); ++s) owner[s] = shards_[s].owner;
        auto   node_load = load_of_nodes(loads);
        double total = 0, moved = 0;
        for (double const load : loads) total += number(load);
        while (p.moves.size() < max_moves) {
            std::optional<node_index> most, least;
            auto const per_weight = [&](node_index i) { return node_load[i] / nodes_[i].weight; };
            for (node_index i = 0; i < nodes_.size(); ++i) {
                if (!nodes_[i].node) continue;
                if (!most || per_weight(i) > per_weight(*most)) most = i;
                if (!least || per_weight(i) < per_weight(*least)) least = i;
            }
            // The heaviest shard that does not make the receiver the heavier one.
            std::optional<std::uint32_t> best;
            for (std::uint32_t s = 0; s < owner.size(); ++s) {
                double const load = number(loads[s]);
                if (owner[s] != *most || shards_[s].parts != 0 || !(load > 0)) continue;
                if ((node_load[*least] + load) / nodes_[*least].weight >= per_weight(*most)) continue;
                if (!best || load > number(loads[*best])) best = s;
            }
            if (!best) break;
            p.moves.push_back({*best, 0, owner[*best], *least});
            owner[*best] = *least;
            node_load[*most] -= number(loads[*best]);
            node_load[*least] += number(loads[*best]);
            moved += number(loads[*best]);
        }
        p.moved = total > 0 ? moved / total : 0;
        return p;
    }

    /// Cuts a shard into parts, each to the node that is least loaded then; parts = 0 makes it whole again, where it was.
    [[nodiscard]] plan_type plan_parts(std::uint32_t shard, std::uint32_t parts, std::span<double const> loads) const {
        require_loads(loads);
        detail::require_option(shard < shard_count(), "virtual_shards: shard (below shard_count())", shard);
        detail::require_option(parts != 1 && parts <= max_parts, "virtual_shards: parts (0, or 2 to 1024)", parts);
        plan_type p{.what = plan_type::kind::parts, .epoch = epoch_, .shard = shard, .parts = parts};
        if (size_ == 0) return p;
        auto const   before = this->parts(shard);
        auto         node_load = load_of_nodes(loads, shard);
        double const each = parts == 0 ? 0 : number(loads[shard]) / parts;
        double       total = 0;
        for (double const load : loads) total += number(load);
        std::uint32_t moved = 0;
        for (std::uint32_t k = 0; k < std::max<std::uint32_t>(parts, static_cast<std::uint32_t>(before.size())); ++k) {
            std::optional<node_index> from, to;
            if (k < before.size()) from = before[k];
            else if (before.empty()) from = shards_[shard].owner;
            if (k < parts) {
                to = least_loaded(node_load);
                node_load[*to] += each;
            }
            bool const stays = from == to;
            if (!stays) p.moves.push_back({shard, k, from, to});
            moved += !stays && to && to != shards_[shard].owner ? 1u : 0u;
        }
        if (parts == 0)  // back to the owner, from wherever else its parts were
            for (auto const i : before) moved += i != shards_[shard].owner ? 1u : 0u;
        auto const of = parts != 0 ? parts : static_cast<std::uint32_t>(std::max<std::size_t>(before.size(), 1));
        p.moved = total > 0 ? number(loads[shard]) / total * moved / of : 0;
        return p;
    }

    /// Makes the change. False: the plan was made for another epoch, and nothing happens.
    bool apply(plan_type const& p) {
        if (p.epoch != epoch_) return false;
        virtual_shards next = *this;
        using kind = typename plan_type::kind;
        if (p.what == kind::add) {
            if (p.index == next.nodes_.size()) next.nodes_.emplace_back();
            next.nodes_[p.index] = {p.node, p.weight, 0};
            ++next.size_;
        } else if (p.what == kind::weight) {
            next.nodes_[p.index].weight = p.weight;
        } else if (p.what == kind::parts) {
            next.set_parts(p);
        }
        if (p.what != kind::parts) {
            for (auto const& m : p.moves) {
                auto& s = next.shards_[m.shard];
                if (s.parts != 0 && m.part != whole) {
                    next.parts_[s.first + m.part] = *m.to;
                    continue;
                }
                if (m.from) --next.nodes_[*m.from].owned;
                s.owner = *m.to;
                ++next.nodes_[*m.to].owned;
            }
        }
        if (p.what == kind::remove) {
            next.nodes_[p.index] = {};
            --next.size_;
        }
        ++next.epoch_;
        *this = std::move(next);
        return true;
    }

    // ---- the same at once ----

    node_index add(Node node, double weight = 1) {
        auto const p = plan_add(std::move(node), weight);
        (void)apply(p);
        return p.index;
    }
    void remove(Node const& node) { (void)apply(plan_remove(node)); }
    void set_weight(Node const& node, double weight) { (void)apply(plan_weight(node, weight)); }

private:
    static constexpr std::uint32_t whole = UINT32_MAX;  // the part of a move that concerns a divided shard's owner

    struct slot {
        std::optional<Node> node{};
        double              weight = 0;
        std::uint32_t       owned = 0;
    };
    struct entry {
        node_index    owner = 0;
        std::uint32_t first = 0;  // in parts_
        std::uint32_t parts = 0;
    };

    [[nodiscard]] static std::uint32_t part_of(std::uint64_t hash, std::uint32_t n) noexcept {
        return static_cast<std::uint32_t>(detail::multiply_wide(hash, n).high);
    }
    [[nodiscard]] static double number(double load) noexcept { return load > 0 && std::isfinite(load) ? load : 0; }

    static void require_weight(double weight) {
        detail::require_option(weight > 0 && std::isfinite(weight), "virtual_shards: weight (> 0)", weight);
    }
    void require_loads(std::span<double const> loads) const {
        detail::require_option(loads.size() == shards_.size(), "virtual_shards: loads (one per shard)", loads.size());
    }
    [[nodiscard]] node_index known(Node const& node) const {
        auto const i = index_of(node);
        if (!i) detail::refuse_node("virtual_shards: node (a member)", node);
        return *i;
    }

    [[nodiscard]] std::vector<double> load_of_nodes(std::span<double const> loads, std::uint32_t but = whole) const {
        std::vector<double> load(nodes_.size());
        for (std::uint32_t s = 0; s < shards_.size(); ++s) {
            if (s == but) continue;
            auto const where = parts(s);
            for (auto const i : where) load[i] += number(loads[s]) / static_cast<double>(where.size());
            if (where.empty()) load[shards_[s].owner] += number(loads[s]);
        }
        return load;
    }
    [[nodiscard]] node_index least_loaded(std::span<double const> load) const noexcept {
        std::optional<node_index> best;
        for (node_index i = 0; i < nodes_.size(); ++i)
            if (nodes_[i].node && (!best || load[i] / nodes_[i].weight < load[*best] / nodes_[*best].weight)) best = i;
        return best.value_or(0);
    }

    /// The moves that give each node floor or ceil of its share by the plan's weights. Who gets the ceil: those that have so many
    /// already, then the largest fraction, then the order of the nodes.
    void even_out(plan_type& p) const {
        using kind = typename plan_type::kind;
        struct member {
            node_index    index;
            Node const*   node;
            double        weight;
            std::uint32_t has, due;
            double        fraction;
        };
        std::vector<member> all;
        double              sum = 0;
        for (node_index i = 0; i < nodes_.size(); ++i) {
            if (!nodes_[i].node || (p.what == kind::remove && i == p.index)) continue;
            all.push_back({i, &*nodes_[i].node, p.what == kind::weight && i == p.index ? p.weight : nodes_[i].weight,
                           nodes_[i].owned, 0, 0});
        }
        if (p.what == kind::add) all.push_back({p.index, &*p.node, p.weight, 0, 0, 0});
        double largest = 0;
        for (auto const& m : all) largest = std::max(largest, m.weight);
        for (auto const& m : all) sum += m.weight / largest;
        std::uint32_t left = shard_count();
        for (auto& m : all) {
            double const share = m.weight / largest / sum * shard_count();
            m.due = std::min(static_cast<std::uint32_t>(share), left);
            m.fraction = share - std::floor(share);
            left -= m.due;
        }
        std::sort(all.begin(), all.end(), [](member const& a, member const& b) {
            bool const a_has = a.has > a.due, b_has = b.has > b.due;
            if (a_has != b_has) return a_has;
            if (a.fraction != b.fraction) return a.fraction > b.fraction;
            return *a.node < *b.node;
        });
        for (std::size_t k = 0; left > 0; k = (k + 1) % all.size(), --left) ++all[k].due;

        // In the order of the nodes, whoever has too much gives its last shards to whoever has too little.
        std::sort(all.begin(), all.end(), [](member const& a, member const& b) { return *a.node < *b.node; });
        std::vector<std::uint32_t> surplus(nodes_.size() + 1);
        for (auto const& m : all) surplus[m.index] = m.has > m.due ? m.has - m.due : 0;
        if (p.what == kind::remove) surplus[p.index] = nodes_[p.index].owned;
        std::size_t to = 0;
        auto const  receiver = [&]() -> member& {
            while (all[to].has >= all[to].due) ++to;
            return all[to];
        };
        for (std::uint32_t s = shard_count(); s-- > 0;) {
            bool const nobody = size_ == 0;
            if (!nobody && surplus[shards_[s].owner] == 0) continue;
            member& r = receiver();
            ++r.has;
            if (!nobody) --surplus[shards_[s].owner];
            p.moves.push_back({s, shards_[s].parts != 0 ? whole : 0, nobody ? std::nullopt : std::optional(shards_[s].owner), r.index});
        }
        double moved = static_cast<double>(p.moves.size());
        if (p.what == kind::remove) {  // its parts of other shards go to whoever has the fewest of each
            for (std::uint32_t s = 0; s < shard_count(); ++s) {
                for (std::uint32_t k = 0; k < shards_[s].parts; ++k) {
                    if (parts(s)[k] != p.index) continue;
                    auto const copies = [&](member const& m) {
                        return std::count_if(p.moves.begin(), p.moves.end(),
                                             [&](shard_move const& v) { return v.shard == s && v.part != whole && v.to == m.index; }) +
                               std::count(parts(s).begin(), parts(s).end(), m.index);
                    };
                    auto const best = std::min_element(all.begin(), all.end(),
                                                       [&](member const& a, member const& b) { return copies(a) < copies(b); });
                    p.moves.push_back({s, k, p.index, best->index});
                    moved += 1.0 / shards_[s].parts;
                }
            }
        }
        p.moved = moved / shard_count();
    }

    void set_parts(plan_type const& p) {
        std::vector<node_index>    next;
        std::vector<std::uint32_t> firsts;
        std::vector<node_index>    mine(p.parts);
        auto const                 before = parts(p.shard);
        for (std::uint32_t k = 0; k < p.parts; ++k) mine[k] = k < before.size() ? before[k] : shards_[p.shard].owner;
        for (auto const& m : p.moves)
            if (m.to && m.part < p.parts) mine[m.part] = *m.to;
        for (std::uint32_t s = 0; s < shards_.size(); ++s) {
            auto const  old = parts(s);
            auto const& keep = s == p.shard ? std::span<node_index const>(mine) : old;
            firsts.push_back(static_cast<std::uint32_t>(next.size()));
            next.insert(next.end(), keep.begin(), keep.end());
        }
        for (std::uint32_t s = 0; s < shards_.size(); ++s) shards_[s].first = firsts[s];
        shards_[p.shard].parts = p.parts;
        parts_ = std::move(next);
    }

    [[no_unique_address]] Hash hash_;
    std::vector<slot>          nodes_;
    std::vector<entry>         shards_;
    std::vector<node_index>    parts_;
    detail::emptied<std::size_t> size_;
    std::uint64_t              epoch_ = 0;
};

}  // namespace sluice
