// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// lifo — last in, first out: under overload the newest items are served in time and the oldest are given up.
///
/// Use it for     requests with a deadline and no fairness among them: nearly all of the capacity stays useful
/// Not for        work that all must be done: an item may wait for ever while newer ones come (adaptive_lifo, fifo)
/// Thread-safety  one thread at a time
/// Complexity     O(1), no allocation
/// Errors         none
///
/// Items without a deadline are never given up: with those the queue fills with old ones and then refuses new ones.

#include <sluice/core/clock.hpp>
#include <sluice/flow/detail/queue_list.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <cstddef>
#include <cstdint>

namespace sluice {

struct lifo_options {};

class lifo {
public:
    using options_type = lifo_options;

    explicit lifo(lifo_options = {}) noexcept {}

    void push(queue_node& node, time_point) noexcept { waiting_.push_back(node); }
    [[nodiscard]] popped_node pop(time_point) noexcept { return {waiting_.pop_back(), false}; }

    [[nodiscard]] queue_node const* peek(time_point) const noexcept { return waiting_.back(); }
    [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }
    [[nodiscard]] std::uint64_t cost_ahead(item_attributes const&, time_point) const noexcept { return 0; }

    /// The oldest, if it cannot be finished in time.
    [[nodiscard]] queue_node* make_room(item_attributes const&, time_point useful) noexcept {
        return waiting_.take_hopeless(useful);
    }
    [[nodiscard]] queue_node* take_newest() noexcept { return waiting_.pop_back(); }

private:
    detail::queue_list waiting_;
};

static_assert(peekable_discipline<lifo>);

}  // namespace sluice
