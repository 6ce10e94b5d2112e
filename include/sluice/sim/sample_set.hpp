// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// sample_set — all the times of a run, for exact quantiles.
///
/// Use it for     p50, p99 of a simulation whose output must be the same everywhere
/// Not for        runs of 10^8 jobs (log_histogram keeps them in a few kilobytes, to a percent)
/// Thread-safety  one thread at a time
/// Complexity     8 bytes per sample; a quantile O(n) the first time after an add, then less
/// Errors         std::invalid_argument: p outside [0, 1] or NaN. add: std::bad_alloc, no effect then. Empty: no quantile
/// Units          durations; a quantile is a sample: the smallest that a share p does not exceed (nearest rank)

#include <sluice/core/clock.hpp>
#include <sluice/scaling/detail/check.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <vector>

namespace sluice::sim {

class sample_set {
public:
    void add(duration d) {
        samples_.push_back(d);
        sorted_ = false;
    }

    [[nodiscard]] std::size_t size() const noexcept { return samples_.size(); }
    [[nodiscard]] bool empty() const noexcept { return samples_.empty(); }

    [[nodiscard]] std::optional<duration> quantile(double p) {
        sluice::detail::require_number(p >= 0 && p <= 1, "sample_set: p (0 to 1)", p);
        if (samples_.empty()) return std::nullopt;
        if (!sorted_) std::sort(samples_.begin(), samples_.end());
        sorted_ = true;
        auto const n = samples_.size();
        auto const rank = static_cast<std::size_t>(std::ceil(p * static_cast<double>(n) - 1e-9));
        return samples_[std::clamp<std::size_t>(rank, 1, n) - 1];
    }

    /// The mean, downward; nothing where there are no samples.
    [[nodiscard]] std::optional<duration> mean() const noexcept {
        if (samples_.empty()) return std::nullopt;
        long long whole = 0, rest = 0;  // of shares, so that no sum overflows
        auto const n = static_cast<long long>(samples_.size());
        for (auto const d : samples_) {
            whole += d.count() / n;
            rest += d.count() % n;
            whole += rest / n;
            rest %= n;
        }
        return duration(rest < 0 ? whole - 1 : whole);
    }

private:
    std::vector<duration> samples_;
    bool                  sorted_ = true;
};

}  // namespace sluice::sim
