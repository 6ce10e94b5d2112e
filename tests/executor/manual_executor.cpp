// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/manual_executor.hpp>
#include <sluice/scaling/resizable_executor.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sluice::manual_executor;
using sluice::manual_order;
using sluice::time_point;

static_assert(sluice::executor<manual_executor>);
static_assert(sluice::resizable_executor<manual_executor>);

namespace {

std::vector<int> order_of(manual_order order, std::uint64_t seed, int n) {
    manual_executor  e({.order = order, .seed = seed});
    std::vector<int> seen;
    for (int i = 0; i < n; ++i) e.post([&seen, i] { seen.push_back(i); });
    CHECK(seen.empty());  // nothing runs by itself
    CHECK(e.run_until_idle() == static_cast<std::uint64_t>(n));
    return seen;
}

}  // namespace

TEST_CASE("manual_executor: fifo, lifo, and every order from some seed", "[executor][manual_executor][unit]") {
    CHECK(order_of(manual_order::fifo, 0, 4) == std::vector{0, 1, 2, 3});
    CHECK(order_of(manual_order::lifo, 0, 4) == std::vector{3, 2, 1, 0});
    CHECK(order_of(manual_order::shuffled, 5, 30) == order_of(manual_order::shuffled, 5, 30));
    CHECK(order_of(manual_order::shuffled, 5, 30) != order_of(manual_order::shuffled, 6, 30));
    std::set<std::vector<int>> orders;  // of 24; that one is missing after 400 seeds: 24 · (23/24)^400 < 1e-6
    for (std::uint64_t seed = 0; seed < 400; ++seed) orders.insert(order_of(manual_order::shuffled, seed, 4));
    CHECK(orders.size() == 24);
}

TEST_CASE("manual_executor: a task that posts, callables of every kind", "[executor][manual_executor][unit]") {
    manual_executor e;
    std::string     log;
    struct once {
        std::unique_ptr<int> owned;
        std::string&         log;
        void operator()() && { log += "once "; }
    };
    e.post([&] {
        log += "outer ";
        CHECK(e.on_worker());
        CHECK(e.this_worker_index() == 0);
        e.post([&] { log += "inner "; });
    });
    e.post(once{std::make_unique<int>(1), log});
    CHECK(e.queued() == 2);
    CHECK(!e.on_worker());
    CHECK(e.this_worker_index() == 1);
    CHECK(e.run_one());
    CHECK(log == "outer ");
    CHECK(e.try_run_one());
    CHECK(e.run_one());
    CHECK(!e.run_one());
    CHECK(log == "outer once inner ");
    CHECK(e.idle());
    CHECK(e.submitted() == 3);
    CHECK(e.completed() == 3);
}

TEST_CASE("manual_executor: two workers in virtual time", "[executor][manual_executor][unit]") {
    manual_executor          e({.workers = 2});
    std::vector<std::string> log;
    auto const               task = [&](char const* name, sluice::duration d) {
        e.post([&, name, d] {
            log.push_back(name + std::string("@") + std::to_string(e.now().time_since_epoch() / 1ms));
            e.spend(d);
            e.at_task_end([&, name]() noexcept {
                log.push_back(name + std::string(" ends@") + std::to_string(e.now().time_since_epoch() / 1ms));
            });
        });
    };
    task("a", 10ms), task("b", 4ms), task("c", 3ms), task("d", 0ms);
    CHECK(e.run_for(5ms) == 3);
    CHECK(e.now() == time_point(5ms));
    CHECK(log == std::vector<std::string>{"a@0", "b@0", "b ends@4", "c@4"});
    CHECK(e.busy() == 2);
    CHECK(e.queued() == 1);
    CHECK(e.completed() == 1);
    CHECK(e.busy_nanoseconds() == 10'000'000);  // 5 of a, 4 of b, 1 of c
    CHECK(!e.run_one());  // both workers are busy
    CHECK(e.run_until_idle() == 1);
    CHECK(log == std::vector<std::string>{"a@0", "b@0", "b ends@4", "c@4", "c ends@7", "d@7", "d ends@7", "a ends@10"});
    CHECK(e.now() == time_point(10ms));
    CHECK(e.busy_nanoseconds() == 17'000'000);
    task("e", 3ms), task("f", 3ms), task("g", 0ms);
    e.run_for(0ms);
    auto clock = e.clock();
    clock.advance(5ms);  // by hand: what is due ends before anything begins
    CHECK(e.run_one());
    CHECK(log.back() == "g ends@15");
    CHECK(log[log.size() - 3] == "f ends@15");
    e.run_until(time_point(20ms));
    CHECK(e.now() == time_point(20ms));
    e.run_until(time_point(3ms));  // the past: nothing
    CHECK(e.now() == time_point(20ms));
}

TEST_CASE("manual_executor: a task run inside another ends with it", "[executor][manual_executor][unit]") {
    manual_executor e;
    bool            ended = false;
    e.post([&] {
        e.spend(1ms);
        CHECK(e.run_one());
        CHECK(!e.run_one());
        e.spend(-5ms);
    });
    e.post([&] {
        e.spend(2ms);
        e.at_task_end([&]() noexcept { ended = true; });
    });
    CHECK(e.run_one());
    CHECK(e.completed() == 0);
    CHECK(!ended);
    e.run_for(3ms);
    CHECK(ended);
    CHECK(e.completed() == 2);
    CHECK(e.busy_nanoseconds() == 3'000'000);
}

TEST_CASE("manual_executor: an exception leaves run_one or goes to the handler, and nothing is lost",
          "[executor][manual_executor][unit]") {
    int  ran = 0;
    auto fill = [&](manual_executor& e) {
        e.post([&] { ++ran; });
        e.post([&] {
            e.spend(2ms);
            throw std::runtime_error("two");
        });
        e.post([&] { ++ran; });
    };
    manual_executor e;
    fill(e);
    CHECK_THROWS_AS(e.run_until_idle(), std::runtime_error);
    CHECK(ran == 1);
    CHECK(e.busy() == 1);  // it lasts its time all the same
    e.run_until_idle();
    CHECK(ran == 2);
    CHECK(e.now() == time_point(2ms));
    CHECK(e.completed() == 3);

    std::string     what;
    manual_executor f({.on_error = [&](std::exception_ptr p) {
        try {
            std::rethrow_exception(p);
        } catch (std::exception const& x) {
            what = x.what();
        }
    }});
    f.post([] { throw std::runtime_error("handled"); });
    fill(f);
    f.run_until_idle();
    CHECK(ran == 4);
    CHECK(what == "two");
}

TEST_CASE("manual_executor: what waits is destroyed unrun, once", "[executor][manual_executor][unit]") {
    auto token = std::make_shared<int>(0);
    {
        manual_executor e;
        struct reposts {  // its destructor posts
            manual_executor*     e;
            std::shared_ptr<int> token;
            reposts(manual_executor& x, std::shared_ptr<int> t) : e(&x), token(std::move(t)) {}
            reposts(reposts&& o) noexcept : e(std::exchange(o.e, nullptr)), token(std::move(o.token)) {}
            void operator()() { ++*token; }
            ~reposts() {
                if (e != nullptr) e->post([t = token] { ++*t; });
            }
        };
        e.post([token] { ++*token; });
        e.post([token] { ++*token; });
        CHECK(e.discard() == 2);
        CHECK(token.use_count() == 1);
        CHECK(e.completed() == 2);
        e.post(reposts(e, token));
    }
    CHECK(token.use_count() == 1);
    CHECK(*token == 0);
}

TEST_CASE("manual_executor: workers come after the delay and leave between tasks", "[executor][manual_executor][unit]") {
    manual_executor e({.workers = 2, .min_workers = 1, .max_workers = 4, .start_delay = 10ms});
    for (int i = 0; i < 100; ++i) e.post([&] { e.spend(4ms); });
    e.run_for(0ms);
    CHECK(e.busy() == 2);
    e.request_size(4);
    CHECK(e.size() == 4);
    CHECK(e.provisioned() == 4);
    CHECK(e.ready() == 2);
    e.run_for(9ms);
    CHECK(e.busy() == 2);
    e.run_for(1ms);
    CHECK(e.ready() == 4);
    CHECK(e.busy() == 4);
    e.request_size(1);
    CHECK(e.provisioned() == 4);  // all in a task
    e.request_size(2);            // one of them stays after all
    e.run_for(4ms);
    CHECK(e.provisioned() == 2);
    CHECK(e.busy() == 2);
    e.request_size(3);
    CHECK(e.provisioned() == 3);
    e.request_size(2);  // before it came
    CHECK(e.provisioned() == 2);
    e.run_until_idle();
    CHECK(e.completed() == 100);
    CHECK(e.busy_nanoseconds() == 400'000'000);
    CHECK_THROWS_AS(e.request_size(0), std::invalid_argument);
    CHECK_THROWS_AS(e.request_size(5), std::invalid_argument);
    auto const c = sluice::counters_of(e);
    CHECK(c.provisioned == 2);
    CHECK(c.completed == 100);
}

TEST_CASE("manual_executor: impossible options are refused", "[executor][manual_executor][unit]") {
    using sluice::manual_executor_options;
    auto const make = [](std::size_t w, std::size_t lo, std::size_t hi, sluice::duration d) {
        return manual_executor({.workers = w, .min_workers = lo, .max_workers = hi, .start_delay = d}).size();
    };
    CHECK(make(2, 1, 3, 0ms) == 2);
    CHECK_THROWS_AS(make(0, 0, 0, 0ms), std::invalid_argument);
    CHECK_THROWS_AS(make(2, 3, 0, 0ms), std::invalid_argument);
    CHECK_THROWS_AS(make(2, 0, 1, 0ms), std::invalid_argument);
    CHECK_THROWS_AS(make(2, 0, 0, -1ns), std::invalid_argument);
    CHECK_THROWS_AS(make(100'001, 0, 0, 0ms), std::invalid_argument);
}

TEST_CASE("manual_executor: a post without memory has no effect", "[executor][manual_executor][unit]") {
    auto const result = test::allocations::sweep([](auto arm, auto disarm) {
        manual_executor e;
        int             ran = 0;
        std::array<char, 100> big{};
        bool            posted = false;
        arm();
        try {
            e.post([&ran, big] { ran += big[0] == 0 ? 1 : 0; });
            posted = true;
        } catch (std::bad_alloc const&) {
        }
        disarm();
        e.run_until_idle();
        if (ran != (posted ? 1 : 0) || e.submitted() != (posted ? 1u : 0u)) throw std::logic_error("half a post");
    });
    CHECK(result.runs > 1);
    CHECK(result.leaked == 0);
}

TEST_CASE("manual_executor: random work is never on more than the workers, and each is busy while work waits",
          "[executor][manual_executor][property]") {
    auto const      seed = test::seed();
    manual_executor e({.workers = 3, .order = manual_order::shuffled, .seed = seed});
    sluice::xoshiro256ss random(seed);
    int             open = 0, most = 0;
    sluice::duration total{0};
    for (int i = 0; i < 2000; ++i) {
        sluice::duration const d(static_cast<std::int64_t>(sluice::uniform_below(random, 100)));
        total += d;
        e.post([&, d] {
            most = std::max(most, ++open);
            e.spend(d);
            e.at_task_end([&]() noexcept { --open; });
        });
    }
    e.run_until_idle();
    CHECK(most == 3);
    CHECK(open == 0);
    CHECK(e.busy_nanoseconds() == static_cast<std::uint64_t>(total.count()));
    CHECK(e.now().time_since_epoch() >= total / 3);
    CHECK(e.now().time_since_epoch() <= total / 3 + 100ns);
}
