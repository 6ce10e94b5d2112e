// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// node_view, shown_node, node_healthy, node_tried, node_original — a list whose nodes are shown otherwise, without a copy.
///
/// Use it for     a wrapper of your own around any balancer: what stands around a balancer is a chain of such views
/// Not for        keeping: a view and its elements point into the list and are good for one choose()
/// Thread-safety  functions of their arguments
/// Complexity     O(1) per property and view; no allocation
/// Errors         none; noexcept as far as the nodes' own properties are
///
/// A shown node has available(), weight() and in_flight(), as any node, and three things more that wrappers ask each other:
///
///     shown_healthy()   it would be available, had this request not been there already. What a share of healthy nodes counts
///     shown_tried()     this request has been there (retry_exclusion): no wrapper shows it as available again, not even in a panic
///     shown_original()  what it shows
///
/// available() is shown_healthy() && !shown_tried(). A property that no wrapper knows (a zone, a place) is read from node_original(n).
/// A Show has any of healthy(i, n), tried(i, n), weight(i, n), where n is the node in the list below at position i; what it
/// lacks stays as it is there.

#include <sluice/routing/balancer.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

namespace sluice {

/// Available, but for the request's own history.
template <class N>
[[nodiscard]] constexpr bool node_healthy(N const& n) noexcept {
    if constexpr (requires { { n.shown_healthy() } -> std::same_as<bool>; }) return n.shown_healthy();
    else return node_available(n);
}

/// This request has been there.
template <class N>
[[nodiscard]] constexpr bool node_tried(N const& n) noexcept {
    if constexpr (requires { { n.shown_tried() } -> std::same_as<bool>; }) return n.shown_tried();
    else return false;
}

/// The node behind all views and pointers.
template <class N>
[[nodiscard]] constexpr auto const& node_original(N const& n) noexcept {
    if constexpr (requires { n.shown_original(); }) return node_original(n.shown_original());
    else return detail::node_behind(n);
}

/// Node is a reference into the list, or a value where the list is itself a view.
template <class Node, class Show>
class shown_node {
public:
    constexpr shown_node(Node node, Show const& show, std::size_t i) noexcept
        : node_(static_cast<Node&&>(node)), show_(&show), i_(i) {}

    [[nodiscard]] constexpr bool          available() const noexcept { return shown_healthy() && !shown_tried(); }
    [[nodiscard]] constexpr std::uint32_t weight() const noexcept {
        if constexpr (requires(Show const& s) { s.weight(i_, node_); }) return show_->weight(i_, node_);
        else return node_weight(node_);
    }
    [[nodiscard]] constexpr std::uint32_t in_flight() const noexcept { return node_in_flight(node_); }

    [[nodiscard]] constexpr bool shown_healthy() const noexcept {
        if constexpr (requires(Show const& s) { s.healthy(i_, node_); }) return show_->healthy(i_, node_);
        else return node_healthy(node_);
    }
    [[nodiscard]] constexpr bool shown_tried() const noexcept {
        if constexpr (requires(Show const& s) { s.tried(i_, node_); }) return show_->tried(i_, node_);
        else return node_tried(node_);
    }
    [[nodiscard]] constexpr auto const& shown_original() const noexcept { return node_; }

private:
    Node        node_;
    Show const* show_;
    std::size_t i_;
};

template <node_list List, class Show>
class node_view {
public:
    /// The list must outlive the view, and the view its elements.
    constexpr node_view(List const& list, Show show) noexcept : list_(&list), show_(std::move(show)) {}

    [[nodiscard]] constexpr std::size_t size() const noexcept { return list_->size(); }
    [[nodiscard]] constexpr auto        operator[](std::size_t i) const noexcept {
        using element = decltype((*list_)[i]);
        return shown_node<element, Show>((*list_)[i], show_, i);
    }

private:
    List const* list_;
    Show        show_;
};

namespace detail {

/// a · b, or the largest weight.
[[nodiscard]] constexpr std::uint32_t multiply_weight(std::uint32_t a, std::uint32_t b) noexcept {
    std::uint64_t const product = std::uint64_t{a} * b;
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    return static_cast<std::uint32_t>(product < most ? product : most);
}

/// Shows only nodes for which Keep(i, node) is true as healthy.
template <class Keep>
struct show_only {
    Keep keep;

    template <class N>
    [[nodiscard]] constexpr bool healthy(std::size_t i, N const& n) const noexcept {
        return node_healthy(n) && keep(i, n);
    }
};

template <node_list List, class Keep>
[[nodiscard]] constexpr auto only(List const& list, Keep keep) noexcept {
    return node_view<List, show_only<Keep>>(list, show_only<Keep>{std::move(keep)});
}

}  // namespace detail

}  // namespace sluice
