// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/dedup_table.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using sluice::dedup_table;
using sluice::manual_clock;
using sluice::once_status;
using sluice::run_status;
using sluice::time_point;

namespace {

time_point at(sluice::duration d) { return time_point(d); }

using table = dedup_table<std::string, int, manual_clock>;

}  // namespace

TEST_CASE("dedup_table: first, in progress, done, forgotten after its ttl", "[flow][dedup_table][unit]") {
    manual_clock clock;
    table        seen({.ttl = 60s, .attempt_ttl = 5s}, clock);
    auto         first = seen.begin("pay 7");
    REQUIRE(first.status() == once_status::first);
    auto second = seen.begin("pay 7");
    REQUIRE(second.status() == once_status::waiting);
    clock.advance(1s);
    REQUIRE(first.complete(200));
    REQUIRE(second.poll() == once_status::done);
    REQUIRE(second.value() == 200);
    clock.advance(60s - 1ns);
    auto third = seen.begin("pay 7");
    REQUIRE(third.status() == once_status::done);
    REQUIRE(third.value() == 200);
    clock.advance(1ns);
    auto fourth = seen.begin("pay 7");
    REQUIRE(fourth.status() == once_status::first);
    REQUIRE(third.value() == 200);  // what was had stays
}

TEST_CASE("dedup_table: a first one that fails lets the next one try", "[flow][dedup_table][unit]") {
    table seen;
    auto  a = std::optional(seen.begin("x"));
    auto  b = seen.begin("x");
    auto  c = seen.begin("x");
    a.reset();
    REQUIRE(b.poll() == once_status::first);
    REQUIRE(c.poll() == once_status::waiting);
    REQUIRE(b.complete(1));
    REQUIRE(c.poll() == once_status::done);

    int calls = 0;
    REQUIRE_THROWS_AS(seen.run("y", [&]() -> int { throw ++calls; }), int);
    REQUIRE(*seen.run("y", [&] { return ++calls; }) == 2);
    REQUIRE(seen.run("y", [&] { return ++calls; }).status() == run_status::shared);
    REQUIRE(calls == 2);
    REQUIRE(seen.forget("y"));
    REQUIRE(*seen.run("y", [&] { return ++calls; }) == 3);
}

TEST_CASE("dedup_table: a first one that takes too long is taken for gone, and its late result is refused",
          "[flow][dedup_table][unit]") {
    manual_clock clock;
    table        seen({.ttl = 60s, .attempt_ttl = 5s}, clock);
    auto         slow = seen.begin("x", at(0s));
    auto         waits = seen.begin("x", at(1s));
    REQUIRE(waits.poll(at(5s - 1ns)) == once_status::waiting);
    REQUIRE(waits.poll(at(5s)) == once_status::first);
    REQUIRE_FALSE(slow.complete(1, at(5s)));
    REQUIRE(slow.status() == once_status::ended);
    auto third = seen.begin("x", at(6s));
    REQUIRE(third.status() == once_status::waiting);
    REQUIRE(waits.complete(2, at(7s)));
    REQUIRE(third.poll(at(7s)) == once_status::done);
    REQUIRE(third.value() == 2);

    // Nobody waits: who comes next takes over; the old one's every way to end moves nothing.
    for (int way = 0; way < 3; ++way) {
        auto const key = "y" + std::to_string(way);
        auto const begin = at(10s + way * 10s);
        auto       gone = seen.begin(key, begin);
        auto       next = seen.begin(key, begin + 5s);
        REQUIRE(next.status() == once_status::first);
        if (way == 0) REQUIRE_FALSE(gone.complete(1, begin + 6s));
        if (way == 1) REQUIRE_FALSE(gone.fail(std::make_exception_ptr(1), begin + 6s));
        if (way == 2) gone.abandon();
        auto const other = seen.begin(key, begin + 6s);
        REQUIRE(other.status() == once_status::waiting);
        REQUIRE(next.complete(way, begin + 7s));
    }
    // Nobody has taken over: what has been done counts, or it would be done again.
    auto late = seen.begin("z", at(120s));
    REQUIRE(late.complete(3, at(126s)));
    REQUIRE(seen.begin("z", at(126s)).value() == 3);
    auto swept = seen.begin("w", at(130s));
    static_cast<void>(seen.sweep(at(135s)));
    REQUIRE_FALSE(swept.complete(3, at(135s)));
    // A stale `now` revives nothing.
    auto again = seen.begin("v", at(140s));
    auto heir = seen.begin("v", at(145s));
    REQUIRE(heir.leads());
    REQUIRE_FALSE(again.complete(1, at(141s)));
}

TEST_CASE("dedup_table: a ticket got with a time ends on that time line, not on the clock's", "[flow][dedup_table][unit]") {
    manual_clock clock(at(1000h));  // far from the times that are told
    table        seen({.ttl = 60s, .attempt_ttl = 5s}, clock);
    auto         a = seen.begin("x", at(0s));
    auto         b = std::optional(seen.begin("x", at(1s)));
    auto         c = seen.begin("x", at(1s));
    REQUIRE(c.poll() == once_status::waiting);
    b.reset();  // leaves, and moves no time
    REQUIRE(c.poll() == once_status::waiting);
    REQUIRE(c.wait({.deadline = at(1000h)}) == once_status::waiting);  // a deadline counts on the clock
    REQUIRE(a.complete(7));
    REQUIRE(c.poll() == once_status::done);
    REQUIRE(seen.begin("x", at(61s - 1ns)).status() == once_status::done);
    auto next = seen.begin("x", at(61s));  // 60 s after the latest time there was
    REQUIRE(next.status() == once_status::first);
    auto waits = seen.begin("x", at(61s));
    next.abandon();
    REQUIRE(waits.poll() == once_status::first);
    REQUIRE(waits.fail(nullptr));
    REQUIRE(seen.begin("y", at(62s)).leads());
    REQUIRE(seen.begin("y", at(62s)).leads());
    REQUIRE(seen.size() == 0);

    // On the clock throughout: an attempt, its turn and its result run by it.
    auto first = seen.begin("z");
    auto second = seen.begin("z");
    clock.advance(5s);
    REQUIRE(second.wait() == once_status::first);
    REQUIRE_FALSE(first.complete(1));
    REQUIRE(second.complete(2));
    clock.advance(60s - 1ns);
    REQUIRE(seen.begin("z").status() == once_status::done);
    clock.advance(1ns);
    REQUIRE(seen.begin("z").status() == once_status::first);
}

TEST_CASE("dedup_table: a failure without an exception is one all the same", "[flow][dedup_table][unit]") {
    table seen;
    auto  a = seen.begin("x");
    auto  b = seen.begin("x");
    REQUIRE(a.fail(nullptr));
    REQUIRE(b.poll() == once_status::failed);
    REQUIRE_THROWS_AS(b.value(), std::logic_error);
    REQUIRE_THROWS_AS(b.share(), std::logic_error);
    REQUIRE_FALSE(b.fail(nullptr));
}

TEST_CASE("dedup_table: a turn that was not taken in time passes on", "[flow][dedup_table][unit]") {
    table seen({.ttl = 60s, .attempt_ttl = 5s});
    auto  a = std::optional(seen.begin("x", at(0s)));
    auto  b = seen.begin("x", at(0s));
    auto  c = seen.begin("x", at(0s));
    a->abandon(at(1s));  // b is first now, but does not look
    REQUIRE(c.poll(at(2s)) == once_status::waiting);
    REQUIRE(c.poll(at(5s)) == once_status::waiting);
    auto d = seen.begin("x", at(6s));  // b's time is over: c, who waits longest, has it
    REQUIRE(d.status() == once_status::waiting);
    REQUIRE(c.poll(at(6s)) == once_status::first);
    REQUIRE(b.poll(at(6s)) == once_status::waiting);  // and waits again
    c.abandon(at(7s));
    REQUIRE(b.poll(at(7s)) == once_status::waiting);
    d.abandon(at(7s));  // d was next
    REQUIRE(b.poll(at(7s)) == once_status::first);
    auto e = seen.begin("x", at(7s));
    REQUIRE(b.complete(8, at(7s)));
    REQUIRE(e.poll(at(7s)) == once_status::done);
    // Nobody else wanted it: then it is still b's, and its time counts from when it looked.
    auto p = std::optional(seen.begin("y", at(10s)));
    auto q = seen.begin("y", at(10s));
    p->abandon(at(10s));
    REQUIRE(q.poll(at(20s)) == once_status::first);
    REQUIRE(seen.begin("y", at(25s - 1ns)).status() == once_status::waiting);
    REQUIRE(q.complete(1, at(25s)));
    // Swept meanwhile: the ticket has ended.
    auto r = std::optional(seen.begin("z", at(30s)));
    auto s = seen.begin("z", at(30s));
    r->abandon(at(30s));
    REQUIRE(seen.sweep(at(40s)) == 1);
    REQUIRE(s.poll(at(40s)) == once_status::ended);
    // Swept while somebody waits to take over: it does not go.
    auto t = seen.begin("v", at(50s));
    auto u = seen.begin("v", at(50s));
    REQUIRE(seen.sweep(at(54s)) == 0);
    REQUIRE(seen.sweep(at(55s)) == 0);
    REQUIRE(u.poll(at(55s)) == once_status::first);
    REQUIRE_FALSE(t.complete(1, at(55s)));
}

TEST_CASE("dedup_table: who waits takes over when the time of the attempt is over, untold", "[flow][dedup_table][unit]") {
    dedup_table<int, int> seen({.attempt_ttl = 1ms});
    auto                  gone = seen.begin(1);
    auto                  waits = seen.begin(1);
    REQUIRE(waits.wait({.deadline = sluice::steady_clock().now() + 60s}) == once_status::first);
    REQUIRE(waits.complete(2));
    REQUIRE_FALSE(gone.complete(1));
}

TEST_CASE("dedup_table: when full it refuses new ids rather than forget old ones", "[flow][dedup_table][unit]") {
    table seen({.ttl = 60s, .attempt_ttl = 5s, .capacity = 3});
    REQUIRE(seen.begin("a", at(0s)).complete(1, at(0s)));
    REQUIRE(seen.begin("b", at(1s)).complete(1, at(1s)));
    auto c = seen.begin("c", at(58s));
    auto d = seen.begin("d", at(58s));
    REQUIRE(d.status() == once_status::full);
    REQUIRE(d.retry_after() == 2s);  // a's time
    REQUIRE_FALSE(d.complete(1, at(58s)));
    REQUIRE(seen.begin("a", at(59s)).status() == once_status::done);  // those it has it knows
    auto waits = seen.begin("c", at(59s));
    REQUIRE(waits.status() == once_status::waiting);
    REQUIRE(seen.begin("d", at(60s)).status() == once_status::first);  // given up at once
    REQUIRE(seen.begin("e", at(60s)).complete(5, at(60s)));
    REQUIRE(seen.size() == 3);
    // c's attempt is over at 63, but somebody waits to take it over: it does not go.
    REQUIRE(seen.begin("f", at(63s)).status() == once_status::first);  // in b's place
    REQUIRE(waits.poll(at(63s)) == once_status::first);

    // An attempt that is over and waited for does not stand in the way of one that is merely over.
    table few({.ttl = 60s, .attempt_ttl = 5s, .capacity = 2});
    auto  gone = few.begin("a", at(0s));
    auto  heir = few.begin("a", at(0s));
    auto  gone_too = few.begin("b", at(1s));
    int   told = 0;
    heir.on_change([&]() noexcept { ++told; });
    auto third = few.begin("c", at(6s));
    REQUIRE(third.status() == once_status::first);
    REQUIRE(told == 1);
    REQUIRE(heir.poll(at(6s)) == once_status::first);
    REQUIRE_FALSE(gone.complete(1, at(6s)));
    REQUIRE_FALSE(gone_too.complete(1, at(6s)));
    auto fourth = few.begin("d", at(7s));
    REQUIRE(fourth.status() == once_status::full);
    REQUIRE(fourth.retry_after() == 4s);  // both attempts end at 11

    table kind({.ttl = 60s, .attempt_ttl = 5s, .capacity = 2, .when_full = sluice::dedup_when_full::forget_oldest_done});
    REQUIRE(kind.begin("a", at(0s)).complete(1, at(0s)));
    auto b = kind.begin("b", at(1s));
    auto g = kind.begin("c", at(2s));  // a goes
    REQUIRE(g.status() == once_status::first);
    REQUIRE(kind.begin("d", at(3s)).status() == once_status::full);  // attempts never do
    REQUIRE(kind.size() == 2);
}

TEST_CASE("dedup_table: options that cannot work are refused by name", "[flow][dedup_table][unit]") {
    REQUIRE_THROWS_WITH(table({.ttl = 0s}), test::contains("dedup_table: ttl"));
    REQUIRE_THROWS_WITH(table({.attempt_ttl = -1s}), test::contains("attempt_ttl") && test::contains("-1000000000"));
    REQUIRE_THROWS_AS(table({.capacity = 0}), std::invalid_argument);
}

TEST_CASE("dedup_table: the effect happens once, whoever comes and however often", "[flow][dedup_table][stress]") {
    constexpr int              ids = 40;
    dedup_table<int, int>      seen;
    std::array<std::atomic<int>, ids> effects{};
    std::atomic<int>           wrong{0}, failures{0};
    for (std::uint64_t round = 0; round < test::stress_factor(); ++round) {
        for (auto& e : effects) e = 0;
        for (int i = 0; i < ids; ++i) seen.forget(i);
        test::run_threads(4, [&](std::size_t t) {
            for (auto const w : test::keys(400, test::seed() + t + 10 * round)) {
                auto const id = static_cast<int>(w % ids);
                try {
                    auto const r = seen.run(id, [&] {
                        if (w % 7 == 0) throw 1;  // failed before its effect
                        effects[static_cast<std::size_t>(id)].fetch_add(1);
                        return id * 2;
                    });
                    if (!r || *r != id * 2) wrong.fetch_add(1);
                } catch (int) {
                    failures.fetch_add(1);
                }
            }
        });
        for (auto const& e : effects) REQUIRE(e.load() == 1);
        REQUIRE(wrong.load() == 0);
    }
}

TEST_CASE("dedup_table: attempts that run out under load are taken over without a lost or doubled turn",
          "[flow][dedup_table][stress]") {
    manual_clock                         clock;
    dedup_table<int, int, manual_clock>  seen({.ttl = 1h, .attempt_ttl = 10ns}, clock);
    std::atomic<int>                     taken{0}, ended{0};
    auto const                           ids = static_cast<int>(40 * test::stress_factor());
    test::run_threads(4, [&](std::size_t t) {
        for (int id = 0; id < ids; ++id) {
            for (bool over = false; !over;) {
                auto ticket = seen.begin(id);
                ticket.wait();
                if (ticket.status() == once_status::done) {
                    over = true;
                } else if (ticket.leads()) {
                    clock.advance(std::chrono::nanoseconds(t % 2 == 0 ? 11 : 1));  // the even ones may be taken over
                    if (t % 2 == 0) std::this_thread::yield();
                    if (ticket.complete(id)) {
                        taken.fetch_add(1);
                        over = true;
                    }
                } else {
                    ended.fetch_add(1);
                }
                if (t % 2 == 0) std::this_thread::yield();
            }
        }
    });
    REQUIRE(taken.load() == ids);  // each result was taken exactly once
}

TEST_CASE("dedup_table: random operations agree with a simple model", "[flow][dedup_table][property]") {
    struct known {
        enum { running, done } now = running;
        time_point until{};
        int        owner = 0;
        int        result = 0;
    };
    constexpr auto  ttl = 50ns, attempt = 20ns;
    constexpr std::size_t capacity = 6;
    dedup_table<int, int, manual_clock> seen({.ttl = ttl, .attempt_ttl = attempt, .capacity = capacity});
    std::map<int, known>                model;
    struct held {
        decltype(seen.begin(0, time_point{})) ticket;
        int id;
        int number;
    };
    std::deque<held> leaders;
    int              next = 0;
    time_point       latest(1us);
    int              late_but_taken = 0, taken_over = 0;
    for (auto const w : test::keys(20'000, test::seed())) {
        auto const id = static_cast<int>((w >> 8) % 7);
        auto const step = static_cast<int>((w >> 16) % 5);
        auto const over = [&](known const& k) { return latest >= k.until; };
        if (w % 3 != 0 || leaders.empty()) {
            latest += std::chrono::nanoseconds(1 + step);  // no two attempts are due at one time
            auto t = seen.begin(id, latest);
            auto k = model.find(id);
            if (k != model.end() && over(k->second) && k->second.now == known::done) {
                model.erase(k);
                k = model.end();
            }
            if (k == model.end() && model.size() >= capacity) {  // a result that is over goes, or else an attempt
                auto goes = model.end();
                for (auto m = model.begin(); m != model.end(); ++m)
                    if (over(m->second) && (goes == model.end() || m->second.now > goes->second.now ||
                                            (m->second.now == goes->second.now && m->second.until < goes->second.until)))
                        goes = m;
                if (goes != model.end()) model.erase(goes);
            }
            if (k != model.end() && !over(k->second)) {
                REQUIRE(t.status() == (k->second.now == known::done ? once_status::done : once_status::waiting));
                if (t.status() == once_status::done) REQUIRE(t.value() == k->second.result);
            } else if (k == model.end() && model.size() >= capacity) {
                REQUIRE(t.status() == once_status::full);
                time_point first = time_point::max();
                for (auto const& [key, m] : model) first = m.until < first ? m.until : first;
                REQUIRE(t.retry_after() == first - latest);
            } else {
                REQUIRE(t.status() == once_status::first);
                taken_over += k != model.end() ? 1 : 0;
                model[id] = {known::running, latest + attempt, ++next, 0};
                leaders.push_back({std::move(t), id, next});
            }
        } else {
            auto const now = latest + std::chrono::nanoseconds(step - 2);  // sometimes backward
            if (latest < now) latest = now;
            auto mine = std::move(leaders.front());
            leaders.pop_front();
            auto const k = model.find(mine.id);
            bool const current = k != model.end() && k->second.now == known::running && k->second.owner == mine.number;
            if (w % 2 == 0) {
                REQUIRE(mine.ticket.complete(mine.number, now) == current);
                late_but_taken += current && over(k->second) ? 1 : 0;
                if (current) k->second = {known::done, latest + ttl, 0, mine.number};
            } else {
                mine.ticket.abandon(now);
                if (current) model.erase(k);
            }
        }
        REQUIRE(seen.size() == model.size());
    }
    REQUIRE(next > 1000);
    REQUIRE(late_but_taken > 10);
    REQUIRE(taken_over > 10);
    for (auto& l : leaders) l.ticket.abandon(latest);
}
