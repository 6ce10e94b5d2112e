// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::service_core — what a service shares with its calls: handler, admission, budget, breaker, timers, counts.
///
/// Thread-safety  see service

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/executor/admission_policy.hpp>
#include <sluice/executor/task_attributes.hpp>
#include <sluice/executor/timer_queue.hpp>
#include <sluice/flow/attempt_result.hpp>
#include <sluice/flow/backoff_policy.hpp>
#include <sluice/flow/circuit_breaker.hpp>
#include <sluice/flow/count_window.hpp>
#include <sluice/flow/permit.hpp>
#include <sluice/flow/push_result.hpp>
#include <sluice/flow/retry_budget.hpp>
#include <sluice/flow/verdict.hpp>
#include <sluice/scaling/autoscale_step.hpp>
#include <sluice/scaling/recommender.hpp>
#include <sluice/service/detail/service_call.hpp>
#include <sluice/service/detail/service_lanes.hpp>
#include <sluice/service/service_options.hpp>
#include <sluice/stats/log_histogram.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace sluice::detail {

template <class Handler, class Executor, class Admission, class Discipline, class Clock>
class service_core {
public:
    using pointer = std::shared_ptr<service_core>;
    using handler_type = Handler;
    using budget_type = retry_budget<Clock>;
    using admission_type = decltype(ask_admission(std::declval<Admission&>(), std::declval<task_attributes const&>(), time_point{}));
    using lanes_type = service_lanes<Executor, Discipline, Clock>;

    service_core(Executor& e, Handler handler, service_options const& options, Admission& admission, Clock clock)
        : executor_(&e),
          handler_(std::move(handler)),
          options_(checked(options)),
          admission_(&admission),
          clock_(clock),
          budget_(options.budget, clock),
          timers_(inline_, clock) {
        (void)exponential_backoff(options.backoff);  // an impossible one is refused here, not at the first call
        if (options.breaker.minimum_calls > 0) {
            circuit_breaker_options b;
            b.failure_rate = options.breaker.failure_rate;
            b.minimum_calls = options.breaker.minimum_calls;
            b.open_time = options.breaker.open_time;
            breaker_.emplace(std::move(b), clock);
        }
    }

    /// Calls that wait hold the core; so it only looks at the lanes that hold them.
    void watch(std::shared_ptr<lanes_type> const& lanes) noexcept { lanes_ = lanes; }
    [[nodiscard]] std::shared_ptr<lanes_type> lanes() const noexcept { return lanes_.lock(); }

    template <class R, class D>
    verdict submit(pointer const& self, lanes_type& lanes, R&& request, task_attributes a, D&& done) {
        using call = service_call<service_core, std::decay_t<R>, std::decay_t<D>>;
        auto const now = clock_.now();
        count(service_count::offered);
        offer_count counted{*this};
        if (a.expiry == no_deadline && options_.time_limit != duration::max()) a.expiry = saturating_add(now, options_.time_limit);
        auto held = ask_admission(*admission_, a, now);
        if (!held) {
            count(service_count::refused);
            counted.stays = true;
            return held.why();
        }
        auto const serial = serial_.fetch_add(1, std::memory_order_relaxed);  // (stat)
        auto const c = std::make_shared<call>(self, std::forward<R>(request), std::forward<D>(done), std::move(a), now, serial);
        c->hold(std::move(held));
        push_result result;
        bool in_time = true;
        try {
            in_time = c->start(now);
            if (in_time) result = c->launch(c, 1, lanes);
        } catch (...) {
            c->give_back(request, done);
            c->release(outcome::ignored, now);
            throw;
        }
        counted.stays = true;
        if (in_time && result) {
            c->watch(c);
            return verdict::admit(0);
        }
        count(service_count::rejected);
        c->give_back(request, done);
        c->release(outcome::dropped, now);
        return in_time ? verdict::later(result.retry_after, 0) : verdict::refuse(0);
    }

    time_point step(time_point now) {
        (void)timers_.expire(now);
        return timers_.next_deadline().value_or(time_point::max());
    }

    template <class Policy>
    time_point scale(time_point now, Policy& policy) {
        if (now < next_scale_) return next_scale_;
        auto const offered = get(service_count::offered);
        auto const decision = autoscale_step(policy, *executor_, now, [&](scaling_sample& s) {
            if (!s.interval || s.interval->count() <= 0) return;
            s.arrivals_per_second = static_cast<double>(offered - seen_) / (static_cast<double>(s.interval->count()) * 1e-9);
        });
        seen_ = offered;
        return next_scale_ = decision.next_evaluation;
    }

    void close() {
        closed_.store(true, std::memory_order_relaxed);  // (stat)
        timers_.close();
    }
    /// A wish: who has not seen it yet makes a timer, which the closed timers end.
    [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_relaxed); }  // (stat)

    [[nodiscard]] service_metrics metrics() const noexcept {
        service_metrics m;
        std::uint64_t known = 0;  // read before offered: never more than that
        for (auto const& [what, field] : fields) {
            m.*field = get(what);
            if (what >= service_count::served && what <= service_count::rejected) known += m.*field;
        }
        m.offered = get(service_count::offered);
        m.in_flight = m.offered > known ? m.offered - known : 0;
        m.p50 = duration(static_cast<std::int64_t>(latency_.quantile(.5)));
        m.p99 = duration(static_cast<std::int64_t>(latency_.quantile(.99)));
        return m;
    }

    void count(service_count what) noexcept { counts_[static_cast<std::size_t>(what)].fetch_add(1, std::memory_order_relaxed); }  // (stat)
    void count_end(service_result const& r) noexcept {
        if (r.end == service_end::served) latency_.record(static_cast<std::uint64_t>(r.latency.count()));
        count(static_cast<service_count>(r.end));
    }

    [[nodiscard]] breaker_state breaker() const noexcept { return breaker_ ? breaker_->state() : breaker_state::closed; }
    [[nodiscard]] auto* breaker_or_null() noexcept { return breaker_ ? &*breaker_ : nullptr; }
    [[nodiscard]] time_point now() const noexcept { return clock_.now(); }
    [[nodiscard]] Clock const& clock() const noexcept { return clock_; }
    [[nodiscard]] Executor& executor() noexcept { return *executor_; }
    [[nodiscard]] Handler& handler() noexcept { return handler_; }
    [[nodiscard]] budget_type& budget() noexcept { return budget_; }
    [[nodiscard]] auto& timers() noexcept { return timers_; }
    [[nodiscard]] service_options const& options() const noexcept { return options_; }

private:
    /// A submit that throws never was.
    struct offer_count {
        service_core& core;
        bool stays = false;
        ~offer_count() {
            if (!stays)
                core.counts_[static_cast<std::size_t>(service_count::offered)].fetch_sub(1, std::memory_order_relaxed);  // (stat)
        }
    };
    struct run_inline {
        template <class F>
        void post(F&& f) {
            std::forward<F>(f)();
        }
    };
    struct counted_field {
        service_count what;
        std::uint64_t service_metrics::*field;
    };
    static constexpr counted_field fields[] = {
        {service_count::served, &service_metrics::served},       {service_count::failed, &service_metrics::failed},
        {service_count::expired, &service_metrics::expired},     {service_count::cancelled, &service_metrics::cancelled},
        {service_count::dropped, &service_metrics::dropped},     {service_count::refused, &service_metrics::refused},
        {service_count::rejected, &service_metrics::rejected},   {service_count::attempts, &service_metrics::attempts},
        {service_count::retries, &service_metrics::retries},     {service_count::hedges, &service_metrics::hedges},
        {service_count::broken, &service_metrics::broken}};

    static service_options const& checked(service_options const& o) {
        require_option(o.time_limit.count() > 0, "service_options::time_limit (> 0 ns)", o.time_limit.count());
        require_option(o.max_attempts >= 1 && o.max_attempts <= 64, "service_options::max_attempts (1 to 64)", o.max_attempts);
        require_option(o.hedge_delay.count() >= 0, "service_options::hedge_delay (>= 0 ns)", o.hedge_delay.count());
        return o;
    }

    [[nodiscard]] std::uint64_t get(service_count what) const noexcept {
        return counts_[static_cast<std::size_t>(what)].load(std::memory_order_relaxed);  // (stat)
    }

    Executor* executor_;
    Handler handler_;
    service_options options_;
    Admission* admission_;
    Clock clock_;
    budget_type budget_;
    std::optional<circuit_breaker<count_window, Clock>> breaker_{};
    std::atomic<std::uint64_t> serial_{1};
    std::atomic<bool> closed_{false};
    std::atomic<std::uint64_t> counts_[static_cast<std::size_t>(service_count::number)]{};
    log_histogram<> latency_{};
    time_point next_scale_ = time_point::min();
    std::uint64_t seen_ = 0;
    run_inline inline_{};
    timer_queue<run_inline, Clock> timers_;
    std::weak_ptr<lanes_type> lanes_{};
};

}  // namespace sluice::detail
