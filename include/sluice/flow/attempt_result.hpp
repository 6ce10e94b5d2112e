// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// attempt_result — how one attempt of a call ended, for those who may make another: retry, hedge.
///
/// Use it for     telling a retry_plan or a hedge whether another attempt makes sense, and when at the earliest
/// Not for        how the work under a permit ended (outcome)
/// Thread-safety  a value; any thread
/// Complexity     O(1), no allocation
/// Units          retry_after in nanoseconds from the moment it is passed on
/// Source         push-back as in gRPC A6 (grpc-retry-pushback-ms) and RFC 9110, 10.2.3 (Retry-After)

#include <sluice/core/clock.hpp>
#include <sluice/flow/permit.hpp>

#include <cstdint>
#include <optional>

namespace sluice {

enum class attempt_status : std::uint8_t {
    success,    ///< the answer is there
    retryable,  ///< failed; another attempt may succeed
    fatal       ///< failed; so would every other attempt
};

struct [[nodiscard]] attempt_result {
    attempt_status status = attempt_status::success;
    /// What the server said: not before so long. Negative: not at all.
    std::optional<duration> retry_after{};

    [[nodiscard]] static constexpr attempt_result success() noexcept { return {}; }
    [[nodiscard]] static constexpr attempt_result retryable() noexcept { return {attempt_status::retryable, {}}; }
    [[nodiscard]] static constexpr attempt_result retryable(duration retry_after) noexcept {
        return {attempt_status::retryable, retry_after};
    }
    [[nodiscard]] static constexpr attempt_result fatal() noexcept { return {attempt_status::fatal, {}}; }

    friend constexpr bool operator==(attempt_result const&, attempt_result const&) noexcept = default;
};

namespace detail {

/// What an attempt that ended so says about the capacity of the called: a fatal failure says nothing.
[[nodiscard]] constexpr outcome outcome_of(attempt_status status) noexcept {
    if (status == attempt_status::success) return outcome::success;
    return status == attempt_status::retryable ? outcome::dropped : outcome::ignored;
}

}  // namespace detail

}  // namespace sluice
