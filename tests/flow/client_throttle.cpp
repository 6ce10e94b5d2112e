// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/client_throttle.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <deque>
#include <limits>
#include <optional>
#include <utility>

using namespace std::chrono_literals;
using sluice::accept_rate_throttle;
using sluice::client_throttle;
using sluice::client_throttle_options;
using sluice::manual_clock;
using sluice::refusal_probability;
using sluice::time_point;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

/// Gives the same number again and again.
struct constant {
    using result_type = std::uint64_t;
    std::uint64_t value = 0;
    std::uint64_t operator()() const noexcept { return value; }
    static constexpr std::uint64_t min() noexcept { return 0; }
    static constexpr std::uint64_t max() noexcept { return UINT64_MAX; }
};
constant always_low{0}, always_high{UINT64_MAX};

}  // namespace

TEST_CASE("client_throttle: the published numbers", "[flow][client_throttle][unit]") {
    struct row {
        std::uint64_t           requests, accepts;
        client_throttle_options options;
        double                  p;
    };
    auto const sre = [](double k) { return client_throttle_options{.multiplier = k}; };
    auto const capped = [](double threshold, double cap) {
        return client_throttle_options{.multiplier = 1 / threshold, .max_probability = cap};
    };
    for (auto const& r : {row{100, 50, sre(2), 0}, row{100, 40, sre(2), 0.198020}, row{100, 0, sre(2), 0.990099},
                          row{100, 90, sre(1.1), 0.009901}, row{0, 0, sre(2), 0}, row{10, 100, sre(2), 0},
                          row{100, 80, client_throttle_options::envoy(), 0.156331},
                          row{100, 80, client_throttle_options::envoy(0.95, 2), 0.395388},
                          row{100, 50, client_throttle_options::envoy(), 0.468994},
                          row{100, 50, client_throttle_options::envoy(0.95, 2), 0.684832},
                          row{100, 0, client_throttle_options::envoy(), 0.8}, row{100, 0, capped(0.95, 1), 0.990099},
                          row{120, 90, capped(0.9, 0.9), 0.165289}, row{1, 0, capped(0.9, 0.9), 0.5},
                          row{200, 50, capped(0.9, 0.9), 0.718629}, row{1000, 10, capped(0.9, 0.8), 0.8}}) {
        CAPTURE(r.requests, r.accepts, r.options.multiplier, r.options.aggression);
        REQUIRE(refusal_probability(r.requests, r.accepts, r.options) == Approx(r.p).margin(5e-7));
    }
    REQUIRE(refusal_probability(UINT64_MAX, 0, {}) <= 1);
    REQUIRE(refusal_probability(UINT64_MAX, UINT64_MAX, {}) == 0);
}

TEST_CASE("client_throttle: the window's counts lead to the same numbers", "[flow][client_throttle][unit]") {
    manual_clock    clock;
    client_throttle t({}, clock);
    for (int i = 0; i < 100; ++i) REQUIRE(t.try_send(always_high));
    for (int i = 0; i < 40; ++i) t.accepted();
    REQUIRE(t.probability() == Approx(0.198020).margin(5e-7));
    REQUIRE(t.counted().requests == 100);
    REQUIRE_FALSE(t.try_send(always_low));
    REQUIRE(t.counted().requests == 101);  // one that was not sent is a request, too
    REQUIRE(t.probability() == Approx(21.0 / 102));
}

TEST_CASE("client_throttle: a request counts when it is sent", "[flow][client_throttle][unit]") {
    client_throttle t({}, manual_clock{});
    for (int i = 0; i < 9; ++i) REQUIRE(t.try_send(always_high));  // a server that hangs answers nothing
    REQUIRE(t.probability() == Approx(0.9));
}

TEST_CASE("client_throttle: what was refused need not count", "[flow][client_throttle][unit]") {
    auto options = client_throttle_options::envoy();
    options.window = 120s;
    client_throttle t(options, manual_clock{});
    for (int i = 0; i < 100; ++i) REQUIRE(t.try_send(always_high));
    REQUIRE(t.probability() == 0.8);
    REQUIRE_FALSE(t.try_send(always_low));
    REQUIRE(t.counted().requests == 100);
}

TEST_CASE("client_throttle: old requests are forgotten with their bucket", "[flow][client_throttle][unit]") {
    manual_clock    clock;
    client_throttle t({.window = 120s, .buckets = 24}, clock);
    for (int i = 0; i < 10; ++i) (void)t.try_send(always_high);
    clock.advance(119s);
    REQUIRE(t.probability() == Approx(10.0 / 11));
    (void)t.try_send(always_high);
    clock.advance(1s);
    REQUIRE(t.probability() == Approx(1.0 / 2));
    REQUIRE(t.counted().requests == 11);  // a look changes nothing
    clock.advance(1000h);
    REQUIRE(t.probability() == 0);
    REQUIRE(t.try_send(always_low));
    REQUIRE(t.counted().requests == 1);
}

TEST_CASE("client_throttle: a stale time counts as the newest", "[flow][client_throttle][unit]") {
    client_throttle t({.window = 10s, .buckets = 10}, manual_clock{});
    (void)t.try_send(always_high, time_point(100s));
    (void)t.try_send(always_high, time_point(1s));
    t.accepted(time_point::min());
    REQUIRE(t.counted().requests == 2);
    REQUIRE(t.counted().accepts == 1);
    (void)t.try_send(always_high, time_point(109s));
    REQUIRE(t.counted().requests == 3);
    (void)t.try_send(always_high, time_point(110s));
    REQUIRE(t.counted().requests == 2);  // the two of 100 s went together
    (void)t.try_send(always_high, time_point::max());
    REQUIRE(t.counted().requests == 1);
    client_throttle early({.window = 10s, .buckets = 10}, manual_clock{});
    (void)early.try_send(always_high, time_point::min());
    (void)early.try_send(always_high, time_point(-1ns));
    REQUIRE(early.counted().requests == 1);
    (void)early.try_send(always_high, time_point(0ns));
    REQUIRE(early.counted().requests == 2);
    (void)early.try_send(always_high, time_point::max());
    REQUIRE(early.counted().requests == 1);
}

TEST_CASE("client_throttle: a time far ahead holds until clear", "[flow][client_throttle][unit]") {
    manual_clock    clock;
    client_throttle t({.window = 10s, .buckets = 10}, clock);
    (void)t.try_send(always_high, time_point::max());
    for (int i = 0; i < 9; ++i) (void)t.try_send(always_high);
    clock.advance(1h);
    REQUIRE(t.probability() == Approx(10.0 / 11));
    t.clear();
    REQUIRE(t.counted().requests == 0);
    t.accepted();
    (void)t.try_send(always_high);
    clock.advance(10s);
    REQUIRE(t.try_send(always_low));
    REQUIRE((t.counted().requests == 1 && t.counted().accepts == 0));
    accept_rate_throttle a({.window = 10s, .floor = std::nullopt}, clock);
    for (int i = 0; i < 3; ++i) a.answered(false, time_point::max());
    REQUIRE(a.accept_rate() == 0.25);
    a.clear();
    REQUIRE(a.accept_rate() == 1);
    a.answered(false);
    clock.advance(10s);
    a.answered(true);
    REQUIRE(a.accept_rate() == Approx((std::exp(-1.0) + 1) / (2 * std::exp(-1.0) + 1)));
}

TEST_CASE("client_throttle: below the floor everything is sent", "[flow][client_throttle][unit]") {
    manual_clock    clock;
    client_throttle t({.floor = sluice::per_second(5)}, clock);
    for (int i = 0; i < 4; ++i) REQUIRE(t.try_send(always_low));  // four in the first second
    REQUIRE(t.probability() == 0);
    REQUIRE(t.try_send(always_low));
    REQUIRE(t.probability() == Approx(5.0 / 6));
    REQUIRE_FALSE(t.try_send(always_low));
    clock.advance(10s);
    REQUIRE(t.probability() == 0);  // six in ten seconds
    clock.advance(1000h);  // an idle time does not make the rate small
    for (int i = 0; i < 5; ++i) REQUIRE(t.try_send(always_low));
    REQUIRE_FALSE(t.try_send(always_low));
    client_throttle some({.min_requests = 10}, clock);
    for (int i = 0; i < 10; ++i) REQUIRE(some.try_send(always_low));
    REQUIRE_FALSE(some.try_send(always_low));
}

TEST_CASE("client_throttle: what cannot work is refused by name", "[flow][client_throttle][unit]") {
    for (double const bad : {0.0, 0.99, -1.0, infinity, no_number}) {
        CAPTURE(bad);
        REQUIRE_THROWS_WITH(client_throttle({.multiplier = bad}), test::contains("multiplier (>= 1)"));
        REQUIRE_THROWS_WITH(client_throttle({.aggression = bad}), test::contains("aggression (>= 1)"));
    }
    for (double const bad : {0.0, 1.01, -1.0, infinity, no_number}) {
        CAPTURE(bad);
        REQUIRE_THROWS_WITH(client_throttle({.max_probability = bad}), test::contains("max_probability in (0, 1]"));
        REQUIRE_THROWS_WITH(accept_rate_throttle({.max_probability = bad}), test::contains("max_probability in (0, 1]"));
        REQUIRE_THROWS_WITH(accept_rate_throttle({.threshold = bad}), test::contains("threshold in (0, 1]"));
    }
    REQUIRE_THROWS_AS(client_throttle(client_throttle_options::envoy(0)), std::invalid_argument);
    REQUIRE_THROWS_WITH(client_throttle({.window = 0s}), test::contains("window in ns (>= buckets) is 0"));
    REQUIRE_THROWS_WITH(client_throttle({.window = 23ns}), test::contains("is 23"));
    REQUIRE_THROWS_WITH(client_throttle({.buckets = 0}), test::contains("buckets (> 0) is 0"));
    REQUIRE_THROWS_WITH(accept_rate_throttle({.window = -1s}), test::contains("window (> 0 ns)"));
    REQUIRE_NOTHROW(client_throttle({.window = sluice::duration::max(), .buckets = 1}));
}

TEST_CASE("client_throttle: a client settles where it sends K times what is accepted", "[flow][client_throttle][law]") {
    manual_clock         clock;
    client_throttle      t({}, clock);
    sluice::xoshiro256ss random(test::seed());
    // 1000 requests a second against a server that accepts 100 of them: in the end about 200 are sent.
    int sent = 0;
    for (int second = 0; second < 400; ++second) {
        int accepted = 0;
        for (int i = 0; i < 1000; ++i) {
            clock.advance(1ms);
            if (!t.try_send(random)) continue;
            sent += second >= 300 ? 1 : 0;
            if (accepted < 100) {
                ++accepted;
                t.accepted();
            }
        }
    }
    REQUIRE(sent > 18'000);
    REQUIRE(sent < 22'000);
}

TEST_CASE("accept_rate_throttle: the published numbers", "[flow][client_throttle][unit]") {
    sluice::accept_rate_throttle_options const o;
    auto const p = [&](double rate) { return accept_rate_throttle<>::refusal_probability(rate, o); };
    REQUIRE(p(0.2) == Approx(0.6));
    REQUIRE(p(0.1) == 0.75);  // 80 % capped
    REQUIRE(p(0.5) == 0);
    REQUIRE(p(1) == 0);
    REQUIRE(p(0) == 0.75);
}

TEST_CASE("accept_rate_throttle: it follows the answers and forgets them with time", "[flow][client_throttle][unit]") {
    manual_clock         clock;
    accept_rate_throttle t({.floor = std::nullopt}, clock);
    REQUIRE(t.accept_rate() == 1);
    REQUIRE(t.try_send(always_low));
    for (int i = 0; i < 4; ++i) t.answered(false);
    REQUIRE(t.accept_rate() == Approx(0.2));
    REQUIRE_FALSE(t.try_send(always_low));
    constant just_below{static_cast<std::uint64_t>(0.61 * 0x1p64)};
    REQUIRE(t.try_send(just_below));
    clock.advance(120s);
    t.answered(true);
    REQUIRE(t.accept_rate() == Approx((std::exp(-1.0) + 1) / (5 * std::exp(-1.0) + 1)));
    t.answered(true, time_point::min());  // a stale time ages nothing
    REQUIRE(t.accept_rate() == Approx((std::exp(-1.0) + 2) / (5 * std::exp(-1.0) + 2)));
    t.answered(true);  // and leaves the newest where it was
    REQUIRE(t.accept_rate() == Approx((std::exp(-1.0) + 3) / (5 * std::exp(-1.0) + 3)));
    clock.advance(100'000h);
    t.answered(false);
    REQUIRE(t.accept_rate() < 1e-9);
    accept_rate_throttle quiet({}, clock);
    for (int i = 0; i < 100; ++i) quiet.answered(false);
    for (int i = 0; i < 4; ++i) REQUIRE(quiet.try_send(always_low));
    REQUIRE_FALSE(quiet.try_send(always_low));
}

TEST_CASE("client_throttle: it agrees with a list of events", "[flow][client_throttle][property]") {
    manual_clock                                       clock;
    client_throttle                                    t({.window = 100ns, .buckets = 10}, clock);
    std::deque<std::pair<std::int64_t, bool>>          events;  // slot of ten, request or accept
    constexpr std::int64_t                             start = -50'000;
    clock.set(time_point(sluice::duration(start)));
    std::int64_t newest = start;
    for (auto const key : test::keys(20'000, test::seed())) {
        auto const forward = static_cast<std::int64_t>(key % 64 < 60 ? key % 7 : key % 500);
        clock.advance(sluice::duration(forward - (key % 5 == 0 ? 20 : 0)));
        newest = std::max(newest, clock.now().time_since_epoch().count());
        auto const slot = static_cast<std::int64_t>(std::floor(static_cast<double>(newest) / 10));
        bool const request = (key >> 20) % 3 != 0;
        if (request)
            (void)t.try_send(always_high);
        else
            t.accepted();
        events.emplace_back(slot, request);
        while (events.front().first <= slot - 10) events.pop_front();
        std::uint64_t requests = 0;
        for (auto const& e : events) requests += e.second ? 1 : 0;
        REQUIRE(t.counted().requests == requests);
        REQUIRE(t.counted().accepts == events.size() - requests);
        auto const later = clock.now() + sluice::duration(static_cast<std::int64_t>(key >> 40) % 200);
        auto const last = std::max(slot, static_cast<std::int64_t>(
                                             std::floor(static_cast<double>(later.time_since_epoch().count()) / 10)));
        std::uint64_t left = 0, accepts = 0;
        for (auto const& e : events)
            if (e.first > last - 10) ++(e.second ? left : accepts);
        REQUIRE(t.probability(later) == refusal_probability(left, accepts, {}));
    }
}

TEST_CASE("client_throttle: no count is lost between threads", "[flow][client_throttle][stress]") {
    manual_clock               clock;
    client_throttle            t({}, clock);
    std::atomic<std::uint64_t> sent{0};
    test::run_threads(4, [&](std::size_t i) {
        sluice::xoshiro256ss random(i);
        for (int k = 0; k < 2'000; ++k) {
            if (t.try_send(random)) sent.fetch_add(1);
            if (k % 2 == 0) t.accepted();
            (void)t.probability();
        }
    });
    REQUIRE(t.counted().requests == 8'000);
    REQUIRE(t.counted().accepts == 4'000);
    REQUIRE(sent.load() > 0);
}
