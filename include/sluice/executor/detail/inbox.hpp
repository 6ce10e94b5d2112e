// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::inbox — tasks for one worker only: anybody puts some in while it is open, the worker takes them.
///
/// Use it for     thread_pool::post_on. Unlike the injector it opens again: the place of a worker that has left is taken by
///                another one
/// Thread-safety  push, empty: any thread. take_all: the worker. open and close: one at a time, whoever speaks for the place
/// Progress       push, take_all: lock-free. open, close, empty: wait-free
/// Complexity     push O(1), take_all O(nodes taken). No allocation: nodes are linked through their own member `next`
/// Errors         none
/// Source         R. K. Treiber, IBM RJ 5118, 1986; nodes are only taken all at once, so there is no ABA problem

#include <atomic>
#include <cstdint>
#include <sluice/queue/detail/chain.hpp>

namespace sluice::detail {

// Ordering
//   (A) publish  push: CAS on newest_ seq_cst, the node filled and linked before. seq_cst, with the load (B), is for "push,
//                then look whether the worker is awake" against "say that it sleeps, then look into the inbox": not both
//                can miss the other                                                                -> read by (B), (C)
//   (B) look     seq_cst load
//   (C) take     exchange to empty, acquire: it reads from the newest push, and each push continues the release sequence of
//                those before it, so every node of the chain is seen. Only the worker takes, so it cannot take the mark
//                `closed` away: it is open as long as the worker may find something
//   (D) close    CAS acq_rel from empty to closed: each push is before it, and then has been taken, or is refused.
//                Acquire also where it finds the mark of an earlier one: what came before that is seen
//   (E) open     relaxed: it says nothing but that letters are taken; the place itself is made known by others
//   (H) hint     relaxed: first guess for the CAS; what is read is only linked to, never looked into
// The loser of (A) links to the new head and tries again: nobody has seen its node. The loser of (D) has tasks to see to.
template <class Node, template <class> class Atom = std::atomic>
class inbox {
public:
    /// Closed.
    inbox() noexcept : newest_(closed_mark()) {}
    inbox(inbox const&) = delete;
    inbox& operator=(inbox const&) = delete;

    /// False if it is closed, and then the node is still the caller's.
    [[nodiscard]] bool push(Node* node) noexcept {
        Node* head = newest_.load(std::memory_order_relaxed);                               // (H)
        do {
            if (head == closed_mark()) return false;
            node->next = head;
        } while (!newest_.compare_exchange_weak(head, node, std::memory_order_seq_cst, std::memory_order_relaxed));  // (A)
        return true;
    }

    /// The worker: everything, oldest first, linked by `next`; or nullptr.
    [[nodiscard]] Node* take_all() noexcept {
        if (empty()) return nullptr;
        Node* const newer = newest_.exchange(nullptr, std::memory_order_acquire);                 // (C)
        return oldest_first(newer);
    }

    /// If nothing is inside, refuses what comes until it is opened. False if there is something to be taken first.
    [[nodiscard]] bool close() noexcept {
        Node*      head = nullptr;
        bool const closed = newest_.compare_exchange_strong(head, closed_mark(), std::memory_order_acq_rel,
                                                            std::memory_order_acquire);     // (D)
        return closed || head == closed_mark();
    }
    /// Requires that it is closed.
    void open() noexcept { newest_.store(nullptr, std::memory_order_relaxed); }             // (E)

    [[nodiscard]] bool empty() const noexcept {
        Node* const head = newest_.load(std::memory_order_seq_cst);                         // (B)
        return head == nullptr || head == closed_mark();
    }

private:
    static Node* closed_mark() noexcept { return reinterpret_cast<Node*>(std::uintptr_t{1}); }

    Atom<Node*> newest_;
};

}  // namespace sluice::detail
