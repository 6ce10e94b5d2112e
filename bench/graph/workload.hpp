// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The graph family, two workers: a wavefront over a square of cells, each of which needs the one above and the one to the left.
/// The graph is built once and run again and again.
///
///   empty  a hash of the two neighbours: the price of a task with two edges
///   some   about two microseconds a cell

#include <support/bench.hpp>

#include <sluice/core/mix64.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace bench::graph {

inline constexpr unsigned workers = 2;

/// side + 1 by side + 1 numbers; the first row and column are given.
struct square {
    explicit square(std::size_t s, std::uint64_t w) : side(s), steps(w), cells((s + 1) * (s + 1), 1) {}
    void compute(std::size_t i, std::size_t j) noexcept {  // from 1
        std::uint64_t x = sluice::mix64(cells[(i - 1) * (side + 1) + j] * 3 + cells[i * (side + 1) + j - 1]);
        for (std::uint64_t k = 0; k < steps; ++k) x = sluice::mix64(x + k);
        cells[i * (side + 1) + j] = x;
    }
    std::size_t                side;
    std::uint64_t              steps;
    std::vector<std::uint64_t> cells;
};

/// Subject(workers, square&) builds; run() computes all cells.
template <class Subject>
void register_subject(std::string const& name) {
    struct named {
        char const*   name;
        std::uint64_t steps;
    };
    for (named const k : {named{"empty", 0}, named{"some", 400}})
        add("graph/wavefront_" + std::string(k.name) + "/" + name, [k](benchmark::State& state) {
            std::size_t const side = k.steps == 0 ? sized<std::size_t>(64, 512) : sized<std::size_t>(32, 200);
            square            expected(side, k.steps), cells(side, k.steps);
            for (std::size_t i = 1; i <= side; ++i)
                for (std::size_t j = 1; j <= side; ++j) expected.compute(i, j);
            Subject subject(workers, cells);
            subject.run();
            measure(state, "ns_per_task", static_cast<double>(side * side), [&] { subject.run(); },
                    [&] { return cells.cells == expected.cells; });
        });
}

}  // namespace bench::graph
