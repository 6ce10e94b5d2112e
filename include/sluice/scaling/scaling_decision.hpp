// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// scaling_decision, scaling_stage — what an autoscaler decided, and which of its stages is the reason that it is not what was
/// recommended.
///
/// Thread-safety  values

#include <sluice/core/clock.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice {

/// In the order of the pipeline.
enum class scaling_stage : std::uint8_t {
    none,           ///< as recommended
    missing_data,   ///< nobody knows: what is there stays, or the fallback
    dead_band,      ///< the difference is too small
    stabilisation,  ///< a wish of the recent past
    rate,           ///< workers per period
    cooldown,       ///< a pause after a change
    busy,           ///< workers with a task in hand
    limits,         ///< min, max
    activation,     ///< work is queued, and nobody would be there
};

[[nodiscard]] constexpr std::string_view to_string(scaling_stage s) noexcept {
    switch (s) {
    case scaling_stage::none: return "none";
    case scaling_stage::missing_data: return "missing data";
    case scaling_stage::dead_band: return "dead band";
    case scaling_stage::stabilisation: return "stabilisation";
    case scaling_stage::rate: return "rate";
    case scaling_stage::cooldown: return "cooldown";
    case scaling_stage::busy: return "busy";
    case scaling_stage::limits: return "limits";
    case scaling_stage::activation: return "activation";
    }
    return "?";
}

struct scaling_decision {
    std::uint32_t         desired = 0;                       ///< workers; what to ask the pool for
    std::optional<double> recommended{};                     ///< before all stages; empty: no opinion
    std::string_view      reason{};                          ///< the recommender's; refers to a literal
    scaling_stage         limited_by = scaling_stage::none;  ///< the last stage that changed the number
    time_point            next_evaluation{};

    friend constexpr bool operator==(scaling_decision const&, scaling_decision const&) noexcept = default;
};

}  // namespace sluice
