// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// edf — turns in proportion to the weights, in O(log n): each node's k-th turn is due at k / weight, the earliest goes first.
///
/// Use it for     many uneven nodes, exact shares, one thread
/// Not for        many threads (static_stride); the smoothest order among few nodes (weighted_round_robin)
/// Thread-safety  one thread at a time
/// Complexity     choose: O(log n), amortised: a node that cannot be chosen is set aside in O(log n) and looked at again in
///                turn, two nodes a call. O(n) after the list has become shorter, and each time when no node can be chosen.
///                28 bytes a node; no allocation unless the list is longer than any before, and than the option `nodes`
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
#include <sluice/core/mix64.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>

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
        heap_.reserve(options.nodes);
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
        look_around(nodes);
        for (int pass = 0; pass < 2; ++pass) {
            while (!heap_.empty()) {
                entry               top = heap_.front();
                node_index const    i = index_of(top);
                std::uint32_t const weight = weight_of(nodes, i);
                if (weight == 0) {
                    aside_.push_back(i);
                    pop();
                    continue;
                }
                now_ = {turn_of(top), turns_[i].part, turns_[i].weight};
                if (weight == turns_[i].weight) advance(top, turns_[i]);
                else top = first_after_now(i, weight);
                sift_down(0, top);
                return i;
            }
            for (std::size_t k = aside_.size(); k-- > 0;) look_at_aside(nodes, k);  // nobody left: all are asked
        }
        return std::nullopt;
    }

private:
    /// turn + part / weight in virtual time; part < weight. turn wraps: what is compared lies within one turn or two.
    struct moment {
        std::uint32_t turn = 0;
        std::uint32_t part = 0;
        std::uint32_t weight = 1;
    };
    struct turn {
        std::uint32_t part;
        std::uint32_t weight;
    };
    /// A node's next turn. The heap has no more than it compares.
    struct entry {
        std::uint64_t when;  // the turn, and part / weight in 2^-32 rounded down: different parts of weights below 2^16 differ here
        std::uint64_t tie;   // weight, if it decides, and the rank among equals, which is no other node's
    };
    [[nodiscard]] static std::uint32_t turn_of(entry const& e) noexcept { return static_cast<std::uint32_t>(e.when >> 32); }
    [[nodiscard]] node_index           index_of(entry const& e) const noexcept {
        auto const rank = static_cast<std::uint32_t>(e.tie);
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

    /// Without a branch but for what is rare: the heap asks in an order that no processor can guess.
    [[nodiscard]] bool earlier(entry const& a, entry const& b) const noexcept {
        auto const difference = static_cast<std::int64_t>(a.when - b.when);
        bool const same = difference == 0;
        if (same & large_) [[unlikely]] return earlier_within_fraction(a, b);
        return (difference < 0) | (same & (a.tie < b.tie));
    }
    [[nodiscard]] bool earlier_within_fraction(entry const& a, entry const& b) const noexcept {
        turn const &x = turns_[index_of(a)], &y = turns_[index_of(b)];
        auto const  left = std::uint64_t{x.part} * y.weight, right = std::uint64_t{y.part} * x.weight;
        return left != right ? left < right : a.tie < b.tie;
    }

    static void advance(entry& e, turn& t) noexcept {
        std::uint64_t whole = turn_of(e);
        if (++t.part == t.weight) t.part = 0, ++whole;
        e.when = whole << 32 | static_cast<std::uint32_t>((std::uint64_t{t.part} << 32) / t.weight);
    }
    /// The first multiple of 1 / weight after now_.
    [[nodiscard]] entry first_after_now(node_index i, std::uint32_t weight) noexcept {
        large_ = large_ || weight > 0xFFFFu;
        turns_[i] = {static_cast<std::uint32_t>(std::uint64_t{now_.part} * weight / now_.weight), weight};  // < weight
        bool const by_weight = options_.ties == edf_ties::re_added;
        entry      e{std::uint64_t{now_.turn} << 32, std::uint64_t{by_weight ? weight : 0u} << 32 | rank_of(i)};
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
        push(first_after_now(i, weight));
    }

    /// One node of those aside, and one of those in turn, which may have another weight.
    template <node_list List>
    void look_around(List const& nodes) {
        if (!aside_.empty()) {
            if (++next_aside_ >= aside_.size()) next_aside_ = 0;
            look_at_aside(nodes, next_aside_);
        }
        if (heap_.empty()) return;
        if (++next_in_turn_ >= heap_.size()) next_in_turn_ = 0;
        node_index const i = index_of(heap_[next_in_turn_]);
        auto const       weight = weight_of(nodes, i);
        if (weight == 0 || weight == turns_[i].weight) return;
        entry const other = first_after_now(i, weight);
        if (std::size_t const k = sift_up(next_in_turn_, other); k == next_in_turn_) sift_down(k, other);
    }

    template <node_list List>
    void resize(List const& nodes) {
        std::size_t const n = nodes.size();
        if (n > known_) {
            heap_.reserve(n);
            aside_.reserve(n);
            turns_.resize(n);
            for (std::size_t i = known_; i < n; ++i) {
                auto const index = static_cast<node_index>(i);
                if (auto const weight = weight_of(nodes, index); weight != 0) push(first_after_now(index, weight));
                else aside_.push_back(index);
            }
        } else {
            std::erase_if(aside_, [n](node_index i) { return i >= n; });
            std::erase_if(heap_, [this, n](entry const& e) { return index_of(e) >= n; });
            for (std::size_t k = heap_.size() / 2; k-- > 0;) sift_down(k, heap_[k]);
        }
        known_ = n;
    }

    void push(entry const& e) noexcept {
        heap_.push_back(e);  // there is room for all
        sift_up(heap_.size() - 1, e);
    }
    void pop() noexcept {
        entry const last = heap_.back();
        heap_.pop_back();
        if (!heap_.empty()) sift_down(0, last);
    }
    /// Where it is then.
    std::size_t sift_up(std::size_t k, entry const e) noexcept {
        while (k > 0 && earlier(e, heap_[(k - 1) / 2])) {
            heap_[k] = heap_[(k - 1) / 2];
            k = (k - 1) / 2;
        }
        heap_[k] = e;
        return k;
    }
    /// Down to the end along the earlier children, then up: who has been chosen belongs near the end.
    void sift_down(std::size_t k, entry const e) noexcept {
        std::size_t const from = k, n = heap_.size();
        for (std::size_t child = 2 * k + 1; child < n; child = 2 * k + 1) {
            if (child + 1 < n) child += earlier(heap_[child + 1], heap_[child]) ? 1u : 0u;
            heap_[k] = heap_[child];
            k = child;
        }
        for (; k > from && earlier(e, heap_[(k - 1) / 2]); k = (k - 1) / 2) heap_[k] = heap_[(k - 1) / 2];
        heap_[k] = e;
    }

    edf_options             options_;
    std::vector<entry>      heap_;
    std::vector<node_index> aside_;  // cannot be chosen, or not looked at yet
    std::vector<turn>       turns_;  // by index
    std::size_t             known_ = 0;
    std::size_t             next_aside_ = 0;
    std::size_t             next_in_turn_ = 0;
    moment                  now_;
    std::uint32_t           offset_ = 0;     // of ranks
    bool                    large_ = false;  // there has been a weight from 2^16 on
};

}  // namespace sluice
