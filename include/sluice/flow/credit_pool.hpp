// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// credit_pool — a receiver says how many requests may be under way, and senders spend what they are given.
///
/// Use it for     many senders and one receiver whose queueing delay must stay short: what has no credit is not sent
/// Not for        senders that do not cooperate (load_shedder), a limit that the sender finds out (concurrency_limiter)
/// Thread-safety  any thread; a session's handle is moved, closed and destroyed by one thread. The pool outlives its
///                sessions and their permits (SLUICE_ASSERT)
/// Progress       to spend and to return a credit: lock-free, on a word of the session's own. update, open, close: a mutex
/// Complexity     O(1); update, open and close O(n log n) in the sessions
/// Errors         std::invalid_argument for times, shares and numbers that cannot work; open may throw std::bad_alloc, and
///                then no session is open
/// Units          credits are requests; delays in integer nanoseconds
/// Source         Cho, Saeed, Fried, Park, Alizadeh, Belay, Overload Control for µs-scale RPCs with Breakwater, OSDI 2020
/// Differs        a sender is told its window (credits it may have under way) and not changes of it, so that a lost or a
///                repeated message does no harm; credits are shared out max-min fairly by demand, once per rtt
///
///     sluice::credit_pool pool({.target = 80us, .drop = 180us});
///     auto session = pool.open();                     session.demand(queue.size());
///     if (auto p = session.try_acquire()) { … p.success(); }         // the credit comes back with the permit
///     pool.update(delay_of_the_oldest_request);                      // often; counts once per rtt
///
/// The sum of all windows is at most credits + overcommit · sessions: each session may always have `overcommit` credits,
/// so that a sender nobody has heard of can begin. A window that shrinks below what is under way lets nothing new go until
/// enough has ended. Across a network the receiver sends session.window() with its replies, and the sender gives it to a
/// credit_window; session.demand() is then all that the sender wants to have under way. While the delay is short, credits
/// grow up to `max`, used or not; what they let in when load comes is what `drop` is for, until they have shrunk.

#include <sluice/core/assert.hpp>
#include <sluice/core/cacheline.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/credit_window.hpp>
#include <sluice/flow/permit.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace sluice {

struct credit_pool_options {
    duration      target = std::chrono::microseconds(80);  ///< queueing delay below which credits are added
    duration      drop = std::chrono::microseconds(180);   ///< above which a request is not worth serving; >= target
    duration      rtt = std::chrono::microseconds(10);     ///< one change in so long
    double        increase = 0.002;                        ///< credits per session and rtt; > 0
    double        decrease = 0.008;                        ///< share lost per rtt and target of delay above it; > 0
    std::uint32_t initial = 100;                           ///< credits to begin with
    std::uint32_t min = 1;                                 ///< and never fewer
    std::uint32_t max = 1'000'000;                         ///< nor more
    std::uint32_t overcommit = 1;                          ///< credits that each session has in any case
};

// Ordering
//   (D) demand  relaxed: a number for the next share-out, which orders nothing. Credits themselves: credit_window.hpp

template <clock_source Clock = steady_clock, template <class> class Atom = std::atomic>
class credit_pool {
    struct slot {
        explicit slot(duration retry_after) : window(0, retry_after) {}
        alignas(cache_line_size) credit_window<Atom> window;
        Atom<std::uint32_t> demand{0};
        bool                open = false;
    };

public:
    explicit credit_pool(credit_pool_options options = {}, Clock clock = {})
        : options_(checked(options)), clock_(std::move(clock)), credits_(options.initial) {}
    credit_pool(credit_pool const&) = delete;
    credit_pool& operator=(credit_pool const&) = delete;
    ~credit_pool() { SLUICE_ASSERT(open_.empty()); }

    /// A sender's place in the pool. Closing or destroying it returns its credits at once; permits still out end later.
    class session {
    public:
        session() noexcept = default;
        session(session&& other) noexcept
            : pool_(std::exchange(other.pool_, nullptr)), slot_(std::exchange(other.slot_, nullptr)) {}
        session& operator=(session&& other) noexcept {
            if (this != &other) {
                close();
                pool_ = std::exchange(other.pool_, nullptr);
                slot_ = std::exchange(other.slot_, nullptr);
            }
            return *this;
        }
        ~session() { close(); }

        [[nodiscard]] explicit operator bool() const noexcept { return slot_ != nullptr; }

        /// Spends a credit until the permit ends. Requires an open session, as all of these.
        [[nodiscard]] permit try_acquire(time_point now) noexcept { return slot_->window.try_acquire(now); }
        [[nodiscard]] permit try_acquire() noexcept { return try_acquire(pool_->clock_.now()); }

        /// How many requests wait for a credit, beside those under way; counts at the next update.
        void demand(std::uint32_t waiting) noexcept { slot_->demand.store(waiting, std::memory_order_relaxed); }  // (D)

        [[nodiscard]] std::uint32_t window() const noexcept { return slot_->window.window(); }
        [[nodiscard]] std::uint32_t used_approx() const noexcept { return slot_->window.used_approx(); }

        void close() noexcept {
            if (slot_ != nullptr) std::exchange(pool_, nullptr)->close(*std::exchange(slot_, nullptr));
        }

    private:
        friend class credit_pool;
        session(credit_pool& pool, slot& s) noexcept : pool_(&pool), slot_(&s) {}
        credit_pool* pool_ = nullptr;
        slot*        slot_ = nullptr;
    };

    /// A new session, with its first credits.
    [[nodiscard]] session open(std::uint32_t demand = 0) {
        std::lock_guard const lock(mutex_);
        slot*                 s = nullptr;
        for (auto& old : slots_)  // a slot whose permits are all back
            if (!old.open && old.window.used_approx() == 0) s = &old;
        if (open_.size() == open_.capacity()) open_.reserve(2 * open_.size() + 8);
        if (shares_.capacity() < open_.capacity()) shares_.reserve(open_.capacity());
        if (s == nullptr) s = &slots_.emplace_back(options_.rtt);
        s->open = true;
        s->demand.store(demand, std::memory_order_relaxed);  // (D)
        open_.push_back(s);
        share_out();
        return session(*this, *s);
    }

    /// A queueing delay, at best that of the oldest request. Changes the credits if an rtt has passed since the last change
    /// (true), and shares them out; otherwise, or if `now` is stale, it does nothing. A `now` far ahead so makes all that
    /// follow stale, until the clock is there or until forget_time().
    bool update(duration delay, time_point now) {
        std::lock_guard const lock(mutex_);
        if (begun_ && saturating_sub(now, last_) < options_.rtt) return false;
        begun_ = true;
        last_ = now;
        if (delay <= options_.target) {
            carry_ += options_.increase * static_cast<double>(open_.size());
            double const whole = std::floor(std::min(carry_, 4e9));
            carry_ -= whole;
            credits_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(credits_ + static_cast<std::uint64_t>(whole),
                                                                          options_.max));
            if (credits_ == options_.max) carry_ = 0;
        } else {
            auto const   target = static_cast<double>(options_.target.count());
            double const excess = (static_cast<double>(delay.count()) - target) / target;
            double const kept = std::max(1 - options_.decrease * excess, 0.5);
            auto const   most = static_cast<std::uint32_t>(static_cast<double>(credits_) * kept + 1e-6);
            credits_ = std::max(std::min(most, credits_ > 0 ? credits_ - 1 : 0), options_.min);
            carry_ = 0;
        }
        share_out();
        return true;
    }
    bool update(duration delay) { return update(delay, clock_.now()); }

    /// The next update counts, whatever its time.
    void forget_time() {
        std::lock_guard const lock(mutex_);
        begun_ = false;
    }

    /// Whether a request that has waited so long is better refused than served.
    [[nodiscard]] bool should_drop(duration delay) const noexcept { return delay > options_.drop; }

    struct numbers {
        std::uint32_t credits;   ///< that the delay allows
        std::uint64_t granted;   ///< the sum of all windows
        std::size_t   sessions;
    };
    [[nodiscard]] numbers read() const {
        std::lock_guard const lock(mutex_);
        std::uint64_t         sum = 0;
        for (auto const* s : open_) sum += s->window.window();
        return {credits_, sum, open_.size()};
    }

private:
    struct share {
        slot*         s;
        std::uint64_t wanted;
        std::uint32_t given;
    };

    [[nodiscard]] static credit_pool_options const& checked(credit_pool_options const& o) {
        using detail::require_option;
        require_option(o.target.count() > 0, "credit_pool: target (> 0 ns)", o.target.count());
        require_option(o.drop >= o.target, "credit_pool: drop in ns (>= target)", o.drop.count());
        require_option(o.rtt.count() > 0, "credit_pool: rtt (> 0 ns)", o.rtt.count());
        require_option(o.increase > 0 && std::isfinite(o.increase), "credit_pool: increase (> 0)", o.increase);
        require_option(o.decrease > 0 && std::isfinite(o.decrease), "credit_pool: decrease (> 0)", o.decrease);
        require_option(o.min > 0, "credit_pool: min (> 0)", o.min);
        require_option(o.max >= o.min, "credit_pool: max (>= min)", o.max);
        require_option(o.initial >= o.min && o.initial <= o.max, "credit_pool: initial (min to max)", o.initial);
        return o;
    }

    void close(slot& s) noexcept {
        std::lock_guard const lock(mutex_);
        s.window.grant(0);
        s.open = false;
        open_.erase(std::find(open_.begin(), open_.end(), &s));
        share_out();
    }

    /// Max-min: nobody gets more than he wants while another who wants more has less than he. What nobody wants is spread
    /// evenly, so that who is idle can begin at once. Takes no memory.
    void share_out() noexcept {
        shares_.clear();
        for (auto* s : open_)
            shares_.push_back({s, std::uint64_t{s->window.used_approx()} +
                                      s->demand.load(std::memory_order_relaxed), 0});  // (D)
        std::sort(shares_.begin(), shares_.end(), [](share const& a, share const& b) { return a.wanted < b.wanted; });
        std::size_t const n = shares_.size();
        std::uint64_t     left = credits_;
        std::size_t       k = 0;
        for (; k < n && shares_[k].wanted <= left / (n - k); ++k) {
            shares_[k].given = static_cast<std::uint32_t>(shares_[k].wanted);
            left -= shares_[k].wanted;
        }
        if (k < n) {  // the rest want more than there is: equal parts, what cannot be divided to each in turn
            std::size_t const   rest = n - k;
            std::uint64_t const part = left / rest, more = left % rest;
            for (std::size_t i = 0; i < rest; ++i)
                shares_[k + (i + turn_) % rest].given = static_cast<std::uint32_t>(part + (i < more ? 1 : 0));
            turn_ = (turn_ + static_cast<std::size_t>(more)) % rest;
        } else if (n > 0) {
            for (auto& x : shares_) x.given += static_cast<std::uint32_t>(left / n);
        }
        for (auto& x : shares_) x.given = std::max(x.given, options_.overcommit);
        // What shrinks first, so that the sum is never above the bound.
        for (auto const& x : shares_)
            if (x.given < x.s->window.window()) x.s->window.grant(x.given);
        for (auto const& x : shares_)
            if (x.given > x.s->window.window()) x.s->window.grant(x.given);
    }

    credit_pool_options         options_;
    [[no_unique_address]] Clock clock_;
    mutable std::mutex          mutex_;
    std::deque<slot>            slots_;  // they stay where they are: permits point to them
    std::vector<slot*>          open_;
    std::vector<share>          shares_;
    std::uint32_t               credits_;
    double                      carry_ = 0;
    std::size_t                 turn_ = 0;
    time_point                  last_{};
    bool                        begun_ = false;
};

}  // namespace sluice
