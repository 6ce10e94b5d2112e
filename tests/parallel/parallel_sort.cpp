// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/random.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <sluice/parallel/parallel_sort.hpp>
#include <sluice/parallel/parallel_stable_sort.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

using sluice::parallel_sort;
using sluice::parallel_stable_sort;
using sluice::thread_pool;

namespace {

constexpr int patterns = 10;

/// n numbers that are known to be hard for somebody.
std::vector<std::uint32_t> make(int pattern, std::size_t n, sluice::xoshiro256ss& random) {
    std::vector<std::uint32_t> v(n);
    for (std::size_t i = 0; i < n; ++i) {
        auto const x = static_cast<std::uint32_t>(i), m = static_cast<std::uint32_t>(n);
        switch (pattern) {
            case 0: v[i] = static_cast<std::uint32_t>(random()); break;
            case 1: v[i] = 7; break;                                              // all equal
            case 2: v[i] = x; break;                                              // sorted
            case 3: v[i] = m - x; break;                                          // reversed
            case 4: v[i] = x < m / 2 ? x : m - x; break;                          // organ pipe
            case 5: v[i] = static_cast<std::uint32_t>(random() & 3); break;       // few values
            case 6: v[i] = x % 50; break;                                         // saw
            case 7: v[i] = x % 100 == 99 ? 0 : x; break;                          // sorted but for some
            case 8: v[i] = (m - x) / 3; break;                                    // reversed with equals
            default: v[i] = i == 0 ? m : x; break;                                // the last one is first
        }
    }
    return v;
}

struct record {
    std::uint32_t key, place;
    friend bool operator==(record const&, record const&) = default;
};

bool same_items(std::vector<std::string> a, std::vector<std::string> b) {
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    return a == b;
}

std::vector<std::string> texts(std::size_t n, sluice::xoshiro256ss& random) {
    std::vector<std::string> v(n);
    for (auto& s : v) s = "a text that is on the heap " + std::to_string(random() % (n / 2 + 1));
    return v;
}

template <class F>
void with_both(F f) {
    f([](auto&... x) { parallel_sort(x...); });
    f([](auto&... x) { parallel_stable_sort(x...); });
}

}  // namespace

TEST_CASE("parallel_sort: sorts every pattern, as std::sort and std::stable_sort do", "[parallel][parallel_sort][law]") {
    auto const  workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{4});
    thread_pool pool(workers);
    sluice::xoshiro256ss random(test::seed());
    for (int pattern = 0; pattern < patterns; ++pattern)
        for (std::size_t const n : {0u, 1u, 2u, 3u, 13u, 21u, 25u, 129u, 1000u, 4096u, 9000u}) {
            CAPTURE(pattern, n);
            auto const given = make(pattern, n, random);
            auto       expected = given;
            std::sort(expected.begin(), expected.end());
            auto v = given;
            parallel_sort(pool, v);
            REQUIRE(v == expected);
            v = given;
            parallel_stable_sort(pool, v.begin(), v.end());
            REQUIRE(v == expected);
            std::reverse(expected.begin(), expected.end());
            parallel_sort(pool, v, std::greater<>{});
            REQUIRE(v == expected);

            std::vector<record> records(n);
            for (std::size_t i = 0; i < n; ++i) records[i] = {given[i] % 100, static_cast<std::uint32_t>(i)};
            auto model = records;
            std::sort(model.begin(), model.end(), [](record const& a, record const& b) {
                return a.key != b.key ? a.key < b.key : a.place < b.place;
            });
            parallel_stable_sort(pool, records, [](record const& a, record const& b) { return a.key < b.key; });
            REQUIRE(records == model);
        }
}

TEST_CASE("parallel_sort: strings, values that only move, deques, parts of a range", "[parallel][parallel_sort][unit]") {
    thread_pool pool(2);
    sluice::xoshiro256ss random(test::seed());
    with_both([&](auto sort) {
        auto v = texts(9000, random);
        auto expected = v;
        std::sort(expected.begin(), expected.end());
        sort(pool, v);
        REQUIRE(v == expected);

        std::deque<std::unique_ptr<int>> d;
        for (int i = 0; i < 9000; ++i) d.push_back(std::make_unique<int>(i * 7919 % 9000));
        auto by_value = [](auto const& a, auto const& b) { return *a < *b; };
        sort(pool, d, by_value);
        for (int i = 0; i < 9000; ++i) REQUIRE(*d[static_cast<std::size_t>(i)] == i);

        auto numbers = make(0, 10000, random);
        auto model = numbers;
        auto first = numbers.begin() + 100, last = numbers.end() - 100;
        std::sort(model.begin() + 100, model.end() - 100);
        sort(pool, first, last);
        REQUIRE(numbers == model);
    });
}

TEST_CASE("parallel_sort: an adversary that answers late cannot make it quadratic", "[parallel][parallel_sort][law]") {
    // McIlroy, "A killer adversary for quicksort", SP&E 29, 1999: values are fixed only when they are compared.
    thread_pool            pool(1);
    constexpr int          n = 4000, gas = n;
    std::vector<int>       value(n, gas), order(n);
    int                    fixed = 0, candidate = 0;
    std::uint64_t          comparisons = 0;
    for (int i = 0; i < n; ++i) order[static_cast<std::size_t>(i)] = i;
    auto at = [&](int i) -> int& { return value[static_cast<std::size_t>(i)]; };
    at(1) = fixed++;
    at(0) = fixed++;  // or it could claim that all is sorted
    auto less = [&](int a, int b) {
        ++comparisons;
        if (at(a) == gas && at(b) == gas) at(a == candidate ? a : b) = fixed++;
        if (at(a) == gas)
            candidate = a;
        else if (at(b) == gas)
            candidate = b;
        return at(a) < at(b);
    };
    parallel_sort(pool, order.begin(), order.end(), std::ref(less));
    CHECK(comparisons < 200'000);  // 130 000; 1 350 000 without the heap sort
    for (std::size_t i = 1; i < n; ++i) REQUIRE(at(order[i - 1]) <= at(order[i]));
}

TEST_CASE("parallel_sort: a comparison that throws loses nothing", "[parallel][parallel_sort][fault]") {
    auto const  workers = GENERATE(std::size_t{1}, std::size_t{3});
    thread_pool pool(workers);
    sluice::xoshiro256ss random(test::seed());
    with_both([&](auto sort) {
        for (std::size_t const n : {10u, 100u, 6000u})
            for (int const nth : {1, 5, 60, 150, 9100, 40000}) {
                CAPTURE(n, nth);
                auto             v = texts(n, random);
                auto const       given = v;
                std::atomic<int> calls{0};
                auto less = [&](std::string const& a, std::string const& b) {
                    if (calls.fetch_add(1) + 1 >= nth) throw std::runtime_error("no answer");
                    return a < b;
                };
                bool threw = false;
                try {
                    sort(pool, v, less);
                } catch (std::runtime_error const& e) {
                    threw = std::string(e.what()) == "no answer";
                }
                REQUIRE(threw == (calls.load() >= nth));
                REQUIRE(same_items(v, given));
            }
        std::vector<int> numbers(5000);
        for (int i = 0; i < 5000; ++i) numbers[static_cast<std::size_t>(i)] = i * 7919 % 5000;
        std::atomic<int> calls{0};
        auto less = [&](int a, int b) {
            if (calls.fetch_add(1) == 20'000) throw 1;
            return a < b;
        };
        REQUIRE_THROWS_AS(sort(pool, numbers, less), int);
        std::sort(numbers.begin(), numbers.end());
        for (int i = 0; i < 5000; ++i) REQUIRE(numbers[static_cast<std::size_t>(i)] == i);
    });
}

TEST_CASE("parallel_sort: a comparison that is no order loses nothing and stays inside", "[parallel][parallel_sort][fault]") {
    thread_pool pool(2);
    sluice::xoshiro256ss random(test::seed());
    with_both([&](auto sort) {
        for (std::size_t const n : {2u, 30u, 9000u}) {
            auto       v = texts(n, random);
            auto const given = v;
            auto always = [](std::string const&, std::string const&) { return true; };
            auto never = [](std::string const&, std::string const&) { return false; };
            auto coin = [](std::string const& a, std::string const& b) { return (a.size() & 1) != 0 || b.back() == '3'; };
            sort(pool, v, always);
            sort(pool, v, never);
            sort(pool, v, coin);
            REQUIRE(same_items(v, given));
            std::vector<double> doubles(n);
            for (std::size_t i = 0; i < n; ++i) doubles[i] = i % 3 == 0 ? std::numeric_limits<double>::quiet_NaN() : double(n - i);
            sort(pool, doubles);
            auto const nans = std::count_if(doubles.begin(), doubles.end(), [](double x) { return x != x; });
            REQUIRE(nans == static_cast<std::ptrdiff_t>((n + 2) / 3));
        }
    });
}

TEST_CASE("parallel_sort: a stop request ends it; nothing is lost", "[parallel][parallel_sort][cancel]") {
    thread_pool pool(2);
    sluice::xoshiro256ss random(test::seed());
    with_both([&](auto sort) {
        for (int const nth : {1, 500, 10'000}) {
            auto             v = texts(12'000, random);
            auto const       given = v;
            std::stop_source source;
            std::atomic<int> calls{0};
            auto less = [&](std::string const& a, std::string const& b) {
                if (calls.fetch_add(1) + 1 == nth) source.request_stop();
                return a < b;
            };
            auto const token = source.get_token();
            sort(pool, v, less, token);
            REQUIRE(calls.load() < 90'000);  // all of it: 160 000
            REQUIRE(same_items(v, given));
            auto const before = v;
            sort(pool, v, less, token);  // stopped before it begins
            REQUIRE(v == before);
        }
    });
}

TEST_CASE("parallel_sort: inside a loop, on a closed pool, and without memory", "[parallel][parallel_sort][unit]") {
    auto const  workers = GENERATE(std::size_t{1}, std::size_t{2});
    thread_pool pool(workers);
    sluice::xoshiro256ss random(test::seed());
    with_both([&](auto sort) {
        std::vector<std::vector<std::uint32_t>> many;
        for (int i = 0; i < 6; ++i) many.push_back(make(0, 9000, random));
        sluice::parallel_for(pool, many.begin(), many.end(), [&](auto& v) { sort(pool, v); }, sluice::dynamic_partitioner{});
        for (auto const& v : many) REQUIRE(std::is_sorted(v.begin(), v.end()));

        auto const given = make(0, 9000, random);
        auto const swept = test::allocations::sweep([&](auto arm, auto disarm) {
            auto v = given;
            bool threw = false;
            arm();
            try {
                sort(pool, v);
            } catch (std::bad_alloc const&) {
                threw = true;
            }
            disarm();
            if (threw ? v != given : !std::is_sorted(v.begin(), v.end())) throw std::logic_error("damaged");
        });
        REQUIRE(swept.runs >= 2);
    });
    (void)pool.shutdown();
    with_both([&](auto sort) {
        auto v = make(0, 9000, random);
        sort(pool, v);
        REQUIRE(std::is_sorted(v.begin(), v.end()));
    });
}

TEST_CASE("parallel_sort: what a pool drops before it has begun the caller sorts", "[parallel][parallel_sort][fault]") {
    sluice::xoshiro256ss random(test::seed());
    with_both([&](auto sort) {
        auto        v = make(0, 20'000, random);
        thread_pool pool(sluice::thread_pool_options{.workers = 1, .metrics = true});
        pool.pause();
        std::thread caller([&] { sort(pool, v); });
        CHECK(test::eventually([&] { return pool.submitted() == 1; }));
        (void)pool.shutdown(sluice::shutdown_mode::discard);
        caller.join();
        REQUIRE(std::is_sorted(v.begin(), v.end()));
    });
}

TEST_CASE("parallel_sort: a member as the comparison", "[parallel][parallel_sort][unit]") {
    struct item {
        int  key;
        bool before(item const& other) const { return key < other.key; }
    };
    thread_pool       pool(2);
    std::vector<item> v;
    for (int i = 0; i < 10'000; ++i) v.push_back({i * 7919 % 10'000});
    auto const sorted = [](item const& a, item const& b) { return a.key < b.key; };
    auto       w = v;
    parallel_sort(pool, v, &item::before);
    CHECK(std::is_sorted(v.begin(), v.end(), sorted));
    parallel_stable_sort(pool, w.begin(), w.end(), &item::before);
    CHECK(std::is_sorted(w.begin(), w.end(), sorted));
}
