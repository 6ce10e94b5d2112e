// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// service — a handler behind everything that keeps it alive: admission, lanes, a bounded queue, retries, a breaker, scaling.
///
/// Use it for     a server's work on a thread_pool; the same in virtual time on a manual_executor, before it is deployed
/// Not for        only one of these (each is a part of its own, and this header puts them together)
/// Thread-safety  submit, metrics, estimated_wait, level: any thread, also inside handlers and completions. step: one thread at
///                a time. Executor and admission must outlive what was accepted; the service need not: it runs
/// Progress       submit never waits for a place; the lanes' mutexes, under which no handler or completion runs
/// Complexity     per call two allocations, the admission's cost and the queue's; a retry or hedge one timer, O(log n)
/// Errors         std::invalid_argument for impossible options. submit throws std::bad_alloc, or what moving request or
///                completion throws, or the executor's post; the call then never was. What the handler throws is a failed attempt,
///                and reaches the completion after the last. The completion must not throw: std::terminate
/// Units          times on the clock given
/// Source         Google SRE book, ch. 21 and 22; the parts name theirs
/// Example        examples/775_composed_service.cpp
///
///     sluice::service app(pool, [](request& r) { … }, {.max_delay = 50ms, .max_attempts = 3}, admission);
///     if (auto v = app.submit(r, {.expiry = now + 100ms}, [](sluice::service_result const& s) { … }); !v) reply(503, v.retry_after);
///
///   submit → admission → lane (by key, or the shorter of two) → bounded queue, discipline → executor
///          → breaker → handler → success | retry after a pause | hedge beside it | completion
///
/// Every call that submit accepted has its completion called exactly once, on whatever thread it ends. A call that was refused
/// has not: its request and completion are as they were, if their moves do not throw.
/// The handler takes (Request&) or (Request&, service_attempt const&). It returns nothing, or what default_classify reads. Several
/// attempts of one call see the same request; with hedges at the same time.
/// step(now) lets retries and hedges go whose time has come; step(now, policy) drives the pool's size, too. Without either,
/// retries wait. Both say when they want to be called next; service_driver is a thread that does. What waits for a retry when
/// the service is destroyed has failed.

#include <sluice/core/clock.hpp>
#include <sluice/executor/admission_policy.hpp>
#include <sluice/executor/executor.hpp>
#include <sluice/executor/task_attributes.hpp>
#include <sluice/flow/circuit_breaker.hpp>
#include <sluice/flow/fifo.hpp>
#include <sluice/flow/load_level.hpp>
#include <sluice/flow/queue_discipline.hpp>
#include <sluice/flow/verdict.hpp>
#include <sluice/scaling/autoscale_step.hpp>
#include <sluice/scaling/resizable_executor.hpp>
#include <sluice/service/admission_chain.hpp>
#include <sluice/service/detail/service_core.hpp>
#include <sluice/service/detail/service_lanes.hpp>
#include <sluice/service/service_options.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace sluice {

template <class Handler, executor Executor, admits_tasks Admission = admit_all const, queue_discipline Discipline = fifo,
          clock_source Clock = steady_clock>
class service {
    using core = detail::service_core<Handler, Executor, Admission, Discipline, Clock>;

public:
    /// make_discipline() is called once for each lane.
    template <class Make = detail::make_default<Discipline>>
        requires std::is_invocable_r_v<Discipline, Make&>
    service(Executor& e, Handler handler, service_options const& options, Admission& admission, Make make_discipline = {},
            Clock clock = {})
        : core_(std::make_shared<core>(e, std::move(handler), options, admission, clock)),
          lanes_(std::make_shared<typename core::lanes_type>(e, options, make_discipline, clock)) {
        core_->watch(lanes_);
    }

    /// Everything is admitted that the lanes take.
    explicit service(Executor& e, Handler handler, service_options const& options = {}, Clock clock = {})
        requires std::same_as<Admission, admit_all const>
        : service(e, std::move(handler), options, everyone_, detail::make_default<Discipline>{}, std::move(clock)) {}

    service(service const&) = delete;
    service& operator=(service const&) = delete;
    ~service() { close(); }

    /// Accepted: done(service_result const&) will be called, once. Refused: why, and when to come again.
    template <class Request, class Done>
    verdict submit(Request&& request, task_attributes attributes, Done&& done) {
        static_assert(std::is_invocable_v<std::decay_t<Done>&, service_result const&>, "done takes a service_result const&");
        return core_->submit(core_, *lanes_, std::forward<Request>(request), std::move(attributes), std::forward<Done>(done));
    }

    /// Refuses what comes from now on; what was accepted goes on, but is not tried again.
    void close() {
        core_->close();
        lanes_->close();
    }

    /// Lets go what is due. Returns when to call it next; at the latest, as a call may set an earlier time meanwhile.
    time_point step(time_point now) { return core_->step(now); }

    /// The same, and one turn of the scaling policy when it is due. It is shown what was offered, not only what was admitted.
    template <scaling_policy Policy>
        requires resizable_executor<Executor>
    time_point step(time_point now, Policy& policy) {
        return std::min(core_->step(now), core_->scale(now, policy));
    }

    [[nodiscard]] service_metrics metrics() const noexcept { return core_->metrics(); }
    [[nodiscard]] std::size_t lanes() const noexcept { return lanes_->count(); }
    /// Calls that wait in the lanes.
    [[nodiscard]] std::size_t queued() const { return lanes_->queued(); }
    /// The fullest lane's.
    [[nodiscard]] load_level level() const noexcept { return lanes_->level(); }
    /// Of an open breaker calls do not reach the handler; closed where there is none.
    [[nodiscard]] breaker_state breaker() const noexcept { return core_->breaker(); }
    [[nodiscard]] Clock const& clock() const noexcept { return core_->clock(); }

private:
    static constexpr admit_all everyone_{};

    std::shared_ptr<core> core_;
    std::shared_ptr<typename core::lanes_type> lanes_;
};

template <class Handler, class Executor>
service(Executor&, Handler) -> service<Handler, Executor>;
template <class Handler, class Executor>
service(Executor&, Handler, service_options) -> service<Handler, Executor>;
template <class Handler, class Executor, clock_source Clock>
service(Executor&, Handler, service_options, Clock) -> service<Handler, Executor, admit_all const, fifo, Clock>;
template <class Handler, class Executor, admits_tasks Admission>
service(Executor&, Handler, service_options, Admission&) -> service<Handler, Executor, Admission>;
template <class Handler, class Executor, admits_tasks Admission, class Make>
service(Executor&, Handler, service_options, Admission&, Make) -> service<Handler, Executor, Admission, std::invoke_result_t<Make&>>;
template <class Handler, class Executor, admits_tasks Admission, class Make, clock_source Clock>
service(Executor&, Handler, service_options, Admission&, Make, Clock)
    -> service<Handler, Executor, Admission, std::invoke_result_t<Make&>, Clock>;

}  // namespace sluice
