// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// replicate — the same experiment with many seeds, on all cores, with the results of a serial run.
///
/// Use it for     means over independent runs, and how far they scatter
/// Not for        making one run faster: a simulation is one thread's
/// Thread-safety  any thread; f is called by several at once, so each call makes its own simulation
/// Complexity     one task and one place for a result per replication
/// Errors         the first exception of an f leaves once all that had begun are done; the rest may not have run
///
///     auto const waits = sluice::sim::replicate(pool, 30, [](std::uint64_t seed) { … return mean_wait; });
///
/// The i-th result is that of seed first_seed + i, whichever thread made it and whenever: bit by bit what replicate(30, f) without a
/// pool gives, as long as f depends on its seed alone.

#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice::sim {

/// One after the other, on this thread.
template <class F>
    requires std::invocable<F&, std::uint64_t>
[[nodiscard]] auto replicate(std::size_t n, F&& f, std::uint64_t first_seed = 0) {
    std::vector<std::decay_t<std::invoke_result_t<F&, std::uint64_t>>> results;
    results.reserve(n);
    for (std::size_t i = 0; i < n; ++i) results.push_back(f(first_seed + i));
    return results;
}

/// The same on a pool; from a worker of it, too.
template <class F>
    requires std::invocable<F&, std::uint64_t>
[[nodiscard]] auto replicate(thread_pool& pool, std::size_t n, F&& f, std::uint64_t first_seed = 0) {
    using result = std::decay_t<std::invoke_result_t<F&, std::uint64_t>>;
    std::vector<std::optional<result>> places(n);  // (a vector<bool> would share its words between threads)
    {
        task_group group(pool);
        for (std::size_t i = 0; i < n; ++i)
            group.run([&f, &place = places[i], seed = first_seed + i] { place.emplace(f(seed)); });
        group.wait();
    }
    std::vector<result> results;
    results.reserve(n);
    for (auto& p : places) results.push_back(std::move(*p));
    return results;
}

}  // namespace sluice::sim
