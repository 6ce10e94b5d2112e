// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// space_saving — the most frequent keys of a stream, by name, with counts that are bounded from both sides.
///
/// Use it for     heavy hitters: every key with more than total / capacity of the stream is among those kept
/// Not for        the frequency of any key (count_min), or keys that must all be counted
/// Thread-safety  one writer, or any number of readers
/// Complexity     add: O(log capacity), O(1) for most streams; a look-up by hash. top: O(capacity log capacity) and one
///                allocation. Memory: capacity keys, 36 bytes beside each; nothing is allocated after construction but by keys
///                that allocate themselves
/// Errors         constructor: std::invalid_argument for a capacity of 0 or above 2^30. What copying or assigning a key throws
///                leaves add without effect, if the assignment has none
/// Units          counts, up to 2^64 - 1, where they stay
/// Source         Metwally, Agrawal, El Abbadi, ICDT 2005, doi:10.1007/978-3-540-30570-5_27
///
/// A key that is not kept takes the place of the one with the lowest count, and that count with it: so much of its own may be
/// too much. count - error <= truth <= count, and error <= total / capacity. Of equal counts it takes the one in the place
/// that the heap has first: the same stream gives the same result on every machine.

#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/hash.hpp>

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace sluice {

template <std::copyable Key, class Hash = xxh3>
    requires hasher<Hash, Key> && std::equality_comparable<Key>
class space_saving {
public:
    struct entry {
        Key           key{};
        std::uint64_t count = 0;  ///< at least the truth
        std::uint64_t error = 0;  ///< at most so much above it
    };
    /// What add did: the slot is the key's until it is replaced.
    struct added {
        std::size_t slot = 0;
        bool        is_new = false;  ///< it was not kept before; whatever had the slot is gone
    };

    explicit space_saving(std::size_t capacity, Hash hash = {}) : capacity_(capacity), hash_(std::move(hash)) {
        detail::require_option(capacity >= 1 && capacity <= std::size_t{1} << 30, "space_saving: capacity (1 to 2^30)", capacity);
        entries_.reserve(capacity);
        hashes_.reserve(capacity);
        heap_.reserve(capacity);
        place_.reserve(capacity);
        table_.assign(std::bit_ceil(capacity * 2), none);
    }

    /// Counts n more of a key.
    template <class Like>
        requires std::constructible_from<Key, Like const&> && std::equality_comparable_with<Key, Like> && hasher<Hash, Like>
    added add(Like const& key, std::uint64_t n = 1) {
        return add_hashed(key, hash_(key), n);
    }

    /// The same with the key's hash at hand.
    template <class Like>
    added add_hashed(Like const& key, std::uint64_t hash, std::uint64_t n = 1) {
        if (auto const slot = find_hashed(key, hash)) {
            count(*slot, n);
            return {*slot, false};
        }
        if (entries_.size() < capacity_) {
            auto const slot = static_cast<std::uint32_t>(entries_.size());
            entries_.push_back({Key(key), 0, 0});  // the rest has its memory
            hashes_.push_back(hash);
            heap_.push_back(slot);
            place_.push_back(slot);
            link(slot);
            sift_up(slot);
            count(slot, n);
            return {slot, true};
        }
        std::uint32_t const slot = heap_[0];
        entry&              e = entries_[slot];
        Key                 copy(key);
        e.key = std::move(copy);  // the last thing that may throw
        unlink(slot);
        e.error = e.count;
        hashes_[slot] = hash;
        link(slot);
        count(slot, n);
        return {slot, true};
    }

    /// Where a key is kept, if it is.
    template <class Like>
    [[nodiscard]] std::optional<std::size_t> find(Like const& key) const noexcept {
        return find_hashed(key, hash_(key));
    }
    template <class Like>
    [[nodiscard]] std::optional<std::size_t> find_hashed(Like const& key, std::uint64_t hash) const noexcept {
        for (std::size_t i = home(hash); table_[i] != none; i = next(i))
            if (hashes_[table_[i]] == hash && entries_[table_[i]].key == key) return table_[i];
        return std::nullopt;
    }

    [[nodiscard]] entry const&           operator[](std::size_t slot) const noexcept { return entries_[slot]; }
    [[nodiscard]] std::span<entry const> entries() const noexcept { return entries_; }
    [[nodiscard]] std::size_t            size() const noexcept { return entries_.size(); }
    [[nodiscard]] std::size_t            capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::uint64_t          total() const noexcept { return total_; }

    /// More than the truth of any key that is not kept can be: the lowest count, or 0 while there is room.
    [[nodiscard]] std::uint64_t floor() const noexcept { return entries_.size() < capacity_ ? 0 : entries_[heap_[0]].count; }

    /// The k entries with the highest counts, highest first.
    [[nodiscard]] std::vector<entry> top(std::size_t k) const {
        std::vector<std::uint32_t> order(heap_);
        k = std::min(k, order.size());
        std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(), [this](auto a, auto b) {
            return entries_[a].count != entries_[b].count ? entries_[a].count > entries_[b].count : a < b;
        });
        std::vector<entry> result;
        result.reserve(k);
        for (std::size_t i = 0; i < k; ++i) result.push_back(entries_[order[i]]);
        return result;
    }

    /// Halves every count, downward, and both bounds with it: k decays ago weighs 2^-k.
    void decay() noexcept {
        for (auto& e : entries_) {
            std::uint64_t const lower = (e.count - e.error) / 2;
            e.count /= 2;
            e.error = e.count - lower;
        }
        total_ /= 2;
    }

    void clear() noexcept {
        entries_.clear();
        hashes_.clear();
        heap_.clear();
        place_.clear();
        std::fill(table_.begin(), table_.end(), none);
        total_ = 0;
    }

private:
    static constexpr std::uint32_t none = UINT32_MAX;

    [[nodiscard]] std::size_t home(std::uint64_t hash) const noexcept { return static_cast<std::size_t>(hash) & (table_.size() - 1); }
    [[nodiscard]] std::size_t next(std::size_t i) const noexcept { return (i + 1) & (table_.size() - 1); }

    void link(std::uint32_t slot) noexcept {
        std::size_t i = home(hashes_[slot]);
        while (table_[i] != none) i = next(i);
        table_[i] = slot;
    }

    /// Linear probing without marks: those behind the gap move up unless that would be before their home.
    void unlink(std::uint32_t slot) noexcept {
        std::size_t gap = home(hashes_[slot]);
        while (table_[gap] != slot) gap = next(gap);
        std::size_t const mask = table_.size() - 1;
        for (std::size_t i = next(gap); table_[i] != none; i = next(i)) {
            if (((i - home(hashes_[table_[i]])) & mask) < ((i - gap) & mask)) continue;
            table_[gap] = table_[i];
            gap = i;
        }
        table_[gap] = none;
    }

    void count(std::size_t slot, std::uint64_t n) noexcept {
        auto& c = entries_[slot].count;
        c = c > UINT64_MAX - n ? UINT64_MAX : c + n;
        total_ = total_ > UINT64_MAX - n ? UINT64_MAX : total_ + n;
        sift_down(place_[slot]);
    }

    // A heap of slots, the lowest count at [0].
    void put(std::size_t at, std::uint32_t slot) noexcept {
        heap_[at] = slot;
        place_[slot] = static_cast<std::uint32_t>(at);
    }
    void sift_up(std::size_t at) noexcept {
        std::uint32_t const slot = heap_[at];
        while (at > 0 && entries_[heap_[(at - 1) / 2]].count > entries_[slot].count) {
            put(at, heap_[(at - 1) / 2]);
            at = (at - 1) / 2;
        }
        put(at, slot);
    }
    void sift_down(std::size_t at) noexcept {
        std::uint32_t const slot = heap_[at];
        for (;;) {
            std::size_t child = 2 * at + 1;
            if (child >= heap_.size()) break;
            if (child + 1 < heap_.size() && entries_[heap_[child + 1]].count < entries_[heap_[child]].count) ++child;
            if (entries_[heap_[child]].count >= entries_[slot].count) break;
            put(at, heap_[child]);
            at = child;
        }
        put(at, slot);
    }

    std::size_t                capacity_;
    [[no_unique_address]] Hash hash_;
    std::uint64_t              total_ = 0;
    std::vector<entry>         entries_;  // by slot
    std::vector<std::uint64_t> hashes_;
    std::vector<std::uint32_t> heap_;   // slots
    std::vector<std::uint32_t> place_;  // where in the heap a slot is
    std::vector<std::uint32_t> table_;  // slots by hash
};

}  // namespace sluice
