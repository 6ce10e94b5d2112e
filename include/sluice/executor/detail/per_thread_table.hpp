// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::per_thread_table — something of each thread's own, found without a lock, seen by all.
///
/// Thread-safety  mine: any thread, with its own number (thread_number). for_each: any thread, meanwhile too
/// Progress       mine: wait-free but for what make does
/// Complexity     mine: O(1) expected, a look at one or two cache lines. Memory for twice as many threads as there may be
/// Errors         mine is null when `most` threads have been there before, or make could not
///
/// A place is a thread's for the life of the table, also after the thread has ended: numbers are never used again.

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <sluice/core/mix64.hpp>

namespace sluice::detail {

// Ordering
//   (A) claim   owner CAS relaxed: it only keeps others from this place. A thread looks for its own number only, and it alone
//               puts it there, so a place that it finds is one that it wrote; who loses the CAS goes on to the next place
//   (B) show    item store release, after it was made -> for_each: load acquire. Its owner reads it relaxed: its own store
//   (C) count   relaxed: read-modify-writes on one counter never let more than `most` through
template <class T, template <class> class Atom = std::atomic>
class per_thread_table {
public:
    explicit per_thread_table(std::size_t most) : most_(most), mask_(std::bit_ceil(most * 2) - 1), places_(new place[mask_ + 1]) {}
    per_thread_table(per_thread_table const&) = delete;
    per_thread_table& operator=(per_thread_table const&) = delete;
    ~per_thread_table() {
        for (std::size_t i = 0; i <= mask_; ++i) delete places_[i].item.load(std::memory_order_relaxed);  // (B) nobody else is here
    }

    /// The caller's item; make() gives a new T* or null. Requires `thread` to be the caller's own, and not 0.
    template <class Make>
    [[nodiscard]] T* mine(std::uint64_t thread, Make make) noexcept {
        std::size_t i = static_cast<std::size_t>(mix64(thread)) & mask_;
        for (;; i = (i + 1) & mask_) {  // at least half of the places are free
            auto const owner = places_[i].owner.load(std::memory_order_relaxed);                     // (A)
            if (owner == thread) return places_[i].item.load(std::memory_order_relaxed);             // (B)
            if (owner == 0) break;
        }
        T* const item = used_.fetch_add(1, std::memory_order_relaxed) < most_ ? make() : nullptr;     // (C)
        if (item == nullptr) {
            used_.fetch_sub(1, std::memory_order_relaxed);                                           // (C)
            return nullptr;
        }
        for (;; i = (i + 1) & mask_) {
            std::uint64_t nobody = 0;
            if (places_[i].owner.compare_exchange_strong(nobody, thread, std::memory_order_relaxed,  // (A)
                                                         std::memory_order_relaxed))                 // (A)
                break;
        }
        places_[i].item.store(item, std::memory_order_release);                                      // (B)
        return item;
    }

    /// f(thread, item) for each thread that has one.
    template <class F>
    void for_each(F f) const {
        for (std::size_t i = 0; i <= mask_; ++i)
            if (T* const item = places_[i].item.load(std::memory_order_acquire))                     // (B)
                f(places_[i].owner.load(std::memory_order_relaxed), *item);                          // (A) written before the item
    }

private:
    struct place {
        Atom<std::uint64_t> owner{0};
        Atom<T*>            item{nullptr};
    };
    std::size_t const        most_;
    std::size_t const        mask_;
    std::unique_ptr<place[]> places_;
    Atom<std::size_t>        used_{0};
};

}  // namespace sluice::detail
