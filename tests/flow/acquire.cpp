// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/acquire.hpp>

#include <sluice/flow/token_bucket.hpp>

#include "support/catch.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using sluice::acquire_for;
using sluice::acquire_until;
using sluice::duration;
using sluice::manual_clock;
using sluice::manual_sleeper;
using sluice::per_second;
using sluice::time_point;
using sluice::token_bucket;
using sluice::verdict;
using sluice::verdict_kind;

namespace {

constexpr time_point at(duration d) { return time_point(d); }

/// One admission in each `interval`; knows no reservations. Its answers are `hasty` too early.
struct simple {
    manual_clock clock_;
    duration     interval = 100ms;
    duration     hasty = 0ms;
    time_point   next{};
    int          tries = 0;

    [[nodiscard]] manual_clock const& clock() const { return clock_; }
    verdict try_acquire(std::uint64_t cost, time_point now) {
        ++tries;
        auto const v = peek(cost, now);
        if (v) next = now + interval;
        return v;
    }
    [[nodiscard]] verdict peek(std::uint64_t cost, time_point now) const {
        if (cost > 1) return verdict::refuse(0);
        if (now >= next) return verdict::admit(0);
        return verdict::later(next - now > hasty ? next - now - hasty : 0ms, 0);
    }
};

/// Sleeps on a manual clock, and is interrupted by a stop, or throws, at a chosen time.
struct fitful {
    manual_clock     clock;
    time_point       end;
    std::stop_source stop;
    bool             throws = false;
    int              sleeps = 0;

    bool sleep_until(time_point until, std::stop_token token) {
        ++sleeps;
        if (until < end) return manual_sleeper(clock).sleep_until(until, token);
        clock.set(end);
        if (throws) throw std::runtime_error("woken badly");
        stop.request_stop();
        return !token.stop_requested();
    }
};

}  // namespace

static_assert(sluice::clocked_limiter<simple> && !sluice::reserving_limiter<simple>);
static_assert(sluice::sleeper<fitful>);

TEST_CASE("acquire_until: with reservations it sleeps once, to its own time", "[flow][acquire][unit]") {
    manual_clock clock;
    token_bucket b({.refill = per_second(10), .burst = 1}, clock);
    fitful       how{.clock = clock, .end = at(1h), .stop = {}};
    REQUIRE(acquire_until(b, 1, at(1s), {}, how).admitted());
    REQUIRE(how.sleeps == 0);
    REQUIRE(acquire_until(b, 1, at(1s), {}, how).admitted());
    REQUIRE(how.sleeps == 1);
    REQUIRE(clock.now() == at(100ms));
    REQUIRE(acquire_until(b, 1, at(200ms), {}, how).admitted());  // exactly at the deadline
    REQUIRE(clock.now() == at(200ms));
}

TEST_CASE("acquire_until: what cannot be had by the deadline is answered at once", "[flow][acquire][unit]") {
    manual_clock clock;
    token_bucket b({.refill = per_second(10), .burst = 1}, clock);
    simple       s{.clock_ = clock};
    fitful       how{.clock = clock, .end = at(1h), .stop = {}};
    REQUIRE(b.try_acquire());
    REQUIRE(s.try_acquire(1, clock.now()));
    for (auto deadline : {at(100ms) - 1ns, at(0s), at(-1s), time_point::min()}) {
        REQUIRE(acquire_until(b, 1, deadline, {}, how) == verdict::later(100ms, 0));
        REQUIRE(acquire_until(s, 1, deadline, {}, how) == verdict::later(100ms, 0));
    }
    REQUIRE(acquire_until(b, 2, at(9s), {}, how).kind == verdict_kind::never);
    REQUIRE(acquire_until(s, 2, at(9s), {}, how).kind == verdict_kind::never);
    REQUIRE(how.sleeps == 0);
    REQUIRE(b.peek(1) == verdict::later(100ms, 0));
    clock.advance(100ms);
    REQUIRE(acquire_until(b, 1, time_point::min(), {}, how).admitted());  // a past deadline is one try
    REQUIRE(acquire_until(s, 1, time_point::min(), {}, how).admitted());
}

TEST_CASE("acquire_until: a stop gives back and answers wait", "[flow][acquire][unit]") {
    manual_clock clock;
    token_bucket b({.refill = per_second(10), .burst = 1}, clock);
    REQUIRE(b.try_acquire());
    fitful how{.clock = clock, .end = at(30ms), .stop = {}};
    REQUIRE(acquire_until(b, 1, at(9s), how.stop.get_token(), how) == verdict::later(70ms, 0));
    REQUIRE(b.peek(1) == verdict::later(70ms, 0));  // the reservation is gone
    clock.advance(1s);
    REQUIRE(acquire_until(b, 1, at(9s), how.stop.get_token(), how).kind == verdict_kind::wait);  // stopped before the call
    REQUIRE(b.available() == 1);

    simple s{.clock_ = clock};
    REQUIRE(s.try_acquire(1, clock.now()));
    fitful again{.clock = clock, .end = clock.now() + 30ms, .stop = {}};
    REQUIRE(acquire_until(s, 1, at(9s), again.stop.get_token(), again) == verdict::later(70ms, 0));
}

TEST_CASE("acquire_until: an exception of the sleeper gives back, too", "[flow][acquire][unit]") {
    manual_clock clock;
    token_bucket b({.refill = per_second(10), .burst = 1}, clock);
    REQUIRE(b.try_acquire());
    fitful how{.clock = clock, .end = at(30ms), .stop = {}, .throws = true};
    REQUIRE_THROWS_AS(acquire_until(b, 1, at(9s), {}, how), std::runtime_error);
    REQUIRE(b.peek(1) == verdict::later(70ms, 0));
}

TEST_CASE("acquire_until: without reservations it tries again when told", "[flow][acquire][unit]") {
    manual_clock clock;
    simple       s{.clock_ = clock, .hasty = 40ms};
    fitful       how{.clock = clock, .end = at(1h), .stop = {}};
    REQUIRE(acquire_until(s, 1, at(1s), {}, how).admitted());
    s.interval = 3ms;
    s.hasty = 2ms;
    REQUIRE(acquire_for(s, 1, 1s, {}, how).admitted());
    REQUIRE(clock.now() == at(100ms));
    s.hasty = 3ms;  // "after nothing": must not spin for ever at one time
    s.next = clock.now() + 5ns;
    REQUIRE(acquire_for(s, 1, 1s, {}, how).admitted());
    REQUIRE(clock.now() == at(100ms + 5ns));
    s.hasty = 0ms;
    s.next = clock.now() + 1s;
    REQUIRE(acquire_for(s, 1, 1s, {}, how).admitted());  // exactly at the deadline
}

TEST_CASE("acquire_for: threads that wait all get their turn", "[flow][acquire][stress]") {
    // On the steady clock, 20000 per second: 40 turns take 2 ms. Nobody's turn comes twice, nobody is refused.
    token_bucket<>          b({.refill = per_second(20'000)});
    std::vector<int>        admitted(4, 0);
    auto const              start = b.clock().now();
    test::run_threads(4, [&](std::size_t thread) {
        for (int i = 0; i < 10; ++i)
            if (b.acquire_for(1, 1h)) ++admitted[thread];
    });
    REQUIRE(admitted == std::vector<int>{10, 10, 10, 10});
    REQUIRE(b.clock().now() - start >= 39 * 50us);
}
