// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/random.hpp>
#include <sluice/parallel/parallel_scan.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

using sluice::parallel_exclusive_scan;
using sluice::parallel_inclusive_scan;
using sluice::thread_pool;

namespace {

/// x -> a x + b modulo a prime, to be applied one after the other: associative, not commutative.
struct map {
    std::uint64_t a = 1, b = 0;
    friend bool   operator==(map const&, map const&) = default;
};
constexpr std::uint64_t prime = 998244353;
map                     then(map const& f, map const& g) { return {f.a * g.a % prime, (g.a * f.b + g.b) % prime}; }

}  // namespace

TEST_CASE("parallel_scan: as the standard's scans, for an operation that is not commutative", "[parallel][parallel_scan][law]") {
    auto const           workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{5});
    thread_pool          pool(workers);
    sluice::xoshiro256ss random(test::seed());
    for (std::size_t const n : {0u, 1u, 2u, 1023u, 1024u, 1025u, 2048u, 2049u, 10'000u, 300'000u}) {
        CAPTURE(workers, n);
        std::vector<map> v(n), out(n), expected(n);
        for (auto& x : v) x = {random() % prime, random() % prime};
        map const init{3, 5};
        std::inclusive_scan(v.begin(), v.end(), expected.begin(), then);
        REQUIRE(parallel_inclusive_scan(pool, v.begin(), v.end(), out.begin(), then) == out.end());
        REQUIRE(out == expected);
        std::inclusive_scan(v.begin(), v.end(), expected.begin(), then, init);
        parallel_inclusive_scan(pool, v.begin(), v.end(), out.begin(), then, init);
        REQUIRE(out == expected);
        std::exclusive_scan(v.begin(), v.end(), expected.begin(), init, then);
        REQUIRE(parallel_exclusive_scan(pool, v.begin(), v.end(), out.begin(), init, then) == out.end());
        REQUIRE(out == expected);
        out = v;  // in place, from a worker
        pool.submit([&] { parallel_exclusive_scan(pool, out.begin(), out.end(), out.begin(), init, then); }).get();
        REQUIRE(out == expected);
    }
}

TEST_CASE("parallel_scan: texts, and floating point that does not depend on the workers", "[parallel][parallel_scan][law]") {
    std::vector<std::string> words(3000, "ab"), out(3000);
    std::vector<double>      numbers(5000), first, sums(5000);
    sluice::xoshiro256ss     random(test::seed());
    for (auto& x : numbers) x = std::ldexp(sluice::uniform_real(random) - 0.5, static_cast<int>(random() % 60));
    for (std::size_t const workers : {1u, 2u, 3u, 16u}) {
        thread_pool pool(workers);
        parallel_inclusive_scan(pool, words.begin(), words.end(), out.begin());
        for (std::size_t i = 0; i < 3000; i += 100) REQUIRE(out[i].size() == 2 * (i + 1));
        parallel_inclusive_scan(pool, numbers.begin(), numbers.end(), sums.begin());
        if (first.empty()) first = sums;
        REQUIRE(sums == first);
    }
}

TEST_CASE("parallel_scan: exceptions and stop requests", "[parallel][parallel_scan][fault]") {
    auto const       workers = GENERATE(std::size_t{1}, std::size_t{3});
    thread_pool      pool(workers);
    std::vector<int> v(5000, 1), out(5000);
    for (int const nth : {1, 100, 4500, 9000}) {
        std::atomic<int> calls{0};
        auto const       combine = [&](int a, int b) {
            if (calls.fetch_add(1) + 1 == nth) throw std::runtime_error("overflow");
            return a + b;
        };
        CHECK_THROWS_WITH(parallel_inclusive_scan(pool, v.begin(), v.end(), out.begin(), combine), "overflow");
    }
    std::stop_source source;
    std::atomic<int> calls{0};
    auto const stops = [&](int a, int b) {
        if (calls.fetch_add(1) == 100) source.request_stop();
        return a + b;
    };
    parallel_exclusive_scan(pool, v.begin(), v.end(), out.begin(), 0, stops, source.get_token());
    CHECK(calls.load() < 5000 + 8);  // the second pass has not begun
    std::fill(out.begin(), out.end(), -1);
    parallel_inclusive_scan(pool, v.begin(), v.end(), out.begin(), stops, source.get_token());
    CHECK(std::count(out.begin(), out.end(), -1) == 5000);
}

TEST_CASE("parallel_inclusive_scan, parallel_exclusive_scan: integers less than int", "[parallel][parallel_scan][unit]") {
    thread_pool                     pool(2);
    std::vector<std::uint8_t> const v(5000, 3);
    std::vector<std::uint8_t>       out(v.size());
    parallel_inclusive_scan(pool, v.begin(), v.end(), out.begin());  // std::plus<> of these gives an int
    CHECK(out[4999] == 5000 * 3 % 256);
    parallel_exclusive_scan(pool, v.begin(), v.end(), out.begin(), std::uint8_t{1});
    CHECK(out[4999] == (4999 * 3 + 1) % 256);
}
