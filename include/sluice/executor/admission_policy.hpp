// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// admission, admission_policy, ask_admission — may this task come in? Asked before any queue, and answered once more at its end.
///
/// Use it for     the Policy of admitted_executor: anything of flow/ that hands out permits or verdicts, or one of your own
/// Not for        the order of what has come in (queued_executor)
/// Thread-safety  what the policy says; admitted_executor asks from any thread, and ends admissions on any
/// Complexity     the policy's
///
///   policy.admit(attributes, now)   an admission: true if the task may come in; why() says what else
///   admission.finish(how, now)      the one release. An admission that is destroyed first must count itself as ignored
///
/// permit and permits are admissions. A permit_source (concurrency_limiter, bulkhead, circuit_breaker, credit_window) and a limiter
/// (token_bucket, gcra, all_of) need no adaptor: ask_admission takes all three, a limiter by the task's cost.

#include <sluice/core/clock.hpp>
#include <sluice/executor/task_attributes.hpp>
#include <sluice/flow/permit.hpp>
#include <sluice/flow/queue_discipline.hpp>
#include <sluice/flow/verdict.hpp>

#include <concepts>
#include <type_traits>

namespace sluice {

template <class A>
concept admission = std::movable<A> && std::is_nothrow_move_constructible_v<A> && std::is_nothrow_destructible_v<A> &&
                    requires(A& a, A const& seen, outcome how, time_point now) {
                        static_cast<bool>(seen);
                        { seen.why() } -> std::same_as<verdict>;
                        { a.finish(how, now) } noexcept;
                    };

template <class P>
concept admission_policy = requires(P& p, task_attributes const& attributes, time_point now) {
    { p.admit(attributes, now) } -> admission;
};

/// Tokens that are spent: nothing comes back.
class spent_tokens {
public:
    explicit spent_tokens(verdict const& v) noexcept : verdict_(v) {}
    [[nodiscard]] explicit operator bool() const noexcept { return verdict_.admitted(); }
    [[nodiscard]] verdict  why() const noexcept { return verdict_; }
    void                   finish(outcome, time_point) noexcept {}

private:
    verdict verdict_;
};

static_assert(admission<permit> && admission<permits<2>> && admission<spent_tokens>);

/// What can stand in front of an executor.
template <class P>
concept admits_tasks = admission_policy<P> || permit_source<P> || limiter<P>;

template <admits_tasks P>
[[nodiscard]] auto ask_admission(P& policy, task_attributes const& attributes, time_point now) {
    if constexpr (admission_policy<P>)
        return policy.admit(attributes, now);
    else if constexpr (permit_source<P>)
        return policy.try_acquire(now);
    else
        return spent_tokens(policy.try_acquire(work_of(attributes.item()), now));
}

}  // namespace sluice
