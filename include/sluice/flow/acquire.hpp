// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// acquire_until, acquire_for — ask a limiter and wait for the answer, not beyond a deadline, not after a stop.
///
/// Use it for     a thread that may wait for its turn; every limiter's member acquire_until forwards to it
/// Not for        event loops: reserve(), and let the loop wake at reservation.at
/// Thread-safety  any number of threads may wait on one limiter, if the limiter may be shared
/// Progress       blocks in the sleeper. With a reserving_limiter waiters are served in the order in which they came, and
///                each sleeps once. With others each tries again when the limiter said so, and a newcomer may be faster
/// Complexity     one reservation, or one try for each sleep
/// Errors         those of the sleeper; what was reserved is then given back
/// Units          the deadline on the limiter's own time line
///
/// A request that cannot be served by the deadline is answered at once and takes nothing: `wait`, with the time after
/// which it may work, or `never`. A stop gives back and answers `wait`; one requested before the call takes nothing.
/// With a deadline that has passed this is one try.

#include <sluice/core/clock.hpp>
#include <sluice/core/sleeper.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/verdict.hpp>

#include <cstdint>
#include <stop_token>

namespace sluice {

/// A limiter that knows the time.
template <class L>
concept clocked_limiter = limiter<L> && requires(L const& l) {
    { l.clock().now() } -> std::same_as<time_point>;
};

namespace detail {

/// An answer for somebody who was stopped: never `admitted`.
[[nodiscard]] inline verdict stop_verdict(verdict const& v) noexcept {
    return v.admitted() ? verdict::later(duration{0}, v.remaining) : v;
}

}  // namespace detail

template <clocked_limiter L, sleeper S>
[[nodiscard]] verdict acquire_until(L& from, std::uint64_t cost, time_point deadline, std::stop_token stop, S&& how) {
    auto now = from.clock().now();
    if (stop.stop_requested()) return detail::stop_verdict(from.peek(cost, now));
    if constexpr (reserving_limiter<L>) {
        auto const left = saturating_sub(deadline, now);
        auto       place = from.reserve(cost, now, left.count() > 0 ? left : duration{0});
        if (!place.admitted() || place.at <= now) return place.to_verdict(now);
        bool came = false;
        try {
            came = how.sleep_until(place.at, stop);
        } catch (...) {
            place.cancel(from.clock().now());
            throw;
        }
        if (came) return place.to_verdict(now);
        now = from.clock().now();
        place.cancel(now);
        return detail::stop_verdict(from.peek(cost, now));
    } else {
        for (;;) {
            auto const v = from.try_acquire(cost, now);
            if (v.kind != verdict_kind::wait) return v;
            auto const pause = v.retry_after.count() > 0 ? v.retry_after : duration{1};
            auto const again = saturating_add(now, pause);
            if (again > deadline || again == time_point::max()) return v;
            if (!how.sleep_until(again, stop)) return detail::stop_verdict(from.peek(cost, from.clock().now()));
            now = from.clock().now();
        }
    }
}

/// The same, for so long from now on.
template <clocked_limiter L, sleeper S>
[[nodiscard]] verdict acquire_for(L& from, std::uint64_t cost, duration at_most, std::stop_token stop, S&& how) {
    return acquire_until(from, cost, saturating_add(from.clock().now(), at_most), stop, how);
}

}  // namespace sluice
