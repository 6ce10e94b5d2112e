// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::chase_lev_protocol — the two indices of a Chase-Lev deque and everything that is delicate about them.
///
/// Thread-safety  the owner: every function but claim_top and size_approx; thieves: claim_top; any thread: size_approx
/// Progress       the owner's functions are wait-free; claim_top is one attempt
/// Complexity     O(1)
/// Errors         none; nothing here allocates or throws
/// Units          indices count items since construction, 64 bits on every target, and may wrap
/// Source         Chase, Lev, SPAA 2005, doi:10.1145/1073970.1073974; Lê et al., PPoPP 2013, doi:10.1145/2442516.2442524
/// Differs        seq_cst accesses where the second paper has fences; pop announces itself by an exchange (see Ordering)

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <sluice/core/cacheline.hpp>
#include <sluice/queue/detail/ring.hpp>
#include <sluice/queue/steal_result.hpp>

namespace sluice::detail {

// Ordering
//   (A) publish  owner:  every store to bottom_ is release or stronger, the slots filled before   -> read by (C)
//   (B) claim    pop:    bottom_ exchange seq_cst, then top_ load seq_cst
//   (C) claim    steal:  top_ load seq_cst, then bottom_ load seq_cst, then CAS on top_ seq_cst
//   (E) private          relaxed: bottom_ is written by its owner only, so the owner reads its own last value
//   (G) room     push:   top_ load acquire: a slot is written again only after the steal that emptied it
//   (H) hint             relaxed: an old value is a correct answer, only less useful
//
// Why (B) and (C) never both take item b. Suppose pop keeps b without a CAS: its load saw top_ < b. Suppose too that a
// thief's CAS turns top_ from b into b + 1: it had loaded top_ == b, and after that bottom_ > b. In the single order of
// the seq_cst operations the owner's load, which saw less than b, comes before the CAS that made top_ equal to b, hence
// before the thief's load of top_, hence (B)'s exchange comes before the thief's load of bottom_. That load saw more
// than b all the same, so it saw a later push: what the thief took at b is the item of that push, not the one pop kept.
//
// The loser. A thief reads its slot before its CAS. If it loses, the slot may have been overwritten by push in the same
// moment: slots are atomic (ring.hpp), the value is dropped. A pop that loses the last item restores bottom_ to b + 1
// == top_; it touches no slot.
//
// Three defects of the listing printed in PPoPP 2013, and what stands here instead:
//   1. grow stores the array pointer relaxed and steal reads it without acquire: a thief could see the new array before
//      its contents. Here the deque stores it with release and a thief loads it with acquire, after bottom_.
//   2. push keeps using the array that it had read before growing. Here grow returns the new one.
//   3. unsigned indices from 0: pop on a fresh deque computes bottom_ = SIZE_MAX and takes it for a long deque. Here all
//      comparisons are of the signed distance, which also holds across a wrap.
// And the C++20 trap: since P0982 a relaxed store no longer continues a release sequence of the same thread. If pop's
// store to bottom_ were relaxed, a thief that reads *that* value would have no happens-before with the push that filled
// the slot. Every store to bottom_ here is release or stronger, pop's is a seq_cst exchange.
//
// Why an exchange and not a seq_cst store: x86 emits the same xchg for both; an emulator that executes AArch64's
// `stlr; ldar` without the order between them (qemu 7.2 does) loses items with a store and does not with an exchange.

template <template <class> class Atom>
class chase_lev_protocol {
public:
    explicit chase_lev_protocol(std::uint64_t first) noexcept : bottom_(first), known_top_(first), top_(first) {}

    /// Owner: the index that the next item gets, if fewer than `size` items are (as far as needs to be known) inside.
    [[nodiscard]] bool room(std::size_t n, std::size_t size, std::uint64_t& index) noexcept {
        index = bottom_.load(std::memory_order_relaxed);                          // (E)
        if (n > size) return false;
        if (index + n - known_top_ <= size) return true;
        known_top_ = top_.load(std::memory_order_acquire);                        // (G)
        return index + n - known_top_ <= size;
    }

    /// Owner: items up to before `bottom` are in their slots.
    void publish(std::uint64_t bottom) noexcept { bottom_.store(bottom, std::memory_order_release); }  // (A)

    /// The same as a part of the single order of seq_cst operations, for an owner that looks at something else next.
    void publish_ordered(std::uint64_t bottom) noexcept { (void)bottom_.exchange(bottom, std::memory_order_seq_cst); }  // (A)

    /// Owner: the oldest index that may still be inside, for a copy into a larger ring.
    [[nodiscard]] std::uint64_t oldest() noexcept { return known_top_; }

    /// Owner: claims the newest item. True: it is at `index`, and the owner's.
    [[nodiscard]] bool claim_bottom(std::uint64_t& index) noexcept {
        std::uint64_t const bottom = bottom_.load(std::memory_order_relaxed);     // (E)
        index = bottom - 1;
        (void)bottom_.exchange(index, std::memory_order_seq_cst);                 // (B) reserve the slot ...
        std::uint64_t top = top_.load(std::memory_order_seq_cst);                 // (B) ... then look for thieves
        if (index_distance(index, top) > 0) return true;
        bool const won = top == index && top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst,
                                                                      std::memory_order_relaxed);  // (C)
        bottom_.store(bottom, std::memory_order_release);                         // (A)
        return won;
    }

    /// Thief: one attempt at the oldest item; read(index) gives the slot's value.
    template <class T, class Read>
    [[nodiscard]] steal_result<T> claim_top(Read read) noexcept {
        std::uint64_t       top = top_.load(std::memory_order_seq_cst);           // (C)
        std::uint64_t const bottom = bottom_.load(std::memory_order_seq_cst);     // (C)
        if (index_distance(bottom, top) <= 0) return {steal_status::empty, T{}};
        T const item = read(top);
        if (!top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst, std::memory_order_relaxed))  // (C)
            return {steal_status::lost, T{}};
        return {steal_status::success, item};
    }

    [[nodiscard]] std::size_t size_approx() const noexcept {
        std::uint64_t const bottom = bottom_.load(std::memory_order_relaxed);     // (H)
        std::uint64_t const top = top_.load(std::memory_order_relaxed);           // (H)
        std::int64_t const  n = index_distance(bottom, top);
        return n > 0 ? static_cast<std::size_t>(n) : 0;
    }

private:
    alignas(cache_line_size) Atom<std::uint64_t> bottom_;
    std::uint64_t known_top_;  // owner: a value that top_ has had; saves a look at the thieves' line
    alignas(cache_line_size) Atom<std::uint64_t> top_;
};

}  // namespace sluice::detail
