// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::oldest_first — turns round a chain that was taken from a stack.
///
/// Thread-safety  the chain is the caller's alone
/// Complexity     O(nodes), no allocation

namespace sluice::detail {

/// Of a chain newest → … → oldest, linked by `next`: the same nodes the other way, ending in nullptr.
template <class Node>
[[nodiscard]] Node* oldest_first(Node* newer) noexcept {
    Node* older = nullptr;
    while (newer != nullptr) {
        Node* const next = newer->next;
        newer->next = older;
        older = newer;
        newer = next;
    }
    return older;
}

}  // namespace sluice::detail
