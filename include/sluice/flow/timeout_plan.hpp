// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// timeout_hop, timeout_plan — a chain of calls whose time-outs fit into each other, or the constructor throws.
///
/// Use it for     writing down a chain's attempts, time-outs and backoffs where a mistake is found at start-up
/// Not for        the time that one request has left (deadline)
/// Thread-safety  immutable once made; any thread
/// Complexity     O(hops); a hop's worst case takes at most 64 steps
/// Errors         std::invalid_argument for a hop that cannot work, or that gives up before the next one can be through:
///                the message has both times. std::bad_alloc
/// Units          integer nanoseconds; sums that do not fit stay at duration::max()
/// Source         SRE book, ch. 22: three layers of four attempts make 64
///
///     sluice::timeout_plan const plan({{.name = "gateway", .timeout = 1s},
///                                      {.name = "A", .attempts = 3, .timeout = 200ms, .backoff = 100ms}});
///     plan.worst_case(1) == 900ms;      // 3 × 200 + 100 + 200, so the gateway must wait for more than 900 ms
///     plan.amplification() == 3;        // calls that the last hop may see for one of the user's

#include <sluice/core/clock.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace sluice {

/// How one hop is called by the one before it. Backoff number i, before attempt i + 2, is at most
/// min(backoff_cap, backoff · multiplier^i).
struct timeout_hop {
    std::string   name{};                         ///< for messages
    std::uint32_t attempts = 1;                   ///< > 0, the first included
    duration      timeout{0};                     ///< of one attempt; > 0
    duration      backoff{0};                     ///< the longest wait before the second attempt
    std::uint32_t multiplier = 2;                 ///< > 0
    duration      backoff_cap = duration::max();  ///< of each wait

    /// attempts × timeout and all the waits between them.
    [[nodiscard]] constexpr duration worst_case() const noexcept {
        auto const times = [](duration d, std::uint64_t n) {
            if (d.count() <= 0 || n == 0) return duration{0};
            if (n > static_cast<std::uint64_t>(duration::max().count() / d.count())) return duration::max();
            return duration(d.count() * static_cast<std::int64_t>(n));
        };
        duration      sum = times(timeout, attempts);
        duration      wait = std::min(backoff, backoff_cap);
        std::uint64_t left = attempts > 0 ? attempts - 1 : 0;
        for (; left > 0; --left) {
            duration const next = std::min(times(wait, multiplier), backoff_cap);
            if (next == wait) return saturating_add(sum, times(wait, left));  // it does not grow any more
            sum = saturating_add(sum, wait);
            wait = next;
        }
        return sum;
    }
};

class timeout_plan {
public:
    /// The hops from the outermost to the innermost: hop i is called by hop i - 1. One attempt at a hop must last longer
    /// than the whole plan of the next: with equal times the caller gives up just when the answer comes.
    explicit timeout_plan(std::vector<timeout_hop> hops) : hops_(std::move(hops)) {
        if (hops_.empty()) throw std::invalid_argument("sluice: timeout_plan: hops is empty, one at least");
        for (std::size_t i = 0; i < hops_.size(); ++i) {
            auto const& h = hops_[i];
            require(h.attempts > 0, i, "attempts (> 0)", std::to_string(h.attempts));
            require(h.timeout.count() > 0, i, "timeout (> 0)", text(h.timeout));
            require(h.backoff.count() >= 0, i, "backoff (>= 0)", text(h.backoff));
            require(h.multiplier > 0, i, "multiplier (> 0)", std::to_string(h.multiplier));
            require(h.backoff_cap.count() >= 0, i, "backoff_cap (>= 0)", text(h.backoff_cap));
            auto const own = h.worst_case();
            require(own < duration::max(), i, "worst case (representable)", text(own));
            if (i > 0) check(name(i - 1), hops_[i - 1].timeout, name(i), own);
        }
    }

    /// The same below an upstream time-out that is given, say by the user.
    timeout_plan(duration upstream, std::vector<timeout_hop> hops) : timeout_plan(std::move(hops)) {
        check("upstream", upstream, name(0), worst_case());
    }

    /// A plan in front of one that is there.
    timeout_plan(timeout_hop outer, timeout_plan const& inner) : timeout_plan(joined(std::move(outer), inner)) {}

    /// The longest that hop i can take its caller, retries included.
    [[nodiscard]] duration worst_case(std::size_t i = 0) const { return hops_.at(i).worst_case(); }

    /// What one attempt at hop i has left for its own work when the next hop takes its longest; for the last its time-out.
    [[nodiscard]] duration slack(std::size_t i) const {
        auto const own = hops_.at(i).timeout;
        return i + 1 < hops_.size() ? own - hops_[i + 1].worst_case() : own;
    }

    /// How many calls hop i may see for one of the user's: the product of the attempts down to it. It fits, as each of them
    /// takes a nanosecond at least of the first hop's worst case.
    [[nodiscard]] std::uint64_t amplification(std::size_t i) const {
        std::uint64_t product = 1;
        for (std::size_t k = 0; k <= i; ++k) product *= hops_.at(k).attempts;
        return product;
    }
    [[nodiscard]] std::uint64_t amplification() const noexcept { return amplification(hops_.size() - 1); }

    [[nodiscard]] std::vector<timeout_hop> const& hops() const noexcept { return hops_; }

    /// Throws unless a caller who waits for `upstream` outlasts a callee who may take `worst`.
    static void check(std::string const& caller, duration upstream, std::string const& callee, duration worst) {
        if (upstream > worst) return;
        throw std::invalid_argument("sluice: timeout_plan: " + caller + " waits for " + text(upstream) +
                                    ", must be more than " + text(worst) + ", which " + callee + " may take");
    }

private:
    static void require(bool possible, std::size_t i, char const* what, std::string const& value) {
        if (possible) return;
        throw std::invalid_argument("sluice: timeout_plan: hop " + std::to_string(i) + ": " + what + " is " + value);
    }

    [[nodiscard]] static std::vector<timeout_hop> joined(timeout_hop&& outer, timeout_plan const& inner) {
        std::vector<timeout_hop> all;
        all.reserve(inner.hops_.size() + 1);
        all.push_back(std::move(outer));
        all.insert(all.end(), inner.hops_.begin(), inner.hops_.end());
        return all;
    }

    [[nodiscard]] std::string name(std::size_t i) const {
        return hops_[i].name.empty() ? "hop " + std::to_string(i) : hops_[i].name;
    }

    /// In the largest unit that leaves no remainder.
    [[nodiscard]] static std::string text(duration d) {
        std::int64_t const n = d.count();
        if (n != 0 && n % 1'000'000 == 0) return std::to_string(n / 1'000'000) + " ms";
        if (n != 0 && n % 1'000 == 0) return std::to_string(n / 1'000) + " us";
        return std::to_string(n) + " ns";
    }

    std::vector<timeout_hop> hops_;
};

}  // namespace sluice
