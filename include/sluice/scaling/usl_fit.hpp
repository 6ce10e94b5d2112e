// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// fit_usl, usl_peak_interval — the Universal Scalability Law that measurements support, and how sure they are of its peak.
///
/// Use it for     throughput measured at several numbers of workers (or loads): the model, its errors, and warnings
/// Not for        a forecast far beyond the measurements: past twice the largest N the model is a guess
/// Thread-safety  functions of their arguments; any thread
/// Complexity     O(points) per iteration, some five of them; one allocation. The interval: some forty fits, one allocation
/// Errors         std::invalid_argument names parameter and value: n or throughput <= 0, NaN, infinite, fewer than three
///                distinct n, confidence outside (0, 1). std::bad_alloc. What is doubtful is said in `warnings`
/// Units          throughput in any unit. weighting::absolute minimises the squared residuals, so that large throughputs
///                dominate; relative those in proportion to the measurement
/// Source         Gunther, Guerrilla Capacity Planning, 2007, doi:10.1007/978-3-540-31010-5. Solver: detail/reciprocal_fit
/// Differs        from fits that clamp silently: bounds are chosen, and a parameter on its bound is reported. Intervals use
///                n - 3 degrees of freedom and the two-sided quantile
/// Example        examples/420_fit_measurements.cpp

#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/detail/reciprocal_fit.hpp>
#include <sluice/scaling/detail/student.hpp>
#include <sluice/scaling/usl.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>

namespace sluice {

enum class fit_weighting { absolute, relative };

enum class fit_bounds {
    non_negative,  ///< contention and coherency >= 0
    free,          ///< any sign: superlinear speed-up gives a contention < 0
};

struct usl_fit_options {
    fit_weighting weighting = fit_weighting::absolute;
    fit_bounds bounds = fit_bounds::non_negative;
    double confidence = 0.95;  ///< of usl_peak_interval; > 0, < 1
};

struct fit_interval {
    double lower;
    double upper;  ///< may be infinite
};

/// Each none for a parameter on its bound.
struct usl_standard_errors {
    std::optional<double> contention;
    std::optional<double> coherency;
    std::optional<double> unit_throughput;
};

struct usl_fit_warnings {
    bool few_points = false;           ///< fewer than six
    bool no_finite_peak = false;       ///< the fitted throughput grows with N forever
    bool peak_extrapolated = false;    ///< the peak lies beyond twice the largest N measured
    bool contention_at_bound = false;  ///< the best contention is negative; it was held at 0
    bool coherency_at_bound = false;   ///< the best coherency is negative; it was held at 0
    bool superlinear = false;          ///< contention < 0: possible, and also a sign of skewed n
    bool not_converged = false;        ///< the parameters may be off

    [[nodiscard]] constexpr bool any() const noexcept {
        return few_points || no_finite_peak || peak_extrapolated || contention_at_bound || coherency_at_bound ||
               superlinear || not_converged;
    }
};

struct usl_fit {
    usl model;
    usl_standard_errors standard_errors;  ///< none of them without degrees of freedom
    double residual_sum;                  ///< of squares: of throughput, or of its ratio to the measured one if relative
    double residual_sd;                   ///< sqrt(residual_sum / degrees_of_freedom), 0 without any
    std::size_t points;
    std::size_t degrees_of_freedom;  ///< points - 3, whether or not a parameter is on its bound
    double largest_n;
    usl_fit_warnings warnings;

    [[nodiscard]] std::optional<usl_peak> peak() const { return model.peak(); }

    /// More than twice as far as was measured.
    [[nodiscard]] bool extrapolates(double n) const noexcept { return n > 2 * largest_n; }

    /// Student's interval of a parameter; none without a standard error.
    [[nodiscard]] std::optional<fit_interval> contention_interval(double confidence = 0.95) const {
        return around(model.contention(), standard_errors.contention, confidence);
    }
    [[nodiscard]] std::optional<fit_interval> coherency_interval(double confidence = 0.95) const {
        return around(model.coherency(), standard_errors.coherency, confidence);
    }
    [[nodiscard]] std::optional<fit_interval> unit_throughput_interval(double confidence = 0.95) const {
        return around(model.unit_throughput(), standard_errors.unit_throughput, confidence);
    }

private:
    [[nodiscard]] std::optional<fit_interval> around(double value, std::optional<double> error, double confidence) const;
};

namespace detail {

inline void require_confidence(double confidence) {
    require_number(confidence > 0 && confidence < 1, "fit: confidence (> 0, < 1)", confidence);
}

/// The R of a QR decomposition, one row at a time; then the lengths of the rows of its inverse.
template <std::size_t K>
class row_qr {
public:
    void add(std::array<double, K> row) noexcept {
        for (std::size_t j = 0; j < K; ++j) {
            if (row[j] == 0) continue;
            double const length = std::hypot(r_[j][j], row[j]);
            double const c = r_[j][j] / length;
            double const s = row[j] / length;
            for (std::size_t k = j; k < K; ++k) {
                double const upper = c * r_[j][k] + s * row[k];
                row[k] = c * row[k] - s * r_[j][k];
                r_[j][k] = upper;
            }
        }
    }

    /// sqrt of the diagonal of (R'R)^-1, none where that is singular.
    [[nodiscard]] std::optional<std::array<double, K>> inverse_lengths() const noexcept {
        std::array<std::array<double, K>, K> inverse{};
        std::array<double, K> lengths{};
        for (std::size_t j = 0; j < K; ++j) {
            if (!(std::abs(r_[j][j]) > 0)) return std::nullopt;
            inverse[j][j] = 1 / r_[j][j];
            for (std::size_t i = j; i-- > 0;) {
                double sum = 0;
                for (std::size_t k = i + 1; k <= j; ++k) sum -= r_[i][k] * inverse[k][j];
                inverse[i][j] = sum / r_[i][i];
            }
        }
        for (std::size_t i = 0; i < K; ++i) {
            for (std::size_t j = i; j < K; ++j) lengths[i] = std::hypot(lengths[i], inverse[i][j]);
            if (!is_finite(lengths[i])) return std::nullopt;
        }
        return lengths;
    }

private:
    std::array<std::array<double, K>, K> r_{};
};

struct usl_solution {
    double contention;
    double coherency;
    double unit;
    reciprocal_model fit;
    bool contention_fixed;
    bool coherency_fixed;
};

[[nodiscard]] inline usl_solution to_usl(fit_data const& data, reciprocal_model const& fit, bool no_contention,
                                         bool no_coherency) {
    auto const d = data.in_n(fit.denominator);
    double const unit = 1 / d(1);
    usl_solution s{(d.c1 + d.c2) * unit, d.c2 * unit, unit, fit, no_contention, no_coherency};
    // What changes no prediction by more than rounding is 0: no peak at N = 1e9 for data on a line.
    double const last = data.largest_n;
    double const noise = 1e-13 * std::max(d(last) * unit, 1.0);
    if (no_coherency || !(std::abs(s.coherency) * last * std::max(last, 1.0) > noise)) {
        s.contention = d.c1 * unit;
        s.coherency = 0;
    }
    if (no_contention || !(std::abs(s.contention) * std::max(last, 1.0) > noise)) s.contention = 0;
    return s;
}

[[nodiscard]] inline usl_solution solve_usl(fit_data const& data, fit_bounds bounds) {
    quadratic const one{1, 0, 0}, linear{0, 1, 0}, square{0, 0, 1};
    auto const whole = to_usl(data, reciprocal_fit<3>(data, {one, linear, square}), false, false);
    auto const possible = [](usl_solution const& s) {
        return is_finite(s.fit.rss) && is_finite(s.contention) && is_finite(s.coherency) && is_finite(s.unit) && s.unit > 0;
    };
    if (bounds == fit_bounds::free && possible(whole)) return whole;
    if (possible(whole) && whole.contention >= 0 && whole.coherency >= 0) return whole;
    // The best point lies outside: look on the edges and in the corner. The corner, X = λN, is always there.
    double const scale = 1 / data.largest_n / data.largest_n;
    auto const pairs = data.in_t({0, -scale, scale});  // N(N - 1)
    auto best = to_usl(data, reciprocal_fit<1>(data, {one}), true, true);
    if (bounds == fit_bounds::free) best.fit.converged = false;  // no model of any sign: the data are beyond all scale
    auto const edges = {to_usl(data, reciprocal_fit<2>(data, {one, linear}), false, true),
                        to_usl(data, reciprocal_fit<2>(data, {one, pairs}), true, false)};
    for (auto const& s : edges)
        if (possible(s) && s.contention >= 0 && s.coherency >= 0 && s.fit.rss < best.fit.rss) best = s;
    return best;
}

}  // namespace detail

inline std::optional<fit_interval> usl_fit::around(double value, std::optional<double> error, double confidence) const {
    detail::require_confidence(confidence);
    if (!error || degrees_of_freedom == 0) return std::nullopt;
    double const reach = detail::student_quantile(confidence, degrees_of_freedom) * *error;
    return fit_interval{value - reach, value + reach};
}

/// The USL with the least squared residuals. Points in any order, repeated n welcome; three distinct n at least.
[[nodiscard]] inline usl_fit fit_usl(std::span<usl_point const> points, usl_fit_options options = {}) {
    detail::require_confidence(options.confidence);
    detail::fit_data const data("fit_usl", points, options.weighting == fit_weighting::relative, 3);
    auto const s = detail::solve_usl(data, options.bounds);
    usl_fit fit{usl({s.contention, s.coherency, s.unit}), {}, 0, 0, points.size(), points.size() - 3, data.largest_n, {}};

    bool const relative = options.weighting == fit_weighting::relative;
    double const unit_of_residual = relative ? 1 : data.largest_x;
    fit.residual_sum = s.fit.rss * unit_of_residual * unit_of_residual;
    if (fit.degrees_of_freedom > 0) {
        double const sd = std::sqrt(s.fit.rss / static_cast<double>(fit.degrees_of_freedom));
        fit.residual_sd = sd * unit_of_residual;
        // Columns: the derivatives by λ, σ, κ times λ, 1/largest, 1/largest²; those of parameters on a bound left out.
        detail::row_qr<3> qr;
        double const last = data.largest_n;
        for (auto const& p : points) {
            double const y = fit.model.throughput(p.n) / data.largest_x;
            double const weight = relative ? data.largest_x / p.throughput : 1;
            double const per = fit.model.efficiency(p.n);
            double const a = s.contention_fixed ? 0 : -y * per * ((p.n - 1) / last);
            double const b = s.coherency_fixed ? 0 : -y * per * ((p.n - 1) / last) * (p.n / last);
            qr.add({weight * y, weight * a, weight * b});
        }
        if (s.contention_fixed) qr.add({0, 1, 0});
        if (s.coherency_fixed) qr.add({0, 0, 1});
        if (auto const lengths = qr.inverse_lengths()) {
            fit.standard_errors.unit_throughput = (*lengths)[0] * sd * s.unit;
            if (!s.contention_fixed) fit.standard_errors.contention = (*lengths)[1] * sd / last;
            if (!s.coherency_fixed) fit.standard_errors.coherency = (*lengths)[2] * sd / last / last;
        }
    }

    auto const peak = fit.peak();
    fit.warnings.few_points = points.size() < 6;
    fit.warnings.no_finite_peak = !peak;
    fit.warnings.peak_extrapolated = peak && fit.extrapolates(peak->workers);
    fit.warnings.contention_at_bound = s.contention_fixed;
    fit.warnings.coherency_at_bound = s.coherency_fixed;
    fit.warnings.superlinear = s.contention < 0;
    fit.warnings.not_converged = !s.fit.converged;
    return fit;
}

namespace detail {

/// Least squares of the models whose peak is at N = 1/w (w = 0: no peak), within the bounds.
[[nodiscard]] inline double peak_profile(fit_data const& data, double w, fit_bounds bounds) {
    double const largest = data.largest_n;
    double const square = w * w;
    // D = p·N + q·(w²N(N - 1) - (N - 1)): then σ = 1 - q/p and κ = w²q/p.
    double const scale = 1 / (largest * (1 + square * largest));
    auto const flat = data.in_t({0, 1 / largest, 0});
    auto const bend = data.in_t(scale * quadratic{1, -square - 1, square});
    auto const fit = reciprocal_fit<2>(data, {flat, bend});
    auto const d = data.in_n(fit.denominator);
    double const p = d(1);
    double const q = d.c0;  // the only constant part
    if (is_finite(fit.rss) && q >= 0 && (bounds == fit_bounds::free || q <= p)) return fit.rss;
    double best = q >= 0 ? std::numeric_limits<double>::infinity() : reciprocal_fit<1>(data, {flat}).rss;
    if (bounds == fit_bounds::non_negative && q > p) {
        double const unit = 1 / (1 + square * largest * largest);
        auto const no_contention = data.in_t(unit * quadratic{1, -square, square});
        best = std::min(best, reciprocal_fit<1>(data, {no_contention}).rss);
    }
    return best;
}

/// Where f, negative or zero at `in` and positive at `out`, crosses 0 (Illinois).
template <class F>
[[nodiscard]] double crossing(double in, double at_in, double out, double at_out, F const& f) {
    int side = 0;
    for (int i = 0; i < 100; ++i) {
        if (std::abs(out - in) <= 1e-12 * std::max(std::abs(in), std::abs(out))) break;
        double middle = (in * at_out - out * at_in) / (at_out - at_in);
        if (!(middle > std::min(in, out) && middle < std::max(in, out)) || i % 8 == 7) middle = in + (out - in) / 2;
        double const value = f(middle);
        if (value > 0) {
            out = middle;
            at_out = value;
            if (side == 1) at_in /= 2;
            side = 1;
        } else {
            in = middle;
            at_in = value;
            if (side == -1) at_out /= 2;
            side = -1;
        }
    }
    return in;
}

}  // namespace detail

/// Profile-likelihood interval of the peak's N: all peaks with which the residual sum exceeds the best one by no more than
/// t²/(n - 3) of it. The upper end is infinite where "no peak" is among them; both are where nothing else is. None without
/// degrees of freedom.
[[nodiscard]] inline std::optional<fit_interval> usl_peak_interval(std::span<usl_point const> points,
                                                                   usl_fit_options options = {}) {
    detail::require_confidence(options.confidence);
    detail::fit_data const data("usl_peak_interval", points, options.weighting == fit_weighting::relative, 3);
    if (points.size() <= 3) return std::nullopt;
    auto const s = detail::solve_usl(data, options.bounds);
    auto const freedom = points.size() - 3;
    double const t = detail::student_quantile(options.confidence, freedom);
    double const most = s.fit.rss * (1 + t * t / static_cast<double>(freedom)) + 1e-26 * data.total;
    auto const excess = [&](double w) {
        double const rss = detail::peak_profile(data, w, options.bounds);
        return std::min(rss, std::numeric_limits<double>::max()) - most;
    };
    double const infinity = std::numeric_limits<double>::infinity();
    double const far = 1e3 / data.least_n;  // w of a peak so far to the left that it might as well be at 0
    double best = 0;
    if (s.contention >= 1) best = far;
    else if (s.coherency > 0) best = std::min(far, std::sqrt(s.coherency / (1 - s.contention)));
    double at_best = excess(best);
    if (at_best > 0) {
        if (best == 0) return fit_interval{infinity, infinity};
        at_best = 0;  // rounding
    }

    fit_interval interval{0, infinity};  // lower end 0: the largest throughput may be that of one worker
    if (best > 0) {
        double const at_zero = excess(0);
        if (at_zero > 0) {
            double const w = detail::crossing(best, at_best, 0.0, at_zero, excess);
            interval.upper = 1 / w;
        }
    }
    double inside = best;
    double at_inside = at_best;
    double factor = 1.25;
    for (double w = best > 0 ? best * factor : 1 / (64 * data.largest_n); inside < far; w *= factor) {
        double const value = excess(w);
        if (value > 0) {
            interval.lower = 1 / detail::crossing(inside, at_inside, w, value, excess);
            break;
        }
        inside = w;
        at_inside = value;
        factor *= 1.25;
    }
    if (s.contention >= 1) interval.upper = std::max(interval.upper, 1.0);  // one worker is best, whole numbers taken
    return interval;
}

}  // namespace sluice
