// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// detail::counter_rule — the arithmetic of sliding_window_counter: two counts, a weight, and when a cost fits.
///
/// Thread-safety  a value; any thread
/// Complexity     O(1): two 64-bit divisions, a third for retry_after
/// Errors         requires a limit in 1 … 2^60 and counts that are at most the limit, as step() leaves them
/// Units          counts in units of cost; window positions as window_grid has them

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/flow/detail/window_grid.hpp>
#include <sluice/flow/verdict.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>

namespace sluice {

/// What becomes of the fraction when the previous window is weighed; see sliding_window_counter.
enum class window_rounding : std::uint8_t { keep_one, down, up };

namespace detail {

struct window_counts {
    std::uint64_t index = 0;
    std::uint64_t previous = 0;
    std::uint64_t current = 0;

    friend constexpr bool operator==(window_counts const&, window_counts const&) noexcept = default;
};

struct counter_rule {
    struct result {
        window_counts next;  ///< to be stored if the answer is admitted
        verdict       answer;
    };

    std::uint64_t   limit;
    window_grid     grid;
    window_rounding rounding;

    [[nodiscard]] constexpr result step(window_counts const& counts, std::uint64_t cost, time_point now) const noexcept {
        auto const where = grid.at(now);
        bool const late = where.index < counts.index;
        auto       c = late ? counts : moved(counts, where.index);
        auto const room = late ? 0 : room_in(c, grid.length() - where.elapsed);
        if (cost == 0) return {counts, verdict::admit(room)};
        if (cost > limit) return {counts, verdict::refuse(room)};
        if (cost > room) {
            auto const wait = saturating_sub(fits_at(c, cost), now);
            return {counts, verdict::later(std::max(wait, duration(1)), room)};
        }
        c.current += cost;
        return {c, verdict::admit(room - cost)};
    }

    /// The counts as window `index` sees them, which is not before theirs.
    [[nodiscard]] static constexpr window_counts moved(window_counts const& c, std::uint64_t index) noexcept {
        if (index == c.index) return c;
        return {index, index - c.index == 1 ? c.current : 0, 0};
    }

    /// What the previous window counts for while `left` nanoseconds of it are less than a window old.
    [[nodiscard]] constexpr std::uint64_t weight(std::uint64_t previous, std::uint64_t left) const noexcept {
        if (previous == 0) return 0;
        bool const up = rounding == window_rounding::up;
        auto const w = multiply_divide(previous, left, grid.length(), up ? round_to::ceiling : round_to::floor);
        return rounding == window_rounding::keep_one ? std::max<std::uint64_t>(w, 1) : w;
    }

    [[nodiscard]] constexpr std::uint64_t room_in(window_counts const& c, std::uint64_t left) const noexcept {
        auto const used = c.current + weight(c.previous, left);
        return used < limit ? limit - used : 0;
    }

    /// When a cost in 1 … limit fits, if nobody else comes before.
    [[nodiscard]] constexpr time_point fits_at(window_counts c, std::uint64_t cost) const noexcept {
        for (;;) {
            if (c.current <= limit - cost) {
                auto const left = most_left(c.previous, limit - cost - c.current);
                if (left > 0) return grid.point(c.index, grid.length() - left);
            }
            if (c.index == UINT64_MAX) return time_point::max();
            c = {c.index + 1, c.current, 0};  // two windows on, both counts are zero and the cost fits
        }
    }

    /// Takes a cost out of the window that it was counted in, if that still counts. Returns how much.
    static constexpr std::uint64_t take_back(window_counts& counts, std::uint64_t index, std::uint64_t cost) noexcept {
        if (index > counts.index || counts.index - index > 1) return 0;
        auto&      count = index == counts.index ? counts.current : counts.previous;
        auto const back = std::min(cost, count);
        count -= back;
        return back;
    }

private:
    /// The largest `left` at which the previous window counts for at most `room`; 0 if there is none.
    [[nodiscard]] constexpr std::uint64_t most_left(std::uint64_t previous, std::uint64_t room) const noexcept {
        auto const length = grid.length();
        if (previous <= room) return length;
        if (rounding == window_rounding::up) return multiply_divide(room, length, previous, round_to::floor);
        if (rounding == window_rounding::keep_one && room == 0) return 0;
        return multiply_divide(room + 1, length, previous, round_to::ceiling) - 1;
    }
};

/// Where index and counts lie in one word, the lowest `word_bits` of it; 0 count bits if they do not fit.
struct counter_layout {
    static constexpr unsigned word_bits = 63;  ///< the last one is for whoever keeps the word

    unsigned count_bits = 0;

    [[nodiscard]] static constexpr counter_layout of(window_grid const& grid, std::uint64_t limit) noexcept {
        auto const index_bits = static_cast<unsigned>(std::bit_width(grid.last_index()));
        unsigned const bits = index_bits < word_bits ? (word_bits - index_bits) / 2 : 0;
        return {static_cast<unsigned>(std::bit_width(limit)) <= bits ? bits : 0};
    }

    [[nodiscard]] constexpr bool fits() const noexcept { return count_bits != 0; }

    [[nodiscard]] constexpr std::uint64_t pack(window_counts const& c) const noexcept {
        return c.index << (2 * count_bits) | c.previous << count_bits | c.current;
    }
    [[nodiscard]] constexpr window_counts unpack(std::uint64_t word) const noexcept {
        auto const mask = (std::uint64_t{1} << count_bits) - 1;
        return {word >> (2 * count_bits), (word >> count_bits) & mask, word & mask};
    }
};

}  // namespace detail
}  // namespace sluice
