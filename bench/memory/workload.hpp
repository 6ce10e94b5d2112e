// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The memory family: one worker, blocked; then a million tasks with a closure of 32 bytes are posted. How much has the
/// process grown per task?
///
/// The main figure is the resident set, which counts every allocator, also one that a library brings along. The second
/// is what malloc says it has handed out. Measured once in a fresh process: memory that is used again costs nothing.

#include <support/bench.hpp>
#include <support/tally.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#if defined(__linux__)
#include <unistd.h>
#endif

namespace bench::memory {

struct footprint {
    double resident = 0, allocated = 0;
    bool   known = false;
};

inline footprint footprint_now() {
    footprint f;
#if defined(__linux__)
    if (std::FILE* const statm = std::fopen("/proc/self/statm", "r")) {
        long size = 0, resident = 0;
        if (std::fscanf(statm, "%ld %ld", &size, &resident) == 2) {
            f.resident = static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
            f.known    = true;
        }
        std::fclose(statm);
    }
#endif
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
    auto const m = mallinfo2();
    f.allocated  = static_cast<double>(m.uordblks) + static_cast<double>(m.hblkhd);
#endif
    return f;
}

struct closure {
    std::array<std::uint64_t, 4> values;
    void operator()() const { tally::add(values[0] + values[1] + values[2] + values[3]); }
};
static_assert(sizeof(closure) == 32);

template <class Pool>
void queued(benchmark::State& state) {
    std::uint64_t const n = sized<std::uint64_t>(100'000, 1'000'000);
    Pool                pool(1u);
    std::atomic<bool>   blocked{false}, release{false};
    pool.post([&] {
        blocked = true;
        while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
    while (!blocked) std::this_thread::yield();
    auto const sum_before = tally::now();
    for (auto _ : state) {
        auto const before = footprint_now();
        for (std::uint64_t i = 0; i < n; ++i) pool.post(closure{{i, 1, 2, 3}});
        auto const after = footprint_now();
        release          = true;
        bool const all   = tally::await(sum_before, n);
        if (!all || tally::now().sum - sum_before.sum != n * (n - 1) / 2 + 6 * n) {
            state.SkipWithError("wrong answer");
            return;
        }
        if (!after.known) {
            state.SkipWithError("the resident set is not known on this system");
            return;
        }
        state.SetIterationTime(1e-3);
        state.counters["bytes_per_task"]        = (after.resident - before.resident) / static_cast<double>(n);
        state.counters["malloc_bytes_per_task"] = (after.allocated - before.allocated) / static_cast<double>(n);
    }
}

template <class Pool>
void register_subject(std::string const& subject) {
    add_once("memory/queued/" + subject + "/closure:32", queued<Pool>);
}

}  // namespace bench::memory
