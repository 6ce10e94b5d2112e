// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// mmc — several servers on one queue, random arrivals, exponential service times.
///
/// Use it for     a pool of workers with a shared queue: waits, queue lengths, percentiles
/// Not for        bursty arrivals, heavy tails (ggc), or a bounded queue (mmck)
/// Thread-safety  values; any thread
/// Complexity     construction as erlang_c, O(sqrt(load)); the rest O(1), response_quantile some sixty exponentials. No
///                allocation; construction and the means are constexpr, what needs exp or log is not
/// Errors         std::invalid_argument names parameter and value: servers 0, service_time <= 0, a time NaN, p
///                outside 0 … < 1. A queue that cannot keep up is a state, as in mm1
/// Units          wait excludes the service, response includes it
/// Source         Erlang 1917; Kleinrock, Queueing Systems I, 1975
/// Differs        from the printed response tail, which divides by zero where the load is servers - 1

#include <sluice/core/units.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/erlang.hpp>
#include <sluice/scaling/mm1.hpp>
#include <sluice/scaling/offered_load.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

namespace sluice {

class mmc {
public:
    constexpr mmc(rate arrival_rate, duration service_time, std::uint32_t servers)
        : service_(detail::checked_service_seconds("mmc: service_time (> 0 ns)", service_time)),
          servers_(servers),
          load_(sluice::offered_load(arrival_rate, service_time)),
          spare_(detail::spare_servers(arrival_rate, service_time, servers)) {
        detail::require_number(servers > 0, "mmc: servers (> 0)", servers);
        waits_ = spare_ > 0 ? detail::erlang_c_spare(servers_, load_, spare_) : 1;
    }

    [[nodiscard]] constexpr double offered_load() const noexcept { return load_; }
    /// Share of the time in which a server is busy, at most 1.
    [[nodiscard]] constexpr double utilisation() const noexcept { return saturated() ? 1 : load_ / servers_; }
    [[nodiscard]] constexpr bool saturated() const noexcept { return !(spare_ > 0); }
    /// Items per second by which the queue grows for ever; 0 unless saturated, and at exactly full load.
    [[nodiscard]] constexpr double growth_per_second() const noexcept { return saturated() ? (0 - spare_) / service_ : 0; }

    [[nodiscard]] constexpr std::optional<model_seconds> mean_wait() const noexcept {
        if (saturated()) return std::nullopt;
        return model_seconds(waits_ * service_ / spare_);
    }
    [[nodiscard]] constexpr std::optional<model_seconds> mean_response() const noexcept {
        if (saturated()) return std::nullopt;
        return model_seconds(waits_ * service_ / spare_ + service_);
    }
    [[nodiscard]] constexpr std::optional<double> mean_queued() const noexcept {
        if (saturated()) return std::nullopt;
        return waits_ * load_ / spare_;
    }
    [[nodiscard]] constexpr std::optional<double> mean_in_system() const noexcept {
        if (saturated()) return std::nullopt;
        return waits_ * load_ / spare_ + load_;
    }
    /// Erlang C.
    [[nodiscard]] constexpr double probability_wait() const noexcept { return waits_; }

    /// All servers idle; 0 where that is rarer than the smallest double.
    [[nodiscard]] constexpr double probability_empty() const noexcept {
        if (saturated()) return 0;
        double sum = 1;  // of a^k / k!, k < c
        double term = 1;
        double k = 1;
        for (; k < servers_; ++k) {
            term *= load_ / k;
            sum += term;
            if (!detail::is_finite(sum)) return 0;
            if (k > load_ && term < 1e-17 * sum * (1 - load_ / (k + 1))) return 1 / sum;
        }
        return 1 / (sum + term * (load_ / servers_) * (servers_ / spare_));
    }

    [[nodiscard]] double probability_wait_above(model_seconds t) const {
        detail::require_time(t);
        if (saturated() || t.count() < 0) return 1;
        return waits_ * std::exp(-spare_ * (t.count() / service_));
    }

    [[nodiscard]] double probability_response_above(model_seconds t) const {
        detail::require_time(t);
        if (saturated() || t.count() <= 0) return 1;
        // exp(-x) (1 + C (1 - exp(-x d)) / d), with x in service times and d = servers - 1 - load, which may be 0
        double const x = t.count() / service_;
        if (!detail::is_finite(x)) return 0;
        double const d = spare_ - 1;
        double const served = std::exp(-x);
        double queued = served * x;
        if (std::abs(x * d) >= 1) queued = (served - std::exp(-x * spare_)) / d;
        else if (d != 0) queued = served * (-std::expm1(-x * d) / d);
        return std::min(1.0, served + waits_ * queued);
    }

    /// The wait that a share p of the arrivals does not exceed; 0 where so many do not wait.
    [[nodiscard]] std::optional<model_seconds> wait_quantile(double p) const {
        detail::require_quantile(p);
        if (saturated()) return std::nullopt;
        if (waits_ <= 1 - p) return model_seconds(0);
        return model_seconds(service_ / spare_ * std::log(waits_ / (1 - p)));
    }

    [[nodiscard]] std::optional<model_seconds> response_quantile(double p) const {
        detail::require_quantile(p);
        if (saturated()) return std::nullopt;
        if (p == 0) return model_seconds(0);
        double low = 0;
        double high = service_;
        while (probability_response_above(model_seconds(high)) > 1 - p) high *= 2;
        for (int i = 0; i < 100; ++i) {
            double const middle = low + (high - low) / 2;
            if (!(low < middle && middle < high)) break;
            if (probability_response_above(model_seconds(middle)) > 1 - p) low = middle;
            else high = middle;
        }
        return model_seconds(high);
    }

private:
    double service_;  // seconds
    double servers_;
    double load_;
    double spare_;  // servers - load, exact in sign
    double waits_ = 1;
};

}  // namespace sluice
