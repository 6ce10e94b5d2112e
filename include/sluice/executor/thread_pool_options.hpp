// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// thread_pool_options — what a thread_pool is made of.
///
/// Thread-safety  a value
/// Errors         the pool's constructor throws std::invalid_argument for what cannot work
/// Units          workers: threads, 1 to 1000

#include <cstddef>
#include <cstdint>
#include <exception>
#include <sluice/core/unique_function.hpp>
#include <sluice/executor/cpu_topology.hpp>
#include <sluice/executor/detail/scheduler_observer.hpp>
#include <sluice/executor/idle_policy.hpp>
#include <sluice/executor/shutdown.hpp>
#include <sluice/executor/victim_policy.hpp>
#include <string>
#include <thread>

namespace sluice {

/// How many threads can run at once for this process: the CPUs it may use, but no more than its control groups' quota, rounded
/// up; 1 to 1000. Reads some ten files on Linux.
[[nodiscard]] inline std::size_t default_workers() noexcept {
    std::size_t n = 0;
    try {
        n = available_concurrency();
    } catch (...) {  // no memory
        n = std::thread::hardware_concurrency();
    }
    return n == 0 ? 1 : n > 1000 ? 1000 : n;
}

struct thread_pool_options {
    std::size_t    workers = default_workers();
    std::size_t    min_workers = 0;                         ///< what request_size may ask for; 0: the same as workers
    std::size_t    max_workers = 0;                         ///< likewise. A pool whose size is fixed pays nothing for this
    victim_options victims{};                               ///< whom a worker without work asks first
    idle_policy    idle = idle_policy::balanced();
    std::uint32_t  injector_batch = 32;                     ///< tasks from outside that a worker takes to itself at once; 1 to 64
    std::uint32_t  fairness_interval = 61;                  ///< after so many own tasks it looks for tasks from outside; > 0
    std::uint32_t  help_depth = 64;                         ///< stolen work that one waiting worker runs inside another, at most
    bool           metrics = false;                         ///< measure busy, searching and parked time and depths
    shutdown_mode  at_destruction = shutdown_mode::drain;
    /// Gets the exceptions of posted tasks, on the worker's thread, from several at once; must not throw.
    /// Empty: std::terminate.
    unique_function<void(std::exception_ptr)> on_error{};
    /// Called with the worker's number on each of the pool's threads, once before its first task and once after its last one;
    /// from several threads at once. What they throw is treated as if a task had thrown it. A thread that gets the number
    /// of one that left begins after the exit hook of that one. Not for attached threads. The exit hook runs outside the
    /// pool: it may not post to it.
    unique_function<void(std::size_t)> on_worker_start{};
    unique_function<void(std::size_t)> on_worker_exit{};
    std::string                        name = "sluice";     ///< its threads are called name-0, name-1 …; empty: as the system likes
    detail::scheduler_observer const*  observer = nullptr;  ///< for the library's own observers; outlives the pool
};

}  // namespace sluice
