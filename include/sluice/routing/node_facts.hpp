// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// node_price, node_latency, node_capacity, node_zone, node_failure_domain, node_resources — more that a node may tell of itself.
///
/// Use it for     balancers that know prices and places (cost_aware, placement_score), and node types for them
/// Thread-safety  functions of their arguments
/// Complexity     each property one call or one read
/// Errors         none here. What a node lacks, and what is NaN, infinite or negative where that makes no sense, is no data: an
///                empty answer, never a zero
/// Units          price: money per request, any currency, negative if somebody pays for it; latency: to the node and back;
///                capacity: tasks in flight at once; resources: in the order and units of the request's needs
///
/// As in balancer.hpp, each is a member or a member function of the node or of what it points to:
///
///     price            a number
///     latency          a duration or an optional one
///     capacity         an unsigned number
///     zone             an unsigned number, or an optional one
///     failure_domain   likewise; what fails together has the same number (host, rack, power)
///     resources        what is free of each: a span of double, or what converts to one

#include <sluice/core/clock.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/load_metric.hpp>
#include <sluice/routing/node_view.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>

namespace sluice {

template <class N>
[[nodiscard]] constexpr std::optional<double> node_price(N const& n) noexcept {
    auto const& node = node_original(n);
    std::optional<double> price;
    if constexpr (requires { { node.price() } -> std::convertible_to<std::optional<double>>; }) price = node.price();
    else if constexpr (requires { { node.price } -> std::convertible_to<std::optional<double>>; }) price = node.price;
    if (price && !std::isfinite(*price)) price.reset();
    return price;
}

template <class N>
[[nodiscard]] constexpr std::optional<duration> node_latency(N const& n) noexcept {
    auto const& node = node_original(n);
    std::optional<duration> latency;
    if constexpr (requires { { node.latency() } -> std::convertible_to<std::optional<duration>>; }) latency = node.latency();
    else if constexpr (requires { { node.latency } -> std::convertible_to<std::optional<duration>>; }) latency = node.latency;
    if (latency && latency->count() < 0) latency.reset();
    return latency;
}

template <class N>
[[nodiscard]] constexpr std::optional<std::uint32_t> node_capacity(N const& n) noexcept {
    auto const& node = node_original(n);
    if constexpr (requires { { node.capacity() } -> std::convertible_to<std::uint32_t>; }) return detail::count_in(node.capacity());
    else if constexpr (requires { { node.capacity } -> std::convertible_to<std::uint32_t>; }) return detail::count_in(node.capacity);
    else if constexpr (requires { { node.capacity() } -> std::convertible_to<std::optional<std::uint32_t>>; }) return node.capacity();
    else if constexpr (requires { { node.capacity } -> std::convertible_to<std::optional<std::uint32_t>>; }) return node.capacity;
    else return std::nullopt;
}

template <class N>
[[nodiscard]] constexpr std::optional<std::uint32_t> node_zone(N const& n) noexcept {
    auto const& node = node_original(n);
    if constexpr (requires { { node.zone() } -> std::convertible_to<std::uint32_t>; })
        return static_cast<std::uint32_t>(node.zone());
    else if constexpr (requires { { node.zone } -> std::convertible_to<std::uint32_t>; })
        return static_cast<std::uint32_t>(node.zone);
    else if constexpr (requires { { node.zone() } -> std::convertible_to<std::optional<std::uint32_t>>; }) return node.zone();
    else if constexpr (requires { { node.zone } -> std::convertible_to<std::optional<std::uint32_t>>; }) return node.zone;
    else return std::nullopt;
}

template <class N>
[[nodiscard]] constexpr std::optional<std::uint32_t> node_failure_domain(N const& n) noexcept {
    auto const& node = node_original(n);
    if constexpr (requires { { node.failure_domain() } -> std::convertible_to<std::optional<std::uint32_t>>; })
        return node.failure_domain();
    else if constexpr (requires { { node.failure_domain } -> std::convertible_to<std::optional<std::uint32_t>>; })
        return node.failure_domain;
    else return std::nullopt;
}

/// Requires that what resources() returns lives elsewhere: a span, or a reference.
template <class N>
[[nodiscard]] constexpr std::span<double const> node_resources(N const& n) noexcept {
    auto const& node = node_original(n);
    if constexpr (requires { { node.resources() } -> std::convertible_to<std::span<double const>>; }) return node.resources();
    else if constexpr (requires { { node.resources } -> std::convertible_to<std::span<double const>>; }) return node.resources;
    else return {};
}

namespace detail {

/// Whether one more task would find a less loaded for its weight than b. Both usable.
template <class A, class B>
[[nodiscard]] constexpr bool lighter(A const& a, B const& b) noexcept {
    return in_flight_load()(a, time_point{}) < in_flight_load()(b, time_point{});
}

}  // namespace detail

}  // namespace sluice
