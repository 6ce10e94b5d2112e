// SPDX-License-Identifier: BSL-1.0
#include <sluice/sim/service_times.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/sentence.hpp"

#include <sluice/core/random.hpp>
#include <sluice/sim/detail/fixed.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace sim = sluice::sim;
using sluice::duration;
using test::sentence_of;

namespace {

struct sample {
    double        mean = 0, variance = 0;
    std::uint64_t hash = 0;
};

/// Of n draws.
template <class D>
sample draws(D d, int n, std::uint64_t seed) {
    sluice::xoshiro256ss rng(seed);
    std::vector<double>  all;
    sample               s;
    for (int i = 0; i < n; ++i) {
        auto const t = d(rng);
        REQUIRE(t.count() >= 0);
        s.hash = sluice::mix64(s.hash ^ static_cast<std::uint64_t>(t.count()));
        all.push_back(static_cast<double>(t.count()));
        s.mean += all.back() / n;
    }
    for (double const x : all) s.variance += (x - s.mean) * (x - s.mean) / n;
    return s;
}

/// Mean within 4.5 standard errors, variance within 4.5 of its own (from the kurtosis).
template <class D>
void check(D d, double kurtosis, std::uint64_t hash) {
    int const  n = 40'000;
    auto const s = draws(d, n, 77);
    double const variance = d.scv() * d.mean() * d.mean();
    INFO("mean " << s.mean << " of " << d.mean() << ", variance " << s.variance << " of " << variance);
    CHECK(std::abs(s.mean - d.mean()) <= 4.5 * std::sqrt(variance / n) + .5);
    CHECK(std::abs(s.variance - variance) <= 4.5 * variance * std::sqrt((kurtosis - 1) / n) + 1);
    CHECK(draws(d, 1000, 5).hash == hash);  // the same on every machine
}

}  // namespace

TEST_CASE("fixed: logarithms and powers are right to 2^-55", "[sim][fixed][property]") {
    using namespace sim::detail;
    CHECK(negative_log(UINT64_MAX) == 0);
    CHECK(negative_log(0) == negative_log(1));
    CHECK(std::abs(static_cast<double>(negative_log(1)) * 0x1p-58 - 64 * std::log(2.0)) < 1e-14);
    CHECK(power_of_two(0) == std::uint64_t{1} << 63);
    double log_error = 0, power_error = 0;
    auto   check_one = [&](std::uint64_t u, std::uint64_t x) {
        // for u near 1 the difference is exact in doubles: -log1p(-(1 - u))
        double const below = static_cast<double>(0 - u) * 0x1p-64;
        double const want = u >> 63 ? -std::log1p(-below) : -std::log(static_cast<double>(u) * 0x1p-64);
        log_error = std::max(log_error, std::abs(static_cast<double>(negative_log(u)) * 0x1p-58 - want) / std::max(1.0, want));
        double const power = std::exp2(static_cast<double>(x >> 11) * 0x1p-53);
        power_error = std::max(power_error, std::abs(static_cast<double>(power_of_two(x >> 11 << 11)) * 0x1p-63 - power));
    };
    sluice::splitmix64 words(test::seed());
    for (int i = 0; i < 100'000; ++i) check_one(words() >> (i % 64) | 1, words());
    for (std::uint64_t row = 64; row < 128; ++row)  // where one row ends and another begins
        for (std::uint64_t const near : {0u, 1u, 2u}) {
            check_one((row << 57) + near, (row - 64) << 58);
            check_one((row << 57) - near - 1, (row << 58) - near - 1);
        }
    CHECK(log_error < 0x1p-51);    // what the doubles of this test allow
    CHECK(power_error < 0x1p-51);
    std::uint64_t last = UINT64_MAX;
    for (std::uint64_t u = 1; u < UINT64_MAX - (std::uint64_t{1} << 50); u += std::uint64_t{1} << 50) {
        REQUIRE(negative_log(u) <= last);
        last = negative_log(u);
    }
}

TEST_CASE("fixed: scaling keeps all 128 bits", "[sim][fixed][unit]") {
    using namespace sim::detail;
    struct row {
        std::uint64_t a, b;
        unsigned      shift;
        std::uint64_t whole;
        std::uint32_t fraction;
    };
    std::uint64_t const top = std::uint64_t{1} << 63;
    row const rows[] = {
        {3, 5, 0, 15, 0},
        {3, 5, 1, 7, 0x8000'0000u},
        {top, 2, 64, 1, 0},
        {top, 3, 64, 1, 0x8000'0000u},
        {top, 3, 65, 0, 0xC000'0000u},
        {top, top, 63, top, 0},
        {top, top, 62, UINT64_MAX, 0},  // too much
        {top, 2, 0, UINT64_MAX, 0},
        {UINT64_MAX, UINT64_MAX, 127, 1, 0xFFFF'FFFFu},
        {top, top, 126, 1, 0},
        {top, 4, 63, 4, 0},
    };
    for (auto const& r : rows) {
        INFO(r.a << " * " << r.b << " >> " << r.shift);
        auto const got = scale(r.a, r.b, r.shift);
        CHECK(got.whole == r.whole);
        CHECK(got.fraction == r.fraction);
    }
    CHECK(scale_rounded(3, 5, 1) == 8);
    CHECK(scale_rounded(1, 5, 2) == 1);
    CHECK(scale_rounded(top, top, 1) == UINT64_MAX);
    CHECK(times_power(1000, false, 3, 0) == 8000);
    CHECK(times_power(1000, true, 3, 0) == 125);
    CHECK(times_power(1000, false, 0, top) == 1414);
    CHECK(times_power(1000, true, 0, top) == 707);
    CHECK(times_power(1000, true, 1, top) == 354);
    CHECK(times_power(1000, true, 70, 1) == 0);
    CHECK(times_power(1, false, 63, 0) == top);
    CHECK(times_power(2, false, 63, 0) == UINT64_MAX);
    CHECK(times_power(2, false, 99, 0) == UINT64_MAX);
}

TEST_CASE("service times: means and variances are those of the distribution", "[sim][service_times][property]") {
    check(sim::exponential(1ms), 9, 0x742A'34F8'44DE'2263u);
    check(sim::erlang({.mean = 2ms, .stages = 1}), 9, 0xB090'01F1'1ECA'69D0u);
    check(sim::erlang({.mean = 2ms, .stages = 4}), 4.5, 0x9105'3050'F51F'69D9u);
    check(sim::deterministic(3ms), 3, 0xE172'B762'BABA'6AE5u);
    check(sim::hyper_exponential({{90, 100us}, {10, 10ms}}), 45, 0xCAC4'EDBA'2BE6'1CD8u);  // mean .1 and 10: scv 15.85
    check(sim::log_normal({.median = 1ms, .sigma = .5}), 8.9, 0xF193'DA13'A5D6'BD1Bu);
    check(sim::pareto({.minimum = 1ms, .shape = 8}), 30, 0x1D80'A65A'F401'95FAu);
    CHECK(sim::hyper_exponential({{9, 100'000ns}, {1, 10'000'000ns}}).scv() == Approx(15.84875011));
    CHECK(sim::hyper_exponential({{9, 100'000ns}, {1, 10'000'000ns}}).mean() == Approx(1'090'000));
}

TEST_CASE("service times: quantiles are those of the distribution", "[sim][service_times][property]") {
    auto const share_above = [](auto d, duration t) {
        sluice::xoshiro256ss rng(9);
        int                  n = 0;
        for (int i = 0; i < 40'000; ++i) n += d(rng) > t;
        return n / 40'000.;
    };
    auto const near = [](double got, double p) { return std::abs(got - p) <= 4.5 * std::sqrt(p * (1 - p) / 40'000); };
    for (double const t : {.1, 1., 3.})
        CHECK(near(share_above(sim::exponential(1ms), duration(static_cast<std::int64_t>(t * 1e6))), std::exp(-t)));
    for (double const z : {-2., -1., 0., .5, 1., 2., 3.}) {
        auto const t = duration(static_cast<std::int64_t>(1e6 * std::exp(1.5 * z)));
        CHECK(near(share_above(sim::log_normal({.median = 1ms, .sigma = 1.5}), t), .5 * std::erfc(z / std::sqrt(2.))));
    }
    for (double const t : {1.5, 10., 1000.})  // no mean, but quantiles
        CHECK(near(share_above(sim::pareto({.minimum = 1ms, .shape = .7}), duration(static_cast<std::int64_t>(t * 1e6))),
                   std::pow(t, -.7)));
}

TEST_CASE("service times: the ends of the range", "[sim][service_times][unit]") {
    sluice::xoshiro256ss rng(3);
    auto const           forever = std::chrono::duration_cast<duration>(24h * 365 * 200);
    bool                 most = false;
    for (int i = 0; i < 100; ++i) {
        for (auto const t : {sim::exponential(forever)(rng), sim::erlang({forever, 3})(rng), sim::log_normal({forever, 16})(rng),
                             sim::pareto({forever, .02})(rng), sim::pareto({1ns, .02})(rng)})
            REQUIRE(t.count() >= 0);
        most = most || sim::exponential(forever)(rng) == duration::max();
        REQUIRE(sim::pareto({1ms, .02, 5ms})(rng) <= 5ms);
        REQUIRE(sim::exponential(1ns)(rng) <= 45ns);
        REQUIRE(sim::log_normal({1ms, 0x1p-30})(rng) >= 999'999ns);
        REQUIRE(sim::pareto({1ms, 1000})(rng) >= 1ms);
    }
    CHECK(most);
    CHECK(sim::deterministic(0ns)(rng) == 0ns);
    CHECK(std::isinf(sim::pareto({1ms, 1}).mean()));
    CHECK(std::isinf(sim::pareto({1ms, 2}).scv()));
    CHECK(sim::pareto({1ms, 2}).mean() == Approx(2e6));
    CHECK(sim::pareto({1ms, 3}).scv() == Approx(1 / 3.));
}

TEST_CASE("service times: impossible parameters are named", "[sim][service_times][unit]") {
    double const nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
    CHECK(sentence_of([] { sim::exponential(0ns); }) == "sluice: exponential: mean (> 0 ns) is 0");
    CHECK(sentence_of([] { sim::exponential(-4ns); }) == "sluice: exponential: mean (> 0 ns) is -4");
    CHECK(sentence_of([] { sim::deterministic(-1ns); }) == "sluice: deterministic: time (>= 0 ns) is -1");
    CHECK(sentence_of([] { sim::erlang({1ms, 0}); }) == "sluice: erlang: stages (> 0) is 0");
    CHECK(sentence_of([] { sim::erlang({0ms, 1}); }) == "sluice: erlang: mean (> 0 ns) is 0");
    CHECK(sentence_of([] { sim::hyper_exponential({}); }) == "sluice: hyper_exponential: sum of weights (> 0) is 0");
    CHECK(sentence_of([] { sim::hyper_exponential({{0, 1ms}}); }) == "sluice: hyper_exponential: sum of weights (> 0) is 0");
    CHECK(sentence_of([] { sim::hyper_exponential({{1, 0ms}}); }) == "sluice: hyper_exponential: mean (> 0 ns) is 0");
    CHECK(sentence_of([] { sim::log_normal({0ms, 1}); }) == "sluice: log_normal: median (> 0 ns) is 0");
    for (double const bad : {nan, infinity, -infinity, 0., -1., 16.1})
        CHECK(sentence_of([&] { sim::log_normal({1ms, bad}); }).substr(0, 42) == "sluice: log_normal: sigma (2^-30 to 16) is");
    for (double const bad : {nan, infinity, 0., -1., .019, 1001.})
        CHECK(sentence_of([&] { sim::pareto({1ms, bad}); }).substr(0, 39) == "sluice: pareto: shape (0.02 to 1000) is");
    CHECK(sentence_of([] { sim::pareto({0ms, 1}); }) == "sluice: pareto: minimum (> 0 ns) is 0");
    CHECK(sentence_of([] { sim::pareto({5ns, 1, 4ns}); }) == "sluice: pareto: maximum (>= minimum) is 4");
}
