// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/hedge.hpp>

#include <sluice/flow/hedge_delay.hpp>
#include <sluice/flow/retry_budget.hpp>
#include <sluice/flow/retry_share.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <cmath>
#include <cstdint>
#include <optional>
#include <random>
#include <stdexcept>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using sluice::attempt_result;
using sluice::duration;
using sluice::hedge;
using sluice::hedge_action;
using sluice::hedge_end;
using sluice::hedge_step;
using sluice::retry_budget;
using sluice::time_point;

static_assert(std::is_same_v<decltype(hedge({.delay = 1s})), hedge<sluice::unlimited_attempts>>);

namespace {

time_point at(duration d) { return time_point(d); }
hedge_step launch(std::uint32_t n) { return {hedge_action::launch, n, {}}; }
hedge_step wait(time_point t) { return {hedge_action::wait, 0, t}; }

}  // namespace

TEST_CASE("hedge: one attempt more each half second", "[flow][hedge][unit]") {
    hedge h({.delay = 500ms, .max_attempts = 4});
    CHECK(h.start(at(0s)) == launch(1));
    CHECK(h.due(at(1ms)) == wait(at(500ms)));
    CHECK(h.outstanding() == 1);
    CHECK(h.due(at(501ms)) == launch(2));
    CHECK(h.due(at(501ms)) == wait(at(1s)));
    CHECK(h.outstanding() == 2);
    CHECK(h.due(at(1001ms)) == launch(3));
    CHECK(h.outstanding() == 3);
    CHECK(h.due(at(1501ms)) == launch(4));
    CHECK(h.due(at(1501ms)) == wait(time_point::max()));
    CHECK(h.outstanding() == 4);
    CHECK(h.finish(3, attempt_result::success(), at(1600ms)) == hedge_end::won);
    CHECK(h.winner() == 3);
    CHECK(h.stop_token().stop_requested());
    CHECK(h.due(at(9s)) == hedge_step{});
    CHECK(h.finish(1, attempt_result::success(), at(1700ms)) == hedge_end::late);
    CHECK(h.finish(1, attempt_result::success(), at(1700ms)) == hedge_end::late);
    CHECK(h.winner() == 3);
    CHECK(h.outstanding() == 2);
}

TEST_CASE("hedge: a timer that comes late sends no burst", "[flow][hedge][unit]") {
    hedge h({.delay = 100ms, .max_attempts = 9});
    CHECK(h.start(at(0s)) == launch(1));
    CHECK(h.due(at(150ms)) == launch(2));
    CHECK(h.due(at(150ms)) == wait(at(200ms)));
    CHECK(h.due(at(950ms)) == launch(3));
    CHECK(h.due(at(950ms)) == wait(at(1050ms)));
    CHECK(h.due(at(0s)) == wait(at(1050ms)));
    CHECK(h.due(time_point::min()) == wait(at(1050ms)));
    CHECK(h.due(time_point::max() - 1ns) == launch(4));
    CHECK(h.due(time_point::max() - 1ns) == wait(time_point::max()));
}

TEST_CASE("hedge: a fatal failure cancels all", "[flow][hedge][unit]") {
    hedge h({.delay = 500ms, .max_attempts = 4});
    CHECK(h.start(at(0s)) == launch(1));
    CHECK(h.due(at(500ms)) == launch(2));
    auto const token = h.stop_token();
    CHECK(h.finish(1, attempt_result::fatal(), at(600ms)) == hedge_end::failed);
    CHECK(token.stop_requested());
    CHECK(h.due(at(2s)).action == hedge_action::finished);
    CHECK(h.finish(2, attempt_result::success(), at(700ms)) == hedge_end::late);
    CHECK(h.winner() == 0);
}

TEST_CASE("hedge: a failure hurries the next one, its push-back delays it", "[flow][hedge][unit]") {
    hedge h({.delay = 500ms, .max_attempts = 3});
    CHECK(h.start(at(0s)) == launch(1));
    CHECK(h.finish(1, attempt_result::retryable(), at(100ms)) == hedge_end::pending);
    CHECK(h.due(at(100ms)) == launch(2));
    CHECK(h.due(at(100ms)) == wait(at(600ms)));
    CHECK(h.finish(2, attempt_result::retryable(2s), at(200ms)) == hedge_end::pending);
    CHECK(h.due(at(600ms)) == wait(at(2200ms)));
    CHECK(h.due(at(2200ms)) == launch(3));
    CHECK(h.finish(3, attempt_result::retryable(), at(2300ms)) == hedge_end::failed);
    CHECK(h.due(at(3s)).action == hedge_action::finished);

    hedge closed({.delay = 500ms, .max_attempts = 9});
    CHECK(closed.start(at(0s)) == launch(1));
    CHECK(closed.due(at(500ms)) == launch(2));
    CHECK(closed.finish(1, attempt_result::retryable(-1ns), at(600ms)) == hedge_end::pending);
    CHECK(closed.due(at(5s)) == wait(time_point::max()));
    CHECK(closed.finish(2, attempt_result::success(), at(6s)) == hedge_end::won);
}

TEST_CASE("hedge: nothing is sent from the deadline on", "[flow][hedge][unit]") {
    hedge h({.delay = 500ms, .max_attempts = 9, .deadline = at(900ms)});
    CHECK(h.start(at(0s)) == launch(1));
    CHECK(h.due(at(500ms)) == launch(2));
    CHECK(h.due(at(500ms)) == wait(at(900ms)));
    CHECK(h.due(at(900ms)) == wait(time_point::max()));
    CHECK(h.due(at(800ms)) == wait(time_point::max()));
    CHECK(h.finish(1, attempt_result::retryable(), at(950ms)) == hedge_end::pending);
    CHECK(h.finish(2, attempt_result::retryable(), at(950ms)) == hedge_end::failed);
    hedge late({.delay = 500ms, .deadline = at(0s)});
    CHECK(late.start(at(0s)).action == hedge_action::finished);
    CHECK(late.launched() == 0);
}

TEST_CASE("hedge: an empty budget holds back the next attempt and touches none that runs", "[flow][hedge][unit]") {
    retry_budget<> budget({.ratio = 0, .reserve = sluice::per(1, 10s)});
    hedge          h({.delay = 100ms, .max_attempts = 4}, budget);
    CHECK(h.start(at(0s)) == launch(1));
    CHECK(h.due(at(100ms)) == launch(2));
    CHECK(h.due(at(200ms)) == wait(at(300ms)));
    CHECK(h.due(at(300ms)) == wait(at(400ms)));
    CHECK(h.suppressed() == 2);
    CHECK(h.outstanding() == 2);
    CHECK_FALSE(h.stop_token().stop_requested());
    CHECK(h.due(at(30s)) == launch(3));  // there is something again
    CHECK(h.finish(1, attempt_result::success(), at(30s)) == hedge_end::won);

    hedge alone({.delay = 100ms, .max_attempts = 4}, budget);
    CHECK(alone.start(at(30s)) == launch(1));
    CHECK(alone.finish(1, attempt_result::retryable(), at(30s)) == hedge_end::pending);
    CHECK(alone.due(at(30s)).action == hedge_action::finished);  // nothing runs and nothing is paid for
    CHECK(alone.winner() == 0);
}

TEST_CASE("hedge: a hundred requests before the first hedge", "[flow][hedge][unit]") {
    retry_budget<> budget({.ratio = .01, .reserve = std::nullopt, .ttl = 10s});
    for (int i = 1; i <= 100; ++i) {
        hedge h({.delay = 1ms}, budget);
        CHECK(h.start(at(0s)) == launch(1));
        REQUIRE(h.due(at(1ms)).action == (i < 100 ? hedge_action::wait : hedge_action::launch));
    }
}

TEST_CASE("hedge: a share of what runs is held while the hedge runs", "[flow][hedge][unit]") {
    sluice::retry_share share({.min_retries = 1});
    {
        hedge h({.delay = 1ms, .max_attempts = 3}, share);
        CHECK(h.start(at(0s)) == launch(1));
        CHECK(share.retries() == 0);
        CHECK(h.due(at(1ms)) == launch(2));
        CHECK(share.retries() == 1);
        CHECK(h.due(at(2ms)).action == hedge_action::wait);
        CHECK(h.finish(1, attempt_result::success(), at(2ms)) == hedge_end::won);
        CHECK(share.retries() == 1);  // it still runs
        CHECK(h.finish(2, attempt_result::retryable(), at(3ms)) == hedge_end::late);
        CHECK(share.retries() == 0);
    }
}

TEST_CASE("hedge: the permit of a hedge ends as the attempt did", "[flow][hedge][unit]") {
    using sluice::outcome;
    struct witness {
        std::vector<outcome> ends;
        sluice::permit       try_acquire(time_point now) { return sluice::permit(this, &end, {now, 0, 1}); }
        static void end(void* self, sluice::permit_ticket const&, outcome how, time_point const*) noexcept {
            static_cast<witness*>(self)->ends.push_back(how);
        }
    };
    witness budget;
    hedge   h({.delay = 1ms, .max_attempts = 5}, budget);
    CHECK(h.start(at(0s)) == launch(1));
    for (std::uint32_t n = 2; n <= 5; ++n) CHECK(h.due(at(1ms * (n - 1))) == launch(n));
    CHECK(h.finish(1, attempt_result::retryable(), at(9ms)) == hedge_end::pending);  // the first one has none
    CHECK(h.finish(2, attempt_result::retryable(), at(9ms)) == hedge_end::pending);
    CHECK(h.finish(3, attempt_result::fatal(), at(9ms)) == hedge_end::failed);
    CHECK(h.finish(4, attempt_result::retryable(), at(9ms)) == hedge_end::late);  // it was asked to stop
    CHECK(h.finish(5, attempt_result::success(), at(9ms)) == hedge_end::late);
    CHECK(budget.ends == std::vector{outcome::dropped, outcome::ignored, outcome::ignored, outcome::success});
}

TEST_CASE("hedge: the caller may lose interest", "[flow][hedge][unit]") {
    hedge h({.delay = 1ms, .max_attempts = 3});
    CHECK(h.start(at(0s)) == launch(1));
    h.cancel();
    CHECK(h.stop_token().stop_requested());
    CHECK(h.due(at(1s)).action == hedge_action::finished);
    CHECK(h.finish(1, attempt_result::success(), at(1s)) == hedge_end::late);
    CHECK_THROWS_AS(h.start(at(0s)), std::logic_error);

    hedge early({.delay = 1ms});  // lost before it was there: no error, and nothing is sent
    early.cancel();
    CHECK(early.due(at(0s)).action == hedge_action::finished);
    CHECK(early.start(at(0s)).action == hedge_action::finished);
    CHECK(early.launched() == 0);
    CHECK_THROWS_AS(early.start(at(0s)), std::logic_error);
}

TEST_CASE("hedge: a service that is slow as a whole gets a tenth more load, not twice as much", "[flow][hedge][property]") {
    retry_budget<>      budget({.ratio = .1, .reserve = std::nullopt, .ttl = 10s});
    sluice::hedge_delay delay({.quantile = .95, .min_samples = 50});
    for (int i = 0; i < 1000; ++i) delay.record(10ms);
    std::uint64_t sent = 0;
    for (int i = 0; i < 10'000; ++i) {  // now everything takes a second
        auto const now = at(i * 1ms);
        hedge      h({.delay = delay.delay(), .max_attempts = 3}, budget);
        CHECK(h.start(now) == launch(1));
        for (auto t : {11ms, 22ms, 33ms}) static_cast<void>(h.due(now + t));
        sent += h.launched();
    }
    CHECK(sent <= 11'000);
    CHECK(sent > 10'800);
}

TEST_CASE("hedge: the tail of a fan-out", "[flow][hedge][property]") {
    CHECK(sluice::fan_out_tail(.01, 100) == Approx(.633968).margin(5e-7));
    CHECK(sluice::fan_out_tail(0, 100) == 0);
    CHECK(sluice::fan_out_tail(1, 1) == 1);
    // One in a hundred takes a second instead of 10 ms; a hedge after 20 ms takes that out of the tail for 1 % more load.
    std::mt19937_64 random(test::seed());
    auto const      latency = [&] { return random() % 100 == 0 ? 1000ms : 10ms; };
    int             slow = 0;
    int             slow_hedged = 0;
    std::uint64_t   sent = 0;
    for (int i = 0; i < 20'000; ++i) {
        hedge h({.delay = 20ms});
        CHECK(h.start(at(0s)) == launch(1));
        auto const first = latency();
        auto       end = first;
        if (first > 20ms && h.due(at(20ms)).action == hedge_action::launch) end = std::min(end, 20ms + latency());
        slow += first > 100ms ? 1 : 0;
        slow_hedged += end > 100ms ? 1 : 0;
        sent += h.launched();
    }
    CHECK(slow > 100);
    CHECK(slow_hedged < 12);
    CHECK(sent < 20'600);
}

TEST_CASE("hedge: what cannot work is refused by name", "[flow][hedge][unit]") {
    CHECK_THROWS_WITH(hedge({.delay = -1ns}), test::contains("hedge: delay"));
    CHECK_THROWS_WITH(hedge({.delay = 1s, .max_attempts = 0}), test::contains("hedge: max_attempts"));
    CHECK_THROWS_WITH(hedge({.delay = 1s, .max_attempts = 65}), test::contains("hedge: max_attempts"));
    hedge fast({.delay = 0ns});  // at least a millisecond
    CHECK(fast.start(at(0s)) == launch(1));
    CHECK(fast.due(at(999us)) == wait(at(1ms)));
    hedge most({.delay = 1ms, .max_attempts = 64});
    CHECK(most.start(at(0s)) == launch(1));
    for (std::uint32_t i = 2; i <= 64; ++i) REQUIRE(most.due(at(1ms * (i - 1))) == launch(i));
    CHECK(most.outstanding() == 64);
    CHECK(most.finish(0, attempt_result::success(), at(1s)) == hedge_end::late);
    CHECK(most.finish(65, attempt_result::success(), at(1s)) == hedge_end::late);
    CHECK(most.finish(64, attempt_result::success(), at(1s)) == hedge_end::won);
}

TEST_CASE("hedge: threads, one winner, the others are asked to stop", "[flow][hedge][stress]") {
    for (std::uint64_t round = 0; round < 50 * test::stress_factor(); ++round) {
        hedge h({.delay = 1ms, .max_attempts = 4});
        static_cast<void>(h.start(at(0s)));
        for (int i = 1; i < 4; ++i) static_cast<void>(h.due(at(i * 1ms)));
        std::atomic<int> won{0};
        std::atomic<int> stopped{0};
        std::stop_callback const callback(h.stop_token(), [&] { ++stopped; });
        test::run_threads(4, [&](std::size_t i) {
            auto const end = h.finish(static_cast<std::uint32_t>(i + 1), attempt_result::success(), at(5ms));
            won += end == hedge_end::won ? 1 : 0;
        });
        REQUIRE(won == 1);
        REQUIRE(stopped == 1);
        REQUIRE(h.outstanding() == 0);
    }
}
