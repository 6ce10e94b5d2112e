// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/stuck_watchdog.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/threads.hpp"

#include <sluice/executor/thread_pool.hpp>

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using sluice::stuck_watchdog;
using sluice::task_info;
using sluice::task_status;
using sluice::time_point;

namespace {

task_info task(std::uint64_t id, sluice::duration started, std::string_view name = "t") {
    return {.name = name, .id = id, .started = time_point(started)};
}
std::vector<std::uint64_t> ids(std::vector<sluice::stuck_task> const& all) {
    std::vector<std::uint64_t> result;
    for (auto const& t : all) result.push_back(t.id);
    return result;
}
using list = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("stuck_watchdog: who runs for longer than allowed", "[executor][stuck_watchdog][unit]") {
    stuck_watchdog dog({.longer_than = 100ms, .threads = 2});
    dog.on_start(task(1, 0ms, "outer"));
    CHECK(dog.check(time_point(100ms)).empty());
    auto const found = dog.check(time_point(101ms));
    REQUIRE(found.size() == 1);
    CHECK(found[0].name == "outer");
    CHECK(found[0].running == 101ms);
    CHECK(found[0].started == time_point(0ms));
    dog.on_start(task(2, 150ms));  // the outer one waits, and helps meanwhile
    CHECK(ids(dog.check(time_point(200ms))) == list{1});
    CHECK(ids(dog.check(time_point(251ms))) == list{1, 2});
    dog.on_finish(task(9, 0ms), task_status::dropped);  // somebody else's, that never ran
    dog.on_finish(task(2, 150ms), task_status::threw);
    CHECK(ids(dog.check(time_point(1h))) == list{1});
    std::thread([&] {
        dog.on_start(task(3, 0ms));
        std::thread([&] { dog.on_start(task(4, 0ms)), dog.on_finish(task(4, 0ms), task_status::ran); }).join();
    }).join();
    CHECK(dog.unwatched() == 1);  // a third thread
    dog.on_finish(task(1, 0ms), task_status::ran);
    CHECK(ids(dog.check(time_point(1h))) == list{3});
    dog.on_finish(task(1, 0ms), task_status::ran);  // began before there was a dog
    CHECK(dog.check(time_point::min()).empty());    // a clock that went backwards
}

TEST_CASE("stuck_watchdog: deeper than it looks", "[executor][stuck_watchdog][unit]") {
    stuck_watchdog dog({.longer_than = 1ms, .threads = 1});
    for (std::uint64_t i = 1; i <= 10; ++i) dog.on_start(task(i, 0ms));
    CHECK(dog.check(time_point(1s)).size() == 8);
    CHECK(dog.unwatched() == 2);
    for (std::uint64_t i = 10; i > 3; --i) dog.on_finish(task(i, 0ms), task_status::ran);
    CHECK(ids(dog.check(time_point(1s))) == list{1, 2, 3});
    CHECK_THROWS_AS(stuck_watchdog({.longer_than = 0ms}), std::invalid_argument);
    CHECK_THROWS_AS(stuck_watchdog({.threads = 0}), std::invalid_argument);
}

TEST_CASE("stuck_watchdog: what is read is never of two tasks", "[executor][stuck_watchdog][stress]") {
    stuck_watchdog                dog({.longer_than = 1ns, .threads = 4});
    static constexpr std::string_view names[] = {"", "a", "bb", "ccc"};
    std::atomic<bool>             stop{false};
    std::uint64_t                 seen = 0, wrong = 0;
    test::run_threads(3, [&](std::size_t i) {
        if (i == 2) {
            auto const look = [&] {
                for (auto const& t : dog.check(time_point(1s))) {
                    ++seen;
                    wrong += t.name != names[t.id % 4] || t.started != time_point(sluice::duration(static_cast<std::int64_t>(t.id)));
                }
                return seen > 0;
            };
            (void)test::eventually(look);  // the others may begin later
            for (int k = 0; k < 20'000; ++k) (void)look();
            stop = true;
            return;
        }
        for (std::uint64_t id = 1; !stop; ++id) {
            auto const t = task(id, std::chrono::nanoseconds(static_cast<std::int64_t>(id)), names[id % 4]);
            dog.on_start(t);
            if (id % 64 == 0) std::this_thread::yield();
            dog.on_finish(t, task_status::ran);
        }
    });
    CHECK(wrong == 0);
    CHECK(seen > 0);
}

TEST_CASE("stuck_watchdog: the driver reports each once", "[executor][stuck_watchdog][unit]") {
    stuck_watchdog           dog({.longer_than = 50ms});
    sluice::manual_clock     clock;
    std::mutex               mutex;
    std::vector<std::string> reported;
    std::atomic<bool>        go{false}, fail{true};
    sluice::thread_pool      pool(1);
    auto                     executor = sluice::observe(pool, dog, clock);
    {
        sluice::stuck_watchdog_driver driver(dog, 10ms, [&](sluice::stuck_task const& t) {
            std::lock_guard const lock(mutex);
            reported.emplace_back(t.name);
            if (t.name == "bad" && fail) throw std::runtime_error("no");
        }, clock);  // on a manual clock time passes as fast as it checks
        executor.post([&] { (void)test::eventually([&] { return go.load(); }); }, "bad");
        executor.post([] {}, "good");
        auto const count = [&] {
            std::lock_guard const lock(mutex);
            return reported.size();
        };
        CHECK(test::eventually([&] { return count() >= 1; }));
        auto const checks = driver.checks();
        CHECK(test::eventually([&] { return driver.checks() > checks + 3; }));
        CHECK(count() == 1);
        CHECK(driver.failures() == 1);
        go = true;
        pool.wait_idle();
    }
    CHECK(reported[0] == "bad");
    CHECK_THROWS_AS(sluice::stuck_watchdog_driver(dog, 0ms, [](auto const&) {}), std::invalid_argument);
}
