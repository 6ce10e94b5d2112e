// SPDX-License-Identifier: BSL-1.0
// 440 — a controller at its limit: without protection its integral grows meanwhile, and it overshoots for as long.
// Build:  c++ -std=c++20 -Iinclude examples/440_pid_anti_windup.cpp
#include <sluice/scaling/pid.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

/// The step response of a plant with gain 1 and a time constant of 10 s; the output may be 0 … 1.2.
static std::vector<double> response(sluice::anti_windup method) {
    using namespace std::chrono_literals;
    sluice::pid controller({.gains = {.kp = 2, .integral_time = 5s, .tracking_time = 5s},
                            .min_output = 0,
                            .max_output = 1.2,
                            .windup = method});
    controller.reset(sluice::time_point(-1s), 0);
    std::vector<double> y{0};
    double const phi = std::exp(-.1);
    for (int t = 0; t < 60; ++t)
        y.push_back(phi * y.back() + (1 - phi) * controller.update(1, y.back(), sluice::time_point(t * 1s)).value);
    return y;
}

int main() {
    auto const wound = response(sluice::anti_windup::none);
    auto const held = response(sluice::anti_windup::conditional);
    auto const led = response(sluice::anti_windup::back_calculation);

    std::printf("%3s 0%39s1\n", "t", "");
    for (std::size_t t = 0; t <= 60; t += 3) {
        std::string line(50, ' ');
        line[40] = '|';
        line[static_cast<std::size_t>(std::lround(wound[t] * 40))] = 'o';
        line[static_cast<std::size_t>(std::lround(held[t] * 40))] = '*';
        line.erase(line.find_last_not_of(' ') + 1);
        std::printf("%3zu %s\n", t, line.c_str());
    }
    auto const overshoot = [](std::vector<double> const& y) { return (*std::max_element(y.begin(), y.end()) - 1) * 100; };
    std::printf("\novershoot: none (o) %.1f %%, conditional (*) %.1f %%, back-calculation %.1f %%\n", overshoot(wound),
                overshoot(held), overshoot(led));
}
// Expected output:
//     t 0                                       1
//     0 *                                       |
//     3             *                           |
//     6                      *o                 |
//     9                            *o           |
//    12                                 * o     |
//    15                                     *o  |
//    18                                       * o
//    21                                        *| o
//    24                                         *   o
//    27                                         *    o
//    30                                         *     o
//    33                                         *     o
//    36                                         *      o
//    39                                         *      o
//    42                                         *      o
//    45                                         *     o
//    48                                         *    o
//    51                                         *  o
//    54                                         *o
//    57                                         *o
//    60                                         *
//
//   overshoot: none (o) 18.2 %, conditional (*) 0.8 %, back-calculation 2.5 %
