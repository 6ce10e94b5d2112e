// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/hash.hpp>
#include <sluice/core/random.hpp>
#include <sluice/parallel/map_reduce.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <numeric>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using sluice::map_reduce;
using sluice::map_reduce_options;
using sluice::thread_pool;

namespace {

/// Lines of words, of which few are frequent, as in a text.
std::vector<std::string> lines(std::size_t n, sluice::xoshiro256ss& random) {
    std::vector<std::string> v(n);
    for (auto& line : v)
        for (int w = 0; w < 8; ++w) {
            double const u = sluice::uniform_real(random);
            line += "w" + std::to_string(static_cast<int>(300 * u * u * u)) + " ";
        }
    return v;
}

template <class Emit>
void words(std::string const& line, Emit const& emit) {
    for (std::size_t begin = 0, end; (end = line.find(' ', begin)) != std::string::npos; begin = end + 1)
        emit(line.substr(begin, end - begin), std::uint64_t{1});
}

auto const each_word = [](std::string const& line, auto const& emit) { words(line, emit); };
auto const add = [](std::uint64_t& sum, std::uint64_t x) { sum += x; };
auto const total = [](std::string const&, std::span<std::uint64_t> v) { return std::accumulate(v.begin(), v.end(), std::uint64_t{0}); };

}  // namespace

TEST_CASE("map_reduce: counts words as a std::map does, with and without combiner, the same pairs for any workers",
          "[parallel][map_reduce][law]") {
    sluice::xoshiro256ss random(test::seed());
    for (std::size_t const n : {0u, 1u, 50u, 3000u}) {
        auto const                           text = lines(n, random);
        std::map<std::string, std::uint64_t> expected;
        std::uint64_t                        all = 0;
        for (auto const& line : text)
            words(line, [&](std::string const& w, std::uint64_t x) {
                expected[w] += x;
                ++all;
            });
        std::vector<std::pair<std::string, std::uint64_t>> first;
        for (std::size_t const workers : {1u, 2u, 5u}) {
            thread_pool              pool(workers);
            map_reduce_options const o{.chunk = 100, .partitions = 7};
            sluice::no_combiner const none;
            auto const plain = map_reduce<std::string, std::uint64_t>(pool, text, each_word, none, total, sluice::xxh3{}, o);
            auto const less = map_reduce<std::string, std::uint64_t>(pool, text, each_word, add, total, sluice::xxh3{}, o);
            REQUIRE(std::map(plain.pairs.begin(), plain.pairs.end()) == expected);
            REQUIRE(plain.pairs.size() == expected.size());
            REQUIRE(plain.counts.emitted == all);
            REQUIRE(plain.counts.shuffled == all);
            REQUIRE(less.counts.emitted == all);
            REQUIRE(less.pairs == plain.pairs);  // in the same order, too
            if (n == 3000) REQUIRE(less.counts.shuffled * 2 < all);
            if (first.empty()) first = plain.pairs;
            REQUIRE(plain.pairs == first);
        }
    }
}

TEST_CASE("map_reduce: the order of pairs and of values", "[parallel][map_reduce][unit]") {
    thread_pool              pool(3);
    std::vector<int>         input(1000);
    std::iota(input.begin(), input.end(), 0);
    auto const mod10 = [](int x, auto const& emit) { emit(x % 10, x); };
    auto const list = [](int, std::span<int> v) { return std::vector<int>(v.begin(), v.end()); };
    struct by_parity {
        std::uint64_t operator()(int key) const noexcept { return static_cast<std::uint64_t>(key % 2); }
    };
    auto const r = map_reduce<int, int>(pool, input, mod10, sluice::no_combiner{}, list, by_parity{}, {.chunk = 7, .partitions = 2});
    REQUIRE(r.pairs.size() == 10);
    int const order[] = {0, 2, 4, 6, 8, 1, 3, 5, 7, 9};
    for (std::size_t k = 0; k < 10; ++k) {
        REQUIRE(r.pairs[k].first == order[k]);
        REQUIRE(r.pairs[k].second.size() == 100);
        for (std::size_t i = 0; i < 100; ++i) REQUIRE(r.pairs[k].second[i] == static_cast<int>(i) * 10 + order[k]);
    }
}

TEST_CASE("map_reduce: a chunk that fails is run again, alone, elsewhere", "[parallel][map_reduce][fault]") {
    auto const           workers = GENERATE(std::size_t{1}, std::size_t{3});
    thread_pool          pool(workers);
    sluice::xoshiro256ss random(test::seed());
    auto const           text = lines(1000, random);
    auto const           good = map_reduce<std::string, std::uint64_t>(pool, text, each_word, add, total, sluice::xxh3{}, {.chunk = 50});
    std::vector<std::atomic<int>> calls(1000);
    auto const failing = [&](int times) {
        for (auto& c : calls) c = 0;
        return [&, times](std::string const& line, auto const& emit) {
            auto const i = static_cast<std::size_t>(&line - text.data());
            int const  n = calls[i].fetch_add(1);
            words(line, emit);
            if (i % 333 == 100 && n < times) throw std::runtime_error("lost a worker");  // the lines 100, 433, 766
        };
    };
    auto const again = map_reduce<std::string, std::uint64_t>(pool, text, failing(2), add, total, sluice::xxh3{}, {.chunk = 50});
    CHECK(again.pairs == good.pairs);
    CHECK(again.counts.emitted == good.counts.emitted);
    CHECK(again.counts.failed_attempts == 6);
    for (std::size_t i = 0; i < 1000; ++i) {
        bool const in_failed = i / 50 == 2 || i / 50 == 8 || i / 50 == 15;
        REQUIRE((calls[i].load() == 1 || in_failed));
        if (in_failed && (i < 101 || (i >= 400 && i < 434))) REQUIRE(calls[i].load() == 3);
    }
    CHECK_THROWS_WITH((map_reduce<std::string, std::uint64_t>(pool, text, failing(3), add, total, sluice::xxh3{}, {.chunk = 50})),
                      "lost a worker");
    CHECK_THROWS_WITH((map_reduce<std::string, std::uint64_t>(pool, text, failing(1), add, total, sluice::xxh3{},
                                                              {.chunk = 50, .max_attempts = 1})),
                      "lost a worker");
    auto const no_total = [](std::string const&, std::span<std::uint64_t>) -> int { throw std::runtime_error("no total"); };
    CHECK_THROWS_WITH((map_reduce<std::string, std::uint64_t>(pool, text, each_word, add, no_total, sluice::xxh3{})), "no total");
}

TEST_CASE("map_reduce: two workers that failed a chunk each get the other's", "[parallel][map_reduce][fault]") {
    thread_pool                pool(2);
    std::vector<int> const     input{0, 1};
    auto const                 first = [](int, std::span<int> v) { return v[0]; };
    for (int round = 0; round < 10; ++round) {
        std::atomic<int> inside{0};
        std::thread::id  by[2][2];  // chunk, attempt
        int              attempts[2] = {};
        auto const       map = [&](int x, auto const& emit) {
            int const  attempt = attempts[x]++;
            auto const both = 2 * (attempt + 1);
            inside.fetch_add(1);
            for (int k = 0; inside.load() < both && k < 2'000'000; ++k) std::this_thread::yield();
            by[x][attempt] = std::this_thread::get_id();
            if (attempt == 0) throw 1;
            emit(x, x);
        };
        auto const r = pool.submit([&] {  // from a worker: two threads in all
            return map_reduce<int, int>(pool, input, map, sluice::no_combiner{}, first, sluice::xxh3{}, {.chunk = 1});
        }).get();
        REQUIRE(r.pairs.size() == 2);
        REQUIRE(r.counts.failed_attempts == 2);
        REQUIRE(by[0][0] != by[1][0]);
        REQUIRE(by[0][1] == by[1][0]);
        REQUIRE(by[1][1] == by[0][0]);
    }
}

TEST_CASE("map_reduce: a stop request, nested, what is refused", "[parallel][map_reduce][cancel]") {
    auto const           workers = GENERATE(std::size_t{1}, std::size_t{2});
    thread_pool          pool(workers);
    sluice::xoshiro256ss random(test::seed());
    auto const           text = lines(1000, random);
    std::stop_source     stop;
    std::atomic<int>     mapped{0};
    auto const stops = [&](std::string const& line, auto const& emit) {
        if (mapped.fetch_add(1) == 100) stop.request_stop();
        words(line, emit);
    };
    map_reduce_options const o{.chunk = 10, .stop = stop.get_token()};
    auto const               r = map_reduce<std::string, std::uint64_t>(pool, text, stops, add, total, sluice::xxh3{}, o);
    CHECK(r.pairs.empty());
    CHECK((workers > 1 || mapped.load() == 110));

    auto const nested = [&](int, auto const& emit) {
        auto const inner = map_reduce<std::string, std::uint64_t>(pool, text, each_word, add, total, sluice::xxh3{}, {.chunk = 100});
        emit(0, inner.pairs.size());
    };
    auto const same = [](int, std::span<std::size_t> v) { return v.size() == 4 && v[0] == v[3]; };
    std::vector<int> const four(4);
    auto const outer = map_reduce<int, std::size_t>(pool, four, nested, sluice::no_combiner{}, same, sluice::xxh3{}, {.chunk = 1});
    CHECK(outer.pairs.at(0).second);

    auto const go = [&](map_reduce_options const& bad) {
        return map_reduce<std::string, std::uint64_t>(pool, text, each_word, add, total, sluice::xxh3{}, bad).pairs.size();
    };
    CHECK_THROWS_AS(go({.chunk = 0}), std::invalid_argument);
    CHECK_THROWS_AS(go({.partitions = 0}), std::invalid_argument);
    CHECK_THROWS_AS(go({.max_attempts = 0}), std::invalid_argument);
}
