// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::event_heap — which event is next: a heap of degree four over (time, key), one cache line per level.
///
/// Thread-safety  one thread at a time
/// Complexity     push, pop: O(log n); replace_top: one descent, where pop and push would be two. rebuild: O(n)
/// Errors         reserve: std::bad_alloc, no effect then; the rest is noexcept
/// Source         LaMarca, Ladner, JEA 1996, doi:10.1145/235141.235145 (degree and alignment)
///
/// An entry is 16 bytes; the key, which only decides among equal times, lies beside, one for each place. A place therefore
/// belongs to its entry until that has left the heap. What one level of a descent compares was asked for a level before. The
/// pairs (time, key) differ, so that the order of the events does not depend on the shape of the heap.

#include <sluice/core/assert.hpp>
#include <sluice/core/detail/prefetch.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace sluice::sim::detail {

struct event_entry {
    std::uint64_t time;
    std::uint32_t place;
};

class event_heap {
public:
    event_heap() = default;
    event_heap(event_heap&& other) noexcept
        : entries_(std::move(other.entries_)),
          keys_(std::move(other.keys_)),
          end_(std::exchange(other.end_, root)),
          capacity_(std::exchange(other.capacity_, 0)) {}
    event_heap& operator=(event_heap&& other) noexcept {
        entries_ = std::move(other.entries_);
        keys_ = std::move(other.keys_);
        end_ = std::exchange(other.end_, root);
        capacity_ = std::exchange(other.capacity_, 0);
        return *this;
    }

    [[nodiscard]] bool empty() const noexcept { return end_ == root; }
    [[nodiscard]] std::size_t size() const noexcept { return end_ - root; }
    [[nodiscard]] event_entry const& top() const noexcept { return entries_[root]; }

    /// Whether second() has an answer: not that of a small heap, whose events lie in the cache anyhow.
    [[nodiscard]] bool has_second() const noexcept { return end_ >= 1024; }
    /// The one that is next if the top goes.
    [[nodiscard]] event_entry const& second() const noexcept { return entries_[least_of_four(degree * (root - 2))]; }

    /// So that n pushes more cannot fail, of places below `places`.
    void reserve(std::size_t n, std::size_t places) {
        if (keys_.size() < places) keys_.resize(places);
        if (capacity_ >= end_ + n) return;
        auto const wanted = std::max<std::size_t>(256, capacity_ * 2);
        storage    larger(static_cast<event_entry*>(::operator new(wanted * sizeof(event_entry), std::align_val_t{line})));
        if (!empty()) std::uninitialized_copy(entries_.get() + root, entries_.get() + end_, larger.get() + root);
        entries_ = std::move(larger);
        capacity_ = wanted;
    }

    /// Requires reserve().
    void push(event_entry const& e, std::uint64_t key) noexcept {
        SLUICE_ASSERT(end_ < capacity_);
        keys_[e.place] = key;
        auto        i = end_++;
        auto* const heap = entries_.get();
        ::new (static_cast<void*>(heap + i)) event_entry(e);
        while (i > root) {
            auto const parent = i / degree + 2;
            if (!earlier(e, heap[parent])) break;
            heap[i] = heap[parent];
            i = parent;
        }
        heap[i] = e;
    }

    void pop() noexcept {
        auto const last = entries_[--end_];
        if (end_ > root) sink(root, last);
    }

    void replace_top(event_entry const& e, std::uint64_t key) noexcept {
        keys_[e.place] = key;
        sink(root, e);
    }

    /// Keeps the entries that `keep` is true for.
    template <class Keep>
    void rebuild(Keep keep) noexcept {
        auto* const heap = entries_.get();
        end_ = static_cast<std::size_t>(std::remove_if(heap + root, heap + end_,
                                                       [&](event_entry const& e) { return !keep(e); }) - heap);
        if (size() < 2) return;
        for (auto i = (end_ - 1) / degree + 2; i >= root; --i) sink(i, heap[i]);
    }

    template <class F>
    void for_each(F f) const {
        for (auto i = root; i < end_; ++i) f(entries_[i]);
    }

private:
    // The root is at 3 and the children of i from 4(i - 2) on: each four of them share a line.
    static constexpr std::size_t degree = 4;
    static constexpr std::size_t root = 3;
    static constexpr std::size_t line = 64;

    struct give_back {
        void operator()(event_entry* p) const noexcept { ::operator delete(static_cast<void*>(p), std::align_val_t{line}); }
    };
    struct storage : std::unique_ptr<event_entry[], give_back> {
        using std::unique_ptr<event_entry[], give_back>::unique_ptr;
    };

    [[nodiscard]] bool earlier(event_entry const& a, event_entry const& b) const noexcept {
        if (a.time == b.time) [[unlikely]]
            return keys_[a.place] < keys_[b.place];
        return a.time < b.time;
    }

    /// Without a branch on which it is, nor (hence the single bars) one for each pair: nobody could predict the former.
    [[nodiscard]] std::size_t least_of_four(std::size_t first) const noexcept {
        auto const* const h = entries_.get() + first;
        auto const a = h[0].time, b = h[1].time, c = h[2].time, d = h[3].time;
        auto const left = std::min(a, b), right = std::min(c, d);
        if ((a == b) | (c == d) | (left == right)) [[unlikely]]
            return least_of(first, first + degree);
        auto const of_left = static_cast<std::size_t>(b < a), of_right = 2 + static_cast<std::size_t>(d < c);
        auto const mask = std::size_t{0} - static_cast<std::size_t>(right < left);
        return first + (of_left ^ ((of_left ^ of_right) & mask));
    }
    [[nodiscard]] std::size_t least_of(std::size_t first, std::size_t last) const noexcept {
        auto least = first;
        while (++first < last)
            if (earlier(entries_[first], entries_[least])) least = first;
        return least;
    }

    /// Puts e where position i or one of those below it was.
    void sink(std::size_t i, event_entry const& wanted) noexcept {
        auto const  e = wanted;  // it may lie in the heap
        auto* const heap = entries_.get();
        for (;;) {
            auto const first = degree * (i - 2);
            if (first >= end_) break;
            auto const below = degree * (first - 2);  // the children's children
            if (below + degree * degree <= end_)
                for (std::size_t k = 0; k < degree; ++k) sluice::detail::prefetch_for_write(heap + below + k * degree);
            auto const least = first + degree <= end_ ? least_of_four(first) : least_of(first, end_);
            if (!earlier(heap[least], e)) break;
            heap[i] = heap[least];
            i = least;
        }
        heap[i] = e;
    }

    storage                    entries_;
    std::vector<std::uint64_t> keys_;
    std::size_t                end_ = root;
    std::size_t                capacity_ = 0;
};

}  // namespace sluice::sim::detail
