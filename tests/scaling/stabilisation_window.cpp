// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/stabilisation_window.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::scaling_limit;
using sluice::stabilisation_window;
using sluice::time_point;

namespace {

/// Wishes as value and age in minutes, oldest first; then the limit for one more.
std::uint32_t after(duration down, duration up, std::vector<std::pair<std::uint32_t, int>> wishes, std::uint32_t desired,
                    std::uint32_t current) {
    stabilisation_window w({.down = down, .up = up, .seeded = false});
    for (auto const& [value, age] : wishes) (void)w.limit(value, current, time_point(200min - age * 1min));
    return w.limit(desired, current, time_point(200min)).workers;
}

}  // namespace

TEST_CASE("stabilisation_window: down to the largest wish of the window", "[scaling][stabilisation_window][unit]") {
    REQUIRE(after(5min, 0s, {}, 5, 100) == 5);
    REQUIRE(after(5min, 0s, {{4, 2}, {5, 1}}, 3, 100) == 5);
    REQUIRE(after(5min, 0s, {{2, 2}, {1, 1}}, 3, 1) == 3);
    REQUIRE(after(5min, 0s, {{10, 10}, {9, 9}}, 3, 100) == 3);
    REQUIRE(after(5min, 0s, {{10, 10}, {9, 9}, {5, 2}, {4, 1}}, 3, 100) == 5);
    REQUIRE(after(3min, 0s, {{4, 2}, {5, 1}}, 3, 100) == 5);
    REQUIRE(after(0s, 0s, {{4, 2}, {5, 1}}, 3, 100) == 3);
    // Exactly the window ago does not count.
    REQUIRE(after(5min, 0s, {{10, 5}}, 3, 100) == 3);
    REQUIRE(after(5min + 1ns, 0s, {{10, 5}}, 3, 100) == 10);
    // Nor does it grow for an old wish.
    REQUIRE(after(5min, 0s, {{90, 1}}, 3, 7) == 7);
}

TEST_CASE("stabilisation_window: up to the smallest", "[scaling][stabilisation_window][unit]") {
    REQUIRE(after(0s, 5min, {{4, 2}, {5, 1}}, 7, 1) == 4);
    REQUIRE(after(0s, 5min, {{10, 100}, {9, 3}, {5, 2}, {6, 1}}, 100, 1) == 5);
    REQUIRE(after(5min, 5min, {{2, 100}, {3, 3}}, 1, 2) == 2);
    REQUIRE(after(5min, 5min, {{2, 100}, {1, 3}}, 3, 2) == 2);
    REQUIRE(after(5min, 5min, {{2, 100}, {6, 3}}, 5, 2) == 5);
}

TEST_CASE("stabilisation_window: a restart does not shrink", "[scaling][stabilisation_window][unit]") {
    stabilisation_window w({});
    auto const           held = w.limit(5, 100, time_point(10s));
    REQUIRE(held == scaling_limit{100, time_point(70s)});
    REQUIRE(w.limit(5, 100, time_point(70s) - 1ns).workers == 100);
    REQUIRE(w.limit(5, 100, time_point(70s)) == scaling_limit{5, {}});
    REQUIRE(stabilisation_window({.seeded = false}).limit(5, 100, time_point{}) == scaling_limit{5, {}});
    REQUIRE(stabilisation_window({}).limit(200, 100, time_point{}) == scaling_limit{200, {}});
    REQUIRE(stabilisation_window({.up = 60s}).limit(200, 100, time_point{}) == scaling_limit{200, {}});
}

TEST_CASE("stabilisation_window: it says when it will be otherwise", "[scaling][stabilisation_window][unit]") {
    stabilisation_window w({.down = 60s, .up = 30s, .seeded = false});
    (void)w.limit(10, 10, time_point(0s));
    REQUIRE(w.limit(8, 10, time_point(20s)).look_again == time_point(60s));
    REQUIRE(w.limit(6, 10, time_point(60s)) == scaling_limit{8, time_point(80s)});
    REQUIRE(w.limit(20, 8, time_point(85s)) == scaling_limit{8, time_point(90s)});
}

TEST_CASE("stabilisation_window: a time that goes back is the last one", "[scaling][stabilisation_window][unit]") {
    stabilisation_window w({.down = 60s, .seeded = false});
    (void)w.limit(10, 10, time_point(1000s));
    REQUIRE(w.limit(3, 10, time_point(0s)).workers == 10);
    REQUIRE(w.limit(3, 10, time_point(1059s)).workers == 10);
    REQUIRE(w.limit(3, 10, time_point(1060s)).workers == 3);
    (void)w.limit(9, 10, time_point::max());
    REQUIRE(w.limit(3, 10, time_point::max()).workers == 9);
}

TEST_CASE("stabilisation_window: as a naive one", "[scaling][stabilisation_window][property]") {
    auto const bits = test::keys(6000, test::seed());
    for (bool const often : {false, true}) {
        stabilisation_window w({.down = 64s, .up = 32s, .seeded = false});
        std::deque<std::pair<time_point, std::uint32_t>> all;
        auto now = time_point{};
        for (auto const b : bits) {
            now += often ? duration(static_cast<std::int64_t>(b >> 36)) : 1s + duration(static_cast<std::int64_t>(b >> 31));
            auto const desired = static_cast<std::uint32_t>(b % 100);
            auto const current = static_cast<std::uint32_t>(b / 100 % 100);
            all.emplace_back(now, desired);
            auto const exact = [&](duration longer_down, duration longer_up) {
                std::uint32_t high = desired, low = desired;
                for (auto const& [t, v] : all) {
                    if (now - t < 64s + longer_down) high = std::max(high, v);
                    if (now - t < 32s + longer_up) low = std::min(low, v);
                }
                return std::clamp(current, low, high);
            };
            auto const answer = w.limit(desired, current, now).workers;
            if (!often) REQUIRE(answer == exact(0s, 0s));
            else if (answer != exact(0s, 0s)) {  // between the window and a 64th more
                auto const a = exact(0s, 0s), b2 = exact(1s, 500ms);
                REQUIRE(answer >= std::min(a, b2));
                REQUIRE(answer <= std::max(a, b2));
            }
            while (all.size() > 2000) all.pop_front();
        }
    }
}

TEST_CASE("stabilisation_window: options that cannot work", "[scaling][stabilisation_window][unit]") {
    REQUIRE_THROWS_AS(stabilisation_window({.down = -1s}), std::invalid_argument);
    REQUIRE_THROWS_AS(stabilisation_window({.up = -1s}), std::invalid_argument);
}
