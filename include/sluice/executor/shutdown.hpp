// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// shutdown_mode, shutdown_result — how a pool ends, and what became of its work.
///
/// Thread-safety  values

#include <cstdint>

namespace sluice {

enum class shutdown_mode : std::uint8_t {
    drain,    ///< run what is queued, and what that queues
    discard,  ///< drop what is queued; what is running ends normally
    cancel,   ///< the same, and thread_pool::stop_token is stopped, so that what is running may end sooner
};

/// What thread_pool::drain_for found.
struct [[nodiscard]] shutdown_result {
    std::uint64_t ran = 0;        ///< tasks that ran to their end after the call, as thread_pool::completed counts them
    std::uint64_t dropped = 0;    ///< tasks dropped unrun; of a bulk, each index
    bool          in_time = true; ///< everything had been run when the time was over

    friend constexpr bool operator==(shutdown_result const&, shutdown_result const&) = default;
};

}  // namespace sluice
