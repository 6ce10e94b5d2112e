// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// consecutive_failures — the failures of a circuit_breaker since the last success.
///
/// Use it for     few calls, or a service that either works or does not
/// Not for        services that fail now and then: one success in `threshold` keeps the breaker closed (count_window)
/// Thread-safety  belongs to its breaker, which calls it under its mutex
/// Complexity     O(1), no allocation
/// Errors         std::invalid_argument for the threshold 0
/// Units          calls. The failure number `threshold` opens: 5 is Finagle's default, gobreaker's "more than 5" is 6
/// Source         Finagle ConsecutiveFailures, gobreaker
/// Differs        the thresholds of the breaker do not matter here, only those for its probes do; tally counts the row as
///                calls, all of them failed; slow calls that succeed end it

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/flow/breaker_window.hpp>

#include <cstdint>

namespace sluice {

struct consecutive_failures_options {
    std::uint64_t threshold = 5;  ///< > 0
};

class consecutive_failures {
public:
    explicit consecutive_failures(consecutive_failures_options options = {}) : threshold_(options.threshold) {
        detail::require_option(threshold_ > 0, "consecutive_failures: threshold (> 0)", threshold_);
    }

    void record(breaker_sample const& s, time_point) noexcept {
        if (s.failed) row_.add(s);
        else row_ = {};
    }
    void reset() noexcept { row_ = {}; }
    [[nodiscard]] breaker_tally tally(time_point) const noexcept { return row_; }
    [[nodiscard]] bool opens(breaker_thresholds const&, time_point) const noexcept { return row_.failed >= threshold_; }

private:
    std::uint64_t threshold_;
    breaker_tally row_;
};

static_assert(breaker_window<consecutive_failures>);

}  // namespace sluice
