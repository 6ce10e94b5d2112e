// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The idle family: 64 workers with nothing to do, or next to nothing.
///
///   quiet   processor time and context switches of all workers while nothing is submitted, scaled to two seconds
///   herd    single tasks a millisecond apart: context switches and processor time of the workers per task. One switch
///           is needed; more means that workers wake up for nothing. Yields and pre-emptions are counted apart
///
/// A subject is constructed with a number of workers and has post(f).

#include <support/bench.hpp>
#include <support/threads.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>

namespace bench::idle {

inline constexpr unsigned workers = 64;

/// Makes every worker run something once, so that a pool that starts its threads late has all of them.
template <class Pool>
void start_all(Pool& pool) {
    std::atomic<unsigned> arrived{0}, left{0};
    for (unsigned i = 0; i < workers; ++i)
        pool.post([&] {
            arrived.fetch_add(1);
            auto const start = clock::now();
            while (arrived.load() < workers && seconds_since(start) < 2)
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            left.fetch_add(1);
        });
    while (left.load() < workers) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // and lets them fall asleep again
}

template <class Pool>
void quiet(benchmark::State& state) {
    Pool         pool(workers);
    double const seconds = sized(0.5, 2.0);
    start_all(pool);
    for (auto _ : state) {
        auto const before = used_by_others();
        std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
        auto const after = used_by_others();
        if (!before.known || !after.known) {
            state.SkipWithError("thread statistics are not available on this system");
            return;
        }
        state.SetIterationTime(seconds);
        double const cpu_us        = std::max(0.0, after.cpu_us - before.cpu_us);  // the two clocks are read in turn
        state.counters["ms_cpu"]   = cpu_us / 1e3 * (2.0 / seconds);
        state.counters["switches"] = static_cast<double>(after.sleeps - before.sleeps) * (2.0 / seconds);
    }
}

template <class Pool>
void herd(benchmark::State& state) {
    Pool             pool(workers);
    int const        n = sized(300, 2000);
    std::atomic<int> ran{0};
    start_all(pool);
    for (auto _ : state) {
        ran               = 0;
        auto const before = used_by_others();
        for (int i = 0; i < n; ++i) {
            pool.post([&ran] { ran.fetch_add(1, std::memory_order_relaxed); });
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        auto const after = used_by_others();
        if (!before.known || !after.known) {
            state.SkipWithError("thread statistics are not available on this system");
            return;
        }
        for (int tries = 0; ran.load() != n; ++tries) {
            if (tries == 1000) {
                state.SkipWithError("a task never ran");
                return;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        state.SetIterationTime((after.cpu_us - before.cpu_us) / n / 1e6);
        state.counters["switches_per_task"]    = static_cast<double>(after.sleeps - before.sleeps) / n;
        state.counters["yields_per_task"]      = static_cast<double>(after.others - before.others) / n;
        state.counters["us_cpu_per_task"]      = (after.cpu_us - before.cpu_us) / n;
    }
}

template <class Pool>
void register_subject(std::string const& subject) {
    add_once("idle/quiet/" + subject + "/workers:64", quiet<Pool>);
    add_once("idle/herd/" + subject + "/workers:64", herd<Pool>);
}

}  // namespace bench::idle
