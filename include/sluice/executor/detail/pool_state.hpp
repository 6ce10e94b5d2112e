// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::pool_state — the pool's one word of marks, which says where the plain way is not enough.
///
/// A worker looks at it before each task, a submitter from outside before each submission: one look for everything that is
/// out of the ordinary, and nothing else on those paths.
///
/// Thread-safety  constants

#include <cstdint>

namespace sluice::detail {

struct pool_state {
    // Only ever set.
    static constexpr std::uint32_t closed = 1;      ///< takes no work from outside
    static constexpr std::uint32_t discarding = 2;  ///< drops what is queued
    static constexpr std::uint32_t stopped = 4;     ///< threads end
    static constexpr std::uint32_t ending = 8;      ///< somebody shuts it down: a pause is over for good
    static constexpr std::uint32_t counting = 16;   ///< submissions from outside are counted
    static constexpr std::uint32_t sampling = 32;   ///< depths are measured before each task
    static constexpr std::uint32_t mail = 64;       ///< there may be tasks for one worker only
    // Set and taken back.
    static constexpr std::uint32_t crowded = 128;   ///< more threads than wanted: whoever can leave should
    static constexpr std::uint32_t spare = 256;     ///< more than needed: whoever has nothing to do should leave
    static constexpr std::uint32_t paused = 512;    ///< no task begins

    static constexpr std::uint32_t refuses = closed | discarding | stopped;
    static constexpr std::uint32_t before_task = discarding | sampling | mail | crowded | paused;
};

}  // namespace sluice::detail
