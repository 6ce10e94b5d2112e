// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The resize family: a pool of two to four workers.
///
///   steady   tasks of a microsecond or two from one outside thread while the size stays four: ns per task
///   resized  the same while another thread asks for two workers and for four in turn, a millisecond apart
///   once     a pool without work: from four to two and back, until the workers have come and gone. In microseconds per pair
///
/// Nobody else has a pool that can be resized: the others end theirs and make another one, which can be done between two tasks only,
/// so that they have `once` alone.

#include <support/bench.hpp>
#include <support/measure_tasks.hpp>
#include <support/tally.hpp>

#include <sluice/core/mix64.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>

namespace bench::resize {

inline void some_work() noexcept {
    std::uint64_t x = 1;
    for (int i = 0; i < 300; ++i) x = sluice::mix64(x);
    benchmark::DoNotOptimize(x);
    tally::add(1);
}

/// Subject(size); resize(n) returns when it has n workers.
template <class Subject>
void register_once(std::string const& name) {
    add("resize/once/" + name, [](benchmark::State& state) {
        Subject subject(4);
        bool    right = true;
        auto const change = [&](std::size_t n) { right = subject.resize(n) && right; };
        measure(
            state, "us_per_resize", 1,
            [&] {
                change(2);
                change(4);
            },
            [&] { return right; });
    });
}

/// Also: post(f), ask(n), which does not wait.
template <class Subject>
void register_load(std::string const& name) {
    for (std::string const kind : {"steady", "resized"})
        add("resize/" + kind + "/" + name, [kind](benchmark::State& state) {
            std::uint64_t const n = sized<std::uint64_t>(50'000, 200'000);
            Subject             subject(4);
            std::atomic<bool>   over{false};
            std::uint64_t       asked = 0;
            std::thread         other;
            if (kind == "resized")
                other = std::thread([&] {
                    for (; !over.load(); ++asked) {
                        subject.ask(asked % 2 == 0 ? 2 : 4);
                        std::this_thread::sleep_for(std::chrono::milliseconds(1));
                    }
                });
            measure_tasks(state, n, [&] {
                for (std::uint64_t i = 0; i < n; ++i) subject.post([] { some_work(); });
            });
            over.store(true);
            if (other.joinable()) other.join();
            if (kind == "resized" && asked < 2) state.SkipWithError("was not resized");
        });
}

}  // namespace bench::resize
