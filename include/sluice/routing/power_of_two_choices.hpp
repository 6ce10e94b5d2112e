// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// power_of_two_choices — draws two nodes and takes the less loaded: nearly as even as knowing all, in O(1).
///
/// Use it for     many nodes, many clients, loads that are a little out of date: the draw keeps clients from running together
/// Not for        very uneven weights: a node is among the drawn with probability choices / n at most, whatever its weight;
///                draw by weight then (static_stride, weighted_random)
/// Thread-safety  choose: any thread, each with its own random numbers; as safe as reading the nodes
/// Complexity     O(1) while most nodes can be chosen (`choices` > 2: O(choices²)), O(n) at worst, never endless; no allocation
/// Errors         std::invalid_argument for choices outside 2 … 64; choose is noexcept if the metric is
/// Units          weights count in the load (load / weight), not in the draw
/// Source         Azar, Broder, Karlin, Upfal, STOC 1994, doi:10.1145/195058.195412; Mitzenmacher, TPDS 2001, doi:10.1109/71.963420
/// Differs        the drawn nodes are different ones and all of them usable, each set of them as likely as any other. With
///                replacement, two nodes would give the worse one a quarter of the time; taking the neighbour of a node that is
///                out would favour neighbours
///
/// n requests to n nodes that are idle: the fullest gets ln n / ln ln n with one choice, log2 ln n + O(1) with two.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/load_metric.hpp>
#include <sluice/routing/node_index.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace sluice {

struct power_of_two_choices_options {
    std::uint32_t choices = 2;  ///< nodes that are drawn; 2 … 64
};

template <class Load = in_flight_load>
class power_of_two_choices {
public:
    explicit power_of_two_choices(power_of_two_choices_options options = {}, Load load = {})
        : choices_(options.choices), load_(std::move(load)) {
        detail::require_option(options.choices >= 2 && options.choices <= most, "power_of_two_choices: choices (2 … 64)",
                               options.choices);
    }

    template <node_list List, random_source Source>
        requires load_metric<Load, decltype(std::declval<List const&>()[0])>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point now, Source& rng) const {
        std::size_t const n = nodes.size();
        if (choices_ == 2 && n >= 2) {
            auto const a = static_cast<std::size_t>(uniform_below(rng, n));
            auto       b = static_cast<std::size_t>(uniform_below(rng, n - 1));
            b += b >= a ? 1 : 0;
            if (node_usable(nodes[a]) && node_usable(nodes[b]))  // a and b are in random order: so is a tie
                return static_cast<node_index>(load_(nodes[b], now) < load_(nodes[a], now) ? b : a);
        }
        std::array<node_index, most> drawn;
        std::size_t                  count = draw_some(nodes, rng, drawn);
        if (count < choices_) count = draw_from_all(nodes, rng, drawn);
        if (count == 0) return std::nullopt;
        node_index    best = drawn[0];
        auto          least = load_(nodes[best], now);
        std::uint64_t equals = 1;
        for (std::size_t k = 1; k < count; ++k) {
            auto const load = load_(nodes[drawn[k]], now);
            if (least < load) continue;
            equals = load < least ? 1 : equals + 1;
            if (equals > 1 && uniform_below(rng, equals) != 0) continue;
            least = load;
            best = drawn[k];
        }
        return best;
    }

private:
    static constexpr std::size_t most = 64;

    /// Different usable nodes by drawing until there are enough, for a number of draws that suffices while most are usable.
    /// Whether it does depends on how many are usable, not on which were drawn: to give up and begin again favours nobody.
    template <node_list List, random_source Source>
    std::size_t draw_some(List const& nodes, Source& rng, std::array<node_index, most>& drawn) const {
        std::size_t const n = nodes.size();
        if (n <= choices_) return 0;
        std::size_t count = 0;
        for (std::size_t draws = 4 * std::size_t{choices_}; count < choices_ && draws > 0; --draws) {
            auto const i = static_cast<node_index>(uniform_below(rng, n));
            auto const end = drawn.begin() + static_cast<std::ptrdiff_t>(count);
            if (std::find(drawn.begin(), end, i) == end && node_usable(nodes[i])) drawn[count++] = i;
        }
        return count;
    }

    /// In one pass over the usable nodes, each set as likely as any other; all of them where they are not more than `choices`.
    template <node_list List, random_source Source>
    std::size_t draw_from_all(List const& nodes, Source& rng, std::array<node_index, most>& drawn) const {
        std::uint64_t seen = 0;
        for (std::size_t i = 0, n = nodes.size(); i < n; ++i) {
            if (!node_usable(nodes[i])) continue;
            std::uint64_t const place = seen < choices_ ? seen : uniform_below(rng, seen + 1);
            if (place < choices_) drawn[static_cast<std::size_t>(place)] = static_cast<node_index>(i);
            ++seen;
        }
        return static_cast<std::size_t>(std::min<std::uint64_t>(seen, choices_));
    }

    std::uint32_t choices_;
    Load          load_;
};

}  // namespace sluice
