// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// bucketed_mean — the mean of what was recorded within a window that ends now, kept in buckets of equal length.
///
/// Use it for     calming a metric: the stable and the panic window of concurrency_tracking
/// Thread-safety  one thread at a time
/// Complexity     record: amortised O(1). mean: O(buckets). One allocation, in the constructor
/// Errors         constructor: std::invalid_argument names the option. Values that are not finite are not recorded; a time
///                before the window changes nothing; nothing recorded within the window: no mean
/// Units          a bucket counts once, with the mean of what is in it. Buckets begin at multiples of their length
/// Source         the TimedFloat64Buckets of Knative Serving: a partial window counts what it has, buckets after the last
///                record shorten it
/// Differs        a bucket without a record is left out; bucket_gaps::zero counts those between two records as 0, as there

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/floor_divide.hpp>
#include <sluice/scaling/detail/check.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace sluice {

enum class bucket_gaps : std::uint8_t { skip, zero };

struct bucketed_mean_options {
    duration    window = std::chrono::seconds(60);  ///< > 0
    duration    bucket = std::chrono::seconds(1);   ///< > 0; at most 100 000 of them in the window
    bucket_gaps gaps = bucket_gaps::skip;
};

class bucketed_mean {
public:
    explicit bucketed_mean(bucketed_mean_options o) : o_(o) {
        auto const ns = [](duration d) { return static_cast<double>(d.count()); };
        detail::require_number(o.window.count() > 0, "bucketed_mean: window (> 0 ns)", ns(o.window));
        detail::require_number(o.bucket.count() > 0, "bucketed_mean: bucket (> 0 ns)", ns(o.bucket));
        count_ = o.window.count() / o.bucket.count() + (o.window.count() % o.bucket.count() != 0 ? 1 : 0);
        detail::require_number(count_ <= 100'000, "bucketed_mean: buckets in the window (<= 100000)",
                               static_cast<double>(count_));
        buckets_.resize(static_cast<std::size_t>(count_));
    }

    void record(double value, time_point now) noexcept {
        if (!detail::is_finite(value)) return;
        auto const i = index(now);
        if (empty_ || i - last_ >= count_) {
            std::fill(buckets_.begin(), buckets_.end(), bucket{});
            first_ = last_ = i;
            empty_ = false;
        }
        if (i <= last_ - count_) return;
        for (; last_ < i; ++last_) at(last_ + 1) = {};
        first_ = std::min(first_, i);
        auto& b = at(i);
        b.records += 1;
        b.mean += (value - b.mean) / b.records;
    }

    [[nodiscard]] std::optional<double> mean(time_point now) const noexcept {
        if (empty_) return std::nullopt;
        auto const end = std::max(index(now), last_);
        auto const begin = std::max(first_, end - count_ + 1);
        double     sum = 0, records = 0;
        for (auto i = begin; i <= last_; ++i) {
            auto const& b = at(i);
            if (b.records == 0 && o_.gaps == bucket_gaps::skip) continue;
            records += 1;
            sum += b.mean;
        }
        if (records == 0) return std::nullopt;
        return sum / records;
    }

    [[nodiscard]] bucketed_mean_options const& options() const noexcept { return o_; }

private:
    struct bucket {
        double mean = 0;
        double records = 0;
    };

    /// Kept to where the difference of two fits.
    [[nodiscard]] std::int64_t index(time_point t) const noexcept {
        auto const whole = detail::floor_divide(t.time_since_epoch().count(), o_.bucket.count());
        return std::clamp(whole, -(std::int64_t{1} << 61), std::int64_t{1} << 61);
    }

    [[nodiscard]] bucket& at(std::int64_t i) noexcept { return buckets_[static_cast<std::size_t>(detail::floor_remainder(i, count_))]; }
    [[nodiscard]] bucket const& at(std::int64_t i) const noexcept {
        return buckets_[static_cast<std::size_t>(detail::floor_remainder(i, count_))];
    }

    bucketed_mean_options o_;
    std::int64_t          count_ = 1;
    std::vector<bucket>   buckets_;
    std::int64_t          first_ = 0;
    std::int64_t          last_ = 0;
    bool                  empty_ = true;
};

}  // namespace sluice
