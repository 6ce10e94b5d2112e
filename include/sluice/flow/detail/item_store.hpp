// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::item_node, item_store — the places of a bounded queue: nodes that hold a value, never moved, used again.
///
/// Thread-safety  one thread at a time
/// Complexity     O(1) amortised. Blocks of 16 to 1024 places, at most as many again as there were; none is given back
///                before the end. A place for which there was room before takes no allocation
/// Errors         prepare may throw std::bad_alloc and then has no effect; put passes on what `make` throws, likewise

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/flow/push_result.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace sluice::detail {

template <class T>
struct item_node : queue_node {
    [[nodiscard]] T& value() noexcept { return *std::launder(reinterpret_cast<T*>(bytes)); }
    [[nodiscard]] drop_info info(drop_reason why, time_point now) const noexcept {
        return {why, attributes, enqueued, sojourn(now)};
    }

    time_point  dropped_at{};  // with the reason: of an item that waits for take_dropped
    drop_reason reason = drop_reason::expired;
    alignas(T) std::byte bytes[sizeof(T)];
};

/// Its owner destroys the values.
template <class T>
class item_store {
public:
    using node = item_node<T>;

    explicit item_store(std::size_t capacity) noexcept : capacity_(capacity) {}

    [[nodiscard]] bool has_place() const noexcept { return free_ != nullptr || places_ < capacity_; }

    /// Requires has_place. Afterwards a put does not allocate.
    void prepare() {
        if (free_ != nullptr) return;
        SLUICE_ASSERT(places_ < capacity_);
        auto const size = std::min({std::max<std::size_t>(16, places_), std::size_t{1024}, capacity_ - places_});
        blocks_.push_back(std::make_unique_for_overwrite<node[]>(size));
        for (std::size_t i = size; i > 0; --i) give_back(blocks_.back()[i - 1]);
        places_ += size;
    }

    /// Requires prepare. make(void*) constructs the value.
    template <class Make>
    node& put(Make&& make) {
        SLUICE_ASSERT(free_ != nullptr);
        node& n = *free_;
        make(static_cast<void*>(n.bytes));
        free_ = static_cast<node*>(n.next);
        n.next = nullptr;
        return n;
    }

    /// The place of a value that has been destroyed.
    void give_back(node& n) noexcept {
        n.next = free_;
        n.previous = nullptr;
        free_ = &n;
    }
    void destroy(node& n) noexcept {
        std::destroy_at(&n.value());
        give_back(n);
    }

private:
    std::size_t const                    capacity_;
    std::vector<std::unique_ptr<node[]>> blocks_;
    node*                                free_ = nullptr;
    std::size_t                          places_ = 0;  // allocated ones
};

}  // namespace sluice::detail
