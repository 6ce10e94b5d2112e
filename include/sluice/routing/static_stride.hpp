// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// static_stride — turns in proportion to weights that were fixed beforehand, for any number of threads at once.
///
/// Use it for     many uneven nodes, many threads, weights that are renewed now and then by building another one
/// Not for        a few weights far above the mean (see Complexity), exact shares or the smoothest order (edf)
/// Thread-safety  choose: any thread; the fallback's random numbers are the caller's
/// Progress       wait-free: at most n + 1 attempts
/// Complexity     construction O(n), 2 bytes a node. choose: an atomic addition and two multiplications per attempt, largest /
///                mean weight attempts on average. n attempts without success (only with nodes that cannot be chosen, or when
///                other threads took the turns): one O(n) draw by weight
/// Errors         construction may throw std::bad_alloc, choose nothing
/// Units          weights as built, scaled so that the largest is 65535: a node's share is right to within 1 / 65535 of the
///                largest; one below half of that counts as that. A node that had weight 0, or came later, is never chosen; if all
///                had, nobody is. With missing_as_mean, 0 means "not known" and counts as the mean of the others; all: as equal
/// Source         gRPC, gRFC A58 and static_stride_scheduler.cc
/// Differs        64-bit sequence: no jump after 2^32 choices; bounded when nodes cannot be chosen
///
/// Of the turns of node i, numbered from 0, the k-th is taken if (weight · k + 32767 · i) mod 65535 >= 65535 − weight: weight
/// of each 65535, evenly spread, and the nodes out of step with each other.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice {

struct static_stride_options {
    std::uint64_t start = 0;  ///< where in the sequence: a random number, so that many clients do not walk in step
    bool          missing_as_mean = false;  ///< weight 0 is one that is not known
};

// Ordering
//   (A) ticket   fetch_add relaxed: a number is given once because it is a read-modify-write; nothing else depends on it

template <template <class> class Atom = std::atomic>
class static_stride {
public:
    /// The weights that the nodes have now, whether or not they are available. missing_as_mean is for weights(): a node of
    /// weight 0 is not chosen in any case.
    template <node_list List>
    explicit static_stride(List const& nodes, static_stride_options options = {})
        : static_stride(nodes.size(), [&](std::size_t i) { return node_weight(nodes[i]); }, options) {}

    /// The weights by themselves, in the order of the nodes.
    [[nodiscard]] static static_stride weights(std::span<std::uint32_t const> weights, static_stride_options options = {}) {
        return static_stride(weights.size(), [&](std::size_t i) { return weights[i]; }, options);
    }

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point, Source& rng) {
        if (none_) return std::nullopt;
        std::uint64_t const n = scaled_.size();
        std::size_t const   known = std::min<std::size_t>(scaled_.size(), nodes.size());
        for (std::uint64_t attempt = 0; attempt < n; ++attempt) {
            std::uint64_t const ticket = next_.fetch_add(1, std::memory_order_relaxed);  // (A)
            std::uint64_t       round = detail::multiply_wide(ticket, inverse_).high;  // ticket / n, or less by a little
            std::uint64_t       turn = ticket - round * n;
            while (turn >= n) turn -= n, ++round;
            auto const          i = static_cast<std::size_t>(turn);
            std::uint64_t const w = scaled_[i];
            if (round >= modulus) [[unlikely]] round %= modulus;
            if ((w * round + 32767u * turn) % modulus < modulus - w) continue;
            if (i < known && node_usable(nodes[i])) return static_cast<node_index>(i);
        }
        return draw(nodes, known, rng);
    }

    /// What the node's weight became: 65535 for the largest.
    [[nodiscard]] std::uint32_t scaled_weight(node_index i) const noexcept { return i < scaled_.size() ? scaled_[i] : 0; }

private:
    static constexpr std::uint32_t modulus = 65535;

    template <class Weight>
    static_stride(std::size_t n, Weight weight, static_stride_options options) : next_(options.start), scaled_(n) {
        std::uint64_t sum = 0, largest = 0, given = 0;
        for (std::size_t i = 0; i < n; ++i) {
            std::uint64_t const w = weight(i);
            sum += w;
            largest = std::max(largest, w);
            given += w != 0 ? 1 : 0;
        }
        none_ = largest == 0 && (!options.missing_as_mean || n == 0);
        if (none_) return;
        inverse_ = UINT64_MAX / n;
        std::uint64_t const missing = !options.missing_as_mean ? 0 : given == 0 ? 1 : std::max<std::uint64_t>(sum / given, 1);
        largest = std::max<std::uint64_t>(largest, 1);
        for (std::size_t i = 0; i < n; ++i) {
            std::uint64_t const given_weight = weight(i);
            std::uint64_t const w = given_weight != 0 ? given_weight : missing;
            std::uint64_t const nearest = (w * modulus + largest / 2) / largest;
            scaled_[i] = static_cast<std::uint16_t>(w == 0 ? 0 : std::max<std::uint64_t>(nearest, 1));
        }
    }

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> draw(List const& nodes, std::size_t known, Source& rng) const {
        std::uint64_t left = 0;
        for (std::size_t i = 0; i < known; ++i) left += node_usable(nodes[i]) ? scaled_[i] : 0u;
        if (left == 0) return std::nullopt;
        std::uint64_t             at = uniform_below(rng, left);
        std::optional<node_index> last;
        for (std::size_t i = 0; i < known; ++i) {
            if (scaled_[i] == 0 || !node_usable(nodes[i])) continue;
            if (at < scaled_[i]) return static_cast<node_index>(i);
            at -= scaled_[i];
            last = static_cast<node_index>(i);
        }
        return last;  // somebody changed the list meanwhile
    }

    Atom<std::uint64_t>        next_;
    std::vector<std::uint16_t> scaled_;
    std::uint64_t              inverse_ = 0;  // 2^64 / n
    bool                       none_ = false;
};

}  // namespace sluice
