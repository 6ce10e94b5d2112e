// SPDX-License-Identifier: BSL-1.0
// 120 — work stealing step by step: four workers begin with 16, 4, 2 and 0 tasks of one time unit each.
// Build:  c++ -std=c++20 -Iinclude examples/120_step_through.cpp
#include <sluice/queue/chase_lev_deque.hpp>
#include <array>
#include <cstdio>
#include <string>

int main() {
    std::array<sluice::chase_lev_deque<int>, 4> workers;
    std::array const                            begin{16, 4, 2, 0};
    for (std::size_t w = 0; w < 4; ++w)
        for (int i = 0; i < begin[w]; ++i) workers[w].push(i);

    // One thread plays all four, so that every run is the same: who has nothing steals the oldest task of the fullest.
    int steps = 0;
    for (std::string line = "begin "; !line.empty();) {
        std::printf("%s", line.c_str());
        for (auto& w : workers) std::printf(" |%-16s", std::string(w.size_approx(), '#').c_str());
        std::printf("|\n");
        line.clear();

        std::array<char, 4> did{'.', '.', '.', '.'};
        for (std::size_t w = 0; w < 4; ++w) {
            if (workers[w].pop()) {
                did[w] = 'o';  // its own
                continue;
            }
            std::size_t fullest = 0;
            for (std::size_t v = 1; v < 4; ++v)
                if (workers[v].size_approx() > workers[fullest].size_approx()) fullest = v;
            if (workers[fullest].steal()) did[w] = 's';
        }
        if (did == std::array<char, 4>{'.', '.', '.', '.'}) break;
        ++steps;
        line = std::to_string(steps) + " " + std::string(did.data(), 4);
    }
    std::printf("%d time units; without stealing %d\n", steps, begin[0]);
}
// Expected output:
//   begin  |################ |####             |##               |                |
//   1 ooos |##############   |###              |#                |                |
//   2 ooos |############     |##               |                 |                |
//   3 ooss |#########        |#                |                 |                |
//   4 ooss |######           |                 |                 |                |
//   5 osss |##               |                 |                 |                |
//   6 os.. |                 |                 |                 |                |
//   6 time units; without stealing 16
