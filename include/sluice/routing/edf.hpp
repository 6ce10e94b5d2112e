// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// edf — turns in proportion to the weights, in O(log n): each node's k-th turn is due at k / weight, the earliest goes first.
///
/// Use it for     many uneven nodes, exact shares, one thread
/// Not for        many threads (static_stride); the smoothest order among few nodes (weighted_round_robin)
/// Thread-safety  one thread at a time
/// Complexity     choose: O(log n), amortised: a node that cannot be chosen is set aside in O(log n) and looked at again in
///                turn, two nodes a call. O(n) after the list's length has changed, and each time when no node can be chosen.
///                44 bytes a node; no allocation unless the list is longer than any before, and than the option `nodes`
/// Errors         choose and the constructor may throw std::bad_alloc, and then nothing has changed
/// Units          weights as whole numbers. In each period of (sum of weights) choices a node comes exactly weight times
/// Source         Demers, Keshav, Shenker, SIGCOMM 1989, doi:10.1145/75246.75248; Envoy and grpc-go use the form with doubles
/// Differs        deadlines are exact fractions. With doubles 5, 1, 1 gives aaaabca and then aaaaabc: not periodic
///
/// Virtual time passes by 1 in each period. A node's turns are always due at multiples of 1 / weight, so a node that is new,
/// comes back or has another weight starts at the next such moment: it can neither gain turns by coming and going nor be given
/// a burst. Another weight is noticed at the node's next turn or when it is looked at, whichever is earlier.
/// Equal deadlines: first_index, or re_added, which is Envoy's rule: who was put back earlier goes first. That is the lighter
/// node, since its previous turn was longer ago, and among equals the first.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/emptied.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/mix64.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace sluice {

enum class edf_ties : std::uint8_t { re_added, first_index };

struct edf_options {
    edf_ties    ties = edf_ties::re_added;
    std::size_t nodes = 0;  ///< room for so many, taken at once
    /// Where in the period to begin, and which of equals is first, so that many clients do not walk in step: a random number.
    std::optional<std::uint64_t> start{};
};

class edf {
public:
    explicit edf(edf_options options = {}) : options_(options) {
        tree_.reserve(2 * options.nodes);
        aside_.reserve(options.nodes);
        turns_.reserve(options.nodes);
        if (!options.start) return;
        std::uint64_t const x = mix64(*options.start);
        now_ = {0, static_cast<std::uint32_t>(x >> 33), std::uint32_t{1} << 31};
        offset_ = static_cast<std::uint32_t>(mix64(x));
    }

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point, Source&) {
        if (nodes.size() != known_) resize(nodes);
        if (known_ == 0) return std::nullopt;
        if (!is_absent(tree_[1])) look_around(nodes);
        for (int pass = 0;; ++pass) {
            for (entry top = tree_[1]; !is_absent(top); top = tree_[1]) {
                node_index const    i = index_of(top);
                std::uint32_t const weight = weight_of(nodes, i);
                if (weight == 0) {
                    aside_.push_back(i);  // there is room for all
                    put(i, nothing_of(i));
                    continue;
                }
                turn& its = turns_[i];
                now_ = {top.high & odd, its.part, its.weight};
                if (weight == its.weight) advance(top, its);
                else top = first_after_now(i, weight);
                put(i, top);
                return i;
            }
            if (pass == 1) return std::nullopt;
            for (std::size_t k = aside_.size(); k-- > 0;) look_at_aside(nodes, k);  // nobody left: all are asked
        }
    }

private:
    /// period + part / weight in virtual time; part < weight. Periods are counted modulo 2: all turns that are compared are due
    /// after now_ and at most 1 later, and when now_ enters another period they all lie in that one.
    struct moment {
        std::uint64_t period = 0;  // 0 or odd
        std::uint32_t part = 0;
        std::uint32_t weight = 1;
    };
    struct turn {
        std::uint32_t part;
        std::uint32_t weight;
    };
    /// A node's next turn, and no more than is compared.
    ///   high   the period, and part / weight in 2^-32 rounded down: different parts of weights below 2^16 differ here; or absent
    ///   low    weight, if it decides, and the rank among equals, which is no other node's
    using entry = detail::wide;
    static constexpr std::uint64_t odd = std::uint64_t{1} << 32, absent = std::uint64_t{1} << 63;

    [[nodiscard]] static bool is_absent(entry const& e) noexcept { return (e.high & absent) != 0; }
    [[nodiscard]] entry       nothing_of(node_index i) const noexcept { return {absent, rank_of(i)}; }
    [[nodiscard]] node_index  index_of(entry const& e) const noexcept {
        auto const rank = static_cast<std::uint32_t>(e.low);
        return options_.start ? unscrambled(rank) - offset_ : rank;
    }
    [[nodiscard]] std::uint32_t rank_of(node_index i) const noexcept { return options_.start ? scrambled(i + offset_) : i; }

    /// A permutation of all numbers of 32 bits (C. Wellons, "lowbias32"), and its inverse.
    [[nodiscard]] static constexpr std::uint32_t scrambled(std::uint32_t x) noexcept {
        x = (x ^ x >> 16) * 0x7FEB352Du;
        x = (x ^ x >> 15) * 0x846CA68Bu;
        return x ^ x >> 16;
    }
    [[nodiscard]] static constexpr std::uint32_t unscrambled(std::uint32_t x) noexcept {
        x = (x ^ x >> 16) * 0x43021123u;
        x = (x ^ x >> 15 ^ x >> 30) * 0x1D69E2A5u;
        return x ^ x >> 16;
    }

    template <node_list List>
    [[nodiscard]] static std::uint32_t weight_of(List const& nodes, node_index i) {
        return node_available(nodes[i]) ? node_weight(nodes[i]) : 0;
    }

    static void advance(entry& e, turn& t) noexcept {
        std::uint64_t period = e.high & odd;
        if (++t.part == t.weight) t.part = 0, period ^= odd;
        e.high = period | (std::uint64_t{t.part} << 32) / t.weight;
    }
    /// The first multiple of 1 / weight after now_.
    [[nodiscard]] entry first_after_now(node_index i, std::uint32_t weight) noexcept {
        large_ = large_ || weight > 0xFFFFu;
        turns_[i] = {static_cast<std::uint32_t>(std::uint64_t{now_.part} * weight / now_.weight), weight};  // < weight
        bool const by_weight = options_.ties == edf_ties::re_added;
        entry      e{now_.period, std::uint64_t{by_weight ? weight : 0u} << 32 | rank_of(i)};
        advance(e, turns_[i]);
        return e;
    }

    /// Whether this one has come back.
    template <node_list List>
    void look_at_aside(List const& nodes, std::size_t k) {
        auto const i = aside_[k];
        auto const weight = weight_of(nodes, i);
        if (weight == 0) return;
        aside_[k] = aside_.back();
        aside_.pop_back();
        put(i, first_after_now(i, weight));
    }

    /// One node of those aside, and one of all, which may have another weight.
    template <node_list List>
    void look_around(List const& nodes) {
        if (!aside_.empty()) {
            if (++next_aside_ >= aside_.size()) next_aside_ = 0;
            look_at_aside(nodes, next_aside_);
        }
        if (++next_ >= known_) next_ = 0;
        auto const i = static_cast<node_index>(next_);
        auto const weight = weight_of(nodes, i);
        if (weight == 0 || weight == turns_[i].weight || is_absent(tree_[known_ + i])) return;
        put(i, first_after_now(i, weight));
    }

    template <node_list List>
    void resize(List const& nodes) {
        std::size_t const n = nodes.size(), before = known_;
        tree_.reserve(2 * n);
        aside_.reserve(n);
        turns_.resize(n);
        auto const at = [this](std::size_t k) { return tree_.begin() + static_cast<std::ptrdiff_t>(k); };
        if (n < before) {
            std::erase_if(aside_, [n](node_index i) { return i >= n; });
            std::copy(at(before), at(before + n), at(n));
            tree_.resize(2 * n);
        } else {
            tree_.resize(2 * n);
            std::copy_backward(at(before), at(2 * before), at(n + before));
            for (std::size_t k = before; k < n; ++k) {
                auto const i = static_cast<node_index>(k);
                auto const weight = weight_of(nodes, i);
                if (weight == 0) aside_.push_back(i);
                tree_[n + k] = weight == 0 ? nothing_of(i) : first_after_now(i, weight);
            }
        }
        known_ = n;
        for (std::size_t k = n; k-- > 1;) tree_[k] = earlier(tree_[2 * k], tree_[2 * k + 1]);
    }

    /// Its next turn, and upwards the earlier of each two. No address depends on a comparison and none is a branch: the heap
    /// would ask in an order that no processor can guess.
    void put(node_index i, entry e) noexcept {
        std::size_t k = known_ + i;
        if (large_) [[unlikely]] {
            for (; k > 1; k /= 2) tree_[k] = e, e = earlier(e, tree_[k ^ 1]);
        } else {
            for (; k > 1; k /= 2) tree_[k] = e, e = earlier_by_fraction(e, tree_[k ^ 1]);
        }
        tree_[1] = e;
    }
    [[nodiscard]] entry earlier_by_fraction(entry const& a, entry const& b) const noexcept {
        entry const first = detail::smaller({a.high ^ now_.period, a.low}, {b.high ^ now_.period, b.low});
        return {first.high ^ now_.period, first.low};
    }
    [[nodiscard]] entry earlier(entry const& a, entry const& b) const noexcept {
        if (!large_ || a.high != b.high) return earlier_by_fraction(a, b);
        turn const &x = turns_[index_of(a)], &y = turns_[index_of(b)];
        auto const  left = std::uint64_t{x.part} * y.weight, right = std::uint64_t{y.part} * x.weight;
        return (left != right ? left < right : a.low < b.low) ? a : b;
    }

    edf_options             options_;
    std::vector<entry>      tree_;   // the nodes' turns from place n on; in place k < n the earlier of those in 2k and 2k + 1
    std::vector<node_index> aside_;  // cannot be chosen, or not looked at yet: absent in the tree
    std::vector<turn>       turns_;  // by index
    detail::emptied<std::size_t> known_;  // n
    std::size_t             next_aside_ = 0;
    std::size_t             next_ = 0;
    moment                  now_;
    std::uint32_t           offset_ = 0;     // of ranks
    bool                    large_ = false;  // there has been a weight from 2^16 on
};

}  // namespace sluice
