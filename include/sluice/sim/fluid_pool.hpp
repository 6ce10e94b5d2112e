// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// fluid_pool — a pool in which work flows like water: what an autoscaler makes of a day's load, in milliseconds and without chance.
///
/// Use it for     comparing scaling rules on a load curve or a recorded trace: a resizable_executor, which autoscale_step drives
/// Not for        waits of single tasks, service times that vary, failures, disciplines (server_pool): here a task is no event
/// Thread-safety  one thread at a time
/// Complexity     flow, request_size: O(1) amortised; memory for the orders of workers that start
/// Errors         std::invalid_argument: service_time <= 0, start_delay < 0; flow: tasks < 0, NaN or infinite, a time <= 0. No effect
///                then. Counters stay at their largest
/// Units          tasks are real numbers; queued, submitted and completed are rounded down
/// Example        examples/450_autoscaling_strategies.cpp
///
/// A new worker is ready start_delay after its order. Of those that are dismissed the youngest go first, at once: nothing that
/// flows is held up by a task in hand.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/offered_load.hpp>
#include <sluice/scaling/resizable_executor.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <deque>
#include <limits>

namespace sluice::sim {

struct fluid_pool_options {
    std::uint32_t workers = 1;                            ///< ready from the beginning
    duration      service_time = std::chrono::seconds(1); ///< of a task; > 0
    duration      start_delay{0};                         ///< >= 0
};

class fluid_pool {
public:
    explicit fluid_pool(fluid_pool_options o = {}) : o_(o), provisioned_(o.workers), ready_(o.workers) {
        sluice::detail::require_option(o.service_time.count() > 0, "fluid_pool: service_time (> 0 ns)", o.service_time.count());
        sluice::detail::require_option(o.start_delay.count() >= 0, "fluid_pool: start_delay (>= 0 ns)", o.start_delay.count());
    }

    /// Lets `time` > 0 pass, in which so many tasks come, evenly. Workers that become ready meanwhile work from the next call on.
    void flow(double tasks, duration time) {
        sluice::detail::require_number(tasks >= 0 && sluice::detail::is_finite(tasks), "fluid_pool: tasks (>= 0)", tasks);
        sluice::detail::require_option(time.count() > 0, "fluid_pool: time (> 0 ns)", time.count());
        double const each = static_cast<double>(time.count()) / static_cast<double>(o_.service_time.count());
        double const done = std::min(ready_ * each, backlog_ + tasks);
        busy_ = static_cast<std::uint32_t>(std::min<double>(ready_, std::ceil(done / each * (1 - 1e-12))));
        backlog_ = std::max(0., backlog_ + tasks - done);
        arrived_ += tasks;
        completed_ += done;
        worker_seconds_ += provisioned_ * (static_cast<double>(time.count()) * 1e-9);
        now_ = saturating_add(now_, time);
        come_up();
    }

    [[nodiscard]] time_point now() const noexcept { return now_; }

    // ---- a resizable_executor ----

    void request_size(std::uint32_t n) {
        if (n > provisioned_) starting_.push_back({saturating_add(now_, o_.start_delay), n - provisioned_});
        for (auto gone = n < provisioned_ ? provisioned_ - n : 0; gone > 0;) {
            auto&      youngest = starting_.empty() ? ready_ : starting_.back().workers;
            auto const some = std::min(gone, youngest);
            youngest -= some;
            gone -= some;
            if (!starting_.empty() && starting_.back().workers == 0) starting_.pop_back();
        }
        provisioned_ = n;
        come_up();
    }
    [[nodiscard]] std::uint32_t provisioned() const noexcept { return provisioned_; }
    [[nodiscard]] std::uint32_t ready() const noexcept { return ready_; }
    /// Of those that are ready, in the last flow.
    [[nodiscard]] std::uint32_t busy() const noexcept { return std::min(busy_, ready_); }
    [[nodiscard]] std::uint64_t queued() const noexcept { return whole(backlog_); }
    [[nodiscard]] std::uint64_t submitted() const noexcept { return whole(arrived_); }
    [[nodiscard]] std::uint64_t completed() const noexcept { return whole(completed_); }
    [[nodiscard]] std::uint64_t busy_nanoseconds() const noexcept {
        return whole(completed_ * static_cast<double>(o_.service_time.count()));
    }

    // ---- what has happened ----

    [[nodiscard]] double backlog() const noexcept { return backlog_; }
    [[nodiscard]] double arrived() const noexcept { return arrived_; }
    /// Until what comes now begins, if nothing changes; infinite where tasks wait and nobody is ready.
    [[nodiscard]] model_seconds wait() const noexcept {
        if (backlog_ == 0) return model_seconds(0);
        if (ready_ == 0) return model_seconds(std::numeric_limits<double>::infinity());
        return model_seconds(backlog_ / ready_ * (static_cast<double>(o_.service_time.count()) * 1e-9));
    }
    /// Paid: of all that were provisioned.
    [[nodiscard]] double worker_hours() const noexcept { return worker_seconds_ / 3600; }

private:
    struct order {
        time_point    ready;
        std::uint32_t workers;
    };

    void come_up() noexcept {
        for (; !starting_.empty() && starting_.front().ready <= now_; starting_.pop_front()) ready_ += starting_.front().workers;
    }

    [[nodiscard]] static std::uint64_t whole(double x) noexcept {
        return x < 0x1p64 ? static_cast<std::uint64_t>(x) : UINT64_MAX;
    }

    fluid_pool_options o_;
    time_point         now_{};
    std::uint32_t      provisioned_;
    std::uint32_t      ready_;
    std::uint32_t      busy_ = 0;
    std::deque<order>  starting_;  // the oldest first
    double             backlog_ = 0;
    double             arrived_ = 0;
    double             completed_ = 0;
    double             worker_seconds_ = 0;
};

static_assert(resizable_executor<fluid_pool>);

}  // namespace sluice::sim
