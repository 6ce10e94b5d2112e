// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// leaky_bucket — an even stream: each caller gets a time to depart, one interval after the one before.
///
/// Use it for     pacing: calls to a partner's API, packets, writes to a disk; clients that should not send in bursts
/// Not for        the leaky bucket as a meter, which admits or refuses: that is gcra, and token_bucket
/// Thread-safety  every member: any thread. Destruction: after everyone has left
/// Progress       lock-free; a cancel takes a mutex (virtual_schedule); acquire_until and acquire_for block
/// Complexity     O(1), no allocation
/// Errors         std::invalid_argument from the constructor: drain of more than 2^10 per nanosecond, slack above 2^40
///                with a rate for which that cannot be counted to 8 ppm, queue < 0. The rest is noexcept but acquire_until and acquire_for
/// Units          slack in units of cost; integer nanoseconds. No rounding adds up
/// Source         Guava SmoothBursty; uber-go/ratelimit
/// Differs        what is saved up while idle is bounded by `slack` however long that is
///
/// A cost is paid by the next caller: after one of n the next departs n intervals later. Any window W sees at most
/// slack + drain · W departures, and one cost more, the last one's.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/sleeper.hpp>
#include <sluice/core/units.hpp>
#include <sluice/flow/acquire.hpp>
#include <sluice/flow/detail/scaled_time.hpp>
#include <sluice/flow/detail/scheduled_limiter.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <stop_token>

namespace sluice {

struct leaky_bucket_options {
    rate          drain;                    ///< departures in the long run
    std::uint64_t slack = 0;                ///< departures that may be caught up on after idleness
    duration      queue = duration::max();  ///< nobody is given a departure later than this from now; >= 0
};

template <clock_source Clock = steady_clock, template <class> class Atom = std::atomic>
class leaky_bucket : private detail::scheduled_limiter<Clock, Atom, true> {
    using base = detail::scheduled_limiter<Clock, Atom, true>;

public:
    explicit leaky_bucket(leaky_bucket_options options, Clock time_source = {})
        : base(numbers(options), 0, time_source), queue_(options.queue) {}

    using base::available;
    using base::clock;
    using base::fresh;
    using base::peek;
    using base::try_acquire;  // departs now, or not at all
    using base::undo;

    /// The time to depart, if it is within the queue and at most max_wait away. Cancelling: as token_bucket's.
    [[nodiscard]] reservation reserve(std::uint64_t cost, time_point now, duration max_wait = duration::max()) noexcept {
        return base::reserve(cost, now, std::min(max_wait, queue_));
    }
    [[nodiscard]] reservation reserve(std::uint64_t cost = 1) noexcept { return reserve(cost, clock().now()); }

    /// Waits for its departure, see acquire.hpp.
    [[nodiscard]] verdict acquire_until(std::uint64_t cost, time_point deadline, std::stop_token stop = {}) {
        return sluice::acquire_until(*this, cost, deadline, stop, default_sleeper(clock()));
    }
    [[nodiscard]] verdict acquire_for(std::uint64_t cost, duration at_most, std::stop_token stop = {}) {
        return sluice::acquire_for(*this, cost, at_most, stop, default_sleeper(clock()));
    }

    /// How long the next caller would have to wait.
    [[nodiscard]] duration backlog(time_point now) const noexcept { return peek(1, now).retry_after; }

private:
    [[nodiscard]] static detail::scaled_time numbers(leaky_bucket_options const& o) {
        detail::require_option(o.queue.count() >= 0, "leaky_bucket: queue in ns (>= 0)", o.queue.count());
        auto n = detail::scaled_time::make(o.drain, std::max<std::uint64_t>(o.slack, 2),
                                           "leaky_bucket: drain (below 2^10 per nanosecond)",
                                           "leaky_bucket: slack (at most 2^40, or more if the rate allows it)");
        n.full = o.slack * n.weight;
        n.burst = detail::scaled_time::most_debt / n.weight;  // the largest cost, 1 at least
        return n;
    }

    duration queue_;
};

static_assert(reversible_limiter<leaky_bucket<>> && reserving_limiter<leaky_bucket<>> && clocked_limiter<leaky_bucket<>>);

}  // namespace sluice
