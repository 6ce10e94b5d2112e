// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// bounded_chase_lev_deque — a work-stealing deque of fixed capacity that never allocates.
///
/// Use it for     the same as chase_lev_deque where memory is fixed, or where "full" is an answer the owner can act on
/// Not for        an unknown number of items (chase_lev_deque grows)
/// Thread-safety  try_push, pop: the owner. steal, size_approx: any thread. Destruction: after everyone has left
/// Progress       try_push, pop: wait-free. steal: one attempt, lost only to someone's success
/// Complexity     O(1), no allocation; the items lie inside the object
/// Errors         none: everything is noexcept. A full deque is the answer false
/// Units          N items, a power of two
/// Source         as chase_lev_deque; the protocol and its argument are in detail/chase_lev_protocol.hpp

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <sluice/queue/detail/chase_lev_protocol.hpp>
#include <sluice/queue/detail/ring.hpp>
#include <sluice/queue/steal_result.hpp>

namespace sluice {

template <class T, std::size_t N, template <class> class Atom = std::atomic>
class bounded_chase_lev_deque {
public:
    static_assert(detail::deque_item<T>, "a thief copies an item before it knows whether it has won: items must be "
                                         "trivially copyable; store pointers to anything else");
    using value_type = T;

    /// `first_index` is for tests of the wrap-around.
    explicit bounded_chase_lev_deque(std::uint64_t first_index = 0) noexcept : indices_(first_index) {}
    bounded_chase_lev_deque(bounded_chase_lev_deque const&) = delete;
    bounded_chase_lev_deque& operator=(bounded_chase_lev_deque const&) = delete;

    /// Owner: adds an item at the bottom; false when N items are inside.
    [[nodiscard]] bool try_push(T item) noexcept {
        std::uint64_t bottom;
        if (!indices_.room(1, N, bottom)) return false;
        ring_.put(bottom, item);
        indices_.publish(bottom + 1);
        return true;
    }

    /// Owner: the newest item, or nothing when the deque is empty or a thief was faster at the last one.
    [[nodiscard]] std::optional<T> pop() noexcept {
        std::uint64_t index;
        if (!indices_.claim_bottom(index)) return std::nullopt;
        return ring_.get(index);
    }

    /// Any thread: one attempt at the oldest item.
    [[nodiscard]] steal_result<T> steal() noexcept {
        return indices_.template claim_top<T>([this](std::uint64_t index) { return ring_.get(index); });
    }

    /// Any thread: a count that others are changing.
    [[nodiscard]] std::size_t size_approx() const noexcept { return indices_.size_approx(); }
    [[nodiscard]] bool empty_approx() const noexcept { return size_approx() == 0; }
    [[nodiscard]] static constexpr std::size_t capacity() noexcept { return N; }

private:
    detail::chase_lev_protocol<Atom>   indices_;
    detail::inline_ring<T, N, Atom>    ring_;
};

}  // namespace sluice
