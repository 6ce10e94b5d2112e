// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The sort family, two workers; each iteration sorts a fresh copy of the same input, the copy is not timed.
///
///   integers  ten million 32-bit integers: random, sorted, organ pipe, 256 different values
///   strings   two million random texts of 4 to 23 characters
///   records   four million records of 16 bytes by a key with many equals; stable where the subject has a stable sort

#include <support/bench.hpp>

#include <sluice/core/random.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace bench::sort {

inline constexpr unsigned workers = 2;

enum class input { random, sorted, organ_pipe, few_values };

inline std::vector<std::uint32_t> integers(input kind) {
    std::vector<std::uint32_t> v(sized<std::size_t>(300'000, 10'000'000));
    sluice::xoshiro256ss       random(1);
    auto const                 n = static_cast<std::uint32_t>(v.size());
    for (std::uint32_t i = 0; i < n; ++i) {
        auto const x = static_cast<std::uint32_t>(random());
        v[i] = kind == input::random ? x : kind == input::sorted ? i : kind == input::organ_pipe ? std::min(i, n - i) : x % 256;
    }
    return v;
}

inline std::vector<std::string> strings() {
    std::vector<std::string> v(sized<std::size_t>(60'000, 2'000'000));
    sluice::xoshiro256ss     random(2);
    for (auto& s : v) {
        s.resize(4 + static_cast<std::size_t>(sluice::uniform_below(random, 20)));
        for (char& c : s) c = static_cast<char>('a' + static_cast<char>(sluice::uniform_below(random, 26)));
    }
    return v;
}

struct record {
    std::uint64_t key, place;
    friend bool   operator==(record const&, record const&) = default;
};
inline std::vector<record> records() {
    std::vector<record>  v(sized<std::size_t>(120'000, 4'000'000));
    sluice::xoshiro256ss random(3);
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = {sluice::uniform_below(random, v.size() / 8), i};
    return v;
}
inline constexpr auto by_key = [](record const& a, record const& b) { return a.key < b.key; };
inline constexpr auto by_key_and_place = [](record const& a, record const& b) {
    return a.key != b.key ? a.key < b.key : a.place < b.place;
};

template <class T, class Sort, class Less>
void run(benchmark::State& state, std::vector<T> const& given, Sort const& sort, Less const& less) {
    auto expected = given;
    std::sort(expected.begin(), expected.end(), less);
    std::vector<T> v;
    double         total = 0;
    std::int64_t   items = 0;
    for (auto _ : state) {
        v = given;
        auto const start = clock::now();
        sort(v);
        double const elapsed = seconds_since(start);
        state.SetIterationTime(elapsed);
        total += elapsed;
        items += static_cast<std::int64_t>(v.size());
        if (v != expected) {
            state.SkipWithError("wrong answer");
            return;
        }
    }
    state.SetItemsProcessed(items);
    state.counters["ns_per_element"] = total / static_cast<double>(items) * 1e9;
}

/// Subject(workers), operator()(vector); stable(vector, less) if it has one.
template <class Subject>
void register_subject(std::string const& subject) {
    struct named {
        char const* name;
        input       kind;
    };
    for (named const x : {named{"random", input::random}, named{"sorted", input::sorted},
                          named{"organ_pipe", input::organ_pipe}, named{"few_values", input::few_values}})
        add("sort/integers_" + std::string(x.name) + "/" + subject, [x](benchmark::State& state) {
            Subject sort(workers);
            run(state, integers(x.kind), sort, std::less<>{});
        });
    add("sort/strings/" + subject, [](benchmark::State& state) {
        Subject sort(workers);
        run(state, strings(), sort, std::less<>{});
    });
    if constexpr (requires(Subject& s, std::vector<record>& v) { s.stable(v, by_key); })
        add("sort/records_stable/" + subject, [](benchmark::State& state) {
            Subject sort(workers);
            run(state, records(), [&sort](std::vector<record>& v) { sort.stable(v, by_key); }, by_key_and_place);
        });
}

}  // namespace bench::sort
