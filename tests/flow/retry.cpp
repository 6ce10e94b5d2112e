// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/retry.hpp>

#include <sluice/flow/retry_budget.hpp>
#include <sluice/flow/retry_share.hpp>
#include <sluice/flow/retry_throttle.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sluice::attempt_result;
using sluice::duration;
using sluice::exponential_backoff;
using sluice::give_up;
using sluice::manual_clock;
using sluice::manual_sleeper;
using sluice::retry_action;
using sluice::retry_plan;
using sluice::time_point;

static_assert(sluice::attempt_budget<sluice::retry_budget<>> && sluice::attempt_budget<sluice::retry_share>);
static_assert(sluice::attempt_budget<sluice::retry_throttle> && !sluice::attempt_budget<int>);

namespace {

time_point at(duration d) { return time_point(d); }
exponential_backoff const doubling({.base = 100ms, .cap = 1s});

struct fixture {
    manual_clock       clock;
    manual_sleeper     sleep{clock};
    sluice::splitmix64 random{1};
};

sluice::retry_decision go(duration t) { return {retry_action::attempt, at(t), give_up::none}; }
sluice::retry_decision no(give_up why) { return {retry_action::give_up, {}, why}; }

}  // namespace

TEST_CASE("retry: a plan retries what may succeed, so many times", "[flow][retry][unit]") {
    sluice::splitmix64 random(1);
    retry_plan         plan({.max_attempts = 3}, doubling);
    CHECK(plan.start(at(1s)) == go(1s));
    CHECK(plan.next(attempt_result::retryable(), at(2s), random) == go(2100ms));
    CHECK(plan.next(attempt_result::retryable(), at(3s), random) == go(3200ms));
    CHECK(plan.attempts() == 3);
    CHECK(plan.next(attempt_result::retryable(), at(4s), random) == no(give_up::attempts));
    CHECK(plan.start(at(0s)) == go(0s));  // the next call
    CHECK(plan.next(attempt_result::retryable(), at(2s), random) == go(2100ms));
    retry_plan once({.max_attempts = 1}, doubling);
    CHECK(once.next(attempt_result::retryable(), at(0s), random) == no(give_up::attempts));
    retry_plan fatal({}, doubling);
    CHECK(fatal.next(attempt_result::fatal(), at(0s), random) == no(give_up::not_retryable));
    retry_plan good({}, doubling);
    CHECK(good.next(attempt_result::success(), at(0s), random).action == retry_action::succeeded);
}

TEST_CASE("retry: the server's push-back is honoured", "[flow][retry][unit]") {
    sluice::splitmix64 random(1);
    retry_plan         plan({.max_attempts = 10, .deadline = at(100s)}, doubling);
    CHECK(plan.next(attempt_result::retryable(5s), at(0s), random) == go(5s));
    CHECK(plan.next(attempt_result::retryable(1ms), at(5s), random) == go(5200ms));  // never sooner than the policy
    CHECK(plan.next(attempt_result::retryable(0s), at(6s), random) == go(6400ms));
    CHECK(plan.next(attempt_result::retryable(100s), at(7s), random) == no(give_up::deadline));
    CHECK(plan.next(attempt_result::retryable(duration::max()), at(7s), random) == no(give_up::deadline));
    CHECK(plan.next(attempt_result::retryable(-1ns), at(7s), random) == no(give_up::not_retryable));
    retry_plan spread({.max_attempts = 1000, .push_back_spread = .5}, doubling);
    duration   least = 1h;
    duration   most{0};
    for (int i = 0; i < 500; ++i) {
        auto const wait = spread.next(attempt_result::retryable(10s), at(0s), random).at - at(0s);
        least = std::min(least, wait);
        most = std::max(most, wait);
    }
    CHECK((least >= 10s && least < 10200ms));
    CHECK((most <= 15s && most > 14800ms));
}

TEST_CASE("retry: no attempt that could not finish before the deadline", "[flow][retry][unit]") {
    sluice::splitmix64 random(1);
    for (auto [attempt_time, deadline, goes] : {std::tuple<duration, duration, bool>{0ms, 1100ms, false}, {0ms, 1101ms, true},
                                                {50ms, 1150ms, true}, {51ms, 1150ms, false}}) {
        retry_plan plan({.deadline = at(deadline), .attempt_time = attempt_time}, doubling);
        CHECK(plan.next(attempt_result::retryable(), at(1s), random) == (goes ? go(1100ms) : no(give_up::deadline)));
    }
    retry_plan late({.deadline = at(1s), .attempt_time = 500ms}, doubling);
    CHECK(late.start(at(501ms)) == no(give_up::deadline));
    CHECK(late.attempts() == 0);
    retry_plan past({.deadline = at(-1s)}, doubling);
    CHECK(past.start(at(0s)) == no(give_up::deadline));
    retry_plan end({.attempt_time = duration::max()}, exponential_backoff({.base = 1s, .cap = duration::max()}));
    CHECK(end.next(attempt_result::retryable(duration::max()), at(1s), random) == no(give_up::deadline));
    retry_plan wide({.deadline = time_point::max() - 1ns, .attempt_time = duration::max()}, doubling);
    CHECK(wide.start(time_point::min()) == go(duration::min()));
}

TEST_CASE("retry: an older time counts as the latest", "[flow][retry][unit]") {
    sluice::splitmix64 random(1);
    retry_plan         plan({.max_attempts = 5, .deadline = at(2s)}, doubling);
    CHECK(plan.next(attempt_result::retryable(), at(1500ms), random) == go(1600ms));
    CHECK(plan.next(attempt_result::retryable(), at(0s), random) == go(1700ms));
    CHECK(plan.next(attempt_result::retryable(), time_point::min(), random) == go(1900ms));
    CHECK(plan.next(attempt_result::retryable(), at(0s), random) == no(give_up::deadline));
}

TEST_CASE("retry: a budget is asked last and pays for retries only", "[flow][retry][unit]") {
    sluice::splitmix64     random(1);
    sluice::retry_budget<> budget({.ratio = .5, .reserve = std::nullopt});
    retry_plan             first({.max_attempts = 1}, doubling, budget);
    CHECK(first.start(at(0s)) == go(0s));
    CHECK(first.next(attempt_result::retryable(), at(0s), random) == no(give_up::attempts));
    retry_plan near({.deadline = at(50ms)}, doubling, budget);
    CHECK(near.start(at(0s)) == go(0s));
    CHECK(near.next(attempt_result::retryable(), at(0s), random) == no(give_up::deadline));
    CHECK(budget.withdrawals() == 0);
    CHECK(budget.deposits() == 2);
    retry_plan third({.max_attempts = 9}, doubling, budget);
    CHECK(third.next(attempt_result::retryable(), at(0s), random) == go(100ms));
    CHECK(third.next(attempt_result::retryable(), at(0s), random) == no(give_up::budget));
    CHECK(third.attempts() == 2);
}

TEST_CASE("retry: a share of what runs is held while the retry runs", "[flow][retry][unit]") {
    sluice::splitmix64  random(1);
    sluice::retry_share share({.min_retries = 1});
    {
        retry_plan a({.max_attempts = 9}, doubling, share);
        retry_plan b({.max_attempts = 9}, doubling, share);
        CHECK(a.next(attempt_result::retryable(), at(0s), random).action == retry_action::attempt);
        CHECK(share.retries() == 1);
        CHECK(b.next(attempt_result::retryable(), at(0s), random) == no(give_up::budget));
        CHECK(a.next(attempt_result::retryable(), at(0s), random).action == retry_action::attempt);
        CHECK(share.retries() == 1);
    }
    CHECK(share.retries() == 0);
}

namespace {

/// Hands out permits and remembers how they ended.
struct witness {
    std::vector<sluice::outcome> ends;
    sluice::permit               try_acquire(time_point now) { return sluice::permit(this, &end, {now, 0, 1}); }
    static void end(void* self, sluice::permit_ticket const&, sluice::outcome how, time_point const*) noexcept {
        static_cast<witness*>(self)->ends.push_back(how);
    }
};

}  // namespace

TEST_CASE("retry: the permit of a retry ends as the attempt did", "[flow][retry][unit]") {
    using sluice::outcome;
    sluice::splitmix64 random(1);
    for (auto [result, end] : {std::pair{attempt_result::success(), outcome::success},
                               {attempt_result::retryable(), outcome::dropped},
                               {attempt_result::fatal(), outcome::ignored}}) {
        witness    budget;
        retry_plan plan({.max_attempts = 2}, doubling, budget);
        CHECK(plan.next(attempt_result::retryable(), at(0s), random).action == retry_action::attempt);
        CHECK(budget.ends.empty());
        static_cast<void>(plan.next(result, at(1s), random));
        CHECK(budget.ends == std::vector{end});
    }
    // An attempt that is not made gives it back, while the plan lives on.
    fixture          f;
    witness          budget;
    std::stop_source stop;
    struct stopping {
        std::stop_source stop;
        bool sleep_until(time_point, std::stop_token) { return !stop.request_stop(); }
    };
    retry_plan plan({.max_attempts = 9}, doubling, budget);
    CHECK(sluice::retry(plan, f.random, [] { return false; }, f.clock, stopping{stop}, stop.get_token()).why == give_up::stopped);
    CHECK(budget.ends == std::vector{outcome::ignored});
    CHECK_THROWS_AS(sluice::retry(plan, f.random, [](std::uint32_t n) { return n == 1 ? 1 : 0; }, f.clock, f.sleep, {},
                                  [](int n) { return n == 1 ? attempt_result::retryable() : throw std::logic_error("classify"); }),
                    std::logic_error);
    CHECK(budget.ends == std::vector{outcome::ignored, outcome::ignored});
}

TEST_CASE("retry: a throttle hears of every end", "[flow][retry][unit]") {
    sluice::splitmix64     random(1);
    sluice::retry_throttle throttle({.max_tokens = 4, .token_ratio = .5});
    retry_plan             plan({.max_attempts = 9}, doubling, throttle);
    CHECK(plan.next(attempt_result::retryable(), at(0s), random).action == retry_action::attempt);
    CHECK(plan.next(attempt_result::retryable(), at(0s), random) == no(give_up::budget));
    CHECK(throttle.tokens() == 2);
    retry_plan good({}, doubling, throttle);
    CHECK(good.next(attempt_result::success(), at(0s), random).action == retry_action::succeeded);
    CHECK(throttle.tokens() == 2.5);
}

TEST_CASE("retry: the loop waits in between and hands back the last answer", "[flow][retry][unit]") {
    fixture                    f;
    retry_plan                 plan({.max_attempts = 5}, doubling);
    std::vector<time_point>    begun;
    auto result = sluice::retry(plan, f.random, [&](std::uint32_t attempt) -> std::optional<int> {
        begun.push_back(f.clock.now());
        if (attempt < 4) return std::nullopt;
        return 7;
    }, f.clock, f.sleep);
    CHECK(result);
    CHECK(result.get() == 7);
    CHECK(result.attempts == 4);
    CHECK(begun == std::vector{at(0s), at(100ms), at(300ms), at(700ms)});

    retry_plan none({.max_attempts = 2}, doubling);
    auto const failed = sluice::retry(none, f.random, [] { return false; }, f.clock, f.sleep);
    CHECK_FALSE(failed);
    CHECK(failed.why == give_up::attempts);
    CHECK(failed.value == false);
    CHECK(failed.attempts == 2);
}

TEST_CASE("retry: exceptions are attempts that failed, and the last one arrives", "[flow][retry][unit]") {
    fixture    f;
    retry_plan plan({.max_attempts = 3}, doubling);
    auto       result = sluice::retry(plan, f.random, [](std::uint32_t n) {
        throw std::runtime_error("attempt " + std::to_string(n));
    }, f.clock, f.sleep);
    CHECK(result.attempts == 3);
    CHECK(result.why == give_up::attempts);
    CHECK_THROWS_WITH(result.get(), "attempt 3");

    retry_plan later({.max_attempts = 3}, doubling);
    auto       good = sluice::retry(later, f.random, [](std::uint32_t n) {
        if (n == 1) throw std::runtime_error("once");
        return std::make_unique<int>(5);
    }, f.clock, f.sleep);
    CHECK(good);
    CHECK(*good.get() == 5);
    CHECK_FALSE(good.error);

    retry_plan both({.max_attempts = 2}, doubling);
    auto       last = sluice::retry(both, f.random, [](std::uint32_t n) {
        if (n == 2) throw std::runtime_error("second");
        return false;
    }, f.clock, f.sleep);
    CHECK_FALSE(last.value.has_value());  // that was the first one's
    CHECK_THROWS_WITH(last.get(), "second");

    // A predicate tells which are worth it.
    retry_plan picky({.max_attempts = 3}, doubling);
    auto       refused = sluice::retry(picky, f.random, []() -> int { throw std::invalid_argument("no"); }, f.clock, f.sleep, {},
        [](auto const& what) {
            if constexpr (std::is_same_v<decltype(what), std::exception_ptr const&>) {
                try {
                    std::rethrow_exception(what);
                } catch (std::invalid_argument const&) {
                    return attempt_result::fatal();
                } catch (...) {
                }
            }
            return attempt_result::retryable();
        });
    CHECK(refused.why == give_up::not_retryable);
    CHECK(refused.attempts == 1);
    CHECK_THROWS_AS(refused.get(), std::invalid_argument);
}

TEST_CASE("retry: a classifier reads results, push-back included", "[flow][retry][unit]") {
    fixture    f;
    retry_plan plan({.max_attempts = 3}, doubling);
    auto       result = sluice::retry(plan, f.random, [](std::uint32_t n) { return n == 1 ? 429 : 200; }, f.clock, f.sleep, {},
        [](int status) { return status == 429 ? attempt_result::retryable(7s) : attempt_result::success(); });
    CHECK(result.get() == 200);
    CHECK(f.clock.now() == at(7s));
    retry_plan own({.max_attempts = 3}, doubling);
    CHECK(sluice::retry(own, f.random, [] { return attempt_result::fatal(); }, f.clock, f.sleep).why == give_up::not_retryable);
    retry_plan throws({}, doubling);
    CHECK_THROWS_AS(sluice::retry(throws, f.random, [] { return 1; }, f.clock, f.sleep, {},
                                  [](int) -> attempt_result { throw std::logic_error("classify"); }),
                    std::logic_error);
}

TEST_CASE("retry: a stop request ends it, with what is known", "[flow][retry][unit]") {
    fixture          f;
    std::stop_source stop;
    retry_plan       plan({.max_attempts = 5}, doubling);
    auto const       result = sluice::retry(plan, f.random, [&](std::uint32_t n) {
        if (n == 2) stop.request_stop();
        return false;
    }, f.clock, f.sleep, stop.get_token());
    CHECK(result.why == give_up::stopped);
    CHECK(result.attempts == 2);
    CHECK(result.value == false);
    retry_plan before({}, doubling);
    auto       none = sluice::retry(before, f.random, [] { return 1; }, f.clock, f.sleep, stop.get_token());
    CHECK(none.why == give_up::stopped);
    CHECK(none.attempts == 0);
    CHECK_THROWS_AS(none.get(), std::logic_error);
}

TEST_CASE("retry: a sleep that lasts too long is no reason for a hopeless attempt", "[flow][retry][unit]") {
    fixture f;
    struct heavy {
        manual_clock clock;
        bool sleep_until(time_point until, std::stop_token) {
            clock.set(until + 1s);
            return true;
        }
    };
    retry_plan plan({.max_attempts = 5, .deadline = at(1s)}, doubling);
    auto const result = sluice::retry(plan, f.random, [] { return false; }, f.clock, heavy{f.clock});
    CHECK(result.why == give_up::deadline);
    CHECK(result.attempts == 1);
}

TEST_CASE("retry: three attempts each are 3 times the load, with a budget of a tenth 1.1 times", "[flow][retry][property]") {
    sluice::splitmix64 random(test::seed());
    for (bool budgeted : {false, true}) {
        sluice::retry_budget<> budget({.ratio = .1, .reserve = std::nullopt, .ttl = 10s});
        std::uint64_t          sent = 0;
        std::uint64_t const    requests = 20'000;
        for (std::uint64_t i = 0; i < requests; ++i) {
            auto const now = time_point(1ms * static_cast<std::int64_t>(i));
            auto const run = [&](auto plan) {
                for (auto step = plan.start(now); step.action == retry_action::attempt;
                     step = plan.next(attempt_result::retryable(), now, random))
                    ++sent;
            };
            if (budgeted) run(retry_plan({.max_attempts = 3}, doubling, budget));
            else run(retry_plan({.max_attempts = 3}, doubling));
        }
        auto const load = static_cast<double>(sent) / static_cast<double>(requests);
        if (budgeted) {
            CHECK(load <= 1.1);
            CHECK(load > 1.09);
        } else {
            CHECK(load == 3);
        }
    }
}

TEST_CASE("retry: what cannot work is refused by name", "[flow][retry][unit]") {
    CHECK_THROWS_WITH(retry_plan({.max_attempts = 0}, doubling), test::contains("retry: max_attempts"));
    CHECK_THROWS_WITH(retry_plan({.attempt_time = -1ns}, doubling), test::contains("retry: attempt_time"));
    for (double spread : {-.1, 1.1, std::numeric_limits<double>::quiet_NaN()})
        CHECK_THROWS_WITH(retry_plan({.push_back_spread = spread}, doubling), test::contains("retry: push_back_spread"));
}
