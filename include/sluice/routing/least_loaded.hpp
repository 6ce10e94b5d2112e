// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// least_loaded — the node with the least load of all, by any load_metric.
///
/// Use it for     few nodes, or a load that all clients see alike
/// Not for        many clients with loads seen late: all run to the same node (power_of_two_choices); hundreds of nodes, unless
///                one thread does it all (least_loaded_heap)
/// Thread-safety  choose: any thread, each with its own random numbers; as safe as reading the nodes
/// Complexity     O(n), twice where several are equal, and then one random number
/// Errors         none; noexcept if the metric is
///
/// Among equals each is as likely as any other: the first would get all the work of an idle fleet.

#include <sluice/core/clock.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/load_metric.hpp>
#include <sluice/routing/node_index.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace sluice {

template <class Load = in_flight_load>
class least_loaded {
public:
    explicit least_loaded(Load load = {}) : load_(std::move(load)) {}

    template <node_list List, random_source Source>
        requires load_metric<Load, decltype(std::declval<List const&>()[0])>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point now, Source& rng) const {
        std::size_t const n = nodes.size();
        std::size_t       best = 0;
        while (best < n && !node_usable(nodes[best])) ++best;
        if (best == n) return std::nullopt;
        auto          least = load_(nodes[best], now);
        std::uint64_t equals = 1;
        for (std::size_t i = best + 1; i < n; ++i) {
            if (!node_usable(nodes[i])) continue;
            auto const load = load_(nodes[i], now);
            if (least < load) continue;
            if (load < least) {
                least = load;
                best = i;
                equals = 1;
            } else {
                ++equals;
            }
        }
        if (equals == 1) return static_cast<node_index>(best);
        // Loads that change meanwhile may leave fewer of them: then it is the last that is found.
        std::uint64_t left = uniform_below(rng, equals);
        for (std::size_t i = best; left > 0 && ++i < n;) {
            if (!node_usable(nodes[i])) continue;
            auto const load = load_(nodes[i], now);
            if (least < load || load < least) continue;
            best = i;
            --left;
        }
        return static_cast<node_index>(best);
    }

private:
    Load load_;
};

}  // namespace sluice
