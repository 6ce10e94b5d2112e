// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// gcra — the generic cell rate algorithm: a token bucket in the words of HTTP rate limiting and of cell networks.
///
/// Use it for     APIs that answer limit, remaining, reset and retry-after; limits given as an interval and a tolerance
/// Not for        drain, borrow, initial tokens (token_bucket, the same engine)
/// Thread-safety  every member: any thread. Destruction: after everyone has left
/// Progress       lock-free, a refusal only reads; cancel and reconfigure take a mutex (virtual_schedule)
/// Complexity     O(1), no allocation: a refusal some twenty instructions, an admission one CAS more
/// Errors         std::invalid_argument from the constructor and reconfigure: emission_interval <= 0, burst_tolerance < 0,
///                or more cells than can be counted. The rest is noexcept but acquire_until and acquire_for
/// Units          cells; integer nanoseconds. No rounding adds up
/// Source         ITU-T I.371, annex A (virtual scheduling); the answers: throttled/throttled
/// Differs        burst_tolerance is T · (burst - 1): a tolerance of T · burst would let one more cell through
/// Example        examples/310_rate_limited_api.cpp
///
/// n cells conform at t if t >= theoretical_arrival_time + (n - 1) · T - tolerance; the theoretical arrival time then
/// becomes max(itself, t) + n · T. Any window W admits at most burst + W / T cells.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/units.hpp>
#include <sluice/flow/detail/scaled_time.hpp>
#include <sluice/flow/detail/scheduled_limiter.hpp>
#include <sluice/flow/detail/virtual_schedule.hpp>
#include <sluice/flow/verdict.hpp>

#include <atomic>
#include <cstdint>

namespace sluice {

struct gcra_options {
    duration emission_interval;   ///< T, one cell in so much time; > 0
    duration burst_tolerance{0};  ///< how much too early cells may come; T · (burst - 1)
};

/// The same limit in other words, for rates whose interval is no whole number of nanoseconds.
struct gcra_rate_options {
    sluice::rate  rate;       ///< cells in the long run
    std::uint64_t burst = 1;  ///< cells at once; > 0
};

/// All that a client may be told.
struct [[nodiscard]] gcra_answer {
    verdict       result;
    std::uint64_t limit = 0;       ///< the burst
    duration      reset_after{0};  ///< until remaining is limit again

    [[nodiscard]] bool admitted() const noexcept { return result.admitted(); }
    [[nodiscard]] explicit operator bool() const noexcept { return result.admitted(); }
};

template <clock_source Clock = steady_clock, template <class> class Atom = std::atomic>
class gcra : public detail::scheduled_limiter<Clock, Atom> {
    using base = detail::scheduled_limiter<Clock, Atom>;

public:
    explicit gcra(gcra_options options, Clock clock = {}) : gcra(numbers(options), clock) {}
    explicit gcra(gcra_rate_options options, Clock clock = {}) : gcra(numbers(options), clock) {}

    /// try_acquire with the numbers of the answer's headers. (reset_after is looked up next, not in the same step.)
    [[nodiscard]] gcra_answer answer(std::uint64_t cost, time_point now) noexcept {
        auto const v = this->try_acquire(cost, now);
        return {v, this->burst(), this->reset_after(now)};
    }
    [[nodiscard]] gcra_answer answer(std::uint64_t cost = 1) noexcept { return answer(cost, this->clock().now()); }

    /// When a cell of an even stream would be due: now, if nobody has come for long.
    [[nodiscard]] time_point theoretical_arrival_time(time_point now) const noexcept {
        return saturating_add(now, this->reset_after(now));
    }

    /// Changes the numbers in one step: each request is judged by the old ones or by the new ones.
    void reconfigure(gcra_options options, inherit how, time_point now) { change(numbers(options), how, now); }
    void reconfigure(gcra_rate_options options, inherit how, time_point now) { change(numbers(options), how, now); }
    void reconfigure(gcra_options options, inherit how = inherit::as_is) { reconfigure(options, how, this->clock().now()); }
    void reconfigure(gcra_rate_options options, inherit how = inherit::as_is) {
        reconfigure(options, how, this->clock().now());
    }

private:
    gcra(detail::scaled_time const& n, Clock clock) : base(n, n.full, clock) {}

    void change(detail::scaled_time const& n, inherit how, time_point now) noexcept {
        this->schedule_.reconfigure(n, n.full, how, now);
    }

    [[nodiscard]] static detail::scaled_time numbers(gcra_options const& o) {
        detail::require_option(o.emission_interval.count() > 0, "gcra: emission_interval in ns (> 0)",
                               o.emission_interval.count());
        detail::require_option(o.burst_tolerance.count() >= 0, "gcra: burst_tolerance in ns (>= 0)",
                               o.burst_tolerance.count());
        return detail::scaled_time::make(o.emission_interval, o.burst_tolerance,
                                         "gcra: emission_interval in cells per second",
                                         "gcra: burst_tolerance in cells (at most 2^40, or more if they last less than 9 years)");
    }
    [[nodiscard]] static detail::scaled_time numbers(gcra_rate_options const& o) {
        return detail::scaled_time::make(o.rate, o.burst, "gcra: rate (below 2^10 per nanosecond)",
                                         "gcra: burst (> 0; at most 2^40, or more if the rate allows it)");
    }
};

static_assert(reversible_limiter<gcra<>> && reserving_limiter<gcra<>> && clocked_limiter<gcra<>>);

}  // namespace sluice
