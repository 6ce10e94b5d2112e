// SPDX-License-Identifier: BSL-1.0
#include <sluice/service/service.hpp>

#include <sluice/executor/manual_executor.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/flow/aging_priority.hpp>
#include <sluice/flow/bulkhead.hpp>
#include <sluice/flow/codel.hpp>
#include <sluice/flow/token_bucket.hpp>
#include <sluice/scaling/autoscaler.hpp>
#include <sluice/scaling/feed_forward.hpp>
#include <sluice/service/service_driver.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

using namespace sluice;
using namespace std::chrono_literals;

namespace {

/// Everything that a service answered.
struct answers {
    std::vector<service_result> all;

    [[nodiscard]] auto note() {
        return [this](service_result const& r) { all.push_back(r); };
    }
    [[nodiscard]] std::size_t count(service_end e) const {
        return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [e](auto const& r) { return r.end == e; }));
    }
};

std::uint64_t accounted(service_metrics const& m) {
    return m.refused + m.rejected + m.served + m.failed + m.expired + m.cancelled + m.dropped + m.in_flight;
}

/// Lets the executor and the service go on together until t.
template <class Service>
void run_until(manual_executor& e, Service& s, time_point t) {
    for (;;) {
        (void)s.step(e.now());
        if (e.now() >= t) return static_cast<void>(e.run_until(t));
        e.run_until(std::min(e.now() + 1ms, t));
    }
}

}  // namespace

TEST_CASE("service: each call is served once, and what was offered is accounted for", "[service][unit]") {
    manual_executor e({.workers = 2});
    answers got;
    std::vector<int> seen;
    {
        service app(
            e,
            [&](int& r) {
                seen.push_back(r);
                e.spend(10ms);
            },
            {.lanes = 3, .capacity = 4}, e.clock());
        for (int i = 0; i < 30; ++i)
            if (!app.submit(i, {.key = static_cast<std::uint64_t>(i % 5)}, got.note())) CHECK(app.queued() >= 4);
        CHECK(app.metrics().in_flight == 12);
        e.run_until_idle();
        auto const m = app.metrics();
        CHECK(m.offered == 30);
        CHECK(m.served == 12);
        CHECK(m.rejected == 18);
        CHECK(m.in_flight == 0);
        CHECK(m.attempts == 12);
        CHECK(accounted(m) == 30);
        CHECK(m.p99 >= 60ms);
        CHECK(m.p99 < 62ms);
    }
    CHECK(got.all.size() == 12);
    CHECK(seen.size() == 12);
    CHECK(got.all.back().latency == 60ms);  // twelve of 10 ms on two workers
    CHECK(got.count(service_end::served) == 12);
}

TEST_CASE("service: a refused call keeps its request and its completion", "[service][unit]") {
    manual_executor e;
    token_bucket limit({.refill = per_second(1), .burst = 1}, e.clock());
    auto handler = [](std::unique_ptr<int>&) {};
    service<decltype(handler), manual_executor, decltype(limit), fifo, manual_clock> app(e, handler, {}, limit, {}, e.clock());
    answers got;
    CHECK(app.submit(std::make_unique<int>(1), {}, got.note()));
    auto request = std::make_unique<int>(2);
    auto const v = app.submit(std::move(request), {}, got.note());
    CHECK_FALSE(v.admitted());
    CHECK(v.retry_after == 1s);
    CHECK(request != nullptr);
    app.close();
    e.run_for(2s);
    CHECK_FALSE(app.submit(std::move(request), {}, got.note()).admitted());  // closed
    CHECK(request != nullptr);
    CHECK(*request == 2);
    CHECK(app.metrics().refused == 1);
    CHECK(app.metrics().rejected == 1);
    CHECK(got.all.size() == 1);
}

TEST_CASE("service: a failure is tried again after a pause, while the budget and the time last", "[service][unit]") {
    manual_executor e;
    answers got;
    std::vector<time_point> at;
    int fail = 2;
    service app(
        e,
        [&](int&, service_attempt const& a) {
            at.push_back(e.now());
            CHECK(a.number == at.size());
            e.spend(1ms);
            if (fail-- > 0) throw std::runtime_error("again");
        },
        {.max_attempts = 3, .backoff = {.base = 10ms}}, e.clock());
    CHECK(app.submit(1, {}, got.note()));
    run_until(e, app, e.now() + 1s);
    REQUIRE(at.size() == 3);
    CHECK(at[1] - at[0] == 11ms);
    CHECK(at[2] - at[1] == 21ms);
    REQUIRE(got.all.size() == 1);
    CHECK(got.all[0].end == service_end::served);
    CHECK(got.all[0].attempts == 3);
    CHECK(app.metrics().retries == 2);

    SECTION("the last failure's exception is the answer's") {
        fail = 3;
        at.clear();
        CHECK(app.submit(1, {}, got.note()));
        run_until(e, app, e.now() + 1s);
        REQUIRE(got.all.size() == 2);
        CHECK(got.all[1].end == service_end::failed);
        CHECK_THROWS_WITH(std::rethrow_exception(got.all[1].error), "again");
    }
    SECTION("no retry that would come too late") {
        fail = 3;
        at.clear();
        CHECK(app.submit(1, {.expiry = e.now() + 20ms}, got.note()));
        run_until(e, app, e.now() + 1s);
        REQUIRE(got.all.size() == 2);
        CHECK(got.all[1].end == service_end::failed);
        CHECK(got.all[1].attempts == 2);
    }
    SECTION("what waits for a retry when the service closes has failed") {
        fail = 3;
        at.clear();
        CHECK(app.submit(1, {}, got.note()));
        e.run_for(5ms);
        CHECK(got.all.size() == 1);
        app.close();
        REQUIRE(got.all.size() == 2);
        CHECK(got.all[1].end == service_end::failed);
        CHECK(accounted(app.metrics()) == 2);
        CHECK(app.metrics().in_flight == 0);
    }
}

TEST_CASE("service: all retries together keep within the budget", "[service][unit]") {
    manual_executor e({.workers = 100});
    answers got;
    service app(
        e,
        [&](int&) -> bool {
            e.spend(1ms);
            return false;
        },
        {.capacity = 2000, .max_attempts = 3, .backoff = {.base = 1ms}, .budget = {.ratio = .1, .reserve = std::nullopt}}, e.clock());
    for (int i = 0; i < 1000; ++i) CHECK(app.submit(i, {}, got.note()));
    run_until(e, app, e.now() + 1s);
    CHECK(got.count(service_end::failed) == 1000);
    CHECK(app.metrics().retries > 90);
    CHECK(app.metrics().retries <= 100);
    CHECK(app.metrics().attempts == 1000 + app.metrics().retries);
}

TEST_CASE("service: an open breaker keeps calls from the handler", "[service][unit]") {
    manual_executor e;
    answers got;
    bool good = false;
    service app(
        e, [&](int&) { return good; }, {.breaker = {.minimum_calls = 10, .open_time = 1s}}, e.clock());
    for (int i = 0; i < 30; ++i) CHECK(app.submit(i, {}, got.note()));
    e.run_until_idle();
    CHECK(app.breaker() == breaker_state::open);
    CHECK(app.metrics().attempts == 10);
    CHECK(app.metrics().broken == 20);
    CHECK(got.count(service_end::failed) == 30);
    good = true;
    e.run_for(1s);
    for (int i = 0; i < 30; ++i) CHECK(app.submit(i, {}, got.note()));
    e.run_until_idle();
    CHECK(app.breaker() == breaker_state::closed);
    CHECK(got.count(service_end::served) == 30);
}

TEST_CASE("service: a second attempt beside a slow first one, and one answer", "[service][unit]") {
    manual_executor e({.workers = 2});
    answers got;
    int calls = 0;
    service app(
        e, [&](int&) { e.spend(++calls == 1 ? 500ms : 10ms); }, {.hedge_delay = 50ms}, e.clock());
    CHECK(app.submit(1, {}, got.note()));
    run_until(e, app, e.now() + 2s);
    CHECK(calls == 2);
    REQUIRE(got.all.size() == 1);
    CHECK(got.all[0].end == service_end::served);
    CHECK(got.all[0].latency == 60ms);
    CHECK(app.metrics().hedges == 1);
    CHECK(app.metrics().served == 1);
    CHECK(app.metrics().in_flight == 0);

    got.all.clear();
    calls = 1;
    CHECK(app.submit(1, {}, got.note()));  // fast: nothing beside it
    run_until(e, app, e.now() + 2s);
    CHECK(calls == 2);
    CHECK(got.count(service_end::served) == 1);
}

TEST_CASE("service: a hedged call that fails is answered with its error, also when nothing more may be sent", "[service][unit]") {
    manual_executor e({.workers = 2});
    answers         got;
    auto const      sentence = [&] {
        REQUIRE(got.all.size() == 1);
        CHECK(got.all[0].end == service_end::failed);
        REQUIRE(got.all[0].error != nullptr);
        try {
            std::rethrow_exception(got.all[0].error);
        } catch (std::runtime_error const& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    auto const failing = [&](int&) {
        e.spend(10ms);
        throw std::runtime_error("broken");
    };
    SECTION("closed while it runs") {
        service app(e, failing, {.hedge_delay = 50ms}, e.clock());
        CHECK(app.submit(1, {}, got.note()));
        e.run_for(5ms);
        app.close();
        e.run_until_idle();
        CHECK(sentence() == "broken");
    }
    SECTION("closed while it waits to be sent again") {
        service app(e, [&](int&) { e.spend(10ms); return attempt_result::retryable(1s); }, {.hedge_delay = 50ms}, e.clock());
        CHECK(app.submit(1, {}, got.note()));
        run_until(e, app, e.now() + 100ms);
        CHECK(got.all.empty());
        app.close();
        REQUIRE(got.all.size() == 1);
        CHECK(got.all[0].end == service_end::failed);
    }
    SECTION("a budget that pays for no second attempt") {
        service app(e, failing, {.budget = {.ratio = 0, .reserve = std::nullopt}, .hedge_delay = 50ms}, e.clock());
        CHECK(app.submit(1, {}, got.note()));
        run_until(e, app, e.now() + 1s);
        CHECK(sentence() == "broken");
        CHECK(got.all[0].attempts == 1);
    }
}

TEST_CASE("service: work that is of no use any more is not begun", "[service][unit]") {
    manual_executor e;
    answers got;
    int ran = 0;
    std::stop_source stop;
    service app(
        e,
        [&](int&) {
            ++ran;
            e.spend(30ms);
        },
        {.time_limit = 100ms}, e.clock());
    for (int i = 0; i < 6; ++i) (void)app.submit(i, {.stop = i == 2 ? stop.get_token() : std::stop_token{}}, got.note());
    stop.request_stop();
    e.run_until_idle();
    CHECK(ran == 4);  // at 0, 30, 60 and 90 ms
    CHECK(got.count(service_end::served) == 4);
    CHECK(got.count(service_end::cancelled) == 1);
    CHECK(got.count(service_end::expired) == 1);
    CHECK(app.metrics().attempts == 4);
    CHECK_FALSE(app.submit(1, {.expiry = e.now()}, got.note()).admitted());
    CHECK(got.all.size() == 6);
}

TEST_CASE("service: whatever the discipline or the executor gives up is answered", "[service][unit]") {
    answers got;
    {
        manual_executor e;
        auto const make = [] { return codel({.target = 5ms, .interval = 10ms}); };
        admit_all const everyone;
        auto handler = [&](int&) { e.spend(10ms); };
        service<decltype(handler), manual_executor, admit_all const, codel, manual_clock> app(e, handler, {}, everyone, make, e.clock());
        for (int i = 0; i < 100; ++i) CHECK(app.submit(i, {}, got.note()));
        e.run_until_idle();
        CHECK(got.count(service_end::dropped) > 0);
        CHECK(app.metrics().dropped == got.count(service_end::dropped));
        CHECK(got.all.size() == 100);
    }
    got.all.clear();
    {
        manual_executor e;
        service app(
            e, [&](int&) { e.spend(10ms); }, {}, e.clock());
        for (int i = 0; i < 100; ++i) CHECK(app.submit(i, {}, got.note()));
        e.run_for(95ms);  // the tenth is in hand
        CHECK(got.count(service_end::served) == 9);
        CHECK(app.metrics().in_flight == 91);
    }
    CHECK(got.all.size() == 100);
    CHECK(got.count(service_end::dropped) == 91);
}

TEST_CASE("service: a submit that throws never was", "[service][fault]") {
    struct gate {  // an executor that runs at once, or not at all
        bool open = false;
        void post(unique_function<void()> f) const {
            if (!open) throw std::runtime_error("shut");
            f();
        }
    } e;
    answers  got;
    bulkhead places({.limit = 1});
    auto     handler = [](int&) {};
    service  app(e, handler, {}, places);
    CHECK_THROWS_WITH(app.submit(1, {}, got.note()), "shut");
    CHECK(got.all.empty());
    CHECK(app.metrics().offered == 0);
    CHECK(places.in_flight_approx() == 0);
    e.open = true;
    CHECK(app.submit(1, {}, got.note()));
    CHECK(got.count(service_end::served) == 1);
    CHECK(app.metrics().offered == 1);
    CHECK(places.in_flight_approx() == 0);
}

TEST_CASE("service: admission in a chain: all or none, and every place comes back", "[service][unit]") {
    manual_executor e({.workers = 4});
    answers got;
    bulkhead places({.limit = 8}, e.clock());
    token_bucket rate({.refill = per_second(10), .burst = 20}, e.clock());
    admission_chain chain(places, rate);
    auto handler = [&](int&) { e.spend(100ms); };
    service<decltype(handler), manual_executor, decltype(chain), fifo, manual_clock> app(e, handler, {}, chain, {}, e.clock());
    for (int i = 0; i < 20; ++i) (void)app.submit(i, {}, got.note());
    CHECK(app.metrics().refused == 12);
    CHECK(rate.peek(12, e.now()).admitted());  // who found no place has cost no token
    CHECK_FALSE(rate.peek(13, e.now()).admitted());
    e.run_until_idle();
    CHECK(got.all.size() == 8);
    for (int i = 0; i < 8; ++i) CHECK(app.submit(i, {}, got.note()));  // all places are back
    e.run_until_idle();
    for (int i = 0; i < 20; ++i) (void)app.submit(i, {}, got.note());  // 4 + 4 tokens
    CHECK(app.metrics().in_flight == 8);
    e.run_until_idle();
    for (int i = 0; i < 8; ++i) (void)app.submit(i, {}, got.note());  // a token at most: places that were had went back
    e.run_until_idle();
    CHECK(places.in_flight_approx() == 0);
    CHECK(accounted(app.metrics()) == app.metrics().offered);
}

TEST_CASE("service: the pool follows the load, up and down", "[service][unit]") {
    manual_executor e({.workers = 2, .min_workers = 1, .max_workers = 50, .start_delay = 1s});
    answers got;
    autoscaler policy(feed_forward({.service_time = 100ms, .start_delay = 1s}), {.size = {.min = 1, .max = 50}});
    service app(
        e, [&](int&) { e.spend(100ms); }, {.capacity = 10'000}, e.clock());
    std::size_t most = 0;
    auto const phase = [&](duration between, duration length) {
        for (auto const end = e.now() + length; e.now() < end;) {
            CHECK(app.submit(1, {}, got.note()));
            (void)app.step(e.now(), policy);
            e.run_until(e.now() + between);
            most = std::max(most, e.provisioned());
        }
    };
    phase(5ms, 60s);  // 200 a second of 100 ms: 20 busy
    CHECK(e.ready() >= 22);
    CHECK(app.queued() < 20);
    phase(200ms, 600s);
    CHECK(e.provisioned() <= 3);
    CHECK(most <= 50);
    e.run_for(10s);
    CHECK(got.count(service_end::served) == app.metrics().offered);
}

TEST_CASE("service: impossible options are named", "[service][unit]") {
    manual_executor e;
    auto const make = [&](service_options o) {
        service app(
            e, [](int&) {}, o, e.clock());
    };
    CHECK_THROWS_WITH(make({.lanes = 0}), Catch::Contains("lanes"));
    CHECK_THROWS_WITH(make({.capacity = 0}), Catch::Contains("capacity"));
    CHECK_THROWS_WITH(make({.time_limit = 0ms}), Catch::Contains("time_limit"));
    CHECK_THROWS_WITH(make({.max_attempts = 0}), Catch::Contains("max_attempts"));
    CHECK_THROWS_WITH(make({.hedge_delay = -1ms}), Catch::Contains("hedge_delay"));
    CHECK_THROWS_AS(make({.backoff = {.base = 0ms}}), std::invalid_argument);
    CHECK_THROWS_AS(make({.breaker = {.failure_rate = 0, .minimum_calls = 1}}), std::invalid_argument);
}

TEST_CASE("service: live, from many threads, nothing is lost or doubled", "[service][stress]") {
    thread_pool pool(2);
    std::atomic<std::uint64_t> accepted{0}, ended{0}, calls{0};
    bulkhead places({.limit = 200});
    auto handler = [&](std::uint64_t& r) {
        auto const n = calls.fetch_add(1);
        if (n % 17 == 3) throw static_cast<int>(r);
    };
    service app(pool, handler, {.lanes = 2, .capacity = 100, .max_attempts = 3, .backoff = {.base = 100us}}, places);
    {
        service_driver driver(app, {.longest = 1ms});
        test::run_threads(3, [&](std::size_t t) {
            for (std::uint64_t i = 0; i < 2000; ++i)
                if (app.submit(i, {.key = t == 0 ? i : 0}, [&](service_result const&) { ended.fetch_add(1); })) accepted.fetch_add(1);
        });
        REQUIRE(test::eventually([&] { return ended.load() == accepted.load(); }));
        CHECK(driver.failures() == 0);
    }
    pool.wait_idle();
    CHECK(ended.load() == accepted.load());
    auto const m = app.metrics();
    CHECK(m.offered == 6000);
    CHECK(m.in_flight == 0);
    CHECK(accounted(m) == 6000);
    CHECK(m.attempts == calls.load());
    CHECK(places.in_flight_approx() == 0);
}
