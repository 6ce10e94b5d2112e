// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// usl_cap — another recommender, never above the size from which more workers do less.
///
/// Use it for     work with something shared, a database or a lock: beyond the peak of its scalability law every controller's
///                answer to overload makes it worse
/// Thread-safety  as the recommender inside
/// Complexity     as the recommender inside
/// Errors         as the recommender inside. A law without a peak caps nothing
/// Source         Gunther's law, see usl; its parameters come from usl_fit

#include <sluice/core/clock.hpp>
#include <sluice/scaling/recommender.hpp>
#include <sluice/scaling/usl.hpp>

#include <cstdint>
#include <optional>
#include <utility>

namespace sluice {

template <recommender Recommender>
class usl_cap {
public:
    usl_cap(Recommender inside, usl const& law) : inside_(std::move(inside)) {
        if (auto const peak = law.peak()) most_ = peak->whole_workers;
    }

    recommendation recommend(scaling_sample const& sample, time_point now) {
        auto answer = inside_.recommend(sample, now);
        if (!most_ || !answer.desired || !(*answer.desired > static_cast<double>(*most_))) return answer;
        answer.desired = static_cast<double>(*most_);
        answer.reason = "usl_cap: more workers would do less";
        return answer;
    }

    /// Workers at the peak; empty where there is none.
    [[nodiscard]] std::optional<std::uint64_t> most() const noexcept { return most_; }
    [[nodiscard]] Recommender const&           inside() const noexcept { return inside_; }

private:
    Recommender                  inside_;
    std::optional<std::uint64_t> most_;
};

}  // namespace sluice
