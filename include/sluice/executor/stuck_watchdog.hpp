// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// stuck_watchdog, stuck_watchdog_driver — an observer that knows which tasks have been running for too long.
///
/// Use it for     finding the task that holds a worker: a lock it waits for, a call without a timeout, a loop without an end
/// Not for        ending it: nobody can. Give tasks a stop_token or a deadline
/// Thread-safety  any thread
/// Progress       on_start, on_finish: wait-free; a thread's first task allocates. check: never makes a task wait
/// Complexity     a few stores a task; check: O(threads there have been)
/// Errors         options of 0 or less throw std::invalid_argument, check std::bad_alloc. Tasks of threads beyond
///                stuck_options::threads, or nested more than 8 deep, are not watched and counted
/// Units          times on the observed executor's clock
///
/// A task that waits inside and runs others meanwhile is running, too: both are looked at, the outer and the innermost.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/sleeper.hpp>
#include <sluice/executor/detail/per_thread_table.hpp>
#include <sluice/executor/detail/running_task.hpp>
#include <sluice/executor/detail/thread_number.hpp>
#include <sluice/executor/observer.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <stop_token>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace sluice {

struct stuck_options {
    duration    longer_than = std::chrono::seconds(10);
    std::size_t threads = 1000;
};

struct stuck_task {
    std::string_view name{};
    std::uint64_t    id = 0;
    std::uint64_t    thread = 0;   ///< as trace_log numbers them
    time_point       started{};
    duration         running{0};

    friend bool operator==(stuck_task const& a, stuck_task const& b) noexcept {
        return a.id == b.id && a.thread == b.thread && a.started == b.started;  // the same run of the same task
    }
};

class stuck_watchdog {
public:
    explicit stuck_watchdog(stuck_options options = {}) : options_(checked(options)), threads_(options_.threads) {}

    void on_submit(task_info const&) noexcept {}
    void on_exception(task_info const&, std::exception_ptr const&) noexcept {}
    void on_start(task_info const& t) noexcept {
        stack* const mine = find();
        if (mine == nullptr || mine->depth >= deepest) unwatched_.fetch_add(1, std::memory_order_relaxed);  // (stat)
        if (mine == nullptr) return;
        if (mine->depth < deepest) mine->tasks[mine->depth].set(t.id, t.started.time_since_epoch().count(), t.name);
        ++mine->depth;
    }
    void on_finish(task_info const&, task_status s) noexcept {
        if (s == task_status::dropped) return;
        stack* const mine = find();
        if (mine == nullptr || mine->depth == 0) return;
        if (--mine->depth < deepest) mine->tasks[mine->depth].clear();
    }

    /// Those that have been running for longer than options.longer_than, thread by thread, outer ones first.
    [[nodiscard]] std::vector<stuck_task> check(time_point now) const {
        std::vector<stuck_task> result;
        threads_.for_each([&](std::uint64_t thread, stack const& s) {
            for (auto const& one : s.tasks) {
                stuck_task   t{.thread = thread};
                std::int64_t started = 0;
                if (!one.get(t.id, started, t.name)) continue;
                t.started = time_point(duration(started));
                t.running = saturating_sub(now, t.started);
                if (t.running > options_.longer_than) result.push_back(t);
            }
        });
        return result;
    }

    [[nodiscard]] std::uint64_t unwatched() const noexcept { return unwatched_.load(std::memory_order_relaxed); }  // (stat)

private:
    static constexpr std::size_t deepest = 8;
    struct stack {
        std::size_t            depth = 0;  // its thread's
        detail::running_task<> tasks[deepest];
    };

    static stuck_options const& checked(stuck_options const& o) {
        detail::require_option(o.longer_than.count() > 0, "stuck_options::longer_than (> 0): nanoseconds", o.longer_than.count());
        detail::require_option(o.threads >= 1 && o.threads <= (std::size_t{1} << 24), "stuck_options::threads (1 to 2^24)", o.threads);
        return o;
    }
    stack* find() noexcept {
        return threads_.mine(detail::thread_number(), []() noexcept { return new (std::nothrow) stack; });
    }

    stuck_options const             options_;
    detail::per_thread_table<stack> threads_;
    std::atomic<std::uint64_t>      unwatched_{0};
};

static_assert(task_observer<stuck_watchdog>);

/// A thread that checks now and then, and calls report(stuck_task) once for each that it finds. An exception of report, or no
/// memory, ends that check; failures counts them.
class stuck_watchdog_driver {
public:
    template <class Report, clock_source Clock = steady_clock>
    stuck_watchdog_driver(stuck_watchdog const& watched, duration every, Report report, Clock clock = {})
        : stuck_watchdog_driver(watched, every, std::move(report), clock, default_sleeper(clock)) {}

    template <class Report, clock_source Clock, sleeper Sleeper>
    stuck_watchdog_driver(stuck_watchdog const& watched, duration every, Report report, Clock clock, Sleeper sleep) {
        detail::require_option(every.count() > 0, "stuck_watchdog_driver (> 0): nanoseconds between checks", every.count());
        thread_ = std::jthread([this, &watched, every, report = std::move(report), clock, sleep](std::stop_token stop) mutable {
            std::vector<stuck_task> known;
            while (sleep.sleep_until(saturating_add(clock.now(), every), stop)) {
                try {
                    step(watched.check(clock.now()), known, report);
                } catch (...) {
                    failures_.fetch_add(1, std::memory_order_relaxed);                              // (stat)
                }
                checks_.fetch_add(1, std::memory_order_relaxed);                                    // (stat)
            }
        });
    }

    [[nodiscard]] std::uint64_t checks() const noexcept { return checks_.load(std::memory_order_relaxed); }      // (stat)
    [[nodiscard]] std::uint64_t failures() const noexcept { return failures_.load(std::memory_order_relaxed); }  // (stat)

private:
    template <class Report>
    static void step(std::vector<stuck_task> now, std::vector<stuck_task>& known, Report& report) {
        known.swap(now);  // first, so that one whose report throws is not reported again
        for (auto const& t : known) {
            bool fresh = true;
            for (auto const& old : now) fresh = fresh && !(t == old);
            if (fresh) report(t);
        }
    }

    std::atomic<std::uint64_t> checks_{0};
    std::atomic<std::uint64_t> failures_{0};
    std::jthread               thread_;  // the last, so that it ends first
};

}  // namespace sluice
