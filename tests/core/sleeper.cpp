// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/sleeper.hpp>

#include "support/catch.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <stop_token>
#include <thread>
#include <type_traits>

using namespace std::chrono_literals;
using sluice::default_sleeper;
using sluice::manual_clock;
using sluice::manual_sleeper;
using sluice::steady_clock;
using sluice::thread_sleeper;
using sluice::time_point;

static_assert(sluice::sleeper<thread_sleeper> && sluice::sleeper<thread_sleeper const> && !sluice::sleeper<int>);
static_assert(std::is_same_v<decltype(default_sleeper(steady_clock())), thread_sleeper>);
static_assert(std::is_same_v<decltype(default_sleeper(std::declval<manual_clock const&>())), manual_sleeper>);

TEST_CASE("thread_sleeper: true when the time has come, and not before", "[core][sleeper][unit]") {
    thread_sleeper const how;
    for (auto pause : {-1h, 0h}) REQUIRE(how.sleep_until(steady_clock().now() + pause, {}));
    REQUIRE(how.sleep_until(time_point::min(), {}));
    auto const until = steady_clock().now() + 2ms;
    REQUIRE(how.sleep_until(until, {}));
    REQUIRE(steady_clock().now() >= until);
}

TEST_CASE("thread_sleeper: a stop ends any sleep", "[core][sleeper][unit]") {
    std::stop_source stopped;
    stopped.request_stop();
    thread_sleeper const how;
    REQUIRE_FALSE(how.sleep_until(steady_clock().now() + 24h, stopped.get_token()));
    REQUIRE_FALSE(how.sleep_until(time_point{}, stopped.get_token()));  // also when the time had come

    std::stop_source  stop;
    std::atomic<int>  came = 0;
    test::run_threads(3, [&](std::size_t thread) {
        if (thread == 0) stop.request_stop();
        else if (how.sleep_until(steady_clock().now() + 24h, stop.get_token())) came.fetch_add(1);
    });
    REQUIRE(came.load() == 0);
}

TEST_CASE("manual_sleeper: moves its clock on, never back", "[core][sleeper][unit]") {
    manual_clock clock(time_point(5s));
    auto         how = default_sleeper(clock);
    REQUIRE(how.sleep_until(time_point(7s), {}));
    REQUIRE(clock.now() == time_point(7s));
    REQUIRE(how.sleep_until(time_point(3s), {}));
    REQUIRE(clock.now() == time_point(7s));
    REQUIRE(how.sleep_until(time_point::min(), {}));
    REQUIRE(clock.now() == time_point(7s));
    std::stop_source stop;
    REQUIRE(how.sleep_until(time_point(8s), stop.get_token()));
    stop.request_stop();
    REQUIRE_FALSE(how.sleep_until(time_point(9s), stop.get_token()));
    REQUIRE(clock.now() == time_point(8s));
    REQUIRE(how.sleep_until(time_point::max(), {}));
    REQUIRE(clock.now() == time_point::max());
}
