// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// chase_lev_deque — the deque a worker owns and its neighbours steal from.
///
/// Use it for     one owner that pushes and pops at the bottom (LIFO), any number of thieves at the top (FIFO)
/// Not for        several producers (mpmc_ring, injector), strict FIFO between threads (fifo_steal_queue), taking half of
///                it at once: with one CAS that is unsafe here, see fifo_steal_queue
/// Thread-safety  push, push_bulk, pop, reserve: the owner. steal, size_approx, empty_approx: any thread.
///                capacity: the owner. Construction and destruction: before anybody arrives, after everybody has left
/// Progress       push, pop: wait-free but for growth. steal: one attempt, lost only to someone's success
/// Complexity     O(1); push amortised O(1), one allocation of twice the capacity when full. pop costs one atomic
///                read-modify-write, push none (split_deque: neither)
/// Errors         push, push_bulk, reserve may throw std::bad_alloc and then have no effect; the rest is noexcept
/// Units          capacity in items, rounded up to a power of two, at least 2; it never shrinks
/// Source         Chase, Lev, SPAA 2005, doi:10.1145/1073970.1073974; Lê et al., PPoPP 2013, doi:10.1145/2442516.2442524
/// Differs        seq_cst accesses where the second paper has fences (detail/chase_lev_protocol.hpp has the argument)
/// Example        examples/110_work_stealing.cpp

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <sluice/core/cacheline.hpp>
#include <sluice/queue/detail/chase_lev_protocol.hpp>
#include <sluice/queue/detail/ring.hpp>
#include <sluice/queue/steal_result.hpp>

namespace sluice {

// Ordering
//   (D) grow  ring_ store release, its slots filled before    -> steal: ring_ load acquire, after it has read bottom_.
//             The thief that finds an index on which only the new ring has an item has read bottom_ after the publish
//             that followed the growth, so it sees the new ring or a newer one. An older ring that it may see for an
//             older index still holds that item: nobody writes to an outgrown ring
//   (E) own   relaxed: only the owner writes ring_
// The indices are in detail/chase_lev_protocol.hpp, the slots in detail/ring.hpp.

template <class T, template <class> class Atom = std::atomic>
class chase_lev_deque {
public:
    static_assert(detail::deque_item<T>, "a thief copies an item before it knows whether it has won: items must be "
                                         "trivially copyable; store pointers to anything else");
    using value_type = T;

    /// Room for at least `capacity` items before the first growth. `first_index` is for tests of the wrap-around.
    explicit chase_lev_deque(std::size_t capacity = 64, std::uint64_t first_index = 0)
        : indices_(first_index), ring_(new ring(detail::ring_size(capacity), nullptr)) {}
    chase_lev_deque(chase_lev_deque const&) = delete;
    chase_lev_deque& operator=(chase_lev_deque const&) = delete;
    ~chase_lev_deque() {
        for (ring* r = ring_.load(std::memory_order_relaxed); r != nullptr;) {    // (E)
            ring* const older = r->older();
            delete r;
            r = older;
        }
    }

    /// Owner: adds an item at the bottom.
    void push(T item) {
        ring*         r = ring_.load(std::memory_order_relaxed);                  // (E)
        std::uint64_t bottom;
        if (!indices_.room(1, r->size(), bottom)) r = grow(r, bottom, 1);
        r->put(bottom, item);
        indices_.publish(bottom + 1);
    }

    /// Owner: push as a seq_cst operation, at the price of a read-modify-write. For "push, then look whether somebody
    /// sleeps" against "announce sleep, then steal": when all four are seq_cst, not both can miss the other.
    void push_ordered(T item) {
        ring*         r = ring_.load(std::memory_order_relaxed);                  // (E)
        std::uint64_t bottom;
        if (!indices_.room(1, r->size(), bottom)) r = grow(r, bottom, 1);
        r->put(bottom, item);
        indices_.publish_ordered(bottom + 1);
    }

    /// Owner: adds first[0] … first[n-1] in this order, visible together: all of them or, if it throws, none.
    template <class Iterator>
    void push_bulk(Iterator first, std::size_t n) {
        if (n == 0) return;
        ring*         r = ring_.load(std::memory_order_relaxed);                  // (E)
        std::uint64_t bottom;
        if (!indices_.room(n, r->size(), bottom)) r = grow(r, bottom, n);
        for (std::size_t i = 0; i < n; ++i, ++first) r->put(bottom + i, static_cast<T>(*first));
        indices_.publish(bottom + n);
    }

    /// Owner: the newest item, or nothing when the deque is empty or a thief was faster at the last one.
    [[nodiscard]] std::optional<T> pop() noexcept {
        std::uint64_t index;
        if (!indices_.claim_bottom(index)) return std::nullopt;
        return ring_.load(std::memory_order_relaxed)->get(index);                 // (E)
    }

    /// Any thread: one attempt at the oldest item.
    [[nodiscard]] steal_result<T> steal() noexcept {
        return indices_.template claim_top<T>(
            [this](std::uint64_t index) { return ring_.load(std::memory_order_acquire)->get(index); });  // (D)
    }

    /// Owner: makes room for `items` in all, so that pushes up to there cannot throw.
    void reserve(std::size_t items) {
        ring* const r = ring_.load(std::memory_order_relaxed);                    // (E)
        std::size_t const inside = indices_.size_approx();
        std::uint64_t bottom;
        if (items > inside && !indices_.room(items - inside, r->size(), bottom)) grow(r, bottom, items - inside);
    }

    /// Any thread: a count that others are changing.
    [[nodiscard]] std::size_t size_approx() const noexcept { return indices_.size_approx(); }
    [[nodiscard]] bool empty_approx() const noexcept { return size_approx() == 0; }

    /// Owner: how many items fit before the next growth.
    [[nodiscard]] std::size_t capacity() const noexcept { return ring_.load(std::memory_order_relaxed)->size(); }  // (E)

private:
    using ring = detail::ring<T, Atom>;

    ring* grow(ring* old, std::uint64_t bottom, std::size_t n) {
        std::uint64_t const top = indices_.oldest();
        std::size_t const   inside = static_cast<std::size_t>(bottom - top);
        std::size_t const   wanted = n > SIZE_MAX - inside ? SIZE_MAX : inside + n;
        ring* const         bigger = new ring(detail::ring_size(wanted), old);  // may throw; nothing changed yet
        for (std::uint64_t i = top; i != bottom; ++i) bigger->put(i, old->get(i));
        ring_.store(bigger, std::memory_order_release);                           // (D)
        return bigger;
    }

    detail::chase_lev_protocol<Atom> indices_;
    alignas(cache_line_size) Atom<ring*> ring_;
};

}  // namespace sluice
