// SPDX-License-Identifier: BSL-1.0
// 610 — a loop in parallel, one index at a time and in ranges, and a choice of how to cut it.
// Build:  c++ -std=c++20 -O2 -Iinclude examples/610_parallel_for.cpp -pthread
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <cstdio>
#include <vector>

int main() {
    sluice::thread_pool pool;
    std::vector<double> x(1000, 1.0), y(1000, 2.0);

    // The calling thread works too. A loop too short to gain does not wake anybody.
    sluice::parallel_for(pool, 0, 1000, [&](int i) {
        auto const k = static_cast<std::size_t>(i);
        y[k] += 3.0 * x[k];
    });

    // With two parameters the body gets ranges: the inner loop is one that a compiler can vectorise.
    sluice::parallel_for(pool, std::size_t{0}, x.size(), [&](std::size_t begin, std::size_t end) {
        for (; begin != end; ++begin) y[begin] *= 2.0;
    });

    // Uneven work in small pieces.
    sluice::parallel_for(
        pool, y.begin(), y.end(), [](double& v) { v += 1.0; }, sluice::dynamic_partitioner{.grain = 16});

    std::printf("%.1f %.1f\n", y.front(), y.back());
}
// Expected output:
//   11.0 11.0
