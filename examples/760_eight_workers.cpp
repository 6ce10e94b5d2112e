// SPDX-License-Identifier: BSL-1.0
// 760 — eight workers that hold 100, 80 and no tasks of a millisecond: what stealing makes of it, one at a time or by halves.
// Build:  c++ -std=c++20 -Iinclude examples/760_eight_workers.cpp
#include <sluice/core/random.hpp>
#include <sluice/sim/simulation.hpp>
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

enum class steals { nothing, one, half };

/// A worker without tasks looks at a random other one, which takes a microsecond, and again until all are done.
static void run(char const* name, steals how) {
    sim::simulation             sim(3);
    std::array<std::uint64_t, 8> tasks{100, 80}, done{};
    std::uint64_t               left = 180, stolen = 0, looks = 0;
    std::array<sluice::xoshiro256ss, 8> rng;
    std::function<void(std::size_t)> work, finish, look;  // an event holds 48 bytes: a reference to one of these, and who
    finish = [&](std::size_t i) {
        --left;
        ++done[i];
        work(i);
    };
    look = [&](std::size_t i) {
        auto&      victim = tasks[static_cast<std::size_t>(sluice::uniform_below(rng[i], 8))];
        auto const n = how == steals::half ? (victim + 1) / 2 : std::min<std::uint64_t>(victim, 1);
        ++looks;
        stolen += n;
        victim -= n;
        tasks[i] += n;
        work(i);
    };
    work = [&](std::size_t i) {
        if (left == 0) return;
        if (tasks[i] > 0) {
            --tasks[i];
            sim.after(1ms, [&finish, i] { finish(i); });
        } else if (how != steals::nothing) {
            sim.after(1us, [&look, i] { look(i); });
        }
    };
    for (std::size_t i = 0; i < 8; ++i) rng[i] = sim.stream(i, "victims");
    for (std::size_t i = 0; i < 8; ++i) work(i);
    while (left > 0 && sim.run_for(1us).end == sim::run_end::horizon) {
    }
    auto const took = std::chrono::duration<double, std::milli>(sim.now().time_since_epoch()).count();
    std::printf("%-18s %7.2f ms   %3.0f %% of 180/8 ms   %3llu stolen, %5llu looks, at most %llu by one worker\n", name, took,
                100 * 22.5 / took, static_cast<unsigned long long>(stolen), static_cast<unsigned long long>(looks),
                static_cast<unsigned long long>(*std::max_element(done.begin(), done.end())));
}

int main() {
    run("without stealing", steals::nothing);
    run("one at a time", steals::one);
    run("half of what is", steals::half);
    std::printf("Right: from 100 ms to nearly 180/8. Wrong: 22.5 ms itself; tasks are whole, so 23 is the least there is.\n");
}
// Expected output:
//   without stealing    100.00 ms    22 % of 180/8 ms     0 stolen,     0 looks, at most 100 by one worker
//   one at a time        23.09 ms    97 % of 180/8 ms   136 stolen,  4688 looks, at most 23 by one worker
//   half of what is      23.00 ms    98 % of 180/8 ms   232 stolen,  4032 looks, at most 23 by one worker
//   Right: from 100 ms to nearly 180/8. Wrong: 22.5 ms itself; tasks are whole, so 23 is the least there is.
