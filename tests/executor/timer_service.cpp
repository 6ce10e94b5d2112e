// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/thread_pool.hpp>
#include <sluice/executor/timer_service.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <latch>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using sluice::thread_pool;
using sluice::timer_service;
using steady = std::chrono::steady_clock;

TEST_CASE("timer_service: nothing runs early, everything runs", "[executor][timer_service][unit]") {
    thread_pool           pool(2);
    timer_service         timers(pool);
    constexpr std::size_t threads = 3;
    constexpr int         each = 60;
    std::atomic<int>      ran{0}, early{0}, elsewhere{0};
    test::run_threads(threads, [&](std::size_t me) {
        for (int i = 0; i < each; ++i) {
            auto const due = steady::now() + std::chrono::microseconds((i * 37 + static_cast<int>(me) * 11) % 2000);
            timers.schedule_at(due, [&, due] {
                if (steady::now() < due) early.fetch_add(1);
                if (!pool.on_worker()) elsewhere.fetch_add(1);
                ran.fetch_add(1);
            });
        }
    });
    CHECK(test::eventually([&] { return ran.load() == static_cast<int>(threads) * each; }));
    CHECK(early.load() == 0);
    CHECK(elsewhere.load() == 0);
    CHECK(timers.pending() == 0);
}

TEST_CASE("timer_service: an earlier timer wakes the sleeper", "[executor][timer_service][unit]") {
    thread_pool   pool(1);
    timer_service timers(pool);
    for (int i = 0; i < 100; ++i) {  // it sleeps for ever, for an hour, or is just about to
        auto const       far = timers.schedule_after(1h, [] {});
        std::atomic<int> runs{0};
        timers.schedule_after(0ns, [&] { runs.fetch_add(1); });
        REQUIRE(test::eventually([&] { return runs.load() == 1; }));
        auto const moved = timers.schedule_after(2h, [&] { runs.fetch_add(1); });
        REQUIRE(moved.reschedule(steady::now()));
        REQUIRE(test::eventually([&] { return runs.load() == 2; }));
        REQUIRE(far.cancel());
    }
    timers.schedule_after(sluice::duration::max(), [] {});
}

TEST_CASE("timer_service: a periodic timer goes on until it is cancelled", "[executor][timer_service][unit]") {
    thread_pool      pool(2);
    timer_service    timers(pool);
    std::atomic<int> runs{0}, inside{0}, overlaps{0};
    auto const       h = timers.schedule_every(50us, [&] {
        if (inside.fetch_add(1) != 0) overlaps.fetch_add(1);
        runs.fetch_add(1);
        inside.fetch_sub(1);
    }, {.missed = sluice::missed_runs::burst, .first_after = 0ns});
    CHECK(test::eventually([&] { return runs.load() >= 20; }));
    CHECK(h.cancel_and_wait());
    int const after = runs.load();
    pool.wait_idle();
    CHECK(runs.load() == after);
    CHECK(overlaps.load() == 0);
}

TEST_CASE("timer_service: the destructor cancels what is pending", "[executor][timer_service][unit]") {
    thread_pool          pool(1);
    auto const           token = std::make_shared<int>();
    sluice::timer_handle h;
    for (int i = 0; i < 50; ++i) {
        timer_service timers(pool);
        h = timers.schedule_after(1h, [token] {});
        timers.schedule_every(10us, [token] {});
    }
    CHECK(token.use_count() == 1);
    CHECK_FALSE(h.active());
    CHECK(h.cancel());
}

namespace {

struct refusing {
    std::atomic<bool> refuse{true};

    template <class F>
    void post(F&& f) {
        if (refuse.load()) throw std::runtime_error("refused");
        std::move(f)();
    }
};

class executor_with_timers {
public:
    template <class F>
    void post(F&& f) {
        std::move(f)();
    }
    template <class F>
    sluice::timer_handle schedule_after(sluice::duration d, F&& f) {
        return timers_.get(*this)->schedule_after(d, std::forward<F>(f));
    }
    timer_service<executor_with_timers>& timers() { return *timers_.get(*this); }
    void close() { timers_.close(); }
    bool has_timers() { return timers_.get(*this) != nullptr; }

private:
    sluice::lazy_timer_service<executor_with_timers> timers_;
};

}  // namespace

TEST_CASE("timer_service: an executor that refuses is asked again", "[executor][timer_service][unit]") {
    refusing                executor;
    std::atomic<int>        told{0}, runs{0};
    timer_service<refusing> timers(executor, [&](std::exception_ptr) { told.fetch_add(1); });
    timers.schedule_after(0ns, [&] { runs.fetch_add(1); });
    CHECK(test::eventually([&] { return timers.failures() >= 2; }));
    CHECK(runs.load() == 0);
    executor.refuse.store(false);
    CHECK(test::eventually([&] { return runs.load() == 1; }));
    CHECK(told.load() >= 2);

    thread_pool   closed(1);
    timer_service late(closed);
    (void)closed.shutdown();
    auto const h = late.schedule_after(0ns, [&] { runs.fetch_add(1); });
    CHECK(test::eventually([&] { return late.failures() >= 1; }));
    CHECK(h.active());
}

TEST_CASE("timer_service: between two attempts it pauses, each time twice as long", "[executor][timer_service][unit]") {
    refusing                        executor;
    std::mutex                      mutex;
    std::vector<steady::time_point> asked;
    timer_service<refusing>         timers(executor, [&](std::exception_ptr) {
        auto const            now = steady::now();
        std::lock_guard const lock(mutex);
        asked.push_back(now);
    });
    timers.schedule_after(0ns, [] {});
    CHECK(test::eventually([&] { return timers.failures() >= 6; }));
    timers.close();
    REQUIRE(asked.size() >= 6);
    auto pause = 1ms;
    for (std::size_t i = 1; i < 6; ++i, pause *= 2) {  // a busy machine makes them longer, never shorter
        CAPTURE(i);
        CHECK(asked[i] - asked[i - 1] >= pause);
    }
}

TEST_CASE("lazy_timer_service: one service, whoever asks first", "[executor][timer_service][unit]") {
    for (int round = 0; round < 20; ++round) {
        executor_with_timers                                executor;
        std::mutex                                          mutex;
        std::set<timer_service<executor_with_timers>*>      seen;
        std::atomic<int>                                    runs{0};
        test::run_threads(3, [&](std::size_t) {
            auto* const s = &executor.timers();
            executor.schedule_after(0ns, [&] { runs.fetch_add(1); });
            std::lock_guard const lock(mutex);
            seen.insert(s);
        });
        REQUIRE(seen.size() == 1);
        REQUIRE(test::eventually([&] { return runs.load() == 3; }));
    }
    executor_with_timers unused;  // no thread is made
    unused.close();
    REQUIRE_FALSE(unused.has_timers());
}

TEST_CASE("timer_service: closed it cancels, and makes nothing that runs", "[executor][timer_service][unit]") {
    executor_with_timers executor;
    std::atomic<int>     runs{0};
    auto const           waits = executor.schedule_after(1h, [&] { runs.fetch_add(1); });
    REQUIRE(waits.active());
    executor.close();
    REQUIRE_FALSE(waits.active());
    REQUIRE_FALSE(executor.schedule_after(0ns, [&] { runs.fetch_add(1); }).active());
    executor.close();
    REQUIRE(runs.load() == 0);
}
