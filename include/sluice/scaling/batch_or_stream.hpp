// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// batch_or_stream — what the same events cost one by one and in periodic batches, and what the delay is worth.
///
/// Use it for     the question before the architecture: 10 million events a day are 27.8 CPU-hours at 10 ms each and 5.6 at
///                2 ms; the factor is what was put in, the function only keeps the books
/// Thread-safety  a function of its arguments; any thread
/// Complexity     O(1), constexpr, no allocation
/// Errors         std::invalid_argument names parameter and value: times < 0, costs < 0, NaN or infinite, over or
///                batch_every <= 0
/// Units          costs in one currency

#include <sluice/core/units.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/offered_load.hpp>

#include <cstdint>

namespace sluice {

struct batch_or_stream_options {
    std::uint64_t events;       ///< in the time `over`
    duration over;              ///< > 0
    duration stream_time;       ///< CPU time per event, one by one
    duration batch_time;        ///< CPU time per event in a batch
    duration batch_setup{};     ///< CPU time per batch
    duration batch_every;       ///< from one batch to the next; > 0
    double cpu_hour_cost = 0;   ///< of one core for one hour
    double delay_cost = 0;      ///< of one event waiting for one hour
};

enum class processing { stream, batch };

struct batch_or_stream_costs {
    model_seconds stream_cpu;
    model_seconds batch_cpu;
    model_seconds batch_delay;  ///< mean wait of an event for its batch to start: half the time between batches
    double stream_cost;
    double batch_cost;          ///< CPU and delay
    processing cheaper;         ///< by cost; by CPU time where neither costs anything; stream where they are equal
};

[[nodiscard]] constexpr batch_or_stream_costs batch_or_stream(batch_or_stream_options o) {
    auto const require_time = [](bool possible, char const* name, duration d) {
        detail::require_number(possible, name, static_cast<double>(d.count()));
    };
    require_time(o.over.count() > 0, "batch_or_stream: over (> 0 ns)", o.over);
    require_time(o.stream_time.count() >= 0, "batch_or_stream: stream_time (>= 0 ns)", o.stream_time);
    require_time(o.batch_time.count() >= 0, "batch_or_stream: batch_time (>= 0 ns)", o.batch_time);
    require_time(o.batch_setup.count() >= 0, "batch_or_stream: batch_setup (>= 0 ns)", o.batch_setup);
    require_time(o.batch_every.count() > 0, "batch_or_stream: batch_every (> 0 ns)", o.batch_every);
    detail::require_number(o.cpu_hour_cost >= 0 && detail::is_finite(o.cpu_hour_cost),
                           "batch_or_stream: cpu_hour_cost (>= 0)", o.cpu_hour_cost);
    detail::require_number(o.delay_cost >= 0 && detail::is_finite(o.delay_cost), "batch_or_stream: delay_cost (>= 0)",
                           o.delay_cost);
    auto const events = static_cast<double>(o.events);
    auto const seconds = [](duration d) { return static_cast<double>(d.count()) / 1e9; };
    double const batches = seconds(o.over) / seconds(o.batch_every);
    double const stream = events * seconds(o.stream_time);
    double const batch = events * seconds(o.batch_time) + batches * seconds(o.batch_setup);
    double const delay = seconds(o.batch_every) / 2;
    double const stream_cost = stream / 3600 * o.cpu_hour_cost;
    double const batch_cost = batch / 3600 * o.cpu_hour_cost + events * (delay / 3600) * o.delay_cost;
    bool const free = o.cpu_hour_cost == 0 && o.delay_cost == 0;
    bool const batch_wins = free ? batch < stream : batch_cost < stream_cost;
    return {model_seconds(stream), model_seconds(batch), model_seconds(delay), stream_cost, batch_cost,
            batch_wins ? processing::batch : processing::stream};
}

}  // namespace sluice
