// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// count_min — how often was this seen, for any number of things, in fixed memory; never too low.
///
/// Use it for     the frequency of keys of which there are too many to keep; a second opinion beside space_saving
/// Not for        finding the frequent keys (space_saving knows their names)
/// Thread-safety  one writer, or any number of readers. One sketch for each thread and merge() in the end
/// Complexity     add, estimate: `depth` cache lines. decay, merge, clear: one pass. Memory: 4 · width · depth bytes
/// Errors         constructor: std::invalid_argument names the option; merge with other options or seeds likewise
/// Units          counts; a counter stays at 2^32 - 1 when it gets there, and then says "at least"
/// Source         Cormode, Muthukrishnan, J. Algorithms 55, 2005, doi:10.1016/j.jalgor.2003.12.001; conservative update:
///                Estan, Varghese, SIGCOMM 2002; one hash for all rows: Kirsch, Mitzenmacher, ESA 2006
///
/// With a share ε = e / width and δ = e^-depth: an estimate is too high by more than ε · total() with a probability below δ.
/// Conservative update raises only the counters that have to rise: the same bounds, and in practice a fraction of the error. A
/// sketch that was merged is like one without conservative update.
///
/// Keys come as 64 bits that are spread already (a hasher's result).

#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/mix64.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

namespace sluice {

struct count_min_options {
    std::size_t   width = 4096;         ///< counters in a row: a power of two, 2 to 2^30
    std::size_t   depth = 4;            ///< rows: 1 to 16
    bool          conservative = true;
    std::uint64_t seed = 0;             ///< a secret one keeps those who choose keys from making them meet
};

/// The smallest sketch whose estimates are too high by more than epsilon · total with a probability below delta.
[[nodiscard]] inline count_min_options count_min_for(double epsilon, double delta) {
    detail::require_option(epsilon > 0 && epsilon < 1, "count_min_for: epsilon (in (0, 1))", epsilon);
    detail::require_option(delta > 0 && delta < 1, "count_min_for: delta (in (0, 1))", delta);
    double const width = std::ceil(2.718281828459045 / epsilon);
    double const depth = std::ceil(-std::log(delta));
    detail::require_option(width <= 0x1p30, "count_min_for: epsilon (at most 2^30 counters in a row)", epsilon);
    detail::require_option(depth <= 16, "count_min_for: delta (at most 16 rows)", delta);
    return {.width = std::bit_ceil(static_cast<std::size_t>(width)), .depth = static_cast<std::size_t>(std::max(depth, 1.0))};
}

class count_min {
public:
    explicit count_min(count_min_options o = {}) : o_(o) {
        detail::require_option(o.width >= 2 && o.width <= std::size_t{1} << 30 && std::has_single_bit(o.width),
                               "count_min: width (a power of two, 2 to 2^30)", o.width);
        detail::require_option(o.depth >= 1 && o.depth <= 16, "count_min: depth (1 to 16)", o.depth);
        if (o.width > std::numeric_limits<std::size_t>::max() / sizeof(std::uint32_t) / o.depth)
            detail::throw_invalid("count_min: width (width * depth counters must fit memory)", o.width);
        shift_ = 64 - static_cast<unsigned>(std::countr_zero(o.width));
        counts_.resize(o.width * o.depth);
    }

    /// Counts n more. Returns the new estimate.
    std::uint32_t add(std::uint64_t hash, std::uint32_t n = 1) noexcept {
        total_ = total_ > UINT64_MAX - n ? UINT64_MAX : total_ + n;
        places const at(*this, hash);
        std::uint32_t least = most;
        if (!o_.conservative) {
            for (std::size_t row = 0; row < o_.depth; ++row) {
                auto& count = counts_[at(row)];
                count = sum(count, n);
                least = std::min(least, count);
            }
            return least;
        }
        for (std::size_t row = 0; row < o_.depth; ++row) least = std::min(least, counts_[at(row)]);
        std::uint32_t const now = sum(least, n);
        for (std::size_t row = 0; row < o_.depth; ++row) counts_[at(row)] = std::max(counts_[at(row)], now);
        return now;
    }

    /// Never less than what was added (as long as that is below 2^32 - 1).
    [[nodiscard]] std::uint32_t estimate(std::uint64_t hash) const noexcept {
        places const at(*this, hash);
        std::uint32_t least = most;
        for (std::size_t row = 0; row < o_.depth; ++row) least = std::min(least, counts_[at(row)]);
        return least;
    }

    /// Everything that was added, decayed alike.
    [[nodiscard]] std::uint64_t total() const noexcept { return total_; }

    /// Halves every count, odd ones downward: k decays ago weighs 2^-k. An estimate may then be one below half of what it was.
    void decay() noexcept {
        for (auto& count : counts_) count /= 2;
        total_ /= 2;
    }

    /// Adds what another sketch with the same options has counted.
    void merge(count_min const& other) {
        if (other.o_.width != o_.width || other.o_.depth != o_.depth || other.o_.seed != o_.seed)
            throw std::invalid_argument("sluice: count_min: merge needs the same width, depth and seed");
        for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] = sum(counts_[i], other.counts_[i]);
        total_ = total_ > UINT64_MAX - other.total_ ? UINT64_MAX : total_ + other.total_;
    }

    void clear() noexcept {
        std::fill(counts_.begin(), counts_.end(), 0u);
        total_ = 0;
    }

    [[nodiscard]] count_min_options const& options() const noexcept { return o_; }

private:
    static constexpr std::uint32_t most = std::numeric_limits<std::uint32_t>::max();

    [[nodiscard]] static constexpr std::uint32_t sum(std::uint32_t a, std::uint32_t n) noexcept { return a > most - n ? most : a + n; }

    /// Where a key is counted: the top bits of a + row · b.
    struct places {
        places(count_min const& s, std::uint64_t hash) noexcept
            : a(mix64(hash ^ s.o_.seed)), b(std::rotl(a, 32) | 1), width(s.o_.width), shift(s.shift_) {}
        [[nodiscard]] std::size_t operator()(std::size_t row) const noexcept {
            return row * width + static_cast<std::size_t>((a + row * b) >> shift);
        }
        std::uint64_t a, b;
        std::size_t   width;
        unsigned      shift;
    };

    count_min_options          o_;
    unsigned                   shift_ = 0;
    std::uint64_t              total_ = 0;
    std::vector<std::uint32_t> counts_;
};

}  // namespace sluice
