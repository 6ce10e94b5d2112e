// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// warm_up — a paced limiter that starts slowly after idleness and speeds up as it is used.
///
/// Use it for     callees that are slow when cold: caches, connection pools, a server that was just started
/// Not for        an even stream from the beginning (leaky_bucket); bursts (token_bucket)
/// Thread-safety  every member: any thread. Destruction: after everyone has left
/// Progress       a mutex, held for some arithmetic; acquire_until and acquire_for block
/// Complexity     O(1), no allocation
/// Errors         std::invalid_argument from the constructor: warm_up not in (0, 2^52 ns], cold_factor not in [1, 1000].
///                The rest is noexcept but acquire_until and acquire_for
/// Units          integer nanoseconds; the interval in the warm state adds up exactly, each other wait is rounded up
/// Source         Guava SmoothWarmingUp
/// Differs        in integers: what is stored is kept as the time it would be worth when warm
///
/// Cold, intervals are cold_factor times the stable one; they shrink linearly over the first half of what is stored and are
/// stable from there on. Being used from cold to stable takes warm_up; being idle for warm_up makes it cold. It begins cold.
/// A cost is paid by the next caller.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/sleeper.hpp>
#include <sluice/core/units.hpp>
#include <sluice/flow/acquire.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <stop_token>

namespace sluice {

struct warm_up_options {
    rate     stable;             ///< when warm
    duration warm_up;            ///< time in use from cold to warm, and idle from warm to cold; > 0
    double   cold_factor = 3.0;  ///< the cold interval in stable ones; >= 1
};

template <clock_source Clock = steady_clock>
class warm_up {
public:
    explicit warm_up(warm_up_options options, Clock clock = {})
        : count_(static_cast<std::uint64_t>(options.stable.count())),
          period_(static_cast<std::uint64_t>(options.stable.period().count())),
          warm_(static_cast<std::uint64_t>(options.warm_up.count())), factor_(checked_factor(options)), clock_(clock) {
        threshold_ = warm_ / 2;
        most_ = threshold_ + detail::multiply_divide(2 * warm_, one, one + factor_, detail::round_to::floor);
        now_.stored = most_;
        now_.free = clock.now();
        untouched_ = true;
    }
    warm_up(warm_up const&) = delete;
    warm_up& operator=(warm_up const&) = delete;

    [[nodiscard]] Clock const& clock() const noexcept { return clock_; }

    /// Goes now, or not at all.
    [[nodiscard]] verdict try_acquire(std::uint64_t cost, time_point now) noexcept {
        receipt unused;
        return try_acquire(cost, now, unused);
    }
    [[nodiscard]] verdict try_acquire(std::uint64_t cost = 1) noexcept { return try_acquire(cost, clock_.now()); }
    [[nodiscard]] verdict try_acquire(std::uint64_t cost, time_point now, receipt& r) noexcept {
        auto const p = take(cost, now, duration{0}, r);
        if (p.kind == verdict_kind::admitted) return verdict::admit(0);
        return p.kind == verdict_kind::never ? verdict::refuse(0) : verdict::later(saturating_sub(p.at, now), 0);
    }

    /// What try_acquire would answer; takes nothing.
    [[nodiscard]] verdict peek(std::uint64_t cost, time_point now) const noexcept {
        std::lock_guard const lock(mutex_);
        auto                  s = caught_up(now);
        auto const            free = s.free;
        if (cost == 0) return verdict::admit(0);
        if (!spend(s, cost)) return verdict::refuse(0);
        return free <= now ? verdict::admit(0) : verdict::later(saturating_sub(free, now), 0);
    }
    [[nodiscard]] verdict peek(std::uint64_t cost = 1) const noexcept { return peek(cost, clock_.now()); }

    /// The time to go, if it is at most max_wait away: first come, first served. A cancel restores the state before if
    /// nobody came after; otherwise it gives back nothing.
    [[nodiscard]] reservation reserve(std::uint64_t cost, time_point now, duration max_wait = duration::max()) noexcept {
        receipt    r;
        auto const p = take(cost, now, max_wait, r);
        if (p.kind == verdict_kind::admitted) return reservation::made(*this, p.at, 0, r);
        return p.kind == verdict_kind::wait ? reservation::later(p.at, 0) : reservation::refuse(0);
    }
    [[nodiscard]] reservation reserve(std::uint64_t cost = 1) noexcept { return reserve(cost, clock_.now()); }

    std::uint64_t undo(receipt const& r, time_point) noexcept {
        std::lock_guard const lock(mutex_);
        if (r.cost == 0 || r.generation != takes_) return 0;
        now_ = before_;
        ++takes_;
        return r.cost;
    }

    /// Waits for its turn, see acquire.hpp.
    [[nodiscard]] verdict acquire_until(std::uint64_t cost, time_point deadline, std::stop_token stop = {}) {
        return sluice::acquire_until(*this, cost, deadline, stop, default_sleeper(clock_));
    }
    [[nodiscard]] verdict acquire_for(std::uint64_t cost, duration at_most, std::stop_token stop = {}) {
        return sluice::acquire_for(*this, cost, at_most, stop, default_sleeper(clock_));
    }

private:
    static constexpr std::uint64_t one = 1 << 16;  // the cold factor has 16 bits after the point
    static constexpr std::uint64_t longest = std::uint64_t{1} << 62;

    struct state {
        std::uint64_t stored = 0;     ///< permits, as the nanoseconds they are worth when warm
        std::uint64_t remainder = 0;  ///< of a nanosecond, in 1 / count_
        time_point    free{};         ///< when the next one may go
    };
    struct promise {
        verdict_kind kind;
        time_point   at;
    };

    [[nodiscard]] static std::uint64_t checked_factor(warm_up_options const& o) {
        auto const ns = o.warm_up.count();
        detail::require_option(ns > 0 && ns <= (std::int64_t{1} << 52), "warm_up: warm_up in ns (in (0, 2^52])", ns);
        detail::require_option(o.cold_factor >= 1.0 && o.cold_factor <= 1000.0, "warm_up: cold_factor (in [1, 1000])",
                               o.cold_factor);
        return static_cast<std::uint64_t>(o.cold_factor * static_cast<double>(one) + 0.5);
    }

    [[nodiscard]] state caught_up(time_point now) const noexcept {
        auto s = now_;
        if (untouched_ && now < s.free) s.free = now;  // a time line that begins earlier than the clock's
        if (now <= s.free) return s;
        auto const idle = static_cast<std::uint64_t>(now.time_since_epoch().count()) -
                          static_cast<std::uint64_t>(s.free.time_since_epoch().count());
        auto const gained = detail::multiply_divide(idle, most_, warm_, detail::round_to::floor);
        s.stored = gained >= most_ - s.stored ? most_ : s.stored + gained;
        s.remainder = 0;
        s.free = now;
        return s;
    }

    /// Takes the cost out of s and lets the next one wait for it. False if that is longer than can be counted.
    [[nodiscard]] bool spend(state& s, std::uint64_t cost) const noexcept {
        auto worth = detail::multiply_divide(cost, period_, count_, detail::round_to::floor);
        if (worth >= longest) return false;
        s.remainder += cost * period_ - worth * count_;  // modulo 2^64, the difference is less than count_
        if (s.remainder >= count_) {
            s.remainder -= count_;
            ++worth;
        }
        auto const from_store = std::min(worth, s.stored);
        auto       wait = worth;
        if (s.stored > threshold_) {
            auto const above = s.stored - threshold_;
            auto const taken = std::min(above, from_store);
            // The area under the slope: taken · (f² - 1) · (2 · above - taken) / (4 · warm), beyond the stable time.
            auto const part = detail::multiply_divide(taken << 10, 2 * above - taken, 4 * warm_, detail::round_to::floor);
            wait += detail::multiply_divide(part, factor_ * factor_ / one - one, one << 10, detail::round_to::ceiling);
        }
        if (wait >= longest) return false;
        s.stored -= from_store;
        s.free = saturating_add(s.free, duration(static_cast<std::int64_t>(wait)));
        return s.free < time_point::max();
    }

    [[nodiscard]] promise take(std::uint64_t cost, time_point now, duration max_wait, receipt& r) noexcept {
        std::lock_guard const lock(mutex_);
        r = {};
        auto       s = caught_up(now);
        auto const at = std::max(s.free, now);
        if (cost == 0) return {verdict_kind::admitted, now};
        if (!spend(s, cost)) return {verdict_kind::never, time_point::max()};
        if (saturating_sub(at, now) > max_wait) return {verdict_kind::wait, at};
        before_ = now_;
        now_ = s;
        untouched_ = false;
        r = {cost, 0, 0, ++takes_};
        return {verdict_kind::admitted, at};
    }

    std::uint64_t      count_;
    std::uint64_t      period_;
    std::uint64_t      warm_;
    std::uint64_t      factor_;
    std::uint64_t      threshold_ = 0;
    std::uint64_t      most_ = 0;
    Clock              clock_;
    mutable std::mutex mutex_;
    state              now_;
    state              before_;
    std::uint64_t      takes_ = 0;
    bool               untouched_ = true;
};

static_assert(reversible_limiter<warm_up<>> && reserving_limiter<warm_up<>> && clocked_limiter<warm_up<>>);

}  // namespace sluice
