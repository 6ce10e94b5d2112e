// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// push_result, reject_reason, drop_reason, drop_info — what a bounded queue says about an item, coming and going.
///
/// Use it for     the answer of bounded_queue::push, and what a drop handler is told
/// Thread-safety  values; any thread
/// Complexity     O(1), no allocation
/// Units          retry_after and sojourn in nanoseconds of the queue's time

#include <sluice/core/clock.hpp>
#include <sluice/flow/load_level.hpp>
#include <sluice/flow/queue_discipline.hpp>

#include <cstdint>

namespace sluice {

/// Why an item was not taken.
enum class reject_reason : std::uint8_t {
    none,               ///< it was
    full,               ///< as many items as the capacity are there
    delay,              ///< it would have to wait longer than max_delay
    ramp,               ///< the reject ramp chose it
    tenant_quota,       ///< its tenant has as many items as it may
    deadline,           ///< it cannot be finished in time
    dropped_not_taken,  ///< dropped items that nobody took (take_dropped) fill the queue
    closed              ///< the queue was closed
};

/// What push says. The item was taken only if accepted(); otherwise it is untouched in the caller's hands.
struct [[nodiscard]] push_result {
    reject_reason reason = reject_reason::none;
    duration      retry_after{0};  ///< when to try again: estimated, 0 where nothing is known yet, max where it cannot help
    load_level    level = load_level::green;

    [[nodiscard]] constexpr bool accepted() const noexcept { return reason == reject_reason::none; }
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return accepted(); }
    friend constexpr bool operator==(push_result const&, push_result const&) noexcept = default;
};

/// Why an accepted item is not delivered.
enum class drop_reason : std::uint8_t {
    expired,    ///< it could no longer be finished before its deadline
    shed,       ///< the discipline gave it up
    displaced,  ///< the queue was full and another tenant has less
    drained,    ///< drain() took it
    destroyed   ///< the queue was destroyed
};

/// What is known about an item that is dropped or drained.
struct drop_info {
    drop_reason     reason = drop_reason::expired;
    item_attributes attributes{};
    time_point      enqueued{};
    duration        sojourn{0};  ///< how long it waited
};

}  // namespace sluice
