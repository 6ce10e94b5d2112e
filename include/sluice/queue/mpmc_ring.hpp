// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// mpmc_ring — a bounded queue for any number of producers and consumers, first in, first out.
///
/// Use it for     handing values between threads with a fixed amount of memory, and "full" as an answer
/// Not for        an unknown number of items (injector); places where a stopped thread must never hold up another: one
///                that is stopped inside try_push hides the cells behind its own until it goes on (see Progress)
/// Thread-safety  try_push, try_pop, size_approx: any thread. Destruction: after everyone has left
/// Progress       one atomic claim for each call; a claim is repeated only after somebody else's success. Not lock-free
///                in the strict sense: a value is reached only after the values claimed before it are in place
/// Complexity     O(1), no allocation after construction
/// Errors         the constructor may throw std::bad_alloc; try_push and try_pop throw nothing
/// Units          capacity in items, rounded up to a power of two, at least 2
/// Source         D. Vyukov, bounded MPMC queue, 1024cores.net

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <sluice/core/cacheline.hpp>
#include <sluice/queue/detail/ring.hpp>
#include <type_traits>
#include <utility>

namespace sluice {

// Ordering
//   (A) fill    try_push: the cell's turn_ store release, its value constructed before   -> try_pop: turn_ load acquire
//   (B) empty   try_pop:  the cell's turn_ store release, its value destroyed before     -> try_push: turn_ load acquire
//   (C) ticket  CAS on head_ or tail_ relaxed: it only decides who may touch the cell; what the cell holds travels with
//               turn_. The turn that a thread has seen stays, because only the holder of the matching ticket moves it
//   (H) hint    relaxed: an old ticket makes the CAS fail or the turn differ, then it is read again
// The loser of a ticket has touched nothing but the two counters.

template <class T, template <class> class Atom = std::atomic>
class mpmc_ring {
public:
    static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                  "a value that throws while it moves would leave its cell claimed for ever");
    using value_type = T;

    /// `first_ticket` is for tests of the wrap-around; requires a multiple of the capacity.
    explicit mpmc_ring(std::size_t capacity, std::uint64_t first_ticket = 0)
        : mask_(detail::ring_size(capacity) - 1), cells_(new cell[mask_ + 1]), tail_(first_ticket), head_(first_ticket) {
        for (std::size_t i = 0; i <= mask_; ++i)
            cells_[i].turn.store(first_ticket + i, std::memory_order_relaxed);              // (H)
    }
    mpmc_ring(mpmc_ring const&) = delete;
    mpmc_ring& operator=(mpmc_ring const&) = delete;
    ~mpmc_ring() {
        while (try_pop()) {}
        delete[] cells_;
    }

    /// Moves from `value` only if it answers true; false when the ring is full.
    [[nodiscard]] bool try_push(T&& value) noexcept {
        std::uint64_t ticket = tail_.load(std::memory_order_relaxed);                       // (H)
        for (;;) {
            cell&              c = cells_[static_cast<std::size_t>(ticket) & mask_];
            std::int64_t const ahead = detail::index_distance(c.turn.load(std::memory_order_acquire), ticket);  // (B)
            if (ahead < 0) return false;
            if (ahead > 0) {
                ticket = tail_.load(std::memory_order_relaxed);                             // (H)
            } else if (tail_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_relaxed,
                                                   std::memory_order_relaxed)) {            // (C)
                ::new (static_cast<void*>(c.bytes)) T(std::move(value));
                c.turn.store(ticket + 1, std::memory_order_release);                        // (A)
                return true;
            }
        }
    }
    [[nodiscard]] bool try_push(T const& value) noexcept
        requires std::is_nothrow_copy_constructible_v<T>
    {
        return try_push(T(value));
    }

    /// The oldest value, or nothing when none is in place.
    [[nodiscard]] std::optional<T> try_pop() noexcept {
        std::uint64_t ticket = head_.load(std::memory_order_relaxed);                       // (H)
        for (;;) {
            cell&              c = cells_[static_cast<std::size_t>(ticket) & mask_];
            std::int64_t const ahead = detail::index_distance(c.turn.load(std::memory_order_acquire), ticket + 1);  // (A)
            if (ahead < 0) return std::nullopt;
            if (ahead > 0) {
                ticket = head_.load(std::memory_order_relaxed);                             // (H)
            } else if (head_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_relaxed,
                                                   std::memory_order_relaxed)) {            // (C)
                std::optional<T> value(std::move(*c.value()));
                std::destroy_at(c.value());
                c.turn.store(ticket + mask_ + 1, std::memory_order_release);                // (B)
                return value;
            }
        }
    }

    /// A count that others are changing; never above the capacity.
    [[nodiscard]] std::size_t size_approx() const noexcept {
        std::uint64_t const head = head_.load(std::memory_order_relaxed);                   // (H)
        std::int64_t const  n = detail::index_distance(tail_.load(std::memory_order_relaxed), head);  // (H)
        if (n <= 0) return 0;
        return static_cast<std::uint64_t>(n) <= mask_ ? static_cast<std::size_t>(n) : mask_ + 1;
    }
    [[nodiscard]] bool empty_approx() const noexcept { return size_approx() == 0; }
    [[nodiscard]] std::size_t capacity() const noexcept { return mask_ + 1; }

private:
    struct cell {
        Atom<std::uint64_t> turn{0};
        alignas(T) unsigned char bytes[sizeof(T)];
        [[nodiscard]] T* value() noexcept { return std::launder(reinterpret_cast<T*>(bytes)); }
    };

    std::size_t mask_;
    cell*       cells_;
    alignas(cache_line_size) Atom<std::uint64_t> tail_;
    alignas(cache_line_size) Atom<std::uint64_t> head_;
};

}  // namespace sluice
