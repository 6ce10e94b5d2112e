// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::timer_heap — a 4-ary heap of pointers whose elements know where they lie.
///
/// Use it for     the pending timers of a timer_queue: earliest first, and any one can be taken out
/// Thread-safety  one thread at a time
/// Complexity     push, erase: O(log n), about log4(n) moves upward, 4 comparisons for each move downward. first: O(1)
/// Errors         reserve may throw std::bad_alloc and then has no effect; push requires room and throws nothing
/// Units          24 bytes for each place on a 64-bit target, and up to as many again when it has just grown

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice::detail {

/// An Entry has `deadline`, `sequence` and `place`, which is the heap's as long as the entry is inside.
template <class Entry>
class timer_heap {
public:
    [[nodiscard]] bool        empty() const noexcept { return places_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }
    [[nodiscard]] Entry&      first() const noexcept { return *places_.front().entry; }

    /// Room for n in all.
    void reserve(std::size_t n) {
        if (n > places_.capacity()) places_.reserve(n > 2 * places_.capacity() ? n : 2 * places_.capacity());
    }

    void push(Entry& e) noexcept {
        SLUICE_ASSERT(places_.size() < places_.capacity());
        places_.push_back({});
        rise(places_.size() - 1, {e.deadline, e.sequence, &e});
    }

    void erase(Entry& e) noexcept {
        std::size_t const at = e.place;
        place const       last = places_.back();
        places_.pop_back();
        if (at == places_.size()) return;
        if (at > 0 && last < places_[parent(at)])
            rise(at, last);
        else
            sink(at, last);
    }

private:
    struct place {
        time_point    deadline{};
        std::uint64_t sequence = 0;
        Entry*        entry = nullptr;

        bool operator<(place const& other) const noexcept {
            return deadline != other.deadline ? deadline < other.deadline : sequence < other.sequence;
        }
    };
    static constexpr std::size_t parent(std::size_t i) noexcept { return (i - 1) / 4; }

    void put(std::size_t i, place const& p) noexcept {
        places_[i] = p;
        p.entry->place = i;
    }
    void rise(std::size_t i, place const& p) noexcept {
        for (; i > 0 && p < places_[parent(i)]; i = parent(i)) put(i, places_[parent(i)]);
        put(i, p);
    }
    void sink(std::size_t i, place const& p) noexcept {
        for (;;) {
            std::size_t const child = 4 * i + 1;
            if (child >= places_.size()) break;
            std::size_t least = child;
            for (std::size_t c = child + 1; c < child + 4 && c < places_.size(); ++c)
                if (places_[c] < places_[least]) least = c;
            if (!(places_[least] < p)) break;
            put(i, places_[least]);
            i = least;
        }
        put(i, p);
    }

    std::vector<place> places_;
};

}  // namespace sluice::detail
