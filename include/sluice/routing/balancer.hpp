// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// node_list, node_available, node_weight, node_in_flight, balancer — the words that everything speaks which chooses a node by load.
///
/// Use it for     code over any balancer, a node type or a balancer of your own
/// Not for        the same node for the same key each time (placement)
/// Thread-safety  functions of their arguments. Each balancer's header says whether choose() may be called by several threads
/// Complexity     each property one call or one read
/// Errors         none here; no available node is an empty answer
/// Units          positions in the list; weights and tasks in flight as whole numbers
///
/// A list is anything with size() and operator[]: a span or vector of nodes or of pointers to them, or a view that shows some
/// nodes otherwise (as not available, with another weight), which is how slow_start, panic_threshold, outlier_ejection and
/// retry_exclusion wrap any balancer without a copy. A node is any type; what it has is used, what it lacks has a default:
///
///     available   member or member function; true by default. A node that is not available is never chosen
///     weight      a whole number; 1 by default. 0 takes no new work (drained), as if not available
///     in_flight   a whole number; 0 by default
///
/// Either may have any arithmetic type, atomic or not, and counts from 0 to 2^32 - 1: what is below counts as 0, as does NaN, what
/// is above as the largest, and a fraction as the next whole number, so that 0.5 is no drain. Scale fractions to whole numbers.
///
/// choose(nodes, now, rng) answers with a position in the list, or nothing. Time and randomness come with the call; a balancer
/// that needs neither ignores them.

#include <sluice/core/clock.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/node_index.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

namespace sluice {

template <class L>
concept node_list = requires(L const& list, std::size_t i) {
    { list.size() } -> std::convertible_to<std::size_t>;
    list[i];
};

namespace detail {

/// The node itself, where the list holds pointers (plain or smart).
template <class N>
[[nodiscard]] constexpr auto& node_behind(N& n) noexcept {
    if constexpr (requires { *n; n ? 0 : 0; }) return *n;
    else return n;
}

template <class T>
[[nodiscard]] constexpr std::uint32_t whole_number(T x) noexcept {
    constexpr std::uint32_t most = std::numeric_limits<std::uint32_t>::max();
    if constexpr (std::floating_point<T>) {
        if (!(x > 0)) return 0;
        if (x >= static_cast<T>(most)) return most;
        auto const below = static_cast<std::uint32_t>(x);
        return static_cast<T>(below) < x ? below + 1 : below;
    } else {
        if (std::cmp_less(x, 0)) return 0;
        return std::cmp_less(x, most) ? static_cast<std::uint32_t>(x) : most;
    }
}
/// Of a number, or of what becomes one (std::atomic).
template <class T>
[[nodiscard]] constexpr std::uint32_t count_in(T const& x) noexcept {
    if constexpr (requires { requires std::is_arithmetic_v<std::remove_cvref_t<decltype(+x)>>; }) return whole_number(+x);
    else return static_cast<std::uint32_t>(x);
}

}  // namespace detail

/// Whether a node takes work at all.
template <class N>
[[nodiscard]] constexpr bool node_available(N const& n) noexcept {
    auto const& node = detail::node_behind(n);
    if constexpr (requires { { node.available() } -> std::convertible_to<bool>; }) return node.available();
    else if constexpr (requires { { node.available } -> std::convertible_to<bool>; }) return node.available;
    else return true;
}

/// Its share of the work, relative to others.
template <class N>
[[nodiscard]] constexpr std::uint32_t node_weight(N const& n) noexcept {
    auto const& node = detail::node_behind(n);
    if constexpr (requires { { node.weight() } -> std::convertible_to<std::uint32_t>; })
        return detail::count_in(node.weight());
    else if constexpr (requires { { node.weight } -> std::convertible_to<std::uint32_t>; })
        return detail::count_in(node.weight);
    else return 1;
}

/// What it has been given and has not finished.
template <class N>
[[nodiscard]] constexpr std::uint32_t node_in_flight(N const& n) noexcept {
    auto const& node = detail::node_behind(n);
    if constexpr (requires { { node.in_flight() } -> std::convertible_to<std::uint32_t>; })
        return detail::count_in(node.in_flight());
    else if constexpr (requires { { node.in_flight } -> std::convertible_to<std::uint32_t>; })
        return detail::count_in(node.in_flight);
    else return 0;
}

/// Available and not drained: what a balancer may choose.
template <class N>
[[nodiscard]] constexpr bool node_usable(N const& n) noexcept {
    return node_available(n) && node_weight(n) > 0;
}

/// Something that chooses one node of a list. A wrapper hands lists of its own type on, so choose is a template; the concept
/// asks about one list type.
template <class B, class List>
concept balancer = node_list<List> && requires(B& b, List const& nodes, time_point now, xoshiro256ss& rng) {
    { b.choose(nodes, now, rng) } -> std::same_as<std::optional<node_index>>;
};

/// How many nodes of the list may be chosen.
template <node_list List>
[[nodiscard]] constexpr std::size_t count_usable(List const& nodes) noexcept {
    std::size_t usable = 0;
    for (std::size_t i = 0, n = nodes.size(); i < n; ++i) usable += node_usable(nodes[i]) ? 1u : 0u;
    return usable;
}

/// The position of the k-th of them, counted from 0; empty if there are not so many.
template <node_list List>
[[nodiscard]] constexpr std::optional<node_index> nth_usable(List const& nodes, std::size_t k) noexcept {
    for (std::size_t i = 0, n = nodes.size(); i < n; ++i)
        if (node_usable(nodes[i]) && k-- == 0) return static_cast<node_index>(i);
    return std::nullopt;
}

/// One of the usable nodes, each equally likely; empty if there is none. A few draws, then a count: O(1) while most are usable,
/// O(n) at worst, never endless.
template <node_list List, random_source Source>
[[nodiscard]] constexpr std::optional<node_index> any_usable(List const& nodes, Source& rng) {
    std::size_t const n = nodes.size();
    if (n == 0) return std::nullopt;
    for (int tries = 0; tries < 4; ++tries) {
        auto const i = static_cast<std::size_t>(uniform_below(rng, n));
        if (node_usable(nodes[i])) return static_cast<node_index>(i);
    }
    std::size_t const usable = count_usable(nodes);
    if (usable == 0) return std::nullopt;
    return nth_usable(nodes, static_cast<std::size_t>(uniform_below(rng, usable)));
}

}  // namespace sluice
