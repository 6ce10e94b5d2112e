// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// optimal_batch, stable_batch — how many items to gather before paying a set-up once for all of them.
///
/// Use it for     flush sizes: a round trip, a transaction, a model's invocation per batch, against items that wait
/// Thread-safety  functions of their arguments; any thread
/// Complexity     O(1), no allocation; stable_batch is constexpr
/// Errors         std::invalid_argument names parameter and value: costs < 0, NaN or infinite, times < 0. A load that
///                no batch size can carry is an empty optional
/// Units          set-up cost per batch, holding cost per item and second, both in the same currency. The optimum is
///                sqrt(2 · rate · setup / holding); sqrt(setup · holding), as sometimes printed, has not even the unit
/// Source         Harris, 1913 (economic order quantity)
/// Example        examples/460_batch_size.cpp

#include <sluice/core/detail/wide.hpp>
#include <sluice/core/units.hpp>
#include <sluice/scaling/detail/check.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

namespace sluice {

struct batch_costs {
    rate arrival_rate;
    double setup_cost;    ///< once per batch; >= 0
    double holding_cost;  ///< per item and second that it waits; >= 0. At 0 batches cannot be too large
};

/// What batches of `size` > 0 cost per second: set-ups, and the half batch that waits in the mean.
[[nodiscard]] constexpr double batch_cost_per_second(batch_costs costs, double size) {
    detail::require_number(costs.setup_cost >= 0 && detail::is_finite(costs.setup_cost), "batch: setup_cost (>= 0)",
                           costs.setup_cost);
    detail::require_number(costs.holding_cost >= 0 && detail::is_finite(costs.holding_cost), "batch: holding_cost (>= 0)",
                           costs.holding_cost);
    detail::require_number(size > 0 && detail::is_finite(size), "batch: size (> 0)", size);
    return costs.arrival_rate.to_per_second() / size * costs.setup_cost + costs.holding_cost * (size / 2);
}

/// The least batch that keeps up: each takes setup_time + size × item_time, and so long must its items take to arrive, or
/// longer. None where the items alone are too much. Exact. Times >= 0.
[[nodiscard]] constexpr std::optional<std::uint64_t> stable_batch(rate arrival_rate, duration setup_time,
                                                                  duration item_time) {
    detail::require_number(setup_time.count() >= 0, "stable_batch: setup_time (>= 0 ns)",
                           static_cast<double>(setup_time.count()));
    detail::require_number(item_time.count() >= 0, "stable_batch: item_time (>= 0 ns)",
                           static_cast<double>(item_time.count()));
    auto const count = static_cast<std::uint64_t>(arrival_rate.count());
    auto const period = static_cast<std::uint64_t>(arrival_rate.period().count());
    auto const items = detail::multiply_wide(count, static_cast<std::uint64_t>(item_time.count()));
    if (items.high != 0 || items.low >= period) return std::nullopt;
    // B > λs/(1 - λt), that is B (period - count · t) > count · s
    auto const below = detail::multiply_divide(count, static_cast<std::uint64_t>(setup_time.count()), period - items.low,
                                               detail::round_to::floor);
    return below == UINT64_MAX ? below : below + 1;
}

struct batch_optimum {
    double size;         ///< sqrt(2 · rate · setup / holding), not rounded; infinity where holding costs nothing
    std::uint64_t whole;  ///< the best whole size >= 1 that also keeps up, if times were given
    double cost_per_second;  ///< of the whole size
    bool bound_by_stability;  ///< the cheapest size would not keep up; whole is the least that does
};

/// The cheapest batch.
[[nodiscard]] inline batch_optimum optimal_batch(batch_costs costs) {
    static_cast<void>(batch_cost_per_second(costs, 1));  // refuses what is impossible
    double const twice = 2 * costs.arrival_rate.to_per_second() * costs.setup_cost;
    double const square = costs.holding_cost > 0 ? twice / costs.holding_cost
                          : twice > 0            ? std::numeric_limits<double>::infinity()
                                                 : 0;
    double const size = std::sqrt(square);
    if (!(size < 0x1p62)) return {size, std::uint64_t{1} << 62, batch_cost_per_second(costs, 0x1p62), false};
    // The least Q with Q(Q + 1) >= square: where the cost of Q + 1 is not below that of Q. Guarded by a few units in the
    // last place, because the square is rounded.
    double const guarded = square * (1 - 4 * std::numeric_limits<double>::epsilon());
    double whole = std::max(1.0, std::floor(size) - 1);
    while (whole * (whole + 1) < guarded) {
        if (whole + 1 == whole) break;
        ++whole;
    }
    return {size, static_cast<std::uint64_t>(whole), batch_cost_per_second(costs, whole), false};
}

/// The cheapest batch that keeps up with the arrivals, one batch at a time; none where none does.
[[nodiscard]] inline std::optional<batch_optimum> optimal_batch(batch_costs costs, duration setup_time, duration item_time) {
    auto best = optimal_batch(costs);
    auto const least = stable_batch(costs.arrival_rate, setup_time, item_time);
    if (!least) return std::nullopt;
    if (best.whole < *least) {
        best.whole = *least;
        best.cost_per_second = batch_cost_per_second(costs, static_cast<double>(*least));
        best.bound_by_stability = true;
    }
    return best;
}

}  // namespace sluice
