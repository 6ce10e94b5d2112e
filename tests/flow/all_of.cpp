// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/all_of.hpp>

#include <sluice/flow/fixed_window.hpp>
#include <sluice/flow/gcra.hpp>
#include <sluice/flow/keyed.hpp>
#include <sluice/flow/sliding_window_counter.hpp>
#include <sluice/flow/sliding_window_log.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <array>
#include <cstdint>
#include <random>
#include <stdexcept>

namespace {

using namespace std::chrono_literals;
using sluice::all_of;
using sluice::fixed_window;
using sluice::sliding_window_log;
using sluice::time_point;
using sluice::verdict;
using sluice::verdict_kind;

time_point ms(std::int64_t n) { return time_point(std::chrono::milliseconds(n)); }

/// Says yes when looked at, and then something else.
struct turncoat {
    bool throws = false;
    [[nodiscard]] verdict peek(std::uint64_t, time_point) const { return verdict::admit(9); }
    [[nodiscard]] verdict try_acquire(std::uint64_t, time_point) { return verdict::later(70ms, 0); }
    [[nodiscard]] verdict try_acquire(std::uint64_t, time_point, sluice::receipt& r) {
        if (throws) throw std::runtime_error("no");
        r = {};
        return verdict::later(70ms, 0);
    }
    std::uint64_t undo(sluice::receipt const& r, time_point) noexcept { return r.cost; }
};

using window = fixed_window<>;
static_assert(sluice::limiter_part<all_of<window&, all_of<window&, sliding_window_log<>&>&>>);

}  // namespace

TEST_CASE("all_of: the longest wait, the least remaining, and whose it is", "[flow][all_of][unit]") {
    fixed_window       a({.limit = 5, .window = 1s});
    sliding_window_log b({.limit = 3, .window = 3s});
    all_of             both(a, b);
    CHECK(both.try_acquire(2, ms(0)) == verdict::admit(1));
    CHECK(both.peek(1, ms(0)) == verdict::admit(1));
    auto const wait = both.answer(2, ms(500));
    CHECK(wait.result == verdict::later(2500ms, 1));
    CHECK(wait.part == 1);
    auto const never = both.answer(4, ms(500));
    CHECK(never.result == verdict::refuse(1));
    CHECK(never.part == 1);
    CHECK(both.answer(6, ms(500)).part == 0);
    CHECK(both.answer(0, ms(500)).result == verdict::admit(1));
    CHECK(a.peek(3, ms(500)) == verdict::admit(3));  // nothing of this was spent
}

TEST_CASE("all_of: a denial leaves every part as if it had not been asked", "[flow][all_of][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 30; ++round) {
        auto const limit = [&] { return 1 + random() % 6; };
        std::array<std::uint64_t, 3> const l{limit(), limit(), limit()};
        fixed_window                   f({.limit = l[0], .window = 40ms}), g({.limit = l[0], .window = 40ms});
        sliding_window_log             s({.limit = l[1], .window = 30ms}), t({.limit = l[1], .window = 30ms});
        sluice::sliding_window_counter c({.limit = l[2], .window = 50ms}), d({.limit = l[2], .window = 50ms});
        all_of                         inner(s, c);
        all_of                         all(f, inner);
        std::int64_t now = 0;
        for (int step = 0; step < 200; ++step) {
            now += static_cast<std::int64_t>(random() % 12) - (random() % 9 == 0 ? 15 : 0);
            auto const at = ms(now);
            auto const cost = random() % 4;
            std::array const each{g.peek(cost, at), t.peek(cost, at), d.peek(cost, at)};
            bool const fits = each[0].admitted() && each[1].admitted() && each[2].admitted();
            decltype(all)::receipt_type r;
            auto const v = all.try_acquire(cost, at, r);
            REQUIRE(v.admitted() == fits);
            if (!fits) {
                auto longest = each[0].retry_after;
                for (auto const& e : each) longest = std::max(longest, e.retry_after);
                REQUIRE(v.retry_after == longest);
            } else if (random() % 4 == 0) {
                REQUIRE((all.undo(r) == cost));
            } else {
                (void)g.try_acquire(cost, at);
                (void)t.try_acquire(cost, at);
                (void)d.try_acquire(cost, at);
            }
            for (std::int64_t const then : {now - 20, now, now + 25}) {
                REQUIRE(f.peek(1, ms(then)) == g.peek(1, ms(then)));
                REQUIRE(s.peek(1, ms(then)) == t.peek(1, ms(then)));
                REQUIRE(c.peek(1, ms(then)) == d.peek(1, ms(then)));
            }
        }
    }
}

TEST_CASE("all_of: what was taken before somebody was faster is given back", "[flow][all_of][unit]") {
    fixed_window a({.limit = 2, .window = 1s});
    turncoat     t;
    all_of       both(a, t);
    auto const   v = both.answer(2, ms(0));
    CHECK(v.result == verdict::later(70ms, 0));
    CHECK(v.part == 1);
    CHECK(a.peek(2, ms(0)) == verdict::admit(2));
    t.throws = true;
    CHECK_THROWS_AS(both.try_acquire(2, ms(0)), std::runtime_error);
    CHECK(a.peek(2, ms(0)) == verdict::admit(2));

    all_of twice(a, a);  // both looks see 2, the second take finds 0
    CHECK(twice.try_acquire(2, ms(0)) == verdict::later(1s, 0));
    CHECK(a.peek(2, ms(0)) == verdict::admit(2));
    CHECK(twice.try_acquire(1, ms(0)).admitted());
    CHECK(a.peek(1, ms(0)).kind == verdict_kind::wait);
}

TEST_CASE("all_of: keyed parts, and the first part's clock", "[flow][all_of][unit]") {
    sluice::manual_clock clock;
    using bucket = sluice::gcra<sluice::manual_clock>;
    sluice::keyed<std::string, bucket> tenants({.capacity = 10}, {.emission_interval = 1s}, clock);
    sluice::keyed<int, fixed_window<sluice::manual_clock>> groups({.capacity = 10}, {.limit = 2, .window = 1s}, clock);
    bucket everyone({.emission_interval = 100ms, .burst_tolerance = 200ms}, clock);
    auto const ask = [&](char const* tenant, int group) {
        return all_of(tenants.at(tenant), groups.at(group), everyone).answer();
    };
    CHECK(ask("a", 1).admitted());
    CHECK(ask("a", 1).part == 0);
    CHECK(ask("b", 1).admitted());
    CHECK(ask("c", 1).part == 1);
    CHECK(ask("c", 2).admitted());
    CHECK(ask("d", 2).part == 2);
    CHECK(ask("d", 2).result.retry_after == 100ms);
    clock.advance(100ms);
    CHECK(ask("d", 2).admitted());
}

TEST_CASE("all_of: many threads spend no more than the smallest, and the others no less than that",
          "[flow][all_of][stress]") {
    fixed_window                   a({.limit = 900, .window = 1s});
    sliding_window_log             b({.limit = 700, .window = 1s});
    sluice::sliding_window_counter c({.limit = 800, .window = 1s});
    std::array<std::uint64_t, 4>   got{};
    test::run_threads(4, [&](std::size_t i) {
        all_of one(a, b, c);
        all_of other(c, a, b);
        for (int k = 0; k < 400; ++k) got[i] += one.try_acquire(1, ms(5)).admitted() ? 1 : 0;
        for (int k = 0; k < 400; ++k) got[i] += other.try_acquire(1, ms(5)).admitted() ? 1 : 0;
    });
    auto const n = got[0] + got[1] + got[2] + got[3];
    CHECK(n == 700);
    CHECK(b.peek(0, ms(5)).remaining == 0);
    CHECK(a.peek(0, ms(5)).remaining == 200);
    CHECK(c.peek(0, ms(5)).remaining == 100);
}
