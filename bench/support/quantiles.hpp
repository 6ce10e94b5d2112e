// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// report_quantiles — a latency as counters us_p01, us_p05, … us_p999, from which the page draws a curve.

#include <support/bench.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace bench {

inline double percentile(std::vector<double> const& sorted, double p) {
    return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(p * static_cast<double>(sorted.size())))];
}

/// Microseconds, at least one.
inline void report_quantiles(benchmark::State& state, std::vector<double> us) {
    std::sort(us.begin(), us.end());
    constexpr std::pair<char const*, double> all[] = {
        {"us_p01", 0.01}, {"us_p05", 0.05}, {"us_p10", 0.10}, {"us_p25", 0.25}, {"us_p50", 0.50},
        {"us_p75", 0.75}, {"us_p90", 0.90}, {"us_p95", 0.95}, {"us_p99", 0.99}, {"us_p999", 0.999}};
    for (auto const& [name, p] : all) state.counters[name] = percentile(us, p);
}

}  // namespace bench
