// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// Load against goodput with and without protection, in virtual time with the library's own queue: one server that needs a
/// millisecond on average, clients that leave after 100 ms. Seeded: the same answer in every run.

#include <sluice/core/random.hpp>
#include <sluice/flow/bounded_queue.hpp>
#include <sluice/flow/codel.hpp>
#include <sluice/flow/fifo.hpp>
#include <sluice/stats/log_histogram.hpp>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bench::goodput {

constexpr double                    capacity = 1000;  ///< requests a second
constexpr std::chrono::seconds      length{20};
constexpr std::chrono::milliseconds patience{100};
constexpr double                    loads[] = {0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 2.5, 3};
constexpr double                    looked_at = 1.5;  ///< the load whose latencies are kept

struct outcome {
    double load     = 0;  ///< times the capacity
    double useful   = 0;  ///< served in time, as a share of the capacity
    double served   = 0;  ///< served at all, likewise
    double refused  = 0;  ///< at once, as a share of what came
    double p99_ms   = 0;  ///< from arrival to the end, of what was served
};

struct curve {
    std::string                               name;
    std::vector<outcome>                      at{};
    std::vector<std::pair<double, double>>    latency{};  ///< at 1.5 times the capacity: quantile, milliseconds
};

constexpr double quantiles[] = {0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999};

template <class Queue>
[[nodiscard]] outcome run(Queue& queue, double load, bool with_deadline, sluice::log_histogram<>& latency) {
    using sluice::time_point;
    sluice::xoshiro256ss random(1);
    auto const exponential = [&](double mean_ns) {
        return sluice::duration(static_cast<std::int64_t>(-std::log(1 - sluice::uniform_real(random)) * mean_ns));
    };
    time_point arrival{}, server_free{};
    double     came = 0, refused = 0, served = 0, in_time = 0;
    while (arrival < time_point(length)) {
        if (server_free <= arrival) {  // the server takes the next request, or waits for one
            if (auto const request = queue.try_pop(server_free)) {
                auto const took = exponential(1e9 / capacity);
                server_free += took;
                queue.report_service(took);
                auto const all = server_free - request->value;
                latency.record(static_cast<std::uint64_t>(all.count()));
                ++served;
                if (all <= patience) ++in_time;
                continue;
            }
            server_free = arrival;
        }
        ++came;
        if (!queue.push(arrival, {.deadline = with_deadline ? arrival + patience : sluice::no_deadline}, arrival).accepted()) ++refused;
        arrival += exponential(1e9 / capacity / load);
    }
    double const possible = capacity * static_cast<double>(length.count());
    return {load, in_time / possible, served / possible, refused / came, static_cast<double>(latency.quantile(0.99)) / 1e6};
}

template <class Discipline>
[[nodiscard]] curve sweep(std::string name, sluice::bounded_queue_options const& options, bool with_deadline) {
    curve c{.name = std::move(name)};
    for (double const load : loads) {
        sluice::bounded_queue<sluice::time_point, Discipline> queue(options, [](sluice::time_point&&, sluice::drop_info const&) {});
        auto const latency = std::make_unique<sluice::log_histogram<>>();
        c.at.push_back(run(queue, load, with_deadline, *latency));
        if (load == looked_at)
            for (double const q : quantiles) c.latency.emplace_back(q, static_cast<double>(latency->quantile(q)) / 1e6);
    }
    return c;
}

[[nodiscard]] inline std::vector<curve> all() {
    std::vector<curve> c;
    c.push_back(sweep<sluice::fifo>("unprotected: all may wait", {.capacity = 1'000'000}, false));
    c.push_back(sweep<sluice::codel>("controlled delay", {.capacity = 1'000'000}, false));
    c.push_back(sweep<sluice::fifo>("50 ms bound and deadlines",
                                    {.capacity = 10'000, .max_delay = std::chrono::milliseconds(50)}, true));
    return c;
}

}  // namespace bench::goodput
