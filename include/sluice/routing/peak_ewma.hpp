// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// peak_ewma — what a node's next answer is expected to take: at once up to a peak, slowly down again.
///
/// Use it for     one object per node, with power_of_two_choices<latency_load> or least_loaded<latency_load>
/// Not for        a mean for reports; nodes that fail fast, unless failures are told by failed()
/// Thread-safety  any thread
/// Progress       reads are wait-free and change nothing, record is lock-free
/// Complexity     value, cost: two loads and a power of two in whole numbers. record: one logarithm and two compare-exchanges; a
///                sample below the estimate some functions of <cmath> besides. 16 bytes and the options; no allocation
/// Errors         std::invalid_argument: decay outside 1 ms … 1 day; initial, least or penalty_cap <= 0. The rest is noexcept. A latency
///                below 1 ns counts as 1 ns, a sum or product beyond its range as the largest: no NaN, no infinity
/// Units          integer nanoseconds. Rounded to 1 ns in decay: relative error below 10^-9 with 10 s, 2 · 10^-6 with 1 ms
/// Source         Finagle's Peak EWMA (Twitter, 2015); the read that changes nothing: linkerd2-proxy, 2026; penalties: brpc
/// Differs        the older form decays at each read, so that under load a real sample below a peak has no weight
///
/// With e the estimate and dt the time since the last sample: a sample s >= e · exp(−dt / decay) replaces it; a smaller one gives
/// e · exp(−dt / decay) + s · (1 − exp(−dt / decay)). A read gives e · exp(−dt / decay), and `least` at least. cost = value ·
/// (in flight + 1). The start value, `initial`, decays likewise: a node that nobody has tried becomes attractive.
///
/// Idle nodes. As in Finagle and linkerd, an estimate decays as long as nobody answers: a node at 10 ms that has been idle for 16
/// decays counts as the 1 ns that `least` is by default, and wins against nodes at 10 ms until ten million requests are under
/// way. With power_of_two_choices that is the 2 / n of the requests that meet it, until its first answer; with least_loaded it is all
/// of them. `least` bounds it: at 1 ms, such a node gets ten requests before the others have their turn again. It should be
/// below what the fastest node takes, for what is below it counts as equal.
/// A time before the last sample counts as that of the last sample: a peak is taken, a smaller sample has no weight.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/routing/detail/octaves.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>

namespace sluice {

struct peak_ewma_options {
    duration decay = std::chrono::seconds(10);         ///< 1 ms … 1 day
    duration initial = std::chrono::milliseconds(30);  ///< expected of a node that has not answered yet; > 0
    duration penalty_cap = std::chrono::seconds(30);   ///< most that a failure counts; > 0
    duration least = duration(1);                      ///< what an estimate counts at least, however long it has decayed; > 0
};

// The estimate is one number: ground_, the time at which it will have decayed to 1 ns. value(t) = 2^((ground − t) / halving);
// only reads know of `least`.
// Samples only raise it, whether they replace the estimate or are mixed in; nothing lowers it but time.
//
// Ordering
//   (A) ground   record: CAS release, only upward  -> record: acquire. Who sees a ground sees a newest_ not older than it. Who loses
//                the CAS has its interval already and only needs the ground itself: relaxed
//   (B) newest   CAS relaxed, only upward, before (A) in each thread: the interval from the old to the new time belongs to the one
//                whose CAS made it, so no time is counted twice. Who loses looks again: its interval is shorter, or none
//   (C) read     relaxed: any ground is one that was; with an older newest_ the time is the caller's own
// A sample below the estimate has its interval first and is mixed in afterwards. Whatever peak came in between, the result is
// limited to the value at the interval's start or to that peak: never above everything that was recorded.

template <template <class> class Atom = std::atomic>
class peak_ewma {
public:
    peak_ewma(peak_ewma_options options, time_point now)
        : decay_(static_cast<double>(checked(options).decay.count())),
          halving_(decay_ * 0.69314718055994530942 / 0x1p32),
          penalty_cap_(options.penalty_cap) {
        // x / halving in 2^-32 octaves is (x << shift_) · inverse_ / 2^64, with an inverse_ of 64 bits where that is possible.
        double inverse = 0x1p64 / halving_;
        for (; inverse >= 0x1p64; inverse /= 2) ++shift_;
        inverse_ = static_cast<std::uint64_t>(inverse);
        least_ = detail::octaves_of(static_cast<std::uint64_t>(options.least.count()));
        newest_.store(number(now), std::memory_order_relaxed);                                   // (B) before it is shared
        ground_.store(ground_of(options.initial, number(now)), std::memory_order_relaxed);       // (A) before it is shared
    }
    explicit peak_ewma(time_point now) : peak_ewma(peak_ewma_options{}, now) {}
    peak_ewma(peak_ewma const&) = delete;
    peak_ewma& operator=(peak_ewma const&) = delete;

    /// What the node's answers take, at this time.
    [[nodiscard]] duration value(time_point now) const noexcept {
        return duration(static_cast<std::int64_t>(std::min<std::uint64_t>(nanoseconds(now), INT64_MAX)));
    }

    /// What one more request is expected to wait, with so many under way: value · (in_flight + 1), in nanoseconds.
    [[nodiscard]] std::uint64_t cost(time_point now, std::uint32_t in_flight) const noexcept {
        auto const product = detail::multiply_wide(nanoseconds(now), std::uint64_t{in_flight} + 1);
        return product.high != 0 ? UINT64_MAX : product.low;
    }

    /// log2 of the value in nanoseconds, in 2^-32: what costs are compared by.
    [[nodiscard]] std::uint64_t octaves(time_point at) const noexcept {
        std::int64_t const now = std::max(number(at), newest_.load(std::memory_order_relaxed));  // (C)
        std::int64_t const ahead = saturating_sub(time(ground_.load(std::memory_order_relaxed)), time(now)).count();  // (C)
        if (ahead <= 0) return least_;
        auto const x = static_cast<std::uint64_t>(ahead);
        if (x >= UINT64_MAX >> shift_) return std::uint64_t{64} << 32;
        return std::max(detail::multiply_wide(x << shift_, inverse_).high, least_);
    }

    /// A request has been answered.
    void record(duration latency, time_point at) noexcept {
        std::int64_t ground = ground_.load(std::memory_order_acquire);                           // (A)
        std::int64_t newest = newest_.load(std::memory_order_relaxed);                           // (B)
        std::int64_t const now = std::max(number(at), newest);
        std::int64_t const alone = ground_of(latency, now);
        if (alone >= ground) {
            while (newest < now && !newest_.compare_exchange_weak(newest, now, std::memory_order_relaxed,   // (B)
                                                                  std::memory_order_relaxed)) {}            // (B)
            raise(ground, [&](std::int64_t) { return alone; });
            return;
        }
        do {
            if (now <= newest) return;
        } while (!newest_.compare_exchange_weak(newest, now, std::memory_order_relaxed, std::memory_order_relaxed));  // (B)
        // Of value v at `now`, v + s · (1 − d), with s / v from the difference of the grounds; at most what v was at `newest`.
        auto const         passed = saturating_sub(time(now), time(newest));
        double const       part = -std::expm1(-static_cast<double>(passed.count()) / decay_);
        std::int64_t const most = saturating_add(duration(ground), passed).count();
        raise(ground, [&](std::int64_t from) {
            if (from < alone) return alone;
            double const below = static_cast<double>(saturating_sub(time(from), time(alone)).count());
            double const up = decay_ * std::log1p(std::exp(-below / decay_) * part);  // <= 0.7 decay
            auto const   mixed = saturating_add(duration(from), duration(static_cast<std::int64_t>(up + 0.5))).count();
            return std::min(mixed, std::max(from, most));
        });
    }

    /// A request has failed after `elapsed`. Counts as the longest of that, its timeout and twice the estimate, but for the cap:
    /// a node that fails fast must not look like a fast one.
    void failed(duration elapsed, duration timeout, time_point now) noexcept {
        auto const twice = saturating_add(value(now), value(now));
        record(std::min(std::max({elapsed, timeout, twice}), penalty_cap_), now);
    }

    /// A request was given up by the caller: it has taken that long at least.
    void cancelled(duration elapsed, time_point now) noexcept { record(elapsed, now); }

private:
    [[nodiscard]] static peak_ewma_options const& checked(peak_ewma_options const& o) {
        detail::require_option(o.decay >= std::chrono::milliseconds(1) && o.decay <= std::chrono::hours(24),
                               "peak_ewma: decay (1 ms … 1 day), in ns,", o.decay.count());
        detail::require_option(o.initial.count() > 0, "peak_ewma: initial (> 0 ns)", o.initial.count());
        detail::require_option(o.penalty_cap.count() > 0, "peak_ewma: penalty_cap (> 0 ns)", o.penalty_cap.count());
        detail::require_option(o.least.count() > 0, "peak_ewma: least (> 0 ns)", o.least.count());
        return o;
    }
    [[nodiscard]] static std::int64_t number(time_point t) noexcept { return t.time_since_epoch().count(); }
    [[nodiscard]] static time_point   time(std::int64_t n) noexcept { return time_point(duration(n)); }

    /// When a latency that is seen now will have decayed to 1 ns.
    [[nodiscard]] std::int64_t ground_of(duration latency, std::int64_t now) const noexcept {
        auto const octaves = detail::octaves_of(static_cast<std::uint64_t>(std::max<std::int64_t>(latency.count(), 1)));
        auto const ahead = static_cast<std::int64_t>(static_cast<double>(octaves) * halving_ + 0.5);
        return saturating_add(duration(now), duration(ahead)).count();
    }

    [[nodiscard]] std::uint64_t nanoseconds(time_point at) const noexcept { return detail::exp2_octaves(octaves(at)); }

    template <class Next>
    void raise(std::int64_t ground, Next next) noexcept {
        for (;;) {
            std::int64_t const to = next(ground);
            if (to <= ground) return;
            if (ground_.compare_exchange_weak(ground, to, std::memory_order_release, std::memory_order_relaxed)) return;  // (A)
        }
    }

    double             decay_;    // ns
    double             halving_;  // ns in 2^-32 octaves
    std::uint64_t      inverse_ = 0;
    int                shift_ = 0;
    std::uint64_t      least_ = 0;  // in octaves
    duration           penalty_cap_;
    Atom<std::int64_t> ground_{0};
    Atom<std::int64_t> newest_{0};
};

}  // namespace sluice
