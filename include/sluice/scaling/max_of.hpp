// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// max_of — the most workers that any of several recommenders wants.
///
/// Use it for     a forecast beside a rule that reacts, one metric for each thing that can run out
/// Thread-safety  as the recommenders inside
/// Complexity     the sum of those inside; no allocation of its own
/// Errors         as the recommenders inside; all are asked, in the order given. Who has no opinion is passed over, and
///                unless told otherwise (combine_options) the pool then does not shrink. Nobody has one: neither has it
///
///     sluice::max_of rule(sluice::feed_forward({.service_time = 10ms}), sluice::queue_depth({.tasks_per_worker = 50}));

#include <sluice/core/clock.hpp>
#include <sluice/scaling/combine_options.hpp>
#include <sluice/scaling/detail/combined.hpp>
#include <sluice/scaling/recommender.hpp>

#include <functional>
#include <tuple>
#include <utility>

namespace sluice {

template <recommender... R>
class max_of {
    static_assert(sizeof...(R) > 0, "max_of: at least one recommender");

public:
    explicit max_of(R... inside) : max_of(combine_options{}, std::move(inside)...) {}
    explicit max_of(combine_options o, R... inside) : all_(o, std::move(inside)...) {}

    recommendation recommend(scaling_sample const& sample, time_point now) {
        return all_.recommend(sample, now, "max_of: one has no opinion, not fewer");
    }

    [[nodiscard]] std::tuple<R...> const& inside() const noexcept { return all_.inside(); }

private:
    detail::combined<std::greater<>, R...> all_;
};

}  // namespace sluice
