// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The future family: tasks whose result is fetched, two workers, from one outside thread.
///
///   all   submit n, then get n: nanoseconds per task
///   one   submit one, get it, n times: a round trip, with a sleeping thread on either side

#include <support/bench.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace bench::future {

inline constexpr unsigned workers = 2;

/// Pool(workers), submit(f) -> anything with get().
template <class Pool>
void all(benchmark::State& state, std::uint64_t n) {
    Pool       pool(workers);
    auto const square = [](std::uint64_t i) { return i * i; };
    using result      = decltype(pool.submit([square] { return square(std::uint64_t{}); }));
    std::vector<result> results;
    results.reserve(n);
    std::uint64_t sum = 0, expected = 0;
    for (std::uint64_t i = 0; i < n; ++i) expected += square(i);
    auto const round = [&] {
        sum = 0;
        results.clear();
        for (std::uint64_t i = 0; i < n; ++i) results.push_back(pool.submit([square, i] { return square(i); }));
        for (auto& r : results) sum += r.get();
    };
    round();  // warm-up
    measure(state, "ns_per_task", static_cast<double>(n), round, [&] { return sum == expected; });
}

template <class Pool>
void one(benchmark::State& state, std::uint64_t n) {
    Pool          pool(workers);
    std::uint64_t sum   = 0;
    auto const    round = [&] {
        sum = 0;
        for (std::uint64_t i = 0; i < n; ++i) sum += pool.submit([i] { return i; }).get();
    };
    round();
    measure(state, "ns_per_task", static_cast<double>(n), round, [&] { return sum == n * (n - 1) / 2; });
}

template <class Pool>
void register_subject(std::string const& subject, std::uint64_t n_all = sized<std::uint64_t>(20'000, 100'000),
                      std::uint64_t n_one = sized<std::uint64_t>(500, 2'000)) {
    add("future/all/" + subject, [n_all](benchmark::State& state) { all<Pool>(state, n_all); });
    add("future/one/" + subject, [n_one](benchmark::State& state) { one<Pool>(state, n_one); });
}

}  // namespace bench::future
