// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// fifo — first in, first out: the discipline of a queue whose delay is bounded otherwise.
///
/// Use it for     bounded_queue with max_delay set to half of what clients wait: nothing then waits too long
/// Not for        a queue without a bound. Under overload every item waits until its client has left, and the goodput is
///                0
/// Thread-safety  one thread at a time
/// Complexity     O(1), no allocation
/// Errors         none
/// Example        examples/340_codel_overload.cpp

#include <sluice/core/clock.hpp>
#include <sluice/flow/detail/queue_list.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <cstddef>

namespace sluice {

struct fifo_options {};

class fifo {
public:
    using options_type = fifo_options;

    explicit fifo(fifo_options = {}) noexcept {}

    void push(queue_node& node, time_point) noexcept { waiting_.push_back(node); }
    [[nodiscard]] popped_node pop(time_point) noexcept { return {waiting_.pop_front(), false}; }

    [[nodiscard]] queue_node const* peek(time_point) const noexcept { return waiting_.front(); }
    [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }

    /// The oldest, if it cannot be finished in time.
    [[nodiscard]] queue_node* make_room(item_attributes const&, time_point useful) noexcept {
        return waiting_.take_hopeless(useful);
    }
    /// The newest: the one whose loss costs the others least.
    [[nodiscard]] queue_node* take_newest() noexcept { return waiting_.pop_back(); }

private:
    detail::queue_list waiting_;
};

static_assert(peekable_discipline<fifo>);

}  // namespace sluice
