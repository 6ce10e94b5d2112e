// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// load_level, load_gauge — how full something is, in four steps that do not flicker, and word of every step.
///
/// Use it for     telling those upstream to slow down: the fill of a queue, or its delay as a share of the target
/// Not for        deciding about one request (load_shedder, graded_shedder)
/// Thread-safety  any thread, also from inside a callback. Destruction: after everyone has left; callbacks registered with
///                when_below that have not run are destroyed unrun, a coroutine that awaits must not be left
/// Progress       level, and an update that changes nothing: wait-free. An update that changes the level locks a mutex
/// Complexity     O(1); a change of level O(waiting callbacks)
/// Errors         std::invalid_argument for thresholds not 0 < yellow < red < black < infinity, or a hysteresis outside
///                [0, yellow). A change of level may throw std::bad_alloc and then has not happened. What callbacks throw:
///                the level is set, all callbacks due have run, then the first exception leaves update or deliver
/// Units          fractions of the capacity or of the target: 0.6 is 60 %
///
///     sluice::load_gauge gauge;                                    // green 0–60, yellow 60–80, red 80–90, black > 90 %
///     gauge.on_edge([](sluice::load_edge const& e) { … });         // each change once, in order, never two at a time
///     gauge.update(queue.size(), queue.capacity());
///     if (gauge.level() >= sluice::load_level::red) …              // one load
///
/// A level begins above its threshold and is left at `hysteresis` below it or lower: with the defaults red begins above
/// 80 % and ends at 70 %. The owner of a lock calls note() under it and deliver() after it. While a callback takes its
/// time, changes wait for it; beyond 64 of them the following are told as one, from the first level to the last, or not at
/// all where these are the same. Who waits for a lower level is not forgotten by that.

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/flow/detail/clock_wait.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <iterator>
#include <mutex>
#include <stop_token>
#include <utility>
#include <vector>

namespace sluice {

enum class load_level : std::uint8_t { green, yellow, red, black };

/// One change of level.
struct load_edge {
    load_level from = load_level::green;
    load_level to = load_level::green;
    double     fraction = 0;  ///< the measurement that caused it
    time_point at{};          ///< its time

    friend bool operator==(load_edge const&, load_edge const&) noexcept = default;
};

struct load_gauge_options {
    double yellow = 0.6;      ///< each level begins above its threshold
    double red = 0.8;
    double black = 0.9;
    double hysteresis = 0.1;  ///< and ends so much lower, in the same unit
};

// Ordering
//   (A) level    note: level_ release, under the mutex      -> level: acquire; who sees a level sees what was done before it
//   (B) hint     note: relaxed; an old level makes the call look again under the mutex or comes before the change
//   (C) pending  pending_ release, under the mutex          -> deliver: acquire; false is a hint: there is nothing to do.
//                The thread that added something sees its own store; it delivers, unless somebody else is delivering, who
//                looks again under the mutex before going

template <clock_source Clock = steady_clock, template <class> class Atom = std::atomic>
class load_gauge {
public:
    using edge_callback = unique_function<void(load_edge const&)>;
    using below_callback = unique_function<void()>;

    explicit load_gauge(load_gauge_options options = {}, Clock clock = {})
        : enter_{0, options.yellow, options.red, options.black}, clock_(std::move(clock)) {
        using detail::require_option;
        require_option(options.yellow > 0 && std::isfinite(options.yellow), "load_gauge: yellow (> 0)", options.yellow);
        require_option(options.red > options.yellow && std::isfinite(options.red), "load_gauge: red (> yellow)",
                       options.red);
        require_option(options.black > options.red && std::isfinite(options.black), "load_gauge: black (> red)",
                       options.black);
        require_option(options.hysteresis >= 0 && options.hysteresis < options.yellow,
                       "load_gauge: hysteresis (0 <= hysteresis < yellow)", options.hysteresis);
        for (std::size_t i = 1; i < enter_.size(); ++i) {
            // To twelve decimals where that is a matter of rounding: 0.3 less 0.1 is what somebody writes as 0.2.
            double const exact = enter_[i] - options.hysteresis;
            double const decimal = std::round(exact * 1e12) / 1e12;
            leave_[i] = std::abs(decimal - exact) <= 1e-9 * exact && decimal <= enter_[i] ? decimal : exact;
        }
    }
    load_gauge(load_gauge const&) = delete;
    load_gauge& operator=(load_gauge const&) = delete;

    [[nodiscard]] load_level level() const noexcept { return level_.load(std::memory_order_acquire); }  // (A)

    /// A measurement: the level follows, then callbacks run. NaN says nothing and changes nothing; below 0 is 0; infinity
    /// is black. Measurements count in the order of the calls; `now` is what the edge tells its listeners. Returns the level
    /// that this measurement leads to; afterwards others may have moved it on.
    load_level update(double fraction, time_point now) {
        load_level const result = note(fraction, now);
        deliver();
        return result;
    }
    load_level update(double fraction) { return update(fraction, clock_.now()); }

    /// value of capacity. A capacity of zero is full with anything in it and empty without.
    load_level update(std::uint64_t value, std::uint64_t capacity, time_point now) {
        return update(fraction_of(value, capacity), now);
    }
    load_level update(std::uint64_t value, std::uint64_t capacity) { return update(value, capacity, clock_.now()); }

    /// A delay, as a share of its target.
    load_level update(duration delay, duration target, time_point now) { return update(fraction_of(delay, target), now); }
    load_level update(duration delay, duration target) { return update(delay, target, clock_.now()); }

    /// As update, but calls nobody: for owners of a lock that callbacks must not run under. What is due waits for
    /// deliver(), or for anybody's next update.
    load_level note(double fraction, time_point now) {
        load_level const seen = level_.load(std::memory_order_relaxed);  // (B)
        if (next(seen, fraction) == seen) return seen;
        std::lock_guard const lock(mutex_);
        load_level const      from = level_.load(std::memory_order_relaxed);  // (B)
        load_level const      to = next(from, fraction);
        if (from == to) return to;

        change c{{from, to, fraction, now}, listeners_.size(), {}};
        for (auto const& w : waiting_) c.released += to < w.level ? 1 : 0;
        bool const tell = c.listeners > 0 || c.released > 0;
        if (tell) {
            // Told together with the last change that waits, if there are many, and for the same listeners.
            bool const                  joins = changes_.size() >= most_changes && changes_.back().listeners == c.listeners;
            std::vector<below_callback> due;
            due.reserve(c.released + (joins ? changes_.back().due.size() : 0));
            if (joins) {
                change& last = changes_.back();
                last.edge = {last.edge.from, to, fraction, now};
                std::move(last.due.begin(), last.due.end(), std::back_inserter(due));
            } else {
                changes_.push_back(std::move(c));  // the last thing that may throw
            }
            std::size_t kept = 0;
            for (auto& w : waiting_) {
                if (to < w.level)
                    due.push_back(std::move(w.call));
                else if (&waiting_[kept] != &w)
                    waiting_[kept++] = std::move(w);
                else
                    ++kept;
            }
            waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(kept), waiting_.end());
            changes_.back().due = std::move(due);
            pending_.store(true, std::memory_order_release);  // (C)
        }
        level_.store(to, std::memory_order_release);  // (A)
        if (to < from) fell_.notify_all();
        return to;
    }

    /// Runs the callbacks that are due. If another thread is at it, or a callback of this one, that call runs them, and gets
    /// what they throw.
    void deliver() {
        if (!pending_.load(std::memory_order_acquire)) return;  // (C)
        std::exception_ptr first;
        for (std::unique_lock lock(mutex_);;) {
            if (delivering_) break;
            if (changes_.empty()) {
                pending_.store(false, std::memory_order_release);  // (C)
                break;
            }
            change c = std::move(changes_.front());
            changes_.pop_front();
            delivering_ = true;
            lock.unlock();
            if (c.edge.from != c.edge.to)
                for (std::size_t i = 0; i < c.listeners; ++i) guarded(first, listener(i), c.edge);
            for (auto& call : c.due) guarded(first, call);
            c.due.clear();  // their destructors may look at us
            lock.lock();
            delivering_ = false;
        }
        if (first) std::rethrow_exception(first);
    }

    /// Calls f at every change of level from now on, one change at a time, in their order, on the thread that made the
    /// change or on one that is delivering an earlier one. It stays for the gauge's life.
    void on_edge(edge_callback f) {
        SLUICE_ASSERT(static_cast<bool>(f));
        std::lock_guard const lock(mutex_);
        listeners_.push_back(std::move(f));
    }

    /// Calls f once, when the level is below `level`: now, on this thread, if it is; otherwise after the change to such a
    /// level, even if it has risen again meanwhile. Returns a number for cancel(), 0 if f has run.
    std::uint64_t when_below(load_level level, below_callback f) {
        SLUICE_ASSERT(static_cast<bool>(f));
        require_possible(level);
        if (auto const ticket = enlist(level, f); ticket != 0) return ticket;
        f();
        return 0;
    }

    /// True: the callback has not run and never will.
    bool cancel(std::uint64_t ticket) {
        below_callback gone;  // destroyed without the lock
        std::lock_guard const lock(mutex_);
        for (auto& w : waiting_) {
            if (w.ticket != ticket) continue;
            gone = std::move(w.call);
            waiting_.erase(waiting_.begin() + (&w - waiting_.data()));
            return true;
        }
        return false;
    }

    /// Blocks until the level is below `level`. False: the deadline came first, or the stop. A level that falls and rises
    /// again while the thread wakes up may be missed. On a manual_clock the deadline comes at once, see clock_wait.
    [[nodiscard]] bool wait_below(load_level level, time_point deadline = time_point::max(), std::stop_token stop = {}) {
        require_possible(level);
        if (this->level() < level) return true;
        std::unique_lock lock(mutex_);
        return detail::clock_wait(fell_, lock, clock_, deadline, stop, [&] { return this->level() < level; });
    }

    class below_awaiter {
    public:
        [[nodiscard]] bool await_ready() const noexcept { return gauge_.level() < level_; }
        bool await_suspend(std::coroutine_handle<> waiting) {
            below_callback resume([waiting] { waiting.resume(); });
            return gauge_.enlist(level_, resume) != 0;
        }
        void await_resume() const noexcept {}

    private:
        friend class load_gauge;
        below_awaiter(load_gauge& gauge, load_level level) noexcept : gauge_(gauge), level_(level) {}
        load_gauge& gauge_;
        load_level  level_;
    };

    /// co_await gauge.below(load_level::red): as when_below; the coroutine goes on where the callback would run.
    [[nodiscard]] below_awaiter below(load_level level) {
        require_possible(level);
        return below_awaiter(*this, level);
    }

    /// The level that a measurement leads to from another one; no state.
    [[nodiscard]] load_level next(load_level from, double fraction) const noexcept {
        auto const at = [](std::size_t i) { return static_cast<load_level>(i); };
        auto       i = static_cast<std::size_t>(from);
        if (std::isnan(fraction)) return from;
        while (i + 1 < enter_.size() && fraction > enter_[i + 1]) ++i;
        while (i > 0 && fraction <= leave_[i]) --i;
        return at(i);
    }

    [[nodiscard]] static double fraction_of(std::uint64_t value, std::uint64_t capacity) noexcept {
        if (capacity == 0) return value == 0 ? 0.0 : HUGE_VAL;
        return static_cast<double>(value) / static_cast<double>(capacity);
    }
    [[nodiscard]] static double fraction_of(duration delay, duration target) noexcept {
        if (delay.count() <= 0) return 0.0;
        if (target.count() <= 0) return HUGE_VAL;
        return static_cast<double>(delay.count()) / static_cast<double>(target.count());
    }

private:
    struct change {
        load_edge                   edge;
        std::size_t                 listeners = 0;  ///< those that were there
        std::vector<below_callback> due;
        std::size_t                 released = 0;
    };
    struct waiter {
        load_level     level;
        std::uint64_t  ticket;
        below_callback call;
    };

    static constexpr std::size_t most_changes = 64;

    static void require_possible(load_level level) {
        detail::require_option(level > load_level::green, "load_gauge: level to be below (> green)",
                               static_cast<unsigned>(level));
    }

    template <class F, class... Args>
    static void guarded(std::exception_ptr& first, F& f, Args const&... args) noexcept {
        try {
            f(args...);
        } catch (...) {
            if (!first) first = std::current_exception();
        }
    }

    [[nodiscard]] edge_callback& listener(std::size_t i) {
        std::lock_guard const lock(mutex_);
        return listeners_[i];  // a deque's elements stay where they are
    }

    /// 0 if the level is below already; f is then untouched.
    [[nodiscard]] std::uint64_t enlist(load_level level, below_callback& f) {
        std::lock_guard const lock(mutex_);
        if (level_.load(std::memory_order_relaxed) < level) return 0;  // (B)
        waiting_.push_back({level, next_ticket_, std::move(f)});
        return next_ticket_++;
    }

    std::array<double, 4>       enter_;
    std::array<double, 4>       leave_{};
    [[no_unique_address]] Clock clock_;
    Atom<load_level>            level_{load_level::green};
    Atom<bool>                  pending_{false};
    std::mutex                  mutex_;
    std::condition_variable_any fell_;
    std::deque<change>          changes_;
    std::deque<edge_callback>   listeners_;
    std::vector<waiter>         waiting_;
    std::uint64_t               next_ticket_ = 1;
    bool                        delivering_ = false;
};

}  // namespace sluice
