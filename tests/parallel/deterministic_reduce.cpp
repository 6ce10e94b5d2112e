// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/random.hpp>
#include <sluice/parallel/deterministic_reduce.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

using sluice::deterministic_reduce;
using sluice::thread_pool;

namespace {

/// The tree as the header describes it, by hand.
double by_hand(std::vector<double> const& v, std::size_t begin, std::size_t n, std::size_t grain) {
    if (n <= grain) {
        double sum = 0;
        for (std::size_t i = begin; i < begin + n; ++i) sum += v[i];
        return sum;
    }
    std::size_t left = grain;
    while (left * 2 < n) left *= 2;
    return by_hand(v, begin, left, grain) + by_hand(v, begin + left, n - left, grain);
}

std::uint64_t bits(double x) { return std::bit_cast<std::uint64_t>(x); }

}  // namespace

TEST_CASE("deterministic_reduce: the same bits for 1 to 64 workers", "[parallel][deterministic_reduce][law]") {
    sluice::xoshiro256ss random(test::seed());
    std::vector<double>  v(5000);
    for (auto& x : v) x = std::ldexp(sluice::uniform_real(random) - 0.5, static_cast<int>(random() % 60));
    auto const map = [](double x) { return x; };
    for (std::size_t const workers : {1u, 2u, 3u, 7u, 16u, 64u}) {
        thread_pool pool(workers);
        for (std::size_t const n : {0u, 1u, 7u, 8u, 9u, 100u, 4096u, 5000u})
            for (std::size_t const grain : {1u, 3u, 8u, 1000u, 5000u}) {
                CAPTURE(workers, n, grain);
                auto const last = v.begin() + static_cast<std::ptrdiff_t>(n);
                auto const go = [&] { return deterministic_reduce(pool, v.begin(), last, 0.0, map, std::plus<>{}, grain); };
                double const expected = by_hand(v, 0, n, grain);
                REQUIRE(bits(go()) == bits(expected));
                REQUIRE(bits(pool.submit(go).get()) == bits(expected));
            }
    }
    // Other trees give other bits: the check above can fail.
    CHECK(bits(by_hand(v, 0, 5000, 1)) != bits(by_hand(v, 0, 5000, 5000)));
}

TEST_CASE("deterministic_reduce: an operation that is not commutative, values that only move", "[parallel][deterministic_reduce][unit]") {
    thread_pool pool(3);
    std::string expected;
    for (int i = 0; i < 300; ++i) expected += std::to_string(i) + ",";
    auto const text = deterministic_reduce(
        pool, 0, 300, std::string{}, [](int i) { return std::to_string(i) + ","; }, std::plus<>{}, 4);
    CHECK(text == expected);

    auto const ranges = deterministic_reduce(
        pool, std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{0}, [](std::uint64_t a, std::uint64_t b) { return b - a; },
        std::plus<>{}, std::uint64_t{1} << 60);
    CHECK(ranges == ~std::uint64_t{0});
    CHECK(deterministic_reduce(pool, 5, 3, 42, [](int) { return 1; }, std::plus<>{}) == 42);
    CHECK_THROWS_WITH(deterministic_reduce(pool, 0, 3, 0, [](int) { return 1; }, std::plus<>{}, 0),
                      test::contains("grain (at least 1) is 0"));
}

TEST_CASE("deterministic_reduce: exceptions, stop requests, a closed pool", "[parallel][deterministic_reduce][fault]") {
    auto const  workers = GENERATE(std::size_t{1}, std::size_t{3});
    thread_pool pool(workers);
    auto const  one = [](int) { return 1; };
    auto const  throws_at = [](int at) {
        return [at](int i) {
            if (i >= at) throw std::runtime_error("no value");
            return 1;
        };
    };
    for (int const at : {0, 500, 999})
        CHECK_THROWS_WITH(deterministic_reduce(pool, 0, 1000, 0, throws_at(at), std::plus<>{}, 10), "no value");
    CHECK_THROWS_AS(deterministic_reduce(pool, 0, 1000, 0, one, [](int a, int b) { return a + b > 200 ? throw 1 : a + b; }, 10), int);
    CHECK(deterministic_reduce(pool, 0, 1000, 0, one, std::plus<>{}, 10) == 1000);

    std::stop_source source;
    auto const stops = [&](int i) {
        if (i == 300) source.request_stop();
        return 1;
    };
    int const some = deterministic_reduce(pool, 0, 100'000, 0, stops, std::plus<>{}, 10, source.get_token());
    CHECK(some >= 1);
    CHECK((workers > 1 ? some <= 100'000 : some == 310));  // the piece that was begun is finished
    CHECK(deterministic_reduce(pool, 0, 1000, 0, one, std::plus<>{}, 10, source.get_token()) == 0);

    (void)pool.shutdown();
    CHECK(deterministic_reduce(pool, 0, 1000, 0, one, std::plus<>{}, 10) == 1000);
}

TEST_CASE("deterministic_reduce: members as maps, sums of integers less than int", "[parallel][deterministic_reduce][unit]") {
    struct item {
        std::uint8_t weight;
    };
    thread_pool             pool(2);
    std::vector<item> const items(3000, item{3});
    CHECK(deterministic_reduce(pool, items.begin(), items.end(), std::uint8_t{0}, &item::weight, std::plus<>(), 64) == 9000 % 256);
    CHECK(deterministic_reduce(pool, items.begin(), items.end(), 0, &item::weight, std::plus<>()) == 9000);
}
