// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// sized_lanes — short work does not wait behind long work: a lane for each size, with workers kept free for it.
///
/// Use it for     tasks whose lengths differ by orders of magnitude and are known roughly beforehand
/// Not for        importance (queued_executor with aging_priority); lengths that nobody knows: one lane too small is one lane
/// Thread-safety  every member from any thread, also from inside tasks. The executor must outlive what is posted; the lanes
///                need not: what was accepted runs
/// Progress       blocking, for a moment: one mutex, under which no task runs and none is destroyed
/// Complexity     post and the end of a task O(lanes); one node per task (a slab has a hundred or so), and the executor's own post
/// Errors         std::invalid_argument for impossible options. post throws std::bad_alloc, what moving the callable throws,
///                lane_full, or what the executor's post throws, and then has no effect. What tasks throw goes to on_error, or
///                leaves the executor's task. If the executor drops the last task that it had of the lanes, what waits is
///                destroyed unrun and counted in dropped()
/// Units          sizes are expected durations; reserves and concurrency in tasks that run at once
/// Source         size-interval assignment: Harchol-Balter, Crovella, Murta, JPDC 1999, doi:10.1006/jpdc.1999.1577; the mean wait
///                of one lane: Pollaczek, Khinchine
///
/// Of `concurrency` tasks at once each lane has its reserve. A lane that has more to do borrows what is free, but leaves the unused
/// reserves of the lanes with smaller tasks alone: so a small task never waits for a larger one while its lane has not used its
/// reserve up. A lane whose reserve is lent has it back when those who borrow have ended: while it waits nobody borrows anew.
/// Of several lanes that may go on the smallest does. Within a lane, first come, first served.
///
/// With fewer workers than `concurrency` the executor's own queue stands between, and the lanes promise nothing.

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/executor/detail/ticket.hpp>
#include <sluice/executor/executor.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace sluice {

struct lane_options {
    duration    up_to = duration::max();  ///< largest task; more than that of the lane before
    std::size_t reserve = 1;              ///< tasks of it that can always run at once; > 0
    std::size_t capacity = SIZE_MAX;      ///< most tasks of it that wait or run; > 0
};

struct sized_lanes_options {
    std::vector<lane_options> lanes{{.up_to = std::chrono::milliseconds(10)}, {.up_to = std::chrono::seconds(1)}, {}};
    std::size_t               concurrency = 0;                 ///< at least the sum of the reserves; 0: that sum
    unique_function<void(std::exception_ptr)> on_error{};      ///< must not throw
};

/// What post throws when its lane has as many tasks as it may.
class lane_full : public std::exception {
public:
    [[nodiscard]] char const* what() const noexcept override { return "sluice: the lane has as many tasks as it may"; }
};

struct lane_counters {
    std::size_t   waiting = 0;
    std::size_t   running = 0;   ///< tickets at the executor
    std::uint64_t accepted = 0;
    std::uint64_t borrowed = 0;  ///< begun beyond the reserve
};

namespace detail {

template <class Executor>
class lanes_state {
public:
    using pointer = std::shared_ptr<lanes_state>;

    lanes_state(Executor& e, sized_lanes_options o) : executor_(e), options_(std::move(o)) {
        require_option(!options_.lanes.empty() && options_.lanes.size() <= 64, "sized_lanes_options::lanes (1 to 64)",
                       options_.lanes.size());
        std::size_t reserved = 0;
        for (std::size_t i = 0; i < options_.lanes.size(); ++i) {
            auto const& l = options_.lanes[i];
            require_option(i == 0 || l.up_to > options_.lanes[i - 1].up_to, "lane_options::up_to (rising)", l.up_to.count());
            require_option(l.reserve >= 1 && l.reserve <= 1'000'000, "lane_options::reserve (1 to 1000000)", l.reserve);
            require_option(l.capacity >= 1, "lane_options::capacity (> 0)", l.capacity);
            reserved += l.reserve;
        }
        require_option(options_.lanes.back().up_to == duration::max(), "lane_options::up_to of the last lane (duration::max())",
                       options_.lanes.back().up_to.count());
        if (options_.concurrency == 0) options_.concurrency = reserved;
        require_option(options_.concurrency >= reserved, "sized_lanes_options::concurrency (>= the sum of the reserves)",
                       options_.concurrency);
        lanes_.resize(options_.lanes.size());
    }

    [[nodiscard]] std::size_t lanes() const noexcept { return lanes_.size(); }
    [[nodiscard]] std::size_t lane_of(duration expected) const noexcept {
        std::size_t i = 0;
        while (expected > options_.lanes[i].up_to) ++i;
        return i;
    }

    /// False: the lane is full, and the task still the caller's.
    [[nodiscard]] bool post(pointer const& self, std::size_t i, queued_task* task) {
        std::uint64_t serial = 0;
        {
            std::lock_guard const lock(mutex_);
            lane&                 l = lanes_[i];
            if (l.waiting + l.running >= options_.lanes[i].capacity) return false;
            (l.first != nullptr ? l.last->next : l.first) = task;
            l.last = task;
            ++l.waiting;
            ++l.accepted;
            if (!may_begin(i)) return true;
            serial = begin(i);
        }
        try {
            post_ticket(executor_, self, serial);
        } catch (...) {
            if (take_back(i, task)) {
                task->destroy();
                next_after(self, i);
                throw;
            }
            next_after(self, i);  // another ticket has taken it
        }
        return true;
    }

    void run_ticket(pointer const& self, std::uint64_t serial) {
        std::exception_ptr error;
        for (bool more = true; more;) {
            auto const i = lane_of_ticket(serial);
            run_first(i, error);
            if constexpr (requires { executor_.at_task_end(queued_end{self, i}); }) {
                at_task_end(executor_, queued_end{self, i});
                more = false;
            } else {
                serial = end(self, i);
                more = serial != 0;
            }
        }
        if (error) std::rethrow_exception(error);
    }
    void ticket_lost(pointer const&, std::uint64_t serial) noexcept { lost(lane_of_ticket(serial)); }

    [[nodiscard]] lane_counters counters(std::size_t i) const {
        std::lock_guard const lock(mutex_);
        lane const&           l = lanes_[i];
        return {l.waiting, l.running, l.accepted, l.borrowed};
    }
    [[nodiscard]] std::uint64_t dropped() const {
        std::lock_guard const lock(mutex_);
        return dropped_;
    }
    [[nodiscard]] std::uint64_t errors_dropped() const {
        std::lock_guard const lock(mutex_);
        return errors_dropped_;
    }

private:
    struct lane {
        queued_task*  first = nullptr;
        queued_task*  last = nullptr;
        std::size_t   waiting = 0;  // those in the list, less what is promised to tickets that have not run
        std::size_t   running = 0;  // tickets
        std::uint64_t accepted = 0;
        std::uint64_t borrowed = 0;
    };
    struct queued_end {
        pointer     state;
        std::size_t i;
        void        operator()() noexcept { state->next_after(state, i); }
    };

    [[nodiscard]] std::size_t lane_of_ticket(std::uint64_t serial) const noexcept {
        return static_cast<std::size_t>(serial % lanes_.size());
    }

    // ---- under the mutex ----

    [[nodiscard]] bool has_reserve(std::size_t i) const noexcept { return lanes_[i].running < options_.lanes[i].reserve; }

    /// What stays free are the unused reserves of the smaller ones. All lanes keep to that, so one within its reserve finds a
    /// place, unless a smaller one has borrowed it.
    [[nodiscard]] bool may_begin(std::size_t i) const noexcept {
        if (lanes_[i].waiting == 0) return false;
        for (std::size_t j = 0; !has_reserve(i) && j < lanes_.size(); ++j)
            if (lanes_[j].waiting > 0 && has_reserve(j)) return false;
        std::size_t kept = 0;
        for (std::size_t j = 0; j < i; ++j) kept += options_.lanes[j].reserve - std::min(lanes_[j].running, options_.lanes[j].reserve);
        return options_.concurrency - running_ > kept;
    }

    [[nodiscard]] std::uint64_t begin(std::size_t i) noexcept {
        lane& l = lanes_[i];
        --l.waiting;
        if (++l.running > options_.lanes[i].reserve) ++l.borrowed;
        ++running_;
        return ++tickets_ * lanes_.size() + i;
    }

    /// The ticket of the lane that has the next turn; 0: none has.
    [[nodiscard]] std::uint64_t choose() noexcept {
        for (std::size_t i = 0; i < lanes_.size(); ++i)
            if (may_begin(i)) return begin(i);
        return 0;
    }

    // ---- these lock it ----

    void run_first(std::size_t i, std::exception_ptr& error) noexcept {
        queued_task* task = nullptr;
        {
            std::lock_guard const lock(mutex_);
            SLUICE_ASSERT(lanes_[i].first != nullptr);
            task = std::exchange(lanes_[i].first, lanes_[i].first->next);
        }
        try {
            task->run();
        } catch (...) {
            if (options_.on_error) return options_.on_error(std::current_exception());
            if (!error) {
                error = std::current_exception();
            } else {
                std::lock_guard const lock(mutex_);
                ++errors_dropped_;
            }
        }
    }

    /// A task of the lane has ended: posts the tickets of those that may begin now, more than one where nobody was to borrow
    /// so far. Returns one that the executor does not take, or 0.
    [[nodiscard]] std::uint64_t end(pointer const& self, std::size_t i) noexcept {
        for (bool ended = false;; ended = true) {
            std::uint64_t serial = 0;
            {
                std::lock_guard const lock(mutex_);
                if (!ended) --lanes_[i].running, --running_;
                serial = choose();
            }
            if (serial == 0 || !try_post(self, serial)) return serial;
        }
    }
    void next_after(pointer const& self, std::size_t i) noexcept {
        if (auto const serial = end(self, i); serial != 0) lost(lane_of_ticket(serial));
    }
    [[nodiscard]] bool try_post(pointer const& self, std::uint64_t serial) noexcept {
        try {
            post_ticket(executor_, self, serial);
            return true;
        } catch (...) {
            return false;
        }
    }

    /// The lane's ticket was not taken. True: the task is out of the list again. Otherwise some task waits without a ticket.
    [[nodiscard]] bool take_back(std::size_t i, queued_task* task) noexcept {
        std::lock_guard const lock(mutex_);
        lane&                 l = lanes_[i];
        queued_task*          before = nullptr;
        for (auto* t = l.first; t != nullptr; before = std::exchange(t, t->next)) {
            if (t != task) continue;
            (before != nullptr ? before->next : l.first) = t->next;
            if (l.last == t) l.last = before;
            --l.accepted;
            return true;
        }
        ++l.waiting;
        return false;
    }

    /// A ticket less, and the executor has given it up. What waits is the others', or nobody's.
    void lost(std::size_t i) noexcept {
        queued_task* all = nullptr;
        {
            std::lock_guard const lock(mutex_);
            ++lanes_[i].waiting;
            --lanes_[i].running;
            if (--running_ > 0) return;
            for (lane& l : lanes_) {
                if (l.first == nullptr) continue;
                l.last->next = all;
                all = std::exchange(l.first, nullptr);
                dropped_ += std::exchange(l.waiting, 0);
            }
        }
        while (all != nullptr) std::exchange(all, all->next)->destroy();
    }

    Executor&           executor_;
    sized_lanes_options options_;
    mutable std::mutex  mutex_;
    std::vector<lane>   lanes_;
    std::size_t         running_ = 0;
    std::uint64_t       tickets_ = 0;
    std::uint64_t       dropped_ = 0;
    std::uint64_t       errors_dropped_ = 0;
};

}  // namespace detail

template <executor Executor>
class sized_lanes {
public:
    explicit sized_lanes(Executor& e, sized_lanes_options options = {})
        : state_(std::make_shared<detail::lanes_state<Executor>>(e, std::move(options))) {}
    sized_lanes(sized_lanes const&) = delete;
    sized_lanes& operator=(sized_lanes const&) = delete;

    /// Runs f() in the lane for tasks that are expected to last so long.
    template <class F>
    void post(duration expected, F&& f) {
        auto* const task = detail::make_queued(std::forward<F>(f));
        if (state_->post(state_, state_->lane_of(expected), task)) return;
        task->destroy();
        throw lane_full();
    }
    /// Of unknown length: in the last lane, where it holds up nobody smaller.
    template <class F>
    void post(F&& f) {
        post(duration::max(), std::forward<F>(f));
    }

    [[nodiscard]] std::size_t   lanes() const noexcept { return state_->lanes(); }
    [[nodiscard]] std::size_t   lane_of(duration expected) const noexcept { return state_->lane_of(expected); }
    /// Requires lane < lanes().
    [[nodiscard]] lane_counters counters(std::size_t lane) const {
        SLUICE_ASSERT(lane < lanes());
        return state_->counters(lane);
    }
    [[nodiscard]] std::uint64_t dropped() const { return state_->dropped(); }
    [[nodiscard]] std::uint64_t errors_dropped() const { return state_->errors_dropped(); }

private:
    std::shared_ptr<detail::lanes_state<Executor>> state_;
};

}  // namespace sluice
