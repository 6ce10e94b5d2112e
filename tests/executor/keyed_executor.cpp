// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/keyed_executor.hpp>

#include <sluice/executor/manual_executor.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sluice::keyed_executor;
using sluice::manual_executor;
using sluice::manual_order;
using sluice::thread_pool;

namespace {

using by_number = keyed_executor<int, manual_executor>;

struct refusing {
    manual_executor       inner;
    int                   refusals = 0;
    std::function<void()> before{};
    template <class F>
    void post(F&& f) {
        if (refusals > 0) {
            --refusals;
            if (before) before();
            throw std::runtime_error("refused");
        }
        inner.post(std::forward<F>(f));
    }
};

/// All keys in one bucket of one shard.
struct same_hash {
    std::uint64_t operator()(std::string const&) const noexcept { return 7; }
};

}  // namespace

TEST_CASE("keyed_executor: the order of each key, on any order of the executor", "[executor][keyed_executor][property]") {
    auto const seed = test::seed();
    for (std::uint64_t round = 0; round < 10; ++round) {
        manual_executor     e({.workers = 3, .order = manual_order::shuffled, .seed = seed + round});
        by_number           keyed(e, {.shards = 4, .quantum = 3});
        sluice::xoshiro256ss random(seed + round);
        std::map<int, std::vector<int>> expected, seen;
        for (int i = 0; i < 500; ++i) {
            int const key = static_cast<int>(sluice::uniform_below(random, 40)) - 20;
            expected[key].push_back(i);
            keyed.post(key, [&, key, i] {
                seen[key].push_back(i);
                if (i % 5 != 0) return;
                expected[key].push_back(1000 + i);  // from inside: behind what waits, also beyond this quantum
                keyed.post(key, [&, key, i] { seen[key].push_back(1000 + i); });
            });
            if (sluice::uniform_below(random, 8) == 0) e.run_one();
        }
        e.run_until_idle();
        REQUIRE(seen == expected);
        REQUIRE(keyed.active_keys_approx() == 0);
    }
}

TEST_CASE("keyed_executor: keys run at once, one key never twice, also in virtual time", "[executor][keyed_executor][unit]") {
    manual_executor e({.workers = 3});
    by_number       keyed(e, {.quantum = 1});
    for (int i = 0; i < 4; ++i)
        for (int key = 0; key < 2; ++key) keyed.post(key, [&] { e.spend(10ms); });
    e.run_for(5ms);
    CHECK(e.busy() == 2);
    CHECK(keyed.depth_approx(0) == 4);
    CHECK(keyed.active_keys_approx() == 2);
    e.run_until_idle();
    CHECK(e.now() == sluice::time_point(40ms));
    CHECK(keyed.active_keys_approx() == 0);
}

TEST_CASE("keyed_executor: keys that share hash and bucket stay apart; the quantum", "[executor][keyed_executor][unit]") {
    manual_executor                                          e;
    keyed_executor<std::string, manual_executor, same_hash> keyed(e, {.shards = 1, .quantum = 2});
    std::string                                              log;
    for (int i = 0; i < 3; ++i)
        for (auto const* key : {"a", "b", "c"})
            keyed.post(key, [&, key] {
                CHECK(keyed.running_in(key));
                CHECK(keyed.running_in("b") == (key == std::string("b")));
                log += key;
            });
    CHECK(!keyed.running_in("a"));
    e.run_until_idle();
    CHECK(log == "aabbccabc");
}

TEST_CASE("keyed_executor: a key is full by itself, and says so", "[executor][keyed_executor][unit]") {
    manual_executor e;
    by_number       keyed(e, {.max_depth = 2});
    int             ran = 0;
    auto            owned = std::make_unique<int>(1);
    keyed.post(1, [&] {
        ++ran;
        CHECK(keyed.depth_approx(1) == 2);
        CHECK(!keyed.try_post(1, [] {}));  // it runs itself, and one waits
    });
    CHECK(keyed.try_post(1, [&] {
        ++ran;
        CHECK(keyed.try_post(1, [&] { ++ran; }));  // the first has ended
    }));
    auto task = [&, owned = std::move(owned)] { ran += *owned; };
    CHECK(!keyed.try_post(1, std::move(task)));
    CHECK_THROWS_AS(keyed.post(1, std::move(task)), sluice::key_full);
    CHECK(keyed.try_post(2, std::move(task)));  // untouched so far
    e.run_until_idle();
    CHECK(ran == 4);
    CHECK_THROWS_AS(by_number(e, {.shards = 0}), std::invalid_argument);
    CHECK_THROWS_AS(by_number(e, {.shards = 65'537}), std::invalid_argument);
    CHECK_THROWS_AS(by_number(e, {.max_depth = 0}), std::invalid_argument);
    CHECK_THROWS_AS(by_number(e, {.quantum = 0}), std::invalid_argument);
}

TEST_CASE("keyed_executor: a key that throws leaves its own next tasks and the others alone",
          "[executor][keyed_executor][unit]") {
    bool const      handled = GENERATE(true, false);
    int             at_executor = 0;
    std::map<int, int> at_handler, ran;
    manual_executor e({.on_error = [&](std::exception_ptr) { ++at_executor; }});
    by_number       keyed(e, {},
                          handled ? by_number::error_handler([&](int const& key, std::exception_ptr) { ++at_handler[key]; })
                                        : by_number::error_handler());
    for (int i = 0; i < 6; ++i)
        for (int key = 0; key < 3; ++key)
            keyed.post(key, [&, key, i] {
                if (key == 1 && i % 2 == 0) throw std::runtime_error("crash");
                ++ran[key];
            });
    e.run_until_idle();
    CHECK(ran == std::map<int, int>{{0, 6}, {1, 3}, {2, 6}});
    CHECK(keyed.errors() == 3);
    CHECK(at_executor == (handled ? 0 : 3));
    CHECK(at_handler == (handled ? std::map<int, int>{{1, 3}} : std::map<int, int>{}));
    CHECK(keyed.active_keys_approx() == 0);
}

TEST_CASE("keyed_executor: an executor that drops or refuses", "[executor][keyed_executor][unit]") {
    refusing                      e;
    keyed_executor<int, refusing> keyed(e, {.quantum = 2});
    auto                          token = std::make_shared<int>(0);
    auto const                    task = [&] { return [token] { ++*token; }; };
    for (int i = 0; i < 5; ++i) keyed.post(i % 2, task());
    e.inner.discard();
    CHECK(token.use_count() == 1);
    CHECK(keyed.dropped() == 5);
    CHECK(keyed.active_keys_approx() == 0);

    e.refusals = 1;
    CHECK_THROWS_AS(keyed.post(1, task()), std::runtime_error);
    CHECK(token.use_count() == 1);
    CHECK(keyed.active_keys_approx() == 0);

    int calls = 0;
    e.before = [&] {  // another thread's, say
        if (calls++ % 2 == 0) keyed.post(1, task());
    };
    e.refusals = 1;
    CHECK_THROWS_AS(keyed.post(1, task()), std::runtime_error);
    CHECK(keyed.depth_approx(1) == 1);
    e.inner.run_until_idle();
    CHECK(*token == 1);
    calls = 0;
    e.refusals = 2;
    CHECK_THROWS_AS(keyed.post(1, task()), std::runtime_error);
    CHECK(keyed.dropped() == 6);
    CHECK(token.use_count() == 1);
    CHECK(keyed.active_keys_approx() == 0);

    e.before = {};
    for (int i = 0; i < 7; ++i)
        keyed.post(3, [&, token] {
            if (++*token == 3) e.refusals = 1;  // between two quanta: the key stays on its worker
        });
    e.inner.run_until_idle();
    CHECK(*token == 8);
    CHECK(keyed.dropped() == 6);
}

TEST_CASE("keyed_executor: accepted tasks outlive it", "[executor][keyed_executor][unit]") {
    manual_executor e;
    int             ran = 0;
    {
        by_number keyed(e, {.quantum = 1});
        for (int i = 0; i < 10; ++i) keyed.post(i % 3, [&] { ++ran; });
    }
    e.run_until_idle();
    CHECK(ran == 10);
}

TEST_CASE("keyed_executor: a hundred thousand keys leave nothing behind", "[executor][keyed_executor][unit]") {
    manual_executor e;
    by_number       keyed(e);
    auto const      before = test::live_allocations();
    int             ran = 0;
    for (int key = 0; key < 100'000; ++key) keyed.post(key, [&] { ++ran; });
    CHECK(keyed.active_keys_approx() == 100'000);
    e.run_until_idle();
    CHECK(ran == 100'000);
    CHECK(keyed.active_keys_approx() == 0);
    CHECK(test::live_allocations() - before < 40);  // a slab, the executor's queue: not one block for 2500 keys
}

TEST_CASE("keyed_executor: a post without memory has no effect", "[executor][keyed_executor][unit]") {
    auto const depth = GENERATE(std::size_t{SIZE_MAX}, std::size_t{9});
    auto const result = test::allocations::sweep([depth](auto arm, auto disarm) {
        manual_executor e;
        by_number       keyed(e, {.shards = 1, .max_depth = depth});
        int             ran = 0;
        unsigned        posted = 0;
        arm();
        for (int i = 0; i < 12; ++i) try {
                keyed.post(i, [&ran] { ++ran; });
                ++posted;
            } catch (std::bad_alloc const&) {
            }
        disarm();
        if (keyed.active_keys_approx() != posted) throw std::logic_error("half a post");
        e.run_until_idle();
        if (static_cast<unsigned>(ran) != posted || keyed.active_keys_approx() != 0) throw std::logic_error("a post lost");
    });
    CHECK(result.runs > 10);
    CHECK(result.leaked == 0);
}

TEST_CASE("keyed_executor: many threads, many keys: order, exclusion, everything once", "[executor][keyed_executor][stress]") {
    constexpr std::size_t threads = 4, keys = 50;
    constexpr int         each = 3000;
    struct object {
        int              inside = 0, count = 0;
        bool             good = true;
        std::vector<int> last = std::vector<int>(threads, -1);
    };
    std::vector<object> objects(keys);
    {
        thread_pool                              pool(3);
        keyed_executor<std::size_t> keyed(pool, {.shards = 4, .quantum = 3});  // on a thread_pool, if nothing else is said
        test::run_threads(threads, [&](std::size_t t) {
            sluice::xoshiro256ss random(t);
            for (int i = 0; i < each; ++i) {
                auto const key = static_cast<std::size_t>(sluice::uniform_below(random, keys));
                keyed.post(key, [&o = objects[key], t, i] {
                    o.good = o.good && ++o.inside == 1 && std::exchange(o.last[t], i) < i;
                    ++o.count;
                    --o.inside;
                });
            }
        });
        pool.wait_idle();
        CHECK(keyed.active_keys_approx() == 0);
    }
    int sum = 0;
    for (auto const& o : objects) {
        REQUIRE(o.good);
        sum += o.count;
    }
    CHECK(sum == static_cast<int>(threads) * each);
}
