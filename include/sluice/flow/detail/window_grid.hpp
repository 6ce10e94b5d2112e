// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::window_grid, window_inherit — the time line cut into windows of one length, over its whole 64 bits.
///
/// Thread-safety  a value; any thread
/// Complexity     at: one 64-bit division with its remainder. point: one multiplication
/// Errors         requires a length > 0; points beyond the time line stay at its ends
/// Units          an index counts windows from the beginning of the time line, elapsed counts nanoseconds within one
///
/// Time points are taken as unsigned distances from the beginning of the time line, so that negative ones need no case
/// of their own and nothing overflows. Unless the grid begins there by chance, window 0 is cut off by the beginning.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/wide.hpp>

#include <cstdint>

namespace sluice {

/// What reconfigure() of a window limiter does with what was admitted before.
enum class window_inherit : std::uint8_t {
    reset,  ///< forgets it: the new limiter starts empty
    as_is   ///< keeps it, counted against the new limit; each limiter says how
};

namespace detail {

struct window_position {
    std::uint64_t index;
    std::uint64_t elapsed;  ///< < length
};

class window_grid {
public:
    constexpr window_grid(duration length, time_point origin) noexcept
        : length_(static_cast<std::uint64_t>(length.count())), phase_(distance(origin) % length_) {}

    [[nodiscard]] constexpr window_position at(time_point t) const noexcept {
        auto const u = distance(t);
        if (u < phase_) return {0, u + (length_ - phase_)};
        return {(u - phase_) / length_ + (phase_ != 0 ? 1 : 0), (u - phase_) % length_};
    }

    /// The time at which so much of the window has elapsed.
    [[nodiscard]] constexpr time_point point(std::uint64_t index, std::uint64_t elapsed) const noexcept {
        if (phase_ != 0 && index == 0) {
            auto const cut = length_ - phase_;
            return from_distance(elapsed > cut ? elapsed - cut : 0);
        }
        auto const product = multiply_wide(index - (phase_ != 0 ? 1 : 0), length_);
        if (product.high != 0 || product.low > UINT64_MAX - phase_) return time_point::max();
        auto const start = product.low + phase_;
        return start > UINT64_MAX - elapsed ? time_point::max() : from_distance(start + elapsed);
    }

    [[nodiscard]] constexpr std::uint64_t last_index() const noexcept { return at(time_point::max()).index; }
    [[nodiscard]] constexpr std::uint64_t length() const noexcept { return length_; }

    friend constexpr bool operator==(window_grid const&, window_grid const&) noexcept = default;

private:
    static constexpr std::uint64_t middle = std::uint64_t{1} << 63;

    [[nodiscard]] static constexpr std::uint64_t distance(time_point t) noexcept {
        return static_cast<std::uint64_t>(t.time_since_epoch().count()) ^ middle;
    }
    [[nodiscard]] static constexpr time_point from_distance(std::uint64_t u) noexcept {
        return time_point(duration(static_cast<std::int64_t>(u ^ middle)));
    }

    std::uint64_t length_;
    std::uint64_t phase_;
};

}  // namespace detail
}  // namespace sluice
