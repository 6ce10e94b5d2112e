// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// pool_metrics — what the workers of a pool did, and four measures with a grade each.
///
/// Use it for     thread_pool::metrics(); the grades tell a coordination problem from a hot worker at a glance
/// Thread-safety  plain values, a snapshot; the numbers of different workers are read one after the other
/// Complexity     taking a snapshot is O(workers); each measure is O(workers)
/// Errors         none; a measure without data is 0 (1 for ratios that are 1 when even) and "good"
/// Units          std::chrono::nanoseconds; counts since the pool was made
///
/// busy is the time in tasks, including what a task waits; searching is the time between tasks spent looking for work;
/// parked is sleep; absent is the time before a place had its first thread and between two of them. A place that has been
/// used stays in the list with all that was counted there. The clock is read when a worker changes between the four, not
/// between tasks that follow each other.
/// With thread_pool_options::metrics off the times and mean_depth stay 0 and cost nothing.
/// Only the pool's own threads are seen: a thread from outside that works in a parallel_for is in none of these numbers.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice {

enum class grade : std::uint8_t { good, fair, bad };

[[nodiscard]] constexpr char const* to_string(grade g) noexcept {
    return g == grade::good ? "good" : g == grade::fair ? "fair" : "bad";
}

struct measure {
    double        value = 0;
    sluice::grade grade = sluice::grade::good;
};

struct worker_metrics {
    std::uint64_t            tasks = 0;         ///< tasks run, stolen forks included
    std::uint64_t            steals = 0;        ///< attempts that brought something
    std::uint64_t            steals_lost = 0;   ///< attempts lost to another thread
    std::uint64_t            steals_empty = 0;  ///< attempts at a victim that had nothing
    std::size_t              depth = 0;         ///< items in this worker's queues now
    double                   mean_depth = 0;    ///< the same, averaged over the starts of its tasks
    std::chrono::nanoseconds busy{0};
    std::chrono::nanoseconds searching{0};
    std::chrono::nanoseconds parked{0};
    std::chrono::nanoseconds absent{0};         ///< without a thread, in a pool that was resized
};

struct pool_metrics {
    std::vector<worker_metrics> workers;
    std::chrono::nanoseconds    elapsed{0};         ///< since the pool was made
    std::uint64_t               errors_handled = 0; ///< exceptions of detached tasks, given to the handler
    std::uint64_t               errors_dropped = 0; ///< exceptions that nobody asked for: siblings, unread futures
    std::uint64_t               tasks_discarded = 0;

    [[nodiscard]] std::uint64_t tasks() const noexcept { return sum(&worker_metrics::tasks); }
    [[nodiscard]] std::uint64_t steals() const noexcept { return sum(&worker_metrics::steals); }

    /// Standard deviation over mean of the workers' busy time. Good < 0.1, bad > 0.3.
    [[nodiscard]] measure utilisation_variation() const noexcept {
        double mean = 0, squares = 0;
        for (auto const& w : workers) mean += seconds(w.busy);
        if (!(mean > 0)) return {};
        mean /= static_cast<double>(workers.size());
        for (auto const& w : workers) squares += (seconds(w.busy) - mean) * (seconds(w.busy) - mean);
        return judge(root(squares / static_cast<double>(workers.size())) / mean, 0.1, 0.3);
    }

    /// Time spent looking for work over the time awake. Good < 0.05, bad > 0.20.
    [[nodiscard]] measure coordination_overhead() const noexcept {
        double busy = 0, searching = 0;
        for (auto const& w : workers) busy += seconds(w.busy), searching += seconds(w.searching);
        return busy + searching > 0 ? judge(searching / (busy + searching), 0.05, 0.20) : measure{};
    }

    /// Largest mean queue depth over the mean of them all. Good < 2, bad > 10.
    [[nodiscard]] measure queue_depth_ratio() const noexcept {
        double total = 0, most = 0;
        for (auto const& w : workers) {
            total += w.mean_depth;
            if (w.mean_depth > most) most = w.mean_depth;
        }
        return total > 0 ? judge(most * static_cast<double>(workers.size()) / total, 2, 10) : measure{1, grade::good};
    }

    /// Busy time over elapsed time times workers, less their absence: the speed-up that was had of the one that was paid for.
    /// Good > 0.8, bad < 0.5. It takes busy time for useful time: work that is slower in parallel than alone flatters it.
    [[nodiscard]] measure speedup_ratio() const noexcept {
        double busy = 0, paid = seconds(elapsed) * static_cast<double>(workers.size());
        for (auto const& w : workers) busy += seconds(w.busy), paid -= seconds(w.absent);
        if (!(paid > 0)) return {1, grade::good};
        double const r = busy / paid;
        return {r, r > 0.8 ? grade::good : r < 0.5 ? grade::bad : grade::fair};
    }

private:
    static double seconds(std::chrono::nanoseconds d) noexcept { return static_cast<double>(d.count()) * 1e-9; }
    /// Newton's square root; <cmath> would cost every user of the pool a tenth of its compile time.
    static double root(double x) noexcept {
        if (!(x > 0)) return 0;
        double r = x > 1 ? x : 1;
        for (double next = r; (next = (r + x / r) / 2) < r;) r = next;
        return r;
    }
    static measure judge(double value, double good_below, double bad_above) noexcept {
        return {value, value < good_below ? grade::good : value > bad_above ? grade::bad : grade::fair};
    }
    [[nodiscard]] std::uint64_t sum(std::uint64_t worker_metrics::*field) const noexcept {
        std::uint64_t n = 0;
        for (auto const& w : workers) n += w.*field;
        return n;
    }
};

}  // namespace sluice
