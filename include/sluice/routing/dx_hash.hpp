// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// dx_hash — numbered buckets of which any may go and come back; only the set of them matters, never the order of changes.
///
/// Use it for     parties that may see the changes in different orders; the least memory; nearly full sets
/// Not for        sets that are mostly gone (anchor_hash, memento_hash); names (named_buckets); weights
/// Thread-safety  a value: any number of readers, or one writer
/// Complexity     look-up: capacity / size draws expected, at most 1024, and then a scan of all buckets. remove: O(1). add:
///                O(1) where the free ones are few, otherwise O(capacity / 64). One bit per bucket of the capacity
/// Errors         std::invalid_argument for more than 2^31 buckets, a bucket removed that does not work, a state that cannot be.
///                add() beyond 2^31: std::length_error. add may throw std::bad_alloc and then has no effect. Look-ups are
///                noexcept; with no bucket the answer is empty
/// Units          buckets are 0 … capacity() − 1; the capacity is a power of two
/// Source         Dong, Wang: DxHash, 2021, arXiv:2107.07930
/// Differs        the draws come in levels, so that doubling the capacity keeps each key's sequence (see below): the paper's
///                sequence changes with the capacity. Draws are bounded, and no working bucket is an empty answer
///
/// A key has a sequence of buckets and belongs to the first of them that works. add() gives the lowest free number; if all
/// work, the capacity doubles, and never shrinks. A coin that belongs to the key decides for each draw whether it falls into
/// the upper half of the capacity; if not, it is the next draw of the lower half alone, decided likewise. So the buckets
/// of the lower half come in the order in which they came before there was an upper one: keys move only to the new bucket.

#include <sluice/core/assert.hpp>
#include <sluice/core/detail/emptied.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/hash.hpp>
#include <sluice/core/mix64.hpp>
#include <sluice/routing/detail/bucket_draws.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace sluice {

/// The whole of a dx_hash but for its hash.
struct dx_hash_state {
    std::uint32_t           capacity = 1;
    std::vector<node_index> working = {};  ///< in any order; state() sorts them

    friend bool operator==(dx_hash_state const&, dx_hash_state const&) = default;
};

template <class Hash = xxh3>
class dx_hash {
public:
    using node_type = node_index;

    /// Beyond so many draws a key goes to the best of all working buckets by a hash of both.
    static constexpr std::uint32_t most_draws = 1024;

    explicit dx_hash(std::uint32_t buckets = 0, Hash hash = {}) : dx_hash(capacity_for(buckets), buckets, std::move(hash)) {}

    [[nodiscard]] static dx_hash restore(dx_hash_state const& state, Hash hash = {}) {
        detail::require_option(std::has_single_bit(state.capacity) && state.capacity <= largest,
                               "dx_hash: state: capacity (a power of two, <= 2^31)", state.capacity);
        dx_hash result(state.capacity, 0, std::move(hash));
        for (auto const b : state.working) {
            detail::require_option(b < state.capacity && !result.contains_index(b),
                                   "dx_hash: state: working (< capacity, each once)", b);
            result.flip(b);
            ++result.size_;
        }
        return result;
    }
    [[nodiscard]] dx_hash_state state() const {
        dx_hash_state result{capacity_, {}};
        result.working.reserve(size_);
        for_each([&](node_index b) { result.working.push_back(b); });
        return result;
    }

    /// The bucket that works now: the lowest that did not.
    node_index add() {
        if (size_ == capacity_) {
            if (capacity_ == largest) throw std::length_error("sluice: dx_hash has 2^31 buckets, the most there can be");
            std::uint32_t const more = capacity_ == 0 ? 1 : 2 * capacity_;  // 0: it was moved from
            words_.resize(words_for(more));
            capacity_ = more;
        }
        while (words_[full_words_] == UINT64_MAX) ++full_words_;
        auto const b = static_cast<node_index>(full_words_ * 64) +
                       static_cast<node_index>(std::countr_one(words_[full_words_]));
        flip(b);
        ++size_;
        return b;
    }
    void remove(node_index b) {
        detail::require_option(contains_index(b), "dx_hash: bucket to remove (a working one)", b);
        flip(b);
        --size_;
        full_words_ = std::min<std::size_t>(full_words_, b / 64);
    }

    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t index_bound() const noexcept { return capacity_; }
    [[nodiscard]] bool        contains_index(node_index i) const noexcept { return i < capacity_ && works(i); }
    [[nodiscard]] node_index  node(node_index i) const noexcept {
        SLUICE_ASSERT(contains_index(i));
        return i;
    }

    [[nodiscard]] std::optional<node_index> locate(hashed_key key) const noexcept {
        if (size_ == 0) return std::nullopt;
        auto const level = first_level(key.value);
        auto const b = bucket_at(key.value, 0, level);
        return works(b) ? b : search(key.value, level).bucket;
    }
    /// Its 64 bits, for what takes no other key.
    template <routing_key<Hash> Key>
    [[nodiscard]] constexpr hashed_key key(Key const& key) const noexcept {
        return hash_of(hash_, key);
    }
    template <routing_key<Hash> Key>
    [[nodiscard]] std::optional<node_index> pick(Key const& key) const noexcept {
        return locate(hash_of(hash_, key));
    }

    /// How many draws the key's look-up makes; more than most_draws if they were in vain. 0 if there is no bucket.
    [[nodiscard]] std::uint32_t draws(hashed_key key) const noexcept {
        if (size_ == 0) return 0;
        auto const level = first_level(key.value);
        return works(bucket_at(key.value, 0, level)) ? 1 : search(key.value, level).draws;
    }

private:
    static constexpr std::uint32_t largest = std::uint32_t{1} << 31;

    struct found {
        node_index    bucket;
        std::uint32_t draws;
    };

    dx_hash(std::uint32_t capacity, std::uint32_t working, Hash hash)
        : hash_(std::move(hash)), words_(words_for(capacity)), capacity_(capacity), size_(working) {
        for (std::uint32_t b = 0; b < working; ++b) flip(b);
    }

    [[nodiscard]] static std::uint32_t capacity_for(std::uint32_t buckets) {
        detail::require_option(buckets <= largest, "dx_hash: buckets (<= 2^31)", buckets);
        return std::bit_ceil(std::max(buckets, std::uint32_t{1}));
    }
    [[nodiscard]] static constexpr std::size_t words_for(std::uint32_t capacity) noexcept {
        return capacity / 64 + (capacity % 64 != 0 ? 1u : 0u);
    }

    [[nodiscard]] bool works(node_index b) const noexcept { return ((words_[b / 64] >> (b % 64)) & 1) != 0; }
    void               flip(node_index b) noexcept { words_[b / 64] ^= std::uint64_t{1} << (b % 64); }

    template <class Visit>
    void for_each(Visit visit) const {
        for (std::size_t w = 0; w < words_.size(); ++w)
            for (auto rest = words_[w]; rest != 0; rest &= rest - 1)
                visit(static_cast<node_index>(w * 64) + static_cast<node_index>(std::countr_zero(rest)));
    }

    // Level l > 0 holds the buckets 2^(l−1) … 2^l − 1, level 0 the bucket 0. Each level has its own count of draws that got
    // as far as it. Its n-th coin is bit l − 1 of the key's hash 64 n, its n-th bucket comes from hash 64 n + l.
    [[nodiscard]] static bool coin(std::uint64_t key, std::uint32_t n, unsigned level) noexcept {
        return ((detail::salted(key, std::uint64_t{n} * 64) >> (level - 1)) & 1) != 0;
    }
    [[nodiscard]] static node_index bucket_at(std::uint64_t key, std::uint32_t n, unsigned level) noexcept {
        auto const base = static_cast<std::uint32_t>((std::uint64_t{1} << level) >> 1);
        return base + detail::reduced(detail::salted(key, std::uint64_t{n} * 64 + level), base);
    }
    /// All coins of the first draw at once.
    [[nodiscard]] unsigned first_level(std::uint64_t key) const noexcept {
        return static_cast<unsigned>(std::bit_width(detail::salted(key, 0) & (capacity_ - 1)));
    }

    /// What comes after a first draw in vain.
    [[nodiscard]] found search(std::uint64_t key, unsigned first) const noexcept {
        auto const                    top = static_cast<unsigned>(std::countr_zero(std::uint32_t{capacity_}));
        std::array<std::uint16_t, 33> drawn{};
        for (unsigned level = top; level > 0 && level >= first; --level) drawn[level] = 1;
        for (std::uint32_t draw = 2; draw <= most_draws; ++draw) {
            unsigned level = top;
            while (level > 0 && !coin(key, drawn[level], level)) ++drawn[level--];
            auto const b = bucket_at(key, drawn[level]++, level);
            if (works(b)) return {b, draw};
        }
        found                best{0, most_draws + 1};
        std::uint64_t        highest = 0;
        bool                 any = false;
        std::uint64_t const  other = mix64(key + 1);
        for_each([&](node_index b) {
            auto const score = detail::salted(other, b);
            if (any && score <= highest) return;
            any = true;
            highest = score;
            best.bucket = b;
        });
        return best;
    }

    [[no_unique_address]] Hash hash_;
    std::vector<std::uint64_t> words_;
    detail::emptied<std::uint32_t> capacity_;
    detail::emptied<std::uint32_t> size_;
    detail::emptied<std::size_t>   full_words_;  // no free bucket in the words before
};

}  // namespace sluice
