// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// combine_options — how max_of and min_of make several opinions one.
///
/// Thread-safety  values

namespace sluice {

struct combine_options {
    /// Somebody without an opinion keeps the others from shrinking the pool: what he cannot see may need it. The
    /// HorizontalPodAutoscaler does so. Where silence is ordinary (scheduled outside its entries), set false, or let it speak.
    bool silence_blocks_shrinking = true;
};

}  // namespace sluice
