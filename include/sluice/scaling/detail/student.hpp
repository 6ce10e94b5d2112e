// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::student_within, detail::student_quantile — Student's t for whole degrees of freedom.
///
/// Thread-safety  functions of their arguments; any thread
/// Complexity     O(degrees) for the probability; the quantile some sixty of those up to 1000 degrees, O(1) beyond
/// Errors         none; degrees >= 1
/// Source         Abramowitz, Stegun, 26.7.3, 26.7.4 (finite sums), 26.7.5 (expansion)

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace sluice::detail {

/// P(|T| <= t), t >= 0.
[[nodiscard]] inline double student_within(double t, std::size_t degrees) noexcept {
    if (!(t < HUGE_VAL)) return 1;
    double const angle = std::atan(t / std::sqrt(static_cast<double>(degrees)));
    double const sine = std::sin(angle);
    double const cosine = std::cos(angle);
    bool const odd = degrees % 2 != 0;
    double term = odd ? cosine : 1;
    double sum = degrees > 1 ? term : 0;
    for (std::size_t k = odd ? 3 : 2; k < degrees; k += 2) {
        auto const even_over_odd = static_cast<double>(k - 1) / static_cast<double>(k);
        term *= even_over_odd * cosine * cosine;
        sum += term;
    }
    double const pi = 3.14159265358979323846;
    return std::clamp(odd ? (angle + sine * sum) * 2 / pi : sine * sum, 0.0, 1.0);
}

/// The t with P(|T| <= t) = confidence, which is in (0, 1).
[[nodiscard]] inline double student_quantile(double confidence, std::size_t degrees) noexcept {
    bool const exact = degrees <= 1000;
    auto const within = [&](double t) { return exact ? student_within(t, degrees) : std::erf(t / std::sqrt(2.0)); };
    double low = 0;
    double high = 1;
    while (within(high) < confidence && high < 1e18) high *= 2;
    for (int i = 0; i < 100; ++i) {
        double const middle = low + (high - low) / 2;
        if (!(low < middle && middle < high)) break;
        (within(middle) < confidence ? low : high) = middle;
    }
    if (exact) return high;
    double const z = high;
    double const z2 = z * z;
    auto const v = static_cast<double>(degrees);
    return z * (1 + (z2 + 1) / (4 * v) + ((5 * z2 + 16) * z2 + 3) / (96 * v * v) +
                (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * v * v * v));
}

}  // namespace sluice::detail
