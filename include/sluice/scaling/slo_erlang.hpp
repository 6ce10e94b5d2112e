// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// slo_erlang — as many workers as keep the share of arrivals that wait too long below a limit.
///
/// Use it for     a promise about waiting, kept by sizing: few workers get more room than 70 % utilisation gives, many less
/// Not for        a backlog that is there already (behind max_of, beside feed_forward or backlog_latency), or arrivals in bursts
/// Thread-safety  one thread at a time
/// Complexity     instances_for_wait when load or service time changed, some microseconds to some hundred: O(sqrt(load)).
///                O(1) otherwise. No allocation
/// Errors         constructor: std::invalid_argument names the option. Without arrival rate, or as long as no service time is
///                known, there is no opinion
/// Source         M/M/c, by instances_for_wait

#include <sluice/core/clock.hpp>
#include <sluice/core/units.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/instances_for_wait.hpp>
#include <sluice/scaling/recommender.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

namespace sluice {

struct slo_erlang_options {
    duration                wait = std::chrono::milliseconds(50);  ///< that is still acceptable; >= 0
    double                  late = .01;                            ///< share of arrivals that may wait longer; in (0, 1]
    std::optional<duration> service_time{};                        ///< > 0; empty: from the samples, the last one known
};

class slo_erlang {
public:
    explicit slo_erlang(slo_erlang_options o) : o_(o), service_(o.service_time) {
        auto const ns = [](duration d) { return static_cast<double>(d.count()); };
        detail::require_number(o.wait.count() >= 0, "slo_erlang: wait (>= 0 ns)", ns(o.wait));
        detail::require_number(o.late > 0 && o.late <= 1, "slo_erlang: late (in (0, 1])", o.late);
        detail::require_number(!o.service_time || o.service_time->count() > 0, "slo_erlang: service_time (> 0 ns)",
                               o.service_time ? ns(*o.service_time) : 0);
    }

    recommendation recommend(scaling_sample const& sample, time_point) {
        if (!o_.service_time) {
            auto const measured = known(sample.service_time);
            if (measured && measured->count() > 0) service_ = measured;
        }
        auto const rate = known(sample.arrivals_per_second);
        if (!rate) return {{}, "slo_erlang: no arrival rate", {}};
        if (*rate == 0) return {0.0, "slo_erlang: nobody comes", {}};
        if (!service_) return {{}, "slo_erlang: no service time", {}};
        if (*rate != of_rate_ || *service_ != of_service_) {
            workers_ = instances_for_wait(per_second(std::clamp(*rate, 1e-9, 1e15)), *service_, o_.wait, o_.late);
            of_rate_ = *rate;
            of_service_ = *service_;
        }
        return {static_cast<double>(workers_), "slo_erlang", {}};
    }

    [[nodiscard]] slo_erlang_options const& options() const noexcept { return o_; }

private:
    slo_erlang_options      o_;
    std::optional<duration> service_;
    double                  of_rate_ = 0;  // what `workers_` is the answer to
    duration                of_service_{};
    std::uint32_t           workers_ = 0;
};

}  // namespace sluice
