// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// holt — a level and a trend, smoothed, and the straight line on which they go on.
///
/// Use it for     where a load will be a moment from now; observations may be missed or come at uneven distances
/// Not for        loads with a season (holt_winters, which is this one's arithmetic where it has no season)
/// Thread-safety  one thread at a time; forecasts of a model that nobody updates: any thread
/// Complexity     O(1); two pow where the distance is not one step. No allocation
/// Errors         constructor: std::invalid_argument names the option; the rest is noexcept. An observation that is empty, NaN,
///                infinite or too large to calculate with counts as missed; a forecast that leaves the range is empty, and an
///                observation after a line that has left it is a new level without a trend
/// Units          distances in steps, which may be fractions; smoothing parameters per step
/// Source         Holt 1957, doi:10.1016/j.ijforecast.2003.09.015; uneven distances after Wright, Management Science 32
///                (1986), doi:10.1287/mnsc.32.4.499, with smoothing that composes: half a step twice smooths like one step
///
///     ahead   = level + d · trend                     d steps after the last observation
///     level'  = a · y + (1 - a) · ahead               a = 1 - (1 - alpha)^d
///     trend'  = b · (level' - level) / d + (1 - b) · trend          b = 1 - (1 - beta)^d
///
/// A missed observation makes the next distance longer: nothing is invented in its place. Without given starting values
/// the first two observations are them: level = y2, trend = (y2 - y1) / d, as R does. An observation at the distance 0 replaces
/// nothing and is smoothed in with half the weight of a step: level' = level + (alpha / 2)(y - level).

#include <sluice/core/detail/invalid.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

namespace sluice {

struct holt_options {
    double alpha = .3;    ///< of the level; in [0, 1]
    double beta = .1;     ///< of the trend; in [0, 1]
    bool   trend = true;  ///< false: the level alone, beta is ignored
};

/// Starting values; the next observation is the first one smoothed.
struct holt_start {
    double level = 0;
    double trend = 0;
};

class holt {
public:
    explicit holt(holt_options o = {}) : o_(checked(o)) {}
    holt(holt_options o, holt_start start) : o_(checked(o)), level_(start.level), trend_(o.trend ? start.trend : 0), seen_(2) {
        detail::require_option(std::isfinite(start.level), "holt: level (finite)", start.level);
        detail::require_option(std::isfinite(start.trend), "holt: trend (finite)", start.trend);
    }

    /// The observation `steps` after the last one told of, missed or not. Negative and NaN distances count as 0.
    void update(std::optional<double> y, double steps = 1) noexcept {
        gap_ += steps > 0 ? steps : 0;
        if (!y || !(std::abs(*y) < too_large)) return;
        if (seen_ < (o_.trend ? 2u : 1u)) start(*y);
        else smooth(*y);
    }

    /// Nothing was observed for so many steps.
    void skip(double steps = 1) noexcept { update(std::nullopt, steps); }

    /// What an observation will be so many steps after the last one told of; 0: at it. Empty before there are starting values.
    [[nodiscard]] std::optional<double> forecast(double steps = 1) const noexcept {
        if (!ready()) return std::nullopt;
        double const y = level_ + (gap_ + steps) * trend_;
        if (!std::isfinite(y)) return std::nullopt;
        return y;
    }

    [[nodiscard]] bool ready() const noexcept { return seen_ >= (o_.trend ? 2u : 1u); }
    /// At the last observation that was not missed; trend: per step.
    [[nodiscard]] double level() const noexcept { return level_; }
    [[nodiscard]] double trend() const noexcept { return trend_; }
    [[nodiscard]] holt_options const& options() const noexcept { return o_; }

    /// Forgets every observation and the starting values.
    void reset() noexcept {
        seen_ = 0;
        level_ = trend_ = gap_ = 0;
    }

private:
    static holt_options const& checked(holt_options const& o) {
        detail::require_option(o.alpha >= 0 && o.alpha <= 1, "holt: alpha (in [0, 1])", o.alpha);
        detail::require_option(o.beta >= 0 && o.beta <= 1, "holt: beta (in [0, 1])", o.beta);
        return o;
    }

    [[nodiscard]] static double over(double smoothing, double steps) noexcept {
        return steps == 1 ? smoothing : 1 - std::pow(1 - smoothing, steps);
    }

    void start(double y) noexcept {
        if (seen_ == 0) {
            level_ = y;
        } else if (gap_ > 0) {
            double const slope = (y - level_) / gap_;
            trend_ = std::abs(slope) < too_large ? slope : 0;
            level_ = y;
        } else {  // two of one moment: their mean, and still no trend
            level_ = level_ / 2 + y / 2;
            return;
        }
        ++seen_;
        gap_ = 0;
    }

    void smooth(double y) noexcept {
        if (!(gap_ > 0)) {
            level_ += o_.alpha / 2 * (y - level_);
            return;
        }
        double const ahead = level_ + gap_ * trend_;
        double const a = over(o_.alpha, gap_);
        double const level = a * y + (1 - a) * ahead;
        double       trend = 0;
        if (o_.trend) {
            double const b = over(o_.beta, gap_);
            trend = b * ((level - level_) / gap_) + (1 - b) * trend_;
        }
        bool const possible = std::isfinite(level) && std::isfinite(trend);
        level_ = possible ? level : y;
        trend_ = possible ? trend : 0;
        gap_ = 0;
    }

    static constexpr double too_large = 0x1p500;  // leaves room for products

    holt_options  o_;
    double        level_ = 0;
    double        trend_ = 0;
    double        gap_ = 0;   // steps since the last observation that was not missed
    std::uint32_t seen_ = 0;  // up to 2
};

}  // namespace sluice
