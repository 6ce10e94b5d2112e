// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// shard_splitter — notices shards that stay too hot, says into how many parts to cut them, and when to merge them again.
///
/// Use it for     virtual_shards under a load that moves: a celebrity's key, a tenant's batch
/// Not for        moving whole shards (virtual_shards::plan_by_load)
/// Thread-safety  one thread at a time
/// Complexity     record: O(1). evaluate: O(shards) once a slice, otherwise O(1). No allocation after construction
/// Errors         constructor: std::invalid_argument names the option. record of a shard that there is not: likewise
/// Units          requests, or any load in whole numbers; ratios to the mean load of a shard
/// Example        examples/230_virtual_shards.cpp
///
/// A window has `slices`. A shard above split_ratio times the mean in each slice of a whole window is split, into a power of
/// two of parts, at least twice as many as it has means; one that is split and stays at or below merge_ratio times the mean
/// for a whole window is merged. Between the two nothing happens, but that a split shard which has grown to twice the load
/// that its parts are for is split further. A slice with too few requests says nothing: it breaks no streak and makes none.
/// After a gap of a window or more, and when the clock goes back, all streaks begin anew.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace sluice {

struct shard_splitter_options {
    duration      window = std::chrono::seconds(60);  ///< how long a shard must stay hot, or cool; > 0
    std::uint32_t slices = 4;                         ///< in a window; 1 to 1000, none shorter than 1 ns
    double        split_ratio = 2;                    ///< times the mean load of a shard; > merge_ratio
    double        merge_ratio = 1.25;                 ///< > 0; at the mean itself chance alone would keep a shard split
    std::uint64_t min_requests = 100;                 ///< of all shards together, in a slice that counts; > 0
    std::uint32_t max_parts = 64;                     ///< a power of two, 2 to 1024
};

/// What should become of one shard.
struct shard_change {
    std::uint32_t shard = 0;
    std::uint32_t parts = 0;  ///< 0: merge it
    double        ratio = 0;  ///< its load in the last slice, times the mean

    friend bool operator==(shard_change const&, shard_change const&) = default;
};

class shard_splitter {
public:
    explicit shard_splitter(std::uint32_t shards, shard_splitter_options o = {}) : o_(o) {
        using detail::require_option;
        require_option(shards >= 1, "shard_splitter: shards (> 0)", shards);
        require_option(o.slices >= 1 && o.slices <= 1000, "shard_splitter: slices (1 to 1000)", o.slices);
        require_option(o.window.count() >= o.slices, "shard_splitter: window (at least 1 ns a slice)", o.window.count());
        require_option(o.merge_ratio > 0, "shard_splitter: merge_ratio (> 0)", o.merge_ratio);
        require_option(o.split_ratio > o.merge_ratio && std::isfinite(o.split_ratio), "shard_splitter: split_ratio (> merge_ratio)",
                       o.split_ratio);
        require_option(o.min_requests > 0, "shard_splitter: min_requests (> 0)", o.min_requests);
        require_option(o.max_parts >= 2 && o.max_parts <= 1024 && std::has_single_bit(o.max_parts),
                       "shard_splitter: max_parts (a power of two, 2 to 1024)", o.max_parts);
        slice_ = o.window / o.slices;
        shards_.resize(shards);
        loads_.resize(shards);
        changes_.reserve(shards);
    }

    /// n requests for a shard, in the present slice.
    void record(std::uint32_t shard, std::uint64_t n = 1) {
        detail::require_option(shard < shards_.size(), "shard_splitter: shard (below the number of shards)", shard);
        auto& count = shards_[shard].count;
        count = count > UINT64_MAX - n ? UINT64_MAX : count + n;
    }

    /// Ends the slice if its time is over, and says what should be done; the splitter takes it as done. Call it a few times a
    /// slice, or when the last answer's due() has come. The span is good until the next call.
    [[nodiscard]] std::span<shard_change const> evaluate(time_point now) {
        changes_.clear();
        if (!begin_ || now < *begin_) {
            restart(now);
            return changes_;
        }
        auto const passed = saturating_sub(now, *begin_);
        if (passed < slice_) return changes_;
        bool const gap = passed / 2 >= slice_ && passed >= o_.window;
        double     total = 0;
        for (auto const& s : shards_) total += static_cast<double>(s.count);
        if (gap || total < static_cast<double>(o_.min_requests)) {
            if (gap) restart(now);
            else next_slice(now);
            return changes_;
        }
        double const mean = total / static_cast<double>(shards_.size());
        for (std::uint32_t i = 0; i < shards_.size(); ++i) {
            auto&        s = shards_[i];
            double const ratio = static_cast<double>(s.count) / mean;
            loads_[i] = static_cast<double>(s.count);
            bool const above = s.parts == 0 ? ratio > o_.split_ratio : parts_for(ratio) > s.parts;
            bool const below = s.parts != 0 && ratio <= o_.merge_ratio;
            s.above = above ? s.above + 1 : 0;
            s.below = below ? s.below + 1 : 0;
            if (s.above >= o_.slices) {
                s.parts = parts_for(ratio);
                changes_.push_back({i, s.parts, ratio});
            } else if (s.below >= o_.slices) {
                s.parts = 0;
                changes_.push_back({i, 0, ratio});
            } else {
                continue;
            }
            s.above = s.below = 0;
        }
        next_slice(now);
        return changes_;
    }

    /// When the present slice ends.
    [[nodiscard]] std::optional<time_point> due() const noexcept {
        return begin_ ? std::optional(saturating_add(*begin_, slice_)) : std::nullopt;
    }
    /// Each shard's load in the last slice that counted: what virtual_shards::plan_parts wants to know.
    [[nodiscard]] std::span<double const> loads() const noexcept { return loads_; }
    /// In how many parts a shard is taken to be; 0: whole.
    [[nodiscard]] std::uint32_t                 parts(std::uint32_t shard) const noexcept { return shards_[shard].parts; }
    [[nodiscard]] shard_splitter_options const& options() const noexcept { return o_; }

private:
    struct state {
        std::uint64_t count = 0;
        std::uint32_t above = 0;  // slices in a row
        std::uint32_t below = 0;
        std::uint32_t parts = 0;
    };

    /// A power of two, at least twice the ratio: so fine that parts can even out what the other shards leave.
    [[nodiscard]] std::uint32_t parts_for(double ratio) const noexcept {
        if (!(2 * ratio < o_.max_parts)) return o_.max_parts;
        return std::bit_ceil(std::max<std::uint32_t>(2, static_cast<std::uint32_t>(std::ceil(2 * ratio))));
    }
    void next_slice(time_point now) noexcept {
        for (auto& s : shards_) s.count = 0;
        begin_ = now;
    }
    void restart(time_point now) noexcept {
        next_slice(now);
        for (auto& s : shards_) s.above = s.below = 0;
    }

    shard_splitter_options    o_;
    duration                  slice_{};
    std::vector<state>        shards_;
    std::vector<double>       loads_;
    std::vector<shard_change> changes_;
    std::optional<time_point> begin_;
};

}  // namespace sluice
