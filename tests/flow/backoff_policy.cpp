// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/backoff_policy.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::constant_backoff;
using sluice::duration;
using sluice::exponential_backoff;
using sluice::jitter;
using sluice::linear_backoff;

namespace {

template <class Policy>
std::vector<std::int64_t> first(Policy const& policy, std::uint64_t n, duration unit) {
    std::vector<std::int64_t> result;
    for (std::uint64_t i = 1; i <= n; ++i) result.push_back(policy.nominal(i) / unit);
    return result;
}
using list = std::vector<std::int64_t>;

struct statistics {
    double mean = 0;
    double error = 0;  // of the mean
    double least = 1e300;
    double most = 0;
};

/// Of the delay number `attempt`, in ms, over many calls; each call draws all delays before it as well.
template <class Policy>
statistics sample(Policy const& policy, std::uint64_t attempt, int n = 40'000) {
    sluice::xoshiro256ss random(test::seed() + attempt);
    statistics           s;
    double               squares = 0;
    for (int i = 0; i < n; ++i) {
        duration previous{0};
        for (std::uint64_t k = 1; k <= attempt; ++k) previous = policy(k, previous, random);
        auto const x = static_cast<double>(previous.count()) * 1e-6;
        s.mean += x;
        squares += x * x;
        s.least = std::min(s.least, x);
        s.most = std::max(s.most, x);
    }
    s.mean /= n;
    s.error = std::sqrt((squares / n - s.mean * s.mean) / n);
    return s;
}

}  // namespace

TEST_CASE("backoff_policy: the sequences without jitter", "[flow][backoff_policy][unit]") {
    CHECK(first(exponential_backoff({.base = 2ms, .cap = 15ms}), 5, 1ms) == list{2, 4, 8, 15, 15});
    CHECK(first(linear_backoff({.base = 9ms, .step = 30ms, .cap = 99ms}), 5, 1ms) == list{9, 39, 69, 99, 99});
    CHECK(first(constant_backoff({.delay = 7ms}), 3, 1ms) == list{7, 7, 7});
    // Each step is cut to whole units and the next one begins from there.
    list const cut{500, 750, 1125, 1687, 2530, 3795, 5692, 8538};
    CHECK(first(exponential_backoff({.base = 500ms, .factor = 1.5, .unit = 1ms}), 8, 1ms) == cut);
    CHECK(first(exponential_backoff({.base = 500ns, .factor = 1.5}), 8, 1ns) == cut);
    CHECK(first(exponential_backoff({.base = 1000ns, .factor = 1.3}), 3, 1ns) == list{1000, 1300, 1690});
    CHECK(first(exponential_backoff({.base = 1000ns, .factor = 1.15}), 3, 1ns) == list{1000, 1150, 1322});
    // Small ones grow by a unit where the factor alone would leave them where they are.
    CHECK(first(exponential_backoff({.base = 1ns, .factor = 1.5}), 6, 1ns) == list{1, 2, 3, 4, 6, 9});
    CHECK(first(exponential_backoff({.base = 3ns, .factor = 1}), 3, 1ns) == list{3, 3, 3});
    static_assert(exponential_backoff({.base = 1s}).nominal(3) == 4s);
}

TEST_CASE("backoff_policy: no attempt and no delay leaves the range", "[flow][backoff_policy][unit]") {
    sluice::splitmix64 random(1);
    exponential_backoff const huge({.base = 1ns, .cap = duration::max(), .spread = jitter::proportional(1)});
    linear_backoff const      steep({.base = 1ns, .step = duration::max(), .cap = duration::max(), .spread = jitter::full()});
    exponential_backoff const decorrelated(
        {.base = 1s, .cap = duration::max(), .spread = jitter::decorrelated()});
    for (std::uint64_t attempt : {std::uint64_t{0}, std::uint64_t{63}, std::uint64_t{64}, std::uint64_t{65},
                                  std::uint64_t{1} << 31, std::uint64_t{1} << 63, UINT64_MAX}) {
        CHECK(huge(attempt, duration::max(), random) >= 0ns);
        CHECK(steep(attempt, duration::max(), random) >= 0ns);
        CHECK(decorrelated(attempt, duration::max(), random) >= 1s);
        CHECK(decorrelated(attempt, duration::min(), random) <= 3s);
    }
    for (int i = 0; i < 20; ++i)  // three times this is 2 modulo 2^64
        CHECK(decorrelated(1, duration(6'148'914'691'236'517'206), random) >= 1s);
    CHECK(huge.nominal(0) == 1ns);
    CHECK(huge.nominal(std::uint64_t{1} << 31) == duration::max());
    CHECK(steep.nominal(UINT64_MAX) == duration::max());
    CHECK(linear_backoff({.base = 5ns, .step = 0ns}).nominal(UINT64_MAX) == 5ns);
    CHECK(exponential_backoff({.base = 1s, .cap = 1h}).nominal(std::uint64_t{1} << 31) == 1h);
    CHECK(exponential_backoff({.base = 1ns, .factor = 1.01, .cap = duration::max()}).nominal(UINT64_MAX) == duration::max());
}

TEST_CASE("backoff_policy: ranges and means of full and equal jitter", "[flow][backoff_policy][property]") {
    exponential_backoff const full({.base = 100ms, .cap = 2s, .spread = jitter::full()});
    exponential_backoff const equal({.base = 100ms, .cap = 2s, .spread = jitter::equal()});
    double                    top = 100;
    for (std::uint64_t attempt = 1; attempt <= 7; ++attempt, top = std::min(2000.0, 2 * top)) {
        auto const f = sample(full, attempt);
        CHECK(f.least >= 0);
        CHECK(f.least < top * .01);
        CHECK(f.most <= top);
        CHECK(f.most > top * .99);
        CHECK(std::abs(f.mean - top / 2) < 5 * f.error);
        auto const e = sample(equal, attempt);
        CHECK(e.least >= top / 2);
        CHECK(e.least < top * .51);
        CHECK(e.most <= top);
        CHECK(e.most > top * .99);
        CHECK(std::abs(e.mean - top * .75) < 5 * e.error);
    }
}

TEST_CASE("backoff_policy: decorrelated jitter is min(cap, U(base, 3 previous))", "[flow][backoff_policy][property]") {
    exponential_backoff const policy({.base = 100ms, .cap = 2s, .spread = jitter::decorrelated()});
    // The exact distribution on a grid of 1 ms, step by step.
    std::vector<double> density(2001, 0.0);
    density[100] = 1;
    double const published[] = {200, 351, 574, 821, 1001, 1117};
    double const tops[] = {300, 900, 2000, 2000, 2000, 2000};
    for (std::uint64_t attempt = 1; attempt <= 6; ++attempt) {
        std::vector<double> next(2001, 0.0);
        for (std::size_t x = 100; x <= 2000; ++x) {
            if (density[x] == 0) continue;
            auto const each = density[x] / static_cast<double>(3 * x - 100);
            for (std::size_t y = 100; y < std::min<std::size_t>(3 * x, 2000); ++y) {
                next[y] += each / 2;
                next[y + 1] += each / 2;
            }
            if (3 * x > 2000) next[2000] += each * static_cast<double>(3 * x - 2000);
        }
        density = next;
        double mean = 0;
        for (std::size_t x = 0; x <= 2000; ++x) mean += density[x] * static_cast<double>(x);
        auto const s = sample(policy, attempt);
        CHECK(s.least >= 100);
        CHECK(s.most <= tops[attempt - 1]);
        CHECK(std::abs(s.mean - mean) < 5 * s.error + 0.1);
        CHECK(std::abs(s.mean - published[attempt - 1]) < 5 * s.error + 0.01 * published[attempt - 1]);
    }
}

TEST_CASE("backoff_policy: proportional jitter, as gRPC and resilience4j have it", "[flow][backoff_policy][property]") {
    for (double share : {0.2, 0.5, 1.0}) {
        exponential_backoff const policy({.base = 500ms, .factor = 1.5, .cap = 2s, .spread = jitter::proportional(share)});
        for (std::uint64_t attempt : {1u, 2u, 6u}) {
            auto const v = static_cast<double>(policy.nominal(attempt).count()) * 1e-6;
            auto const s = sample(policy, attempt);
            CHECK(s.least >= v * (1 - share) - 1e-6);
            CHECK(s.least < v * (1 - share) + v * .01);
            CHECK(s.most <= v * (1 + share) + 1e-6);
            CHECK(s.most > v * (1 + share) - v * .01);
            CHECK(std::abs(s.mean - v) < 5 * s.error);
        }
    }
    CHECK(jitter::proportional(.25).share() == Approx(.25));
}

TEST_CASE("backoff_policy: at the cap jitter still spreads, and decorrelated comes down", "[flow][backoff_policy][property]") {
    sluice::xoshiro256ss random(test::seed());
    for (auto const spread : {jitter::full(), jitter::equal(), jitter::proportional(.2)}) {
        exponential_backoff const policy({.base = 100ms, .cap = 2s, .spread = spread});
        int                       same = 0;
        duration                  previous{0};
        for (int i = 0; i < 1000; ++i) {
            auto const d = policy(20, previous, random);
            same += d == previous ? 1 : 0;
            previous = d;
        }
        CHECK(same <= 1);
    }
    exponential_backoff const decorrelated({.base = 100ms, .cap = 2s, .spread = jitter::decorrelated()});
    int                       falls = 0;
    int                       at_cap = 0;
    duration                  previous{0};
    for (int i = 0; i < 10'000; ++i) {
        auto const d = decorrelated(20, previous, random);
        falls += d < previous ? 1 : 0;
        at_cap += d == 2s ? 1 : 0;
        previous = d;
    }
    CHECK(falls > 2000);
    CHECK(at_cap < 6000);
}

TEST_CASE("backoff_policy: what cannot work is refused by name", "[flow][backoff_policy][unit]") {
    constexpr auto nan = std::numeric_limits<double>::quiet_NaN();
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    for (double factor : {0.0, -1.0, 0.5, 1.001, 1e7, nan, infinity})
        CHECK_THROWS_WITH(exponential_backoff({.base = 1s, .factor = factor}), test::contains("factor"));
    CHECK_THROWS_WITH(exponential_backoff({.base = 0s}), test::contains("exponential_backoff: base"));
    CHECK_THROWS_WITH(exponential_backoff({.base = 2s, .cap = 1s}), test::contains("cap (>= base) is 1000000000"));
    CHECK_THROWS_WITH(exponential_backoff({.base = 2ns, .unit = 3ns}), test::contains("unit"));
    CHECK_THROWS_WITH(exponential_backoff({.base = 2ns, .unit = 0ns}), test::contains("unit"));
    CHECK_THROWS_AS(linear_backoff({.base = -1ns, .step = 1s}), std::invalid_argument);
    CHECK_THROWS_WITH(linear_backoff({.base = 1s, .step = -1s}), test::contains("step"));
    CHECK_THROWS_WITH(linear_backoff({.base = 1s, .step = 1s, .cap = 0s}), test::contains("cap"));
    CHECK_THROWS_WITH(linear_backoff({.base = 0s, .step = 1s, .spread = jitter::decorrelated()}), test::contains("base"));
    CHECK_THROWS_WITH(constant_backoff({.delay = -1s}), test::contains("delay"));
    CHECK_THROWS_WITH(constant_backoff({.delay = 1s, .spread = jitter::decorrelated()}), test::contains("spread"));
    for (double share : {-0.1, 1.1, nan, infinity}) CHECK_THROWS_WITH(jitter::proportional(share), test::contains("share"));
}
