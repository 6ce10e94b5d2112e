// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::queue_list — the doubly linked list of queue_nodes, oldest first.
///
/// Thread-safety  one thread at a time
/// Complexity     O(1), no allocation
/// Errors         none. Moving a list that holds nodes is fine: they do not point back at it

#include <sluice/core/assert.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <cstddef>
#include <utility>

namespace sluice::detail {

class queue_list {
public:
    queue_list() noexcept = default;
    queue_list(queue_list&& other) noexcept
        : front_(std::exchange(other.front_, nullptr)),
          back_(std::exchange(other.back_, nullptr)),
          size_(std::exchange(other.size_, 0)) {}
    queue_list& operator=(queue_list&& other) noexcept {
        front_ = std::exchange(other.front_, nullptr);
        back_ = std::exchange(other.back_, nullptr);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }

    void push_back(queue_node& node) noexcept {
        node.next = nullptr;
        node.previous = back_;
        (back_ != nullptr ? back_->next : front_) = &node;
        back_ = &node;
        ++size_;
    }
    void push_front(queue_node& node) noexcept {
        node.previous = nullptr;
        node.next = front_;
        (front_ != nullptr ? front_->previous : back_) = &node;
        front_ = &node;
        ++size_;
    }

    [[nodiscard]] queue_node* front() const noexcept { return front_; }
    [[nodiscard]] queue_node* back() const noexcept { return back_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    /// Null if there is none.
    queue_node* pop_front() noexcept { return front_ == nullptr ? nullptr : take(*front_); }
    queue_node* pop_back() noexcept { return back_ == nullptr ? nullptr : take(*back_); }

    /// Takes out the oldest if its deadline is before `useful`.
    queue_node* take_hopeless(time_point useful) noexcept {
        return front_ != nullptr && front_->attributes.deadline < useful ? take(*front_) : nullptr;
    }

private:
    queue_node* take(queue_node& node) noexcept {
        SLUICE_ASSERT(size_ > 0);
        (node.previous != nullptr ? node.previous->next : front_) = node.next;
        (node.next != nullptr ? node.next->previous : back_) = node.previous;
        node.next = nullptr;
        node.previous = nullptr;
        --size_;
        return &node;
    }

    queue_node* front_ = nullptr;
    queue_node* back_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace sluice::detail
