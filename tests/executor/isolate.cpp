// SPDX-License-Identifier: BSL-1.0
// isolate, wait_mode, and how a worker that waits sleeps and wakes.
#include <sluice/executor/async_scope.hpp>
#include <sluice/executor/isolate.hpp>
#include <sluice/executor/queued_executor.hpp>
#include <sluice/executor/schedule.hpp>
#include <sluice/executor/sync_wait.hpp>
#include <sluice/executor/task.hpp>
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <sluice/parallel/parallel_invoke.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/pools.hpp"

#include <array>
#include <atomic>
#include <coroutine>
#include <latch>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <vector>

using sluice::isolate;
using sluice::schedule;
using sluice::sync_wait;
using sluice::task;
using sluice::task_group;
using sluice::thread_pool;
using sluice::wait_mode;

namespace {

/// What this thread is in the middle of: a task that runs while this is not 0 runs inside another one.
thread_local int inside = 0;

struct within {
    within() { ++inside; }
    within(within const&) = delete;
    within& operator=(within const&) = delete;
    ~within() { --inside; }
};

/// Where a task was begun.
struct witness {
    std::atomic<int> nested{0}, apart{0};
    void operator()() noexcept { (inside != 0 ? nested : apart).fetch_add(1); }
    [[nodiscard]] int all() const { return nested.load() + apart.load(); }
};

task<int> hop(thread_pool& pool) {
    co_await schedule(pool);
    co_return 5;
}

/// Goes on where somebody says so.
struct door {
    std::atomic<void*> waiter{nullptr};
    struct awaiter {
        door& d;
        static bool await_ready() noexcept { return false; }
        void        await_suspend(std::coroutine_handle<> h) noexcept { d.waiter.store(h.address()); }
        static void await_resume() noexcept {}
    };
    awaiter operator co_await() noexcept { return {*this}; }
    void    open() {
        (void)test::eventually([&] { return waiter.load() != nullptr; });
        std::coroutine_handle<>::from_address(waiter.exchange(nullptr)).resume();
    }
};

}  // namespace

TEST_CASE("wait_mode: the only worker runs nothing but the group's own tasks", "[executor][isolate][unit]") {
    auto const  mode = GENERATE(wait_mode::group_only, wait_mode::descendants);
    witness     own, foreign;
    thread_pool pool(1);
    task_group  others(pool);
    pool.submit([&] {
            pool.post([&] { foreign(); });
            others.run([&] { foreign(); });
            task_group group(pool);
            for (int i = 0; i < 10; ++i) group.run([&] { own(); });
            others.run([&] { foreign(); });
            pool.post([&] { foreign(); });
            within const here;
            group.wait(mode);
            group.run([&] { throw std::runtime_error("its own"); });
            try {
                group.run_and_wait([&] { own(); }, mode);
            } catch (std::runtime_error const&) {
                own();
            }
            group.run([&] { own(); });
            group.cancel();
            (void)group.wait_for(std::chrono::hours(1), mode);
        }).get();
    others.wait();
    pool.wait_idle();
    CHECK(own.nested.load() == 12);
    CHECK(own.apart.load() == 0);
    CHECK(foreign.apart.load() == 4);
    CHECK(foreign.nested.load() == 0);
}

TEST_CASE("wait_mode: what each mode runs while the group's task runs elsewhere", "[executor][isolate][unit]") {
    auto const  mode = GENERATE(wait_mode::group_only, wait_mode::descendants, wait_mode::any);
    bool const  isolated = GENERATE(false, true);
    witness     below, foreign;
    thread_pool pool(2);
    bool        in_time = true, met = true;
    pool.submit([&] {
            pool.post([&] { foreign(); });
            std::atomic<bool> begun{false}, go{false};
            auto const        body = [&] {
                task_group group(pool);
                // Lies at the thieves' end of this worker's deque: the other worker takes both and then stays in the second.
                group.run([&] {
                    task_group lower(pool);
                    lower.run([&] { below(); });
                    begun.store(true);
                    if (!test::eventually([&] {
                            return mode == wait_mode::group_only ? go.load()
                                   : mode == wait_mode::descendants || isolated ? below.nested.load() >= 1
                                                                                : foreign.nested.load() >= 1;
                        }))
                        met = false;
                });
                (void)test::eventually([&] { return begun.load(); });
                if (mode == wait_mode::any) {
                    pool.post([&] { below(); });  // something to find, whatever the thief took
                    if (!isolated) pool.post([&] { foreign(); });
                }
                within const here;
                if (mode == wait_mode::group_only) {
                    in_time = group.wait_for(std::chrono::milliseconds(20), mode);
                    go.store(true);
                }
                group.wait(mode);
            };
            isolated ? isolate(body) : body();
        }).get();
    pool.wait_idle();
    CHECK(met);
    if (mode == wait_mode::group_only) {
        CHECK_FALSE(in_time);
        CHECK(below.nested.load() == 0);
    }
    if (mode != wait_mode::any || isolated) CHECK(foreign.nested.load() == 0);
}

TEST_CASE("isolate: the only worker runs what was made inside, and nothing else", "[executor][isolate][unit]") {
    witness     own, foreign;
    thread_pool pool(1);
    task_group  others(pool), early(pool);
    bool        more = true, found = false;
    int         answer = 0;
    pool.submit([&] {
            pool.post([&] { foreign(); });
            others.run([&] { foreign(); });
            early.run([&] {
                own();
                (void)pool.try_run_one();  // where it is run there is nothing from outside
            });
            within const here;
            answer = isolate([&] {
                task_group group(pool);
                for (int i = 0; i < 5; ++i) group.run([&] { own(); });
                for (int i = 0; i < 5; ++i) pool.post([&] { own(); });
                group.wait(wait_mode::any);
                early.wait(wait_mode::any);  // made outside, but what is waited for itself
                auto f = pool.submit([&] { own(); });
                int const five = sync_wait(hop(pool));
                f.get();
                sluice::parallel_invoke(pool, [&] { own(); }, [&] { own(); }, [&] { own(); });
                sluice::parallel_for(pool, 0, 5, [&](int) { own(); }, sluice::dynamic_partitioner{});
                {
                    sluice::async_scope scope;
                    scope.spawn([](thread_pool& p, witness& w) -> task<void> {
                        co_await schedule(p);
                        w();
                    }(pool, own));
                    sync_wait([](sluice::async_scope& a) -> task<void> { co_await a.join(); }(scope));
                }
                while (pool.try_run_one()) {}
                more = foreign.all() != 0;
                return five;
            });
            while (foreign.all() == 0 && pool.try_run_one()) {}
            found = foreign.all() == 1;  // they were there all the time
        }).get();
    others.wait();
    pool.wait_idle();
    CHECK(answer == 5);
    CHECK_FALSE(more);
    CHECK(found);
    CHECK(own.nested.load() == 5 + 5 + 1 + 1 + 3 + 5 + 1);
    CHECK(own.apart.load() == 0);
    CHECK(foreign.nested.load() == 1);
    CHECK(foreign.apart.load() == 1);
}

TEST_CASE("isolate: a lock that is held while others that want it are queued", "[executor][isolate][law]") {
    auto const        workers = GENERATE(std::size_t{1}, std::size_t{2});
    thread_pool       pool(workers);
    std::mutex        mutex;
    std::atomic<int>  relocked{0}, locked{0}, own{0};
    auto const wants = [&] {
        if (inside != 0) {  // this thread has it: it would wait for itself
            relocked.fetch_add(1);
            return;
        }
        std::lock_guard const lock(mutex);
        locked.fetch_add(1);
    };
    for (int round = 0; round < 100; ++round) {
        task_group others(pool);
        pool.submit([&] {
                for (int i = 0; i < 3; ++i) pool.post(wants), others.run(wants);
                std::lock_guard const lock(mutex);
                isolate([&] {
                    within const here;
                    task_group   group(pool);
                    for (int i = 0; i < 6; ++i)
                        group.run([&] {
                            own.fetch_add(1);
                            task_group nested(pool);
                            nested.run([&] { own.fetch_add(1); });
                            pool.post([&] { own.fetch_add(1); });
                            nested.wait(wait_mode::any);
                        });
                    group.wait(wait_mode::any);
                    if (sync_wait(hop(pool)) == 5) own.fetch_add(1);
                });
                for (int i = 0; i < 3; ++i) pool.post(wants), others.run(wants);
            }).get();
        others.wait();
        pool.wait_idle();
    }
    CHECK(relocked.load() == 0);
    CHECK(locked.load() == 1200);
    CHECK(own.load() == 1900);
}

TEST_CASE("isolate: what comes out of it, and what is left behind", "[executor][isolate][fault]") {
    thread_pool pool(1);
    int         x = 0;
    CHECK(&isolate([&]() -> int& { return x; }) == &x);  // no worker: just a call
    CHECK(*isolate([p = std::make_unique<int>(7)]() mutable { return std::move(p); }) == 7);
    CHECK_THROWS_WITH(isolate([] { throw std::runtime_error("outside"); }), "outside");
    witness foreign;
    bool    ran_inside = false, ran_after = false, caught = false, cancelled = false;
    pool.submit([&] {
            pool.post([&] { foreign(); });
            try {
                isolate([&] {
                    isolate([&] {
                        task_group group(pool);
                        group.run([] { throw std::runtime_error("inside"); });
                        group.wait(wait_mode::any);
                    });
                });
            } catch (std::runtime_error const&) {
                caught = true;
            }
            isolate([&] {
                task_group group(pool);
                for (int i = 0; i < 5; ++i) group.run([&] { x = 1; });
                group.cancel();
                group.wait(wait_mode::any);
                cancelled = group.dropped() == 5;
                ran_inside = pool.try_run_one();
            });
            ran_after = pool.try_run_one();
        }).get();
    CHECK(caught);
    CHECK(cancelled);
    CHECK(x == 0);
    CHECK_FALSE(ran_inside);
    CHECK(ran_after);
    CHECK(foreign.all() == 1);
}

TEST_CASE("isolate: a region in a region is part of it, and not the other way", "[executor][isolate][unit]") {
    thread_pool      pool(1);
    std::vector<int> ran;
    auto const       post = [&](int i) { pool.post([&ran, i] { ran.push_back(i); }); };
    auto const       all = [&] {
        while (pool.try_run_one()) {}
        ran.push_back(0);
    };
    pool.submit([&] {
            post(1);
            isolate([&] {
                post(2);
                isolate([&] {
                    post(3);
                    all();
                    post(4);
                });
                isolate([&] { all(); });  // a sister
                all();
                // A task is in its region wherever it is waited for.
                pool.post([&] {
                    post(5);
                    isolate(all);
                    all();
                });
            });
            all();
        }).get();
    pool.wait_idle();
    CHECK(ran == std::vector<int>{3, 0, 0, 4, 2, 0, 0, 5, 0, 1, 0});
}

TEST_CASE("isolate: whatever is made inside carries the region to other workers", "[executor][isolate][unit]") {
    thread_pool      pool(2);
    std::atomic<int> escaped{0}, kept{0}, letters{0}, here{0};
    // A letter is never made inside: a worker that would run one now is in no region.
    auto const probe = [&] {
        pool.post_on(pool.this_worker_index(), [&] { letters.fetch_add(1); });
        (pool.try_run_one() ? escaped : kept).fetch_add(1);
    };
    pool.submit([&] {
            auto const          self = pool.this_worker_index();
            std::atomic<int>    done{0};
            auto const          there = [&] {
                if (pool.this_worker_index() == self) here.fetch_add(1);
                probe();
                done.fetch_add(1);
            };
            auto const          until = [&](int n) { (void)test::eventually([&] { return done.load() == n; }); };
            task_group          early(pool);
            sluice::async_scope scope;
            isolate([&] {
                pool.post(there);
                until(1);
                auto f = pool.submit(there);
                until(2);
                task_group group(pool);
                group.run(there);
                until(3);
                early.run(there);  // the group is from outside, the task is not
                until(4);
                scope.spawn([](thread_pool& p, auto& f2) -> task<void> {
                    co_await schedule(p);
                    f2();
                }(pool, there));
                until(5);
                sluice::parallel_invoke(pool, [&] { until(6); }, there);
                sluice::parallel_invoke(pool, [&] { until(8); }, there, [&] { done.fetch_add(1); });
                pool.post([&] {  // what a task inside makes is inside
                    pool.post(there);
                    done.fetch_add(1);
                });
                until(10);
                sluice::parallel_for(pool, 0, 2, [&](int) {
                    done.fetch_add(1);
                    until(12);  // both are in it
                    if (pool.this_worker_index() != self) probe();
                }, sluice::dynamic_partitioner{.grain = 1});
                probe();
            });
            early.wait();
        }).get();
    pool.wait_idle();
    CHECK(here.load() == 0);
    CHECK(escaped.load() == 0);
    CHECK(kept.load() == 10);
    CHECK(letters.load() == 10);
    pool.submit(probe).get();  // and that the probe is one
    pool.wait_idle();
    CHECK(escaped.load() == 1);
}

TEST_CASE("isolate: a task from another region that its waiter must run sees neither", "[executor][isolate][unit]") {
    thread_pool pool(1);
    bool const  behind = GENERATE(false, true);  // which of the regions' posts a look would find first
    bool        none_of_either = false, its_own = false;
    int         ran = 0;
    pool.submit([&] {
            task_group group(pool);
            isolate([&] {
                pool.post([&] { ++ran; });
                group.run([&] {  // of this region, run inside the next one
                    none_of_either = !pool.try_run_one() && ran == 0;
                    pool.post([&] { its_own = true; });
                    its_own = pool.try_run_one() && its_own;
                });
            });
            isolate([&] {
                if (behind) pool.post([&] { ++ran; });
                group.wait(wait_mode::group_only);
            });
        }).get();
    CHECK(none_of_either);
    CHECK(its_own);
    pool.wait_idle();
    CHECK(ran == (behind ? 2 : 1));
}

TEST_CASE("wait_mode: what a wait runs beside is not below the group", "[executor][isolate][unit]") {
    thread_pool               pool(1);
    witness                   stranger;
    std::optional<task_group> left;
    door                      d;
    pool.submit([&] {
            task_group group(pool);
            group.run([] {});
            group.run([&] {  // the newest, so the first
                pool.post([&] {
                    left.emplace(pool);
                    left->run([&] { stranger(); });
                    d.open();
                });
                sync_wait([](door& x) -> task<void> { co_await x; }(d));
            });
            within const here;
            group.wait();
        }).get();
    left->wait();
    CHECK(stranger.nested.load() == 0);
    CHECK(stranger.apart.load() == 1);
}

TEST_CASE("isolate: what lies below a group from outside is outside", "[executor][isolate][unit]") {
    thread_pool pool(2);
    witness     below;
    bool        in_time = true;
    pool.submit([&] {
            std::atomic<bool> begun{false}, go{false};
            task_group        group(pool);
            group.run([&] {
                task_group lower(pool);
                lower.run([&] { below(); });
                begun.store(true);
                (void)test::eventually([&] { return go.load(); });
            });
            (void)test::eventually([&] { return begun.load(); });
            within const here;
            isolate([&] { in_time = group.wait_for(std::chrono::milliseconds(20)); });
            go.store(true);
        }).get();
    CHECK_FALSE(in_time);
    CHECK(below.nested.load() == 0);
    CHECK(below.apart.load() == 1);
}

TEST_CASE("isolate: letters, and a queue that is full", "[executor][isolate][unit]") {
    thread_pool pool(1);
    witness     letter;
    bool        full = false, later = false;
    int         mine = 0;
    sluice::queued_executor<thread_pool> queue(pool, {.capacity = 1});
    pool.submit([&] {
            pool.post_on(0, [&] { letter(); });
            within const here;
            isolate([&] {
                mine = pool.submit_on(0, [] { return 9; }).get();  // overtakes the other one
                queue.post([&] { later = true; });
                try {
                    queue.post([] {});
                } catch (sluice::task_rejected const&) {
                    full = true;
                }
            });
        }).get();
    pool.wait_idle();
    CHECK(mine == 9);
    CHECK(full);
    CHECK(later);
    CHECK(letter.nested.load() == 0);
    CHECK(letter.apart.load() == 1);
}

TEST_CASE("sync_wait: a worker that sleeps in it is woken by work, by a letter and by the end", "[executor][isolate][unit]") {
    auto const  way = GENERATE(0, 1, 2, 3);
    thread_pool pool(1);
    for (int round = 0; round < 60; ++round) {
        door       d;
        auto const passes = [](door& x) -> task<int> {
            co_await x;
            co_return 3;
        };
        auto f = pool.submit([&] {
            if (way != 3) return sync_wait(passes(d));
            return isolate([&] { return sync_wait(passes(d)); });  // only its end wakes it
        });
        if (way == 2) (void)test::eventually([&] { return d.waiter.load() != nullptr; });  // letters come first
        if (round % 2 == 0)  // sometimes it sleeps, sometimes it has not begun
            for (int i = 0; i < 2000; ++i) std::this_thread::yield();
        if (way == 1)
            pool.post([&] { d.open(); });
        else if (way == 2)
            pool.post_on(0, [&] { d.open(); });
        else
            d.open();
        REQUIRE(f.get() == 3);
    }
    pool.wait_idle();
}

TEST_CASE("isolate: without memory nothing is called, or what was to be submitted inside has no effect", "[executor][isolate][fault]") {
    auto const       token = std::make_shared<int>(0);
    int              refused = 0, called = 0, accepted = 0;
    std::atomic<int> ran{0};
    thread_pool      pool(sluice::thread_pool_options{.workers = 1, .max_workers = 2});
    pool.pause();  // nothing but this allocates
    auto const swept = test::allocations::sweep([&](auto arm, auto disarm) {
        auto const me = pool.attach_current_thread();
        bool       in = false;
        auto const task = [&ran, token, large = std::array<char, 4000>()] { ran.fetch_add(large[0] == 0); };  // more than a slab's block
        arm();
        try {
            isolate([&] {
                in = true;
                pool.post(task);
                ++accepted;
                auto f = pool.submit(task);
                ++accepted;
                task_group group(pool);
                group.run(task);
                ++accepted;
                group.wait();
            });
            ++called;
        } catch (std::bad_alloc const&) {
            if (!in) ++refused;
        }
        disarm();
        if (in) return;
        isolate([&] { in = true; });
        if (!in) throw std::logic_error("spoilt");
    });
    CHECK(swept.runs >= 5);
    CHECK(refused >= 1);
    CHECK(called == 1);
    pool.resume();
    pool.wait_idle();
    CHECK(ran.load() == accepted);
    CHECK(token.use_count() == 1);
}

TEST_CASE("wait_mode: any: woken by the group's end, by a deadline, and in a paused pool by resume", "[executor][isolate][unit]") {
    thread_pool       pool(2);
    std::atomic<bool> begun{false}, go{false}, waits{false};
    std::atomic<int>  ran{0};
    bool              early = true;
    auto f = pool.submit([&] {
        task_group group(pool);
        group.run([&] {
            begun.store(true);
            (void)test::eventually([&] { return go.load(); });
        });
        (void)test::eventually([&] { return begun.load(); });
        early = group.wait_for(std::chrono::milliseconds(5), wait_mode::any);
        waits.store(true);
        group.wait(wait_mode::any);
    });
    (void)test::eventually([&] { return waits.load(); });
    pool.pause();
    pool.post([&] { ran.fetch_add(1); });
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    CHECK(ran.load() == 0);
    pool.resume();
    CHECK(test::eventually([&] { return ran.load() == 1; }));  // by the one that waits: the other one is in its task
    for (int i = 0; i < 2000; ++i) std::this_thread::yield();  // it sleeps again
    CHECK(test::eventually([&] { return pool.busy() == 2; }));
    go.store(true);
    f.get();
    CHECK_FALSE(early);
    pool.wait_idle();
}

TEST_CASE("wait_mode: any: who sleeps inside a task is in nobody's way", "[executor][isolate][resize]") {
    thread_pool pool(test::sized(2, 1, 2));
    door        d;
    auto f = pool.submit([&] { sync_wait([](door& x) -> task<void> { co_await x; }(d)); });
    (void)test::eventually([&] { return d.waiter.load() != nullptr; });
    std::atomic<bool> go{false};
    std::atomic<int>  after{0};
    std::latch        both(1);
    pool.post([&] {
        both.count_down();
        (void)test::eventually([&] { return go.load(); });
    });
    both.wait();
    for (int i = 0; i < 2000; ++i) std::this_thread::yield();
    pool.resize(1);  // whoever comes to the end of a task leaves; the other one cannot
    go.store(true);
    CHECK(test::eventually([&] { return pool.provisioned() == 1; }));
    pool.post([&] { after.fetch_add(1); });
    CHECK(test::eventually([&] { return after.load() == 1; }));
    d.open();
    f.get();
    pool.wait_idle();
}
