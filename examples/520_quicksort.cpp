// SPDX-License-Identifier: BSL-1.0
// 520 — recursive quicksort: both halves may be sorted at the same time.
// Build:  c++ -std=c++20 -O2 -Iinclude examples/520_quicksort.cpp -pthread
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_invoke.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <vector>

using iterator = std::vector<std::uint32_t>::iterator;

void quicksort(sluice::thread_pool& pool, iterator first, iterator last) {
    if (last - first < 32) return std::sort(first, last);  // a fork costs a few ns; so small a range is not worth even that
    auto const pivot = first[(last - first) / 2];
    auto const less = std::partition(first, last, [=](auto x) { return x < pivot; });
    auto const greater = std::partition(less, last, [=](auto x) { return x == pivot; });
    sluice::parallel_invoke(
        pool, [&] { quicksort(pool, first, less); }, [&] { quicksort(pool, greater, last); });
}

int main() {
    std::vector<std::uint32_t> numbers(1'000'000);
    std::uint32_t              x = 1;
    for (auto& n : numbers) n = x = x * 1664525 + 1013904223;

    sluice::thread_pool pool;  // as many workers as this machine runs at once
    quicksort(pool, numbers.begin(), numbers.end());
    std::printf("sorted: %s\n", std::is_sorted(numbers.begin(), numbers.end()) ? "yes" : "no");
    std::printf("median: %u\n", static_cast<unsigned>(numbers[numbers.size() / 2]));
}
// Expected output:
//   sorted: yes
//   median: 2149518943
