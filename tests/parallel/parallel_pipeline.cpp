// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/random.hpp>
#include <sluice/parallel/parallel_for.hpp>
#include <sluice/parallel/parallel_pipeline.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using sluice::parallel_pipeline;
using sluice::pipeline_stage;
using sluice::stage_mode;
using sluice::thread_pool;

namespace {

/// 0, 1, … n - 1.
auto count_to(int n) {
    return [n, i = 0]() mutable { return i < n ? std::optional(i++) : std::nullopt; };
}

/// Says whether it was entered by two at a time.
struct guard_of_one {
    std::atomic<int>& inside;
    std::atomic<int>& bad;
    guard_of_one(std::atomic<int>& i, std::atomic<int>& b) : inside(i), bad(b) {
        if (inside.fetch_add(1) != 0) bad.fetch_add(1);
    }
    ~guard_of_one() { inside.fetch_sub(1); }
};

}  // namespace

TEST_CASE("parallel_pipeline: all items once, in order where it was asked for, one at a time where it was asked for",
          "[parallel][parallel_pipeline][law]") {
    auto const  workers = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{5});
    bool const  from_worker = GENERATE(false, true);
    thread_pool pool(workers);
    for (std::size_t const tokens : {0u, 1u, 2u, 3u, 16u})
        for (int const n : {0, 1, 2, 100, 2000}) {
            CAPTURE(workers, tokens, n);
            std::atomic<int> in_second{0}, in_third{0}, bad{0}, under_way{0}, most{0};
            std::vector<int> second, third;
            std::uint64_t    through = 0;
            auto             source = [&, next = count_to(n)]() mutable {
                auto x = next();
                if (x) {
                    int const now = under_way.fetch_add(1) + 1;
                    if (now > most.load()) most.store(now);  // the source is serial
                }
                return x;
            };
            auto const go = [&] {
                through = parallel_pipeline(
                    pool, {.tokens = tokens}, source,
                    pipeline_stage{stage_mode::parallel,
                                   [](int x) {
                                       if (x % 7 == 0) std::this_thread::yield();
                                       return std::make_unique<int>(x);
                                   }},
                    pipeline_stage{stage_mode::serial, [&](std::unique_ptr<int> x) {
                                       guard_of_one const g(in_second, bad);
                                       second.push_back(*x);
                                       return x;
                                   }},
                    pipeline_stage{stage_mode::parallel, [](std::unique_ptr<int> x) { return std::to_string(*x); }},
                    pipeline_stage{stage_mode::serial_in_order, [&](std::string const& x) {
                                       guard_of_one const g(in_third, bad);
                                       third.push_back(std::stoi(x));
                                       under_way.fetch_sub(1);
                                   }});
            };
            if (from_worker)
                pool.submit(go).get();
            else
                go();
            REQUIRE(through == static_cast<std::uint64_t>(n));
            REQUIRE(bad.load() == 0);
            REQUIRE(most.load() <= static_cast<int>(tokens == 0 ? workers * 4 : tokens));
            std::vector<int> expected(static_cast<std::size_t>(n));
            std::iota(expected.begin(), expected.end(), 0);
            REQUIRE(third == expected);
            std::sort(second.begin(), second.end());
            REQUIRE(second == expected);
        }
}

TEST_CASE("parallel_pipeline: an exception in any stage ends it and is rethrown", "[parallel][parallel_pipeline][fault]") {
    auto const  workers = GENERATE(std::size_t{1}, std::size_t{3});
    thread_pool pool(workers);
    auto const  pass = [](int x) { return x; };
    for (int where = 0; where < 4; ++where)
        for (int const at : {0, 1, 50}) {
            CAPTURE(where, at);
            std::atomic<int> taken{0};
            auto const maybe = [&, at](int stage, int x) {
                if (stage == where && x == at) throw std::runtime_error("stage " + std::to_string(where));
                return x;
            };
            auto source = [&]() { return std::optional(maybe(0, taken.fetch_add(1))); };  // without end
            auto const go = [&] {
                parallel_pipeline(
                    pool, {.tokens = 8}, source, pipeline_stage{stage_mode::parallel, [&](int x) { return maybe(1, x); }},
                    pipeline_stage{stage_mode::serial_in_order, [&](int x) { return maybe(2, x); }},
                    pipeline_stage{stage_mode::serial, pass},
                    pipeline_stage{stage_mode::serial_in_order, [&](int x) { return maybe(3, x); }});
            };
            REQUIRE_THROWS_WITH(go(), "stage " + std::to_string(where));
            REQUIRE(taken.load() > at);
        }
    auto const before = pool.metrics().errors_dropped;
    std::atomic<unsigned> threw{0};
    CHECK_THROWS_AS(parallel_pipeline(pool, {}, count_to(1000), pipeline_stage{stage_mode::parallel, [&](int x) -> int {
                        threw.fetch_add(1);
                        throw x;
                    }}), int);
    pool.wait_idle();
    CHECK(pool.metrics().errors_dropped - before == threw.load() - 1);
}

TEST_CASE("parallel_pipeline: a stop request, a closed pool", "[parallel][parallel_pipeline][cancel]") {
    auto const       workers = GENERATE(std::size_t{1}, std::size_t{3});
    thread_pool      pool(workers);
    std::stop_source stop;
    std::atomic<int> taken{0}, ended{0};
    auto const go = [&] {
        return parallel_pipeline(
            pool, {.tokens = 4, .stop = stop.get_token()}, [&] { return std::optional(taken.fetch_add(1)); },
            pipeline_stage{stage_mode::parallel, [](int x) { return x; }},
            pipeline_stage{stage_mode::serial_in_order, [&](int x) {
                               if (x == 100) stop.request_stop();
                               ended.fetch_add(1);
                           }});
    };
    CHECK(go() == 101);
    CHECK(ended.load() == 101);
    CHECK(taken.load() <= 105);
    taken = 0;
    CHECK(go() == 0);
    CHECK(taken.load() == 0);
    (void)pool.shutdown();
    CHECK(parallel_pipeline(pool, {}, count_to(100), pipeline_stage{stage_mode::serial, [](int) {}}) == 100);
}

TEST_CASE("parallel_pipeline: an item that is under way when it ends is dropped before its next stage",
          "[parallel][parallel_pipeline][cancel]") {
    thread_pool       pool(2);
    std::stop_source  stop;
    std::atomic<bool> second{false}, requested{false};
    std::atomic<int>  next{0}, ended{0};
    parallel_pipeline(
        pool, {.tokens = 4, .stop = stop.get_token()}, [&] { return std::optional(next.fetch_add(1)); },
        pipeline_stage{stage_mode::parallel,
                       [&](int x) {
                           if (x > 0) second.store(true);
                           auto const& until = x == 0 ? second : requested;
                           for (int k = 0; !until.load() && k < 1'000'000; ++k) std::this_thread::yield();
                           if (x == 0) stop.request_stop();
                           if (x == 0) requested.store(true);
                           return x;
                       }},
        pipeline_stage{stage_mode::parallel, [&](int) { ended.fetch_add(1); }});
    CHECK(ended.load() == 0);
}

TEST_CASE("parallel_pipeline: a sleeping caller is woken for work and for the end", "[parallel][parallel_pipeline][unit]") {
    thread_pool pool(2);
    auto const  long_enough = [] {
        for (int k = 0; k < 3000; ++k) std::this_thread::yield();
    };
    for (int round = 0; round < 5; ++round) {
        std::atomic<int>  next{0};
        std::atomic<bool> third{false};
        bool              in_time = true;
        auto const        source = [&]() -> std::optional<int> {
            int const x = next.fetch_add(1);
            if (x == 1) long_enough();  // whoever had the first item has nothing to do, and sleeps
            if (x == 2) third.store(true);
            return x < 3 ? std::optional(x) : std::nullopt;
        };
        parallel_pipeline(pool, {}, source, pipeline_stage{stage_mode::parallel, [&](int x) {
                              if (x == 2) long_enough();
                              if (x != 1) return;
                              for (int k = 0; !third.load() && k < 1'000'000; ++k) std::this_thread::yield();
                              in_time = third.load();
                          }});
        REQUIRE(in_time);
    }
}

TEST_CASE("parallel_pipeline: pipelines in pipelines and loops; many short ones", "[parallel][parallel_pipeline][unit]") {
    auto const       workers = GENERATE(std::size_t{1}, std::size_t{2});
    thread_pool      pool(workers);
    std::atomic<int> sum{0};
    auto const inner = [&](int n) {
        return parallel_pipeline(pool, {}, count_to(n), pipeline_stage{stage_mode::parallel, [](int x) { return x; }},
                                 pipeline_stage{stage_mode::serial_in_order, [&](int) { sum.fetch_add(1); }});
    };
    parallel_pipeline(pool, {}, count_to(20), pipeline_stage{stage_mode::parallel, [&](int) { inner(20); }});
    sluice::parallel_for(pool, 0, 20, [&](int) { inner(20); }, sluice::dynamic_partitioner{});
    CHECK(sum.load() == 800);
    for (int i = 0; i < 300; ++i) inner(3);
    CHECK(sum.load() == 1700);
}

TEST_CASE("parallel_pipeline: no allocation for an item", "[parallel][parallel_pipeline][unit]") {
    thread_pool pool(1);
    auto const  count = [&](int n) {
        std::int64_t const before = test::allocations::total();
        parallel_pipeline(pool, {.tokens = 4}, count_to(n), pipeline_stage{stage_mode::parallel, [](int x) { return x; }},
                          pipeline_stage{stage_mode::serial, [](int x) { return x; }},
                          pipeline_stage{stage_mode::serial_in_order, [](int) {}});
        return test::allocations::total() - before;
    };
    CHECK(count(10) == count(10'000));
}
