// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The loop family, two workers.
///
///   thousand  a loop of 1000 trivial iterations, called again and again: microseconds per call
///   saxpy     y += a x over ten million floats: milliseconds
///   reduce    the sum of ten million floats: milliseconds
///
/// The large loops run over blocks of 4096 floats, each handed to a kernel in another translation unit, so that every
/// subject runs the same vector code.

#include <support/bench.hpp>

#include "kernels.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench::loop {

inline constexpr unsigned    workers = 2;
inline constexpr std::size_t size    = 10'000'000;
inline constexpr std::size_t block   = 4096;
inline constexpr std::size_t blocks  = (size + block - 1) / block;

inline std::size_t length_of(std::size_t b) noexcept { return std::min(block, size - b * block); }

/// Subject(workers), each(n, f): f(0) … f(n-1).
template <class Subject>
void thousand(benchmark::State& state) {
    constexpr std::size_t      n = 1000;
    std::uint64_t const        calls = sized<std::uint64_t>(500, 2000);
    std::vector<std::uint32_t> counts(n, 0);
    Subject                    subject(workers);
    auto* const                c = counts.data();
    std::uint32_t              expected = 0;
    auto const round = [&] {
        for (std::uint64_t k = 0; k < calls; ++k) {
            subject.each(n, [c](std::size_t i) { c[i] += static_cast<std::uint32_t>(i) + 1; });
            benchmark::ClobberMemory();
        }
        expected += static_cast<std::uint32_t>(calls);
    };
    round();
    measure(state, "us_per_loop", static_cast<double>(calls), round, [&] {
        for (std::size_t i = 0; i < n; ++i)
            if (counts[i] != expected * (static_cast<std::uint32_t>(i) + 1)) return false;
        return true;
    });
}

template <class Subject>
void saxpy(benchmark::State& state) {
    std::vector<float> const x(size, 1.0f);
    std::vector<float>       y(size, 0.0f);
    Subject                  subject(workers);
    float                    expected = 0;
    auto const               round    = [&] {
        subject.each(blocks, [&x, &y](std::size_t b) {
            saxpy(2.0f, x.data() + b * block, y.data() + b * block, length_of(b));
        });
        expected += 2.0f;
    };
    round();
    measure(state, "ms_per_loop", 1, round, [&] {
        return std::all_of(y.begin(), y.end(), [expected](float v) { return v == expected; });
    });
}

/// Subject: sum(n, f), the sum of f(0) … f(n-1).
template <class Subject>
void reduce(benchmark::State& state) {
    std::vector<float> x(size);
    double             expected = 0, total = 0;
    for (std::size_t i = 0; i < size; ++i) expected += x[i] = static_cast<float>(i % 7);
    Subject    subject(workers);
    auto const round = [&] {
        total = subject.sum(blocks, [&x](std::size_t b) {
            return static_cast<double>(sum(x.data() + b * block, length_of(b)));
        });
    };
    round();
    measure(state, "ms_per_loop", 1, round, [&] { return total == expected; });
}

template <class Subject>
void register_subject(std::string const& subject) {
    add("loop/thousand/" + subject + "/n:1000", thousand<Subject>);
    add("loop/saxpy/" + subject + "/n:10000000", saxpy<Subject>);
    add("loop/reduce/" + subject + "/n:10000000", reduce<Subject>);
}

}  // namespace bench::loop
