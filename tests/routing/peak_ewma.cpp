// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/peak_ewma.hpp>

#include <sluice/routing/least_loaded.hpp>
#include <sluice/routing/power_of_two_choices.hpp>

#include "routing/balancer_laws.hpp"
#include "support/threads.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::peak_ewma;
using sluice::time_point;

namespace {

time_point at(duration d) { return time_point(d); }
double     ms(duration d) { return static_cast<double>(d.count()) * 1e-6; }

struct node {
    peak_ewma<>   latency{time_point{}};
    std::uint32_t in_flight = 0;
    std::uint32_t weight = 1;
};

}  // namespace

TEST_CASE("peak_ewma: power and logarithm in whole numbers", "[routing][peak_ewma][unit]") {
    namespace d = sluice::detail;
    sluice::xoshiro256ss rng(test::seed());
    for (std::uint64_t n : {1u, 2u, 3u, 5u, 1000u, 30'000'000u, 100'000'000u}) REQUIRE(d::exp2_octaves(d::octaves_of(n)) == n);
    for (int i = 0; i < 20'000; ++i) {
        auto const n = rng() >> (rng() % 63) | 1;
        REQUIRE(std::abs(static_cast<double>(d::octaves_of(n)) / 0x1p32 - std::log2(static_cast<double>(n))) < 0x1p-31);
        auto const x = rng() % (std::uint64_t{63} << 32);
        auto const exact = std::exp2(static_cast<double>(x) / 0x1p32);
        REQUIRE(std::abs(static_cast<double>(d::exp2_octaves(x)) - exact) <= .5 + exact * 0x1p-33);
    }
    REQUIRE((d::exp2_octaves(std::uint64_t{64} << 32) == UINT64_MAX && d::exp2_octaves(0) == 1));
    REQUIRE((d::exp2_octaves(std::uint64_t{63} << 32) == std::uint64_t{1} << 63 && d::octaves_of(1) == 0));
    static_assert(d::exp2_octaves(std::uint64_t{10} << 32) == 1024);
}

TEST_CASE("peak_ewma: worked samples", "[routing][peak_ewma][unit]") {
    struct row {
        duration after, sample;
        double   then;
    };
    auto const check = [](std::initializer_list<row> rows) {
        peak_ewma  e({.initial = 100ms}, at(5s));
        time_point now = at(5s);
        for (auto const& [after, sample, then] : rows) {
            e.record(sample, now += after);
            REQUIRE(ms(e.value(now)) == Approx(then).epsilon(1e-8));
        }
    };
    check({{1s, 50ms, 95.241871}, {1s, 95ms, 95}, {3s, 60ms, 85.928638}, {10s, 10ms, 37.932585}});
    check({{1s, 50ms, 95.241871}, {1s, 50ms, 90.936538}, {3s, 200ms, 200}, {10s, 10ms, 79.897094}});

    peak_ewma e({.decay = 1s, .initial = 10ms}, at(0s));
    REQUIRE(ms(e.value(at(100ms))) == Approx(9.048374).epsilon(1e-7));
    REQUIRE(ms(e.value(at(200ms))) == Approx(8.187308).epsilon(1e-7));
    e.record(200ms, at(200ms));  // the first of two that overlap
    REQUIRE(e.cost(at(200ms), 1) == Approx(400e6).epsilon(1e-8));
    e.record(200ms, at(200ms));
    REQUIRE(e.cost(at(200ms), 0) == Approx(200e6).epsilon(1e-8));
    peak_ewma<> fresh(at(0s));
    REQUIRE(fresh.value(at(0s)) == 30ms);
    REQUIRE(ms(fresh.value(at(10s))) == Approx(30 / std::exp(1)));
}

TEST_CASE("peak_ewma: follows the rule in real numbers", "[routing][peak_ewma][property]") {
    sluice::xoshiro256ss rng(test::seed());
    for (duration const decay : {duration(1ms), duration(100ms), duration(10s), duration(24h)}) {
        peak_ewma  e({.decay = decay, .initial = 1ms}, at(1h));
        double     estimate = 1e6;
        time_point now = at(1h);
        for (int i = 0; i < 3000; ++i) {
            auto const after = duration(static_cast<std::int64_t>(static_cast<double>(decay.count()) * sluice::uniform_real(rng) *
                                                                  (i % 3 == 0 ? 1e-4 : 0.5)));
            auto const sample = duration(1000 + static_cast<std::int64_t>(rng() % 50'000'000));
            for (int reads = 0; reads < 2; ++reads) (void)e.value(now + after / 2);  // change nothing
            now += after;
            double const d = std::exp(-static_cast<double>(after.count()) / static_cast<double>(decay.count()));
            auto const   s = static_cast<double>(sample.count());
            estimate = s >= estimate * d ? s : estimate * d + s * (1 - d);
            e.record(sample, now);
            REQUIRE(static_cast<double>(e.value(now).count()) == Approx(estimate).epsilon(1e-5).margin(1));
        }
    }
    // A million samples a second below the peak: their weight is that of the time, not lost in rounding.
    peak_ewma  e({.initial = 100ms}, at(0s));
    for (int i = 1; i <= 20'000; ++i) e.record(10ms, at(1us * i * 100));
    REQUIRE(ms(e.value(at(2s))) == Approx(10 + 90 * std::exp(-.2)).epsilon(1e-4));
}

TEST_CASE("peak_ewma: failures count as penalties, cancelled requests as their time", "[routing][peak_ewma][unit]") {
    peak_ewma e({.initial = 100ms}, at(0s));
    e.failed(1ms, 50ms, at(0s));
    REQUIRE(ms(e.value(at(0s))) == Approx(200));  // twice the estimate
    e.failed(1ms, 3s, at(0s));
    REQUIRE(ms(e.value(at(0s))) == Approx(3000));
    e.failed(4h, 1s, at(0s));
    REQUIRE(ms(e.value(at(0s))) == Approx(30'000));
    e.failed(1ms, 1ms, at(0s));  // at the cap: no further
    REQUIRE(ms(e.value(at(0s))) == Approx(30'000));
    peak_ewma other({.initial = 1ms}, at(0s));
    other.cancelled(70ms, at(0s));
    REQUIRE(ms(other.value(at(0s))) == Approx(70));
}

TEST_CASE("peak_ewma: clocks that step back, ends of the range, impossible options", "[routing][peak_ewma][unit]") {
    peak_ewma e({.initial = 100ms}, at(100s));
    REQUIRE(ms(e.value(at(50s))) == Approx(100));  // not more than was recorded
    e.record(10ms, at(50s));                       // no time has passed: no weight
    REQUIRE(ms(e.value(at(100s))) == Approx(100));
    e.record(300ms, at(10s));  // a peak is a peak
    REQUIRE(ms(e.value(at(100s))) == Approx(300));
    REQUIRE(ms(e.value(at(0s))) == Approx(300));
    e.record(0ns, at(100s + 1h));
    e.record(-5s, at(100s + 2h));
    REQUIRE(e.value(at(100s + 3h)) == 1ns);
    REQUIRE(e.cost(at(100s + 3h), 7) == 8);  // idle for long: still the fewer in flight first
    e.record(duration::max(), at(200s + 3h));
    REQUIRE(e.value(at(200s + 3h)) > 100 * 365 * 24h);
    REQUIRE(e.cost(at(200s + 3h), UINT32_MAX) == UINT64_MAX);
    e.record(1ms, time_point::max());
    REQUIRE(e.value(time_point::max()) >= 1ns);
    peak_ewma<> low(time_point::min());
    low.record(5ms, time_point::min());
    REQUIRE(ms(low.value(time_point::min())) == Approx(30));
    REQUIRE(low.value(time_point::max()) == 1ns);
    low.record(5ms, time_point::max());
    REQUIRE(low.value(time_point::max()) >= 1ns);

    for (auto const& o : {sluice::peak_ewma_options{.decay = 0s}, sluice::peak_ewma_options{.decay = 999us},
                          sluice::peak_ewma_options{.decay = 25h}, sluice::peak_ewma_options{.initial = 0s},
                          sluice::peak_ewma_options{.penalty_cap = -1s}})
        REQUIRE_THROWS_AS(peak_ewma(o, at(0s)), std::invalid_argument);
}

TEST_CASE("peak_ewma: as the load of a balancer", "[routing][peak_ewma][unit]") {
    sluice::xoshiro256ss                              rng(test::seed());
    std::array<node, 4>                               nodes;
    sluice::power_of_two_choices<sluice::latency_load> p2c;
    sluice::least_loaded<sluice::latency_load>         least;
    static_assert(sluice::balancer<decltype(p2c), std::array<node, 4>>);
    nodes[2].latency.record(500ms, at(1s));
    for (int i = 0; i < 200; ++i) REQUIRE(p2c.choose(nodes, at(1s), rng) != 2u);
    nodes[0].in_flight = 2, nodes[1].in_flight = 1;
    REQUIRE(least.choose(nodes, at(1s), rng) == 3u);
    nodes[1].weight = 3;  // 2 / 3 of the cost of one
    REQUIRE(least.choose(nodes, at(1s), rng) == 1u);
}

TEST_CASE("peak_ewma: an idle node has no more pull than its least says", "[routing][peak_ewma][unit]") {
    struct row {
        duration    least;
        std::size_t pulled;  // of 100 requests at once, before anybody answers
    };
    // Nine nodes at 10 ms, one idle for 40 decays: with 1 ms it takes ten until each other one costs the same.
    for (auto const& [least, pulled] : {row{1ns, 100}, row{1ms, 10}, row{5ms, 2}, row{10ms, 1}}) {
        std::vector<std::unique_ptr<peak_ewma<>>> estimates;
        struct one {
            peak_ewma<> const& latency;
            std::uint32_t      in_flight = 0;
        };
        std::vector<one> nodes;
        for (int i = 0; i < 10; ++i) {
            estimates.push_back(std::make_unique<peak_ewma<>>(sluice::peak_ewma_options{.decay = 1s, .least = least}, at(0s)));
            if (i > 0) estimates.back()->record(10ms, at(40s));
            nodes.push_back({*estimates.back()});
        }
        REQUIRE(estimates[0]->value(at(40s)) == least);
        REQUIRE(estimates[0]->cost(at(40s), 4) == static_cast<std::uint64_t>(5 * least.count()));
        REQUIRE(ms(estimates[1]->value(at(40s))) == Approx(10).epsilon(1e-8));
        sluice::least_loaded<sluice::latency_load> b;
        sluice::xoshiro256ss                       rng(1);
        std::size_t                                before_others = 0;
        for (bool alone = true; alone && before_others < 100; before_others += alone ? 1u : 0u) {
            auto const i = b.choose(nodes, at(40s), rng).value();
            ++nodes[i].in_flight;
            alone = i == 0;
        }
        REQUIRE(before_others <= pulled);
        REQUIRE(before_others + 1 >= pulled);  // the last one is a tie
    }
    peak_ewma e({.decay = 1s, .initial = 30ms, .least = 2ms}, at(0s));
    e.record(1ms, at(40s));  // faster than that: it is taken, and counts as 2 ms
    REQUIRE(e.value(at(40s)) == 2ms);
    e.record(30ms, at(40s));
    REQUIRE(e.value(at(80s)) == 2ms);
    REQUIRE_THROWS_WITH(peak_ewma({.least = 0ns}, at(0s)), test::contains("least (> 0 ns) is 0"));
}

TEST_CASE("peak_ewma: threads never raise it above the largest sample", "[routing][peak_ewma][unit]") {
    peak_ewma e({.decay = 1ms, .initial = 50ms}, at(0s));
    test::run_threads(3, [&](std::size_t thread) {
        sluice::xoshiro256ss rng(thread);
        for (int i = 0; i < 2000; ++i) e.record(duration(1 + static_cast<std::int64_t>(rng() % 50'000'000)), at(1us * i));
    });
    REQUIRE(e.value(at(0s)) <= 50ms + 100us);
    REQUIRE(e.value(at(0s)) >= 1us);
}
