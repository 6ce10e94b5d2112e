// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/primed_cache.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using sluice::cache_status;
using sluice::manual_clock;
using sluice::primed_cache;

namespace {

/// U is the same each time: at 1 - 2^-53 or so nobody refreshes early, at 2^-53 everybody does.
struct constant {
    using result_type = std::uint64_t;
    std::uint64_t value;
    std::uint64_t operator()() noexcept { return value; }
    static constexpr std::uint64_t min() { return 0; }
    static constexpr std::uint64_t max() { return UINT64_MAX; }
};
constant never{0}, always{UINT64_MAX};

}  // namespace

TEST_CASE("primed_cache: loaded once, then a hit until its time, then renewed", "[flow][primed_cache][unit]") {
    manual_clock                              clock;
    primed_cache<std::string, int, manual_clock> cache({.ttl = 60s, .stale = 10s}, clock);
    int                                       loads = 0;
    auto const load = [&] {
        clock.advance(1s);  // how long it takes
        return ++loads;
    };
    auto r = cache.get("k", load, never);
    REQUIRE(r.status == cache_status::loaded);
    REQUIRE(*r == 1);
    clock.advance(60s - 1ns);
    r = cache.get("k", load, never);
    REQUIRE(r.status == cache_status::hit);
    clock.advance(1ns);
    r = cache.get("k", load, never);
    REQUIRE(r.status == cache_status::refreshed);
    REQUIRE(*r == 2);
    clock.advance(30s);  // early: 30 deltas before its time, by the rarest of chances
    r = cache.get("k", load, always);
    REQUIRE(r.status == cache_status::refreshed);
    REQUIRE(*r == 3);
    clock.advance(20s);  // 40 deltas before: beyond chance
    REQUIRE(cache.get("k", load, always).status == cache_status::hit);
    clock.advance(50s);  // ttl and stale are over
    r = cache.get("k", load, never);
    REQUIRE(r.status == cache_status::loaded);
    REQUIRE(*r == 4);
    REQUIRE(cache.erase("k"));
    REQUIRE_FALSE(cache.erase("k"));
    REQUIRE(cache.size() == 0);
}

TEST_CASE("primed_cache: while one renews, the others take the old value", "[flow][primed_cache][unit]") {
    manual_clock                   clock;
    primed_cache<int, int, manual_clock> cache({.ttl = 60s, .stale = 10s}, clock);
    cache.put(1, 10, 1s);  // primed
    auto const fail = []() -> int { throw std::logic_error("must not be asked"); };
    REQUIRE(*cache.get(1, fail, never) == 10);
    clock.advance(59s);
    auto const early = cache.get(
        1,
        [&] {
            auto const other = cache.get(1, fail, always);  // also a reader whom chance has chosen
            REQUIRE(other.status == cache_status::hit);
            REQUIRE(*other == 10);
            return 11;
        },
        always);
    REQUIRE(early.status == cache_status::refreshed);
    REQUIRE(*cache.get(1, fail, never) == 11);
    clock.advance(60s);
    auto const late = cache.get(
        1,
        [&] {
            auto const other = cache.get(1, fail, never);
            REQUIRE(other.status == cache_status::stale);
            REQUIRE(*other == 11);
            return 12;
        },
        never);
    REQUIRE(late.status == cache_status::refreshed);
    REQUIRE(*late == 12);
}

TEST_CASE("primed_cache: a load that throws costs nobody the old value", "[flow][primed_cache][unit]") {
    manual_clock                   clock;
    primed_cache<int, int, manual_clock> cache({.ttl = 60s, .stale = 10s}, clock);
    auto const fail = []() -> int { throw std::runtime_error("down"); };
    REQUIRE_THROWS_AS(cache.get(1, fail, never), std::runtime_error);
    cache.put(1, 5);
    clock.advance(65s);
    auto const r = cache.get(1, fail, never);
    REQUIRE(r.status == cache_status::stale);
    REQUIRE(*r == 5);
    clock.advance(5s);
    REQUIRE_THROWS_AS(cache.get(1, fail, never), std::runtime_error);
    REQUIRE(*cache.get(1, [] { return 6; }, never) == 6);
}

TEST_CASE("primed_cache: a load that fails when the old value is too old gives no old value", "[flow][primed_cache][unit]") {
    manual_clock                         clock;
    primed_cache<int, int, manual_clock> cache({.ttl = 60s, .stale = 10s}, clock);
    cache.put(1, 5);
    clock.advance(69s);
    auto const fail_after = [&](sluice::duration d) {
        return [&clock, d]() -> int {
            clock.advance(d);
            throw std::runtime_error("down");
        };
    };
    REQUIRE(*cache.get(1, fail_after(1s - 1ns), never) == 5);
    REQUIRE_THROWS_AS(cache.get(1, fail_after(1ns), never), std::runtime_error);
}

TEST_CASE("primed_cache: a load that asks for its own key is told, and does not wait for itself", "[flow][primed_cache][unit]") {
    manual_clock                         clock;
    primed_cache<int, int, manual_clock> cache({.ttl = 60s, .stale = 10s}, clock);
    auto const                           own = [&] { return *cache.get(1, [] { return 2; }, never) + 1; };
    REQUIRE_THROWS_AS(cache.get(1, own, never), std::logic_error);
    cache.put(1, 5);
    clock.advance(65s);
    REQUIRE(*cache.get(1, own, never) == 6);  // there is an old one to give
    clock.advance(65s);
    auto const too_late = [&] {
        clock.advance(10s);  // it is too old when it is asked for
        return own();
    };
    REQUIRE_THROWS_AS(cache.get(1, too_late, never), std::logic_error);
    REQUIRE(*cache.get(1, [] { return 7; }, never) == 7);  // no dead key
}

namespace {

/// Does something just before the n-th look-up of a hash from now on.
struct hooked_hash {
    struct hook {
        int                   countdown = 0;
        std::function<void()> f;
    };
    std::shared_ptr<hook> state = std::make_shared<hook>();
    std::size_t operator()(int key) const {
        if (state->countdown > 0 && --state->countdown == 0) state->f();
        return static_cast<std::size_t>(key);
    }
};

}  // namespace

TEST_CASE("primed_cache: a reader who comes to renew what was just renewed takes it", "[flow][primed_cache][unit]") {
    manual_clock                                      clock;
    hooked_hash                                       hash;
    primed_cache<int, int, manual_clock, hooked_hash> cache({.ttl = 60s, .stale = 10s}, clock, hash);
    cache.put(1, 5);
    clock.advance(65s);
    hash.state->f = [&] { cache.put(1, 6); };  // another has renewed it between look-up and turn
    hash.state->countdown = 2;
    auto const r = cache.get(1, []() -> int { throw std::logic_error("must not be asked"); }, never);
    REQUIRE(hash.state->countdown == 0);
    REQUIRE(r.status == cache_status::hit);
    REQUIRE(*r == 6);
}

TEST_CASE("primed_cache: a value made anew has its own time and cost", "[flow][primed_cache][unit]") {
    manual_clock                         clock(sluice::time_point(100s));
    primed_cache<int, int, manual_clock> cache({.ttl = 60s}, clock);
    auto const                           load = [] { return -1; };
    cache.put(1, 5, 1s);
    cache.put(1, 6);  // costs nothing: never renewed early
    clock.advance(59s);
    REQUIRE(*cache.get(1, load, always) == 6);
    clock.set(sluice::time_point(40s));  // backward: the latest time counts
    cache.put(1, 7);
    clock.set(sluice::time_point(219s - 1ns));
    REQUIRE(*cache.get(1, load, never) == 7);
    clock.advance(1ns);
    REQUIRE(*cache.get(1, load, never) == -1);
    cache.put(1, 8);
    clock.advance(60s);
    REQUIRE(*cache.get(2, load, never) == -1);  // has seen that time
    clock.advance(-30s);                        // backward revives nothing
    REQUIRE(*cache.get(1, load, never) == -1);
}

TEST_CASE("primed_cache: memory is bounded, the oldest goes first", "[flow][primed_cache][unit]") {
    manual_clock                   clock;
    primed_cache<int, int, manual_clock> cache({.ttl = 60s, .capacity = 3}, clock);
    for (int i = 0; i < 5; ++i) {
        cache.put(i, i);
        clock.advance(1s);
    }
    REQUIRE(cache.size() == 3);
    REQUIRE(cache.get(4, [] { return -1; }, never).status == cache_status::hit);
    REQUIRE(cache.get(1, [] { return -1; }, never).status == cache_status::loaded);  // 2 goes
    cache.put(3, 33);
    cache.put(5, 5);  // 4 goes: 3 was made anew
    REQUIRE(*cache.get(3, [] { return -1; }, never) == 33);
    REQUIRE(cache.get(4, [] { return -1; }, never).status == cache_status::loaded);
    REQUIRE_THROWS_WITH((primed_cache<int, int>({.ttl = 0s})), test::contains("primed_cache: ttl"));
    REQUIRE_THROWS_WITH((primed_cache<int, int>({.stale = -1s})), test::contains("stale"));
    REQUIRE_THROWS_WITH((primed_cache<int, int>({.beta = 0})), test::contains("beta"));
    REQUIRE_THROWS_WITH((primed_cache<int, int>({.capacity = 0})), test::contains("capacity"));
}

TEST_CASE("primed_cache: a stampede loads once per expiry", "[flow][primed_cache][stress]") {
    manual_clock                   clock;
    primed_cache<int, int, manual_clock> cache({.ttl = 60s, .stale = 30s}, clock);
    std::atomic<int>               loads{0}, wrong{0};
    auto const                     rounds = static_cast<int>(50 * test::stress_factor());
    for (int round = 0; round < rounds; ++round) {
        clock.advance(round % 2 == 0 ? 200s : 70s);  // gone, or merely stale
        test::run_threads(4, [&](std::size_t t) {
            sluice::xoshiro256ss random(t);
            auto const           r = cache.get(
                1,
                [&] {
                    loads.fetch_add(1);
                    std::this_thread::yield();
                    return round;
                },
                random);
            if (!r || (*r != round && (round % 2 == 0 || *r != round - 1))) wrong.fetch_add(1);
        });
        REQUIRE(loads.load() == round + 1);
        REQUIRE(wrong.load() == 0);
    }
}
