// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/circuit_breaker.hpp>

#include <sluice/flow/consecutive_failures.hpp>
#include <sluice/flow/ema_error_window.hpp>
#include <sluice/flow/time_window.hpp>

#include "support/catch.hpp"
#include "support/death.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::breaker_change;
using sluice::breaker_state;
using sluice::breaker_tally;
using sluice::circuit_breaker;
using sluice::consecutive_failures;
using sluice::count_window;
using sluice::duration;
using sluice::manual_clock;
using sluice::permit;
using sluice::time_point;
using sluice::verdict_kind;

static_assert(sluice::permit_source<circuit_breaker<>>);
static_assert(std::is_same_v<decltype(circuit_breaker({}, manual_clock{})), circuit_breaker<count_window, manual_clock>>);

namespace {

time_point at(duration d) { return time_point(d); }

template <class Breaker>
void call(Breaker& b, bool good, time_point start, duration took = 0ns) {
    auto p = b.try_acquire(start);
    REQUIRE(p);
    if (good) p.success(start + took);
    else p.drop(start + took);
}

/// A breaker that has opened at 0 s for 5 s; four probes.
struct opened {
    manual_clock                                clock;
    circuit_breaker<count_window, manual_clock> b;

    explicit opened(sluice::circuit_breaker_options o = {})
        : b((o.open_time = 5s, o.probes = 4, o.minimum_calls = 1, std::move(o)), count_window({.size = 5}), clock) {
        b.try_acquire().drop();
    }
};

}  // namespace

TEST_CASE("circuit_breaker: three failures and two successes open a window of five", "[flow][circuit_breaker][unit]") {
    circuit_breaker b({.minimum_calls = 5}, count_window({.size = 5}), manual_clock{});
    for (bool good : {false, false, false, true}) {
        call(b, good, at(0s));
        REQUIRE(b.state() == breaker_state::closed);
    }
    call(b, true, at(0s));  // the success completes the minimum
    REQUIRE(b.state() == breaker_state::open);
    auto m = b.metrics(at(1s));
    CHECK(m.tally == breaker_tally{5, 3, 0});
    CHECK(m.tally.failure_rate() == Approx(.6));
    CHECK(m.rejected == 0);
    CHECK(m.opened == 1);
    CHECK(m.open_until == at(60s));
    CHECK_FALSE(b.try_acquire(at(1s)));
    CHECK(b.metrics(at(1s)).rejected == 1);
}

TEST_CASE("circuit_breaker: slow calls open it, failed or not", "[flow][circuit_breaker][unit]") {
    circuit_breaker b({.minimum_calls = 5, .slow_call = 4s, .slow_rate = .6}, count_window({.size = 5}), manual_clock{});
    call(b, false, at(0s), 5s);
    call(b, true, at(0s), 5s);
    call(b, true, at(0s), 100ms);
    call(b, true, at(0s), 100ms);
    REQUIRE(b.state() == breaker_state::closed);
    call(b, true, at(0s), 5s);
    REQUIRE(b.state() == breaker_state::open);
    CHECK(b.metrics(at(0s)).tally == breaker_tally{5, 1, 3});

    circuit_breaker edge({.minimum_calls = 1, .slow_call = 4s, .slow_rate = 1}, manual_clock{});
    call(edge, true, at(0s), 4s);  // not longer than that
    call(edge, true, at(9s), -5s);
    CHECK(edge.metrics(at(9s)).tally.slow == 0);
    call(edge, true, at(time_point::min().time_since_epoch()), duration::max());
    CHECK(edge.metrics(at(9s)).tally.slow == 1);
}

TEST_CASE("circuit_breaker: open for five seconds, then a probe", "[flow][circuit_breaker][unit]") {
    opened o;
    CHECK(o.b.state() == breaker_state::open);
    auto const denied = o.b.try_acquire(at(3s));
    CHECK_FALSE(denied);
    CHECK(denied.why() == sluice::verdict::later(2s, 0));
    CHECK(o.b.try_acquire(at(5s - 1ns)).why().retry_after == 1ns);
    {
        opened later;
        auto const p = later.b.try_acquire(at(6s));
        CHECK(p);
        CHECK(later.b.state() == breaker_state::half_open);
        CHECK(later.b.metrics(at(6s)).tally == breaker_tally{});
    }
    CHECK(o.b.try_acquire(at(5s)));  // exactly then: retry_after told the truth
    CHECK(o.b.state() == breaker_state::half_open);
}

TEST_CASE("circuit_breaker: half open it gives so many probes and no more", "[flow][circuit_breaker][unit]") {
    opened              o;
    std::vector<permit> probes;
    for (int i = 0; i < 4; ++i) {
        probes.push_back(o.b.try_acquire(at(6s)));
        REQUIRE(probes.back());
    }
    CHECK_FALSE(o.b.try_acquire(at(6s)));
    CHECK(o.b.try_acquire(at(6s)).why() == sluice::verdict::later(5s, 0));
    probes[3].ignore();
    probes[3] = o.b.try_acquire(at(6s));
    CHECK(probes[3]);
    CHECK_FALSE(o.b.try_acquire(at(6s)));
    probes[0].success(at(6s));
    CHECK_FALSE(o.b.try_acquire(at(6s)));  // one that ended is not given again
    probes[1].success(at(6s));
    probes.pop_back();                     // a probe that tells nothing goes back
    probes.push_back(o.b.try_acquire(at(7s)));
    CHECK(probes[3]);
    probes[2].drop(at(7s));
    CHECK(o.b.state() == breaker_state::half_open);
    probes[3].success(at(7s));
    CHECK(o.b.state() == breaker_state::closed);
    CHECK(o.b.metrics(at(7s)).tally == breaker_tally{});
}

TEST_CASE("circuit_breaker: failing probes open it again, as do slow ones", "[flow][circuit_breaker][unit]") {
    for (bool slow : {false, true}) {
        opened              o({.slow_call = 4s, .slow_rate = .5});
        std::vector<permit> probes;
        for (int i = 0; i < 4; ++i) probes.push_back(o.b.try_acquire(at(6s)));
        for (std::size_t i = 0; i < 4; ++i) {
            REQUIRE(o.b.state() == breaker_state::half_open);
            if (i % 2 == 0) probes[i].success(at(7s));
            else if (slow) probes[i].success(at(11s));
            else probes[i].drop(at(7s));
        }
        REQUIRE(o.b.state() == breaker_state::open);
        CHECK(o.b.metrics().open_until == at(slow ? 16s : 12s));
    }
}

TEST_CASE("circuit_breaker: probes that never end do not hold it half open for ever", "[flow][circuit_breaker][unit]") {
    opened o({.half_open_time = 2s});
    auto   probe = o.b.try_acquire(at(6s));
    CHECK(probe);
    CHECK(o.b.try_acquire(at(8s - 1ns)));
    CHECK_FALSE(o.b.try_acquire(at(8s)));
    CHECK(o.b.state() == breaker_state::open);
    CHECK(o.b.try_acquire(at(8s)).why().retry_after == 5s);
    probe.success(at(9s));  // of an older generation
    CHECK(o.b.state() == breaker_state::open);
}

TEST_CASE("circuit_breaker: an outcome of an older generation changes nothing", "[flow][circuit_breaker][unit]") {
    manual_clock    clock;
    circuit_breaker b({.minimum_calls = 1, .probes = 2, .open_time = 5s}, count_window({.size = 5}), clock);
    auto            late_success = b.try_acquire(at(0s));
    auto            late_failure = b.try_acquire(at(0s));
    auto            late_ignored = b.try_acquire(at(0s));
    call(b, false, at(0s));
    REQUIRE(b.state() == breaker_state::open);
    auto probe = b.try_acquire(at(6s));
    late_success.success(at(6s));
    late_failure.drop(at(6s));
    late_ignored.ignore(at(6s));
    REQUIRE(b.state() == breaker_state::half_open);
    REQUIRE(b.metrics(at(6s)).tally == breaker_tally{});
    auto second = b.try_acquire(at(6s));
    CHECK(second);
    CHECK_FALSE(b.try_acquire(at(6s)));  // the ignored one gave nothing back
    probe.success(at(6s));
    second.success(at(6s));
    REQUIRE(b.state() == breaker_state::closed);
    // A probe that outlives its half-open state, across a reset.
    b.try_acquire(at(7s)).drop(at(7s));
    REQUIRE(b.state() == breaker_state::open);
    auto old = b.try_acquire(at(20s));
    b.reset();
    old.drop(at(20s));
    CHECK(b.state() == breaker_state::closed);
    CHECK(b.metrics(at(20s)).tally == breaker_tally{});
}

TEST_CASE("circuit_breaker: the open time doubles from 100 ms to 30 s, and 30 quiet seconds end that",
          "[flow][circuit_breaker][unit]") {
    circuit_breaker b({.minimum_calls = 1, .probes = 1, .open_time = 100ms, .open_factor = 2, .max_open_time = 30s,
                       .quiet_time = 30s},
                      count_window({.size = 1}), manual_clock{});
    auto now = at(0s);
    for (auto expected : {100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 6400ms, 12800ms, 25600ms, 30000ms, 30000ms}) {
        call(b, false, now);
        REQUIRE(b.metrics(now).open_until == now + expected);
        now += expected;
        call(b, true, now);
        REQUIRE(b.state() == breaker_state::closed);
        now += 29s;
    }
    now += 1s;
    call(b, false, now);
    CHECK(b.metrics(now).open_until == now + 100ms);
    now += 100ms;
    call(b, false, now);  // the probe fails: not even closed in between
    CHECK(b.metrics(now).open_until == now + 200ms);
    now += 10h;           // nobody asked; open is not quiet
    call(b, false, now);
    CHECK(b.metrics(now).open_until == now + 400ms);
    b.reset();
    call(b, false, now);
    CHECK(b.metrics(now).open_until == now + 100ms);
}

TEST_CASE("circuit_breaker: the open time may be spread", "[flow][circuit_breaker][unit]") {
    std::vector<duration> seen;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        circuit_breaker b({.minimum_calls = 1, .open_time = 1s, .open_jitter = sluice::jitter::proportional(.2), .seed = seed},
                          manual_clock{});
        call(b, false, at(0s));
        seen.push_back(b.metrics(at(0s)).open_until.value() - at(0s));
        REQUIRE(seen.back() >= 800ms);
        REQUIRE(seen.back() <= 1200ms);
    }
    std::sort(seen.begin(), seen.end());
    CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
}

TEST_CASE("circuit_breaker: forced states", "[flow][circuit_breaker][unit]") {
    circuit_breaker b({.minimum_calls = 1, .open_time = 5s}, count_window({.size = 5}), manual_clock{});
    b.force_open();
    CHECK(b.state() == breaker_state::forced_open);
    CHECK(b.try_acquire(at(1000h)).why() == sluice::verdict::later(duration::max(), 0));
    CHECK(b.metrics().rejected == 1);
    b.force_closed();
    for (int i = 0; i < 3; ++i) call(b, false, at(0s));
    CHECK(b.state() == breaker_state::forced_closed);
    CHECK(b.metrics(at(0s)).tally == breaker_tally{3, 3, 0});
    b.disable();
    for (int i = 0; i < 3; ++i) call(b, false, at(0s));
    CHECK(b.state() == breaker_state::disabled);
    CHECK(b.metrics(at(0s)).tally == breaker_tally{});
    b.reset();
    CHECK(b.state() == breaker_state::closed);
    b.force(breaker_state::open, at(10s));
    CHECK(b.try_acquire(at(12s)).why().retry_after == 3s);
    auto const p = b.try_acquire(at(15s));
    CHECK(b.state() == breaker_state::half_open);
    CHECK(b.metrics().generation == 6);
}

TEST_CASE("circuit_breaker: every change is told, after it, without a lock", "[flow][circuit_breaker][unit]") {
    std::vector<breaker_change> seen;
    circuit_breaker<count_window, manual_clock>* self = nullptr;
    circuit_breaker<count_window, manual_clock> b(
        {.minimum_calls = 1, .probes = 1, .open_time = 5s,
         .on_change = [&](breaker_change const& c) {
             seen.push_back(c);
             if (self->metrics().generation != c.generation || self->state() != c.to) seen.clear();
         }},
        count_window({.size = 5}), manual_clock{});
    self = &b;
    call(b, false, at(0s));
    call(b, true, at(5s));
    b.force_open();
    REQUIRE(seen.size() == 4);
    CHECK((seen[0].from == breaker_state::closed && seen[0].to == breaker_state::open));
    CHECK((seen[1].from == breaker_state::open && seen[1].to == breaker_state::half_open));
    CHECK((seen[2].from == breaker_state::half_open && seen[2].to == breaker_state::closed));
    CHECK((seen[3].from == breaker_state::closed && seen[3].to == breaker_state::forced_open));
    for (std::size_t i = 0; i < 4; ++i) CHECK(seen[i].generation == i + 1);
}

TEST_CASE("circuit_breaker: what a callback throws leaves try_acquire, and the probe goes back", "[flow][circuit_breaker][unit]") {
    circuit_breaker b({.minimum_calls = 1, .probes = 1, .open_time = 5s,
                       .on_change = [](breaker_change const& c) {
                           if (c.to == breaker_state::half_open) throw std::runtime_error("told");
                       }},
                      count_window({.size = 5}), manual_clock{});
    call(b, false, at(0s));
    CHECK_THROWS_WITH(b.try_acquire(at(5s)), "told");
    CHECK(b.state() == breaker_state::half_open);
    auto p = b.try_acquire(at(5s));
    CHECK(p);
    p.success(at(5s));
    CHECK(b.state() == breaker_state::closed);
}

TEST_CASE("circuit_breaker: what a callback throws where a permit ends ends the program", "[flow][circuit_breaker][unit]") {
    auto const child = test::in_child([] {
        circuit_breaker b({.minimum_calls = 1, .on_change = [](breaker_change const&) { throw 1; }}, manual_clock{});
        b.try_acquire().drop();
    });
    CHECK(child.aborted);
}

TEST_CASE("circuit_breaker: a clock that steps back admits nothing early", "[flow][circuit_breaker][unit]") {
    opened o;
    CHECK_FALSE(o.b.try_acquire(at(-1h)));
    CHECK_FALSE(o.b.try_acquire(time_point::min()));
    CHECK_FALSE(o.b.try_acquire(at(4s)));
    CHECK(o.b.try_acquire(at(5s)));
    auto p = o.b.try_acquire(at(1s));  // half open does not go back to open
    CHECK(p);
    p.success(time_point::min());
    CHECK(o.b.state() == breaker_state::half_open);
    opened far({.open_factor = 2, .max_open_time = duration::max()});
    far.b.force(breaker_state::open, time_point::max());
    CHECK_FALSE(far.b.try_acquire(time_point::max() - 1ns));
}

TEST_CASE("circuit_breaker: no open time begins in the past", "[flow][circuit_breaker][unit]") {
    circuit_breaker b({.minimum_calls = 1, .probes = 1, .open_time = 5s}, count_window({.size = 1}), manual_clock{});
    auto            told_late = b.try_acquire(at(1s));
    call(b, true, at(100s));
    told_late.drop(at(2s));
    CHECK(b.metrics(at(100s)).open_until == at(105s));
    CHECK_FALSE(b.try_acquire(at(104s)));
    b.try_acquire(at(105s)).drop(at(90s));  // ends before it began
    CHECK(b.metrics(at(105s)).open_until == at(110s));
    b.force(breaker_state::open, at(0s));
    CHECK(b.metrics(at(105s)).open_until == at(110s));
}

TEST_CASE("circuit_breaker: after a quiet time decorrelated open times begin anew", "[flow][circuit_breaker][unit]") {
    circuit_breaker b({.minimum_calls = 1, .probes = 1, .open_time = 1s, .open_factor = 2, .max_open_time = 1000s, .quiet_time = 30s,
                       .open_jitter = sluice::jitter::decorrelated()},
                      count_window({.size = 1}), manual_clock{});
    auto     now = at(0s);
    duration longest{0};
    for (int round = 0; round < 50; ++round) {
        call(b, false, now);
        auto const first = *b.metrics(now).open_until - now;
        REQUIRE(first >= 1s);
        REQUIRE(first <= 3s);
        for (int i = 0; i < 5; ++i) {
            now = *b.metrics(now).open_until;
            call(b, false, now);
            longest = std::max(longest, *b.metrics(now).open_until - now);
        }
        now = *b.metrics(now).open_until;
        call(b, true, now);
        now += 30s;
    }
    CHECK(longest > 30s);
}

TEST_CASE("circuit_breaker: rates are compared as written", "[flow][circuit_breaker][unit]") {
    for (unsigned percent = 1; percent <= 100; ++percent) {
        circuit_breaker b({.failure_rate = percent / 100.0, .minimum_calls = 100}, manual_clock{});
        for (unsigned i = 0; i < 100; ++i) call(b, i + 1 >= percent, at(0s));  // one failure short
        REQUIRE(b.state() == breaker_state::closed);
        b.reset();
        for (unsigned i = 0; i < 100; ++i) call(b, i >= percent, at(0s));
        REQUIRE(b.state() == breaker_state::open);
    }
    for (unsigned n = 1; n <= 30; ++n) {  // fractions, too
        for (unsigned k = 1; k <= n; ++k) {
            sluice::breaker_thresholds const t{.minimum_calls = 1, .failure_rate = static_cast<double>(k) / n};
            REQUIRE(t.exceeded({n, k, 0}));
            REQUIRE_FALSE(t.exceeded({n, k - 1, 0}));
        }
    }
    CHECK_FALSE(sluice::breaker_thresholds{.failure_rate = 1e-300}.exceeded({1'000'000, 0, 0}));
}

TEST_CASE("circuit_breaker: a row of failures opens it", "[flow][circuit_breaker][unit]") {
    circuit_breaker b({.probes = 1, .open_time = 60s}, consecutive_failures({.threshold = 6}), manual_clock{});
    for (int i = 0; i < 5; ++i) call(b, false, at(0s));
    call(b, true, at(0s));
    for (int i = 0; i < 5; ++i) call(b, false, at(0s));
    CHECK(b.state() == breaker_state::closed);
    call(b, false, at(0s));
    CHECK(b.state() == breaker_state::open);
    call(b, false, at(60s));
    CHECK(b.state() == breaker_state::open);
    call(b, true, at(120s));
    CHECK(b.state() == breaker_state::closed);
}

TEST_CASE("circuit_breaker: permits end on any thread, by any way, once", "[flow][circuit_breaker][unit]") {
    circuit_breaker b({.minimum_calls = 10}, manual_clock{});
    {
        auto const ignored = b.try_acquire();
    }
    auto p = b.try_acquire();
    p.success();
    p.drop();
    auto const all = sluice::try_acquire_all(at(0s), b, b);
    CHECK(all);
    CHECK(b.metrics().tally == breaker_tally{1, 0, 0});
}

TEST_CASE("circuit_breaker: what cannot work is refused by name", "[flow][circuit_breaker][unit]") {
    constexpr auto nan = std::numeric_limits<double>::quiet_NaN();
    constexpr auto infinity = std::numeric_limits<double>::infinity();
    for (double rate : {0.0, -.5, 1.01, nan, infinity}) {
        CHECK_THROWS_WITH(circuit_breaker({.failure_rate = rate}), test::contains("circuit_breaker: failure_rate (in (0, 1])"));
        CHECK_THROWS_WITH(circuit_breaker({.slow_rate = rate}), test::contains("circuit_breaker: slow_rate"));
    }
    for (double factor : {0.0, .5, nan, infinity})
        CHECK_THROWS_WITH(circuit_breaker({.open_factor = factor}), test::contains("circuit_breaker: open_factor"));
    CHECK_THROWS_WITH(circuit_breaker({.minimum_calls = 0}), test::contains("circuit_breaker: minimum_calls"));
    CHECK_THROWS_WITH(circuit_breaker({.slow_call = 0s}), test::contains("circuit_breaker: slow_call"));
    CHECK_THROWS_WITH(circuit_breaker({.probes = 0}), test::contains("circuit_breaker: probes"));
    CHECK_THROWS_WITH(circuit_breaker({.half_open_time = -1s}), test::contains("circuit_breaker: half_open_time"));
    CHECK_THROWS_WITH(circuit_breaker({.open_time = 0s}), test::contains("circuit_breaker: open_time"));
    CHECK_THROWS_WITH(circuit_breaker({.open_time = 5s, .max_open_time = 4s}), test::contains("circuit_breaker: max_open_time"));
    CHECK_THROWS_WITH(circuit_breaker({.quiet_time = -1s}), test::contains("circuit_breaker: quiet_time"));
}

TEST_CASE("circuit_breaker: it behaves as a list of calls does", "[flow][circuit_breaker][property]") {
    std::mt19937_64 random(test::seed());
    for (int round = 0; round < 40; ++round) {
        std::uint32_t const size = 1 + static_cast<std::uint32_t>(random() % 8);
        std::uint32_t const minimum = 1 + static_cast<std::uint32_t>(random() % 10);
        std::uint32_t const probes = 1 + static_cast<std::uint32_t>(random() % 4);
        circuit_breaker b({.minimum_calls = minimum, .probes = probes, .open_time = 10ns}, count_window({.size = size}),
                          manual_clock{});
        struct held {
            permit        p;
            std::uint64_t generation;
        };
        std::vector<held> running;
        std::vector<bool> window;
        breaker_state     state = breaker_state::closed;
        std::uint64_t     generation = 0;
        std::uint32_t     given = 0;
        std::int64_t      until = 0;
        std::int64_t      now = 0;
        for (int i = 0; i < 2000; ++i) {
            now += static_cast<std::int64_t>(random() % 3);
            if (random() % 2 == 0 || running.empty()) {
                if (state == breaker_state::open && now >= until) {
                    state = breaker_state::half_open;
                    ++generation;
                    given = 0;
                    window.clear();
                }
                bool const go = state == breaker_state::closed || (state == breaker_state::half_open && given < probes);
                auto       p = b.try_acquire(time_point(duration(now)));
                REQUIRE(static_cast<bool>(p) == go);
                if (go) {
                    ++given;
                    running.push_back({std::move(p), generation});
                }
            } else {
                auto const which = static_cast<std::size_t>(random() % running.size());
                auto       ended = std::move(running[which]);
                running.erase(running.begin() + static_cast<std::ptrdiff_t>(which));
                auto const how = static_cast<sluice::outcome>(random() % 3);
                ended.p.finish(how, time_point(duration(now)));
                if (ended.generation != generation) continue;
                if (how == sluice::outcome::ignored) {
                    --given;
                    continue;
                }
                window.push_back(how == sluice::outcome::dropped);
                if (state == breaker_state::closed && window.size() > size) window.erase(window.begin());
                auto const failed = static_cast<std::size_t>(std::count(window.begin(), window.end(), true));
                bool const bad = 2 * failed >= window.size();
                if (state == breaker_state::closed && window.size() >= std::min(minimum, size) && bad) {
                    state = breaker_state::open;
                    ++generation;
                    until = now + 10;
                } else if (state == breaker_state::half_open && window.size() == probes) {
                    state = bad ? breaker_state::open : breaker_state::closed;
                    if (!bad) window.clear();
                    ++generation;
                    until = now + 10;
                }
            }
            REQUIRE(b.state() == state);
            REQUIRE(b.metrics(time_point(duration(now))).generation == generation);
            if (state != breaker_state::open)
                REQUIRE(b.metrics(time_point(duration(now))).tally.calls == window.size());
        }
    }
}

TEST_CASE("circuit_breaker: threads, every outcome counted once", "[flow][circuit_breaker][stress]") {
    circuit_breaker b({.failure_rate = 1, .minimum_calls = 100'000}, count_window({.size = 100'000}), manual_clock{});
    test::run_threads(4, [&](std::size_t thread) {
        for (int i = 0; i < 1000; ++i) {
            auto p = b.try_acquire();
            if (i % 4 == 0) p.drop();
            else if (i % 4 < 3 || thread == 0) p.success();
        }
    });
    CHECK(b.metrics().tally == breaker_tally{3250, 1000, 0});
}

TEST_CASE("circuit_breaker: threads, never more probes than permitted", "[flow][circuit_breaker][stress]") {
    for (std::uint64_t round = 0; round < 30 * test::stress_factor(); ++round) {
        manual_clock clock;
        circuit_breaker b({.minimum_calls = 1, .probes = 3, .open_time = 1s}, count_window({.size = 1}), clock);
        b.try_acquire().drop();
        clock.advance(1s);
        std::atomic<int>    running{0};
        std::atomic<int>    most{0};
        std::atomic<int>    counted{0};
        test::run_threads(5, [&](std::size_t thread) {
            for (int i = 0; i < 30; ++i) {
                auto p = b.try_acquire();
                if (!p) continue;
                auto const n = running.fetch_add(1) + 1;
                for (auto m = most.load(); m < n && !most.compare_exchange_weak(m, n);) {}
                running.fetch_sub(1);
                if (thread < 4 && counted.fetch_add(1) < 2) p.success();  // two of the three that decide
                else p.ignore();
            }
        });
        REQUIRE(most <= 3);
        REQUIRE(b.state() == breaker_state::half_open);
        REQUIRE(b.metrics().tally.calls == 2);
        b.try_acquire().success();
        REQUIRE(b.state() == breaker_state::closed);
    }
}

TEST_CASE("circuit_breaker: threads, all states, generations only grow", "[flow][circuit_breaker][stress]") {
    manual_clock               clock;
    std::atomic<std::uint64_t> changes{0};
    circuit_breaker b({.minimum_calls = 2, .probes = 2, .open_time = 1us,
                       .on_change = [&](breaker_change const&) { changes.fetch_add(1); }},
                      count_window({.size = 4}), clock);
    test::run_threads(4, [&](std::size_t thread) {
        sluice::splitmix64 random(thread);
        std::uint64_t      last = 0;
        for (std::uint64_t i = 0; i < 3000 * test::stress_factor(); ++i) {
            auto p = b.try_acquire();
            if (random() % 2 == 0) clock.advance(300ns);
            if (random() % 3 != 0) p.success();
            else p.drop();
            auto const m = b.metrics();
            if (m.generation < last) throw std::logic_error("a generation from the past");
            last = m.generation;
        }
    });
    CHECK(changes == b.metrics().generation);
    CHECK(changes > 0);
}
