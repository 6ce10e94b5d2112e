// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// fit_amdahl — the serial fraction that measurements support.
///
/// Use it for     measurements that have no peak, and the simpler law to hold against the USL (compare_laws)
/// Thread-safety  a function of its arguments; any thread
/// Complexity     O(points) per iteration, some five of them; one allocation
/// Errors         std::invalid_argument names parameter and value: n or throughput <= 0, NaN, infinite, fewer than two
///                distinct n, confidence outside (0, 1). std::bad_alloc
/// Units          throughput in any unit; weighting as in usl_fit. non_negative keeps the fraction in 0 … 1
/// Example        examples/420_fit_measurements.cpp

#include <sluice/scaling/amdahl.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/detail/reciprocal_fit.hpp>
#include <sluice/scaling/usl.hpp>
#include <sluice/scaling/usl_fit.hpp>

#include <cmath>
#include <cstddef>
#include <optional>
#include <span>

namespace sluice {

struct amdahl_fit {
    double serial_fraction;
    double unit_throughput;  ///< of one worker
    std::optional<double> serial_fraction_error;  ///< standard errors; none on a bound, or without degrees of freedom
    std::optional<double> unit_throughput_error;
    double residual_sum;  ///< as in usl_fit
    double residual_sd;
    std::size_t points;
    std::size_t degrees_of_freedom;  ///< points - 2
    double largest_n;
    bool at_bound;  ///< the best fraction lies outside 0 … 1; it was held at the end
    bool converged;

    /// The same law as a USL without coherency.
    [[nodiscard]] usl model() const { return usl({serial_fraction, 0, unit_throughput}); }
};

namespace detail {

[[nodiscard]] inline usl_solution solve_amdahl(fit_data const& data, fit_bounds bounds) {
    quadratic const one{1, 0, 0}, linear{0, 1, 0};
    auto const whole = to_usl(data, reciprocal_fit<2>(data, {one, linear}), false, true);
    bool const possible = is_finite(whole.fit.rss) && is_finite(whole.contention) && is_finite(whole.unit) && whole.unit > 0;
    if (possible && (bounds == fit_bounds::free || (whole.contention >= 0 && whole.contention <= 1))) return whole;
    auto best = to_usl(data, reciprocal_fit<1>(data, {one}), true, true);
    auto serial = to_usl(data, reciprocal_fit<1>(data, {data.in_t({0, 1 / data.largest_n, 0})}), false, true);
    serial.contention = 1;
    serial.contention_fixed = true;
    return serial.fit.rss < best.fit.rss ? serial : best;
}

}  // namespace detail

[[nodiscard]] inline amdahl_fit fit_amdahl(std::span<usl_point const> points, usl_fit_options options = {}) {
    detail::require_confidence(options.confidence);
    bool const relative = options.weighting == fit_weighting::relative;
    detail::fit_data const data("fit_amdahl", points, relative, 2);
    auto const s = detail::solve_amdahl(data, options.bounds);
    double const unit_of_residual = relative ? 1 : data.largest_x;
    amdahl_fit fit{s.contention,
                   s.unit,
                   std::nullopt,
                   std::nullopt,
                   s.fit.rss * unit_of_residual * unit_of_residual,
                   0,
                   points.size(),
                   points.size() - 2,
                   data.largest_n,
                   s.contention_fixed,
                   s.fit.converged};
    if (fit.degrees_of_freedom == 0) return fit;
    double const sd = std::sqrt(s.fit.rss / static_cast<double>(fit.degrees_of_freedom));
    fit.residual_sd = sd * unit_of_residual;
    auto const model = fit.model();
    detail::row_qr<2> qr;
    for (auto const& p : points) {
        double const y = model.throughput(p.n) / data.largest_x;
        double const weight = relative ? data.largest_x / p.throughput : 1;
        qr.add({weight * y, s.contention_fixed ? 0 : -weight * y * model.efficiency(p.n) * ((p.n - 1) / data.largest_n)});
    }
    if (s.contention_fixed) qr.add({0, 1});
    if (auto const lengths = qr.inverse_lengths()) {
        fit.unit_throughput_error = (*lengths)[0] * sd * s.unit;
        if (!s.contention_fixed) fit.serial_fraction_error = (*lengths)[1] * sd / data.largest_n;
    }
    return fit;
}

}  // namespace sluice
