// SPDX-License-Identifier: BSL-1.0
#include <sluice/parallel/md_range.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <utility>
#include <vector>

using sluice::md_range;
using sluice::md_tile;
using sluice::parallel_for;
using sluice::thread_pool;

TEST_CASE("md_range: every index once, for every shape and tile", "[parallel][md_range][law]") {
    auto const  workers = GENERATE(std::size_t{1}, std::size_t{3});
    thread_pool pool(workers);
    for (std::int64_t const rows : {1, 2, 7, 30})
        for (std::int64_t const columns : {1, 3, 16, 2000})
            for (std::int64_t const tile : {1, 2, 5, 64}) {
                CAPTURE(rows, columns, tile);
                std::vector<std::atomic<int>> met(static_cast<std::size_t>(rows * columns));
                std::atomic<int>              outside{0};
                auto const meet = [&](std::int64_t i, std::int64_t j) {
                    i += 3;  // rows begin at -3, columns at 10
                    j -= 10;
                    if (i < 0 || i >= rows || j < 0 || j >= columns)
                        outside.fetch_add(1);
                    else
                        met[static_cast<std::size_t>(i * columns + j)].fetch_add(1);
                };
                md_range<2> const r{.first = {-3, 10}, .last = {rows - 3, columns + 10}, .tile = {tile, tile * 3}};
                parallel_for(pool, r, meet);
                parallel_for(pool, r, [&](md_tile<2> const& t) {
                    if (t.last[0] - t.first[0] > tile || t.last[1] - t.first[1] > tile * 3) outside.fetch_add(1);
                    for (std::int64_t i = t.first[0]; i < t.last[0]; ++i)
                        for (std::int64_t j = t.first[1]; j < t.last[1]; ++j) meet(i, j);
                }, sluice::dynamic_partitioner{});
                parallel_for(pool, md_range<2>{.first = r.first, .last = r.last}, meet, sluice::guided_partitioner{});
                REQUIRE(outside.load() == 0);
                for (auto& m : met)
                    if (m.load() != 3) FAIL("met " << m.load() << " times");
            }
}

TEST_CASE("md_range: three and one dimensions, empty ones, the ends of the type", "[parallel][md_range][unit]") {
    thread_pool                   pool(2);
    std::vector<std::atomic<int>> met(5 * 6 * 7);
    parallel_for(pool, md_range<3>{.last = {5, 6, 7}, .tile = {2, 4, 3}}, [&](std::int64_t i, std::int64_t j, std::int64_t k) {
        met[static_cast<std::size_t>((i * 6 + j) * 7 + k)].fetch_add(1);
    });
    for (auto& m : met) REQUIRE(m.load() == 1);

    std::atomic<int> calls{0};
    parallel_for(pool, md_range<1>{.last = {100}, .tile = {7}}, [&](std::int64_t) { calls.fetch_add(1); });
    CHECK(calls.load() == 100);
    auto const never = [&](std::int64_t, std::int64_t) { calls.fetch_add(1); };
    calls = 0;
    parallel_for(pool, md_range<2>{.last = {0, 10}}, never);
    parallel_for(pool, md_range<2>{.first = {0, 5}, .last = {10, 3}}, never);
    CHECK(calls.load() == 0);

    constexpr auto lowest = std::numeric_limits<std::int64_t>::min(), highest = std::numeric_limits<std::int64_t>::max();
    std::mutex mutex;
    std::vector<std::pair<std::int64_t, std::int64_t>> tiles;
    md_range<2> const wide{.first = {lowest, highest - 2}, .last = {highest, highest}, .tile = {highest, 1}};
    parallel_for(pool, wide, [&](md_tile<2> const& t) {
        std::lock_guard const lock(mutex);
        tiles.emplace_back(t.first[0], t.last[0]);
    });
    REQUIRE(tiles.size() == 6);
    std::sort(tiles.begin(), tiles.end());
    CHECK(tiles[0] == std::pair{lowest, std::int64_t{-1}});
    CHECK(tiles[2] == std::pair{std::int64_t{-1}, highest - 1});
    CHECK(tiles[5] == std::pair{highest - 1, highest});
}

TEST_CASE("md_range: what cannot be is refused; exceptions and stop requests", "[parallel][md_range][fault]") {
    thread_pool pool(2);
    auto const  nothing = [](std::int64_t, std::int64_t) {};
    CHECK_THROWS_WITH(parallel_for(pool, md_range<2>{.last = {1, 1}, .tile = {1, 0}}, nothing),
                      test::contains("tile (at least 1) is 0"));
    constexpr auto highest = std::numeric_limits<std::int64_t>::max();
    CHECK_THROWS_AS(parallel_for(pool, md_range<2>{.last = {highest, highest}, .tile = {1, 1}}, nothing), std::invalid_argument);
    CHECK_THROWS_AS(parallel_for(pool, md_range<2>{.last = {50, 50}}, [](std::int64_t i, std::int64_t j) {
        if (i == 20 && j == 30) throw i;
    }), std::int64_t);
    std::stop_source source;
    std::atomic<int> calls{0};
    auto const stops = [&](std::int64_t, std::int64_t) {
        if (calls.fetch_add(1) == 10) source.request_stop();
    };
    parallel_for(pool, md_range<2>{.last = {highest, 10}}, stops, sluice::dynamic_partitioner{}, source.get_token());
    CHECK(calls.load() >= 11);
}
