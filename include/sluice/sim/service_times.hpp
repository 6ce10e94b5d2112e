// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// exponential, erlang, hyper_exponential, log_normal, pareto, deterministic — how long a piece of work takes.
///
/// Use it for     service times, latencies, times to failure and repair in a simulation: d(rng) draws one
/// Not for        measured times (read them from a file into a vector)
/// Thread-safety  values; any thread, each with its own random source
/// Complexity     O(1); erlang: one number per stage; log_normal: 2.6 pairs of numbers in the mean. No allocation but
///                hyper_exponential's when it is made
/// Errors         std::invalid_argument names parameter and value: a time <= 0, no stage, no branch, weights that sum to 0, a sigma
///                or shape that is NaN, zero, negative or beyond its range
/// Units          whole nanoseconds, rounded to the nearest (a draw may be 0); what is longer than duration::max() is that
/// Source         half-normal numbers from exponential ones: von Neumann 1951
/// Differs        from std::…_distribution: the same numbers for a seed on every compiler and machine (integers throughout)
///
/// mean() is in nanoseconds. A pareto time has no mean for shape <= 1 and no variance for shape <= 2: mean() and scv() are then
/// infinite, and no average of draws ever settles. scv is the variance over the squared mean, as in mg1.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/sim/detail/fixed.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace sluice::sim {

/// What draws a time >= 0.
template <class D>
concept time_distribution = std::copy_constructible<D> && requires(D& d, xoshiro256ss& rng) {
    { d(rng) } -> std::same_as<duration>;
};

namespace detail {

[[nodiscard]] constexpr duration clamped(std::uint64_t nanoseconds) noexcept {
    constexpr auto most = static_cast<std::uint64_t>(INT64_MAX);
    return duration(static_cast<std::int64_t>(nanoseconds < most ? nanoseconds : most));
}

[[nodiscard]] inline std::uint64_t checked_time(char const* name_and_range, duration d) {
    sluice::detail::require_option(d.count() > 0, name_and_range, d.count());
    return static_cast<std::uint64_t>(d.count());
}

/// An exponential number with mean 1 in Q58.
[[nodiscard]] inline std::uint64_t unit_exponential(xoshiro256ss& rng) noexcept { return negative_log(rng()); }

/// With mean `nanoseconds`.
[[nodiscard]] inline std::uint64_t exponential_number(std::uint64_t nanoseconds, xoshiro256ss& rng) noexcept {
    return scale_rounded(unit_exponential(rng), nanoseconds, 58);
}

/// log2(e) in Q62.
inline constexpr std::uint64_t log2e_q62 = 0x5C55'1D94'AE0B'F85Du;

}  // namespace detail

/// Memoryless: P(longer than t) = e^(-t/mean).
class exponential {
public:
    explicit exponential(duration mean) : mean_(detail::checked_time("exponential: mean (> 0 ns)", mean)) {}

    [[nodiscard]] duration operator()(xoshiro256ss& rng) const noexcept {
        return detail::clamped(detail::exponential_number(mean_, rng));
    }
    [[nodiscard]] double mean() const noexcept { return static_cast<double>(mean_); }
    [[nodiscard]] double scv() const noexcept { return 1; }

private:
    std::uint64_t mean_;
};

/// Always the same.
class deterministic {
public:
    explicit deterministic(duration time) : time_(time) {
        sluice::detail::require_option(time.count() >= 0, "deterministic: time (>= 0 ns)", time.count());
    }

    [[nodiscard]] duration operator()(xoshiro256ss&) const noexcept { return time_; }
    [[nodiscard]] double mean() const noexcept { return static_cast<double>(time_.count()); }
    [[nodiscard]] double scv() const noexcept { return 0; }

private:
    duration time_;
};

struct erlang_options {
    duration      mean;    ///< of the whole; > 0
    std::uint32_t stages;  ///< 1 is exponential, many are nearly constant; > 0
};

/// So many exponential stages one after the other.
class erlang {
public:
    explicit erlang(erlang_options options)
        : mean_(detail::checked_time("erlang: mean (> 0 ns)", options.mean)), stages_(options.stages) {
        sluice::detail::require_option(options.stages > 0, "erlang: stages (> 0)", options.stages);
    }

    [[nodiscard]] duration operator()(xoshiro256ss& rng) const noexcept {
        std::uint64_t sum = 0;  // Q26: 44.4 · 2^32 stages fit
        for (std::uint32_t i = 0; i < stages_; ++i) sum += detail::unit_exponential(rng) >> 32;
        auto const whole = sluice::detail::multiply_divide(sum, mean_, std::uint64_t{stages_} << 26,
                                                           sluice::detail::round_to::floor);
        return detail::clamped(whole);
    }
    [[nodiscard]] double mean() const noexcept { return static_cast<double>(mean_); }
    [[nodiscard]] double scv() const noexcept { return 1.0 / stages_; }

private:
    std::uint64_t mean_;
    std::uint32_t stages_;
};

struct hyper_exponential_branch {
    std::uint32_t weight;  ///< relative to the others'
    duration      mean;    ///< > 0
};

/// Several kinds of work, each exponential: more varied than one.
class hyper_exponential {
public:
    explicit hyper_exponential(std::vector<hyper_exponential_branch> branches) : branches_(std::move(branches)) {
        for (auto const& b : branches_) {
            static_cast<void>(detail::checked_time("hyper_exponential: mean (> 0 ns)", b.mean));
            sum_ += b.weight;
        }
        sluice::detail::require_option(sum_ > 0, "hyper_exponential: sum of weights (> 0)", sum_);
    }

    [[nodiscard]] duration operator()(xoshiro256ss& rng) const noexcept {
        auto        drawn = uniform_below(rng, sum_);
        std::size_t i = 0;
        for (; drawn >= branches_[i].weight; ++i) drawn -= branches_[i].weight;
        return detail::clamped(detail::exponential_number(static_cast<std::uint64_t>(branches_[i].mean.count()), rng));
    }
    [[nodiscard]] double mean() const noexcept { return moment([](double m) { return m; }); }
    [[nodiscard]] double scv() const noexcept {
        return moment([](double m) { return 2 * m * m; }) / (mean() * mean()) - 1;
    }

private:
    template <class F>
    [[nodiscard]] double moment(F f) const noexcept {
        double sum = 0;
        for (auto const& b : branches_)
            sum += static_cast<double>(b.weight) / static_cast<double>(sum_) * f(static_cast<double>(b.mean.count()));
        return sum;
    }

    std::vector<hyper_exponential_branch> branches_;
    std::uint64_t                         sum_ = 0;
};

struct log_normal_options {
    duration median;  ///< > 0
    double   sigma;   ///< of the logarithm; 2^-30 to 16, kept to 2^-32
};

/// The logarithm is normal: most requests are quick, some take many times as long.
class log_normal {
public:
    explicit log_normal(log_normal_options options)
        : median_(detail::checked_time("log_normal: median (> 0 ns)", options.median)) {
        sluice::detail::require_number(options.sigma >= 0x1p-30 && options.sigma <= 16, "log_normal: sigma (2^-30 to 16)",
                                       options.sigma);
        sigma_ = static_cast<std::uint64_t>(options.sigma * 0x1p32);
    }

    [[nodiscard]] duration operator()(xoshiro256ss& rng) const noexcept {
        std::uint64_t half_normal;  // Q58: accepted with probability e^(-(x - 1)²/2)
        for (;;) {
            half_normal = detail::unit_exponential(rng);
            auto const b = detail::unit_exponential(rng);
            auto const one = std::uint64_t{1} << 58;
            auto const away = half_normal > one ? half_normal - one : one - half_normal;
            if ((b >> 5) >= detail::multiply_wide(away, away).high) break;  // 2b >= (x - 1)² in Q52
        }
        bool const shorter = (rng() >> 63) != 0;
        // |Z| sigma log2(e): Q58 · Q32 -> Q58, · Q62 -> Q120
        auto const e = detail::multiply_wide(detail::scale(half_normal, sigma_, 32).whole, detail::log2e_q62);
        return detail::clamped(detail::times_power(median_, shorter, e.high >> 56, (e.high << 8) | (e.low >> 56)));
    }
    [[nodiscard]] double sigma() const noexcept { return static_cast<double>(sigma_) * 0x1p-32; }
    [[nodiscard]] double mean() const noexcept { return static_cast<double>(median_) * std::exp(sigma() * sigma() / 2); }
    [[nodiscard]] double scv() const noexcept { return std::expm1(sigma() * sigma()); }

private:
    std::uint64_t median_;
    std::uint64_t sigma_;  // Q32
};

struct pareto_options {
    duration minimum;                    ///< > 0
    double   shape;                      ///< 0.02 to 1000, kept to 2^-32; infinite mean up to 1, infinite variance up to 2
    duration maximum = duration::max();  ///< longer draws are cut to it; >= minimum. mean() and scv() do not know it
};

/// P(longer than t) = (minimum/t)^shape: a few draws make up most of the sum.
class pareto {
public:
    explicit pareto(pareto_options options)
        : minimum_(detail::checked_time("pareto: minimum (> 0 ns)", options.minimum)), maximum_(options.maximum) {
        sluice::detail::require_number(options.shape >= .02 && options.shape <= 1000, "pareto: shape (0.02 to 1000)",
                                       options.shape);
        sluice::detail::require_option(options.maximum >= options.minimum, "pareto: maximum (>= minimum)",
                                       options.maximum.count());
        shape_ = static_cast<std::uint64_t>(options.shape * 0x1p32);
        bits_ = sluice::detail::multiply_divide(detail::log2e_q62, std::uint64_t{1} << 24, shape_,
                                                sluice::detail::round_to::floor);
    }

    [[nodiscard]] duration operator()(xoshiro256ss& rng) const noexcept {
        auto const e = detail::multiply_wide(detail::unit_exponential(rng), bits_);  // Q58 · Q54 -> Q112
        auto const t = detail::times_power(minimum_, false, e.high >> 48, (e.high << 16) | (e.low >> 48));
        return std::min(detail::clamped(t), maximum_);
    }
    [[nodiscard]] double shape() const noexcept { return static_cast<double>(shape_) * 0x1p-32; }
    [[nodiscard]] double mean() const noexcept {
        if (shape() <= 1) return std::numeric_limits<double>::infinity();
        return static_cast<double>(minimum_) * shape() / (shape() - 1);
    }
    [[nodiscard]] double scv() const noexcept {
        if (shape() <= 2) return std::numeric_limits<double>::infinity();
        return 1 / (shape() * (shape() - 2));
    }

private:
    std::uint64_t minimum_;
    duration      maximum_;
    std::uint64_t shape_ = 0;  // Q32
    std::uint64_t bits_ = 0;   // log2(e)/shape in Q54
};

static_assert(time_distribution<exponential> && time_distribution<hyper_exponential> && time_distribution<pareto>);

}  // namespace sluice::sim
