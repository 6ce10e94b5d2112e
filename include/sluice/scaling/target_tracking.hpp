// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// target_tracking — as many workers as bring a metric per worker to its target: workers × metric / target.
///
/// Use it for     metrics that halve when the workers double: utilisation, tasks in flight, arrivals per worker
/// Not for        utilisation alone under bursts: it is clipped at 1, so growth is by 1/target per decision at most, and what
///                queues up is not seen (feed_forward). Latency: it does not halve (pid_tracking)
/// Thread-safety  values; one thread at a time
/// Complexity     O(1), no allocation
/// Errors         constructor: std::invalid_argument names the option. Without the metric, or without workers to relate a
///                utilisation to, there is no opinion
/// Source         the HorizontalPodAutoscaler's rule (hpa_replicas has its replica counts to the last one)
///
/// A utilisation belongs to the ready workers. Those that are provisioned and not ready count as idle when it is about more
/// workers, so that nobody is ordered twice, and not at all when it is about fewer. Within the tolerance, or where only
/// those that start would change the direction, the answer is what is provisioned.

#include <sluice/core/clock.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/recommender.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

namespace sluice {

enum class target_metric : std::uint8_t {
    utilisation,          ///< busy share of the ready workers' time
    in_flight,            ///< tasks queued or in hand, per worker
    queued,               ///< tasks queued, per worker
    arrivals_per_second,  ///< per worker
};

struct target_tracking_options {
    target_metric metric = target_metric::utilisation;
    double        target = .7;     ///< > 0; a utilisation <= 1
    double        tolerance = .1;  ///< of the ratio around 1; in [0, 1)
};

class target_tracking {
public:
    explicit target_tracking(target_tracking_options o) : o_(o) {
        detail::require_number(o.target > 0 && detail::is_finite(o.target), "target_tracking: target (> 0)", o.target);
        detail::require_number(o.metric != target_metric::utilisation || o.target <= 1,
                               "target_tracking: target (<= 1, a utilisation)", o.target);
        detail::require_number(o.tolerance >= 0 && o.tolerance < 1, "target_tracking: tolerance (in [0, 1))", o.tolerance);
    }

    recommendation recommend(scaling_sample const& sample, time_point) noexcept {
        return o_.metric == target_metric::utilisation ? by_utilisation(sample) : by_total(sample);
    }

    [[nodiscard]] target_tracking_options const& options() const noexcept { return o_; }

private:
    [[nodiscard]] bool within(double ratio) const noexcept { return std::abs(ratio - 1) <= o_.tolerance + 1e-12; }

    [[nodiscard]] recommendation by_utilisation(scaling_sample const& s) const noexcept {
        auto u = known(s.utilisation);
        if (!u && s.ready && s.busy && *s.ready > 0) u = static_cast<double>(*s.busy) / *s.ready;
        if (!u) return {{}, "target_tracking: no metric", {}};
        if (!s.ready || *s.ready == 0) return {{}, "target_tracking: nobody is ready", {}};
        double const ready = *s.ready;
        double const all = std::max(ready, static_cast<double>(s.provisioned.value_or(*s.ready)));
        double const ratio = *u / o_.target;
        if (within(ratio)) return {all, "target_tracking: within the tolerance", {}};
        if (ratio < 1) return {std::min(all, ratio * ready), "target_tracking: below the target", {}};
        double const with_all = ratio * ready / all;
        if (with_all < 1 || within(with_all)) return {all, "target_tracking: enough workers start", {}};
        return {std::min(ratio * ready, most), "target_tracking: above the target", {}};
    }

    [[nodiscard]] recommendation by_total(scaling_sample const& s) const noexcept {
        std::optional<double> total;
        switch (o_.metric) {
        case target_metric::utilisation: break;
        case target_metric::in_flight:
            total = known(s.in_flight);
            if (!total && s.queued && s.busy) total = static_cast<double>(*s.queued) + *s.busy;
            break;
        case target_metric::queued:
            if (s.queued) total = static_cast<double>(*s.queued);
            break;
        case target_metric::arrivals_per_second: total = known(s.arrivals_per_second); break;
        }
        if (!total) return {{}, "target_tracking: no metric", {}};
        double const wanted = std::min(*total / o_.target, most);
        if (s.provisioned && *s.provisioned > 0 && within(wanted / *s.provisioned))
            return {*s.provisioned, "target_tracking: within the tolerance", {}};
        return {wanted, "target_tracking: shared out", {}};
    }

    static constexpr double most = 1e18;  // finite, whatever is divided by a small target

    target_tracking_options o_;
};

}  // namespace sluice
