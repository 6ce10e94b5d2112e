// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// node_index — which node is meant: a position in a list, or a member of a placement.
///
/// Use it for     every answer of a balancer or placement that is not the node itself
/// Thread-safety  values; any thread

#include <cstdint>

namespace sluice {

using node_index = std::uint32_t;

}  // namespace sluice
