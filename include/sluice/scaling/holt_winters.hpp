// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// holt_winters — exponential smoothing of a level, a trend and a season, and what it says comes next.
///
/// Use it for     a load with a daily or weekly shape: one observation per step, a forecast any number of steps ahead
/// Not for        bursts without a pattern; a season of thousands of steps with little data (harmonic_regression)
/// Thread-safety  one thread at a time; forecasts of a model that nobody updates: any thread
/// Complexity     update and forecast O(1), no allocation after construction; the update that ends the warm-up O(season)
/// Errors         constructor: std::invalid_argument names the option; the rest is noexcept. An observation that is empty,
///                NaN, infinite, too large to calculate with or, with a multiplicative season, negative counts as missed
/// Units          steps; smoothing parameters of the usual names, 0 … 1
/// Source         Holt 1957, doi:10.1016/j.ijforecast.2003.09.015; Winters, Management Science 6 (1960),
///                doi:10.1287/mnsc.6.3.324. Arithmetic and starting values are those of R's HoltWinters
/// Differs        from R in that an observation may be missing and zeros are allowed with a multiplicative season
///
///   level'  = alpha (y - s)     + (1 - alpha) (level + trend)         y / s with a multiplicative season
///   trend'  = beta (level' - level) + (1 - beta) trend
///   s'      = gamma (y - level') + (1 - gamma) s                      y / level'. The new level, where some use the old one
///
/// Without given starting values the first two seasons are kept, decomposed (centred moving average, straight line through
/// it, mean season) and smoothed from the second on. The line is read at its beginning, half a season in, as R does: the
/// first seasons after the start wash it out. Without a season: level = y2 and trend = y2 - y1; without a trend: level = y1.
/// What was missed within the first two seasons is taken from the other one, or from its neighbours.

#include <sluice/scaling/detail/check.hpp>
#include <sluice/scaling/forecaster.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace sluice {

enum class seasonality : std::uint8_t {
    none,
    additive,        ///< the season adds the same whatever the level
    multiplicative,  ///< the season is a factor; observations >= 0
};

struct holt_winters_options {
    double        alpha = .3;                 ///< of the level; in [0, 1]
    double        beta = .1;                  ///< of the trend; in [0, 1]
    double        gamma = .1;                 ///< of the season; in [0, 1]
    bool          trend = true;               ///< false: the level alone, beta is ignored
    seasonality   season = seasonality::none;
    std::uint32_t season_length = 0;          ///< in steps; >= 2 with a season, 0 without
};

/// Starting values; the next observation is the first one smoothed.
struct holt_winters_start {
    double                  level = 0;
    double                  trend = 0;
    std::span<double const> season{};  ///< season_length values, the first one for the next observation
};

class holt_winters {
public:
    /// Finds its starting values in the first observations.
    explicit holt_winters(holt_winters_options o) : o_(checked(o)) {
        season_.resize(o.season_length);
        first_.resize(o.season == seasonality::none ? 2 : 2 * std::size_t{o.season_length});
        missed_.resize(first_.size());
    }

    /// Starts from these.
    holt_winters(holt_winters_options o, holt_winters_start const& s)
        : o_(checked(o)), season_(s.season.begin(), s.season.end()), level_(s.level), trend_(o.trend ? s.trend : 0),
          ready_(true) {
        detail::require_number(detail::is_finite(s.level), "holt_winters: level (finite)", s.level);
        detail::require_number(detail::is_finite(s.trend), "holt_winters: trend (finite)", s.trend);
        detail::require_number(s.season.size() == o.season_length, "holt_winters: values of the season (season_length)",
                               static_cast<double>(s.season.size()));
        for (double const value : s.season)
            detail::require_number(detail::is_finite(value) && (value >= 0 || o.season == seasonality::additive),
                                   "holt_winters: season (finite; multiplicative >= 0)", value);
    }

    /// The next observation, or that it was missed.
    void update(std::optional<double> y) noexcept {
        if (!y || !(std::abs(*y) < too_large) || (o_.season == seasonality::multiplicative && *y < 0)) skip(1);
        else if (ready_) smooth(*y);
        else keep(*y);
    }

    /// n observations were missed: the level follows the trend, the season goes on.
    void skip(std::uint64_t n) noexcept {
        if (ready_) {
            double const ahead = level_ + static_cast<double>(n) * trend_;
            if (detail::is_finite(ahead)) level_ = ahead;
            if (!season_.empty()) next_ = static_cast<std::size_t>((next_ + n % season_.size()) % season_.size());
            return;
        }
        if (n >= first_.size() || seen_ == 0) seen_ = 0;  // nothing to learn from what is so long ago
        else
            for (; n > 0 && !ready_; --n) keep(std::numeric_limits<double>::quiet_NaN());
        if (n > 0 && ready_) skip(n);
    }

    /// What the h-th observation from now will be, h >= 1. Empty before there are starting values, and for h = 0.
    [[nodiscard]] std::optional<double> forecast(std::uint64_t h = 1) const noexcept {
        if (!ready_ || h == 0) return std::nullopt;
        double const base = level_ + static_cast<double>(h) * trend_;
        double const y = with_season(base, season_.empty() ? 0 : static_cast<std::size_t>((h - 1) % season_.size()));
        if (!detail::is_finite(y)) return std::nullopt;
        return y;
    }

    /// There are starting values, given or found.
    [[nodiscard]] bool ready() const noexcept { return ready_; }
    [[nodiscard]] double level() const noexcept { return level_; }
    [[nodiscard]] double trend() const noexcept { return trend_; }
    /// The season's part in the (i + 1)-th observation from now, i < season_length; 0 without a season.
    [[nodiscard]] double season(std::size_t i) const noexcept {
        return season_.empty() ? 0 : season_[(next_ + i) % season_.size()];
    }
    /// Sum of the squares of the forecasts' errors, one step ahead, and how many there were.
    [[nodiscard]] double squared_errors() const noexcept { return squared_errors_; }
    [[nodiscard]] std::uint64_t forecasts() const noexcept { return forecasts_; }
    [[nodiscard]] holt_winters_options const& options() const noexcept { return o_; }

private:
    static holt_winters_options const& checked(holt_winters_options const& o) {
        detail::require_number(o.alpha >= 0 && o.alpha <= 1, "holt_winters: alpha (in [0, 1])", o.alpha);
        detail::require_number(o.beta >= 0 && o.beta <= 1, "holt_winters: beta (in [0, 1])", o.beta);
        detail::require_number(o.gamma >= 0 && o.gamma <= 1, "holt_winters: gamma (in [0, 1])", o.gamma);
        if (o.season == seasonality::none)
            detail::require_number(o.season_length == 0, "holt_winters: season_length (0 without a season)",
                                   o.season_length);
        else
            detail::require_number(o.season_length >= 2, "holt_winters: season_length (>= 2)", o.season_length);
        return o;
    }

    [[nodiscard]] double with_season(double base, std::size_t i) const noexcept {
        if (o_.season == seasonality::none) return base;
        return o_.season == seasonality::additive ? base + season(i) : base * season(i);
    }

    void smooth(double y) noexcept {
        double const ahead = level_ + trend_;
        double const error = y - with_season(ahead, 0);
        double const sum = squared_errors_ + error * error;
        double const old = season_.empty() ? 0 : season_[next_];
        double level = 0;
        double fresh = old;
        if (o_.season == seasonality::multiplicative) {
            // A factor of next to nothing says nothing about the level, nor does a level of nothing about the factor.
            level = old > negligible ? o_.alpha * (y / old) + (1 - o_.alpha) * ahead : ahead;
            if (level > negligible) fresh = o_.gamma * (y / level) + (1 - o_.gamma) * old;
        } else {
            level = o_.alpha * (y - old) + (1 - o_.alpha) * ahead;
            if (!season_.empty()) fresh = o_.gamma * (y - level) + (1 - o_.gamma) * old;
        }
        double const trend = o_.trend ? o_.beta * (level - level_) + (1 - o_.beta) * trend_ : 0;
        if (!detail::is_finite(sum) || !detail::is_finite(level) || !detail::is_finite(trend) || !detail::is_finite(fresh)) {
            skip(1);
            return;
        }
        squared_errors_ = sum;
        ++forecasts_;
        level_ = level;
        trend_ = trend;
        if (!season_.empty()) {
            season_[next_] = fresh;
            next_ = next_ + 1 == season_.size() ? 0 : next_ + 1;
        }
    }

    // The rest finds starting values.

    void keep(double y) noexcept {
        first_[seen_++] = y;
        if (o_.season == seasonality::none) {
            if (o_.trend && seen_ < 2) return;
            if (o_.trend && !(first_[1] == first_[1])) return start_without_season(first_[0], 0, 1);
            start_without_season(y, o_.trend ? first_[1] - first_[0] : 0, 0);
        } else if (seen_ == first_.size()) {
            start_with_season();
        }
    }

    void start_without_season(double level, double trend, std::uint64_t missed) noexcept {
        ready_ = true;
        level_ = level;
        trend_ = trend;
        if (missed > 0) skip(missed);
    }

    /// Puts what the other season has, or a line between the neighbours, where an observation was missed. The first one
    /// was not: skip() sees to it.
    void fill_gaps() noexcept {
        std::size_t const f = season_.size();
        for (std::size_t i = 0; i < 2 * f; ++i) missed_[i] = !(first_[i] == first_[i]);
        for (std::size_t i = 0; i < 2 * f; ++i)
            if (std::size_t const other = i < f ? i + f : i - f; missed_[i] && !missed_[other]) first_[i] = first_[other];
        for (std::size_t i = 1; i < 2 * f; ++i) {
            if (first_[i] == first_[i]) continue;
            std::size_t end = i;
            while (end < 2 * f && !(first_[end] == first_[end])) ++end;
            double const from = first_[i - 1];
            double const to = end < 2 * f ? first_[end] : from;
            auto const steps = static_cast<double>(end - i + 1);
            for (std::size_t k = i; k < end; ++k)
                first_[k] = from + (to - from) * (static_cast<double>(k - i + 1) / steps);
        }
    }

    void start_with_season() noexcept {
        fill_gaps();
        std::size_t const f = season_.size();
        bool const factor = o_.season == seasonality::multiplicative;
        std::size_t const half = f / 2;
        std::size_t const count = 2 * f - 2 * half;
        double const middle = (static_cast<double>(count) + 1) / 2;
        double mean = 0, slope = 0, square = 0;
        double window = 0;  // of one season, from half a season before
        for (std::size_t i = 0; i < f; ++i) window += first_[i];
        std::fill(season_.begin(), season_.end(), 0.0);
        for (std::size_t k = 0; k < count; ++k) {
            // Centred mean over a season; with an even length the two ends count half.
            double const ends = f % 2 == 0 ? (first_[k + f] - first_[k]) / 2 : 0;
            double const at = (window + ends) / static_cast<double>(f);
            if (k + 1 < count) window += first_[k + f] - first_[k];
            double const x = static_cast<double>(k + 1) - middle;
            mean += at / static_cast<double>(count);
            slope += x * at;
            square += x * x;
            // An odd length has one phase twice: the mean of both.
            bool const twice = count > f && (k == 0 || k == f);
            double const y = first_[half + k];
            double part = y - at;
            if (factor) part = at > negligible ? y / at : 1;
            season_[(half + k) % f] += twice ? part / 2 : part;
        }
        slope /= square;
        double centre = 0;
        for (double const s : season_) centre += s / static_cast<double>(f);
        for (double& s : season_) {
            if (!factor) s -= centre;
            else s = centre > negligible ? s / centre : 1;
        }
        level_ = mean - slope * middle;
        trend_ = o_.trend ? slope : 0;
        next_ = 0;
        ready_ = true;
        for (std::size_t i = f; i < 2 * f; ++i) update(missed_[i] ? std::optional<double>() : first_[i]);
    }

    static constexpr double negligible = 1e-12;
    static constexpr double too_large = 0x1p500;  // leaves room for squares and quotients

    holt_winters_options o_;
    std::vector<double>  season_;
    std::vector<double>  first_;   // observations before there are starting values; NaN: missed
    std::vector<bool>    missed_;  // of them
    std::size_t          seen_ = 0;
    std::size_t          next_ = 0;  // in season_: of the next observation
    double               level_ = 0;
    double               trend_ = 0;
    double               squared_errors_ = 0;
    std::uint64_t        forecasts_ = 0;
    bool                 ready_ = false;
};

}  // namespace sluice
