// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// adaptive_lifo — first in, first out while the queue empties now and then; last in, first out with a short patience
/// while it does not.
///
/// Use it for     requests whose order matters to their senders in quiet times, and whose delay does under overload
/// Not for        work that all must be done: what has waited too long is dropped
/// Thread-safety  one thread at a time
/// Complexity     O(1), no allocation; each dropped item is one call of pop
/// Errors         std::invalid_argument for a time that is not > 0; the rest is noexcept
/// Units          times in nanoseconds. An item's patience is set when it is pushed: `patience_overloaded` if the queue
///                has not been empty for `window`, otherwise `patience`
/// Source         B. Maurer, Fail at Scale, ACM Queue 13(8), 2015, doi:10.1145/2838344.2839461
/// Differs        the newest is taken first whenever the queue has not been empty for `window` (the source leaves open
///                how much of a backlog turns the order); the oldest are dropped as soon as they are out of patience, at
///                any pop

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/detail/queue_list.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sluice {

struct adaptive_lifo_options {
    duration window = std::chrono::milliseconds(100);              ///< not empty for so long means overloaded; > 0
    duration patience = std::chrono::milliseconds(100);            ///< longest wait in quiet times; > 0
    duration patience_overloaded = std::chrono::milliseconds(5);   ///< and under overload; > 0
};

class adaptive_lifo {
public:
    using options_type = adaptive_lifo_options;

    explicit adaptive_lifo(adaptive_lifo_options options = {}) : options_(options) {
        detail::require_option(options.window.count() > 0, "adaptive_lifo: window (> 0 ns)", options.window.count());
        detail::require_option(options.patience.count() > 0, "adaptive_lifo: patience (> 0 ns)", options.patience.count());
        detail::require_option(options.patience_overloaded.count() > 0, "adaptive_lifo: patience_overloaded (> 0 ns)",
                               options.patience_overloaded.count());
    }

    void push(queue_node& node, time_point now) noexcept {
        if (waiting_.size() == 0) last_empty_ = now;
        node.key = (overloaded(now) ? options_.patience_overloaded : options_.patience).count();
        waiting_.push_back(node);
    }

    [[nodiscard]] popped_node pop(time_point now) noexcept {
        auto* const oldest = waiting_.front();
        if (oldest == nullptr) return {};
        popped_node result;
        if (out_of_patience(*oldest, now)) {
            result = {waiting_.pop_front(), true};
        } else if (!overloaded(now)) {
            result = {waiting_.pop_front(), false};
        } else {
            bool const shed = out_of_patience(*waiting_.back(), now);
            result = {waiting_.pop_back(), shed};
        }
        return result;
    }

    [[nodiscard]] queue_node const* peek(time_point now) const noexcept {
        auto* const oldest = waiting_.front();
        if (oldest == nullptr || out_of_patience(*oldest, now) || !overloaded(now)) return oldest;
        return waiting_.back();
    }
    [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }

    /// Whether the queue has not been empty for longer than the window.
    [[nodiscard]] bool overloaded(time_point now) const noexcept {
        return waiting_.size() > 0 && saturating_sub(now, last_empty_) > options_.window;
    }

    /// Nothing while the newest goes first, everything otherwise.
    [[nodiscard]] std::uint64_t cost_ahead(item_attributes const&, time_point now) const noexcept {
        return overloaded(now) ? 0 : UINT64_MAX;
    }

    /// The oldest, if it cannot be finished in time.
    [[nodiscard]] queue_node* make_room(item_attributes const&, time_point useful) noexcept {
        return waiting_.take_hopeless(useful);
    }
    [[nodiscard]] queue_node* take_newest() noexcept { return waiting_.pop_back(); }

private:
    [[nodiscard]] static bool out_of_patience(queue_node const& node, time_point now) noexcept {
        return node.sojourn(now).count() > node.key;
    }

    adaptive_lifo_options options_;
    detail::queue_list    waiting_;
    time_point            last_empty_{};  // when the last item came that found nothing
};

static_assert(peekable_discipline<adaptive_lifo>);

}  // namespace sluice
