// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// service_registry_driver — a thread that calls a service_registry's expire() when something is due.
///
/// Use it for     a program without an event loop that could do so
/// Thread-safety  construction and destruction: one thread. The thread inside uses the registry as any other
/// Progress       the destructor asks the thread to stop and joins it, after an expire that runs. The thread wakes up once per
///                unhealthy_after × ttl at least, also when there is nothing to do
/// Errors         std::system_error if there are no more threads. What expire throws (a callback's exception, std::bad_alloc)
///                goes to on_error, and a tenth of a ttl later the thread looks again; without on_error it ends the program,
///                as in any thread
///
///     sluice::service_registry registry({.ttl = 10s});
///     sluice::service_registry_driver driver(registry);      // declared after it: ends before it

#include <sluice/core/clock.hpp>
#include <sluice/core/sleeper.hpp>
#include <sluice/core/unique_function.hpp>

#include <exception>
#include <stop_token>
#include <thread>
#include <utility>

namespace sluice {

class service_registry_driver {
public:
    using error_callback = unique_function<void(std::exception_ptr)>;

    template <class Registry>
    explicit service_registry_driver(Registry& registry, error_callback on_error = {})
        : service_registry_driver(registry, default_sleeper(registry.clock()), std::move(on_error)) {}

    /// With another way to let time pass than that of the registry's clock.
    template <class Registry, sleeper Sleeper>
    service_registry_driver(Registry& registry, Sleeper sleeper, error_callback on_error = {})
        : thread_([&registry, sleeper = std::move(sleeper), on_error = std::move(on_error)](std::stop_token stop) mutable {
              while (!stop.stop_requested()) {
                  time_point next{};
                  try {
                      next = registry.expire().next;
                  } catch (...) {
                      if (!on_error) throw;
                      on_error(std::current_exception());
                      next = saturating_add(registry.clock().now(), registry.options().ttl / 10);
                  }
                  if (!sleeper.sleep_until(next, stop)) return;
              }
          }) {}

private:
    std::jthread thread_;
};

}  // namespace sluice
