// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// staggered_start — when each of many callers begins, so that they do not all begin at once.
///
/// Use it for     ten thousand clients after a restart, cron jobs, cache expiries, heartbeats
/// Not for        retries (backoff has the jitter); limiting whoever does not keep to it
/// Thread-safety  a value; any thread. A random source belongs to one thread
/// Complexity     O(1), exact integer arithmetic, no allocation
/// Errors         std::invalid_argument for a window <= 0. even and slot without a count: std::logic_error
/// Units          offsets from the beginning in integer nanoseconds, in [0, window)
///
/// Which one. The number of callers is known and each knows its index: even, the only one without a peak. Nobody knows how
/// many there will be: golden, where any first n lie nearly evenly. Indices are not known either: random, and then plan for
/// the peak: 10 000 callers over 600 s are 16.7 a second on average and about 31 in the busiest second; even has 17.
/// Callers whose clocks or start-up times are aligned: slot, even with jitter inside each one's own slot.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/random.hpp>

#include <cstdint>

namespace sluice {

struct staggered_start_options {
    duration      window;     ///< over how long the starts are spread; > 0
    std::uint64_t count = 0;  ///< how many callers there are; 0: not known
};

class staggered_start {
public:
    explicit constexpr staggered_start(staggered_start_options options)
        : window_(nanoseconds(options)), count_(options.count) {}

    /// Caller i of count: floor(window · i / count). i = count begins the next round, at 0.
    [[nodiscard]] constexpr duration even(std::uint64_t i) const {
        if (count_ == 0) detail::throw_logic_error("sluice::staggered_start: even needs a count");
        return at(detail::multiply_divide(window_, i % count_, count_, detail::round_to::floor));
    }

    /// Caller i of nobody knows how many: window · frac(i / φ), φ the golden ratio. Any n starts in a row leave gaps of at
    /// most three lengths (Steinhaus), none longer than 2 · window / n.
    [[nodiscard]] constexpr duration golden(std::uint64_t i) const noexcept {
        constexpr std::uint64_t inverse_of_phi = 0x9E3779B97F4A7C15u;  // 2^64 / φ, to the nearest odd number
        return at(detail::multiply_wide(window_, i * inverse_of_phi).high);
    }

    /// Anywhere in the window, each nanosecond equally likely.
    template <random_source Source>
    [[nodiscard]] constexpr duration random(Source& source) const noexcept(noexcept(source())) {
        return at(uniform_below(source, window_));
    }

    /// Caller i of count, anywhere between its even start and the next one's.
    template <random_source Source>
    [[nodiscard]] constexpr duration slot(std::uint64_t i, Source& source) const {
        auto const begin = even(i);
        auto const index = i % count_;
        auto const end = index + 1 == count_ ? at(window_) : even(index + 1);
        auto const width = static_cast<std::uint64_t>((end - begin).count());
        return width == 0 ? begin : begin + at(uniform_below(source, width));
    }

    /// even if the count is known, golden otherwise.
    [[nodiscard]] constexpr duration operator()(std::uint64_t i) const { return count_ != 0 ? even(i) : golden(i); }

    [[nodiscard]] constexpr duration      window() const noexcept { return at(window_); }
    [[nodiscard]] constexpr std::uint64_t count() const noexcept { return count_; }

private:
    static constexpr std::uint64_t nanoseconds(staggered_start_options const& o) {
        if (o.window.count() <= 0) detail::throw_invalid("staggered_start: window in ns (> 0)", o.window.count());
        return static_cast<std::uint64_t>(o.window.count());
    }
    [[nodiscard]] static constexpr duration at(std::uint64_t n) noexcept { return duration(static_cast<std::int64_t>(n)); }

    std::uint64_t window_;
    std::uint64_t count_;
};

}  // namespace sluice
