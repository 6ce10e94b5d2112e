// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// time_integral — how much of something there was, summed over time, to the last nanosecond.
///
/// Use it for     the mean number in a system, utilisation, worker-hours: whatever holds a level until it changes
/// Thread-safety  one thread at a time
/// Complexity     O(1), no allocation
/// Errors         none. A time before the last one counts as that one
/// Units          level · nanoseconds as a whole number of 128 bits; exact, so that sums made another way must be equal

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/wide.hpp>

#include <algorithm>
#include <cstdint>

namespace sluice::sim {

class time_integral {
public:
    using area = sluice::detail::wide;  ///< {high, low}

    explicit time_integral(time_point start = {}, std::uint64_t level = 0) noexcept
        : level_(level), since_(start), start_(start) {}

    /// The level from now on.
    void set(std::uint64_t level, time_point now) noexcept {
        settle(now);
        level_ = level;
    }
    void add(std::int64_t change, time_point now) noexcept { set(level_ + static_cast<std::uint64_t>(change), now); }

    [[nodiscard]] std::uint64_t level() const noexcept { return level_; }

    [[nodiscard]] area total(time_point now) const noexcept {
        auto copy = *this;
        copy.settle(now);
        return copy.area_;
    }
    /// The mean level since the start; the level itself where no time has passed.
    [[nodiscard]] double mean(time_point now) const noexcept {
        auto const a = total(now);
        auto const time = std::max(now, since_) - start_;
        if (time.count() <= 0) return static_cast<double>(level_);
        return (static_cast<double>(a.high) * 0x1p64 + static_cast<double>(a.low)) / static_cast<double>(time.count());
    }

    /// Forgets what was: the end of a warm-up. The level stays.
    void restart(time_point now) noexcept {
        settle(now);
        area_ = {};
        start_ = since_;
    }

private:
    void settle(time_point now) noexcept {
        if (now <= since_) return;
        auto const more = sluice::detail::multiply_wide(level_, static_cast<std::uint64_t>((now - since_).count()));
        area_.low += more.low;
        area_.high += more.high + (area_.low < more.low ? 1 : 0);
        since_ = now;
    }

    std::uint64_t level_;
    time_point    since_;
    time_point    start_;
    area          area_{};
};

}  // namespace sluice::sim
