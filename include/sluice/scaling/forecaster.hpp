// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// forecaster — what continues a series of observations that are equally far apart.
///
/// Use it for     the parameter of predictive: holt_winters, harmonic_regression, or one's own
/// Thread-safety  a concept; its models belong to one thread at a time
/// Errors         an observation that is not a finite number is one that was missed; a forecast that cannot be made is empty

#include <concepts>
#include <cstdint>
#include <optional>

namespace sluice {

/// update(y) is the next observation, an empty one was missed; skip(n) is n missed ones at the cost of one; forecast(h) is
/// what the h-th observation from now will be, h >= 1, empty while too little is known.
template <class F>
concept forecaster = std::move_constructible<F> && requires(F& f, F const& known, std::optional<double> y, std::uint64_t n) {
    f.update(y);
    f.skip(n);
    { known.forecast(n) } -> std::same_as<std::optional<double>>;
};

}  // namespace sluice
