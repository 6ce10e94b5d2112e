// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::pairing_heap — the least of the nodes given to it; the heap lies in the nodes.
///
/// Thread-safety  one thread at a time
/// Complexity     push O(1), pop O(log n) amortised, O(n) at worst; no allocation, no recursion
/// Errors         none
/// Source         Fredman, Sedgewick, Sleator, Tarjan, Algorithmica 1986, doi:10.1007/BF01840439

#include <utility>

namespace sluice::detail {

/// Links says where a node keeps its pointers and which of two nodes is first: sibling(node), child(node), before(a, b).
template <class Node, class Links>
class pairing_heap {
public:
    pairing_heap() noexcept = default;
    pairing_heap(pairing_heap&& other) noexcept : root_(std::exchange(other.root_, nullptr)) {}
    pairing_heap& operator=(pairing_heap&&) = delete;

    void push(Node& node) noexcept {
        Links::sibling(node) = nullptr;
        Links::child(node) = nullptr;
        root_ = meld(root_, &node);
    }

    [[nodiscard]] Node* top() const noexcept { return root_; }

    /// Null if there is none.
    Node* pop() noexcept {
        auto* const top = root_;
        if (top == nullptr) return nullptr;
        root_ = combine(std::exchange(Links::child(*top), nullptr));
        return top;
    }

private:
    [[nodiscard]] static Node* meld(Node* a, Node* b) noexcept {
        if (a == nullptr) return b;
        if (b == nullptr) return a;
        if (Links::before(*b, *a)) std::swap(a, b);
        Links::sibling(*b) = Links::child(*a);
        Links::child(*a) = b;
        return a;
    }

    /// One heap of a list of siblings: melds pairs from the left, then all of them from the right.
    [[nodiscard]] static Node* combine(Node* first) noexcept {
        Node* pairs = nullptr;
        while (first != nullptr) {
            auto* const second = std::exchange(Links::sibling(*first), nullptr);
            auto* const rest = second != nullptr ? std::exchange(Links::sibling(*second), nullptr) : nullptr;
            auto* const pair = meld(first, second);
            Links::sibling(*pair) = pairs;
            pairs = pair;
            first = rest;
        }
        Node* heap = nullptr;
        while (pairs != nullptr) {
            auto* const pair = pairs;
            pairs = std::exchange(Links::sibling(*pair), nullptr);
            heap = meld(heap, pair);
        }
        return heap;
    }

    Node* root_ = nullptr;
};

}  // namespace sluice::detail
