// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/observer.hpp>
#include <sluice/executor/queue_wait_histogram.hpp>

#include "support/catch.hpp"

#include <sluice/executor/manual_executor.hpp>
#include <sluice/executor/queued_executor.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/flow/aging_priority.hpp>

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sluice::task_info;
using sluice::task_status;
using sluice::time_point;

namespace {

/// Keeps what it is given until told to run it.
struct line {
    std::deque<sluice::unique_function<void(), 128>> queue;
    std::size_t                                      largest = 0;
    int                                              refuses = 0;
    template <class F>
    void post(F&& f) {
        largest = sizeof(std::decay_t<F>);
        if (refuses > 0 && refuses-- > 0) throw std::runtime_error("full");
        queue.emplace_back(std::forward<F>(f));
    }
    void run_one() {
        auto f = std::move(queue.front());
        queue.pop_front();
        f();
    }
};

struct diary {
    std::vector<std::string> lines;
    static std::string at(time_point t) { return std::to_string(t.time_since_epoch().count()); }
    void on_submit(task_info const& t) noexcept {
        lines.push_back(std::to_string(t.id) + " submit " + std::string(t.name) + " " + at(t.submitted));
    }
    void on_start(task_info const& t) noexcept {
        lines.push_back(std::to_string(t.id) + " start " + at(t.submitted) + " " + at(t.started));
    }
    void on_exception(task_info const& t, std::exception_ptr const& e) noexcept {
        try {
            std::rethrow_exception(e);
        } catch (std::exception const& x) {
            lines.push_back(std::to_string(t.id) + " exception " + x.what());
        }
    }
    void on_finish(task_info const& t, task_status s) noexcept {
        lines.push_back(std::to_string(t.id) + " " + to_string(s) + " " + at(t.started) + " " + at(t.finished));
    }
};
using strings = std::vector<std::string>;

struct throwing_observer : sluice::no_observer {
    void on_start(task_info const&) {}
};
static_assert(sluice::task_observer<diary>);
static_assert(!sluice::task_observer<throwing_observer>);
static_assert(sluice::task_observer<sluice::observer_list<diary, sluice::queue_wait_histogram>>);

// Nothing is left of an observer that does not look.
static_assert(std::is_same_v<sluice::observed<line, sluice::no_observer>, line&>);
static_assert(std::is_empty_v<sluice::no_observer>);
static_assert(std::is_same_v<sluice::observed<line, diary>, sluice::observed_executor<line, diary>>);

}  // namespace

TEST_CASE("observer: each task is announced, begins and ends, with its times", "[executor][observer][unit]") {
    line                  queue;
    diary                 seen;
    sluice::manual_clock  clock(time_point(100ns));
    auto                  executor = sluice::observe(queue, seen, clock);
    int                   ran = 0;
    executor.post([&, p = std::make_unique<int>(3)] { clock.advance(5ns), ran += *p; }, "add");
    executor.post([&] { ran += 100; });
    clock.advance(10ns);
    queue.run_one();
    queue.run_one();
    CHECK(ran == 103);
    CHECK(seen.lines == strings{"1 submit add 100", "2 submit  100", "1 start 100 110", "1 ran 110 115", "2 start 100 115",
                                "2 ran 115 115"});
    CHECK(&executor.executor() == &queue);
}

TEST_CASE("observer: an exception is seen, then goes where it would go", "[executor][observer][fault]") {
    line                 queue;
    diary                seen;
    sluice::manual_clock clock;
    auto                 executor = sluice::observe(queue, seen, clock);
    executor.post([&] {
        clock.advance(2ns);
        throw std::runtime_error("broken");
    });
    CHECK_THROWS_WITH(queue.run_one(), "broken");
    CHECK(seen.lines == strings{"1 submit  0", "1 start 0 0", "1 exception broken", "1 threw 0 2"});
}

TEST_CASE("observer: what never ran is said to be dropped, once", "[executor][observer][fault]") {
    line                 queue;
    diary                seen;
    sluice::manual_clock clock;
    auto                 executor = sluice::observe(queue, seen, clock);
    auto                 kept = std::make_shared<int>(0);
    executor.post([kept] {});
    executor.post([kept] {});
    queue.run_one();
    queue.queue.clear();
    CHECK(seen.lines == strings{"1 submit  0", "2 submit  0", "1 start 0 0", "1 ran 0 0", "2 dropped 0 0"});
    seen.lines.clear();
    queue.refuses = 1;
    CHECK_THROWS_WITH(executor.post([kept] {}), "full");
    CHECK(seen.lines == strings{"3 submit  0", "3 dropped 0 0"});
    CHECK(kept.use_count() == 1);
    struct no_copy {  // before it was announced: as if nothing had been
        no_copy() = default;
        no_copy(no_copy const&) { throw 1; }
        void operator()() const {}
    };
    no_copy const f;
    seen.lines.clear();
    CHECK_THROWS_AS(executor.post(f), int);
    CHECK(seen.lines.empty());
}

TEST_CASE("observer: with no_observer the executor gets the callable itself", "[executor][observer][unit]") {
    line                queue;
    sluice::no_observer nobody;
    sluice::observed<line, sluice::no_observer> executor = sluice::observe(queue, nobody);
    CHECK(&executor == &queue);
    struct big {
        char bytes[77] = {};
        void operator()() const {}
    };
    executor.post(big{});
    CHECK(queue.largest == sizeof(big));
    diary seen;
    sluice::observe(queue, seen).post(big{});
    CHECK(queue.largest > sizeof(big));
    CHECK(queue.largest <= sizeof(big) + 3 + 48);
    queue.queue.clear();
}

TEST_CASE("observer: several see the same, in order", "[executor][observer][unit]") {
    line                         queue;
    diary                        a;
    sluice::queue_wait_histogram b;
    sluice::observer_list        both(a, b);
    sluice::manual_clock         clock;
    auto                         executor = sluice::observe(queue, both, clock);
    executor.post([&] { clock.advance(3us); });
    clock.advance(40ns);
    queue.run_one();
    CHECK(a.lines.size() == 3);
    CHECK(b.waits().count() == 1);
    CHECK(b.waits().quantile(1) == 40);
    CHECK(b.runs().quantile(0.5) >= 3000);
    CHECK(b.runs().quantile(0.5) <= 3096);
    executor.post([&] { clock.advance(-5s); });
    clock.advance(-1s);
    queue.run_one();
    CHECK(b.waits().quantile(0) == 0);  // a step back is no time
    CHECK(b.runs().quantile(0) == 0);
    executor.post([] {});
    queue.queue.clear();
    CHECK(b.submitted() == 3);
    CHECK(b.ended(task_status::ran) == 2);
    CHECK(b.ended(task_status::dropped) == 1);
    CHECK(b.runs().count() == 2);
    b.decay();
    CHECK(b.waits().count() == 0);
}

TEST_CASE("observer: a task with attributes keeps them, and is seen under its name", "[executor][observer][unit]") {
    diary                          seen;
    std::vector<int>               order;
    bool                           expired = false;
    sluice::manual_executor        executor({.workers = 1});
    sluice::queued_executor<sluice::manual_executor, sluice::aging_priority, sluice::manual_clock> queue(
        executor, {.capacity = 10, .concurrency = 1}, sluice::aging_priority(), executor.clock());
    auto watched = sluice::observe(queue, seen, executor.clock());
    watched.post([&] { order.push_back(2); }, {.priority = 2, .name = "later"});
    watched.post([&] { order.push_back(0), executor.spend(5ms); }, {.priority = 0, .name = "urgent"});
    watched.post([&] { order.push_back(9); }, {.priority = 1, .expiry = executor.now() + 1ms, .name = "late"}, [&] { expired = true; });
    executor.run_until_idle();
    REQUIRE(order == std::vector<int>{0, 2});
    REQUIRE(expired);
    REQUIRE(seen.lines[0].starts_with("1 submit later"));
    REQUIRE(std::count_if(seen.lines.begin(), seen.lines.end(), [](auto const& l) { return l.starts_with("3 dropped"); }) == 1);
    REQUIRE(seen.lines.size() == 8);
}

TEST_CASE("observer: on a pool, every task that was announced ends once", "[executor][observer][stress]") {
    sluice::queue_wait_histogram seen;
    std::atomic<int>             ran{0};
    {
        sluice::thread_pool pool({.workers = 3, .at_destruction = sluice::shutdown_mode::discard, .on_error = [](auto) {}});
        auto                executor = sluice::observe(pool, seen);
        CHECK_FALSE(executor.on_worker());
        for (int i = 0; i < 2000; ++i)
            executor.post([&, i] {
                ran.fetch_add(1);
                if (i % 10 == 0) throw i;
            });
        pool.shutdown(sluice::shutdown_mode::discard);
        CHECK_THROWS_AS(executor.post([] {}), sluice::pool_closed);
    }
    CHECK(seen.submitted() == 2001);
    auto const done = seen.ended(task_status::ran) + seen.ended(task_status::threw);
    CHECK(done == static_cast<std::uint64_t>(ran.load()));
    CHECK(done + seen.ended(task_status::dropped) == 2001);
    CHECK(seen.waits().count() == done);
}
