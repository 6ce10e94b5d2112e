// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/lease_table.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sluice::fence;
using sluice::lease_status;
using sluice::lease_table;
using sluice::manual_clock;
using sluice::time_point;

namespace {

time_point at(sluice::duration d) { return time_point(d); }

using table = lease_table<std::string, manual_clock>;

}  // namespace

TEST_CASE("lease_table: one holder at a time, until the lease is over to the nanosecond", "[flow][lease_table][unit]") {
    table      leases({.ttl = 10s});
    auto const a = leases.acquire("job", at(0s));
    REQUIRE(a);
    REQUIRE(a.status == lease_status::granted);
    REQUIRE(a.expires == at(10s));
    auto const b = leases.acquire("job", at(4s));
    REQUIRE_FALSE(b);
    REQUIRE(b.status == lease_status::held);
    REQUIRE(b.retry_after == 6s);
    REQUIRE(b.token == 0);
    REQUIRE(leases.acquire("other", at(4s)).token == a.token + 1);
    REQUIRE(leases.holds("job", a.token, at(10s - 1ns)));
    REQUIRE_FALSE(leases.acquire("job", at(10s - 1ns)));
    auto const c = leases.acquire("job", at(10s));
    REQUIRE(c);
    REQUIRE(c.token > a.token);
    REQUIRE(leases.acquire("short", 1s, at(10s)).expires == at(11s));
}

TEST_CASE("lease_table: a late holder is refused by its token", "[flow][lease_table][unit]") {
    table      leases({.ttl = 10s});
    auto const a = leases.acquire("job", at(0s));
    auto const b = leases.acquire("job", at(10s));
    REQUIRE_FALSE(leases.release("job", a.token, at(11s)));
    REQUIRE(leases.renew("job", a.token, at(11s)).status == lease_status::lost);
    REQUIRE_FALSE(leases.holds("job", a.token, at(11s)));
    REQUIRE_FALSE(leases.check("job", a.token));
    REQUIRE(leases.check("job", b.token));
    REQUIRE_FALSE(leases.check("job", b.token + 1));  // never given
    REQUIRE_FALSE(leases.check("job", 0));
    REQUIRE(leases.holds("job", b.token, at(11s)));
    REQUIRE_FALSE(leases.release("no such key", b.token, at(11s)));
    REQUIRE(leases.release("job", b.token, at(11s)));
    REQUIRE_FALSE(leases.release("job", b.token, at(11s)));
    REQUIRE_FALSE(leases.check("job", b.token));
    REQUIRE(leases.acquire("job", at(11s)).token > b.token);

    // Over, and nobody has taken it: over all the same.
    auto const d = leases.acquire("x", at(20s));
    REQUIRE(leases.renew("x", d.token, at(30s)).status == lease_status::lost);
    REQUIRE_FALSE(leases.release("x", d.token, at(30s)));
    REQUIRE(leases.check("x", d.token));  // but no newer token was given
    REQUIRE(leases.sweep(at(30s)) >= 1);
    REQUIRE_FALSE(leases.check("x", d.token));
}

TEST_CASE("lease_table: renewing keeps the token and never shortens", "[flow][lease_table][unit]") {
    table      leases({.ttl = 10s});
    auto const a = leases.acquire("job", at(0s));
    auto const b = leases.renew("job", a.token, at(9s));
    REQUIRE(b);
    REQUIRE(b.token == a.token);
    REQUIRE(b.expires == at(19s));
    REQUIRE(leases.renew("job", a.token, 1s, at(10s)).expires == at(19s));
    REQUIRE(leases.renew("job", a.token, at(3s)).expires == at(20s));  // the past counts as the latest time: 10 s
    REQUIRE_FALSE(leases.acquire("job", at(20s - 1ns)));
    REQUIRE(leases.acquire("job", at(20s)));
}

TEST_CASE("lease_table: a clock that steps back neither revives nor ends a lease", "[flow][lease_table][unit]") {
    table      leases({.ttl = 10s});
    auto const a = leases.acquire("job", at(0s));
    REQUIRE_FALSE(leases.acquire("job", at(-1h)));
    REQUIRE_FALSE(leases.holds("job", a.token, at(10s)));
    REQUIRE_FALSE(leases.holds("job", a.token, at(1s)));
    auto const b = leases.acquire("job", at(1s));
    REQUIRE(b.expires == at(20s));
    REQUIRE(leases.acquire("far", sluice::duration::max(), at(30s)).expires == time_point::max());
    REQUIRE(leases.acquire("far", at(40s)).status == lease_status::held);
}

TEST_CASE("lease_table: at most one grant per key and interval", "[flow][lease_table][unit]") {
    table      leases({.ttl = 2s, .min_interval = 10s});
    auto const a = leases.acquire("miss", at(0s));
    REQUIRE(a);
    REQUIRE(leases.acquire("miss", at(1s)).status == lease_status::held);
    REQUIRE(leases.release("miss", a.token, at(1s)));
    auto const b = leases.acquire("miss", at(1s));
    REQUIRE(b.status == lease_status::too_soon);
    REQUIRE(b.retry_after == 9s);
    REQUIRE_FALSE(leases.holds("miss", a.token, at(1s)));
    REQUIRE_FALSE(leases.check("miss", a.token));
    REQUIRE(leases.sweep(at(10s - 1ns)) == 0);
    REQUIRE(leases.acquire("miss", at(10s)));
}

TEST_CASE("lease_table: herds of misses become a trickle", "[flow][lease_table][law]") {
    // 17 000 misses a second over 13 000 keys, whose fillers are done at once: no more than 1300 a second may fill.
    constexpr std::uint64_t          keys = 13'000, per_second = 17'000, seconds = 30;
    lease_table<std::uint64_t, manual_clock> leases({.ttl = 1s, .min_interval = 10s});
    std::uint64_t                    granted = 0;
    auto const                       words = test::keys(static_cast<std::size_t>(per_second * seconds), test::seed());
    std::map<std::uint64_t, time_point> last;
    bool                             apart = true;
    for (std::uint64_t i = 0; i < per_second * seconds; ++i) {
        auto const now = at(std::chrono::nanoseconds(1'000'000'000 * i / per_second));
        auto const key = words[static_cast<std::size_t>(i)] % keys;
        auto const l = leases.acquire(key, now);
        if (!l) continue;
        ++granted;
        if (auto const before = last.find(key); before != last.end()) apart = apart && now - before->second >= 10s;
        last[key] = now;
        static_cast<void>(leases.release(key, l.token, now));
    }
    REQUIRE(apart);
    REQUIRE(granted <= keys * (seconds / 10));
    REQUIRE(granted > keys * (seconds / 10) / 2);
}

TEST_CASE("lease_table: memory is bounded, and dead leases make room", "[flow][lease_table][unit]") {
    lease_table<int, manual_clock> leases({.ttl = 10s, .capacity = 3});
    REQUIRE(leases.acquire(1, 5s, at(0s)));
    REQUIRE(leases.acquire(2, at(0s)));
    REQUIRE(leases.acquire(3, at(0s)));
    auto const full = leases.acquire(4, at(2s));
    REQUIRE(full.status == lease_status::full);
    REQUIRE(full.retry_after == 3s);
    REQUIRE(leases.acquire(1, at(2s)).status == lease_status::held);
    REQUIRE(leases.acquire(4, at(5s)));
    REQUIRE(leases.size() == 3);
    REQUIRE(leases.sweep(at(10s)) == 2);
    REQUIRE(leases.size() == 1);
}

TEST_CASE("lease_table: tokens begin where they are told and do not wrap", "[flow][lease_table][unit]") {
    table leases({.first_token = UINT64_MAX});
    REQUIRE(leases.acquire("a", at(0s)).token == UINT64_MAX);
    REQUIRE(leases.acquire("b", at(0s)).status == lease_status::full);
    REQUIRE(leases.acquire("a", at(1h)).status == lease_status::full);
}

TEST_CASE("lease_table: options that cannot work are refused by name", "[flow][lease_table][unit]") {
    REQUIRE_THROWS_WITH(table({.ttl = 0s}), test::contains("lease_table: ttl"));
    REQUIRE_THROWS_WITH(table({.min_interval = -1ns}), test::contains("min_interval"));
    REQUIRE_THROWS_WITH(table({.capacity = 0}), test::contains("capacity"));
    REQUIRE_THROWS_WITH(table({.first_token = 0}), test::contains("first_token"));
    table leases;
    REQUIRE_THROWS_AS(leases.acquire("x", 0s, at(0s)), std::invalid_argument);
    REQUIRE_THROWS_AS(leases.renew("x", 1, -1s, at(0s)), std::invalid_argument);
    REQUIRE_THROWS_WITH(fence<int>({.capacity = 0}), test::contains("fence: capacity"));
}

TEST_CASE("lease_table: random operations agree with a simple model", "[flow][lease_table][property]") {
    struct held {
        std::uint64_t token = 0;
        time_point    expires{}, next{};
    };
    constexpr auto        gap = 15ns;
    constexpr std::size_t capacity = 5;
    lease_table<int, manual_clock> leases({.ttl = 20ns, .min_interval = gap, .capacity = capacity});
    std::map<int, held>   model;
    std::vector<std::pair<int, std::uint64_t>> given{{0, 0}};
    time_point            now(1us), latest = time_point::min();
    std::uint64_t         last_token = 0;
    for (auto const w : test::keys(30'000, test::seed())) {
        now += std::chrono::nanoseconds(static_cast<int>((w >> 8) % 7) - 2);
        if (latest < now) latest = now;
        auto const dead = [&](held const& h) { return latest >= h.expires && latest >= h.next; };
        auto const ttl = std::chrono::nanoseconds(1 + (w >> 16) % 30);
        auto const recent = static_cast<std::size_t>((w >> 24) % (given.size() < 12 ? given.size() : 12));
        auto const [key, token] = given[given.size() - 1 - recent];
        auto const m = model.find(key);
        bool const current = m != model.end() && token != 0 && m->second.token == token && latest < m->second.expires;
        if (w % 4 == 0) {
            auto const wanted = static_cast<int>((w >> 32) % 8);
            auto       h = model.find(wanted);
            auto const l = leases.acquire(wanted, ttl, now);
            if (h != model.end() && latest < h->second.expires) {
                REQUIRE(l.status == lease_status::held);
                REQUIRE(l.retry_after == h->second.expires - latest);
            } else if (h != model.end() && latest < h->second.next) {
                REQUIRE(l.status == lease_status::too_soon);
                REQUIRE(l.retry_after == h->second.next - latest);
            } else {
                std::size_t alive = 0;
                for (auto const& [k, v] : model) alive += dead(v) ? 0 : 1;
                REQUIRE((l.status == lease_status::full) == (alive >= capacity));
                if (l) {
                    REQUIRE(l.token > last_token);
                    last_token = l.token;
                    model[wanted] = {l.token, latest + ttl, latest + gap};
                    given.emplace_back(wanted, l.token);
                }
            }
        } else if (w % 4 == 1) {
            REQUIRE(leases.release(key, token, now) == current);
            if (current) m->second = {0, latest, m->second.next};
        } else if (w % 4 == 2) {
            auto const l = leases.renew(key, token, ttl, now);
            REQUIRE(static_cast<bool>(l) == current);
            if (current) {
                if (m->second.expires < latest + ttl) m->second.expires = latest + ttl;
                REQUIRE(l.expires == m->second.expires);
            }
        } else {
            REQUIRE(leases.holds(key, token, now) == current);
            if (w % 64 == 3) leases.sweep(now);
        }
        REQUIRE(leases.size() <= capacity);
    }
    REQUIRE(last_token > 1000);
}

TEST_CASE("lease_table: threads never hold one key together, and tokens are never doubled", "[flow][lease_table][stress]") {
    manual_clock                   clock;
    lease_table<int, manual_clock> leases({.ttl = 1h, .capacity = 16}, clock);
    std::array<std::atomic<int>, 4> inside{};
    std::atomic<int>               overlaps{0}, lost{0};
    constexpr std::size_t          threads = 4;
    std::array<std::vector<std::uint64_t>, threads> tokens;
    auto const                     rounds = static_cast<std::size_t>(2000 * test::stress_factor());
    test::run_threads(threads, [&](std::size_t t) {
        for (auto const w : test::keys(rounds, test::seed() + t)) {
            auto const key = static_cast<int>(w % 4);
            auto const l = leases.acquire(key);
            if (!l) continue;
            tokens[t].push_back(l.token);
            auto& here = inside[static_cast<std::size_t>(key)];
            if (here.fetch_add(1) != 0) overlaps.fetch_add(1);
            if (!leases.holds(key, l.token)) lost.fetch_add(1);
            here.fetch_sub(1);
            if (!leases.release(key, l.token)) lost.fetch_add(1);
        }
    });
    REQUIRE(overlaps.load() == 0);
    REQUIRE(lost.load() == 0);
    std::vector<std::uint64_t> all;
    bool                       rising = true;
    for (auto const& of_one : tokens)
        for (std::size_t i = 0; i < of_one.size(); ++i) {
            if (i > 0 && of_one[i] <= of_one[i - 1]) rising = false;
            all.push_back(of_one[i]);
        }
    std::sort(all.begin(), all.end());
    REQUIRE(rising);
    REQUIRE(std::adjacent_find(all.begin(), all.end()) == all.end());
    REQUIRE(!all.empty());
    REQUIRE(all.back() == all.size());
}

TEST_CASE("fence: a token below the highest seen is refused", "[flow][lease_table][unit]") {
    fence<std::string> disk;
    REQUIRE(disk.check("file", 33));
    REQUIRE(disk.check("file", 33));  // the same holder writes again
    REQUIRE(disk.check("file", 34));
    REQUIRE_FALSE(disk.check("file", 33));
    REQUIRE(disk.check("other", 1));
    REQUIRE_FALSE(disk.check("none", 0));
    REQUIRE(disk.check("top", UINT64_MAX));
    REQUIRE_FALSE(disk.check("top", UINT64_MAX - 1));
}

TEST_CASE("fence: bounded, it may refuse too much but never too little", "[flow][lease_table][property]") {
    fence<std::uint64_t>                   disk({.capacity = 8});
    std::map<std::uint64_t, std::uint64_t> highest;
    int                                    accepted = 0, needlessly = 0;
    std::uint64_t                          top = 0;
    for (auto const w : test::keys(20'000, test::seed())) {
        auto const key = w % 20;
        auto const token = (w >> 32) % 4 != 0 ? ++top : (top > 30 ? top - (w >> 40) % 30 : top);  // mostly new, some late
        bool const right = token != 0 && token >= highest[key];
        bool const said = disk.check(key, token);
        REQUIRE((right || !said));
        if (said) highest[key] = token;
        accepted += said ? 1 : 0;
        needlessly += right && !said ? 1 : 0;
        if (right && !said) REQUIRE(token < top);  // a new token is always let in
        REQUIRE(disk.size() <= 8);
    }
    REQUIRE(accepted > 10'000);
    REQUIRE(needlessly > 0);
}
