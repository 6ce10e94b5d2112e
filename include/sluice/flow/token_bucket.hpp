// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// token_bucket — so much per second in the long run, so much at once: admits, refuses, promises a time, or lends.
///
/// Use it for     requests per second, bytes per second (the cost is the length), budgets that fill again
/// Not for        work in flight (concurrency_limiter); an even stream without bursts (leaky_bucket)
/// Thread-safety  every member: any thread. Destruction: after everyone has left
/// Progress       lock-free, a refusal only reads; cancel, give_back and reconfigure take a mutex (virtual_schedule)
/// Complexity     O(1), no allocation: a refusal some twenty instructions, an admission one CAS more
/// Errors         std::invalid_argument from the constructor and reconfigure: burst 0, initial > burst, more than 2^10
///                tokens per nanosecond, a burst above 2^40 with a rate for which that cannot be counted to 8 ppm. The rest is
///                noexcept but acquire_until and acquire_for
/// Units          tokens; integer nanoseconds. No rounding adds up: the rate is off by 8 ppm at most, and exact where it is
///                a fraction with a numerator up to 2^17 and the burst fills within 9 years
/// Source         zero-time form: folly TokenBucket; inheritance of tokens: bucket4j
/// Differs        one rule for tokens that come back, which never admits too much (virtual_schedule); a token that is due
///                exactly now is given; an earlier `now` than others' only ever refuses
/// Example        examples/310_rate_limited_api.cpp
///
/// Any window W admits at most burst + refill · W tokens, but for those cancelled. Tokens are counted from construction on,
/// by the clock, or from the first `now` if that is earlier.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/units.hpp>
#include <sluice/flow/detail/scaled_time.hpp>
#include <sluice/flow/detail/scheduled_limiter.hpp>
#include <sluice/flow/detail/virtual_schedule.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/verdict.hpp>

#include <atomic>
#include <cstdint>
#include <optional>

namespace sluice {

struct token_bucket_options {
    rate                         refill;     ///< tokens added
    std::uint64_t                burst = 1;  ///< most tokens held at once; > 0
    std::optional<std::uint64_t> initial{};  ///< tokens at the beginning; none said: a full bucket
};

template <clock_source Clock = steady_clock, template <class> class Atom = std::atomic>
class token_bucket : public detail::scheduled_limiter<Clock, Atom> {
    using base = detail::scheduled_limiter<Clock, Atom>;

public:
    explicit token_bucket(token_bucket_options options, Clock clock = {})
        : token_bucket(numbers(options), options, clock) {}

    /// Takes as much of n as there is, and answers how much.
    [[nodiscard]] std::uint64_t drain(std::uint64_t n, time_point now) noexcept {
        return this->schedule_.take_up_to(n, now);
    }
    [[nodiscard]] std::uint64_t drain(std::uint64_t n) noexcept { return drain(n, this->clock().now()); }

    /// Takes n at once, into debt if need be, and answers how long until the debt is paid: 0 if there was enough, max if n
    /// is more than the burst or the debt out of range (4 years at 1 per second, 18 minutes at
    /// least); then nothing is taken.
    [[nodiscard]] duration borrow(std::uint64_t n, time_point now) noexcept {
        receipt    unused;
        auto const p = this->schedule_.reserve(n, now, duration::max(), unused);
        return p.kind == verdict_kind::admitted ? saturating_sub(p.at, now) : duration::max();
    }
    [[nodiscard]] duration borrow(std::uint64_t n) noexcept { return borrow(n, this->clock().now()); }

    /// Puts back n tokens that were taken or borrowed and not used, up to a full bucket. Only their taker can know that: the
    /// bound then holds for the tokens used if they come back before the bucket would have been full without them. Where
    /// that is not sure, reserve and cancel. Earlier reservations can no longer be cancelled.
    void give_back(std::uint64_t n, time_point now) noexcept { this->schedule_.give_back(n, now); }
    void give_back(std::uint64_t n) noexcept { give_back(n, this->clock().now()); }

    /// Changes the numbers in one step: each request is judged by the old ones or by the new ones, also while other threads
    /// acquire. A debt, and times promised, stay (4 years of it at 1 per second by the new numbers). But for `reset`, an
    /// earlier `now` than the limiter has counted from is that.
    void reconfigure(token_bucket_options options, inherit how, time_point now) {
        auto const next = numbers(options);
        this->schedule_.reconfigure(next, initial(next, options), how, now);
    }
    void reconfigure(token_bucket_options options, inherit how = inherit::as_is) {
        reconfigure(options, how, this->clock().now());
    }

private:
    token_bucket(detail::scaled_time const& n, token_bucket_options const& options, Clock clock)
        : base(n, initial(n, options), clock) {}

    [[nodiscard]] static detail::scaled_time numbers(token_bucket_options const& o) {
        return detail::scaled_time::make(o.refill, o.burst, "token_bucket: refill (below 2^10 per nanosecond)",
                                         "token_bucket: burst (> 0; at most 2^40, or more if the rate allows it)");
    }
    [[nodiscard]] static std::uint64_t initial(detail::scaled_time const& n, token_bucket_options const& o) {
        auto const tokens = o.initial.value_or(o.burst);
        detail::require_option(tokens <= o.burst, "token_bucket: initial (<= burst)", tokens);
        return tokens * n.weight;
    }
};

static_assert(reversible_limiter<token_bucket<>> && reserving_limiter<token_bucket<>> && clocked_limiter<token_bucket<>>);

}  // namespace sluice
