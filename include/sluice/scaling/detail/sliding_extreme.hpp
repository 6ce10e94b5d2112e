// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::sliding_extreme — the largest (or smallest) number of the recent past, in a fixed amount of memory.
///
/// Thread-safety  one thread at a time
/// Complexity     amortised O(1), no allocation, 1.5 kB
/// Errors         none; times must not go back
/// Units          exact for calls that are window/64 apart or more; of closer ones some count up to window/64 longer

#include <sluice/core/clock.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

namespace sluice::detail {

/// Better is std::greater for the largest, std::less for the smallest. What was recorded at `t` counts while
/// t > now - window: no longer when the window has passed.
template <class Better>
class sliding_extreme {
public:
    struct entry {
        std::uint32_t value;
        time_point    first;  ///< of those that this entry stands for
        time_point    last;
    };

    /// window >= 0; with 0 nothing is ever remembered.
    explicit sliding_extreme(duration window) noexcept
        : window_(window), resolution_(window.count() / 64 + (window.count() % 64 != 0 ? 1 : 0)) {}

    void record(std::uint32_t value, time_point now) noexcept {
        forget(now);
        if (window_.count() == 0) return;
        while (count_ > 0 && !Better{}(back().value, value)) --count_;  // older and no better: never the answer again
        if (count_ > 0 && saturating_sub(now, back().first) < resolution_) {
            back().last = now;  // the better one stays a little longer, so that there are not too many
            return;
        }
        entries_[(begin_ + count_) % entries_.size()] = {value, now, now};
        ++count_;
    }

    [[nodiscard]] std::optional<std::uint32_t> best(time_point now) noexcept {
        forget(now);
        if (count_ == 0) return std::nullopt;
        return entries_[begin_].value;
    }

    /// When the best one no longer counts. Requires one.
    [[nodiscard]] time_point expiry() const noexcept { return saturating_add(entries_[begin_].last, window_); }

    [[nodiscard]] duration window() const noexcept { return window_; }

private:
    [[nodiscard]] entry& back() noexcept { return entries_[(begin_ + count_ - 1) % entries_.size()]; }

    void forget(time_point now) noexcept {
        while (count_ > 0 && saturating_sub(now, entries_[begin_].last) >= window_) {
            begin_ = (begin_ + 1) % entries_.size();
            --count_;
        }
    }

    duration              window_;
    duration              resolution_;
    std::array<entry, 66> entries_{};
    std::size_t           begin_ = 0;
    std::size_t           count_ = 0;
};

}  // namespace sluice::detail
