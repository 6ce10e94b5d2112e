// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// scaling_sample, recommendation, recommender — the words that everything which decides a number of workers speaks.
///
/// Use it for     what was measured, what somebody makes of it, and the concept of that somebody
/// Thread-safety  values; a recommender belongs to one thread at a time unless it says otherwise
/// Complexity     a decision is O(1) or bounded by what the recommender was made with, and allocates nothing
/// Errors         none here: a metric that is absent, NaN, infinite or negative is "no data", and "no data" is never zero
/// Units          workers as real numbers (the pipeline rounds, once), times in nanoseconds, rates per second
///
/// A recommender takes the time as an argument and reads no clock, so the same object runs a live pool and a simulation. It
/// says what it would have, free of limits; what becomes of it is for the stages behind it. What was really done comes back
/// as the next sample's `provisioned`.

#include <sluice/core/clock.hpp>

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace sluice {

/// What is known about a pool at one moment. Whatever is not known stays empty.
struct scaling_sample {
    std::optional<std::uint32_t> provisioned{};          ///< workers asked for and not yet gone, those that start included
    std::optional<std::uint32_t> ready{};                ///< workers that take tasks
    std::optional<std::uint32_t> busy{};                 ///< workers with a task in hand
    std::optional<std::uint64_t> queued{};               ///< tasks accepted, not begun
    std::optional<double>        arrivals_per_second{};  ///< mean over `interval`; 0 says that nobody came
    std::optional<double>        in_flight{};            ///< tasks queued or in hand, mean over `interval`
    std::optional<double>        utilisation{};          ///< busy share of the ready workers' time, work in hand included
    std::optional<duration>      latency_p99{};          ///< from accepted to done
    std::optional<duration>      service_time{};         ///< mean, without waiting
    std::optional<duration>      backlog_age{};          ///< how long the oldest queued task has waited
    std::optional<duration>      interval{};             ///< what the means cover

    friend constexpr bool operator==(scaling_sample const&, scaling_sample const&) noexcept = default;
};

/// What a recommender makes of a sample.
struct recommendation {
    std::optional<double>     desired{};     ///< workers; empty: no opinion. Finite and >= 0 otherwise
    std::string_view          reason{};      ///< who says so and why; refers to a literal, never dangles
    std::optional<time_point> look_again{};  ///< the answer may be another then, even if no metric changes

    friend constexpr bool operator==(recommendation const&, recommendation const&) noexcept = default;
};

/// Something that knows how many workers there should be.
template <class R>
concept recommender = std::move_constructible<R> && requires(R& r, scaling_sample const& sample, time_point now) {
    { r.recommend(sample, now) } -> std::same_as<recommendation>;
};

/// The metric, if it is a number that can be one: finite and >= 0.
[[nodiscard]] constexpr std::optional<double> known(std::optional<double> metric) noexcept {
    if (!metric || !(*metric >= 0) || !(*metric <= std::numeric_limits<double>::max())) return std::nullopt;
    return metric;
}

/// The metric, if it is a time that can be one: >= 0.
[[nodiscard]] constexpr std::optional<duration> known(std::optional<duration> metric) noexcept {
    if (!metric || metric->count() < 0) return std::nullopt;
    return metric;
}

}  // namespace sluice
