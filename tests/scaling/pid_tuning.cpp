// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/pid.hpp>
#include <sluice/scaling/pid_tuning.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::amigo;
using sluice::amigo_pid;
using sluice::max_monotone_gain;
using sluice::max_stable_gain;
using sluice::pid;
using sluice::pid_gains;
using sluice::simc;
using sluice::time_point;

namespace {

double const no_number = std::numeric_limits<double>::quiet_NaN();
double const infinity = std::numeric_limits<double>::infinity();

sluice::process_model const slow{.gain = 1, .time_constant = 10s, .delay = 2s};

struct quality {
    double overshoot;  // %
    double settled;    // seconds
    double error;      // integral of its absolute value
};

/// A unit step on `slow`, sampled every 100 ms.
quality step(pid_gains const& gains) {
    pid controller({.gains = gains});
    REQUIRE(controller.reset(time_point(-100ms), 0));
    double const phi = std::exp(-.01);
    std::vector<double> underway(20, 0);
    double y = 0, top = 0, error = 0;
    int settled = 0;
    for (int k = 0; k < 2000; ++k) {
        top = std::max(top, y);
        error += std::abs(1 - y) * .1;
        if (std::abs(y - 1) > .02) settled = k + 1;
        auto const at = static_cast<std::size_t>(k) % 20;
        double const u = underway[at];
        underway[at] = controller.update(1, y, time_point(k * 100ms)).value;
        y = phi * y + (1 - phi) * u;
    }
    return {(top - 1) * 100, settled * .1, error};
}

/// How far n goes beyond `need`, in parts of it; infinite if it does not come back.
double overshoot(double gain, std::size_t delay, double need, double from, int periods) {
    std::vector<double> n(delay + 1, from);
    double top = from;
    for (int k = 0; k < periods; ++k) {
        double const old = n[n.size() - 1 - delay];
        n.push_back(n.back() + gain * (need - old));
        top = std::max(top, n.back());
    }
    return (top - need) / need;
}

}  // namespace

TEST_CASE("pid_tuning: a step on a slow process with a delay", "[scaling][pid_tuning][unit]") {
    auto const by_simc = step(simc(slow));
    REQUIRE(by_simc.overshoot == Approx(4.9080).margin(1e-4));
    REQUIRE(by_simc.settled == Approx(12.3).margin(1e-6));
    REQUIRE(by_simc.error == Approx(4.402259).margin(1e-6));
    auto const by_amigo = step(amigo(slow));
    REQUIRE(by_amigo.overshoot == Approx(3.5381).margin(1e-4));
    REQUIRE(by_amigo.settled == Approx(33.6).margin(1e-6));
    REQUIRE(by_amigo.error == Approx(7.639792).margin(1e-6));
    auto const by_ziegler_nichols = step({.kp = 4.5, .integral_time = sluice::model_seconds(6.666667)});
    REQUIRE(by_ziegler_nichols.overshoot == Approx(57.2571).margin(1e-3));
    REQUIRE(by_ziegler_nichols.settled == Approx(27.9).margin(1e-6));
    REQUIRE(by_ziegler_nichols.error == Approx(6.351187).margin(1e-4));
}

TEST_CASE("pid_tuning: the rules' own arithmetic", "[scaling][pid_tuning][unit]") {
    REQUIRE(simc(slow).kp == 2.5);
    REQUIRE(simc(slow).integral_time == 10s);
    REQUIRE(simc(slow, 8s).kp == 1);
    REQUIRE(simc({.gain = 4, .time_constant = 100s, .delay = 1s}).kp == 12.5);
    REQUIRE(simc({.gain = 4, .time_constant = 100s, .delay = 1s}).integral_time == 8s);
    REQUIRE(simc({.gain = -2, .time_constant = 10s, .delay = 2s}).kp == 1.25);
    REQUIRE(simc({.time_constant = 10s}, 5s).kp == 2);
    REQUIRE(amigo(slow).kp == Approx(.15 + (.35 - 20. / 144) * 5));
    REQUIRE(amigo(slow).integral_time.count() == Approx(.7 + 13 * 2 * 100. / (100 + 240 + 28)));
    REQUIRE(amigo({.gain = 3, .delay = 2s}).kp == Approx(.05));
    REQUIRE(amigo({.gain = 3, .delay = 2s}).integral_time.count() == Approx(.7));
    auto const three = amigo_pid(slow);
    REQUIRE(three.kp == Approx(2.45));
    REQUIRE(three.integral_time.count() == Approx(2 * 8.8 / 3));
    REQUIRE(three.derivative_time.count() == Approx(10 / 10.6));
    for (auto const& gains : {simc(slow), amigo(slow), three}) REQUIRE_NOTHROW(pid({.gains = gains}));
}

TEST_CASE("ultimate_point: where proportional control oscillates", "[scaling][pid_tuning][unit]") {
    auto const u = sluice::ultimate_point(slow);
    REQUIRE(u.gain == Approx(8.50242499).epsilon(1e-9));
    REQUIRE(u.period.count() == Approx(7.44152273).epsilon(1e-9));
    REQUIRE(sluice::ultimate_point({.gain = -4, .time_constant = 10s, .delay = 2s}).gain == Approx(8.50242499 / 4));
    auto const large = sluice::ultimate_point({.time_constant = sluice::model_seconds(1e15), .delay = 1ns});
    REQUIRE(std::isfinite(large.gain));
    REQUIRE(large.period.count() == Approx(4e-9));
}

TEST_CASE("pid_tuning: what a start-up delay allows", "[scaling][pid_tuning][unit]") {
    double const stable[] = {2, 1, .618034, .445042, .347296, .284630, .241073};
    double const monotone[] = {1, .25, .148148, .105469, .081920, .066980, .056653};
    for (std::uint32_t d = 0; d < 7; ++d) {
        CAPTURE(d);
        REQUIRE(max_stable_gain(d) == Approx(stable[d]).margin(5e-7));
        REQUIRE(max_monotone_gain(d) == Approx(monotone[d]).margin(5e-7));
    }
    // What the loop itself says.
    for (std::uint32_t d = 0; d < 12; ++d) {
        CAPTURE(d);
        REQUIRE(overshoot(max_monotone_gain(d) * .999, d, 143, 15, 2000) <= 1e-9);
        REQUIRE(overshoot(max_monotone_gain(d) * 1.2, d, 143, 15, 2000) > 1e-9);
        double const below = overshoot(max_stable_gain(d) * .98, d, 143, 15, 200);
        REQUIRE(overshoot(max_stable_gain(d) * .98, d, 143, 15, 4000) == below);
        REQUIRE(overshoot(max_stable_gain(d) * 1.02, d, 143, 15, 4000) > 10 * below);
    }
    REQUIRE(overshoot(.148, 2, 143, 15, 60) <= 0);
    REQUIRE(overshoot(.5, 2, 143, 15, 60) * 100 == Approx(67.13).margin(.01));
    REQUIRE(overshoot(.7, 2, 143, 15, 60) * 100 == Approx(668).margin(1));
    REQUIRE(max_stable_gain(UINT32_MAX) > 0);
    REQUIRE(max_monotone_gain(UINT32_MAX) > 0);
    REQUIRE(max_monotone_gain(1'000'000) == Approx(std::exp(-1.) / 1'000'000.5));
}

TEST_CASE("derivative_noise: what a filter is worth", "[scaling][pid_tuning][unit]") {
    double const filters[] = {infinity, 2, 5, 10, 20};
    double const expected[] = {28.284271, 1.860968, 4.216370, 7.302967, 11.547005};
    for (int i = 0; i < 5; ++i)
        REQUIRE(sluice::derivative_noise({.kp = 1, .derivative_time = 2s, .filter_n = filters[i]}, 100ms) ==
                Approx(expected[i]).margin(1e-6));
    REQUIRE_THROWS_AS(sluice::derivative_noise({}, 0s), std::invalid_argument);
}

TEST_CASE("pid_tuning: processes that cannot be", "[scaling][pid_tuning][unit]") {
    for (double const bad : {0., no_number, infinity}) {
        REQUIRE_THROWS_AS(simc({.gain = bad, .time_constant = 10s, .delay = 2s}), std::invalid_argument);
        REQUIRE_THROWS_AS(amigo({.gain = bad, .time_constant = 10s, .delay = 2s}), std::invalid_argument);
    }
    for (double const bad : {-1., no_number, infinity}) {
        sluice::model_seconds const t(bad);
        REQUIRE_THROWS_AS(simc({.time_constant = t, .delay = 2s}), std::invalid_argument);
        REQUIRE_THROWS_AS(simc({.time_constant = 2s, .delay = t}), std::invalid_argument);
        REQUIRE_THROWS_AS(simc(slow, t), std::invalid_argument);
        REQUIRE_THROWS_AS(amigo_pid({.time_constant = t, .delay = 2s}), std::invalid_argument);
        REQUIRE_THROWS_AS(sluice::ultimate_point({.time_constant = 2s, .delay = t}), std::invalid_argument);
    }
    REQUIRE_THROWS_AS(simc({.time_constant = 10s}), std::invalid_argument);  // no delay: say how fast
    REQUIRE_THROWS_AS(simc({.delay = 10s}), std::invalid_argument);
    REQUIRE_THROWS_AS(amigo({.time_constant = 10s}), std::invalid_argument);
    REQUIRE_THROWS_AS(amigo_pid({.time_constant = 10s}), std::invalid_argument);
    REQUIRE_THROWS_AS(sluice::ultimate_point({.time_constant = 10s}), std::invalid_argument);
    REQUIRE_THROWS_AS(sluice::ultimate_point({.delay = 10s}), std::invalid_argument);
}
