// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The placement family: from a hashed key to a node. What a look-up costs when many are under way (throughput) and when each
/// needs the one before (dependent); what a node takes in memory; what it costs to make a placement and to change one node.
///
/// A subject is made from a number of nodes and answers
///     std::uint32_t locate(std::uint64_t hashed_key)     a number that stands for a node; noexcept, const
///     std::size_t   index_bound()                        above each of those numbers
/// and, where it can, std::size_t bytes(), what it holds for its nodes (see its file), void add_one() and void remove_one(), each
/// of which undoes the other. readers.hpp has the look-ups of several threads in a ring that may be replaced.
///
/// No packaged library with a consistent hash in C++ is known to us; the baselines are the usual ways to write one.

#include <support/bench.hpp>

#include <sluice/core/random.hpp>
#include <sluice/routing/hashed_key.hpp>
#include <sluice/routing/node_index.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bench::placement {

constexpr std::uint32_t points_of_a_node = 150;

inline std::string name_of(std::size_t n) { return "node-" + std::to_string(n); }
inline std::vector<std::string> names_of(std::size_t n) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < n; ++i) names.push_back(name_of(i));
    return names;
}

inline std::vector<std::uint64_t> const& keys() {
    static std::vector<std::uint64_t> const all = [] {
        std::vector<std::uint64_t> k(std::size_t{1} << 20);
        sluice::xoshiro256ss       rng(20'050'718);
        for (auto& key : k) key = rng();
        return k;
    }();
    return all;
}

/// What the owners of all keys add up to, asked one by one: each timed run must come to the same.
template <class Subject>
std::uint64_t sum_of_owners(Subject const& s, std::size_t count) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += s.locate(keys()[i]);
    return sum;
}

/// No owner out of range, and each node with no more than `most` times its share.
template <class Subject>
bool sensible(Subject const& s, std::size_t nodes, double most) {
    std::vector<std::uint32_t> owned(s.index_bound());
    for (auto const key : keys()) {
        auto const i = s.locate(key);
        if (i >= owned.size()) return false;
        ++owned[i];
    }
    double const mean = static_cast<double>(keys().size()) / static_cast<double>(nodes);
    for (auto const n : owned)
        if (n > mean * most + 30) return false;
    return true;
}

template <class Subject>
void register_lookup(std::string const& subject, std::vector<std::size_t> const& sizes = {100, 1000, 10'000}, double most = 2) {
    for (std::size_t const nodes : sizes) {
        std::string const name = "placement/lookup/" + subject + "/nodes:" + std::to_string(nodes);
        add(name + "/throughput", [=](benchmark::State& state) {
            auto const        s = std::make_unique<Subject>(nodes);
            std::size_t const count = sized<std::size_t>(1u << 17, 1u << 20);
            auto const        expected = sum_of_owners(*s, count);
            if (!sensible(*s, nodes, most)) return state.SkipWithError("an owner that cannot be, or one with too much");
            std::uint64_t sum = 0;
            measure(
                state, "ns_per_lookup", static_cast<double>(count),
                [&] {
                    sum = 0;
                    auto const* const k = keys().data();
                    for (std::size_t i = 0; i < count; ++i) sum += s->locate(k[i]);
                },
                [&] { return sum == expected; });
            if constexpr (requires { s->bytes(); })
                state.counters["bytes_per_node"] = static_cast<double>(s->bytes()) / static_cast<double>(nodes);
        });
        add(name + "/dependent", [=](benchmark::State& state) {
            auto const        s = std::make_unique<Subject>(nodes);
            std::size_t const count = sized<std::size_t>(1u << 16, 1u << 20);
            auto const        chain = [&] {
                std::uint64_t last = 0, sum = 0;
                auto const* const k = keys().data();
                for (std::size_t i = 0; i < count; ++i) {
                    last = s->locate(k[i] ^ last);
                    sum += last;
                }
                return sum;
            };
            auto const    expected = chain();
            std::uint64_t sum = 0;
            measure(state, "ns_per_lookup", static_cast<double>(count), [&] { sum = chain(); }, [&] { return sum == expected; });
        });
    }
}

/// Many keys in one call of locate_each, of the placement that make(nodes) gives; the answers are Subject's.
template <class Subject, class Make>
void register_each(std::string const& subject, Make make) {
    for (std::size_t const nodes : {100, 1000, 10'000})
        add("placement/lookup/" + subject + "/nodes:" + std::to_string(nodes) + "/throughput", [=](benchmark::State& state) {
            auto const                      placement = make(nodes);
            std::size_t const               count = sized<std::size_t>(1u << 17, 1u << 20);
            auto const                      expected = sum_of_owners(Subject(nodes), count);
            std::vector<sluice::hashed_key> asked;
            for (std::size_t i = 0; i < count; ++i) asked.emplace_back(keys()[i]);
            std::vector<sluice::node_index> found(count);
            bool                            any = true;
            measure(
                state, "ns_per_lookup", static_cast<double>(count), [&] { any = placement.locate_each(asked, found); },
                [&] {
                    std::uint64_t sum = 0;
                    for (auto const i : found) sum += i;
                    return any && sum == expected;
                });
        });
}

/// Making one for so many nodes, and changing one of them.
template <class Subject>
void register_changes(std::string const& subject, std::vector<std::size_t> const& sizes = {1000}) {
    for (std::size_t const nodes : sizes) {
        std::string const argument = "/nodes:" + std::to_string(nodes);
        add("placement/build/" + subject + argument, [=](benchmark::State& state) {
            auto const               expected = sum_of_owners(Subject(nodes), 1000);
            std::unique_ptr<Subject> s;
            double                   total = 0, iterations = 0;
            for (auto _ : state) {
                s.reset();
                auto const start = clock::now();
                s = std::make_unique<Subject>(nodes);
                double const elapsed = seconds_since(start);
                state.SetIterationTime(elapsed);
                total += elapsed;
                iterations += 1;
                if (sum_of_owners(*s, 1000) != expected) return state.SkipWithError("two of them differ");
            }
            state.counters["ms_per_build"] = total / iterations * 1e3;
        });
        if constexpr (requires(Subject& s) { s.add_one(), s.remove_one(); })
            for (bool const adding : {true, false})
                add_once((adding ? "placement/add_one/" : "placement/remove_one/") + subject + argument, [=](benchmark::State& state) {
                    Subject    s(nodes);
                    auto const without = sum_of_owners(s, 100'000);
                    s.add_one();
                    auto const with = sum_of_owners(s, 100'000);
                    if (!adding) s.remove_one(), s.add_one();
                    else s.remove_one();
                    double total = 0, iterations = 0;
                    for (auto _ : state) {
                        auto const start = clock::now();
                        if (adding) s.add_one();
                        else s.remove_one();
                        double const elapsed = seconds_since(start);
                        state.SetIterationTime(elapsed);
                        total += elapsed;
                        iterations += 1;
                        if (sum_of_owners(s, 100'000) != (adding ? with : without)) return state.SkipWithError("wrong owners");
                        if (adding) s.remove_one();
                        else s.add_one();
                    }
                    state.counters["us_per_change"] = total / iterations * 1e6;
                })->Iterations(30);  // the check takes longer than most changes: a number of them, not a time
    }
}

}  // namespace bench::placement
