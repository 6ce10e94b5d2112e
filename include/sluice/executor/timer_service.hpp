// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// timer_service, lazy_timer_service — a timer_queue with a thread that posts what is due to an executor.
///
/// Use it for     delayed and periodic tasks on a thread_pool, in a program without an event loop that could wait for them
/// Not for        tests and simulations (timer_queue with a manual_clock)
/// Thread-safety  every member from any thread. The destructor: after every other call has returned, and not on the service's
///                own thread, where an executor that runs tasks inside post runs the callbacks. lazy_timer_service: get from
///                any thread
/// Progress       the thread sleeps until the next deadline, for ever if there is none; a new timer wakes it only if it is
///                earlier than that. The destructor wakes it, cancels every timer, and waits for callbacks that are running
/// Complexity     one thread; otherwise as timer_queue. A system's sleep adds 50 to 100 µs to a deadline
/// Errors         std::system_error if there are no more threads; otherwise as timer_queue. If the executor's post throws
///                (thread_pool: no memory, or it has been shut down) the timers stay due, the failure is counted and given to
///                on_error, and the thread tries again 1 ms later, then 2, up to 1 s. on_error must not throw
/// Units          time points are of the steady clock
///
///     sluice::thread_pool   pool;
///     sluice::timer_service timers(pool);                    // declared after it: ends before it
///     auto const tick = timers.schedule_every(100ms, [] { … }, {.missed = sluice::missed_runs::coalesce});

#include <sluice/core/clock.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/executor/timer_queue.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

namespace sluice {

template <class Executor>
class timer_service {
public:
    using error_callback = unique_function<void(std::exception_ptr)>;

    explicit timer_service(Executor& executor, error_callback on_error = {})
        : timers_(executor), on_error_(std::move(on_error)), thread_([this](std::stop_token stop) { work(stop); }) {}
    timer_service(timer_service const&) = delete;
    timer_service& operator=(timer_service const&) = delete;

    ~timer_service() { close(); }

    /// Ends the thread and cancels every timer; does not wait for callbacks that run. From now on a timer ends when it is made.
    /// Twice, one after the other, is as once.
    void close() noexcept {
        if (thread_.joinable()) {
            thread_.request_stop();
            timers_.internals().earlier().notify_all();
            thread_.join();
        }
        timers_.close();
    }

    template <class F>
    timer_handle schedule_at(time_point t, F&& f) {
        return timers_.schedule_at(t, std::forward<F>(f));
    }
    template <class F>
    timer_handle schedule_after(duration d, F&& f) {
        return timers_.schedule_after(d, std::forward<F>(f));
    }
    template <class F>
    timer_handle schedule_every(duration period, F&& f, periodic_options options = {}) {
        return timers_.schedule_every(period, std::forward<F>(f), options);
    }

    /// Timers that wait for their time; not those that are posted or running.
    [[nodiscard]] std::size_t pending() const noexcept { return timers_.pending(); }
    /// How often the executor refused.
    [[nodiscard]] std::uint64_t failures() const noexcept { return failures_.load(std::memory_order_relaxed); }  // (stat)

private:
    void work(std::stop_token const& stop) {
        event_count& earlier = timers_.internals().earlier();
        duration     pause{0};  // after a failure
        for (;;) {
            auto const key = earlier.prepare_wait();
            if (stop.stop_requested()) return earlier.cancel_wait();
            auto const now = steady_clock().now();
            auto       until = timers_.internals().watch();
            if (pause.count() > 0 && until) until = std::max(*until, saturating_add(now, pause));
            if (!until) {
                earlier.commit_wait(key);
            } else if (*until > now) {
                // At most an hour at a time: a far deadline may not fit the system's own type.
                auto const soon = std::min(*until, saturating_add(now, std::chrono::hours(1)));
                (void)earlier.commit_wait_until(key, soon);
                if (steady_clock().now() < soon) continue;
            } else {
                earlier.cancel_wait();
            }
            try {
                (void)timers_.expire();
                pause = duration{0};
            } catch (...) {
                failures_.fetch_add(1, std::memory_order_relaxed);                          // (stat)
                pause = std::clamp<duration>(2 * pause, std::chrono::milliseconds(1), std::chrono::seconds(1));
                if (on_error_) on_error_(std::current_exception());
            }
        }
    }

    timer_queue<Executor>      timers_;
    error_callback             on_error_;
    std::atomic<std::uint64_t> failures_{0};
    std::jthread               thread_;
};

// Ordering
//   (A) made  release by the thread that made it, under the lock   -> acquire by get

/// A timer_service that is made when somebody asks for it: a member of an executor, which need not be complete here.
template <class Executor>
class lazy_timer_service {
public:
    lazy_timer_service() = default;
    lazy_timer_service(lazy_timer_service const&) = delete;
    lazy_timer_service& operator=(lazy_timer_service const&) = delete;

    /// The service, for the same executor each time. The first call starts a thread; if that throws, the next one tries again.
    /// nullptr if it was closed before anybody asked.
    [[nodiscard]] timer_service<Executor>* get(Executor& executor) {
        if (auto* const made = made_.load(std::memory_order_acquire)) return made;          // (A)
        std::lock_guard const lock(mutex_);
        if (!service_ && !closed_) {
            service_ = std::make_unique<timer_service<Executor>>(executor);
            made_.store(service_.get(), std::memory_order_release);                         // (A)
        }
        return service_.get();
    }

    /// Closes the service if there is one; there will be none if there is none.
    void close() noexcept {
        std::lock_guard const lock(mutex_);
        closed_ = true;
        if (service_) service_->close();
    }

private:
    std::atomic<timer_service<Executor>*>    made_{nullptr};
    std::mutex                               mutex_;
    bool                                     closed_ = false;
    std::unique_ptr<timer_service<Executor>> service_;
};

}  // namespace sluice
