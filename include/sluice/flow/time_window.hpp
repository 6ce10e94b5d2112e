// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// time_window — the calls of the last so many seconds of a circuit_breaker.
///
/// Use it for     rates over time: an old failure is forgotten even if nothing came since
/// Not for        bursts of calls shorter than a slice (count_window)
/// Thread-safety  belongs to its breaker, which calls it under its mutex
/// Complexity     O(1), after a pause and for a reset O(slices); 24 bytes for each slice, allocated by the constructor
/// Errors         std::invalid_argument for slices 0 or more than 10^6, a length of less than 1 µs for each; std::bad_alloc
/// Units          time is cut into slices of length / slices, rounded up to a nanosecond, from the time line's zero; a call
///                is forgotten between (slices - 1) / slices and all of the length after its end
/// Source         resilience4j, TIME_BASED

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/floor_divide.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/breaker_window.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice {

struct time_window_options {
    duration      length = std::chrono::seconds(60);
    std::uint32_t slices = 60;
};

class time_window {
public:
    explicit time_window(time_window_options options = {}) {
        detail::require_option(options.slices > 0 && options.slices <= 1'000'000, "time_window: slices (1 to 10^6)",
                               options.slices);
        detail::require_option(options.length.count() / 1000 >= std::int64_t{options.slices},
                               "time_window: length (>= 1 µs for each slice), in ns", options.length.count());
        slice_ = (options.length.count() - 1) / options.slices + 1;
        slices_.resize(options.slices);
        newest_ = slice_of(time_point::min());
    }

    void record(breaker_sample const& s, time_point now) noexcept {
        auto const wanted = slice_of(now);
        if (wanted > newest_) {
            if (wanted - newest_ >= count()) {
                for (auto& slice : slices_) slice = {};
                total_ = {};
            } else {
                for (auto i = newest_ + 1; i <= wanted; ++i) {
                    total_.remove(at(i));
                    at(i) = {};
                }
            }
            newest_ = wanted;
        }
        at(newest_).add(s);
        total_.add(s);
    }
    void reset() noexcept {
        for (auto& slice : slices_) slice = {};
        total_ = {};
        newest_ = slice_of(time_point::min());
    }
    [[nodiscard]] breaker_tally tally(time_point now) const noexcept {
        auto const wanted = slice_of(now);
        if (wanted <= newest_) return total_;
        if (wanted - newest_ >= count()) return {};
        auto left = total_;
        for (auto i = newest_ + 1; i <= wanted; ++i) left.remove(at(i));
        return left;
    }
    [[nodiscard]] bool opens(breaker_thresholds const& thresholds, time_point now) const noexcept {
        auto const t = tally(now);
        return t.calls >= thresholds.minimum_calls && thresholds.exceeded(t);
    }

private:
    [[nodiscard]] std::int64_t count() const noexcept { return static_cast<std::int64_t>(slices_.size()); }

    [[nodiscard]] std::int64_t slice_of(time_point now) const noexcept {
        return detail::floor_divide(now.time_since_epoch().count(), slice_);
    }
    [[nodiscard]] std::size_t place(std::int64_t slice) const noexcept {
        return static_cast<std::size_t>(detail::floor_remainder(slice, count()));
    }
    [[nodiscard]] breaker_tally& at(std::int64_t slice) noexcept { return slices_[place(slice)]; }
    [[nodiscard]] breaker_tally const& at(std::int64_t slice) const noexcept { return slices_[place(slice)]; }

    std::int64_t               slice_;  // ns
    std::vector<breaker_tally> slices_;
    breaker_tally              total_;
    std::int64_t               newest_ = 0;
};

static_assert(breaker_window<time_window>);

}  // namespace sluice
