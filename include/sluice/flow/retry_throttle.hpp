// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// retry_throttle — no retries while too many of the last calls failed.
///
/// Use it for     one object per server: each failure takes a token, each success brings back a part of one, and retries
///                go only while more than half of the tokens are there
/// Not for        a bound on the number of retries: while all is well they are free (retry_budget)
/// Thread-safety  any thread
/// Progress       lock-free: a step is repeated only after somebody else's success
/// Complexity     one compare-exchange; none where the tokens are at their limit. try_withdraw: one load
/// Errors         std::invalid_argument: max_tokens outside (0, 1000], token_ratio outside (0, 1000], NaN; calls: none
/// Units          thousandths of a token
/// Source         gRPC A6, retryThrottling

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace sluice {

struct retry_throttle_options {
    double max_tokens = 10;    ///< also the number at the beginning; in (0, 1000], three decimals are kept
    double token_ratio = 0.1;  ///< for each success; in (0, 1000], three decimals are kept, at least 0.001
};

// Ordering
//   (A) tokens   relaxed: one word; each change is one atomic step from what was read, and nothing else goes with it

template <template <class> class Atom = std::atomic>
class basic_retry_throttle {
public:
    explicit basic_retry_throttle(retry_throttle_options options = {})
        : max_(thousandths(options.max_tokens, "retry_throttle: max_tokens (in (0, 1000])")),
          ratio_(thousandths(options.token_ratio, "retry_throttle: token_ratio (in (0, 1000])")), tokens_(max_) {}
    basic_retry_throttle(basic_retry_throttle const&) = delete;
    basic_retry_throttle& operator=(basic_retry_throttle const&) = delete;

    /// An attempt succeeded.
    void on_success() noexcept {
        auto tokens = tokens_.load(std::memory_order_relaxed);                              // (A)
        while (tokens < max_ && !tokens_.compare_exchange_weak(tokens, std::min(max_, tokens + ratio_),
                                                               std::memory_order_relaxed,   // (A)
                                                               std::memory_order_relaxed)) {}  // (A)
    }

    /// An attempt failed, and not for a reason that another attempt would meet as well. Whether a retry may follow.
    bool on_failure() noexcept {
        auto tokens = tokens_.load(std::memory_order_relaxed);                              // (A)
        while (tokens > 0 && !tokens_.compare_exchange_weak(tokens, std::max(tokens, one) - one,
                                                            std::memory_order_relaxed,      // (A)
                                                            std::memory_order_relaxed)) {}  // (A)
        return (std::max(tokens, one) - one) * 2 > max_;
    }

    /// Whether a retry or hedge may go. Takes nothing.
    [[nodiscard]] bool try_withdraw(time_point = {}) const noexcept {
        return tokens_.load(std::memory_order_relaxed) * 2 > max_;                          // (A)
    }

    [[nodiscard]] double tokens() const noexcept {
        return static_cast<double>(tokens_.load(std::memory_order_relaxed)) / 1000;         // (stat)
    }

private:
    static constexpr std::uint32_t one = 1000;

    [[nodiscard]] static std::uint32_t thousandths(double value, char const* what) {
        detail::require_option(value > 0 && value <= 1000, what, value);
        return std::max(std::uint32_t{1}, static_cast<std::uint32_t>(value * 1000 + 0.5));
    }

    std::uint32_t       max_;
    std::uint32_t       ratio_;
    Atom<std::uint32_t> tokens_;
};

using retry_throttle = basic_retry_throttle<>;

}  // namespace sluice
