// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// ring_hash — consistent hashing: each node has many points on a ring, a key belongs to the first point behind it.
///
/// Use it for     shards and caches whose nodes come and go, with weights: a change moves only keys to or from that node
/// Not for        the most even shares (maglev, jump_hash), or few nodes with exact ones (rendezvous_hash)
/// Thread-safety  a value: any number of readers, or one writer
/// Complexity     look-up: one line of 64 bytes, expected; points that crowd in one place are gone through. add, remove,
///                set_weight: as many lines as the node has points, but after growth by a third, or much shrinking, all
///                points are placed anew. add of many: that, once. walk: one turn. Indices and names: O(log nodes) to find,
///                O(nodes) to keep in order, 16 bytes each
/// Errors         std::invalid_argument: virtual_nodes 0 or > 2^24; a weight that is not a number, <= 0 or for more than 2^24
///                points; add of a node that is there, remove and set_weight of one that is not. std::length_error: more than
///                2^29 points. Whatever throws, also std::bad_alloc, changes nothing. remove needs no memory
/// Units          weight: 1 is virtual_nodes points
/// Source         Karger et al., STOC 1997, doi:10.1145/258533.258660; points: see point_policy
/// Differs        libketama, Envoy and gRPC fix the number of all points, so that a new node or weight moves keys between others
/// Example        examples/210_consistent_hashing.cpp
///
/// A node has floor(weight · virtual_nodes) points, at least one, whatever others have; a product within 10^-12 of a whole
/// number counts as that one. Points are ordered by their position, then by node, so that the same members give the same
/// owners in whatever order they came. A share deviates from the mean by sqrt((n - 1) / (n · virtual_nodes + 1)) of it.
///
/// A ring that was moved from is empty, and good for use.
/// Node: comparable with ==, <, and hashed by Hash, none of which may throw. With 150 points a node takes less than 2 KB.

#include <sluice/core/assert.hpp>
#include <sluice/core/detail/emptied.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/hash.hpp>
#include <sluice/routing/detail/describe.hpp>
#include <sluice/routing/detail/point_table.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/placement.hpp>
#include <sluice/routing/point_policy.hpp>
#include <sluice/routing/replicas.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <optional>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sluice {

struct ring_hash_options {
    std::uint32_t virtual_nodes = 150;  ///< points for each unit of weight; 1 to 2^24
};

/// One point of a ring: where, whose, and the how-many-th of its node.
struct ring_point {
    std::uint64_t point;
    node_index    node;
    std::uint32_t replica;
};

template <class Node = std::string, hasher<Node> Hash = xxh3, point_policy<Hash, Node> Points = mixed_points>
    requires std::copyable<Node> && std::totally_ordered<Node>
class ring_hash {
public:
    using node_type = Node;

    struct member {
        Node   node;
        double weight = 1;
    };

    static constexpr std::uint32_t max_node_points = std::uint32_t{1} << 24;
    static constexpr std::uint64_t max_points = std::uint64_t{1} << 29;

    explicit ring_hash(ring_hash_options options = {}, Hash hash = {}, Points points = {})
        : options_(options), hash_(std::move(hash)), policy_(std::move(points)) {
        detail::require_option(options.virtual_nodes > 0 && options.virtual_nodes <= max_node_points,
                               "ring_hash: virtual_nodes (from 1 to 2^24)", options.virtual_nodes);
    }

    /// The node's index: its own until it is removed.
    node_index add(Node node, double weight = 1) {
        std::uint32_t const points = points_for(weight);
        std::uint64_t const hash = hash_(node);
        auto const          place = where(hash, node);
        if (place < names_.size() && names_[place].hash == hash && *slots_[names_[place].index].node == node)
            detail::refuse_node("ring_hash: node (not a member yet)", node);
        make_room(names_);
        bool const       reuse = free_ != none;
        node_index const i = reuse ? free_ : static_cast<node_index>(slots_.size());
        if (!reuse) make_room(slots_);
        prepare(points, std::max<std::size_t>(slots_.size(), std::size_t{i} + 1));
        std::optional<Node> owned(std::move(node));
        // From here on nothing throws.
        if (reuse) free_ = slots_[i].next_free;
        else slots_.emplace_back();
        slots_[i].node.swap(owned);
        slots_[i].weight = weight;
        names_.insert(names_.begin() + static_cast<std::ptrdiff_t>(where(hash, *slots_[i].node)), {hash, i});
        grow_node(i, points);
        return i;
    }

    /// Many at once: all of them, or none.
    template <std::ranges::input_range Range>
        requires(!std::convertible_to<Range const&, Node>) &&
                (std::convertible_to<std::ranges::range_reference_t<Range const&>, Node> ||
                 std::convertible_to<std::ranges::range_reference_t<Range const&>, member>)
    void add(Range const& nodes) {
        ring_hash next(options_, hash_, policy_);
        next.slots_ = slots_;
        next.names_ = names_;
        next.free_ = free_;
        std::vector<std::pair<node_index, std::uint32_t>> fresh;
        std::uint64_t                                     total = points_;
        for (auto const& each : nodes) {
            if constexpr (std::convertible_to<std::ranges::range_reference_t<Range const&>, member>) {
                member m = each;
                next.enlist(std::move(m.node), m.weight, fresh);
            } else {
                next.enlist(each, 1, fresh);
            }
            total += fresh.back().second;
        }
        if (fresh.empty()) return;
        next.sort_names();
        require_points(total);
        for (auto const& [i, points] : fresh) next.slots_[i].points = points;
        next.points_ = total;
        next.table_ = next.built(total);
        *this = std::move(next);
    }

    void add(std::initializer_list<Node> nodes) { add(std::span<Node const>(nodes.begin(), nodes.size())); }
    void add(std::initializer_list<member> nodes) { add(std::span<member const>(nodes.begin(), nodes.size())); }

    void remove(Node const& node) {
        auto const place = find(node);
        if (!place) detail::refuse_node("ring_hash: node to remove (a member)", node);
        node_index const i = names_[*place].index;
        shrink_node(i, 0);
        names_.erase(names_.begin() + static_cast<std::ptrdiff_t>(*place));
        slots_[i].node.reset();
        slots_[i].next_free = std::exchange(free_, i);
        if (with_table([&](auto const& table) { return table.is_large_for(points_); })) {
            try {
                table_ = built(points_);
            } catch (std::bad_alloc const&) {}  // it stays large
        }
    }

    void set_weight(Node const& node, double weight) {
        std::uint32_t const points = points_for(weight);
        auto const          place = find(node);
        if (!place) detail::refuse_node("ring_hash: node to weigh (a member)", node);
        node_index const i = names_[*place].index;
        if (points > slots_[i].points) prepare(points - slots_[i].points, slots_.size());
        slots_[i].weight = weight;
        grow_node(i, points);
        shrink_node(i, points);
    }

    [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }
    [[nodiscard]] bool        empty() const noexcept { return names_.empty(); }
    [[nodiscard]] bool        contains(Node const& node) const noexcept { return find(node).has_value(); }
    [[nodiscard]] std::optional<node_index> index_of(Node const& node) const noexcept {
        auto const place = find(node);
        if (!place) return std::nullopt;
        return names_[*place].index;
    }

    [[nodiscard]] std::size_t index_bound() const noexcept { return slots_.size(); }
    [[nodiscard]] bool        contains_index(node_index i) const noexcept { return i < slots_.size() && slots_[i].node; }
    /// These require contains_index(i).
    [[nodiscard]] Node const& node(node_index i) const noexcept { return *slot(i).node; }
    [[nodiscard]] double      weight(node_index i) const noexcept { return slot(i).weight; }
    [[nodiscard]] std::uint32_t point_count(node_index i) const noexcept { return slot(i).points; }

    [[nodiscard]] ring_hash_options options() const noexcept { return options_; }
    [[nodiscard]] std::uint64_t     points() const noexcept { return points_; }

    /// What is asked for a look-up: points, owners and the index over them.
    [[nodiscard]] std::size_t lookup_bytes() const noexcept {
        return with_table([](auto const& table) { return table.bytes(); });
    }
    /// All of it, but for what a node holds beyond its own size.
    [[nodiscard]] std::size_t bytes() const noexcept {
        return sizeof *this + lookup_bytes() + slots_.capacity() * sizeof(slot_type) + names_.capacity() * sizeof(name);
    }

    /// Where a key stands: as its policy says, or as it is.
    template <class Key>
        requires std::same_as<Key, hashed_key> || requires(Points const& p, Hash const& h, Key const& k) { p.key(h, k); }
    [[nodiscard]] hashed_key key(Key const& key) const noexcept {
        if constexpr (std::same_as<Key, hashed_key>) return key;
        else return policy_.key(hash_, key);
    }

    template <class Key>
    [[nodiscard]] std::optional<node_index> locate(Key const& k) const noexcept
        requires requires { key(k); }
    {
        if (points_ == 0) return std::nullopt;
        std::uint64_t const h = key(k).value;
        if (auto const* table = std::get_if<0>(&table_)) return table->find(h, before_key{this, h});
        return std::get_if<1>(&table_)->find(h, before_key{this, h});
    }
    /// The owners of many keys, faster than one by one where the ring does not fit into the nearest cache. False, and nothing
    /// written, if there is no node. Requires out.size() >= keys.size().
    [[nodiscard]] bool locate_each(std::span<hashed_key const> keys, std::span<node_index> out) const noexcept {
        SLUICE_ASSERT(out.size() >= keys.size());
        if (points_ == 0) return false;
        with_table([&](auto const& table) {
            table.find_each(keys.data(), keys.size(), [&](std::uint64_t h) { return before_key{this, h}; },
                            [&](std::size_t i, auto owner) { out[i] = owner; });
        });
        return true;
    }
    template <class Key>
    [[nodiscard]] std::optional<Node> pick(Key const& k) const
        requires requires { key(k); }
    {
        auto const i = locate(k);
        if (!i) return std::nullopt;
        return *slots_[*i].node;
    }

    /// The owners of the points behind the key, once around; see placement.
    template <class Visit>
        requires std::predicate<Visit&, node_index>
    bool walk(hashed_key k, Visit&& visit) const {
        if (points_ == 0) return true;
        return with_table([&](auto const& table) {
            auto as_index = [&](auto owner) { return static_cast<bool>(visit(static_cast<node_index>(owner))); };
            return table.walk(k.value, before_key{this, k.value}, as_index);
        });
    }

    /// The first n different nodes behind the key; all of them if there are not so many. See replicas.hpp.
    template <class Key>
    [[nodiscard]] std::vector<Node> pick_n(Key const& k, std::size_t n) const
        requires requires { key(k); }
    {
        return sluice::pick_n(*this, key(k), n);
    }
    template <class Key>
    [[nodiscard]] std::size_t locate_n(Key const& k, std::span<node_index> out) const
        requires requires { key(k); }
    {
        return sluice::locate_n(*this, key(k), out);
    }
    template <class Key, tried_nodes Tried>
    [[nodiscard]] std::optional<Node> pick_excluding(Key const& k, Tried const& tried) const
        requires requires { key(k); }
    {
        return sluice::pick_excluding(*this, key(k), tried);
    }

    /// The point that gives the key its owner. O(points of that node).
    template <class Key>
    [[nodiscard]] std::optional<ring_point> explain(Key const& k) const
        requires requires { key(k); }
    {
        auto const i = locate(k);
        if (!i) return std::nullopt;
        std::uint64_t const from = key(k).value;
        ring_point          best{0, *i, 0};
        auto                point = policy_.points_of(hash_, node(*i));
        for (std::uint32_t r = 0; r < slots_[*i].points; ++r) {
            std::uint64_t const p = point(r);
            if (r == 0 || p - from < best.point - from) best = {p, *i, r};
        }
        return best;
    }

    /// All points in their order. Allocates the answer.
    [[nodiscard]] std::vector<ring_point> sorted_points() const {
        std::vector<ring_point> all;
        all.reserve(static_cast<std::size_t>(points_));
        for (auto const& n : names_) {
            auto point = policy_.points_of(hash_, node(n.index));
            for (std::uint32_t r = 0; r < slots_[n.index].points; ++r) all.push_back({point(r), n.index, r});
        }
        sort_points(all);
        return all;
    }

    /// The part of all keys that each node has, by index: exact, then rounded once. O(points), allocates.
    [[nodiscard]] std::vector<double> shares() const {
        std::vector<double>        result(index_bound());
        auto const                 all = sorted_points();
        std::vector<std::uint64_t> keys(index_bound());
        if (all.empty()) return result;
        node_index only = all.front().node;  // which has all keys, if no other one has a gap before its points
        bool       several = false, any = false;
        for (std::size_t n = 0; n < all.size(); ++n) {
            std::uint64_t const gap = all[n].point - all[n == 0 ? all.size() - 1 : n - 1].point;
            if (gap == 0) continue;
            several = several || (any && all[n].node != only);
            only = all[n].node;
            any = true;
            keys[only] += gap;
        }
        if (!several) result[only] = 1;
        else
            for (std::size_t i = 0; i < keys.size(); ++i) result[i] = static_cast<double>(keys[i]) * 0x1p-64;
        return result;
    }

private:
    using narrow = detail::point_table<std::uint16_t>;
    using wide = detail::point_table<std::uint32_t>;

    static constexpr node_index none = UINT32_MAX;
    struct slot_type {
        std::optional<Node> node{};
        double              weight = 0;
        std::uint32_t       points = 0;  // in the table
        node_index          next_free = none;
    };
    struct name {
        std::uint64_t hash;
        node_index    index;
    };

    /// Which points come before a key.
    struct before_key {
        ring_hash const* ring;
        std::uint64_t    key;

        [[nodiscard]] std::size_t preceding(node_index i, unsigned low) const noexcept {
            return ring->count_points(i, [&](std::uint64_t p) { return p >> low == key >> low && p < key; });
        }
        [[nodiscard]] std::size_t preceding_all(unsigned low) const noexcept {
            std::size_t n = 0;
            for (auto const& m : ring->names_) n += preceding(m.index, low);
            return n;
        }
    };
    /// Which points come before a new one.
    struct before_point {
        ring_hash const* ring;
        std::uint64_t    point;
        node_index       owner;

        [[nodiscard]] std::size_t preceding(node_index i, unsigned low) const noexcept {
            bool const first = ring->node(i) < ring->node(owner);
            return ring->count_points(i, [&](std::uint64_t p) {
                return p >> low == point >> low && (p < point || (p == point && first));
            });
        }
        [[nodiscard]] std::size_t preceding_all(unsigned low) const noexcept {
            std::size_t n = 0;
            for (auto const& m : ring->names_) n += preceding(m.index, low);
            return n;
        }
    };

    template <class F>
    decltype(auto) with_table(F f) const {
        if (auto const* table = std::get_if<0>(&table_)) return f(*table);
        return f(*std::get_if<1>(&table_));
    }
    template <class F>
    decltype(auto) with_table(F f) {
        if (auto* table = std::get_if<0>(&table_)) return f(*table);
        return f(*std::get_if<1>(&table_));
    }
    [[nodiscard]] slot_type const& slot(node_index i) const noexcept {
        SLUICE_ASSERT(contains_index(i));
        return slots_[i];
    }
    template <class T>
    static void make_room(std::vector<T>& v) {
        if (v.size() == v.capacity()) v.reserve(v.size() < 4 ? 4 : v.size() * 2);
    }

    /// floor(weight · virtual_nodes), at least 1. In integers: the same on every processor.
    [[nodiscard]] std::uint32_t points_for(double weight) const {
        // The first comparison also says no to NaN.
        if (!(weight > 0) || weight > max_node_points)
            detail::throw_invalid("ring_hash: weight (> 0, at most 2^24 points)", weight);
        int          exponent = 0;
        double const mantissa = std::frexp(weight, &exponent);  // in [0.5, 1)
        auto         product = detail::multiply_wide(static_cast<std::uint64_t>(std::ldexp(mantissa, 53)), options_.virtual_nodes);
        std::uint64_t const allowance = (product.high << 24) | (product.low >> 40);  // 2^-40 of it
        product.high += product.low + allowance < product.low ? 1u : 0u;
        product.low += allowance;
        int const           shift = 53 - exponent;  // > 27
        std::uint64_t const n = shift >= 128  ? 0
                                : shift >= 64 ? (shift == 64 ? product.high : product.high >> (shift - 64))
                                              : (product.high << (64 - shift)) | (product.low >> shift);
        if (n > max_node_points) detail::throw_invalid("ring_hash: weight (> 0, at most 2^24 points)", weight);
        return n == 0 ? 1 : static_cast<std::uint32_t>(n);
    }

    static void require_points(std::uint64_t total) {
        if (total > max_points) throw std::length_error("sluice: ring_hash: more than 2^29 points");
    }

    /// Where a name is, or belongs, in their order.
    [[nodiscard]] std::size_t where(std::uint64_t hash, Node const& node) const noexcept {
        auto const at = std::lower_bound(names_.begin(), names_.end(), hash, [&](name const& n, std::uint64_t h) {
            return n.hash != h ? n.hash < h : *slots_[n.index].node < node;
        });
        return static_cast<std::size_t>(at - names_.begin());
    }
    [[nodiscard]] std::optional<std::size_t> find(Node const& node) const noexcept {
        std::uint64_t const hash = hash_(node);
        std::size_t const   at = where(hash, node);
        if (at == names_.size() || names_[at].hash != hash || !(*slots_[names_[at].index].node == node)) return std::nullopt;
        return at;
    }

    /// A new member without points.
    void enlist(Node node, double weight, std::vector<std::pair<node_index, std::uint32_t>>& fresh) {
        std::uint32_t const points = points_for(weight);
        std::uint64_t const hash = hash_(node);
        node_index          i = free_;
        if (i == none) {
            i = static_cast<node_index>(slots_.size());
            slots_.emplace_back();
        } else {
            free_ = slots_[i].next_free;
        }
        slots_[i].node.emplace(std::move(node));
        slots_[i].weight = weight;
        names_.push_back({hash, i});
        fresh.emplace_back(i, points);
    }
    void sort_names() {
        std::sort(names_.begin(), names_.end(), [&](name const& a, name const& b) {
            return a.hash != b.hash ? a.hash < b.hash : *slots_[a.index].node < *slots_[b.index].node;
        });
        for (std::size_t n = 1; n < names_.size(); ++n)
            if (names_[n].hash == names_[n - 1].hash && *slots_[names_[n].index].node == *slots_[names_[n - 1].index].node)
                detail::refuse_node("ring_hash: node (not a member yet)", *slots_[names_[n].index].node);
    }

    template <class Counted>
    [[nodiscard]] std::size_t count_points(node_index i, Counted counted) const noexcept {
        std::size_t n = 0;
        auto        point = policy_.points_of(hash_, *slots_[i].node);
        for (std::uint32_t r = 0; r < slots_[i].points; ++r) n += counted(point(r)) ? 1u : 0u;
        return n;
    }

    /// Memory for so many more points and this many indices.
    void prepare(std::uint32_t more, std::size_t indices) {
        std::uint64_t const total = points_ + more;
        require_points(total);
        bool const too_narrow = table_.index() == 0 && indices > std::size_t{narrow::max_owner} + 1;
        if (too_narrow || with_table([&](auto const& table) { return table.is_small_for(total); })) {
            auto next = built(total, indices);
            std::visit([&](auto& table) { table.reserve(more); }, next);
            table_ = std::move(next);
        } else {
            with_table([&](auto& table) { table.reserve(more); });
        }
    }

    /// A table with the points that the members have, for as many as `total`.
    [[nodiscard]] std::variant<narrow, wide> built(std::uint64_t total, std::size_t indices) const {
        std::variant<narrow, wide> result;
        if (indices > std::size_t{narrow::max_owner} + 1) fill(result.template emplace<1>(total));
        else fill(result.template emplace<0>(total));
        return result;
    }
    [[nodiscard]] std::variant<narrow, wide> built(std::uint64_t total) const { return built(total, slots_.size()); }

    template <class Table>
    void fill(Table& table) const {
        std::vector<std::pair<std::uint64_t, node_index>> left_over;
        std::vector<std::uint64_t>                        ties;
        for (auto const& n : names_) {
            auto point = policy_.points_of(hash_, *slots_[n.index].node);
            for (std::uint32_t r = 0, end = slots_[n.index].points; r < end; ++r)
                if (std::uint64_t const p = point(r); !table.deposit(p, n.index)) left_over.emplace_back(p, n.index);
        }
        table.arrange([&](std::uint64_t p) { ties.push_back(p); });
        for (auto const& [p, i] : left_over)
            if (table.append(p, i)) ties.push_back(p >> table.low() << table.low());
        std::sort(ties.begin(), ties.end());
        ties.erase(std::unique(ties.begin(), ties.end()), ties.end());
        for (auto const p : ties) settle(table, p);
        table.refill_all();
    }
    /// Puts the points with the bits of this one in order.
    template <class Table>
    void settle(Table& table, std::uint64_t tie) const {
        std::vector<node_index> owners;
        table.each_of(tie, [&](node_index i) { owners.push_back(i); });
        std::sort(owners.begin(), owners.end());
        owners.erase(std::unique(owners.begin(), owners.end()), owners.end());
        std::vector<ring_point> run;
        for (auto const i : owners) {
            auto point = policy_.points_of(hash_, *slots_[i].node);
            for (std::uint32_t r = 0; r < slots_[i].points; ++r)
                if (std::uint64_t const p = point(r); (p ^ tie) >> table.low() == 0) run.push_back({p, i, r});
        }
        sort_points(run);
        table.assign(tie, [&](std::size_t n) { return run[n].node; });
    }

    void sort_points(std::vector<ring_point>& all) const {
        std::sort(all.begin(), all.end(), [&](ring_point const& a, ring_point const& b) {
            if (a.point != b.point) return a.point < b.point;
            if (a.node != b.node) return node(a.node) < node(b.node);
            return a.replica < b.replica;
        });
    }

    /// Requires that there is memory for the points (prepare).
    void grow_node(node_index i, std::uint32_t points) noexcept {
        auto& count = slots_[i].points;
        if (count >= points) return;
        with_table([&](auto& table) {
            auto point = policy_.points_of(hash_, *slots_[i].node);
            for (; count < points; ++count, ++points_) {
                std::uint64_t const p = point(count);
                table.insert(p, i, before_point{this, p, i});
            }
        });
    }
    void shrink_node(node_index i, std::uint32_t points) noexcept {
        auto& count = slots_[i].points;
        if (count <= points) return;
        with_table([&](auto& table) {
            auto point = policy_.points_of(hash_, *slots_[i].node);
            while (count > points) {
                --count;
                --points_;
                std::uint64_t const p = point(count);
                table.remove(p, i, [&] {
                    return count_points(i, [&](std::uint64_t q) { return (q ^ p) >> table.low() == 0 && q < p; });
                });
            }
        });
    }

    ring_hash_options             options_;
    [[no_unique_address]] Hash    hash_;
    [[no_unique_address]] Points  policy_;
    detail::emptied<std::uint64_t> points_;
    std::variant<narrow, wide>    table_;
    std::vector<slot_type>        slots_;  // by index
    std::vector<name>             names_;  // by hash, then node
    detail::emptied<node_index, none> free_;
};

}  // namespace sluice
