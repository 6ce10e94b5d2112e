// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The map_reduce family, two workers: how often each word occurs in a text of a million words, which are drawn from 50 000 by
/// Zipf's law. The text is cut into lines of about a thousand words; a word is a view into it.

#include <support/bench.hpp>
#include <support/zipf.hpp>

#include <sluice/core/hash.hpp>
#include <sluice/core/random.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace bench::map_reduce {

inline constexpr unsigned workers = 2;

/// The same hash for all.
struct word_hash {
    std::size_t operator()(std::string_view s) const noexcept { return static_cast<std::size_t>(sluice::xxh3()(s)); }
};
using counts = std::unordered_map<std::string_view, std::uint64_t, word_hash>;
using lines = std::vector<std::string>;

inline lines make_text(std::size_t words) {
    sluice::xoshiro256ss     random(1);
    std::vector<std::string> vocabulary(50'000);
    for (auto& w : vocabulary)
        for (std::uint64_t n = 2 + sluice::uniform_below(random, 9); n > 0; --n)
            w += static_cast<char>('a' + sluice::uniform_below(random, 26));
    zipf const often(vocabulary.size());
    lines      text((words - 1) / 1000 + 1);
    for (std::size_t i = 0; i < words; ++i) text[i / 1000].append(vocabulary[often(random)]).push_back(' ');
    return text;
}

template <class F>
void for_each_word(std::string_view line, F&& f) {
    for (std::size_t at = 0; at < line.size();) {
        auto const end = line.find(' ', at);
        f(line.substr(at, end - at));
        at = end + 1;
    }
}

inline counts count_serially(lines const& text) {
    counts c;
    for (auto const& line : text) for_each_word(line, [&](std::string_view w) { ++c[w]; });
    return c;
}

/// Subject(workers); count(lines) -> something that same(counts, it) understands.
template <class Subject>
void register_subject(std::string const& name) {
    add("map_reduce/words/" + name, [](benchmark::State& state) {
        std::size_t const words = sized<std::size_t>(300'000, 1'000'000);
        lines const       text = make_text(words);
        counts const      expected = count_serially(text);
        Subject           subject(workers);
        auto              found = subject.count(text);
        measure(state, "ns_per_item", static_cast<double>(words), [&] { found = subject.count(text); },
                [&] {
                    std::size_t same = 0;
                    for (auto const& [word, n] : found) {
                        auto const at = expected.find(word);
                        same += at != expected.end() && at->second == n;
                    }
                    return same == expected.size() && found.size() == same;
                });
    });
}

}  // namespace bench::map_reduce
