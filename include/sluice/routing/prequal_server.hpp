// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// prequal_server — what a node answers when it is probed: its requests in flight, and how long they take at such a number.
///
/// Use it for     the node's side of prequal: start() and finish() around each request, load() for each probe
/// Not for        quantiles over a long time (log_histogram)
/// Thread-safety  one thread at a time
/// Complexity     start, finish: O(1). load: O(samples), at worst one pass over 512 samples. 8 KiB, no allocation
/// Errors         constructor: std::invalid_argument names the option; the rest is noexcept. A request that ends before it began
///                (a step backward of the clock) is no sample
/// Units          requests; durations
/// Source         Wydrowski, Kleinberg, Rumble, Archer: Load is not what you should balance, NSDI 2024
///
/// A request's latency belongs to the number of others that it found on arrival. The estimate is the (lower) median of the
/// newest `samples` latencies no older than sample_age that belong to the present number, or to the nearest numbers when those
/// are too few; empty if there is none at all. Numbers up to 7 are kept apart, larger ones in steps of about a quarter.
/// A request that failed says nothing about how long work takes: end it with abandon().

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace sluice {

struct prequal_server_options {
    std::uint32_t samples = 9;                            ///< that the median is of; in [1, 32]
    duration      sample_age = std::chrono::seconds(10);  ///< oldest sample that is used; > 0
};

struct prequal_load {
    std::uint32_t           rif = 0;
    std::optional<duration> latency{};

    friend constexpr bool operator==(prequal_load const&, prequal_load const&) noexcept = default;
};

class prequal_server {
public:
    /// A request on its way; end each one once.
    struct ticket {
        time_point    start{};
        std::uint32_t rif = 0;  ///< others in flight when it came
    };

    explicit prequal_server(prequal_server_options o = {}) : o_(o) {
        detail::require_option(o.samples >= 1 && o.samples <= most, "prequal_server: samples (in [1, 32])", o.samples);
        detail::require_option(o.sample_age.count() > 0, "prequal_server: sample_age (> 0 ns)", o.sample_age.count());
    }

    [[nodiscard]] ticket start(time_point now) noexcept { return {now, rif_++}; }

    void finish(ticket t, time_point now) noexcept {
        abandon(t);
        if (now < t.start) return;
        auto& b = buckets_[bucket_of(t.rif)];
        b.samples[b.next] = {now, saturating_sub(now, t.start)};
        b.next = (b.next + 1) % per_bucket;
        b.count = std::min(b.count + 1, per_bucket);
    }

    /// It failed or was cancelled.
    void abandon(ticket) noexcept {
        SLUICE_ASSERT(rif_ > 0);
        --rif_;
    }

    [[nodiscard]] prequal_load load(time_point now) const noexcept {
        std::array<duration, most> found;
        std::size_t                n = 0;
        std::size_t const          middle = bucket_of(rif_);
        for (std::size_t away = 0; away < buckets && n < o_.samples; ++away) {
            if (away <= middle) gather(buckets_[middle - away], now, found, n);
            if (away > 0 && middle + away < buckets) gather(buckets_[middle + away], now, found, n);
        }
        if (n == 0) return {rif_, {}};
        auto const median = found.begin() + static_cast<std::ptrdiff_t>((n - 1) / 2);
        std::nth_element(found.begin(), median, found.begin() + static_cast<std::ptrdiff_t>(n));
        return {rif_, *median};
    }

    [[nodiscard]] std::uint32_t rif() const noexcept { return rif_; }

private:
    static constexpr std::uint32_t most = 32;
    static constexpr std::uint32_t per_bucket = 8;
    static constexpr std::size_t   buckets = 64;

    struct sample {
        time_point at;
        duration   latency;
    };
    struct bucket {
        std::array<sample, per_bucket> samples{};
        std::uint32_t                  next = 0;
        std::uint32_t                  count = 0;
    };

    [[nodiscard]] static std::size_t bucket_of(std::uint32_t rif) noexcept {
        if (rif < 8) return rif;
        auto const width = static_cast<unsigned>(std::bit_width(rif));  // >= 4
        return std::min<std::size_t>(8 + (width - 4) * 4 + ((rif >> (width - 3)) & 3), buckets - 1);
    }

    void gather(bucket const& b, time_point now, std::array<duration, most>& found, std::size_t& n) const noexcept {
        for (std::uint32_t k = 1; k <= b.count && n < o_.samples; ++k) {
            auto const& s = b.samples[(b.next + per_bucket - k) % per_bucket];
            if (saturating_sub(now, s.at) <= o_.sample_age) found[n++] = s.latency;
        }
    }

    prequal_server_options      o_;
    std::uint32_t               rif_ = 0;
    std::array<bucket, buckets> buckets_{};
};

}  // namespace sluice
