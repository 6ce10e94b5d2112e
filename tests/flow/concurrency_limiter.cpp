// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/concurrency_limiter.hpp>

#include <sluice/flow/aimd_limit.hpp>
#include <sluice/flow/bbr_limit.hpp>
#include <sluice/flow/envoy_gradient_limit.hpp>
#include <sluice/flow/gradient2_limit.hpp>
#include <sluice/flow/gradient_limit.hpp>
#include <sluice/flow/littles_law_limit.hpp>
#include <sluice/flow/pid_limit.hpp>
#include <sluice/flow/vegas_limit.hpp>

#include "flow/plant.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::concurrency_limiter;
using sluice::manual_clock;
using sluice::permit;
using sluice::time_point;
using sluice::verdict_kind;
using sluice::window_summary;

static_assert(sluice::permit_source<concurrency_limiter<>>);
static_assert(!std::is_copy_constructible_v<concurrency_limiter<>>);

namespace {

/// Writes down what it is told; its limit is set from outside.
struct recorder {
    double                      value = 4;
    std::uint64_t               at = 0;
    std::vector<window_summary> told{};

    double        update(window_summary const& s) { return told.push_back(s), value; }
    double        limit() const { return value; }
    std::uint64_t epoch() const { return at; }
};
struct each : recorder {
    static constexpr bool per_sample = true;
};
struct fixed {
    double value = 10;
    double update(window_summary const&) noexcept { return value; }
    double limit() const noexcept { return value; }
};
static_assert(sluice::limit_algorithm<recorder> && sluice::limit_algorithm<fixed>);

/// Jumps between two limits at every sample.
struct restless {
    static constexpr bool per_sample = true;
    double        low = 2, high = 6;
    std::uint64_t n = 0;
    double        update(window_summary const& s) noexcept { return n += s.samples + s.drops, limit(); }
    double        limit() const noexcept { return n % 2 == 0 ? low : high; }
};

using recording = concurrency_limiter<recorder, manual_clock>;
using telling = concurrency_limiter<each, manual_clock>;

}  // namespace

TEST_CASE("concurrency_limiter: so many permits as the limit, and one back is one more", "[flow][concurrency_limiter][unit]") {
    concurrency_limiter l(fixed{.value = 2}, {}, manual_clock());
    auto                a = l.try_acquire();
    auto                b = l.try_acquire();
    REQUIRE((a && b));
    REQUIRE(l.inflight() == 2);
    auto const c = l.try_acquire();
    REQUIRE_FALSE(c);
    REQUIRE(c.why().kind == verdict_kind::wait);
    REQUIRE(c.why().retry_after > 0ns);
    a.success();
    a.success();
    REQUIRE(l.inflight() == 1);
    { auto const d = l.try_acquire(time_point(5s)); REQUIRE(d.start() == time_point(5s)); REQUIRE(l.inflight() == 2); }
    REQUIRE(l.inflight() == 1);
    b.drop();
    REQUIRE(l.inflight() == 0);
    REQUIRE(l.limit() == 2);
    REQUIRE(l.changes() == 0);
}

TEST_CASE("concurrency_limiter: the default needs nothing", "[flow][concurrency_limiter][unit]") {
    concurrency_limiter<> l;
    REQUIRE(l.limit() == 20);
    auto p = l.try_acquire();
    REQUIRE(p);
    p.success();
    concurrency_limiter<> tuned({.window_samples = 10});
    REQUIRE(tuned.options().window_samples == 10);
    concurrency_limiter deduced(sluice::vegas_limit({.initial = 7}));
    REQUIRE(deduced.limit() == 7);
}

TEST_CASE("concurrency_limiter: retry_after is about the time in which one request ends", "[flow][concurrency_limiter][unit]") {
    manual_clock clock;
    telling      l(each{}, {}, clock);
    {
        std::vector<permit> held;
        for (int i = 0; i < 4; ++i) held.push_back(l.try_acquire());
        clock.advance(40ms);
        held[0].success();
        held[0] = l.try_acquire();
        REQUIRE(l.try_acquire().why().retry_after == 10ms);
    }
}

TEST_CASE("concurrency_limiter: success and drop are told, ignore is not", "[flow][concurrency_limiter][unit]") {
    manual_clock clock;
    telling      l(each{}, {}, clock);
    auto         a = l.try_acquire();
    auto         b = l.try_acquire();
    auto         c = l.try_acquire();
    clock.advance(10ms);
    a.success();
    b.drop();
    c.ignore();
    auto const told = l.algorithm().told;
    REQUIRE(told.size() == 2);
    REQUIRE(told[0].samples == 1);
    REQUIRE(told[0].rtt_mean == 10ms);
    REQUIRE(told[0].inflight_max == 3);
    REQUIRE(told[0].end == time_point(10ms));
    REQUIRE(told[1].samples == 0);
    REQUIRE(told[1].drops == 1);
    REQUIRE(told[1].drop_mean == 10ms);
}

TEST_CASE("concurrency_limiter: a permit counts once whatever throws", "[flow][concurrency_limiter][unit]") {
    manual_clock clock;
    telling      l(each{}, {}, clock);
    try {
        auto p = l.try_acquire();
        throw std::runtime_error("work failed");
    } catch (std::runtime_error const&) {}
    REQUIRE(l.inflight() == 0);
    REQUIRE(l.algorithm().told.empty());
    try {
        auto p = l.try_acquire();
        p.drop();
        throw std::runtime_error("after its end");
    } catch (std::runtime_error const&) {}
    REQUIRE(l.inflight() == 0);
    REQUIRE(l.algorithm().told.size() == 1);
}

TEST_CASE("concurrency_limiter: a window has its samples, as many as the limit, and one mean latency",
          "[flow][concurrency_limiter][unit]") {
    manual_clock clock;
    recording    l(recorder{.value = 4}, {.window_samples = 3}, clock);
    auto const   one = [&](sluice::duration took) {
        auto p = l.try_acquire();
        clock.advance(took);
        p.success();
    };
    one(10ms), one(20ms), one(30ms);
    REQUIRE(l.algorithm().told.empty());  // the limit is 4
    one(40ms);
    REQUIRE(l.algorithm().told.size() == 1);
    auto const s = l.algorithm().told[0];
    REQUIRE(s.samples == 4);
    REQUIRE(s.rtt_min == 10ms);
    REQUIRE(s.rtt_mean == 25ms);
    REQUIRE(s.rtt_max == 40ms);
    REQUIRE(s.begin == time_point(0s));
    REQUIRE(s.end == time_point(100ms));
    REQUIRE(s.throughput() == Approx(40));

    // Four that take no time are no window yet; once a mean latency has gone by, it ends.
    std::vector<permit> held;
    for (int i = 0; i < 4; ++i) held.push_back(l.try_acquire(time_point(60ms)));
    for (auto& p : held) p.success(time_point(100ms));
    REQUIRE(l.algorithm().told.size() == 1);
    one(40ms);
    REQUIRE(l.algorithm().told.size() == 2);
    REQUIRE(l.algorithm().told[1].samples == 5);
}

TEST_CASE("concurrency_limiter: under light load a window ends with max_window", "[flow][concurrency_limiter][unit]") {
    manual_clock clock;
    recording    l(recorder{.value = 10}, {.max_window = 1s}, clock);
    for (int i = 0; i < 9; ++i) {
        auto p = l.try_acquire();
        clock.advance(200ms);
        p.success();
    }
    REQUIRE(l.algorithm().told.empty());
    auto p = l.try_acquire();
    clock.advance(200ms);
    p.drop();
    REQUIRE(l.algorithm().told.size() == 1);
    REQUIRE(l.algorithm().told[0].samples == 9);
    REQUIRE(l.algorithm().told[0].drops == 1);
}

TEST_CASE("concurrency_limiter: what began in an older epoch is no sample, but a drop is a drop", "[flow][concurrency_limiter][unit]") {
    manual_clock clock;
    telling      l(each{}, {}, clock);
    auto         old1 = l.try_acquire();
    auto         old2 = l.try_acquire();
    l.reconfigure(each{{.value = 3, .at = 9}});
    REQUIRE(l.limit() == 3);
    REQUIRE(l.changes() == 1);
    REQUIRE(l.inflight() == 2);
    auto fresh = l.try_acquire();
    REQUIRE(fresh);
    REQUIRE_FALSE(l.try_acquire());
    clock.advance(1ms);
    old1.success();
    REQUIRE(l.algorithm().told.empty());
    old2.drop();
    REQUIRE(l.algorithm().told.size() == 1);
    fresh.success();
    REQUIRE(l.algorithm().told.size() == 2);
    REQUIRE(l.inflight() == 0);
}

TEST_CASE("concurrency_limiter: a new algorithm begins with a window of its own", "[flow][concurrency_limiter][unit]") {
    manual_clock clock;
    recording    l(recorder{.value = 4}, {.window_samples = 4}, clock);
    auto const   some = [&](int n) {
        for (int i = 0; i < n; ++i) {
            auto p = l.try_acquire();
            clock.advance(10ms);
            p.success();
        }
    };
    some(3);
    l.reconfigure(recorder{.value = 4});
    some(3);
    REQUIRE(l.algorithm().told.empty());
    some(1);
    REQUIRE(l.algorithm().told.size() == 1);
    REQUIRE(l.algorithm().told[0].samples == 4);
}

TEST_CASE("concurrency_limiter: requests from before a probe do not poison its baseline", "[flow][concurrency_limiter][unit]") {
    manual_clock clock;
    concurrency_limiter l(sluice::envoy_gradient_limit({.initial = 40, .baseline = 10ms, .interval = 1s, .jitter = 0, .probe_samples = 5}),
                          {.window_samples = 5}, clock);
    std::deque<permit> slow;
    for (int i = 0; i < 30; ++i) slow.push_back(l.try_acquire());
    auto const one = [&] {
        auto p = l.try_acquire();
        REQUIRE(p);
        clock.advance(10ms);
        p.success();
    };
    for (int i = 0; i < 1000 && !l.algorithm().probing(); ++i) one();
    REQUIRE(l.limit() == 3);
    REQUIRE(l.inflight() > 3);
    REQUIRE_FALSE(l.try_acquire());  // until it has drained
    for (auto& p : slow) p.success();
    REQUIRE(l.algorithm().probing());
    for (int i = 0; i < 1000 && l.algorithm().probing(); ++i) one();
    REQUIRE(l.algorithm().baseline() == 10ms);
}

TEST_CASE("concurrency_limiter: a limit below in-flight admits nobody until it has drained", "[flow][concurrency_limiter][unit]") {
    manual_clock       clock;
    telling            l(each{{.value = 10}}, {}, clock);
    std::deque<permit> held;
    for (int i = 0; i < 10; ++i) held.push_back(l.try_acquire());
    l.reconfigure(each{{.value = 4}});
    for (int left = 9; left >= 4; --left) {
        REQUIRE_FALSE(l.try_acquire());
        held.pop_front();
        REQUIRE(l.inflight() == static_cast<std::uint32_t>(left));
    }
    REQUIRE_FALSE(l.try_acquire());
    held.pop_front();
    REQUIRE(l.try_acquire());
}

TEST_CASE("concurrency_limiter: whatever an algorithm says, the limit is 1 to 2^24 - 1", "[flow][concurrency_limiter][unit]") {
    for (double const said : {0.0, -5.0, 0.99, std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity()}) {
        concurrency_limiter l(fixed{.value = said}, {}, manual_clock());
        REQUIRE(l.limit() == 1);
    }
    concurrency_limiter large(fixed{.value = std::numeric_limits<double>::infinity()}, {}, manual_clock());
    REQUIRE(large.limit() == (1u << 24) - 1);
    concurrency_limiter part(fixed{.value = 2.999}, {}, manual_clock());
    REQUIRE(part.limit() == 2);
}

TEST_CASE("concurrency_limiter: a clock that steps back makes no samples, and loses no place", "[flow][concurrency_limiter][unit]") {
    manual_clock clock(time_point(10s));
    telling      l(each{}, {}, clock);
    auto         a = l.try_acquire();
    auto         b = l.try_acquire();
    auto         c = l.try_acquire();
    clock.set(time_point(9s));
    a.success();
    REQUIRE(l.algorithm().told.empty());
    b.drop();
    REQUIRE(l.algorithm().told.size() == 1);
    REQUIRE(l.algorithm().told[0].drop_mean == 1ns);
    clock.set(time_point(10s));
    c.success();
    REQUIRE(l.algorithm().told.back().rtt_mean == 1ns);
    REQUIRE(l.inflight() == 0);
    auto d = l.try_acquire(time_point::min());
    d.success(time_point::max());
    REQUIRE(l.algorithm().told.back().rtt_mean == sluice::duration::max());
    auto e = l.try_acquire(time_point::max());
    e.drop(time_point::min());
    REQUIRE(l.inflight() == 0);
}

TEST_CASE("concurrency_limiter: a clock that is set back for good, or one time from the far future, stops no window",
          "[flow][concurrency_limiter][unit]") {
    for (auto const wrong : {time_point(1000s), time_point::max()}) {
        CAPTURE(wrong.time_since_epoch().count());
        recording  l(recorder{.value = 4}, {.window_samples = 4, .max_window = 1s}, manual_clock());
        auto const one = [&](time_point start, time_point end) {
            auto p = l.try_acquire(start);
            p.success(end);
        };
        for (int i = 0; i < 2; ++i) one(time_point(i * 10ms), time_point(i * 10ms + 10ms));
        one(time_point(20ms), wrong);  // in the middle of a window
        for (int i = 3; i < 5; ++i) one(time_point(i * 10ms), time_point(i * 10ms + 10ms));
        std::size_t told = l.algorithm().told.size();
        REQUIRE(told == 1);
        REQUIRE(l.algorithm().told[0].samples >= 4);
        for (int i = 5; i < 25; ++i) one(time_point(i * 10ms), time_point(i * 10ms + 10ms));
        REQUIRE(l.algorithm().told.size() >= told + 4);
        REQUIRE(l.algorithm().told.back().throughput() == Approx(100));
        // As the last of a window.
        told = l.algorithm().told.size();
        for (int i = 0; l.algorithm().told.size() == told; ++i) one(time_point(1s), i % 4 == 3 ? wrong : time_point(1s + 10ms));
        for (int i = 0; i < 20; ++i) one(time_point(2s + i * 10ms), time_point(2s + i * 10ms + 10ms));
        REQUIRE(l.algorithm().told.size() >= told + 5);
        REQUIRE(l.algorithm().told.back().throughput() == Approx(100));
    }
}

namespace {

struct counting_clock {
    int*       reads;
    time_point now() const noexcept { return ++*reads, time_point(1s); }
};

}  // namespace

TEST_CASE("concurrency_limiter: a denial does not read the clock, and an ignored end neither", "[flow][concurrency_limiter][unit]") {
    int                 reads = 0;
    concurrency_limiter l(fixed{.value = 1}, {}, counting_clock{&reads});
    auto                p = l.try_acquire();
    REQUIRE(reads == 1);
    REQUIRE_FALSE(l.try_acquire());
    REQUIRE(reads == 1);
    p.ignore();
    REQUIRE(reads == 1);
}

TEST_CASE("concurrency_limiter: what an algorithm throws in reconfigure is passed on, and the limit stays",
          "[flow][concurrency_limiter][unit]") {
    struct throwing {
        double value = 3;
        double update(window_summary const&) { return value; }
        double limit() const { return value < 0 ? throw std::runtime_error("no limit") : value; }
    };
    concurrency_limiter l(throwing{}, {.max_window = 2s}, manual_clock());
    auto                p = l.try_acquire();
    REQUIRE_THROWS_AS(l.reconfigure(throwing{.value = -1}, {.max_window = 3s}), std::runtime_error);
    REQUIRE(l.limit() == 3);
    REQUIRE(l.inflight() == 1);
    REQUIRE(l.options().max_window == 2s);  // the lock is free again
    l.reconfigure(throwing{.value = 5});
    REQUIRE(l.limit() == 5);
    REQUIRE(l.options().max_window == 2s);
    p.success();
    REQUIRE(l.inflight() == 0);
}

TEST_CASE("concurrency_limiter: impossible options are refused by name", "[flow][concurrency_limiter][unit]") {
    using l = concurrency_limiter<>;
    REQUIRE_THROWS_WITH(l({.min_window = -1ns}), test::contains("concurrency_limiter: min_window"));
    REQUIRE_THROWS_WITH(l({.max_window = 0ns}), test::contains("max_window (> 0 ns) is 0"));
    REQUIRE_THROWS_WITH(l({.min_window = 2s, .max_window = 1s}), test::contains("max_window (>= min_window)"));
    l ok;
    REQUIRE_THROWS_WITH(ok.reconfigure(sluice::knee_limit(), {.max_window = 0ns}), test::contains("max_window"));
    REQUIRE(ok.options().max_window == 1s);
    REQUIRE(ok.try_acquire());
}

TEST_CASE("concurrency_limiter: random operations against a count", "[flow][concurrency_limiter][property]") {
    manual_clock        clock;
    concurrency_limiter l(sluice::aimd_limit({.initial = 5, .min_limit = 1, .max_limit = 12}), {}, clock);
    double              model = 5;
    std::vector<permit> held;
    std::vector<std::uint32_t> began;
    for (auto const key : test::keys(20'000, test::seed())) {
        clock.advance(1ms);
        if (key % 5 < 3) {
            auto       p = l.try_acquire();
            bool const room = held.size() < static_cast<std::size_t>(model);
            REQUIRE(static_cast<bool>(p) == room);
            if (p) {
                held.push_back(std::move(p));
                began.push_back(static_cast<std::uint32_t>(held.size()));
            }
        } else if (!held.empty()) {
            auto const at = static_cast<std::ptrdiff_t>(key / 8 % held.size());
            auto const n = std::max<std::uint32_t>(began[static_cast<std::size_t>(at)], static_cast<std::uint32_t>(held.size()));
            if (key % 7 == 0) {
                held[static_cast<std::size_t>(at)].drop();
                model = std::max(1.0, std::floor(model * 0.9));
            } else if (key % 7 == 1) {
                held[static_cast<std::size_t>(at)].ignore();
            } else {
                held[static_cast<std::size_t>(at)].success();
                if (2.0 * n >= model) model = std::min(12.0, model + 1);
            }
            held.erase(held.begin() + at);
            began.erase(began.begin() + at);
        }
        REQUIRE(l.inflight() == held.size());
        REQUIRE(l.limit() == static_cast<std::uint32_t>(model));
    }
}

// Where each algorithm ends behind the limiter, on a server of ten at 10 ms that is asked for as much as the limit allows.
// Those that are told of each request by itself were published over a model without delay (their own tests); here the
// effect of a change is seen only after the requests in front of it, and they swing, unless windows are asked for.
TEST_CASE("concurrency_limiter: known rest points on a saturated server of ten", "[flow][concurrency_limiter][property]") {
    auto const run = [](auto algorithm, std::uint32_t samples) {
        concurrency_limiter l(std::move(algorithm), {.window_samples = samples}, manual_clock());
        test::plant         server;
        test::watch(server, l, 30'000);
        return test::watch(server, l, 5'000);
    };
    auto const vegas = run(sluice::vegas_limit({.initial = 20}), 100);
    CHECK(vegas.least >= 5);
    CHECK(vegas.most <= 30);
    auto const gradient = run(sluice::gradient_limit(), 100);
    CHECK(gradient.mean > 15);
    CHECK(gradient.mean < 30);
    auto const gradient2 = run(sluice::gradient2_limit(), 100);
    CHECK(gradient2.least >= 60);
    auto const envoy = run(sluice::envoy_gradient_limit(), 0);
    CHECK(envoy.mean > 13);
    CHECK(envoy.mean < 20);
    auto const little = run(sluice::littles_law_limit({.initial = 4}), 0);
    CHECK(little.mean > 9);
    CHECK(little.mean < 13);
    auto const little_high = run(sluice::littles_law_limit({.initial = 40}), 0);
    CHECK(little_high.least > 25);
    auto const bbr = run(sluice::bbr_limit({.max_limit = 300}), 0);
    CHECK(bbr.least == 300);  // nothing says that there is overload
    auto const pid = run(sluice::pid_limit(), 0);
    CHECK(pid.mean > 11);
    CHECK(pid.mean < 14);
    auto const aimd = run(sluice::aimd_limit(), 0);
    CHECK(aimd.least == 200);
}

TEST_CASE("concurrency_limiter: acquire_until on a manual clock waits in virtual time", "[flow][concurrency_limiter][unit]") {
    manual_clock        clock;
    concurrency_limiter l(fixed{.value = 1}, {}, clock);
    auto                a = l.acquire_until(time_point(1s));
    REQUIRE(a);
    REQUIRE(clock.now() == time_point(0s));
    REQUIRE_FALSE(l.acquire_until(time_point(1s)));
    REQUIRE(clock.now() == time_point(1s));
    REQUIRE_FALSE(l.acquire_until(time_point(500ms)));
    REQUIRE(l.waiting() == 0);
    std::stop_source stop;
    stop.request_stop();
    REQUIRE_FALSE(l.acquire_until(time_point::max(), stop.get_token()));
    REQUIRE_FALSE(l.acquire_for(1s));
    REQUIRE(clock.now() == time_point(2s));
    a.ignore();
    REQUIRE(l.acquire_until(time_point(0s), stop.get_token()));  // there is room
    REQUIRE(l.inflight() == 0);
}

TEST_CASE("concurrency_limiter: waiters get what comes free, by an end or by a higher limit", "[flow][concurrency_limiter][stress]") {
    concurrency_limiter l(fixed{.value = 1});
    auto                first = l.try_acquire();
    std::atomic<int>    got{0};
    test::run_threads(4, [&](std::size_t i) {
        if (i == 0) {
            while (l.waiting() < 3) std::this_thread::yield();
            first.success();
            return;
        }
        auto p = l.acquire_until(time_point::max());
        if (p) ++got;
        p.success();
    });
    REQUIRE(got == 3);
    first = l.try_acquire();
    std::atomic<int> holding{0};
    test::run_threads(4, [&](std::size_t i) {
        if (i == 0) {
            while (l.waiting() < 3) std::this_thread::yield();
            l.reconfigure(fixed{.value = 4});
            return;
        }
        auto p = l.acquire_until(time_point::max());
        ++holding;
        while (holding < 3) std::this_thread::yield();  // all at once
    });
    REQUIRE(l.inflight() == 1);
    REQUIRE(l.waiting() == 0);
    first.success();
}

TEST_CASE("concurrency_limiter: a stop ends the wait", "[flow][concurrency_limiter][stress]") {
    concurrency_limiter l(fixed{.value = 1});
    auto                held = l.try_acquire();
    std::stop_source    stop;
    std::atomic<int>    refused{0};
    test::run_threads(3, [&](std::size_t i) {
        if (i == 0) {
            while (l.waiting() < 2) std::this_thread::yield();
            stop.request_stop();
            return;
        }
        auto const p = l.acquire_until(time_point::max(), stop.get_token());
        if (!p && p.why().kind == verdict_kind::wait) ++refused;
    });
    REQUIRE(refused == 2);
    REQUIRE(l.waiting() == 0);
    REQUIRE(l.inflight() == 1);
}

TEST_CASE("concurrency_limiter: no place is lost when waiters give up as they are called", "[flow][concurrency_limiter][stress]") {
    concurrency_limiter l(fixed{.value = 3});
    std::atomic<int>    inside{0}, most{0}, admitted{0};
    test::run_threads(6, [&](std::size_t i) {
        for (std::uint64_t k = 0; k < 1'000 * test::stress_factor(); ++k) {
            auto p = l.acquire_for(sluice::duration(static_cast<std::int64_t>((k * 7 + i) % 30) * 1000));
            if (!p) continue;
            int const n = ++inside;
            int       seen = most;
            while (seen < n && !most.compare_exchange_weak(seen, n)) {}
            ++admitted;
            if (k % 4 == 0) std::this_thread::yield();
            --inside;
            p.success();
        }
    });
    REQUIRE(most <= 3);
    REQUIRE(admitted > 0);
    REQUIRE(l.inflight() == 0);
    REQUIRE(l.waiting() == 0);
    std::vector<permit> all;
    for (int i = 0; i < 3; ++i) all.push_back(l.try_acquire());
    for (auto const& p : all) REQUIRE(p);
}

TEST_CASE("concurrency_limiter: many threads, a restless limit: never above it, nothing lost", "[flow][concurrency_limiter][stress]") {
    concurrency_limiter        l(restless{}, {}, sluice::steady_clock());
    std::atomic<int>           inside{0}, most{0};
    std::atomic<std::uint64_t> ended{0};
    test::run_threads(8, [&](std::size_t i) {
        for (std::uint64_t k = 0; k < 3'000 * test::stress_factor(); ++k) {
            auto p = l.try_acquire();
            if (!p) continue;
            int const n = ++inside;
            int       seen = most;
            while (seen < n && !most.compare_exchange_weak(seen, n)) {}
            --inside;
            switch ((k + i) % 4) {
            case 0: p.drop(); ++ended; break;
            case 1: p.ignore(); break;
            default: p.success(); ++ended; break;
            }
        }
    });
    REQUIRE(most <= 6);
    REQUIRE(l.inflight() == 0);
    // What still waits for the lock is told with the next one.
    auto p = l.try_acquire();
    p.success();
    REQUIRE(l.algorithm().n + l.missed() == ended + 1);
}

TEST_CASE("concurrency_limiter: reconfigure while in use", "[flow][concurrency_limiter][stress]") {
    concurrency_limiter<sluice::knee_limit> l(sluice::knee_limit({.initial = 8}), {.window_samples = 4});
    std::atomic<bool>   over{false};
    test::run_threads(5, [&](std::size_t i) {
        if (i == 0) {
            for (std::uint32_t k = 0; k < 100 * test::stress_factor(); ++k) {
                l.reconfigure(sluice::knee_limit({.initial = 1 + k % 9, .seed = k}), {.window_samples = 1 + k % 5});
                (void)l.algorithm().baseline();
                if (k % 16 == 0) std::this_thread::yield();
            }
            over = true;
            return;
        }
        while (!over) {
            auto p = i % 2 == 0 ? l.try_acquire() : l.acquire_for(20us);
            if (p && i == 1) p.drop();
            p.success();
        }
    });
    REQUIRE(l.inflight() == 0);
    REQUIRE(l.waiting() == 0);
    REQUIRE(l.limit() >= 1);
}

TEST_CASE("concurrency_limiter: a hundred threads never exceed ten", "[flow][concurrency_limiter][stress]") {
    concurrency_limiter l(fixed{.value = 10});
    std::atomic<int>    inside{0}, most{0};
    test::run_threads(100, [&](std::size_t) {
        for (int k = 0; k < 50; ++k) {
            auto p = l.try_acquire();
            if (!p) continue;
            int const n = ++inside;
            int       seen = most;
            while (seen < n && !most.compare_exchange_weak(seen, n)) {}
            std::this_thread::yield();
            --inside;
        }
    });
    REQUIRE(most <= 10);
    REQUIRE(most > 0);
    REQUIRE(l.inflight() == 0);
}
