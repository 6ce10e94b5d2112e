// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/fixed_window.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

namespace {

using namespace std::chrono_literals;
using sluice::fixed_window;
using sluice::time_point;
using sluice::verdict;
using sluice::verdict_kind;

time_point ms(std::int64_t n) { return time_point(std::chrono::milliseconds(n)); }
std::int64_t to_ms(sluice::duration d) { return d.count() / 1'000'000; }

static_assert(sluice::reversible_limiter<fixed_window<>> && sluice::reserving_limiter<fixed_window<>>);
static_assert(sluice::clocked_limiter<fixed_window<>>);

}  // namespace

TEST_CASE("fixed_window: reserving with spread gives failsafe's waits and Resilience4j's permits", "[flow][fixed_window][unit]") {
    struct row {
        std::int64_t at;
        int          times, cost;
        std::int64_t wait, permits;
    };
    for (auto const& [limit, rows] : {std::pair<std::uint64_t, std::vector<row>>{
                                          2, {{0, 7, 1, 3000, -5}, {800, 1, 3, 3200, -8}, {2300, 1, 1, 2700, -5},
                                              {3500, 3, 1, 2500, -6}, {7000, 1, 1, 0, 1}}},
                                      {2, {{0, 1, 7, 3000, -5}, {800, 3, 1, 3200, -8}}},
                                      {5, {{300, 1, 3, 0, 2}, {1550, 1, 10, 450, -5}, {2210, 1, 2, 790, -2}}}}) {
        fixed_window w({.limit = limit, .window = 1s, .spread = true});
        for (auto const& r : rows) {
            sluice::reservation last;
            for (int i = 0; i < r.times; ++i) last = w.reserve(static_cast<std::uint64_t>(r.cost), ms(r.at));
            INFO("at " << r.at);
            REQUIRE(last.admitted());
            CHECK(to_ms(last.at - ms(r.at)) == r.wait);
            CHECK(w.balance(ms(r.at)) == r.permits);
        }
    }
}

TEST_CASE("fixed_window: twice the limit across a boundary, and no more than the limit in a window", "[flow][fixed_window][unit]") {
    fixed_window w({.limit = 3, .window = 1s});
    for (int i = 0; i < 3; ++i) CHECK(w.try_acquire(1, ms(999)) == verdict::admit(static_cast<std::uint64_t>(2 - i)));
    CHECK(w.try_acquire(1, ms(999)) == verdict::later(1ms, 0));
    CHECK(w.try_acquire(3, ms(1000)) == verdict::admit(0));
    CHECK(w.try_acquire(1, ms(1000)) == verdict::later(1s, 0));
    CHECK(w.try_acquire(4, ms(1000)) == verdict::refuse(0));
    CHECK(w.try_acquire(0, ms(1000)) == verdict::admit(0));
    CHECK(w.try_acquire(1, ms(999)) == verdict::later(1001ms, 0));  // late: its window has passed
    CHECK(w.peek(1, ms(2000)) == verdict::admit(3));
    CHECK(w.try_acquire(1, ms(2000)) == verdict::admit(2));
    CHECK(w.try_acquire(1, ms(1999)) == verdict::later(1ms, 0));    // late, though there would be room in the next
}

TEST_CASE("fixed_window: windows may begin anywhere, and with the first request", "[flow][fixed_window][unit]") {
    fixed_window aligned({.limit = 1, .window = 1s, .origin = ms(300)});
    CHECK(aligned.try_acquire(1, ms(200)).admitted());
    CHECK(aligned.try_acquire(1, ms(299)) == verdict::later(1ms, 0));
    CHECK(aligned.try_acquire(1, ms(300)).admitted());

    fixed_window first({.limit = 2, .window = 1s, .start = sluice::window_start::first_request});
    CHECK(first.try_acquire(2, ms(700)).admitted());
    CHECK(first.try_acquire(1, ms(1699)) == verdict::later(1ms, 0));
    CHECK(first.try_acquire(1, ms(1900)).admitted());  // a new window, from here on
    CHECK(first.try_acquire(1, ms(2899)).admitted());
    CHECK(first.try_acquire(1, ms(2899)) == verdict::later(1ms, 0));
    CHECK(first.peek(2, ms(2900)) == verdict::admit(2));
}

TEST_CASE("fixed_window: by default a reservation is taken from one window", "[flow][fixed_window][unit]") {
    fixed_window w({.limit = 3, .window = 1s});
    CHECK(w.try_acquire(2, ms(0)).admitted());
    auto const two = w.reserve(2, ms(0));
    CHECK(two.at == ms(1000));
    CHECK(w.try_acquire(1, ms(0)) == verdict::later(1s, 0));  // behind it
    CHECK(w.reserve(1, ms(0)).at == ms(1000));
    CHECK(w.reserve(1, ms(0), 1s).kind == verdict_kind::wait);
    CHECK(w.reserve(1, ms(0), 1s).at == ms(2000));
    CHECK(w.reserve(4, ms(0)).kind == verdict_kind::never);
    CHECK(w.balance(ms(1000)) == 0);
}

TEST_CASE("fixed_window: cancel gives back what nobody has queued behind", "[flow][fixed_window][unit]") {
    fixed_window w({.limit = 2, .window = 1s});
    auto a = w.reserve(2, ms(0));
    auto b = w.reserve(2, ms(0));
    auto c = w.reserve(2, ms(0));
    CHECK(c.at == ms(2000));
    CHECK(b.cancel() == 0);  // c is behind it, in a later window, and has its promise
    CHECK(w.reserve(1, ms(0), 2s).kind == verdict_kind::wait);
    CHECK(c.cancel() == 2);
    CHECK(c.cancel() == 0);
    auto d = w.reserve(1, ms(0));
    auto const e = w.reserve(1, ms(0));
    CHECK(e.at == ms(2000));
    CHECK(d.at == ms(2000));
    CHECK(d.cancel() == 1);  // e is in the same window: units of one window are alike
    CHECK(w.reserve(1, ms(0)).at == ms(2000));
    CHECK(w.reserve(1, ms(0)).at == ms(3000));
    CHECK(a.cancel(ms(9000)) == 0);
}

TEST_CASE("fixed_window: the ends of the time line", "[flow][fixed_window][unit]") {
    for (auto const window : {sluice::duration(1), sluice::duration(7), sluice::duration(1s), sluice::duration::max()})
        for (auto const start : {sluice::window_start::aligned, sluice::window_start::first_request}) {
            fixed_window w({.limit = 2, .window = window, .start = start});
            for (auto const t : {time_point::min(), time_point(sluice::duration(-1)), time_point{}, time_point::max()}) {
                INFO(window.count() << " at " << t.time_since_epoch().count());
                (void)w.try_acquire(1, t);
                (void)w.try_acquire(1, t);
                auto const v = w.try_acquire(1, t);
                CHECK(v.kind == verdict_kind::wait);
                CHECK(v.retry_after.count() > 0);
            }
        }
}

TEST_CASE("fixed_window: impossible options are refused by name", "[flow][fixed_window][unit]") {
    CHECK_THROWS_WITH(fixed_window({.limit = 0, .window = 1s}), test::contains("limit") && test::contains("is 0"));
    CHECK_THROWS_WITH(fixed_window({.limit = UINT64_MAX, .window = 1s}), test::contains("limit"));
    CHECK_THROWS_WITH(fixed_window({.limit = 1, .window = 0s}), test::contains("window"));
    CHECK_THROWS_WITH(fixed_window({.limit = 1, .window = -1s}), test::contains("window"));
    fixed_window w({.limit = 2, .window = 1s});
    CHECK(w.try_acquire(2, ms(0)).admitted());
    CHECK_THROWS_AS(w.reconfigure({.limit = 0, .window = 1s}), std::invalid_argument);
    CHECK(w.peek(1, ms(0)) == verdict::later(1s, 0));
}

TEST_CASE("fixed_window: reconfigure keeps what was admitted, or forgets it", "[flow][fixed_window][unit]") {
    fixed_window w({.limit = 4, .window = 1s});
    CHECK(w.try_acquire(3, ms(100)).admitted());
    w.reconfigure({.limit = 5, .window = 1s}, sluice::window_inherit::as_is, ms(200));
    CHECK(w.peek(1, ms(200)).remaining == 2);
    w.reconfigure({.limit = 5, .window = 10s}, sluice::window_inherit::as_is, ms(1500));
    CHECK(w.peek(1, ms(1500)).remaining == 5);
    CHECK(w.try_acquire(3, ms(1500)).admitted());
    w.reconfigure({.limit = 4, .window = 2s}, sluice::window_inherit::as_is, ms(1500));
    CHECK(w.peek(1, ms(1999)).remaining == 1);
    CHECK(w.peek(1, ms(2000)).remaining == 4);
    w.reconfigure({.limit = 4, .window = 2s}, sluice::window_inherit::reset, ms(1500));
    CHECK(w.peek(1, ms(1500)).remaining == 4);
}

TEST_CASE("fixed_window: acquire_until waits in virtual time and gives back what it cannot use", "[flow][fixed_window][unit]") {
    sluice::manual_clock clock;
    fixed_window         w({.limit = 1, .window = 1s}, clock);
    CHECK(w.acquire_until(1, ms(0)).admitted());
    CHECK(w.acquire_until(1, ms(1000)).admitted());
    CHECK(clock.now() == ms(1000));
    CHECK(w.acquire_until(1, ms(1999)).kind == verdict_kind::wait);
    CHECK(clock.now() == ms(1000));
    CHECK(w.acquire_until(2, ms(9999)).kind == verdict_kind::never);
}

TEST_CASE("fixed_window: agrees with a list of what each window holds", "[flow][fixed_window][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 60; ++round) {
        std::uint64_t const limit = 1 + random() % 9;
        std::int64_t const  length = 1 + static_cast<std::int64_t>(random() % 50), origin = static_cast<std::int64_t>(random() % 100);
        fixed_window w({.limit = limit, .window = sluice::duration(length), .origin = time_point(sluice::duration(origin))});
        std::map<std::int64_t, std::uint64_t> held;  // by window
        std::int64_t now = -200, newest = INT64_MIN;
        auto const window_of = [&](std::int64_t t) {
            auto const d = t - origin;
            return d >= 0 ? d / length : -((-d + length - 1) / length);
        };
        for (int step = 0; step < 300; ++step) {
            now += static_cast<std::int64_t>(random() % 12) - (random() % 8 == 0 ? 30 : 0);
            auto const cost = random() % (limit + 2);
            auto const i = window_of(now);
            auto const at = time_point(sluice::duration(now));
            bool const late = i < newest;
            auto const room = late ? 0 : limit - held[i];
            auto const expected = cost == 0         ? verdict::admit(room)
                                  : cost > limit    ? verdict::refuse(room)
                                  : cost <= room    ? verdict::admit(room - cost)
                                  : late && cost <= limit - held[newest]
                                      ? verdict::later(sluice::duration(newest * length + origin - now), 0)
                                      : verdict::later(sluice::duration(((late ? newest : i) + 1) * length + origin - now), room);
            sluice::receipt r;
            REQUIRE(w.peek(cost, at).kind == expected.kind);
            REQUIRE(w.try_acquire(cost, at, r) == expected);
            if (!expected.admitted() || cost == 0) continue;
            if (random() % 4 == 0) {
                REQUIRE(w.undo(r) == cost);  // nobody in between: exactly as before
                continue;
            }
            newest = i;
            held[i] += cost;
        }
    }
}

TEST_CASE("fixed_window: no window acts for more than its limit, whatever is reserved and cancelled",
          "[flow][fixed_window][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 60; ++round) {
        std::uint64_t const limit = 1 + random() % 6;
        fixed_window        w({.limit = limit, .window = sluice::duration(10)});
        std::vector<std::pair<sluice::reservation, std::uint64_t>> all;
        std::vector<std::pair<std::int64_t, std::uint64_t>>        acts;
        std::int64_t now = 0;
        for (int step = 0; step < 300; ++step) {
            now += static_cast<std::int64_t>(random() % 5);
            auto const at = time_point(sluice::duration(now));
            auto const cost = 1 + random() % limit;
            if (random() % 3 == 0 && !all.empty()) {
                auto const i = static_cast<std::size_t>(random() % all.size());
                (void)all[i].first.cancel();
                all[i].second = 0;
            } else {
                auto r = w.reserve(cost, at, sluice::duration(100));
                if (r.admitted()) all.emplace_back(std::move(r), cost);
            }
        }
        std::map<std::int64_t, std::uint64_t> held;
        for (auto const& [r, cost] : all) held[r.at.time_since_epoch().count() / 10] += cost;
        for (auto const& [i, n] : held) REQUIRE(n <= limit);
    }
}

TEST_CASE("fixed_window: many threads get exactly the limit", "[flow][fixed_window][stress]") {
    fixed_window                 w({.limit = 1000, .window = 1s});
    std::array<std::uint64_t, 4> got{};
    test::run_threads(4, [&](std::size_t i) {
        for (int k = 0; k < 600; ++k) got[i] += w.try_acquire(1, ms(5)).admitted() ? 1 : 0;
    });
    CHECK(got[0] + got[1] + got[2] + got[3] == 1000);
}
