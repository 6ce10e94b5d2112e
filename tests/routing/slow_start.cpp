// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/slow_start.hpp>

#include "routing/around.hpp"
#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::slow_start;
using sluice::slow_start_by;
using sluice::slow_start_factor;

TEST_CASE("slow_start: the factor follows its formula", "[routing][slow_start][unit]") {
    struct row {
        double                aggression;
        std::array<double, 6> factors;  // after 1, 6, 15, 30, 45, 60 s of 60
    };
    std::array<sluice::duration, 6> const times{1s, 6s, 15s, 30s, 45s, 60s};
    for (auto const& r : {row{1, {.1, .1, .25, .5, .75, 1}}, row{1.5, {.1, .2154, .3969, .63, .8255, 1}},
                          row{2, {.1291, .3162, .5, .7071, .866, 1}}, row{.5, {.1, .1, .1, .25, .5625, 1}}})
        for (std::size_t i = 0; i < times.size(); ++i) {
            CAPTURE(r.aggression, i);
            REQUIRE(slow_start_factor(times[i], {.aggression = r.aggression}) == Approx(r.factors[i]).margin(5e-5));
        }
    for (auto const t : {sluice::duration::min(), sluice::duration(-1s), sluice::duration(0)})
        REQUIRE(slow_start_factor(t, {}) == .1);
    REQUIRE(slow_start_factor(sluice::duration::max(), {.window = sluice::duration::max()}) == 1);
    REQUIRE(slow_start_factor(61s, {}) == 1);
    for (double const a : {.3, 1., 4.})  // never falls
        for (int s = 0; s < 60; ++s)
            REQUIRE(slow_start_factor(1s * s, {.aggression = a}) <= slow_start_factor(1s * (s + 1), {.aggression = a}));
}

TEST_CASE("slow_start: weights shown are in proportion, and back to the whole", "[routing][slow_start][unit]") {
    sluice::xoshiro256ss       rng(1);
    std::vector<bool>          usable;
    std::vector<std::uint32_t> shown;
    slow_start<test::spy>      s(3, {}, test::spy{&usable, &shown});
    std::vector<test::node>    list{{.weight = 2}, {.weight = 7}, {.weight = 0}, {.weight = 5'000'000}};
    using w = std::vector<std::uint32_t>;
    auto const at = [&](double t) {
        (void)s.choose(list, test::at(t), rng);
        return shown;
    };
    REQUIRE(at(0) == w{2000, 7000, 0, UINT32_MAX});  // its own start is not slow; what is too much saturates
    s.restart(1, test::at(100));
    s.restart(2, test::at(100));
    REQUIRE(at(99) == w{2000, 700, 0, UINT32_MAX});  // before: as at the restart
    REQUIRE(at(101) == w{2000, 700, 0, UINT32_MAX});
    REQUIRE(at(130) == w{2000, 3500, 0, UINT32_MAX});
    REQUIRE((s.warming(1, test::at(130)) && !s.warming(0, test::at(130)) && !s.warming(9, test::at(130))));
    s.restart(1, test::at(130));
    REQUIRE(at(145) == w{2000, 1750, 0, UINT32_MAX});
    s.settle(1);
    REQUIRE(at(145) == w{2000, 7000, 0, UINT32_MAX});
    s.restart(1, sluice::time_point::min());  // the smallest time is a time, too
    (void)s.choose(list, sluice::time_point::min(), rng);
    REQUIRE(shown == w{2000, 700, 0, UINT32_MAX});
    list[1].weight = 1;
    slow_start<test::spy> coarse(2, {.least = .001, .resolution = 1}, test::spy{&usable, &shown});
    coarse.restart(1, test::at(0));
    (void)coarse.choose(list, test::at(0), rng);
    REQUIRE((shown[1] == 1 && usable[1]));  // never nothing
}

TEST_CASE("slow_start: by weight the share is the formula's", "[routing][slow_start][property]") {
    sluice::xoshiro256ss        rng(test::seed());
    slow_start<test::by_weight> s(4);
    auto const                  list = test::nodes(4);
    s.restart(2, test::at(0));
    int const draws = 40'000;
    int       two = 0;
    for (int n = 0; n < draws; ++n) two += s.choose(list, test::at(15), rng) == 2u;
    double const p = .25 / 3.25;
    REQUIRE(two == Approx(draws * p).margin(4.5 * std::sqrt(draws * p * (1 - p))));  // 4.5 standard deviations
}

TEST_CASE("slow_start: thinning gives what its bounded tries give", "[routing][slow_start][property]") {
    // One of n nodes warming with factor f, k tries: each takes it with f/n, ends with a = 1 - (1-f)/n; the last with 1/n.
    auto const expected = [](double n, double f, int k) {
        double const a = 1 - (1 - f) / n, go_on = std::pow(1 - a, k - 1);
        return f / n * (1 - go_on) / a + go_on / n;
    };
    sluice::xoshiro256ss rng(test::seed());
    auto const           list = test::nodes(4);
    int const            draws = 40'000;
    for (std::uint32_t const tries : {1u, 2u, 8u}) {
        slow_start<test::random_choice> s(4, {.by = slow_start_by::thinning, .tries = tries});
        s.restart(1, test::at(0));
        int one = 0;
        for (int n = 0; n < draws; ++n) one += s.choose(list, test::at(15), rng) == 1u;
        double const p = expected(4, .25, static_cast<int>(tries));
        CAPTURE(tries, p);
        REQUIRE(one == Approx(draws * p).margin(4.5 * std::sqrt(draws * p * (1 - p))));
    }
}

TEST_CASE("slow_start: thinning keeps nobody out and ends", "[routing][slow_start][unit]") {
    sluice::xoshiro256ss    rng(test::seed());
    slow_start<test::turns> s(3, {.least = 1e-9, .by = slow_start_by::thinning});
    auto                    list = test::nodes(3);
    for (sluice::node_index i = 0; i < 3; ++i) s.restart(i, test::at(0));
    std::array<int, 3> chosen{};
    for (int n = 0; n < 300; ++n) ++chosen[s.choose(list, test::at(0), rng).value()];
    REQUIRE((chosen[0] == 100 && chosen[1] == 100 && chosen[2] == 100));  // all warming: as without, 8 steps of 3 at a time
    for (auto& n : list) n.available = false;
    REQUIRE_FALSE(s.choose(list, test::at(0), rng));
    list[1].available = true;
    REQUIRE(s.choose(list, test::at(0), rng) == 1u);
    REQUIRE_FALSE(s.choose(test::nodes(0), test::at(0), rng));
}

TEST_CASE("slow_start: what cannot work is refused by name", "[routing][slow_start][unit]") {
    using s = slow_start<test::turns>;
    double const nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
    REQUIRE_THROWS_WITH(s(1, {.window = 0ns}), test::contains("window"));
    REQUIRE_THROWS_WITH(s(1, {.window = -1ns}), test::contains("window"));
    for (double const bad : {nan, inf, 0., -1.}) REQUIRE_THROWS_WITH(s(1, {.aggression = bad}), test::contains("aggression"));
    for (double const bad : {nan, inf, 0., -1., 1.01}) REQUIRE_THROWS_WITH(s(1, {.least = bad}), test::contains("least"));
    REQUIRE_THROWS_WITH(s(1, {.resolution = 0}), test::contains("resolution"));
    REQUIRE_THROWS_WITH(s(1, {.resolution = 1'000'001}), test::contains("resolution"));
    REQUIRE_THROWS_AS(s(1, {.tries = 0}), std::invalid_argument);
    test::scarce_memory const scarce(0);
    REQUIRE_THROWS_AS(s(1000), std::bad_alloc);
}

TEST_CASE("slow_start: choose does not allocate, and restart may come from another thread", "[routing][slow_start][unit]") {
    slow_start<test::random_choice> s(64);
    auto const                      list = test::nodes(64);
    std::array<std::uint64_t, 2> allocations{};
    test::run_threads(2, [&](std::size_t me) {
        sluice::xoshiro256ss      rng(me);
        test::scarce_memory const none(~std::uint64_t{0} - 1);
        for (int n = 0; n < 300; ++n) {
            if (me == 0) s.restart(static_cast<sluice::node_index>(n % 64), test::at(n));
            else if (!s.choose(list, test::at(n), rng)) std::abort();
        }
        allocations[me] = none.allocations();
    });
    REQUIRE((allocations[0] == 0 && allocations[1] == 0));
}
