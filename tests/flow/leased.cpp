// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/leased.hpp>

#include <sluice/flow/gcra.hpp>
#include <sluice/flow/token_bucket.hpp>

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
using sluice::leased;
using sluice::manual_clock;
using sluice::per_second;
using sluice::time_point;
using sluice::token_bucket;
using sluice::verdict_kind;
using bucket = token_bucket<manual_clock>;

namespace {

constexpr time_point at(duration d) { return time_point(d); }

}  // namespace

static_assert(sluice::leasable_limiter<token_bucket<>> && sluice::leasable_limiter<sluice::gcra<>>);
static_assert(sluice::limiter<leased<bucket>::handle>);
static_assert(!std::is_copy_constructible_v<leased<bucket>::handle>);

TEST_CASE("leased: a batch is taken at once and spent alone", "[flow][leased][unit]") {
    bucket         shared({.refill = per_second(1000), .burst = 80}, manual_clock());
    leased<bucket> l(shared, {.threads = 2});
    REQUIRE(l.batch() == 10);
    leased<bucket>::handle mine(l), other(l), third(l);
    REQUIRE(mine.try_acquire(1, at(0s)).remaining == 9);
    REQUIRE(shared.available(at(0s)) == 70);
    for (int i = 0; i < 9; ++i) REQUIRE(mine.try_acquire(1, at(1ms)));
    REQUIRE(shared.available(at(0s)) == 70);
    REQUIRE(mine.held() == 0);
    REQUIRE(other.try_acquire(10, at(0s)));
    REQUIRE(shared.available(at(0s)) == 60);
    REQUIRE(other.try_acquire(11, at(0s)));  // more than a batch: directly
    REQUIRE(shared.available(at(0s)) == 49);
    REQUIRE(third.try_acquire(1, at(0s)));   // one handle too many does not lease
    REQUIRE(third.held() == 0);
    REQUIRE(shared.available(at(0s)) == 48);
    REQUIRE(third.try_acquire(81, at(0s)).kind == verdict_kind::never);
    REQUIRE(third.try_acquire(0, at(0s)).admitted());
    REQUIRE(mine.peek(1, at(0s)).remaining == 47);
}

TEST_CASE("leased: near the end it takes what is left, one by one", "[flow][leased][unit]") {
    bucket         shared({.refill = per_second(1000), .burst = 80}, manual_clock());
    leased<bucket> l(shared, {.threads = 2});
    leased<bucket>::handle mine(l);
    REQUIRE(shared.drain(75, at(0s)) == 75);
    for (std::uint64_t left : {4u, 3u, 2u, 1u, 0u}) REQUIRE(mine.try_acquire(1, at(0s)).remaining == left);
    REQUIRE(mine.try_acquire(1, at(0s)).retry_after == 1ms);
    REQUIRE(mine.try_acquire(1, at(1ms)));
}

TEST_CASE("leased: what is not spent goes back", "[flow][leased][unit]") {
    bucket         shared({.refill = per_second(1), .burst = 80}, manual_clock());
    leased<bucket> l(shared, {.threads = 2, .max_age = 5ms});
    {
        leased<bucket>::handle mine(l);
        REQUIRE(mine.try_acquire(3, at(0s)));
        REQUIRE(shared.available(at(0s)) == 70);
    }
    REQUIRE(shared.available(at(0s)) == 77);
    leased<bucket>::handle mine(l);
    REQUIRE(mine.try_acquire(2, at(0s)));
    mine.release(at(0s));
    mine.release(at(0s));
    REQUIRE(shared.available(at(0s)) == 75);
    REQUIRE(mine.try_acquire(1, at(0s)));
    REQUIRE(mine.held() == 9);
    REQUIRE(mine.try_acquire(1, at(5ms) - 1ns));
    REQUIRE(mine.held() == 8);
    REQUIRE(mine.try_acquire(1, at(5ms)));  // too old: returned, and a new batch
    REQUIRE(mine.held() == 9);
    REQUIRE(shared.available(at(5ms)) == 63);
    mine.release(at(5ms));
    REQUIRE(shared.available(at(5ms)) == 72);
    REQUIRE(mine.try_acquire(8, at(6ms)));
    REQUIRE(mine.try_acquire(5, at(6ms)));  // does not fit: the rest is returned first
    REQUIRE(mine.held() == 5);
    mine.release(at(6ms));
    REQUIRE(shared.available(at(6ms)) == 59);
}

TEST_CASE("leased: a time before the lease is not served from it", "[flow][leased][unit]") {
    bucket         shared({.refill = per_second(1), .burst = 80}, manual_clock());
    leased<bucket> l(shared, {.threads = 1, .batch = 8});
    leased<bucket>::handle mine(l);
    REQUIRE(shared.drain(80, at(0s)) == 80);
    REQUIRE(mine.try_acquire(1, at(8s)).remaining == 7);
    REQUIRE_FALSE(mine.try_acquire(1, at(7s)));
    REQUIRE(mine.held() == 7);
    REQUIRE(mine.try_acquire(1, at(8s)).remaining == 6);
}

TEST_CASE("leased: what cannot be is refused by name", "[flow][leased][unit]") {
    bucket     shared({.refill = per_second(1), .burst = 80}, manual_clock());
    auto const make = [&](sluice::leased_options o) { return leased<bucket>(shared, o).batch(); };
    REQUIRE_THROWS_WITH(make({.threads = 0}), test::contains("leased: threads (> 0) is 0"));
    REQUIRE_THROWS_WITH(make({.threads = 2, .batch = 11}), test::contains("leased: batch") && test::contains("is 11"));
    REQUIRE_THROWS_WITH(make({.threads = 2, .max_age = 0s}), test::contains("leased: max_age in ns (> 0) is 0"));
    REQUIRE(make({.threads = 2, .batch = 10}) == 10);
    REQUIRE(make({.threads = 1000}) == 1);
    REQUIRE(make({.threads = UINT32_MAX, .batch = 1}) == 1);
}

TEST_CASE("leased: the bound of every window, with what waits in batches", "[flow][leased][property]") {
    std::mt19937_64 random(test::seed());
    struct entry {
        time_point    t;
        std::uint64_t n;
    };
    for (int round = 0; round < 50; ++round) {
        auto const     r = sluice::per(1, 10ns);
        auto const     age = duration(static_cast<std::int64_t>(1 + random() % 500));
        bucket         shared({.refill = r, .burst = 64}, manual_clock());
        leased<bucket> l(shared, {.threads = 4, .max_age = age});
        leased<bucket>::handle a(l), b(l), c(l), d(l);
        leased<bucket>::handle* const all[] = {&a, &b, &c, &d};
        std::vector<entry> spent;
        auto               now = at(0s);
        for (int i = 0; i < 400; ++i) {
            now += duration(static_cast<std::int64_t>(random() % 30));
            if (random() % 30 == 0) now += 400ns;
            auto const when = random() % 8 == 0 ? now - duration(static_cast<std::int64_t>(random() % 50)) : now;
            auto const n = 1 + random() % 6;
            auto&      h = *all[random() % 4];
            if (random() % 16 == 0) h.release(when);
            if (h.try_acquire(n, when)) spent.push_back({when, n});
        }
        auto const stranded = std::min<std::uint64_t>(4 * l.batch(), r.events_in(age) + 1);
        std::sort(spent.begin(), spent.end(), [](entry const& x, entry const& y) { return x.t < y.t; });
        for (std::size_t i = 0; i < spent.size(); ++i) {
            std::uint64_t sum = 0;
            for (std::size_t j = i; j < spent.size(); ++j) {
                sum += spent[j].n;
                REQUIRE(sum <= 64 + r.events_in(spent[j].t - spent[i].t) + stranded);
            }
        }
    }
}

TEST_CASE("leased: threads together spend what the limiter gives", "[flow][leased][stress]") {
    auto const                 rounds = 20'000 * test::stress_factor();
    bucket                     shared({.refill = sluice::per(1, 10ns), .burst = 1600}, manual_clock());
    leased<bucket>             l(shared, {.threads = 4, .max_age = 1us});
    std::atomic<std::uint64_t> taken = 0;
    test::run_threads(4, [&](std::size_t) {
        leased<bucket>::handle mine(l);
        std::uint64_t          mine_taken = 0;
        for (std::uint64_t i = 0; i < rounds; ++i)
            if (mine.try_acquire(1, at(duration(static_cast<std::int64_t>(i * 20))))) ++mine_taken;
        taken.fetch_add(mine_taken);
    });
    REQUIRE(taken.load() <= 1600 + rounds * 20 / 10);
    REQUIRE(taken.load() > 0);
}
