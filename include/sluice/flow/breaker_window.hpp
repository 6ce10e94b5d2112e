// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// breaker_window — what a circuit_breaker remembers of the calls that ended, and when that is bad enough to open.
///
/// Use it for     count_window, time_window, consecutive_failures, ema_error_window, or one of your own
/// Not for        the probes of a half-open breaker, which it counts itself
/// Thread-safety  a window belongs to its breaker, which calls it under its mutex
/// Complexity     O(1) for each of those here, but for time_window after a pause and its reset
/// Source         resilience4j: rates are compared with >=, and a success that completes the minimum can open

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/wide.hpp>

#include <concepts>
#include <cstdint>

namespace sluice {

/// A call that ended.
struct breaker_sample {
    bool     failed = false;
    bool     slow = false;     ///< it took longer than the breaker's slow_call
    duration elapsed{0};       ///< >= 0
};

/// The calls that a window holds.
struct breaker_tally {
    std::uint64_t calls = 0;
    std::uint64_t failed = 0;
    std::uint64_t slow = 0;

    /// 0 if there are no calls.
    [[nodiscard]] constexpr double failure_rate() const noexcept { return share(failed); }
    [[nodiscard]] constexpr double slow_rate() const noexcept { return share(slow); }

    constexpr void add(breaker_sample const& s) noexcept {
        ++calls;
        failed += s.failed ? 1 : 0;
        slow += s.slow ? 1 : 0;
    }
    constexpr void remove(breaker_tally const& old) noexcept {
        calls -= old.calls;
        failed -= old.failed;
        slow -= old.slow;
    }
    friend constexpr bool operator==(breaker_tally const&, breaker_tally const&) noexcept = default;

private:
    [[nodiscard]] constexpr double share(std::uint64_t n) const noexcept {
        return calls == 0 ? 0 : static_cast<double>(n) / static_cast<double>(calls);
    }
};

/// When a rate is too high; part of circuit_breaker_options. Rates are compared as fractions, by their first nine decimals:
/// 7 of 100 reach 0.07, whatever the double nearest to it is.
struct breaker_thresholds {
    std::uint64_t minimum_calls = 100;
    double        failure_rate = 0.5;
    double        slow_rate = 1;

    [[nodiscard]] constexpr bool exceeded(breaker_tally const& tally) const noexcept {
        return tally.calls > 0 &&
               (reached(tally.failed, tally.calls, failure_rate) || reached(tally.slow, tally.calls, slow_rate));
    }

private:
    [[nodiscard]] static constexpr bool reached(std::uint64_t n, std::uint64_t calls, double rate) noexcept {
        auto const billionths = rate * 1e9 < 1 ? 1 : static_cast<std::uint64_t>(rate * 1e9);
        return !(detail::multiply_wide(n, 1'000'000'000) < detail::multiply_wide(calls, billionths));
    }
};

/// record() notes a call, reset() forgets all, tally() tells what is held, opens() whether a closed breaker is to open: it
/// is asked after each record. `now` may be older than before and then counts as the latest.
template <class W>
concept breaker_window = std::movable<W> && requires(W& w, W const& looked_at, breaker_sample const& sample,
                                                     breaker_thresholds const& thresholds, time_point now) {
    { w.record(sample, now) } noexcept;
    { w.reset() } noexcept;
    { looked_at.tally(now) } noexcept -> std::same_as<breaker_tally>;
    { looked_at.opens(thresholds, now) } noexcept -> std::same_as<bool>;
};

}  // namespace sluice
