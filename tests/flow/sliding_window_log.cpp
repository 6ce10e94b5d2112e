// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/sliding_window_log.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <array>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using sluice::sliding_window_log;
using sluice::time_point;
using sluice::verdict;
using sluice::verdict_kind;

time_point ms(std::int64_t n) { return time_point(std::chrono::milliseconds(n)); }
time_point ns(std::int64_t n) { return time_point(sluice::duration(n)); }

/// The most units that any half-open window of that length holds.
std::uint64_t fullest(std::vector<std::pair<std::int64_t, std::uint64_t>> const& units, std::int64_t length) {
    std::uint64_t most = 0;
    for (auto const& [begin, ignored] : units) {
        std::uint64_t n = 0;
        for (auto const& [t, cost] : units) n += t >= begin && t - begin < length ? cost : 0;
        most = std::max(most, n);
    }
    return most;
}

static_assert(sluice::reversible_limiter<sliding_window_log<>> && sluice::reserving_limiter<sliding_window_log<>>);

}  // namespace

TEST_CASE("sliding_window_log: the oldest leave exactly a window after they came", "[flow][sliding_window_log][unit]") {
    sliding_window_log log({.limit = 3, .window = 1s});
    CHECK(log.try_acquire(1, ms(0)) == verdict::admit(2));
    CHECK(log.try_acquire(2, ms(400)) == verdict::admit(0));
    CHECK(log.try_acquire(1, ms(400)) == verdict::later(600ms, 0));
    CHECK(log.try_acquire(2, ms(400)) == verdict::later(1s, 0));
    CHECK(log.try_acquire(4, ms(400)) == verdict::refuse(0));
    CHECK(log.try_acquire(0, ms(400)) == verdict::admit(0));
    CHECK(log.try_acquire(1, time_point(999'999'999ns)) == verdict::later(1ns, 0));
    CHECK(log.peek(1, ms(1000)) == verdict::admit(1));
    CHECK(log.try_acquire(1, ms(1000)) == verdict::admit(0));
    CHECK(log.try_acquire(3, ms(1400)) == verdict::later(600ms, 2));
}

TEST_CASE("sliding_window_log: the burst at a boundary gets the limit once", "[flow][sliding_window_log][unit]") {
    for (std::uint64_t limit : {10u, 100u, 1000u}) {
        sliding_window_log log({.limit = limit, .window = 1s});
        std::uint64_t      n = 0;
        while (log.try_acquire(1, ms(999)).admitted()) ++n;
        for (int t = 1000; t < 1999; ++t) n += log.try_acquire(1, ms(t)).admitted() ? 1 : 0;
        CHECK(n == limit);
        CHECK(log.try_acquire(limit, ms(1999)).admitted());
    }
}

TEST_CASE("sliding_window_log: a time from the past meets those after it", "[flow][sliding_window_log][unit]") {
    sliding_window_log log({.limit = 2, .window = 10s});
    CHECK(log.try_acquire(2, ms(0)).admitted());
    CHECK(log.try_acquire(1, ms(10'000)).admitted());
    CHECK(log.try_acquire(1, ms(5'000)) == verdict::later(5s, 0));  // [0, 10) is full
    CHECK(log.try_acquire(1, ms(10'000)).admitted());
}

TEST_CASE("sliding_window_log: reservations queue up, and cancel gives them back", "[flow][sliding_window_log][unit]") {
    sliding_window_log log({.limit = 2, .window = 1s});
    CHECK(log.reserve(2, ms(100)).at == ms(100));
    auto a = log.reserve(1, ms(100));
    auto b = log.reserve(2, ms(100));
    CHECK(a.at == ms(1100));
    CHECK(b.at == ms(2100));
    CHECK(log.try_acquire(1, ms(1100)) == verdict::later(2s, 0));  // behind them
    CHECK(log.reserve(1, ms(100), 2s).kind == verdict_kind::wait);
    CHECK(log.reserve(3, ms(100)).kind == verdict_kind::never);
    CHECK(b.cancel() == 2);
    CHECK(b.cancel() == 0);
    CHECK(log.try_acquire(1, ms(1100)).admitted());
    CHECK(a.cancel() == 1);
    sluice::manual_clock clock;
    sliding_window_log   waiting({.limit = 1, .window = 1s}, clock);
    CHECK(waiting.acquire_until(1, ms(0)).admitted());
    CHECK(waiting.acquire_until(1, ms(1000)).admitted());
    CHECK(clock.now() == ms(1000));
    CHECK(waiting.acquire_until(1, ms(1500)) == verdict::later(1s, 0));
}

TEST_CASE("sliding_window_log: reconfigure keeps the times, or forgets them", "[flow][sliding_window_log][unit]") {
    sliding_window_log log({.limit = 4, .window = 1s});
    sluice::receipt    r;
    CHECK(log.try_acquire(2, ms(0)).admitted());
    CHECK(log.try_acquire(2, ms(500), r).admitted());
    log.reconfigure({.limit = 3, .window = 2s});
    CHECK(log.try_acquire(1, ms(1999)) == verdict::later(1ms, 0));
    CHECK(log.peek(1, ms(2000)).remaining == 1);
    log.reconfigure({.limit = 6, .window = 10s});
    CHECK(log.peek(1, ms(2000)).remaining == 2);
    CHECK(log.peek(1, ms(10'000)).remaining == 4);
    CHECK(log.undo(r) == 2);
    CHECK(log.try_acquire(3, ms(3000)).admitted());
    log.reconfigure({.limit = 3, .window = 10s});
    log.reconfigure({.limit = 6, .window = 20s});
    CHECK(log.peek(1, ms(4000)).remaining == 0);  // what the smaller log had forgotten may have been any number
    CHECK(log.peek(1, ms(20'000)).remaining == 3);
    log.reconfigure({.limit = 2, .window = 1s}, sluice::window_inherit::reset);
    CHECK(log.try_acquire(2, ms(2000)).admitted());
    CHECK(log.undo(r) == 0);
    CHECK_THROWS_AS(log.reconfigure({.limit = 0, .window = 1s}), std::invalid_argument);
    CHECK(log.peek(1, ms(2000)).kind == verdict_kind::wait);
}

TEST_CASE("sliding_window_log: impossible options are refused by name", "[flow][sliding_window_log][unit]") {
    CHECK_THROWS_WITH(sliding_window_log({.limit = 0, .window = 1s}), test::contains("limit"));
    CHECK_THROWS_WITH(sliding_window_log({.limit = 1, .window = 0s}), test::contains("window"));
    CHECK_THROWS_AS(sliding_window_log({.limit = UINT64_MAX, .window = 1s}), std::bad_alloc);
    sliding_window_log ends({.limit = 1, .window = sluice::duration::max()});
    CHECK(ends.try_acquire(1, time_point::min()).admitted());
    CHECK(ends.try_acquire(1, ns(-2)) == verdict::later(1ns, 0));
    CHECK(ends.try_acquire(1, ns(-1)).admitted());
    CHECK(ends.try_acquire(1, time_point::max()) == verdict::admit(0));
    CHECK(ends.try_acquire(1, time_point::max()).kind == verdict_kind::wait);
    CHECK(ends.memory_bytes() < 400);
}

TEST_CASE("sliding_window_log: agrees with a list of all units, however the time steps", "[flow][sliding_window_log][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 80; ++round) {
        std::uint64_t const limit = 1 + random() % 12;
        std::int64_t const  length = 1 + static_cast<std::int64_t>(random() % 40);
        sliding_window_log  log({.limit = limit, .window = sluice::duration(length)});
        std::vector<std::pair<std::int64_t, std::int64_t>> units;  // when each was asked for, and noted, one entry a unit
        std::int64_t now = -100;
        for (int step = 0; step < 250; ++step) {
            now += static_cast<std::int64_t>(random() % 9) - (random() % 10 == 0 ? 40 : 0);
            auto const    cost = 1 + random() % (limit + 1);
            std::uint64_t room = 0;  // units that are not among the last `limit`, or a window old
            for (; room < limit; ++room) {
                auto const back = limit - room;
                if (units.size() >= back && units[units.size() - static_cast<std::size_t>(back)].second > now - length) break;
            }
            sluice::receipt r;
            auto const      v = log.try_acquire(cost, ns(now), r);
            REQUIRE(v.remaining == (v.admitted() ? room - cost : room));
            REQUIRE(v.kind == (cost > limit ? verdict_kind::never : cost <= room ? verdict_kind::admitted : verdict_kind::wait));
            if (v.kind == verdict_kind::wait) {
                auto const again = ns(now) + v.retry_after;
                REQUIRE(log.peek(cost, again).admitted());
                REQUIRE_FALSE(log.peek(cost, again - 1ns).admitted());
            }
            if (!v.admitted()) continue;
            if (random() % 4 == 0) {
                REQUIRE(log.undo(r) == cost);  // nobody in between: exactly as before
                continue;
            }
            auto const noted = units.empty() ? now : std::max(now, units.back().second);
            for (std::uint64_t k = 0; k < cost; ++k) units.emplace_back(now, noted);
        }
        std::vector<std::pair<std::int64_t, std::uint64_t>> asked;
        for (auto const& u : units) asked.emplace_back(u.first, 1);
        REQUIRE(fullest(asked, length) <= limit);
    }
}

TEST_CASE("sliding_window_log: no window is overfull, whatever is reserved and taken back late",
          "[flow][sliding_window_log][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 80; ++round) {
        std::uint64_t const limit = 1 + random() % 8;
        std::int64_t const  length = 1 + static_cast<std::int64_t>(random() % 40);
        sliding_window_log  log({.limit = limit, .window = sluice::duration(length)});
        struct taken {
            std::int64_t        at;
            std::uint64_t       cost;
            sluice::receipt     r;
            sluice::reservation place;
        };
        std::vector<taken> all;
        std::int64_t       now = 0;
        for (int step = 0; step < 200; ++step) {
            now += static_cast<std::int64_t>(random() % 9) - (random() % 10 == 0 ? 30 : 0);
            auto const cost = 1 + random() % limit;
            switch (random() % 3) {
                case 0: {
                    sluice::receipt r;
                    if (log.try_acquire(cost, ns(now), r).admitted()) all.push_back({now, cost, r, {}});
                    break;
                }
                case 1: {
                    auto place = log.reserve(cost, ns(now), sluice::duration(3 * length));
                    auto const at = place.at.time_since_epoch().count();
                    if (place.admitted()) all.push_back({at, cost, {}, std::move(place)});
                    break;
                }
                default:
                    if (all.empty()) break;
                    auto const i = static_cast<std::size_t>(random() % all.size());
                    (void)(all[i].r.cost != 0 ? log.undo(all[i].r) : all[i].place.cancel());
                    all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
            }
        }
        std::vector<std::pair<std::int64_t, std::uint64_t>> units;
        for (auto const& t : all) units.emplace_back(t.at, t.cost);
        REQUIRE(fullest(units, length) <= limit);
    }
}

TEST_CASE("sliding_window_log: many threads get exactly the limit", "[flow][sliding_window_log][stress]") {
    sliding_window_log           log({.limit = 1000, .window = 1s});
    std::array<std::uint64_t, 4> got{};
    test::run_threads(4, [&](std::size_t i) {
        for (int k = 0; k < 600; ++k) {
            sluice::receipt r;
            if (!log.try_acquire(1, ms(k % 7), r).admitted()) continue;
            if (k % 5 == 0)
                (void)log.undo(r);
            else
                ++got[i];
        }
        for (int k = 0; k < 1000; ++k) got[i] += log.try_acquire(1, ms(8)).admitted() ? 1 : 0;
    });
    CHECK(got[0] + got[1] + got[2] + got[3] == 1000);
}
