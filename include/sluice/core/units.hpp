// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// rate, per_second, per_minute, per, _KiB, _MiB, _GiB — quantities that carry their unit.
///
/// Use it for     every "so many per so long": refill rates, arrival rates, service rates
/// Not for        ratios without a time (utilisation, weights)
/// Thread-safety  values; any thread
/// Complexity     O(1), constexpr, no allocation
/// Errors         std::invalid_argument names the parameter and its value: zero, negative, NaN, infinite or too large.
///                A literal of bytes that does not fit std::size_t does not compile
/// Units          events per integer nanoseconds, an exact fraction: per_second(3) is 3 / 10^9 ns, not .333 s
///
/// A rate from a floating-point number takes its decimals, nine at most: per_second(0.1) is exactly one in 10 s.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/detail/wide.hpp>

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string>

namespace sluice {

class rate;

namespace detail {

template <class T>
concept number = (std::integral<T> && !std::same_as<T, bool>) || std::floating_point<T>;

template <class T>
[[noreturn]] inline void refuse(char const* parameter, T value, char const* rule) {
    throw std::invalid_argument("sluice: " + std::string(parameter) + " = " + shown(value) + ", " + rule);
}

template <number N>
[[nodiscard]] constexpr rate make_rate(char const* parameter, N n, std::int64_t period);

}  // namespace detail

/// How often something happens: a positive whole number of events in a positive whole number of nanoseconds, in lowest
/// terms. Equal rates are equal objects. There is no rate of zero: use an optional, or no limiter at all.
class rate {
public:
    [[nodiscard]] constexpr std::int64_t count() const noexcept { return count_; }
    [[nodiscard]] constexpr duration period() const noexcept { return duration(period_); }

    /// Events per second, as close as a double gets. For reports and models; limiters use the exact functions below.
    [[nodiscard]] constexpr double to_per_second() const noexcept {
        return static_cast<double>(count_) / static_cast<double>(period_) * 1e9;
    }

    /// Time from one event to the next, rounded up to a nanosecond: a stream spaced by it never exceeds the rate.
    [[nodiscard]] constexpr duration interval() const noexcept { return time_for(1); }

    /// The least time in which n events may happen, rounded up to a nanosecond; duration::max() where that is too long.
    [[nodiscard]] constexpr duration time_for(std::uint64_t n) const noexcept {
        return clamped(detail::multiply_divide(n, static_cast<std::uint64_t>(period_),
                                               static_cast<std::uint64_t>(count_), detail::round_to::ceiling));
    }

    /// Whole events that happen in d: 0 for a negative d, the largest number where there are more.
    [[nodiscard]] constexpr std::uint64_t events_in(duration d) const noexcept {
        if (d.count() <= 0) return 0;
        return detail::multiply_divide(static_cast<std::uint64_t>(d.count()), static_cast<std::uint64_t>(count_),
                                       static_cast<std::uint64_t>(period_), detail::round_to::floor);
    }

    friend constexpr bool operator==(rate const&, rate const&) noexcept = default;
    friend constexpr std::strong_ordering operator<=>(rate const& a, rate const& b) noexcept {
        auto const word = [](std::int64_t positive) { return static_cast<std::uint64_t>(positive); };
        auto const left = detail::multiply_wide(word(a.count_), word(b.period_));
        auto const right = detail::multiply_wide(word(b.count_), word(a.period_));
        if (left == right) return std::strong_ordering::equal;
        return left < right ? std::strong_ordering::less : std::strong_ordering::greater;
    }

private:
    template <detail::number N>
    friend constexpr rate detail::make_rate(char const* parameter, N n, std::int64_t period);

    constexpr rate(std::int64_t count, std::int64_t period) noexcept
        : count_(count / std::gcd(count, period)), period_(period / std::gcd(count, period)) {}

    [[nodiscard]] static constexpr duration clamped(std::uint64_t nanoseconds) noexcept {
        auto const longest = static_cast<std::uint64_t>(duration::max().count());
        return nanoseconds < longest ? duration(static_cast<std::int64_t>(nanoseconds)) : duration::max();
    }

    std::int64_t count_;
    std::int64_t period_;
};

namespace detail {

/// n events in `period` nanoseconds, which is > 0.
template <number N>
[[nodiscard]] constexpr rate make_rate(char const* parameter, N n, std::int64_t period) {
    if (!(n > 0)) refuse(parameter, n, "must be > 0");  // also NaN
    if constexpr (std::integral<N>) {
        if (static_cast<std::uint64_t>(n) > static_cast<std::uint64_t>(INT64_MAX))
            refuse(parameter, n, "must be below 2^63");
        return rate(static_cast<std::int64_t>(n), period);
    } else {
        constexpr auto limit = static_cast<N>(0x1p62);
        if (!(n < limit)) refuse(parameter, n, "must be below 2^62");  // also infinity
        // The fewest decimals that leave nothing behind, nine at most or as many as fit; lowest terms hide the rest.
        N scale = 1;
        for (int decimals = 0; decimals < 9; ++decimals) {
            if (static_cast<N>(static_cast<std::int64_t>(n * scale)) == n * scale) break;
            if (period > INT64_MAX / 10 || !(n * scale * 10 < limit)) break;
            scale *= 10;
            period *= 10;
        }
        auto const nearest = static_cast<std::int64_t>(n * scale + N(0.5));
        if (nearest == 0) refuse(parameter, n, "is too small: nine decimals are kept");
        return rate(nearest, period);
    }
}

}  // namespace detail

/// n events in one second. n > 0, a whole number or one with decimals.
[[nodiscard]] constexpr rate per_second(detail::number auto n) {
    return detail::make_rate("per_second(n): n", n, 1'000'000'000);
}

/// n events in one minute.
[[nodiscard]] constexpr rate per_minute(detail::number auto n) {
    return detail::make_rate("per_minute(n): n", n, 60'000'000'000);
}

/// n events in one hour.
[[nodiscard]] constexpr rate per_hour(detail::number auto n) {
    return detail::make_rate("per_hour(n): n", n, 3'600'000'000'000);
}

/// n events in any time > 0.
[[nodiscard]] constexpr rate per(detail::number auto n, duration period) {
    if (period.count() <= 0) detail::refuse("per(n, period): period", period.count(), "must be > 0 ns");
    return detail::make_rate("per(n, period): n", n, period.count());
}

namespace detail {

consteval std::size_t bytes(unsigned long long n, int shift) {
    if (n > (SIZE_MAX >> shift)) throw std::invalid_argument("more bytes than std::size_t can count");
    return static_cast<std::size_t>(n) << shift;
}

}  // namespace detail

inline namespace literals {

/// 1024 bytes.
consteval std::size_t operator""_KiB(unsigned long long n) { return detail::bytes(n, 10); }
/// 1024 KiB.
consteval std::size_t operator""_MiB(unsigned long long n) { return detail::bytes(n, 20); }
/// 1024 MiB.
consteval std::size_t operator""_GiB(unsigned long long n) { return detail::bytes(n, 30); }

}  // namespace literals

}  // namespace sluice
