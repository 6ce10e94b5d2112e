// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// backoff_policy, constant_backoff, linear_backoff, exponential_backoff, jitter — how long to wait before the next attempt.
///
/// Use it for     the pause between attempts of a call over a network: retry_plan, reconnects, open times of a breaker
/// Not for        the pause of a spinning thread (backoff in core/backoff.hpp)
/// Thread-safety  immutable values: any thread; the source of random numbers belongs to the caller
/// Complexity     O(1); exponential_backoff: one multiplication per step up to the cap, at most 5000
/// Errors         std::invalid_argument: times below what the option says, base > cap, a factor in neither {1} nor
///                [1.01, 10^6], a share outside [0, 1], NaN. Calls are noexcept if the source is; arithmetic saturates
/// Units          integer nanoseconds. attempt counts the failures so far: 1 before the first retry (0 is taken for 1).
///                previous is what the policy answered last, 0 at first; only the decorrelated jitter looks at it
/// Source         M. Brooker, Exponential Backoff and Jitter, AWS 2015 (full, equal, decorrelated); gRPC A6 (± 20 %)
/// Example        examples/350_retry_storm.cpp
///
/// With v for the delay without jitter, which never exceeds the cap:
///     none          v
///     full          uniform in [0, v]
///     equal         uniform in [v/2, v]
///     decorrelated  min(cap, uniform in [base, 3 · previous]), previous = base at first; falls as well as it rises
///     proportional  uniform in [v - share · v, v + share · v]: may exceed the cap by the share
/// None but `none` becomes constant at the cap, so that clients that failed together do not stay together; the
/// decorrelated, being cut off there, still answers the cap itself every other time.

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/random.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>

namespace sluice {

/// A pure function of the attempt, the previous delay and random numbers.
template <class P>
concept backoff_policy = std::copyable<P> &&
                         requires(P const& policy, std::uint64_t attempt, duration previous, splitmix64& random) {
                             { policy(attempt, previous, random) } -> std::same_as<duration>;
                         };

enum class jitter_kind : std::uint8_t { none, full, equal, decorrelated, proportional };

/// How a delay is spread.
class jitter {
public:
    [[nodiscard]] static constexpr jitter none() noexcept { return jitter(jitter_kind::none, 0); }
    [[nodiscard]] static constexpr jitter full() noexcept { return jitter(jitter_kind::full, 0); }
    [[nodiscard]] static constexpr jitter equal() noexcept { return jitter(jitter_kind::equal, 0); }
    [[nodiscard]] static constexpr jitter decorrelated() noexcept { return jitter(jitter_kind::decorrelated, 0); }

    /// ± share of the delay, in [0, 1]; nine decimals are kept.
    [[nodiscard]] static constexpr jitter proportional(double share) {
        if (!(share >= 0 && share <= 1)) detail::throw_invalid("jitter::proportional: share (in [0, 1])", share);
        return jitter(jitter_kind::proportional, static_cast<std::uint64_t>(share * 1e9 + 0.5));
    }

    [[nodiscard]] constexpr jitter_kind kind() const noexcept { return kind_; }
    [[nodiscard]] constexpr double share() const noexcept { return static_cast<double>(billionths_) * 1e-9; }

    /// Spreads v, as the list above says. Requires 0 <= v and 0 <= base <= cap.
    template <random_source Random>
    [[nodiscard]] constexpr duration operator()(duration v, duration base, duration cap, duration previous,
                                                Random& random) const noexcept(noexcept(random())) {
        SLUICE_ASSERT(v.count() >= 0 && base.count() >= 0 && base <= cap);
        auto const n = static_cast<std::uint64_t>(v.count());
        switch (kind_) {
        case jitter_kind::full: return between(0, n, random);
        case jitter_kind::equal: return between(n / 2, n, random);
        case jitter_kind::decorrelated: {
            auto const low = static_cast<std::uint64_t>(base.count());
            auto const last = static_cast<std::uint64_t>(std::max(previous, base).count());
            return std::min(cap, between(low, last > longest / 3 ? longest : last * 3, random));
        }
        case jitter_kind::proportional: {
            auto const s = detail::multiply_divide(n, billionths_, 1'000'000'000, detail::round_to::floor);
            return between(n - s, std::min(longest, n + s), random);
        }
        case jitter_kind::none: break;
        }
        return v;
    }

private:
    static constexpr auto longest = static_cast<std::uint64_t>(INT64_MAX);

    constexpr jitter(jitter_kind kind, std::uint64_t billionths) noexcept : kind_(kind), billionths_(billionths) {}

    /// Each whole number from low to high, both included, is equally likely. Requires low <= high <= longest.
    template <random_source Random>
    [[nodiscard]] static constexpr duration between(std::uint64_t low, std::uint64_t high,
                                                    Random& random) noexcept(noexcept(random())) {
        return duration(static_cast<std::int64_t>(low + uniform_below(random, high - low + 1)));
    }

    jitter_kind   kind_;
    std::uint64_t billionths_;
};

struct constant_backoff_options {
    duration delay;                         ///< >= 0
    jitter   spread = jitter::none();       ///< not decorrelated: between base and cap there is no room
};

/// The same delay every time.
class constant_backoff {
public:
    explicit constexpr constant_backoff(constant_backoff_options options)
        : delay_(options.delay), jitter_(options.spread) {
        if (delay_.count() < 0) detail::throw_invalid("constant_backoff: delay (>= 0 ns)", delay_.count());
        if (jitter_.kind() == jitter_kind::decorrelated)
            detail::throw_invalid("constant_backoff: spread (not decorrelated)", static_cast<int>(jitter_.kind()));
    }

    /// The delay without jitter.
    [[nodiscard]] constexpr duration nominal(std::uint64_t) const noexcept { return delay_; }

    template <random_source Random>
    [[nodiscard]] constexpr duration operator()(std::uint64_t, duration previous, Random& random) const
        noexcept(noexcept(random())) {
        return jitter_(delay_, delay_, delay_, previous, random);
    }

private:
    duration delay_;
    jitter   jitter_;
};

struct linear_backoff_options {
    duration base;                          ///< before the first retry; >= 0, > 0 if decorrelated
    duration step;                          ///< more for each further one; >= 0
    duration cap = std::chrono::seconds(30);  ///< >= base
    jitter   spread = jitter::none();
};

/// base, base + step, base + 2 step, … up to the cap.
class linear_backoff {
public:
    explicit constexpr linear_backoff(linear_backoff_options options) : options_(options) {
        bool const from_base = options.spread.kind() == jitter_kind::decorrelated;
        if (options.base.count() < (from_base ? 1 : 0))
            detail::throw_invalid("linear_backoff: base (>= 0 ns, > 0 if decorrelated)", options.base.count());
        if (options.step.count() < 0) detail::throw_invalid("linear_backoff: step (>= 0 ns)", options.step.count());
        if (options.cap < options.base) detail::throw_invalid("linear_backoff: cap (>= base)", options.cap.count());
    }

    /// The delay without jitter.
    [[nodiscard]] constexpr duration nominal(std::uint64_t attempt) const noexcept {
        auto const room = static_cast<std::uint64_t>((options_.cap - options_.base).count());
        auto const more = detail::multiply_divide(static_cast<std::uint64_t>(options_.step.count()),
                                                  attempt == 0 ? 0 : attempt - 1, 1, detail::round_to::floor);
        return more >= room ? options_.cap : options_.base + duration(static_cast<std::int64_t>(more));
    }

    template <random_source Random>
    [[nodiscard]] constexpr duration operator()(std::uint64_t attempt, duration previous, Random& random) const
        noexcept(noexcept(random())) {
        return options_.spread(nominal(attempt), options_.base, options_.cap, previous, random);
    }

private:
    linear_backoff_options options_;
};

struct exponential_backoff_options {
    duration base;                          ///< before the first retry; > 0
    double   factor = 2;                    ///< 1, or 1.01 to 10^6; nine decimals are kept
    duration cap = std::chrono::seconds(30);  ///< >= base
    jitter   spread = jitter::none();
    duration unit{1};                       ///< each step is rounded down to whole units; > 0, <= base
};

/// base, base · factor, base · factor², … up to the cap. Each step multiplies the rounded one before it and grows by a
/// unit at least: 500, 750, 1125, 1687, 2530, … for the factor 1.5.
class exponential_backoff {
public:
    explicit constexpr exponential_backoff(exponential_backoff_options options) : options_(options) {
        if (options.base.count() <= 0) detail::throw_invalid("exponential_backoff: base (> 0 ns)", options.base.count());
        if (!(options.factor == 1 || (options.factor >= 1.01 && options.factor <= 1e6)))
            detail::throw_invalid("exponential_backoff: factor (1, or 1.01 to 10^6)", options.factor);
        if (options.cap < options.base)
            detail::throw_invalid("exponential_backoff: cap (>= base)", options.cap.count());
        if (options.unit.count() <= 0 || options.unit > options.base)
            detail::throw_invalid("exponential_backoff: unit (> 0 ns, <= base)", options.unit.count());
        // The fewest decimals that leave nothing behind, nine at most: 1.3 is 13/10, not the double below it.
        for (int decimals = 0; decimals < 9; ++decimals) {
            auto const scaled = options.factor * static_cast<double>(denominator_);
            if (static_cast<double>(static_cast<std::uint64_t>(scaled)) == scaled) break;
            denominator_ *= 10;
        }
        numerator_ = static_cast<std::uint64_t>(options.factor * static_cast<double>(denominator_) + 0.5);
    }

    /// The delay without jitter.
    [[nodiscard]] constexpr duration nominal(std::uint64_t attempt) const noexcept {
        auto const unit = static_cast<std::uint64_t>(options_.unit.count());
        auto const cap = static_cast<std::uint64_t>(options_.cap.count());
        auto       now = static_cast<std::uint64_t>(options_.base.count());
        if (numerator_ == denominator_) return options_.base;
        for (std::uint64_t i = 1; i < attempt && now < cap; ++i) {
            auto const grown = detail::multiply_divide(now, numerator_, denominator_, detail::round_to::floor);
            now = std::min(cap, std::max(grown - grown % unit, now + unit));
        }
        return duration(static_cast<std::int64_t>(now));
    }

    template <random_source Random>
    [[nodiscard]] constexpr duration operator()(std::uint64_t attempt, duration previous, Random& random) const
        noexcept(noexcept(random())) {
        return options_.spread(nominal(attempt), options_.base, options_.cap, previous, random);
    }

    [[nodiscard]] constexpr exponential_backoff_options const& options() const noexcept { return options_; }

private:
    exponential_backoff_options options_;
    std::uint64_t               numerator_ = 1;
    std::uint64_t               denominator_ = 1;
};

static_assert(backoff_policy<constant_backoff> && backoff_policy<linear_backoff> && backoff_policy<exponential_backoff>);

}  // namespace sluice
