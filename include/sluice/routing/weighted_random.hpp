// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// weighted_random — a node with a probability in proportion to its weight, from a table built beforehand.
///
/// Use it for     uneven nodes whose weights change seldom, many clients, many threads
/// Not for        weights that change all the time (weighted_round_robin reads them anew), even load in the short run
/// Thread-safety  choose: any thread, each with its own random numbers. Never changed after construction: for other weights
///                build another one
/// Complexity     construction O(n). choose O(1): two random numbers and one entry of the table. O(n) where eight draws in a row
///                gave nodes that cannot be chosen now
/// Errors         construction may throw std::bad_alloc, choose nothing
/// Units          weights as built: a node is drawn with probability weight / sum, exactly. Those that cannot be chosen now are
///                left out, and the others share in proportion. A node that had weight 0, or came later, is never chosen
/// Source         Walker, Electronics Letters 1974, doi:10.1049/el:19740097; Vose, TSE 1991, doi:10.1109/32.92917
/// Differs        whole numbers throughout: the table is exact

#include <sluice/core/clock.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace sluice {

class weighted_random {
public:
    /// The weights that the nodes have now, whether or not they are available.
    template <node_list List>
    explicit weighted_random(List const& nodes) {
        std::size_t const n = nodes.size();
        table_.resize(n);
        for (std::size_t i = 0; i < n; ++i) {
            table_[i].weight = node_weight(nodes[i]);
            total_ += table_[i].weight;
        }
        if (total_ != 0) build();
    }

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point, Source& rng) const {
        if (total_ == 0) return std::nullopt;
        std::size_t const known = std::min<std::size_t>(table_.size(), nodes.size());
        for (int tries = 0; tries < 8; ++tries) {
            auto const c = static_cast<node_index>(uniform_below(rng, table_.size()));
            auto const drawn = uniform_below(rng, total_) < table_[c].threshold ? c : table_[c].alias;
            if (drawn < known && node_usable(nodes[drawn])) return drawn;
        }
        std::uint64_t left = 0;
        for (std::size_t i = 0; i < known; ++i) left += node_usable(nodes[i]) ? table_[i].weight : 0u;
        if (left == 0) return std::nullopt;
        std::uint64_t at = uniform_below(rng, left);
        std::optional<node_index> last;
        for (std::size_t i = 0; i < known; ++i) {
            if (table_[i].weight == 0 || !node_usable(nodes[i])) continue;
            if (at < table_[i].weight) return static_cast<node_index>(i);
            at -= table_[i].weight;
            last = static_cast<node_index>(i);
        }
        return last;  // somebody changed the list meanwhile
    }

private:
    struct column {
        std::uint64_t threshold = 0;  // below it: this node, otherwise the alias; of total_
        node_index    alias = 0;
        std::uint32_t weight = 0;
    };

    /// Each column holds total_; node i has to fill weight · n. What is missing in a small one comes from a large one.
    void build() {
        std::size_t const          n = table_.size();
        std::vector<std::uint64_t> rest(n);  // weight · n < 2^64: both are below 2^32
        std::vector<node_index>    small, large;
        small.reserve(n);
        large.reserve(n);
        for (std::size_t i = 0; i < n; ++i) {
            rest[i] = std::uint64_t{table_[i].weight} * n;
            (rest[i] < total_ ? small : large).push_back(static_cast<node_index>(i));
        }
        while (!small.empty()) {
            auto const s = small.back(), l = large.back();  // the columns left hold total_ on average: one is large
            small.pop_back();
            table_[s].threshold = rest[s];
            table_[s].alias = l;
            rest[l] -= total_ - rest[s];
            if (rest[l] < total_) {
                large.pop_back();
                small.push_back(l);
            }
        }
        for (auto const l : large) {
            table_[l].threshold = total_;
            table_[l].alias = l;
        }
    }

    std::vector<column> table_;
    std::uint64_t       total_ = 0;
};

}  // namespace sluice
