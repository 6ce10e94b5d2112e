// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// item_attributes, queue_node, queue_discipline — what decides which waiting item is next, apart from the queue itself.
///
/// Use it for     writing a discipline for bounded_queue, or using one with nodes of your own (a simulation)
/// Not for        storage, locks, limits: bounded_queue has them
/// Thread-safety  a discipline belongs to one thread at a time; bounded_queue calls it under its lock
/// Complexity     a node is linked in, never copied: no discipline allocates for an item. prepare may allocate for a
///                tenant
/// Errors         only prepare may throw, and then has no effect; the rest is noexcept
/// Units          priority 0 is the most urgent; cost in what the caller counts (items, bytes, expected nanoseconds)
///
/// A discipline requires that `now` never decreases from call to call, and that a node is in one discipline only.
/// Besides the concept it may have
///   prepare(attributes)            may throw; allocates what a push of such an item needs; nothing else changes
///   peek(now)                      the node that pop(now) would return, null if there is none
///   admits(attributes)             false when the tenant has its share of places
///   cost_ahead(attributes, now)    the cost that would be served before such an item, at most what waits; without
///                                  it everything that waits counts
///   make_room(attributes, useful)  takes out a node to be dropped in favour of such an item, or returns null. A node
///                                  with a deadline before `useful` cannot be finished in time

#include <sluice/core/clock.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace sluice {

/// The deadline of an item that has none.
inline constexpr time_point no_deadline = time_point::max();

/// What a queue may know about an item.
struct item_attributes {
    std::uint64_t tenant = 0;              ///< whose it is: drr and wfq share by it. Not a number of the tenant's own choice
    std::uint32_t priority = 0;            ///< 0 is the most urgent: aging_priority
    std::uint32_t cost = 1;                ///< how much work it is: drr, wfq and the estimated wait; 0 counts as 1
    time_point    deadline = no_deadline;  ///< when it is of no use any more

    friend bool operator==(item_attributes const&, item_attributes const&) noexcept = default;
};

/// Its cost, at least 1: what costs nothing could be pushed for ever at everybody else's expense.
[[nodiscard]] constexpr std::uint64_t work_of(item_attributes const& attributes) noexcept {
    return attributes.cost > 0 ? attributes.cost : 1;
}

/// The part of an item that disciplines handle. Its owner sets the first two members before the push.
struct queue_node {
    item_attributes attributes;
    time_point      enqueued{};

    queue_node*   next = nullptr;      ///< this and the rest belong to the discipline that holds the node
    queue_node*   previous = nullptr;
    std::int64_t  key = 0;
    std::uint64_t sequence = 0;

    /// Time in the queue; never negative.
    [[nodiscard]] duration sojourn(time_point now) const noexcept {
        auto const d = saturating_sub(now, enqueued);
        return d.count() > 0 ? d : duration{0};
    }
};

/// What a discipline's pop says: serve this node, or drop it; null when nothing waits.
struct popped_node {
    queue_node* node = nullptr;
    bool        shed = false;
};

template <class D>
concept queue_discipline = std::move_constructible<D> &&
                           requires(D& d, D const& looked_at, queue_node& node, time_point now) {
                               { d.push(node, now) } noexcept -> std::same_as<void>;
                               { d.pop(now) } noexcept -> std::same_as<popped_node>;
                               { looked_at.size() } noexcept -> std::same_as<std::size_t>;
                           };

/// A discipline that can tell its next node without taking it, as drr needs of those inside it.
template <class D>
concept peekable_discipline = queue_discipline<D> && requires(D const& looked_at, time_point now) {
    { looked_at.peek(now) } noexcept -> std::same_as<queue_node const*>;
};

/// A discipline that allocates for a tenant.
template <class D>
concept preparing_discipline = queue_discipline<D> && requires(D& d, item_attributes const& a) { d.prepare(a); };

}  // namespace sluice
