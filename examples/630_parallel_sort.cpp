// SPDX-License-Identifier: BSL-1.0
// 630 — sorting with all workers: by one field, then by another, equal ones in their old order
// Build:  c++ -std=c++20 -Iinclude examples/630_parallel_sort.cpp -pthread
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_sort.hpp>
#include <sluice/parallel/parallel_stable_sort.hpp>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

struct sale {
    std::uint32_t shop, cents;
};

int main() {
    sluice::thread_pool pool;  // as many workers as this machine runs at once

    std::vector<sale> sales(1'000'000);
    std::uint32_t     x = 1;
    for (auto& s : sales) {
        x = x * 1664525 + 1013904223;
        s = {x >> 28, (x >> 8) % 100'000};
    }
    // The dearest first; then by shop, where each shop's sales keep that order.
    sluice::parallel_sort(pool, sales, [](sale const& a, sale const& b) { return a.cents > b.cents; });
    sluice::parallel_stable_sort(pool, sales, [](sale const& a, sale const& b) { return a.shop < b.shop; });

    bool good = true;
    for (std::size_t i = 1; i < sales.size(); ++i)
        good = good && (sales[i - 1].shop < sales[i].shop ||
                        (sales[i - 1].shop == sales[i].shop && sales[i - 1].cents >= sales[i].cents));
    std::printf("by shop, the dearest first: %s\n", good ? "yes" : "no");
    std::printf("shop %u, best sale: %u cents\n", static_cast<unsigned>(sales[0].shop), static_cast<unsigned>(sales[0].cents));

    std::vector<std::string> words{"weir", "lock", "sluice", "gate", "canal"};
    sluice::parallel_sort(pool, words);
    for (auto const& w : words) std::printf("%s%s", &w == &words.front() ? "" : " ", w.c_str());
    std::printf("\n");
}
// Expected output:
//   by shop, the dearest first: yes
//   shop 0, best sale: 99998 cents
//   canal gate lock sluice weir
