// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// maglev, maglev_permutation — a table of slots that the nodes fill in turns: one read per look-up, slots equal within one.
///
/// Use it for     the cheapest look-up where the members change seldom; the same table as others build from the same names
/// Not for        moving as few keys as can be (ring_hash, rendezvous_hash); tables with less than about 100 slots per node
/// Thread-safety  a value: any number of readers, or one writer
/// Complexity     look-up: O(1), one read. Each change builds the table anew: O(M ln M) expected for M slots; assign builds it
///                once for many nodes. 2 bytes per slot, 4 from the index 65 536 on
/// Errors         std::invalid_argument for a table_size that is no prime number, more nodes than slots, a node that is a member
///                already (add, assign) or is not (remove, set_weight, weight), a weight that is not > 0 and finite. Changes may
///                throw what allocations and copies of nodes throw. A failed change has no effect. Look-ups are noexcept; with
///                no node the answer is empty
/// Units          weights are relative
/// Source         Eisenbud et al.: Maglev, NSDI 2016
/// Differs        the slot of a key is the high half of hash · M instead of hash % M: five times as fast, and it needs a hash
///                with good high bits. The table itself is the published one (entry)
///
/// Every node has a permutation of the slots; in each round, in the order of the nodes, each takes the next slot of its own
/// that is free. A node of weight w takes part in w / (the largest weight) of the rounds, and in the first one. Only the set of
/// nodes and their weights matter. When a node comes or goes, its own keys move and a few others: with M = 65537 and one of n nodes
/// removed 1.02/n of all keys for n = 10, 1.6/n for n = 100, 7/n for n = 1000.

#include <sluice/core/assert.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/hash.hpp>
#include <sluice/routing/detail/bucket_draws.hpp>
#include <sluice/routing/detail/member_table.hpp>
#include <sluice/routing/detail/weight.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace sluice {

struct maglev_options {
    std::uint32_t table_size = 65537;  ///< slots; a prime number
};

/// A node's slots: offset, offset + skip, offset + 2 · skip, … modulo the table's size.
struct maglev_turns {
    std::uint32_t offset;  ///< < table size
    std::uint32_t skip;    ///< 1 … table size − 1

    friend constexpr bool operator==(maglev_turns const&, maglev_turns const&) noexcept = default;
};

/// From two hashes of the node, XXH64 with the seeds 0 and 1: the tables of Envoy and of what follows it.
struct maglev_permutation {
    template <class Node>
        requires hasher<xxhash64, Node>
    [[nodiscard]] maglev_turns operator()(Node const& node, std::uint32_t table_size) const noexcept {
        return {static_cast<std::uint32_t>(xxhash64(0)(node) % table_size),
                static_cast<std::uint32_t>(xxhash64(1)(node) % (table_size - 1)) + 1};
    }
};

/// Hash is for the keys, Permutation for the nodes.
template <detail::member Node, class Hash = xxh3, class Permutation = maglev_permutation>
    requires requires(Permutation const& p, Node const& node, std::uint32_t m) {
        { p(node, m) } -> std::same_as<maglev_turns>;
    }
class maglev {
public:
    using node_type = Node;

    explicit maglev(maglev_options options = {}, Hash hash = {}, Permutation permutation = {})
        : hash_(std::move(hash)), permutation_(std::move(permutation)), table_size_(options.table_size) {
        detail::require_option(is_prime(table_size_), "maglev: table_size (a prime number)", table_size_);
    }

    void add(Node node, double weight = 1) {
        maglev next = without_table();
        next.insert(std::move(node), weight);
        next.build();
        *this = std::move(next);
    }
    void remove(Node const& node) {
        maglev     next = without_table();
        auto const position = next.members_.position_of(node, "maglev");
        next.members_.erase(position);
        next.seats_.erase(next.seats_.begin() + static_cast<std::ptrdiff_t>(position));
        next.build();
        *this = std::move(next);
    }
    void set_weight(Node const& node, double weight) {
        require_weight(weight);
        maglev next = without_table();
        next.seats_[next.members_.position_of(node, "maglev")].weight = weight;
        next.build();
        *this = std::move(next);
    }
    /// These nodes instead of those that were; the i-th has the index i.
    void assign(std::span<Node const> nodes) { assign(nodes, {}); }
    /// With a weight for each; no weights at all are equal ones.
    void assign(std::span<Node const> nodes, std::span<double const> weights) {
        detail::require_option(weights.empty() || weights.size() == nodes.size(), "maglev: weights (as many as nodes)",
                               weights.size());
        maglev next({.table_size = table_size_}, hash_, permutation_);
        for (std::size_t i = 0; i < nodes.size(); ++i) next.insert(nodes[i], weights.empty() ? 1.0 : weights[i]);
        next.build();
        *this = std::move(next);
    }

    [[nodiscard]] double weight(Node const& node) const { return seats_[members_.position_of(node, "maglev")].weight; }
    [[nodiscard]] bool   contains(Node const& node) const { return members_.contains(node); }

    [[nodiscard]] std::size_t size() const noexcept { return members_.size(); }
    [[nodiscard]] std::size_t index_bound() const noexcept { return members_.index_bound(); }
    [[nodiscard]] bool        contains_index(node_index i) const noexcept { return members_.contains_index(i); }
    [[nodiscard]] Node const& node(node_index i) const noexcept { return members_.node(i); }

    [[nodiscard]] std::optional<node_index> locate(hashed_key key) const noexcept {
        auto const slot = detail::reduced(key.value, table_size_);
        if (!narrow_.empty()) return narrow_[slot];
        if (!wide_.empty()) return wide_[slot];
        return std::nullopt;
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

    [[nodiscard]] std::uint32_t table_size() const noexcept { return table_size_; }
    /// Who has the slot. Requires a node and slot < table_size().
    [[nodiscard]] node_index entry(std::uint32_t slot) const noexcept {
        SLUICE_ASSERT(size() > 0 && slot < table_size_);
        return narrow_.empty() ? wide_[slot] : narrow_[slot];
    }

private:
    struct seat {
        double       weight;
        maglev_turns turns;
    };

    [[nodiscard]] static bool is_prime(std::uint32_t n) noexcept {
        if (n < 2) return false;
        for (std::uint64_t d = 2; d * d <= n; ++d)
            if (n % d == 0) return false;
        return true;
    }
    static void require_weight(double weight) {
        detail::require_option(detail::is_weight(weight), "maglev: weight (> 0, finite)", weight);
    }

    [[nodiscard]] maglev without_table() const {
        maglev copy({.table_size = table_size_}, hash_, permutation_);
        copy.members_ = members_;
        copy.seats_ = seats_;
        return copy;
    }
    void insert(Node node, double weight) {
        require_weight(weight);
        auto const position = members_.position_for(node, "maglev");
        detail::require_option(size() < table_size_, "maglev: nodes (<= table_size)", size() + 1);
        auto const turns = permutation_(node, table_size_);
        SLUICE_ASSERT(turns.offset < table_size_ && turns.skip > 0 && turns.skip < table_size_);
        detail::member_table<Node>::make_room(seats_);
        members_.insert(position, std::move(node), members_.free_index());
        seats_.insert(seats_.begin() + static_cast<std::ptrdiff_t>(position), seat{weight, turns});
    }

    /// The part of the rounds in units of 2^-40, rounded up; the largest weight has one.
    static constexpr std::int64_t one = std::int64_t{1} << 40;

    [[nodiscard]] static std::int64_t part(double weight, double largest) noexcept {
        detail::binary_weight const w(weight), l(largest);
        int const                   shift = l.exponent - w.exponent;  // >= 0
        if (shift > 41) return 1;
        auto const ratio = detail::multiply_divide(w.mantissa, std::uint64_t{1} << 40, l.mantissa, detail::round_to::ceiling);
        return static_cast<std::int64_t>((ratio + (std::uint64_t{1} << shift) - 1) >> shift);
    }

    void build() {
        if (members_.size() == 0) return;
        if (members_.index_bound() <= std::size_t{UINT16_MAX} + 1) fill(narrow_);
        else fill(wide_);
    }
    template <class Entry>
    void fill(std::vector<Entry>& table) const {
        struct turn {
            std::uint64_t next, skip;
            std::int64_t  part, credit;
            Entry         index;
        };
        double largest = 0;
        for (auto const& s : seats_) largest = std::max(largest, s.weight);
        std::vector<turn> turns;
        turns.reserve(seats_.size());
        for (std::size_t p = 0; p < seats_.size(); ++p) {
            auto const& s = seats_[p];
            turns.push_back({s.turns.offset, s.turns.skip, part(s.weight, largest), 0, static_cast<Entry>(members_.at(p))});
        }
        std::vector<bool> taken(table_size_);
        table.resize(table_size_);
        for (std::uint32_t filled = 0;;) {
            for (auto& t : turns) {
                if ((t.credit += t.part) < 0) continue;
                t.credit -= one;
                while (taken[static_cast<std::size_t>(t.next)]) {
                    t.next += t.skip;
                    if (t.next >= table_size_) t.next -= table_size_;
                }
                taken[static_cast<std::size_t>(t.next)] = true;
                table[static_cast<std::size_t>(t.next)] = t.index;
                if (++filled == table_size_) return;
            }
        }
    }

    [[no_unique_address]] Hash        hash_;
    [[no_unique_address]] Permutation permutation_;
    std::uint32_t                     table_size_;
    std::vector<std::uint16_t>        narrow_;  // one of the two, if there is a node
    std::vector<std::uint32_t>        wide_;
    detail::member_table<Node>        members_;
    std::vector<seat>                 seats_;  // by position in the order of the nodes
};

}  // namespace sluice
