// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/hot_keys.hpp>

#include <sluice/core/random.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

using namespace std::chrono_literals;
using sluice::hot_keys;
using sluice::hot_keys_options;
using sluice::time_point;

TEST_CASE("hot_keys: 90 % of the requests to 1 % of the keys, all found within one window", "[routing][hot_keys][law]") {
    // 20 000 keys, 200 of them hot with 0.45 % each; the cold ones have 0.0005 %. One window: 100 000 requests in a half-life.
    hot_keys<std::uint32_t> detector({.threshold = 0.002, .half_life = 10s, .capacity = 4096, .sketch = {.width = 8192}});
    sluice::xoshiro256ss    rng(test::seed());
    for (int k = 0; k < 100'000; ++k) {
        bool const hot = sluice::uniform_below(rng, 10) < 9;
        auto const key = static_cast<std::uint32_t>(hot ? sluice::uniform_below(rng, 200) : 200 + sluice::uniform_below(rng, 19'800));
        detector.record(key, time_point(k * 99us));
    }
    std::size_t found = 0, wrong = 0;
    for (auto const& h : detector.hot()) (h.key < 200 ? found : wrong) += 1;
    REQUIRE(found == 200);
    REQUIRE(wrong == 0);
    double sum = 0;
    for (auto const& h : detector.hot()) {
        REQUIRE(h.share == Approx(0.0045).epsilon(0.3));  // 450 requests: six standard deviations are 28 %
        sum += h.share;
    }
    REQUIRE(sum == Approx(0.9).epsilon(0.02));
}

TEST_CASE("hot_keys: a key becomes hot with the request that brings it there, and cools with time", "[routing][hot_keys][unit]") {
    hot_keys<> d({.threshold = 0.1, .half_life = 1s, .min_count = 5});
    auto const at = [](double s) { return time_point(std::chrono::duration_cast<sluice::duration>(std::chrono::duration<double>(s))); };
    for (int k = 0; k < 99; ++k) REQUIRE_FALSE(d.record("cold " + std::to_string(k), at(0)));
    for (int k = 1; k <= 10; ++k) REQUIRE_FALSE(d.record("star", at(0.1)));  // 10 of 109
    REQUIRE(d.record(std::string_view("star"), at(0.2)));                    // 11 of 110
    REQUIRE(d.is_hot("star"));
    REQUIRE_FALSE(d.is_hot("cold 1"));
    REQUIRE_FALSE(d.is_hot("never seen"));
    REQUIRE(d.share("star") == Approx(0.1));
    REQUIRE(d.hot_count() == 1);
    // One half-life: 5 of 55, above half the threshold; it stays hot.
    d.advance(at(1.0));
    REQUIRE(d.requests() == 55);
    REQUIRE(d.is_hot("star"));
    for (int k = 0; k < 200; ++k) d.record("cold " + std::to_string(k), at(1.5));
    REQUIRE(d.is_hot("star"));  // judged when the half-life ends
    d.advance(at(2.0));         // 2 of 127
    REQUIRE_FALSE(d.is_hot("star"));
    REQUIRE(d.hot().empty());
}

TEST_CASE("hot_keys: what was asked for a few times only is not hot", "[routing][hot_keys][unit]") {
    hot_keys<int> d({.min_count = 16});
    for (int k = 0; k < 15; ++k) REQUIRE_FALSE(d.record(1, time_point{}));
    REQUIRE(d.record(1, time_point{}));
    REQUIRE(d.share(1) == 1.0);
    REQUIRE(d.share(2) == 0.0);
    REQUIRE(hot_keys<int>().share(1) == 0.0);
}

TEST_CASE("hot_keys: a hot key whose place is taken is hot no more", "[routing][hot_keys][unit]") {
    hot_keys<int> d({.threshold = 1, .cool = 0.9, .half_life = 1h, .min_count = 1, .capacity = 5});
    REQUIRE(d.record(0, time_point{}));  // all there is
    for (int k = 1; k <= 4; ++k) REQUIRE_FALSE(d.record(k, time_point{}, 10));
    REQUIRE(d.is_hot(0));
    REQUIRE_FALSE(d.record(9, time_point{}, 5));
    REQUIRE_FALSE(d.is_hot(0));
    REQUIRE(d.hot_count() == 0);
}

TEST_CASE("hot_keys: a clock that goes back, or leaps", "[routing][hot_keys][unit]") {
    hot_keys<int> d({.threshold = 0.5, .half_life = 1s, .min_count = 1});
    for (int k = 0; k < 8; ++k) d.record(1, time_point(10s));
    d.advance(time_point::min());
    d.record(1, time_point(0s));
    REQUIRE(d.requests() == 9);
    d.advance(time_point(12s));
    REQUIRE(d.requests() == 2);
    d.advance(time_point::max());
    REQUIRE(d.requests() == 0);
    REQUIRE(d.hot_count() == 0);
    REQUIRE(d.record(2, time_point::max()));
}

TEST_CASE("hot_keys: options that cannot work", "[routing][hot_keys][unit]") {
    auto const refuses = [](hot_keys_options o, char const* what) { REQUIRE_THROWS_WITH(hot_keys<int>(o), test::contains(what)); };
    for (double const bad : {0.0, -1.0, 1.5, std::numeric_limits<double>::quiet_NaN()})
        refuses({.threshold = bad}, "threshold (in (0, 1])");
    for (double const bad : {0.0, 1.0, std::numeric_limits<double>::quiet_NaN()}) refuses({.cool = bad}, "cool (in (0, 1))");
    refuses({.min_count = 0}, "min_count (> 0) is 0");
    refuses({.half_life = 0s}, "half_life (> 0 ns) is 0");
    refuses({.threshold = 0.001}, "capacity (>= 4 / (threshold * cool)) is 1024");
    refuses({.threshold = 1, .cool = 0.5, .capacity = 7}, "capacity");
    refuses({.sketch = {.width = 3}}, "width");
}
