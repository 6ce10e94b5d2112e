// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/pid.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using sluice::anti_windup;
using sluice::duration;
using sluice::pid;
using sluice::pid_gains;
using sluice::pid_options;
using sluice::pid_response;
using sluice::pid_status;
using sluice::time_point;

namespace {

double const no_number = std::numeric_limits<double>::quiet_NaN();
double const infinity = std::numeric_limits<double>::infinity();

/// First order, held over the period: exact.
struct plant {
    double gain;
    double phi;
    double y = 0;
    plant(double k, double time_constant, double period) : gain(k), phi(std::exp(-period / time_constant)) {}
    void step(double u) { y = phi * y + gain * (1 - phi) * u; }
};

/// y_0 … y_n of a unit step.
std::vector<double> response(pid& controller, plant p, duration period, int n) {
    std::vector<double> y;
    REQUIRE(controller.reset(time_point(-period), 0));
    for (int k = 0; k <= n; ++k) {
        y.push_back(p.y);
        p.step(controller.update(1, p.y, time_point(k * period)).value);
    }
    return y;
}

struct shape {
    double overshoot;  // %
    int    at;
    int    settled;  // from here on within 2 %
};

shape of(std::vector<double> const& y) {
    auto const top = std::max_element(y.begin(), y.end());
    int settled = 0;
    for (int k = 0; k < static_cast<int>(y.size()); ++k)
        if (std::abs(y[static_cast<std::size_t>(k)] - 1) > .02) settled = k + 1;
    return {(*top - 1) * 100, static_cast<int>(top - y.begin()), settled};
}

pid_options wound(anti_windup method) {
    return {
        .gains = {.kp = 2, .integral_time = 5s, .tracking_time = 5s}, .min_output = 0, .max_output = 1.2, .windup = method};
}

}  // namespace

TEST_CASE("pid: a PI loop against its exact solution", "[scaling][pid][unit]") {
    // K = 2, T = 10, Kp = 1, Ti = 10: y = 1 - exp(-t/5), u = .5 + .5 exp(-t/5); a short period comes close.
    pid controller({.gains = {.kp = 1, .integral_time = 10s}});
    plant p(2, 10, .001);
    REQUIRE(controller.reset(time_point(-1ms), 0));
    for (int k = 0; k <= 20'000; ++k) {
        double const u = controller.update(1, p.y, time_point(k * 1ms)).value;
        double const e = std::exp(-k * .001 / 5);
        REQUIRE(p.y == Approx(1 - e).margin(2e-4));
        REQUIRE(u == Approx(.5 + .5 * e).margin(2e-4));
        p.step(u);
    }
}

TEST_CASE("pid: a PI loop with a period of a second", "[scaling][pid][unit]") {
    pid controller({.gains = {.kp = 1, .integral_time = 10s}});
    auto const y = response(controller, plant(2, 10, 1), 1s, 7);
    std::vector<double> const expected{0,           .2093576803, .3739942213, .5035435126,
                                       .6055568849, .6859539346, .7493756987, .7994613374};
    for (std::size_t k = 0; k < expected.size(); ++k) REQUIRE(y[k] == Approx(expected[k]).margin(1e-10));
}

TEST_CASE("pid: proportional action alone leaves an error", "[scaling][pid][unit]") {
    pid controller({.gains = {.kp = 4}});
    REQUIRE(response(controller, plant(1, 10, 1), 1s, 200).back() == Approx(.8).margin(1e-9));
    REQUIRE(controller.integral() == 0);
}

TEST_CASE("pid: wind-up, and the methods against it", "[scaling][pid][unit]") {
    SECTION("none") {
        pid controller(wound(anti_windup::none));
        plant p(1, 10, 1);
        double most = 0;
        std::vector<double> y;
        REQUIRE(controller.reset(time_point(-1s), 0));
        for (int k = 0; k <= 300; ++k) {
            y.push_back(p.y);
            p.step(controller.update(1, p.y, time_point(k * 1s)).value);
            most = std::max(most, controller.integral());
        }
        REQUIRE(of(y).overshoot == Approx(18.200531).margin(1e-6));
        REQUIRE(of(y).at == 42);
        REQUIRE(of(y).settled == 56);
        REQUIRE(most == Approx(2.770232).margin(1e-6));
        REQUIRE(y[10] == Approx(.75854467).margin(1e-8));
        REQUIRE(y[20] == Approx(1.03759766).margin(1e-8));
        REQUIRE(y[30] == Approx(1.14025552).margin(1e-8));
    }
    SECTION("conditional") {
        pid controller(wound(anti_windup::conditional));
        auto const y = response(controller, plant(1, 10, 1), 1s, 300);
        REQUIRE(of(y).overshoot == Approx(.767942).margin(1e-6));
        REQUIRE(of(y).at == 28);
        REQUIRE(of(y).settled == 21);
        REQUIRE(y[10] == Approx(.72419018).margin(1e-8));
        REQUIRE(y[20] == Approx(.97820729).margin(1e-8));
        REQUIRE(y[30] == Approx(1.00734563).margin(1e-8));
    }
    SECTION("back-calculation") {
        pid controller(wound(anti_windup::back_calculation));
        auto const y = response(controller, plant(1, 10, 1), 1s, 300);
        REQUIRE(of(y).overshoot == Approx(2.513644).margin(1e-6));
        REQUIRE(of(y).at == 23);
        REQUIRE(of(y).settled == 28);
        REQUIRE(y[20] == Approx(1.01578661).margin(1e-8));
        REQUIRE(y[30] == Approx(1.01358641).margin(1e-8));
    }
    SECTION("clamping") {
        pid controller(wound(anti_windup::clamping));
        auto const y = response(controller, plant(1, 10, 1), 1s, 300);
        REQUIRE(of(y).overshoot < 5);
        REQUIRE(of(y).overshoot > .767942);
        REQUIRE(y.back() == Approx(1).margin(1e-6));
    }
}

TEST_CASE("pid: a limit that only the caller knows winds nothing up either", "[scaling][pid][unit]") {
    for (auto const method : {anti_windup::clamping, anti_windup::conditional, anti_windup::back_calculation}) {
        auto inside = wound(method);
        auto outside = inside;
        outside.min_output = -1e9;
        outside.max_output = 1e9;
        pid told(outside), untold(outside);
        plant a(1, 10, 1), b(1, 10, 1);
        double top_told = 0, top_untold = 0;
        for (int k = 0; k < 300; ++k) {
            double const u = std::clamp(told.update(1, a.y, time_point(k * 1s)).value, 0., 1.2);
            REQUIRE(told.track(u));
            a.step(u);
            b.step(std::clamp(untold.update(1, b.y, time_point(k * 1s)).value, 0., 1.2));
            top_told = std::max(top_told, a.y);
            top_untold = std::max(top_untold, b.y);
        }
        CAPTURE(static_cast<int>(method), top_told);
        REQUIRE(top_told < 1.05);
        REQUIRE(top_untold > 1.15);
    }
    // With the caller's word back-calculation is what it is with its own limits.
    auto options = wound(anti_windup::back_calculation);
    pid own(options);
    options.min_output = -1e9;
    options.max_output = 1e9;
    pid other(options);
    auto const y = response(own, plant(1, 10, 1), 1s, 100);
    plant p(1, 10, 1);
    REQUIRE(other.reset(time_point(-1s), 0));
    for (int k = 0; k <= 100; ++k) {
        REQUIRE(p.y == Approx(y[static_cast<std::size_t>(k)]).margin(1e-12));
        double const u = std::clamp(other.update(1, p.y, time_point(k * 1s)).value, 0., 1.2);
        REQUIRE(other.track(u));
        p.step(u);
    }
}

TEST_CASE("pid: rounding is no limit, and a fraction accumulates", "[scaling][pid][unit]") {
    // An error worth a tenth of a worker per second must move a whole worker some time.
    for (auto const method : {anti_windup::clamping, anti_windup::conditional, anti_windup::back_calculation}) {
        pid controller({.gains = {.kp = .1, .integral_time = 1s}, .min_output = 0, .max_output = 100, .windup = method,
                        .rounding = .5});
        REQUIRE(controller.reset(time_point{}, 10));
        double applied = 10;
        for (int k = 1; k <= 100; ++k) {
            applied = std::round(controller.update(1, 0, time_point(k * 1s)).value);
            REQUIRE(controller.track(applied));
        }
        REQUIRE(applied == 20);
    }
    // A pool that stays at 10 is a limit as soon as the controller wants 11.
    pid controller({.gains = {.kp = .1, .integral_time = 1s}, .windup = anti_windup::conditional, .rounding = .5});
    REQUIRE(controller.reset(time_point{}, 10));
    for (int k = 1; k <= 1000; ++k) {
        (void)controller.update(1, 0, time_point(k * 1s));
        REQUIRE(controller.track(10));
    }
    REQUIRE(controller.integral() < 11);
    // The last word counts.
    (void)controller.update(1, 0, time_point(1000s + 1ms));
    REQUIRE(controller.track(10));
    REQUIRE(controller.track(controller.output()));
    double const moved = controller.integral();
    (void)controller.update(1, 0, time_point(1000s + 501ms));
    REQUIRE(controller.integral() == Approx(moved + .05));
    // And it is one only until the next update.
    (void)controller.update(1, 0, time_point(1001s));
    double const before = controller.integral();
    (void)controller.update(1, 0, time_point(1002s));
    REQUIRE(controller.integral() == Approx(before + .1));
}

TEST_CASE("pid: to be told what it knows changes nothing", "[scaling][pid][unit]") {
    for (auto const method :
         {anti_windup::none, anti_windup::clamping, anti_windup::conditional, anti_windup::back_calculation}) {
        pid told(wound(method)), untold(wound(method));
        plant p(1, 10, 1);
        for (int k = 0; k < 100; ++k) {
            double const u = told.update(1, p.y, time_point(k * 1s)).value;
            REQUIRE(untold.update(1, p.y, time_point(k * 1s)).value == u);
            REQUIRE(told.track(u));
            p.step(u);
        }
    }
}

TEST_CASE("pid: a tracking time below the period leads to what was applied, and not beyond", "[scaling][pid][unit]") {
    pid controller({.gains = {.kp = 1, .integral_time = 1s, .tracking_time = 1ms},
                    .windup = anti_windup::back_calculation});
    REQUIRE(controller.reset(time_point{}, 50));
    for (int k = 1; k < 10; ++k) {
        (void)controller.update(0, 0, time_point(k * 1s));
        REQUIRE(controller.integral() == (k == 1 ? 50 : 20));
        REQUIRE(controller.track(20));
    }
}

TEST_CASE("pid: a limit that is taken back leads nothing anywhere", "[scaling][pid][unit]") {
    for (auto const method : {anti_windup::clamping, anti_windup::conditional, anti_windup::back_calculation}) {
        pid corrected({.gains = {.kp = 1, .integral_time = 1s}, .windup = method});
        pid twin = corrected;
        for (int k = 0; k < 5; ++k) {
            REQUIRE(corrected.update(1, 0, time_point(k * 1s)).value == twin.update(1, 0, time_point(k * 1s)).value);
            REQUIRE(corrected.track(-7));
            REQUIRE(corrected.track(corrected.output()));
        }
    }
}

TEST_CASE("pid: the derivative is filtered and acts on the measurement", "[scaling][pid][unit]") {
    pid controller({.gains = {.kp = 1, .derivative_time = 2s, .filter_n = 10}});
    double const expected[] = {0, -6.6666666667, -4.4444444444, -2.9629629630, -1.9753086420, -1.3168724280};
    for (int k = 0; k < 6; ++k) {
        (void)controller.update(0, k == 0 ? 0 : 1, time_point(k * 100ms));
        REQUIRE(controller.derivative() == Approx(expected[k]).margin(1e-9));
    }
    pid spike({.gains = {.kp = 1, .derivative_time = 2s, .filter_n = infinity}});
    (void)spike.update(0, 0, time_point{});
    (void)spike.update(0, 1, time_point(100ms));
    REQUIRE(spike.derivative() == Approx(-20));
    (void)spike.update(0, 1, time_point(200ms));
    REQUIRE(spike.derivative() == 0);
    // A set-point step is none of its business.
    (void)spike.update(50, 1, time_point(300ms));
    REQUIRE(spike.derivative() == 0);
}

TEST_CASE("pid: the set-point weight takes the kick out of a step", "[scaling][pid][unit]") {
    for (double weight : {0., .3, 1.}) {
        pid controller({.gains = {.kp = 2, .setpoint_weight = weight}});
        REQUIRE(controller.update(5, 1, time_point{}).value == Approx(2 * (5 * weight - 1)));
    }
}

TEST_CASE("pid: what falls when the output rises", "[scaling][pid][unit]") {
    pid up({.gains = {.kp = 2, .integral_time = 4s, .derivative_time = 1s}});
    pid down({.gains = {.kp = 2, .integral_time = 4s, .derivative_time = 1s}, .response = pid_response::falling});
    // A queue of 30 that should be 10 needs a higher output.
    REQUIRE(down.update(10, 30, time_point{}).value == 40);
    (void)up.update(-10, -30, time_point{});
    for (int k = 1; k < 50; ++k) {
        double const y = 30 * std::sin(k * .3);
        REQUIRE(down.update(10, y, time_point(k * 1s)).value == up.update(-10, -y, time_point(k * 1s)).value);
    }
}

TEST_CASE("pid: the period is what it was", "[scaling][pid][unit]") {
    // I alone: the sum of error × time, however it is cut.
    auto const run = [](std::vector<int> const& milliseconds) {
        pid controller({.gains = {.kp = 1, .integral_time = 10s}});
        (void)controller.update(2, 0, time_point{});
        for (int const t : milliseconds) (void)controller.update(2, 0, time_point(t * 1ms));
        return controller.integral();
    };
    REQUIRE(run({1000, 2000, 3000, 4000}) == Approx(.8));
    REQUIRE(run({1, 3999, 4000}) == Approx(.8));
    REQUIRE(run({4000}) == Approx(.8));
}

TEST_CASE("pid: a sample that cannot be used changes nothing", "[scaling][pid][unit]") {
    pid controller({.gains = {.kp = 2, .integral_time = 5s, .derivative_time = 1s}, .min_output = -50, .max_output = 50});
    pid twin = controller;
    std::uint64_t const seed = test::seed();
    auto const noise = test::keys(200, seed);
    for (int k = 0; k < 200; ++k) {
        double const y = static_cast<double>(noise[static_cast<std::size_t>(k)] % 1000) / 100;
        auto const now = time_point(k * 1s);
        double const shown = controller.output();
        for (double const bad : {no_number, infinity, -infinity}) {
            auto const a = controller.update(bad, y, now);
            auto const b = controller.update(5, bad, now);
            REQUIRE(a.status == pid_status::not_a_number);
            REQUIRE(b.status == pid_status::not_a_number);
            REQUIRE(a.value == shown);
            REQUIRE(b.value == shown);
            REQUIRE_FALSE(controller.track(bad));
            REQUIRE_FALSE(controller.manual(bad));
            REQUIRE_FALSE(controller.reset(now, bad));
            REQUIRE_FALSE(controller.reset(now, 0, bad, 0));
        }
        REQUIRE(controller.update(1.7e308, -1.7e308, now).status == pid_status::not_a_number);
        if (k > 0) {
            REQUIRE(controller.update(9, 9, now - 1s).status == pid_status::not_later);
            REQUIRE(controller.update(9, 9, now - 5s).status == pid_status::not_later);
            REQUIRE(controller.update(9, 9, time_point::min()).status == pid_status::not_later);
        }
        REQUIRE(controller.update(5, y, now).value == twin.update(5, y, now).value);
        REQUIRE(controller.integral() == twin.integral());
        REQUIRE(controller.derivative() == twin.derivative());
    }
}

TEST_CASE("pid: from one end of time to the other", "[scaling][pid][unit]") {
    pid controller({.gains = {.kp = 1, .integral_time = 1s}, .min_output = -1, .max_output = 1});
    REQUIRE(controller.update(1, 0, time_point::min()).status == pid_status::first);
    auto const last = controller.update(1, 0, time_point::max());
    REQUIRE(last.status == pid_status::ok);
    REQUIRE(last.value == 1);
    REQUIRE(controller.integral() <= 1);
}

TEST_CASE("pid: other gains do not move the output", "[scaling][pid][unit]") {
    for (auto const& other : {pid_gains{.kp = 7, .integral_time = 3s}, pid_gains{.kp = .5, .integral_time = 30s},
                              pid_gains{.kp = 2, .integral_time = 5s, .setpoint_weight = .2}, pid_gains{.kp = 3}}) {
        pid controller({.gains = {.kp = 2, .integral_time = 5s}});
        for (int k = 0; k < 10; ++k) (void)controller.update(4, 3 + .01 * k, time_point(k * 1s));
        double const before = controller.output();
        controller.set_gains(other);
        REQUIRE(controller.output() == before);
        // A nanosecond later, same values: all that has moved is the integral, by a nanosecond.
        REQUIRE(controller.update(4, 3.09, time_point(9s + 1ns)).value == Approx(before).margin(1e-6));
    }
    pid with({.gains = {.kp = 2, .integral_time = 5s, .derivative_time = 4s}});
    for (int k = 0; k < 5; ++k) (void)with.update(4, k, time_point(k * 1s));
    double const before = with.output();
    REQUIRE(with.derivative() != 0);
    with.set_gains({.kp = 2, .integral_time = 5s});
    REQUIRE(with.update(4, 4, time_point(4s + 1ns)).value == Approx(before).margin(1e-6));
}

TEST_CASE("pid: by hand and back, without a bump", "[scaling][pid][unit]") {
    pid controller({.gains = {.kp = 2, .integral_time = 5s}, .min_output = 0, .max_output = 40});
    for (int k = 0; k < 5; ++k) (void)controller.update(4, 3, time_point(k * 1s));
    REQUIRE(controller.manual(17));
    REQUIRE(controller.is_manual());
    REQUIRE(controller.output() == 17);
    for (int k = 5; k < 50; ++k) {
        auto const u = controller.update(4, 3 + .1 * k, time_point(k * 1s));
        REQUIRE(u.status == pid_status::manual);
        REQUIRE(u.value == 17);
        REQUIRE_FALSE(controller.track(3));
    }
    controller.automatic();
    REQUIRE_FALSE(controller.is_manual());
    auto const u = controller.update(4, 3 + .1 * 49, time_point(49s + 1ns));
    REQUIRE(u.status == pid_status::ok);
    REQUIRE(u.value == Approx(17).margin(1e-6));
    // There and back at once, too.
    REQUIRE(controller.manual(22));
    controller.automatic();
    REQUIRE(controller.update(4, 3 + .1 * 49, time_point(49s + 2ns)).value == Approx(22).margin(1e-6));
    REQUIRE(controller.manual(1000));
    REQUIRE(controller.output() == 40);
}

TEST_CASE("pid: a start that is no kick", "[scaling][pid][unit]") {
    pid controller({.gains = {.kp = 10, .integral_time = 5s}});
    REQUIRE(controller.reset(time_point{}, 100, 90, 33));
    REQUIRE(controller.output() == 33);
    REQUIRE(controller.update(100, 90, time_point(1ns)).value == Approx(33).margin(1e-6));
    // The other one: the time counts, the output is the integral.
    REQUIRE(controller.reset(time_point{}, 33));
    REQUIRE(controller.update(100, 100, time_point(1s)).value == 33);
}

TEST_CASE("pid: after a pause it goes on from where it was", "[scaling][pid][unit]") {
    pid controller({.gains = {.kp = 1, .integral_time = 1s, .derivative_time = 1s}, .max_interval = 3s});
    for (int k = 0; k < 10; ++k) (void)controller.update(10, k, time_point(k * 1s));
    double const before = controller.output();
    REQUIRE(controller.update(10, 12, time_point(9s + 3s)).status == pid_status::ok);
    auto const kept = controller.output();
    REQUIRE(kept != before);
    auto const u = controller.update(10, 60, time_point(3600s));
    REQUIRE(u.status == pid_status::restarted);
    REQUIRE(u.value == Approx(kept));
    REQUIRE(controller.derivative() == 0);
    REQUIRE(controller.update(10, 60, time_point(3601s)).status == pid_status::ok);
}

TEST_CASE("pid: other limits", "[scaling][pid][unit]") {
    pid controller({.gains = {.kp = 1}, .min_output = 0, .max_output = 10});
    REQUIRE(controller.update(100, 0, time_point{}).value == 10);
    controller.set_limits(20, 30);
    auto const u = controller.update(100, 0, time_point(1s));
    REQUIRE(u.value == 30);
    REQUIRE(u.unlimited == 100);
    REQUIRE(controller.update(0, 0, time_point(2s)).value == 20);
    REQUIRE_THROWS_AS(controller.set_limits(2, 1), std::invalid_argument);
    REQUIRE_THROWS_AS(controller.set_limits(no_number, 1), std::invalid_argument);
    REQUIRE(controller.options().min_output == 20);
}

TEST_CASE("pid: finite whatever it is fed", "[scaling][pid][property]") {
    auto const noise = test::keys(4000, test::seed() + 7);
    for (auto const method :
         {anti_windup::none, anti_windup::clamping, anti_windup::conditional, anti_windup::back_calculation}) {
        pid controller({.gains = {.kp = 3, .integral_time = 2s, .derivative_time = 1s}, .min_output = -5, .max_output = 7,
                        .windup = method, .max_interval = 100s});
        auto now = time_point{};
        for (std::size_t k = 0; k + 3 < noise.size(); k += 4) {
            auto const number = [&](std::uint64_t bits) {
                switch (bits % 11) {
                case 0: return no_number;
                case 1: return infinity;
                case 2: return 1e308;
                case 3: return -1e308;
                case 4: return 5e-324;
                default: return static_cast<double>(bits >> 12) * 0x1p-52 * 20 - 10;
                }
            };
            now += duration(static_cast<std::int64_t>(noise[k] % 3'000'000'000) - 500'000'000);
            auto const u = controller.update(number(noise[k + 1]), number(noise[k + 2]), now);
            REQUIRE(u.value >= -5);
            REQUIRE(u.value <= 7);
            REQUIRE(std::isfinite(u.unlimited));
            REQUIRE(std::isfinite(controller.integral()));
            if (noise[k + 3] % 3 == 0) (void)controller.track(number(noise[k + 3] / 3));
        }
    }
}

TEST_CASE("pid: options that cannot work", "[scaling][pid][unit]") {
    STATIC_REQUIRE(std::is_nothrow_copy_constructible_v<pid>);
    auto const refuses = [](pid_options o) { REQUIRE_THROWS_AS(pid(o), std::invalid_argument); };
    for (double const bad : {0., -1., no_number, infinity}) refuses({.gains = {.kp = bad}});
    for (double const bad : {-1., no_number, infinity}) {
        refuses({.gains = {.integral_time = sluice::model_seconds(bad)}});
        refuses({.gains = {.integral_time = sluice::model_seconds(1e-10)}});
        refuses({.gains = {.derivative_time = sluice::model_seconds(bad)}});
        refuses({.gains = {.tracking_time = sluice::model_seconds(bad)}});
        refuses({.rounding = bad});
        refuses({.gains = {.setpoint_weight = bad}});
    }
    refuses({.gains = {.setpoint_weight = 1.1}});
    for (double const bad : {0., -1., no_number}) refuses({.gains = {.filter_n = bad}});
    refuses({.min_output = 1, .max_output = 1});
    refuses({.min_output = 2, .max_output = 1});
    refuses({.min_output = no_number});
    refuses({.max_output = infinity});
    refuses({.max_interval = duration(0)});
    refuses({.max_interval = duration(-1)});
    pid controller({});
    REQUIRE_THROWS_AS(controller.set_gains({.kp = -1}), std::invalid_argument);
    REQUIRE(controller.options().gains == pid_gains{});
}
