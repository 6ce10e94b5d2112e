// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// reported_weight, scale_weights — a node's weight from what it reports about itself: requests and errors per second, utilisation.
///
/// Use it for     the weights of static_stride (renew it every second or so), weighted_round_robin or edf
/// Not for        nodes that cannot report (peak_ewma); loads that change within a second (least_loaded)
/// Thread-safety  one thread at a time; reads together
/// Complexity     O(1); scale_weights O(n). No allocation
/// Errors         std::invalid_argument: times < 0 or expiration 0, a penalty that is negative or not finite. A report without
///                requests or utilisation, or with a number that is negative or not finite, is as if it had not come
/// Units          requests per second at full utilisation: qps / (utilisation + eps / qps · error_penalty)
/// Source         gRPC, gRFC A58
/// Differs        reading changes nothing: a silence longer than the expiration is noticed by the next report
///
/// No weight until reports have come for the blackout period, again after each silence; none when the last is too old.

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace sluice {

struct reported_weight_options {
    duration blackout = std::chrono::seconds(10);     ///< so long the first reports are not trusted; >= 0
    duration expiration = std::chrono::minutes(3);    ///< so long a report holds; > 0
    double   error_penalty = 1;                       ///< >= 0
};

class reported_weight {
public:
    explicit reported_weight(reported_weight_options options = {}) : options_(options) {
        detail::require_option(options.blackout.count() >= 0, "reported_weight: blackout (>= 0 ns)", options.blackout.count());
        detail::require_option(options.expiration.count() > 0, "reported_weight: expiration (> 0 ns)", options.expiration.count());
        detail::require_option(options.error_penalty >= 0 && std::isfinite(options.error_penalty),
                               "reported_weight: error_penalty (>= 0)", options.error_penalty);
    }

    /// Requests and errors per second, and how much of the node is in use (1: all of it).
    void report(double qps, double eps, double utilization, time_point now) noexcept {
        if (!(qps > 0) || !(utilization > 0) || !(eps >= 0)) return;
        double const weight = qps / (utilization + eps / qps * options_.error_penalty);
        if (!(weight > 0) || !std::isfinite(weight)) return;
        if (!known_ || saturating_sub(now, latest_) >= options_.expiration) since_ = now;
        latest_ = known_ ? std::max(latest_, now) : now;
        weight_ = weight;
        known_ = true;
    }

    [[nodiscard]] std::optional<double> weight(time_point now) const noexcept {
        if (!known_ || saturating_sub(now, latest_) >= options_.expiration) return std::nullopt;
        if (saturating_sub(now, since_) < options_.blackout) return std::nullopt;
        return weight_;
    }

private:
    reported_weight_options options_;
    time_point              since_{};   // the first report after silence
    time_point              latest_{};
    double                  weight_ = 0;
    bool                    known_ = false;
};

/// Whole numbers in proportion, the largest 65535, none 0. A node without a weight gets the mean of the others; with fewer than
/// two weights all are 1. Requires room for as many.
inline void scale_weights(std::span<reported_weight const> reports, time_point now, std::span<std::uint32_t> weights) noexcept {
    SLUICE_ASSERT(weights.size() >= reports.size());
    double      largest = 0, sum = 0;
    std::size_t known = 0;
    for (auto const& r : reports)
        if (auto const w = r.weight(now)) largest = std::max(largest, *w), ++known;
    for (auto const& r : reports)
        if (auto const w = r.weight(now)) sum += *w / largest;
    for (std::size_t i = 0; i < reports.size(); ++i) {
        if (known < 2) {
            weights[i] = 1;
            continue;
        }
        auto const   w = reports[i].weight(now);
        double const part = w ? *w / largest : sum / static_cast<double>(known);
        weights[i] = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(part * 65535 + 0.5));
    }
}

}  // namespace sluice
