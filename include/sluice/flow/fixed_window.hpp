// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// fixed_window — so many per window, and the count starts again at each boundary.
///
/// Use it for     quotas that are defined that way (per calendar minute, per billing period), and time slices
/// Not for        an even flow: around a boundary a client gets 2 · limit at once, which is inherent (sliding_window_log,
///                gcra)
/// Thread-safety  any thread
/// Progress       a mutex, held for some instructions; a denial changes nothing
/// Complexity     O(1), no allocation
/// Errors         the constructor and reconfigure throw std::invalid_argument: limit in 1 … 2^60, window > 0; the rest is
///                noexcept
/// Units          cost in the caller's
/// Source         the cycles of Resilience4j's AtomicRateLimiter and the bursty limiter of failsafe-go
/// Differs        by default nothing is admitted across a boundary: see spread
///
/// Windows lie on a grid with a boundary at `origin`, or, with window_start::first_request, each begins with the first
/// request after the last one ended. A time before the current window is denied until it begins, so that each admission
/// is counted in the window of its own time.
///
/// reserve(cost, now) queues behind all reservations before it, takes from the windows from now on, and says when to act;
/// try_acquire comes behind them, too. By default a cost is taken from one window, the first in which all of it fits, so that
/// no window sees more than its limit. With `spread` it is taken from what the windows have, one after the other, and acts when
/// the last of it is there: any cost can be reserved, and what earlier windows had left is used later than they.
///
/// undo and cancel of what was admitted last restore the state before it. Otherwise they give back all that nobody has
/// queued behind, and what others have queued behind within its last window; what lies before is lost.
///
/// reconfigure(options, as_is) keeps what was admitted in the current window and what is reserved, counted from the
/// window in which it happens; times that were promised stay promised, but are no longer known as such.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/sleeper.hpp>
#include <sluice/flow/acquire.hpp>
#include <sluice/flow/detail/window_grid.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <utility>

namespace sluice {

enum class window_start : std::uint8_t {
    aligned,       ///< windows follow each other without a gap, one begins at `origin`
    first_request  ///< a window begins with the first request that finds none
};

struct fixed_window_options {
    std::uint64_t limit;                          ///< admitted per window; 1 … 2^60
    duration      window;                         ///< > 0
    window_start  start = window_start::aligned;
    time_point    origin{};                       ///< aligned: a window begins here
    bool          spread = false;                 ///< reserve may take a cost from several windows
};

template <clock_source Clock = steady_clock>
class fixed_window {
public:
    using options_type = fixed_window_options;

    explicit fixed_window(fixed_window_options options, Clock clock = {})
        : clock_(clock), options_(checked(options)), at_{grid_of(options)}, before_(at_) {}
    fixed_window(fixed_window const&) = delete;
    fixed_window& operator=(fixed_window const&) = delete;

    [[nodiscard]] verdict try_acquire(std::uint64_t cost, time_point now) noexcept {
        receipt ignored;
        return try_acquire(cost, now, ignored);
    }
    [[nodiscard]] verdict try_acquire(std::uint64_t cost = 1) noexcept { return try_acquire(cost, clock_.now()); }

    /// The same, and notes in `r` what undo needs.
    [[nodiscard]] verdict try_acquire(std::uint64_t cost, time_point now, receipt& r) noexcept {
        std::lock_guard const lock(mutex_);
        r = {};
        auto const s = seen(now);
        auto       answer = answer_to(s, cost, now);
        if (!answer.admitted() || cost == 0) return answer;
        r = commit(s, cost, s.used + cost);
        answer.remaining -= cost;
        return answer;
    }

    /// What try_acquire would answer, with what is there now as remaining.
    [[nodiscard]] verdict peek(std::uint64_t cost, time_point now) const noexcept {
        std::lock_guard const lock(mutex_);
        return answer_to(seen(now), cost, now);
    }
    [[nodiscard]] verdict peek(std::uint64_t cost = 1) const noexcept { return peek(cost, clock_.now()); }

    /// Takes the cost from the windows to come and says when to act; nothing if that is later than now + max_wait. `never`
    /// for a cost above the limit, unless it may be spread; then for one above 2^60.
    [[nodiscard]] reservation reserve(std::uint64_t cost, time_point now, duration max_wait = duration::max()) noexcept {
        std::lock_guard const lock(mutex_);
        auto const            s = seen(now);
        if (cost > (options_.spread ? most : options_.limit)) return reservation::refuse(room(s));
        if (cost == 0) return reservation::made(*this, now, room(s), {});
        if (s.used > most) return reservation::later(time_point::max(), room(s));
        auto const end = end_of(s.used, cost);
        auto const window = (end - 1) / options_.limit;
        auto const at = window == 0 && !s.late ? now : s.grid.point(later_index(s.index, window), 0);
        if (at == time_point::max() || saturating_sub(at, now) > max_wait) return reservation::later(at, room(s));
        auto const r = commit(s, cost, end);
        return reservation::made(*this, at, end < options_.limit && !s.late ? options_.limit - end : 0, r);
    }
    [[nodiscard]] reservation reserve(std::uint64_t cost = 1) noexcept { return reserve(cost, clock_.now()); }

    /// Waits for its turn; see acquire.hpp.
    template <sleeper S>
    [[nodiscard]] verdict acquire_until(std::uint64_t cost, time_point deadline, std::stop_token stop, S&& how) {
        return sluice::acquire_until(*this, cost, deadline, std::move(stop), how);
    }
    [[nodiscard]] verdict acquire_until(std::uint64_t cost, time_point deadline, std::stop_token stop = {}) {
        return acquire_until(cost, deadline, std::move(stop), default_sleeper(clock_));
    }

    /// Takes back an admission; see above for how much of it. The time does not matter.
    std::uint64_t undo(receipt const& r, time_point = time_point::min()) noexcept {
        if (r.cost == 0) return 0;
        std::lock_guard const lock(mutex_);
        if (r.generation < valid_ || r.to > at_.index) return 0;
        if (r.generation == changes_) {  // nothing has happened since
            ++changes_;
            at_ = before_;
            return r.cost;
        }
        // Positions count units from the beginning of the receipt's window on; `gone` of them have passed.
        auto const limit = options_.limit;
        auto const passed = at_.index - r.to;
        auto const end = end_of(r.from, r.cost);
        if (passed > end / limit) return 0;
        auto const gone = passed * limit;  // <= end
        auto const tail = gone + at_.used;
        ++changes_;
        if (tail == end) {
            at_.used = r.from > gone ? r.from - gone : 0;
            return std::min(r.cost, end - gone);
        }
        auto const last = (end - 1) / limit;
        if (tail < end || (tail - 1) / limit != last) return 0;
        auto const back = std::min(r.cost, end - std::max(gone, last * limit));
        at_.used -= back;
        return back;
    }

    /// New options from now on; see above for what `how` keeps. Throws std::invalid_argument and then changes nothing.
    void reconfigure(fixed_window_options options, window_inherit how, time_point now) {
        auto const            checked_options = checked(options);
        std::lock_guard const lock(mutex_);
        auto const            s = seen(now);
        auto const            time = s.late ? s.grid.point(s.index, 0) : now;
        bool const            same = options.window == options_.window && options.start == options_.start &&
                          (options.start == window_start::first_request || options.origin == options_.origin);
        options_ = checked_options;
        valid_ = ++changes_ + 1;
        if (how == window_inherit::reset) {
            at_ = {grid_of(options_)};
        } else if (same) {
            at_ = s;
        } else {
            auto const grid = options.start == window_start::aligned ? grid_of(options_) : detail::window_grid(options.window, time);
            at_ = {grid, grid.at(time).index, s.used, s.used > 0};
        }
        at_.late = false;
    }
    void reconfigure(fixed_window_options options, window_inherit how = window_inherit::as_is) {
        reconfigure(options, how, clock_.now());
    }

    [[nodiscard]] std::uint64_t limit() const noexcept {
        std::lock_guard const lock(mutex_);
        return options_.limit;
    }
    [[nodiscard]] duration window() const noexcept {
        std::lock_guard const lock(mutex_);
        return options_.window;
    }
    /// What the current window has left, negative by what is reserved of later ones: "permits" of Resilience4j.
    [[nodiscard]] std::int64_t balance(time_point now) const noexcept {
        std::lock_guard const lock(mutex_);
        return static_cast<std::int64_t>(options_.limit) - static_cast<std::int64_t>(seen(now).used);
    }
    [[nodiscard]] std::int64_t balance() const noexcept { return balance(clock_.now()); }
    [[nodiscard]] Clock const& clock() const noexcept { return clock_; }

private:
    static constexpr std::uint64_t most = std::uint64_t{1} << 60;

    struct state {
        detail::window_grid grid;
        std::uint64_t       index = 0;        // of the current window
        std::uint64_t       used = 0;         // of it, and of those behind it where it is more than the limit
        bool                running = false;  // first_request: the window has begun
        bool                late = false;     // as seen from a time before the window
    };

    [[nodiscard]] static fixed_window_options const& checked(fixed_window_options const& o) {
        detail::require_option(o.limit > 0 && o.limit <= most, "fixed_window: limit (1 ... 2^60)", o.limit);
        detail::require_option(o.window.count() > 0, "fixed_window: window (> 0 ns)", o.window.count());
        detail::require_option(o.start <= window_start::first_request, "fixed_window: start (aligned, first_request)",
                               static_cast<unsigned>(o.start));
        return o;
    }
    [[nodiscard]] static detail::window_grid grid_of(fixed_window_options const& o) noexcept {
        return detail::window_grid(o.window, o.start == window_start::aligned ? o.origin : time_point{});
    }
    [[nodiscard]] static std::uint64_t later_index(std::uint64_t index, std::uint64_t windows) noexcept {
        return index > UINT64_MAX - windows ? UINT64_MAX : index + windows;
    }

    /// The state as it would be at `now`.
    [[nodiscard]] state seen(time_point now) const noexcept {
        auto       s = at_;
        auto const index = s.grid.at(now).index;
        s.late = index < s.index;
        if (s.late) return s;
        auto const windows = index - s.index;
        s.index = index;
        s.used = windows > s.used / options_.limit ? 0 : s.used - windows * options_.limit;
        if (options_.start == window_start::first_request && s.used == 0 && (windows > 0 || !s.running)) {
            s.grid = detail::window_grid(options_.window, now);
            s.index = s.grid.at(now).index;
        }
        return s;
    }

    [[nodiscard]] std::uint64_t room(state const& s) const noexcept {
        return !s.late && s.used < options_.limit ? options_.limit - s.used : 0;
    }

    [[nodiscard]] verdict answer_to(state const& s, std::uint64_t cost, time_point now) const noexcept {
        auto const left = room(s);
        if (cost > options_.limit) return verdict::refuse(left);
        if (cost <= left) return verdict::admit(left);
        auto const missing = s.used + cost;  // the first window with room for all of it begins behind the rest
        auto const windows = missing > options_.limit ? (missing - options_.limit - 1) / options_.limit + 1 : 0;
        auto const wait = saturating_sub(s.grid.point(later_index(s.index, windows), 0), now);
        return verdict::later(std::max(wait, duration(1)), left);
    }

    /// The position behind a cost that comes when so much is used.
    [[nodiscard]] std::uint64_t end_of(std::uint64_t used, std::uint64_t cost) const noexcept {
        auto const limit = options_.limit;
        if (!options_.spread && used % limit > limit - cost) used += limit - used % limit;
        return used + cost;
    }

    receipt commit(state const& s, std::uint64_t cost, std::uint64_t end) noexcept {
        ++changes_;
        if (!(s.grid == at_.grid)) valid_ = changes_;  // the windows of older receipts are gone
        before_ = std::exchange(at_, s);
        at_.late = false;
        at_.running = true;
        at_.used = end;
        return {cost, s.used, s.index, changes_};
    }

    Clock                clock_;
    mutable std::mutex   mutex_;
    fixed_window_options options_;
    state                at_;
    state                before_;       // before the last change
    std::uint64_t        changes_ = 0;  // so many; the number of an admission is its receipt's generation
    std::uint64_t        valid_ = 0;    // the first number whose receipt is of these windows
};

}  // namespace sluice
