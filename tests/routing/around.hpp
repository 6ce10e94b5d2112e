// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// test::node, test::random_choice, test::turns, test::by_weight, test::spy — the plainest balancers there are, to stand
/// wrappers around, and the naive words for what they must keep to.

#include <sluice/core/clock.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace test {

struct node {
    bool          available = true;
    std::uint32_t weight = 1;
    std::uint32_t in_flight = 0;
    std::uint32_t priority = 0;
    std::uint32_t zone = 0;
};

inline std::vector<node> nodes(std::size_t n) { return std::vector<node>(n); }

inline sluice::time_point at(double seconds) {
    return sluice::time_point(sluice::duration(static_cast<std::int64_t>(seconds * 1e9)));
}

/// Each usable node equally likely.
struct random_choice {
    template <sluice::node_list List, sluice::random_source Source>
    std::optional<sluice::node_index> choose(List const& list, sluice::time_point, Source& rng) const {
        return sluice::any_usable(list, rng);
    }
};

/// One usable node after the other.
struct turns {
    std::size_t next = 0;

    template <sluice::node_list List, sluice::random_source Source>
    std::optional<sluice::node_index> choose(List const& list, sluice::time_point, Source&) {
        std::size_t const n = list.size();
        for (std::size_t k = 0; k < n; ++k) {
            std::size_t const i = (next + k) % n;
            if (sluice::node_usable(list[i])) {
                next = i + 1;
                return static_cast<sluice::node_index>(i);
            }
        }
        return std::nullopt;
    }
};

/// Each usable node with a probability in proportion to its weight.
struct by_weight {
    template <sluice::node_list List, sluice::random_source Source>
    std::optional<sluice::node_index> choose(List const& list, sluice::time_point, Source& rng) const {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < list.size(); ++i)
            if (sluice::node_usable(list[i])) sum += sluice::node_weight(list[i]);
        if (sum == 0) return std::nullopt;
        auto left = sluice::uniform_below(rng, sum);
        for (std::size_t i = 0; i < list.size(); ++i) {
            if (!sluice::node_usable(list[i])) continue;
            if (left < sluice::node_weight(list[i])) return static_cast<sluice::node_index>(i);
            left -= sluice::node_weight(list[i]);
        }
        return std::nullopt;
    }
};

/// What a wrapper shows: writes it down and chooses the first usable.
struct spy {
    std::vector<bool>*          usable;
    std::vector<std::uint32_t>* weights = nullptr;

    template <sluice::node_list List, sluice::random_source Source>
    std::optional<sluice::node_index> choose(List const& list, sluice::time_point, Source&) {
        usable->clear();
        if (weights) weights->clear();
        for (std::size_t i = 0; i < list.size(); ++i) {
            usable->push_back(sluice::node_usable(list[i]));
            if (weights) weights->push_back(sluice::node_weight(list[i]));
        }
        return sluice::nth_usable(list, 0);
    }
};

}  // namespace test
