// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/random.hpp>
#include <sluice/executor/task_group.hpp>
#include <sluice/parallel/dynamic_graph.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <sluice/parallel/task_graph.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using sluice::dynamic_graph;
using sluice::task_graph;
using sluice::thread_pool;

TEST_CASE("task_graph: random graphs, each task once and after all that precede it, again and again", "[parallel][task_graph][law]") {
    auto const           workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{5});
    thread_pool          pool(workers);
    sluice::xoshiro256ss random(test::seed());
    for (int round = 0; round < 20; ++round) {
        std::size_t const                              n = 1 + static_cast<std::size_t>(sluice::uniform_below(random, 150));
        std::vector<std::pair<std::size_t, std::size_t>> edges;
        std::vector<std::atomic<int>>                  ran(n);
        std::atomic<int>                               early{0};
        std::vector<std::vector<std::size_t>>          before(n);
        std::atomic<int>                               runs{0};
        task_graph                                     graph;
        std::vector<task_graph::node>                  nodes;
        for (std::size_t i = 0; i < n; ++i)
            nodes.push_back(graph.emplace([&, i] {
                ran[i].fetch_add(1);
                for (std::size_t const b : before[i])
                    if (ran[b].load() != runs.load()) early.fetch_add(1);
            }));
        for (std::size_t i = 1; i < n; ++i)
            for (std::uint64_t k = sluice::uniform_below(random, 4); k > 0; --k) {
                auto const b = static_cast<std::size_t>(sluice::uniform_below(random, i));
                before[i].push_back(b);
                if (k % 2 == 0)
                    nodes[b].precede(nodes[i]);
                else
                    nodes[i].succeed(nodes[b]);
            }
        for (int r = 1; r <= 5; ++r) {
            runs.store(r);
            bool const done = r == 3 ? pool.submit([&] { return graph.run(pool); }).get() : graph.run(pool);
            REQUIRE(done);
            REQUIRE(early.load() == 0);
            for (auto& x : ran) REQUIRE(x.load() == r);
        }
    }
}

TEST_CASE("task_graph: a wavefront, on one pool and then on another, inside loops, on a closed pool", "[parallel][task_graph][unit]") {
    thread_pool pool(3), other(1);
    auto const  wavefront = [&](thread_pool& p, int runs) {
        constexpr std::size_t         n = 20;
        std::vector<std::uint64_t>    v(n * n, 0);
        std::vector<task_graph::node> nodes;
        task_graph                    graph;
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j < n; ++j) {
                nodes.push_back(graph.emplace([&v, i, j] {
                    v[i * n + j] = i == 0 || j == 0 ? 1 : (v[(i - 1) * n + j] + v[i * n + j - 1]) % 1'000'003;
                }));
                if (i > 0) nodes[(i - 1) * n + j].precede(nodes.back());
                if (j > 0) nodes.back().succeed(nodes[i * n + j - 1]);
            }
        for (int r = 0; r < runs; ++r) graph.run(r % 2 == 0 ? p : other);
        return v.back();
    };
    std::uint64_t const expected = wavefront(other, 1);
    CHECK(wavefront(pool, 4) == expected);
    std::atomic<int> good{0};
    sluice::parallel_for(pool, 0, 12, [&](int) { good.fetch_add(wavefront(pool, 1) == expected); }, sluice::dynamic_partitioner{});
    CHECK(good.load() == 12);
    (void)pool.shutdown();
    CHECK(wavefront(pool, 3) == expected);
}

TEST_CASE("task_graph: conditions select, loop, and end", "[parallel][task_graph][unit]") {
    auto const  workers = GENERATE(std::size_t{1}, std::size_t{3});
    thread_pool pool(workers);
    task_graph  graph;
    int         i = 0, bodies = 0, odd = 0, even = 0, after = 0, never = 0;
    auto        start = graph.emplace([&] { i = 0; });
    auto        body = graph.emplace([&] { ++bodies; });
    auto        again = graph.emplace([&] { return ++i < 1000 ? 0 : 1; });
    auto        choose = graph.emplace([&] { return i % 2 != 0; });
    auto        if_even = graph.emplace([&] { ++even; });
    auto        if_odd = graph.emplace([&] { ++odd; });
    auto        out_of_range = graph.emplace([&] { return -1; });
    auto        unreached = graph.emplace([&] { ++never; });
    auto        join = graph.emplace([&] { ++after; });
    start.precede(body);
    body.precede(again);
    again.precede(body, choose);
    choose.precede(if_even, if_odd);
    if_even.precede(out_of_range, join);
    out_of_range.precede(unreached);
    for (int run = 1; run <= 3; ++run) {
        REQUIRE(graph.run(pool));
        REQUIRE(bodies == 1000 * run);
        REQUIRE(even == run);
        REQUIRE(after == run);
        REQUIRE((odd == 0 && never == 0));
    }

    task_graph self;  // a condition that selects itself
    int        k = 0;
    auto       first = self.emplace([&] { k = 0; });
    auto       loop = self.emplace([&] { return ++k < 500 ? 0 : 1; });
    first.precede(loop);
    loop.precede(loop);
    REQUIRE(self.run(pool));
    CHECK(k == 500);

    task_graph twice;  // two conditions select one task, which is under way then
    std::atomic<int>  inside{0};
    std::atomic<bool> selected{false};
    auto              target = twice.emplace([&] {
        inside.fetch_add(1);
        for (int n = 0; workers > 1 && !selected.load() && n < 1'000'000; ++n) std::this_thread::yield();
        for (int n = 0; n < 1000; ++n) std::this_thread::yield();
    });
    auto root = twice.emplace([] {}), first_one = twice.emplace([] { return 0; });
    auto second_one = twice.emplace([&] {
        for (int n = 0; workers > 1 && inside.load() == 0 && n < 1'000'000; ++n) std::this_thread::yield();
        selected.store(true);
        return 0;
    });
    root.precede(first_one, second_one);
    first_one.precede(target);
    second_one.precede(target);
    if (workers == 1) {
        CHECK(twice.run(pool));
        CHECK(inside.load() == 2);
    } else {
        CHECK_THROWS_AS(twice.run(pool), std::logic_error);
        CHECK(inside.load() == 1);
    }
}

TEST_CASE("task_graph: what cannot run is refused, and the cycle is named", "[parallel][task_graph][unit]") {
    thread_pool pool(1);
    task_graph  graph, other;
    CHECK(graph.run(pool));  // empty
    auto a = graph.emplace([] {}).name("fetch"), b = graph.emplace([] {}).name("parse"), c = graph.emplace([] {}), d = graph.emplace([] {});
    d.precede(a);
    a.precede(b);
    b.precede(c);
    CHECK(graph.run(pool));
    c.precede(a);
    CHECK_THROWS_WITH(graph.run(pool), test::contains("cycle: fetch -> parse -> #2 -> fetch"));
    CHECK_THROWS_AS(a.precede(other.emplace([] {})), std::invalid_argument);

    task_graph itself;
    auto       x = itself.emplace([] {}).name("x");
    x.precede(x);
    CHECK_THROWS_WITH(itself.run(pool), test::contains("cycle: x -> x"));

    task_graph closed;
    auto       loop = closed.emplace([] { return 0; });
    loop.precede(loop);
    CHECK_THROWS_WITH(closed.run(pool), test::contains("nothing can begin"));

    task_graph deep;  // 100 000 tasks in a row: neither the check nor the run recurses
    int        count = 0;
    auto       last = deep.emplace([&] { ++count; });
    for (int i = 1; i < 100'000; ++i) {
        auto next = deep.emplace([&] { ++count; });
        last.precede(next);
        last = next;
    }
    CHECK(deep.run(pool));
    CHECK(count == 100'000);
    bool refused = false;
    task_graph inner;
    inner.emplace([&] {
        try {
            inner.run(pool);
        } catch (std::logic_error const&) {
            refused = true;
        }
    });
    CHECK(inner.run(pool));
    CHECK(refused);
}

TEST_CASE("task_graph: exceptions and stop requests drop the rest, and it runs again", "[parallel][task_graph][fault]") {
    auto const       workers = GENERATE(std::size_t{1}, std::size_t{3});
    thread_pool      pool(workers);
    task_graph       graph;
    std::atomic<int> ran{0}, after{0};
    int              mode = 0;
    std::stop_source stop;
    auto             middle = graph.emplace([&] {
        if (mode == 1) throw std::runtime_error("middle");
        if (mode == 2) stop.request_stop();
    });
    for (int i = 0; i < 50; ++i) {
        auto before = graph.emplace([&] { ran.fetch_add(1); });
        auto behind = graph.emplace([&] { after.fetch_add(1); });
        before.precede(middle);
        middle.precede(behind);
    }
    for (int round = 0; round < 3; ++round) {
        mode = 1;
        ran = after = 0;
        CHECK_THROWS_WITH(graph.run(pool), "middle");
        CHECK((ran.load() == 50 && after.load() == 0));
        mode = 0;
        CHECK(graph.run(pool));
        CHECK((ran.load() == 100 && after.load() == 50));
    }
    mode = 2;
    after = 0;
    CHECK_FALSE(graph.run(pool, stop.get_token()));
    CHECK(after.load() == 0);
    ran = 0;
    CHECK_FALSE(graph.run(pool, stop.get_token()));
    CHECK(ran.load() == 0);

    task_graph all;
    std::atomic<unsigned> threw{0};
    for (int i = 0; i < 20; ++i)
        all.emplace([&] {
            threw.fetch_add(1);
            throw 1;
        });
    auto const dropped = pool.metrics().errors_dropped;
    CHECK_THROWS_AS(all.run(pool), int);
    CHECK(pool.metrics().errors_dropped - dropped == threw.load() - 1);
}

TEST_CASE("task_graph: a second run allocates nothing", "[parallel][task_graph][unit]") {
    thread_pool pool(1);
    task_graph  graph;
    auto        root = graph.emplace([] {});
    for (int i = 0; i < 100; ++i) {
        auto n = graph.emplace([] {});
        root.precede(n);
    }
    graph.run(pool);
    std::int64_t const before = test::allocations::total();
    graph.run(pool);
    CHECK(test::allocations::total() == before);
}

TEST_CASE("dynamic_graph: tasks that add tasks, behind running and ended ones", "[parallel][dynamic_graph][law]") {
    auto const    workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{5});
    thread_pool   pool(workers);
    dynamic_graph graph(pool);
    // A binomial triangle: a row's tasks add the next row behind their own.
    constexpr int                                 rows = 40;
    std::vector<std::vector<std::uint64_t>>       value(rows);
    std::vector<std::vector<dynamic_graph::handle>> task(rows);
    for (int round = 0; round < 5; ++round) {
        for (std::size_t r = 0; r < rows; ++r) {
            value[r].assign(r + 1, 0);
            task[r].assign(r + 1, {});
            for (std::size_t c = 0; c <= r; ++c) {
                auto const f = [&value, r, c] {
                    value[r][c] = (c == 0 ? 0 : value[r - 1][c - 1]) + (c == r ? 0 : value[r - 1][c]) + (r == 0 ? 1 : 0);
                };
                if (r == 0)
                    task[r][c] = graph.add(f);
                else
                    task[r][c] = graph.add(f, {c == 0 ? dynamic_graph::handle() : task[r - 1][c - 1],
                                               c == r ? dynamic_graph::handle() : task[r - 1][c]});
            }
        }
        graph.wait();
        REQUIRE(value[39][20] == 68923264410u);
        REQUIRE(task[39][20].ended());
    }
    std::atomic<int> ran{0};
    auto const       grow = [&](auto const& self, int depth) -> void {
        ran.fetch_add(1);
        if (depth == 0) return;
        auto const left = graph.add([&self, depth] { self(self, depth - 1); });
        graph.add([&self, depth] { self(self, depth - 1); }, {left});
    };
    bool const inside = pool.submit([&] {
        graph.add([&] { grow(grow, 9); });
        graph.wait();
        return true;
    }).get();
    CHECK(inside);
    CHECK(ran.load() == 1023);
}

TEST_CASE("dynamic_graph: from several threads; without wait; on a closed pool", "[parallel][dynamic_graph][unit]") {
    std::atomic<int> ran{0}, early{0};
    thread_pool      pool(2);
    {
        dynamic_graph graph(pool);
        test::run_threads(3, [&](std::size_t) {
            dynamic_graph::handle last;
            std::atomic<int>      own{0};
            for (int i = 0; i < 500; ++i)
                last = graph.add([&, i] {
                    if (own.fetch_add(1) != i) early.fetch_add(1);
                    ran.fetch_add(1);
                }, {last});
            while (!last.ended()) graph.wait();
        });
        CHECK((ran.load() == 1500 && early.load() == 0));
        for (int i = 0; i < 100; ++i) graph.add([&] { ran.fetch_add(1); });
    }
    CHECK(ran.load() == 1600);
    (void)pool.shutdown();
    dynamic_graph graph(pool);
    graph.add([&] { ran.fetch_add(1); }, {graph.add([&] { ran.fetch_add(1); })});
    graph.wait();
    CHECK(ran.load() == 1602);
}

TEST_CASE("dynamic_graph: wait inside a task's group, on another worker", "[parallel][dynamic_graph][fault]") {
    // The task waits for the group, the group's task for the graph, and so for the task.
    thread_pool       pool(2);
    dynamic_graph     graph(pool), other(pool);
    std::atomic<int>  refused{0}, elsewhere{0}, ran{0};
    std::atomic<bool> ended{false};
    auto const inside = [&](std::size_t task_worker) {
        if (pool.this_worker_index() != task_worker) elsewhere.fetch_add(1);
        try {
            graph.wait();
        } catch (std::logic_error const&) {
            refused.fetch_add(1);
        }
        other.add([&] { ran.fetch_add(1); });
        other.wait();  // that one may be waited for
    };
    graph.add([&] {
        auto const            self = pool.this_worker_index();
        std::atomic<int>      begun{0};
        sluice::task_group group(pool);
        group.run([&, self] {
            begun.store(1);
            inside(self);
            sluice::task_group lower(pool);
            lower.run([&, self] { inside(self); });
            lower.wait();
        });
        (void)test::eventually([&] { return begun.load() == 1; });  // by the other worker
        group.wait();
        ended.store(true);
    });
    CHECK(test::eventually([&] { return ended.load(); }));  // the caller has not helped
    graph.wait();
    CHECK(refused.load() == 2);
    CHECK(elsewhere.load() >= 1);
    CHECK(ran.load() == 2);
    bool fine = false;  // afterwards it may be waited for in any task
    pool.submit([&] {
            sluice::task_group group(pool);
            graph.add([&] { ran.fetch_add(1); });
            group.run([&] { graph.wait(); });
            group.wait();
            fine = true;
        }).get();
    CHECK(fine);
    CHECK(ran.load() == 3);
}

TEST_CASE("dynamic_graph: exceptions, cancel, handles of others, wait from inside, no memory", "[parallel][dynamic_graph][fault]") {
    auto const       workers = GENERATE(std::size_t{1}, std::size_t{3});
    thread_pool      pool(workers);
    dynamic_graph    graph(pool), other(pool);
    std::atomic<int> ran{0};
    auto const       bad = graph.add([] { throw std::runtime_error("bad"); });
    graph.add([&] { ran.fetch_add(1); }, {bad});
    CHECK_THROWS_WITH(graph.wait(), "bad");
    CHECK(ran.load() == 0);
    graph.add([&] { ran.fetch_add(1); }, {bad});
    graph.wait();
    CHECK(ran.load() == 1);
    CHECK_THROWS_AS(other.add([] {}, {bad}), std::invalid_argument);

    bool refused = false;
    graph.add([&] {
        graph.cancel();
        try {
            graph.wait();
        } catch (std::logic_error const&) {
            refused = true;
        }
        graph.add([&] { ran.fetch_add(1); });
    });
    graph.wait();
    CHECK(refused);
    CHECK(ran.load() == 1);

    dynamic_graph::handle const a = graph.add([&] { ran.fetch_add(1); });
    std::array<dynamic_graph::handle, 3> const behind{a, graph.add([] {}, {a}), graph.add([] {}, {a})};
    int added = 0;
    for (std::uint64_t n = 0; n < 12; ++n) {
        test::scarce_memory const scarce(n);
        try {
            graph.add([&] { ran.fetch_add(1); }, behind);
            ++added;
        } catch (std::bad_alloc const&) {
        }
    }
    graph.wait();
    CHECK(added > 0);
    CHECK(ran.load() == 2 + added);
}
