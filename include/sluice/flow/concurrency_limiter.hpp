// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// concurrency_limiter — lets so many requests be in flight, and learns from their latencies how many that should be.
///
/// Use it for     calls to a service, or work in a server, whose capacity is not known beforehand
/// Not for        a rate (token_bucket), or a number that is known and never changes (bulkhead)
/// Thread-safety  everything from any thread. Permits may end on other threads. Destruction: after every permit has ended
///                and every acquire_until has returned
/// Progress       try_acquire: lock-free, a CAS is repeated only after somebody else's success. The end of a permit: one
///                fetch_sub, then one attempt at a lock under which samples are folded; nobody waits for it. acquire_until
///                blocks. reconfigure, algorithm: wait for one folding
/// Complexity     O(1), no allocation; once for each window what the algorithm costs
/// Errors         std::invalid_argument from the constructor, names the option. An algorithm that throws, where a permit
///                ends: std::terminate; in reconfigure or algorithm: passed on, with places and limit as they were
/// Units          limit in requests, 1 to 2^24 - 1; at most 65 535 threads wait in acquire_until, one more is denied
/// Differs        from Netflix concurrency-limits: limit and in-flight are one word, so that no two threads pass the last
///                place, and a waiter that gives up while a place comes free takes it or leaves it to the next
/// Example        examples/330_adaptive_limit.cpp
///
/// In-flight is at or below the limit at the moment of each admission. A limit that sinks below it admits nobody until
/// enough have ended. Each permit counts once, also when it is destroyed by an exception: then as ignored.
/// Samples: success tells the algorithm how long it took (at least 1 ns), drop always counts, ignore only gives the place
/// back. A success that began before the algorithm's present epoch, or that ends before it began (a clock stepped back), is
/// no sample. A sample that finds the lock taken waits in one of eight places for the next end of a permit; if all are
/// taken it is counted in missed(). A drop always finds its place.
/// A window ends after options.window_samples requests and at least as many as the limit, no sooner than min_window or than
/// one mean latency. While less than half of the limit is in use, ten requests in max_window are enough. When the clock
/// steps back by more than max_window, what the window has counts on as if it had ended just before.
/// acquire_until gives places in no particular order, and try_acquire may take one before those who wait.

#include <sluice/core/cacheline.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/futex.hpp>
#include <sluice/core/sleeper.hpp>
#include <sluice/flow/detail/limit_gate.hpp>
#include <sluice/flow/detail/limit_options.hpp>
#include <sluice/flow/knee_limit.hpp>
#include <sluice/flow/limit_window.hpp>
#include <sluice/flow/permit.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <utility>

namespace sluice {

struct concurrency_limiter_options {
    std::uint32_t window_samples = 0;                      ///< requests in a window; 0: as the algorithm likes,
                                                           ///< which for some is to be told of each by itself
    duration      min_window{0};                           ///< >= 0
    duration      max_window = std::chrono::seconds(1);    ///< > 0, >= min_window; ends a window under light load
};

// Ordering
//   (A) lock    busy_ exchange acquire, store release: the algorithm, its window and its options belong to the holder
//   (B) epoch   store release after the limit was set; load acquire before a place is taken: a permit of the new epoch was
//               admitted under the new limit, or later. One of the old epoch that was admitted under the new limit is only
//               a sample less
//   (C) spill   a place is empty, being written, full: CAS acquire to write into it, store release when it is full ->
//               load acquire by the holder of the lock, store release when it has been read -> that CAS
//   (D) notice  exchange release after (C), or after a drop was added up -> exchange acquire before the look at the places.
//               All are read-modify-writes, so a notice is either seen with what it is about, or it is still up
//   (P) place   relaxed: ordered by (C), or for drops by (D)
//   (H) hint    relaxed: goes into a CAS that reads it again, is a notice that (D) will read, or is what only the holder of
//               the lock writes

template <limit_algorithm Algorithm = knee_limit, clock_source Clock = steady_clock,
          template <class> class Atom = std::atomic, class Parker = default_parker>
class concurrency_limiter {
public:
    using algorithm_type = Algorithm;

    explicit concurrency_limiter(Algorithm algorithm, concurrency_limiter_options options = {}, Clock clock = {})
        : gate_(detail::whole_limit(algorithm.limit())), clock_(std::move(clock)), algorithm_(std::move(algorithm)),
          options_(checked(options)) {
        learned_epoch_ = algorithm_epoch();
    }
    explicit concurrency_limiter(concurrency_limiter_options options = {}, Clock clock = {})
        requires std::default_initializable<Algorithm>
        : concurrency_limiter(Algorithm(), options, std::move(clock)) {}

    concurrency_limiter(concurrency_limiter const&) = delete;
    concurrency_limiter& operator=(concurrency_limiter const&) = delete;

    /// A permit, or an empty one that says when to try again: about the time in which one request ends.
    permit try_acquire(time_point now) noexcept {
        std::uint64_t const epoch = epoch_.load(std::memory_order_acquire);                 // (B)
        std::uint32_t const n = gate_.try_enter();
        return n != 0 ? admitted(n, epoch, now) : denied();
    }
    permit try_acquire() noexcept {
        std::uint64_t const epoch = epoch_.load(std::memory_order_acquire);                 // (B)
        std::uint32_t const n = gate_.try_enter();
        return n != 0 ? admitted(n, epoch, clock_.now()) : denied();                        // a denial needs no time
    }

    /// The same, but waits for a place until the deadline or a stop. A place that is free at that moment is still taken.
    /// On a clock other than steady_clock its default_sleeper lets the deadline come when there is no place.
    permit acquire_until(time_point deadline, std::stop_token stop = {}) {
        std::uint64_t       epoch = epoch_.load(std::memory_order_acquire);                 // (B)
        std::uint32_t       n = gate_.try_enter();
        if (n == 0 && !stop.stop_requested()) {
            std::stop_callback const wake(stop, [this]() noexcept { gate_.wake_all(); });
            n = gate_.enter([&](std::uint32_t key) {
                bool const go_on = sleep(key, deadline, stop);
                epoch = epoch_.load(std::memory_order_acquire);                             // (B)
                return go_on;
            });
        }
        return n != 0 ? admitted(n, epoch, clock_.now()) : denied();
    }
    permit acquire_for(duration patience, std::stop_token stop = {}) {
        return acquire_until(saturating_add(clock_.now(), patience), std::move(stop));
    }

    [[nodiscard]] time_point now() const noexcept { return clock_.now(); }
    [[nodiscard]] std::uint32_t limit() const noexcept { return gate_.limit(); }
    /// Counts that others are changing.
    [[nodiscard]] std::uint32_t inflight() const noexcept { return gate_.inflight(); }
    [[nodiscard]] std::uint32_t waiting() const noexcept { return gate_.waiters(); }
    /// How often the limit has changed: to look at from time to time instead of a callback.
    [[nodiscard]] std::uint64_t changes() const noexcept { return changes_.load(std::memory_order_relaxed); }  // (stat)
    /// Samples that were lost in contention.
    [[nodiscard]] std::uint64_t missed() const noexcept { return missed_.load(std::memory_order_relaxed); }    // (stat)

    /// A copy of the algorithm as it is now.
    [[nodiscard]] Algorithm algorithm() const
        requires std::copyable<Algorithm>
    {
        lock const held(*this, wait_for_it);
        return algorithm_;
    }

    /// Another algorithm, or the same with other options, while in use: its limit holds at once, for whoever comes. Permits
    /// that were given before are no samples for it; they give their places back, and their drops count.
    void reconfigure(Algorithm algorithm, concurrency_limiter_options options) {
        options = checked(options);
        lock const held(*this, wait_for_it);
        install(std::move(algorithm));
        options_ = options;
    }
    void reconfigure(Algorithm algorithm) {
        lock const held(*this, wait_for_it);
        install(std::move(algorithm));
    }
    [[nodiscard]] concurrency_limiter_options options() const {
        lock const held(*this, wait_for_it);
        return options_;
    }

private:
    static constexpr std::size_t places = 8;
    enum fill : std::uint32_t { empty, writing, full };
    struct place {
        Atom<std::uint32_t> state{empty};
        Atom<std::uint32_t> inflight{0};
        Atom<std::int64_t>  took{0};
        Atom<std::uint64_t> epoch{0};
    };
    enum wait_for_it_type : bool { wait_for_it };

    static concurrency_limiter_options checked(concurrency_limiter_options o) {
        detail::require_option(o.min_window.count() >= 0, "concurrency_limiter: min_window (>= 0 ns)", o.min_window.count());
        detail::require_option(o.max_window.count() > 0, "concurrency_limiter: max_window (> 0 ns)", o.max_window.count());
        detail::require_option(o.max_window >= o.min_window, "concurrency_limiter: max_window (>= min_window)",
                               o.max_window.count());
        return o;
    }

    struct lock {
        explicit lock(concurrency_limiter const& l) noexcept
            : owner(l), held(!l.busy_.exchange(true, std::memory_order_acquire)) {}         // (A)
        lock(concurrency_limiter const& l, wait_for_it_type) noexcept : owner(l), held(true) {
            while (l.busy_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();  // (A)
        }
        lock(lock const&) = delete;
        lock& operator=(lock const&) = delete;
        ~lock() {
            if (held) owner.busy_.store(false, std::memory_order_release);                  // (A)
        }
        concurrency_limiter const& owner;
        bool                       held;
    };

    permit admitted(std::uint32_t n, std::uint64_t epoch, time_point now) noexcept {
        return permit(this, &end_of_permit, {.start = now, .generation = epoch, .cost = n});
    }
    permit denied() const noexcept {
        return permit::denied(verdict::later(duration(gap_.load(std::memory_order_relaxed)), 0));  // (stat)
    }

    bool sleep(std::uint32_t key, time_point deadline, std::stop_token const& stop) {
        if (stop.stop_requested() || clock_.now() >= deadline) return false;
        if constexpr (std::same_as<Clock, steady_clock>) {
            auto const until = std::chrono::time_point_cast<std::chrono::steady_clock::duration>(deadline);
            if (deadline == time_point::max())
                gate_.sleep(key, nullptr);
            else
                gate_.sleep(key, &until);
        } else if (deadline == time_point::max()) {
            gate_.sleep(key, nullptr);
        } else {
            auto sleeper = default_sleeper(clock_);
            (void)sleeper.sleep_until(deadline, stop);
        }
        return true;
    }

    static void end_of_permit(void* self, permit_ticket const& ticket, outcome how, time_point const* now) noexcept {
        static_cast<concurrency_limiter*>(self)->end(ticket, how, now);
    }

    void end(permit_ticket const& ticket, outcome how, time_point const* given) noexcept {
        if (how == outcome::ignored) {
            gate_.leave();
            return;
        }
        time_point const    now = given != nullptr ? *given : clock_.now();
        bool const          dropped = how == outcome::dropped;
        duration const      rtt = saturating_sub(now, ticket.start);
        std::uint32_t const n = std::max(gate_.leave(), static_cast<std::uint32_t>(ticket.cost));
        if (!dropped && (rtt.count() < 0 || ticket.generation != epoch_.load(std::memory_order_acquire))) return;  // (B)
        {
            lock const held(*this);
            if (held.held) {
                fold(rtt, n, dropped, ticket.generation, now);
                if (spilled_.load(std::memory_order_relaxed) != 0) collect(now);            // (D)
                return;
            }
        }
        spill(rtt, n, dropped, ticket.generation);
        // Whoever held the lock may have collected before.
        lock const held(*this);
        if (held.held) collect(now);
    }

    void spill(duration rtt, std::uint32_t n, bool dropped, std::uint64_t epoch) noexcept {
        if (dropped) {
            auto const took = std::clamp<std::int64_t>(rtt.count(), 1, std::int64_t{1} << 40);  // the sum of 2^23 fits
            drop_time_.fetch_add(static_cast<std::uint64_t>(took), std::memory_order_relaxed);  // (P)
            drops_.fetch_add(1, std::memory_order_relaxed);                                 // (P)
            spilled_.exchange(1, std::memory_order_release);                                // (D)
            return;
        }
        for (auto& p : spill_) {
            std::uint32_t state = empty;
            if (p.state.load(std::memory_order_relaxed) != empty ||                         // (H)
                !p.state.compare_exchange_strong(state, writing, std::memory_order_acquire,  // (C)
                                                 std::memory_order_relaxed)) continue;      // (H)
            p.took.store(rtt.count(), std::memory_order_relaxed);                           // (P)
            p.inflight.store(n, std::memory_order_relaxed);                                 // (P)
            p.epoch.store(epoch, std::memory_order_relaxed);                                // (P)
            p.state.store(full, std::memory_order_release);                                 // (C)
            spilled_.exchange(1, std::memory_order_release);                                // (D)
            return;
        }
        missed_.fetch_add(1, std::memory_order_relaxed);                                    // (stat)
    }

    /// Holds the lock.
    void collect(time_point now) noexcept {
        if (spilled_.exchange(0, std::memory_order_acquire) == 0) return;                   // (D)
        for (auto& p : spill_) {
            if (p.state.load(std::memory_order_acquire) != full) continue;                  // (C)
            duration const      took(p.took.load(std::memory_order_relaxed));               // (P)
            std::uint32_t const n = p.inflight.load(std::memory_order_relaxed);             // (P)
            std::uint64_t const epoch = p.epoch.load(std::memory_order_relaxed);            // (P)
            p.state.store(empty, std::memory_order_release);                                // (C)
            fold(took, n, false, epoch, now);
        }
        std::uint64_t const drops = drops_.exchange(0, std::memory_order_relaxed);          // (P)
        if (drops == 0) return;
        std::uint64_t const took = drop_time_.exchange(0, std::memory_order_relaxed) / drops;  // (P)
        for (std::uint64_t i = 0; i < drops; ++i)
            fold(duration(static_cast<std::int64_t>(took)), gate_.inflight() + 1, true, 0, now);
    }

    /// Holds the lock.
    void fold(duration rtt, std::uint32_t n, bool dropped, std::uint64_t generation, time_point now) noexcept {
        if (!dropped && generation != epoch_.load(std::memory_order_relaxed)) return;       // (H)
        if (told_each() && options_.window_samples == 0) {
            algorithm_.update(window_summary::of(rtt, n, dropped, now));
            note_gap(rtt);
        } else {
            if (window_.count() == 0 && saturating_sub(now, window_.end()) > options_.max_window) window_.reset();
            if (saturating_sub(window_.end(), now) > options_.max_window) window_.step_back(now);
            window_.add(rtt, n, dropped, now);
            if (!complete()) return;
            auto const summary = window_.summarise(quantile());
            algorithm_.update(summary);
            window_.reset(summary.end);
            note_gap(summary.samples > 0 ? summary.rtt_mean : summary.drop_mean);
        }
        apply_limit();
        if (std::uint64_t const e = algorithm_epoch(); e != learned_epoch_) {
            learned_epoch_ = e;
            new_epoch();
            window_.reset();
        }
    }
    [[nodiscard]] bool complete() const noexcept {
        std::uint64_t const wanted = options_.window_samples != 0 ? options_.window_samples : preferred_samples();
        std::uint64_t const n = window_.count();
        duration const      took = window_.elapsed();
        if (n >= std::max<std::uint64_t>(wanted, gate_.limit()) && took >= options_.min_window && took >= window_.rtt_mean())
            return true;
        return took >= options_.max_window && n >= std::min<std::uint64_t>(wanted, 10) &&
               2 * std::uint64_t{window_.inflight_max()} < gate_.limit();
    }
    void install(Algorithm algorithm) {
        algorithm_ = std::move(algorithm);
        learned_epoch_ = algorithm_epoch();
        apply_limit();
        new_epoch();
        window_.reset();
    }
    void apply_limit() {
        std::uint32_t const limit = detail::whole_limit(algorithm_.limit());
        if (gate_.set_limit(limit) != limit) changes_.fetch_add(1, std::memory_order_relaxed);  // (stat)
    }
    void new_epoch() noexcept {
        epoch_.store(epoch_.load(std::memory_order_relaxed) + 1, std::memory_order_release);  // (B)
    }
    void note_gap(duration rtt) noexcept {
        auto const gap = std::clamp<std::int64_t>(rtt.count() / gate_.limit(), 1'000, 1'000'000'000);
        gap_.store(gap, std::memory_order_relaxed);                                         // (stat)
    }

    static constexpr bool told_each() noexcept {
        if constexpr (requires { { Algorithm::per_sample } -> std::convertible_to<bool>; })
            return Algorithm::per_sample;
        else
            return false;
    }
    static constexpr std::uint32_t preferred_samples() noexcept {
        if constexpr (requires { { Algorithm::window_samples } -> std::convertible_to<std::uint32_t>; })
            return std::max<std::uint32_t>(1, Algorithm::window_samples);
        else
            return 100;
    }
    [[nodiscard]] double quantile() const noexcept {
        if constexpr (requires { { algorithm_.quantile() } -> std::convertible_to<double>; })
            return algorithm_.quantile();
        else
            return 0;
    }
    [[nodiscard]] std::uint64_t algorithm_epoch() const {
        if constexpr (requires { { algorithm_.epoch() } -> std::convertible_to<std::uint64_t>; })
            return algorithm_.epoch();
        else
            return 0;
    }

    alignas(cache_line_size) detail::basic_limit_gate<Parker, Atom> gate_;

    // Read by every call, written once for a window.
    alignas(cache_line_size) Atom<std::uint64_t> epoch_{0};
    Atom<std::int64_t>                            gap_{1'000'000};  // between two ends, in ns
    [[no_unique_address]] Clock                   clock_;

    // Belong to the holder of the lock.
    alignas(cache_line_size) mutable Atom<bool> busy_{false};
    std::uint64_t               learned_epoch_ = 0;
    Algorithm                   algorithm_;
    concurrency_limiter_options options_;
    limit_window                window_;

    // Written where the lock was taken.
    alignas(cache_line_size) Atom<std::uint32_t> spilled_{0};
    Atom<std::uint64_t>       drops_{0};
    Atom<std::uint64_t>       drop_time_{0};
    Atom<std::uint64_t>       missed_{0};
    Atom<std::uint64_t>       changes_{0};
    std::array<place, places> spill_{};
};

}  // namespace sluice
