// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// sliding_window_log — never more than `limit` in any window of that length, wherever it begins.
///
/// Use it for     exact limits that are not too large: log-in attempts, messages per recipient, a partner's contract
/// Not for        millions per window: memory for `limit` entries (sliding_window_counter, token_bucket)
/// Thread-safety  any thread
/// Progress       a mutex, held for O(log entries) instructions, and for O(entries) by undo and cancel
/// Complexity     try_acquire O(log entries) and amortised O(1) changes, whatever the cost; no allocation after
///                construction. Memory: `limit` entries of 16 bytes; costs admitted at one time share an entry
/// Errors         the constructor and reconfigure throw std::invalid_argument (limit > 0, window > 0) or std::bad_alloc;
///                the rest is noexcept
/// Units          cost in the caller's
/// Source         the sliding log of the field (Redis sorted sets); the last `limit` admissions are enough
///
/// A cost is admitted at `now` if each of the units that it displaces, counted `limit` back from it, is a window old at
/// `now`. So the half-open window [t, t + window) never holds more than `limit` units, for every t, by the very times that
/// the callers gave, in whatever order they came: a time from the past meets the same units and finds them younger.
/// (Proof: let c be the time given for a unit and e >= c the latest given so far, under which it is noted. Unit i was
/// admitted with c[i] >= e[i - limit] + window >= c[j] + window for all j <= i - limit. So of the units in a window that
/// ends behind c[i], with i the last of them to be admitted, all come after i - limit.)
///
/// reserve(cost, now) gives the time at which the cost will fit and notes it under that time; who comes later waits behind
/// it, even if small. undo and cancel of what was admitted last restore the state before it; otherwise they take away the
/// oldest units that are not older than the admission, which may delay others by a little and never admits too many.
/// (Let M be the noted times and T those given that were not taken back. At any x, M has at least as many units from x on
/// as T: noting does not put a unit earlier, and taking the first ones after c from M, one given for c from T, keeps that.)
///
/// reconfigure(options, as_is) keeps the times of the last units, as many as both limits have; units that the smaller log
/// had forgotten count as admitted when the youngest of the forgotten was.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/sleeper.hpp>
#include <sluice/flow/acquire.hpp>
#include <sluice/flow/detail/window_grid.hpp>
#include <sluice/flow/reservation.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <stop_token>
#include <utility>

namespace sluice {

struct sliding_window_log_options {
    std::uint64_t limit;   ///< units admitted in any one window; > 0
    duration      window;  ///< > 0
};

namespace detail {

/// The last `limit` units and when each was admitted, as runs of units with one time. One thread at a time.
class unit_log {
public:
    unit_log(std::uint64_t limit, duration window)
        : limit_(limit), window_(window), size_(entries(limit)), runs_(new run[size_]) {}

    /// Enough to take back an add() after which nothing happened.
    struct mark {
        std::uint64_t version = 0;
        std::size_t   dropped = 0;
    };

    [[nodiscard]] std::uint64_t limit() const noexcept { return limit_; }
    [[nodiscard]] duration window() const noexcept { return window_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return size_ * sizeof(run); }

    /// Units that could be had at `now`.
    [[nodiscard]] std::uint64_t room(time_point now) const noexcept {
        std::size_t young = 0;  // the first run that is not a window old
        for (std::size_t n = count_; n > 0;) {
            auto const half = n / 2;
            if (old(at(young + half).time, now)) {
                young += half + 1;
                n -= half + 1;
            } else {
                n = half;
            }
        }
        auto const live = young == 0 ? total_ - base() : behind(at(young - 1));
        if (young == 0 && forgot_ > 0 && !old(last_forgotten().time, now)) return 0;
        return live < limit_ ? limit_ - live : 0;
    }

    /// When a cost in 1 … limit fits, not before `now`.
    [[nodiscard]] time_point fits_at(std::uint64_t cost, time_point now) const noexcept {
        auto const after = limit_ - cost;  // units that may stay; the one before them has to be a window old
        if (after >= total_ - base()) return forgot_ > 0 ? std::max(now, saturating_add(last_forgotten().time, window_)) : now;
        std::size_t first = 0;             // the first run with at most so many units behind it holds that one
        for (std::size_t n = count_; n > 0;) {
            auto const half = n / 2;
            if (behind(at(first + half)) > after) {
                first += half + 1;
                n -= half + 1;
            } else {
                n = half;
            }
        }
        return std::max(now, saturating_add(at(first).time, window_));
    }

    /// Notes a cost in 1 … limit that fits at `time`.
    mark add(std::uint64_t cost, time_point time) noexcept {
        if (count_ > 0) time = std::max(time, at(count_ - 1).time);
        if (forgot_ > 0) time = std::max(time, last_forgotten().time);
        mark result{++version_, 0};
        total_ += cost;
        bool const joins = count_ > 0 && at(count_ - 1).time == time && behind(at(count_ - 1)) < limit_;
        for (; count_ > 0 && behind(at(0)) >= limit_; ++result.dropped) forget_oldest();
        if (joins)
            at(count_ - 1).total = total_;
        else
            at(count_++) = {time, total_};
        return result;
    }

    /// Takes back an add() of `cost` at `time`: exactly if nothing happened since, otherwise the oldest units that are not
    /// older than `time`. Returns how many.
    std::uint64_t remove(std::uint64_t cost, time_point time, mark const& m) noexcept {
        if (m.version == version_) {
            ++version_;
            total_ -= cost;
            at(count_ - 1).total -= cost;
            first_ = first_ >= m.dropped ? first_ - m.dropped : first_ + (size_ - m.dropped);
            count_ += m.dropped;
            forgot_ -= m.dropped;
            if (at(count_ - 1).total == (count_ > 1 ? at(count_ - 2).total : base())) --count_;
            return cost;
        }
        if (forgot_ > 0 && last_forgotten().time >= time) return 0;  // they may be among those
        std::uint64_t removed = 0;
        std::uint64_t before = base();
        std::size_t   kept = 0;
        for (std::size_t i = 0; i < count_; ++i) {
            auto       r = at(i);
            auto const units = r.total - std::exchange(before, r.total);
            auto const taken = r.time >= time ? std::min(units, cost - removed) : 0;
            removed += taken;
            if (taken == units) continue;
            r.total -= removed;
            at(kept++) = r;
        }
        count_ = kept;
        total_ -= removed;
        ++version_;
        return removed;
    }

    /// Notes what `other` knows of the last units. This one is empty.
    void copy(unit_log const& other) noexcept {
        total_ = other.total_;
        version_ = other.version_ + 1;
        auto const forget = [this](run const& r) {
            last_forgotten() = r;
            forgot_ = 1;
        };
        if (other.forgot_ > 0) forget(other.last_forgotten());
        for (std::size_t i = 0; i < other.count_; ++i) {
            if (other.behind(other.at(i)) < limit_)
                at(count_++) = other.at(i);
            else
                forget(other.at(i));
        }
    }

    void swap(unit_log& other) noexcept {
        std::swap(limit_, other.limit_);
        std::swap(window_, other.window_);
        std::swap(size_, other.size_);
        std::swap(runs_, other.runs_);
        std::swap(first_, other.first_);
        std::swap(count_, other.count_);
        std::swap(total_, other.total_);
        std::swap(forgot_, other.forgot_);
        std::swap(version_, other.version_);
    }

private:
    struct run {
        time_point    time;
        std::uint64_t total;  // units admitted until and with this run; differences are taken modulo 2^64
    };

    [[nodiscard]] static std::size_t entries(std::uint64_t limit) {
        if (limit > SIZE_MAX / sizeof(run) / 2 - 2) throw std::bad_alloc();
        return static_cast<std::size_t>(limit) + 2;  // and the last one forgotten, and one that is being added
    }

    [[nodiscard]] bool old(time_point time, time_point now) const noexcept {
        auto const age = static_cast<std::uint64_t>(now.time_since_epoch().count()) -
                         static_cast<std::uint64_t>(time.time_since_epoch().count());
        return now >= time && age >= static_cast<std::uint64_t>(window_.count());
    }
    [[nodiscard]] std::uint64_t behind(run const& r) const noexcept { return total_ - r.total; }

    [[nodiscard]] run& at(std::size_t i) const noexcept {
        return runs_[i < size_ - first_ ? first_ + i : i - (size_ - first_)];
    }

    [[nodiscard]] run& last_forgotten() const noexcept { return runs_[first_ == 0 ? size_ - 1 : first_ - 1]; }
    [[nodiscard]] std::uint64_t base() const noexcept { return forgot_ > 0 ? last_forgotten().total : 0; }

    void forget_oldest() noexcept {
        ++forgot_;
        first_ = first_ + 1 == size_ ? 0 : first_ + 1;
        --count_;
    }

    std::uint64_t          limit_;
    duration               window_;
    std::size_t            size_;
    std::unique_ptr<run[]> runs_;
    std::size_t            first_ = 0;
    std::size_t            count_ = 0;
    std::uint64_t          total_ = 0;    // admitted and not taken back
    std::uint64_t          version_ = 0;  // counts changes
    std::uint64_t          forgot_ = 0;   // runs; the last one stays in front of the first
};

inline sliding_window_log_options const& checked(sliding_window_log_options const& o) {
    require_option(o.limit > 0, "sliding_window_log: limit (> 0)", o.limit);
    require_option(o.window.count() > 0, "sliding_window_log: window (> 0 ns)", o.window.count());
    return o;
}

}  // namespace detail

template <clock_source Clock = steady_clock>
class sliding_window_log {
public:
    using options_type = sliding_window_log_options;

    explicit sliding_window_log(sliding_window_log_options options, Clock clock = {})
        : clock_(clock), log_(detail::checked(options).limit, options.window) {}
    sliding_window_log(sliding_window_log const&) = delete;
    sliding_window_log& operator=(sliding_window_log const&) = delete;

    [[nodiscard]] verdict try_acquire(std::uint64_t cost, time_point now) noexcept {
        std::lock_guard const lock(mutex_);
        return take(cost, now, nullptr);
    }
    [[nodiscard]] verdict try_acquire(std::uint64_t cost = 1) noexcept { return try_acquire(cost, clock_.now()); }

    /// The same, and notes in `r` what undo needs.
    [[nodiscard]] verdict try_acquire(std::uint64_t cost, time_point now, receipt& r) noexcept {
        std::lock_guard const lock(mutex_);
        r = {};
        return take(cost, now, &r);
    }

    /// What try_acquire would answer, with what is there now as remaining.
    [[nodiscard]] verdict peek(std::uint64_t cost, time_point now) const noexcept {
        std::lock_guard const lock(mutex_);
        return answer_to(cost, now);
    }
    [[nodiscard]] verdict peek(std::uint64_t cost = 1) const noexcept { return peek(cost, clock_.now()); }

    /// The first time at which the cost fits behind all that came before, noted as admitted then; nothing if that is
    /// later than now + max_wait.
    [[nodiscard]] reservation reserve(std::uint64_t cost, time_point now, duration max_wait = duration::max()) noexcept {
        std::lock_guard const lock(mutex_);
        auto const            room = log_.room(now);
        if (cost > log_.limit()) return reservation::refuse(room);
        receipt r;
        auto    at = now;
        if (cost > 0) {
            at = log_.fits_at(cost, now);
            if (at == time_point::max() || saturating_sub(at, now) > max_wait) return reservation::later(at, room);
            r = add(cost, at);
        }
        return reservation::made(*this, at, log_.room(now), r);
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

    /// Takes back an admission: all of it, until some admitted at that time or later are not among the last `limit` units any
    /// more. The time does not matter.
    std::uint64_t undo(receipt const& r, time_point = time_point::min()) noexcept {
        if (r.cost == 0) return 0;
        std::lock_guard const lock(mutex_);
        if (r.generation >> dropped_bits != resets_) return 0;
        auto const dropped = static_cast<std::size_t>(r.generation & ((std::uint64_t{1} << dropped_bits) - 1));
        return log_.remove(r.cost, time_point(duration(static_cast<std::int64_t>(r.from))), {r.to, dropped});
    }

    /// New options from now on; see above for what `how` keeps. Throws and then changes nothing.
    void reconfigure(sliding_window_log_options options, window_inherit how = window_inherit::as_is) {
        detail::unit_log      other(detail::checked(options).limit, options.window);
        std::lock_guard const lock(mutex_);
        if (how == window_inherit::as_is)
            other.copy(log_);
        else
            resets_ = (resets_ + 1) & (UINT64_MAX >> dropped_bits);
        log_.swap(other);
    }

    [[nodiscard]] std::uint64_t limit() const noexcept {
        std::lock_guard const lock(mutex_);
        return log_.limit();
    }
    [[nodiscard]] duration window() const noexcept {
        std::lock_guard const lock(mutex_);
        return log_.window();
    }
    [[nodiscard]] std::size_t memory_bytes() const noexcept {
        std::lock_guard const lock(mutex_);
        return sizeof *this + log_.bytes();
    }
    [[nodiscard]] Clock const& clock() const noexcept { return clock_; }

private:
    static constexpr unsigned dropped_bits = 40;  // of receipt::generation; the resets are above

    receipt add(std::uint64_t cost, time_point time) noexcept {
        auto const m = log_.add(cost, time);
        return {cost, static_cast<std::uint64_t>(time.time_since_epoch().count()), m.version,
                resets_ << dropped_bits | static_cast<std::uint64_t>(m.dropped)};
    }

    [[nodiscard]] verdict take(std::uint64_t cost, time_point now, receipt* r) noexcept {
        auto answer = answer_to(cost, now);
        if (!answer.admitted() || cost == 0) return answer;
        auto const paper = add(cost, now);
        if (r != nullptr) *r = paper;
        answer.remaining -= cost;
        return answer;
    }

    [[nodiscard]] verdict answer_to(std::uint64_t cost, time_point now) const noexcept {
        auto const room = log_.room(now);
        if (cost > log_.limit()) return verdict::refuse(room);
        if (cost <= room) return verdict::admit(room);
        auto const wait = saturating_sub(log_.fits_at(cost, now), now);
        return verdict::later(std::max(wait, duration(1)), room);
    }

    Clock              clock_;
    mutable std::mutex mutex_;
    detail::unit_log   log_;
    std::uint64_t      resets_ = 0;
};

}  // namespace sluice
