// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::combined — what max_of and min_of have in common.
///
/// Thread-safety  as the recommenders inside

#include <sluice/core/clock.hpp>
#include <sluice/scaling/combine_options.hpp>
#include <sluice/scaling/recommender.hpp>

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

namespace sluice::detail {

template <class Better, recommender... R>
class combined {
public:
    combined(combine_options o, R... inside) : o_(o), inside_(std::move(inside)...) {}

    recommendation recommend(scaling_sample const& sample, time_point now, char const* blocked) {
        recommendation best;
        bool           silence = false;
        auto const     hear = [&](recommendation const& answer) {
            auto const desired = known(answer.desired);
            if (!desired) silence = true;
            if (desired ? !best.desired || Better{}(*desired, *best.desired) : best.reason.empty()) {
                best.desired = desired;
                best.reason = answer.reason;
            }
            if (answer.look_again)
                best.look_again = best.look_again ? std::min(*best.look_again, *answer.look_again) : *answer.look_again;
        };
        std::apply([&](auto&... r) { (hear(r.recommend(sample, now)), ...); }, inside_);
        if (silence && o_.silence_blocks_shrinking && best.desired && sample.provisioned &&
            *best.desired < *sample.provisioned) {
            best.desired = *sample.provisioned;
            best.reason = blocked;
        }
        return best;
    }

    [[nodiscard]] std::tuple<R...> const& inside() const noexcept { return inside_; }

private:
    combine_options  o_;
    std::tuple<R...> inside_;
};

}  // namespace sluice::detail
