// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// service_driver — a thread that takes a service's step when it is due.
///
/// Use it for     a program without an event loop that could
/// Thread-safety  construction and destruction: one thread. The thread inside owns the policy meanwhile. steps, failures: any thread
/// Progress       the destructor asks the thread to stop, also out of its sleep, and joins it
/// Errors         std::invalid_argument for longest <= 0; std::system_error if there are no more threads. A step that throws is
///                counted, and the next is taken `longest` later
/// Units          nanoseconds of the service's clock
///
///     sluice::service_driver driver(app, policy);   // declared after both: ends before them
///
/// It looks at least once in `longest`: a retry whose time is earlier than what the step before knew waits no longer than that.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/sleeper.hpp>
#include <sluice/scaling/autoscale_step.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <stop_token>
#include <thread>

namespace sluice {

struct service_driver_options {
    duration longest = std::chrono::milliseconds(5);  ///< between two steps; > 0
};

class service_driver {
public:
    template <class Service>
    explicit service_driver(Service& app, service_driver_options options = {})
        : service_driver(app.clock(), options, [&app](time_point now) { return app.step(now); }) {}

    template <class Service, scaling_policy Policy>
    service_driver(Service& app, Policy& policy, service_driver_options options = {})
        : service_driver(app.clock(), options, [&app, &policy](time_point now) { return app.step(now, policy); }) {}

    [[nodiscard]] std::uint64_t steps() const noexcept { return steps_.load(std::memory_order_relaxed); }        // (stat)
    [[nodiscard]] std::uint64_t failures() const noexcept { return failures_.load(std::memory_order_relaxed); }  // (stat)

private:
    template <class Clock, class Step>
    service_driver(Clock const& clock, service_driver_options options, Step step)
        : longest_(checked(options.longest)), thread_([this, clock, step, sleep = default_sleeper(clock)](std::stop_token stop) mutable {
              while (!stop.stop_requested()) {
                  auto const now = clock.now();
                  auto next = time_point::max();
                  try {
                      next = step(now);
                  } catch (...) {
                      failures_.fetch_add(1, std::memory_order_relaxed);  // (stat)
                  }
                  steps_.fetch_add(1, std::memory_order_relaxed);  // (stat)
                  if (!sleep.sleep_until(std::min(next, saturating_add(now, longest_)), stop)) return;
              }
          }) {}

    static duration checked(duration d) {
        detail::require_option(d.count() > 0, "service_driver_options::longest (> 0 ns)", d.count());
        return d;
    }

    duration longest_;
    std::atomic<std::uint64_t> steps_{0};
    std::atomic<std::uint64_t> failures_{0};
    std::jthread thread_;  // the last, so that it ends first
};

}  // namespace sluice
