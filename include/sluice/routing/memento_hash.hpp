// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// memento_hash — numbered buckets of which any may go and come back, without a limit: remembers only those that are gone.
///
/// Use it for     clusters that grow without a known bound and from which little is missing at a time
/// Not for        the fastest look-ups (anchor_hash, with a fixed capacity); parties that may see the changes in different
///                orders (dx_hash, rendezvous_hash); names (named_buckets); weights
/// Thread-safety  a value: any number of readers, or one writer
/// Complexity     look-up: that of jump_hash, and for a bucket that is gone 1 + ln(range / size) hashes and table reads
///                expected. add: O(1). remove: O(1) amortised. 20 to 36 bytes per bucket that is gone, none for others
/// Errors         std::invalid_argument for a bucket removed that does not work and for a state that cannot be. add() beyond
///                2^32 − 1: std::length_error. remove may throw std::bad_alloc and then has no effect. Look-ups are
///                noexcept; with no bucket the answer is empty
/// Units          buckets are 0 … index_bound() − 1
/// Source         Coluzzi, Brocco, Antonucci, Leidi: MementoHash, ToN 2024, doi:10.1109/TNET.2024.3393476
/// Differs        hashes reduced by multiplication instead of %; the replacement is not stored: it follows from the order
///
/// add() gives back the bucket that was removed last, or a new one if none is missing. The order of the removals is part of
/// the state, as in anchor_hash: state() is all there is to know, and what is undone in reverse order leaves no trace.

#include <sluice/core/assert.hpp>
#include <sluice/core/detail/emptied.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/hash.hpp>
#include <sluice/routing/detail/bucket_draws.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/jump_hash.hpp>
#include <sluice/routing/node_index.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace sluice {

/// The whole of a memento_hash but for its hash.
struct memento_hash_state {
    std::uint32_t           range = 0;     ///< buckets, with those that are gone; the last of them is not the first to go
    std::vector<node_index> removed = {};  ///< those that are gone, in the order in which they went

    friend bool operator==(memento_hash_state const&, memento_hash_state const&) = default;
};

namespace detail {

/// For each bucket that is gone how many were left. Only the bucket that came last can be taken out.
class removal_table {
public:
    /// 0 for a bucket that is not here, and for the one that left none behind.
    [[nodiscard]] std::uint32_t left(node_index bucket) const noexcept {
        auto const i = find(bucket);
        return entries_[i].bucket == bucket ? entries_[i].left : 0;
    }
    [[nodiscard]] bool contains(node_index bucket) const noexcept {
        return !entries_.empty() && entries_[find(bucket)].bucket == bucket;
    }
    /// Makes room for one more than `removed`, which are here with range − 1, range − 2, … left.
    void reserve(std::vector<node_index> const& removed, std::uint32_t range) {
        if (entries_.size() / 2 > removed.size()) return;
        removal_table larger;
        larger.entries_.resize(entries_.empty() ? 4 : 2 * entries_.size());
        larger.shift_ = 64 - static_cast<unsigned>(std::countr_zero(larger.entries_.size()));
        for (auto const bucket : removed) larger.insert(bucket, --range);
        *this = std::move(larger);
    }
    void insert(node_index bucket, std::uint32_t left) noexcept { entries_[find(bucket)] = {bucket, left}; }
    /// No other entry was placed further on because of this one.
    void take_last(node_index bucket) noexcept { entries_[find(bucket)] = {}; }

private:
    struct entry {
        node_index    bucket = UINT32_MAX;
        std::uint32_t left = 0;
    };

    [[nodiscard]] std::size_t find(node_index bucket) const noexcept {
        auto i = static_cast<std::size_t>(((std::uint64_t{bucket} + 1) * 0x9E3779B97F4A7C15u) >> shift_);
        while (entries_[i].bucket != bucket && entries_[i].bucket != UINT32_MAX) i = (i + 1) & (entries_.size() - 1);
        return i;
    }

    std::vector<entry> entries_;  // a power of two, at most half of it in use
    unsigned           shift_ = 0;
};

}  // namespace detail

template <class Hash = xxh3>
class memento_hash {
public:
    using node_type = node_index;

    explicit memento_hash(std::uint32_t buckets = 0, Hash hash = {}) : hash_(std::move(hash)), range_(buckets) {}

    [[nodiscard]] static memento_hash restore(memento_hash_state const& state, Hash hash = {}) {
        memento_hash result(state.range, std::move(hash));
        for (auto const b : state.removed) {
            bool const possible = result.contains_index(b) && !(result.removed_.empty() && b == state.range - 1);
            detail::require_option(possible, "memento_hash: state: removed (each once, < range, the last not first)", b);
            result.remove(b);
        }
        return result;
    }
    [[nodiscard]] memento_hash_state state() const { return {range_, removed_}; }

    /// The bucket that works now: the one that was removed last, or a new one.
    node_index add() {
        if (removed_.empty()) {
            if (range_ == UINT32_MAX)
                throw std::length_error("sluice: memento_hash has 2^32 - 1 buckets, the most there can be");
            return range_++;
        }
        auto const b = removed_.back();
        removed_.pop_back();
        table_.take_last(b);
        return b;
    }
    void remove(node_index b) {
        detail::require_option(contains_index(b), "memento_hash: bucket to remove (a working one)", b);
        if (removed_.empty() && b == range_ - 1) {
            --range_;
            return;
        }
        table_.reserve(removed_, range_);
        removed_.push_back(b);
        table_.insert(b, static_cast<std::uint32_t>(size()));
    }

    [[nodiscard]] std::size_t size() const noexcept { return range_ - removed_.size(); }
    [[nodiscard]] std::size_t index_bound() const noexcept { return range_; }
    [[nodiscard]] bool        contains_index(node_index i) const noexcept {
        return i < range_ && (removed_.empty() || !table_.contains(i));
    }
    [[nodiscard]] node_index node(node_index i) const noexcept {
        SLUICE_ASSERT(contains_index(i));
        return i;
    }

    [[nodiscard]] std::optional<node_index> locate(hashed_key key) const noexcept {
        if (size() == 0) return std::nullopt;
        auto b = jump_bucket(key, range_);
        if (removed_.empty()) return b;
        detail::bucket_draws const draws(key);
        for (auto left = table_.left(b); left != 0;) {
            // Uniform among the positions that were left when b went; then to what holds the position since.
            auto h = draws.next(b, left);
            auto later = table_.left(h);
            while (later >= left) {
                h = later;
                later = table_.left(h);
            }
            b = h;
            left = later;
        }
        return b;
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

private:
    [[no_unique_address]] Hash hash_;
    detail::emptied<std::uint32_t> range_;
    std::vector<node_index>    removed_;
    detail::removal_table      table_;
};

}  // namespace sluice
