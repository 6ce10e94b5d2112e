// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// load_metric, in_flight_load, latency_load, utilization_load, load_per_weight — how busy a node is, as something to compare.
///
/// Use it for     the Load parameter of least_loaded and power_of_two_choices; any callable of (node, now) will do
/// Not for        one number for reports: in_flight_load and latency_load are fractions that are compared, never divided
/// Thread-safety  functions of their arguments; as safe as reading the node
/// Complexity     one or two reads; a comparison of different weights is two multiplications
/// Errors         none. A utilisation that is NaN counts as the highest there is; a product beyond 64 bits stays at the largest
///                Latency and utilisation are read through views (slow_start, panic_threshold …); weight and in flight are what
///                these show
/// Units          less is better. in_flight_load: (in flight + 1) / weight, so that an idle heavy node goes before an idle light
///                one. latency_load: cost in ns / weight, or its logarithm. utilization_load: the fraction itself, in which weight
///                is in already

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/detail/octaves.hpp>
#include <sluice/routing/node_view.hpp>

#include <concepts>
#include <cstdint>
#include <limits>

namespace sluice {

/// Says how busy a node is at a time: a value with a strict weak order by <. Node is an element of the list, which may be a
/// pointer or a proxy.
template <class M, class Node>
concept load_metric = std::copy_constructible<M> && requires(M const& metric, Node const& node, time_point now) {
    { metric(node, now) < metric(node, now) } -> std::convertible_to<bool>;
};

/// load / weight, compared exactly. Requires weight > 0.
struct load_per_weight {
    std::uint64_t load = 0;
    std::uint32_t weight = 1;

    friend constexpr bool operator<(load_per_weight const& a, load_per_weight const& b) noexcept {
        if (a.weight == b.weight) return a.load < b.load;
        return detail::multiply_wide(a.load, b.weight) < detail::multiply_wide(b.load, a.weight);
    }
};

/// Least requests in flight, per weight.
struct in_flight_load {
    template <class Node>
    [[nodiscard]] constexpr load_per_weight operator()(Node const& node, time_point) const noexcept {
        return {std::uint64_t{node_in_flight(node)} + 1, node_weight(node)};
    }
};

/// Least expected wait, per weight, of nodes with a member or member function `latency` that has octaves(now), which is what
/// peak_ewma has, or cost(now, in_flight). With octaves no power is computed: logarithms are compared, to 2^-31 of a value.
struct latency_load {
    template <class Node>
    [[nodiscard]] auto operator()(Node const& n, time_point now) const noexcept {
        auto const& node = node_original(n);
        if constexpr (requires { node.latency().cost(now, 0u); }) return load(node.latency(), n, now);
        else return load(node.latency, n, now);
    }

private:
    template <class Latency, class Node>
    [[nodiscard]] static auto load(Latency const& latency, Node const& n, time_point now) noexcept {
        if constexpr (requires { { latency.octaves(now) } -> std::same_as<std::uint64_t>; }) {
            std::uint64_t const wait = latency.octaves(now) + detail::octaves_of_count(std::uint64_t{node_in_flight(n)} + 1);
            return static_cast<std::int64_t>(wait) - static_cast<std::int64_t>(detail::octaves_of_count(node_weight(n)));
        } else {
            return load_per_weight{latency.cost(now, node_in_flight(n)), node_weight(n)};
        }
    }
};

/// Least reported utilisation, of nodes with a member or member function `utilization`.
struct utilization_load {
    template <class Node>
    [[nodiscard]] constexpr double operator()(Node const& n, time_point) const noexcept {
        auto const&  node = node_original(n);
        double const u = [&]() -> double {
            if constexpr (requires { { node.utilization() } -> std::convertible_to<double>; }) return node.utilization();
            else return node.utilization;
        }();
        return u == u ? u : std::numeric_limits<double>::infinity();
    }
};

}  // namespace sluice
