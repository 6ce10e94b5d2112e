// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// injector — the unbounded queue to which outsiders submit and from which a worker takes everything at once.
///
/// Use it for     submissions from any thread to a pool; the consumer spreads what it took through its own deque
/// Not for        taking one item at a time (mpmc_ring)
/// Thread-safety  push, push_chain, take_all, close, empty_approx: any thread. Destruction: after everyone has left
/// Progress       push, take_all: lock-free. close: wait-free. A thread that is stopped inside push hides its node only
/// Complexity     push O(1); take_all O(nodes taken), because it turns the chain round. No allocation: nodes are linked
///                through their own member `next`
/// Errors         none: everything is noexcept. The destructor does not own the nodes and requires that none is left
/// Source         R. K. Treiber, IBM RJ 5118, 1986. There is no single pop, so the stack has no ABA problem

#include <atomic>
#include <concepts>
#include <cstdint>
#include <sluice/core/assert.hpp>
#include <sluice/core/cacheline.hpp>
#include <sluice/queue/detail/chain.hpp>

namespace sluice {

// Ordering
//   (A) publish  push: CAS on newest_ seq_cst; the node filled and linked before. Release would do for the nodes; seq_cst,
//                with the seq_cst load in empty_approx, is for "push, then look whether somebody sleeps" against "announce
//                sleep, then look into the injector": not both can miss the other. Its failure order is relaxed: the value
//                read is only linked to, never looked into (it may be gone)                    -> read by (C)
//   (C) take     take_all: CAS to empty, acq_rel. Later pushes are read-modify-writes of newest_, so they continue the release
//                sequence of each earlier push: one acquire of the newest sees every node of the chain.
//                Release, read by empty_approx: whoever sees it empty sees what the taker did before it took
//   (E) close    CAS acq_rel from empty to the closed mark, which stays for ever: each push is before it, and then was
//                taken, or after it, and then is refused. Acquire on failure: a later call of close that finds the mark
//                sees what the closer did. A refused push does not: its look at the mark is relaxed (H)
//   (H) hint     relaxed: first guess for the CAS
// The loser of the CAS links to the new head and tries again; nobody has seen its node.

template <class Node>
concept linked_node = requires(Node n) {
    { n.next } -> std::convertible_to<Node*>;
};

template <class Node, template <class> class Atom = std::atomic>
class injector {
public:
    injector() noexcept : newest_(nullptr) {}
    injector(injector const&) = delete;
    injector& operator=(injector const&) = delete;
    ~injector() { SLUICE_ASSERT(empty_approx()); }

    /// Adds a node; false once the injector has been closed, and then the node is still the caller's.
    [[nodiscard]] bool push(Node* node) noexcept { return push_chain(node, node); }

    /// The same for nodes that are linked newest → … → oldest by `next`: all at once, or none.
    [[nodiscard]] bool push_chain(Node* newest, Node* oldest) noexcept {
        static_assert(linked_node<Node>, "nodes of an injector have a public member `Node* next`");
        Node* head = newest_.load(std::memory_order_relaxed);                               // (H)
        do {
            if (head == closed_mark()) return false;
            oldest->next = head;
        } while (!newest_.compare_exchange_weak(head, newest, std::memory_order_seq_cst, std::memory_order_relaxed));  // (A)
        return true;
    }

    /// Takes every node: a chain linked by `next`, oldest first, ending in nullptr; or nullptr.
    [[nodiscard]] Node* take_all() noexcept {
        Node* newer = newest_.load(std::memory_order_relaxed);                              // (H)
        do {
            if (newer == nullptr || newer == closed_mark()) return nullptr;
        } while (!newest_.compare_exchange_weak(newer, nullptr, std::memory_order_acq_rel, std::memory_order_relaxed));  // (C)
        return detail::oldest_first(newer);
    }

    /// If nothing is inside, refuses every later push, for ever. False if there are nodes to be taken first.
    [[nodiscard]] bool close() noexcept {
        Node* head = nullptr;
        bool const  closed = newest_.compare_exchange_strong(head, closed_mark(), std::memory_order_acq_rel,
                                                             std::memory_order_acquire);    // (E)
        return closed || head == closed_mark();
    }

    [[nodiscard]] bool empty_approx() const noexcept {
        Node* const head = newest_.load(std::memory_order_seq_cst);                         // (A)
        return head == nullptr || head == closed_mark();
    }

private:
    static Node* closed_mark() noexcept { return reinterpret_cast<Node*>(std::uintptr_t{1}); }

    alignas(cache_line_size) Atom<Node*> newest_;
};

}  // namespace sluice
