// SPDX-License-Identifier: BSL-1.0
#include <sluice/stats/count_min.hpp>

#include <sluice/core/random.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

using sluice::count_min;
using sluice::count_min_options;

namespace {

/// A stream of `n` out of `ids` keys with Zipf's law, exponent 1, and the true counts.
struct stream {
    std::vector<std::uint64_t> keys;    // by id, spread
    std::vector<std::uint32_t> truth;   // by id
    std::vector<std::uint32_t> order;   // ids

    stream(std::size_t ids, std::size_t n, std::uint64_t seed) : keys(test::keys(ids, seed)), truth(ids) {
        std::vector<double> upto(ids);
        double              sum = 0;
        for (std::size_t i = 0; i < ids; ++i) upto[i] = sum += 1.0 / static_cast<double>(i + 1);
        sluice::xoshiro256ss rng(seed);
        for (std::size_t k = 0; k < n; ++k) {
            auto const u = sluice::uniform_real(rng) * sum;
            auto const id = static_cast<std::size_t>(std::upper_bound(upto.begin(), upto.end(), u) - upto.begin());
            order.push_back(static_cast<std::uint32_t>(id));
            ++truth[id];
        }
    }
};

}  // namespace

TEST_CASE("count_min: never too low, too high by more than e N / width for a share of e^-depth", "[stats][count_min][law]") {
    stream const s(50'000, 300'000, 1);
    for (bool const conservative : {false, true}) {
        count_min sketch({.width = 1024, .depth = 4, .conservative = conservative});
        for (auto const id : s.order) sketch.add(s.keys[id]);
        REQUIRE(sketch.total() == 300'000);
        double const bound = 2.718281828 * 300'000 / 1024;
        std::size_t  beyond = 0;
        for (std::size_t id = 0; id < s.truth.size(); ++id) {
            auto const estimate = sketch.estimate(s.keys[id]);
            if (estimate < s.truth[id]) REQUIRE(estimate >= s.truth[id]);
            beyond += estimate > s.truth[id] + bound ? 1u : 0u;
        }
        REQUIRE(static_cast<double>(beyond) <= std::exp(-4.0) * 50'000);
    }
}

TEST_CASE("count_min: conservative update is never worse and usually much better", "[stats][count_min][property]") {
    stream const s(20'000, 100'000, 2);
    count_min    plain({.width = 512, .depth = 4, .conservative = false}), careful({.width = 512, .depth = 4});
    for (auto const id : s.order) {
        auto const p = plain.add(s.keys[id]);
        auto const c = careful.add(s.keys[id]);
        if (c > p) REQUIRE(c <= p);
    }
    double over_plain = 0, over_careful = 0;
    for (std::size_t id = 0; id < s.truth.size(); ++id) {
        auto const p = plain.estimate(s.keys[id]);
        auto const c = careful.estimate(s.keys[id]);
        if (c > p) REQUIRE(c <= p);
        over_plain += p - s.truth[id];
        over_careful += c - s.truth[id];
    }
    REQUIRE(over_careful < 0.7 * over_plain);
}

TEST_CASE("count_min: add answers with the estimate, n at a time is n times one", "[stats][count_min][unit]") {
    for (bool const conservative : {false, true}) {
        count_min by_one({.width = 64, .depth = 3, .conservative = conservative}), at_once = by_one;
        for (int i = 0; i < 7; ++i) (void)by_one.add(5);
        REQUIRE(at_once.add(5, 7) == 7);
        REQUIRE(by_one.estimate(5) == 7);
        REQUIRE(by_one.add(5) == 8);
        REQUIRE(at_once.total() == 7);
        REQUIRE(count_min({.width = 64}).estimate(5) == 0);
    }
}

TEST_CASE("count_min: sketches of parts add up to one of the whole", "[stats][count_min][unit]") {
    count_min_options const o{.width = 128, .depth = 4, .conservative = false};
    count_min               whole(o), left(o), right(o);
    auto const              keys = test::keys(1000, 3);
    for (std::size_t i = 0; i < keys.size(); ++i) {
        whole.add(keys[i], static_cast<std::uint32_t>(i));
        (i % 2 != 0 ? left : right).add(keys[i], static_cast<std::uint32_t>(i));
    }
    left.merge(right);
    for (auto const key : keys) REQUIRE(left.estimate(key) == whole.estimate(key));
    REQUIRE(left.total() == whole.total());
    REQUIRE_THROWS_AS(left.merge(count_min({.width = 256})), std::invalid_argument);
    REQUIRE_THROWS_AS(left.merge(count_min({.width = 128, .depth = 3})), std::invalid_argument);
    REQUIRE_THROWS_AS(left.merge(count_min({.width = 128, .seed = 1})), std::invalid_argument);
}

TEST_CASE("count_min: decay halves, clear empties, a full counter stays full", "[stats][count_min][unit]") {
    count_min s({.width = 64});
    s.add(1, 9);
    s.add(2, 1);
    s.decay();
    REQUIRE(s.estimate(1) == 4);
    REQUIRE(s.total() == 5);
    s.decay();
    REQUIRE(s.estimate(1) == 2);
    s.clear();
    REQUIRE((s.estimate(1) == 0 && s.total() == 0));
    constexpr auto most = std::numeric_limits<std::uint32_t>::max();
    REQUIRE(s.add(1, most) == most);
    REQUIRE(s.add(1, 5) == most);
    REQUIRE(s.total() == std::uint64_t{most} + 5);
    s.decay();
    REQUIRE(s.estimate(1) == most / 2);
}

TEST_CASE("count_min: another seed, other meetings", "[stats][count_min][unit]") {
    auto const keys = test::keys(400, 4);
    auto const errors = [&](std::uint64_t seed) {
        count_min s({.width = 64, .depth = 1, .seed = seed});
        for (auto const key : keys) s.add(key);
        std::vector<std::uint32_t> e;
        for (auto const key : keys) e.push_back(s.estimate(key));
        return e;
    };
    REQUIRE(errors(0) == errors(0));
    REQUIRE(errors(0) != errors(0xABCDEF0123456789));
}

TEST_CASE("count_min: a sketch for a wanted error", "[stats][count_min][unit]") {
    auto const o = sluice::count_min_for(0.001, 0.01);
    REQUIRE(o.width == 4096);  // 2719, to a power of two
    REQUIRE(o.depth == 5);     // ln 100 = 4.6
    REQUIRE(sluice::count_min_for(0.999, 0.9).depth == 1);
    for (double const bad : {0.0, 1.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
        REQUIRE_THROWS_AS(sluice::count_min_for(bad, 0.1), std::invalid_argument);
        REQUIRE_THROWS_AS(sluice::count_min_for(0.1, bad), std::invalid_argument);
    }
    REQUIRE_THROWS_AS(sluice::count_min_for(1e-12, 0.1), std::invalid_argument);
    REQUIRE_THROWS_AS(sluice::count_min_for(0.1, 1e-12), std::invalid_argument);
}

TEST_CASE("count_min: sizes that cannot be", "[stats][count_min][unit]") {
    for (std::size_t const width : {0u, 1u, 3u, 1000u}) REQUIRE_THROWS_WITH(count_min({.width = width}), test::contains("width (a power"));
    for (std::size_t const depth : {0u, 17u}) REQUIRE_THROWS_WITH(count_min({.depth = depth}), test::contains("depth (1 to 16) is"));
}
