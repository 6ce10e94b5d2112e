// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/credit_pool.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <limits>
#include <optional>
#include <vector>

#include <sluice/core/random.hpp>

using namespace std::chrono_literals;
using sluice::credit_pool;
using sluice::credit_pool_options;
using sluice::duration;
using sluice::manual_clock;
using sluice::permit;
using sluice::time_point;

using pool_type = credit_pool<manual_clock>;
static_assert(sluice::permit_source<pool_type::session>);
static_assert(!std::is_copy_constructible_v<pool_type::session> && std::is_nothrow_move_assignable_v<pool_type::session>);

TEST_CASE("credit_pool: below the target credits are added, fractions are carried", "[flow][credit_pool][unit]") {
    manual_clock                    clock;
    pool_type                       pool({.initial = 50}, clock);
    std::vector<pool_type::session> sessions;
    for (int i = 0; i < 100; ++i) sessions.push_back(pool.open());
    for (int i = 1; i <= 50; ++i) {  // 100 sessions · .002 = .2 an rtt
        REQUIRE(pool.update(80us));
        clock.advance(10us);
        CAPTURE(i);
        REQUIRE(pool.read().credits >= 50u + static_cast<unsigned>(i - 1) / 5);
        REQUIRE(pool.read().credits <= 50u + static_cast<unsigned>(i) / 5);
    }
    REQUIRE(pool.read().credits >= 59);
    REQUIRE(pool.update(-1s));
    pool_type alone({.increase = 0.25, .initial = 50}, clock);
    REQUIRE(alone.update(0s));  // nobody is there: nothing is added
    auto const one = alone.open();
    for (int i = 1; i <= 12; ++i) {
        clock.advance(10us);
        REQUIRE(alone.update(0s));
        REQUIRE(alone.read().credits == 50u + static_cast<unsigned>(i) / 4);
    }
}

TEST_CASE("credit_pool: above the target they are taken away by how far", "[flow][credit_pool][unit]") {
    struct row {
        duration      delay;
        std::uint32_t before, after;
    };
    for (auto const& r : {row{81us, 1000, 999},            // .9999
                          row{160us, 1000, 992},           // 1 - .008
                          row{80us + 800us, 1000, 920},    // 1 - .08
                          row{80us + 4ms, 1000, 600},      // 1 - .4
                          row{1s, 1000, 500}, row{duration::max(), 1000, 500}, row{80us + 1ns, 1000, 999},
                          row{160us, 10, 9}, row{1s, 3, 1}, row{1s, 2, 1}, row{1s, 1, 1}}) {
        CAPTURE(r.delay.count(), r.before);
        pool_type pool({.initial = r.before}, manual_clock{});
        REQUIRE(pool.update(r.delay));
        REQUIRE(pool.read().credits == r.after);
    }
    pool_type least({.initial = 40, .min = 30}, manual_clock{});
    REQUIRE(least.update(1s));
    REQUIRE(least.read().credits == 30);
    pool_type most({.increase = 1e300, .initial = 40, .max = 45}, manual_clock{});
    auto      s = most.open();
    REQUIRE(most.update(0s));
    REQUIRE(most.read().credits == 45);
    REQUIRE(most.should_drop(180us + 1ns));
    REQUIRE_FALSE(most.should_drop(180us));
}

TEST_CASE("credit_pool: one change in an rtt", "[flow][credit_pool][unit]") {
    pool_type pool({.initial = 1000}, manual_clock{});
    REQUIRE(pool.update(1s, time_point(1s)));
    REQUIRE_FALSE(pool.update(1s, time_point(1s + 10us - 1ns)));
    REQUIRE_FALSE(pool.update(1s, time_point(0s)));  // stale
    REQUIRE(pool.read().credits == 500);
    REQUIRE(pool.update(1s, time_point(1s + 10us)));
    REQUIRE(pool.update(1s, time_point::max()));
    REQUIRE(pool.read().credits == 125);
    REQUIRE_FALSE(pool.update(1s, time_point(2s)));  // behind a time that was far ahead
    pool.forget_time();
    REQUIRE(pool.update(1s, time_point(2s)));
    REQUIRE_FALSE(pool.update(1s, time_point(2s)));
    REQUIRE(pool.read().credits == 62);
    pool_type early({.initial = 1000}, manual_clock{});
    REQUIRE(early.update(1s, time_point::min()));
    REQUIRE(early.update(1s, time_point::max()));
}

TEST_CASE("credit_pool: what cannot work is refused by name", "[flow][credit_pool][unit]") {
    double const bad[] = {0.0, -1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()};
    for (double const b : bad) {
        REQUIRE_THROWS_WITH(credit_pool({.increase = b}), test::contains("increase (> 0)"));
        REQUIRE_THROWS_WITH(credit_pool({.decrease = b}), test::contains("decrease (> 0)"));
    }
    REQUIRE_THROWS_WITH(credit_pool({.target = 0s}), test::contains("target (> 0 ns) is 0"));
    REQUIRE_THROWS_WITH(credit_pool({.drop = 79us}), test::contains("drop in ns (>= target) is 79000"));
    REQUIRE_THROWS_WITH(credit_pool({.rtt = -1ns}), test::contains("rtt"));
    REQUIRE_THROWS_WITH(credit_pool({.min = 0}), test::contains("min (> 0)"));
    REQUIRE_THROWS_WITH(credit_pool({.min = 9, .max = 8}), test::contains("max (>= min) is 8"));
    REQUIRE_THROWS_WITH(credit_pool({.initial = 0}), test::contains("initial (min to max) is 0"));
    REQUIRE_THROWS_AS(credit_pool({.initial = 1'000'001}), std::invalid_argument);
}

TEST_CASE("credit_pool: credits go by demand, max-min", "[flow][credit_pool][unit]") {
    manual_clock clock;
    pool_type    pool({.initial = 100, .overcommit = 0}, clock);
    auto         a = pool.open(10), b = pool.open(200), c = pool.open(35), d = pool.open(400);
    REQUIRE(a.window() == 10);  // an even split would leave 15 of its 25 unused
    REQUIRE((b.window() + d.window() == 60 && b.window() >= 27 && d.window() >= 27));
    REQUIRE((c.window() >= 30 - 1 || c.window() == 30));
    REQUIRE(pool.read().granted == 100);
    d.close();
    REQUIRE_FALSE(d);
    REQUIRE(pool.read().granted == 100);  // what a lost session had is given to others at once
    REQUIRE((a.window() == 10 && b.window() == 55 && c.window() == 35));
    b.demand(0);
    a.demand(0);
    clock.advance(10us);
    REQUIRE(pool.update(0s));
    REQUIRE((a.window() == 21 && b.window() == 21 && c.window() == 35 + 21));  // what nobody wants is spread
    REQUIRE(pool.read().sessions == 3);
}

TEST_CASE("credit_pool: with fewer credits than sessions each has its turn", "[flow][credit_pool][unit]") {
    manual_clock                    clock;
    pool_type                       pool({.initial = 2, .max = 2, .overcommit = 0}, clock);
    std::vector<pool_type::session> s;
    for (int i = 0; i < 5; ++i) s.push_back(pool.open(10));
    int had[5] = {};
    for (int round = 0; round < 50; ++round) {
        clock.advance(10us);
        (void)pool.update(0s);
        for (std::size_t i = 0; i < 5; ++i) had[i] += static_cast<int>(s[i].window());
        REQUIRE(pool.read().granted == 2);
    }
    for (int const n : had) REQUIRE(n == 20);
    pool_type over({.initial = 2, .overcommit = 1}, clock);
    s.clear();
    for (int i = 0; i < 5; ++i) s.push_back(over.open(10));
    REQUIRE(over.read().granted == 5);  // one each, whatever the pool says
    s.clear();
    REQUIRE(over.read().granted == 0);
}

TEST_CASE("credit_pool: a permit outlives its session", "[flow][credit_pool][unit]") {
    pool_type pool({.initial = 4}, manual_clock{});
    auto      a = pool.open(4);
    auto      p = a.try_acquire(), q = a.try_acquire();
    a.close();
    a.close();
    auto b = pool.open(4);  // not a's slot: that has permits out
    REQUIRE(b.window() == 4);
    REQUIRE(b.used_approx() == 0);
    p.success();
    q.drop();
    REQUIRE(b.used_approx() == 0);
    auto c = pool.open(4);  // now it may be used again
    REQUIRE(c.used_approx() == 0);
    REQUIRE(b.window() + c.window() == 4);
    c = std::move(b);
    REQUIRE(pool.read().sessions == 1);
    REQUIRE(c.window() == 4);
}

TEST_CASE("credit_pool: windows never sum to more than the pool and its over-commitment", "[flow][credit_pool][property]") {
    manual_clock                    clock;
    pool_type                       pool({.increase = 0.5, .initial = 64, .max = 200, .overcommit = 2}, clock);
    std::vector<pool_type::session> sessions;
    std::vector<permit>             permits;
    for (auto const key : test::keys(10'000, test::seed())) {
        auto const pick = [&](std::size_t n) { return static_cast<std::size_t>(key >> 16) % n; };
        switch (key % 8) {
            case 0:
                if (sessions.size() < 20) sessions.push_back(pool.open(static_cast<std::uint32_t>(pick(50))));
                break;
            case 1:
                if (sessions.empty() || key % 32 > 8) break;
                std::swap(sessions[pick(sessions.size())], sessions.back());
                sessions.pop_back();
                break;
            case 2:
                if (!sessions.empty()) sessions[pick(sessions.size())].demand(static_cast<std::uint32_t>(pick(97)));
                break;
            case 3:
                clock.advance(10us);
                (void)pool.update(duration(static_cast<std::int64_t>(pick(200'000))));
                break;
            case 4: case 5: case 6: {
                if (sessions.empty()) break;
                auto&      s = sessions[pick(sessions.size())];
                bool const free = s.used_approx() < s.window();
                auto       p = s.try_acquire();
                REQUIRE(static_cast<bool>(p) == free);
                if (p) permits.push_back(std::move(p));
                break;
            }
            default:
                if (permits.empty()) break;
                std::swap(permits[pick(permits.size())], permits.back());
                permits.pop_back();
        }
        auto const now = pool.read();
        REQUIRE(now.sessions == sessions.size());
        REQUIRE(now.granted <= now.credits + 2 * now.sessions);
        if (!sessions.empty()) REQUIRE(now.granted + sessions.size() > now.credits);  // nothing lies idle but a remainder
    }
    permits.clear();
}

TEST_CASE("credit_pool: a server under 1.4 times its load is soon back at the target", "[flow][credit_pool][law]") {
    // One request a microsecond, in order; a hundred clients, 5 us away, that give up after 400 us. Steps of 1 us.
    struct request {
        std::int64_t  sent;
        permit        credit;
    };
    struct client {
        pool_type::session       session;
        std::deque<std::int64_t> waiting;
    };
    for (auto const initial : {10u, 2000u, 1'000'000u}) {
        manual_clock                                       clock;
        pool_type                                          pool({.initial = initial}, clock);
        std::vector<client>                                clients(100);
        for (auto& c : clients) c.session = pool.open();
        std::deque<request>                                wire, queue, back;
        sluice::xoshiro256ss                               random(test::seed());
        std::int64_t                                       begin = 20'000, end = 100'000, settled = begin, done = 0,
                late = 0;
        std::size_t                                        turn = 0;
        for (std::int64_t t = 0; t < end; ++t) {
            clock.set(time_point(std::chrono::microseconds(t)));
            double const load = t < begin ? 0.7 : 1.4;
            for (double left = load; left > 0; left -= 1)
                if (sluice::uniform_real(random) < left)
                    clients[static_cast<std::size_t>(random() % 100)].waiting.push_back(t);
            turn = (turn + 1) % 100;
            for (std::size_t i = 0; i < 100; ++i) {
                auto& c = clients[(turn + i) % 100];
                while (!c.waiting.empty() && c.waiting.front() < t - 400) c.waiting.pop_front();
                while (!c.waiting.empty()) {
                    auto p = c.session.try_acquire();
                    if (!p) break;
                    wire.push_back({t, std::move(p)});
                    c.waiting.pop_front();
                }
                c.session.demand(static_cast<std::uint32_t>(c.waiting.size()));
            }
            while (!wire.empty() && wire.front().sent <= t - 5) {
                queue.push_back({t, std::move(wire.front().credit)});
                wire.pop_front();
            }
            std::int64_t delay = queue.empty() ? 0 : t - queue.front().sent;
            if (t % 10 == 0) (void)pool.update(std::chrono::microseconds(delay));
            while (!queue.empty() && pool.should_drop(std::chrono::microseconds(t - queue.front().sent))) queue.pop_front();
            if (!queue.empty()) {
                if (t >= begin + 20'000) {
                    ++done;
                    late += t - queue.front().sent > 160 ? 1 : 0;
                }
                back.push_back({t, std::move(queue.front().credit)});
                queue.pop_front();
            }
            while (!back.empty() && back.front().sent <= t - 5) back.pop_front();
            if (t >= begin && delay > 160) settled = t;
        }
        CAPTURE(initial, settled - begin, done, late, pool.read().credits);
        REQUIRE(settled - begin < 20'000);              // published: less than 20 ms
        REQUIRE(done >= 57'000);                        // 95 % of the 60 000 that it can do
        REQUIRE(late * 100 < done);
        for (auto& c : clients) c.waiting.clear();
        wire.clear();
        queue.clear();
        back.clear();
        clients.clear();
    }
}

TEST_CASE("credit_pool: sessions come and go while others spend", "[flow][credit_pool][stress]") {
    manual_clock          clock;
    pool_type             pool({.initial = 20, .max = 40, .overcommit = 1}, clock);
    std::atomic<unsigned> spent{0}, wrong{0};
    auto const            rounds = 400 * test::stress_factor();
    test::run_threads(4, [&](std::size_t i) {
        for (std::uint64_t k = 0; k < rounds; ++k) {
            if (i == 3) {
                clock.advance(10us);
                (void)pool.update(duration(k % 3 == 0 ? 100'000 : 1'000));
                auto const now = pool.read();
                if (now.granted > now.credits + now.sessions) wrong.fetch_add(1);
                continue;
            }
            auto                s = pool.open(static_cast<std::uint32_t>(k % 7));
            std::vector<permit> held;
            for (int n = 0; n < 20; ++n) {
                auto p = s.try_acquire();
                if (!p) break;
                held.push_back(std::move(p));
            }
            spent.fetch_add(static_cast<unsigned>(held.size()));
            s.demand(3);
            if (k % 2 == 0) s.close();  // the permits end after their session
        }
    });
    REQUIRE(wrong.load() == 0);
    REQUIRE(spent.load() > 0);
    REQUIRE(pool.read().sessions == 0);
    auto s = pool.open(1000);
    REQUIRE(s.window() == pool.read().credits);
    REQUIRE(s.used_approx() == 0);
}
