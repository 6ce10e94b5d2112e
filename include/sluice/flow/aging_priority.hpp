// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// aging_priority — priorities under which nothing starves: each class waits for the more urgent ones a bounded time.
///
/// Use it for     a few classes of work where urgent work may create more urgent work, and the rest must still be done
/// Not for        shares of a capacity (wfq, drr); priorities without a bound
/// Thread-safety  one thread at a time
/// Complexity     O(1) for the priorities 0 … 14, a list for each of these classes; those from 15 on share a pairing heap:
///                push O(1), pop O(log n) amortised. All lie in the nodes: no allocation
/// Errors         std::invalid_argument for a step that is not > 0; the rest is noexcept
/// Units          step in nanoseconds; an item's key is enqueued + priority · step and never changes. The least key is
///                next, of equal ones the first pushed. Requires that items come in the order of `enqueued`
/// Source         the heap: Fredman, Sedgewick, Sleator, Tarjan, Algorithmica 1986, doi:10.1007/BF01840439
///
/// Bound. An item of priority p pushed at t has the key t + p · step. What is pushed after t + p · step has a greater
/// key, whatever its priority, and is served later. So its service begins no later than at t + p · step plus the time for
/// the work that was ahead of it at that moment; in a queue of capacity C whose items take at most s each: within
/// p · step + C · s. Work that creates more work ahead does so only during the first p · step.
///
/// A full queue refuses urgent items, too, while it is full of others. With push_out it drops one for them: of the items
/// that would go later than the new one the last; of the classes from 15 on, which have no last, their next. So what has
/// waited for p · step is never dropped, and the bound holds for whatever is not dropped before.

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/detail/pairing_heap.hpp>
#include <sluice/flow/detail/queue_list.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sluice {

struct aging_priority_options {
    duration step = std::chrono::milliseconds(100);  ///< how much longer the next class may have to wait; > 0
    bool     push_out = false;                       ///< a full queue drops an item for one that would go before it
};

class aging_priority {
public:
    using options_type = aging_priority_options;

    explicit aging_priority(aging_priority_options options = {}) : step_(options.step), push_out_(options.push_out) {
        detail::require_option(options.step.count() > 0, "aging_priority: step (> 0 ns)", options.step.count());
    }

    void push(queue_node& node, time_point) noexcept {
        auto const c = class_of(node.attributes);
        node.key = key_of(node.attributes, node.enqueued);
        node.sequence = pushed_++;
        if (c < lists_.size()) {
            SLUICE_ASSERT(lists_[c].back() == nullptr || lists_[c].back()->key <= node.key);
            lists_[c].push_back(node);
        } else {
            rest_.push(node);
        }
        ++size_;
        waiting_[c] += work_of(node.attributes);
    }

    [[nodiscard]] popped_node pop(time_point) noexcept {
        auto* const first = next();
        if (first == nullptr) return {};
        auto const c = class_of(first->attributes);
        return {left(c < lists_.size() ? lists_[c].pop_front() : rest_.pop()), false};
    }

    [[nodiscard]] queue_node const* peek(time_point) const noexcept { return next(); }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// One that cannot be finished in time; with push_out, the last one if it would go later.
    [[nodiscard]] queue_node* make_room(item_attributes const& attributes, time_point useful) noexcept {
        if (rest_.top() != nullptr && rest_.top()->attributes.deadline < useful) return left(rest_.pop());
        for (std::size_t c = lists_.size(); c-- > 0;)
            if (auto* const hopeless = lists_[c].take_hopeless(useful); hopeless != nullptr) return left(hopeless);
        if (!push_out_) return nullptr;
        auto const* const least = last();
        return least != nullptr && least->key > key_of(attributes, useful) ? take_newest() : nullptr;
    }
    /// The one that would be served last; of the classes from 15 on, their next.
    [[nodiscard]] queue_node* take_newest() noexcept {
        auto const* const least = last();
        if (least == nullptr) return nullptr;
        auto const c = class_of(least->attributes);
        return left(c < lists_.size() ? lists_[c].pop_back() : rest_.pop());
    }

    /// What waits in the same class and the more urgent ones; older work of lesser classes may come on top.
    [[nodiscard]] std::uint64_t cost_ahead(item_attributes const& attributes, time_point) const noexcept {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i <= class_of(attributes); ++i) sum += waiting_[i];
        return sum;
    }

private:
    static constexpr std::size_t classes = 16;  // the last has all priorities from 15 on; the order knows them apart

    [[nodiscard]] static std::size_t class_of(item_attributes const& attributes) noexcept {
        return std::min<std::size_t>(attributes.priority, classes - 1);
    }

    [[nodiscard]] std::int64_t key_of(item_attributes const& attributes, time_point since) const noexcept {
        auto const priority = static_cast<std::int64_t>(attributes.priority);
        auto const later = priority > duration::max() / step_ ? duration::max() : duration(step_.count() * priority);
        return saturating_add(since, later).time_since_epoch().count();
    }

    struct links {
        [[nodiscard]] static queue_node*& sibling(queue_node& node) noexcept { return node.next; }
        [[nodiscard]] static queue_node*& child(queue_node& node) noexcept { return node.previous; }
        [[nodiscard]] static bool before(queue_node const& a, queue_node const& b) noexcept {
            return a.key != b.key ? a.key < b.key : a.sequence < b.sequence;
        }
    };

    [[nodiscard]] queue_node* next() const noexcept {
        auto* first = rest_.top();
        for (auto const& list : lists_)
            if (auto* const n = list.front(); n != nullptr && (first == nullptr || links::before(*n, *first))) first = n;
        return first;
    }
    [[nodiscard]] queue_node* last() const noexcept {
        auto* most = rest_.top();
        for (auto const& list : lists_)
            if (auto* const n = list.back(); n != nullptr && (most == nullptr || links::before(*most, *n))) most = n;
        return most;
    }

    queue_node* left(queue_node* node) noexcept {
        --size_;
        waiting_[class_of(node->attributes)] -= work_of(node->attributes);
        return node;
    }

    duration                                     step_;
    bool                                         push_out_;
    std::array<detail::queue_list, classes - 1>  lists_;
    detail::pairing_heap<queue_node, links>      rest_;
    std::size_t                                  size_ = 0;
    std::uint64_t                                pushed_ = 0;
    std::array<std::uint64_t, classes>           waiting_{};
};

static_assert(peekable_discipline<aging_priority>);

}  // namespace sluice
