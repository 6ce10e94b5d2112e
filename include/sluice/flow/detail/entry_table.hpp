// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::entry_chains, detail::due_heap — find entries by key, and the one that falls due first.
///
/// Use it for     tables whose entries are removed by others than the caller who found them, also from destructors
/// Thread-safety  one thread at a time: the owner's lock
/// Complexity     chains: O(1) expected. heap: O(log n), the first one O(1). Neither owns its entries
/// Errors         prepare() may throw std::bad_alloc and then has no effect; find() passes on what the equality throws;
///                everything else is noexcept and calls nothing of the user's
///
/// An entry has the members hash (64 bits), next (a pointer to an entry), due (a time) and heap_index (std::size_t).

#include <sluice/core/clock.hpp>
#include <sluice/core/mix64.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sluice::detail {

/// The hash that the chains keep: std::hash may return an integer as it is.
template <class Hash, class Key>
[[nodiscard]] std::uint64_t entry_hash(Hash const& hash, Key const& key) {
    return mix64(static_cast<std::uint64_t>(hash(key)) + 0x9E3779B97F4A7C15u);
}

template <class Entry>
class entry_chains {
public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    template <class Key, class Equal>
    [[nodiscard]] Entry* find(std::uint64_t hash, Key const& key, Equal const& equal) const {
        if (size_ == 0) return nullptr;
        for (Entry* e = buckets_[place(hash)]; e != nullptr; e = e->next)
            if (e->hash == hash && equal(e->key, key)) return e;
        return nullptr;
    }

    /// Makes room for one more entry.
    void prepare() {
        if (size_ < buckets_.size()) return;
        std::vector<Entry*> more(buckets_.empty() ? 8 : buckets_.size() * 2, nullptr);
        buckets_.swap(more);
        for (Entry* e : more)
            while (e != nullptr) link(std::exchange(e, e->next));
    }

    /// Requires prepare() since the last insert.
    void insert(Entry* e) noexcept {
        link(e);
        ++size_;
    }

    /// Requires an entry that is in here.
    void erase(Entry* e) noexcept {
        Entry** at = &buckets_[place(e->hash)];
        while (*at != e) at = &(*at)->next;
        *at = e->next;
        e->next = nullptr;
        --size_;
    }

    /// Calls f with each entry, in no order; f may not change the table.
    template <class F>
    void for_each(F f) const {
        for (Entry* first : buckets_)
            for (Entry* e = first; e != nullptr; e = e->next) f(*e);
    }

    /// Takes all entries out and calls f with each, which may destroy it.
    template <class F>
    void release_all(F f) noexcept {
        for (Entry*& first : buckets_)
            while (first != nullptr) f(std::exchange(first, first->next));
        size_ = 0;
    }

private:
    [[nodiscard]] std::size_t place(std::uint64_t hash) const noexcept {
        return static_cast<std::size_t>(hash & (buckets_.size() - 1));
    }
    void link(Entry* e) noexcept {
        Entry*& first = buckets_[place(e->hash)];
        e->next = first;
        first = e;
    }

    std::vector<Entry*> buckets_;
    std::size_t         size_ = 0;
};

template <class Entry>
class due_heap {
public:
    static constexpr std::size_t absent = ~std::size_t{0};

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

    /// The entry with the earliest due time, or null.
    [[nodiscard]] Entry* first() const noexcept { return entries_.empty() ? nullptr : entries_.front(); }

    /// Makes room for `n` entries in all.
    void prepare(std::size_t n) {
        if (n > entries_.capacity()) entries_.reserve(n < 8 ? 8 : n + n / 2);
    }

    /// Requires room.
    void insert(Entry* e, time_point due) noexcept {
        e->due = due;
        e->heap_index = entries_.size();
        entries_.push_back(e);
        rise(e);
    }

    /// Requires an entry that is in here.
    void move(Entry* e, time_point due) noexcept {
        e->due = due;
        rise(e);
        sink(e);
    }

    /// Requires an entry that is in here.
    void erase(Entry* e) noexcept {
        auto const hole = std::exchange(e->heap_index, absent);
        Entry*     last = entries_.back();
        entries_.pop_back();
        if (last == e) return;
        put(last, hole);
        rise(last);
        sink(last);
    }

private:
    void put(Entry* e, std::size_t at) noexcept {
        entries_[at] = e;
        e->heap_index = at;
    }
    void rise(Entry* e) noexcept {
        auto at = e->heap_index;
        for (; at > 0 && e->due < entries_[(at - 1) / 2]->due; at = (at - 1) / 2) put(entries_[(at - 1) / 2], at);
        put(e, at);
    }
    void sink(Entry* e) noexcept {
        auto at = e->heap_index;
        for (;;) {
            auto child = 2 * at + 1;
            if (child >= entries_.size()) break;
            if (child + 1 < entries_.size() && entries_[child + 1]->due < entries_[child]->due) ++child;
            if (!(entries_[child]->due < e->due)) break;
            put(entries_[child], at);
            at = child;
        }
        put(e, at);
    }

    std::vector<Entry*> entries_;
};

}  // namespace sluice::detail
