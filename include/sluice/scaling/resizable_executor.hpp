// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// resizable_executor, counters_of — a pool whose size can be asked for, and what it tells about itself.
///
/// Use it for     whatever an autoscaler drives: a thread pool, processes, instances, a simulated pool
/// Thread-safety  the functions of the concept may be called while the pool runs, from the one thread that drives it at least
///
///   request_size(n)      asynchronous, idempotent, never blocks; the last request counts, a larger one cancels a shrinking
///   provisioned()        workers asked for and not yet gone, those that start included
///   ready(), busy()      workers that take tasks; workers with one in hand
///   queued()             tasks accepted, not begun
///   submitted(), completed(), busy_nanoseconds()    64 bits, only grow; the last includes the tasks in hand

#include <sluice/scaling/pool_sampler.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>

namespace sluice {

template <class P>
concept resizable_executor = requires(P& pool, P const& seen, std::uint32_t n) {
    pool.request_size(n);
    { seen.provisioned() } -> std::unsigned_integral;
    { seen.ready() } -> std::unsigned_integral;
    { seen.busy() } -> std::unsigned_integral;
    { seen.queued() } -> std::unsigned_integral;
    { seen.submitted() } -> std::same_as<std::uint64_t>;
    { seen.completed() } -> std::same_as<std::uint64_t>;
    { seen.busy_nanoseconds() } -> std::same_as<std::uint64_t>;
};

/// One look. The numbers are read one after the other, completed ones before submitted ones.
template <resizable_executor P>
[[nodiscard]] pool_counters counters_of(P const& pool) {
    auto const workers = [](auto n) { return static_cast<std::uint32_t>(std::min<std::uint64_t>(n, UINT32_MAX)); };
    pool_counters c;
    c.busy_nanoseconds = pool.busy_nanoseconds();
    c.completed = pool.completed();
    c.submitted = pool.submitted();
    c.queued = pool.queued();
    c.busy = workers(pool.busy());
    c.ready = workers(pool.ready());
    c.provisioned = workers(pool.provisioned());
    return c;
}

}  // namespace sluice
