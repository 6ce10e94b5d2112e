// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// aimd_limit — a concurrency limit that grows by one and is cut by a tenth when work is dropped or takes too long.
///
/// Use it for     callers of a service that rejects or times out when it has enough; needs no latency baseline
/// Not for        finding a server's knee: without drops it grows to max_limit (knee_limit)
/// Thread-safety  one thread at a time; concurrency_limiter sees to it
/// Complexity     O(1)
/// Errors         std::invalid_argument from the constructor, names the option
/// Units          limit in requests
/// Source         Chiu, Jain, 1989, doi:10.1016/0169-7552(89)90019-6; numbers as Netflix concurrency-limits AIMDLimit

#include <sluice/flow/detail/limit_options.hpp>
#include <sluice/flow/limit_window.hpp>

#include <chrono>
#include <cmath>
#include <cstdint>

namespace sluice {

struct aimd_limit_options {
    std::uint32_t initial = 20;
    std::uint32_t min_limit = 20;
    std::uint32_t max_limit = 200;
    double        drop_ratio = 0.9;                      ///< what a drop leaves of the limit; in (0, 1)
    duration      timeout = std::chrono::seconds(5);     ///< a slower request is a drop; > 0
};

class aimd_limit {
public:
    static constexpr bool per_sample = true;

    explicit aimd_limit(aimd_limit_options o = {}) : o_(o), limit_(o.initial) {
        detail::require_limits("aimd_limit", o.initial, o.min_limit, o.max_limit);
        detail::require_ratio("aimd_limit", "drop_ratio", o.drop_ratio, 0, 1 - 1e-9);
        detail::require_option(o.timeout.count() > 0, "aimd_limit: timeout (> 0 ns)", o.timeout.count());
    }

    double update(window_summary const& s) noexcept {
        if (s.drops > 0 || s.rtt_mean > o_.timeout)
            limit_ = std::floor(limit_ * o_.drop_ratio);
        else if (s.samples > 0 && 2.0 * s.inflight_max >= limit_)
            limit_ += 1;
        return limit_ = detail::clamp_limit(limit_, o_.min_limit, o_.max_limit);
    }
    [[nodiscard]] double limit() const noexcept { return limit_; }

private:
    aimd_limit_options o_;
    double             limit_;
};

}  // namespace sluice
