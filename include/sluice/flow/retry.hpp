// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// retry_plan, retry — whether and when a failed call is made again, and the loop that does it.
///
/// Use it for     calls that may fail for a while and do no harm when they are made twice
/// Not for        sending another attempt while the first still runs (hedge)
/// Thread-safety  a plan belongs to one call and one thread at a time; budgets are shared
/// Progress       retry_plan never waits. retry waits as its sleeper does, between attempts only
/// Complexity     O(1) and that of the policy for each decision; retry allocates only what f and exceptions do
/// Errors         retry_plan: std::invalid_argument for max_attempts 0, attempt_time < 0, push_back_spread outside [0, 1].
///                retry: what f throws is an attempt's end, and the last of it is in the result; what classify, the clock
///                or the sleeper throw goes to the caller
/// Units          time points of one clock; attempts are counted from 1
/// Source         gRPC A6 (push-back); Google SRE book, ch. 21 (3 attempts per request, budget per client)
/// Example        examples/350_retry_storm.cpp
///
/// Reasons to give up are asked in this order: not_retryable, attempts, deadline, budget. So nothing is withdrawn for an
/// attempt that is not made (but for one that a stop request or a sleep beyond the deadline prevents).

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/sleeper.hpp>
#include <sluice/flow/attempt_result.hpp>
#include <sluice/flow/backoff_policy.hpp>
#include <sluice/flow/permit.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <exception>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>
#include <variant>

namespace sluice {

/// Something that pays for retries and hedges. It may also have deposit(now), called when a request begins, and
/// on_success(), on_failure(), called when an attempt has ended with success or with a retryable failure. A budget that
/// hands out permits (retry_share) keeps its permit as long as the attempt runs.
template <class B>
concept attempt_budget = permit_source<B> || requires(B& budget, time_point now) {
    { budget.try_withdraw(now) } -> std::same_as<bool>;
};

/// The budget of those who have none.
struct unlimited_attempts {
    [[nodiscard]] static bool try_withdraw(time_point) noexcept { return true; }
};

namespace detail {

template <class Budget>
void budget_begin(Budget& budget, time_point now) {
    if constexpr (requires { budget.deposit(now); }) budget.deposit(now);
}
template <class Budget>
void budget_report(Budget& budget, attempt_status status) {
    if constexpr (requires { budget.on_success(); })
        if (status == attempt_status::success) budget.on_success();
    if constexpr (requires { budget.on_failure(); })
        if (status == attempt_status::retryable) budget.on_failure();
}
/// Whether another attempt is paid for; `held` keeps the permit, where there is one.
template <class Budget>
[[nodiscard]] bool budget_spend(Budget& budget, permit& held, time_point now) {
    if constexpr (requires { budget.try_withdraw(now); }) {
        return budget.try_withdraw(now);
    } else {
        held = budget.try_acquire(now);
        return static_cast<bool>(held);
    }
}

}  // namespace detail

enum class give_up : std::uint8_t {
    none,           ///< not given up
    attempts,       ///< max_attempts were made
    budget,         ///< the budget has nothing left for retries
    deadline,       ///< the next attempt could not finish before the deadline
    not_retryable,  ///< a fatal failure, or the server asked not to come back
    stopped         ///< a stop was requested (only retry answers this)
};

enum class retry_action : std::uint8_t { succeeded, attempt, give_up };

struct [[nodiscard]] retry_decision {
    retry_action action = retry_action::give_up;
    time_point   at{};                  ///< attempt: not before
    give_up      why = give_up::none;   ///< give_up: the reason

    friend constexpr bool operator==(retry_decision const&, retry_decision const&) noexcept = default;
};

struct retry_options {
    std::uint32_t max_attempts = 3;               ///< with the first one; > 0
    time_point    deadline = time_point::max();   ///< of the whole call
    duration      attempt_time{0};                ///< what an attempt needs at least; >= 0
    double        push_back_spread = 0;           ///< after a push-back d wait up to d · spread longer; [0, 1]
};

/// The state of one call. start(), then next() with the end of each attempt.
template <backoff_policy Backoff, attempt_budget Budget = unlimited_attempts>
class retry_plan {
public:
    retry_plan(retry_options options, Backoff backoff)
        requires std::same_as<Budget, unlimited_attempts>
        : retry_plan(options, std::move(backoff), nobody()) {}

    /// The budget is shared and must outlive the plan.
    retry_plan(retry_options options, Backoff backoff, Budget& budget)
        : options_(options), backoff_(std::move(backoff)), budget_(&budget) {
        detail::require_option(options.max_attempts > 0, "retry: max_attempts (> 0)", options.max_attempts);
        detail::require_option(options.attempt_time.count() >= 0, "retry: attempt_time (>= 0 ns)",
                               options.attempt_time.count());
        detail::require_option(options.push_back_spread >= 0 && options.push_back_spread <= 1,
                               "retry: push_back_spread (0 to 1)", options.push_back_spread);
    }

    /// The first attempt: go at `now`, or give up because the deadline is too near. A plan that was used begins afresh.
    retry_decision start(time_point now) {
        held_.ignore(now);
        latest_ = now;
        previous_ = duration{0};
        attempts_ = 0;
        if (!finishes(now)) return gave_up(give_up::deadline);
        attempts_ = 1;
        detail::budget_begin(*budget_, now);
        return {retry_action::attempt, now, give_up::none};
    }

    /// What follows the attempt that ended at `now` (an older one counts as the latest). Starts the plan if it has not
    /// been. The answer `attempt` counts that attempt as made.
    template <random_source Random>
    retry_decision next(attempt_result const& result, time_point now, Random& random) {
        if (attempts_ == 0) {
            attempts_ = 1;
            latest_ = now;
            detail::budget_begin(*budget_, now);
        }
        now = latest_ = std::max(latest_, now);
        held_.finish(detail::outcome_of(result.status), now);
        detail::budget_report(*budget_, result.status);
        if (result.status == attempt_status::success) return {retry_action::succeeded, now, give_up::none};
        if (result.status == attempt_status::fatal) return gave_up(give_up::not_retryable);
        if (result.retry_after && result.retry_after->count() < 0) return gave_up(give_up::not_retryable);
        if (attempts_ >= options_.max_attempts) return gave_up(give_up::attempts);

        previous_ = backoff_(std::uint64_t{attempts_}, previous_, random);
        auto wait = std::max(previous_, duration{0});
        if (result.retry_after) wait = std::max(wait, spread(*result.retry_after, random));
        auto const at = saturating_add(now, wait);
        if (!finishes(at)) return gave_up(give_up::deadline);
        if (!detail::budget_spend(*budget_, held_, now)) return gave_up(give_up::budget);
        ++attempts_;
        return {retry_action::attempt, at, give_up::none};
    }

    /// The attempt that was answered is not made: its permit goes back. What a budget without permits was paid is spent.
    void cancel() noexcept { held_.ignore(latest_); }

    /// Whether an attempt that begins at `t` can finish before the deadline.
    [[nodiscard]] bool finishes(time_point t) const noexcept {
        if (options_.deadline == time_point::max()) return t != time_point::max();
        return t < options_.deadline && saturating_sub(options_.deadline, t) >= options_.attempt_time;
    }

    [[nodiscard]] std::uint32_t        attempts() const noexcept { return attempts_; }
    [[nodiscard]] retry_options const& options() const noexcept { return options_; }

private:
    [[nodiscard]] static unlimited_attempts& nobody() noexcept {
        static unlimited_attempts budget;
        return budget;
    }
    [[nodiscard]] static retry_decision gave_up(give_up why) noexcept { return {retry_action::give_up, {}, why}; }

    template <random_source Random>
    [[nodiscard]] duration spread(duration d, Random& random) const {
        auto const share = static_cast<std::uint64_t>(options_.push_back_spread * 1e9 + 0.5);
        if (share == 0) return d;
        auto const most = detail::multiply_divide(static_cast<std::uint64_t>(d.count()), share, 1'000'000'000,
                                                  detail::round_to::floor);
        return saturating_add(d, duration(static_cast<std::int64_t>(uniform_below(random, most + 1))));
    }

    retry_options options_;
    Backoff       backoff_;
    Budget*       budget_;
    permit        held_;
    time_point    latest_{};
    duration      previous_{0};
    std::uint32_t attempts_ = 0;
};

template <backoff_policy Backoff>
retry_plan(retry_options, Backoff) -> retry_plan<Backoff, unlimited_attempts>;

/// How retry reads what f returned or threw, unless it is told otherwise: an attempt_result speaks for itself; false, an
/// empty optional and an unexpected are retryable failures, as is every exception; any other value is a success.
struct default_classify {
    template <class R>
    attempt_result operator()(R const& result) const {
        auto const from_bool = [](bool good) { return good ? attempt_result::success() : attempt_result::retryable(); };
        if constexpr (std::same_as<R, attempt_result>) return result;
        else if constexpr (std::same_as<R, bool>) return from_bool(result);
        else if constexpr (requires { { result.has_value() } -> std::convertible_to<bool>; })
            return from_bool(result.has_value());
        else return attempt_result::success();
    }
    attempt_result operator()(std::exception_ptr const&) const noexcept { return attempt_result::retryable(); }
};

/// What became of all attempts. R is f's result; for void there is no value.
template <class R>
struct [[nodiscard]] retry_result {
    using value_type = std::conditional_t<std::is_void_v<R>, std::monostate, R>;

    std::optional<value_type> value{};     ///< what the last attempt returned, also when it was a failure
    std::exception_ptr        error{};     ///< what the last attempt threw
    std::uint32_t             attempts = 0;  ///< that were made
    give_up                   why = give_up::none;

    [[nodiscard]] bool succeeded() const noexcept { return why == give_up::none; }
    [[nodiscard]] explicit operator bool() const noexcept { return succeeded(); }

    /// The last attempt's value; rethrows if it threw. std::logic_error if no attempt was made.
    value_type& get() {
        if (error) std::rethrow_exception(error);
        if (!value) detail::throw_logic_error("sluice::retry_result::get: no attempt was made");
        return *value;
    }
};

/// Calls f(attempt), or f(), until the plan is content: success, or no further attempt. Between attempts the sleeper waits.
/// A classify that cannot be called with an exception_ptr leaves exceptions to default_classify.
template <backoff_policy Backoff, attempt_budget Budget, random_source Random, class F, clock_source Clock, class Sleeper,
          class Classify = default_classify>
    requires sleeper<std::remove_reference_t<Sleeper>>
auto retry(retry_plan<Backoff, Budget>& plan, Random& random, F&& f, Clock clock, Sleeper&& sleep, std::stop_token stop = {},
           Classify classify = {}) {
    auto const call = [&f](std::uint32_t attempt) -> decltype(auto) {
        if constexpr (std::invocable<F&, std::uint32_t>) return f(attempt);
        else return static_cast<void>(attempt), f();
    };
    using R = decltype(call(1));
    static_assert(!std::is_reference_v<R>, "retry: f returns a value, which outlives the attempt, or nothing");

    struct guard {
        retry_plan<Backoff, Budget>& plan;
        ~guard() { plan.cancel(); }
    } const whatever_happens{plan};

    retry_result<R> result;
    auto            step = plan.start(clock.now());
    for (;;) {
        if (step.action == retry_action::give_up) {
            result.why = step.why;
            return result;
        }
        if (stop.stop_requested()) {
            result.why = give_up::stopped;
            return result;
        }
        ++result.attempts;
        result.value.reset();
        result.error = nullptr;
        try {
            if constexpr (std::is_void_v<R>) {
                call(result.attempts);
                result.value.emplace();
            } else {
                result.value.emplace(call(result.attempts));
            }
        } catch (...) {
            result.error = std::current_exception();
        }
        attempt_result how;
        if (result.error) {
            if constexpr (std::is_invocable_r_v<attempt_result, Classify&, std::exception_ptr const&>)
                how = classify(std::as_const(result.error));
            else
                how = default_classify{}(result.error);
        } else if constexpr (!std::is_void_v<R>) {
            how = classify(std::as_const(*result.value));
        }
        step = plan.next(how, clock.now(), random);
        if (step.action == retry_action::succeeded) return result;
        if (step.action == retry_action::attempt && !sleep.sleep_until(step.at, stop)) {
            result.why = give_up::stopped;
            return result;
        }
        if (step.action == retry_action::attempt && !plan.finishes(clock.now()))  // overslept
            step = {retry_action::give_up, {}, give_up::deadline};
    }
}

/// The same on steady time; threads sleep.
template <backoff_policy Backoff, attempt_budget Budget, random_source Random, class F>
auto retry(retry_plan<Backoff, Budget>& plan, Random& random, F&& f, std::stop_token stop = {}) {
    return retry(plan, random, std::forward<F>(f), steady_clock{}, thread_sleeper{}, std::move(stop));
}

}  // namespace sluice
