// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// harmonic_regression — a mean, a trend if wanted, and a few sines and cosines of a period, fitted as observations come.
///
/// Use it for     a smooth daily or weekly shape, from little data: 2 numbers per harmonic, and no whole season to wait for
/// Not for        sharp edges (9 a.m. sharp): those need many harmonics, or a season of their own (holt_winters)
/// Thread-safety  one thread at a time; forecasts of a model that nobody updates: any thread
/// Complexity     update O(p²) for p = 1 + trend + 2 harmonics coefficients, forecast O(p); no allocation after construction
/// Errors         constructor: std::invalid_argument names the option; the rest is noexcept. An observation that is empty,
///                NaN, infinite or too large to calculate with counts as missed
/// Units          the period in steps, need not be whole; step 0 is the first observation
/// Source         least squares by Givens rotations: Gentleman, IMA J. Applied Mathematics 12 (1973),
///                doi:10.1093/imamat/12.3.329
///
/// Exact least squares of all observations, where forgetting is 1; otherwise one that is k steps old has weight
/// forgetting^k. There is no forecast before the observations determine every coefficient.

#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/forecaster.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace sluice {

struct harmonic_regression_options {
    double        period = 0;      ///< in steps; > 2 harmonics
    std::uint32_t harmonics = 1;   ///< sines and cosines of period, period/2, period/3 …; in [1, 100]
    bool          trend = false;   ///< a straight line as well
    double        forgetting = 1;  ///< weight of the observation before against the latest; in (0, 1]
};

class harmonic_regression {
public:
    explicit harmonic_regression(harmonic_regression_options o) : o_(o) {
        detail::require_number(o.harmonics >= 1 && o.harmonics <= 100, "harmonic_regression: harmonics (in [1, 100])",
                               o.harmonics);
        detail::require_number(o.period > 2 * static_cast<double>(o.harmonics) && detail::is_finite(o.period),
                               "harmonic_regression: period (> 2 harmonics)", o.period);
        detail::require_number(o.forgetting > 0 && o.forgetting <= 1, "harmonic_regression: forgetting (in (0, 1])",
                               o.forgetting);
        std::size_t const p = 1 + 2 * std::size_t{o.harmonics} + (o.trend ? 1 : 0);
        triangle_.resize(p * (p + 1) / 2);
        right_.resize(p);
        row_.resize(p);
        coefficients_.resize(p);
        fading_ = std::sqrt(o.forgetting);
    }

    /// The next observation, or that it was missed.
    void update(std::optional<double> y) noexcept {
        if (!y || !(std::abs(*y) < 0x1p500)) return skip(1);
        for (std::size_t j = 0; j < row_.size(); ++j) row_[j] = basis(j, step_);
        fade(1);
        rotate_in(*y);
        ++step_;
        solve();
    }

    /// n observations were missed.
    void skip(std::uint64_t n) noexcept {
        fade(n);
        step_ += n;
    }

    /// What the h-th observation from now will be, h >= 1; h = 0 is the latest one as the model sees it.
    [[nodiscard]] std::optional<double> forecast(std::uint64_t h = 1) const noexcept {
        if (!determined_ || (h == 0 && step_ == 0)) return std::nullopt;
        return value(step_ + h - 1);
    }

    /// The model at any step, the first observation's being 0. Empty while it is not determined.
    [[nodiscard]] std::optional<double> at(std::uint64_t step) const noexcept {
        if (!determined_) return std::nullopt;
        return value(step);
    }

    [[nodiscard]] bool ready() const noexcept { return determined_; }
    /// Mean, then sine and cosine of each harmonic, then the trend per period; i < coefficients(). 0 while not determined.
    [[nodiscard]] double coefficient(std::size_t i) const noexcept { return determined_ ? coefficients_[i] : 0; }
    [[nodiscard]] std::size_t coefficients() const noexcept { return coefficients_.size(); }
    [[nodiscard]] harmonic_regression_options const& options() const noexcept { return o_; }

private:
    [[nodiscard]] double basis(std::size_t j, std::uint64_t step) const noexcept {
        if (j == 0) return 1;
        auto const t = static_cast<double>(step);
        if (j > 2 * std::size_t{o_.harmonics}) return t / o_.period;
        double const turns = std::fmod(t, o_.period) / o_.period * static_cast<double>((j + 1) / 2);
        double const angle = 6.283185307179586477 * (turns - std::floor(turns));
        return j % 2 == 1 ? std::sin(angle) : std::cos(angle);
    }

    [[nodiscard]] std::optional<double> value(std::uint64_t step) const noexcept {
        double sum = 0;
        for (std::size_t j = 0; j < coefficients_.size(); ++j) sum += coefficients_[j] * basis(j, step);
        if (!detail::is_finite(sum)) return std::nullopt;
        return sum;
    }

    void fade(std::uint64_t n) noexcept {
        if (fading_ == 1) return;
        double const left = n == 1 ? fading_ : std::max(1e-100, std::pow(fading_, static_cast<double>(n)));
        for (double& r : triangle_) r *= left;
        for (double& r : right_) r *= left;
    }

    [[nodiscard]] double& upper(std::size_t i, std::size_t j) noexcept {  // row i from its diagonal on
        return triangle_[i * row_.size() - i * (i + 1) / 2 + j];
    }

    void rotate_in(double y) noexcept {
        std::size_t const p = row_.size();
        for (std::size_t i = 0; i < p; ++i) {
            double const a = upper(i, i);
            double const b = row_[i];
            double const length = std::hypot(a, b);
            if (length == 0) continue;
            double const c = a / length;
            double const s = b / length;
            for (std::size_t j = i; j < p; ++j) {
                double const r = upper(i, j);
                upper(i, j) = c * r + s * row_[j];
                row_[j] = c * row_[j] - s * r;
            }
            upper(i, i) = length;
            double const z = right_[i];
            right_[i] = c * z + s * y;
            y = c * y - s * z;
        }
    }

    void solve() noexcept {
        std::size_t const p = row_.size();
        double most = 0;
        for (std::size_t i = 0; i < p; ++i) most = std::max(most, upper(i, i));
        for (std::size_t i = 0; i < p; ++i)
            if (!(upper(i, i) > 1e-9 * most)) return;  // what was determined once stays as it was
        for (std::size_t i = p; i-- > 0;) {
            double sum = right_[i];
            for (std::size_t j = i + 1; j < p; ++j) sum -= upper(i, j) * row_[j];
            row_[i] = sum / upper(i, i);
            if (!detail::is_finite(row_[i])) return;
        }
        coefficients_.swap(row_);
        determined_ = true;
    }

    harmonic_regression_options o_;
    double                      fading_ = 1;
    std::vector<double>         triangle_;  // rows of the upper triangle, each from its diagonal on
    std::vector<double>         right_;
    std::vector<double>         row_;  // scratch
    std::vector<double>         coefficients_;
    std::uint64_t               step_ = 0;  // of the next observation
    bool                        determined_ = false;
};

}  // namespace sluice
