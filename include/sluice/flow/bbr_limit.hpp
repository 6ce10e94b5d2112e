// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// bbr_limit — a limit that acts only while the machine is overloaded: best throughput times least latency of ten seconds.
///
/// Use it for     protecting a server that can say how busy its processor is
/// Not for        finding a knee: what it allows under overload is what has been reached before
/// Thread-safety  one thread at a time; concurrency_limiter sees to it. options.load is called by whoever ends a window
/// Complexity     O(buckets) for each window
/// Errors         std::invalid_argument from the constructor, names the option. options.load must not throw
/// Units          limit in requests; load from 0 (idle) to 1
/// Source         go-kratos aegis, BBR rate limiter; Cardwell et al., 2016, doi:10.1145/3012426.3022184, for the product
/// Differs        the smoothing of load is by time, not by a timer: load_smoothing per 500 ms
///
/// Overloaded: the smoothed load is above load_threshold, or the last drop is less than drop_memory ago. Then limit() is the
/// estimate, otherwise max_limit. The bucket that is being filled does not count. Time does not go back: after a clock was
/// set back, what happens is booked on the latest time there was, until the clock has come there again.

#include <sluice/core/detail/floor_divide.hpp>
#include <sluice/flow/detail/baseline.hpp>
#include <sluice/flow/detail/limit_options.hpp>
#include <sluice/flow/limit_window.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace sluice {

struct bbr_limit_options {
    std::uint32_t min_limit = 1;
    std::uint32_t max_limit = 10'000;
    duration      bucket = std::chrono::milliseconds(100);   ///< 100 buckets are kept; > 0
    double        load_threshold = 0.8;                      ///< in (0, 1]
    double        load_smoothing = 0.95;                     ///< what is left of an old load after 500 ms; in [0, 1)
    duration      drop_memory = std::chrono::seconds(1);     ///< >= 0
    double (*load)() noexcept = nullptr;                     ///< how busy the machine is; null: only drops say so
};

class bbr_limit {
public:
    static constexpr std::uint32_t window_samples = 10;

    explicit bbr_limit(bbr_limit_options o = {}) : o_(o), limit_(o.max_limit) {
        detail::require_limits("bbr_limit", o.max_limit, o.min_limit, o.max_limit);
        detail::require_option(o.bucket.count() > 0, "bbr_limit: bucket (> 0 ns)", o.bucket.count());
        detail::require_ratio("bbr_limit", "load_threshold", o.load_threshold, 0, 1);
        detail::require_option(o.load_smoothing >= 0 && o.load_smoothing < 1, "bbr_limit: load_smoothing (in [0, 1))",
                               o.load_smoothing);
        detail::require_option(o.drop_memory.count() >= 0, "bbr_limit: drop_memory (>= 0 ns)", o.drop_memory.count());
    }

    double update(window_summary const& s) noexcept {
        if (s.samples + s.drops == 0) return limit_;
        now_ = started_ ? std::max(now_, s.end) : s.end;
        std::int64_t const tick = tick_of(now_);
        bucket&            current = buckets_[place(tick)];
        if (!started_ || current.tick != tick) current = {.tick = tick};
        current.passed += s.samples;
        current.latency += static_cast<double>(s.rtt_mean.count()) * static_cast<double>(s.samples);
        if (s.drops > 0) last_drop_ = now_, dropped_ = true;
        if (o_.load != nullptr) {
            double const elapsed = started_ ? static_cast<double>(saturating_sub(now_, asked_).count()) / 5e8 : 0;
            double const old = std::pow(o_.load_smoothing, elapsed);
            double const sample = o_.load();  // not atomic
            if (sample >= 0) load_ = load_ * old + std::min(sample, 1.0) * (1 - old);
            asked_ = now_;
        }
        started_ = true;
        bool const overloaded =
            load_ > o_.load_threshold || (dropped_ && saturating_sub(now_, last_drop_) < o_.drop_memory);
        double const product = estimate(tick);
        limit_ = overloaded && product > 0 ? detail::clamp_limit(product, o_.min_limit, o_.max_limit) : o_.max_limit;
        return limit_;
    }
    [[nodiscard]] double limit() const noexcept { return limit_; }
    [[nodiscard]] double smoothed_load() const noexcept { return load_; }
    /// Best throughput times least latency of the buckets before the present one, rounded; 0 before there is one.
    [[nodiscard]] double estimate() const noexcept {
        return started_ ? estimate(tick_of(now_)) : 0;
    }

private:
    struct bucket {
        std::int64_t  tick = std::numeric_limits<std::int64_t>::min();
        std::uint64_t passed = 0;
        double        latency = 0;
    };
    [[nodiscard]] std::int64_t tick_of(time_point now) const noexcept {
        return detail::floor_divide(now.time_since_epoch().count(), o_.bucket.count());
    }
    [[nodiscard]] static std::size_t place(std::int64_t tick) noexcept {
        return static_cast<std::size_t>(detail::floor_remainder(tick, kept));
    }
    [[nodiscard]] double estimate(std::int64_t tick) const noexcept {
        double passed = 0;
        double latency = 0;
        for (auto const& b : buckets_) {
            if (b.passed == 0 || b.tick >= tick) continue;
            if (static_cast<std::uint64_t>(tick) - static_cast<std::uint64_t>(b.tick) >= buckets_.size()) continue;
            passed = std::max(passed, static_cast<double>(b.passed));
            double const mean = b.latency / static_cast<double>(b.passed);
            latency = latency == 0 ? mean : std::min(latency, mean);
        }
        return std::floor(passed * latency / static_cast<double>(o_.bucket.count()) + 0.5);
    }

    static constexpr std::int64_t kept = 100;

    bbr_limit_options        o_;
    double                   limit_;
    double                   load_ = 0;
    time_point               now_{}, asked_{}, last_drop_{};
    bool                     started_ = false;
    bool                     dropped_ = false;
    std::array<bucket, kept> buckets_{};
};

}  // namespace sluice
