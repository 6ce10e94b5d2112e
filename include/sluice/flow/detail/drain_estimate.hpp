// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::running_mean, drain_estimate — how long serving takes, and how fast a queue empties, from what was seen of
/// late.
///
/// Thread-safety  one thread at a time
/// Complexity     O(1), no allocation
/// Errors         none; sums beyond the range stay at its end
/// Units          nanoseconds, per item or per unit of cost

#include <sluice/core/clock.hpp>

#include <algorithm>
#include <cstdint>

namespace sluice::detail {

/// The plain mean of the first `window` values, after that one that forgets with this time constant.
class running_mean {
public:
    static constexpr double window = 32;

    explicit running_mean(duration first_guess = duration{0}) noexcept : mean_(static_cast<double>(first_guess.count())) {}

    void add(duration value) noexcept {
        if (value.count() < 0) return;
        if (count_ < window) ++count_;
        mean_ += (static_cast<double>(value.count()) - mean_) / count_;
    }
    /// Something was refused because of the mean, so that it may be out of date and nothing would correct it.
    void doubt() noexcept {
        if (count_ > 0) mean_ -= mean_ / window;
    }
    [[nodiscard]] duration mean() const noexcept {
        return mean_ < 0x1p63 ? duration(static_cast<std::int64_t>(mean_ + 0.5)) : duration::max();
    }

private:
    double mean_;
    double count_ = 0;
};

/// Mean time between two pops per unit of cost, measured while something waits: then it is the servers that set the pace.
class drain_estimate {
public:
    explicit drain_estimate(duration first_guess) noexcept : per_cost_(static_cast<double>(first_guess.count())) {}

    /// An item was delivered. `more`: others wait behind it.
    void popped(time_point now, time_point enqueued, std::uint64_t cost, bool more) noexcept {
        if (previous_ && backlogged_)
            add(saturating_sub(now, last_));
        else if (previous_ && doubted_)  // a time that is too short, which corrects an estimate that is too long
            add(saturating_sub(now, std::max(last_, enqueued)));
        previous_ = true;
        doubted_ = false;
        last_ = now;
        last_cost_ = static_cast<double>(cost);
        backlogged_ = more;
    }

    /// Nothing waits any more: the time until the next pop is nobody's work.
    void emptied() noexcept { backlogged_ = false; }

    /// Something was refused because of the estimate: if it lets nothing wait, nothing would correct it.
    void doubt() noexcept { doubted_ = true; }

    [[nodiscard]] duration time_for(std::uint64_t cost) const noexcept {
        auto const time = per_cost_ * static_cast<double>(cost);
        return time < 0x1p63 ? duration(static_cast<std::int64_t>(time)) : duration::max();
    }

private:
    /// The time since the last pop was spent on the item popped then. One pause of the servers is no measure of their
    /// pace: once the pace is known, a value of more than sixteen times the mean counts as that.
    void add(duration gap) noexcept {
        auto per_cost = static_cast<double>(gap.count()) / last_cost_;
        if (count_ >= running_mean::window && per_cost_ > 0) per_cost = std::min(per_cost, 16 * per_cost_);
        if (count_ < running_mean::window) ++count_;
        // Weighted by cost, so that small items with a fixed overhead do not count like large ones.
        mean_cost_ += (last_cost_ - mean_cost_) / count_;
        auto const weight = std::min(1.0, last_cost_ / (mean_cost_ * count_));
        per_cost_ += (per_cost - per_cost_) * weight;
    }

    double     per_cost_;
    double     mean_cost_ = 0;
    double     last_cost_ = 1;
    double     count_ = 0;
    time_point last_{};
    bool       previous_ = false;
    bool       backlogged_ = false;
    bool       doubted_ = false;
};

}  // namespace sluice::detail
