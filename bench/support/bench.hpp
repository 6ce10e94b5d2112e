// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// What every benchmark shares: registration, timing, and the rule that a wrong answer is not a result.
///
/// A subject's file defines bench::register_all(); support/main.cpp calls it once the mode is known. Names read
/// family/operation/subject/argument. Counters whose name begins with ns_, us_ or ms_ are times per item in that unit.

#include <benchmark/benchmark.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace bench {

/// True for a short run with small sizes; false for the one whose numbers may be quoted.
[[nodiscard]] bool quick() noexcept;

/// Defined by each subject.
void register_all();

/// A size that depends on the mode.
template <class T>
[[nodiscard]] T sized(T in_quick, T in_full) noexcept {
    return quick() ? in_quick : in_full;
}

/// Raises the stack limit for this process and its threads, and starts it again if it was lower. Does nothing where it
/// cannot; deep trees then need `ulimit -s` from outside.
void need_stack(std::size_t bytes);

using clock = std::chrono::steady_clock;

[[nodiscard]] inline double seconds_since(clock::time_point start) noexcept {
    return std::chrono::duration<double>(clock::now() - start).count();
}

/// Registers one benchmark. Time is what the body reports (SetIterationTime), so set-up and checks are never in it.
template <class Body>
benchmark::internal::Benchmark* add(std::string const& name, Body body) {
    auto* const b = benchmark::RegisterBenchmark(name.c_str(), std::move(body));
    b->UseManualTime()->Unit(benchmark::kMillisecond)->MinTime(sized(0.02, 0.2));
    return b;
}

/// The same for a body that measures once and sets its own counters: no search for an iteration count.
template <class Body>
benchmark::internal::Benchmark* add_once(std::string const& name, Body body) {
    auto* const b = benchmark::RegisterBenchmark(name.c_str(), std::move(body));
    b->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(1);
    return b;
}

[[nodiscard]] constexpr double per_second(std::string_view metric) noexcept {
    return metric.starts_with("ns_") ? 1e9 : metric.starts_with("us_") ? 1e6 : metric.starts_with("ms_") ? 1e3 : 1.0;
}

/// Times work() in every iteration and asks correct() about its answer. Sets `metric` to the time per item and returns
/// the seconds per iteration, or 0 when an answer was wrong.
template <class Work, class Correct>
double measure(benchmark::State& state, std::string const& metric, double items, Work&& work, Correct&& correct) {
    double        total      = 0;
    std::uint64_t iterations = 0;
    for (auto _ : state) {
        auto const start = clock::now();
        work();
        double const elapsed = seconds_since(start);
        state.SetIterationTime(elapsed);
        total += elapsed;
        ++iterations;
        if (!correct()) {
            state.SkipWithError("wrong answer");
            return 0;
        }
    }
    double const each      = total / static_cast<double>(iterations);
    state.counters[metric] = each / items * per_second(metric);
    state.SetItemsProcessed(static_cast<std::int64_t>(items * static_cast<double>(iterations)));
    return each;
}

}  // namespace bench
