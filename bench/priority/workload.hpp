// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The priority family: tasks of three levels from one outside thread, two workers.
///
///   empty  tasks that do nothing, the levels in turn: nanoseconds per task until all have run
///   wait   a backlog of low tasks of some microseconds each; now and then one high task comes: how long until it starts
///
/// In `wait` the high tasks come one at a time, and while there is a backlog; a first-in first-out queue would let each wait for
/// all of it.

#include <support/bench.hpp>
#include <support/measure_tasks.hpp>
#include <support/quantiles.hpp>
#include <support/tally.hpp>

#include <sluice/core/mix64.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <string>
#include <thread>
#include <vector>

namespace bench::priority {

inline constexpr unsigned workers = 2;

/// Two to four microseconds.
inline void some_work() noexcept {
    std::uint64_t x = 1;
    for (int i = 0; i < 600; ++i) x = sluice::mix64(x);
    benchmark::DoNotOptimize(x);
}

/// Subject(workers); post(level, f), level 0 to 2, 0 before all others.
template <class Subject>
void register_subject(std::string const& name) {
    add("priority/empty/" + name, [](benchmark::State& state) {
        std::uint64_t const n = sized<std::uint64_t>(100'000, 400'000);
        Subject             subject(workers);
        measure_tasks(state, n, [&] {
            for (std::uint64_t i = 0; i < n; ++i) subject.post(static_cast<unsigned>(i % 3), [] { tally::add(1); });
        });
    });
    add_once("priority/wait/" + name, [](benchmark::State& state) {
        int const           rounds = sized(5, 20);
        int const           each = 100;
        std::uint64_t const backlog = 20'000;
        Subject             subject(workers);
        std::vector<double> waits;
        for (auto _ : state) {
            for (int r = 0; r < rounds; ++r) {
                auto const before = tally::now();
                for (std::uint64_t i = 0; i < backlog; ++i)
                    subject.post(2, [] {
                        some_work();
                        tally::add(1);
                    });
                for (int i = 0; i < each && tally::now().tasks - before.tasks < backlog / 2; ++i) {
                    std::atomic<std::int64_t> started{0};
                    auto const ticks = [] { return clock::now().time_since_epoch().count(); };
                    auto const posted = ticks();
                    subject.post(0, [&started, ticks] { started.store(ticks(), std::memory_order_release); });
                    auto const give_up = clock::now() + std::chrono::minutes(1);
                    while (started.load(std::memory_order_acquire) == 0) {
                        if (clock::now() > give_up) std::terminate();  // the task would find its number gone
                        std::this_thread::sleep_for(std::chrono::microseconds(50));
                    }
                    waits.push_back(std::chrono::duration<double, std::micro>(clock::duration(started.load() - posted)).count());
                }
                if (!tally::await(before, backlog)) return state.SkipWithError("a task never ran");
            }
            state.SetIterationTime(1e-3);
        }
        if (waits.empty()) return state.SkipWithError("there was no backlog");
        report_quantiles(state, waits);
    });
}

}  // namespace bench::priority
