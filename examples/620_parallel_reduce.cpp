// SPDX-License-Identifier: BSL-1.0
// 620 — a sum in parallel whose last bit does not depend on the number of workers.
// Build:  c++ -std=c++20 -O2 -Iinclude examples/620_parallel_reduce.cpp -pthread
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_reduce.hpp>
#include <cstdio>
#include <string>

int main() {
    sluice::thread_pool one(1), four(4);
    auto const          add = [](double a, double b) { return a + b; };
    auto const          harmonic = [&](sluice::thread_pool& pool) {
        return sluice::parallel_reduce(
            pool, 1, 1'000'001, 0.0, [](int i) { return 1.0 / i; }, add);
    };
    std::printf("H(1000000) = %.6f\n", harmonic(four));
    std::printf("the same on one worker: %s\n", harmonic(one) == harmonic(four) ? "yes" : "no");

    // combine need not be commutative: the order of the range is kept.
    auto const text = sluice::parallel_reduce(
        four, 'a', static_cast<char>('z' + 1), std::string(), [](char c) { return std::string(1, c); },
        [](std::string a, std::string const& b) { return a += b; });
    std::printf("%s\n", text.c_str());
}
// Expected output:
//   H(1000000) = 14.392727
//   the same on one worker: yes
//   abcdefghijklmnopqrstuvwxyz
