// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::describe, detail::refuse_node — how a node appears in an error message.
///
/// Thread-safety  any thread
/// Errors         refuse_node throws std::invalid_argument

#include <sluice/core/detail/invalid.hpp>

#include <concepts>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sluice::detail {

/// "name" for text, digits for numbers, … for what has no words.
template <class Node>
[[nodiscard]] std::string describe(Node const& node) {
    if constexpr (std::convertible_to<Node const&, std::string_view>)
        return '"' + std::string(std::string_view(node)) + '"';
    else if constexpr (std::integral<Node> || std::floating_point<Node>)
        return shown(node);
    else
        return "…";
}

/// refuse_node("ring_hash: node (not a member yet)", node)
template <class Node>
[[noreturn]] void refuse_node(char const* name_and_range, Node const& node) {
    throw std::invalid_argument("sluice: " + std::string(name_and_range) + " is " + describe(node));
}

}  // namespace sluice::detail
