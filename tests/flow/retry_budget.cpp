// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/retry_budget.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::manual_clock;
using sluice::retry_budget;
using sluice::time_point;

namespace {

time_point at(duration d) { return time_point(d); }

template <class Budget>
int take_all(Budget& budget, time_point now, int most = 1000) {
    int n = 0;
    while (n < most && budget.try_withdraw(now)) ++n;
    return n;
}

}  // namespace

static_assert(noexcept(std::declval<retry_budget<>&>().try_withdraw()));
static_assert(!std::is_copy_constructible_v<retry_budget<>>);

TEST_CASE("retry_budget: a fifth of the requests, and ten a second", "[flow][retry_budget][unit]") {
    retry_budget budget({}, manual_clock{});
    CHECK(budget.balance() == 100);  // 10/s in 10 s
    CHECK(take_all(budget, at(0s)) == 100);
    for (int i = 0; i < 10; ++i) budget.deposit(at(0s));
    CHECK(budget.balance() == 2);
    CHECK(take_all(budget, at(0s)) == 2);
    CHECK_FALSE(budget.try_withdraw());
    CHECK(budget.deposits() == 10);
    CHECK(budget.withdrawals() == 102);
}

TEST_CASE("retry_budget: one in a hundred needs a hundred requests first", "[flow][retry_budget][unit]") {
    retry_budget budget({.ratio = .01, .reserve = std::nullopt, .ttl = 10s}, manual_clock{});
    for (int i = 0; i < 100; ++i) {
        REQUIRE_FALSE(budget.try_withdraw(at(i * 90ms)));
        budget.deposit(at(i * 90ms));
    }
    CHECK(budget.try_withdraw(at(9s)));
    CHECK_FALSE(budget.try_withdraw(at(9s)));
    // The same a little slower: the first ones are forgotten before the last ones come.
    retry_budget slow({.ratio = .01, .reserve = std::nullopt, .ttl = 10s}, manual_clock{});
    for (int i = 0; i < 1000; ++i) {
        slow.deposit(at(i * 110ms));
        REQUIRE_FALSE(slow.try_withdraw(at(i * 110ms)));
    }
}

TEST_CASE("retry_budget: the cost of a retry is a whole number, rounded down", "[flow][retry_budget][unit]") {
    for (auto [ratio, deposits, retries] : {std::tuple<double, int, int>{.3, 10, 3}, {.1, 99, 9}, {.1, 100, 10}, {1, 7, 7},
                                            {2, 7, 14}, {1000, 2, 2000}, {.2, 4, 0}, {.2, 5, 1}}) {
        retry_budget budget({.ratio = ratio, .reserve = std::nullopt}, manual_clock{});
        for (int i = 0; i < deposits; ++i) budget.deposit();
        CHECK(take_all(budget, at(0s), 5000) == retries);
    }
    retry_budget nothing({.ratio = 0, .reserve = std::nullopt}, manual_clock{});
    retry_budget tiny({.ratio = 1e-300, .reserve = std::nullopt}, manual_clock{});
    retry_budget reserve_only({.ratio = 0, .reserve = sluice::per_second(1)}, manual_clock{});
    for (int i = 0; i < 1000; ++i) nothing.deposit(), reserve_only.deposit(), tiny.deposit();
    CHECK(take_all(nothing, at(0s)) == 0);
    CHECK(take_all(tiny, at(0s)) == 0);
    CHECK(take_all(reserve_only, at(0s)) == 10);
}

TEST_CASE("retry_budget: what is old no longer counts, on either side", "[flow][retry_budget][unit]") {
    retry_budget budget({.ratio = .1, .reserve = std::nullopt, .ttl = 10s}, manual_clock{});
    for (int i = 0; i < 100; ++i) budget.deposit(at(0s));
    CHECK(budget.balance(at(9999ms)) == 10);
    CHECK(budget.balance(at(10s)) == 0);
    CHECK_FALSE(budget.try_withdraw(at(10s)));
    for (int i = 0; i < 100; ++i) budget.deposit(at(10s));
    CHECK(take_all(budget, at(10s)) == 10);
    for (int i = 0; i < 100; ++i) budget.deposit(at(20s));
    CHECK(budget.balance(at(20s)) == 0);  // ten retries within the last ten seconds
    CHECK(budget.balance(at(21s)) == 10);
    CHECK(take_all(budget, at(21s)) == 10);
    CHECK(take_all(budget, at(500h)) == 0);
    for (int i = 0; i < 20; ++i) budget.deposit(at(500h));
    CHECK(take_all(budget, at(500h)) == 2);
}

TEST_CASE("retry_budget: no time is too far, and the past is the present", "[flow][retry_budget][unit]") {
    for (auto ttl : {duration(1ms), duration(10s), duration(1h)}) {
        retry_budget budget({.ratio = 1, .reserve = std::nullopt, .ttl = ttl}, manual_clock{});
        for (auto t : {duration(0), duration(2 * ttl), duration(24h), duration(24h * 365)}) {
            budget.deposit(at(t));
            REQUIRE(take_all(budget, at(t)) == 1);
        }
        auto const last = time_point(24h * 365);
        budget.deposit(last);
        REQUIRE(take_all(budget, at(0s)) == 1);   // an old time: as the latest
        REQUIRE(take_all(budget, time_point::min()) == 0);
        budget.deposit(time_point::min());
        REQUIRE(take_all(budget, last) == 1);
    }
    retry_budget end({.ratio = 1, .reserve = std::nullopt, .ttl = 1h}, manual_clock{});
    end.deposit(time_point::max());
    CHECK(take_all(end, time_point::max()) == 1);
    for (auto ttl : {duration(1ms), duration(10s)}) {  // in a few steps, however far
        retry_budget<manual_clock, std::atomic, 1000> far({.ratio = 1, .reserve = std::nullopt, .ttl = ttl},
                                                          manual_clock{time_point::min()});
        for (auto t : {time_point::min(), time_point(0s), time_point::max()}) {
            far.deposit(t);
            REQUIRE(far.balance(t) == 1);
            REQUIRE(take_all(far, t) == 1);
        }
    }
    retry_budget before({.ratio = 1, .reserve = std::nullopt, .ttl = 1s}, manual_clock{time_point(-1h)});
    before.deposit();
    CHECK(before.balance(at(-1h + 966ms)) == 1);
    CHECK(before.balance(at(-1h + 1s)) == 0);
    retry_budget across({.ratio = 1, .reserve = std::nullopt, .ttl = 30ms}, manual_clock{time_point(-1h)});
    across.deposit(at(-1ns));  // the last slice before zero
    CHECK(across.balance(at(29ms - 1ns)) == 1);
    CHECK(across.balance(at(29ms)) == 0);
    // A denial moves nothing, not even time.
    retry_budget denied({.ratio = 1, .reserve = std::nullopt, .ttl = 1s}, manual_clock{});
    denied.deposit(at(0s));
    CHECK_FALSE(denied.try_withdraw(at(1h)));
    CHECK(denied.try_withdraw(at(0s)));
}

TEST_CASE("retry_budget: a retry that opens a slice counts for a whole ttl from then", "[flow][retry_budget][unit]") {
    retry_budget budget({.ratio = 0, .reserve = sluice::per(1, 30ms), .ttl = 30ms}, manual_clock{});
    CHECK(budget.try_withdraw(at(100ms)));
    CHECK_FALSE(budget.try_withdraw(at(131ms - 1ns)));
    CHECK(budget.try_withdraw(at(131ms)));
    CHECK(budget.balance(at(131ms)) == 0);
    CHECK(budget.balance(at(1h)) == 1);
}

TEST_CASE("retry_budget: virtual time works with the steady clock behind it", "[flow][retry_budget][unit]") {
    retry_budget budget({.ratio = 1, .reserve = std::nullopt, .ttl = 1s});
    budget.deposit(at(5s));
    CHECK_FALSE(budget.try_withdraw(at(6s)));
    budget.deposit(at(6s));
    CHECK(budget.try_withdraw(at(6s)));
}

TEST_CASE("retry_budget: it behaves as two lists of times do", "[flow][retry_budget][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 20; ++round) {
        auto const         ratio = std::array{.1, .25, .5, 1.0, 3.0}[static_cast<std::size_t>(random() % 5)];
        auto const         reserve = random() % 4;
        auto const         cost = static_cast<std::int64_t>(1000 / ratio);
        sluice::retry_budget_options options{.ratio = ratio, .reserve = std::nullopt, .ttl = 30ms};
        if (reserve > 0) options.reserve = sluice::per(static_cast<std::int64_t>(reserve), 30ms);
        retry_budget              budget(options, manual_clock{});
        std::vector<std::int64_t> deposits;
        std::vector<std::int64_t> retries;
        std::int64_t              now = 0;
        for (int i = 0; i < 3000; ++i) {
            if (random() % 3 == 0) now += static_cast<std::int64_t>(random() % (random() % 64 == 0 ? 60'000'000 : 1'600'000));
            auto const t = time_point(duration(now));
            if (random() % 2 == 0) {
                budget.deposit(t);
                deposits.push_back(now / 1'000'000);
            }
            auto const slice = now / 1'000'000;
            auto const earned = std::count_if(deposits.begin(), deposits.end(), [&](auto s) { return s > slice - 30; });
            auto const spent = std::count_if(retries.begin(), retries.end(), [&](auto s) { return s > slice - 31; });
            auto const allowed = static_cast<std::int64_t>(reserve) + earned * 1000 / cost;
            auto const left = allowed > spent ? static_cast<std::uint64_t>(allowed - spent) : 0;
            REQUIRE(budget.balance(t) == left);
            bool const granted = budget.try_withdraw(t);
            REQUIRE(granted == (left > 0));
            // A time from the past is the latest one that was part of a success.
            if (granted) REQUIRE(budget.balance(t - 20ms) == left - 1);
            if (granted) retries.push_back(slice);
        }
    }
}

TEST_CASE("retry_budget: no span of time sees more retries than its requests paid for", "[flow][retry_budget][property]") {
    std::mt19937_64 random(test::seed() + 1);
    retry_budget    budget({.ratio = .1, .reserve = sluice::per_second(2), .ttl = 1s}, manual_clock{});
    std::vector<std::int64_t> deposits;
    std::vector<std::int64_t> retries;
    std::int64_t              now = 0;
    for (int i = 0; i < 20'000; ++i) {
        now += static_cast<std::int64_t>(random() % (i / 2000 % 2 == 0 ? 1'000'000 : 50'000'000));
        if (random() % 4 != 0) budget.deposit(time_point(duration(now))), deposits.push_back(now);
        if (budget.try_withdraw(time_point(duration(now)))) retries.push_back(now);
    }
    REQUIRE(retries.size() > 100);
    for (std::size_t last = 0; last < retries.size(); ++last) {
        auto const begin = retries[last] - 1'000'000'000;
        auto const n = retries.begin() + static_cast<std::ptrdiff_t>(last) + 1 -
                       std::upper_bound(retries.begin(), retries.end(), begin);
        auto const paid = std::upper_bound(deposits.begin(), deposits.end(), retries[last]) -
                          std::upper_bound(deposits.begin(), deposits.end(), begin);
        REQUIRE(n <= 2 + paid / 10);
    }
}

TEST_CASE("retry_budget: what cannot work is refused by name", "[flow][retry_budget][unit]") {
    constexpr auto nan = std::numeric_limits<double>::quiet_NaN();
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    for (double ratio : {-.1, 1000.5, nan, infinity, -infinity})
        CHECK_THROWS_WITH(retry_budget({.ratio = ratio}), test::contains("retry_budget: ratio"));
    for (auto ttl : {duration(0), duration(-1s), duration(999us), duration(61min), duration::max(), duration::min()})
        CHECK_THROWS_WITH(retry_budget({.ttl = ttl}), test::contains("retry_budget: ttl"));
}

TEST_CASE("retry_budget: threads never take more than there is, and all of it", "[flow][retry_budget][stress]") {
    for (std::uint64_t round = 0; round < 20 * test::stress_factor(); ++round) {
        manual_clock     clock;
        retry_budget     budget({.ratio = .5, .reserve = sluice::per_second(3), .ttl = 10s}, clock);
        std::atomic<int> granted{0};
        test::run_threads(4, [&](std::size_t) {
            for (int i = 0; i < 200; ++i) {
                budget.deposit();
                granted += budget.try_withdraw() ? 1 : 0;
            }
        });
        while (budget.try_withdraw()) ++granted;
        REQUIRE(granted == 400 + 30);
        clock.advance(11s);
        granted = 0;
        test::run_threads(4, [&](std::size_t) {  // all find that time has passed
            for (int i = 0; i < 10; ++i) granted += budget.try_withdraw() ? 1 : 0;
        });
        REQUIRE(granted == 30);
    }
}

TEST_CASE("retry_budget: not even while time goes on", "[flow][retry_budget][stress]") {
    manual_clock               clock;
    retry_budget               budget({.ratio = .25, .reserve = std::nullopt, .ttl = 10ms}, clock);
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> retries{0};
    test::run_threads(4, [&](std::size_t thread) {
        for (std::uint64_t i = 0; i < 5000 * test::stress_factor(); ++i) {
            if (thread == 0) clock.advance(100us);
            budget.deposit();
            requests.fetch_add(1);
            if (budget.try_withdraw()) retries.fetch_add(1);
        }
    });
    REQUIRE(retries > 0);
    REQUIRE(retries <= requests / 4);
}
