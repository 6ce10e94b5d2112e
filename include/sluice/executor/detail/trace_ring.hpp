// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::trace_ring — a ring of events from one thread to whoever collects them; when it is full the new ones are dropped.
///
/// Thread-safety  push: one thread. drain: one thread at a time, meanwhile too. dropped: any
/// Progress       wait-free
/// Complexity     push: O(1), no allocation; it looks at the reader's side only when the ring seems full
/// Errors         push is false when it dropped
/// Units          capacity in events, rounded up to a power of two

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <sluice/core/cacheline.hpp>

namespace sluice::detail {

// Ordering
//   (A) publish  push: head_ release, after the slot was written    -> drain: head_ acquire, before it reads the slot
//   (B) free     drain: tail_ release, after the slot was read      -> push: tail_ acquire, before it writes the slot again
//   (C) private  head_ in push, tail_ in drain: relaxed; only that side writes it. Readers one after the other hand tail_ on by
//                whatever keeps them apart
template <class T, template <class> class Atom = std::atomic>
class trace_ring {
public:
    explicit trace_ring(std::size_t capacity) : mask_(std::bit_ceil(capacity) - 1), slots_(new T[mask_ + 1]) {}
    trace_ring(trace_ring const&) = delete;
    trace_ring& operator=(trace_ring const&) = delete;

    bool push(T const& event) noexcept {
        auto const head = head_.load(std::memory_order_relaxed);                                     // (C)
        if (head - tail_seen_ > mask_) {
            tail_seen_ = tail_.load(std::memory_order_acquire);                                      // (B)
            if (head - tail_seen_ > mask_) {
                dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // (stat)
                return false;
            }
        }
        slots_[static_cast<std::size_t>(head) & mask_] = event;
        head_.store(head + 1, std::memory_order_release);                                            // (A)
        return true;
    }

    /// Takes out what is there: f(event), oldest first. If f throws, that event is still there.
    template <class F>
    void drain(F f) {
        struct end {
            trace_ring*   ring;
            std::uint64_t at;
            ~end() { ring->tail_.store(at, std::memory_order_release); }                             // (B)
        } tail{this, tail_.load(std::memory_order_relaxed)};                                         // (C)
        auto const head = head_.load(std::memory_order_acquire);                                     // (A)
        for (; tail.at != head; ++tail.at) f(slots_[static_cast<std::size_t>(tail.at) & mask_]);
    }

    [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }  // (stat)

private:
    std::size_t const    mask_;
    std::unique_ptr<T[]> slots_;
    alignas(cache_line_size) Atom<std::uint64_t> head_{0};
    std::uint64_t        tail_seen_ = 0;  // the writer's
    Atom<std::uint64_t>  dropped_{0};
    alignas(cache_line_size) Atom<std::uint64_t> tail_{0};
};

}  // namespace sluice::detail
