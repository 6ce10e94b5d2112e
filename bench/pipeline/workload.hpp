// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The pipeline family, two workers: source, a parallel stage, a last stage in order; eight items under way.
///
///   empty  nothing to do in the stages: the price of an item
///   some   about four microseconds in the parallel stage

#include <support/bench.hpp>

#include <sluice/core/mix64.hpp>

#include <cstdint>
#include <string>

namespace bench::pipeline {

inline constexpr unsigned    workers = 2;
inline constexpr std::size_t tokens  = 8;

/// What the parallel stage does to an item; a chain that no compiler shortens.
inline std::uint64_t work(std::uint64_t x, std::uint64_t steps) noexcept {
    for (std::uint64_t i = 0; i < steps; ++i) x = sluice::mix64(x + i);
    return x;
}

/// Subject(workers): run(n, steps, f) makes 0 … n - 1, works on each, and gives the results to f in order.
template <class Subject>
void register_subject(std::string const& name) {
    struct named {
        char const*   name;
        std::uint64_t steps, items;
    };
    for (named const k : {named{"empty", 0, sized<std::uint64_t>(20'000, 1'000'000)},
                          named{"some", 800, sized<std::uint64_t>(4'000, 200'000)}})
        add("pipeline/" + std::string(k.name) + "/" + name, [k](benchmark::State& state) {
            std::uint64_t expected = 0, sum = 0;
            for (std::uint64_t i = 0; i < k.items; ++i) expected = expected * 31 + work(i, k.steps);
            Subject    subject(workers);
            auto const round = [&] {
                sum = 0;
                subject.run(k.items, k.steps, [&sum](std::uint64_t x) { sum = sum * 31 + x; });
            };
            round();
            measure(state, "ns_per_item", static_cast<double>(k.items), round, [&] { return sum == expected; });
        });
}

}  // namespace bench::pipeline
