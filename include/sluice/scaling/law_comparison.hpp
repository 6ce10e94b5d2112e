// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// compare_laws — which law the measurements support: linear, Amdahl's, or the USL.
///
/// Use it for     the verdict beside a fit: is there a peak at all, or only a limit, or neither?
/// Not for        a proof: few or noisy points support the simplest law because they cannot tell
/// Thread-safety  a function of its arguments; any thread
/// Complexity     as fit_usl, three times; a handful of allocations
/// Errors         std::invalid_argument as fit_usl
/// Units          each law holds the one before it as a special case: X = λN, then σ, then κ. The verdict is the simplest
///                law that no larger one beats in an F-test at the level 1 - confidence. Beside it stands the corrected
///                Akaike criterion, as the difference to the best; it needs three points more than the law has parameters
/// Source         Hurvich, Tsai, Biometrika 76, 1989, doi:10.1093/biomet/76.2.297 (AICc)
/// Example        examples/420_fit_measurements.cpp

#include <sluice/scaling/amdahl_fit.hpp>
#include <sluice/scaling/detail/reciprocal_fit.hpp>
#include <sluice/scaling/detail/student.hpp>
#include <sluice/scaling/usl_fit.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>

namespace sluice {

enum class scaling_law {
    undecided,  ///< three points: the USL passes through all of them, whatever they are
    linear,
    amdahl,
    usl,
};

[[nodiscard]] constexpr char const* to_string(scaling_law law) noexcept {
    switch (law) {
        case scaling_law::linear: return "linear";
        case scaling_law::amdahl: return "amdahl";
        case scaling_law::usl: return "usl";
        case scaling_law::undecided: break;
    }
    return "undecided";
}

struct law_comparison {
    scaling_law supported;
    double contention_p;  ///< how likely data on a line would ask for Amdahl's law as much as these do; 1 if undecided
    double coherency_p;   ///< how likely data by Amdahl's law would ask for the USL as much as these do; 1 if undecided
    std::optional<double> linear_aicc;  ///< differences to the best of the three, which is 0
    std::optional<double> amdahl_aicc;
    std::optional<double> usl_aicc;
    amdahl_fit amdahl;
    usl_fit usl;
};

[[nodiscard]] inline law_comparison compare_laws(std::span<usl_point const> points, usl_fit_options options = {}) {
    bool const relative = options.weighting == fit_weighting::relative;
    law_comparison c{scaling_law::undecided, 1, 1, {}, {}, {}, fit_amdahl(points, options), fit_usl(points, options)};
    detail::fit_data const data("compare_laws", points, relative, 3);
    double const nothing = 1e-26 * data.total;  // residuals that are only rounding
    double const linear = std::max(nothing, detail::reciprocal_fit<1>(data, {detail::quadratic{1, 0, 0}}).rss);
    double const amdahl = std::min(linear, std::max(nothing, detail::solve_amdahl(data, options.bounds).fit.rss));
    double const usl = std::min(amdahl, std::max(nothing, detail::solve_usl(data, options.bounds).fit.rss));

    std::size_t const n = points.size();
    if (n > 3) {
        // One parameter more: F with 1 and n - k degrees of freedom is the square of Student's t.
        auto const p_value = [](double less, double more, std::size_t freedom) {
            return 1 - detail::student_within(std::sqrt((less - more) / more * static_cast<double>(freedom)), freedom);
        };
        c.contention_p = p_value(linear, amdahl, n - 2);
        c.coherency_p = p_value(amdahl, usl, n - 3);
        double const level = 1 - options.confidence;
        c.supported = c.coherency_p < level    ? scaling_law::usl
                      : c.contention_p < level ? scaling_law::amdahl
                                               : scaling_law::linear;
    }

    auto const aicc = [n](double rss, std::size_t parameters) -> std::optional<double> {
        std::size_t const k = parameters + 1;  // and the variance
        if (n < k + 2) return std::nullopt;
        auto const count = static_cast<double>(n);
        auto const size = static_cast<double>(k);
        return count * std::log(rss / count) + 2 * size + 2 * size * (size + 1) / (count - size - 1);
    };
    c.linear_aicc = aicc(linear, 1);
    c.amdahl_aicc = aicc(amdahl, 2);
    c.usl_aicc = aicc(usl, 3);
    if (!c.linear_aicc) return c;
    double const best =
        std::min({*c.linear_aicc, c.amdahl_aicc.value_or(*c.linear_aicc), c.usl_aicc.value_or(*c.linear_aicc)});
    for (auto* value : {&c.linear_aicc, &c.amdahl_aicc, &c.usl_aicc})
        if (*value) **value -= best;
    return c;
}

}  // namespace sluice
