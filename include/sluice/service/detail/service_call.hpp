// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::service_call, service_leg — a call of a service, and an attempt on its way.
///
/// Thread-safety  see service. A leg belongs to whoever carries it: a lane, a timer, the executor
/// Progress       see service
///
/// A leg runs once, or is destroyed unrun and says so. So a call ends whoever loses it: the discipline, the executor, the
/// timers when they are closed.

#include <sluice/core/clock.hpp>
#include <sluice/core/mix64.hpp>
#include <sluice/core/random.hpp>
#include <sluice/executor/detail/ticket.hpp>
#include <sluice/executor/task_attributes.hpp>
#include <sluice/flow/attempt_result.hpp>
#include <sluice/flow/backoff_policy.hpp>
#include <sluice/flow/hedge.hpp>
#include <sluice/flow/permit.hpp>
#include <sluice/flow/push_result.hpp>
#include <sluice/flow/retry.hpp>
#include <sluice/service/service_options.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace sluice::detail {

/// What is counted. The first five are those of service_end, then how else an offer ends.
enum class service_count : std::uint8_t {
    served, failed, expired, cancelled, dropped, refused, rejected, offered, attempts, retries, hedges, broken, number
};
static_assert(static_cast<int>(service_count::served) == static_cast<int>(service_end::served) &&
              static_cast<int>(service_count::dropped) == static_cast<int>(service_end::dropped));

/// An attempt that has yet to run.
template <class Call>
class service_leg {
public:
    service_leg(std::shared_ptr<Call> call, std::uint32_t attempt) noexcept : call_(std::move(call)), attempt_(attempt) {}
    service_leg(service_leg&&) noexcept = default;
    service_leg& operator=(service_leg&&) = delete;
    ~service_leg() {
        if (call_ == nullptr) return;
        auto const call = std::move(call_);
        if (!posting::note_lost(call.get(), attempt_)) call->lost(attempt_);  // who posts it knows whether it was refused
    }
    void operator()() {
        auto const call = std::move(call_);
        call->run(call, attempt_);
    }
    void forget() noexcept { call_.reset(); }

    [[nodiscard]] std::shared_ptr<Call> const& call() const noexcept { return call_; }
    [[nodiscard]] std::uint32_t attempt() const noexcept { return attempt_; }

private:
    std::shared_ptr<Call> call_;
    std::uint32_t attempt_;
};

// Ordering
//   (A) ended    exchange acq_rel: the first who ends the call calls its completion and gives its admission back, once. The
//                loser (the other attempt of a hedge) touches neither; what it did before does not matter to the winner
template <class Core, class Request, class Done>
class service_call {
public:
    using pointer = std::shared_ptr<service_call>;
    using leg = service_leg<service_call>;
    using budget = typename Core::budget_type;

    template <class R, class D>
    service_call(std::shared_ptr<Core> core, R&& request, D&& done, task_attributes a, time_point now, std::uint64_t serial)
        : request_(std::forward<R>(request)),
          done_(std::forward<D>(done)),
          core_(std::move(core)),
          attributes_(std::move(a)),
          arrived_(now),
          seed_(core_->options().seed ^ mix64(serial)),
          random_(seed_),
          plan_({.max_attempts = core_->options().max_attempts, .deadline = attributes_.expiry},
                exponential_backoff(core_->options().backoff), core_->budget()) {
        if (core_->options().hedge_delay.count() > 0)
            hedge_.emplace(hedge_options{.delay = core_->options().hedge_delay,
                                         .max_attempts = hedged_attempts(core_->options()),
                                         .deadline = attributes_.expiry},
                           core_->budget());
    }

    /// Whether an attempt may be sent at all; then the first.
    [[nodiscard]] bool start(time_point now) {
        if (!hedge_) return plan_.start(now).action == retry_action::attempt;
        auto const step = hedge_->start(now);
        return step.action == hedge_action::launch;
    }
    /// After the first attempt is on its way.
    void watch(pointer const& self) {
        if (hedge_) drive(self, nullptr, core_->now());
    }

    void run(pointer const& self, std::uint32_t attempt) {
        auto const now = core_->now();
        if (stopped() || now >= attributes_.expiry) return lost(attempt);
        permit p;
        if (auto* const breaker = core_->breaker_or_null(); breaker != nullptr) {
            p = breaker->try_acquire(now);
            if (!p) {
                core_->count(service_count::broken);
                return attempt_ended(self, attempt, attempt_result::retryable(p.why().retry_after), nullptr, now);
            }
        }
        core_->count(service_count::attempts);
        attempts_.fetch_add(1, std::memory_order_relaxed);  // (stat)
        attempt_result result;
        std::exception_ptr error;
        try {
            result = call_handler({attempt, attributes_.expiry, stop()});
        } catch (...) {
            error = std::current_exception();
            result = default_classify{}(error);
        }
        at_task_end(core_->executor(), ending{self, attempt, result, std::move(error), std::move(p)});
    }

    /// An attempt that will not run.
    void lost(std::uint32_t attempt) noexcept {
        auto const now = core_->now();
        auto const how = attributes_.stop.stop_requested() ? service_end::cancelled
                         : now >= attributes_.expiry       ? service_end::expired
                         : attempt > 1 && !hedge_          ? service_end::failed
                                                           : service_end::dropped;
        if (hedge_) {
            auto const end = hedge_->finish(attempt, attempt_result::retryable(duration(-1)), now);
            if (end != hedge_end::failed) return;  // another runs, or it is decided
        }
        end(how, std::move(error_), now);
    }

    /// Gives an attempt to a lane. Refused, it never was; accepted, it may have run already, or be lost.
    template <class Lanes>
    [[nodiscard]] push_result launch(pointer const& self, std::uint32_t attempt, Lanes& lanes) {
        auto a = attributes_;
        a.stop = stop();
        splitmix64 random(mix64(seed_) + attempt);
        push_result result;
        bool lost_here = false;
        {
            posting const here(this, attempt);
            leg l(self, attempt);
            result = lanes.at(a, random).try_post(std::move(l), a);
            l.forget();
            lost_here = here.lost();
        }
        if (result && lost_here) lost(attempt);
        return result;
    }
    /// The same for all but the first, whose loss nobody else can be told.
    void launch_again(pointer const& self, std::uint32_t attempt) noexcept {
        try {
            if (auto const lanes = core_->lanes(); lanes != nullptr && launch(self, attempt, *lanes)) return;
        } catch (...) {
            if (!hedge_ && !error_) error_ = std::current_exception();
        }
        lost(attempt);
    }

    /// The first was not taken: the caller has its things again.
    template <class R, class D>
    void give_back(R& request, D& done) noexcept {
        if constexpr (!std::is_const_v<R> && std::is_nothrow_assignable_v<R&, Request&&>) request = std::move(request_);
        if constexpr (!std::is_const_v<D> && std::is_nothrow_assignable_v<D&, Done&&>) done = std::move(done_);
    }
    void hold(typename Core::admission_type held) noexcept { held_.emplace(std::move(held)); }
    void release(outcome how, time_point now) noexcept {
        if (held_) held_->finish(how, now);
    }

private:
    /// What is to be done when the task that made the attempt ends. Destroyed instead, it is an attempt that came to nothing.
    struct ending {
        ending(pointer c, std::uint32_t n, attempt_result r, std::exception_ptr e, permit p) noexcept
            : call(std::move(c)), attempt(n), result(r), error(std::move(e)), held(std::move(p)) {}
        ending(ending&&) noexcept = default;
        ending& operator=(ending&&) = delete;
        ~ending() {
            if (call != nullptr) std::exchange(call, nullptr)->lost(attempt);
        }
        void operator()() noexcept {
            auto const self = std::exchange(call, nullptr);
            auto const now = self->core_->now();
            held.finish(outcome_of(result.status), now);
            self->attempt_ended(self, attempt, result, std::move(error), now);
        }
        pointer call;
        std::uint32_t attempt;
        attempt_result result;
        std::exception_ptr error;
        permit held;
    };

    /// When a hedge has to be asked again. Destroyed instead, nobody asks.
    struct reminder {
        reminder(pointer c, std::exception_ptr e) noexcept : call(std::move(c)), error(std::move(e)) {}
        reminder(reminder&&) noexcept = default;
        reminder& operator=(reminder&&) = delete;
        ~reminder() {
            if (call == nullptr) return;
            auto const self = std::move(call);
            self->rest(std::move(error), self->core_->now());
        }
        void operator()() noexcept {
            auto const self = std::move(call);
            self->drive(self, std::move(error), self->core_->now());
        }
        pointer call;
        std::exception_ptr error;
    };

    [[nodiscard]] static std::uint32_t hedged_attempts(service_options const& o) noexcept {
        return std::max<std::uint32_t>(2, o.max_attempts);
    }
    [[nodiscard]] std::stop_token stop() const noexcept { return hedge_ ? hedge_->stop_token() : attributes_.stop; }
    [[nodiscard]] bool stopped() const noexcept { return attributes_.stop.stop_requested() || stop().stop_requested(); }

    [[nodiscard]] attempt_result call_handler(service_attempt const& context) {
        auto const call = [&]() -> decltype(auto) {
            if constexpr (std::is_invocable_v<typename Core::handler_type&, Request&, service_attempt const&>)
                return core_->handler()(request_, context);
            else
                return core_->handler()(request_);
        };
        if constexpr (std::is_void_v<decltype(call())>) {
            call();
            return attempt_result::success();
        } else {
            return default_classify{}(call());
        }
    }

    void attempt_ended(pointer const& self, std::uint32_t attempt, attempt_result const& result, std::exception_ptr error,
                       time_point now) noexcept {
        if (hedge_) {
            switch (hedge_->finish(attempt, result, now)) {
                case hedge_end::won:
                    return end(service_end::served, nullptr, now);
                case hedge_end::failed:
                    return end(service_end::failed, std::move(error), now);
                case hedge_end::pending:
                    return drive(self, std::move(error), now);
                case hedge_end::late:
                    return;
            }
        }
        auto const next = plan_.next(result, now, random_);
        if (next.action == retry_action::succeeded) return end(service_end::served, nullptr, now);
        if (next.action == retry_action::give_up || core_->closed()) {
            plan_.cancel();
            return end(service_end::failed, std::move(error), now);
        }
        error_ = std::move(error);
        core_->count(service_count::retries);
        leg l(self, attempt + 1);
        try {
            core_->timers().schedule_at(next.at, [l = std::move(l)]() mutable {
                auto const call = l.call();
                auto const number = l.attempt();
                l.forget();
                call->launch_again(call, number);
            });
        } catch (...) {  // no memory: the leg has told the call
        }
    }

    /// What a hedge wants now, after an attempt that failed with `error`, if one did. Attempts that run may come back meanwhile.
    void drive(pointer const& self, std::exception_ptr error, time_point now) noexcept {
        for (;;) {
            auto const step = core_->closed() ? hedge_step{} : hedge_->due(now);
            if (step.action == hedge_action::finished) return rest(std::move(error), now);
            if (step.action == hedge_action::launch) {
                core_->count(service_count::hedges);
                launch_again(self, step.attempt);
                continue;
            }
            if (step.until != time_point::max()) try {
                    core_->timers().schedule_at(step.until, reminder(self, std::move(error)));
                } catch (...) {  // no memory for a timer: the reminder has ended the call, or another attempt will
                }
            return;
        }
    }
    /// Nothing more will be sent.
    void rest(std::exception_ptr error, time_point now) noexcept {
        if (hedge_->outstanding() == 0 && hedge_->winner() == 0) end(service_end::failed, std::move(error), now);
    }

    void end(service_end how, std::exception_ptr error, time_point now) noexcept {
        if (ended_.exchange(true, std::memory_order_acq_rel)) return;  // (A)
        release(how == service_end::served                                   ? outcome::success
                : how == service_end::expired || how == service_end::dropped ? outcome::dropped
                                                                             : outcome::ignored,
                now);
        auto const attempts = attempts_.load(std::memory_order_relaxed);  // (stat)
        service_result const result{how, attempts, std::max(saturating_sub(now, arrived_), duration{0}), std::move(error)};
        core_->count_end(result);
        done_(result);
    }

    Request request_;
    Done done_;
    std::shared_ptr<Core> core_;
    task_attributes attributes_;
    time_point arrived_;
    std::atomic<bool> ended_{false};
    std::atomic<std::uint32_t> attempts_{0};
    std::uint64_t seed_;
    splitmix64 random_;  // of the pauses
    retry_plan<exponential_backoff, budget> plan_;
    std::optional<sluice::hedge<budget>> hedge_{};
    std::exception_ptr error_{};  // of the attempt before, while a retry waits
    std::optional<typename Core::admission_type> held_{};
};

}  // namespace sluice::detail
