// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/task_group.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <latch>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

using sluice::error_policy;
using sluice::task_group;
using sluice::thread_pool;

namespace {

int fib(thread_pool& pool, int n) {
    if (n < 2) return n;
    int a = 0;
    task_group group(pool);
    group.run([&] { a = fib(pool, n - 1); });
    int const b = fib(pool, n - 2);
    group.wait();
    return a + b;
}

}  // namespace

TEST_CASE("task_group: wait returns behind every task", "[executor][task_group][unit]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{8});
    bool const from_worker = GENERATE(false, true);
    thread_pool pool(workers);
    auto const go = [&] {
        task_group group(pool);
        group.wait();  // empty
        std::vector<int> plain(500);
        for (int round = 1; round <= 3; ++round) {  // it can be used again
            for (auto& x : plain) group.run([&x] { ++x; });
            group.wait();
            for (auto& x : plain)
                if (x != round) throw std::logic_error("not run once");
            if (group.size_approx() != 0) throw std::logic_error("size");
        }
        group.run_and_wait([&] { ++plain[0]; });
        if (plain[0] != 4) throw std::logic_error("run_and_wait");
    };
    if (from_worker)
        pool.submit(go).get();
    else
        go();
    CHECK(true);
}

TEST_CASE("task_group: recursion with one thread and with more", "[executor][task_group][unit]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{4});
    thread_pool pool(workers);
    CHECK(pool.submit([&] { return fib(pool, 16); }).get() == 987);
    CHECK(fib(pool, 12) == 144);  // from outside: sleeps
}

TEST_CASE("task_group: callables of every kind are destroyed before wait returns", "[executor][task_group][law]") {
    thread_pool pool(2);
    for (int round = 0; round < 300; ++round) {
        task_group group(pool);
        auto shared = std::make_shared<int>(0);
        std::atomic<int> ran{0};
        struct alignas(128) wide {
            std::atomic<int>&    ran;
            std::shared_ptr<int> keeps;
            void operator()() && {
                if (reinterpret_cast<std::uintptr_t>(this) % 128 == 0) ran.fetch_add(1);
            }
        };
        auto const lasting = [&ran, shared]() noexcept { ran.fetch_add(1); };
        group.run(lasting);
        group.run([&, p = std::make_unique<int>(1), shared]() mutable { ran.fetch_add(std::exchange(*p, 0)); });
        group.run(wide{ran, shared});
        group.run(+[] {});
        group.wait();
        REQUIRE(ran.load() == 3);
        REQUIRE(shared.use_count() == 2);  // here and in `lasting`
    }
}

TEST_CASE("task_group: the first exception cancels the siblings and is rethrown once", "[executor][task_group][fault]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2});
    thread_pool pool(workers);
    task_group group(pool);
    std::atomic<int> ran{0}, alive{0};
    struct counted {
        std::atomic<int>* n;
        explicit counted(std::atomic<int>& x) : n(&x) { n->fetch_add(1); }
        counted(counted const& o) : n(o.n) { n->fetch_add(1); }
        ~counted() { n->fetch_sub(1); }
    };
    for (int i = 0; i < 1000; ++i)
        group.run([&ran, i, c = counted(alive)] {
            ran.fetch_add(1);
            if (i == 500) throw std::runtime_error("the 500th");
        });
    CHECK_THROWS_WITH(group.wait(), "the 500th");
    CHECK(alive.load() == 0);
    CHECK(static_cast<std::uint64_t>(ran.load()) + group.dropped() == 1000);
    CHECK_FALSE(group.cancelled());
    group.run([&] { ran = -1; });
    group.wait();  // usable, and the exception is gone
    CHECK(ran.load() == -1);
}

TEST_CASE("task_group: two exceptions at once", "[executor][task_group][fault]") {
    thread_pool pool(2);
    for (int round = 0; round < 100; ++round) {
        auto const dropped = pool.metrics().errors_dropped;
        task_group group(pool);
        std::barrier<> both(2);
        for (int i = 0; i < 2; ++i)
            group.run([&, i] {
                both.arrive_and_wait();
                throw i;
            });
        REQUIRE_THROWS_AS(group.wait(), int);
        REQUIRE(pool.metrics().errors_dropped == dropped + 1);
    }
}

TEST_CASE("task_group: run_all and collect", "[executor][task_group][fault]") {
    thread_pool pool(2);
    for (auto const policy : {error_policy::run_all, error_policy::collect}) {
        auto const before = pool.metrics().errors_dropped;
        task_group group(pool, policy);
        std::atomic<int> ran{0};
        for (int i = 0; i < 100; ++i)
            group.run([&, i] {
                ran.fetch_add(1);
                if (i % 10 == 0) throw i;
            });
        if (policy == error_policy::run_all) {
            CHECK_THROWS_AS(group.wait(), int);
            CHECK(pool.metrics().errors_dropped == before + 9);
        } else {
            CHECK_NOTHROW(group.wait());
            auto const errors = group.errors();
            CHECK(errors.size() == 10);
            int sum = 0;
            for (auto const& e : errors) {
                try {
                    std::rethrow_exception(e);
                } catch (int i) {
                    sum += i;
                }
            }
            CHECK(sum == 450);
            CHECK(group.errors().empty());
            group.run([] { throw 1; });
            group.wait();  // and nobody asks for that one
        }
        CHECK(ran.load() == 100);
        CHECK(group.dropped() == 0);
    }
    CHECK(pool.metrics().errors_dropped == 10);
}

TEST_CASE("task_group: exceptions of nested groups climb", "[executor][task_group][fault]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2});
    thread_pool pool(workers);
    task_group outer(pool);
    for (int i = 0; i < 10; ++i)
        outer.run([&, i] {
            task_group middle(pool);
            for (int j = 0; j < 10; ++j)
                middle.run([&, i, j] {
                    task_group inner(pool);
                    inner.run([i, j] {
                        if (i == 5 && j == 5) throw std::runtime_error("deep");
                    });
                    inner.wait();
                });
            middle.wait();
        });
    CHECK_THROWS_WITH(outer.wait(), "deep");
    CHECK(pool.metrics().errors_dropped == 0);
}

TEST_CASE("task_group: a throw from a copy or move of the callable has no effect, from its destructor is rethrown",
          "[executor][task_group][fault]") {
    struct plan {
        int  until_throw = -1;
        int  alive = 0;
        bool destructor_throws = false;
    };
    struct brittle {
        plan* p;
        explicit brittle(plan& x) : p(&x) { ++p->alive; }
        brittle(brittle const& o) : p(o.p) {
            if (p->until_throw >= 0 && p->until_throw-- == 0) throw std::runtime_error("copy");
            ++p->alive;
        }
        ~brittle() noexcept(false) {
            if (--p->alive == 0 && std::exchange(p->destructor_throws, false)) throw std::runtime_error("destructor");
        }
        void operator()() const {}
    };
    thread_pool pool(1);
    plan p;
    task_group group(pool);
    {
        brittle const f(p);
        p.until_throw = 0;
        CHECK_THROWS_WITH(group.run(f), "copy");
        CHECK(group.size_approx() == 0);
        CHECK(p.alive == 1);
        group.wait();
    }
    std::latch go(1);
    pool.post([&] { go.wait(); });
    {
        brittle const f(p);
        group.run(f);
    }
    p.destructor_throws = true;
    go.count_down();
    CHECK_THROWS_WITH(group.wait(), "destructor");
    CHECK(p.alive == 0);
}

TEST_CASE("task_group: an exception that wait did not rethrow is counted", "[executor][task_group][fault]") {
    thread_pool pool(2);
    {
        task_group group(pool);
        group.run([] { throw 1; });
    }
    CHECK(pool.metrics().errors_dropped == 1);
    {
        task_group group(pool, error_policy::collect);
        group.run([] { throw 1; });
        group.run([] { throw 1; });
    }
    CHECK(pool.metrics().errors_dropped == 3);
}

TEST_CASE("task_group: cancel drops what has not begun", "[executor][task_group][cancel]") {
    thread_pool pool(1);
    task_group group(pool);
    std::atomic<int> ran{0};
    std::latch begun(1);
    group.run([&] {
        begun.count_down();
        while (!group.cancelled()) std::this_thread::yield();  // an endless loop that asks
        ran.fetch_add(1);
    });
    begun.wait();
    auto shared = std::make_shared<int>(0);
    for (int i = 0; i < 100; ++i) group.run([&, shared] { ran.fetch_add(1); });
    group.cancel();
    group.cancel();
    group.run([&] { ran.fetch_add(1); });  // after
    group.wait();
    CHECK(ran.load() == 1);
    CHECK(group.dropped() == 101);
    CHECK(shared.use_count() == 1);
    CHECK_FALSE(group.cancelled());
    group.run([&] { ran.fetch_add(1); });
    group.wait();
    CHECK(ran.load() == 2);

    group.run([&] { group.cancel(); });  // by one of its own
    group.wait();
    group.cancel();  // before it begins
    group.run_and_wait([&] { ran.fetch_add(1); });
    CHECK(ran.load() == 2);
    CHECK(group.dropped() == 102);
}

TEST_CASE("task_group: a thousand cancels race with completion, and the counts agree", "[executor][task_group][cancel]") {
    thread_pool pool(2);
    for (int round = 0; round < 1000; ++round) {
        task_group group(pool);
        std::atomic<std::uint64_t> ran{0};
        for (int i = 0; i < 8; ++i)
            group.run([&, i] {
                ran.fetch_add(1);
                if (i == round % 8) group.cancel();
            });
        if (round % 3 == 0) group.cancel();
        group.wait();
        REQUIRE(ran.load() + group.dropped() == 8);
    }
}

TEST_CASE("task_group: tokens in and out", "[executor][task_group][cancel]") {
    thread_pool pool(2);
    std::stop_source source;
    task_group parent(pool, source.get_token());
    task_group child(pool, parent.get_token());
    task_group grandchild(pool, error_policy::run_all, child.get_token());
    auto const token = grandchild.get_token();
    child.cancel();
    CHECK(child.cancelled());
    CHECK(grandchild.cancelled());
    CHECK(token.stop_requested());
    CHECK_FALSE(parent.cancelled());  // only that way
    child.wait();
    CHECK_FALSE(child.cancelled());
    CHECK_FALSE(child.get_token().stop_requested());
    source.request_stop();
    CHECK(parent.cancelled());
    int ran = 0;
    parent.run([&] { ++ran; });
    parent.wait();
    CHECK(parent.cancelled());  // for good: its parent is
    CHECK(parent.get_token().stop_requested());
    parent.run([&] { ++ran; });
    parent.wait();
    CHECK(ran == 0);
    CHECK(parent.dropped() == 2);

    task_group late(pool, source.get_token());  // stopped before it was made
    late.run([&] { ++ran; });
    late.wait();
    late.run([&] { ++ran; });
    late.wait();
    CHECK(ran == 0);
}

TEST_CASE("task_group: group, subgroup, task: a cancel goes down, and only down", "[executor][task_group][cancel]") {
    thread_pool pool(1);
    struct counted {
        std::atomic<int>* destroyed;
        bool              mine = true;
        explicit counted(std::atomic<int>& n) : destroyed(&n) {}
        counted(counted&& o) noexcept : destroyed(o.destroyed), mine(std::exchange(o.mine, false)) {}
        ~counted() { destroyed->fetch_add(mine ? 1 : 0); }
    };
    for (int cancelled = 0; cancelled < 4; ++cancelled) {
        task_group group(pool);
        task_group left = group.subgroup(), right = group.subgroup();
        task_group leaf = left.subgroup(error_policy::run_all);
        task_group* const all[] = {&group, &left, &right, &leaf};
        bool const        reached[4][4] = {{true, true, true, true}, {false, true, false, true}, {false, false, true, false},
                                           {false, false, false, true}};
        std::latch       begun(1), go(1);
        std::atomic<int> ran[4] = {}, destroyed{0};
        pool.post([&] {
            begun.count_down();
            go.wait();
        });
        begun.wait();  // nothing else begins before go
        for (int g = 0; g < 4; ++g)
            for (int i = 0; i < 10; ++i) all[g]->run([&ran, g, c = counted(destroyed)] { ran[g].fetch_add(1); });
        all[cancelled]->cancel();
        for (int g = 0; g < 4; ++g) CHECK(all[g]->cancelled() == reached[cancelled][g]);
        go.count_down();
        for (int g = 3; g >= 0; --g) {
            all[g]->wait();
            CHECK(ran[g].load() == (reached[cancelled][g] ? 0 : 10));
            CHECK(static_cast<std::uint64_t>(ran[g].load()) + all[g]->dropped() == 10);
        }
        CHECK(destroyed.load() == 40);
        CHECK_FALSE(group.cancelled());                                      // as new
        CHECK(left.cancelled() == (cancelled == 0));                         // what was stopped from above stays so
        if (cancelled == 0) {
            CHECK_FALSE(group.subgroup().cancelled());                       // and a new one is not
            CHECK(left.subgroup().cancelled());
        }
    }
}

TEST_CASE("task_group: a task may take its group's token", "[executor][task_group][cancel]") {
    thread_pool pool(2);
    task_group  group(pool);
    task_group  sub = group.subgroup();
    std::latch  begun(2);
    std::atomic<int> stopped{0};
    auto const until_stopped = [&](std::stop_token token) {
        begun.count_down();
        if (test::eventually([&] { return token.stop_requested(); })) stopped.fetch_add(1);
    };
    sub.run(until_stopped);
    sub.run([&, p = std::make_unique<int>(1)](std::stop_token const& token) { until_stopped(token); });
    begun.wait();
    group.cancel();
    sub.wait();
    CHECK(stopped.load() == 2);
}

TEST_CASE("task_group: trees under load: counts agree whenever the root is cancelled", "[executor][task_group][cancel]") {
    thread_pool pool(2);
    for (int round = 0; round < 100; ++round) {
        std::atomic<std::uint64_t> ran{0}, submitted{0}, dropped{0};
        task_group                 root(pool);
        for (int s = 0; s < 4; ++s) {
            submitted.fetch_add(1);
            root.run([&, s] {
                ran.fetch_add(1);
                task_group sub(pool, root.get_token());
                for (int i = 0; i < 8; ++i) {
                    submitted.fetch_add(1);
                    sub.run([&, i] {
                        ran.fetch_add(1);
                        if (s == round % 4 && i == round % 8) root.cancel();
                    });
                }
                sub.wait();
                dropped.fetch_add(sub.dropped());
            });
        }
        root.wait();
        dropped.fetch_add(root.dropped());
        REQUIRE(ran.load() + dropped.load() == submitted.load());
    }
}

TEST_CASE("task_group: a wait with an end", "[executor][task_group][unit]") {
    using namespace std::chrono_literals;
    thread_pool pool(1);
    task_group  group(pool);
    CHECK(group.wait_for(0s));
    std::latch begun(1), go(1);
    group.run([&] {
        begun.count_down();
        go.wait();
        throw std::runtime_error("late");
    });
    begun.wait();
    int ran = 0;
    group.run([&] { ++ran; });
    CHECK_FALSE(group.wait_for(0s));
    CHECK_FALSE(group.wait_for(-1h));
    CHECK_FALSE(group.wait_for(2ms));
    CHECK_FALSE(group.wait_until(std::chrono::steady_clock::time_point::min()));
    CHECK(group.size_approx() == 2);  // nothing has changed
    go.count_down();
    CHECK_THROWS_WITH(group.wait_for(std::chrono::hours::max()), "late");
    CHECK(ran == 0);  // cancelled by the exception
    group.run([&] { ++ran; });
    CHECK(group.wait_for(1h));
    CHECK(ran == 1);

    pool.submit([&] {  // the only worker: whoever waits has to run them
            int helped = 0;
            task_group own(pool);
            for (int i = 0; i < 3; ++i) own.run([&] { ++helped; });
            if (own.wait_for(0s) || helped != 0) throw std::logic_error("begins tasks after its time");
            if (!own.wait_for(1h) || helped != 3) throw std::logic_error("does not help");
            auto const soon = std::chrono::steady_clock::now() + 5ms;
            own.run([&] {
                ++helped;
                while (std::chrono::steady_clock::now() < soon) {}
            });
            own.run([&] {
                ++helped;
                while (std::chrono::steady_clock::now() < soon) {}
            });
            if (own.wait_until(soon) || helped > 4) throw std::logic_error("goes on after its time");
            own.wait();
        }).get();
    CHECK(pool.metrics().errors_dropped == 0);
}

TEST_CASE("task_group: a token's callback may ask the group", "[executor][task_group][cancel]") {
    thread_pool pool(1);
    task_group group(pool);
    auto const token = group.get_token();
    int called = 0;
    std::stop_callback const callback(token, [&] {
        ++called;
        group.cancel();
        (void)group.get_token();
    });
    group.cancel();
    CHECK(called == 1);
    group.wait();
}

TEST_CASE("task_group: waits from many threads while tasks come and go", "[executor][task_group][unit]") {
    // What may go wrong: a flag "somebody waits" that a returning waiter clears can be taken from under a waiter of the
    // next round, which then sleeps for ever.
    thread_pool pool(2);
    task_group group(pool);
    std::atomic<std::uint64_t> ran{0};
    auto const rounds = 4000 * test::stress_factor();
    test::run_threads(4, [&](std::size_t i) {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            if (i < 3) group.run([&] { ran.fetch_add(1); });
            group.wait();
        }
    });
    CHECK(ran.load() == 3 * rounds);
}

TEST_CASE("task_group: a wait in a worker runs only what it can be waiting for", "[executor][task_group][law]") {
    // A task holds a mutex while it waits; others that want the mutex are queued. Whoever runs one of them inside the wait
    // locks a mutex that its own thread holds.
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2});
    thread_pool pool(workers);
    static thread_local int depth = 0;
    for (int round = 0; round < 200; ++round) {
        std::mutex mutex;
        std::atomic<int> unrelated{0}, inside{0}, bad{0};
        auto const wants = [&] {
            if (depth != 0) bad.fetch_add(1);
            std::lock_guard const lock(mutex);
            unrelated.fetch_add(1);
        };
        sluice::task_group others(pool);
        auto f = pool.submit([&] {
            for (int i = 0; i < 5; ++i) pool.post(wants), others.run(wants);
            std::lock_guard const lock(mutex);
            ++depth;
            task_group group(pool);
            for (int i = 0; i < 10; ++i)
                group.run([&] {
                    task_group nested(pool);
                    for (int j = 0; j < 3; ++j) nested.run([&] { inside.fetch_add(1); });
                    nested.wait();
                });
            for (int i = 0; i < 5; ++i) pool.post(wants), others.run(wants);
            group.wait();
            --depth;
        });
        f.get();
        others.wait();
        pool.wait_idle();
        REQUIRE(inside.load() == 30);
        REQUIRE(unrelated.load() == 20);
        REQUIRE(bad.load() == 0);
    }
}

TEST_CASE("task_group: groups of different pools are never mixed up", "[executor][task_group][law]") {
    // A group of pool b made in a task of pool a carries the name of a's group with it. Names that start from the same
    // number in each pool meet here: the waiter in b would run the stranger inside its wait.
    thread_pool a(1), b(1);
    static thread_local bool waits = false;
    std::latch held(1), go(1), made(1), filled(1);
    std::atomic<bool> inside{false};
    task_group* mine = nullptr;
    b.post([&] {
        held.count_down();
        go.wait();
    });
    held.wait();  // what comes now is taken from the injector together
    auto holder = b.submit([&] {
        task_group group(b);  // the first group of b's worker
        mine = &group;
        made.count_down();
        filled.wait();
        waits = true;
        group.wait();
        waits = false;
    });
    std::latch queued(1);
    auto stranger = a.submit([&] {
        task_group of_a(a);  // the first group of a's worker
        of_a.run([&] {
            task_group in_b(b);
            in_b.run([&] { inside.store(waits); });  // comes to lie in the deque of b's worker, behind the holder
            queued.count_down();
            while (!holder.is_ready()) std::this_thread::yield();
            in_b.wait();
        });
        of_a.wait();
    });
    queued.wait();
    go.count_down();
    made.wait();
    mine->run([] {});
    filled.count_down();
    stranger.get();
    holder.get();
    CHECK_FALSE(inside.load());
}

TEST_CASE("task_group: two pools of one thread wait for each other", "[executor][task_group][unit]") {
    thread_pool a(1), b(1);
    std::atomic<int> ran{0};
    auto const deep = [&](auto const& self, thread_pool& here, thread_pool& there, int n) -> void {
        task_group group(there);
        for (int i = 0; i < 2; ++i)
            group.run([&, n] {
                ran.fetch_add(1);
                if (n > 0) self(self, there, here, n - 1);
            });
        group.wait();
    };
    auto f = a.submit([&] { deep(deep, a, b, 6); });
    auto g = b.submit([&] { deep(deep, b, a, 6); });
    f.get();
    g.get();
    CHECK(ran.load() == 2 * 254);
}

TEST_CASE("task_group: a chain of a million tasks of one group, on one thread", "[executor][task_group][unit]") {
    bool const wait_on_worker = GENERATE(false, true);
    thread_pool pool(1);
    std::uint64_t left = 1'000'000;
    task_group group(pool);
    struct link {
        task_group&    group;
        std::uint64_t& left;
        void operator()() const {
            if (--left > 0) group.run(link{group, left});
        }
    };
    if (wait_on_worker)
        pool.submit([&] {
                group.run(link{group, left});
                group.wait();
            }).get();
    else
        group.run(link{group, left});
    group.wait();
    CHECK(left == 0);
}

TEST_CASE("task_group: a group that lives for long does not keep its tasks", "[executor][task_group][unit]") {
    thread_pool pool(1);
    task_group group(pool);
    for (int i = 0; i < 20'000; ++i) {
        group.run([] {});
        if (i % 64 == 0) pool.wait_idle();
    }
    group.wait();
    CHECK(group.size_approx() == 0);
}

TEST_CASE("task_group: on a pool that has been shut down run is refused without effect", "[executor][task_group][fault]") {
    thread_pool pool(1);
    auto shared = std::make_shared<int>(0);
    {
        task_group group(pool);
        (void)pool.shutdown();
        CHECK_THROWS_AS(group.run([shared] {}), sluice::pool_closed);
        CHECK(shared.use_count() == 1);
        group.wait();
    }
    thread_pool dropping(1);
    task_group group(dropping);
    std::latch held(1), go(1);
    dropping.post([&] {
        held.count_down();
        go.wait();
    });
    held.wait();
    std::atomic<int> ran{0};
    for (int i = 0; i < 10; ++i) group.run([&] { ran.fetch_add(1); });
    std::uint64_t dropped = 0;
    std::thread ends([&] { dropped = dropping.shutdown(sluice::shutdown_mode::discard); });
    while (!dropping.internals().discards()) std::this_thread::yield();
    go.count_down();
    group.wait();
    ends.join();
    CHECK(ran.load() == 0);
    CHECK(group.dropped() == 10);
    CHECK(dropped == 10);
}
