// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// nearest, geo_point, great_circle_distance — the nearest node that has room, on the globe.
///
/// Use it for     sites far apart: choose(nodes, from, now, rng) for a caller at `from`, or the wrapper's own place
/// Not for        measured latency (peak_ewma), or many thousands of nodes per choice: each one is looked at
/// Thread-safety  any number of threads: a choice changes nothing
/// Complexity     choose: O(n), one distance a node, and once more for the ties; k_nearest: O(n · k). No allocation
/// Errors         geo_point: std::invalid_argument for latitudes outside [-90, 90], longitudes outside [-180, 180], NaN
/// Units          degrees, north and east positive; metres on a sphere of radius 6 371 008.8 m (up to .6 % from the ellipsoid's)
/// Source         the haversine formula, with its complement for points that are almost opposite
/// Differs        stable everywhere: both haversines (to the point and to its opposite) are sums of positive terms
///
/// A node has a location (member or member function, a geo_point; required) and may have a capacity (tasks in flight; unlimited
/// by default). A node with in_flight >= capacity is full: the next nearest with room is taken. If all are full: nearest_full.
/// Nodes whose distances are within tie_metres of the least one tie: the one with the fewest tasks in flight, then the nearer, then
/// the first. Sines may differ in their last bit between machines, so give a tie_metres if two must agree. 180° and -180° are one
/// meridian, and at a pole every longitude is the same place.

#include <sluice/core/clock.hpp>
#include <sluice/core/detail/invalid.hpp>
#include <sluice/core/random.hpp>
#include <sluice/routing/balancer.hpp>
#include <sluice/routing/node_facts.hpp>
#include <sluice/routing/node_index.hpp>
#include <sluice/routing/node_view.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

namespace sluice {

/// A place on the globe.
class geo_point {
public:
    constexpr geo_point() noexcept = default;
    geo_point(double latitude, double longitude) : latitude_(latitude), longitude_(longitude) {
        detail::require_option(latitude >= -90 && latitude <= 90, "geo_point: latitude (in [-90, 90])", latitude);
        detail::require_option(longitude >= -180 && longitude <= 180, "geo_point: longitude (in [-180, 180])", longitude);
    }
    [[nodiscard]] constexpr double latitude() const noexcept { return latitude_; }
    [[nodiscard]] constexpr double longitude() const noexcept { return longitude_; }

private:
    double latitude_ = 0;
    double longitude_ = 0;
};

inline constexpr double earth_radius_metres = 6'371'008.8;  ///< the mean radius

/// Metres along the surface; from 0 to half the circumference. The same in both directions.
[[nodiscard]] inline double great_circle_distance(geo_point const& a, geo_point const& b) noexcept {
    constexpr double radian = 3.14159265358979323846 / 180;
    auto const       square = [](double x) { return x * x; };
    double const     half_turn = std::abs(a.longitude() - b.longitude()) * (radian / 2);  // at most pi
    double const     cosines = std::cos(a.latitude() * radian) * std::cos(b.latitude() * radian);
    double const     across = square(std::sin((a.latitude() - b.latitude()) * (radian / 2))) + cosines * square(std::sin(half_turn));
    double const     beyond = square(std::sin((a.latitude() + b.latitude()) * (radian / 2))) + cosines * square(std::cos(half_turn));
    return 2 * earth_radius_metres * std::atan2(std::sqrt(across), std::sqrt(beyond));
}

/// Where a node is: member or member function location. Seen through views.
template <class N>
[[nodiscard]] constexpr geo_point node_location(N const& n) noexcept {
    auto const& node = node_original(n);
    if constexpr (requires { node.location(); }) return node.location();
    else return node.location;
}

enum class nearest_full : std::uint8_t { none, nearest };

struct nearest_options {
    geo_point    from{};                         ///< the caller's place, where choose is not told one
    double       tie_metres = 0;                 ///< finite, >= 0
    nearest_full when_full = nearest_full::none; ///< no node, or the nearest usable one all the same
};

class nearest {
public:
    explicit nearest(nearest_options options = {}) : options_(options) {
        detail::require_option(options.tie_metres >= 0 && options.tie_metres <= std::numeric_limits<double>::max(),
                               "nearest: tie_metres (finite, >= 0)", options.tie_metres);
    }

    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, time_point now, Source& rng) const {
        return choose(nodes, options_.from, now, rng);
    }
    template <node_list List, random_source Source>
    [[nodiscard]] std::optional<node_index> choose(List const& nodes, geo_point const& from, time_point, Source&) const {
        if (auto const roomy = best(nodes, from, true)) return roomy;
        return options_.when_full == nearest_full::nearest ? best(nodes, from, false) : std::nullopt;
    }

private:
    template <class N>
    [[nodiscard]] static bool is_full(N const& node) noexcept {
        auto const capacity = node_capacity(node);
        return capacity && node_in_flight(node) >= *capacity;
    }

    template <node_list List>
    [[nodiscard]] std::optional<node_index> best(List const& nodes, geo_point const& from, bool with_room) const {
        double     least = std::numeric_limits<double>::infinity();
        auto const each = [&](auto visit) {
            for (std::size_t i = 0, n = nodes.size(); i < n; ++i) {
                auto&& node = nodes[i];
                if (node_usable(node) && !(with_room && is_full(node)))
                    visit(static_cast<node_index>(i), node, great_circle_distance(from, node_location(node)));
            }
        };
        std::optional<node_index> chosen;
        each([&](node_index i, auto const&, double d) {
            if (d < least) {
                least = d;
                chosen = i;
            }
        });
        if (!chosen) return chosen;
        // Again for the ties: whether two tie is only known with the least distance.
        double        distance = std::numeric_limits<double>::infinity();
        std::uint32_t load = std::numeric_limits<std::uint32_t>::max();
        double const  limit = least + options_.tie_metres;
        each([&](node_index i, auto const& node, double d) {
            auto const in_flight = node_in_flight(node);
            if (d > limit || in_flight > load || (in_flight == load && d >= distance)) return;
            load = in_flight;
            distance = d;
            chosen = i;
        });
        return chosen;
    }

    nearest_options options_;
};

/// The usable nodes nearest to `from`, nearest first (of equal ones the first in the list), as many as fit; their number.
template <node_list List>
std::size_t k_nearest(List const& nodes, geo_point const& from, std::span<node_index> out) noexcept {
    std::size_t found = 0;
    for (std::size_t i = 0, n = nodes.size(); i < n && !out.empty(); ++i) {
        if (!node_usable(nodes[i])) continue;
        auto const   distance_of = [&](std::size_t place) { return great_circle_distance(from, node_location(nodes[place])); };
        double const d = distance_of(i);
        if (found == out.size()) {
            if (!(d < distance_of(out[found - 1]))) continue;
        } else {
            ++found;
        }
        std::size_t place = found - 1;
        for (; place > 0 && d < distance_of(out[place - 1]); --place) out[place] = out[place - 1];
        out[place] = static_cast<node_index>(i);
    }
    return found;
}

}  // namespace sluice
