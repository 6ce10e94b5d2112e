// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// verdict, limiter — the answer to "may this go now?", and what can be asked.
///
/// Use it for     the result of every try_acquire and peek in flow/
/// Not for        the answer of a queue (push_result)
/// Thread-safety  a value; any thread
/// Complexity     O(1), 24 bytes, no allocation
/// Units          retry_after in integer nanoseconds on the limiter's own time line; remaining in units of cost
/// Source         the three answers of governor and throttled: admitted, later, never

#include <sluice/core/clock.hpp>

#include <concepts>
#include <cstdint>

namespace sluice {

enum class verdict_kind : std::uint8_t {
    admitted,  ///< go now
    wait,      ///< not now; if nobody else comes before, at now + retry_after
    never      ///< the cost is more than the limiter ever gives at once
};

/// What a limiter says about one request.
struct [[nodiscard]] verdict {
    verdict_kind  kind = verdict_kind::never;
    duration      retry_after{0};  ///< wait: the least time after which it may work; zero for admitted, max for never
    std::uint64_t remaining = 0;   ///< what could still be had at once, after this answer

    [[nodiscard]] static constexpr verdict admit(std::uint64_t remaining) noexcept {
        return {verdict_kind::admitted, duration{0}, remaining};
    }
    [[nodiscard]] static constexpr verdict later(duration retry_after, std::uint64_t remaining) noexcept {
        return {verdict_kind::wait, retry_after, remaining};
    }
    [[nodiscard]] static constexpr verdict refuse(std::uint64_t remaining) noexcept {
        return {verdict_kind::never, duration::max(), remaining};
    }

    [[nodiscard]] constexpr bool admitted() const noexcept { return kind == verdict_kind::admitted; }
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return admitted(); }
    friend constexpr bool operator==(verdict const&, verdict const&) noexcept = default;
};

/// Something that admits work. try_acquire takes `cost` at once or nothing; peek answers alike and takes nothing. A cost
/// of zero is admitted and takes nothing. A `now` from the past may only deny; a denial writes nothing.
template <class L>
concept limiter = requires(L& l, L const& looked_at, std::uint64_t cost, time_point now) {
    { l.try_acquire(cost, now) } -> std::same_as<verdict>;
    { looked_at.peek(cost, now) } -> std::same_as<verdict>;
};

}  // namespace sluice
