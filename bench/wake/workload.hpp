// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The wake family: the pool has slept for a millisecond, then one task comes. How long until it starts (p50, p99), and
/// how long was the submitter held up?
///
///   pinned   the submitter on core 0, two workers on core 1: the kernel has to wake a halted core
///   blocks   nobody is bound, and the submitter sleeps after it has submitted: the kernel may run the worker on the
///            submitter's own core, without an interrupt
///
/// A subject is constructed with a number of workers and has post(f). The bare futex has one worker and nothing else.

#include <support/bench.hpp>
#include <support/quantiles.hpp>
#include <support/threads.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace bench::wake {

inline constexpr unsigned workers = 2;

template <class Pool>
void trials(benchmark::State& state, bool pinned) {
    if (pinned && std::thread::hardware_concurrency() < 2) {
        state.SkipWithError("needs two cores");
        return;
    }
    affinity_guard const guard;
    if (pinned && !pin_to(1)) {  // threads started from here on stay on core 1
        state.SkipWithError("cannot bind threads on this system");
        return;
    }
    Pool pool(workers);
    if (pinned) pin_to(0);
    int const                      n = sized(300, 2000);
    std::vector<double>            latency, submit;
    std::atomic<std::int64_t>      started{0};
    auto const                     ticks = [] { return clock::now().time_since_epoch().count(); };
    auto const                     us    = [](std::int64_t t) {
        return std::chrono::duration<double, std::micro>(clock::duration(t)).count();
    };
    auto const warm_up = 20;
    for (auto _ : state) {
        for (int i = -warm_up; i < n; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            started.store(0, std::memory_order_relaxed);
            auto const before = ticks();
            pool.post([&started, ticks] { started.store(ticks(), std::memory_order_release); });
            auto const after = ticks();
            // Sleeping, not spinning: a spinning submitter would fight the worker for its core.
            for (int tries = 0; started.load(std::memory_order_acquire) == 0; ++tries) {
                if (tries == 5000) {
                    state.SkipWithError("a task never ran");
                    return;
                }
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
            if (i < 0) continue;
            latency.push_back(us(started.load(std::memory_order_acquire) - before));
            submit.push_back(us(after - before));
        }
        std::sort(latency.begin(), latency.end());
        state.SetIterationTime(percentile(latency, 0.5) / 1e6);
    }
    std::sort(submit.begin(), submit.end());
    report_quantiles(state, latency);
    state.counters["us_submit"] = percentile(submit, 0.50);
}

template <class Pool>
void register_subject(std::string const& subject) {
    add_once("wake/pinned/" + subject, [](benchmark::State& state) { trials<Pool>(state, true); });
    add_once("wake/blocks/" + subject, [](benchmark::State& state) { trials<Pool>(state, false); });
}

}  // namespace bench::wake
