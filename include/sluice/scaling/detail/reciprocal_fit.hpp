// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::fit_data, detail::reciprocal_fit — least squares for X = N/D(N) with D a quadratic in N.
///
/// Thread-safety  fit_data is written by its constructor alone; any thread may fit with it
/// Complexity     O(points) per iteration, some five iterations; one allocation, in fit_data
/// Errors         std::invalid_argument from fit_data; a fit that does not converge says so
///
/// Amdahl's law and the USL are both N over a polynomial whose coefficients are linear in (1, σ, κ)/λ. So their parameters
/// span a space of quadratics, as do the models with a bound active (κ = 0, σ = 0) or with the peak held at a given N. One
/// solver does all of them: a basis of the space, made orthonormal for the weights that the derivative has near the
/// solution, a weighted linear fit of N/X as the start, then Newton's method with the full Hessian, damped where a step
/// fails. The scale of N and X is taken out first.

#include <sluice/scaling/detail/check.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace sluice {

/// One measurement: what `n` workers, or a load of n, achieved.
struct usl_point {
    double n;           ///< > 0, need not be whole
    double throughput;  ///< > 0, in any unit
};

namespace detail {

struct quadratic {
    double c0 = 0;
    double c1 = 0;
    double c2 = 0;

    [[nodiscard]] double operator()(double t) const noexcept { return c0 + t * (c1 + t * c2); }
    [[nodiscard]] friend quadratic operator*(double s, quadratic const& q) noexcept {
        return {s * q.c0, s * q.c1, s * q.c2};
    }
    [[nodiscard]] friend quadratic operator+(quadratic const& a, quadratic const& b) noexcept {
        return {a.c0 + b.c0, a.c1 + b.c1, a.c2 + b.c2};
    }
};

/// The measurements without their scale: t = (N - middle)/half in -1 … 1, z = N/largest, y = X/largest.
class fit_data {
public:
    struct row {
        double t;
        double z;
        double y;
        double weight;  // of a squared residual in y
        double slope;   // weight × (y²/z)²: of a squared error of D near the solution
    };

    fit_data(char const* name, std::span<usl_point const> points, bool relative, std::size_t distinct) {
        for (auto const& p : points) {
            require(p.n > 0 && is_finite(p.n), name, "n (> 0)", p.n);
            require(p.throughput > 0 && is_finite(p.throughput), name, "throughput (> 0)", p.throughput);
        }
        require(distinct_n(points) >= distinct, name, distinct == 3 ? "distinct n (>= 3)" : "distinct n (>= 2)",
                static_cast<double>(distinct_n(points)));
        double least = points[0].n;
        for (auto const& p : points) {
            least = std::min(least, p.n);
            largest_n = std::max(largest_n, p.n);
            largest_x = std::max(largest_x, p.throughput);
        }
        least_n = least;
        half = (largest_n - least) / 2;
        middle = least + half;
        rows.reserve(points.size());
        for (auto const& p : points) {
            double const z = p.n / largest_n;
            double const y = p.throughput / largest_x;
            double const weight = relative ? 1 / (y * y) : 1;
            double const slope = y * y / z;
            row const r{(p.n - middle) / half, z, y, weight, weight * slope * slope};
            require(r.slope > 0 && is_finite(r.slope) && is_finite(r.weight), name,
                    "throughput (n and throughput within 1e50 of the largest)", p.throughput);
            total += r.weight * y * y;
            rows.push_back(r);
        }
    }

    /// A polynomial in N as one in t.
    [[nodiscard]] quadratic in_t(quadratic const& q) const noexcept {
        return {q(middle), half * (q.c1 + 2 * q.c2 * middle), q.c2 * half * half};
    }

    /// Back, and to the units of the measurements: N/X.
    [[nodiscard]] quadratic in_n(quadratic const& q) const noexcept {
        double const slope = q.c1 / half;
        double const bend = q.c2 / half / half;
        double const scale = largest_n / largest_x;
        return scale * quadratic{q.c0 - middle * (slope - middle * bend), slope - 2 * middle * bend, bend};
    }

    std::vector<row> rows;
    double least_n = 0;
    double largest_n = 0;
    double largest_x = 0;
    double middle = 0;
    double half = 0;
    double total = 0;  // residual sum of squares of no model at all

private:
    [[nodiscard]] static std::size_t distinct_n(std::span<usl_point const> points) noexcept {  // counts to 3
        std::size_t different = 0;
        double first = 0, second = 0;
        for (auto const& p : points) {
            if (different == 0) first = p.n, different = 1;
            else if (different == 1 && p.n != first) second = p.n, different = 2;
            else if (different == 2 && p.n != first && p.n != second) return 3;
        }
        return different;
    }

    static void require(bool possible, char const* name, char const* parameter, double value) {
        if (!possible) throw_invalid((std::string(name) + ": " + parameter).c_str(), value);
    }
};

struct reciprocal_model {
    quadratic denominator{};  // in t; this and the residual sum without the data's scale
    double rss = std::numeric_limits<double>::infinity();
    bool converged = false;
};

/// Cholesky in place and solution of h·x = g; false if h is not positive definite.
template <std::size_t K>
[[nodiscard]] bool solve(std::array<std::array<double, K>, K> h, std::array<double, K> g,
                         std::array<double, K>& x) noexcept {
    for (std::size_t j = 0; j < K; ++j) {
        for (std::size_t i = j; i < K; ++i) {
            double sum = h[i][j];
            for (std::size_t k = 0; k < j; ++k) sum -= h[i][k] * h[j][k];
            if (i == j) {
                if (!(sum > 0) || !is_finite(sum)) return false;
                h[j][j] = std::sqrt(sum);
            } else {
                h[i][j] = sum / h[j][j];
            }
        }
    }
    for (std::size_t i = 0; i < K; ++i) {
        for (std::size_t k = 0; k < i; ++k) g[i] -= h[i][k] * g[k];
        g[i] /= h[i][i];
    }
    for (std::size_t i = K; i-- > 0;) {
        for (std::size_t k = i + 1; k < K; ++k) g[i] -= h[k][i] * g[k];
        g[i] /= h[i][i];
    }
    x = g;
    for (double const value : x)
        if (!is_finite(value)) return false;
    return true;
}

/// The D in the space of the basis (polynomials in t) with the least squares, D > 0 at every point and at N = 1. The first
/// of the basis must itself be > 0 there.
template <std::size_t K>
[[nodiscard]] reciprocal_model reciprocal_fit(fit_data const& data, std::array<quadratic, K> basis) noexcept {
    double const one = (1 - data.middle) / data.half;
    for (std::size_t j = 0; j < K; ++j) {
        for (int pass = 0; pass < 2 && j > 0; ++pass) {
            for (std::size_t k = 0; k < j; ++k) {
                double shared = 0;
                for (auto const& r : data.rows) shared += r.slope * basis[j](r.t) * basis[k](r.t);
                basis[j] = basis[j] + -shared * basis[k];
            }
        }
        double square = 0;
        for (auto const& r : data.rows) square += r.slope * basis[j](r.t) * basis[j](r.t);
        if (!(square > 0) || !is_finite(square)) return {};
        basis[j] = (1 / std::sqrt(square)) * basis[j];
    }

    auto const combine = [&](std::array<double, K> const& theta) {
        quadratic d;
        for (std::size_t j = 0; j < K; ++j) d = d + theta[j] * basis[j];
        return d;
    };
    auto const squares = [&](quadratic const& d) {
        if (!(d(one) > 0)) return std::numeric_limits<double>::infinity();
        double sum = 0;
        for (auto const& r : data.rows) {
            double const at = d(r.t);
            if (!(at > 0)) return std::numeric_limits<double>::infinity();
            double const residual = r.y - r.z / at;
            sum += r.weight * residual * residual;
        }
        return sum == sum ? sum : std::numeric_limits<double>::infinity();
    };

    std::array<double, K> theta{};
    for (auto const& r : data.rows)
        for (std::size_t j = 0; j < K; ++j) theta[j] += r.slope * basis[j](r.t) * (r.z / r.y);
    reciprocal_model best{combine(theta), 0, false};
    best.rss = squares(best.denominator);
    if (!is_finite(best.rss)) {
        for (std::size_t j = 1; j < K; ++j) theta[j] = 0;
        best.denominator = combine(theta);
        best.rss = squares(best.denominator);
        if (!is_finite(best.rss)) return best;
    }

    double damping = 0;
    for (int iteration = 0; iteration < 200; ++iteration) {
        std::array<std::array<double, K>, K> newton{}, gauss{};
        std::array<double, K> gradient{};
        for (auto const& r : data.rows) {
            std::array<double, K> phi;
            for (std::size_t j = 0; j < K; ++j) phi[j] = basis[j](r.t);
            double const at = best.denominator(r.t);
            double const value = r.z / at;
            double const slope = value / at;
            double const residual = r.y - value;
            double const square = r.weight * slope * slope;
            double const full = square - r.weight * residual * 2 * slope / at;
            for (std::size_t j = 0; j < K; ++j) {
                gradient[j] += r.weight * residual * slope * phi[j];
                for (std::size_t k = 0; k <= j; ++k) {
                    gauss[j][k] += square * phi[j] * phi[k];
                    newton[j][k] += full * phi[j] * phi[k];
                }
            }
        }
        double size = 0;
        for (double const value : theta) size += value * value;
        double trace = 0;
        for (std::size_t j = 0; j < K; ++j) trace += gauss[j][j];
        bool moved = false;
        for (; damping < 1e16 && !moved;) {
            auto h = newton;
            std::array<double, K> step{};
            for (std::size_t j = 0; j < K; ++j) h[j][j] += damping * trace;
            if (!solve(h, gradient, step)) {
                h = gauss;
                for (std::size_t j = 0; j < K; ++j) h[j][j] += std::max(damping, 1e-12) * trace;
                if (!solve(h, gradient, step)) {
                    damping = std::max(damping * 10, 1e-6);
                    continue;
                }
            }
            double length = 0;
            auto next = theta;
            for (std::size_t j = 0; j < K; ++j) {
                next[j] -= step[j];
                length += step[j] * step[j];
            }
            auto const d = combine(next);
            double const rss = squares(d);
            // A difference within rounding says nothing: the step is trusted then.
            bool const small = length <= 1e-14 * size;
            if (rss < best.rss || (small && rss <= best.rss * (1 + 1e-11) + 1e-28 * data.total)) {
                theta = next;
                best.denominator = d;
                best.rss = rss;
                moved = true;
                damping = damping < 1e-8 ? 0 : damping / 10;
                if (length <= 1e-28 * size) {
                    best.converged = true;
                    return best;
                }
            } else if (small) {
                best.converged = true;
                return best;
            } else {
                damping = std::max(damping * 10, 1e-6);
            }
        }
        if (!moved) return best;
    }
    return best;
}

}  // namespace detail
}  // namespace sluice
