// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/worker_health.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <limits>
#include <vector>

#include <sluice/core/random.hpp>

using namespace std::chrono_literals;
using sluice::job_action;
using sluice::job_attempt;
using sluice::job_decision;
using sluice::job_result;
using sluice::manual_clock;
using sluice::time_point;
using sluice::worker_health;
using health_type = worker_health<manual_clock>;
using enum sluice::job_result;

namespace {

using history = std::vector<job_attempt>;

void fail(health_type& h, std::uint32_t worker, int times, job_result how = failure) {
    for (int i = 0; i < times; ++i) (void)h.report(worker, how);
}

}  // namespace

TEST_CASE("worker_health: failures in a row exclude, and each time for longer", "[flow][worker_health][unit]") {
    manual_clock clock;
    health_type  h({.workers = 4, .consecutive_failures = 3, .exclusion = 30s, .max_exclusion = 100s,
            .forgive_after = 10min}, clock);
    REQUIRE_FALSE(h.report(1, failure));
    REQUIRE_FALSE(h.report(1, timeout));
    REQUIRE_FALSE(h.report(1, success));  // starts again
    REQUIRE_FALSE(h.report(1, crash));
    REQUIRE_FALSE(h.report(1, crash));
    REQUIRE(h.usable(1));
    REQUIRE(h.report(1, failure));
    REQUIRE_FALSE(h.usable(1));
    REQUIRE(h.excluded_until(1) == time_point(30s));
    REQUIRE_FALSE(h.report(1, failure));  // was under way
    clock.advance(30s - 1ns);
    REQUIRE_FALSE(h.usable(1));
    clock.advance(1ns);
    REQUIRE(h.usable(1));
    REQUIRE(h.report(1, failure));  // on probation one is enough
    REQUIRE(h.excluded_until(1) == time_point(90s));
    clock.advance(60s);
    REQUIRE_FALSE(h.report(1, success));  // probation is over
    REQUIRE_FALSE(h.report(1, failure));
    REQUIRE_FALSE(h.report(1, failure));
    REQUIRE(h.report(1, failure));
    REQUIRE(h.excluded_until(1) == time_point(190s));  // 120 s, capped
    clock.advance(100s + 10min);
    REQUIRE(h.report(1, failure));
    REQUIRE(h.excluded_until(1) == clock.now() + 30s);  // forgiven
    REQUIRE(h.excluded(clock.now()) == 1);
}

TEST_CASE("worker_health: a share of failures excludes", "[flow][worker_health][unit]") {
    health_type h({.workers = 4, .consecutive_failures = 100, .failure_share = 0.5, .window = 10}, manual_clock{});
    for (int i = 0; i < 9; ++i) REQUIRE_FALSE(h.report(2, i % 2 == 0 ? failure : success));  // 5 of 9: too few reports
    REQUIRE_FALSE(h.report(2, success));                                                     // 5 of 10, but not by a failure
    REQUIRE(h.report(2, failure));
    for (int i = 0; i < 40; ++i) REQUIRE_FALSE(h.report(3, i % 10 < 4 ? failure : success));
    health_type wide({.workers = 2, .consecutive_failures = 100, .failure_share = 1, .window = 64}, manual_clock{});
    for (int i = 0; i < 63; ++i) REQUIRE_FALSE(wide.report(0, failure));
    REQUIRE(wide.report(0, failure));
}

TEST_CASE("worker_health: not everybody is excluded, nor a reliable worker", "[flow][worker_health][unit]") {
    health_type h({.workers = 5, .reliable = 1, .consecutive_failures = 1, .max_excluded = 0.4}, manual_clock{});
    REQUIRE(h.report(0, failure));
    REQUIRE(h.report(1, failure));
    REQUIRE_FALSE(h.report(2, failure));
    REQUIRE_FALSE(h.report(5, crash));
    REQUIRE((!h.usable(0) && !h.usable(1) && h.usable(2) && h.usable(5) && !h.usable(6)));
    REQUIRE(h.excluded(time_point{}) == 2);
    health_type alone({.workers = 1, .consecutive_failures = 1}, manual_clock{});
    REQUIRE_FALSE(alone.report(0, failure));
    REQUIRE(alone.usable(0));
}

TEST_CASE("worker_health: a job never goes twice to a worker that failed it", "[flow][worker_health][unit]") {
    health_type h({.workers = 3, .attempts = 10}, manual_clock{});
    history     tried;
    REQUIRE(h.next(tried, time_point{}, 7) == job_decision{job_action::run, 1, {}});
    tried.push_back({1, crash});
    auto d = h.next(tried, time_point{}, 7);
    REQUIRE(d == job_decision{job_action::run, 2, {}});
    tried.push_back({2, failure});
    d = h.next(tried, time_point{}, 7);
    REQUIRE(d == job_decision{job_action::run, 0, {}});
    tried.push_back({0, timeout});
    REQUIRE(h.next(tried, time_point{}, 7).action == job_action::give_up);
    tried.push_back({0, success});
    REQUIRE(h.next(tried, time_point{}, 7) == job_decision{job_action::done, 0, {}});
}

TEST_CASE("worker_health: a time-out may be tried on the same worker, a crash may not", "[flow][worker_health][unit]") {
    health_type h({.workers = 3, .same_worker_timeouts = 1, .attempts = 10}, manual_clock{});
    history     tried{{1, timeout}};
    REQUIRE(h.next(tried) == job_decision{job_action::run, 1, {}});
    tried.push_back({1, timeout});
    REQUIRE(h.next(tried).worker != 1);
    history const crashed{{1, crash}};
    REQUIRE(h.next(crashed).worker != 1);
    history const crashed_before{{1, crash}, {2, failure}, {1, timeout}};
    REQUIRE(h.next(crashed_before) == job_decision{job_action::run, 0, {}});
    health_type patient({.workers = 3, .same_worker_timeouts = 5, .attempts = 10}, manual_clock{});
    history const crashed_once{{1, crash}, {1, timeout}};
    REQUIRE(patient.next(crashed_once).worker != 1);
    fail(h, 1, 5);
    history const once{{1, timeout}};
    REQUIRE(h.next(once).worker != 1);  // excluded meanwhile
}

TEST_CASE("worker_health: after so many attempts a job escalates and stays", "[flow][worker_health][unit]") {
    health_type h({.workers = 9, .reliable = 3, .attempts = 2, .reliable_attempts = 2}, manual_clock{});
    history     tried;
    for (int i = 0; i < 2; ++i) {
        auto const d = h.next(tried, time_point{}, 4);
        REQUIRE(d.action == job_action::run);
        tried.push_back({d.worker, crash});
    }
    REQUIRE(h.next(tried, time_point{}, 4) == job_decision{job_action::escalate, 10, {}});
    tried.push_back({10, timeout});
    REQUIRE(h.next(tried, time_point{}, 4) == job_decision{job_action::escalate, 11, {}});
    tried.push_back({11, crash});
    REQUIRE(h.next(tried, time_point{}, 4).action == job_action::give_up);
}

TEST_CASE("worker_health: when many are excluded a job that failed escalates at once", "[flow][worker_health][unit]") {
    manual_clock clock;
    health_type  h({.workers = 4, .reliable = 1, .consecutive_failures = 1, .attempts = 5}, clock);
    fail(h, 0, 1);
    history const once{{2, failure}};
    REQUIRE(h.next(once).action == job_action::run);
    fail(h, 1, 1);
    REQUIRE(h.next(once) == job_decision{job_action::escalate, 4, {}});
    REQUIRE(h.next({}).action == job_action::run);  // a new job has its chance
    clock.advance(30s);
    REQUIRE(h.next(once).action == job_action::run);
    history const was_dear{{2, failure}, {4, timeout}};
    REQUIRE(h.next(was_dear).action == job_action::give_up);  // it does not come back from the reliable ones
    health_type none({.workers = 4, .consecutive_failures = 1, .attempts = 5}, clock);
    fail(none, 0, 1);
    fail(none, 1, 1);
    REQUIRE(none.next(once) == job_decision{job_action::run, 3, {}});
}

TEST_CASE("worker_health: without another way a job waits for an excluded worker", "[flow][worker_health][unit]") {
    manual_clock clock;
    health_type  h({.workers = 3, .consecutive_failures = 1, .attempts = 5}, clock);
    fail(h, 2, 1);
    clock.advance(10s);
    history const tried{{0, crash}, {1, crash}};
    REQUIRE(h.next(tried) == job_decision{job_action::wait, 0, 20s});
    clock.advance(20s);
    REQUIRE(h.next(tried) == job_decision{job_action::run, 2, {}});
}

TEST_CASE("worker_health: first attempts take turns, later ones go to who fails least", "[flow][worker_health][unit]") {
    health_type h({.workers = 3, .attempts = 9}, manual_clock{});
    for (std::uint32_t i = 0; i < 9; ++i) REQUIRE(h.next().worker == i % 3);
    (void)h.report(1, failure);
    for (std::uint32_t i = 0; i < 9; ++i) REQUIRE(h.next().worker == i % 3);  // also to one that failed once
    history const tried{{0, crash}};
    REQUIRE(h.next(tried).worker == 2);
}

TEST_CASE("worker_health: a stale time brings nobody back, nor takes anybody out for longer",
          "[flow][worker_health][unit]") {
    health_type h({.workers = 2, .consecutive_failures = 1}, manual_clock{});
    REQUIRE(h.report(0, failure, time_point(100s)));
    REQUIRE_FALSE(h.usable(0, time_point::min()));
    REQUIRE(h.usable(0, time_point(130s)));
    REQUIRE(h.next({}, time_point(50s), 0).worker == 1);
    REQUIRE(h.next({}, time_point::max(), 0).worker == 0);
    REQUIRE(h.usable(0, time_point(50s)));
    REQUIRE(h.report(0, failure, time_point::min()));  // at the newest time that was told: the end of the line
    REQUIRE(h.excluded_until(0) == time_point::max());
}

TEST_CASE("worker_health: a time far ahead holds until it is forgotten", "[flow][worker_health][unit]") {
    manual_clock clock;
    health_type  h({.workers = 4, .consecutive_failures = 1, .max_exclusion = 60s}, clock);
    REQUIRE(h.report(0, failure));
    REQUIRE(h.report(1, failure, time_point(1000h)));
    clock.advance(10s);
    REQUIRE(h.usable(0));
    REQUIRE_FALSE(h.usable(1));
    h.forget_time();
    REQUIRE_FALSE(h.usable(0));  // 20 s are left
    REQUIRE(h.usable(1));
    REQUIRE(h.excluded_until(1) == clock.now());
    REQUIRE(h.report(1, failure));  // still on probation
    REQUIRE(h.excluded_until(1) == clock.now() + 60s);
}

TEST_CASE("worker_health: a worker is forgotten, with all that was held against it", "[flow][worker_health][unit]") {
    health_type h({.workers = 2, .consecutive_failures = 2}, manual_clock{});
    fail(h, 0, 1);
    REQUIRE(h.report(0, failure));
    REQUIRE_FALSE(h.usable(0));
    h.forget(0);
    h.forget(9);
    REQUIRE(h.usable(0, time_point{}));
    REQUIRE(h.excluded_until(0) == time_point::min());
    REQUIRE_FALSE(h.report(0, failure));  // no probation, no failure in a row
    REQUIRE(h.report(0, failure));
    REQUIRE(h.excluded_until(0) == time_point(30s));  // and the first time again
}

TEST_CASE("worker_health: what cannot work is refused by name", "[flow][worker_health][unit]") {
    double const nan_value = std::numeric_limits<double>::quiet_NaN();
    REQUIRE_THROWS_WITH(worker_health({.workers = 0}), test::contains("workers (> 0) is 0"));
    REQUIRE_THROWS_WITH(worker_health({.consecutive_failures = 0}), test::contains("consecutive_failures"));
    REQUIRE_THROWS_WITH(worker_health({.failure_share = 0}), test::contains("failure_share in (0, 1]"));
    REQUIRE_THROWS_WITH(worker_health({.failure_share = nan_value}), test::contains("failure_share"));
    REQUIRE_THROWS_WITH(worker_health({.window = 0}), test::contains("window (1 to 64)"));
    REQUIRE_THROWS_WITH(worker_health({.window = 65}), test::contains("is 65"));
    REQUIRE_THROWS_WITH(worker_health({.exclusion = 0s}), test::contains("exclusion (> 0 ns)"));
    REQUIRE_THROWS_WITH(worker_health({.max_exclusion = 29s}), test::contains("max_exclusion"));
    REQUIRE_THROWS_WITH(worker_health({.forgive_after = 0s}), test::contains("forgive_after"));
    REQUIRE_THROWS_WITH(worker_health({.max_excluded = 1}), test::contains("max_excluded in [0, 1)"));
    REQUIRE_THROWS_WITH(worker_health({.max_excluded = nan_value}), test::contains("max_excluded"));
    REQUIRE_THROWS_WITH(worker_health({.attempts = 0}), test::contains("attempts (> 0)"));
}

TEST_CASE("worker_health: whatever fails, every job ends, and by the rules", "[flow][worker_health][property]") {
    manual_clock         clock;
    sluice::xoshiro256ss random(test::seed());
    health_type          h({.workers = 10, .reliable = 2, .consecutive_failures = 2, .exclusion = 1s,
            .same_worker_timeouts = 1,
                            .attempts = 3}, clock);
    int done = 0, given_up = 0, on_bad = 0, late_on_bad = 0;
    for (int job = 0; job < 3'000; ++job) {
        clock.advance(5ms);
        history tried;
        for (;;) {
            auto const d = h.next(tried);
            REQUIRE(d.action != job_action::wait);  // there is a reliable tier
            if (d.action == job_action::done || d.action == job_action::give_up) {
                ++(d.action == job_action::done ? done : given_up);
                break;
            }
            REQUIRE(tried.size() < 5);
            REQUIRE((d.action == job_action::escalate) == (d.worker >= 10));
            REQUIRE(h.usable(d.worker));
            for (auto const& t : tried)
                if (t.worker == d.worker) REQUIRE((t.result == timeout && tried.back().worker == d.worker));
            auto const dice = random() % 100;
            bool const bad = d.worker < 3;  // three workers fail nine times of ten, the others once in fifty
            on_bad += bad ? 1 : 0;
            late_on_bad += bad && job >= 2'000 ? 1 : 0;
            auto const how = d.worker >= 10 || dice >= (bad ? 90u : 2u) ? success
                             : dice % 3 == 0                            ? crash
                             : dice % 3 == 1                            ? timeout
                                                                        : failure;
            (void)h.report(d.worker, how);
            REQUIRE(h.excluded(clock.now()) <= 5);
            tried.push_back({d.worker, how});
        }
    }
    CAPTURE(done, given_up, on_bad, late_on_bad);
    REQUIRE(done + given_up == 3'000);
    REQUIRE(given_up == 0);
    REQUIRE(on_bad < 450);       // taking turns alone: 900
    REQUIRE(late_on_bad < 100);
}

TEST_CASE("worker_health: many threads report and ask", "[flow][worker_health][stress]") {
    manual_clock      clock;
    health_type       h({.workers = 8, .reliable = 1, .consecutive_failures = 2, .exclusion = 1ms}, clock);
    std::atomic<bool> wrong{false};
    test::run_threads(4, [&](std::size_t i) {
        sluice::xoshiro256ss random(i);
        for (int k = 0; k < 2'000; ++k) {
            auto const d = h.next();
            if (d.action != job_action::run || d.worker >= 8) wrong = true;
            (void)h.report(d.worker, random() % 3 == 0 ? success : failure);
            if (k % 20 == 0) clock.advance(100us);
            if (h.excluded(clock.now()) > 4) wrong = true;
        }
    });
    REQUIRE_FALSE(wrong.load());
}
