// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// mm1 — one server, random arrivals, exponential service times: the queue that every table of waits comes from.
///
/// Use it for     one worker with its own queue. At 100 ms of service the mean waits are .1/.4/.9/1.9/9.9 s at
///                50/80/90/95/99 % utilisation, the mean responses one service time more
/// Not for        several servers on one queue (mmc): they wait far less at the same utilisation
/// Thread-safety  values; any thread
/// Complexity     O(1), no allocation; the means are constexpr, what needs exp or log is not
/// Errors         std::invalid_argument names parameter and value: service_time <= 0, a time NaN, p outside 0 … < 1.
///                A queue that cannot keep up is a state: saturated() with a growth, no means (empty optionals), and every
///                arrival waits longer than any time
/// Units          wait excludes the service, response includes it. Steady state: near saturation it takes long to get there
/// Source         Kleinrock, Queueing Systems I, 1975
/// Example        examples/430_capacity_for_slo.cpp

#include <sluice/core/units.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/offered_load.hpp>

#include <algorithm>
#include <cmath>
#include <optional>

namespace sluice {

namespace detail {

[[nodiscard]] constexpr double checked_service_seconds(char const* name_and_range, duration service_time) {
    require_number(service_time.count() > 0, name_and_range, static_cast<double>(service_time.count()));
    return static_cast<double>(service_time.count()) / 1e9;
}

constexpr void require_quantile(double p) { require_number(p >= 0 && p < 1, "quantile: p (0 to below 1)", p); }

constexpr void require_time(model_seconds t) {
    require_number(t.count() == t.count(), "time (not NaN)", t.count());
}

}  // namespace detail

class mm1 {
public:
    constexpr mm1(rate arrival_rate, duration service_time)
        : service_(detail::checked_service_seconds("mm1: service_time (> 0 ns)", service_time)),
          load_(sluice::offered_load(arrival_rate, service_time)),
          spare_(detail::spare_servers(arrival_rate, service_time, 1)) {}

    /// In erlangs, also the utilisation were there no end to it.
    [[nodiscard]] constexpr double offered_load() const noexcept { return load_; }
    /// Share of the time in which the server is busy, at most 1.
    [[nodiscard]] constexpr double utilisation() const noexcept { return saturated() ? 1 : load_; }
    [[nodiscard]] constexpr bool saturated() const noexcept { return !(spare_ > 0); }
    /// Items per second by which the queue grows for ever; 0 unless saturated, and at exactly full load.
    [[nodiscard]] constexpr double growth_per_second() const noexcept { return saturated() ? (0 - spare_) / service_ : 0; }

    [[nodiscard]] constexpr std::optional<model_seconds> mean_wait() const noexcept {
        if (saturated()) return std::nullopt;
        return model_seconds(load_ * service_ / spare_);
    }
    [[nodiscard]] constexpr std::optional<model_seconds> mean_response() const noexcept {
        if (saturated()) return std::nullopt;
        return model_seconds(service_ / spare_);
    }
    [[nodiscard]] constexpr std::optional<double> mean_queued() const noexcept {
        if (saturated()) return std::nullopt;
        return load_ * load_ / spare_;
    }
    [[nodiscard]] constexpr std::optional<double> mean_in_system() const noexcept {
        if (saturated()) return std::nullopt;
        return load_ / spare_;
    }
    [[nodiscard]] constexpr double probability_wait() const noexcept { return utilisation(); }
    [[nodiscard]] constexpr double probability_empty() const noexcept { return saturated() ? 0 : spare_; }

    [[nodiscard]] double probability_wait_above(model_seconds t) const {
        detail::require_time(t);
        if (saturated() || t.count() < 0) return 1;
        return load_ * std::exp(-spare_ * (t.count() / service_));
    }
    [[nodiscard]] double probability_response_above(model_seconds t) const {
        detail::require_time(t);
        if (saturated() || t.count() <= 0) return 1;
        return std::exp(-spare_ * (t.count() / service_));
    }

    /// The wait that a share p of the arrivals does not exceed.
    [[nodiscard]] std::optional<model_seconds> wait_quantile(double p) const {
        detail::require_quantile(p);
        if (saturated()) return std::nullopt;
        return model_seconds(std::max(0.0, service_ / spare_ * std::log(load_ / (1 - p))));
    }
    [[nodiscard]] std::optional<model_seconds> response_quantile(double p) const {
        detail::require_quantile(p);
        if (saturated()) return std::nullopt;
        return model_seconds(-service_ / spare_ * std::log1p(-p));
    }

private:
    double service_;  // seconds
    double load_;
    double spare_;  // servers - load, exact in sign
};

}  // namespace sluice
