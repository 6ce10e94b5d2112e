// SPDX-License-Identifier: BSL-1.0
#include <sluice/stats/log_histogram.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <vector>

using sluice::log_histogram;

TEST_CASE("log_histogram: the buckets follow each other without a gap", "[stats][log_histogram][unit]") {
    using h = log_histogram<5>;
    static_assert(h::buckets == 1920);
    for (std::size_t i = 0; i < h::buckets; ++i) {
        REQUIRE(h::index_of(h::lowest(i)) == i);
        REQUIRE(h::index_of(h::highest(i)) == i);
        if (i > 0) REQUIRE(h::lowest(i) == h::highest(i - 1) + 1);
        if (i < 64) REQUIRE(h::lowest(i) == h::highest(i));
        else REQUIRE(h::highest(i) - h::lowest(i) < h::lowest(i) / 32);
    }
    CHECK(h::lowest(0) == 0);
    CHECK(h::highest(h::buckets - 1) == UINT64_MAX);
}

TEST_CASE("log_histogram: a quantile lies within the stated error above the exact one", "[stats][log_histogram][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 30; ++round) {
        auto const                 histogram = std::make_unique<log_histogram<>>();
        std::vector<std::uint64_t> all;
        auto const                 n = 1 + random() % 1000;
        for (std::uint64_t i = 0; i < n; ++i) {
            auto const value = random() >> (random() % 64);
            all.push_back(value);
            histogram->record(value);
        }
        std::sort(all.begin(), all.end());
        REQUIRE(histogram->count() == n);
        for (unsigned percent : {0u, 1u, 7u, 50u, 90u, 99u, 100u}) {
            auto const rank = std::max<std::uint64_t>(1, (n * percent + 99) / 100);
            auto const exact = all[static_cast<std::size_t>(rank) - 1];
            auto const q = histogram->quantile(percent / 100.0);
            REQUIRE(q >= exact);
            REQUIRE(q - exact <= exact / 32);
        }
    }
}

TEST_CASE("log_histogram: nothing recorded, odd questions", "[stats][log_histogram][unit]") {
    log_histogram<1> histogram;
    CHECK(histogram.quantile(.5) == 0);
    histogram.record(3);
    for (double q : {-1.0, 0.0, 1.0, 2.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
        CHECK(histogram.quantile(q) == 3);
}

TEST_CASE("log_histogram: a decay halves what was there", "[stats][log_histogram][unit]") {
    log_histogram<> histogram;
    for (int i = 0; i < 1000; ++i) histogram.record(10);
    histogram.decay();
    CHECK(histogram.count() == 500);
    for (int i = 0; i < 501; ++i) histogram.record(20);
    CHECK(histogram.quantile(.5) == 20);
    for (int i = 0; i < 10; ++i) histogram.decay();
    CHECK(histogram.count() == 0);
}

TEST_CASE("log_histogram: threads lose nothing, also across decays", "[stats][log_histogram][stress]") {
    log_histogram<> histogram;
    test::run_threads(4, [&](std::size_t thread) {
        for (std::uint64_t i = 0; i < 5000; ++i) histogram.record(i * (thread + 1));
    });
    CHECK(histogram.count() == 20'000);
    log_histogram<> decaying;
    test::run_threads(3, [&](std::size_t thread) {
        for (int i = 0; i < 2000; ++i) {
            if (thread == 0 && i % 100 == 0) decaying.decay();
            else decaying.record(5);
        }
    });
    CHECK(decaying.count() <= 6000);
    CHECK(decaying.count() > 0);
    CHECK(decaying.quantile(1) == 5);
    test::run_threads(4, [&](std::size_t) {
        for (int i = 0; i < 500; ++i) {
            decaying.record(5);
            decaying.decay();
        }
    });
    CHECK(decaying.count() < 8000);  // never below zero, which would be a huge number
}
