// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// autoscaler_driver — a thread that takes autoscale_step when it is due.
///
/// Use it for     a program without an event loop that could
/// Thread-safety  construction and destruction: one thread. The thread inside owns the policy meanwhile; the pool must allow its
///                calls from there. steps, failures: any thread
/// Progress       the destructor asks the thread to stop, also out of its sleep, and joins it
/// Errors         std::system_error if there are no more threads. A step that throws is counted and asks for nothing; the next
///                one is taken a second later
///
///     sluice::autoscaler policy(sluice::feed_forward({.service_time = 5ms}));
///     sluice::autoscaler_driver driver(policy, pool);      // declared after both: ends before them

#include <sluice/core/clock.hpp>
#include <sluice/core/sleeper.hpp>
#include <sluice/scaling/autoscale_step.hpp>
#include <sluice/scaling/resizable_executor.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stop_token>
#include <thread>
#include <utility>

namespace sluice {

class autoscaler_driver {
public:
    template <scaling_policy Policy, resizable_executor Pool, clock_source Clock = steady_clock>
    autoscaler_driver(Policy& policy, Pool& pool, Clock clock = {})
        : autoscaler_driver(policy, pool, clock, default_sleeper(clock)) {}

    /// On another clock somebody has to let its time pass.
    template <scaling_policy Policy, resizable_executor Pool, clock_source Clock, sleeper Sleeper>
    autoscaler_driver(Policy& policy, Pool& pool, Clock clock, Sleeper sleep)
        : thread_([this, &policy, &pool, clock, sleep](std::stop_token stop) mutable {
              while (!stop.stop_requested()) {
                  auto const now = clock.now();
                  auto       next = saturating_add(now, std::chrono::seconds(1));
                  try {
                      next = autoscale_step(policy, pool, now).next_evaluation;
                  } catch (...) {
                      failures_.fetch_add(1, std::memory_order_relaxed);  // (stat)
                  }
                  steps_.fetch_add(1, std::memory_order_relaxed);         // (stat)
                  if (!sleep.sleep_until(next, stop)) return;
              }
          }) {}

    [[nodiscard]] std::uint64_t steps() const noexcept { return steps_.load(std::memory_order_relaxed); }        // (stat)
    [[nodiscard]] std::uint64_t failures() const noexcept { return failures_.load(std::memory_order_relaxed); }  // (stat)

private:
    std::atomic<std::uint64_t> steps_{0};
    std::atomic<std::uint64_t> failures_{0};
    std::jthread               thread_;  // the last, so that it ends first
};

}  // namespace sluice
