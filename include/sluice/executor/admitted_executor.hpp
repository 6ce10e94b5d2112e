// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// admitted_executor — a limiter in front of an executor's post: what is not admitted is refused at once.
///
/// Use it for     rates, concurrency limits, breakers and shedding before work is queued; several, one in front of the other
/// Not for        making callers wait (queued_executor blocks; a limiter's acquire sleeps)
/// Thread-safety  post, try_post: any thread, if the policy allows it. Executor and policy must outlive what is posted; the
///                admitted_executor need not
/// Progress       that of the policy and of the executor
/// Complexity     theirs, and two looks at the clock; no allocation of its own: the admission travels with the callable
/// Errors         post throws admission_denied, or what the executor's post throws, and then has no effect: an admission that
///                was had is given back as ignored
/// Units          times on the clock of the policy
/// Example        examples/582_bounded_submit.cpp
///
/// Each admission ends exactly once, whatever becomes of the task:
///   it returns                                   success
///   it throws                                    options.thrown, and the exception goes on to the executor
///   its expiry has come before it began          dropped: there was too little capacity; on_expiry is called instead
///   its stop was requested before it began       ignored
///   the executor refuses or drops it             ignored
/// The time that a policy measures is from the post to the end of the task, the wait in the executor's queue included.

#include <sluice/core/clock.hpp>
#include <sluice/executor/admission_policy.hpp>
#include <sluice/executor/detail/ticket.hpp>
#include <sluice/executor/executor.hpp>
#include <sluice/executor/task_attributes.hpp>
#include <sluice/flow/permit.hpp>
#include <sluice/flow/verdict.hpp>

#include <concepts>
#include <exception>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice {

/// What post throws when the policy says no.
class admission_denied : public std::exception {
public:
    explicit admission_denied(sluice::verdict const& why) noexcept : why_(why) {}
    [[nodiscard]] char const*            what() const noexcept override { return "sluice: the task was not admitted"; }
    [[nodiscard]] sluice::verdict const& why() const noexcept { return why_; }

private:
    sluice::verdict why_;
};

struct admitted_executor_options {
    outcome thrown = outcome::ignored;  ///< how a task ends that throws: for a breaker, dropped
};

template <executor Executor, admits_tasks Policy, clock_source Clock = steady_clock>
class admitted_executor {
public:
    admitted_executor(Executor& e, Policy& policy, admitted_executor_options options = {}, Clock clock = {}) noexcept
        : executor_(&e), policy_(&policy), options_(options), clock_(std::move(clock)) {}

    template <class F>
    void post(F&& f, task_attributes const& attributes = {}) {
        if (auto const v = try_post(std::forward<F>(f), attributes); !v) throw admission_denied(v);
    }

    /// Denied: says why, and f is untouched.
    template <class F>
    verdict try_post(F&& f, task_attributes const& attributes = {}) {
        return try_post(std::forward<F>(f), attributes, [] {});
    }
    template <class F, class Expiry>
    verdict try_post(F&& f, task_attributes const& attributes, Expiry&& on_expiry) {
        auto       held = ask_admission(*policy_, attributes, clock_.now());
        auto const why = held.why();
        if (!held) return why;
        executor_->post(task<std::decay_t<F>, std::decay_t<Expiry>, decltype(held)>{
            end<decltype(held)>{std::move(held), clock_}, executor_, options_.thrown, attributes.expiry, attributes.stop,
            std::forward<F>(f), std::forward<Expiry>(on_expiry)});
        return why;
    }

    [[nodiscard]] bool on_worker() const noexcept
        requires requires(Executor const& e) { { e.on_worker() } -> std::convertible_to<bool>; }
    {
        return executor_->on_worker();
    }
    /// On an executor whose tasks end later than they return: inside a task, calls f at that end.
    template <class F>
    void at_task_end(F&& f)
        requires requires(Executor& e) { e.at_task_end(std::forward<F>(f)); }
    {
        executor_->at_task_end(std::forward<F>(f));
    }

private:
    /// Ends the admission, on the clock's time.
    template <class Admission>
    struct end {
        Admission                   held;
        [[no_unique_address]] Clock clock;
        outcome                     how = outcome::success;
        void                        operator()() noexcept { held.finish(how, clock.now()); }
    };

    template <class F, class Expiry, class Admission>
    struct task {
        end<Admission>               finish;
        Executor*                    executor;
        outcome                      thrown;
        time_point                   expiry;
        std::stop_token              stop;
        F                            f;
        [[no_unique_address]] Expiry on_expiry;

        void operator()() {
            if (stop.stop_requested()) {
                finish.how = outcome::ignored;
                return finish();
            }
            if (expiry != no_deadline && finish.clock.now() >= expiry) {
                finish.how = outcome::dropped;
                finish();
                std::move(on_expiry)();
                return;
            }
            try {
                std::move(f)();
            } catch (...) {
                finish.how = thrown;
                detail::at_task_end(*executor, std::move(finish));
                throw;
            }
            detail::at_task_end(*executor, std::move(finish));
        }
    };

    Executor*                   executor_;
    Policy*                     policy_;
    admitted_executor_options   options_;
    [[no_unique_address]] Clock clock_;
};

}  // namespace sluice
