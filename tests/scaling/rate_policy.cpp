// SPDX-License-Identifier: BSL-1.0
#include <sluice/scaling/rate_policy.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::rate_direction;
using sluice::rate_kind;
using sluice::rate_policy;
using sluice::rate_policy_options;
using sluice::rate_rule;
using sluice::rate_select;
using sluice::scaling_limit;
using sluice::time_point;

namespace {

rate_rule count(std::uint32_t n, duration period = 60s) { return {rate_kind::count, n, period}; }
rate_rule percent(std::uint32_t n, duration period = 60s) { return {rate_kind::percent, n, period}; }

using rules = std::vector<rate_rule>;

std::uint32_t once(std::uint32_t current, std::uint32_t desired, rules r, rate_select s = rate_select::max) {
    rate_direction const d{std::move(r), s};
    rate_policy          p(desired > current ? rate_policy_options{.up = d} : rate_policy_options{.down = d});
    return p.limit(desired, current, time_point{}).workers;
}

/// The same after changes 60 s ago. They are told in such an order that the sizes in between are possible ones.
std::uint32_t after(std::vector<int> changes, std::uint32_t current, std::uint32_t desired, rules r) {
    rate_direction const d{r, rate_select::max};
    rate_policy          p({.up = {r, rate_select::max}, .down = d});
    std::int64_t         n = current;
    for (int const c : changes) n -= c;
    for (int const c : changes) {
        p.decided(static_cast<std::uint32_t>(n + c), static_cast<std::uint32_t>(n), time_point(1000s));
        n += c;
    }
    return p.limit(desired, current, time_point(1060s)).workers;
}

}  // namespace

TEST_CASE("rate_policy: whole numbers", "[scaling][rate_policy][unit]") {
    REQUIRE(once(3, 1000, {percent(1)}) == 4);
    REQUIRE(once(100, 1000, {percent(10)}) == 110);
    REQUIRE(once(5, 0, {percent(80)}) == 1);
    REQUIRE(once(10, 0, {percent(90)}) == 1);
    REQUIRE(once(100, 0, {percent(1)}) == 99);
    REQUIRE(once(50, 0, {percent(1)}) == 49);
    for (std::uint32_t p = 0; p <= 100; ++p)
        for (std::uint32_t n = 0; n <= 200; ++n) {
            auto const up = n + std::max((n * p + 99) / 100, p > 0 ? 1u : 0u), down = n * (100 - p) / 100;
            if (once(n, 100'000, {percent(p)}) != up) REQUIRE(once(n, 100'000, {percent(p)}) == up);
            if (n > 0 && once(n, 0, {percent(p)}) != down) REQUIRE(once(n, 0, {percent(p)}) == down);
        }
    REQUIRE(once(4'000'000'000, UINT32_MAX, {percent(UINT32_MAX)}) == UINT32_MAX);
    REQUIRE(once(4'000'000'000, 0, {percent(UINT32_MAX)}) == 0);
    REQUIRE(once(1, UINT32_MAX, {percent(UINT32_MAX)}) == 42949674);  // 1 + 42949672.95
    REQUIRE(once(4'294'967'290, UINT32_MAX, {count(UINT32_MAX)}) == UINT32_MAX);
}

TEST_CASE("rate_policy: the published cases", "[scaling][rate_policy][unit]") {
    rules const usual{count(4, 15s), percent(100, 15s)};
    REQUIRE(once(10, 50, usual) == 20);
    REQUIRE(once(1, 50, usual) == 5);
    REQUIRE(once(10, 500, {count(100), percent(100)}) == 110);
    REQUIRE(once(10, 500, {count(2), percent(100)}) == 20);
    REQUIRE(once(10, 50, {count(30)}) == 40);
    REQUIRE(once(10, 50, {percent(200)}) == 30);
    REQUIRE(once(3, 1000, {percent(700)}) == 24);
    REQUIRE(once(100, 2, {count(20), percent(1)}) == 80);
    REQUIRE(once(100, 2, {count(2), percent(1)}) == 98);
    REQUIRE(once(10, 2, {count(5)}) == 5);
    REQUIRE(once(10, 5, {percent(50)}) == 5);
    REQUIRE(once(1000, 3, {count(20)}) == 980);
    REQUIRE(once(1, 50, {count(2), percent(50)}, rate_select::min) == 2);
    REQUIRE(once(5, 1, {count(2), percent(50)}, rate_select::min) == 3);
    REQUIRE(once(10, 50, {percent(900)}, rate_select::disabled) == 10);
    REQUIRE(once(10, 5, {percent(100)}, rate_select::disabled) == 10);
    REQUIRE(once(10, 50, {}) == 50);
    REQUIRE(once(10, 0, {}) == 0);
}

TEST_CASE("rate_policy: what has been done within the period counts", "[scaling][rate_policy][unit]") {
    REQUIRE(after({1, 5, 9}, 100, 500, {count(150, 120s)}) == 235);
    REQUIRE(after({1, 5, 9}, 100, 500, {percent(200, 120s)}) == 255);
    REQUIRE(after({1, 5, 9}, 100, 500, {count(5, 120s)}) == 100);  // never below what there is
    REQUIRE(after({4, -2}, 6, 24, {percent(300, 300s)}) == 16);
    REQUIRE(after({-1, -5, -9}, 100, 2, {count(5, 120s)}) == 100);
    REQUIRE(after({-2, -4, -6}, 100, 0, {percent(50, 120s)}) == 56);
    REQUIRE(after({2, -4}, 10, 1, {percent(50, 180s)}) == 6);
    REQUIRE(after({-10, -10, -10}, 100, 0, {percent(10, 120s)}) == 100);
    REQUIRE(after({1, 5, 9}, 10, 5, {percent(1000, 120s)}) == 5);
    REQUIRE(after({1, 5, 9}, 100, 500, {count(5, 60s)}) == 105);  // exactly the period ago: over
    REQUIRE(after({1, 5, 9}, 100, 500, {count(15, 60s), count(20, 120s)}) == 115);
}

TEST_CASE("rate_policy: 100 workers a minute, and when to look again", "[scaling][rate_policy][unit]") {
    rate_policy   p({.up = {{count(100)}}});
    std::uint32_t n = 10;
    auto const    step = [&](duration t) {
        auto const answer = p.limit(1000, n, time_point(t));
        p.decided(answer.workers, n, time_point(t));
        n = answer.workers;
        return answer;
    };
    REQUIRE(step(0s) == scaling_limit{110, time_point(60s)});
    REQUIRE(step(1s) == scaling_limit{110, time_point(60s)});
    REQUIRE(step(59s) == scaling_limit{110, time_point(60s)});
    REQUIRE(step(60s) == scaling_limit{210, time_point(120s)});
    REQUIRE(step(500s) == scaling_limit{310, time_point(560s)});
    for (int t = 501; t < 1000; ++t) (void)step(t * 1s);
    REQUIRE(n == 1000);  // at 560, 620, 680, …
}

TEST_CASE("rate_policy: growth from nobody", "[scaling][rate_policy][unit]") {
    REQUIRE(once(0, 50, {percent(100)}) == 1);
    REQUIRE(once(0, 50, {percent(100), count(4)}) == 4);
    REQUIRE(once(0, 50, {percent(0)}) == 0);
}

TEST_CASE("rate_policy: a pool that did not follow, and one that somebody else changed", "[scaling][rate_policy][unit]") {
    rate_policy p({.up = {{count(10)}}, .down = {{count(10)}}});
    p.decided(20, 10, time_point(0s));
    REQUIRE(p.limit(50, 10, time_point(1s)).workers == 20);  // nothing came of it: it may ask again
    p.decided(20, 10, time_point(1s));
    REQUIRE(p.limit(50, 14, time_point(2s)).workers == 20);  // four came
    p.decided(20, 14, time_point(2s));
    REQUIRE(p.limit(50, 20, time_point(3s)).workers == 20);
    rate_policy q({.up = {{count(10)}}});
    q.decided(10, 10, time_point(0s));
    REQUIRE(q.limit(50, 16, time_point(1s)).workers == 20);  // six by somebody's hand
}

TEST_CASE("rate_policy: a time that goes back is the last one", "[scaling][rate_policy][unit]") {
    rate_policy p({.up = {{count(10)}}});
    p.decided(20, 10, time_point(100s));
    REQUIRE(p.limit(50, 20, time_point(0s)).workers == 20);
    p.decided(20, 20, time_point(0s));
    REQUIRE(p.limit(50, 20, time_point(159s)).workers == 20);
    REQUIRE(p.limit(50, 20, time_point(160s)).workers == 30);
}

TEST_CASE("rate_policy: as a naive one", "[scaling][rate_policy][property]") {
    auto const bits = test::keys(6000, test::seed());
    rules const up{count(7, 20s), percent(30, 64s)}, down{count(3, 30s), percent(20, 10s)};
    rate_policy p({.up = {up, rate_select::min}, .down = {down, rate_select::max}});
    std::deque<std::pair<time_point, std::int64_t>> changes;
    std::uint32_t n = 50;
    auto          now = time_point{};
    for (auto const b : bits) {
        now += 1s + duration(static_cast<std::int64_t>(b >> 31));
        auto const desired = static_cast<std::uint32_t>(b % 120);
        auto const begin = [&](duration period) {
            std::int64_t m = n;
            for (auto const& [t, c] : changes)
                if (now - t < period) m -= c;
            return std::max<std::int64_t>(m, 0);
        };
        std::int64_t expected = desired;
        if (desired > n) {
            auto const m = begin(64s);
            auto const most = std::max<std::int64_t>(n, std::min(begin(20s) + 7, m + std::max<std::int64_t>(1, (m * 30 + 99) / 100)));
            expected = std::min(expected, most);
        } else if (desired < n) {
            auto const least = std::min<std::int64_t>(n, std::min(begin(30s) - 3, begin(10s) * 80 / 100));
            expected = std::max(expected, least);
        }
        auto const answer = p.limit(desired, n, now).workers;
        REQUIRE(answer == expected);
        p.decided(answer, n, now);
        changes.emplace_back(now, std::int64_t{answer} - n);
        n = answer;
        while (changes.size() > 100) changes.pop_front();
    }
}

TEST_CASE("rate_policy: options that cannot work", "[scaling][rate_policy][unit]") {
    REQUIRE_THROWS_AS(rate_policy({.up = {{count(1, 0s)}}}), std::invalid_argument);
    REQUIRE_THROWS_AS(rate_policy({.down = {{percent(1, -1s)}}}), std::invalid_argument);
}
