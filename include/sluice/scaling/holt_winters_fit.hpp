// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// fit_holt_winters — the smoothing parameters with which a recorded series would have been forecast best.
///
/// Use it for     alpha, beta and gamma from a few weeks of history, before a holt_winters goes to work
/// Not for        short series: a few seasons fit anything
/// Thread-safety  a function of its arguments; any thread
/// Complexity     O(series) per evaluation, some hundreds of them; each allocates two seasons
/// Errors         std::invalid_argument: options as in holt_winters, or a series without one forecast
///
/// Least squares of the errors one step ahead, by a compass search from several starts: no derivatives, no surprises, and a
/// minimum that may be a local one, as with every search of this function.

#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/holt_winters.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <span>

namespace sluice {

struct holt_winters_fit {
    holt_winters_options options;         ///< the caller's, with the parameters found
    double               squared_errors;  ///< with them
};

/// The series begins with what the starting values are found in; NaN stands for an observation missed. Parameters that the
/// model does not use stay as they are.
[[nodiscard]] inline holt_winters_fit fit_holt_winters(std::span<double const> series, holt_winters_options options) {
    std::array<double holt_winters_options::*, 3> parameters{&holt_winters_options::alpha};
    std::size_t used = 1;
    if (options.trend) parameters[used++] = &holt_winters_options::beta;
    if (options.season != seasonality::none) parameters[used++] = &holt_winters_options::gamma;

    std::uint64_t forecasts = 0;
    auto const errors = [&](holt_winters_options const& o) {
        holt_winters model(o);
        for (double const y : series) model.update(y);
        forecasts = model.forecasts();
        return model.squared_errors();
    };
    auto const descend = [&](holt_winters_fit from) {
        for (double step = .1; step > 1e-7;) {
            bool better = false;
            for (std::size_t k = 0; k < used; ++k) {
                for (double const side : {step, -step}) {
                    auto next = from.options;
                    next.*parameters[k] = std::clamp(next.*parameters[k] + side, 0.0, 1.0);
                    if (double const e = errors(next); e < from.squared_errors) {
                        from = {next, e};
                        better = true;
                        break;
                    }
                }
            }
            if (!better) step /= 2;
        }
        return from;
    };

    (void)errors(options);
    detail::require_number(forecasts > 0, "fit_holt_winters: forecasts in the series (> 0)", 0);
    holt_winters_fit best{options, std::numeric_limits<double>::infinity()};
    for (std::array<double, 3> const& start : {std::array{.3, .1, .1}, std::array{.1, .01, .8}, std::array{.8, .1, .5}}) {
        holt_winters_fit from{options, 0};
        for (std::size_t k = 0; k < used; ++k) from.options.*parameters[k] = start[k];
        from.squared_errors = errors(from.options);
        from = descend(from);
        if (from.squared_errors < best.squared_errors) best = from;
    }
    return best;
}

}  // namespace sluice
