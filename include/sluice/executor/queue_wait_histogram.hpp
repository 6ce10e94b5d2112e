// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// queue_wait_histogram — an observer: how long tasks waited, how long they ran, and what became of them.
///
/// Use it for     the p99 of the time in the queue: the measure that tells "too few workers" from "slow tasks"
/// Thread-safety  any thread. What is read while tasks run is a mixture of moments
/// Progress       wait-free
/// Complexity     three relaxed additions a task; 30 kB
/// Errors         none; times that went backwards count as 0
/// Units          nanoseconds, as log_histogram keeps them (3.2 % above, never below)

#include <sluice/core/clock.hpp>
#include <sluice/executor/observer.hpp>
#include <sluice/stats/log_histogram.hpp>

#include <atomic>
#include <cstdint>
#include <exception>

namespace sluice {

class queue_wait_histogram {
public:
    void on_submit(task_info const&) noexcept { submitted_.fetch_add(1, std::memory_order_relaxed); }  // (stat)
    void on_start(task_info const& t) noexcept { waits_.record(nanoseconds(t.submitted, t.started)); }
    void on_finish(task_info const& t, task_status s) noexcept {
        ended_[static_cast<int>(s)].fetch_add(1, std::memory_order_relaxed);                           // (stat)
        if (s != task_status::dropped) runs_.record(nanoseconds(t.started, t.finished));
    }
    void on_exception(task_info const&, std::exception_ptr const&) noexcept {}

    [[nodiscard]] log_histogram<> const& waits() const noexcept { return waits_; }  ///< submitted to started
    [[nodiscard]] log_histogram<> const& runs() const noexcept { return runs_; }    ///< started to finished
    [[nodiscard]] std::uint64_t submitted() const noexcept { return submitted_.load(std::memory_order_relaxed); }  // (stat)
    [[nodiscard]] std::uint64_t ended(task_status s) const noexcept {
        return ended_[static_cast<int>(s)].load(std::memory_order_relaxed);                            // (stat)
    }
    /// Halves what was counted in both histograms, so that the recent past weighs more.
    void decay() noexcept {
        waits_.decay();
        runs_.decay();
    }

private:
    static std::uint64_t nanoseconds(time_point from, time_point to) noexcept {
        auto const d = saturating_sub(to, from).count();
        return d < 0 ? 0 : static_cast<std::uint64_t>(d);
    }
    log_histogram<>            waits_, runs_;
    std::atomic<std::uint64_t> submitted_{0};
    std::atomic<std::uint64_t> ended_[3] = {};
};

static_assert(task_observer<queue_wait_histogram>);

}  // namespace sluice
