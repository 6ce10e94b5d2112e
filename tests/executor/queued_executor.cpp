// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/queued_executor.hpp>

#include <sluice/executor/manual_executor.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/flow/aging_priority.hpp>
#include <sluice/flow/drr.hpp>
#include <sluice/flow/earliest_deadline.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <latch>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using sluice::manual_clock;
using sluice::manual_executor;
using sluice::overflow;
using sluice::queued_executor;
using sluice::reject_reason;
using sluice::thread_pool;
using sluice::time_point;

namespace {

template <class Discipline = sluice::fifo>
using manual_queue = queued_executor<manual_executor, Discipline, manual_clock>;

static_assert(sluice::executor<manual_queue<>>);
static_assert(sluice::executor<queued_executor<thread_pool, sluice::drr<>>>);

struct refusing {
    manual_executor       inner;
    int                   refusals = 0;
    template <class F>
    void post(F&& f) {
        if (refusals > 0) {
            --refusals;
            throw std::runtime_error("refused");
        }
        inner.post(std::forward<F>(f));
    }
};

bool all_ended(sluice::queued_executor_counters const& c) {
    return c.accepted == c.ran + c.expired + c.cancelled + c.dropped;
}

}  // namespace

TEST_CASE("deferred_task: runs, expires or is only destroyed, and is gone afterwards in any case", "[executor][deferred_task][unit]") {
    using sluice::detail::deferred_ptr;
    using action = sluice::detail::deferred_task::action;
    for (auto const end : {action::run, action::expire, action::destroy}) {
        for (bool const throws : {false, true}) {
            CAPTURE(static_cast<int>(end), throws);
            int        ran = 0, expired = 0;
            auto       alive = std::make_shared<int>(0);
            auto const call = [&throws](int& count) {
                ++count;
                if (throws) throw std::runtime_error("task");
            };
            auto run = [&call, &ran, alive] { call(ran); };
            auto expire = [&call, &expired, alive] { call(expired); };
            using callable = sluice::detail::deferred_callable<decltype(run), decltype(expire)>;
            deferred_ptr task(new callable(std::move(run), std::move(expire), std::stop_token()));
            REQUIRE(alive.use_count() == 3);
            if (end == action::destroy) {
                task.reset();
            } else {
                auto* const t = task.release();
                if (throws)
                    CHECK_THROWS_AS(t->act(t, end), std::runtime_error);
                else
                    t->act(t, end);
            }
            CHECK(alive.use_count() == 1);
            CHECK(ran == (end == action::run ? 1 : 0));
            CHECK(expired == (end == action::expire ? 1 : 0));
        }
    }
}

TEST_CASE("queued_executor: a ticket runs what the discipline says is next", "[executor][queued_executor][unit]") {
    manual_executor e;
    std::string     log;
    auto const      add = [&](auto& q, char c, sluice::task_attributes const& a) { q.post([&log, c] { log += c; }, a); };
    {
        manual_queue<> q(e, {.capacity = 9}, sluice::fifo(), e.clock());
        for (char c = 'a'; c < 'e'; ++c) add(q, c, {});
        CHECK(q.size_approx() == 4);
        CHECK(e.queued() == 4);
        e.run_until_idle();
        CHECK(log == "abcd");
        CHECK(q.counters().ran == 4);
    }
    log.clear();
    {
        manual_queue<sluice::aging_priority> q(e, {.capacity = 9}, sluice::aging_priority({.step = 10ms}), e.clock());
        add(q, 'l', {.priority = 2}), add(q, 'm', {.priority = 1}), add(q, 'h', {}), add(q, 'i', {});
        e.run_until_idle();
        CHECK(log == "himl");
    }
    log.clear();
    {
        manual_queue<sluice::earliest_deadline> q(e, {.capacity = 9}, sluice::earliest_deadline(), e.clock());
        add(q, 'n', {}), add(q, '3', {.expiry = time_point(3s)}), add(q, '1', {.expiry = time_point(1s)}),
            add(q, '2', {.expiry = time_point(2s)});
        e.run_until_idle();
        CHECK(log == "123n");
    }
    log.clear();
    {
        manual_queue<sluice::drr<>> q(e, {.capacity = 9}, sluice::drr<>(), e.clock());
        for (int i = 0; i < 3; ++i) add(q, 'a', {.key = 1});
        for (int i = 0; i < 2; ++i) add(q, 'b', {.key = 2});
        e.run_until_idle();
        CHECK(log == "ababa");
    }
}

TEST_CASE("queued_executor: no more tickets at the executor than the concurrency", "[executor][queued_executor][unit]") {
    manual_executor e({.workers = 8});
    manual_queue<>  q(e, {.capacity = 100, .concurrency = 3}, sluice::fifo(), e.clock());
    int             inside = 0, most = 0;
    for (int i = 0; i < 20; ++i)
        q.post([&] {
            most = std::max(most, ++inside);
            e.spend(10ms);
            e.at_task_end([&]() noexcept { --inside; });
        });
    CHECK(e.queued() == 3);
    e.run_for(1ms);
    CHECK(e.busy() == 3);
    CHECK(q.size_approx() == 17);
    e.run_until_idle();
    CHECK(most == 3);
    CHECK(e.now() == time_point(70ms));  // 20 tasks, 3 at a time
    CHECK(q.counters().ran == 20);
}

TEST_CASE("queued_executor: full is told, and the callable is as it was", "[executor][queued_executor][unit]") {
    manual_executor e;
    int             ran = 0;
    {
        manual_queue<> q(e, {.capacity = 2, .when_full = overflow::reject}, sluice::fifo(), e.clock());
        q.post([&] { ++ran; });
        CHECK(q.try_post([&] { ++ran; }));
        auto task = [&, owned = std::make_unique<int>(10)] { ran += *owned; };
        auto r = q.try_post(std::move(task));
        CHECK(r.reason == reject_reason::full);
        CHECK_THROWS_AS(q.post([] {}), sluice::task_rejected);
        r = q.try_post_for(5ms, std::move(task));
        CHECK(r.reason == reject_reason::full);
        CHECK(e.now() == time_point(5ms));  // waited
        CHECK(q.counters().rejected == 3);
        e.run_until_idle();
        r = q.try_post(std::move(task));
        CHECK(r);
        r = q.try_post([&] { ++ran; }, {.expiry = e.now()});
        CHECK(r.reason == reject_reason::deadline);
        q.close();
        CHECK(q.closed());
        r = q.try_post([&] { ++ran; });
        CHECK(r.reason == reject_reason::closed);
        r = q.try_post_for(1h, [&] { ++ran; });
        CHECK(r.reason == reject_reason::closed);
        try {
            q.post([&] { ++ran; });
            CHECK(false);
        } catch (sluice::task_rejected const& x) {
            CHECK(x.result().reason == reject_reason::closed);
        }
    }
    e.run_until_idle();
    CHECK(ran == 12);  // what was accepted outlives the queue
    CHECK_THROWS_AS(manual_queue<>(e, {}), std::invalid_argument);
    CHECK_THROWS_AS(manual_queue<>(e, {.capacity = 1, .concurrency = 0}), std::invalid_argument);
    CHECK_THROWS_AS(manual_queue<>(e, {.capacity = 1, .max_delay = 0ns}), std::invalid_argument);
}

TEST_CASE("queued_executor: caller_runs, drop_oldest, grow", "[executor][queued_executor][unit]") {
    manual_executor e;
    std::string     log;
    auto const      run = [&](overflow policy) {
        log.clear();
        manual_queue<> q(e, {.capacity = 2, .when_full = policy}, sluice::fifo(), e.clock());
        for (char c = 'a'; c < 'f'; ++c) q.post([&log, c] { log += c; });
        log += '|';
        e.run_until_idle();
        CHECK(all_ended(q.counters()));
        return q.counters();
    };
    auto c = run(overflow::caller_runs);
    CHECK(log == "cde|ab");
    CHECK(c.caller_ran == 3);
    CHECK(c.accepted == 2);
    c = run(overflow::drop_oldest);
    CHECK(log == "|de");
    CHECK(c.dropped == 3);
    c = run(overflow::grow);
    CHECK(log == "|abcde");
    CHECK(c.rejected == 0);
}

TEST_CASE("queued_executor: expired work runs its callback instead, cancelled work nothing",
          "[executor][queued_executor][unit]") {
    manual_executor  e;
    manual_queue<>   q(e, {.capacity = 9}, sluice::fifo(), e.clock());
    std::stop_source stop;
    auto             token = std::make_shared<int>(0);
    std::string      log;
    q.post([&] { e.spend(10ms); });
    q.post([&, token] { log += "late "; }, {.expiry = time_point(5ms)}, [&, token] { log += "expired "; });
    q.post([&, token] { log += "cancelled "; }, {.stop = stop.get_token()});
    q.post([&, token] { log += "in time "; }, {.expiry = time_point(1s), .stop = stop.get_token()});
    q.post([&, token] { log += "never "; }, {.expiry = time_point(6ms)});
    q.post([&, token] { log += "last"; });
    e.run_for(1ms);
    stop.request_stop();
    e.run_until_idle();
    CHECK(log == "expired last");
    CHECK(token.use_count() == 1);
    auto const c = q.counters();
    CHECK(c.accepted == 6);
    CHECK(c.ran == 2);
    CHECK(c.expired == 2);
    CHECK(c.cancelled == 2);
}

TEST_CASE("queued_executor: the exception of a task, of a callback, of a task run inside a post",
          "[executor][queued_executor][unit]") {
    bool const  handled = GENERATE(true, false);
    std::string at_executor, at_handler;
    auto const  name = [](std::exception_ptr p) {
        try {
            std::rethrow_exception(p);
        } catch (std::runtime_error const& x) {
            return std::string(x.what());
        }
    };
    manual_executor e({.on_error = [&](std::exception_ptr p) { at_executor += name(p); }});
    sluice::queued_executor_options options{.capacity = 3, .when_full = overflow::caller_runs};
    if (handled) options.on_error = [&](std::exception_ptr p) { at_handler += name(p); };
    manual_queue<> q(e, std::move(options), sluice::fifo(), e.clock());
    q.post([&] {
        e.spend(5ms);
        throw std::runtime_error("task ");
    });
    q.post([] {}, {.expiry = time_point(2ms)}, [] { throw std::runtime_error("callback "); });
    q.post([] {});
    q.post([] { throw std::runtime_error("here "); });
    e.run_until_idle();
    CHECK(at_executor == (handled ? "" : "task here callback "));
    CHECK(at_handler == (handled ? "here task callback " : ""));
    CHECK(all_ended(q.counters()));
    CHECK(q.counters().ran == 2);
}

TEST_CASE("queued_executor: levels go up and down, and are told", "[executor][queued_executor][unit]") {
    manual_executor                 e;
    manual_queue<>                  q(e, {.capacity = 10}, sluice::fifo(), e.clock());
    std::vector<sluice::load_level> seen;
    q.gauge().on_edge([&](sluice::load_edge const& edge) { seen.push_back(edge.to); });
    using enum sluice::load_level;
    for (int i = 0; i < 10; ++i) q.post([] {});
    CHECK(q.level() == black);
    e.run_until_idle();
    CHECK(q.level() == green);
    CHECK(seen == std::vector{yellow, red, black, red, yellow, green});

    manual_queue<> f(e, {.capacity = 2}, sluice::fifo(), e.clock());  // a listener that throws loses nothing
    int            ran = 0, thrown = 0;
    f.gauge().on_edge([&](sluice::load_edge const&) {
        if (thrown++ % 2 == 0) throw std::runtime_error("listener");
    });
    f.post([&] { ++ran; });
    f.post([&] { ++ran; });
    int errors = 0;
    while (!e.idle()) try {
            e.run_until_idle();
        } catch (std::runtime_error const&) {
            ++errors;
        }
    CHECK(ran == 2);
    CHECK(errors > 0);
    CHECK(errors == (thrown + 1) / 2);
}

TEST_CASE("queued_executor: what the executor drops or refuses ends, too", "[executor][queued_executor][unit]") {
    auto const                                              concurrency = GENERATE(std::size_t{SIZE_MAX}, std::size_t{2});
    refusing                                                e;
    queued_executor<refusing, sluice::fifo, manual_clock>   q(e, {.capacity = 100, .concurrency = concurrency}, sluice::fifo(),
                                                              e.inner.clock());
    auto                                                    token = std::make_shared<int>(0);
    auto const                                              task = [&] { return [token] { ++*token; }; };
    for (int i = 0; i < 5; ++i) q.post(task());
    e.inner.discard();
    CHECK(token.use_count() == 1);
    CHECK(q.counters().dropped == 5);

    e.refusals = 1;
    CHECK_THROWS_AS(q.post(task()), std::runtime_error);
    CHECK(token.use_count() == 1);
    CHECK(q.counters().accepted == 5);
    CHECK(q.size_approx() == 0);

    q.post(task());  // has a ticket; the next one has not, and waits for it
    e.refusals = 1;
    q.post(task());
    CHECK(q.size_approx() == 2);
    e.inner.run_until_idle();
    CHECK(*token == 2);
    CHECK(q.size_approx() == 0);

    for (int i = 0; i < 6; ++i)
        q.post([&, token] {
            ++*token;
            e.refusals = 1;  // a ticket that would be posted again runs on
        });
    e.refusals = 0;
    e.inner.run_until_idle();
    CHECK(*token == 8);
    CHECK(all_ended(q.counters()));
    CHECK(token.use_count() == 1);
}

TEST_CASE("queued_executor: a worker that posts to a full queue does not wait for itself", "[executor][queued_executor][unit]") {
    std::atomic<int> ran{0}, rejected{0};
    {
        thread_pool                  pool(1);
        queued_executor<thread_pool> q(pool, {.capacity = 2});
        std::latch                   done(1);
        q.post([&] {
            for (int i = 0; i < 100; ++i) q.post([&] { ++ran; });
            done.count_down();
        });
        done.wait();
        pool.post([&] {  // a worker, but not in a task of the queue
            for (int i = 0; i < 100; ++i) q.post([&] { ++ran; });
        });
        pool.wait_idle();
        CHECK(ran.load() == 200);
        CHECK(all_ended(q.counters()));

        std::function<void(int)> tree = [&](int depth) {  // each posts two: nested as deep as it may be, then refused
            ++ran;
            if (depth == 0) return;
            for (int i = 0; i < 2; ++i) try {
                    q.post([&, depth] { tree(depth - 1); });
                } catch (sluice::task_rejected const&) {
                    ++rejected;
                }
        };
        ran = 0;
        q.post([&] { tree(10); });
        pool.wait_idle();
        CHECK(all_ended(q.counters()));
        CHECK(ran.load() + rejected.load() == 2047);
        CHECK(rejected.load() == 0);  // ten levels, each with at most two that wait: less than 64
    }
    {  // an endless chain of helpers ends
        manual_executor e;
        manual_queue<>  q(e, {.capacity = 1}, sluice::fifo(), e.clock());
        int             refused = 0, count = 0;
        std::function<void()> twice = [&] {
            if (++count > 1000) return;
            for (int i = 0; i < 2; ++i) try {
                    q.post([&] { twice(); });
                } catch (sluice::task_rejected const&) {
                    ++refused;
                }
        };
        q.post([&] { twice(); });
        e.run_until_idle();
        CHECK(refused > 0);
        CHECK(all_ended(q.counters()));
    }
}

TEST_CASE("queued_executor: who is not a worker waits for a place", "[executor][queued_executor][stress]") {
    constexpr int    each = 1000;
    std::atomic<int> ran{0}, inside{0}, most{0};
    thread_pool      pool(2);
    {
        queued_executor<thread_pool> q(pool, {.capacity = 3, .concurrency = 2});
        test::run_threads(3, [&](std::size_t) {
            for (int i = 0; i < each; ++i)
                q.post([&] {
                    int const n = ++inside;
                    int       seen = most.load();
                    while (seen < n && !most.compare_exchange_weak(seen, n)) {}
                    ++ran;
                    --inside;
                });
        });
    }
    pool.wait_idle();
    CHECK(ran.load() == 3 * each);
    CHECK(most.load() <= 2);

    // Closed while somebody waits: he is told.
    queued_executor<thread_pool> q(pool, {.capacity = 1, .concurrency = 1});
    std::latch                   begun(1), end(1);
    q.post([&] {
        begun.count_down();
        end.wait();
    });
    begun.wait();
    q.post([] {});
    std::atomic<bool> told{false};
    test::run_threads(2, [&](std::size_t i) {
        if (i == 0) {
            try {
                q.post([] {});
            } catch (sluice::task_rejected const& x) {
                told = x.result().reason == reject_reason::closed;
            }
        } else {
            q.close();
        }
    });
    CHECK(told.load());
    CHECK(q.try_post_for(1h, [] {}).reason == reject_reason::closed);
    end.count_down();
    pool.wait_idle();
    CHECK(q.counters().ran == 2);
}

TEST_CASE("queued_executor: a task that comes just as the last ticket ends is run", "[executor][queued_executor][stress]") {
    thread_pool                  pool(2);
    queued_executor<thread_pool> q(pool, {.capacity = 10, .concurrency = 1});
    std::atomic<int>             ran{0};
    bool                         all = true;
    for (int i = 1; all && i <= 10'000; ++i) {
        q.post([&] { ran.fetch_add(1); });
        // Most often it is seen at once, inside the task: the next one is posted while its ticket ends.
        for (int look = 0; ran.load() != i && look < 1000; ++look) {}
        all = ran.load() == i || test::eventually([&] { return ran.load() == i; }, std::chrono::seconds(20));
    }
    CHECK(all);
}

TEST_CASE("queued_executor: low work is begun within its bound while high work makes more high work",
          "[executor][queued_executor][law]") {
    constexpr sluice::duration step = 100ms, service = 2ms;
    constexpr int       workers = 2;
    constexpr unsigned  capacity = 50;
    for (bool const aging : {true, false}) {
        manual_executor e({.workers = workers});
        // Without ageing: a step that nothing outlasts.
        manual_queue<sluice::aging_priority> q(e, {.capacity = capacity, .concurrency = workers, .when_full = overflow::reject},
                                               sluice::aging_priority({.step = aging ? step : 1000h}), e.clock());
        std::vector<sluice::duration> waits[3];
        std::function<void()>         high = [&] {
            e.spend(service);
            for (int i = 0; i < 2; ++i)
                (void)q.try_post([&, since = e.now()] {
                    waits[0].push_back(e.now() - since);
                    high();
                });
        };
        auto const add = [&](std::uint32_t p) {
            q.post([&, p, since = e.now()] {
                e.spend(service);
                waits[p].push_back(e.now() - since);
            }, {.priority = p});
        };
        for (int i = 0; i < 4; ++i) add(2), add(1);
        for (int i = 0; i < 4; ++i) q.post([&] { high(); });
        e.run_for(3s);
        CHECK(q.size_approx() >= capacity - 1);  // the spiral goes on
        CHECK(waits[0].size() > 1000);
        if (!aging) {
            CHECK(waits[1].empty());
            CHECK(waits[2].empty());
            continue;
        }
        for (std::size_t p = 1; p < 3; ++p) {
            REQUIRE(waits[p].size() == 4);
            auto const bound = step * static_cast<int>(p) + service * capacity / workers + service;
            for (auto const w : waits[p]) {
                CHECK(w <= bound);
                CHECK(w >= step * static_cast<int>(p) - service * capacity / workers);  // and not much sooner
            }
        }
    }
}

TEST_CASE("queued_executor: every accepted task ends once, whatever happens", "[executor][queued_executor][property]") {
    auto const seed = test::seed();
    for (auto const policy : {overflow::reject, overflow::caller_runs, overflow::drop_oldest, overflow::grow, overflow::block})
        for (auto const concurrency : {std::size_t{2}, std::size_t{SIZE_MAX}}) {
            sluice::xoshiro256ss random(seed);
            manual_executor      e({.workers = 3, .order = sluice::manual_order::shuffled, .seed = seed});
            struct fate {
                int runs = 0, expiries = 0, destroyed = 0;
            };
            struct witness {  // counts the destruction of the one that was not moved from
                fate* f;
                explicit witness(fate& x) : f(&x) {}
                witness(witness&& o) noexcept : f(std::exchange(o.f, nullptr)) {}
                ~witness() {
                    if (f != nullptr) ++f->destroyed;
                }
            };
            std::vector<fate>                    fates(3000);
            std::vector<std::stop_source>        stops(3000);
            unsigned                             taken = 0, ran = 0, expired = 0;
            sluice::queued_executor_counters     c;
            {
                manual_queue<sluice::earliest_deadline> q(e, {.capacity = 20, .concurrency = concurrency, .when_full = policy},
                                                          sluice::earliest_deadline(), e.clock());
                for (std::size_t i = 0; i < fates.size(); ++i) {
                    auto const rnd = [&](std::uint64_t n) { return sluice::uniform_below(random, n); };
                    sluice::task_attributes a{.stop = stops[i].get_token()};
                    if (rnd(3) == 0) a.expiry = e.now() + std::chrono::milliseconds(1 + rnd(10));
                    auto const r = q.try_post([&e, &f = fates[i], w = witness(fates[i]), d = rnd(4)] {
                        ++f.runs;
                        e.spend(std::chrono::milliseconds(d));
                    }, a, [&f = fates[i]] { ++f.expiries; });
                    taken += r ? 1 : 0;
                    if (rnd(10) == 0) stops[i - std::min<std::size_t>(i, rnd(5))].request_stop();
                    if (rnd(3) == 0) e.run_for(std::chrono::milliseconds(rnd(3)));
                    if (rnd(500) == 0) e.discard();
                }
                e.run_until_idle();
                c = q.counters();
                REQUIRE(q.size_approx() == 0);
            }
            for (auto const& f : fates) {
                REQUIRE(f.destroyed == 1);
                REQUIRE(f.runs + f.expiries <= 1);
                ran += static_cast<unsigned>(f.runs);
                expired += static_cast<unsigned>(f.expiries);
            }
            REQUIRE(all_ended(c));
            REQUIRE(c.accepted == taken);
            REQUIRE(c.ran == ran);
            REQUIRE(c.expired == expired);
            REQUIRE(c.accepted + c.rejected == fates.size());
            CHECK(c.ran > 100);
            CHECK(c.cancelled > 0);
        }
}

TEST_CASE("queued_executor: a task costs one allocation and no more, and scarce memory loses none",
          "[executor][queued_executor][unit]") {
    struct counting {  // an executor that needs no memory of its own
        std::vector<sluice::unique_function<void()>> tasks;
        std::size_t                                  next = 0;
        counting() { tasks.reserve(4096); }
        void post(sluice::unique_function<void()> f) { tasks.push_back(std::move(f)); }
        void run() {
            while (next < tasks.size()) tasks[next++]();
        }
    } e;
    queued_executor<counting> q(e, {.capacity = 1000});
    auto const                burst = [&] {
        for (int i = 0; i < 1000; ++i) q.post([] {});
        e.run();
    };
    burst();
    auto const before = test::allocations::total();
    burst();
    CHECK(test::allocations::total() - before <= 1000);  // slabs: far fewer
    CHECK(q.counters().ran == 2000);

    auto const result = test::allocations::sweep([](auto arm, auto disarm) {
        manual_executor m;
        manual_queue<>  scarce(m, {.capacity = 40}, sluice::fifo(), m.clock());
        unsigned        ran = 0, posted = 0;
        arm();
        for (int i = 0; i < 40; ++i) try {
                scarce.post([&ran] { ++ran; });
                ++posted;
            } catch (std::bad_alloc const&) {
            }
        disarm();
        m.run_until_idle();
        if (ran != posted || scarce.counters().accepted != posted) throw std::logic_error("a post lost, or half done");
    });
    CHECK(result.runs > 2);
    CHECK(result.leaked == 0);
}
