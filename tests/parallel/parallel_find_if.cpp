// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/random.hpp>
#include <sluice/parallel/parallel_find_if.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <vector>

using sluice::parallel_find_if;
using sluice::thread_pool;

TEST_CASE("parallel_find_if: the first match, as std::find_if", "[parallel][parallel_find_if][law]") {
    auto const  workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{5});
    thread_pool pool(workers);
    sluice::xoshiro256ss random(test::seed());
    for (int round = 0; round < 300; ++round) {
        std::vector<int> v(static_cast<std::size_t>(sluice::uniform_below(random, 20'000)), 0);
        std::uint64_t const matches = sluice::uniform_below(random, 4);
        for (std::uint64_t m = 0; m < matches && !v.empty(); ++m)
            v[static_cast<std::size_t>(sluice::uniform_below(random, v.size()))] = 1;
        auto const is_one = [](int x) { return x == 1; };
        auto const expected = std::find_if(v.begin(), v.end(), is_one);
        REQUIRE(parallel_find_if(pool, v, is_one) == expected);
        REQUIRE(sluice::parallel_any_of(pool, v.begin(), v.end(), is_one) == (expected != v.end()));
        auto const n = static_cast<std::uint32_t>(v.size());
        auto const i = parallel_find_if(pool, std::uint32_t{0}, n, [&](std::uint32_t k) { return v[k] == 1; });
        REQUIRE(i == static_cast<std::uint32_t>(expected - v.begin()));
    }
    CHECK(parallel_find_if(pool, 5, 3, [](int) { return true; }) == 3);
    CHECK_FALSE(sluice::parallel_any_of(pool, 5, 3, [](int) { return true; }));
}

TEST_CASE("parallel_find_if: all match, and the last worker to see it has the first", "[parallel][parallel_find_if][law]") {
    thread_pool pool(4);
    for (int round = 0; round < 200; ++round)
        REQUIRE(parallel_find_if(pool, 0, 10'000, [round](int i) { return i >= round * 17; }) == round * 17);
    for (int round = 0; round < 10; ++round) {  // a later match is reported after the first one
        std::atomic<bool> other{false}, found{false};
        auto const slow = [&](int i) {
            if (i != 0) {
                other.store(true);
                for (int k = 0; !found.load() && k < 1'000'000; ++k) std::this_thread::yield();
                for (int k = 0; k < 100; ++k) std::this_thread::yield();
                return true;
            }
            for (int k = 0; !other.load() && k < 100'000; ++k) std::this_thread::yield();
            found.store(true);
            return true;
        };
        REQUIRE(parallel_find_if(pool, 0, 1000, slow) == 0);
    }
}

TEST_CASE("parallel_find_if: little is looked at behind the match", "[parallel][parallel_find_if][law]") {
    auto const                 workers = GENERATE(std::size_t{1}, std::size_t{3});
    thread_pool                pool(workers);
    std::atomic<std::uint64_t> calls{0};
    for (std::uint64_t const at : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000}, std::uint64_t{100'000}}) {
        calls = 0;
        std::uint64_t const end = ~std::uint64_t{0};
        auto const is_it = [&](std::uint64_t i) {
            calls.fetch_add(1, std::memory_order_relaxed);
            return i == at;
        };
        REQUIRE(parallel_find_if(pool, std::uint64_t{0}, end, is_it) == at);
        // A worker that is kept from its piece by the system lets the others run on: bounded for one worker only.
        if (workers == 1) REQUIRE(calls.load() == at + 1);
    }
}

TEST_CASE("parallel_find_if: exceptions and stop requests", "[parallel][parallel_find_if][fault]") {
    auto const  workers = GENERATE(std::size_t{1}, std::size_t{3});
    thread_pool pool(workers);
    auto const bad = [](int i) { return i == 700 ? throw std::runtime_error("unreadable") : false; };
    CHECK_THROWS_WITH(parallel_find_if(pool, 0, 10'000, bad), "unreadable");
    CHECK(parallel_find_if(pool, 0, 700, bad) == 700);

    std::stop_source source;
    std::atomic<int> calls{0};
    auto const stops = [&](int) {
        if (calls.fetch_add(1) == 100) source.request_stop();
        return false;
    };
    CHECK(parallel_find_if(pool, 0, 2'000'000'000, stops, source.get_token()) == 2'000'000'000);
    CHECK(calls.load() < 2'000'000'000);
    calls = 1000;
    CHECK(parallel_find_if(pool, 0, 100, stops, source.get_token()) == 100);
    CHECK(calls.load() == 1000);
}

TEST_CASE("parallel_find_if: members as predicates, ranges and views", "[parallel][parallel_find_if][unit]") {
    struct job {
        int  number;
        bool ready() const { return number == 700; }
    };
    thread_pool      pool(2);
    std::vector<job> jobs;
    for (int i = 0; i < 1000; ++i) jobs.push_back({i});
    CHECK(parallel_find_if(pool, jobs, &job::ready) == jobs.begin() + 700);
    CHECK(parallel_find_if(pool, jobs.begin(), jobs.end(), &job::number) == jobs.begin() + 1);
    CHECK(sluice::parallel_any_of(pool, jobs, &job::ready));
    CHECK_FALSE(sluice::parallel_any_of(pool, std::vector<job>(), &job::ready));
    auto const numbers = std::views::iota(std::size_t{5}, std::size_t{900});  // its iterators and its end are alike only here
    CHECK(*parallel_find_if(pool, numbers, [](std::size_t i) { return i % 100 == 99; }) == 99);
    auto const squares = jobs | std::views::transform([](job const& j) { return j.number * j.number; });
    CHECK(sluice::parallel_any_of(pool, squares, [](int x) { return x == 81; }));
    auto const some = std::span(jobs).first(100);
    CHECK(parallel_find_if(pool, some, &job::ready) == some.end());
}
