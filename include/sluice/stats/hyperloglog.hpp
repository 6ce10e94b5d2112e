// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// hyperloglog — how many different things were there, in a few kilobytes.
///
/// Use it for     distinct counts of any size; counts of parts can be merged
/// Not for        exact counts; asking for a single key (bloom_filter)
/// Thread-safety  one writer, or any number of readers. One sketch for each thread and merge() in the end
/// Complexity     add: O(1); estimate: one pass. Memory: 2^precision bytes
/// Errors         constructor: std::invalid_argument names the option; merge with another precision or seed likewise
/// Units          different keys; the standard error is 1.04 / sqrt(2^precision): 0.8 % for precision 14. From a few times
///                2^precision keys on, the estimate is too large by 1.08 / 2^precision on average, which matters where
///                there are few registers: 7 % for precision 4, 3 % for 5, 0.4 % for 8, nothing one sees for 14
/// Source         Flajolet et al., AofA 2007; the estimator, which needs no corrections for small or large counts: Ertl, 2017,
///                arXiv:1702.01284, algorithm 6
///
/// Keys come as 64 bits that are spread already (a hasher's result).

#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/mix64.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

namespace sluice {

struct hyperloglog_options {
    unsigned      precision = 14;  ///< 2^precision registers: 4 to 18
    std::uint64_t seed = 0;        ///< a secret one keeps those who choose keys from choosing the estimate
};

class hyperloglog {
public:
    explicit hyperloglog(hyperloglog_options o = {}) : o_(o) {
        detail::require_option(o.precision >= 4 && o.precision <= 18, "hyperloglog: precision (4 to 18)", o.precision);
        registers_.resize(std::size_t{1} << o.precision);
    }

    void add(std::uint64_t hash) noexcept {
        std::uint64_t const x = mix64(hash ^ o_.seed);
        auto&               longest = registers_[static_cast<std::size_t>(x >> (64 - o_.precision))];
        std::uint64_t const rest = x << o_.precision | std::uint64_t{1} << (o_.precision - 1);  // a last one to stop at
        longest = std::max(longest, static_cast<std::uint8_t>(std::countl_zero(rest) + 1));
    }

    [[nodiscard]] double estimate() const noexcept {
        unsigned const               q = 64 - o_.precision;
        std::array<std::uint32_t, 64> counts{};
        for (auto const r : registers_) ++counts[r];
        double const m = static_cast<double>(registers_.size());
        double       z = m * tau(1 - static_cast<double>(counts[q + 1]) / m);
        for (unsigned k = q; k >= 1; --k) z = 0.5 * (z + static_cast<double>(counts[k]));
        z += m * sigma(static_cast<double>(counts[0]) / m);
        return m * m / (2 * 0.6931471805599453 * z);
    }

    /// The error of an estimate, as a share of it: one standard deviation.
    [[nodiscard]] double standard_error() const noexcept { return 1.04 / std::sqrt(static_cast<double>(registers_.size())); }

    /// Adds all keys of another sketch: exactly as if they had been added here.
    void merge(hyperloglog const& other) {
        if (other.o_.precision != o_.precision || other.o_.seed != o_.seed)
            throw std::invalid_argument("sluice: hyperloglog: merge needs the same precision and seed");
        for (std::size_t i = 0; i < registers_.size(); ++i) registers_[i] = std::max(registers_[i], other.registers_[i]);
    }

    void clear() noexcept { std::fill(registers_.begin(), registers_.end(), std::uint8_t{0}); }

    [[nodiscard]] hyperloglog_options const& options() const noexcept { return o_; }
    friend bool operator==(hyperloglog const& a, hyperloglog const& b) noexcept { return a.registers_ == b.registers_; }

private:
    /// x + sum of x^(2^k) 2^(k-1): what the registers that are 0 stand for. Infinite if all are.
    static double sigma(double x) noexcept {
        if (x == 1) return std::numeric_limits<double>::infinity();
        double y = 1, z = x;
        for (double before = -1; z != before;) {
            x *= x;
            before = z;
            z += x * y;
            y += y;
        }
        return z;
    }
    /// (1 - x - sum of (1 - x^(2^-k))² 2^-k) / 3: what the registers that are full stand for.
    static double tau(double x) noexcept {
        if (x == 0 || x == 1) return 0;
        double y = 1, z = 1 - x;
        for (double before = -1; z != before;) {
            x = std::sqrt(x);
            before = z;
            y *= 0.5;
            z -= (1 - x) * (1 - x) * y;
        }
        return z / 3;
    }

    hyperloglog_options       o_;
    std::vector<std::uint8_t> registers_;
};

}  // namespace sluice
