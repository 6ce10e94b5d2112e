// SPDX-License-Identifier: BSL-1.0
// 680 — unique client addresses in a log: how many pairs are shuffled, and what an estimate costs
// Build:  c++ -std=c++20 -Iinclude examples/680_map_reduce.cpp -pthread
// Run:    680_map_reduce [access.log ...]      the first word of each line is the client
#include <sluice/core/hash.hpp>
#include <sluice/core/random.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/deterministic_reduce.hpp>
#include <sluice/parallel/map_reduce.hpp>
#include <sluice/stats/bloom_filter.hpp>
#include <sluice/stats/hyperloglog.hpp>

#include <cstdio>
#include <fstream>
#include <span>
#include <string>
#include <vector>

using log_file = std::vector<std::string>;  // the client's address of each request

int main(int count, char** paths) {
    sluice::xoshiro256ss  random(1);
    std::vector<log_file> logs;
    for (int i = 1; i < count; ++i) {
        std::ifstream file(paths[i]);
        if (!file) return std::perror(paths[i]), 2;
        logs.emplace_back();
        for (std::string line; std::getline(file, line);) logs.back().push_back(line.substr(0, line.find(' ')));
    }
    if (logs.empty()) logs.assign(50, log_file(10'000));
    if (count < 2)
        for (auto& log : logs)
            for (auto& address : log) {
                double const u = sluice::uniform_real(random);
                auto const   n = static_cast<unsigned>(8000 * u * u * u * u);  // some clients come often
                address = "10.0." + std::to_string(n / 256) + "." + std::to_string(n % 256);
            }

    sluice::thread_pool pool;
    sluice::xxh3 const  hash;
    auto each = [](log_file const& log, auto const& emit) {
        for (auto const& address : log) emit(address, 1);
    };
    auto probably_new = [&](log_file const& log, auto const& emit) {  // a filter per file: now and then it swallows one
        sluice::bloom_filter seen(sluice::bloom_filter_for(log.size() / 2 + 1, 0.01));
        for (auto const& address : log)
            if (seen.add(hash(address))) emit(address, 1);
    };
    auto add = [](int& sum, int x) { sum += x; };
    auto seen = [](std::string const&, std::span<int> counts) { return counts.size() > 0; };
    auto show = [](char const* name, auto const& result) {
        std::printf("%-12s %4zu addresses, %6llu pairs shuffled\n", name, result.pairs.size(),
                    static_cast<unsigned long long>(result.counts.shuffled));
    };
    sluice::map_reduce_options const one_file{.chunk = 1};
    sluice::no_combiner const        none;
    show("plain", sluice::map_reduce<std::string, int>(pool, logs, each, none, seen, hash, one_file));
    auto const exact = sluice::map_reduce<std::string, int>(pool, logs, each, add, seen, hash, one_file);
    show("combiner", exact);
    show("combiner, 10", sluice::map_reduce<std::string, int>(pool, logs, each, add, seen, hash, {.chunk = 10}));
    show("Bloom filter", sluice::map_reduce<std::string, int>(pool, logs, probably_new, none, seen, hash, one_file));

    sluice::hyperloglog const none_seen({.precision = 12});  // 4 KiB for each worker instead of pairs
    auto const sketch = sluice::deterministic_reduce(
        pool, logs.begin(), logs.end(), none_seen,
        [&](log_file const& log) {
            sluice::hyperloglog h({.precision = 12});
            for (auto const& address : log) h.add(hash(address));
            return h;
        },
        [](sluice::hyperloglog a, sluice::hyperloglog const& b) { return a.merge(b), a; }, 1);
    std::printf("%-12s %4.0f addresses, give or take %.1f %%\n", "HyperLogLog", sketch.estimate(), 100 * sketch.standard_error());
    if (exact.pairs.empty()) return std::puts("There is no address."), 0;
    auto const  all = static_cast<double>(exact.pairs.size());
    std::size_t letters = 0;
    for (auto const& [address, requests] : exact.pairs) letters += address.size();
    std::printf("Right: a sketch of 4 KiB for each worker counts them, here %.1f %% off; the letters alone of a set are %.0f KiB, and\n"
                "more with each address. Wrong: to add up what each file has, %.0f times as much, or to ship every line.\n",
                100 * (sketch.estimate() / all - 1), static_cast<double>(letters) / 1024, static_cast<double>(exact.counts.shuffled) / all);
}
// Expected output:
//   plain        8000 addresses, 500000 pairs shuffled
//   combiner     8000 addresses, 193215 pairs shuffled
//   combiner, 10 8000 addresses,  39531 pairs shuffled
//   Bloom filter 8000 addresses, 193115 pairs shuffled
//   HyperLogLog  8031 addresses, give or take 1.6 %
//   Right: a sketch of 4 KiB for each worker counts them, here 0.4 % off; the letters alone of a set are 80 KiB, and
//   more with each address. Wrong: to add up what each file has, 24 times as much, or to ship every line.
