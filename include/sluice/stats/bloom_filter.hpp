// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// bloom_filter — was this seen before? "No" is certain, "yes" is wrong with a known probability.
///
/// Use it for     leaving out what is surely new, or surely absent, before something dear: a look-up, a message
/// Not for        counting (count_min, hyperloglog), removing
/// Thread-safety  one writer, or any number of readers. One filter for each thread and merge() in the end
/// Complexity     add, contains: `hashes` memory accesses. Memory: bits / 8
/// Errors         constructor: std::invalid_argument names the option, std::bad_alloc; merge with other options: std::invalid_argument
/// Units          bits
/// Source         Bloom, CACM 13, 1970, doi:10.1145/362686.362692; two hashes for all: Kirsch, Mitzenmacher, ESA 2006
///
/// After n different keys "yes" is wrong with probability (1 - e^(-hashes · n / bits))^hashes. Keys come as 64 bits that are
/// spread already (a hasher's result).

#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/mix64.hpp>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <vector>

namespace sluice {

struct bloom_filter_options {
    std::uint64_t bits = 1u << 16;  ///< 1 to 2^36; rounded up to a multiple of 64
    std::size_t   hashes = 4;       ///< 1 to 32
    std::uint64_t seed = 0;         ///< a secret one keeps those who choose keys from filling chosen bits
};

/// The smallest filter that is wrong with probability p once it has n different keys.
[[nodiscard]] inline bloom_filter_options bloom_filter_for(std::uint64_t n, double p) {
    detail::require_option(n > 0, "bloom_filter_for: n (at least 1)", n);
    detail::require_option(p > 0 && p < 1, "bloom_filter_for: p (in (0, 1))", p);
    constexpr double ln2 = 0.6931471805599453;
    double const     bits = std::ceil(static_cast<double>(n) * -std::log(p) / (ln2 * ln2));
    detail::require_option(bits <= 0x1p36, "bloom_filter_for: n (at most 2^36 bits)", n);
    double hashes = std::round(bits / static_cast<double>(n) * ln2);
    if (!(hashes >= 1)) hashes = 1;
    if (hashes > 32) hashes = 32;
    return {.bits = static_cast<std::uint64_t>(bits), .hashes = static_cast<std::size_t>(hashes)};
}

class bloom_filter {
public:
    explicit bloom_filter(bloom_filter_options o = {}) : o_(o) {
        detail::require_option(o.bits >= 1 && o.bits <= std::uint64_t{1} << 36, "bloom_filter: bits (1 to 2^36)", o.bits);
        detail::require_option(o.hashes >= 1 && o.hashes <= 32, "bloom_filter: hashes (1 to 32)", o.hashes);
        o_.bits = (o.bits + 63) / 64 * 64;
        if (o_.bits / 64 > words_.max_size()) throw std::bad_alloc();  // where memory has 32-bit addresses
        words_.resize(static_cast<std::size_t>(o_.bits / 64));
    }

    /// True if the key is surely new.
    bool add(std::uint64_t hash) noexcept {
        bool          fresh = false;
        std::uint64_t at = mix64(hash ^ o_.seed);
        for (std::uint64_t i = 0, step = std::rotl(at, 32) | 1; i < o_.hashes; ++i, at += step) {
            std::uint64_t const bit = place(at), mask = std::uint64_t{1} << (bit % 64);
            auto&               word = words_[static_cast<std::size_t>(bit / 64)];
            fresh = fresh || (word & mask) == 0;
            word |= mask;
        }
        return fresh;
    }

    /// False if the key was surely not added.
    [[nodiscard]] bool contains(std::uint64_t hash) const noexcept {
        std::uint64_t at = mix64(hash ^ o_.seed);
        for (std::uint64_t i = 0, step = std::rotl(at, 32) | 1; i < o_.hashes; ++i, at += step) {
            std::uint64_t const bit = place(at);
            if ((words_[static_cast<std::size_t>(bit / 64)] >> (bit % 64) & 1) == 0) return false;
        }
        return true;
    }

    /// How likely a "yes" for a key that was not added is now, from the bits that are set. O(bits / 64).
    [[nodiscard]] double false_positive_rate() const noexcept {
        std::uint64_t set = 0;
        for (auto const word : words_) set += static_cast<std::uint64_t>(std::popcount(word));
        return std::pow(static_cast<double>(set) / static_cast<double>(o_.bits), static_cast<double>(o_.hashes));
    }

    /// Adds all keys of another filter with the same options.
    void merge(bloom_filter const& other) {
        if (other.o_.bits != o_.bits || other.o_.hashes != o_.hashes || other.o_.seed != o_.seed)
            throw std::invalid_argument("sluice: bloom_filter: merge needs the same bits, hashes and seed");
        for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
    }

    void clear() noexcept {
        for (auto& word : words_) word = 0;
    }

    [[nodiscard]] bloom_filter_options const& options() const noexcept { return o_; }

private:
    [[nodiscard]] std::uint64_t place(std::uint64_t x) const noexcept { return detail::multiply_wide(x, o_.bits).high; }

    bloom_filter_options       o_;
    std::vector<std::uint64_t> words_;
};

}  // namespace sluice
