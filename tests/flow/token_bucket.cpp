// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/token_bucket.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::inherit;
using sluice::manual_clock;
using sluice::per;
using sluice::per_second;
using sluice::receipt;
using sluice::time_point;
using sluice::token_bucket;
using sluice::verdict;
using sluice::verdict_kind;

namespace {

constexpr time_point at(duration d) { return time_point(d); }

/// A bucket as a schoolbook has it, in exact fractions: the level times the rate's period.
struct model {
    std::int64_t count, period, burst, level;
    std::int64_t last = 0;  // the latest time so far

    model(sluice::rate r, std::int64_t b) : count(r.count()), period(r.period().count()), burst(b), level(b * period) {}

    void advance(std::int64_t now) {
        if (now <= last) return;
        auto const dt = now - last;
        auto const room = burst * period - level;
        level = dt > room / count ? burst * period : level + dt * count;
        last = now;
    }
    std::int64_t wait(std::int64_t n) const {  // from `last` on
        auto const missing = n * period - level;
        return missing <= 0 ? 0 : (missing + count - 1) / count;
    }
};

/// Admissions that count, for the bound of every window.
struct ledger {
    struct entry {
        time_point    t;
        std::uint64_t n;
    };
    std::vector<entry> entries;

    /// No window holds more than burst + rate · (window + slack). Exact. (Promised times are rounded up to a nanosecond.)
    bool within(sluice::rate r, std::uint64_t burst, duration slack = 0ns) const {
        auto sorted = entries;
        std::sort(sorted.begin(), sorted.end(), [](entry const& a, entry const& b) { return a.t < b.t; });
        for (std::size_t i = 0; i < sorted.size(); ++i) {
            std::uint64_t sum = 0;
            for (std::size_t j = i; j < sorted.size(); ++j) {
                sum += sorted[j].n;
                if (j + 1 < sorted.size() && sorted[j + 1].t == sorted[j].t) continue;
                if (sum > burst + r.events_in(sorted[j].t - sorted[i].t + slack)) return false;
            }
        }
        return true;
    }
};

}  // namespace

static_assert(sluice::limiter<token_bucket<>> && sluice::reversible_limiter<token_bucket<manual_clock>>);
static_assert(sluice::reserving_limiter<token_bucket<>> && sluice::clocked_limiter<token_bucket<manual_clock>>);
static_assert(!std::is_copy_constructible_v<token_bucket<>>);
static_assert(noexcept(std::declval<token_bucket<>&>().try_acquire(1)));
static_assert(noexcept(std::declval<token_bucket<>&>().undo(std::declval<receipt const&>(), std::declval<time_point>())));

TEST_CASE("token_bucket: a table of takes in ticks of 100 ms at 10 per second", "[flow][token_bucket][unit]") {
    struct row {
        int           tick;
        std::uint64_t cost;
        bool          admitted;
    };
    auto const run = [](std::uint64_t burst, std::vector<row> const& rows) {
        token_bucket bucket({.refill = per_second(10), .burst = burst}, manual_clock());
        for (auto const& r : rows) {
            CAPTURE(burst, r.tick, r.cost);
            auto const now = at(r.tick * 100ms);
            auto const seen = bucket.peek(r.cost, now);
            auto const v = bucket.try_acquire(r.cost, now);
            REQUIRE(v == seen);
            REQUIRE(v.admitted() == r.admitted);
            REQUIRE((v.kind == verdict_kind::never) == (r.cost > burst));
        }
    };
    run(1, {{0, 1, true}, {0, 1, false}, {0, 1, false}, {1, 1, true}, {1, 1, false}, {1, 1, false}, {2, 2, false},
            {2, 1, true}, {2, 1, false}});
    run(3, {{0, 2, true}, {0, 2, false}, {0, 1, true}, {0, 1, false}, {1, 4, false}, {2, 1, true}, {3, 1, true},
            {4, 1, true}, {4, 1, true}, {4, 1, false}, {4, 1, false}, {9, 3, true}, {9, 0, true}});
}

TEST_CASE("token_bucket: a reservation beyond the caller's patience takes nothing", "[flow][token_bucket][unit]") {
    token_bucket b({.refill = per_second(10), .burst = 2}, manual_clock());
    auto const   first = b.reserve(2, at(0ms), 100ms);
    REQUIRE(first.admitted());
    REQUIRE(first.at == at(0ms));
    auto second = b.reserve(1, at(0ms), 100ms);
    REQUIRE(second.at == at(100ms));
    REQUIRE(second.wait(at(30ms)) == 70ms);
    REQUIRE(second.wait(at(300ms)) == 0ms);
    auto const before = b.peek(1, at(0ms));
    auto const third = b.reserve(1, at(0ms), 100ms);
    REQUIRE(third.kind == verdict_kind::wait);
    REQUIRE(third.at == at(200ms));
    REQUIRE(b.peek(1, at(0ms)) == before);
    REQUIRE(b.reserve(3, at(0ms)).kind == verdict_kind::never);
    REQUIRE(b.reserve(0, at(0ms)).at == at(0ms));
    REQUIRE(b.reserve(1, at(0ms), 200ms).at == at(200ms));
}

TEST_CASE("token_bucket: the slowest and the fastest of rates", "[flow][token_bucket][unit]") {
    SECTION("one token in 292 years: once, then never again") {
        token_bucket b({.refill = per(1, duration::max())}, manual_clock());
        REQUIRE(b.try_acquire(1, at(0s)));
        for (auto t : {at(0s), at(1s), at(24h * 365 * 100), time_point::max() - 8ns}) {
            auto const v = b.try_acquire(1, t);
            REQUIRE(v.kind == verdict_kind::wait);
            REQUIRE(v.retry_after.count() > 0);
        }
        REQUIRE_FALSE(b.reserve(1, at(24h)).admitted());
    }
    SECTION("one in a billion seconds") {
        token_bucket b({.refill = per_second(1e-9)}, manual_clock());
        REQUIRE(b.try_acquire(1, at(5s)));
        REQUIRE(b.try_acquire(1, at(5s)).retry_after == 1'000'000'000s);
        REQUIRE_FALSE(b.try_acquire(1, at(1'000'000'005s) - 1ns));
        REQUIRE(b.try_acquire(1, at(1'000'000'005s)));
    }
    SECTION("a rate that is no whole number of anything") {
        token_bucket b({.refill = per_second(0.7692307692307693)}, manual_clock());
        REQUIRE(b.try_acquire(1, at(0s)));
        REQUIRE_FALSE(b.try_acquire(1, at(1'300'000'000ns)));
        REQUIRE(b.try_acquire(1, at(1'300'000'001ns)));
    }
    SECTION("a hundred gigabytes per second") {
        token_bucket b({.refill = per_second(100'000'000'000), .burst = 1'000'000}, manual_clock());
        REQUIRE(b.try_acquire(1'000'000, at(0s)));
        REQUIRE(b.try_acquire(1500, at(0s)).retry_after == 15ns);
        REQUIRE(b.try_acquire(1500, at(15ns)));
        REQUIRE_FALSE(b.try_acquire(1, at(15ns)));
    }
}

TEST_CASE("token_bucket: what cannot be a bucket is refused by name", "[flow][token_bucket][unit]") {
    auto const make = [](sluice::rate r, std::uint64_t burst, std::optional<std::uint64_t> initial = {}) {
        return token_bucket<>({.refill = r, .burst = burst, .initial = initial}).burst();
    };
    REQUIRE_THROWS_AS(make(per_second(1), 0), std::invalid_argument);
    REQUIRE_THROWS_WITH(make(per_second(1), 0), test::contains("token_bucket: burst (> 0") && test::contains("is 0"));
    REQUIRE_THROWS_WITH(make(per_second(1), 3, 4), test::contains("token_bucket: initial (<= burst) is 4"));
    REQUIRE_THROWS_WITH(make(per_second(1), UINT64_MAX), test::contains("burst") && test::contains("18446744073709551615"));
    REQUIRE_THROWS_WITH(make(per(INT64_MAX, 1ns), 1), test::contains("token_bucket: refill (below 2^10 per nanosecond)"));
    REQUIRE(make(per_second(1), std::uint64_t{1} << 40) == std::uint64_t{1} << 40);
    REQUIRE(make(per_second(1'000'000'000), std::uint64_t{1} << 58) == std::uint64_t{1} << 58);
    REQUIRE(make(per(1, duration::max()), 1) == 1);
    token_bucket b({.refill = per_second(1), .burst = 2}, manual_clock());
    REQUIRE_THROWS_AS(b.reconfigure({.refill = per_second(1), .burst = 0}), std::invalid_argument);
    REQUIRE(b.burst() == 2);
}

TEST_CASE("token_bucket: drain takes what is there", "[flow][token_bucket][unit]") {
    token_bucket b({.refill = per_second(10), .burst = 10}, manual_clock());
    REQUIRE(b.try_acquire(9, at(0s)));
    auto const no = b.try_acquire(5, at(0s));
    REQUIRE_FALSE(no);
    REQUIRE(no.remaining == 1);
    REQUIRE(no.retry_after == 400ms);
    REQUIRE(b.available(at(0s)) == 1);
    REQUIRE(b.drain(5, at(0s)) == 1);
    REQUIRE(b.drain(1, at(0s)) == 0);
    REQUIRE(b.drain(100, at(10s)) == 10);
    REQUIRE(b.drain(0, at(20s)) == 0);
}

TEST_CASE("token_bucket: borrowing queues, and giving back fills at most to the brim", "[flow][token_bucket][unit]") {
    token_bucket b({.refill = per_second(10), .burst = 10}, manual_clock());
    REQUIRE(b.drain(10, at(1s)) == 10);
    for (auto wait : {1s, 2s, 3s, 4s}) REQUIRE(b.borrow(10, at(1s)) == wait);
    REQUIRE(b.borrow(11, at(1s)) == duration::max());
    REQUIRE(b.available(at(1s)) == 0);
    b.give_back(20, at(1s));
    REQUIRE(b.borrow(1, at(1s)) == 2s + 100ms);
    b.give_back(1000, at(1s));
    REQUIRE(b.available(at(1s)) == 10);
    b.give_back(UINT64_MAX, at(1s));
    REQUIRE(b.available(at(1s)) == 10);
    REQUIRE(b.borrow(3, at(1s)) == 0s);
    REQUIRE(b.available(at(1s)) == 7);
    auto kept = b.reserve(2, at(1s));
    b.give_back(0, at(1s));  // nothing: reservations can still be cancelled
    REQUIRE(kept.cancel() == 2);
    REQUIRE(b.available(at(1s)) == 7);
}

TEST_CASE("token_bucket: a token that is due exactly now is given", "[flow][token_bucket][unit]") {
    for (auto base : {0s, 5s, 1'700'000'000s, -1'700'000'000s}) {
        for (int hertz : {1, 3, 7, 10, 30, 300, 999, 12'345, 1'000'000}) {
            CAPTURE(base.count(), hertz);
            auto const   burst = static_cast<std::uint64_t>(hertz);
            token_bucket b({.refill = per_second(hertz), .burst = burst}, manual_clock());
            REQUIRE(b.try_acquire(burst, at(base)));
            REQUIRE_FALSE(b.try_acquire(burst, at(base + 1s - 1ns)));
            REQUIRE(b.try_acquire(burst, at(base + 1s)));
            REQUIRE(b.available(at(base + 1s)) == 0);
        }
        token_bucket b({.refill = per_second(10), .burst = 10}, manual_clock());
        REQUIRE(b.try_acquire(10, at(base)));
        REQUIRE(b.try_acquire(1, at(base + 100ms)));
    }
}

TEST_CASE("token_bucket: time that steps back mints nothing", "[flow][token_bucket][unit]") {
    token_bucket b({.refill = per_second(10), .burst = 10}, manual_clock());
    REQUIRE(b.drain(10, at(1s)) == 10);
    auto const v = b.try_acquire(1, at(999'999'900ns));
    REQUIRE_FALSE(v);
    REQUIRE(v.retry_after == 100ms + 100ns);
    std::uint64_t total = 0;
    for (int i = 0; i < 5; ++i) {
        REQUIRE(b.try_acquire(0, at(0s)));
        total += b.drain(10, at(1s));
    }
    REQUIRE(total == 0);
    REQUIRE_FALSE(b.try_acquire(1, time_point::min()));
    REQUIRE(b.try_acquire(1, time_point::min()).retry_after == duration::max());
    REQUIRE(b.available(at(1s)) == 0);
    REQUIRE(b.available(at(1500ms)) == 5);
}

TEST_CASE("token_bucket: time stamps of this century lose no precision", "[flow][token_bucket][unit]") {
    for (int hertz : {1'000'000, 10'000'000}) {
        token_bucket  b({.refill = per_second(hertz), .burst = 1}, manual_clock());
        auto const    step = duration(500'000'000 / hertz);  // twice as many as are allowed
        std::uint64_t admitted = 0;
        for (auto t = at(1'700'000'000s); t < at(1'700'000'000s) + 100ms; t += step)
            admitted += b.try_acquire(1, t).admitted() ? 1 : 0;
        REQUIRE(admitted == static_cast<std::uint64_t>(hertz) / 10);
    }
}

TEST_CASE("token_bucket: the ends of the time line, and long idleness", "[flow][token_bucket][unit]") {
    for (auto r : {per_second(10), per_second(999), per_second(999'999'937), per_second(1e-3), per_second(1'000'000'000)}) {
        CAPTURE(r.count());
        token_bucket b({.refill = r, .burst = 5}, manual_clock());
        REQUIRE(b.try_acquire(5, time_point::min()));
        REQUIRE_FALSE(b.try_acquire(1, time_point::min()));
        for (auto t : {time_point::min() + 24h * 365, at(0s), at(24h * 365), time_point::max()}) {
            REQUIRE(b.available(t) == 5);
            REQUIRE(b.peek(5, t).admitted());
            REQUIRE(b.try_acquire(5, t));
            REQUIRE_FALSE(b.try_acquire(1, t));
            REQUIRE_FALSE(b.try_acquire(1, t - 1ns));
            REQUIRE_FALSE(b.try_acquire(5, time_point::min()));
        }
        REQUIRE(b.reserve(1, time_point::max()).kind == verdict_kind::wait);
    }
    token_bucket late({.refill = per_second(10), .burst = 5}, manual_clock());
    REQUIRE(late.try_acquire(5, time_point::max()));
    REQUIRE_FALSE(late.try_acquire(1, time_point::max()));
    REQUIRE_FALSE(late.try_acquire(1, time_point::min()));
}

TEST_CASE("token_bucket: a debt outlives a long sleep", "[flow][token_bucket][unit]") {
    token_bucket b({.refill = per_second(999), .burst = 100}, manual_clock());  // the anchor moves every 40 hours
    REQUIRE(b.drain(100, at(0s)) == 100);
    auto const day = 24h;
    for (int i = 0; i < 999 * 36; ++i) REQUIRE(b.borrow(100, at(0s)) > 0s);  // an hour
    REQUIRE(b.peek(1, at(1h)).retry_after == 1'001'002ns);
    for (int i = 1; i < 200; ++i) {
        REQUIRE(b.try_acquire(100, at(i * day)));
        REQUIRE_FALSE(b.try_acquire(1, at(i * day)));
    }
}

TEST_CASE("token_bucket: years of clock error mint nothing, however large the burst", "[flow][token_bucket][unit]") {
    auto const   year = 24h * 365;
    auto const   burst = std::uint64_t{1} << 28;  // 8.5 years to fill
    token_bucket b({.refill = per_second(1), .burst = burst}, manual_clock());
    REQUIRE(b.drain(burst, at(0s)) == burst);
    for (auto jump : {2 * year, 5 * year, 20 * year, 100 * year}) {
        CAPTURE(jump.count());
        REQUIRE(b.try_acquire(0, at(jump)).admitted());  // somebody's clock is wrong; he takes nothing
        REQUIRE_FALSE(b.try_acquire(1, at(1ns)));
        REQUIRE_FALSE(b.peek(1, at(1ns)));
        REQUIRE(b.drain(burst, at(1ns)) == 0);
        REQUIRE(b.reserve(1, at(1ns), 500ms).kind == verdict_kind::wait);
    }
    b.reconfigure({.refill = per_second(1), .burst = burst}, inherit::reset, at(1s));  // as new, whatever was before
    REQUIRE(b.drain(burst, at(1s)) == burst);
    REQUIRE(b.drain(burst, at(3s)) == 2);
}

TEST_CASE("token_bucket: no time, late or early, forgives a debt", "[flow][token_bucket][unit]") {
    // Where ticks are finest: 9 minutes from the anchor to the last usable time, 18 minutes of debt, 18 minutes to fill.
    auto const   burst = std::uint64_t{1} << 40;
    auto const   fast = per_second(1'000'000'007);
    token_bucket b({.refill = fast, .burst = burst}, manual_clock());
    REQUIRE(b.drain(burst, at(0s)) == burst);
    auto debt = 0s;
    while (b.borrow(100'000'000'000, at(540s)) != duration::max()) debt += 100s;
    REQUIRE(debt - 540s > 900s);
    auto const paid = at(debt);
    for (auto early : {at(0s), at(-540s), at(-1h), time_point::min(), at(540s)}) {
        CAPTURE(early.time_since_epoch().count());
        auto const v = b.try_acquire(burst, early);
        REQUIRE(v.kind == verdict_kind::wait);
        REQUIRE(sluice::saturating_add(early, v.retry_after) > sluice::saturating_add(early, 1000s));
        REQUIRE(b.available(early) == 0);
        b.give_back(1, early);
        b.reconfigure({.refill = fast, .burst = burst}, inherit::as_is, early);
        REQUIRE_FALSE(b.try_acquire(1, paid - 1us));
    }
    REQUIRE(b.available(paid + 1s) <= 1'000'000'007);
    REQUIRE(b.available(paid + 1s) >= 999'900'000);
    for (auto late : {600s, 1000s}) REQUIRE(b.available(paid + late) <= fast.events_in(late));
    REQUIRE(b.available(paid + 1h) == burst);
}

TEST_CASE("token_bucket: no window holds too much where hours are more than the ticks reach", "[flow][token_bucket][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 100; ++round) {
        auto const    burst = std::uint64_t{1} << 40;
        auto const    r = per_second(1'000'000'007);
        token_bucket  b({.refill = r, .burst = burst}, manual_clock());
        ledger        book;
        std::vector<std::pair<sluice::reservation, std::uint64_t>> open;
        auto          now = at(0s);
        for (int i = 0; i < 60; ++i) {
            now += duration(static_cast<std::int64_t>(random() % 400'000'000'000));
            if (random() % 8 == 0) now += duration(static_cast<std::int64_t>(random() % 4'000'000'000'000));
            auto when = now;
            if (random() % 3 == 0) when -= duration(static_cast<std::int64_t>(random() % 4'000'000'000'000));
            auto const n = 1 + random() % burst;
            switch (random() % 6) {
                case 0: if (auto const got = b.drain(n, when); got > 0) book.entries.push_back({when, got}); break;
                case 1: if (auto place = b.reserve(n, when); place) open.emplace_back(std::move(place), n); break;
                case 2: b.reconfigure({.refill = r, .burst = burst}, inherit::as_is, when); break;
                case 3:
                    if (open.empty()) break;
                    REQUIRE(open.back().first.cancel(when) <= open.back().second);
                    open.pop_back();
                    break;
                default: if (b.try_acquire(n, when)) book.entries.push_back({when, n});
            }
        }
        for (auto const& [place, n] : open) book.entries.push_back({place.at, n});
        REQUIRE(book.entries.size() > 1);
        REQUIRE(book.within(r, burst, 1ns));
    }
}

TEST_CASE("token_bucket: it begins as told", "[flow][token_bucket][unit]") {
    manual_clock clock(at(10s));
    token_bucket empty({.refill = per_second(10), .burst = 5, .initial = 0}, clock);
    REQUIRE(empty.peek().retry_after == 100ms);
    REQUIRE_FALSE(empty.try_acquire());
    clock.advance(100ms);
    REQUIRE(empty.try_acquire());
    REQUIRE_FALSE(empty.try_acquire());

    token_bucket later({.refill = per_second(10), .burst = 5, .initial = 1}, clock);
    clock.advance(200ms);
    REQUIRE(later.available() == 3);  // counted from construction, not from the first call
    REQUIRE(later.drain(9) == 3);

    token_bucket earlier({.refill = per_second(10), .burst = 5, .initial = 2}, clock);
    REQUIRE(earlier.drain(9, at(1s)) == 2);  // another time line, which starts here
    REQUIRE(earlier.drain(9, at(1s + 100ms)) == 1);

    token_bucket full({.refill = per_second(10), .burst = 5});  // deduced: steady_clock
    REQUIRE(full.drain(9, at(1s)) == 5);
}

TEST_CASE("token_bucket: the rate is right to 10 ppm from one in 1000 s to 10^9 per second", "[flow][token_bucket][unit]") {
    struct row {
        sluice::rate r;
        double       hertz;
    };
    for (auto const& [r, hertz] :
         {row{per_second(1e-3), 1e-3}, {per_second(1), 1}, {per_second(3), 3}, {per_second(99'999), 99'999},
          {per_second(3'000'000), 3e6}, {per_second(7'000'000), 7e6}, {per_second(300'000'000), 3e8},
          {per_second(700'000'000), 7e8}, {per_second(999'999'937), 999'999'937.0}, {per_second(1'000'000'000), 1e9},
          {per_second(123.456789), 123.456789}}) {
        CAPTURE(hertz);
        token_bucket b({.refill = r, .burst = 10}, manual_clock());
        auto const   start = at(1'700'000'000s);
        auto         now = start;
        REQUIRE(b.try_acquire(10, now));
        std::uint64_t const cost = hertz == 7e8 ? 1 : 10, n = 1'000'000;
        for (std::uint64_t i = 0; i < n; i += cost) {
            auto const wait = b.borrow(cost, now);
            if (wait > 1s) now += wait - 1s;
        }
        auto const   end = now + b.peek(1, now).retry_after;
        double const seconds = std::chrono::duration<double>(end - start).count();
        double const rate = static_cast<double>(n + 1) / seconds;
        REQUIRE(rate == Approx(hertz).epsilon(1e-5).margin(0));
        REQUIRE(rate <= hertz * (1 + 1e-12));
    }
}

TEST_CASE("token_bucket: behaves as an exact model does", "[flow][token_bucket][property]") {
    std::mt19937_64 random(test::seed());
    for (auto r : {per_second(10), per_second(3), per_second(999), per_second(12'345), per_second(700'000'000), per(7, 13ns),
                   per(11, 3600s)}) {
        for (std::int64_t burst : {1, 2, 10, 100}) {
            CAPTURE(r.count(), r.period().count(), burst);
            token_bucket b({.refill = r, .burst = static_cast<std::uint64_t>(burst)}, manual_clock());
            model        m(r, burst);
            ledger       book;
            std::int64_t now = 0;
            auto const   mean = std::max<std::int64_t>(1, r.period().count() / r.count());
            for (int i = 0; i < 400; ++i) {
                auto const n = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(burst + 1));
                now += static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(2 * mean * (n + 1)));
                if (random() % 64 == 0) now += mean * 1000;
                m.advance(now);
                auto const v = b.try_acquire(static_cast<std::uint64_t>(n), at(duration(now)));
                REQUIRE(v.admitted() == (m.wait(n) == 0));
                if (v.admitted()) {
                    m.level -= n * m.period;
                    book.entries.push_back({at(duration(now)), static_cast<std::uint64_t>(n)});
                } else {
                    REQUIRE(v.retry_after.count() == m.wait(n));
                    if (random() % 2 == 0) now += v.retry_after.count() - static_cast<std::int64_t>(random() % 2);
                }
                REQUIRE(v.remaining == static_cast<std::uint64_t>(m.level / m.period));
                REQUIRE(b.available(at(duration(now))) >= v.remaining);
            }
            REQUIRE(book.within(r, static_cast<std::uint64_t>(burst)));
        }
    }
}

TEST_CASE("token_bucket: no window holds too much, also when time steps back", "[flow][token_bucket][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 200; ++round) {
        auto const    r = round % 3 == 0 ? per_second(10) : round % 3 == 1 ? per_second(3) : per(7, 13ns);
        auto const    burst = 1 + random() % 12;
        auto const    mean = static_cast<std::uint64_t>(r.interval().count());
        token_bucket  b({.refill = r, .burst = burst}, manual_clock());
        ledger        book;
        auto          now = at(0s), latest = now;
        std::uint64_t total = 0;
        for (int i = 0; i < 200; ++i) {
            now += duration(static_cast<std::int64_t>(random() % (2 * mean)));
            now -= duration(static_cast<std::int64_t>(random() % (mean + 1)));
            if (now < at(0s)) now = at(0s);
            if (random() % 32 == 0) now += duration(static_cast<std::int64_t>(mean * burst));
            latest = std::max(latest, now);
            auto const n = 1 + random() % burst;
            auto const got = random() % 4 == 0 ? b.drain(n, now) : b.try_acquire(n, now).admitted() ? n : 0;
            if (got > 0) book.entries.push_back({now, got});
            total += got;
            REQUIRE(total <= burst + r.events_in(latest - at(0s)));
        }
        REQUIRE(book.within(r, burst));
    }
}

TEST_CASE("token_bucket: cancelled at once, a reservation has never been", "[flow][token_bucket][unit]") {
    token_bucket b({.refill = per_second(1), .burst = 3}, manual_clock());
    REQUIRE(b.try_acquire(2, at(7s)));
    auto const before = b.peek(3, at(7s));
    for (int i = 0; i < 10'000; ++i) {
        auto r = b.reserve(3, at(7s));
        REQUIRE(r.at == at(9s));
        REQUIRE(r.cancel(at(7s)) == 3);
        REQUIRE(r.cancel(at(7s)) == 0);
    }
    REQUIRE(b.peek(3, at(7s)) == before);
    receipt paper;
    REQUIRE(b.try_acquire(1, at(7s), paper));
    REQUIRE(b.undo(paper, at(7s)) == 1);
    REQUIRE(b.peek(3, at(7s)) == before);
    REQUIRE_FALSE(b.try_acquire(3, at(7s), paper));
    REQUIRE(b.undo(paper, at(7s)) == 0);
    auto kept = b.reserve(1, at(7s));
    auto moved = std::move(kept);
    REQUIRE(kept.cancel() == 0);
    REQUIRE(moved.cancel() == 1);
    REQUIRE(sluice::reservation().cancel() == 0);
    REQUIRE(b.peek(3, at(7s)) == before);
}

TEST_CASE("token_bucket: whatever the order of cancels, all of them leave nothing behind", "[flow][token_bucket][unit]") {
    for (bool first_in_first_out : {true, false}) {
        token_bucket b({.refill = per_second(1), .burst = 1}, manual_clock());
        REQUIRE(b.try_acquire(1, at(0s)));
        std::vector<sluice::reservation> all;
        for (int i = 1; i <= 100; ++i) {
            all.push_back(b.reserve(1, at(0s)));
            REQUIRE(all.back().at == at(i * 1s));
        }
        if (!first_in_first_out) std::reverse(all.begin(), all.end());
        for (auto& r : all) REQUIRE(r.cancel(at(0s)) == 1);
        REQUIRE(b.peek(1, at(0s)).retry_after == 1s);
    }
}

TEST_CASE("token_bucket: a cancel after the bucket was full and emptied again gives nothing", "[flow][token_bucket][unit]") {
    for (auto when : {at(10s), at(0s), time_point::min(), time_point::max()}) {  // not even with the wrong time
        token_bucket b({.refill = per_second(1), .burst = 10}, manual_clock());
        auto         r = b.reserve(5, at(0s));
        REQUIRE(b.try_acquire(10, at(10s)));
        (void)r.cancel(when);
        REQUIRE_FALSE(b.try_acquire(1, at(10s)));
        REQUIRE(b.try_acquire(1, at(10s)).retry_after == 1s);
    }
}

TEST_CASE("token_bucket: a cancel says how much can be had again", "[flow][token_bucket][unit]") {
    for (auto const& [now, back] : {std::pair{3s, 2u}, {1s, 4u}, {4s, 1u}, {5s, 0u}, {100'000'000s, 0u}}) {
        CAPTURE(now.count());
        token_bucket b({.refill = per_second(1), .burst = 10}, manual_clock());
        auto         r = b.reserve(5, at(0s));
        REQUIRE(b.try_acquire(1, at(now)));
        REQUIRE(r.cancel(at(now)) == back);
        auto const left = b.available(at(now));
        REQUIRE(b.drain(left, at(now)) == left);
        REQUIRE(b.try_acquire(back + 1, at(now)).kind == verdict_kind::wait);
        REQUIRE(b.try_acquire(back, at(now)));
        REQUIRE(b.try_acquire(1, at(now)).retry_after == 1s);
    }
}

TEST_CASE("token_bucket: a cancelled place goes to the next who asks, at its own time", "[flow][token_bucket][unit]") {
    token_bucket b({.refill = per_second(1), .burst = 1}, manual_clock());
    REQUIRE(b.try_acquire(1, at(0s)));
    auto first = b.reserve(1, at(0s)), second = b.reserve(1, at(0s)), third = b.reserve(1, at(0s));
    REQUIRE(third.at == at(3s));
    REQUIRE(first.cancel(at(0s)) == 1);
    SECTION("reserved again") {
        auto fourth = b.reserve(1, at(0s));
        REQUIRE(fourth.at == at(1s));  // not together with the third
        REQUIRE(b.reserve(1, at(0s)).at == at(4s));
        REQUIRE(fourth.cancel(at(0s)) == 1);
        REQUIRE(b.peek(1, at(0s)).retry_after == 1s);
        REQUIRE(b.try_acquire(1, at(500ms)).retry_after == 500ms);
        REQUIRE(b.peek(1, at(1s)));
        REQUIRE(b.try_acquire(1, at(1s)));
        REQUIRE_FALSE(b.try_acquire(1, at(1s)));
    }
    SECTION("not by one who wants more than it holds") {
        token_bucket two({.refill = per_second(1), .burst = 3}, manual_clock());
        REQUIRE(two.try_acquire(3, at(0s)));
        auto small = two.reserve(1, at(0s)), large = two.reserve(2, at(0s)), last = two.reserve(1, at(0s));
        REQUIRE(last.at == at(4s));
        REQUIRE(large.cancel() == 2);
        REQUIRE(small.cancel() == 1);  // the two become one place
        REQUIRE(two.peek(3, at(0s)).retry_after == 3s);
        REQUIRE(two.reserve(1, at(0s)).at == at(1s));
        REQUIRE(two.peek(3, at(0s)).retry_after == 7s);
        REQUIRE(two.peek(2, at(0s)).retry_after == 3s);
        REQUIRE(two.reserve(2, at(2s)).at == at(3s));
        REQUIRE(two.reserve(1, at(2s)).at == at(5s));

        token_bucket many({.refill = per_second(1), .burst = 3}, manual_clock());
        REQUIRE(many.try_acquire(3, at(0s)));
        auto a = many.reserve(2, at(0s)), between = many.reserve(1, at(0s)), c = many.reserve(1, at(0s));
        REQUIRE(between.at == at(3s));
        REQUIRE(many.reserve(1, at(0s)).at == at(5s));
        REQUIRE(a.cancel() == 2);
        REQUIRE(c.cancel() == 1);
        REQUIRE(many.reserve(2, at(0s)).at == at(2s));  // the larger of two places
        REQUIRE(many.reserve(2, at(0s)).at == at(7s));
        REQUIRE(many.reserve(1, at(0s)).at == at(4s));
    }
    SECTION("by the one whose time is far behind, but not at once") {
        token_bucket b2({.refill = per_second(1), .burst = 1}, manual_clock());
        auto const   year = 24h * 365;
        REQUIRE(b2.try_acquire(1, at(10 * year)));
        auto before = b2.reserve(1, at(10 * year)), behind = b2.reserve(1, at(10 * year));
        REQUIRE(behind.at == at(10 * year + 2s));
        REQUIRE(before.cancel() == 1);
        REQUIRE_FALSE(b2.try_acquire(1, at(0s)));
        REQUIRE(b2.reserve(1, at(0s)).at == at(10 * year + 1s));

        auto const   burst = std::uint64_t{1} << 28;  // 8.5 years to fill
        token_bucket b3({.refill = per_second(1), .burst = burst}, manual_clock());
        auto         old = b3.reserve(100, at(10 * year));  // the oldest of its tokens, 8.5 years before
        REQUIRE(b3.try_acquire(1, at(10 * year)));
        REQUIRE(old.cancel() == 100);
        REQUIRE_FALSE(b3.try_acquire(1, at(0s)));
        REQUIRE(b3.peek(1, at(0s)).kind == verdict_kind::wait);
    }
    SECTION("too late for it") {
        REQUIRE_FALSE(b.try_acquire(1, at(2s) + 1ns));
        REQUIRE(b.reserve(1, at(2s) + 1ns).at == at(4s));
    }
    SECTION("everybody behind goes, too") {
        REQUIRE(third.cancel(at(0s)) == 1);
        REQUIRE(second.cancel(at(0s)) == 1);
        REQUIRE(b.reserve(1, at(0s)).at == at(1s));
    }
}

TEST_CASE("token_bucket: no window holds too much, whatever is cancelled", "[flow][token_bucket][property]") {
    std::mt19937_64 random(test::seed());
    struct held {
        sluice::reservation r;
        std::uint64_t       n;
    };
    std::uint64_t admitted = 0;
    for (int round = 0; round < 300; ++round) {
        auto const   r = round % 3 == 0 ? per_second(10) : round % 3 == 1 ? per_second(3) : per(7, 13ns);
        auto const   burst = 1 + random() % 12;
        auto const   mean = static_cast<std::uint64_t>(r.interval().count());
        token_bucket b({.refill = r, .burst = burst}, manual_clock());
        ledger       book;
        std::vector<held> open;
        auto         now = at(0s);
        for (int i = 0; i < 150; ++i) {
            if (random() % 2 == 0) now += duration(static_cast<std::int64_t>(random() % (2 * mean)));
            if (random() % 40 == 0) now += duration(static_cast<std::int64_t>(mean * burst));
            auto const stale = random() % 10 == 0 ? now - duration(static_cast<std::int64_t>(random() % (4 * mean))) : now;
            auto const n = 1 + random() % burst;
            if (random() % 3 == 0) {
                if (b.try_acquire(n, stale)) book.entries.push_back({stale, n});
            } else if (random() % 2 == 0) {
                auto place = b.reserve(n, stale, duration(static_cast<std::int64_t>(mean * 8)));
                if (place) open.push_back({std::move(place), n});
            } else if (!open.empty()) {
                auto const which = static_cast<std::size_t>(random() % open.size());
                if (random() % 4 == 0) {
                    book.entries.push_back({open[which].r.at, open[which].n});  // kept
                } else {
                    REQUIRE(open[which].r.cancel(stale) <= open[which].n);
                }
                std::swap(open[which], open.back());
                open.pop_back();
            }
        }
        for (auto const& h : open) book.entries.push_back({h.r.at, h.n});
        admitted += book.entries.size();
        REQUIRE(book.within(r, burst, 1ns));
    }
    REQUIRE(admitted > 5'000);
}

TEST_CASE("token_bucket: cancelled reservations do not cost the others their capacity", "[flow][token_bucket][property]") {
    // Nine of ten reservations are cancelled in random order; newcomers take the places. Nearly everything must be used.
    std::mt19937_64 random(test::seed());
    token_bucket    b({.refill = per_second(100), .burst = 5}, manual_clock());
    std::vector<sluice::reservation> open;
    std::uint64_t                    used = 0;
    for (auto now = at(0s); now < at(100s); now += 1ms) {
        for (auto i = open.size(); i > 0; --i) {
            auto& r = open[i - 1];
            if (r.at <= now) ++used;
            else if (random() % 50 != 0) continue;
            else r.cancel(now);
            std::swap(r, open.back());
            open.pop_back();
        }
        auto place = b.reserve(1, now, 200ms);
        if (place) open.push_back(std::move(place));
    }
    CAPTURE(used);
    REQUIRE(used > 9'800);
    REQUIRE(used <= 10'005);
}

TEST_CASE("token_bucket: tokens are inherited as told", "[flow][token_bucket][unit]") {
    struct row {
        inherit       how;
        std::uint64_t burst, available;
    };
    for (auto const& [how, burst, available] :
         {row{inherit::as_is, 20, 4}, {inherit::as_is, 3, 3}, {inherit::proportionally, 20, 8},
          {inherit::proportionally, 5, 2}, {inherit::additive, 20, 14}, {inherit::additive, 3, 3},
          {inherit::reset, 20, 20}, {inherit::reset, 3, 3}}) {
        CAPTURE(static_cast<int>(how), burst);
        token_bucket b({.refill = per_second(10), .burst = 10}, manual_clock());
        REQUIRE(b.try_acquire(6, at(0s)));
        b.reconfigure({.refill = per_second(3), .burst = burst}, how, at(0s));
        REQUIRE(b.burst() == burst);
        REQUIRE(b.available(at(0s)) == available);
        REQUIRE(b.drain(available, at(0s)) == available);
        REQUIRE(b.try_acquire(1, at(0s)).retry_after == 333'333'334ns);
    }
    token_bucket untouched({.refill = per_second(10), .burst = 10, .initial = 4}, manual_clock());
    untouched.reconfigure({.refill = per_second(10), .burst = 20}, inherit::proportionally, at(0s));
    REQUIRE(untouched.available(at(0s)) == 8);

    token_bucket debtor({.refill = per_second(10), .burst = 10}, manual_clock());
    REQUIRE(debtor.borrow(10, at(0s)) == 0s);
    REQUIRE(debtor.borrow(10, at(0s)) == 1s);
    auto promised = debtor.reserve(10, at(0s));
    debtor.reconfigure({.refill = per_second(20), .burst = 10}, inherit::as_is, at(0s));
    REQUIRE(debtor.peek(1, at(0s)).retry_after == 1050ms);  // 21 tokens at the new rate
    REQUIRE(promised.cancel(at(0s)) == 0);
    REQUIRE(debtor.peek(1, at(0s)).retry_after == 1050ms);
    debtor.reconfigure({.refill = per_second(20), .burst = 10, .initial = 1}, inherit::reset, at(0s));
    REQUIRE(debtor.available(at(0s)) == 1);
    for (int i = 0; i < 1000; ++i) debtor.reconfigure({.refill = per_second(20), .burst = 10}, inherit::as_is, at(0s));
    REQUIRE(debtor.available(at(0s)) == 1);  // not a tick is lost
    REQUIRE(debtor.peek(2, at(0s)).retry_after == 50ms);
}

TEST_CASE("token_bucket: acquire_until waits in the order of reservations", "[flow][token_bucket][unit]") {
    manual_clock clock;
    token_bucket b({.refill = per_second(10), .burst = 1}, clock);
    REQUIRE(b.acquire_until(1, at(0s)).admitted());
    REQUIRE(b.acquire_until(1, at(1s)).admitted());
    REQUIRE(clock.now() == at(100ms));
    auto const no = b.acquire_until(1, at(199ms));
    REQUIRE(no.kind == verdict_kind::wait);
    REQUIRE(no.retry_after == 100ms);
    REQUIRE(clock.now() == at(100ms));  // answered at once
    REQUIRE(b.acquire_until(2, at(9s)).kind == verdict_kind::never);
    REQUIRE(b.acquire_for(1, 100ms).admitted());
    REQUIRE(clock.now() == at(200ms));
    std::stop_source stop;
    stop.request_stop();
    REQUIRE(b.acquire_for(1, 1s, stop.get_token()).kind == verdict_kind::wait);
    REQUIRE(b.acquire_for(1, -1s).kind == verdict_kind::wait);
    REQUIRE(b.peek(1).retry_after == 100ms);
}

TEST_CASE("token_bucket: threads together get what one would", "[flow][token_bucket][stress]") {
    auto const rounds = 2'000 * test::stress_factor();
    token_bucket<manual_clock> b({.refill = per_second(1'000'000), .burst = 100}, manual_clock());
    std::atomic<std::uint64_t> taken = 0, time = 0;
    test::run_threads(4, [&](std::size_t thread) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            auto const now = time_point(duration(static_cast<std::int64_t>(time.fetch_add(300) + 300)));
            if (thread == 0 && i % 64 == 0)
                b.reconfigure({.refill = per_second(1'000'000), .burst = 100}, inherit::as_is, now);
            if (i % 3 == 0) {
                auto r = b.reserve(1, now, 0ns);
                if (r && i % 2 == 0) r.cancel(now);
                else if (r) taken.fetch_add(1);
            } else if (b.try_acquire(1 + i % 2, now)) {
                taken.fetch_add(1 + i % 2);
            }
        }
    });
    // All that was taken fits in one window from the first time to the last.
    REQUIRE(taken.load() <= 100 + time.load() / 1000);
    REQUIRE(taken.load() > 0);
}
