// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// manual_executor — an executor without threads that runs a task when told, in virtual time, in an order of your choice.
///
/// Use it for     tests: the same run every time; orders that a pool shows once in a million; queues, limits and autoscalers
///                over hours of virtual time. Also a loop of one's own: post, and run_until_idle when it suits
/// Not for        real work on several cores (thread_pool)
/// Thread-safety  one thread at a time for everything, post included. Tasks and destructors of tasks may call every member but
///                run_until, run_for, run_until_idle and the destructor
/// Progress       nothing runs but inside run_one, run_until, run_for and run_until_idle
/// Complexity     post O(1), an allocation now and then, and one for a callable of more than 48 bytes. A step O(workers)
/// Errors         std::invalid_argument for impossible options. post: std::bad_alloc or what moving the callable throws, without
///                effect. What a task throws goes to on_error; without one it leaves run_one, or whichever was called: the
///                task has ended, nothing is lost, and the next call goes on
/// Units          time of the clock it was given. The clock belongs to the executor while it runs; moved by hand it may only
///                make ends late
/// Example        examples/581_priority_ageing.cpp
///
///     sluice::manual_executor executor({.workers = 2, .order = sluice::manual_order::shuffled, .seed = 7});
///     executor.post([&] { executor.spend(5ms); … });   // keeps one of the two workers for 5 ms
///     executor.run_for(1s);                             // everything that happens in that second, without waiting for it
///
/// A task's body runs at the instant when a worker takes it, and takes no time. spend(d) inside it makes the task last d
/// longer: the worker stays busy, and what was given to at_task_end runs when that time is over. The executors and queues of
/// this library give their places back there, so that limits and strands hold in virtual time, too. Of several things at
/// one instant, ends come before beginnings. Tasks that wait when it is destroyed are destroyed unrun.

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/executor/executor.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <type_traits>
#include <utility>
#include <vector>

namespace sluice {

enum class manual_order : std::uint8_t {
    fifo,     ///< the oldest task is next
    lifo,     ///< the newest
    shuffled  ///< any, as the seed says
};

struct manual_executor_options {
    std::size_t   workers = 1;                 ///< tasks that can last at the same time, 1 to 100 000
    std::size_t   min_workers = 0;             ///< what request_size may ask for; 0: the same as workers
    std::size_t   max_workers = 0;             ///< likewise
    duration      start_delay{0};              ///< from request_size until a new worker takes tasks; >= 0
    manual_order  order = manual_order::fifo;
    std::uint64_t seed = 0;                    ///< for shuffled
    unique_function<void(std::exception_ptr)> on_error{};  ///< gets what tasks throw; must not throw
};

class manual_executor {
public:
    explicit manual_executor(manual_executor_options options = {}, manual_clock clock = {})
        : options_(checked(std::move(options))), clock_(std::move(clock)), random_(options_.seed),
          workers_(options_.max_workers), target_(options_.workers) {
        for (std::size_t i = 0; i < target_; ++i) workers_[i].state = worker_state::idle;
    }
    manual_executor(manual_executor const&) = delete;
    manual_executor& operator=(manual_executor const&) = delete;
    ~manual_executor() { (void)discard(); }

    template <class F>
    void post(F&& f) {
        using closure = std::decay_t<F>;
        static_assert(std::is_invocable_v<closure>, "post needs a callable without parameters");
        if constexpr (std::is_invocable_v<closure&>)
            queue_.emplace_back(std::forward<F>(f));
        else
            queue_.emplace_back([f = closure(std::forward<F>(f))]() mutable { std::move(f)(); });
        ++submitted_;
    }

    /// Begins one task now, if one waits and a worker is free. Inside a task: runs one on that task's worker, whose end is
    /// then the end of both.
    bool run_one() {
        if (running_ == nullptr) settle();
        auto* const w = running_ != nullptr ? running_ : free_worker();
        if (w == nullptr || queue_.empty()) return false;
        run(*w, take());
        return true;
    }
    /// The same, by the name that thread_pool has for it.
    bool try_run_one() { return run_one(); }

    /// Everything that happens up to t, t included; then it is t. Returns the number of tasks begun.
    std::uint64_t run_until(time_point t) {
        std::uint64_t const count = go(t, UINT64_MAX);
        if (clock_.now() < t) clock_.set(t);
        return count;
    }
    std::uint64_t run_for(duration d) { return run_until(saturating_add(clock_.now(), d)); }

    /// Until nothing waits and every task has ended, or `most` tasks have begun; moves the clock as far as that takes.
    std::uint64_t run_until_idle(std::uint64_t most = UINT64_MAX) { return go(time_point::max(), most); }

    /// Inside a task: it lasts d longer. Less than nothing is nothing.
    void spend(duration d) noexcept {
        SLUICE_ASSERT(running_ != nullptr);
        if (d.count() > 0) spent_ = saturating_add(spent_, d);
    }

    /// Inside a task: calls f when the task has lasted as long as it does. In the order of the calls.
    template <class F>
    void at_task_end(F&& f) {
        static_assert(std::is_nothrow_invocable_v<std::decay_t<F>&>, "at_task_end needs a callable that is noexcept");
        SLUICE_ASSERT(running_ != nullptr);
        running_->ends.emplace_back(std::forward<F>(f));
    }

    /// Destroys what waits, unrun. Returns how many.
    std::uint64_t discard() {
        std::uint64_t count = 0;
        for (; !queue_.empty(); ++count) {
            ++completed_;
            auto const dropped = std::move(queue_.front());  // its destructor may post
            queue_.pop_front();
        }
        return count;
    }

    [[nodiscard]] manual_clock clock() const noexcept { return clock_; }
    [[nodiscard]] time_point   now() const noexcept { return clock_.now(); }
    /// Whether the caller is inside a task.
    [[nodiscard]] bool on_worker() const noexcept { return running_ != nullptr; }
    /// The number of the worker that runs the caller's task; max_workers() outside.
    [[nodiscard]] std::size_t this_worker_index() const noexcept {
        return running_ != nullptr ? static_cast<std::size_t>(running_ - workers_.data()) : workers_.size();
    }
    /// Nothing waits, and no task lasts.
    [[nodiscard]] bool idle() const noexcept { return queue_.empty() && busy() == 0; }

    // scaling/resizable_executor

    /// Workers that are too many leave at the end of their task, idle ones now; new ones begin after start_delay.
    void request_size(std::size_t n) {
        detail::require_option(n >= options_.min_workers && n <= options_.max_workers,
                               "manual_executor::request_size (min_workers to max_workers)", n);
        settle();
        target_ = n;
        std::size_t staying = 0;
        for (auto const& w : workers_) staying += w.state != worker_state::gone && !w.leaving ? 1 : 0;
        for (auto& w : workers_)
            if (staying < n && w.leaving) w.leaving = false, ++staying;
        for (auto& w : workers_)
            if (staying < n && w.state == worker_state::gone) start(w), ++staying;
        for (auto const least : {worker_state::starting, worker_state::idle})
            for (auto w = workers_.rbegin(); w != workers_.rend(); ++w)
                if (staying > n && w->state == least) w->state = worker_state::gone, --staying;
        for (auto w = workers_.rbegin(); w != workers_.rend(); ++w)
            if (staying > n && w->state == worker_state::busy && !w->leaving) w->leaving = true, --staying;
    }
    [[nodiscard]] std::size_t   size() const noexcept { return target_; }
    [[nodiscard]] std::size_t   min_workers() const noexcept { return options_.min_workers; }
    [[nodiscard]] std::size_t   max_workers() const noexcept { return options_.max_workers; }
    [[nodiscard]] std::size_t   provisioned() const noexcept { return workers_.size() - count(worker_state::gone); }
    [[nodiscard]] std::size_t   ready() const noexcept { return count(worker_state::idle) + count(worker_state::busy); }
    [[nodiscard]] std::size_t   busy() const noexcept { return count(worker_state::busy); }
    [[nodiscard]] std::size_t   queued() const noexcept { return queue_.size(); }
    [[nodiscard]] std::uint64_t submitted() const noexcept { return submitted_; }
    /// Those that have ended in virtual time, or were destroyed unrun.
    [[nodiscard]] std::uint64_t completed() const noexcept { return completed_; }
    /// Virtual time in tasks, the part that has passed of those that last.
    [[nodiscard]] std::uint64_t busy_nanoseconds() const noexcept {
        std::uint64_t sum = spent_before_;
        auto const    now = clock_.now();
        for (auto const& w : workers_)
            if (w.state == worker_state::busy) sum += passed(w, now);
        return sum;
    }

private:
    enum class worker_state : std::uint8_t { gone, starting, idle, busy };
    struct worker {
        worker_state state = worker_state::gone;
        bool         leaving = false;
        time_point   since{};
        time_point   until{};      // starting, busy; max inside the body
        std::uint64_t tasks = 0;   // that end then
        std::vector<unique_function<void() noexcept>> ends{};
    };
    using task = unique_function<void()>;

    static manual_executor_options checked(manual_executor_options o) {
        detail::require_option(o.workers >= 1 && o.workers <= 100'000, "manual_executor_options::workers (1 to 100000)",
                               o.workers);
        if (o.min_workers == 0) o.min_workers = o.workers;
        if (o.max_workers == 0) o.max_workers = o.workers;
        detail::require_option(o.min_workers <= o.workers, "manual_executor_options::min_workers (1 to workers)",
                               o.min_workers);
        detail::require_option(o.max_workers >= o.workers && o.max_workers <= 100'000,
                               "manual_executor_options::max_workers (workers to 100000)", o.max_workers);
        detail::require_option(o.start_delay.count() >= 0, "manual_executor_options::start_delay (>= 0 ns)",
                               o.start_delay.count());
        return o;
    }

    [[nodiscard]] std::size_t count(worker_state s) const noexcept {
        return static_cast<std::size_t>(
            std::count_if(workers_.begin(), workers_.end(), [s](worker const& w) { return w.state == s; }));
    }
    /// What of the worker's task lies before `now`.
    [[nodiscard]] static std::uint64_t passed(worker const& w, time_point now) noexcept {
        auto const d = saturating_sub(std::min(now, w.until), w.since);
        return d.count() > 0 ? static_cast<std::uint64_t>(d.count()) : 0;
    }

    void start(worker& w) noexcept {
        w.state = options_.start_delay.count() > 0 ? worker_state::starting : worker_state::idle;
        w.leaving = false;
        w.until = saturating_add(clock_.now(), options_.start_delay);
    }

    [[nodiscard]] worker* free_worker() noexcept {
        auto const w = std::find_if(workers_.begin(), workers_.end(),
                                    [](worker const& x) { return x.state == worker_state::idle; });
        return w == workers_.end() ? nullptr : &*w;
    }

    [[nodiscard]] task take() {
        if (options_.order == manual_order::shuffled && queue_.size() > 1)
            std::swap(queue_.front(), queue_[static_cast<std::size_t>(uniform_below(random_, queue_.size()))]);
        if (options_.order == manual_order::lifo) {
            task t = std::move(queue_.back());
            queue_.pop_back();
            return t;
        }
        task t = std::move(queue_.front());
        queue_.pop_front();
        return t;
    }

    void run(worker& w, task t) {
        bool const         outermost = running_ == nullptr;
        std::exception_ptr error;
        if (outermost) {
            w.state = worker_state::busy;
            w.since = clock_.now();
            w.until = time_point::max();
            w.tasks = 0;
            spent_ = duration{0};
            running_ = &w;
        }
        ++w.tasks;
        try {
            t();
        } catch (...) {
            error = std::current_exception();
        }
        t = task();  // what it holds may look at us
        if (outermost) {
            running_ = nullptr;
            w.until = saturating_add(w.since, spent_);
            settle();
        }
        if (!error) return;
        if (!options_.on_error) std::rethrow_exception(error);
        options_.on_error(std::move(error));
    }

    /// The next end, of a task or of a start: the earliest, of the same instant the one with the lowest number.
    [[nodiscard]] worker* next_end() noexcept {
        worker* next = nullptr;
        for (auto& w : workers_)
            if ((w.state == worker_state::busy || w.state == worker_state::starting) && &w != running_ &&
                (next == nullptr || w.until < next->until))
                next = &w;
        return next;
    }

    /// Ends what is due.
    void settle() {
        if (settling_) return;  // from an end that is being told
        settling_ = true;
        for (worker* w; (w = next_end()) != nullptr && w->until <= clock_.now();) {
            if (w->state == worker_state::busy) {
                spent_before_ += passed(*w, w->until);
                completed_ += w->tasks;
                auto ends = std::move(w->ends);
                w->ends.clear();
                w->state = w->leaving ? worker_state::gone : worker_state::idle;
                w->leaving = false;
                for (auto& end : ends) end();
            } else {
                w->state = worker_state::idle;
            }
        }
        settling_ = false;
    }

    std::uint64_t go(time_point last, std::uint64_t most) {
        SLUICE_ASSERT(running_ == nullptr && !settling_);
        std::uint64_t count = 0;
        for (;;) {
            while (count < most && run_one()) ++count;
            settle();
            if (count >= most) return count;
            if (!queue_.empty() && free_worker() != nullptr) continue;  // an end has posted
            auto* const next = next_end();
            if (next == nullptr || next->until > last) return count;
            if (next->state == worker_state::starting && last == time_point::max() && idle()) return count;
            if (clock_.now() < next->until) clock_.set(next->until);
        }
    }

    manual_executor_options options_;
    manual_clock            clock_;
    xoshiro256ss            random_;
    std::deque<task>        queue_;
    std::vector<worker>     workers_;
    std::size_t             target_;
    worker*                 running_ = nullptr;
    duration                spent_{0};           // by the task that runs
    std::uint64_t           spent_before_ = 0;
    std::uint64_t           submitted_ = 0;
    std::uint64_t           completed_ = 0;
    bool                    settling_ = false;
};

static_assert(executor<manual_executor>);

}  // namespace sluice
