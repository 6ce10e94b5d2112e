// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// count_window — the last so many calls of a circuit_breaker.
///
/// Use it for     rates over a fixed number of calls, however long they took to come
/// Not for        rare calls, whose failures of yesterday should not open today (time_window)
/// Thread-safety  belongs to its breaker, which calls it under its mutex
/// Complexity     O(1); one byte for each call, allocated by the constructor
/// Errors         std::invalid_argument for the size 0; std::bad_alloc
/// Source         resilience4j, COUNT_BASED (100 calls)

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/breaker_window.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sluice {

struct count_window_options {
    std::uint32_t size = 100;  ///< calls; > 0. A minimum_calls above it counts as it
};

class count_window {
public:
    explicit count_window(count_window_options options = {}) : calls_(checked(options.size)) {}

    void record(breaker_sample const& s, time_point) noexcept {
        auto& place = calls_[next_];
        if (tally_.calls == calls_.size()) tally_.remove({1, std::uint64_t{place} & 1, std::uint64_t{place} >> 1});
        place = static_cast<std::uint8_t>((s.failed ? 1 : 0) | (s.slow ? 2 : 0));
        tally_.add(s);
        if (++next_ == calls_.size()) next_ = 0;
    }
    void reset() noexcept {
        tally_ = {};
        next_ = 0;
    }
    [[nodiscard]] breaker_tally tally(time_point) const noexcept { return tally_; }
    [[nodiscard]] bool opens(breaker_thresholds const& thresholds, time_point) const noexcept {
        return tally_.calls >= std::min(thresholds.minimum_calls, std::uint64_t{calls_.size()}) &&
               thresholds.exceeded(tally_);
    }

private:
    [[nodiscard]] static std::size_t checked(std::uint32_t size) {
        detail::require_option(size > 0, "count_window: size (> 0)", size);
        return size;
    }

    std::vector<std::uint8_t> calls_;
    std::size_t               next_ = 0;
    breaker_tally             tally_;
};

static_assert(breaker_window<count_window>);

}  // namespace sluice
