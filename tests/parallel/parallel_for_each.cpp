// SPDX-License-Identifier: BSL-1.0
#include <sluice/parallel/parallel_for_each.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <atomic>
#include <forward_list>
#include <list>
#include <map>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <vector>

using sluice::parallel_for_each;
using sluice::thread_pool;

TEST_CASE("parallel_for_each: every element once, whatever the container", "[parallel][parallel_for_each][law]") {
    auto const  workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{5});
    bool const  from_worker = GENERATE(false, true);
    thread_pool pool(workers);
    auto const go = [&] {
        for (int const n : {0, 1, 2, 3, 63, 64, 65, 1000, 5000}) {
            std::list<int>         l(static_cast<std::size_t>(n), 1);
            std::forward_list<int> f(static_cast<std::size_t>(n), 1);
            std::vector<int>       v(static_cast<std::size_t>(n), 1);
            std::map<int, int>     m;
            for (int i = 0; i < n; ++i) m[i] = 1;
            auto const twice = [](int& x) { x *= 2; };
            parallel_for_each(pool, l, twice);
            parallel_for_each(pool, f.begin(), f.end(), twice);
            parallel_for_each(pool, v, twice, sluice::dynamic_partitioner{.grain = 10});
            parallel_for_each(pool, m, [](auto& kv) { kv.second *= 2; });
            for (int const x : l) if (x != 2) return false;
            for (int const x : f) if (x != 2) return false;
            for (int const x : v) if (x != 2) return false;
            for (auto const& kv : m) if (kv.second != 2) return false;
        }
        return true;
    };
    REQUIRE((from_worker ? pool.submit(go).get() : go()));
}

TEST_CASE("parallel_for_each: an exception or a stop request ends it", "[parallel][parallel_for_each][fault]") {
    auto const     workers = GENERATE(std::size_t{1}, std::size_t{3});
    thread_pool    pool(workers);
    std::list<int> l;
    for (int i = 0; i < 100'000; ++i) l.push_back(i);
    std::atomic<int>  ran{0};
    std::atomic<bool> other{false}, thrown{false};
    CHECK_THROWS_WITH(parallel_for_each(pool, l, [&](int i) {
        ran.fetch_add(1);
        if (i != 10) {
            if (i > 10) other.store(true);
            for (int k = 0; other.load() && !thrown.load() && k < 1'000'000; ++k) std::this_thread::yield();
            return;
        }
        for (int k = 0; workers > 1 && !other.load() && k < 1'000'000; ++k) std::this_thread::yield();
        thrown.store(true);
        throw std::runtime_error("the tenth");
    }), "the tenth");
    CHECK(ran.load() < 90'000);  // the others have seen it
    CHECK((workers > 1 || ran.load() == 11));

    auto const before = pool.metrics().errors_dropped;
    std::atomic<unsigned> threw{0};
    CHECK_THROWS_AS(parallel_for_each(pool, l, [&](int i) {
        threw.fetch_add(1);
        throw i;
    }), int);
    pool.wait_idle();
    CHECK(pool.metrics().errors_dropped - before == threw.load() - 1);

    std::stop_source source;
    ran = 0;
    parallel_for_each(pool, l, [&](int) {
        if (ran.fetch_add(1) == 50) source.request_stop();
    }, sluice::auto_partitioner{}, source.get_token());
    CHECK(ran.load() >= 51);
    CHECK((workers > 1 || ran.load() == 51));
    ran = 0;
    parallel_for_each(pool, l, [&](int) { ran.fetch_add(1); }, sluice::auto_partitioner{}, source.get_token());
    CHECK(ran.load() == 0);
}

TEST_CASE("parallel_for_each: lists in lists", "[parallel][parallel_for_each][unit]") {
    thread_pool               pool(2);
    std::list<std::list<int>> l(30, std::list<int>(30, 1));
    std::atomic<int>          sum{0};
    parallel_for_each(pool, l, [&](std::list<int>& inner) { parallel_for_each(pool, inner, [&](int x) { sum.fetch_add(x); }); });
    CHECK(sum.load() == 900);
}

TEST_CASE("parallel_for_each: members as functions", "[parallel][parallel_for_each][unit]") {
    struct counter {
        int  n = 0;
        void touch() { ++n; }
    };
    thread_pool        pool(2);
    std::list<counter> l(500);
    parallel_for_each(pool, l, &counter::touch);
    std::vector<counter> v(500);
    parallel_for_each(pool, v, &counter::touch);
    CHECK(std::all_of(l.begin(), l.end(), [](counter const& c) { return c.n == 1; }));
    CHECK(std::all_of(v.begin(), v.end(), [](counter const& c) { return c.n == 1; }));
}
