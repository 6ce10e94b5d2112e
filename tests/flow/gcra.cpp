// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/gcra.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::gcra;
using sluice::inherit;
using sluice::manual_clock;
using sluice::per_second;
using sluice::time_point;
using sluice::verdict_kind;

namespace {

constexpr time_point at(duration d) { return time_point(d); }

}  // namespace

static_assert(sluice::limiter<gcra<>> && sluice::reversible_limiter<gcra<manual_clock>>);
static_assert(sluice::reserving_limiter<gcra<>> && sluice::clocked_limiter<gcra<>>);

TEST_CASE("gcra: a table of answers at one per second, five at once", "[flow][gcra][unit]") {
    struct row {
        duration      t;
        std::uint64_t cost;
        verdict_kind  kind;
        std::uint64_t remaining;
        duration      reset, retry;
    };
    constexpr auto yes = verdict_kind::admitted, no = verdict_kind::wait, never = verdict_kind::never;
    auto const     run = [&](gcra<manual_clock>& g) {
        for (auto const& [t, cost, kind, remaining, reset, retry] :
             {row{0s, 6, never, 5, 0s, duration::max()}, {0s, 1, yes, 4, 1s, 0s}, {0s, 1, yes, 3, 2s, 0s},
              {0s, 1, yes, 2, 3s, 0s}, {0s, 1, yes, 1, 4s, 0s}, {0s, 1, yes, 0, 5s, 0s}, {0s, 1, no, 0, 5s, 1s},
              {3s, 1, yes, 2, 3s, 0s}, {3100ms, 1, yes, 1, 3900ms, 0s}, {4s, 1, yes, 1, 4s, 0s}, {8s, 1, yes, 4, 1s, 0s},
              {9500ms, 1, yes, 4, 1s, 0s}, {9500ms, 0, yes, 4, 1s, 0s}, {9500ms, 2, yes, 2, 3s, 0s},
              {9500ms, 5, no, 2, 3s, 3s}, {15s, 6, never, 5, 0s, duration::max()}}) {
            CAPTURE(t.count(), cost);
            auto const seen = g.peek(cost, at(t));
            auto const a = g.answer(cost, at(t));
            REQUIRE(a.result == seen);
            REQUIRE(a.result.kind == kind);
            REQUIRE(a.admitted() == (kind == yes));
            REQUIRE(a.result.remaining == remaining);
            REQUIRE(a.result.retry_after == retry);
            REQUIRE(a.reset_after == reset);
            REQUIRE(a.limit == 5);
            REQUIRE(g.theoretical_arrival_time(at(t)) == at(t + reset));
        }
    };
    gcra by_interval({.emission_interval = 1s, .burst_tolerance = 4s}, manual_clock());
    run(by_interval);
    gcra by_rate({.rate = per_second(1), .burst = 5}, manual_clock());
    run(by_rate);
}

TEST_CASE("gcra: a tolerance between two bursts counts to the nanosecond", "[flow][gcra][unit]") {
    gcra g({.emission_interval = 10ns, .burst_tolerance = 25ns}, manual_clock());
    REQUIRE(g.burst() == 3);
    for (int i = 0; i < 3; ++i) REQUIRE(g.try_acquire(1, at(100ns)));  // 5 ns are left over
    REQUIRE(g.peek(1, at(100ns)).retry_after == 5ns);
    REQUIRE_FALSE(g.try_acquire(1, at(104ns)));
    REQUIRE(g.try_acquire(1, at(105ns)));
    REQUIRE(g.try_acquire(4, at(1s)).kind == verdict_kind::never);
    gcra none({.emission_interval = 10ns}, manual_clock());
    REQUIRE(none.try_acquire(1, at(0ns)));
    REQUIRE_FALSE(none.try_acquire(1, at(9ns)));
    REQUIRE(none.try_acquire(1, at(10ns)));
}

TEST_CASE("gcra: what cannot be is refused by name", "[flow][gcra][unit]") {
    auto const make = [](duration t, duration tau) { return gcra<>(sluice::gcra_options{t, tau}).burst(); };
    REQUIRE_THROWS_WITH(make(0s, 0s), test::contains("gcra: emission_interval in ns (> 0) is 0"));
    REQUIRE_THROWS_WITH(make(-1ns, 0s), test::contains("is -1"));
    REQUIRE_THROWS_WITH(make(1s, -1ns), test::contains("gcra: burst_tolerance in ns (>= 0) is -1"));
    REQUIRE_THROWS_AS(make(1ns, duration::max()), std::invalid_argument);
    REQUIRE(make(1s, duration::max()) == 9'223'372'037);
    REQUIRE(make(duration::max(), 0s) == 1);
    REQUIRE_THROWS_WITH(gcra<>(sluice::gcra_rate_options{per_second(1), 0}), test::contains("gcra: burst"));
}

TEST_CASE("gcra: fresh when a new one could take its place", "[flow][gcra][unit]") {
    struct row {
        duration now;
        bool     foo, bar, baz;
    };
    gcra foo({.emission_interval = 1s}, manual_clock()), bar({.emission_interval = 1s}, manual_clock()),
        baz({.emission_interval = 1s}, manual_clock());
    REQUIRE(foo.try_acquire(1, at(0ms)));
    REQUIRE(bar.try_acquire(1, at(200ms)));
    REQUIRE(baz.try_acquire(1, at(800ms)));
    for (auto const& [now, a, b, c] : {row{800ms, false, false, false}, {2000ms, true, false, false},
                                       {2200ms, true, true, false}, {2800ms, true, true, true},
                                       {24h * 365 * 100, true, true, true}}) {
        CAPTURE(now.count());
        REQUIRE(foo.fresh(at(now)) == a);
        REQUIRE(bar.fresh(at(now)) == b);
        REQUIRE(baz.fresh(at(now)) == c);
    }
}

TEST_CASE("gcra: behaves as the definition does", "[flow][gcra][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 100; ++round) {
        auto const   interval = static_cast<std::int64_t>(1 + random() % 50);
        auto const   tolerance = static_cast<std::int64_t>(random() % 300);
        gcra         g({.emission_interval = duration(interval), .burst_tolerance = duration(tolerance)}, manual_clock());
        std::int64_t tat = 0, now = 0;
        for (int i = 0; i < 200; ++i) {
            now += static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(4 * interval));
            auto const n = static_cast<std::int64_t>(1 + random() % 4);
            auto const earliest = std::max(tat, now) + (n - 1) * interval - tolerance;
            bool const possible = (n - 1) * interval <= tolerance;
            auto const v = g.try_acquire(static_cast<std::uint64_t>(n), at(duration(now)));
            REQUIRE(v.admitted() == (possible && now >= earliest));
            REQUIRE((v.kind == verdict_kind::never) == !possible);
            if (v.admitted()) tat = std::max(tat, now) + n * interval;
            else if (possible) REQUIRE(v.retry_after.count() == earliest - now);
            REQUIRE(g.reset_after(at(duration(now))).count() == std::max<std::int64_t>(0, tat - now));
        }
    }
}

TEST_CASE("gcra: reservations keep the rate, whatever the interval", "[flow][gcra][unit]") {
    for (double hertz : {3e6, 7e6, 3e8, 7e8}) {
        CAPTURE(hertz);
        gcra         g({.rate = per_second(hertz)}, manual_clock());
        time_point   last = at(0s);
        std::int64_t n = 0;
        for (; n < 100'000; ++n) last = g.reserve(1, at(0s)).at;
        double const seconds = std::chrono::duration<double>(last - at(0s)).count();
        REQUIRE(static_cast<double>(n - 1) / seconds == Approx(hertz).epsilon(1e-5).margin(0));
    }
}

TEST_CASE("gcra: a new configuration keeps what was taken", "[flow][gcra][unit]") {
    manual_clock clock;
    gcra         g({.emission_interval = 100ms, .burst_tolerance = 900ms}, clock);
    REQUIRE(g.try_acquire(6));
    g.reconfigure({.rate = per_second(20), .burst = 5}, inherit::as_is);
    REQUIRE(g.available() == 4);
    g.reconfigure({.emission_interval = 100ms, .burst_tolerance = 900ms}, inherit::reset);
    REQUIRE(g.available() == 10);
    auto r = g.reserve(10);
    REQUIRE(r.at == clock.now());
    REQUIRE(r.cancel() == 10);
    REQUIRE(g.fresh() == false);  // full, but only just
    REQUIRE(g.reset_after() == 0s);
    REQUIRE(g.acquire_for(10, 0s).admitted());
    REQUIRE(g.acquire_until(10, clock.now() + 1s).admitted());
    REQUIRE(clock.now() == at(1s));
}

TEST_CASE("gcra: threads together get what one would", "[flow][gcra][stress]") {
    auto const                 rounds = 2'000 * test::stress_factor();
    gcra                       g({.emission_interval = 1us, .burst_tolerance = 9us}, manual_clock());
    std::atomic<std::uint64_t> taken = 0, time = 0;
    test::run_threads(4, [&](std::size_t) {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            auto const now = time.fetch_add(300) + 300;
            if (g.try_acquire(1, at(duration(static_cast<std::int64_t>(now))))) taken.fetch_add(1);
        }
    });
    REQUIRE(taken.load() <= 10 + time.load() / 1000);
    REQUIRE(taken.load() > 0);
}
