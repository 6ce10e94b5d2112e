// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// hedge — several attempts of one call at once, each a while after the one before; the first success wins.
///
/// Use it for     cutting the tail of calls that do no harm when they are made twice: one object per call says when to send
///                another attempt and who has won; sending, timers and threads are the caller's
/// Not for        calls that fail at once (retry), and never without a budget where a whole service may be slow: the budget
///                is what stops hedges in a brown-out
/// Thread-safety  any thread; each call is one step
/// Progress       blocking for the length of another call: a mutex. The budget is asked under it, and must not use the hedge;
///                stop callbacks run without it, in who causes the stop
/// Complexity     O(1); one allocation for the stop state; 2.7 kB
/// Errors         std::invalid_argument: delay < 0, max_attempts outside [1, 64]; start on a started hedge:
///                std::logic_error. finish with an attempt that does not run is ignored. Those are all
/// Units          time points of one clock; attempts are numbered from 1
/// Source         gRPC A6 (hedging, push-back); Dean, Barroso, CACM 2013, doi:10.1145/2408776.2408794
/// Differs        a budget that is empty only keeps the next attempt from being sent, those that run go on
///
///     for (auto step = h.start(now); ; step = h.due(now)) switch (step.action) {
///     case launch:  send(step.attempt, h.stop_token()); …            case wait:  until step.until or an attempt's end
///     case finished: h.winner() …
///     }                                          and from wherever an attempt ends: h.finish(attempt, result, now)
///
/// An attempt is due a delay after the one before was due; after a wait that was longer by a whole delay, a delay from
/// then: late timers send no bursts. A retryable failure makes the next one due at once, or when its push-back says; a
/// negative push-back ends the hedging. A fatal failure ends the call and stops the others.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/attempt_result.hpp>
#include <sluice/flow/permit.hpp>
#include <sluice/flow/retry.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <utility>

namespace sluice {

struct hedge_options {
    duration      delay;                               ///< between attempts; >= 0, raised to min_delay. See hedge_delay
    std::uint32_t max_attempts = 2;                    ///< with the first one; 1 to 64
    time_point    deadline = time_point::max();        ///< nothing is sent from then on
    duration      min_delay = std::chrono::milliseconds(1);  ///< however fast the latencies were
};

enum class hedge_action : std::uint8_t {
    launch,   ///< send the attempt now, then ask again
    wait,     ///< nothing to send before `until`; time_point::max() when only the end of an attempt can change that
    finished  ///< decided: somebody has won, or nothing runs and nothing more will be sent
};

struct [[nodiscard]] hedge_step {
    hedge_action  action = hedge_action::finished;
    std::uint32_t attempt = 0;  ///< launch: its number
    time_point    until{};      ///< wait

    friend constexpr bool operator==(hedge_step const&, hedge_step const&) noexcept = default;
};

enum class hedge_end : std::uint8_t {
    won,      ///< the first success: use its answer; the others were asked to stop
    failed,   ///< the call has failed with this result: it was fatal, or the last
    pending,  ///< failed, but others run or may be sent
    late      ///< decided before: drop the answer
};

/// One call. Budget: see attempt_budget; it is shared and must outlive the hedge.
template <attempt_budget Budget = unlimited_attempts>
class hedge {
public:
    explicit hedge(hedge_options options)
        requires std::same_as<Budget, unlimited_attempts>
        : hedge(options, none_) {}

    hedge(hedge_options options, Budget& budget)
        : options_(options), delay_(std::max(options.delay, options.min_delay)), budget_(&budget) {
        detail::require_option(options.delay.count() >= 0, "hedge: delay (>= 0 ns)", options.delay.count());
        detail::require_option(options.max_attempts >= 1 && options.max_attempts <= most,
                               "hedge: max_attempts (1 to 64)", options.max_attempts);
    }
    hedge(hedge const&) = delete;
    hedge& operator=(hedge const&) = delete;

    /// Sends the first attempt. Past the deadline, or cancelled already: finished.
    hedge_step start(time_point now) {
        std::lock_guard const lock(mutex_);
        if (started_) detail::throw_logic_error("sluice::hedge::start: started before");
        started_ = true;
        latest_ = now;
        decided_ = decided_ || now >= options_.deadline;
        if (decided_) return {};
        detail::budget_begin(*budget_, now);
        next_due_ = saturating_add(now, delay_);
        return launch();
    }

    /// What to do at `now`; one attempt at most for each call. An older `now` counts as the latest.
    hedge_step due(time_point now) {
        std::lock_guard const lock(mutex_);
        now = latest_ = std::max(latest_, now);
        if (decided_ || !started_) return {};
        if (!may_launch(now)) return rest();
        if (now < next_due_) return {hedge_action::wait, 0, std::min(next_due_, options_.deadline)};
        auto const after = saturating_add(next_due_, delay_);
        next_due_ = after > now ? after : saturating_add(now, delay_);
        if (!detail::budget_spend(*budget_, held_[launched_], now)) {
            ++suppressed_;
            if (running_ == 0) return rest();
            return {hedge_action::wait, 0, std::min(next_due_, options_.deadline)};
        }
        return launch();
    }

    /// Attempt `attempt` ended at `now`.
    hedge_end finish(std::uint32_t attempt, attempt_result const& result, time_point now) {
        permit    held;
        hedge_end end = hedge_end::late;
        {
            std::lock_guard const lock(mutex_);
            now = latest_ = std::max(latest_, now);
            if (attempt < 1 || attempt > most || (running_ & bit(attempt)) == 0) return hedge_end::late;
            running_ &= ~bit(attempt);
            held = std::move(held_[attempt - 1]);
            if (!decided_) {
                detail::budget_report(*budget_, result.status);
                end = decide(attempt, result, now);
            }
        }
        bool const stopped = end == hedge_end::late && result.status != attempt_status::success;
        held.finish(stopped ? outcome::ignored : detail::outcome_of(result.status), now);
        if (end == hedge_end::won || end == hedge_end::failed) stop_.request_stop();
        return end;
    }

    /// The caller has no more interest: nothing is sent from now on, what runs is asked to stop.
    void cancel() {
        {
            std::lock_guard const lock(mutex_);
            decided_ = true;
        }
        stop_.request_stop();
    }

    /// For every attempt: a stop is requested when the call is decided.
    [[nodiscard]] std::stop_token stop_token() const noexcept { return stop_.get_token(); }

    [[nodiscard]] std::uint32_t outstanding() const {
        std::lock_guard const lock(mutex_);
        return static_cast<std::uint32_t>(std::popcount(running_));
    }
    [[nodiscard]] std::uint32_t launched() const {
        std::lock_guard const lock(mutex_);
        return launched_;
    }
    /// Attempts that were due and not paid for.
    [[nodiscard]] std::uint64_t suppressed() const {
        std::lock_guard const lock(mutex_);
        return suppressed_;
    }
    /// The attempt that succeeded first, 0 if none has.
    [[nodiscard]] std::uint32_t winner() const {
        std::lock_guard const lock(mutex_);
        return winner_;
    }

private:
    static constexpr std::uint32_t most = 64;

    [[nodiscard]] static std::uint64_t bit(std::uint32_t attempt) noexcept { return std::uint64_t{1} << (attempt - 1); }

    [[nodiscard]] bool may_launch(time_point now) const noexcept {
        return !closed_ && launched_ < options_.max_attempts && now < options_.deadline;
    }
    [[nodiscard]] hedge_step launch() noexcept {
        ++launched_;
        running_ |= bit(launched_);
        return {hedge_action::launch, launched_, {}};
    }
    /// Nothing more will be sent: wait for those that run, if any does.
    [[nodiscard]] hedge_step rest() noexcept {
        if (running_ != 0) return {hedge_action::wait, 0, time_point::max()};
        decided_ = true;
        return {};
    }
    [[nodiscard]] hedge_end decide(std::uint32_t attempt, attempt_result const& result, time_point now) noexcept {
        if (result.status == attempt_status::success) {
            decided_ = true;
            winner_ = attempt;
            return hedge_end::won;
        }
        if (result.status == attempt_status::fatal) {
            decided_ = true;
            return hedge_end::failed;
        }
        if (!result.retry_after) next_due_ = std::min(next_due_, now);
        else if (result.retry_after->count() >= 0) next_due_ = saturating_add(now, *result.retry_after);
        else closed_ = true;
        if (running_ != 0 || may_launch(std::max(now, next_due_))) return hedge_end::pending;
        decided_ = true;
        return hedge_end::failed;
    }

    static inline unlimited_attempts none_{};

    hedge_options            options_;
    duration                 delay_;
    Budget*                  budget_;
    std::stop_source         stop_;
    mutable std::mutex       mutex_;  // guards the rest
    std::array<permit, most> held_;
    time_point               latest_{};
    time_point               next_due_{};
    std::uint64_t            running_ = 0;  // a bit for each attempt
    std::uint64_t            suppressed_ = 0;
    std::uint32_t            launched_ = 0;
    std::uint32_t            winner_ = 0;
    bool                     started_ = false;
    bool                     decided_ = false;
    bool                     closed_ = false;  // the server wants no more
};

hedge(hedge_options) -> hedge<unlimited_attempts>;

/// The share of calls that are slow when each fans out to n servers and waits for all, each slow with probability p.
[[nodiscard]] inline double fan_out_tail(double p, std::uint32_t n) noexcept { return 1 - std::pow(1 - p, n); }

}  // namespace sluice
