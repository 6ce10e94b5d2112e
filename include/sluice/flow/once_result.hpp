// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// once_status, once_limits, run_status, once_result — the words of single_flight and dedup_table.
///
/// Use it for     what their calls take and return
/// Thread-safety  values; the result itself is shared and constant
/// Complexity     O(1); a copy of a result copies a std::shared_ptr
/// Errors         value() of a result that has none: std::logic_error

#include <sluice/core/clock.hpp>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice {

enum class once_status : std::uint8_t {
    first,    ///< yours to do: end with complete, fail or abandon
    waiting,  ///< another is at it
    done,     ///< the result is there
    failed,   ///< the one who was at it failed, and the failure is for all who waited
    full,     ///< not admitted: no room
    ended     ///< this ticket has no part in it: moved from, left, abandoned, or its end came too late
};

/// How long a call that waits is ready to.
struct once_limits {
    time_point      deadline = time_point::max();
    std::stop_token stop = {};
};

enum class run_status : std::uint8_t {
    led,        ///< this caller ran its function, and the result is shared
    shared,     ///< the result of another
    timed_out,  ///< the deadline passed first
    cancelled,  ///< a stop was requested first
    full,       ///< not admitted: no room
    late        ///< this caller ran its function, but another had taken over: the result was not taken
};

/// What came of a run: a status, and a result where there is one.
template <class Value>
class [[nodiscard]] once_result {
    static_assert(!std::is_reference_v<Value>, "once_result: the result is kept, so it cannot be a reference");

public:
    using stored = std::conditional_t<std::is_void_v<Value>, std::true_type, Value>;

    explicit once_result(run_status status, std::shared_ptr<stored const> value = nullptr) noexcept
        : status_(status), value_(std::move(value)) {}

    [[nodiscard]] run_status status() const noexcept { return status_; }

    /// Whether there is a result that all share.
    [[nodiscard]] explicit operator bool() const noexcept {
        return status_ == run_status::led || status_ == run_status::shared;
    }

    /// The result, a late one too. Throws std::logic_error if there is none.
    stored const& value() const {
        if (value_ == nullptr) throw std::logic_error("sluice::once_result: no value: the call gave up waiting");
        return *value_;
    }
    stored const& operator*() const { return value(); }
    stored const* operator->() const { return &value(); }

    /// The result to keep, or null.
    [[nodiscard]] std::shared_ptr<stored const> const& share() const noexcept { return value_; }

private:
    run_status                    status_;
    std::shared_ptr<stored const> value_;
};

}  // namespace sluice
