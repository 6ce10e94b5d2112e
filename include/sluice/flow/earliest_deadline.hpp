// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// earliest_deadline — the item whose deadline comes first is next; of equal ones the first pushed.
///
/// Use it for     work with dates: as long as all of it can be in time, this order has it in time
/// Not for        overload without a bound in front: items that are just too late come first, and all may miss. Let the queue
///                drop what is late (bounded_queue does), or choose `last`
/// Thread-safety  one thread at a time, peek included
/// Complexity     push O(1), pop O(log n) amortised; the heap lies in the nodes: no allocation
/// Errors         none; noexcept
/// Units          an item without a deadline comes after all that have one, in the order of the pushes
/// Source         Liu, Layland, J. ACM 1973, doi:10.1145/321738.321743
///
/// Overdue items (deadline at or before now):
///   serve   in their order, the oldest date first. A bounded_queue drops them itself
///   shed    given up
///   last    after everything that may still be in time, in the order of their dates. The node's deadline is taken away at the
///           push, so that a bounded_queue does not drop it either; what is late already when it comes, that still refuses
///
/// How much lies ahead of an item is estimated by where its deadline lies between the first and the last one that wait.

#include <sluice/core/clock.hpp>
#include <sluice/flow/detail/pairing_heap.hpp>
#include <sluice/flow/detail/queue_list.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace sluice {

enum class overdue : std::uint8_t { serve, shed, last };

struct earliest_deadline_options {
    overdue late = overdue::serve;
};

class earliest_deadline {
public:
    using options_type = earliest_deadline_options;

    explicit earliest_deadline(earliest_deadline_options options = {}) noexcept : late_(options.late) {}

    void push(queue_node& node, time_point) noexcept {
        auto const deadline = node.attributes.deadline;
        node.key = deadline.time_since_epoch().count();
        node.sequence = pushed_++;
        if (late_ == overdue::last) node.attributes.deadline = no_deadline;
        ++size_;
        waiting_ += work_of(node.attributes);
        if (deadline == no_deadline) return undated_.push_back(node);
        dated_ += work_of(node.attributes);
        latest_ = dated_count_++ == 0 ? node.key : std::max(latest_, node.key);
        heap_.push(node);
    }

    [[nodiscard]] popped_node pop(time_point now) noexcept {
        auto* const first = next(now);
        if (first == nullptr) return {};
        bool const too_late = late_ == overdue::shed && is_overdue(*first, now);
        return {take(*first), too_late};
    }

    [[nodiscard]] queue_node const* peek(time_point now) const noexcept { return next(now); }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// The first, if it cannot be finished in time; what is served late is not given up.
    [[nodiscard]] queue_node* make_room(item_attributes const&, time_point useful) noexcept {
        auto* const first = heap_.top();
        if (late_ == overdue::last || first == nullptr || first->key >= useful.time_since_epoch().count()) return nullptr;
        return take(*first);
    }

    [[nodiscard]] std::uint64_t cost_ahead(item_attributes const& attributes, time_point now) const noexcept {
        if (attributes.deadline == no_deadline) return waiting_;
        auto const* const first = heap_.top();
        auto const        key = attributes.deadline.time_since_epoch().count();
        if (first == nullptr || key < first->key) return 0;
        if (key >= latest_) return dated_;
        // Overdue ones that are served last are not ahead.
        auto const from = late_ == overdue::last ? std::max(first->key, now.time_since_epoch().count()) : first->key;
        if (key <= from || latest_ <= from) return 0;
        return static_cast<std::uint64_t>(static_cast<double>(dated_) * (static_cast<double>(key) - static_cast<double>(from)) /
                                          (static_cast<double>(latest_) - static_cast<double>(from)));
    }

private:
    struct links {
        [[nodiscard]] static queue_node*& sibling(queue_node& node) noexcept { return node.next; }
        [[nodiscard]] static queue_node*& child(queue_node& node) noexcept { return node.previous; }
        [[nodiscard]] static bool before(queue_node const& a, queue_node const& b) noexcept {
            return a.key != b.key ? a.key < b.key : a.sequence < b.sequence;
        }
    };

    [[nodiscard]] static bool is_overdue(queue_node const& node, time_point now) noexcept {
        return node.key <= now.time_since_epoch().count() && node.key != no_deadline.time_since_epoch().count();
    }

    /// Moves what has become overdue behind the rest, which changes nothing else: time does not go back.
    [[nodiscard]] queue_node* next(time_point now) const noexcept {
        if (late_ == overdue::last)
            while (heap_.top() != nullptr && is_overdue(*heap_.top(), now)) overdue_.push_back(*heap_.pop());
        if (heap_.top() != nullptr) return heap_.top();
        return undated_.front() != nullptr ? undated_.front() : overdue_.front();
    }

    queue_node* take(queue_node& node) noexcept {
        --size_;
        waiting_ -= work_of(node.attributes);
        if (undated_.front() == &node) return undated_.pop_front();
        dated_ -= work_of(node.attributes);
        --dated_count_;
        return overdue_.front() == &node ? overdue_.pop_front() : heap_.pop();
    }

    overdue                                         late_;
    mutable detail::pairing_heap<queue_node, links> heap_;
    mutable detail::queue_list                      overdue_;
    detail::queue_list                              undated_;
    std::size_t                                     size_ = 0;
    std::size_t                                     dated_count_ = 0;
    std::uint64_t                                   pushed_ = 0;
    std::uint64_t                                   waiting_ = 0;
    std::uint64_t                                   dated_ = 0;   // cost of those with a deadline
    std::int64_t                                    latest_ = 0;  // the last of their deadlines since there was none
};

static_assert(peekable_discipline<earliest_deadline>);

}  // namespace sluice
