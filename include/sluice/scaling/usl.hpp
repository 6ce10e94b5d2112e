// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// usl — the Universal Scalability Law: X(N) = λN / (1 + σ(N - 1) + κN(N - 1)), its peak and its inverses.
///
/// Use it for     what N workers achieve, how many are best, how many a throughput or a latency allows
/// Not for        N/(1 + cN²), whose figures are often printed as this law's (effective_workers)
/// Thread-safety  values; any thread
/// Complexity     O(1), no allocation; throughput, latency, speedup, efficiency are constexpr, what needs a root is not
/// Errors         std::invalid_argument names parameter and value: NaN, infinity, unit_throughput <= 0, workers < 0,
///                throughput < 0, latency <= 0. "No solution" is an empty optional
/// Units          throughput in any unit; latency is N/X, in the inverse of it. Workers are real numbers: concurrency
///                measured as a mean is one
/// Source         Gunther, Guerrilla Capacity Planning, 2007, doi:10.1007/978-3-540-31010-5
/// Differs        from printed inverses that drop κ or turn a sign around; the peak in whole workers compares both
///                neighbours, where others round down
/// Example        examples/410_amdahl_and_usl.cpp

#include <sluice/scaling/detail/check.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

namespace sluice {

struct usl_options {
    double contention = 0;       ///< σ: what waits for something shared; κ = 0 makes it Amdahl's serial fraction
    double coherency = 0;        ///< κ: what pairs of workers spend on agreeing
    double unit_throughput = 1;  ///< λ: throughput of one worker; > 0. At 1, throughput is speed-up
};

struct usl_peak {
    double workers;               ///< sqrt((1 - σ)/κ); 1 where σ >= 1, because a second worker only harms
    double throughput;            ///< there
    std::uint64_t whole_workers;  ///< the better of the whole numbers beside it, at least 1
    double whole_throughput;
};

/// σ and κ may be negative, as free fits of superlinear data have it. Such a model ends where its denominator does: beyond,
/// the throughput is infinite and the latency 0.
class usl {
public:
    explicit constexpr usl(usl_options o)
        : contention_(o.contention), coherency_(o.coherency), unit_(o.unit_throughput) {
        detail::require_number(detail::is_finite(o.contention), "usl: contention (finite)", o.contention);
        detail::require_number(detail::is_finite(o.coherency), "usl: coherency (finite)", o.coherency);
        detail::require_number(o.unit_throughput > 0 && detail::is_finite(o.unit_throughput), "usl: unit_throughput (> 0)",
                               o.unit_throughput);
    }

    [[nodiscard]] constexpr double contention() const noexcept { return contention_; }
    [[nodiscard]] constexpr double coherency() const noexcept { return coherency_; }
    [[nodiscard]] constexpr double unit_throughput() const noexcept { return unit_; }

    /// Of workers >= 0; 0 workers do nothing.
    [[nodiscard]] constexpr double throughput(double workers) const {
        require_workers(workers);
        if (workers == 0) return 0;
        double const slow_down = denominator(workers);
        if (slow_down > std::numeric_limits<double>::max()) return 0;  // N² beyond the range
        return slow_down > 0 ? unit_ * (workers / slow_down) : std::numeric_limits<double>::infinity();
    }

    /// Time that one unit of work takes with `workers` >= 0 at it, N/X(N).
    [[nodiscard]] constexpr double latency(double workers) const {
        require_workers(workers);
        double const slow_down = denominator(workers);
        return slow_down > 0 ? slow_down / unit_ : 0;
    }

    /// Throughput against one worker's.
    [[nodiscard]] constexpr double speedup(double workers) const { return throughput(workers) / unit_; }

    /// Speed-up per worker, 1 at one worker.
    [[nodiscard]] constexpr double efficiency(double workers) const {
        require_workers(workers);
        double const slow_down = denominator(workers);
        return slow_down > 0 ? 1 / slow_down : std::numeric_limits<double>::infinity();
    }

    /// λ/σ, what contention alone would allow; the law's limit where κ is 0. None where σ <= 0: no limit.
    [[nodiscard]] constexpr std::optional<double> contention_limit() const noexcept {
        if (!(contention_ > 0) || !detail::is_finite(unit_ / contention_)) return std::nullopt;
        return unit_ / contention_;
    }

    /// The most throughput there is; none where it grows with N forever (κ <= 0 and σ < 1).
    [[nodiscard]] std::optional<usl_peak> peak() const {
        if (coherency_ < 0) return std::nullopt;
        if (contention_ >= 1) return usl_peak{1, unit_, 1, unit_};
        if (coherency_ == 0) return std::nullopt;
        double const best = std::sqrt((1 - contention_) / coherency_);
        if (!detail::is_finite(best)) return std::nullopt;
        double const below = best < 1 ? 1 : std::floor(best);
        double const above = below + 1;
        double const whole = throughput(above) > throughput(below) ? above : below;
        return usl_peak{best, throughput(best), whole < 0x1p63 ? static_cast<std::uint64_t>(whole) : UINT64_MAX,
                        throughput(whole)};
    }

    /// The fewest workers that reach `wanted` >= 0; none above the peak.
    [[nodiscard]] std::optional<double> workers_for_throughput(double wanted) const {
        detail::require_number(wanted >= 0 && detail::is_finite(wanted), "usl: throughput (>= 0)", wanted);
        if (wanted == 0) return 0.0;
        // κN² - (λ/X + κ - σ)N + (1 - σ) = 0
        double const slope = unit_ / wanted + coherency_ - contention_;
        double const at_zero = 1 - contention_;
        if (!detail::is_finite(slope)) return 0.0;  // the wanted throughput is smaller than any worker's share
        if (coherency_ == 0) return only(at_zero / slope);
        double under = slope * slope - 4 * coherency_ * at_zero;
        if (under < 0 && under > -8 * std::numeric_limits<double>::epsilon() * slope * slope) under = 0;  // at the peak
        if (!(under >= 0)) return std::nullopt;
        double const sum = (slope + std::copysign(std::sqrt(under), slope)) / 2;  // without cancellation
        auto const one = only(at_zero / sum);
        auto const other = only(sum / coherency_);
        return one && (!other || *one < *other) ? one : other;
    }

    /// The most workers that keep the latency at or below `wanted` > 0; none where one does not exist, or where the
    /// latency does not depend on them.
    [[nodiscard]] std::optional<double> workers_for_latency(double wanted) const {
        detail::require_number(wanted > 0 && detail::is_finite(wanted), "usl: latency (> 0)", wanted);
        // κN² + (σ - κ)N - (λR + σ - 1) = 0
        double const slope = contention_ - coherency_;
        double const above = unit_ * wanted + contention_ - 1;
        if (!detail::is_finite(above)) return std::nullopt;
        double const under = slope * slope + 4 * coherency_ * above;
        if (!(under >= 0)) return std::nullopt;
        double const root = std::sqrt(under);
        if (slope >= 0) return only(2 * above / (slope + root));
        if (coherency_ > 0) return only((root - slope) / (2 * coherency_));
        return std::nullopt;
    }

    /// Latency at which the throughput is `wanted` > 0, on the rising side; none above the peak.
    [[nodiscard]] std::optional<double> latency_at_throughput(double wanted) const {
        detail::require_number(wanted > 0 && detail::is_finite(wanted), "usl: throughput (> 0)", wanted);
        auto const workers = workers_for_throughput(wanted);
        if (!workers) return std::nullopt;
        return latency(*workers);
    }

    /// Throughput at the largest load that keeps to the latency `wanted` > 0; none where there is no such load.
    [[nodiscard]] std::optional<double> throughput_at_latency(double wanted) const {
        auto const workers = workers_for_latency(wanted);
        if (!workers) return std::nullopt;
        return *workers / wanted;
    }

    friend constexpr bool operator==(usl const&, usl const&) noexcept = default;

private:
    static constexpr void require_workers(double workers) {
        detail::require_number(workers >= 0 && detail::is_finite(workers), "usl: workers (>= 0)", workers);
    }

    [[nodiscard]] constexpr double denominator(double n) const noexcept {
        double const grown = (n - 1) * (contention_ + coherency_ * n);
        return grown == grown ? 1 + grown : std::numeric_limits<double>::infinity();
    }

    /// A number of workers > 0 at which the model still holds, or none.
    [[nodiscard]] std::optional<double> only(double workers) const noexcept {
        if (!(workers > 0) || !detail::is_finite(workers) || !(denominator(workers) > 0)) return std::nullopt;
        return workers;
    }

    double contention_;
    double coherency_;
    double unit_;
};

}  // namespace sluice
