// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// scaled_time — a rate and a burst as whole numbers of ticks, so that a limiter multiplies, adds and compares.
///
/// Use it for     detail::virtual_schedule
/// Thread-safety  a value; any thread
/// Complexity     make: Euclid's algorithm, some twenty times at most; the rest: a few multiplications, no division
/// Errors         make throws std::invalid_argument where no ticks do
/// Units          positions in ticks modulo 2^64, always multiples of 16: the lowest four bits are the user's. A nanosecond
///                has `scale` ticks, or 2^shift of them have; a token weighs `weight` ticks
///
/// scale : weight is count : period of the rate, exactly, where count is at most 2^17 and the burst is not too large;
/// otherwise a fraction that is not faster, with an error below 10^-9 if there is one, and 8 ppm at most. Nothing is rounded for
/// each token or each request, so nothing adds up. Times may be promised for most_debt ticks ahead: 18 minutes at least, 4 years
/// for one event in whole nanoseconds, and as good as that where events are a second apart or more.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>
#include <sluice/core/units.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace sluice::detail {

/// 2^64 / divisor, to divide by it with a multiplication.
[[nodiscard]] constexpr std::uint64_t reciprocal(std::uint64_t divisor) noexcept { return UINT64_MAX / divisor; }

/// x / divisor, rounded down.
[[nodiscard]] constexpr std::uint64_t divide(std::uint64_t x, std::uint64_t divisor, std::uint64_t inverse) noexcept {
    auto const q = multiply_wide(x, inverse).high;  // the quotient, or one less
    return q + static_cast<std::uint64_t>(x - q * divisor >= divisor);
}

/// w / a >= p / q, as close as it gets with a <= most_a and w <= most_w; 0 / 0 if there is none. `excess` is w·q - p·a.
/// (The Stern-Brocot tree, walked in strides: Euclid's algorithm.)
struct fraction_above {
    std::uint64_t w = 0, a = 0, excess = 0;
};
[[nodiscard]] constexpr fraction_above nearest_above(std::uint64_t p, std::uint64_t q, std::uint64_t most_w,
                                                     std::uint64_t most_a) noexcept {
    std::uint64_t low_w = 0, low_a = 1, low_gap = p;    // low_w / low_a < p / q by low_gap / (q·low_a)
    std::uint64_t high_w = 1, high_a = 0, high_gap = q;
    auto const    room = [](std::uint64_t most, std::uint64_t have, std::uint64_t step) {
        return have > most ? 0 : step == 0 ? UINT64_MAX : (most - have) / step;
    };
    for (;;) {
        auto const down = std::min({high_gap / low_gap, room(most_w, high_w, low_w), room(most_a, high_a, low_a)});
        high_w += down * low_w;
        high_a += down * low_a;
        high_gap -= down * low_gap;
        if (high_gap == 0) break;
        auto const up = std::min({low_gap / high_gap, room(most_w, low_w, high_w), room(most_a, low_a, high_a)});
        low_w += up * high_w;
        low_a += up * high_a;
        low_gap -= up * high_gap;
        if (low_gap == 0) return {low_w, low_a, 0};
        if (up == 0 && down == 0) break;
    }
    return high_a == 0 || high_w > most_w ? fraction_above{} : fraction_above{high_w, high_a, high_gap};
}

struct scaled_time {
    static constexpr std::uint64_t step = 16;                           ///< divides every position
    static constexpr std::uint64_t most_full = std::uint64_t{1} << 62;  ///< ticks in a full bucket
    static constexpr std::uint64_t most_debt = std::uint64_t{1} << 61;  ///< ticks reserved beyond now
    static constexpr std::uint64_t reach = (std::uint64_t{1} << 60) - 1;  ///< ticks from the anchor to the last usable time
    static constexpr std::uint64_t most_late = most_debt + reach;         ///< ticks from any time in reach until a debt is paid
    // So what is missing at the worst of times, most_full + reach + most_late, is below 2^63.

    std::uint64_t scale = step;   ///< ticks in 2^shift nanoseconds
    std::uint64_t weight = step;  ///< ticks for one token
    std::uint64_t full = step;    ///< ticks that a full bucket holds
    std::uint64_t burst = 1;      ///< tokens that a full bucket holds
    std::uint64_t shift = 0;      ///< > 0 only where filling takes longer than 9 years

    [[nodiscard]] static scaled_time make(rate r, std::uint64_t burst, char const* too_fast, char const* too_large) {
        require_option(burst > 0, too_large, burst);
        auto const    period = static_cast<std::uint64_t>(r.period().count());
        auto          count = static_cast<std::uint64_t>(r.count());
        auto const    heaviest = most_full / step / burst;
        constexpr std::uint64_t most_scale = std::uint64_t{1} << 17;
        require_option(count / 1024 < period, too_fast, r.to_per_second());
        scaled_time t;
        // A burst above 2^40 must fill quickly, so that there are ticks enough for one token.
        if (heaviest == 0 || (heaviest < (std::uint64_t{1} << 18) && period / count > heaviest))
            throw_invalid(too_large, burst);
        while (period / count > heaviest || (period / count == heaviest && period % count != 0)) {
            count *= 2;  // no overflow: count < period / heaviest
            ++t.shift;
        }
        auto f = nearest_above(period, count, heaviest, t.shift == 0 ? most_scale : 1);
        auto const within = [period](fraction_above const& g, std::uint64_t parts) {  // an error of 1 / parts at most
            return g.a != 0 && !(multiply_wide(period, g.a) < multiply_wide(g.excess, parts));
        };
        if (!within(f, 125'000)) throw_invalid(too_large, burst);
        // Not exact: fewer ticks, which reach further into the future, where they are as good as exact.
        for (std::uint64_t most = 1; f.excess != 0 && most < f.a; most *= 2)
            if (auto const g = nearest_above(period, count, heaviest, most); within(g, 1'000'000'000)) f = g;
        t.scale = step * f.a;
        t.weight = step * f.w;
        t.burst = burst;
        t.full = burst * t.weight;
        return t;
    }

    /// One token in each `interval`, and `tolerance` of time saved up beyond the first.
    [[nodiscard]] static scaled_time make(duration interval, duration tolerance, char const* too_fast,
                                          char const* too_large) {
        auto const each = static_cast<std::uint64_t>(interval.count());
        auto const saved = static_cast<std::uint64_t>(tolerance.count());
        auto const tokens = saved / each + 1;
        bool const whole = saved % each == 0;
        auto       t = make(per(1, interval), tokens + (whole ? 0 : 1), too_fast, too_large);
        t.burst = tokens;
        t.full = tokens * t.weight + ((saved % each) >> t.shift) * t.scale;
        return t;
    }

    /// Where a time is; with a shift, where the last multiple of 2^shift nanoseconds is.
    [[nodiscard]] constexpr std::uint64_t position(time_point t) const noexcept {
        return static_cast<std::uint64_t>(t.time_since_epoch().count() >> shift) * scale;
    }

    /// The least time >= t that is `ticks` further than position(t). Requires ticks < 2^63.
    [[nodiscard]] constexpr time_point time_after(time_point t, std::uint64_t ticks) const noexcept {
        auto const steps = static_cast<std::int64_t>(divide(ticks + scale - 1, scale, reciprocal(scale)));
        if (shift == 0 || steps == 0) return saturating_add(t, duration(steps));
        auto const start = time_point(duration((t.time_since_epoch().count() >> shift) * (std::int64_t{1} << shift)));
        if (steps > (INT64_MAX >> shift)) return time_point::max();
        return saturating_add(start, duration(steps * (std::int64_t{1} << shift)));
    }

    [[nodiscard]] constexpr std::uint64_t tokens_in(std::uint64_t ticks) const noexcept {
        return divide(ticks, weight, reciprocal(weight));
    }

    /// How far from its anchor a time may be for positions to be compared by their signed difference.
    [[nodiscard]] constexpr duration range() const noexcept {
        auto const steps = reach / scale;
        bool const fits = steps <= (static_cast<std::uint64_t>(INT64_MAX) >> shift);
        return fits ? duration(static_cast<std::int64_t>(steps << shift)) : duration::max();
    }

    /// Ticks between two times, or `most` where there are more. Requires later >= earlier.
    [[nodiscard]] constexpr std::uint64_t ticks_between(time_point earlier, time_point later,
                                                        std::uint64_t most) const noexcept {
        auto const first = earlier.time_since_epoch().count() >> shift;
        auto const last = later.time_since_epoch().count() >> shift;
        auto const product = multiply_wide(static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first), scale);
        return product.high != 0 || product.low > most ? most : product.low;
    }
};

}  // namespace sluice::detail
