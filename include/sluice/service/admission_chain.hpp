// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// admission_chain — several admission policies as one: all of them, or none.
///
/// Use it for     a concurrency limit, a load level and a rate in front of one executor or service
/// Not for        limiters alone, taken at once (all_of)
/// Thread-safety  that of the policies, which must outlive it and what it admitted
/// Progress       that of the policies
/// Complexity     the sum of theirs; no allocation
/// Errors         what a policy throws passes through; what was admitted before ends as ignored
/// Example        examples/775_composed_service.cpp
///
///     sluice::admission_chain chain(concurrency, level, rate);   // asked in this order
///
/// The first refusal is the answer, and what was admitted before it ends as ignored. A limiter's tokens do not come back: put
/// it last, so that it is asked for what the others let through.

#include <sluice/core/clock.hpp>
#include <sluice/executor/admission_policy.hpp>
#include <sluice/executor/task_attributes.hpp>
#include <sluice/flow/permit.hpp>
#include <sluice/flow/verdict.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>

namespace sluice {

template <admits_tasks... Policies>
class admission_chain {
    template <class P>
    using held_by = std::optional<decltype(ask_admission(std::declval<P&>(), std::declval<task_attributes const&>(), time_point{}))>;

public:
    explicit admission_chain(Policies&... policies) noexcept : policies_(&policies...) {}

    class admission {
    public:
        [[nodiscard]] explicit operator bool() const noexcept { return why_.admitted(); }
        [[nodiscard]] verdict why() const noexcept { return why_; }
        /// The last that was asked ends first.
        void finish(outcome how, time_point now) noexcept { finish_from<sizeof...(Policies)>(how, now); }

    private:
        friend class admission_chain;
        template <std::size_t N>
        void finish_from(outcome how, time_point now) noexcept {
            if constexpr (N > 0) {
                if (auto& held = std::get<N - 1>(held_)) held->finish(how, now);
                finish_from<N - 1>(how, now);
            }
        }
        std::tuple<held_by<Policies>...> held_{};
        verdict why_ = verdict::admit(0);
    };

    [[nodiscard]] admission admit(task_attributes const& attributes, time_point now) {
        admission all;
        ask<0>(all, attributes, now);
        return all;
    }

private:
    template <std::size_t I>
    void ask(admission& all, task_attributes const& attributes, time_point now) {
        if constexpr (I < sizeof...(Policies)) {
            auto one = ask_admission(*std::get<I>(policies_), attributes, now);
            if (!one) {
                all.finish(outcome::ignored, now);
                all.held_ = {};
                all.why_ = one.why();
                return;
            }
            std::get<I>(all.held_).emplace(std::move(one));
            ask<I + 1>(all, attributes, now);
        }
    }

    std::tuple<Policies*...> policies_;
};

/// The policy of a service that has none.
struct admit_all {
    [[nodiscard]] spent_tokens admit(task_attributes const&, time_point) const noexcept { return spent_tokens(verdict::admit(UINT64_MAX)); }
};

}  // namespace sluice
