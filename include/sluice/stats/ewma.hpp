// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// ewma — an exponentially weighted mean of samples that come when they like.
///
/// Use it for     the recent mean of a latency or a load: what was seen τ ago weighs 1/e of what is seen now
/// Not for        quantiles (log_histogram); a series with a trend (holt)
/// Thread-safety  one thread at a time; reads while nobody updates: any thread
/// Complexity     update: one exp where time has passed; value: nothing; decayed: one exp. No allocation
/// Errors         constructor: std::invalid_argument for tau <= 0; the rest is noexcept. A sample that is NaN or infinite is
///                no sample; a time before the last sample's counts as the last sample's
/// Units          samples in any unit; τ as a duration
///
///     value' = value · e^(-Δt/τ) + sample · (1 - e^(-Δt/τ))          Δt since the last sample
///
/// It is time that weighs, not the number of samples: samples of one moment count as their mean, in whatever order they
/// came, so a burst does not push away what a quiet minute said. The first moment's mean is the first value. Reads change
/// nothing: how often the value is asked for has no part in what it is.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>

#include <cmath>
#include <cstdint>
#include <optional>

namespace sluice {

class ewma {
public:
    explicit ewma(duration tau) : tau_(static_cast<double>(tau.count())) {
        detail::require_option(tau.count() > 0, "ewma: tau (> 0 ns)", tau.count());
    }

    void update(double sample, time_point now) noexcept {
        if (!std::isfinite(sample)) return;
        if (count_ == 0) {
            last_ = now;
            keep_ = 0;
        } else if (now > last_) {
            before_ = value_;
            keep_ = kept(now);
            last_ = now;
            count_ = 0;
        }
        // Sums of shares, none of which can leave the range.
        auto const share = 1 / (static_cast<double>(count_) + 1);
        moment_ = count_ == 0 ? sample : moment_ * (1 - share) + sample * share;
        if (count_ != UINT32_MAX) ++count_;
        value_ = before_ * keep_ + moment_ * (1 - keep_);
    }

    /// As of the last sample; empty before the first one.
    [[nodiscard]] std::optional<double> value() const noexcept {
        if (count_ == 0) return std::nullopt;
        return value_;
    }

    /// As if nothing had been going on since the last sample: the value on its way to 0.
    [[nodiscard]] std::optional<double> decayed(time_point now) const noexcept {
        if (count_ == 0) return std::nullopt;
        return now > last_ ? value_ * kept(now) : value_;
    }

    /// Since the last sample, never negative; the longest duration before the first one.
    [[nodiscard]] duration age(time_point now) const noexcept {
        if (count_ == 0) return duration::max();
        return now > last_ ? saturating_sub(now, last_) : duration::zero();
    }

    /// Forgets every sample.
    void reset() noexcept {
        count_ = 0;
        before_ = 0;
    }

private:
    [[nodiscard]] double kept(time_point now) const noexcept {
        return std::exp(-static_cast<double>(saturating_sub(now, last_).count()) / tau_);
    }

    double        tau_;
    double        value_ = 0;
    double        before_ = 0;  // the value before the last moment
    double        keep_ = 0;    // of it, at the last moment
    double        moment_ = 0;  // mean of the last moment's samples
    time_point    last_{};
    std::uint32_t count_ = 0;  // of the last moment; 0: no sample yet
};

}  // namespace sluice
