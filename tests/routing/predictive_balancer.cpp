// SPDX-License-Identifier: BSL-1.0
#include <sluice/routing/predictive_balancer.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::node_index;
using sluice::predictive_balancer;
using sluice::predictive_balancer_options;
using sluice::predictive_scan;
using sluice::time_point;

namespace {

double const no_data = std::numeric_limits<double>::quiet_NaN();

struct server {
    std::uint32_t weight = 1;
    bool          available = true;
};
static_assert(sluice::balancer<predictive_balancer, std::span<server const>>);

time_point at(duration d) { return time_point(d); }

/// Observations are believed for long.
predictive_balancer_options patient(predictive_scan scan = predictive_scan::all) {
    return {.step = 100ms, .stale_after = 1'000'000s, .scan = scan};
}

}  // namespace

TEST_CASE("predictive_balancer: a straight line is met where the work arrives", "[routing][predictive_balancer][unit]") {
    sluice::xoshiro256ss  rng(1);
    std::array<server, 2> nodes{};
    auto                  o = patient();
    o.delay = 500ms;
    predictive_balancer b(2, o), now_only(2, patient());
    o.trend = false;
    predictive_balancer level(2, o);
    // Node 0 falls from 100 by 10 in each step, node 1 rises from 20 likewise. At 350 ms they stand at 65 and 55.
    for (int k = 0; k <= 3; ++k)
        for (auto* p : {&b, &now_only, &level}) {
            p->observe(0, 100 - 10 * k, at(k * 100ms));
            p->observe(1, 20 + 10 * k, at(k * 100ms));
        }
    REQUIRE(b.expected(0, at(350ms)) == Approx(15).epsilon(1e-5));  // at 850 ms
    REQUIRE(b.expected(1, at(350ms)) == Approx(105).epsilon(1e-5));
    REQUIRE(now_only.expected(0, at(350ms)) == Approx(65).epsilon(1e-5));
    REQUIRE(b.choose(nodes, at(350ms), rng) == node_index(0));
    REQUIRE(now_only.choose(nodes, at(350ms), rng) == node_index(1));
    // The level alone: half of each step's news, wherever the work arrives. 100 95 87.5 78.75
    REQUIRE(level.expected(0, at(350ms)) == Approx(78.75).epsilon(1e-5));
    REQUIRE(b.expected(0, at(10s)) == Approx(1).margin(.01));  // never below nothing; one was sent
}

TEST_CASE("predictive_balancer: what was sent counts until the next observation", "[routing][predictive_balancer][unit]") {
    sluice::xoshiro256ss  rng(1);
    std::array<server, 3> nodes{};
    auto                  o = patient();
    o.own_load = 2;
    predictive_balancer b(3, o);
    for (node_index i = 0; i < 3; ++i) b.observe(i, 10. * i, at(0s));
    std::array<int, 3> n{};
    for (int i = 0; i < 5; ++i) ++n[b.choose(nodes, at(0s), rng).value()];
    REQUIRE(n == std::array<int, 3>{5, 0, 0});  // now at 10, as node 1
    REQUIRE(b.expected(0, at(0s)) == Approx(10).epsilon(1e-9));
    for (int i = 0; i < 10; ++i) ++n[b.choose(nodes, at(0s), rng).value()];
    REQUIRE(n == std::array<int, 3>{10, 5, 0});
    b.observe(0, 3, at(1ns));
    REQUIRE(b.expected(0, at(1ns)) < 4);
    REQUIRE(b.choose(nodes, at(1ns), rng) == node_index(0));
    // Weights divide.
    nodes[2].weight = 40;
    REQUIRE(b.choose(nodes, at(1ns), rng) == node_index(2));
}

TEST_CASE("predictive_balancer: an old observation fades into the usual load", "[routing][predictive_balancer][unit]") {
    sluice::xoshiro256ss  rng(1);
    std::array<server, 3> nodes{};
    predictive_balancer   b(3, {.step = 100ms, .stale_after = 2s, .scan = predictive_scan::all});
    REQUIRE(b.expected(0, at(0s)) == 0);
    REQUIRE(b.confidence(0, at(0s)) == 0);
    b.observe(0, 10, at(0s));
    b.observe(1, 30, at(0s));
    // The usual load is 20; node 2 is taken to have that.
    REQUIRE(b.expected(2, at(0s)) == Approx(20));
    struct {
        duration age;
        double   confidence, first, second;
    } const table[] = {{0s, 1, 10, 30}, {500ms, .75, 12.5, 27.5}, {1s, .5, 15, 25}, {1999ms, .0005, 19.995, 20.005},
                       {2s, 0, 20, 20}, {100s, 0, 20, 20}, {-5s, 1, 10, 30}};
    for (auto const& row : table) {
        REQUIRE(b.confidence(0, at(row.age)) == Approx(row.confidence).margin(1e-12));
        REQUIRE(b.expected(0, at(row.age)) == Approx(row.first));
        REQUIRE(b.expected(1, at(row.age)) == Approx(row.second));
    }
    // After a silence the old trend is no news: two observations, 5 s apart, are no line.
    b.observe(0, 90, at(5s));
    REQUIRE(b.expected(0, at(5s)) == 90);
    b.observe(0, 80, at(5100ms));
    REQUIRE(b.expected(0, at(5100ms)) == Approx(80));
    // Nothing is known of anybody: the least sent, each as often.
    predictive_balancer blind(3, {.stale_after = 2s, .scan = predictive_scan::all});
    std::array<int, 3>  n{};
    for (int i = 0; i < 300; ++i) ++n[blind.choose(nodes, at(0s), rng).value()];
    REQUIRE(n == std::array<int, 3>{100, 100, 100});
    REQUIRE(blind.expected(0, at(2s)) == 100);
    REQUIRE(blind.expected(0, at(2s + 1ns)) == 0);  // all that has gone by now
    // A silent node is not avoided for ever: what was sent is forgotten.
    blind.observe(0, 5, at(3s));
    blind.observe(1, 5, at(3s));
    for (int i = 0; i < 6; ++i) (void)blind.choose(nodes, at(3s), rng);
    REQUIRE(blind.expected(2, at(3s)) == Approx(7).margin(1));
    blind.forget(0);
    REQUIRE(blind.confidence(0, at(3s)) == 0);
}

TEST_CASE("predictive_balancer: what is no load is no observation", "[routing][predictive_balancer][unit]") {
    predictive_balancer b(1, patient());
    for (double const bad : {no_data, std::numeric_limits<double>::infinity(), -1.}) b.observe(0, bad, at(0s));
    b.observe(1, 5, at(0s));  // not followed, and not usual either
    REQUIRE(b.confidence(0, at(0s)) == 0);
    REQUIRE(b.expected(0, at(0s)) == 0);
    b.observe(0, 8, at(1s));
    b.observe(0, no_data, at(2s));
    REQUIRE(b.expected(0, at(2s)) == Approx(8));
    b.observe(0, 4, at(0s));  // the clock stepped back: of the same moment
    REQUIRE(b.expected(0, at(1s)) == Approx(6));
    for (double const bad : {std::numeric_limits<double>::max(), 1e101}) b.observe(0, bad, at(2s));
    REQUIRE(b.expected(0, at(1s)) == Approx(6));
    b.observe(0, 1e100, at(2s));
    REQUIRE(std::isfinite(b.expected(0, time_point::max())));
    REQUIRE(std::isfinite(b.expected(0, time_point::min())));
    b.forget(7);
}

TEST_CASE("predictive_balancer: two choices are two different usable nodes", "[routing][predictive_balancer][unit]") {
    sluice::xoshiro256ss rng(1);
    std::vector<server>  nodes(6);
    auto                 o = patient(predictive_scan::two_choices);
    o.own_load = 0;
    predictive_balancer b(6, o);
    for (node_index i = 0; i < 6; ++i) b.observe(i, i == 0 ? 1000 : 6. - i, at(0s));
    nodes[5].available = false;  // it would be the best
    // Of 10 pairs of nodes 0 … 4: node 4 wins four, node 1 wins one, node 0 none.
    std::array<int, 6> n{};
    for (int i = 0; i < 10'000; ++i) ++n[b.choose(nodes, at(0s), rng).value()];
    for (std::size_t i = 1; i < 5; ++i) REQUIRE(n[i] == Approx(1000. * static_cast<double>(i)).margin(250));  // 5 standard deviations
    REQUIRE(n[0] == 0);
    REQUIRE(n[5] == 0);
    for (std::size_t i : {1u, 2u, 4u}) nodes[i].weight = 0;
    for (int i = 0; i < 5000; ++i) REQUIRE(b.choose(nodes, at(0s), rng) == node_index(3));  // two are left: always both
    nodes[3].available = false;
    REQUIRE(b.choose(nodes, at(0s), rng) == node_index(0));
    nodes[0].available = false;
    REQUIRE_FALSE(b.choose(nodes, at(0s), rng));
    REQUIRE_FALSE(b.choose(std::span<server const>(), at(0s), rng));
    predictive_balancer all(6, patient());
    REQUIRE_FALSE(all.choose(nodes, at(0s), rng));
    REQUIRE_FALSE(all.choose(std::span<server const>(), at(0s), rng));
}

TEST_CASE("predictive_balancer: looking ahead halves the imbalance of reports that are late",
          "[routing][predictive_balancer][simulation]") {
    // Background load swings on each node with its own phase (period 8 s, between 0 and 20); a report every 200 ms, and work is
    // on its way for 600 ms. Counted is how much more load a choice meets on arrival than the least one there.
    auto const regret = [](bool trend, duration delay) {
        sluice::xoshiro256ss  rng(5);
        std::array<server, 8> nodes{};
        predictive_balancer   b(8, {.alpha = .8, .beta = .6, .trend = trend, .step = 200ms, .delay = delay, .own_load = 0,
                                    .scan = predictive_scan::all});
        auto const            load = [](node_index i, double t) { return 10 + 10 * std::sin(2 * 3.14159265358979 * (t / 8 + i / 8.)); };
        double                sum = 0;
        for (int ms = 0; ms < 40'000; ms += 50) {
            if (ms % 200 == 0)
                for (node_index i = 0; i < 8; ++i) b.observe(i, load(i, ms / 1000.), at(ms * 1ms));
            auto const c = b.choose(nodes, at(ms * 1ms), rng).value();
            double     least = 100;
            for (node_index i = 0; i < 8; ++i) least = std::min(least, load(i, ms / 1000. + .6));
            sum += load(c, ms / 1000. + .6) - least;
        }
        return sum / 800;
    };
    double const ahead = regret(true, 600ms), last_seen = regret(false, 0ms);
    INFO(ahead << " against " << last_seen);
    REQUIRE(ahead * 2 < last_seen);
}

TEST_CASE("predictive_balancer: no allocation, and bad options", "[routing][predictive_balancer][unit]") {
    sluice::xoshiro256ss rng(1);
    std::vector<server>  nodes(10);
    predictive_balancer  b(10);
    auto const           before = test::allocations::total();
    for (int i = 0; i < 1000; ++i) b.observe(b.choose(nodes, at(i * 1ms), rng).value(), i % 17, at(i * 1ms));
    REQUIRE(test::allocations::total() == before);
    for (double const bad : {no_data, -.1, 1e10}) {
        REQUIRE_THROWS_AS(predictive_balancer(1, {.alpha = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(predictive_balancer(1, {.beta = bad}), std::invalid_argument);
        REQUIRE_THROWS_AS(predictive_balancer(1, {.own_load = bad}), std::invalid_argument);
    }
    REQUIRE_THROWS_AS(predictive_balancer(1, {.step = 0s}), std::invalid_argument);
    REQUIRE_THROWS_AS(predictive_balancer(1, {.delay = -1ns}), std::invalid_argument);
    REQUIRE_THROWS_AS(predictive_balancer(1, {.stale_after = 0s}), std::invalid_argument);
}
