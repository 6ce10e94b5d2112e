// SPDX-License-Identifier: BSL-1.0
// 670 — a sum of floating-point numbers that does not depend on how many workers there are
// Build:  c++ -std=c++20 -Iinclude examples/670_deterministic_reduce.cpp -pthread
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/deterministic_reduce.hpp>

#include <cstdio>
#include <functional>
#include <initializer_list>
#include <vector>

int main() {
    std::vector<float> parts(10'000'000, 0.1f);  // a million in all

    float one_after_the_other = 0;
    for (float x : parts) one_after_the_other += x;
    std::printf("one after the other %.2f\n", static_cast<double>(one_after_the_other));

    // The tree of additions depends on the length and the grain only, and adds sums of like size.
    for (std::size_t const workers : {1u, 2u, 5u}) {
        sluice::thread_pool pool(workers);
        float const sum = sluice::deterministic_reduce(
            pool, parts.begin(), parts.end(), 0.0f, [](float x) { return x; }, std::plus<>{}, 64);
        std::printf("%zu workers           %.2f\n", workers, static_cast<double>(sum));
    }
}
// Expected output:
//   one after the other 1087937.00
//   1 workers           999999.44
//   2 workers           999999.44
//   5 workers           999999.44
