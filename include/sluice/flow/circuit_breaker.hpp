// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// circuit_breaker — stops calling what keeps failing, and tries again with a few probes after a while.
///
/// Use it for     one object per remote service: take a permit for each call and end it with success() or drop()
/// Not for        limiting how many calls run (concurrency_limiter), or failures of single requests (retry)
/// Thread-safety  any thread; a permit may end on another one. The breaker must outlive its permits
/// Progress       try_acquire while closed or open: wait-free; the rest waits for the mutex, held for the window's O(1) steps
/// Complexity     try_acquire while closed: one atomic load; while open: two, and one addition to a statistic. The end of a
///                permit: a mutex, nothing at all if it is ignored or too late. No allocation after construction
/// Errors         std::invalid_argument: thresholds outside (0, 1] or NaN, numbers of calls 0, times <= 0 (0 where the
///                option says so), max_open_time < open_time, open_factor in neither {1} nor [1.01, 10^6]. on_change: see
///                there. The rest throws nothing
/// Units          durations in nanoseconds; rates in (0, 1]; generation: how many times the state was set. An end told with
///                an older `now` than another counts as that one: no open time begins in the past
/// Source         Nygard, Release It!; resilience4j (rates, slow calls, probes), gobreaker (generations), brpc (open times)
/// Differs        at exactly the end of the open time a call is admitted, so that retry_after is true (resilience4j: only
///                after it). A permit of an older generation changes nothing, whatever happened in between
/// Example        examples/350_retry_storm.cpp
///
///     closed     all go; each success or drop goes into the window; open when the window says so
///     open       none goes for open_time, grown by open_factor each time it opens again before quiet_time has passed since
///                it closed, up to max_open_time; then the first who asks makes it half_open
///     half_open  probes permits, no more: an ignored one is given again, one that ended is not. When all have ended: open
///                if their rates reach the thresholds, else closed. With half_open_time: open if they take longer than that

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/unique_function.hpp>
#include <sluice/flow/backoff_policy.hpp>
#include <sluice/flow/breaker_window.hpp>
#include <sluice/flow/count_window.hpp>
#include <sluice/flow/permit.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace sluice {

enum class breaker_state : std::uint8_t {
    closed,
    open,
    half_open,
    forced_open,    ///< none goes until somebody sets another state
    forced_closed,  ///< all go, and are counted
    disabled        ///< all go, nothing is counted
};

struct breaker_change {
    breaker_state from;
    breaker_state to;
    std::uint64_t generation;  ///< of the new state; events may overtake each other, this tells their order
};

struct circuit_breaker_options {
    double        failure_rate = 0.5;   ///< opens at this rate or above; in (0, 1]
    std::uint32_t minimum_calls = 100;  ///< in the window before rates mean anything; > 0
    duration      slow_call = std::chrono::seconds(60);  ///< a call that takes longer is slow; > 0
    double        slow_rate = 1;        ///< opens at this rate of slow calls or above; in (0, 1]
    std::uint32_t probes = 10;          ///< permits while half-open; > 0
    duration      half_open_time{0};    ///< longest time half-open; 0: any
    duration      open_time = std::chrono::seconds(60);  ///< > 0
    double        open_factor = 1;      ///< 1, or 1.01 to 10^6
    std::optional<duration> max_open_time{};  ///< >= open_time; none: no limit
    duration      quiet_time = std::chrono::seconds(30);  ///< closed for so long: back to open_time; >= 0
    jitter        open_jitter = jitter::none();  ///< spreads the open times
    std::uint64_t seed = 0;             ///< of the jitter's random numbers
    /// After each change of state, without a lock, maybe by several threads at once; may use the breaker. What it throws
    /// leaves try_acquire, force and reset; where a permit ends it is std::terminate.
    unique_function<void(breaker_change const&)> on_change{};
};

struct breaker_metrics {
    breaker_state state;
    std::uint64_t generation;
    breaker_tally tally;       ///< of the window; half-open: of the probes. What made it open stays until it is half-open
    std::uint64_t rejected;    ///< calls that were not admitted, since the construction
    std::uint64_t opened;      ///< how many times it opened by itself, since the construction
    std::optional<time_point> open_until;  ///< while open
};

// Ordering
//   (A) state    state_ release, under the mutex, open_until_ and all else before  -> try_acquire: acquire, without it
//   (B) until    relaxed: read after (A), so it is that of the state seen or a later one; a later one only denies what the
//                mutex would deny, or sends the caller there
//   (C) locked   relaxed: under the mutex, which orders it

template <breaker_window Window = count_window, clock_source Clock = steady_clock,
          template <class> class Atom = std::atomic>
class circuit_breaker {
public:
    explicit circuit_breaker(circuit_breaker_options options = {}, Window window = Window(), Clock clock = {})
        : options_(checked(std::move(options))), clock_(clock), thresholds_(thresholds_of(options_)),
          open_times_(open_times_of(options_)), random_(options_.seed), window_(std::move(window)) {}
    circuit_breaker(circuit_breaker_options options, Clock clock)
        : circuit_breaker(std::move(options), Window(), clock) {}
    circuit_breaker(circuit_breaker const&) = delete;
    circuit_breaker& operator=(circuit_breaker const&) = delete;

    /// A permit for one call. Denied: while open, why().retry_after is the time until the first probe; while half-open and
    /// all probes are given, the open time in force, a guess; while forced open, the longest duration.
    permit try_acquire(time_point now) {
        auto const word = state_.load(std::memory_order_acquire);                           // (A)
        switch (state_in(word)) {
        case breaker_state::closed:
        case breaker_state::forced_closed:
        case breaker_state::disabled: return admit(word, now);
        case breaker_state::forced_open: return reject(duration::max());
        case breaker_state::open: {
            time_point const until(duration(open_until_.load(std::memory_order_relaxed)));  // (B)
            if (now < until) return reject(saturating_sub(until, now));
            break;
        }
        case breaker_state::half_open: break;
        }
        return try_probe(now);
    }
    permit try_acquire() { return try_acquire(clock_.now()); }

    [[nodiscard]] breaker_state state() const noexcept {
        return state_in(state_.load(std::memory_order_acquire));                            // (A)
    }

    [[nodiscard]] breaker_metrics metrics(time_point now) const noexcept {
        std::lock_guard const lock(mutex_);
        auto const            word = state_.load(std::memory_order_relaxed);                // (C)
        breaker_metrics       m{state_in(word), word >> state_bits, {}, 0, opened_, {}};
        m.tally = m.state == breaker_state::half_open ? probed_ : window_.tally(tally_time(m.state, now));
        m.rejected = rejected_.load(std::memory_order_relaxed);                             // (stat)
        if (m.state == breaker_state::open)
            m.open_until = time_point(duration(open_until_.load(std::memory_order_relaxed)));  // (C)
        return m;
    }
    [[nodiscard]] breaker_metrics metrics() const noexcept { return metrics(clock_.now()); }

    /// Sets a state whatever was before: forced_open, forced_closed, disabled; closed, which begins afresh, with the first
    /// open time; open, as if the window had said so (only this needs the time). Requires another state than half_open.
    void force(breaker_state to, time_point now) {
        SLUICE_ASSERT(to != breaker_state::half_open);
        std::optional<breaker_change> change;
        {
            std::lock_guard const lock(mutex_);
            if (to == breaker_state::open) {
                change = open(latest(now));
            } else {
                if (to != breaker_state::forced_open) window_.reset();
                streak_ = 0;
                closed_before_ = false;
                change = set(to);
            }
        }
        tell(change);
    }
    void force(breaker_state to) { force(to, clock_.now()); }
    void force_open() { force(breaker_state::forced_open, {}); }
    void force_closed() { force(breaker_state::forced_closed, {}); }
    void disable() { force(breaker_state::disabled, {}); }

    /// Closed, and nothing remembered. Permits given before do not count.
    void reset() { force(breaker_state::closed, {}); }

private:
    static constexpr unsigned state_bits = 3;

    [[nodiscard]] static circuit_breaker_options checked(circuit_breaker_options o) {
        using detail::require_option;
        require_option(o.failure_rate > 0 && o.failure_rate <= 1, "circuit_breaker: failure_rate (in (0, 1])",
                       o.failure_rate);
        require_option(o.slow_rate > 0 && o.slow_rate <= 1, "circuit_breaker: slow_rate (in (0, 1])", o.slow_rate);
        require_option(o.minimum_calls > 0, "circuit_breaker: minimum_calls (> 0)", o.minimum_calls);
        require_option(o.slow_call.count() > 0, "circuit_breaker: slow_call (> 0 ns)", o.slow_call.count());
        require_option(o.probes > 0, "circuit_breaker: probes (> 0)", o.probes);
        require_option(o.half_open_time.count() >= 0, "circuit_breaker: half_open_time (>= 0 ns)", o.half_open_time.count());
        require_option(o.open_time.count() > 0, "circuit_breaker: open_time (> 0 ns)", o.open_time.count());
        require_option(o.open_factor == 1 || (o.open_factor >= 1.01 && o.open_factor <= 1e6),
                       "circuit_breaker: open_factor (1, or 1.01 to 10^6)", o.open_factor);
        if (o.max_open_time)
            require_option(*o.max_open_time >= o.open_time, "circuit_breaker: max_open_time (>= open_time), in ns",
                           o.max_open_time->count());
        require_option(o.quiet_time.count() >= 0, "circuit_breaker: quiet_time (>= 0 ns)", o.quiet_time.count());
        return o;
    }
    [[nodiscard]] static breaker_thresholds thresholds_of(circuit_breaker_options const& o) noexcept {
        return {o.minimum_calls, o.failure_rate, o.slow_rate};
    }
    [[nodiscard]] static exponential_backoff open_times_of(circuit_breaker_options const& o) {
        return exponential_backoff({.base = o.open_time, .factor = o.open_factor,
                                    .cap = o.max_open_time.value_or(duration::max()), .spread = o.open_jitter});
    }

    [[nodiscard]] static breaker_state state_in(std::uint64_t word) noexcept {
        return static_cast<breaker_state>(word & ((std::uint64_t{1} << state_bits) - 1));
    }
    [[nodiscard]] permit admit(std::uint64_t word, time_point now) noexcept {
        return permit(this, &finish, {now, word >> state_bits, 1});
    }
    [[nodiscard]] permit reject(duration retry_after) noexcept {
        rejected_.fetch_add(1, std::memory_order_relaxed);                                  // (stat)
        return permit::denied(verdict::later(retry_after, 0));
    }

    /// What is seen while open is what made it open, however long ago.
    [[nodiscard]] time_point tally_time(breaker_state state, time_point now) const noexcept {
        return state == breaker_state::open || state == breaker_state::forced_open ? std::min(now, opened_at_) : now;
    }

    // Under the mutex ------------------------------------------------------------------------------------------------

    /// An end that is told with an older time does not make the open time begin in the past.
    [[nodiscard]] time_point latest(time_point now) noexcept { return latest_ = std::max(latest_, now); }

    breaker_change set(breaker_state to) noexcept {
        auto const word = state_.load(std::memory_order_relaxed);                           // (C)
        auto const generation = (word >> state_bits) + 1;
        state_.store(generation << state_bits | static_cast<std::uint64_t>(to), std::memory_order_release);  // (A)
        return {state_in(word), to, generation};
    }
    breaker_change open(time_point now) noexcept {
        if (closed_before_ && saturating_sub(now, closed_at_) >= options_.quiet_time) streak_ = 0;
        auto const previous = streak_ == 0 ? duration{0} : open_for_;
        ++streak_;
        ++opened_;
        open_for_ = std::max(open_times_(streak_, previous, random_), duration{1});
        opened_at_ = now;
        closed_before_ = false;
        open_until_.store(saturating_add(now, open_for_).time_since_epoch().count(), std::memory_order_relaxed);  // (C)
        return set(breaker_state::open);
    }
    breaker_change close(time_point now) noexcept {
        closed_at_ = now;  // the window is empty since it became half-open
        closed_before_ = true;
        return set(breaker_state::closed);
    }

    // ----------------------------------------------------------------------------------------------------------------

    permit try_probe(time_point now) {
        permit                        given;
        std::optional<breaker_change> change;
        {
            std::lock_guard const lock(mutex_);
            auto                  word = state_.load(std::memory_order_relaxed);            // (C)
            if (state_in(word) == breaker_state::open) {
                time_point const until(duration(open_until_.load(std::memory_order_relaxed)));  // (C)
                if (now < until) return reject(saturating_sub(until, now));
                window_.reset();
                probed_ = {};
                given_ = 0;
                half_open_at_ = latest(now);
                change = set(breaker_state::half_open);
                word = state_.load(std::memory_order_relaxed);                              // (C)
            }
            switch (state_in(word)) {
            case breaker_state::half_open:
                if (options_.half_open_time.count() > 0 &&
                    saturating_sub(now, half_open_at_) >= options_.half_open_time) {
                    change = open(latest(now));
                    given = reject(open_for_);
                } else if (given_ < options_.probes) {
                    ++given_;
                    given = admit(word, now);
                } else {
                    given = reject(open_for_);
                }
                break;
            case breaker_state::forced_open: return reject(duration::max());
            default: given = admit(word, now);
            }
        }
        tell(change);
        return given;
    }

    static void finish(void* self, permit_ticket const& ticket, outcome how, time_point const* when) noexcept {
        auto& breaker = *static_cast<circuit_breaker*>(self);
        auto const word = breaker.state_.load(std::memory_order_acquire);                   // (A)
        if (word >> state_bits != ticket.generation) return;
        bool const probe = state_in(word) == breaker_state::half_open;
        if (state_in(word) == breaker_state::disabled || (how == outcome::ignored && !probe)) return;
        auto const now = how == outcome::ignored ? ticket.start : when != nullptr ? *when : breaker.clock_.now();
        breaker.end(ticket, how, now);
    }
    void end(permit_ticket const& ticket, outcome how, time_point now) noexcept {
        std::optional<breaker_change> change;
        {
            std::lock_guard const lock(mutex_);
            auto const            word = state_.load(std::memory_order_relaxed);            // (C)
            if (word >> state_bits != ticket.generation) return;
            if (how == outcome::ignored) {
                --given_;
                return;
            }
            auto const           elapsed = std::max(saturating_sub(now, ticket.start), duration{0});
            breaker_sample const sample{how == outcome::dropped, elapsed > options_.slow_call, elapsed};
            now = latest(std::max(now, ticket.start));
            switch (state_in(word)) {
            case breaker_state::half_open:
                probed_.add(sample);
                if (probed_.calls == options_.probes) change = thresholds_.exceeded(probed_) ? open(now) : close(now);
                break;
            case breaker_state::closed:
                window_.record(sample, now);
                if (window_.opens(thresholds_, now)) change = open(now);
                break;
            default: window_.record(sample, now);
            }
        }
        tell(change);
    }

    void tell(std::optional<breaker_change> const& change) {
        if (change && options_.on_change) options_.on_change(*change);
    }

    circuit_breaker_options     options_;
    [[no_unique_address]] Clock clock_;
    breaker_thresholds          thresholds_;
    exponential_backoff         open_times_;

    Atom<std::uint64_t> state_{0};       // the generation, then state_bits of the state
    Atom<std::int64_t>  open_until_{0};
    Atom<std::uint64_t> rejected_{0};

    mutable std::mutex mutex_;           // guards the rest
    splitmix64         random_;
    Window             window_;
    breaker_tally      probed_;          // half-open: those that ended
    std::uint64_t      opened_ = 0;
    std::uint64_t      streak_ = 0;      // times it opened without a quiet time in between
    std::uint32_t      given_ = 0;       // half-open: probes that run or have ended
    duration           open_for_{0};
    time_point         latest_ = time_point::min();
    time_point         opened_at_{};
    time_point         half_open_at_{};
    time_point         closed_at_{};
    bool               closed_before_ = false;
};

}  // namespace sluice
