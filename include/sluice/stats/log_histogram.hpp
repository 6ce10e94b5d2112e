// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// log_histogram — counts of whole numbers in buckets as wide as the numbers are large; quantiles with a known error.
///
/// Use it for     latencies in nanoseconds: any range, one addition for each, p99 of the recent past
/// Not for        exact quantiles, or negative numbers
/// Thread-safety  any thread. What is read while others record is a mixture of moments
/// Progress       record: wait-free. decay: lock-free. The rest: wait-free
/// Complexity     record: one atomic addition. quantile, count, decay: one pass over (65 - Bits) · 2^Bits counters (1920 for
///                Bits = 5, 15 kB); no allocation
/// Errors         none; noexcept
/// Units          whole numbers of anything. Numbers below 2^(Bits + 1) are exact; of larger ones quantile answers the
///                largest in the bucket, less than 2^-Bits (3.2 % for Bits = 5) above the recorded one, never below
/// Source         the bucket layout of HdrHistogram (G. Tene)

#include <sluice/core/detail/wide.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace sluice {

// Ordering
//   (A) count    relaxed: the counters are statistics of each other's numbers; nothing is handed over with them

template <unsigned Bits = 5, template <class> class Atom = std::atomic>
class log_histogram {
    static_assert(Bits >= 1 && Bits <= 12, "log_histogram: Bits is in [1, 12]");

public:
    static constexpr std::size_t buckets = std::size_t{65 - Bits} << Bits;

    log_histogram() = default;
    log_histogram(log_histogram const&) = delete;
    log_histogram& operator=(log_histogram const&) = delete;

    void record(std::uint64_t value) noexcept {
        counts_[index_of(value)].fetch_add(1, std::memory_order_relaxed);                   // (A)
    }

    [[nodiscard]] std::uint64_t count() const noexcept {
        std::uint64_t sum = 0;
        for (auto const& n : counts_) sum += n.load(std::memory_order_relaxed);             // (A)
        return sum;
    }

    /// The least bucket's largest number such that at least the share q of the recorded ones are not above it; 0 if none
    /// was recorded. q below 0 and NaN count as 0, above 1 as 1; nine decimals are kept.
    [[nodiscard]] std::uint64_t quantile(double q) const noexcept {
        auto const billionths = q > 0 ? (q < 1 ? static_cast<std::uint64_t>(q * 1e9 + 0.5) : 1'000'000'000) : 0;
        auto       rank = detail::multiply_divide(count(), billionths, 1'000'000'000, detail::round_to::ceiling);
        if (rank == 0) rank = 1;
        std::size_t last = buckets;
        for (std::size_t i = 0; i < buckets; ++i) {
            auto const n = counts_[i].load(std::memory_order_relaxed);                      // (A)
            if (n == 0) continue;
            last = i;
            if (n >= rank) break;
            rank -= n;
        }
        return last == buckets ? 0 : highest(last);
    }

    /// Halves every count, odd ones downward: what was recorded k decays ago weighs 2^-k. Nothing recorded at the same time
    /// is lost, and two decays at once are two decays.
    void decay() noexcept {
        for (auto& count : counts_) {
            auto n = count.load(std::memory_order_relaxed);                                 // (A)
            while (n != 0 && !count.compare_exchange_weak(n, n / 2, std::memory_order_relaxed,  // (A)
                                                          std::memory_order_relaxed)) {     // (A)
            }
        }
    }

    /// Which bucket a number goes to, and the range of a bucket.
    [[nodiscard]] static constexpr std::size_t index_of(std::uint64_t value) noexcept {
        auto const width = static_cast<unsigned>(std::bit_width(value));
        auto const shift = width > Bits + 1 ? width - (Bits + 1) : 0;
        return (std::size_t{shift} << Bits) + static_cast<std::size_t>(value >> shift);
    }
    [[nodiscard]] static constexpr std::uint64_t lowest(std::size_t index) noexcept {
        auto const shift = shift_of(index);
        return (std::uint64_t{index} - (std::uint64_t{shift} << Bits)) << shift;
    }
    [[nodiscard]] static constexpr std::uint64_t highest(std::size_t index) noexcept {
        return lowest(index) + ((std::uint64_t{1} << shift_of(index)) - 1);
    }

private:
    [[nodiscard]] static constexpr unsigned shift_of(std::size_t index) noexcept {
        auto const row = static_cast<unsigned>(index >> Bits);
        return row < 2 ? 0 : row - 1;
    }

    std::array<Atom<std::uint64_t>, buckets> counts_{};
};

}  // namespace sluice
