// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// reservoir — a uniform sample of fixed size from a stream of unknown length.
///
/// Use it for     quantiles, estimates and examples from data that cannot be kept
/// Not for        weighted samples; the newest items
/// Thread-safety  one thread. One reservoir for each and merge() in the end
/// Complexity     add: O(1), one random number once it is full. merge: O(capacity)
/// Errors         constructor: std::invalid_argument for a capacity of 0, std::bad_alloc. add: what moving an item throws, and
///                then it has not been seen. merge: std::bad_alloc without effect; what moving an item throws, and then the
///                sample is empty, as after clear()
/// Units          items
/// Source         algorithm R: Vitter, TOMS 11, 1985, doi:10.1145/3147.3165

#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <utility>
#include <vector>

namespace sluice {

template <class T, random_source Source = xoshiro256ss>
class reservoir {
public:
    explicit reservoir(std::size_t capacity, Source source = Source{}) : capacity_(capacity), source_(std::move(source)) {
        detail::require_option(capacity > 0, "reservoir: capacity (at least 1)", capacity);
        if (capacity > items_.max_size()) throw std::bad_alloc();
        items_.reserve(capacity);
    }

    /// True if the item is in the sample now.
    bool add(T item) {
        bool kept = true;
        if (items_.size() < capacity_) {
            items_.push_back(std::move(item));
        } else {
            std::uint64_t const at = uniform_below(source_, seen_ + 1);
            kept = at < capacity_;
            if (kept) items_[static_cast<std::size_t>(at)] = std::move(item);
        }
        ++seen_;
        return kept;
    }

    /// Each item of the stream is here with the same probability. The order means nothing.
    [[nodiscard]] std::span<T const> sample() const noexcept { return items_; }
    [[nodiscard]] std::uint64_t      seen() const noexcept { return seen_; }
    [[nodiscard]] std::size_t        capacity() const noexcept { return capacity_; }

    /// Becomes a sample of both streams. Requires that the other's capacity is not smaller, or that it has seen no more
    /// than it holds: std::invalid_argument otherwise.
    void merge(reservoir other) {
        detail::require_option(other.capacity_ >= capacity_ || other.seen_ == other.items_.size(),
                               "reservoir: capacity of a merged one (at least as large)", other.capacity_);
        std::vector<T> both;
        both.reserve(capacity_);
        std::uint64_t a = seen_, b = other.seen_;
        try {
            while (both.size() < capacity_ && a + b > 0) {  // as if drawn one by one from the two streams
                bool const      first = uniform_below(source_, a + b) < a;
                std::vector<T>& from = first ? items_ : other.items_;
                std::swap(from[static_cast<std::size_t>(uniform_below(source_, from.size()))], from.back());
                both.push_back(std::move(from.back()));
                from.pop_back();
                --(first ? a : b);
            }
        } catch (...) {  // half of it is gone
            clear();
            throw;
        }
        items_ = std::move(both);
        seen_ += other.seen_;
    }

    void clear() noexcept {
        items_.clear();
        seen_ = 0;
    }

private:
    std::size_t    capacity_;
    std::uint64_t  seen_ = 0;
    Source         source_;
    std::vector<T> items_;
};

}  // namespace sluice
