// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::hazard_slot — one current object, replaced by writers, that each reader keeps alive by a cell of its own.
///
/// Use it for     snapshot
/// Thread-safety  renew, release, pinned: one thread per cell, with no lock. is_current, watched, version: any thread.
///                Everything else: under one lock of the caller's
/// Progress       is_current, renew, release: wait-free; renew is an exchange, a load and a CAS
/// Complexity     collect: O(cells + objects that were replaced and are held). Nothing here allocates or frees
/// Errors         none; noexcept
/// Source         hazard pointers: Michael, IEEE TPDS 15(6), 2004, doi:10.1109/TPDS.2004.8
/// Differs        a reader that finds the object changed does not try until it is lucky: it says "choosing" first, and a
///                collector that meets a reader which is choosing makes the choice for it. So a reader takes a bounded
///                number of steps, and what is held is at most one object per cell, also while readers stand still

#include <sluice/core/assert.hpp>
#include <sluice/core/cacheline.hpp>

#include <atomic>
#include <cstdint>

namespace sluice::detail {

/// What an object of a hazard_slot begins with. All of it belongs to the lock.
template <class Node>
struct hazard_node {
    Node*         hazard_next = nullptr;  ///< replaced objects, and those that collect gives back, are chains
    std::uint64_t hazard_seen = 0;        ///< the last collection that found a cell with this object
};

// Ordering
//   (A) hint     is_current: current_ relaxed, or (K); the object that the cell holds already, or look again in (B), (C)
//   (B) choose   renew: held_ exchange seq_cst; the cell gives up what it held                        -> read by (G), (H)
//   (C) choose   renew: current_ load seq_cst, after (B)
//   (D) take     renew: held_ CAS choosing -> object. Failure acquire: a collector has chosen, see (H). Success could be relaxed,
//                it continues the release sequence of (B); gcc takes no failure order stronger than that of success
//   (E) release  release: held_ store release; what was done with the object comes before it is freed -> read by (G), (H)
//   (F) replace  current_ exchange seq_cst, and so release: the object was made before             -> read by (C)
//   (G) collect  held_ load seq_cst, after (F); acquire: who gave an object up has done with it
//   (H) help     collect: held_ CAS choosing -> current object. Release: the object was made before  -> failure of (D).
//                Acquire, also where it fails: the reader may have taken an object, given it up and be choosing again
//   (I) version  replace: version_ store release, after (F)  -> version: acquire; who sees the number reads that object or
//                a newer one
//   (J) locked   current_ relaxed: only the lock's holder writes it
//   (K) pinned   pinned_ relaxed: only the cell's reader writes it and looks there (A); an atomic only to be the same type
//
// No object is used after it was freed. Suppose a reader uses p, and a collector frees p, which was replaced before. The
// reader took p in its last (D) or got it from a (H). From (H): p was current then, so the collector comes after that (H)
// under the lock, reads the cell in (G) and finds p, or that the reader has given p up, after its last use (B, E).
// From (D): the cell was "choosing" from (B) to (D), so no collector chose in between. The collector's (G) either
//   comes before (B) in the order of the seq_cst accesses: then (F), which replaced p and is earlier still, comes before (C),
//   and (C) cannot have read p; or
//   reads "choosing", and then (H) decides: it fails, because (D) was first, and the collector learns that p is held, or that
//   it was given up after its last use; or it succeeds, and then (D) fails (below); or it meets a later "choosing", which
//   the reader said after its last use of p; or
//   reads p or what came after it.
// The loser. A reader whose (D) fails has read p in (C) and never looks into it: it may be gone. It uses what (H) wrote, which
// was current at that moment, newer than p and anything the reader held before. A collector whose (H) fails has learnt which
// object is held from the same CAS. Collectors do not race with each other: the lock.
// A pointer in a cell is never one to a freed object, so (A) cannot take a new object at an old address for the one it holds.

template <class Node, template <class> class Atom = std::atomic>
class hazard_slot {
public:
    /// One reader's. It stays where it is while it is enlisted.
    class cell {
    public:
        cell() = default;
        cell(cell const&) = delete;
        cell& operator=(cell const&) = delete;

    private:
        friend class hazard_slot;
        alignas(cache_line_size) Atom<void*> held_{nullptr};  // an object, nothing, or the cell itself: choosing
        Atom<Node*> pinned_{nullptr};                         // the reader's own
        cell*       next_ = nullptr;                          // these two belong to the lock
        cell*       previous_ = nullptr;
    };
    /// Where a reader looks whether what it holds is still the current one.
    using place = Atom<Node*>;

    explicit hazard_slot(Node* first) noexcept : current_(first) {}
    hazard_slot(hazard_slot const&) = delete;
    hazard_slot& operator=(hazard_slot const&) = delete;

    /// Whether what the cell holds is still right: the last answer of renew, or null. A reader keeps where it looks: watched(), or
    /// pinned() to go on with the object that it holds, so that one comparison says whether it has changed and whether it may.
    [[nodiscard]] static bool is_current(Node* held, place const& from) noexcept {
        return from.load(std::memory_order_relaxed) == held;  // (A)
    }
    /// The current object, which the cell then holds.
    [[nodiscard]] [[gnu::noinline]] Node* renew(cell& c) const noexcept {
        (void)c.held_.exchange(&c, std::memory_order_seq_cst);             // (B)
        Node* const now = current_.load(std::memory_order_seq_cst);        // (C)
        void*       seen = &c;
        if (c.held_.compare_exchange_strong(seen, now, std::memory_order_acquire, std::memory_order_acquire))  // (D)
            return now;
        return static_cast<Node*>(seen);
    }
    [[nodiscard]] place const& watched() const noexcept { return current_; }
    /// Requires that the cell holds `held`, and that it is not released while somebody looks here.
    [[nodiscard]] static place const& pinned(cell& c, Node* held) noexcept {
        c.pinned_.store(held, std::memory_order_relaxed);  // (K)
        return c.pinned_;
    }

    /// The cell holds nothing any more.
    static void release(cell& c) noexcept { c.held_.store(nullptr, std::memory_order_release); }  // (E)

    /// How many objects have been current, the first one included.
    [[nodiscard]] std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }  // (I)

    // Under the lock.

    void enlist(cell& c) noexcept {
        c.next_ = cells_;
        c.previous_ = nullptr;
        if (cells_ != nullptr) cells_->previous_ = &c;
        cells_ = &c;
    }
    /// Requires a cell that holds nothing.
    void dismiss(cell& c) noexcept {
        (c.previous_ != nullptr ? c.previous_->next_ : cells_) = c.next_;
        if (c.next_ != nullptr) c.next_->previous_ = c.previous_;
    }
    [[nodiscard]] bool has_cells() const noexcept { return cells_ != nullptr; }

    [[nodiscard]] Node* current() const noexcept { return current_.load(std::memory_order_relaxed); }  // (J)

    /// Makes `next` the current object, number `version`. The old one is freed by a collect() of now or later.
    void replace(Node* next, std::uint64_t version) noexcept {
        Node* const old = current_.exchange(next, std::memory_order_seq_cst);  // (F)
        version_.store(version, std::memory_order_release);                    // (I)
        old->hazard_next = replaced_;
        replaced_ = old;
    }

    /// The replaced objects that no cell holds, as a chain, for the caller to free. No more than one per cell stay behind.
    [[nodiscard]] Node* collect() noexcept {
        if (replaced_ == nullptr) return nullptr;
        ++collections_;
        for (cell* c = cells_; c != nullptr; c = c->next_)
            if (Node* const held = held_by(*c)) held->hazard_seen = collections_;
        Node*  garbage = nullptr;
        Node** link = &replaced_;
        while (Node* const n = *link) {
            if (n->hazard_seen == collections_) {
                link = &n->hazard_next;
            } else {
                *link = n->hazard_next;
                n->hazard_next = garbage;
                garbage = n;
            }
        }
        return garbage;
    }

private:
    [[nodiscard]] Node* held_by(cell& c) noexcept {
        void* seen = c.held_.load(std::memory_order_seq_cst);  // (G)
        if (seen != &c) return static_cast<Node*>(seen);
        Node* const newest = current();
        if (c.held_.compare_exchange_strong(seen, newest, std::memory_order_acq_rel, std::memory_order_acquire))  // (H)
            return newest;
        return static_cast<Node*>(seen);
    }

    alignas(cache_line_size) Atom<Node*> current_;
    Atom<std::uint64_t>                  version_{1};
    alignas(cache_line_size) cell*       cells_ = nullptr;  // these belong to the lock
    Node*                                replaced_ = nullptr;
    std::uint64_t                        collections_ = 0;
};

}  // namespace sluice::detail
