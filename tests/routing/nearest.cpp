// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/nearest.hpp>

#include <sluice/routing/retry_exclusion.hpp>

#include "routing/around.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

using sluice::geo_point;
using sluice::great_circle_distance;
using sluice::nearest;
using sluice::node_index;

namespace {

struct site {
    geo_point     location;
    std::uint32_t in_flight = 0;
    std::uint32_t capacity = 10;
    bool          available = true;
};
static_assert(sluice::balancer<nearest, std::vector<site>>);

double const pi = std::acos(-1.);
double const half = pi * sluice::earth_radius_metres;  // half the circumference
double const degree = half / 180;

geo_point anywhere(sluice::xoshiro256ss& rng) { return {180 * sluice::uniform_real(rng) - 90, 360 * sluice::uniform_real(rng) - 180}; }

}  // namespace

TEST_CASE("nearest: distances, also at the poles, over the date line, almost opposite", "[routing][nearest][unit]") {
    struct row {
        geo_point a, b;
        double    metres;
    };
    for (auto const& r : {row{{0, 0}, {0, 0}, 0}, row{{0, 0}, {0, 90}, half / 2}, row{{0, 0}, {0, 180}, half}, row{{0, -180}, {0, 180}, 0},
                          row{{0, 179.5}, {0, -179.5}, degree}, row{{90, 0}, {-90, 77}, half}, row{{90, 0}, {90, 123}, 0},
                          row{{90, -50}, {0, 17}, half / 2}, row{{89, 0}, {89, 180}, 2 * degree}, row{{45, 10}, {-45, -170}, half},
                          row{{60, 0}, {60, 180}, 60 * degree}, row{{10, 20}, {11, 20}, degree},
                          row{{0, 0}, {0, 179.999999}, half - 1e-6 * degree}, row{{0, 0}, {1e-9, 0}, 1e-9 * degree}}) {
        CAPTURE(r.a.latitude(), r.a.longitude(), r.b.latitude(), r.b.longitude());
        REQUIRE(great_circle_distance(r.a, r.b) == Approx(r.metres).epsilon(1e-12).margin(1e-8));
        REQUIRE(great_circle_distance(r.b, r.a) == great_circle_distance(r.a, r.b));
    }
    // Relative precision where the plain formula has none: a millimetre, and a millimetre from the opposite point.
    double const mm = 1e-3 / degree;
    REQUIRE(great_circle_distance({0, 0}, {0, mm}) == Approx(1e-3).epsilon(1e-9).margin(0));
    REQUIRE(half - great_circle_distance({0, 0}, {0, 180 - mm}) == Approx(1e-3).epsilon(1e-4).margin(0));
    // Berlin - Tokyo, Paris - Sydney: within .6 % of the ellipsoid's 8 941 and 16 960 km
    REQUIRE(great_circle_distance({52.52, 13.405}, {35.6895, 139.6917}) == Approx(8.92e6).epsilon(.006));
    REQUIRE(great_circle_distance({48.8566, 2.3522}, {-33.8688, 151.2093}) == Approx(16.96e6).epsilon(.006));
}

TEST_CASE("nearest: distances agree with the angle between vectors, and with geometry", "[routing][nearest][property]") {
    sluice::xoshiro256ss rng(test::seed());
    auto const           vector = [](geo_point const& p) {
        double const f = p.latitude() * pi / 180, l = p.longitude() * pi / 180;
        return std::array<double, 3>{std::cos(f) * std::cos(l), std::cos(f) * std::sin(l), std::sin(f)};
    };
    for (int n = 0; n < 5'000; ++n) {
        auto const   a = anywhere(rng), b = anywhere(rng), c = anywhere(rng);
        auto const   u = vector(a), v = vector(b);
        double const x = u[1] * v[2] - u[2] * v[1], y = u[2] * v[0] - u[0] * v[2], z = u[0] * v[1] - u[1] * v[0];
        double const angle = std::atan2(std::sqrt(x * x + y * y + z * z), u[0] * v[0] + u[1] * v[1] + u[2] * v[2]);
        double const d = great_circle_distance(a, b);
        REQUIRE(d == Approx(angle * sluice::earth_radius_metres).epsilon(1e-9).margin(1e-3));
        REQUIRE(d <= great_circle_distance(a, c) + great_circle_distance(c, b) + 1e-3);
        REQUIRE((d >= 0 && d <= half * (1 + 1e-15)));
    }
}

TEST_CASE("nearest: places outside of the globe are refused", "[routing][nearest][unit]") {
    double const nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
    for (double const bad : {nan, inf, -inf, 90.0001, -91.}) REQUIRE_THROWS_WITH(geo_point(bad, 0), test::contains("latitude"));
    for (double const bad : {nan, inf, -inf, 180.0001, -181.}) REQUIRE_THROWS_WITH(geo_point(0, bad), test::contains("longitude"));
    for (double const bad : {nan, inf, -1.}) REQUIRE_THROWS_AS(nearest({.tie_metres = bad}), std::invalid_argument);
}

TEST_CASE("nearest: the next one when the nearest is full or down", "[routing][nearest][unit]") {
    sluice::xoshiro256ss rng(1);
    nearest const        b({.from = {0, 179}}), stubborn({.from = {0, 179}, .when_full = sluice::nearest_full::nearest});
    std::vector<site>    list{{{0, 170}}, {{0, -179}}, {{0, 174}}, {{0, -1}}};  // 9, 2 (over the date line), 5, 180 degrees
    REQUIRE(b.choose(list, {}, rng) == 1u);
    list[1].in_flight = 10;
    REQUIRE(b.choose(list, {}, rng) == 2u);
    list[2].available = false;
    REQUIRE(b.choose(list, {}, rng) == 0u);
    list[0].in_flight = 11;
    REQUIRE(b.choose(list, {}, rng) == 3u);
    REQUIRE(b.choose(list, geo_point(0, 0), {}, rng) == 3u);
    list[3].capacity = 0;
    REQUIRE_FALSE(b.choose(list, {}, rng));
    REQUIRE(stubborn.choose(list, {}, rng) == 1u);
    for (auto& s : list) s.available = false;
    REQUIRE_FALSE(stubborn.choose(list, {}, rng));
    REQUIRE_FALSE(b.choose(std::vector<site>(), {}, rng));
    struct place {
        geo_point location;
    };
    REQUIRE(b.choose(std::vector<place>{{{0, 0}}, {{0, 100}}}, {}, rng) == 1u);  // no capacity: unlimited
}

TEST_CASE("nearest: ties go to the least busy, then to the nearer, then to the first", "[routing][nearest][unit]") {
    sluice::xoshiro256ss rng(1);
    nearest const        exact, about({.tie_metres = 1.5 * degree});
    std::vector<site>    list{{{0, 3}, 2}, {{0, -2}, 1}, {{0, 1}, 3}, {{0, 2}, 1}, {{0, 1}, 3}};
    REQUIRE(exact.choose(list, {}, rng) == 2u);
    REQUIRE(about.choose(list, {}, rng) == 1u);  // 1 and 3: as far and as busy
    list[1].in_flight = 3;
    REQUIRE(about.choose(list, {}, rng) == 3u);
    list[3].in_flight = 3;
    REQUIRE(about.choose(list, {}, rng) == 2u);  // all as busy: the nearer
    list[0].in_flight = 0;                       // beyond the tie
    REQUIRE(about.choose(list, {}, rng) == 2u);
    list[2].in_flight = list[4].in_flight = UINT32_MAX - 1;
    list[2].capacity = list[4].capacity = UINT32_MAX;
    REQUIRE(exact.choose(list, {}, rng) == 2u);
}

TEST_CASE("nearest: agrees with sorting all by distance, without allocation", "[routing][nearest][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (int round = 0; round < 400; ++round) {
        std::vector<site> list(static_cast<std::size_t>(sluice::uniform_below(rng, 12)));
        for (auto& s : list) {
            s = {anywhere(rng), static_cast<std::uint32_t>(sluice::uniform_below(rng, 3)), 2, sluice::uniform_below(rng, 4) > 0};
            if (sluice::uniform_below(rng, 4) == 0) s.location = list[0].location;
        }
        auto const              from = anywhere(rng);
        std::vector<node_index> order;
        for (node_index i = 0; i < list.size(); ++i)
            if (list[i].available) order.push_back(i);
        auto const distance = [&](node_index i) { return great_circle_distance(from, list[i].location); };
        std::stable_sort(order.begin(), order.end(), [&](node_index a, node_index b) { return distance(a) < distance(b); });
        std::array<node_index, 4> four{};
        std::size_t               found = 0;
        std::optional<node_index> one;
        {
            test::scarce_memory const none(0);
            found = sluice::k_nearest(list, from, four);
            one = nearest().choose(list, from, {}, rng);
            REQUIRE(none.allocations() == 0);
        }
        REQUIRE(found == std::min<std::size_t>(4, order.size()));
        REQUIRE(std::equal(four.begin(), four.begin() + static_cast<std::ptrdiff_t>(found), order.begin()));
        auto const roomy = std::find_if(order.begin(), order.end(), [&](node_index i) { return list[i].in_flight < 2; });
        REQUIRE(one.has_value() == (roomy != order.end()));
        if (one) REQUIRE((distance(*one) == distance(*roomy) && list[*one].in_flight < 2 && list[*one].available));
        REQUIRE(sluice::k_nearest(list, from, {}) == 0);
    }
}

TEST_CASE("nearest: stands in wrappers as any balancer", "[routing][nearest][law]") {
    sluice::xoshiro256ss              rng(1);
    sluice::retry_exclusion<nearest> r;
    std::vector<site> const           list{{{0, 30}}, {{0, 10}}, {{0, 20}}};
    std::vector<node_index>           tried;
    for (unsigned const expected : {1u, 2u, 0u, 1u}) {
        auto const i = r.choose(list, tried, {}, rng);
        REQUIRE(i == expected);
        tried.push_back(*i);
    }
}
