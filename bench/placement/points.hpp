// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The points of ring_hash, for rings that are written in the usual ways: all of them give a key the same owner.

#include "workload.hpp"

#include <sluice/core/hash.hpp>
#include <sluice/routing/point_policy.hpp>

namespace bench::placement {

template <class Visit>
void each_point(std::string const& name, Visit visit) {
    auto const point = sluice::mixed_points().points_of(sluice::xxh3(), name);
    for (std::uint32_t r = 0; r < points_of_a_node; ++r) visit(point(r));
}

}  // namespace bench::placement
