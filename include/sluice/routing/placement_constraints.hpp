// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// placement_request, placement_check — what a piece of work demands of a node, and which demand a node does not meet.
///
/// Use it for     the arguments and explanations of placement_score and cost_aware
/// Thread-safety  functions of their arguments
/// Complexity     check_placement: O(needs + used domains); no allocation
/// Errors         none. What a node does not tell does not meet a demand; a demand that is NaN is met by nobody
/// Units          needs: as the nodes' resources; price_limit: as their prices; latency as a duration

#include <sluice/core/clock.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_facts.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

namespace sluice {

/// Demands; by default there are none, but for a usable node with room for one more task.
struct placement_request {
    std::span<double const>        needs{};         ///< of each resource, 0 for none
    std::optional<std::uint32_t>   zone{};          ///< it must be there
    std::optional<double>          price_limit{};   ///< at most so much
    std::optional<duration>        latency_limit{}; ///< at most so far
    std::span<std::uint32_t const> used_domains{};  ///< failure domains of its other copies, one entry for each copy
    std::uint32_t                  per_domain = 1;  ///< most copies in one domain, itself included; 0: any number
    std::uint32_t                  slots = 1;       ///< of the node's capacity
};

/// Why a node is refused. The first that applies, in this order.
enum class placement_refusal : std::uint8_t {
    none,
    unusable,         ///< not available, or of weight 0
    wrong_zone,       ///< had: its zone
    domain_used,      ///< needed: per_domain; had: the copies that are there. item: the domain
    no_capacity,      ///< needed: slots; had: what is left
    resources_short,  ///< item: which of the needs
    over_price,       ///< needed: the limit; had: the price
    too_far           ///< needed: the limit; had: the latency, both in seconds
};

[[nodiscard]] constexpr std::string_view to_string(placement_refusal r) noexcept {
    switch (r) {
    case placement_refusal::none: return "none";
    case placement_refusal::unusable: return "unusable";
    case placement_refusal::wrong_zone: return "wrong zone";
    case placement_refusal::domain_used: return "failure domain used";
    case placement_refusal::no_capacity: return "no capacity";
    case placement_refusal::resources_short: return "resources short";
    case placement_refusal::over_price: return "over the price limit";
    case placement_refusal::too_far: return "over the latency limit";
    }
    return "?";
}

struct placement_check {
    placement_refusal refused = placement_refusal::none;
    std::uint32_t     item = 0;
    double            needed = 0;
    double            had = 0;  ///< NaN: the node does not say

    [[nodiscard]] explicit operator bool() const noexcept { return refused == placement_refusal::none; }
};

/// How many of the request's copies are in a failure domain.
[[nodiscard]] constexpr std::uint64_t copies_in(placement_request const& r, std::uint32_t domain) noexcept {
    std::uint64_t copies = 0;
    for (auto const d : r.used_domains) copies += d == domain ? 1u : 0u;
    return copies;
}

/// Whether the node meets every demand.
template <class N>
[[nodiscard]] constexpr placement_check check_placement(N const& node, placement_request const& r) noexcept {
    constexpr double no_data = std::numeric_limits<double>::quiet_NaN();
    using enum placement_refusal;
    if (!node_usable(node)) return {unusable, 0, 0, 0};
    if (r.zone) {
        auto const zone = node_zone(node);
        if (zone != r.zone) return {wrong_zone, 0, double(*r.zone), zone ? double(*zone) : no_data};
    }
    if (!r.used_domains.empty() && r.per_domain > 0) {
        auto const domain = node_failure_domain(node);
        if (!domain) return {domain_used, 0, double(r.per_domain), no_data};
        auto const copies = copies_in(r, *domain);
        if (copies >= r.per_domain) return {domain_used, *domain, double(r.per_domain), static_cast<double>(copies)};
    }
    if (auto const capacity = node_capacity(node)) {
        std::uint32_t const used = node_in_flight(node);
        std::uint32_t const left = used < *capacity ? *capacity - used : 0;
        if (left < r.slots) return {no_capacity, 0, double(r.slots), double(left)};
    }
    auto const resources = node_resources(node);
    for (std::size_t i = 0; i < r.needs.size(); ++i) {
        if (r.needs[i] <= 0) continue;
        double const had = i < resources.size() && std::isfinite(resources[i]) ? resources[i] : no_data;
        if (!(had >= r.needs[i])) return {resources_short, static_cast<std::uint32_t>(i), r.needs[i], had};
    }
    if (r.price_limit) {
        double const price = node_price(node).value_or(no_data);
        if (!(price <= *r.price_limit)) return {over_price, 0, *r.price_limit, price};
    }
    if (r.latency_limit) {
        auto const latency = node_latency(node);
        if (!latency || *latency > *r.latency_limit)
            return {too_far, 0, static_cast<double>(r.latency_limit->count()) * 1e-9,
                    latency ? static_cast<double>(latency->count()) * 1e-9 : no_data};
    }
    return {};
}

}  // namespace sluice
