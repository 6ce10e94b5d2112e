// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/keyed.hpp>

#include <sluice/flow/all_of.hpp>
#include <sluice/flow/fixed_window.hpp>
#include <sluice/flow/sliding_window_log.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
using sluice::keyed;
using sluice::time_point;
using sluice::verdict;
using sluice::verdict_kind;
using sluice::when_full;
using number = std::uint64_t;

time_point ms(std::int64_t n) { return time_point(std::chrono::milliseconds(n)); }

static_assert(sluice::limiter_part<decltype(std::declval<keyed<int, sluice::gcra<>>&>().at(1))>);
static_assert(sluice::reversible_limiter<decltype(std::declval<keyed<std::string, sluice::gcra<>>&>().at(""))>);
static_assert(sluice::limiter_part<decltype(std::declval<keyed<std::string, sluice::fixed_window<>>&>().at(""))>);
static_assert(noexcept(std::declval<keyed<int, sluice::gcra<>>&>().try_acquire(1, 1, std::declval<time_point const&>())));

/// All keys belong to the same set.
struct same_place {
    using is_avalanching = void;
    number operator()(number key) const noexcept { return key & 0xFFFF; }
};
/// A hash as bad as some of the standard's.
struct no_hash {
    number operator()(number key) const noexcept { return key; }
};
enum class color { red, green };
struct host {
    std::string name;
    bool        operator==(host const&) const = default;
};
struct host_hash {
    std::size_t operator()(host const& h) const noexcept { return std::hash<std::string>{}(h.name); }
};

}  // namespace

TEST_CASE("keyed: a sweep forgets what has been fresh for one token's time", "[flow][keyed][unit]") {
    keyed<std::string, sluice::gcra<>> k({.capacity = 10}, {.emission_interval = 1s});
    CHECK(k.try_acquire("foo", 1, ms(0)).admitted());
    CHECK(k.try_acquire("bar", 1, ms(200)).admitted());
    CHECK(k.try_acquire("baz", 1, ms(800)).admitted());
    for (auto const& [t, left] : {std::pair<std::int64_t, std::size_t>{800, 3}, {1999, 3}, {2000, 2}, {2199, 2}, {2200, 1},
                                  {2799, 1}, {2800, 0}}) {
        auto const before = k.size_approx();
        CHECK(k.sweep(ms(t)) == before - left);
        CHECK(k.size_approx() == left);
    }
}

TEST_CASE("keyed: each key has the whole limit, in the answers of gcra", "[flow][keyed][unit]") {
    keyed<number, sluice::gcra<>> k({.capacity = 100}, {.rate = sluice::per_second(1), .burst = 5});
    sluice::gcra<>                one({.rate = sluice::per_second(1), .burst = 5});
    for (auto const& [t, n] : std::vector<std::pair<std::int64_t, number>>{
             {0, 6}, {0, 1}, {0, 1}, {0, 1}, {0, 1}, {0, 1}, {0, 1}, {3000, 1}, {3100, 1}, {4000, 1}, {8000, 1}, {9500, 1},
             {9500, 0}, {9500, 2}, {9500, 5}, {15'000, 6}, {14'000, 1}}) {
        INFO(t << " " << n);
        auto const expected = one.try_acquire(n, ms(t));
        for (number key : {1u, 2u, 77u}) {
            CHECK(k.peek(key, n, ms(t)).kind == expected.kind);
            CHECK(k.try_acquire(key, n, ms(t)) == expected);
        }
    }
}

TEST_CASE("keyed: the rate is exact at any rate", "[flow][keyed][unit]") {
    for (double const per_s : {0.001, 0.7, 3.0, 3e6, 7e6, 3e8, 7e8, 1e9}) {
        keyed<int, sluice::token_bucket<>> k({.capacity = 1}, {.refill = sluice::per_second(per_s), .burst = 1});
        auto now = ms(0);
        for (int i = 0; i < 100'001; ++i) {
            auto const v = k.try_acquire(1, 1, now);
            if (!v.admitted()) {
                now += v.retry_after;
                REQUIRE(k.try_acquire(1, 1, now).admitted());
            }
        }
        auto const seconds = static_cast<double>(now.time_since_epoch().count()) / 1e9;
        CHECK(seconds * per_s == Approx(100'000).epsilon(1e-6).margin(3));
    }
}

TEST_CASE("keyed: when full it denies, shares, or forgets the oldest", "[flow][keyed][unit]") {
    for (auto const full : {when_full::deny, when_full::share_overflow, when_full::evict_oldest}) {
        keyed<int, sluice::token_bucket<>> k({.capacity = 3, .full = full}, {.refill = sluice::per_second(1), .burst = 2});
        CHECK(k.try_acquire(1, 1, ms(100)).admitted());
        CHECK(k.try_acquire(2, 2, ms(0)).admitted());
        CHECK(k.try_acquire(3, 2, ms(50)).admitted());
        auto const four = k.try_acquire(4, 2, ms(100));
        CHECK(k.size_approx() == 3);
        if (full == when_full::deny) {
            CHECK(four == verdict::later(1s, 0));  // until 1 is fresh again
            CHECK(k.try_acquire(4, 2, ms(1100)).admitted());
            CHECK(k.try_acquire(1, 1, ms(1100)).kind == verdict_kind::wait);  // no place for 1 now
        } else if (full == when_full::share_overflow) {
            CHECK(four.admitted());
            CHECK(k.try_acquire(5, 1, ms(100)) == verdict::later(1s, 0));  // 4 has taken it
            // 4 gets a place of its own, but not a second burst.
            CHECK(k.try_acquire(4, 1, ms(1100)).admitted());
            CHECK(k.try_acquire(4, 1, ms(1100)).kind == verdict_kind::wait);
        } else {
            CHECK(four.admitted());
            CHECK(k.try_acquire(2, 1, ms(100)).kind == verdict_kind::wait);  // 1 was nearer to fresh
        }
    }
}

TEST_CASE("keyed: a key that was forgotten comes back where it left, also for a time from the past", "[flow][keyed][unit]") {
    keyed<int, sluice::gcra<>> k({.capacity = 1}, {.emission_interval = 1s});
    CHECK(k.try_acquire(1, 1, ms(0)).admitted());
    CHECK(k.try_acquire(2, 1, ms(5000)).admitted());  // takes the place of 1, which was fresh at 1000
    CHECK(k.try_acquire(1, 1, ms(500)) == verdict::later(500ms, 0));
    CHECK(k.peek(1, 1, ms(500)).kind == verdict_kind::wait);
    CHECK(k.peek(1, 1, ms(1000)).admitted());
}

TEST_CASE("keyed: undo gives back under the same owner only", "[flow][keyed][unit]") {
    keyed<int, sluice::gcra<>> k({.capacity = 1, .full = when_full::evict_oldest}, {.emission_interval = 1s});
    sluice::receipt            a, b;
    CHECK(k.try_acquire(1, 1, ms(0), a).admitted());
    CHECK(k.undo(1, a) == 1);
    CHECK(k.try_acquire(1, 1, ms(0), a).admitted());
    CHECK(k.undo(2, a) == 0);
    CHECK(k.try_acquire(2, 1, ms(0)).admitted());
    CHECK(k.try_acquire(1, 1, ms(0), b).admitted());
    CHECK(k.undo(1, a) == 0);
    CHECK(k.try_acquire(1, 1, ms(0)).kind == verdict_kind::wait);
    CHECK(k.undo(1, b) == 1);
    CHECK(k.undo(1, {}) == 0);
}

TEST_CASE("keyed: a flood of keys needs no more memory", "[flow][keyed][unit]") {
    for (auto const full : {when_full::deny, when_full::share_overflow, when_full::evict_oldest}) {
        keyed<number, sluice::gcra<>> k({.capacity = 1000, .full = full}, {.emission_interval = 1s});
        auto const bytes = k.memory_bytes();
        CHECK(bytes < 1000 * 34 + 4000);
        number served = 0;
        for (number const key : test::keys(20'000, test::seed())) served += k.try_acquire(key, 1, ms(0)).admitted() ? 1 : 0;
        CHECK(k.size_approx() == 1000);
        CHECK(k.memory_bytes() == bytes);
        CHECK(served == (full == when_full::deny ? 1000u : full == when_full::share_overflow ? 1001u : 20'000u));
        served = 0;
        for (number const key : test::keys(5000, test::seed() + 1)) served += k.try_acquire(key, 1, ms(1000)).admitted() ? 1 : 0;
        CHECK(k.size_approx() == 1000);  // all were fresh at once
        CHECK(served == (full == when_full::deny ? 1000u : full == when_full::share_overflow ? 1001u : 5000u));
        CHECK(k.sweep(ms(3000)) == 1000);
        for (number const key : test::keys(1000, test::seed() + 2)) REQUIRE(k.try_acquire(key, 1, ms(3000)).admitted());
    }
}

TEST_CASE("keyed: holds as many keys as it says", "[flow][keyed][unit]") {
    for (std::size_t const capacity : {1u, 2u, 10u, 129u, 5000u}) {
        keyed<number, sluice::gcra<>> k({.capacity = capacity}, {.emission_interval = 1s});
        for (number const key : test::keys(capacity, test::seed())) REQUIRE(k.try_acquire(key, 1, ms(0)).admitted());
        for (number const key : test::keys(capacity, test::seed())) REQUIRE_FALSE(k.try_acquire(key, 1, ms(999)).admitted());
    }
}

TEST_CASE("keyed: keys that all want one place are kept apart", "[flow][keyed][unit]") {
    keyed<number, sluice::gcra<>, same_place> k({.capacity = 500}, {.emission_interval = 1s});
    for (number key = 1; key <= 128; ++key) REQUIRE(k.try_acquire(key, 1, ms(0)).admitted());
    for (number key = 1; key <= 128; ++key) REQUIRE_FALSE(k.try_acquire(key, 1, ms(0)).admitted());
    CHECK(k.try_acquire(200, 1, ms(0)) == verdict::later(1s, 0));  // as if full
    CHECK(k.try_acquire(200, 1, ms(1000) - 1ns) == verdict::later(1ns, 0));
    CHECK(k.try_acquire(200, 1, ms(1000)).admitted());  // the others are fresh exactly now
}

TEST_CASE("keyed: a bad hash of whole numbers is good enough", "[flow][keyed][unit]") {
    keyed<number, sluice::gcra<>, no_hash> k({.capacity = 5000}, {.emission_interval = 1s});
    for (number key = 0; key < 5000; ++key) REQUIRE(k.try_acquire(key, 1, ms(0)).admitted());
    for (number key = 0; key < 5000; ++key) REQUIRE_FALSE(k.try_acquire(key, 1, ms(0)).admitted());
}

TEST_CASE("keyed: any limiter with any clock, any key", "[flow][keyed][unit]") {
    sluice::manual_clock                                               clock;
    keyed<std::string, sluice::token_bucket<>>                         a({.capacity = 4}, {.refill = sluice::per_second(1)});
    keyed<int, sluice::gcra<sluice::manual_clock>>                     b({.capacity = 4}, {.emission_interval = 1s}, clock);
    keyed<std::string_view, sluice::token_bucket<sluice::manual_clock>> c({.capacity = 4}, {.refill = sluice::per_second(1)}, clock);
    keyed<color, sluice::sliding_window_log<sluice::manual_clock>>     d({.capacity = 4}, {.limit = 1, .window = 1s}, clock);
    keyed<host, sluice::gcra<sluice::manual_clock>, host_hash>         e({.capacity = 4}, {.emission_interval = 1s}, clock);
    CHECK(a.try_acquire("ann").admitted());
    CHECK(b.try_acquire(-1).admitted());
    CHECK(c.try_acquire("ann").admitted());
    CHECK(d.try_acquire(color::red).admitted());
    CHECK(e.try_acquire(host{"here"}).admitted());
    CHECK(b.try_acquire(-1) == verdict::later(1s, 0));
    CHECK(c.try_acquire(std::string("ann")) == verdict::later(1s, 0));
    CHECK(d.try_acquire(color::red) == verdict::later(1s, 0));
    CHECK(e.try_acquire(host{"here"}) == verdict::later(1s, 0));
    CHECK(d.try_acquire(color::green).admitted());
    CHECK(e.peek(host{"there"}).admitted());
    clock.advance(1s);
    CHECK(b.try_acquire(-1).admitted());
    CHECK(b.sweep() == 0);
    clock.advance(2s);
    CHECK(b.sweep() == 1);
    CHECK(b.size_approx() == 0);
}

TEST_CASE("keyed: the default hash tells keys apart, and differs by seed", "[flow][keyed][unit]") {
    sluice::keyed_hash<std::string> const text(1), other(2);
    std::vector<number>                   all;
    std::string                           s;
    for (int i = 0; i < 40; ++i, s += '\0') all.push_back(text(s));
    for (char c = 'a'; c <= 'z'; ++c) all.push_back(text(std::string(9, c)));
    std::sort(all.begin(), all.end());
    CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
    CHECK(text("ann") == text(std::string("ann")));
    CHECK(text("ann") != other("ann"));
    CHECK(sluice::keyed_hash<number>(1)(number{1} << 40) != sluice::keyed_hash<number>(1)(0));
}

TEST_CASE("keyed: sliding_window_counter, fixed_window and sliding_window_log, too", "[flow][keyed][unit]") {
    keyed<int, sluice::sliding_window_counter<>> c({.capacity = 10}, {.limit = 3, .window = 1s});
    sluice::sliding_window_counter               one({.limit = 3, .window = 1s});
    for (int t = 0; t < 5000; t += 90) {
        auto const expected = one.try_acquire(1, ms(t));
        for (int key = 0; key < 5; ++key) REQUIRE(c.try_acquire(key, 1, ms(t)) == expected);
    }
    for (auto const& [window, bits] : {std::pair<sluice::duration, int>{100ms, 12}, {1s, 14}, {60s, 17}, {1h, 20}}) {
        number const most = (number{1} << bits) - 1;
        keyed<int, sluice::sliding_window_counter<>> k({.capacity = 1}, {.limit = most, .window = window});
        CHECK(k.try_acquire(1, most, ms(-1)).remaining == 0);
        CHECK_THROWS_AS((keyed<int, sluice::sliding_window_counter<>>({.capacity = 1}, {.limit = most + 1, .window = window})),
                        std::invalid_argument);
    }
    CHECK(c.sweep(ms(5000)) == 0);
    CHECK(c.sweep(ms(6000)) == 5);

    keyed<std::string, sluice::fixed_window<>>       f({.capacity = 2}, {.limit = 1, .window = 1s});
    keyed<std::string, sluice::sliding_window_log<>> l({.capacity = 2}, {.limit = 1, .window = 1s});
    CHECK(f.try_acquire("a", 1, ms(0)).admitted());
    CHECK(l.try_acquire("a", 1, ms(0)).admitted());
    CHECK(f.try_acquire("b", 1, ms(0)).admitted());
    CHECK(l.try_acquire("b", 1, ms(0)).admitted());
    CHECK(f.try_acquire("c", 1, ms(0)).kind == verdict_kind::wait);
    CHECK(l.try_acquire("c", 1, ms(0)).kind == verdict_kind::wait);
    CHECK(l.try_acquire("a", 1, ms(999)) == verdict::later(1ms, 0));
    CHECK(l.try_acquire("c", 1, ms(1001)).admitted());  // "a" or "b" is as good as new
    CHECK(l.size_approx() == 2);
    CHECK(f.sweep(ms(1001)) == 2);
    CHECK(f.try_acquire("a", 1, ms(999)) == verdict::later(1ms, 0));  // it left at 1000
    CHECK(f.peek("a", 1, ms(999)) == verdict::later(1ms, 0));
    CHECK(f.peek("a", 1, ms(1000)).admitted());
}

TEST_CASE("keyed: impossible options are refused by name", "[flow][keyed][unit]") {
    using bucket = keyed<int, sluice::token_bucket<>>;
    auto const one = sluice::per_second(1);
    CHECK_THROWS_WITH(bucket({.capacity = 0}, {.refill = one}), test::contains("capacity") && test::contains("is 0"));
    CHECK_THROWS_WITH(bucket({.capacity = 1}, {.refill = one, .burst = 0}), test::contains("burst"));
    CHECK_THROWS_WITH(bucket({.capacity = 1}, {.refill = one, .burst = 2, .initial = 1}), test::contains("initial"));
    CHECK_THROWS_WITH(bucket({.capacity = 1}, {.refill = sluice::per_second(2'000'000'000)}), test::contains("rate"));
    CHECK_THROWS_WITH((keyed<int, sluice::gcra<>>({.capacity = 1}, {.emission_interval = 0s})), test::contains("interval"));
    CHECK_THROWS_WITH((keyed<int, sluice::sliding_window_counter<>>({.capacity = 1}, {.limit = 1u << 30, .window = 1s})),
                      test::contains("one word"));
    CHECK_THROWS_WITH((keyed<int, sluice::fixed_window<>>({.capacity = 1}, {.limit = 0, .window = 1s})), test::contains("limit"));
    for (std::size_t const absurd : {SIZE_MAX / 2, SIZE_MAX}) {
        CHECK_THROWS_AS(bucket({.capacity = absurd}, {.refill = one}), std::bad_alloc);
        CHECK_THROWS_AS((sluice::keyed_exact<int, sluice::token_bucket<>>({.capacity = absurd, .shards = 1}, {.refill = one})),
                        std::bad_alloc);
    }
}

TEST_CASE("keyed: with deny and share_overflow no key gets more than a limiter of its own gives",
          "[flow][keyed][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 40; ++round) {
        auto const           full = round % 2 == 0 ? when_full::deny : when_full::share_overflow;
        number const         burst = 1 + random() % 4;
        std::int64_t const   interval = 1 + static_cast<std::int64_t>(random() % 20);
        keyed<int, sluice::gcra<>> k({.capacity = 1 + static_cast<std::size_t>(random() % 6), .full = full},
                                     {.emission_interval = sluice::duration(interval),
                                      .burst_tolerance = sluice::duration(interval * static_cast<std::int64_t>(burst - 1))});
        std::map<int, std::int64_t> arrival;  // theoretical arrival time of each key that was ever seen
        std::int64_t                now = 0;
        for (int step = 0; step < 600; ++step) {
            now += static_cast<std::int64_t>(random() % 8) - (random() % 10 == 0 ? 25 : 0);
            auto const key = static_cast<int>(random() % 12);
            number const cost = 1 + random() % burst;
            auto const   at = time_point(sluice::duration(now));
            if (random() % 20 == 0) (void)k.sweep(at);
            sluice::receipt r;
            if (!k.try_acquire(key, cost, at, r).admitted()) continue;
            if (random() % 5 == 0 && k.undo(key, r) == cost) continue;
            auto const [it, first] = arrival.try_emplace(key, INT64_MIN / 2);
            auto const next = std::max(it->second, now) + static_cast<std::int64_t>(cost) * interval;
            REQUIRE(next - now <= static_cast<std::int64_t>(burst) * interval);
            it->second = next;
        }
    }
}

TEST_CASE("keyed_exact: agrees with one limiter for each key", "[flow][keyed][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 20; ++round) {
        sluice::keyed_exact<std::string, sluice::gcra<>> k({.capacity = 64}, {.emission_interval = 10ms, .burst_tolerance = 20ms});
        std::deque<sluice::gcra<>> models;
        for (int i = 0; i < 20; ++i) models.emplace_back(sluice::gcra_options{.emission_interval = 10ms, .burst_tolerance = 20ms});
        std::int64_t now = 0;
        for (int step = 0; step < 300; ++step) {
            now += static_cast<std::int64_t>(random() % 4);
            auto const key = static_cast<std::size_t>(random() % 20);
            auto const cost = random() % 5;
            REQUIRE(k.try_acquire(std::to_string(key), cost, ms(now)) == models[key].try_acquire(cost, ms(now)));
            if (random() % 30 == 0) (void)k.sweep(ms(now));
        }
    }
}

TEST_CASE("keyed: under churn by many threads no key is admitted twice", "[flow][keyed][stress]") {
    // Each key may have one admission per step of time; the table is much too small for all of them.
    constexpr std::size_t        keys = 64, steps = 40;
    keyed<number, sluice::gcra<>> k({.capacity = 8, .full = when_full::deny}, {.emission_interval = 10ms});
    std::vector<std::array<std::uint8_t, keys * steps>> got(4);
    test::run_threads(4, [&](std::size_t i) {
        std::mt19937_64 random(test::seed() + i);
        for (std::size_t t = 0; t < steps; ++t)
            for (int n = 0; n < 200; ++n) {
                auto const key = static_cast<std::size_t>(random() % keys);
                if (k.try_acquire(key, 1, ms(10 * static_cast<std::int64_t>(t))).admitted()) ++got[i][key * steps + t];
                if (n % 64 == 0) (void)k.sweep(ms(10 * static_cast<std::int64_t>(t)));
            }
    });
    unsigned most = 0, all = 0;
    for (std::size_t j = 0; j < keys * steps; ++j) {
        unsigned n = 0;
        for (auto const& g : got) n += g[j];
        most = std::max(most, n);
        all += n;
    }
    CHECK(most == 1);
    CHECK(all >= steps);
}
