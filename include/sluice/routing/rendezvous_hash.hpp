// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// rendezvous_hash — each node draws a time for the key and the first one gets it: exact weights, exact moves, any ranking.
///
/// Use it for     up to some hundred nodes: exact shares by weight, replicas (the next ones in the ranking), no parameters
/// Not for        thousands of nodes and hot paths (ring_hash, maglev)
/// Thread-safety  a value: any number of readers, or one writer
/// Complexity     look-up: O(n), one multiplication per node while all weights are equal, otherwise about six. locate_n:
///                O(n + k² log(n / k)) expected. walk: O(n) for the first node and for each 16 further ones. Only pick_n
///                allocates, its answer. Changes: O(n)
/// Errors         std::invalid_argument for a node that is a member already (add) or is not (remove, set_weight, weight), and
///                for a weight that is not > 0 and finite. add may throw what allocation and the node's copy throw and then has
///                no effect. Look-ups by index are noexcept; with no node the answer is empty
/// Units          weights are relative
/// Source         Thaler, Ravishankar, ToN 1998, doi:10.1109/90.663936; weights: Schindelhauer, Schomaker, SPAA 2005,
///                doi:10.1145/1073970.1074008; scores: Dietzfelbinger et al., J. Algorithms 25, 1997, doi:10.1006/jagm.1997.0873
/// Differs        −ln(u) / weight is computed and compared with integers alone: the order is the same on every machine. Equal
///                weights are ordered by hash, which is the same order without the logarithm
///
/// A key moves only to a node that comes or gains weight, or from one that goes or loses some. Only the set of nodes and
/// their weights matter. Two nodes whose hashes are equal (a bad Hash) always tie: the smaller node comes first.

#include <sluice/core/assert.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/hash.hpp>
#include <sluice/core/mix64.hpp>
#include <sluice/routing/detail/exponential_race.hpp>
#include <sluice/routing/detail/member_table.hpp>
#include <sluice/routing/detail/weight.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace sluice {

template <detail::member Node, hasher<Node> Hash = xxh3>
class rendezvous_hash {
public:
    using node_type = Node;

    explicit rendezvous_hash(Hash hash = {}) : hash_(std::move(hash)) {}

    void add(Node node, double weight = 1) {
        require_weight(weight);
        auto const position = members_.position_for(node, "rendezvous_hash");
        auto const hash = mix64(hash_(node) ^ 0x5851F42D4C957F2Du) | 1;
        table::make_room(hashes_);
        table::make_room(runners_);
        members_.insert(position, std::move(node), members_.free_index());
        hashes_.insert(hashes_.begin() + static_cast<std::ptrdiff_t>(position), hash);
        runners_.insert(runners_.begin() + static_cast<std::ptrdiff_t>(position), runner{weight, detail::race_speed(weight)});
        compare_weights();
    }
    void remove(Node const& node) {
        auto const position = members_.position_of(node, "rendezvous_hash");
        members_.erase(position);
        hashes_.erase(hashes_.begin() + static_cast<std::ptrdiff_t>(position));
        runners_.erase(runners_.begin() + static_cast<std::ptrdiff_t>(position));
        compare_weights();
    }
    void set_weight(Node const& node, double weight) {
        require_weight(weight);
        runners_[members_.position_of(node, "rendezvous_hash")] = {weight, detail::race_speed(weight)};
        compare_weights();
    }
    [[nodiscard]] double weight(Node const& node) const {
        return runners_[members_.position_of(node, "rendezvous_hash")].weight;
    }
    [[nodiscard]] bool contains(Node const& node) const { return members_.contains(node); }

    [[nodiscard]] std::size_t size() const noexcept { return members_.size(); }
    [[nodiscard]] std::size_t index_bound() const noexcept { return members_.index_bound(); }
    [[nodiscard]] bool        contains_index(node_index i) const noexcept { return members_.contains_index(i); }
    [[nodiscard]] Node const& node(node_index i) const noexcept { return members_.node(i); }

    [[nodiscard]] std::optional<node_index> locate(hashed_key key) const noexcept {
        if (hashes_.empty()) return std::nullopt;
        return members_.at(equal_ ? lowest_score(key) : first(key));
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

    /// The key's first out.size() nodes, or all; returns how many. A node that comes or goes changes one place and shifts
    /// those behind it.
    std::size_t locate_n(hashed_key key, std::span<node_index> out) const noexcept {
        std::size_t filled = 0;
        rank        last{};
        if (out.empty()) return 0;
        for (std::size_t p = 0; p < hashes_.size(); ++p) {
            rank const r = rank_of(key, p);
            if (filled == out.size()) {
                if (last < r) continue;
                --filled;
            }
            // Positions for now. The ranks of those that are in already are computed again: there is no room for them.
            std::size_t i = filled++;
            for (; i > 0 && r < rank_of(key, out[i - 1]); --i) out[i] = out[i - 1];
            out[i] = static_cast<node_index>(p);
            last = rank_of(key, out[filled - 1]);
        }
        for (auto& position : out.first(filled)) position = members_.at(position);
        return filled;
    }

    template <routing_key<Hash> Key>
        requires(!std::same_as<Key, hashed_key>)
    std::size_t locate_n(Key const& k, std::span<node_index> out) const noexcept {
        return locate_n(key(k), out);
    }
    /// The same nodes themselves.
    template <routing_key<Hash> Key>
    [[nodiscard]] std::vector<Node> pick_n(Key const& k, std::size_t n) const {
        std::vector<node_index> found(std::min(n, size()));
        std::vector<Node>       nodes;
        nodes.reserve(found.size());
        locate_n(key(k), found);
        for (auto const i : found) nodes.push_back(node(i));
        return nodes;
    }

    /// Every node, in the key's order.
    template <class Visit>
        requires std::predicate<Visit&, node_index>
    bool walk(hashed_key key, Visit&& visit) const {
        auto const n = hashes_.size();
        if (n == 0) return true;
        auto const best = equal_ ? lowest_score(key) : first(key);
        if (!visit(members_.at(best))) return false;
        std::array<rank, 16> next;
        rank                 last = rank_of(key, best);
        for (std::size_t visited = 1; visited < n;) {
            std::size_t found = 0;
            for (std::size_t p = 0; p < n; ++p) {
                rank const r = rank_of(key, p);
                if (!(last < r) || (found == next.size() && next.back() < r)) continue;
                std::size_t i = found == next.size() ? found - 1 : found++;
                for (; i > 0 && r < next[i - 1]; --i) next[i] = next[i - 1];
                next[i] = r;
            }
            for (std::size_t i = 0; i < found; ++i)
                if (!visit(members_.at(next[i].position))) return false;
            last = next[found - 1];
            visited += found;
        }
        return true;
    }

private:
    using table = detail::member_table<Node>;

    struct runner {
        double             weight;
        detail::race_speed speed;
    };
    /// What decides, first things first.
    struct rank {
        std::uint64_t time;
        std::uint64_t score;
        std::size_t   position;

        friend auto operator<=>(rank const&, rank const&) noexcept = default;
    };

    static void require_weight(double weight) {
        detail::require_option(detail::is_weight(weight), "rendezvous_hash: weight (> 0, finite)", weight);
    }
    void compare_weights() noexcept {
        equal_ = std::all_of(runners_.begin(), runners_.end(),
                             [this](runner const& r) { return r.speed == runners_.front().speed; });
    }

    /// An odd number times the key, modulo 2^64: each node's scores of all keys are all numbers, each once; see Source. The key
    /// is a hash already (hashed_key), and 64 bits of a product are cheap where 128 are not.
    [[nodiscard]] static std::uint64_t score(std::uint64_t key, std::uint64_t node_hash) noexcept {
        return (key ^ 0x2545F4914F6CDD1Du) * node_hash;
    }
    [[nodiscard]] rank rank_of(hashed_key key, std::size_t position) const noexcept {
        auto const s = score(key.value, hashes_[position]);
        return {equal_ ? 0 : detail::race_time(s, runners_[position].speed), s, position};
    }

    /// Requires a node.
    [[nodiscard]] std::size_t first(hashed_key key) const noexcept {
        rank best = rank_of(key, 0);
        for (std::size_t p = 1; p < hashes_.size(); ++p) best = std::min(best, rank_of(key, p));
        return best.position;
    }
    /// The same for equal weights, without a branch that cannot be guessed: which eight have the lowest score, then which of
    /// them. Requires a node.
    [[nodiscard]] std::size_t lowest_score(hashed_key key) const noexcept {
        constexpr std::size_t      width = 8;
        std::uint64_t const* const hashes = hashes_.data();
        std::size_t const          n = hashes_.size();
        auto const                 at = [&](std::size_t p) { return score(key.value, hashes[p]); };
        auto const                 lower = [](std::uint64_t a, std::uint64_t b) { return a < b ? a : b; };
        std::uint64_t              lowest = UINT64_MAX;
        std::size_t                from = 0;
        auto const                 take = [&](std::uint64_t s, std::size_t p) {
            from ^= (from ^ p) & (std::size_t{0} - (s < lowest ? 1u : 0u));  // gcc 12 makes a branch of a choice here
            lowest = lower(s, lowest);
        };
        auto const                 look = [&](std::size_t p) {
            take(lower(lower(lower(at(p), at(p + 1)), lower(at(p + 2), at(p + 3))),
                                        lower(lower(at(p + 4), at(p + 5)), lower(at(p + 6), at(p + 7)))),
                              p);
        };
        if (n >= 3 * width) {
            std::size_t p = 0;
            for (; p + width <= n; p += width) look(p);
            if (p != n) look(n - width);  // some of them again: who was seen before stays in front
            std::size_t place = from;
            for (std::size_t i = width; i-- > 0;) place = at(from + i) == lowest ? from + i : place;
            return place;
        }
        for (std::size_t p = 0; p < n; ++p) take(at(p), p);
        return from;
    }

    [[no_unique_address]] Hash hash_;
    table                      members_;
    std::vector<std::uint64_t> hashes_;   // by position in the order of the nodes, as are the runners
    std::vector<runner>        runners_;
    bool                       equal_ = true;
};

}  // namespace sluice
