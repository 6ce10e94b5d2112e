// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// mg1 — one server, random arrivals, service times of any distribution: what variation costs.
///
/// Use it for     mixed work on one worker: 99 % of 1 ms and 1 % of 100 ms at 80 % load wait 101.5 ms in the mean, where
///                constant service times of the same mean wait 4 ms
/// Not for        bursty arrivals, several servers (ggc)
/// Thread-safety  values; any thread
/// Complexity     O(1), O(classes) to construct from classes; no allocation; the means are constexpr
/// Errors         std::invalid_argument names parameter and value: service_time <= 0, scv < 0 or NaN, shares that are
///                negative or sum to 0, p outside 0 … < 1. A queue that cannot keep up is a state, as in mm1
/// Units          scv is the squared coefficient of variation of the service time: 0 constant, 1 exponential
/// Source         Pollaczek 1930, Khintchine 1932. Means are exact. Two moments do not determine the quantile: it takes the
///                waits beyond 0 as exponential, exact for scv = 1 and too short far out for heavy tails

#include <sluice/core/units.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/mm1.hpp>
#include <sluice/scaling/offered_load.hpp>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <span>

namespace sluice {

/// One kind of work in a mix.
struct service_class {
    double share;       ///< of the arrivals; shares are taken relative to their sum
    duration mean;      ///< of its service time; >= 0
    double scv = 0;     ///< within the class; 0: all alike, 1: exponential
};

class mg1 {
public:
    constexpr mg1(rate arrival_rate, duration service_time, double scv)
        : service_(detail::checked_service_seconds("mg1: service_time (> 0 ns)", service_time)),
          scv_(scv),
          load_(sluice::offered_load(arrival_rate, service_time)),
          spare_(detail::spare_servers(arrival_rate, service_time, 1)) {
        detail::require_number(scv >= 0 && detail::is_finite(scv), "mg1: scv (>= 0)", scv);
    }

    constexpr mg1(rate arrival_rate, std::span<service_class const> classes) {
        double shares = 0;
        double mean = 0;
        for (auto const& c : classes) {
            detail::require_number(c.share >= 0 && detail::is_finite(c.share), "mg1: share (>= 0)", c.share);
            detail::require_number(c.mean.count() >= 0, "mg1: mean (>= 0 ns)", static_cast<double>(c.mean.count()));
            detail::require_number(c.scv >= 0 && detail::is_finite(c.scv), "mg1: scv (>= 0)", c.scv);
            shares += c.share;
            mean += c.share * seconds(c);
        }
        detail::require_number(shares > 0 && detail::is_finite(shares), "mg1: sum of shares (> 0)", shares);
        mean /= shares;
        detail::require_number(mean > 0, "mg1: mean service time (> 0 s)", mean);
        double variance = 0;  // around the mean of all, without the cancellation of E[S²] - E[S]²
        for (auto const& c : classes) {
            double const away = seconds(c) / mean - 1;
            double const own = seconds(c) / mean;
            variance += c.share / shares * (away * away + c.scv * own * own);
        }
        detail::require_number(detail::is_finite(variance), "mg1: scv of the mix (finite)", variance);
        service_ = mean;
        scv_ = variance;
        load_ = arrival_rate.to_per_second() * mean;
        spare_ = 1 - load_;
    }

    constexpr mg1(rate arrival_rate, std::initializer_list<service_class> classes)
        : mg1(arrival_rate, std::span<service_class const>(classes.begin(), classes.size())) {}

    [[nodiscard]] constexpr double offered_load() const noexcept { return load_; }
    [[nodiscard]] constexpr double utilisation() const noexcept { return saturated() ? 1 : load_; }
    [[nodiscard]] constexpr bool saturated() const noexcept { return !(spare_ > 0); }
    /// Items per second by which the queue grows for ever; 0 unless saturated, and at exactly full load.
    [[nodiscard]] constexpr double growth_per_second() const noexcept { return saturated() ? (0 - spare_) / service_ : 0; }
    [[nodiscard]] constexpr model_seconds service_time() const noexcept { return model_seconds(service_); }
    [[nodiscard]] constexpr double scv() const noexcept { return scv_; }

    /// λE[S²] / (2(1 - ρ)).
    [[nodiscard]] constexpr std::optional<model_seconds> mean_wait() const noexcept {
        if (saturated()) return std::nullopt;
        return model_seconds(load_ / spare_ * ((1 + scv_) / 2) * service_);
    }
    [[nodiscard]] constexpr std::optional<model_seconds> mean_response() const noexcept {
        if (saturated()) return std::nullopt;
        return *mean_wait() + model_seconds(service_);
    }
    [[nodiscard]] constexpr std::optional<double> mean_queued() const noexcept {
        if (saturated()) return std::nullopt;
        return load_ * load_ / spare_ * ((1 + scv_) / 2);
    }
    [[nodiscard]] constexpr std::optional<double> mean_in_system() const noexcept {
        if (saturated()) return std::nullopt;
        return *mean_queued() + load_;
    }
    /// Exact for any distribution.
    [[nodiscard]] constexpr double probability_wait() const noexcept { return utilisation(); }

    /// The wait that a share p of the arrivals does not exceed, as if waits beyond 0 were exponential.
    [[nodiscard]] std::optional<model_seconds> wait_quantile(double p) const {
        detail::require_quantile(p);
        if (saturated()) return std::nullopt;
        if (load_ <= 1 - p) return model_seconds(0);
        return model_seconds(mean_wait()->count() / load_ * std::log(load_ / (1 - p)));
    }

private:
    [[nodiscard]] static constexpr double seconds(service_class const& c) noexcept {
        return static_cast<double>(c.mean.count()) / 1e9;
    }

    double service_ = 0;  // seconds
    double scv_ = 0;
    double load_ = 0;
    double spare_ = 0;
};

}  // namespace sluice
