// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// fifo_steal_queue — a bounded first-in-first-out ring from which a thief takes half with one compare-and-swap.
///
/// Use it for     one producer that also consumes in order (fair service), and neighbours that balance in batches
/// Not for        LIFO owners (chase_lev_deque, split_deque), several producers (mpmc_ring)
/// Thread-safety  try_push, pop: the owner. steal, steal_half, size_approx: any thread. Destruction: after everyone left
/// Progress       try_push: wait-free. pop: lock-free, repeats only after a thief's success. steal*: one attempt
/// Complexity     O(1), steal_half O(items taken); no allocation
/// Errors         none: everything is noexcept. A full queue is the answer false
/// Units          N items, a power of two
/// Source         the local run queues of the Go runtime and of Tokio
///
/// Why half at once is safe here and not on a Chase-Lev deque. Here all who take, the owner too, take at the head and by
/// CAS on head_: if the CAS from h to h + n succeeds, nobody has taken anything since h was read, so items h … h+n-1 are
/// the thief's. On a Chase-Lev deque the owner takes the newest item at the other end without touching top_ unless it is
/// the last one. A thief that has read top_ == t and bottom_ == t + 8 could move top_ to t + 4 after the owner has popped
/// down to t + 2: items t + 2 and t + 3 would be handed out twice, and top_ would overtake bottom_.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <sluice/core/cacheline.hpp>
#include <sluice/queue/detail/ring.hpp>
#include <sluice/queue/steal_result.hpp>

namespace sluice {

// Ordering
//   (A) publish  try_push: tail_ store release, the slot filled before          -> thieves: tail_ load acquire
//   (C) claim    pop, steal*: CAS on head_ acq_rel, after the slots were read. Release: the reads of the slots come before
//                the next round's writes to them, because try_push loads head_ with acquire. Acquire, of a value that
//                other takers wrote: keeps the order of takers transitive
//   (E) own      relaxed: tail_ is written by its owner only
//   (G) room     try_push: head_ load acquire (see C)
//   (H) hint     head_ load before a CAS, acquire: so that tail_, read after it, is not older than head_; a wrong pair
//                (tail_ - head_ outside 0 … N) means that head_ has moved on, and the CAS would fail
// The loser of a CAS has read slots that may be under new items by now: they are atomic, and the values are dropped.

template <class T, std::size_t N, template <class> class Atom = std::atomic>
class fifo_steal_queue {
public:
    static_assert(detail::deque_item<T>, "a thief copies items before it knows whether it has won: items must be "
                                         "trivially copyable; store pointers to anything else");
    using value_type = T;

    /// `first_index` is for tests of the wrap-around.
    explicit fifo_steal_queue(std::uint64_t first_index = 0) noexcept
        : tail_(first_index), known_head_(first_index), head_(first_index) {}
    fifo_steal_queue(fifo_steal_queue const&) = delete;
    fifo_steal_queue& operator=(fifo_steal_queue const&) = delete;

    /// Owner: adds an item at the tail; false when N items are inside.
    [[nodiscard]] bool try_push(T item) noexcept {
        std::uint64_t const tail = tail_.load(std::memory_order_relaxed);                   // (E)
        if (tail - known_head_ >= N) {
            known_head_ = head_.load(std::memory_order_acquire);                            // (G)
            if (tail - known_head_ >= N) return false;
        }
        ring_.put(tail, item);
        tail_.store(tail + 1, std::memory_order_release);                                   // (A)
        return true;
    }

    /// Owner: the oldest item.
    [[nodiscard]] std::optional<T> pop() noexcept {
        std::uint64_t const tail = tail_.load(std::memory_order_relaxed);                   // (E)
        std::uint64_t       head = head_.load(std::memory_order_acquire);                   // (H)
        while (head != tail) {
            T const item = ring_.get(head);
            if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel, std::memory_order_acquire))  // (C)
                return item;
        }
        return std::nullopt;
    }

    /// Any thread: one attempt at the oldest item.
    [[nodiscard]] steal_result<T> steal() noexcept {
        T          item{};
        auto const taken = take(&item, 1, false);
        return {taken.status, item};
    }

    /// Any thread: one attempt at the older half (rounded up), at most `most` items, written to out[0] … in order.
    /// On success the value is how many; requires most > 0.
    [[nodiscard]] steal_result<std::size_t> steal_half(T* out, std::size_t most) noexcept { return take(out, most, true); }

    /// Any thread: a count that others are changing.
    [[nodiscard]] std::size_t size_approx() const noexcept {
        std::uint64_t const head = head_.load(std::memory_order_acquire);                   // (H)
        std::uint64_t const n = tail_.load(std::memory_order_acquire) - head;               // (H)
        return n <= N ? static_cast<std::size_t>(n) : N;
    }
    [[nodiscard]] bool empty_approx() const noexcept { return size_approx() == 0; }
    [[nodiscard]] static constexpr std::size_t capacity() noexcept { return N; }

private:
    steal_result<std::size_t> take(T* out, std::size_t most, bool half) noexcept {
        std::uint64_t       head = head_.load(std::memory_order_acquire);                   // (H)
        std::uint64_t const inside = tail_.load(std::memory_order_acquire) - head;          // (A)
        if (inside == 0) return {steal_status::empty, 0};
        if (inside > N) return {steal_status::lost, 0};
        std::size_t n = half ? static_cast<std::size_t>(inside - inside / 2) : 1;
        if (n > most) n = most;
        for (std::size_t i = 0; i < n; ++i) out[i] = ring_.get(head + i);
        if (!head_.compare_exchange_strong(head, head + n, std::memory_order_acq_rel, std::memory_order_relaxed))  // (C)
            return {steal_status::lost, 0};
        return {steal_status::success, n};
    }

    alignas(cache_line_size) Atom<std::uint64_t> tail_;
    std::uint64_t known_head_;
    alignas(cache_line_size) Atom<std::uint64_t> head_;
    alignas(cache_line_size) detail::inline_ring<T, N, Atom> ring_;
};

}  // namespace sluice
