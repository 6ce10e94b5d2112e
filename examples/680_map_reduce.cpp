// 680 — unique client addresses in a log: how many pairs are shuffled, and what an estimate costs
// Build:  c++ -std=c++20 -Iinclude examples/680_map_reduce.cpp -pthread
#include <sluice/core/hash.hpp>
#include <sluice/core/random.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/deterministic_reduce.hpp>
#include <sluice/parallel/map_reduce.hpp>
#include <sluice/stats/bloom_filter.hpp>
#include <sluice/stats/hyperloglog.hpp>

#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>

using log_file = std::vector<std::uint32_t>;  // the client's address of each request

int main() {
    sluice::xoshiro256ss  random(1);
    std::vector<log_file> logs(50, log_file(10'000));
    for (auto& log : logs)
        for (auto& address : log) {
            double const u = sluice::uniform_real(random);
            address = 0x0A000000u + static_cast<std::uint32_t>(8000 * u * u * u * u);  // some clients come often
        }

    sluice::thread_pool pool;
    sluice::xxh3 const  hash;
    auto each = [](log_file const& log, auto const& emit) {
        for (auto const address : log) emit(address, 1);
    };
    auto probably_new = [&](log_file const& log, auto const& emit) {  // a filter per file: now and then it swallows one
        sluice::bloom_filter seen(sluice::bloom_filter_for(5000, 0.01));
        for (auto const address : log)
            if (seen.add(hash(address))) emit(address, 1);
    };
    auto add = [](int& sum, int x) { sum += x; };
    auto seen = [](std::uint32_t, std::span<int> counts) { return counts.size() > 0; };
    auto show = [](char const* name, auto const& result) {
        std::printf("%-12s %4zu addresses, %6llu pairs shuffled\n", name, result.pairs.size(),
                    static_cast<unsigned long long>(result.counts.shuffled));
    };
    sluice::map_reduce_options const one_file{.chunk = 1};
    sluice::no_combiner const        none;
    show("plain", sluice::map_reduce<std::uint32_t, int>(pool, logs, each, none, seen, hash, one_file));
    show("combiner", sluice::map_reduce<std::uint32_t, int>(pool, logs, each, add, seen, hash, one_file));
    show("combiner, 10", sluice::map_reduce<std::uint32_t, int>(pool, logs, each, add, seen, hash, {.chunk = 10}));
    show("Bloom filter", sluice::map_reduce<std::uint32_t, int>(pool, logs, probably_new, none, seen, hash, one_file));

    sluice::hyperloglog const none_seen({.precision = 12});  // 4 KiB for each worker instead of pairs
    auto const sketch = sluice::deterministic_reduce(
        pool, logs.begin(), logs.end(), none_seen,
        [&](log_file const& log) {
            sluice::hyperloglog h({.precision = 12});
            for (auto const address : log) h.add(hash(address));
            return h;
        },
        [](sluice::hyperloglog a, sluice::hyperloglog const& b) { return a.merge(b), a; }, 1);
    std::printf("%-12s %4.0f addresses, give or take %.1f %%\n", "HyperLogLog", sketch.estimate(), 100 * sketch.standard_error());
}
// Expected output:
//   plain        8000 addresses, 500000 pairs shuffled
//   combiner     8000 addresses, 193215 pairs shuffled
//   combiner, 10 8000 addresses,  39531 pairs shuffled
//   Bloom filter 8000 addresses, 193121 pairs shuffled
//   HyperLogLog  8137 addresses, give or take 1.6 %
