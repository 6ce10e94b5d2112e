// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// retry_budget — how many retries and hedges all requests together may cost: a share of the requests of the last seconds.
///
/// Use it for     one object for all calls to a service: retries stop when most of them would only add to the load
/// Not for        limits on one request (retry_options); shares of what is in flight (retry_share), or of successes
///                (retry_throttle)
/// Thread-safety  any thread
/// Progress       within a slice (a thirtieth of the ttl) lock-free: a step is repeated only after somebody else's success.
///                Who comes first in a new slice opens it under a mutex, in some 70 steps; withdrawals that meet it wait
/// Complexity     deposit: one load and one atomic addition. try_withdraw: six loads and one compare-exchange; denied:
///                loads only. However far time has gone, one step of it. About 1 kB, no allocation
/// Errors         std::invalid_argument: a ratio outside [0, 1000] or NaN, a ttl outside [1 ms, 1 h]; calls are noexcept
/// Units          requests and retries. A request deposits 1000, a retry costs floor(1000 / ratio), with nine decimals of
///                the ratio; the ratio 0 leaves the reserve alone. The reserve adds floor(reserve · ttl) retries to every
///                span of ttl. ttl is rounded down to a multiple of 30 ns. Of the deposits of one ttl 2^40 count
/// Source         Finagle RetryBudget (20 %, 10/s, 10 s); Google SRE book, ch. 21 (10 %: 1.1 × the load and not 3 ×)
/// Differs        a deposit counts for 29 to 30 thirtieths of the ttl, a withdrawal for 30 to 31: under a constant load
///                some 3 % less than the ratio. Check and take are one compare-exchange: no two callers get the last retry
///
/// At every moment, whatever the schedule, (retries of the last ttl) <= reserve + (deposits of the last ttl) · 1000 / cost.
/// A retry is one of the moment in which its caller looked. A `now` older than one that moved time (a deposit's, a granted
/// retry's) counts as that one.

#include <sluice/core/cacheline.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/floor_divide.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/units.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

namespace sluice {

struct retry_budget_options {
    double              ratio = 0.2;                ///< retries per request; 0 to 1000
    std::optional<rate> reserve = per_second(10);   ///< retries that need no deposits; none: not one
    duration            ttl = std::chrono::seconds(10);  ///< how long a request counts; 1 ms to 1 h
};

// Time is cut into slices of ttl / Slices. requests_ and retries_ only grow; the rings hold what they were when each of the
// last slices was opened.
// Ordering
//   (A) epoch    a sequence lock. Opening: 2 · old + 1 relaxed, the entries (B), 2 · new release  -> reading: acquire, the
//                entries (B), then relaxed: the same even number again. Where only the number matters: relaxed
//   (B) entry    store release  -> acquire: who reads a new one sees (A)'s odd number or a later one afterwards, and does
//                not use it; and sees counters at least as new as the entry: no difference is negative
//   (C) take     compare-exchange of retries_ release  -> acquire where a slice is opened, before requests_ is read: an
//                entry has every deposit that paid for one of its retries. So no deposit pays again in a later slice
//   (D) deposit  addition to requests_ release, after its slice was open  -> acquire where what is left is computed: (A)'s
//                second load sees that slice. So no deposit pays in an older slice than its own
//   (E) count    relaxed: an old value of retries_ makes the compare-exchange fail, or an entry smaller, which grants less;
//                requests_ where (C) has ordered it
//   (F) locked   relaxed: under the mutex, which orders it
// The loser of (C) has written nothing and looks again. Who has seen a slice and takes when the next is open already was
// here before: the next slice's entry does not have its retry, which counts as one of the next slice.

/// Slices: into how many steps the ttl is cut; more of them come nearer to the ratio and take 16 bytes each.
template <clock_source Clock = steady_clock, template <class> class Atom = std::atomic, std::uint32_t Slices = 30,
          class Mutex = std::mutex>
class retry_budget {
public:
    explicit retry_budget(retry_budget_options options = {}, Clock clock = {})
        : clock_(clock), cost_(cost_of(options.ratio)), reserve_(reserve_of(options)),
          slice_(checked_ttl(options.ttl).count() / slices) {
        // From zero on: `now` may be virtual time although the clock is not.
        epoch_.store(2 * std::min(std::int64_t{0}, slice_of(clock_.now())), std::memory_order_relaxed);  // (A)
    }
    retry_budget(retry_budget const&) = delete;
    retry_budget& operator=(retry_budget const&) = delete;

    /// A request begins (its first attempt, not its retries).
    void deposit(time_point now) noexcept {
        auto const slice = slice_of(now);
        if (slice > epoch_.load(std::memory_order_relaxed) >> 1) {                          // (A)
            std::lock_guard const lock(mutex_);
            open(slice);
        }
        requests_.fetch_add(1, std::memory_order_release);                                  // (D)
    }
    void deposit() noexcept { deposit(clock_.now()); }

    /// Whether one more retry or hedge may go; if so it is paid for. A denial takes nothing.
    [[nodiscard]] bool try_withdraw(time_point now) noexcept {
        auto const slice = slice_of(now);
        for (;;) {
            auto const found = look(slice);
            if (!found || (found->left > 0 && found->at != found->epoch)) return withdraw_and_open(slice);
            if (found->left == 0) return false;
            if (take(found->retries)) return true;
        }
    }
    [[nodiscard]] bool try_withdraw() noexcept { return try_withdraw(clock_.now()); }

    /// How many retries would be granted now if nothing came in between.
    [[nodiscard]] std::uint64_t balance(time_point now) const noexcept {
        auto const slice = slice_of(now);
        if (auto const found = look(slice)) return found->left;
        std::lock_guard const lock(mutex_);
        return look_at(newest(), slice).left;
    }
    [[nodiscard]] std::uint64_t balance() const noexcept { return balance(clock_.now()); }

    /// All since the beginning, modulo 2^64.
    [[nodiscard]] std::uint64_t deposits() const noexcept { return requests_.load(std::memory_order_relaxed); }     // (stat)
    [[nodiscard]] std::uint64_t withdrawals() const noexcept { return retries_.load(std::memory_order_relaxed); }   // (stat)

private:
    static_assert(Slices >= 1 && Slices <= 1000, "retry_budget: Slices is in [1, 1000]");
    static constexpr std::int64_t  slices = Slices;
    static constexpr std::int64_t  ring_size = static_cast<std::int64_t>(std::bit_ceil(Slices + 1));  // power of two
    static constexpr std::uint64_t most = std::uint64_t{1} << 40;
    static constexpr std::uint64_t deposited = 1000;

    using ring = std::array<Atom<std::uint64_t>, static_cast<std::size_t>(ring_size)>;

    struct view {
        std::int64_t  epoch;    // the newest slice
        std::int64_t  at;       // the one asked for, epoch at least
        std::uint64_t retries;  // granted so far
        std::uint64_t left;
    };

    [[nodiscard]] static std::uint64_t cost_of(double ratio) {
        detail::require_option(ratio >= 0 && ratio <= 1000, "retry_budget: ratio (0 to 1000)", ratio);
        if (ratio == 0) return 0;
        auto const billionths = static_cast<std::uint64_t>(ratio * 1e9 + 0.5);
        return billionths == 0 ? std::uint64_t{1} << 62 : deposited * 1'000'000'000 / billionths;
    }
    [[nodiscard]] static std::uint64_t reserve_of(retry_budget_options const& options) noexcept {
        return options.reserve ? std::min(options.reserve->events_in(options.ttl), most) : 0;
    }
    [[nodiscard]] static duration checked_ttl(duration ttl) {
        detail::require_option(ttl >= std::chrono::milliseconds(1) && ttl <= std::chrono::hours(1),
                               "retry_budget: ttl (1 ms to 1 h), in ns", ttl.count());
        return ttl;
    }

    [[nodiscard]] std::int64_t slice_of(time_point now) const noexcept {
        return detail::floor_divide(now.time_since_epoch().count(), slice_);
    }
    [[nodiscard]] static std::size_t place(std::int64_t slice) noexcept {
        return static_cast<std::size_t>(slice & (ring_size - 1));
    }

    [[nodiscard]] bool take(std::uint64_t retries) noexcept {
        return retries_.compare_exchange_weak(retries, retries + 1, std::memory_order_release,  // (C)
                                              std::memory_order_relaxed);                   // (E)
    }

    /// What is left in the slice; nothing if another one is being opened.
    [[nodiscard]] std::optional<view> look(std::int64_t slice) const noexcept {
        auto const word = epoch_.load(std::memory_order_acquire);                           // (A)
        if ((word & 1) != 0) return std::nullopt;
        auto const found = look_at(word >> 1, slice);
        if (epoch_.load(std::memory_order_relaxed) != word) return std::nullopt;            // (A)
        return found;
    }
    [[nodiscard]] view look_at(std::int64_t epoch, std::int64_t slice) const noexcept {
        view          v{epoch, std::max(epoch, slice), 0, 0};
        std::uint64_t earned = 0;
        std::uint64_t spent = 0;
        if (v.at - epoch < slices && cost_ != 0) {
            auto const before = requests_then_[place(v.at - slices + 1)].load(std::memory_order_acquire);  // (B)
            auto const requests = requests_.load(std::memory_order_acquire);                // (D)
            earned = std::min(requests - before, most) * deposited / cost_;
        }
        if (v.at - epoch <= slices) {
            auto const before = retries_then_[place(v.at - slices)].load(std::memory_order_acquire);  // (B)
            v.retries = retries_.load(std::memory_order_relaxed);                           // (E)
            spent = v.retries - before;
        }
        auto const allowed = reserve_ + earned;
        v.left = spent < allowed ? allowed - spent : 0;
        return v;
    }

    // Under the mutex ------------------------------------------------------------------------------------------------

    [[nodiscard]] std::int64_t newest() const noexcept { return epoch_.load(std::memory_order_relaxed) >> 1; }  // (F)

    /// Opens the slice and all before it, unless they are.
    void open(std::int64_t slice) noexcept {
        auto const epoch = newest();
        if (slice <= epoch) return;
        epoch_.store(2 * epoch + 1, std::memory_order_relaxed);                             // (A)
        auto const retries = retries_.load(std::memory_order_acquire);                      // (C)
        auto const requests = requests_.load(std::memory_order_relaxed);                    // (E)
        for (auto i = std::max(epoch + 1, slice - ring_size + 1); i <= slice; ++i) {
            requests_then_[place(i)].store(requests, std::memory_order_release);            // (B)
            retries_then_[place(i)].store(retries, std::memory_order_release);              // (B)
        }
        epoch_.store(2 * slice, std::memory_order_release);                                 // (A)
    }

    /// The slice is opened before the retry is taken: no entry of an open slice has it.
    [[nodiscard]] bool withdraw_and_open(std::int64_t slice) noexcept {
        std::lock_guard const lock(mutex_);
        for (;;) {
            auto found = look_at(newest(), slice);
            if (found.left == 0) return false;
            open(slice);
            if (found.at != found.epoch) continue;
            if (take(found.retries)) return true;
        }
    }

    [[no_unique_address]] Clock clock_;
    std::uint64_t               cost_;  // 0: deposits earn nothing
    std::uint64_t               reserve_;
    std::int64_t                slice_;  // ns
    ring                        requests_then_{};
    ring                        retries_then_{};
    mutable Mutex               mutex_;     // who opens a slice holds it
    Atom<std::int64_t>          epoch_{0};  // twice the newest open slice; one more while another is being opened
    alignas(cache_line_size) Atom<std::uint64_t> requests_{0};
    alignas(cache_line_size) Atom<std::uint64_t> retries_{0};
};

}  // namespace sluice
