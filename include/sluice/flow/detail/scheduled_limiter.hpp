// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// scheduled_limiter — what token_bucket and gcra have in common: a virtual_schedule, a clock, and the calls of a limiter.
///
/// Use it for     the public base of those two
/// Thread-safety  every member: any thread. Destruction: after everyone has left
/// Progress       that of virtual_schedule; acquire_until and acquire_for block
/// Complexity     O(1), no allocation
/// Errors         none; acquire_until and acquire_for: those of the sleeper

#include <sluice/core/clock.hpp>
#include <sluice/core/sleeper.hpp>
#include <sluice/flow/acquire.hpp>
#include <sluice/flow/detail/scaled_time.hpp>
#include <sluice/flow/detail/virtual_schedule.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/verdict.hpp>

#include <cstdint>
#include <stop_token>

namespace sluice::detail {

template <clock_source Clock, template <class> class Atom, bool PaidByNext = false>
class scheduled_limiter {
public:
    [[nodiscard]] Clock const& clock() const noexcept { return clock_; }

    /// The whole cost at once or nothing. `never` if the cost is more than the burst; a cost of 0 is admitted.
    [[nodiscard, gnu::always_inline]] verdict try_acquire(std::uint64_t cost, time_point now) noexcept {
        return schedule_.take(cost, now);
    }
    [[nodiscard]] verdict try_acquire(std::uint64_t cost = 1) noexcept { return try_acquire(cost, clock_.now()); }

    /// The same, with what undo() needs. A refusal leaves an empty receipt.
    [[nodiscard]] verdict try_acquire(std::uint64_t cost, time_point now, receipt& r) noexcept {
        return schedule_.take(cost, now, r);
    }

    /// Gives back what the receipt says was taken, at most once; answers how much of it can be had again at `now`. See
    /// reserve() for what that is.
    std::uint64_t undo(receipt const& r, time_point now) noexcept {
        return schedule_.undo(r, now == time_point::min() ? nullptr : &now);
    }

    /// The receipt for what is left of an admission when `spent` of it have been used: undo() that.
    [[nodiscard]] receipt unspent(receipt const& r, std::uint64_t spent) const noexcept {
        return schedule_.unspent(r, spent);
    }

    /// What try_acquire would answer; takes nothing.
    [[nodiscard]] verdict peek(std::uint64_t cost, time_point now) const noexcept { return schedule_.peek(cost, now); }
    [[nodiscard]] verdict peek(std::uint64_t cost = 1) const noexcept { return peek(cost, clock_.now()); }

    /// Promises the earliest time, if it is at most max_wait away: first come, first served. Cancelling with nobody behind
    /// restores exactly the state before. Otherwise the place becomes free for the next one whose cost fits in: at the time
    /// that had been promised, or until one burst after it. Nobody behind moves forward: their times are promised. A place
    /// that finds no taker by then is lost, as is every cancel after a reconfigure or a give_back.
    [[nodiscard]] reservation reserve(std::uint64_t cost, time_point now, duration max_wait = duration::max()) noexcept {
        receipt    r;
        auto const p = schedule_.reserve(cost, now, max_wait, r);
        if (p.kind == verdict_kind::admitted) return reservation::made(*this, p.at, p.left, r);
        return p.kind == verdict_kind::wait ? reservation::later(p.at, p.left) : reservation::refuse(p.left);
    }
    [[nodiscard]] reservation reserve(std::uint64_t cost = 1) noexcept { return reserve(cost, clock_.now()); }

    /// Waits for its turn, see acquire.hpp.
    [[nodiscard]] verdict acquire_until(std::uint64_t cost, time_point deadline, std::stop_token stop = {}) {
        return sluice::acquire_until(*this, cost, deadline, stop, default_sleeper(clock_));
    }
    [[nodiscard]] verdict acquire_for(std::uint64_t cost, duration at_most, std::stop_token stop = {}) {
        return sluice::acquire_for(*this, cost, at_most, stop, default_sleeper(clock_));
    }

    /// Whole tokens that could be had at once; 0 in debt. Places that were given back are not counted.
    [[nodiscard]] std::uint64_t available(time_point now) const noexcept { return schedule_.available(now); }
    [[nodiscard]] std::uint64_t available() const noexcept { return available(clock_.now()); }

    /// Time until everything is as at first, if nobody comes.
    [[nodiscard]] duration reset_after(time_point now) const noexcept { return schedule_.reset_after(now); }
    [[nodiscard]] duration reset_after() const noexcept { return reset_after(clock_.now()); }

    /// As at first, and for the time of one token already: a new limiter in its place would answer the same, also to
    /// callers whose time is that much behind.
    [[nodiscard]] bool fresh(time_point now) const noexcept { return schedule_.fresh(now); }
    [[nodiscard]] bool fresh() const noexcept { return fresh(clock_.now()); }

    /// The burst in force.
    [[nodiscard]] std::uint64_t burst() const noexcept { return schedule_.numbers().burst; }

protected:
    scheduled_limiter(scaled_time const& numbers, std::uint64_t initial, Clock clock) noexcept
        : schedule_(numbers, initial, clock.now()), clock_(clock) {}

    virtual_schedule<Atom, PaidByNext> schedule_;

private:
    Clock clock_;
};

}  // namespace sluice::detail
