// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/time_window.hpp>

#include <sluice/flow/circuit_breaker.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <random>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::breaker_tally;
using sluice::duration;
using sluice::time_point;
using sluice::time_window;

TEST_CASE("time_window: it holds the calls of the last slices, as a list does", "[flow][time_window][property]") {
    std::mt19937_64 random(test::seed());
    for (std::uint32_t slices : {1u, 3u, 10u}) {
        for (std::int64_t begin : {std::int64_t{0}, std::int64_t{-100'000}, std::int64_t{1} << 60}) {
            time_window window({.length = duration(1000 * std::int64_t{slices}), .slices = slices});
            std::vector<std::pair<std::int64_t, sluice::breaker_sample>> model;
            std::int64_t now = begin;
            for (int i = 0; i < 1500; ++i) {
                now += static_cast<std::int64_t>(random() % (random() % 50 == 0 ? 30'000 : 500));
                sluice::breaker_sample const s{random() % 3 == 0, random() % 4 == 0, {}};
                auto const slice = now >= 0 ? now / 1000 : -((-now + 999) / 1000);
                if (random() % 2 == 0) {
                    // A time from the past is the latest one.
                    auto const told = !model.empty() && model.back().first == slice && random() % 4 == 0 ? now - 5000 : now;
                    window.record(s, time_point(duration(told)));
                    model.emplace_back(slice, s);
                }
                breaker_tally expected;
                for (auto const& [at, sample] : model)
                    if (at > slice - static_cast<std::int64_t>(slices)) expected.add(sample);
                REQUIRE(window.tally(time_point(duration(now))) == expected);
            }
        }
    }
}

TEST_CASE("time_window: the ends of the time line", "[flow][time_window][unit]") {
    time_window window({.length = 1ms, .slices = 10});
    window.record({.failed = true}, time_point::min());
    CHECK(window.tally(time_point::min()).calls == 1);
    window.record({.failed = true}, time_point::max());
    CHECK(window.tally(time_point::max()) == breaker_tally{1, 1, 0});
    window.reset();
    CHECK(window.tally(time_point{}) == breaker_tally{});
    window.record({}, time_point{});
    CHECK(window.tally(time_point{}).calls == 1);
    CHECK(window.tally(time_point::max()).calls == 0);
}

TEST_CASE("time_window: failures of a minute ago do not open a breaker today", "[flow][time_window][unit]") {
    sluice::circuit_breaker b({.minimum_calls = 4}, time_window({.length = 10s, .slices = 10}), sluice::manual_clock{});
    auto const fail = [&](duration t) { b.try_acquire(time_point(t)).drop(time_point(t)); };
    for (int i = 0; i < 30; ++i) {
        fail(i * 4s);  // three in any ten seconds
        REQUIRE(b.state() == sluice::breaker_state::closed);
    }
    for (int i = 0; i < 4; ++i) fail(200s);
    CHECK(b.state() == sluice::breaker_state::open);
    CHECK(b.metrics(time_point(250s)).tally == breaker_tally{4, 4, 0});  // what opened it stays to be seen
}

TEST_CASE("time_window: what cannot work is refused by name", "[flow][time_window][unit]") {
    CHECK_THROWS_WITH(time_window({.slices = 0}), test::contains("time_window: slices"));
    CHECK_THROWS_WITH(time_window({.slices = 1'000'001}), test::contains("time_window: slices"));
    for (auto length : {duration(0), duration(-1s), duration(9us), duration::min()})
        CHECK_THROWS_WITH(time_window({.length = length, .slices = 10}), test::contains("time_window: length"));
}
