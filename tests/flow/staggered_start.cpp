// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/staggered_start.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::staggered_start;

namespace {

/// Starts in the busiest of the window's whole seconds.
template <class Start>
int busiest_second(std::uint64_t callers, Start start) {
    std::array<int, 600> per_second{};
    for (std::uint64_t i = 0; i < callers; ++i) ++per_second[static_cast<std::size_t>(start(i) / 1s)];
    return *std::max_element(per_second.begin(), per_second.end());
}

}  // namespace

TEST_CASE("staggered_start: even starts", "[flow][staggered_start][unit]") {
    constexpr staggered_start ten({.window = 1s, .count = 10});
    for (int i = 0; i < 10; ++i) REQUIRE(ten(static_cast<std::uint64_t>(i)) == i * 100ms);
    REQUIRE(ten.even(10) == 0ms);  // the next round
    constexpr staggered_start three({.window = 10ns, .count = 3});
    STATIC_REQUIRE(three.even(1) == 3ns);
    STATIC_REQUIRE(three.even(2) == 6ns);
    constexpr staggered_start more_than_fit({.window = 3ns, .count = 7});
    STATIC_REQUIRE(more_than_fit.even(6) == 2ns);
    // Exact where a product of 64 bits, or a double, is not.
    constexpr staggered_start huge({.window = duration::max(), .count = UINT64_MAX});
    STATIC_REQUIRE(huge.even(UINT64_MAX - 1).count() == INT64_MAX - 1);  // floor((2^63 - 1)(1 - 1 / (2^64 - 1)))
    STATIC_REQUIRE(huge.even(std::uint64_t{1} << 63).count() == INT64_MAX / 2);  // just below 2^62
    REQUIRE_THROWS_AS(staggered_start({.window = 1s}).even(0), std::logic_error);
}

TEST_CASE("staggered_start: golden starts for nobody knows how many", "[flow][staggered_start][unit]") {
    constexpr staggered_start unknown({.window = 1s});
    constexpr std::array<double, 8> expected{0, .618, .236, .854, .472, .090, .708, .326};
    for (std::size_t i = 0; i < expected.size(); ++i)
        REQUIRE(std::abs(static_cast<double>(unknown(i).count()) * 1e-9 - expected[i]) < .0005);
    REQUIRE(unknown.golden(1) == 618'033'988ns);
    // floor(i · .618…) for an index far beyond what a double can multiply: 10^15 / φ = 618033988749894.8482…
    REQUIRE(unknown.golden(1'000'000'000'000'000) / 1ms == 848);
    constexpr staggered_start longest({.window = duration::max()});
    for (auto const w : test::keys(1000, test::seed())) {
        REQUIRE(longest.golden(w) >= 0ns);
        REQUIRE(unknown.golden(w) < 1s);
    }
}

TEST_CASE("staggered_start: any first n golden starts leave no gap of 2 / n", "[flow][staggered_start][law]") {
    staggered_start const start({.window = 1s});
    for (std::size_t const n : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 12u, 13u, 20u, 21u, 54u, 100u, 987u, 1000u, 4180u, 10'000u}) {
        std::vector<std::int64_t> at;
        for (std::uint64_t i = 0; i < n; ++i) at.push_back(start(i).count());
        std::sort(at.begin(), at.end());
        std::int64_t widest = 1'000'000'000 - at.back() + at.front();
        for (std::size_t i = 1; i < n; ++i) widest = std::max(widest, at[i] - at[i - 1]);
        REQUIRE(static_cast<double>(widest) * static_cast<double>(n) < 2e9);
    }
}

TEST_CASE("staggered_start: 10 000 callers over 600 s, and the busiest second", "[flow][staggered_start][law]") {
    staggered_start const start({.window = 600s, .count = 10'000});
    REQUIRE(busiest_second(10'000, [&](std::uint64_t i) { return start.even(i); }) == 17);
    REQUIRE(busiest_second(10'000, [&](std::uint64_t i) { return start.golden(i); }) <= 20);
    double sum = 0;
    int    least = 1000, most = 0;
    constexpr int seeds = 40;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        sluice::xoshiro256ss random(test::seed() + seed);
        auto const           busiest = busiest_second(10'000, [&](std::uint64_t) { return start.random(random); });
        sum += busiest;
        least = std::min(least, busiest);
        most = std::max(most, busiest);
        REQUIRE(busiest_second(10'000, [&](std::uint64_t i) { return start.slot(i, random); }) <= 18);
    }
    // The largest of 600 Poisson numbers of mean 16.7: about 31, below 26 or above 45 once in many thousands of runs.
    REQUIRE(std::abs(sum / seeds - 31) < 1.5);
    REQUIRE(least >= 25);
    REQUIRE(most <= 45);
}

TEST_CASE("staggered_start: jittered starts stay inside their slots and use them", "[flow][staggered_start][property]") {
    sluice::xoshiro256ss  random(test::seed());
    staggered_start const start({.window = 1000ns, .count = 7});
    for (std::uint64_t i = 0; i < 7; ++i) {
        auto const  end = i == 6 ? duration(1000) : start.even(i + 1);
        duration    first = 1000ns, last = 0ns;
        for (int n = 0; n < 2000; ++n) {
            auto const at = start.slot(i, random);
            first = std::min(first, at);
            last = std::max(last, at);
        }
        REQUIRE(first == start.even(i));
        REQUIRE(last == end - 1ns);
    }
    staggered_start const crowded({.window = 3ns, .count = 7});
    for (std::uint64_t i = 0; i < 7; ++i) REQUIRE(crowded.slot(i, random) < 3ns);
    staggered_start const tiny({.window = 1ns});
    REQUIRE(tiny.random(random) == 0ns);
}

TEST_CASE("staggered_start: a window that cannot work is refused by name", "[flow][staggered_start][unit]") {
    REQUIRE_THROWS_WITH(staggered_start({.window = 0s}), test::contains("staggered_start: window"));
    REQUIRE_THROWS_AS(staggered_start({.window = -1ns}), std::invalid_argument);
}
