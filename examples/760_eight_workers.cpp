// SPDX-License-Identifier: BSL-1.0
// 760 — eight workers that hold 100, 80 and no tasks of a millisecond: what stealing makes of it, one at a time or by halves.
// Build:  c++ -std=c++20 -Iinclude examples/760_eight_workers.cpp
#include <sluice/executor/victim_policy.hpp>
#include <sluice/sim/simulation.hpp>
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <numeric>
#include <vector>

using namespace std::chrono_literals;
namespace sim = sluice::sim;

enum class steals { nothing, one, half };

/// A worker without tasks looks at the one that the pool's own selector names, which takes a microsecond, and again until all are
/// done. Returns the milliseconds.
static double run(char const* name, steals how, sluice::victim_policy policy) {
    sim::simulation              sim(3);
    std::array<std::uint64_t, 8> tasks{100, 80}, done{};
    std::uint64_t                left = std::accumulate(tasks.begin(), tasks.end(), std::uint64_t{0}), stolen = 0, looks = 0;
    std::vector<sluice::victim_selector> whom;
    for (std::size_t i = 0; i < 8; ++i) whom.emplace_back(sluice::victim_options{.policy = policy}, i, 8, sim.stream(i, "victims")());
    std::function<void(std::size_t)> work, finish, look;  // an event holds 48 bytes: a reference to one of these, and who
    finish = [&](std::size_t i) {
        --left;
        ++done[i];
        work(i);
    };
    look = [&](std::size_t i) {
        whom[i].start_round([&](std::size_t v) { return tasks[v]; });
        auto const v = whom[i].next();
        auto const n = how == steals::half ? (tasks[v] + 1) / 2 : std::min<std::uint64_t>(tasks[v], 1);
        n > 0 ? whom[i].succeeded(v) : whom[i].failed(v);
        ++looks;
        stolen += n;
        tasks[v] -= n;
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
    for (std::size_t i = 0; i < 8; ++i) work(i);
    while (left > 0 && sim.run_for(1us).end == sim::run_end::horizon) {
    }
    auto const took = std::chrono::duration<double, std::milli>(sim.now().time_since_epoch()).count();
    std::printf("%-26s %7.2f ms   %3.0f %% of 180/8 ms   %3llu stolen, %5llu looks, at most %llu by one worker\n", name, took,
                100 * 22.5 / took, static_cast<unsigned long long>(stolen), static_cast<unsigned long long>(looks),
                static_cast<unsigned long long>(*std::max_element(done.begin(), done.end())));
    return took;
}

int main() {
    double const alone = run("without stealing", steals::nothing, sluice::victim_policy::random);
    double       best = alone;
    best = std::min(best, run("one, of a random one", steals::one, sluice::victim_policy::random));
    best = std::min(best, run("one, of the last that had", steals::one, sluice::victim_policy::sticky));
    best = std::min(best, run("half, of a random one", steals::half, sluice::victim_policy::random));
    best = std::min(best, run("half, of the fullest", steals::half, sluice::victim_policy::busiest));
    std::printf("Right: from %.0f ms to nearly 180/8. Wrong: %.1f ms itself; tasks are whole, so %d is the least "
                "there is, and %.2f reached.\n",
                alone, 180 / 8., (180 + 7) / 8, best);
}
// Expected output:
//   without stealing            100.00 ms    22 % of 180/8 ms     0 stolen,     0 looks, at most 100 by one worker
//   one, of a random one         23.07 ms    98 % of 180/8 ms   135 stolen,  4600 looks, at most 23 by one worker
//   one, of the last that had    23.02 ms    98 % of 180/8 ms   143 stolen,  4200 looks, at most 23 by one worker
//   half, of a random one        23.00 ms    98 % of 180/8 ms   256 stolen,  4032 looks, at most 23 by one worker
//   half, of the fullest         23.00 ms    98 % of 180/8 ms   188 stolen,  4008 looks, at most 23 by one worker
//   Right: from 100 ms to nearly 180/8. Wrong: 22.5 ms itself; tasks are whole, so 23 is the least there is, and 23.00 reached.
