// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// weighted_round_robin — turns in proportion to the weights, and each node's turns spread evenly: smooth weighted round robin.
///
/// Use it for     up to some dozens of uneven nodes, the most even order there is, weights that change at any time
/// Not for        hundreds of nodes (edf: O(log n), static_stride: O(1)), many threads (static_stride)
/// Thread-safety  one thread at a time
/// Complexity     choose: O(n), one pass over the list; two when a weight, the availability of a node or the size has changed.
///                No allocation unless the list is longer than any before, and than the option `nodes`
/// Errors         choose and the constructor may throw std::bad_alloc, and then nothing has changed. Requires fewer than 2^18
///                nodes. std::invalid_argument for failures_to_zero = 0
/// Units          weights as whole numbers. In each period of (sum of weights) choices a node comes exactly weight times
/// Source         nginx, ngx_http_upstream_round_robin.c (the rule); Tijdeman, Discrete Math. 1980,
///                doi:10.1016/0012-365X(80)90269-1 (the problem)
/// Differs        when weights or members change, each node keeps its lead or lag counted in choices, rescaled to the new sum.
///                Starting afresh would give frequent changes all to the heaviest; keeping the old numbers would stop a node
///                that became light for as many choices as the old sum
///
/// State belongs to positions in the list. Where a node is erased from the middle, call removed(i); otherwise those after it
/// start with their neighbours' lag, which is a matter of one choice or so each. A node that comes back continues where it was:
/// it is owed one choice or so at most, so there is no burst. failed(i) lowers a node's effective weight; it gets 1 back with
/// each choice, whoever is chosen.

#include <sluice/core/assert.hpp>
#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace sluice {

struct weighted_round_robin_options {
    std::size_t   nodes = 0;             ///< room for so many, taken at once
    std::uint32_t failures_to_zero = 1;  ///< so many failures in a row take a node's whole weight; > 0
};

class weighted_round_robin {
public:
    explicit weighted_round_robin(weighted_round_robin_options options = {}) : failures_to_zero_(options.failures_to_zero) {
        detail::require_option(options.failures_to_zero > 0, "weighted_round_robin: failures_to_zero (> 0)",
                               options.failures_to_zero);
        states_.reserve(options.nodes);
    }

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point, Source&) {
        std::size_t const n = nodes.size();
        SLUICE_ASSERT(n < (std::size_t{1} << 18));
        bool changed = n != states_.size();
        if (changed) states_.resize(n);
        for (std::size_t i = 0; i < n; ++i) {
            std::uint32_t const weight = node_available(nodes[i]) ? node_weight(nodes[i]) : 0;
            if (weight != states_[i].weight) {
                adopt(states_[i], weight);
                changed = true;
            }
        }
        if (changed) rescale();
        return next();
    }

    /// A request to this node has failed. Requires that choose has seen a list that long.
    void failed(node_index i) noexcept {
        SLUICE_ASSERT(i < states_.size());
        auto&               s = states_[i];
        std::uint32_t const cut = std::max<std::uint32_t>(s.weight / failures_to_zero_, s.weight > 0 ? 1u : 0u);
        s.effective -= std::min(s.effective, cut);
    }

    /// The node at this position has left the list, and those after it have moved down.
    void removed(node_index i) noexcept {
        if (i >= states_.size()) return;
        states_.erase(states_.begin() + static_cast<std::ptrdiff_t>(i));
        rescale();
    }

    /// What the node's weight counts now, after failures; 0 for one that choose has not seen.
    [[nodiscard]] std::uint32_t effective_weight(node_index i) const noexcept {
        return i < states_.size() ? states_[i].effective : 0;
    }

private:
    // 2^18 nodes of weight below 2^32 have a sum below 2^50. A lag is below ln n + 1 < 14 sums; 2^8 parts each: below 2^62.
    static constexpr int fraction_bits = 8;  // so that rounding when weights change does not add up

    struct state {
        std::int64_t  current = 0;    // lag in choices · sum of weights, in 256ths
        std::uint32_t weight = 0;     // as last seen; 0: cannot be chosen
        std::uint32_t effective = 0;
    };

    static void adopt(state& s, std::uint32_t weight) noexcept {
        s.effective = s.weight == 0 || s.effective == s.weight
                          ? weight
                          : static_cast<std::uint32_t>(std::uint64_t{weight} * s.effective / s.weight);
        s.weight = weight;
    }

    /// The sum of the weights is another one: the same lags in the new units. They need not add up to 0 when somebody has left
    /// with one: a lag above a sum is chosen at once, none is below minus a sum, so a newcomer's 0 is never far off.
    void rescale() noexcept {
        std::uint64_t sum = 0;
        for (auto const& s : states_) sum += s.weight;
        if (sum == 0 || sum == sum_) return;  // 0: nobody to choose, the lags wait
        if (sum_ != 0)
            for (auto& s : states_) s.current = scaled(s.current, sum, sum_);
        sum_ = sum;
    }
    /// value · a / b, to the nearest.
    [[nodiscard]] static std::int64_t scaled(std::int64_t value, std::uint64_t a, std::uint64_t b) noexcept {
        auto const size = value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
        auto const twice = detail::multiply_divide(size * 2, a, b, detail::round_to::floor);  // a lag has 2 bits to spare
        auto const half_up = static_cast<std::int64_t>(std::min(twice / 2 + twice % 2, limit));
        return value < 0 ? -half_up : half_up;
    }
    static constexpr std::uint64_t limit = std::uint64_t{1} << 61;

    [[nodiscard]] std::optional<node_index> next() noexcept {
        state*       best = nullptr;
        std::int64_t total = 0;
        for (auto& s : states_) {
            if (s.weight == 0) continue;
            std::int64_t const share = std::int64_t{s.effective} << fraction_bits;
            s.current += share;
            total += share;
            if (s.effective < s.weight) ++s.effective;
            if (best == nullptr || s.current > best->current) best = &s;
        }
        if (best == nullptr) return std::nullopt;
        best->current -= total;
        return static_cast<node_index>(best - states_.data());
    }

    std::vector<state> states_;
    std::uint64_t      sum_ = 0;  // of the weights that the lags are counted in
    std::uint32_t      failures_to_zero_;
};

}  // namespace sluice
