// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// hedge_delay — how long to wait before a second attempt: a quantile of the latencies seen of late.
///
/// Use it for     one object per service, told of every latency, asked by every hedge
/// Not for        latencies of attempts that were stopped: they say how long you waited, not how long it takes
/// Thread-safety  any thread
/// Progress       delay: wait-free. record: wait-free but for one in `half_life`, which is lock-free
/// Complexity     delay: one load. record: two atomic additions; every `refresh` records one pass over a log_histogram
/// Errors         std::invalid_argument: quantile outside (0, 1) or NaN, negative times, min_samples, refresh or half_life 0
/// Units          nanoseconds; the answer is up to 3.2 % above the quantile of what is still counted, never below it: no
///                hedge too many
/// Source         Dean, Barroso, The Tail at Scale, CACM 2013, doi:10.1145/2408776.2408794 (p95: at most 5 % more load)

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/stats/log_histogram.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace sluice {

struct hedge_delay_options {
    double        quantile = 0.95;      ///< of the latencies; in (0, 1)
    duration      min_delay = std::chrono::milliseconds(1);  ///< never less; >= 0
    duration      initial = std::chrono::seconds(1);  ///< until min_samples are there; >= 0
    std::uint32_t min_samples = 100;    ///< > 0
    std::uint32_t refresh = 64;         ///< records between two looks at the histogram; > 0
    std::uint32_t half_life = 10'000;   ///< records after which the older ones weigh half; > 0
};

// Ordering
//   (A) value    relaxed: one word, computed from statistics; nothing goes with it

class hedge_delay {
public:
    explicit hedge_delay(hedge_delay_options options = {}) : options_(options) {
        detail::require_option(options.quantile > 0 && options.quantile < 1, "hedge_delay: quantile (in (0, 1))",
                               options.quantile);
        detail::require_option(options.min_delay.count() >= 0, "hedge_delay: min_delay (>= 0 ns)",
                               options.min_delay.count());
        detail::require_option(options.initial.count() >= 0, "hedge_delay: initial (>= 0 ns)", options.initial.count());
        detail::require_option(options.min_samples > 0, "hedge_delay: min_samples (> 0)", options.min_samples);
        detail::require_option(options.refresh > 0, "hedge_delay: refresh (> 0)", options.refresh);
        detail::require_option(options.half_life > 0, "hedge_delay: half_life (> 0)", options.half_life);
        delay_.store(std::max(options.initial, options.min_delay).count(), std::memory_order_relaxed);  // (A)
    }
    hedge_delay(hedge_delay const&) = delete;
    hedge_delay& operator=(hedge_delay const&) = delete;

    /// A latency of an attempt that ran to its end; a negative one counts as 0.
    void record(duration latency) noexcept {
        latencies_.record(latency.count() > 0 ? static_cast<std::uint64_t>(latency.count()) : 0);
        auto const n = records_.fetch_add(1, std::memory_order_relaxed) + 1;                // (A)
        if (n % options_.half_life == 0) latencies_.decay();
        if (n == options_.min_samples || (n > options_.min_samples && n % options_.refresh == 0)) {
            auto const value = std::min(latencies_.quantile(options_.quantile), static_cast<std::uint64_t>(INT64_MAX));
            delay_.store(std::max(static_cast<std::int64_t>(value), options_.min_delay.count()),
                         std::memory_order_relaxed);                                        // (A)
        }
    }

    [[nodiscard]] duration delay() const noexcept {
        return duration(delay_.load(std::memory_order_relaxed));                            // (A)
    }
    [[nodiscard]] hedge_delay_options const& options() const noexcept { return options_; }

private:
    hedge_delay_options        options_;
    log_histogram<>            latencies_;
    std::atomic<std::uint64_t> records_{0};
    std::atomic<std::int64_t>  delay_{0};
};

}  // namespace sluice
