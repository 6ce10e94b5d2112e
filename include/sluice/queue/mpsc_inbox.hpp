// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// mpsc_inbox — the queue of one consumer who is there only while something is inside; who pushes first calls it.
///
/// Use it for     work of which no two pieces may run at once, without a thread of its own: strand
/// Not for        a consumer that is always there (injector), or several at once
/// Thread-safety  push, idle_approx: any thread. take_all, try_leave: the consumer, see below. Destruction: after everyone has left
/// Progress       push: lock-free. take_all, try_leave: wait-free. A thread that is stopped inside push hides its node only
/// Complexity     push O(1); take_all O(nodes taken), because it turns the chain round. No allocation: nodes are linked
///                through their own member `next`
/// Errors         none: everything is noexcept. The destructor does not own the nodes and requires that none is left
/// Source         Treiber's stack, IBM RJ 5118, 1986, taken whole; the third state is that of asynchronous mutexes
///
/// The inbox begins idle. The push that finds it idle returns true: its caller has become the consumer, or must see to it that
/// somebody does. The consumer takes until try_leave returns true: then the inbox is idle again, and he is the consumer no more.
/// One consumer's time is behind the other: all that he did happens before the push that returns true next.

#include <sluice/core/assert.hpp>
#include <sluice/core/cacheline.hpp>
#include <sluice/queue/detail/chain.hpp>

#include <atomic>
#include <cstdint>

namespace sluice {

// Ordering
//   (A) push     CAS acq_rel. Release: the node, filled and linked before, for (B). Acquire: of the idle mark, so that who is
//                the consumer now sees what the last one did before (C), before he takes anything
//   (B) take     exchange acquire. Later pushes are read-modify-writes of newest_, so they continue the release sequence of
//                each earlier push: one acquire of the newest sees every node of the chain. Only the consumer empties the
//                inbox, so nobody can come between
//   (C) leave    CAS release from empty to idle. If a push came first it fails, and he stays the consumer
//   (H) hint     relaxed: first guess for the CAS; the consumer's look for nodes, which (B) repeats; idle_approx
// The loser of (A) links to the new head and tries again; nobody has seen its node. It becomes the consumer only if its own CAS
// replaced the idle mark, so one push of each idle time does. The loser of (C) has left nothing behind and finds the node.

template <class Node, template <class> class Atom = std::atomic>
class mpsc_inbox {
public:
    mpsc_inbox() noexcept : newest_(idle_mark()) {}
    mpsc_inbox(mpsc_inbox const&) = delete;
    mpsc_inbox& operator=(mpsc_inbox const&) = delete;
    ~mpsc_inbox() { SLUICE_ASSERT(idle_approx()); }

    /// True if it was idle: there is no consumer yet.
    [[nodiscard]] bool push(Node* node) noexcept {
        Node* head = newest_.load(std::memory_order_relaxed);                               // (H)
        do {
            node->next = head == idle_mark() ? nullptr : head;
        } while (!newest_.compare_exchange_weak(head, node, std::memory_order_acq_rel, std::memory_order_relaxed));  // (A)
        return head == idle_mark();
    }

    /// The consumer: every node, a chain linked by `next`, oldest first, ending in nullptr; or nullptr.
    [[nodiscard]] Node* take_all() noexcept {
        if (newest_.load(std::memory_order_relaxed) == nullptr) return nullptr;             // (H)
        Node* const newer = newest_.exchange(nullptr, std::memory_order_acquire);                 // (B)
        return detail::oldest_first(newer);
    }

    /// The consumer: if nothing is inside, it is idle from now on, and he is the consumer no more.
    [[nodiscard]] bool try_leave() noexcept {
        Node* empty = nullptr;
        return newest_.compare_exchange_strong(empty, idle_mark(), std::memory_order_release, std::memory_order_relaxed);  // (C)
    }

    /// Whether there is no consumer.
    [[nodiscard]] bool idle_approx() const noexcept {
        return newest_.load(std::memory_order_relaxed) == idle_mark();                      // (H)
    }

private:
    static Node* idle_mark() noexcept { return reinterpret_cast<Node*>(std::uintptr_t{1}); }

    alignas(cache_line_size) Atom<Node*> newest_;
};

}  // namespace sluice
