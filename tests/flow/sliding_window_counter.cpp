// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/sliding_window_counter.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <random>

namespace {

using namespace std::chrono_literals;
using sluice::sliding_window_counter;
using sluice::time_point;
using sluice::verdict;
using sluice::verdict_kind;
using sluice::window_rounding;

time_point ms(std::int64_t n) { return time_point(std::chrono::milliseconds(n)); }
time_point ns(std::int64_t n) { return time_point(sluice::duration(n)); }

/// prev admitted in the window before, cur in this one, so much of it gone.
template <class Counter>
void fill(Counter& c, std::uint64_t prev, std::uint64_t cur, time_point now) {
    REQUIRE(c.try_acquire(prev, now - c.window()).admitted());
    REQUIRE(c.try_acquire(cur, now).admitted());
}

/// Limit at the last millisecond of a window, then as much as there is.
std::uint64_t adversary(std::uint64_t limit, window_rounding rounding) {
    sliding_window_counter c({.limit = limit, .window = 1s, .rounding = rounding});
    std::uint64_t          n = 0;
    while (c.try_acquire(1, ms(999)).admitted()) ++n;
    for (int t = 1000; t < 1999; ++t)
        while (c.try_acquire(1, ms(t)).admitted()) ++n;
    return n;
}

static_assert(sluice::reversible_limiter<sliding_window_counter<>> && !sluice::reserving_limiter<sliding_window_counter<>>);

}  // namespace

TEST_CASE("sliding_window_counter: the published estimates", "[flow][sliding_window_counter][unit]") {
    sliding_window_counter a({.limit = 100, .window = 60s});
    fill(a, 42, 18, ms(75'000));
    CHECK(a.estimate(ms(75'000)) == 49.5);
    sliding_window_counter b({.limit = 100, .window = 10s});
    CHECK(b.try_acquire(84, ms(0)).admitted());
    CHECK(b.estimate(ms(13'000)) == Approx(58.8));
    for (auto const rounding : {window_rounding::keep_one, window_rounding::down, window_rounding::up}) {
        sliding_window_counter c({.limit = 7, .window = 10s, .rounding = rounding});
        fill(c, 5, 3, ms(13'000));
        CHECK(c.estimate(ms(13'000)) == 6.5);
        CHECK(c.try_acquire(1, ms(13'000)).admitted() == (rounding != window_rounding::up));  // 6.5 + 1 > 7
    }
    sliding_window_counter d({.limit = 1000, .window = 10s});
    for (int i = 0; i < 847; ++i) REQUIRE(d.try_acquire(1, ms(10 * i)).admitted());
    CHECK(d.estimate(ms(9'000)) == 847);
    CHECK(d.peek(1, ms(9'000)).remaining == 153);
}

TEST_CASE("sliding_window_counter: an adversary gets 2 L - 1 in one true window", "[flow][sliding_window_counter][unit]") {
    for (auto const rounding : {window_rounding::keep_one, window_rounding::up}) {
        CHECK(adversary(10, rounding) == 19);
        CHECK(adversary(100, rounding) == 199);
        CHECK(adversary(1000, rounding) == 1998);
        CHECK(adversary(1, rounding) == 1);
    }
    CHECK(adversary(10, window_rounding::down) == 20);
    CHECK(adversary(100, window_rounding::down) == 200);
}

TEST_CASE("sliding_window_counter: in the long run L or L - 1 per window, as the rounding says", "[flow][sliding_window_counter][unit]") {
    for (auto const& [rounding, per_window] :
         {std::pair{window_rounding::keep_one, 99}, {window_rounding::down, 100}, {window_rounding::up, 99}}) {
        sliding_window_counter c({.limit = 100, .window = 1s, .rounding = rounding});
        int                    n = 0;
        for (int t = 0; t < 60'000; ++t)
            while (c.try_acquire(1, ms(t)).admitted()) n += t >= 10'000 ? 1 : 0;
        CHECK(n == per_window * 50);
    }
}

TEST_CASE("sliding_window_counter: late, skipped and negative windows", "[flow][sliding_window_counter][unit]") {
    sliding_window_counter c({.limit = 4, .window = 1s, .rounding = window_rounding::down});
    CHECK(c.try_acquire(4, ms(-1500)) == verdict::admit(0));
    CHECK(c.try_acquire(1, ms(-1500)) == verdict::later(500ms + 1ns, 0));
    CHECK(c.try_acquire(2, ms(-500)) == verdict::admit(0));
    CHECK(c.try_acquire(1, ms(-1001)).kind == verdict_kind::wait);
    CHECK(c.try_acquire(1, ms(-600)).kind == verdict_kind::wait);   // more of the window before counts
    CHECK(c.try_acquire(1, ms(1500)) == verdict::admit(3));         // a window without any between
    CHECK(c.try_acquire(0, ms(0)) == verdict::admit(0));
    CHECK(c.try_acquire(5, ms(1500)) == verdict::refuse(3));
    CHECK(c.peek(3, ms(1500)) == verdict::admit(3));
}

TEST_CASE("sliding_window_counter: the ends of the time line", "[flow][sliding_window_counter][unit]") {
    for (auto const window : {sluice::duration(1), sluice::duration(7), sluice::duration(1s), sluice::duration::max()})
        for (auto const origin : {time_point{}, ns(3), time_point::min(), time_point::max()}) {
            sliding_window_counter c({.limit = 2, .window = window, .origin = origin});
            for (auto const t : {time_point::min(), ns(-1), time_point{}, time_point::max()}) {
                for (int i = 0; i < 2; ++i) (void)c.try_acquire(1, t);
                auto const v = c.try_acquire(1, t);
                CHECK(v.kind == verdict_kind::wait);
                CHECK(v.retry_after.count() > 0);
            }
        }
}

TEST_CASE("sliding_window_counter: a limit may be as large as 2^60", "[flow][sliding_window_counter][unit]") {
    sliding_window_counter wide({.limit = std::uint64_t{1} << 60, .window = 1s});
    CHECK(wide.try_acquire(std::uint64_t{1} << 60, ms(0)).remaining == 0);
    CHECK(wide.try_acquire(1, ms(1500)).remaining == (std::uint64_t{1} << 59) - 1);
}

TEST_CASE("sliding_window_counter: undo", "[flow][sliding_window_counter][unit]") {
    sliding_window_counter c({.limit = 4, .window = 1s});
    sluice::receipt        a, b;
    CHECK(c.undo(a) == 0);
    CHECK(c.try_acquire(3, ms(900), a).admitted());
    CHECK(c.try_acquire(1, ms(1900), b).admitted());
    CHECK(c.undo(b) == 1);  // the last one: as if it had not been
    CHECK(c.try_acquire(1, ms(950), b).admitted());
    CHECK(c.try_acquire(1, ms(1900)).remaining == 2);
    CHECK(c.undo(a) == 3);  // it is in the window before
    CHECK(c.peek(3, ms(1000)).kind == verdict_kind::wait);
    CHECK(c.peek(2, ms(1000)).admitted());
    CHECK(c.try_acquire(1, ms(3000)).remaining == 3);
    CHECK(c.undo(b) == 0);  // it does not count any more
    CHECK(c.peek(3, ms(3000)).admitted());
}

TEST_CASE("sliding_window_counter: impossible options are refused by name", "[flow][sliding_window_counter][unit]") {
    CHECK_THROWS_WITH(sliding_window_counter({.limit = 0, .window = 1s}), test::contains("limit") && test::contains("is 0"));
    CHECK_THROWS_WITH(sliding_window_counter({.limit = UINT64_MAX, .window = 1s}), test::contains("limit"));
    CHECK_THROWS_WITH(sliding_window_counter({.limit = 1, .window = 0s}), test::contains("window"));
    CHECK_THROWS_WITH(sliding_window_counter({.limit = 1, .window = -1s}), test::contains("window"));
}

TEST_CASE("sliding_window_counter: reconfigure keeps the counts, or forgets them", "[flow][sliding_window_counter][unit]") {
    sliding_window_counter c({.limit = 10, .window = 1s, .rounding = window_rounding::down});
    sluice::receipt        r;
    CHECK(c.try_acquire(8, ms(0), r).admitted());
    c.reconfigure({.limit = 5, .window = 1s, .rounding = window_rounding::down}, sluice::window_inherit::as_is, ms(10));
    CHECK(c.undo(r) == 0);
    CHECK(c.estimate(ms(10)) == 5);  // above the limit is at the limit
    CHECK(c.estimate(ms(1500)) == 2.5);
    c.reconfigure({.limit = 5'000'000, .window = 1s}, sluice::window_inherit::as_is, ms(1500));
    CHECK(c.estimate(ms(1500)) == 2.5);
    c.reconfigure({.limit = 5, .window = 10s}, sluice::window_inherit::as_is, ms(1500));
    CHECK(c.estimate(ms(1500)) == 3);  // 2.5, upwards, in a window of its own
    c.reconfigure({.limit = 5, .window = 10s}, sluice::window_inherit::reset, ms(1500));
    CHECK(c.estimate(ms(1500)) == 0);
    CHECK_THROWS_AS(c.reconfigure({.limit = 0, .window = 1s}), std::invalid_argument);
    CHECK(c.limit() == 5);
}

TEST_CASE("sliding_window_counter: agrees with counts by window", "[flow][sliding_window_counter][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 120; ++round) {
        bool const          wide = round % 2 != 0;
        std::uint64_t const limit = 1 + random() % (wide ? 400 : 20);
        std::int64_t const  length = wide ? 1 + static_cast<std::int64_t>(random() % 50) : 3'000'000'000;
        auto const          rounding = static_cast<window_rounding>(random() % 3);
        sliding_window_counter c({.limit = limit, .window = sluice::duration(length), .rounding = rounding});
        std::map<std::int64_t, std::uint64_t> held;
        std::int64_t now = -5 * length, newest = INT64_MIN / 2;
        for (int step = 0; step < 200; ++step) {
            now += static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(length / 4 + 2)) -
                   (random() % 8 == 0 ? length / 3 : 0);
            if (random() % 50 == 0) now += 3 * length;
            auto const    i = now >= 0 ? now / length : -((-now + length - 1) / length);
            auto const    left = static_cast<std::uint64_t>((i + 1) * length - now);
            std::uint64_t weight = held[i - 1] * left / static_cast<std::uint64_t>(length);
            if (rounding == window_rounding::up)
                weight = (held[i - 1] * left + static_cast<std::uint64_t>(length) - 1) / static_cast<std::uint64_t>(length);
            if (rounding == window_rounding::keep_one && held[i - 1] > 0) weight = std::max<std::uint64_t>(weight, 1);
            auto const    used = held[i] + weight;
            auto const    room = i < newest || used >= limit ? 0 : limit - used;
            auto const    cost = random() % (limit + 2);
            sluice::receipt r;
            auto const      v = c.try_acquire(cost, ns(now), r);
            REQUIRE(v.kind == (cost > limit ? verdict_kind::never : cost <= room ? verdict_kind::admitted : verdict_kind::wait));
            REQUIRE(v.remaining == (v.admitted() ? room - cost : room));
            if (v.kind == verdict_kind::wait) {
                REQUIRE(c.peek(cost, ns(now) + v.retry_after).admitted());
                REQUIRE_FALSE(c.peek(cost, ns(now) + v.retry_after - 1ns).admitted());
            }
            if (!v.admitted() || cost == 0) continue;
            if (random() % 4 == 0) {
                REQUIRE(c.undo(r) == cost);
            } else {
                newest = i;
                held[i] += cost;
            }
        }
    }
}

TEST_CASE("sliding_window_counter: many threads get exactly the limit, also while it changes",
          "[flow][sliding_window_counter][stress]") {
    sliding_window_counter       c({.limit = 1000, .window = 10s});
    std::array<std::uint64_t, 4> got{};
    test::run_threads(4, [&](std::size_t i) {
        for (int k = 0; k < 2000; ++k) {
            sluice::receipt r;
            if (i == 3 && k % 20 == 0)
                c.reconfigure({.limit = k % 40 == 0 ? 1'000'000u : 1000u, .window = 10s}, sluice::window_inherit::as_is, ms(1));
            if (k > 600 || !c.try_acquire(1, ms(k % 7), r).admitted()) continue;
            if (k % 5 != 0 || c.undo(r) == 0) ++got[i];
        }
    });
    auto const n = got[0] + got[1] + got[2] + got[3];
    CHECK(n >= 990);  // a place may come back when nobody asks any more; more than 1000 if the higher limit was met
    CHECK(n <= 4 * 601);
    CHECK(c.limit() == 1000);

    sliding_window_counter still({.limit = 1000, .window = 10s});
    got = {};
    test::run_threads(4, [&](std::size_t i) {
        for (int k = 0; k < 600; ++k) got[i] += still.try_acquire(1, ms(k % 7)).admitted() ? 1 : 0;
    });
    CHECK(got[0] + got[1] + got[2] + got[3] == 1000);
}
