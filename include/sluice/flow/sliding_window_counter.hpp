// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// sliding_window_counter — about so many per sliding window, from two counts: those of this window and the one before.
///
/// Use it for     limits of some dozens and more per window, in the same few bytes whatever the limit is
/// Not for        an exact limit in every window (sliding_window_log), or a small one: see Rounding
/// Thread-safety  any thread; reconfigure too, while others acquire
/// Progress       a mutex, held for some instructions; a denial changes nothing. (As a limiter of keyed it is lock-free)
/// Complexity     O(1), no allocation
/// Errors         the constructor and reconfigure throw std::invalid_argument: limit in 1 … 2^60, window > 0; the rest
///                is noexcept
/// Units          cost in the caller's
/// Source         Cloudflare, "How we built rate limiting capable of scaling to millions of domains", 2017
/// Differs        by default the previous window counts for at least one as long as any of it is inside (see Rounding)
///
/// With prev admitted in the previous window, cur in the current one and the fraction f of it gone, a cost is admitted if
/// estimate + cost <= limit, where estimate = cur + prev · (1 - f), and prev · (1 - f) is rounded as told.
///
/// Rounding        in any true window of one window's length, L = limit | a greedy client gets per window, in the long run
///   keep_one      2 L - 1 at most: rounded down, but not to 0     | L - 1 (limit 1: one in every second window)
///   down          2 L at most; for a cost of 1 the rule "estimate < limit"  | L
///   up            2 L - 1 at most: the exact rule                 | L - 1, spread most evenly
/// The bounds are sharp: L at the end of one window, and nearly L at the end of the next. Time points within the current
/// window may come in any order. One of an earlier window, as from a thread that read the clock before a boundary which
/// another has passed, is denied, so that every admission is counted in the window of its own time.
///
/// There is no reserve and no waiting acquire of its own: which time would suit depends on what others do until then.
/// retry_after is exact if nobody else comes.
///
/// reconfigure(options, as_is) keeps both counts if window and origin stay (a count above the new limit counts as the
/// limit). Otherwise what was estimated at that moment, upwards, counts as admitted in the new window that it lies in.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/detail/counter_rule.hpp>
#include <sluice/flow/detail/window_grid.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <utility>

namespace sluice {

struct sliding_window_counter_options {
    std::uint64_t   limit;                                 ///< admitted per window; 1 … 2^60
    duration        window;                                ///< > 0
    window_rounding rounding = window_rounding::keep_one;  ///< see Rounding
    time_point      origin{};                              ///< a window begins here
};

namespace detail {

inline counter_rule checked_rule(sliding_window_counter_options const& o) {
    require_option(o.limit > 0 && o.limit <= std::uint64_t{1} << 60, "sliding_window_counter: limit (1 ... 2^60)", o.limit);
    require_option(o.window.count() > 0, "sliding_window_counter: window (> 0 ns)", o.window.count());
    require_option(o.rounding <= window_rounding::up, "sliding_window_counter: rounding (keep_one, down, up)",
                   static_cast<unsigned>(o.rounding));
    return {o.limit, window_grid(o.window, o.origin), o.rounding};
}

}  // namespace detail

template <clock_source Clock = steady_clock>
class sliding_window_counter {
public:
    using options_type = sliding_window_counter_options;

    explicit sliding_window_counter(sliding_window_counter_options options, Clock clock = {})
        : clock_(clock), rule_(detail::checked_rule(options)) {}
    sliding_window_counter(sliding_window_counter const&) = delete;
    sliding_window_counter& operator=(sliding_window_counter const&) = delete;

    [[nodiscard]] verdict try_acquire(std::uint64_t cost, time_point now) noexcept {
        receipt ignored;
        return try_acquire(cost, now, ignored);
    }
    [[nodiscard]] verdict try_acquire(std::uint64_t cost = 1) noexcept { return try_acquire(cost, clock_.now()); }

    /// The same, and notes in `r` what undo needs.
    [[nodiscard]] verdict try_acquire(std::uint64_t cost, time_point now, receipt& r) noexcept {
        std::lock_guard const lock(mutex_);
        r = {};
        auto const step = rule_.step(counts_, cost, now);
        if (!step.answer.admitted() || cost == 0) return step.answer;
        before_ = std::exchange(counts_, step.next);
        r = {cost, 0, counts_.index, ++changes_};
        return step.answer;
    }

    /// What try_acquire would answer, with what is there now as remaining.
    [[nodiscard]] verdict peek(std::uint64_t cost, time_point now) const noexcept {
        std::lock_guard const lock(mutex_);
        auto answer = rule_.step(counts_, cost, now).answer;
        if (answer.admitted()) answer.remaining += cost;
        return answer;
    }
    [[nodiscard]] verdict peek(std::uint64_t cost = 1) const noexcept { return peek(cost, clock_.now()); }

    /// cur + prev · (1 - f), for reports; a time before the current window is taken as its beginning.
    [[nodiscard]] double estimate(time_point now) const noexcept {
        std::lock_guard const lock(mutex_);
        auto const [c, left] = seen(now);
        return static_cast<double>(c.current) +
               static_cast<double>(c.previous) * static_cast<double>(left) / static_cast<double>(rule_.grid.length());
    }
    [[nodiscard]] double estimate() const noexcept { return estimate(clock_.now()); }

    /// Takes back an admission: the last one exactly, another one as long as its window counts. The time does not matter.
    /// Not after a reconfigure.
    std::uint64_t undo(receipt const& r, time_point = time_point::min()) noexcept {
        if (r.cost == 0) return 0;
        std::lock_guard const lock(mutex_);
        if (r.generation <= valid_) return 0;
        if (r.generation != changes_++) return rule_.take_back(counts_, r.to, r.cost);
        counts_ = before_;
        return r.cost;
    }

    /// New options from now on; see above for what `how` keeps. Throws std::invalid_argument and then changes nothing.
    void reconfigure(sliding_window_counter_options options, window_inherit how, time_point now) {
        auto const            to = detail::checked_rule(options);
        std::lock_guard const lock(mutex_);
        counts_ = how == window_inherit::reset ? detail::window_counts{} : carried(to, now);
        rule_ = to;
        valid_ = ++changes_;
    }
    void reconfigure(sliding_window_counter_options options, window_inherit how = window_inherit::as_is) {
        reconfigure(options, how, clock_.now());
    }

    [[nodiscard]] Clock const& clock() const noexcept { return clock_; }
    [[nodiscard]] std::uint64_t limit() const noexcept {
        std::lock_guard const lock(mutex_);
        return rule_.limit;
    }
    [[nodiscard]] duration window() const noexcept {
        std::lock_guard const lock(mutex_);
        return duration(static_cast<std::int64_t>(rule_.grid.length()));
    }

private:
    /// The counts at `now`, and how much of the previous window is still inside.
    [[nodiscard]] std::pair<detail::window_counts, std::uint64_t> seen(time_point now) const noexcept {
        auto const where = rule_.grid.at(now);
        if (where.index < counts_.index) return {counts_, rule_.grid.length()};
        return {rule_.moved(counts_, where.index), rule_.grid.length() - where.elapsed};
    }

    [[nodiscard]] detail::window_counts carried(detail::counter_rule const& to, time_point now) const noexcept {
        if (rule_.grid == to.grid)
            return {counts_.index, std::min(counts_.previous, to.limit), std::min(counts_.current, to.limit)};
        auto const [c, left] = seen(now);
        auto const used = c.current + detail::multiply_divide(c.previous, left, rule_.grid.length(), detail::round_to::ceiling);
        return {to.grid.at(std::max(now, rule_.grid.point(counts_.index, 0))).index, 0, std::min(used, to.limit)};
    }

    Clock                 clock_;
    mutable std::mutex    mutex_;
    detail::counter_rule  rule_;
    detail::window_counts counts_;
    detail::window_counts before_;       // before the last admission
    std::uint64_t         changes_ = 0;  // so many; the number of an admission is its receipt's generation
    std::uint64_t         valid_ = 0;    // receipts up to this one are of other options
};

}  // namespace sluice
