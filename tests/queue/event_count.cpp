// SPDX-License-Identifier: BSL-1.0
#include <sluice/queue/event_count.hpp>

#include "support/catch.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

TEST_CASE("event_count: a notification after prepare_wait ends the wait at once", "[queue][event_count][unit]") {
    sluice::event_count ec;
    for (int kind = 0; kind < 3; ++kind) {
        auto const key = ec.prepare_wait();
        CHECK(ec.waiters_approx() == 1);
        kind == 0 ? ec.notify_one() : kind == 1 ? ec.notify_all() : ec.notify_n(5);
        ec.commit_wait(key);
        CHECK(ec.waiters_approx() == 0);
    }
    auto const key = ec.prepare_wait();
    ec.notify_n(0);  // wakes no sleeper, but whoever is not asleep yet notices
    ec.commit_wait(key);
    CHECK(ec.waiters_approx() == 0);
}

TEST_CASE("event_count: cancelling leaves nothing behind", "[queue][event_count][unit]") {
    sluice::event_count ec;
    for (int i = 0; i < 100'000; ++i) {
        (void)ec.prepare_wait();
        ec.cancel_wait();
    }
    CHECK(ec.waiters_approx() == 0);
    ec.notify_one();  // kept by nobody: a notification before prepare_wait is not remembered
    auto const key = ec.prepare_wait();
    CHECK_FALSE(ec.commit_wait_until(key, steady::now()));
}

TEST_CASE("event_count: a deadline that has passed answers false, a notification true", "[queue][event_count][unit]") {
    sluice::event_count ec;
    steady::time_point const past[] = {steady::time_point::min(), steady::time_point{}, steady::now() - 1h, steady::now()};
    for (auto deadline : past) {
        auto const begin = steady::now();
        auto const key = ec.prepare_wait();
        CHECK_FALSE(ec.commit_wait_until(key, deadline));
        CHECK(steady::now() - begin < 5s);
        CHECK(ec.waiters_approx() == 0);
        auto const again = ec.prepare_wait();
        ec.notify_one();
        CHECK(ec.commit_wait_until(again, deadline));
        CHECK(ec.waiters_approx() == 0);
    }
    for (auto soon : {1ns, 1000ns, 100'000ns, 2'000'000ns}) {
        auto const deadline = steady::now() + soon;
        auto const key = ec.prepare_wait();
        CHECK_FALSE(ec.commit_wait_until(key, deadline));
        CHECK(steady::now() >= deadline);
    }
    auto const key = ec.prepare_wait();
    ec.notify_one();
    CHECK(ec.commit_wait_until(key, steady::time_point::max()));
}

TEST_CASE("event_count: wakes sleepers, with and without a deadline", "[queue][event_count][unit]") {
    for (auto deadline : {steady::time_point::max(), steady::now() + 1h}) {
        sluice::event_count           ec;
        std::atomic<bool>             ready{false};
        std::atomic<std::uint32_t>    timeouts{0};
        test::run_threads(4, [&](std::size_t i) {
            if (i == 0) {
                while (ec.waiters_approx() < 3) std::this_thread::yield();
                ready = true;
                ec.notify_all();
                return;
            }
            while (!ready) {
                auto const key = ec.prepare_wait();
                if (ready)
                    ec.cancel_wait();
                else if (i == 1)
                    ec.commit_wait(key);
                else
                    timeouts += !ec.commit_wait_until(key, deadline);
            }
        });
        CHECK(ec.waiters_approx() == 0);
        CHECK(timeouts == 0);
    }
}

static_assert(noexcept(std::declval<sluice::event_count&>().notify_all()));
#if defined(__linux__)
static_assert(sizeof(sluice::event_count) == 8);
#endif

#if defined(__linux__)
TEST_CASE("futex_parker: a deadline beyond a time_t of 32 bits is the last one that fits, not one in the past",
          "[core][futex][unit]") {
    using sluice::detail::seconds_in;
    STATIC_REQUIRE(seconds_in<std::int32_t>(0s) == 0);
    STATIC_REQUIRE(seconds_in<std::int32_t>(2'147'483'647s) == 2'147'483'647);
    STATIC_REQUIRE(seconds_in<std::int32_t>(2'147'483'648s) == 2'147'483'647);  // 68 years
    STATIC_REQUIRE(seconds_in<std::int32_t>(4'294'967'297s) == 2'147'483'647);
    STATIC_REQUIRE(seconds_in<std::int64_t>(9'223'372'036s) == 9'223'372'036);
}
#endif
