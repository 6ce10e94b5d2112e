// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// retry_exclusion — a retry goes to another node than the attempts before it.
///
/// Use it for     the outermost wrapper round any balancer: choose(nodes, tried, now, rng) with the positions tried so far
/// Not for        whether to retry at all (flow/retry.hpp, flow/retry_budget.hpp)
/// Thread-safety  that of the inner balancer; what was tried belongs to the request and comes with the call
/// Complexity     each look at a node costs O(tried); the inner balancer once, up to three times at the last chance; no allocation
/// Errors         none; a position outside of the list excludes nothing
/// Source         brpc (ExcludedServers), HAProxy (redispatch), nginx (tried bitmap)
///
/// The inner balancer sees what was tried as not available. Only if it finds nothing then, the last chance decides:
///
///     again    any usable node but the one tried last; and if there is no other, that one
///     other    any usable node but the one tried last, or nothing
///     none     nothing: the retry has nowhere to go
///
/// So a node is not tried twice as long as the inner balancer would give another. In a panic (panic_threshold inside) untried
/// nodes that are not healthy come before a second try; what was tried counts as healthy for its share.

#include <sluice/core/clock.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/node_view.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace sluice {

enum class last_chance : std::uint8_t { again, other, none };

namespace detail {

struct show_tried {
    std::span<node_index const> places;

    template <class N>
    [[nodiscard]] constexpr bool tried(std::size_t i, N const& n) const noexcept {
        for (auto const place : places)
            if (place == i) return true;
        return node_tried(n);
    }
};

}  // namespace detail

template <class Inner>
class retry_exclusion {
public:
    explicit retry_exclusion(last_chance rule = last_chance::again)
        requires std::default_initializable<Inner>
        : rule_(rule), inner_() {}
    retry_exclusion(last_chance rule, Inner inner) : rule_(rule), inner_(std::move(inner)) {}

    /// The first attempt.
    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point now, Source& rng) {
        return inner_.choose(nodes, now, rng);
    }

    /// A later attempt; tried in the order of the attempts, in which a node may come twice.
    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, std::span<node_index const> tried, time_point now,
                                                   Source& rng) {
        if (tried.empty()) return inner_.choose(nodes, now, rng);
        auto const fresh = choose_without(nodes, tried, now, rng);
        if (fresh || rule_ == last_chance::none) return fresh;
        auto const other = choose_without(nodes, tried.last(1), now, rng);
        if (other || rule_ == last_chance::other) return other;
        return inner_.choose(nodes, now, rng);
    }

    [[nodiscard]] Inner&       inner() noexcept { return inner_; }
    [[nodiscard]] Inner const& inner() const noexcept { return inner_; }

private:
    template <node_list List, random_source Source>
    std::optional<node_index> choose_without(List const& nodes, std::span<node_index const> places, time_point now,
                                             Source& rng) {
        return inner_.choose(node_view<List, detail::show_tried>(nodes, {places}), now, rng);
    }

    last_chance rule_;
    Inner       inner_;
};

}  // namespace sluice
