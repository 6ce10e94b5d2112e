// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/leaky_bucket.hpp>

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
using sluice::leaky_bucket;
using sluice::manual_clock;
using sluice::per_second;
using sluice::time_point;
using sluice::verdict_kind;

namespace {

constexpr time_point at(duration d) { return time_point(d); }

/// Reserves and waits for it, as a thread would. How long it waited.
duration acquire(leaky_bucket<manual_clock>& b, manual_clock& clock, std::uint64_t cost) {
    auto const before = clock.now();
    REQUIRE(b.acquire_until(cost, time_point::max()).admitted());
    return clock.now() - before;
}

}  // namespace

static_assert(sluice::limiter<leaky_bucket<>> && sluice::reversible_limiter<leaky_bucket<manual_clock>>);
static_assert(sluice::reserving_limiter<leaky_bucket<>>);

TEST_CASE("leaky_bucket: departures at 5 per second with a second of slack", "[flow][leaky_bucket][unit]") {
    manual_clock clock;
    leaky_bucket b({.drain = per_second(5), .slack = 5}, clock);
    for (auto wait : {0ms, 200ms, 200ms}) REQUIRE(acquire(b, clock, 1) == wait);
    clock.advance(400ms);
    for (auto wait : {0ms, 0ms, 200ms}) REQUIRE(acquire(b, clock, 1) == wait);
    clock.advance(2s);
    for (auto cost : {1u, 1u, 3u, 1u}) REQUIRE(acquire(b, clock, cost) == 0s);
    REQUIRE(acquire(b, clock, 1) == 200ms);
}

TEST_CASE("leaky_bucket: a cost is paid by the next", "[flow][leaky_bucket][unit]") {
    manual_clock clock;
    leaky_bucket b({.drain = per_second(1)}, clock);
    struct row {
        std::uint64_t cost;
        duration      wait;
    };
    for (auto const& [cost, wait] : {row{1, 0s}, {1, 1s}, {2, 1s}, {4, 2s}, {8, 4s}, {1, 8s}}) {
        CAPTURE(cost);
        REQUIRE(acquire(b, clock, cost) == wait);
    }
}

TEST_CASE("leaky_bucket: however long the idleness, the slack is bounded", "[flow][leaky_bucket][unit]") {
    for (duration idle : {duration(1min), duration(24h), duration(24h * 365 * 200)}) {
        manual_clock clock;
        leaky_bucket b({.drain = per_second(10), .slack = 2}, clock);
        REQUIRE(b.try_acquire());
        clock.advance(idle);
        for (int i = 0; i < 3; ++i) REQUIRE(b.try_acquire());
        REQUIRE_FALSE(b.try_acquire());
        REQUIRE(b.backlog(clock.now()) == 100ms);
    }
}

TEST_CASE("leaky_bucket: the queue is bounded by delay", "[flow][leaky_bucket][unit]") {
    manual_clock clock;
    leaky_bucket b({.drain = per_second(10), .queue = 250ms}, clock);
    for (auto due : {0ms, 100ms, 200ms}) REQUIRE(b.reserve(1, at(0s)).at == at(due));
    auto const full = b.reserve(1, at(0s));
    REQUIRE(full.kind == verdict_kind::wait);
    REQUIRE(full.at == at(300ms));
    REQUIRE(b.try_acquire(1, at(0s)).retry_after == 300ms);
    REQUIRE(b.reserve(1, at(50ms)).at == at(300ms));
    REQUIRE(b.acquire_until(1, at(10s)).kind == verdict_kind::wait);
    REQUIRE(clock.now() == at(0s));
    REQUIRE(b.try_acquire(UINT64_MAX, at(400ms)).kind == verdict_kind::never);
    REQUIRE(b.try_acquire(1'000'000, at(400ms)).admitted());  // any cost; the next one pays
    REQUIRE(b.backlog(at(400ms)) == 100'000s);
}

TEST_CASE("leaky_bucket: a cancelled departure is somebody else's", "[flow][leaky_bucket][unit]") {
    leaky_bucket b({.drain = per_second(10)}, manual_clock());
    REQUIRE(b.try_acquire(1, at(0s)));
    auto first = b.reserve(1, at(0s)), second = b.reserve(1, at(0s));
    REQUIRE(second.at == at(200ms));
    REQUIRE(first.cancel(at(0s)) == 1);
    REQUIRE(b.reserve(1, at(0s)).at == at(100ms));
    REQUIRE(b.reserve(1, at(0s)).at == at(300ms));
}

TEST_CASE("leaky_bucket: one departure in years", "[flow][leaky_bucket][unit]") {
    for (auto years : {1, 4, 5, 8, 10, 100}) {
        CAPTURE(years);
        auto const   interval = years * 24h * 365;
        leaky_bucket b({.drain = sluice::per(1, interval)}, manual_clock());
        for (auto t : {at(0s), at(interval + 64ns)}) {
            REQUIRE(b.peek(1, t).admitted());
            REQUIRE(b.try_acquire(1, t).admitted());
            REQUIRE(b.peek(1, t).kind == verdict_kind::wait);
            REQUIRE(b.try_acquire(1, t).kind == verdict_kind::wait);
            REQUIRE_FALSE(b.try_acquire(1, t + interval - 1s));
        }
    }
}

TEST_CASE("leaky_bucket: times are promised far ahead, also at rates that no ticks have exactly", "[flow][leaky_bucket][unit]") {
    for (auto const r : {per_second(1 / 3.0), sluice::per_hour(1 / 7.0), sluice::per_minute(1.23456789)}) {
        leaky_bucket<manual_clock> b({.drain = r}, manual_clock{});
        for (std::uint64_t i = 0; i < 1000; ++i) {  // the slowest: for 290 days
            auto const exact = r.time_for(i);
            auto const place = b.reserve(1, at(0s));
            REQUIRE(place.admitted());
            REQUIRE(place.at >= at(exact));
            REQUIRE(place.at <= at(exact + exact / 1'000'000'000 + 1ns));
        }
    }
    leaky_bucket<manual_clock> fast({.drain = per_second(999'999'937)}, manual_clock{});  // the worst there is
    REQUIRE(fast.reserve(per_second(999'999'937).events_in(18min), at(0s)).admitted());
    REQUIRE(fast.reserve(1, at(0s)).admitted());
}

TEST_CASE("leaky_bucket: what cannot be is refused by name", "[flow][leaky_bucket][unit]") {
    auto const make = [](sluice::leaky_bucket_options o) { return leaky_bucket<>(o).available(time_point{}); };
    REQUIRE_THROWS_WITH(make({.drain = per_second(1), .queue = -1ns}),
                        test::contains("leaky_bucket: queue in ns (>= 0) is -1"));
    REQUIRE_THROWS_WITH(make({.drain = per_second(1), .slack = UINT64_MAX}), test::contains("leaky_bucket: slack"));
    REQUIRE_THROWS_AS(make({.drain = sluice::per(INT64_MAX, 1ns)}), std::invalid_argument);
}

TEST_CASE("leaky_bucket: no two departures are too close, whatever is cancelled", "[flow][leaky_bucket][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 100; ++round) {
        auto const   slack = random() % 4;
        leaky_bucket b({.drain = sluice::per(1, 10ns), .slack = slack}, manual_clock());
        std::vector<time_point>          departures;
        std::vector<sluice::reservation> open;
        auto                             now = at(0s);
        for (int i = 0; i < 200; ++i) {
            now += duration(static_cast<std::int64_t>(random() % 16));
            if (random() % 20 == 0) now += 100ns;
            if (random() % 4 == 0) {
                if (b.try_acquire(1, now)) departures.push_back(now);
            } else if (auto r = b.reserve(1, now, 80ns)) {
                open.push_back(std::move(r));
            }
            if (!open.empty() && random() % 3 == 0) {
                auto const which = static_cast<std::size_t>(random() % open.size());
                if (random() % 2 == 0) departures.push_back(open[which].at);
                else open[which].cancel(now);
                std::swap(open[which], open.back());
                open.pop_back();
            }
        }
        for (auto const& r : open) departures.push_back(r.at);
        std::sort(departures.begin(), departures.end());
        for (std::size_t i = 0; i < departures.size(); ++i)
            for (std::size_t j = i; j < departures.size(); ++j)
                REQUIRE(j - i + 1 <= slack + static_cast<std::uint64_t>((departures[j] - departures[i]).count()) / 10 + 1);
    }
}

TEST_CASE("leaky_bucket: threads share one stream", "[flow][leaky_bucket][stress]") {
    auto const                 rounds = static_cast<std::int64_t>(2'000 * test::stress_factor());
    leaky_bucket               b({.drain = sluice::per(1, 10ns)}, manual_clock());
    std::atomic<std::int64_t>  last = 0;
    test::run_threads(4, [&](std::size_t) {
        for (std::int64_t i = 0; i < rounds; ++i) {
            auto const due = b.reserve(1, at(0s)).at.time_since_epoch().count();
            auto       seen = last.load();
            while (seen < due && !last.compare_exchange_weak(seen, due)) {}
        }
    });
    REQUIRE(last.load() == (4 * rounds - 1) * 10);
}
