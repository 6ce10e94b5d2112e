// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// ggc — several servers, arrivals and service times of any variation: the usual approximations.
///
/// Use it for     a quick answer where arrivals come in bursts or service times vary; right within some ten per cent at high
///                utilisation, exact for Poisson arrivals and exponential service with allen_cunneen
/// Not for        correlated arrivals or very heavy tails: simulate those
/// Thread-safety  values; any thread
/// Complexity     construction as erlang_c, O(sqrt(load)); the rest O(1); no allocation
/// Errors         std::invalid_argument names parameter and value: servers 0, or not 1 with kingman, service_time <= 0,
///                an scv < 0 or NaN, p outside 0 … < 1. A queue that cannot keep up is a state, as in mm1
/// Units          scv: squared coefficient of variation, 0 constant, 1 exponential
/// Source         Kingman, 1961, doi:10.1017/S0305004100036094; Allen, Probability, Statistics and Queueing Theory, 1990;
///                Sakasegawa, Ann. Inst. Stat. Math. 29, 1977, doi:10.1007/BF02532808

#include <sluice/core/units.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/erlang.hpp>
#include <sluice/scaling/mm1.hpp>
#include <sluice/scaling/offered_load.hpp>

#include <cmath>
#include <cstdint>
#include <optional>

namespace sluice {

enum class ggc_approximation {
    kingman,        ///< one server: ρ/(1 - ρ) · (ca² + cs²)/2 · S
    allen_cunneen,  ///< the M/M/c wait · (ca² + cs²)/2
    sakasegawa,     ///< ρ^(sqrt(2(c + 1)) - 1) / (c(1 - ρ)) · (ca² + cs²)/2 · S, without Erlang C
};

struct ggc_options {
    rate arrival_rate;
    duration service_time;
    std::uint32_t servers = 1;
    double arrival_scv = 1;  ///< ca², of the times between arrivals
    double service_scv = 1;  ///< cs²
    ggc_approximation approximation = ggc_approximation::allen_cunneen;
};

class ggc {
public:
    explicit ggc(ggc_options o)
        : service_(detail::checked_service_seconds("ggc: service_time (> 0 ns)", o.service_time)),
          servers_(o.servers),
          load_(sluice::offered_load(o.arrival_rate, o.service_time)),
          spare_(detail::spare_servers(o.arrival_rate, o.service_time, o.servers)) {
        detail::require_number(o.servers > 0, "ggc: servers (> 0)", o.servers);
        detail::require_number(o.arrival_scv >= 0 && detail::is_finite(o.arrival_scv), "ggc: arrival_scv (>= 0)",
                               o.arrival_scv);
        detail::require_number(o.service_scv >= 0 && detail::is_finite(o.service_scv), "ggc: service_scv (>= 0)",
                               o.service_scv);
        bool const one_server = o.approximation == ggc_approximation::kingman;
        detail::require_number(!one_server || o.servers == 1, "ggc: servers (1 for kingman)", o.servers);
        if (saturated()) return;
        waits_ = detail::erlang_c_spare(servers_, load_, spare_);
        double const variation = o.arrival_scv / 2 + o.service_scv / 2;
        double plain = waits_ / spare_;  // in service times
        if (o.approximation == ggc_approximation::sakasegawa)
            plain = std::pow(load_ / servers_, std::sqrt(2 * (servers_ + 1)) - 1) / spare_;
        mean_wait_ = plain * variation * service_;
    }

    [[nodiscard]] double offered_load() const noexcept { return load_; }
    [[nodiscard]] double utilisation() const noexcept { return saturated() ? 1 : load_ / servers_; }
    [[nodiscard]] bool saturated() const noexcept { return !(spare_ > 0); }
    /// Items per second by which the queue grows for ever; 0 unless saturated, and at exactly full load.
    [[nodiscard]] double growth_per_second() const noexcept { return saturated() ? (0 - spare_) / service_ : 0; }

    [[nodiscard]] std::optional<model_seconds> mean_wait() const noexcept {
        if (saturated()) return std::nullopt;
        return model_seconds(mean_wait_);
    }
    [[nodiscard]] std::optional<model_seconds> mean_response() const noexcept {
        if (saturated()) return std::nullopt;
        return model_seconds(mean_wait_ + service_);
    }
    [[nodiscard]] std::optional<double> mean_queued() const noexcept {
        if (saturated()) return std::nullopt;
        return mean_wait_ / service_ * load_;
    }
    [[nodiscard]] std::optional<double> mean_in_system() const noexcept {
        if (saturated()) return std::nullopt;
        return mean_wait_ / service_ * load_ + load_;
    }
    /// As with random arrivals and exponential service: Erlang C.
    [[nodiscard]] double probability_wait() const noexcept { return waits_; }

    /// The wait that a share p of the arrivals does not exceed, as if waits beyond 0 were exponential.
    [[nodiscard]] std::optional<model_seconds> wait_quantile(double p) const {
        detail::require_quantile(p);
        if (saturated()) return std::nullopt;
        if (waits_ <= 1 - p) return model_seconds(0);
        return model_seconds(mean_wait_ / waits_ * std::log(waits_ / (1 - p)));
    }

private:
    double service_;  // seconds
    double servers_;
    double load_;
    double spare_;  // servers - load, exact in sign
    double waits_ = 1;
    double mean_wait_ = 0;
};

}  // namespace sluice
