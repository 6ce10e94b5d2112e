// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/random.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/executor/timer_queue.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <latch>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::manual_clock;
using sluice::missed_runs;
using sluice::time_point;
using sluice::timer_handle;
using sluice::timer_mode;

namespace {

/// Keeps what it gets until it is told to run it.
struct shelf {
    std::deque<sluice::unique_function<void()>> tasks;
    int                                         refuse_after = -1;  // so many more, then each post throws

    template <class F>
    void post(F&& f) {
        if (refuse_after == 0) throw std::runtime_error("refused");
        if (refuse_after > 0) --refuse_after;
        tasks.emplace_back(std::forward<F>(f));
    }
    void run() {
        while (!tasks.empty()) {
            auto f = std::move(tasks.front());
            tasks.pop_front();
            f();
        }
    }
};

struct inline_executor {
    template <class F>
    void post(F&& f) {
        std::move(f)();
    }
};

/// Takes the task, then may refuse.
struct greedy {
    bool refuse = true;

    template <class F>
    void post(F&& f) {
        std::decay_t<F> mine(std::forward<F>(f));
        if (refuse) throw std::bad_alloc();
        mine();
    }
};

/// Destroys what it gets.
struct nobody {
    template <class F>
    void post(F&& f) {
        std::decay_t<F> const mine(std::forward<F>(f));
    }
};

using queue = sluice::timer_queue<shelf, manual_clock>;

struct bench {
    manual_clock clock;
    shelf        executor;
    queue        timers{executor, clock};
    std::string  log;

    auto note(char c) {
        return [this, c] { log += c; };
    }
    /// The time is t; everything that is due runs.
    std::string at(duration t) {
        clock.set(time_point(t));
        log.clear();
        while (timers.expire() > 0) executor.run();
        return log;
    }
};

}  // namespace

TEST_CASE("timer_queue: one-shot timers run in the order of deadline, then of the calls", "[executor][timer_queue][unit]") {
    bench b;
    CHECK_FALSE(b.timers.next_deadline());
    b.timers.schedule_after(20ns, b.note('c'));
    b.timers.schedule_after(10ns, b.note('a'));
    b.timers.schedule_at(time_point(20ns), b.note('d'));
    b.timers.schedule_after(10ns, b.note('b'));
    b.timers.schedule_after(duration::max(), b.note('z'));
    CHECK(b.timers.next_deadline() == time_point(10ns));
    CHECK(b.at(9ns).empty());
    CHECK(b.at(10ns) == "ab");
    CHECK(b.timers.pending() == 3);
    CHECK(b.at(25ns) == "cd");
    b.timers.schedule_after(-5ns, b.note('e'));              // 20 ns
    b.timers.schedule_at(time_point::min(), b.note('f'));
    b.timers.schedule_after(0ns, b.note('g'));
    CHECK(b.at(25ns) == "feg");
    CHECK(b.at(1h).empty());
    CHECK(b.at(duration::max()) == "z");
    CHECK_FALSE(b.timers.next_deadline());
}

TEST_CASE("timer_queue: expire posts and does not run", "[executor][timer_queue][unit]") {
    bench b;
    auto const h = b.timers.schedule_after(1ns, b.note('a'));
    b.clock.advance(5ns);
    CHECK(b.timers.expire() == 1);
    CHECK(b.timers.expire() == 0);
    CHECK(b.log.empty());
    CHECK(h.active());
    b.executor.run();
    CHECK(b.log == "a");
    CHECK_FALSE(h.active());
}

TEST_CASE("timer_queue: periods", "[executor][timer_queue][unit]") {
    struct row {
        timer_mode    mode;
        missed_runs   missed;
        duration      work;       // what the third run takes; the others take nothing
        std::vector<int> starts;  // in ns, with a look at every nanosecond
    };
    using enum timer_mode;
    using enum missed_runs;
    row const rows[] = {
        {fixed_rate, skip, 0ns, {10, 20, 30, 40, 50, 60, 70}},
        {fixed_rate, skip, 25ns, {10, 20, 30, 60, 70}},          // 40, 50 are dropped
        {fixed_rate, skip, 20ns, {10, 20, 30, 60, 70}},          // ends at 50 exactly: that one was missed, too
        {fixed_rate, burst, 25ns, {10, 20, 30, 55, 55, 60, 70}},
        {fixed_rate, coalesce, 25ns, {10, 20, 30, 55, 60, 70}},
        {fixed_rate, coalesce, 9ns, {10, 20, 30, 40, 50, 60, 70}},
        {fixed_delay, skip, 0ns, {10, 20, 30, 40, 50, 60, 70}},
        {fixed_delay, burst, 25ns, {10, 20, 30, 65, 75}},
    };
    for (auto const& r : rows) {
        CAPTURE(int(r.mode), int(r.missed), r.work.count());
        bench            b;
        std::vector<int> starts;
        b.timers.schedule_every(10ns, [&] {
            starts.push_back(static_cast<int>(b.clock.now().time_since_epoch().count()));
            if (starts.size() == 3) b.clock.advance(r.work);
        }, {.mode = r.mode, .missed = r.missed});
        while (b.clock.now() <= time_point(75ns)) {
            while (b.timers.expire() > 0) b.executor.run();
            b.clock.advance(1ns);
        }
        std::vector<int> expected;
        for (int const t : r.starts) expected.push_back(t);
        CHECK(starts == expected);
    }
}

TEST_CASE("timer_queue: a late look is one run for coalesce and skip, all runs for burst", "[executor][timer_queue][unit]") {
    for (auto const missed : {missed_runs::skip, missed_runs::coalesce, missed_runs::burst}) {
        bench b;
        b.timers.schedule_every(10ns, b.note('x'), {.missed = missed, .first_after = 5ns});
        CHECK(b.at(5ns) == "x");
        CHECK(b.at(67ns) == (missed == missed_runs::burst ? "xxxxxx" : "x"));  // 15, 25, 35, 45, 55, 65
        CHECK(b.timers.next_deadline() == time_point(75ns));
    }
    bench b;
    CHECK_THROWS_AS(b.timers.schedule_every(0ns, [] {}), std::invalid_argument);
    CHECK_THROWS_AS(b.timers.schedule_every(-1ns, [] {}), std::invalid_argument);
    CHECK(b.timers.pending() == 0);
}

TEST_CASE("timer_queue: the end of the time line", "[executor][timer_queue][unit]") {
    for (auto const mode : {timer_mode::fixed_rate, timer_mode::fixed_delay})
        for (auto const missed : {missed_runs::skip, missed_runs::coalesce, missed_runs::burst}) {
            bench b;
            b.timers.schedule_every(duration::max(), b.note('x'), {.mode = mode, .missed = missed});
            CHECK(b.at(1h).empty());
            CHECK(b.at(duration::max()) == "x");
            CHECK(b.timers.pending() == 0);
            b.clock.set(time_point::min());
            b.timers.schedule_every(duration::max(), b.note('y'), {.mode = mode, .missed = missed});
            CHECK(b.at(duration::max()).front() == 'y');
            CHECK(b.timers.pending() == 0);
        }
}

TEST_CASE("timer_queue: a clock that goes back only delays", "[executor][timer_queue][unit]") {
    bench b;
    b.clock.set(time_point(100ns));
    b.timers.schedule_every(10ns, b.note('r'));
    b.timers.schedule_every(10ns, b.note('d'), {.mode = timer_mode::fixed_delay});
    CHECK(b.at(110ns) == "rd");
    CHECK(b.at(50ns).empty());
    CHECK(b.at(119ns).empty());
    CHECK(b.at(120ns) == "rd");
    b.clock.set(time_point(200ns));
    CHECK(b.timers.expire() == 2);
    b.clock.set(time_point(20ns));  // the runs end before they were due
    b.executor.run();
    CHECK(b.at(30ns) == "d");       // the delay counts from the end; the grid stays where it was
    CHECK(b.at(140ns) == "dr");
}

TEST_CASE("timer_handle: cancel before, at and after the time", "[executor][timer_queue][unit]") {
    bench b;
    CHECK(timer_handle().cancel());
    CHECK(timer_handle().cancel_and_wait());
    CHECK_FALSE(timer_handle().active());
    CHECK_FALSE(timer_handle().reschedule(time_point(1ns)));

    auto const token = std::make_shared<int>();
    auto const early = b.timers.schedule_after(10ns, [&, token] { b.log += 'a'; });
    auto const posted = b.timers.schedule_after(10ns, [&, token] { b.log += 'b'; });
    auto const late = b.timers.schedule_after(10ns, [&, token] { b.log += 'c'; });
    CHECK(token.use_count() == 4);
    CHECK(early.cancel());
    CHECK(token.use_count() == 3);   // destroyed at once
    CHECK(early.cancel());
    b.clock.advance(10ns);
    CHECK(b.timers.expire() == 2);
    CHECK(posted.cancel());
    CHECK(token.use_count() == 2);
    CHECK_FALSE(posted.active());
    b.executor.run();
    CHECK(b.log == "c");
    CHECK(token.use_count() == 1);
    CHECK(late.cancel_and_wait());
    CHECK_FALSE(late.reschedule(time_point(1h)));
    CHECK(b.at(1h).empty());
}

TEST_CASE("timer_handle: from the timer's own callback", "[executor][timer_queue][unit]") {
    bench        b;
    timer_handle h;
    int          runs = 0;
    bool         cancelled[2] = {true, true};
    h = b.timers.schedule_every(1ns, [&] {
        if (++runs < 3) return;
        cancelled[0] = h.cancel();
        cancelled[1] = h.cancel_and_wait();  // does not wait for itself
        CHECK_FALSE(h.active());
        CHECK_FALSE(h.reschedule(time_point(1h)));
    });
    for (auto t = 1ns; t < 10ns; t += 1ns) b.at(t);
    CHECK(runs == 3);
    CHECK_FALSE(cancelled[0]);
    CHECK_FALSE(cancelled[1]);
    CHECK(h.cancel());

    runs = 0;  // a one-shot that sets itself again
    h = b.timers.schedule_at(time_point(20ns), [&] {
        if (++runs < 4) CHECK(h.reschedule(b.clock.now() + 5ns));
    });
    for (auto t = 20ns; t < 100ns; t += 1ns) b.at(t);
    CHECK(runs == 4);
}

TEST_CASE("timer_handle: reschedule", "[executor][timer_queue][unit]") {
    bench      b;
    auto const a = b.timers.schedule_after(10ns, b.note('a'));
    auto const c = b.timers.schedule_after(10ns, b.note('c'));
    CHECK(a.reschedule(time_point(10ns)));  // as if it had been set now: behind c
    CHECK(b.at(10ns) == "ca");
    CHECK_FALSE(c.reschedule(time_point(20ns)));

    auto const p = b.timers.schedule_every(10ns, b.note('p'));  // 20, 30, ...
    CHECK(b.at(20ns) == "p");
    CHECK(p.reschedule(time_point(23ns)));
    CHECK(b.at(23ns) == "p");
    CHECK(b.timers.next_deadline() == time_point(33ns));
    b.clock.set(time_point(33ns));
    CHECK(b.timers.expire() == 1);
    CHECK(p.reschedule(time_point(40ns)));  // it has been posted and has not begun
    b.log.clear();
    b.executor.run();
    CHECK(b.log.empty());
    CHECK(b.at(40ns) == "p");
    CHECK(p.cancel());
    CHECK(b.timers.pending() == 0);
}

TEST_CASE("timer_queue: exceptions", "[executor][timer_queue][unit]") {
    bench b;
    SECTION("of a callback go where the executor's errors go, and the timer goes on") {
        int        runs = 0;
        auto const h = b.timers.schedule_every(10ns, [&] {
            if (++runs == 1) throw std::runtime_error("x");
        });
        b.clock.set(time_point(10ns));
        b.timers.expire();
        CHECK_THROWS_AS(b.executor.run(), std::runtime_error);
        CHECK(h.active());
        b.at(20ns);
        CHECK(runs == 2);
        auto const once = b.timers.schedule_after(1ns, [] { throw std::runtime_error("y"); });
        b.clock.set(time_point(21ns));
        b.timers.expire();
        CHECK_THROWS_AS(b.executor.run(), std::runtime_error);
        CHECK_FALSE(once.active());
        CHECK(once.cancel());
    }
    SECTION("of post: what was not posted is still due, in its order") {
        for (char c = 'a'; c < 'a' + 26; ++c) b.timers.schedule_after(5ns, b.note(c));
        b.clock.set(time_point(5ns));
        b.executor.refuse_after = 10;
        CHECK_THROWS_AS(b.timers.expire(), std::runtime_error);
        CHECK(b.executor.tasks.size() == 10);
        CHECK(b.timers.pending() == 16);
        b.executor.refuse_after = -1;
        CHECK(b.timers.expire() == 16);
        b.executor.run();
        CHECK(b.log == "abcdefghijklmnopqrstuvwxyz");
    }
    SECTION("of post after it has moved the task away: the timer is still due") {
        greedy executor;
        sluice::timer_queue<greedy, manual_clock> timers(executor, b.clock);
        timers.schedule_after(1ns, b.note('a'));
        b.clock.advance(1ns);
        CHECK_THROWS_AS(timers.expire(), std::bad_alloc);
        executor.refuse = false;
        CHECK(timers.expire() == 1);
        CHECK(b.log == "a");
    }
    SECTION("a task that is destroyed unrun after its timer has been moved ends nothing") {
        auto const h = b.timers.schedule_after(5ns, b.note('a'));
        b.clock.advance(5ns);
        b.timers.expire();
        CHECK(h.reschedule(b.clock.now()));
        b.timers.expire();
        CHECK(b.executor.tasks.size() == 2);
        b.executor.tasks.pop_front();
        b.executor.run();
        CHECK(b.log == "a");
    }
    SECTION("a task that is destroyed unrun ends its timer") {
        auto const token = std::make_shared<int>();
        auto const h = b.timers.schedule_every(5ns, [token] {});
        b.clock.advance(5ns);
        b.timers.expire();
        b.executor.tasks.clear();
        CHECK_FALSE(h.active());
        CHECK(token.use_count() == 1);
        nobody executor;
        sluice::timer_queue<nobody, manual_clock> timers(executor, b.clock);
        auto const g = timers.schedule_every(5ns, [token] {});
        b.clock.advance(5ns);
        CHECK(timers.expire() == 1);
        CHECK_FALSE(g.active());
        CHECK(token.use_count() == 1);
    }
}

TEST_CASE("timer_queue: an executor that runs at once", "[executor][timer_queue][unit]") {
    manual_clock                                  clock;
    inline_executor                               executor;
    std::optional<sluice::timer_queue<inline_executor, manual_clock>> timers(std::in_place, executor, clock);
    int runs = 0;
    struct again {
        std::optional<sluice::timer_queue<inline_executor, manual_clock>>& timers;
        int&                                                               runs;
        void operator()() {
            ++runs;
            timers->schedule_after(0ns, again{timers, runs});
        }
    };
    timers->schedule_after(0ns, again{timers, runs});
    CHECK(timers->expire() == 1);  // not for ever
    CHECK(timers->expire() == 1);
    CHECK(runs == 2);
    timers->schedule_after(0ns, [&] { timers.reset(); });  // the queue ends inside its own callback
    bool late = false;
    timers->schedule_after(0ns, [&] { late = true; });
    (void)timers->expire();
    CHECK_FALSE(timers);
    CHECK_FALSE(late);
}

TEST_CASE("timer_queue: destruction cancels", "[executor][timer_queue][unit]") {
    shelf        executor;
    manual_clock clock;
    auto const   token = std::make_shared<int>();
    bool         ran = false;
    timer_handle pending, posted, own;
    auto         timers = std::make_unique<queue>(executor, clock);
    posted = timers->schedule_after(1ns, [&, token] { ran = true; });
    pending = timers->schedule_after(2ns, [&, token] { ran = true; });
    clock.advance(1ns);
    timers->expire();
    timers.reset();
    CHECK(token.use_count() == 1);
    CHECK_FALSE(pending.active());
    CHECK_FALSE(posted.active());
    CHECK_FALSE(pending.reschedule(time_point(1h)));
    CHECK(pending.cancel_and_wait());
    executor.run();
    CHECK_FALSE(ran);

    timers = std::make_unique<queue>(executor, clock);
    timer_handle made;
    own = timers->schedule_every(1ns, [&] {
        auto* const old = timers.release();
        delete old;
        CHECK_FALSE(own.active());
        CHECK_FALSE(own.cancel());
    });
    clock.advance(1ns);
    timers->expire();
    executor.run();
    CHECK(own.cancel());
}

TEST_CASE("timer_queue: as a sorted list does it, under random operations", "[executor][timer_queue][property]") {
    sluice::splitmix64 g(test::seed());
    bench b;
    struct entry {
        timer_handle handle;
        std::pair<std::int64_t, std::int64_t> key{};  // deadline, order
        bool                                  alive = true;
    };
    std::vector<entry> all;
    std::map<std::pair<std::int64_t, std::int64_t>, std::size_t> model;
    std::vector<std::size_t> ran;
    std::int64_t             order = 0;
    auto const below = [&](std::uint64_t n) { return static_cast<std::int64_t>(sluice::uniform_below(g, n)); };
    for (int step = 0; step < 6000; ++step) {
        auto const now = b.clock.now().time_since_epoch().count();
        switch (below(step < 3000 ? 7 : 9)) {
            default: {
                std::size_t const i = all.size();
                auto const        t = now + below(50);
                all.push_back({b.timers.schedule_at(time_point(duration(t)), [&ran, i] { ran.push_back(i); }), {t, order++}, true});
                model.emplace(all[i].key, i);
                break;
            }
            case 4:
            case 8: {
                if (all.empty()) break;
                auto& e = all[static_cast<std::size_t>(below(all.size()))];
                REQUIRE(e.handle.active() == e.alive);
                REQUIRE(e.handle.cancel());
                if (std::exchange(e.alive, false)) model.erase(e.key);
                break;
            }
            case 5: {
                if (all.empty()) break;
                std::size_t const i = static_cast<std::size_t>(below(all.size()));
                auto const        t = now + below(50);
                REQUIRE(all[i].handle.reschedule(time_point(duration(t))) == all[i].alive);
                if (!all[i].alive) break;
                model.erase(all[i].key);
                all[i].key = {t, order++};
                model.emplace(all[i].key, i);
                break;
            }
            case 6: {
                auto const t = b.clock.advance(duration(below(9))).time_since_epoch().count();
                std::vector<std::size_t> due;
                while (!model.empty() && model.begin()->first.first <= t) {
                    due.push_back(model.begin()->second);
                    all[due.back()].alive = false;
                    model.erase(model.begin());
                }
                ran.clear();
                REQUIRE(b.timers.expire() == due.size());
                b.executor.run();
                REQUIRE(ran == due);
                break;
            }
        }
        REQUIRE(b.timers.pending() == model.size());
        auto const next = b.timers.next_deadline();
        REQUIRE(next.has_value() == !model.empty());
        if (next) REQUIRE(next->time_since_epoch().count() == model.begin()->first.first);
    }
}

TEST_CASE("timer_queue: a great many timers, most of them cancelled", "[executor][timer_queue][unit]") {
    bench                     b;
    constexpr int             n = 100'000;
    std::vector<timer_handle> handles;
    int                       runs = 0;
    std::int64_t              last = 0;
    bool                      sorted = true;
    for (int i = 0; i < n; ++i) {
        auto const t = (i * std::int64_t{7919}) % n;
        handles.push_back(b.timers.schedule_at(time_point(duration(t)), [&, t] {
            sorted = sorted && last <= t;
            last = t;
            ++runs;
        }));
    }
    for (int i = 0; i < n; ++i)
        if (i % 4 != 0) (void)handles[static_cast<std::size_t>(i)].cancel();
    CHECK(b.timers.pending() == n / 4);
    b.clock.set(time_point(duration(n)));
    CHECK(b.timers.expire() == n / 4);
    b.executor.run();
    CHECK(runs == n / 4);
    CHECK(sorted);
}

TEST_CASE("timer_queue: no memory, no effect", "[executor][timer_queue][unit]") {
    bench b;
    b.timers.schedule_after(1ns, b.note('a'));
    std::uint64_t failures = 0;
    for (bool failed = true; failed; ++failures) {
        auto const          before = test::live_allocations();
        bool                threw = false;
        {
            sluice::timer_queue<shelf, manual_clock> fresh(b.executor, b.clock);
            auto const          made = test::live_allocations();
            test::scarce_memory scarce(failures);
            try {
                fresh.schedule_every(1ns, [p = 1] { (void)p; });
                fresh.schedule_every(1ns, [p = 2] { (void)p; });
            } catch (std::bad_alloc const&) {
                threw = true;
            }
            failed = scarce.failed();
            if (failed && failures == 0) REQUIRE(test::live_allocations() == made);
            if (failed) REQUIRE(fresh.pending() <= 1);
        }
        REQUIRE(threw == failed);
        REQUIRE(test::live_allocations() == before);
    }
    CHECK(failures >= 3);
    // A period allocates nothing once the timer is there; the executor may.
    auto const h = b.timers.schedule_every(1ns, b.note('p'));
    b.at(10ns);
    sluice::timer_queue<inline_executor, manual_clock>* timers = nullptr;
    inline_executor                                     direct;
    sluice::timer_queue<inline_executor, manual_clock>  own(direct, b.clock);
    timers = &own;
    int runs = 0;
    timers->schedule_every(1ns, [&] { ++runs; });
    test::scarce_memory const scarce(0);
    for (int i = 0; i < 100; ++i) {
        b.clock.advance(1ns);
        (void)timers->expire();
    }
    CHECK(scarce.allocations() == 0);
    CHECK(runs == 100);
}

TEST_CASE("timer_handle: cancel_and_wait waits for a callback on another thread", "[executor][timer_queue][unit]") {
    sluice::thread_pool                                    pool(2);
    manual_clock                                           clock;
    sluice::timer_queue<sluice::thread_pool, manual_clock> timers(pool, clock);
    for (int round = 0; round < 50; ++round) {
        std::latch        begun(1), go(1);
        std::atomic<bool> over{false};
        auto const        token = std::make_shared<int>();
        auto const        h = timers.schedule_every(1ns, [&, token] {
            begun.count_down();
            go.wait();
            over.store(true);
        });
        clock.advance(1ns);
        REQUIRE(timers.expire() == 1);
        begun.wait();
        REQUIRE_FALSE(h.cancel());
        test::run_threads(3, [&](std::size_t i) {
            if (i == 0) return go.count_down();
            if (!h.cancel_and_wait() || !over.load() || token.use_count() != 1) throw std::runtime_error("it did not wait");
        });
        REQUIRE(timers.pending() == 0);
    }
}

TEST_CASE("timer_queue: the destructor waits for callbacks on other threads", "[executor][timer_queue][unit]") {
    sluice::thread_pool pool(2);
    for (int round = 0; round < 50; ++round) {
        manual_clock      clock;
        std::latch        begun(2);
        std::atomic<int>  over{0};
        {
            sluice::timer_queue<sluice::thread_pool, manual_clock> timers(pool, clock);
            for (int i = 0; i < 2; ++i)
                timers.schedule_every(1ns, [&] {
                    begun.arrive_and_wait();
                    timers.schedule_after(1ns, [&] { over.store(100); });
                    over.fetch_add(1);
                });
            clock.advance(1ns);
            timers.expire();
            begun.wait();
        }
        REQUIRE(over.load() == 2);
    }
}

TEST_CASE("timer_queue: many threads set, move and cancel while others expire", "[executor][timer_queue][stress]") {
    sluice::thread_pool                                    pool(2);
    manual_clock                                           clock;
    constexpr std::size_t                                  threads = 4;
    constexpr int                                          each = 400;
    std::vector<std::atomic<int>>                          runs(threads * each);
    std::vector<std::atomic<int>>                          cancelled(threads * each);
    std::vector<int>                                       moves(threads * each);
    std::atomic<std::size_t>                               left{threads};
    {
        sluice::timer_queue<sluice::thread_pool, manual_clock> timers(pool, clock);
        test::run_threads(threads + 2, [&](std::size_t me) {
            if (me >= threads) {
                while (left.load() != 0) {
                    clock.advance(1ns);
                    (void)timers.expire();
                }
                return;
            }
            auto                      g = sluice::splitmix64(test::seed() + me);
            std::vector<timer_handle> mine;
            for (int i = 0; i < each; ++i) {
                std::size_t const id = me * each + static_cast<std::size_t>(i);
                mine.push_back(timers.schedule_after(duration(static_cast<std::int64_t>(sluice::uniform_below(g, 20))),
                                                     [&, id] { runs[id].fetch_add(1); }));
                std::size_t const k = static_cast<std::size_t>(sluice::uniform_below(g, mine.size()));
                if (i % 3 == 0) {
                    int const before = runs[me * each + k].load();
                    if (mine[k].cancel_and_wait() && before == 0 && runs[me * each + k].load() == 0)
                        cancelled[me * each + k].store(1);
                } else {
                    moves[me * each + k] += mine[k].reschedule(clock.now() + 3ns);
                }
            }
            left.fetch_sub(1);
        });
        while (timers.pending() > 0) {
            clock.advance(100ns);
            timers.expire();
        }
        pool.wait_idle();
    }
    int wrong = 0;  // one that is moved while it runs, runs again
    for (std::size_t i = 0; i < runs.size(); ++i) {
        int const r = runs[i].load();
        wrong += cancelled[i].load() != 0 ? r != 0 : r < 1 || r > 1 + moves[i];
    }
    CHECK(wrong == 0);
}
