// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// erlang_b, erlang_c, their inverses, engset — the share of arrivals that find all servers busy.
///
/// Use it for     lost work (B: nobody waits), waiting work (C: everybody does), a small population (Engset)
/// Not for        bursty arrivals or heavy tails of service (ggc); B alone does not depend on the service distribution
/// Thread-safety  functions of their arguments; any thread
/// Complexity     O(sqrt(load)) for B and C: 1e6 servers take some ten thousand steps. The inverses take some fifty
///                of those. engset: O(servers). No allocation; erlang_b, erlang_c, engset are constexpr
/// Errors         std::invalid_argument names parameter and value: NaN, infinity, load < 0, a probability outside its
///                range, no servers where a load is asked for
/// Units          loads in erlangs, arrival rate × service time
/// Source         Erlang 1917; Jagerman, BSTJ 53(3), 1974, doi:10.1002/j.1538-7305.1974.tb02756.x (the recursion)
/// Differs        from a^c/c!, which overflows from 171 servers on, and from a sum over all servers: the recursion
///                1/B(k) = 1 + k/a · 1/B(k-1) is unrolled from the top, 1 + c/a + c(c-1)/a² + …, and ends where the rest
///                cannot change the sum any more

#include <sluice/scaling/detail/check.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

namespace sluice {

namespace detail {

/// 1/B, at least 1; infinity where B is below the smallest double. Requires load > 0.
[[nodiscard]] constexpr double inverse_erlang_b(double servers, double load) noexcept {
    double const per_server = 1 / load;
    if (!is_finite(per_server)) return servers > 0 ? std::numeric_limits<double>::infinity() : 1;
    double sum = 1;
    double term = 1;
    for (double left = servers; left > 0; left -= 1) {
        term *= left * per_server;
        sum += term;
        if (!(sum <= std::numeric_limits<double>::max())) return std::numeric_limits<double>::infinity();
        // Falling terms: what follows is less than a geometric series of this ratio.
        if (left < load && term * load < 1e-17 * sum * (load - left)) break;
    }
    return sum;
}

}  // namespace detail

/// Share of arrivals lost where `servers` serve `load` >= 0 and nobody waits. Without servers all are lost.
[[nodiscard]] constexpr double erlang_b(std::uint32_t servers, double load) {
    detail::require_number(load >= 0 && detail::is_finite(load), "erlang_b: load (>= 0 erlangs)", load);
    if (servers == 0) return 1;
    if (load == 0) return 0;
    return 1 / detail::inverse_erlang_b(servers, load);
}

namespace detail {

/// P(an arrival waits), given servers - load = spare > 0 to full precision.
[[nodiscard]] constexpr double erlang_c_spare(double servers, double load, double spare) noexcept {
    if (!(load > 0)) return 0;
    double const inverse = inverse_erlang_b(servers, load);  // C = B / (1 - ρ(1 - B)) = c / (c - a + a·B) · B
    if (!is_finite(inverse)) return 0;
    return servers / (spare * inverse + load);
}

}  // namespace detail

/// Share of arrivals that wait where `servers` serve `load` >= 0; 1 where they cannot keep up (load >= servers).
[[nodiscard]] constexpr double erlang_c(std::uint32_t servers, double load) {
    detail::require_number(load >= 0 && detail::is_finite(load), "erlang_c: load (>= 0 erlangs)", load);
    if (load >= servers) return 1;
    return detail::erlang_c_spare(servers, load, servers - load);
}

namespace detail {

/// The least number in [least, UINT32_MAX] for which the predicate, false and then true, is true; UINT32_MAX if none is.
template <class P>
[[nodiscard]] std::uint32_t first_number(std::uint32_t least, double step, P const& enough) {
    std::uint64_t low = least;
    auto width = static_cast<std::uint64_t>(std::max(1.0, std::min(step, 0x1p31)));
    std::uint64_t high = low;
    while (high < UINT32_MAX && !enough(static_cast<std::uint32_t>(high))) {
        low = high + 1;
        high = std::min<std::uint64_t>(high + width, UINT32_MAX);
        width *= 2;
    }
    while (low < high) {
        std::uint64_t const middle = (low + high) / 2;
        if (enough(static_cast<std::uint32_t>(middle))) high = middle;
        else low = middle + 1;
    }
    return static_cast<std::uint32_t>(high);
}

/// The largest load in [0, limit] whose value, growing from 0, is at most `most`. To the last bits.
template <class F>
[[nodiscard]] double last_load(double limit, double most, F const& value) {
    double low = 0;
    double high = limit;
    for (int i = 0; i < 200; ++i) {
        double const middle = low + (high - low) / 2;
        if (!(low < middle && middle < high)) break;
        if (value(middle) <= most) low = middle;
        else high = middle;
    }
    return low;
}

}  // namespace detail

/// The fewest servers that lose at most `blocking` (0 < blocking <= 1) of the load; 2^32 - 1 if that is not enough.
[[nodiscard]] inline std::uint32_t erlang_b_servers(double load, double blocking) {
    detail::require_number(load >= 0 && detail::is_finite(load), "erlang_b_servers: load (>= 0 erlangs)", load);
    detail::require_number(blocking > 0 && blocking <= 1, "erlang_b_servers: blocking (> 0, <= 1)", blocking);
    double const below = std::floor(load * (1 - blocking));  // carried load never exceeds the servers
    if (!(below < static_cast<double>(UINT32_MAX))) return UINT32_MAX;
    return detail::first_number(static_cast<std::uint32_t>(below), std::sqrt(load),
                                [&](std::uint32_t servers) { return erlang_b(servers, load) <= blocking; });
}

/// The largest load of which `servers` > 0 lose at most `blocking` (0 < blocking < 1).
[[nodiscard]] inline double erlang_b_load(std::uint32_t servers, double blocking) {
    detail::require_number(servers > 0, "erlang_b_load: servers (> 0)", servers);
    detail::require_number(blocking > 0 && blocking < 1, "erlang_b_load: blocking (> 0, < 1)", blocking);
    // Carried load a(1 - B) is at most c.
    return detail::last_load(servers / (1 - blocking), blocking, [&](double load) { return erlang_b(servers, load); });
}

/// The fewest servers with which at most `waiting` (0 < waiting <= 1) of the arrivals wait and the queue is stable;
/// 2^32 - 1 if that is not enough.
[[nodiscard]] inline std::uint32_t erlang_c_servers(double load, double waiting) {
    detail::require_number(load >= 0 && detail::is_finite(load), "erlang_c_servers: load (>= 0 erlangs)", load);
    detail::require_number(waiting > 0 && waiting <= 1, "erlang_c_servers: waiting (> 0, <= 1)", waiting);
    if (load == 0) return 0;
    if (!(load < static_cast<double>(UINT32_MAX))) return UINT32_MAX;
    return detail::first_number(static_cast<std::uint32_t>(load) + 1, std::sqrt(load),
                                [&](std::uint32_t servers) { return erlang_c(servers, load) <= waiting; });
}

/// The largest load of which at most `waiting` (0 < waiting < 1) wait for one of `servers` > 0.
[[nodiscard]] inline double erlang_c_load(std::uint32_t servers, double waiting) {
    detail::require_number(servers > 0, "erlang_c_load: servers (> 0)", servers);
    detail::require_number(waiting > 0 && waiting < 1, "erlang_c_load: waiting (> 0, < 1)", waiting);
    return detail::last_load(servers, waiting, [&](double load) { return erlang_c(servers, load); });
}

/// Share of the time in which all `servers` are busy, where each of `sources` idle ones offers `load` >= 0 erlangs: its own
/// rate of requests while idle × service time.
[[nodiscard]] constexpr double engset(std::uint32_t sources, std::uint32_t servers, double load) {
    detail::require_number(load >= 0 && detail::is_finite(load), "engset: load (>= 0 erlangs)", load);
    if (servers > sources) return 0;
    double inverse = 1;  // of the share, for k servers
    for (std::uint32_t k = 1; k <= servers; ++k) {
        double const one_more = load * (static_cast<double>(sources) - k + 1);
        if (!(one_more > 0)) return 0;
        inverse = 1 + k / one_more * inverse;
        if (!detail::is_finite(inverse)) return 0;
        if (k == UINT32_MAX) break;
    }
    return 1 / inverse;
}

}  // namespace sluice
