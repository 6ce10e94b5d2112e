// SPDX-License-Identifier: BSL-1.0
// 640 — a pipeline: lines are read one by one, worked on in parallel, written in their order
// Build:  c++ -std=c++20 -Iinclude examples/640_pipeline.cpp -pthread
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_pipeline.hpp>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <optional>
#include <sstream>
#include <string>

int main() {
    sluice::thread_pool pool;
    std::istringstream  in("open the gate\nthe water rises\nthe boat goes up\nclose the gate\n");

    auto read = [&]() -> std::optional<std::string> {
        std::string line;
        return std::getline(in, line) ? std::optional(std::move(line)) : std::nullopt;
    };
    auto shout = [](std::string line) {
        std::transform(line.begin(), line.end(), line.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        return line;
    };
    int  number = 0;
    auto write = [&](std::string const& line) { std::printf("%d %s\n", ++number, line.c_str()); };

    using enum sluice::stage_mode;
    auto const lines = sluice::parallel_pipeline(pool, {.tokens = 8}, read,  // at most eight lines in memory
                                                 sluice::pipeline_stage{parallel, shout},
                                                 sluice::pipeline_stage{serial_in_order, write});
    std::printf("%d lines\n", static_cast<int>(lines));
}
// Expected output:
//   1 OPEN THE GATE
//   2 THE WATER RISES
//   3 THE BOAT GOES UP
//   4 CLOSE THE GATE
//   4 lines
