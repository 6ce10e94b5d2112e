// SPDX-License-Identifier: BSL-1.0
#include <sluice/parallel/parallel_reduce.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using sluice::parallel_reduce;
using sluice::parallel_transform_reduce;
using sluice::thread_pool;

TEST_CASE("parallel_reduce: worked examples", "[parallel][parallel_reduce][unit]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{4});
    bool const from_worker = GENERATE(false, true);
    thread_pool pool(workers);
    auto const go = [&] {
        for (int const n : {-5, 0, 1, 2, 7, 255, 256, 257, 1000, 10'000}) {
            long const sum = parallel_reduce(pool, 0, n, 0L, [](int i) { return long{i}; }, [](long a, long b) { return a + b; });
            if (sum != (n > 0 ? long{n} * (n - 1) / 2 : 0)) return false;
            long const by_ranges = parallel_reduce(pool, 0, n, 0L, [](int begin, int end) {
                long s = 0;
                for (int i = begin; i < end; ++i) s += i;
                return s;
            }, std::plus<long>());
            if (by_ranges != sum) return false;
        }
        return true;
    };
    CHECK((from_worker ? pool.submit(go).get() : go()));
}

TEST_CASE("parallel_reduce: the order of the operands is kept", "[parallel][parallel_reduce][law]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{7});
    thread_pool pool(workers);
    std::string serial;
    for (int i = 0; i < 2000; ++i) serial += std::to_string(i) + ',';
    for (int round = 0; round < 5; ++round) {
        auto const parallel = parallel_reduce(pool, 0, 2000, std::string(), [](int i) { return std::to_string(i) + ','; },
                                              [](std::string a, std::string const& b) { return std::move(a += b); });
        REQUIRE(parallel == serial);
    }
}

TEST_CASE("parallel_reduce: the same bits for every number of workers", "[parallel][parallel_reduce][law]") {
    auto const keys = test::keys(20'000, test::seed());
    std::vector<double> values;
    for (auto k : keys) values.push_back(std::ldexp(static_cast<double>(k >> 11), static_cast<int>(k % 61) - 60));
    std::optional<std::uint64_t> first;
    for (std::size_t workers = 1; workers <= 16; ++workers) {
        thread_pool pool(workers);
        for (int round = 0; round < 3; ++round) {
            double const sum = parallel_reduce(pool, values.begin(), values.end(), 0.0, [](double x) { return x * 1.1; },
                                               [](double a, double b) { return a + b; });
            auto const bits = std::bit_cast<std::uint64_t>(sum);
            if (!first) first = bits;
            REQUIRE(bits == *first);
        }
    }
    double const serial = std::accumulate(values.begin(), values.end(), 0.0, [](double a, double x) { return a + x * 1.1; });
    CHECK(std::bit_cast<double>(*first) == Approx(serial));
}

TEST_CASE("parallel_reduce: values that are expensive, or have no default", "[parallel][parallel_reduce][unit]") {
    thread_pool pool(2);
    struct bag {
        explicit bag(std::vector<int> x) : items(std::move(x)) {}
        std::vector<int> items;
    };
    bag const all = parallel_reduce(pool, 0, 3000, bag({}), [](int i) { return bag({i}); }, [](bag a, bag b) {
        a.items.insert(a.items.end(), b.items.begin(), b.items.end());
        return a;
    });
    REQUIRE(all.items.size() == 3000);
    CHECK(std::is_sorted(all.items.begin(), all.items.end()));
}

TEST_CASE("parallel_reduce: map or combine may throw", "[parallel][parallel_reduce][fault]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2});
    thread_pool pool(workers);
    auto const map = [](int i) {
        if (i == 4321) throw std::runtime_error("map");
        return i;
    };
    CHECK_THROWS_WITH(parallel_reduce(pool, 0, 5000, 0, map, std::plus<int>()), "map");
    CHECK_THROWS_WITH(parallel_reduce(pool, 0, 5000, 0, [](int i) { return i; }, [](int a, int b) {
        if (b == 4321) throw std::runtime_error("combine");
        return a > b ? a : b;
    }), "combine");
    CHECK(parallel_reduce(pool, 0, 100, 0, map, std::plus<int>()) == 4950);
}

TEST_CASE("parallel_reduce: a stop request ends it, also in the largest range", "[parallel][parallel_reduce][cancel]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2});
    thread_pool pool(workers);
    std::stop_source source;
    std::atomic<std::uint64_t> ran{0};
    auto const n = std::numeric_limits<std::uint64_t>::max();
    auto const some = parallel_reduce(pool, std::uint64_t{0}, n, std::uint64_t{0}, [&](std::uint64_t) {
        if (ran.fetch_add(1) == 5000) source.request_stop();
        return std::uint64_t{1};
    }, std::plus<std::uint64_t>(), source.get_token());
    CHECK(some <= ran.load());
    CHECK(ran.load() >= 5001);
    CHECK(parallel_reduce(pool, 0, 1000, 7, [](int) { return 1; }, std::plus<int>(), source.get_token()) == 7);
}

TEST_CASE("parallel_transform_reduce: as the one of the standard library", "[parallel][parallel_reduce][unit]") {
    thread_pool pool(2);
    std::vector<int> v(5000);
    std::iota(v.begin(), v.end(), 1);
    auto const square = [](int x) { return long{x} * x; };
    auto const serial = std::transform_reduce(v.begin(), v.end(), 5L, std::plus<long>(), square);
    CHECK(parallel_transform_reduce(pool, v.begin(), v.end(), 5L, std::plus<long>(), square) == serial);
    CHECK(parallel_transform_reduce(pool, v.end(), v.begin(), 5L, std::plus<long>(), square) == 5);
    CHECK(parallel_transform_reduce(pool, v.begin(), v.begin(), 5L, std::plus<long>(), square) == 5);
    auto const words = parallel_transform_reduce(pool, v.begin(), v.end(), std::string(">"), std::plus<std::string>(),
                                                 [](int x) { return std::to_string(x); });
    std::string expected(">");
    for (int x : v) expected += std::to_string(x);
    CHECK(words == expected);
}

TEST_CASE("parallel_reduce: members as maps, ranges, and sums of integers less than int", "[parallel][parallel_reduce][unit]") {
    struct item {
        int weight;
        int twice() const { return 2 * weight; }
    };
    thread_pool       pool(2);
    std::vector<item> items;
    for (int i = 1; i <= 3000; ++i) items.push_back({i});
    int const sum = 3000 * 3001 / 2;
    CHECK(parallel_reduce(pool, items, 0, &item::weight, std::plus<>()) == sum);
    CHECK(parallel_reduce(pool, items.begin(), items.end(), 0, &item::twice, std::plus<>()) == 2 * sum);
    CHECK(parallel_transform_reduce(pool, items.begin(), items.end(), 1, std::plus<>(), &item::weight) == sum + 1);
    // std::plus<> of these gives an int.
    auto const byte = [](item const& i) { return static_cast<std::uint8_t>(i.weight); };
    CHECK(parallel_reduce(pool, items, std::uint8_t{0}, byte, std::plus<>()) == sum % 256);
    CHECK(parallel_transform_reduce(pool, items.begin(), items.end(), std::uint8_t{0}, std::plus<>(), byte) == sum % 256);
}
