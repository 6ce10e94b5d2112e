// SPDX-License-Identifier: BSL-1.0
#include <sluice/parallel/parallel_for.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <latch>
#include <limits>
#include <mutex>
#include <ranges>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

using sluice::parallel_for;
using sluice::thread_pool;

namespace {

template <class F>
void with_every_partitioner(F f) {
    f(sluice::auto_partitioner{});
    f(sluice::static_partitioner{});
    f(sluice::dynamic_partitioner{});
    f(sluice::dynamic_partitioner{.grain = 7});
    f(sluice::dynamic_partitioner{.grain = ~std::uint64_t{0}});
    f(sluice::guided_partitioner{});
    f(sluice::guided_partitioner{.grain = 100});
    f(sluice::guided_partitioner{.grain = ~std::uint64_t{0}});
}

/// Whether each i of [first, last) is met once and nothing else is.
template <class I, class P>
bool each_once(thread_pool& pool, I first, I last, P const& p) {
    std::uint64_t const n = first < last ? static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first) : 0;
    std::vector<std::atomic<std::uint8_t>> met(static_cast<std::size_t>(n));
    std::atomic<bool> outside{false};
    auto const meet = [&](I i) {
        if (i < first || !(i < last))
            outside.store(true);
        else
            met[static_cast<std::size_t>(static_cast<std::uint64_t>(i) - static_cast<std::uint64_t>(first))].fetch_add(1);
    };
    parallel_for(pool, first, last, meet, p);
    if (outside.load()) return false;
    for (auto& m : met)
        if (m.exchange(0) != 1) return false;
    parallel_for(pool, first, last, [&](I begin, I end) {
        for (I i = begin; i < end; ++i) meet(i);
    }, p);
    if (outside.load()) return false;
    for (auto& m : met)
        if (m.load() != 1) return false;
    return true;
}

template <class I>
constexpr I lowest = std::numeric_limits<I>::min();
template <class I>
constexpr I highest = std::numeric_limits<I>::max();

}  // namespace

TEST_CASE("parallel_for: every index once, for every partitioner and number of workers", "[parallel][parallel_for][law]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{5});
    bool const from_worker = GENERATE(false, true);
    thread_pool pool(workers);
    with_every_partitioner([&](auto const& p) {
        for (int const n : {0, 1, 2, 3, 7, 8, 9, 64, 255, 256, 257, 1000, 5000}) {
            bool const good = from_worker ? pool.submit([&] { return each_once(pool, 0, n, p); }).get() : each_once(pool, 0, n, p);
            REQUIRE(good);
        }
    });
}

TEST_CASE("parallel_for: ranges at the ends of their types", "[parallel][parallel_for][unit]") {
    thread_pool pool(2);
    with_every_partitioner([&](auto const& p) {
        REQUIRE(each_once<std::int8_t>(pool, lowest<std::int8_t>, highest<std::int8_t>, p));
        REQUIRE(each_once<std::uint8_t>(pool, 0, 255, p));
        REQUIRE(each_once<std::int16_t>(pool, lowest<std::int16_t>, highest<std::int16_t>, p));
        REQUIRE(each_once<std::int32_t>(pool, -500, 500, p));
        REQUIRE(each_once<std::int32_t>(pool, lowest<std::int32_t>, lowest<std::int32_t> + 1000, p));
        REQUIRE(each_once<std::int64_t>(pool, lowest<std::int64_t>, lowest<std::int64_t> + 1000, p));
        REQUIRE(each_once<std::int64_t>(pool, highest<std::int64_t> - 1000, highest<std::int64_t>, p));
        REQUIRE(each_once<std::uint64_t>(pool, highest<std::uint64_t> - 1000, highest<std::uint64_t>, p));
        REQUIRE(each_once<std::uint32_t>(pool, highest<std::uint32_t> - 1000, highest<std::uint32_t>, p));
        REQUIRE(each_once<char>(pool, 'a', 'z', p));
        REQUIRE(each_once(pool, 10, 5, p));  // backward: nothing
        REQUIRE(each_once<std::int64_t>(pool, highest<std::int64_t>, lowest<std::int64_t>, p));
    });
}

TEST_CASE("parallel_for: the pieces of the largest ranges do not overlap", "[parallel][parallel_for][unit]") {
    // Planted: a counter that is only ever added to wraps at the end of 64 bits and gives the first piece out again.
    auto const workers = GENERATE(std::size_t{1}, std::size_t{3});
    thread_pool pool(workers);
    auto const covers = [&](auto first, auto last, auto const& p) {
        using I = decltype(first);
        std::mutex mutex;
        std::uint64_t length = 0;
        std::size_t   pieces = 0;
        parallel_for(pool, first, last, [&](I begin, I end) {
            std::lock_guard const lock(mutex);
            length += static_cast<std::uint64_t>(end) - static_cast<std::uint64_t>(begin);
            if (++pieces > 100'000) throw std::logic_error("no end");
        }, p);
        return length == static_cast<std::uint64_t>(last) - static_cast<std::uint64_t>(first);
    };
    constexpr std::uint64_t huge = std::uint64_t{1} << 62;
    CHECK(covers(std::uint64_t{0}, highest<std::uint64_t>, sluice::static_partitioner{}));
    CHECK(covers(lowest<std::int64_t>, highest<std::int64_t>, sluice::static_partitioner{}));
    CHECK(covers(std::uint64_t{0}, highest<std::uint64_t>, sluice::dynamic_partitioner{.grain = huge}));
    CHECK(covers(std::uint64_t{0}, highest<std::uint64_t>, sluice::dynamic_partitioner{.grain = huge * 3}));
    CHECK(covers(std::uint64_t{0}, highest<std::uint64_t>, sluice::guided_partitioner{.grain = huge}));
    CHECK(covers(std::uint64_t{0}, highest<std::uint64_t>, sluice::guided_partitioner{.grain = std::uint64_t{1} << 50}));
    CHECK(covers(lowest<std::int64_t>, highest<std::int64_t>, sluice::auto_partitioner{}));
}

TEST_CASE("parallel_for: a huge range ends early", "[parallel][parallel_for][cancel]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2});
    thread_pool pool(workers);
    with_every_partitioner([&](auto const& p) {
        for (bool const throws : {false, true}) {
            std::stop_source source;
            std::atomic<std::uint64_t> ran{0};
            auto const body = [&](std::uint64_t) {
                if (ran.fetch_add(1) != 1000) return;
                if (throws) throw std::runtime_error("enough");
                source.request_stop();
            };
            auto const go = [&] { parallel_for(pool, std::uint64_t{0}, highest<std::uint64_t>, body, p, source.get_token()); };
            if (throws)
                REQUIRE_THROWS_WITH(go(), "enough");
            else
                go();
            REQUIRE(ran.load() >= 1001);
            source.request_stop();
            ran = 0;
            go();  // stopped before it begins
            REQUIRE(ran.load() == 0);
        }
    });
}

TEST_CASE("parallel_for: iterators", "[parallel][parallel_for][unit]") {
    thread_pool pool(2);
    with_every_partitioner([&](auto const& p) {
        std::vector<int> v(3000, 1);
        std::deque<int>  d(3000, 1);
        int              array[300] = {};
        parallel_for(pool, v.begin(), v.end(), [](int& x) { ++x; }, p);
        parallel_for(pool, d.begin(), d.end(), [](int& x) { ++x; }, p);
        parallel_for(pool, array, array + 300, [](int& x) { x += 2; }, p);
        std::atomic<int> sum{0};
        parallel_for(pool, v.cbegin(), v.cend(), [&](int const& x) { sum.fetch_add(x); }, p);
        using iterator = std::vector<int>::iterator;
        parallel_for(pool, v.begin(), v.end(), [](iterator begin, iterator end) {
            for (; begin != end; ++begin) ++*begin;
        }, p);
        REQUIRE(v == std::vector<int>(3000, 3));
        REQUIRE(d == std::deque<int>(3000, 2));
        REQUIRE(array[299] == 2);
        REQUIRE(sum.load() == 6000);
        parallel_for(pool, v.end(), v.begin(), [](int& x) { ++x; }, p);
        REQUIRE(v == std::vector<int>(3000, 3));
    });
}

TEST_CASE("parallel_for: a grain of 0 is refused", "[parallel][parallel_for][unit]") {
    thread_pool pool(1);
    auto const body = [](int) {};
    CHECK_THROWS_AS(parallel_for(pool, 0, 10, body, sluice::dynamic_partitioner{.grain = 0}), std::invalid_argument);
    CHECK_THROWS_AS(parallel_for(pool, 0, 0, body, sluice::guided_partitioner{.grain = 0}), std::invalid_argument);
    CHECK_THROWS_WITH(parallel_for(pool, 0, 10, body, sluice::dynamic_partitioner{.grain = 0}),
                      test::contains("grain (at least 1) is 0"));
}

TEST_CASE("parallel_for: the first exception is rethrown, the others are counted", "[parallel][parallel_for][fault]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{4});
    thread_pool pool(workers);
    with_every_partitioner([&](auto const& p) {
        std::atomic<int> ran{0};
        REQUIRE_THROWS_WITH(parallel_for(pool, 0, 1000, [&](int i) {
            ran.fetch_add(1);
            if (i == 500) throw std::runtime_error("the 500th");
        }, p), "the 500th");
        REQUIRE(ran.load() <= 1000);
        auto const before = pool.metrics().errors_dropped;
        std::atomic<std::uint64_t> threw{0};
        REQUIRE_THROWS_AS(parallel_for(pool, 0, 1000, [&](int i) {
            threw.fetch_add(1);
            throw i;
        }, p), int);
        pool.wait_idle();
        REQUIRE(pool.metrics().errors_dropped - before == threw.load() - 1);
        REQUIRE(each_once(pool, 0, 1000, p));
    });
}

TEST_CASE("parallel_for: loops in loops, three deep", "[parallel][parallel_for][unit]") {
    auto const workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{3});
    bool const from_worker = GENERATE(false, true);
    thread_pool pool(workers);
    with_every_partitioner([&](auto const& p) {
        std::vector<std::atomic<int>> met(12 * 12 * 12);
        auto const go = [&] {
            parallel_for(pool, 0, 12, [&](int i) {
                parallel_for(pool, 0, 12, [&](int j) {
                    parallel_for(pool, 0, 12, [&](int k) { met[static_cast<std::size_t>((i * 12 + j) * 12 + k)].fetch_add(1); }, p);
                }, p);
            }, p);
        };
        if (from_worker)
            pool.submit(go).get();
        else
            go();
        for (auto& m : met) REQUIRE(m.load() == 1);
    });
    pool.wait_idle();
}

TEST_CASE("parallel_for: a waiting caller runs nothing else", "[parallel][parallel_for][law]") {
    thread_pool pool(2);
    static thread_local bool inside = false;
    std::atomic<int> bad{0}, ran{0};
    for (int round = 0; round < 50; ++round) {
        for (int i = 0; i < 20; ++i)
            pool.post([&] {
                if (inside) bad.fetch_add(1);
                ran.fetch_add(1);
            });
        pool.submit([&] {
                inside = true;
                parallel_for(pool, 0, 20, [](int) { std::this_thread::yield(); }, sluice::dynamic_partitioner{});
                inside = false;
            }).get();
    }
    pool.wait_idle();
    CHECK(bad.load() == 0);
    CHECK(ran.load() == 1000);
}

TEST_CASE("parallel_for: two pools of one thread, each in the other's loop", "[parallel][parallel_for][unit]") {
    thread_pool a(1), b(1);
    std::atomic<int> ran{0};
    auto const loops = [&](thread_pool& x, thread_pool& y) {
        return x.submit([&] {
            parallel_for(y, 0, 8, [&](int) {
                parallel_for(x, 0, 8, [&](int) {
                    parallel_for(y, 0, 8, [&](int) { ran.fetch_add(1); }, sluice::dynamic_partitioner{});
                }, sluice::dynamic_partitioner{});
            }, sluice::dynamic_partitioner{});
        });
    };
    auto f = loops(a, b);
    auto g = loops(b, a);
    f.get();
    g.get();
    CHECK(ran.load() == 1024);
}

TEST_CASE("parallel_for: several threads at once, and a pool that has been shut down", "[parallel][parallel_for][unit]") {
    thread_pool pool(2);
    std::atomic<bool> good{true};
    test::run_threads(4, [&](std::size_t) {
        for (int round = 0; round < 20; ++round)
            if (!each_once(pool, 0, 500, sluice::dynamic_partitioner{.grain = 3})) good.store(false);
    });
    CHECK(good.load());
    (void)pool.shutdown();
    with_every_partitioner([&](auto const& p) { REQUIRE(each_once(pool, 0, 1000, p)); });
}

TEST_CASE("parallel_for: a worker's task with many loops keeps none of their invitations", "[parallel][parallel_for][unit]") {
    std::latch held(1), go(1);  // before the pool: its task may look at go after the last line of this
    thread_pool pool(2);
    pool.post([&] {  // the other worker is busy: it accepts nothing
        held.count_down();
        go.wait();
    });
    held.wait();
    std::size_t const depth = pool.submit([&] {
        for (int i = 0; i < 1000; ++i) parallel_for(pool, 0, 8, [](int) {}, sluice::dynamic_partitioner{});
        std::size_t most = 0;
        for (auto const& w : pool.metrics().workers) most = w.depth > most ? w.depth : most;
        return most;
    }).get();
    go.count_down();
    CHECK(depth < 10);
}

TEST_CASE("parallel_for: workers take part", "[parallel][parallel_for][unit]") {
    thread_pool pool(2);
    std::barrier<> both(2);  // two iterations that need each other: nobody ran them one after the other
    std::atomic<int> met{0};
    pool.submit([&] {
            parallel_for(pool, 0, 2, [&](int) {
                both.arrive_and_wait();
                met.fetch_add(1);
            }, sluice::dynamic_partitioner{});
        }).get();
    CHECK(met.load() == 2);
}

TEST_CASE("parallel_for: members as functions, ranges and views", "[parallel][parallel_for][unit]") {
    struct counter {
        int  n = 0;
        void touch() noexcept { ++n; }
    };
    thread_pool          pool(2);
    std::vector<counter> v(1000);
    parallel_for(pool, v.begin(), v.end(), &counter::touch);
    parallel_for(pool, v, &counter::touch);
    parallel_for(pool, std::span(v).first(500), [](counter& c) { c.touch(); }, sluice::dynamic_partitioner{.grain = 7});
    parallel_for(pool, v | std::views::reverse, [](auto first, auto last) {
        for (; first != last; ++first) first->touch();
    });
    for (std::size_t i = 0; i < v.size(); ++i) REQUIRE(v[i].n == (i < 500 ? 4 : 3));
    std::atomic<int> sum{0};
    int              numbers[] = {1, 2, 3};
    parallel_for(pool, numbers, [&](int x) { sum.fetch_add(x); });
    parallel_for(pool, std::views::iota(1, 4), [&](int x) { sum.fetch_add(x); });
    CHECK(sum.load() == 12);
}
