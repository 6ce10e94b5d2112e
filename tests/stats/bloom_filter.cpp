// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/mix64.hpp>
#include <sluice/stats/bloom_filter.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <new>
#include <stdexcept>

using sluice::bloom_filter;
using sluice::bloom_filter_for;

TEST_CASE("bloom_filter: the size for n keys and an error p", "[stats][bloom_filter][unit]") {
    // -n ln p / (ln 2)² bits and bits / n · ln 2 hashes, by hand.
    auto const a = bloom_filter_for(1000, 0.01);
    CHECK((a.bits == 9586 && a.hashes == 7));
    auto const b = bloom_filter_for(1'000'000, 0.001);
    CHECK((b.bits == 14'377'588 && b.hashes == 10));
    auto const c = bloom_filter_for(1, 0.9);
    CHECK((c.bits == 1 && c.hashes == 1));
    CHECK(bloom_filter_for(1000, 1e-300).hashes == 32);
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK_THROWS_AS(bloom_filter_for(0, 0.1), std::invalid_argument);
    for (double const p : {0.0, 1.0, -1.0, 2.0, nan}) CHECK_THROWS_AS(bloom_filter_for(10, p), std::invalid_argument);
    CHECK_THROWS_AS(bloom_filter_for(~std::uint64_t{0}, 0.01), std::invalid_argument);
    CHECK_THROWS_AS(bloom_filter({.bits = 0}), std::invalid_argument);
    CHECK_THROWS_AS(bloom_filter({.bits = ~std::uint64_t{0}}), std::invalid_argument);
    CHECK_THROWS_AS(bloom_filter({.hashes = 0}), std::invalid_argument);
    CHECK_THROWS_AS(bloom_filter({.hashes = 33}), std::invalid_argument);
    if constexpr (sizeof(std::size_t) < 8)
        CHECK_THROWS_AS(bloom_filter({.bits = std::uint64_t{1} << 36}), std::bad_alloc);
}

TEST_CASE("bloom_filter: never a wrong no, and as many wrong yeses as promised", "[stats][bloom_filter][law]") {
    for (double const p : {0.3, 0.05, 0.01, 0.001})
        for (std::uint64_t const n : {500u, 20'000u}) {
            CAPTURE(p, n);
            bloom_filter  filter(bloom_filter_for(n, p));
            std::uint64_t seemed_old = 0;
            for (std::uint64_t i = 0; i < n; ++i) seemed_old += !filter.add(i);  // keys that are not spread do as well
            bool all = true;
            for (std::uint64_t i = 0; i < n; ++i) all = all && filter.contains(i) && !filter.add(i);
            REQUIRE(all);
            REQUIRE(static_cast<double>(seemed_old) <= p * static_cast<double>(n) + 5 * std::sqrt(p * static_cast<double>(n)));
            constexpr int asked = 50'000;
            int           wrong = 0;
            for (std::uint64_t i = 0; i < asked; ++i) wrong += filter.contains(sluice::mix64(i + 1) | std::uint64_t{1} << 63);
            // Five standard deviations of the count, and 15 % for the size being a whole number of words and hashes.
            double const expected = p * asked, band = 5 * std::sqrt(expected) + 0.15 * expected;
            CHECK(std::abs(wrong - expected) < band);
            CHECK(std::abs(filter.false_positive_rate() - p) < 0.2 * p);
        }
}

TEST_CASE("bloom_filter: merge is union, clear is empty", "[stats][bloom_filter][unit]") {
    bloom_filter a({.bits = 1000, .hashes = 3}), b({.bits = 1000, .hashes = 3}), all({.bits = 1000, .hashes = 3});
    CHECK(a.options().bits == 1024);
    CHECK(a.false_positive_rate() == 0);
    CHECK_FALSE(a.contains(5));
    for (std::uint64_t i = 0; i < 100; ++i) {
        (i % 2 == 0 ? a : b).add(i);
        all.add(i);
    }
    a.merge(b);
    bool same = true;
    for (std::uint64_t i = 0; i < 5000; ++i) same = same && a.contains(i) == all.contains(i);
    CHECK(same);
    CHECK_THROWS_AS(a.merge(bloom_filter({.bits = 2048, .hashes = 3})), std::invalid_argument);
    CHECK_THROWS_AS(a.merge(bloom_filter({.bits = 1000, .hashes = 3, .seed = 1})), std::invalid_argument);
    a.clear();
    CHECK_FALSE(a.contains(0));
}
