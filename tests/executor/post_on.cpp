// SPDX-License-Identifier: BSL-1.0
// Tasks for one worker only, broadcasts, and threads of the user's own as workers.
#include <sluice/executor/attached_thread.hpp>
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_for.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/pools.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <latch>
#include <mutex>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <vector>

using sluice::thread_pool;
using sluice::thread_pool_options;
using test::sized;

namespace {

/// Keeps one worker in a task.
class hold {
public:
    hold(thread_pool& pool, std::size_t worker) {
        pool.post_on(worker, [this] {
            held_.count_down();
            go_.wait(false);
            left_.store(true);
        });
        held_.wait();
    }
    void release() {
        go_.store(true);
        go_.notify_all();
    }
    ~hold() {
        release();
        while (!left_.load()) std::this_thread::yield();
    }

private:
    std::latch        held_{1};
    std::atomic<bool> go_{false}, left_{false};
};

}  // namespace

TEST_CASE("post_on: every letter is run once, by its worker, in order", "[executor][post_on][unit]") {
    bool const  asleep = GENERATE(false, true);
    auto const  idle = GENERATE(sluice::idle_policy::balanced(), sluice::idle_policy::park_at_once(), sluice::idle_policy::spin());
    std::size_t const workers = 4;
    thread_pool_options o;
    o.workers = workers;
    o.idle = idle;
    thread_pool                   pool(std::move(o));
    std::vector<std::vector<int>> order(workers);
    std::atomic<int>              wrong{0}, other{0};
    int const                     n = 200;
    for (int i = 0; i < n; ++i)
        for (std::size_t w = 0; w < workers; ++w) {
            pool.post_on(w, [&, w, i] {
                if (pool.this_worker_index() != w) wrong.fetch_add(1);
                order[w].push_back(i);
            });
            pool.post([&] { other.fetch_add(1); });
            if (asleep && i % 20 == 0) pool.wait_idle();
        }
    pool.wait_idle();
    CHECK(wrong.load() == 0);
    CHECK(other.load() == n * 4);
    for (auto const& x : order) {
        CHECK(x.size() == n);
        CHECK(std::is_sorted(x.begin(), x.end()));
    }
    CHECK(pool.submitted() == 2U * n * workers);
    CHECK(pool.completed() == 2U * n * workers);
}

TEST_CASE("post_on: letters wait for their worker, while the others work", "[executor][post_on][unit]") {
    thread_pool      pool(2);
    std::atomic<int> letters{0}, others{0};
    {
        hold one(pool, 1);
        for (int i = 0; i < 10; ++i) pool.post_on(1, [&] { letters.fetch_add(1); });
        for (int i = 0; i < 10; ++i) pool.post([&] { others.fetch_add(1); });
        CHECK(test::eventually([&] { return others.load() == 10; }));
        CHECK(letters.load() == 0);
    }
    pool.wait_idle();
    CHECK(letters.load() == 10);
    // In turn with other tasks: neither a stream of letters nor one of tasks keeps the other waiting.
    std::atomic<bool> stop{false};
    std::atomic<int>  turns{0};
    struct again {
        thread_pool&       pool;
        std::atomic<bool>& stop;
        bool               letter;
        void operator()() const {
            if (stop.load()) return;
            if (letter)
                pool.post_on(0, again{pool, stop, letter});
            else
                pool.post(again{pool, stop, letter});
        }
    };
    thread_pool single(1);
    single.post_on(0, again{single, stop, true});
    single.post(again{single, stop, false});
    for (int i = 0; i < 5; ++i) {
        single.post([&] { turns.fetch_add(1); });
        single.post_on(0, [&] { turns.fetch_add(1); });
    }
    CHECK(test::eventually([&] { return turns.load() == 10; }));
    stop.store(true);
}

TEST_CASE("post_on: who is not there is said at once, and nothing happens", "[executor][post_on][fault]") {
    thread_pool      pool(sized(3, 1, 4));
    std::atomic<int> ran{0};
    auto const       f = [&] { ran.fetch_add(1); };
    try {
        pool.post_on(4, f);
        FAIL("refused");
    } catch (std::out_of_range const& e) {
        CHECK(std::string(e.what()) == "sluice: worker_index (less than max_workers) is 4");
    }
    CHECK_THROWS_AS(pool.submit_on(~std::size_t{0}, f), std::out_of_range);
    CHECK_THROWS_AS(pool.post_on(3, f), sluice::worker_absent);  // never started
    CHECK_THROWS_AS(pool.submit_on(3, f), sluice::worker_absent);
    pool.wait_idle();
    CHECK(pool.submitted() == 0);
    pool.resize(1);
    REQUIRE(test::eventually([&] { return pool.provisioned() == 1; }));
    std::size_t there = 0;
    for (std::size_t i = 0; i < 4; ++i) try {
            pool.post_on(i, f);
            ++there;
        } catch (sluice::worker_absent const&) {
        }
    CHECK(there == 1);
    pool.resize(4);  // the places are taken again
    for (std::size_t i = 0; i < 4; ++i) CHECK(pool.submit_on(i, [&] { return pool.this_worker_index(); }).get() == i);
    pool.wait_idle();
    CHECK(ran.load() == 1);
    CHECK(pool.submitted() == 5);
    CHECK(pool.completed() == 5);
    (void)pool.shutdown();
    CHECK_THROWS_AS(pool.post_on(0, f), sluice::pool_closed);
    CHECK_THROWS_AS(pool.submit_on(0, f), sluice::pool_closed);
}

TEST_CASE("post_on: allocation failure has no effect", "[executor][post_on][fault]") {
    thread_pool      pool(2);
    std::atomic<int> ran{0};
    int              refused = 0;
    for (int path = 0; path < 3; ++path) {
        auto const result = test::allocations::sweep([&](auto arm, auto disarm) {
            int const before = ran.load();
            bool      threw = false;
            arm();
            try {
                char big[600] = {};  // no slab: each has an allocation
                auto const f = [&ran, big] { ran.fetch_add(1 + big[0]); };
                if (path == 0) pool.post_on(1, f);
                if (path == 1) (void)pool.submit_on(1, f);
                if (path == 2) (void)pool.broadcast([f](std::size_t) { f(); });
            } catch (std::bad_alloc const&) {
                threw = true;
            }
            disarm();
            pool.wait_idle();
            if (threw) ++refused;
            if (ran.load() - before != (threw ? 0 : path == 2 ? 2 : 1)) refused = -1000;
        });
        CHECK(result.leaked == 0);
    }
    CHECK(refused >= 3);
}

TEST_CASE("submit_on: only its worker runs it, whoever waits, and waits do not deadlock", "[executor][post_on][unit]") {
    thread_pool pool(2);
    // From outside, from the worker itself, from the other one.
    CHECK(pool.submit_on(1, [&] { return pool.this_worker_index(); }).get() == 1);
    CHECK(pool.submit_on(0, [&] { return pool.submit_on(0, [&] { return pool.this_worker_index(); }).get(); }).get() == 0);
    CHECK(pool.submit_on(0, [&] { return pool.submit_on(1, [&] { return pool.this_worker_index(); }).get(); }).get() == 1);
    CHECK_THROWS_AS(pool.submit_on(1, []() -> int { throw std::runtime_error("there"); }).get(), std::runtime_error);
    // Each waits inside a task for a letter to the other.
    for (int round = 0; round < 200; ++round) {
        std::latch both(2);
        auto const ask = [&](std::size_t other) {
            return [&, other] {
                both.count_down();
                both.wait();
                return pool.submit_on(other, [&] { return pool.this_worker_index(); }).get();
            };
        };
        auto a = pool.submit_on(0, ask(1)), b = pool.submit_on(1, ask(0));
        REQUIRE(a.get() == 1);
        REQUIRE(b.get() == 0);
    }
}

TEST_CASE("submit_on: a worker that sleeps for a letter's end wakes for one of its own", "[executor][post_on][unit]") {
    thread_pool pool(2);
    auto        asked = pool.submit_on(0, [&] {
        return pool.submit_on(1, [&] {
                       for (int i = 0; i < 2000; ++i) std::this_thread::yield();  // worker 0 sleeps by now
                       return pool.submit_on(0, [&] { return pool.this_worker_index(); }).get();
                   }).get();
    });
    CHECK(asked.get() == 0);
}

TEST_CASE("post_on: a worker that leaves has read its letters", "[executor][post_on][unit]") {
    thread_pool                pool(sized(4, 1, 4));
    std::atomic<std::uint64_t> ran{0}, wrong{0};
    std::uint64_t              taken = 0, absent = 0;
    for (int round = 0; round < 300; ++round) {
        pool.resize(static_cast<std::size_t>(round % 4) + 1);
        for (std::size_t k = 0; k < 12; ++k) try {
                pool.post_on(k % 4, [&, i = k % 4] {
                    if (pool.this_worker_index() != i) wrong.fetch_add(1);
                    ran.fetch_add(1);
                });
                ++taken;
            } catch (sluice::worker_absent const&) {
                ++absent;
            }
    }
    pool.wait_idle();
    CHECK(ran.load() == taken);
    CHECK(wrong.load() == 0);
    CHECK(taken + absent == 3600);
    CHECK(taken > 0);
}

TEST_CASE("post_on: discard drops letters, and their futures say so", "[executor][post_on][unit]") {
    thread_pool pool(2);
    std::atomic<int> ran{0};
    std::latch       held(2);
    for (std::size_t i = 0; i < 2; ++i)
        pool.post_on(i, [&] {
            held.count_down();
            while (!pool.internals().discards()) std::this_thread::yield();
        });
    held.wait();
    auto f = pool.submit_on(1, [&] { ran.fetch_add(1); });
    auto all = pool.broadcast([&](std::size_t) { ran.fetch_add(1); });
    CHECK(pool.shutdown(sluice::shutdown_mode::discard) == 3);
    CHECK(ran.load() == 0);
    CHECK_THROWS_AS(f.get(), sluice::broken_task);
    CHECK_THROWS_AS(all.get(), sluice::broken_task);
}

TEST_CASE("broadcast: once on every worker that is there", "[executor][broadcast][unit]") {
    thread_pool pool(sized(3, 1, 5));
    for (std::size_t const n : {3U, 5U, 1U, 4U}) {
        pool.resize(n);
        REQUIRE(test::eventually([&] { return pool.provisioned() == n; }));
        bool const inside = GENERATE(false, true);
        std::mutex              mutex;
        std::multiset<std::size_t> seen;
        auto const f = [&](std::size_t i) {
            std::lock_guard const lock(mutex);
            seen.insert(i == pool.this_worker_index() ? i : 99);
        };
        auto const go = [&] { return pool.broadcast(f).get(); };
        CHECK((inside ? pool.submit(go).get() : go()) == n);
        std::set<std::size_t> const each(seen.begin(), seen.end());
        CHECK(seen.size() == n);
        CHECK(each.size() == n);
        CHECK(each.count(99) == 0);
    }
    std::atomic<int> ran{0};
    auto             f = pool.broadcast([&](std::size_t i) {
        ran.fetch_add(1);
        if (i % 2 == 1) throw std::runtime_error("odd");
    });
    CHECK_THROWS_AS(f.get(), std::runtime_error);
    CHECK(test::eventually([&] { return ran.load() == 4; }));
    // Two at once, from two workers that wait for each other's.
    pool.resize(2);
    REQUIRE(test::eventually([&] { return pool.provisioned() == 2; }));
    for (int round = 0; round < 100; ++round) {
        std::latch both(2);
        auto const go = [&] {
            both.count_down();
            both.wait();
            return pool.broadcast([&](std::size_t) { ran.fetch_add(1); }).get();
        };
        auto a = pool.submit(go), b = pool.submit(go);
        REQUIRE(a.get() == 2);
        REQUIRE(b.get() == 2);
    }
    CHECK(ran.load() == 404);
}

TEST_CASE("broadcast: the callable is gone when the future is ready", "[executor][broadcast][unit]") {
    thread_pool pool(3);
    auto const  alive = std::make_shared<int>(0);
    auto        f = pool.broadcast([alive](std::size_t) {});
    f.wait();
    CHECK(alive.use_count() == 1);
    CHECK(f.get() == 3);
    (void)pool.broadcast([](std::size_t) {});  // nobody waits
}

// ---- threads of the user's own ----

TEST_CASE("attached_thread: a worker as long as it lasts", "[executor][attached_thread][unit]") {
    thread_pool pool(sized(1, 1, 2));
    CHECK_FALSE(pool.on_worker());
    for (int round = 0; round < 3; ++round) {
        auto       me = pool.attach_current_thread();
        CHECK(pool.on_worker());
        CHECK(pool.this_worker_index() == me.index());
        CHECK(me.index() == 1);
        CHECK(pool.provisioned() == 1);  // not one of the pool's threads
        CHECK_FALSE(me.run_one());
        // A letter is run here and nowhere else.
        std::atomic<int> ran{0};
        auto const       self = std::this_thread::get_id();
        pool.post_on(1, [&] { ran.fetch_add(std::this_thread::get_id() == self ? 1 : 100); });
        CHECK(me.run_one());
        CHECK(ran.load() == 1);
        // What it waits for it may run, as a worker does.
        {
            hold other(pool, 0);
            pool.submit([&] { ran.fetch_add(1); }).get();
            sluice::task_group group(pool);
            for (int i = 0; i < 10; ++i) group.run([&] { ran.fetch_add(1); });
            group.wait();
            CHECK(ran.load() == 12);
            pool.post([&] { ran.fetch_add(1); });
            CHECK(me.run_one());
            CHECK(ran.load() == 13);
        }
        // What it posts the others steal.
        for (int i = 0; i < 10; ++i) pool.post([&] { ran.fetch_add(1); });
        CHECK(test::eventually([&] { return ran.load() == 23; }));
    }
    CHECK(pool.this_worker_index() == pool.max_workers());
    CHECK_THROWS_AS(pool.post_on(1, [] {}), sluice::worker_absent);
}

TEST_CASE("attached_thread: what it has when it ends is not lost", "[executor][attached_thread][unit]") {
    thread_pool      pool(sized(1, 1, 2));
    std::atomic<int> ran{0}, here{0};
    auto const       self = std::this_thread::get_id();
    {
        hold other(pool, 0);
        {
            auto me = pool.attach_current_thread();
            for (int i = 0; i < 300; ++i) pool.post([&] { ran.fetch_add(1); });
            for (int i = 0; i < 3; ++i)
                pool.post_on(1, [&] {
                    if (std::this_thread::get_id() == self) here.fetch_add(1);
                    pool.post([&] { ran.fetch_add(1); });
                });
        }
        CHECK(here.load() == 3);
        CHECK(ran.load() == 0);
    }
    pool.wait_idle();
    CHECK(ran.load() == 303);
}

TEST_CASE("attached_thread: run_until ends with its condition, its token or the pool", "[executor][attached_thread][unit]") {
    thread_pool pool(sized(1, 1, 3));
    {
        auto              me = pool.attach_current_thread();
        std::atomic<bool> flag{false};
        pool.post([&] { flag.store(true); });
        me.run_until([&] { return flag.load(); });
        CHECK(flag.load());
        CHECK_THROWS_AS(me.run_until([]() -> bool { throw std::runtime_error("no"); }), std::runtime_error);
        std::stop_source stop;
        std::thread      other([&] {
            for (int i = 0; i < 100; ++i) pool.submit_on(me.index(), [] {}).get();  // it takes part
            stop.request_stop();
        });
        me.run_until(stop.get_token());
        other.join();
        me.run_until(stop.get_token());  // stopped already
    }
    std::atomic<bool> in{false};
    std::thread       helper([&] {
        auto me = pool.attach_current_thread();
        in.store(true);
        me.run_until([] { return false; });
        CHECK_FALSE(me.run_one());
    });
    while (!in.load()) std::this_thread::yield();
    (void)pool.shutdown();
    helper.join();
    CHECK_THROWS_AS(pool.attach_current_thread(), sluice::pool_closed);
}

TEST_CASE("attached_thread: without a place it is refused, and a place that it has is not given away",
          "[executor][attached_thread][fault]") {
    thread_pool fixed(1);
    CHECK_THROWS_AS(fixed.attach_current_thread(), std::length_error);
    thread_pool pool(sized(1, 1, 2));
    {
        auto const me = pool.attach_current_thread();
        CHECK_THROWS_AS(pool.attach_current_thread(), std::logic_error);  // it is one
        CHECK_THROWS_AS(fixed.attach_current_thread(), std::logic_error);
        CHECK_THROWS_AS(pool.resize(2), std::length_error);
        CHECK(pool.size() == 1);
        test::run_threads(1, [&](std::size_t) { CHECK_THROWS_AS(pool.attach_current_thread(), std::length_error); });
    }
    pool.resize(2);
    CHECK_THROWS_AS(pool.attach_current_thread(), std::length_error);
    CHECK_THROWS_AS(pool.submit([&] { (void)pool.attach_current_thread(); }).get(), std::logic_error);
}

TEST_CASE("attached_thread: after the pool's end nobody's inbox is open", "[executor][attached_thread][fault]") {
    thread_pool pool(sized(1, 1, 2));
    auto const  me = pool.attach_current_thread();  // is not refused at the door, as other threads are
    auto const  shared = std::make_shared<int>(0);
    pool.post_on(0, [shared] { ++*shared; });
    std::thread ends([&] { (void)pool.shutdown(); });
    ends.join();
    CHECK(*shared == 1);
    for (std::size_t const i : {0U, 1U}) CHECK_THROWS_AS(pool.post_on(i, [shared] { ++*shared; }), sluice::pool_closed);
    CHECK_THROWS_AS(pool.submit_on(0, [shared] { ++*shared; }), sluice::pool_closed);
    CHECK_THROWS_AS(pool.broadcast([shared](std::size_t) {}), sluice::pool_closed);
    CHECK(shared.use_count() == 1);
    CHECK(*shared == 1);
}

TEST_CASE("attached_thread: what it posts after the pool's end is run by itself, or dropped", "[executor][attached_thread][fault]") {
    for (auto const mode : {sluice::shutdown_mode::drain, sluice::shutdown_mode::discard}) {
        auto const shared = std::make_shared<int>(0);
        int        posted_by_task = 0;
        thread_pool pool(sized(1, 1, 2));
        {
            auto const  me = pool.attach_current_thread();
            std::thread ends([&] { (void)pool.shutdown(mode); });
            ends.join();
            for (int i = 0; i < 100; ++i)
                pool.post([&, shared] {
                    ++*shared;
                    pool.post([&] { ++posted_by_task; });
                });
            if (mode == sluice::shutdown_mode::drain) CHECK(pool.submit([] { return 7; }).get() == 7);
        }
        CHECK(*shared == (mode == sluice::shutdown_mode::drain ? 100 : 0));
        CHECK(posted_by_task == *shared);
        CHECK(shared.use_count() == 1);
        CHECK(pool.submitted() == pool.completed());
    }
}

TEST_CASE("attached_thread: a pause holds its tasks too", "[executor][attached_thread][unit]") {
    thread_pool      pool(sized(1, 1, 2));
    std::atomic<int> ran{0};
    auto             me = pool.attach_current_thread();
    std::thread      other([&] {
        pool.pause();
        pool.wait_paused();
        pool.post_on(me.index(), [&] { ran.fetch_add(1); });
        pool.post([&] { ran.fetch_add(1); });
        for (int i = 0; i < 2000; ++i) std::this_thread::yield();
        ran.fetch_add(100);
        pool.resume();
    });
    int at = -1;
    me.run_until([&] {
        if (at < 0 && ran.load() != 0) at = ran.load();
        return ran.load() == 102;
    });
    other.join();
    CHECK(at >= 100);
    // One that sleeps until it is told otherwise is woken for a letter that came meanwhile.
    std::stop_source  stop;
    std::atomic<bool> told{false};
    pool.pause();
    std::thread last([&] {
        pool.post_on(me.index(), [&] {
            told.store(pool.this_worker_index() == me.index());
            stop.request_stop();
        });
        for (int i = 0; i < 2000; ++i) std::this_thread::yield();
        pool.resume();
    });
    me.run_until(stop.get_token());
    last.join();
    CHECK(told.load());
}

TEST_CASE("post_on: letters, broadcasts, attached threads, pauses and resizes at once", "[executor][post_on][stress]") {
    thread_pool                pool(sized(2, 1, 4));
    std::atomic<std::uint64_t> ran{0}, wrong{0}, taken{0};
    auto const                 rounds = 100 * test::stress_factor();
    test::run_threads(4, [&](std::size_t t) {
        for (std::uint64_t k = 0; k < rounds; ++k) {
            if (t == 0) {
                for (std::size_t i = 0; i < 4; ++i) try {
                        pool.post_on(i, [&, i] {
                            if (pool.this_worker_index() != i) wrong.fetch_add(1);
                            ran.fetch_add(1);
                        });
                        taken.fetch_add(1);
                    } catch (sluice::worker_absent const&) {
                    }
            } else if (t == 1) {
                if (k % 8 == 0) {
                    try {
                        pool.resize(static_cast<std::size_t>(k / 8 % 3 + 1));
                    } catch (std::length_error const&) {
                    }
                } else if (k % 8 == 4) {
                    pool.pause();
                    if (k % 16 == 4) pool.wait_paused();
                    pool.resume();
                }
            } else if (t == 2) {
                auto f = pool.broadcast([&](std::size_t) { ran.fetch_add(1); });
                taken.fetch_add(f.get());
            } else {
                try {
                    auto             me = pool.attach_current_thread();
                    std::atomic<int> n{0};
                    for (int i = 0; i < 3; ++i) pool.post([&] { n.fetch_add(1); });
                    me.run_until([&] { return n.load() == 3; });
                } catch (std::length_error const&) {
                }
            }
        }
    });
    pool.wait_idle();
    CHECK(ran.load() == taken.load());
    CHECK(wrong.load() == 0);
    CHECK(pool.submitted() == pool.completed());
}
