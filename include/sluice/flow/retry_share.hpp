// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// retry_share — at any moment, retries in flight are at most a share of the requests in flight, or a small number.
///
/// Use it for     a proxy or client that knows when its requests begin and end; the limit follows the load at once
/// Not for        short requests with long pauses between them: the share of almost nothing is the minimum (retry_budget)
/// Thread-safety  any thread; a permit may end on another one. It must outlive its permits
/// Progress       lock-free: a step is repeated only after somebody else's success
/// Complexity     one compare-exchange each; a denial is one load
/// Errors         std::invalid_argument: a ratio outside (0, 1] or NaN; calls are noexcept
/// Units          requests and retries in flight, at most 2^32 - 1 of each
/// Source         Envoy's retry_budget (20 %, at least 3)
/// Differs        check and take are one compare-exchange; Envoy's and failsafe-go's can pass the limit. The share is
///                that of the original requests, a retry does not make room for another

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/flow/permit.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace sluice {

struct retry_share_options {
    double        ratio = 0.2;     ///< retries per request in flight; in (0, 1], nine decimals are kept
    std::uint32_t min_retries = 3;  ///< so many may always be in flight; 0 is possible
};

// Ordering
//   (A) count    relaxed: the two counters are one word, and each change of it is one atomic step from what was read.
//                Nothing else is handed from one caller to another

template <template <class> class Atom = std::atomic>
class basic_retry_share {
public:
    explicit basic_retry_share(retry_share_options options = {}) : min_(options.min_retries), billionths_(0) {
        detail::require_option(options.ratio > 0 && options.ratio <= 1, "retry_share: ratio (in (0, 1])", options.ratio);
        billionths_ = static_cast<std::uint64_t>(options.ratio * 1e9 + 0.5);
    }
    basic_retry_share(basic_retry_share const&) = delete;
    basic_retry_share& operator=(basic_retry_share const&) = delete;

    /// A request begins; hold the permit until its last attempt has ended. Never denied.
    [[nodiscard]] permit enter(time_point now = {}) noexcept {
        state_.fetch_add(1, std::memory_order_relaxed);                                     // (A)
        return permit(this, &finish, {now, 0, one_request});
    }

    /// Leave for one retry or hedge in flight; hold it until the retry has ended.
    [[nodiscard]] permit try_acquire(time_point now = {}) noexcept {
        auto state = state_.load(std::memory_order_relaxed);                                // (A)
        do {
            if ((state >> 32) >= limit_for(state & low)) return permit::denied(verdict::later(duration{0}, 0));
        } while (!state_.compare_exchange_weak(state, state + one_retry, std::memory_order_relaxed,  // (A)
                                               std::memory_order_relaxed));                 // (A)
        return permit(this, &finish, {now, 0, one_retry});
    }

    [[nodiscard]] std::uint32_t requests() const noexcept {
        return static_cast<std::uint32_t>(state_.load(std::memory_order_relaxed) & low);    // (stat)
    }
    [[nodiscard]] std::uint32_t retries() const noexcept {
        return static_cast<std::uint32_t>(state_.load(std::memory_order_relaxed) >> 32);    // (stat)
    }

private:
    static constexpr std::uint64_t one_request = 1;
    static constexpr std::uint64_t one_retry = std::uint64_t{1} << 32;
    static constexpr std::uint64_t low = one_retry - 1;

    [[nodiscard]] std::uint64_t limit_for(std::uint64_t requests) const noexcept {
        return std::max(min_, detail::multiply_divide(requests, billionths_, 1'000'000'000, detail::round_to::floor));
    }
    static void finish(void* self, permit_ticket const& ticket, outcome, time_point const*) noexcept {
        auto& share = *static_cast<basic_retry_share*>(self);
        share.state_.fetch_sub(ticket.cost, std::memory_order_relaxed);                     // (A)
    }

    std::uint64_t       min_;
    std::uint64_t       billionths_;
    Atom<std::uint64_t> state_{0};  // retries in the upper half, requests in the lower
};

using retry_share = basic_retry_share<>;

static_assert(permit_source<retry_share>);

}  // namespace sluice
