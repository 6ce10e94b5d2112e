// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/load_level.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <limits>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using sluice::load_edge;
using sluice::load_gauge;
using sluice::load_level;
using sluice::manual_clock;
using sluice::time_point;
using enum sluice::load_level;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

struct detached {
    struct promise_type {
        detached            get_return_object() { return {}; }
        std::suspend_never  initial_suspend() noexcept { return {}; }
        std::suspend_never  final_suspend() noexcept { return {}; }
        void                return_void() {}
        [[noreturn]] void   unhandled_exception() { std::terminate(); }
    };
};

/// What happens while a thread sleeps on it is the test's affair.
struct scripted_clock {
    sluice::unique_function<void()>* asleep;
    time_point now() const noexcept { return time_point{}; }
};
struct scripted_sleeper {
    sluice::unique_function<void()>* asleep;
    bool sleep_until(time_point, std::stop_token) {
        (*asleep)();
        return true;
    }
};
scripted_sleeper default_sleeper(scripted_clock const& c) { return {c.asleep}; }

template <class Gauge>
detached note_when_below(Gauge& gauge, load_level level, int& count) {
    co_await gauge.below(level);
    ++count;
}

}  // namespace

static_assert(!std::is_copy_constructible_v<load_gauge<>>);
static_assert(green < yellow && yellow < red && red < black);
static_assert(noexcept(std::declval<load_gauge<> const&>().level()));

TEST_CASE("load_gauge: a level begins above its threshold", "[flow][load_level][unit]") {
    struct row {
        double     fraction;
        load_level from_green;
        load_level from_black;
    };
    for (auto const& r : {row{0, green, green},      {0.5, green, green},    {0.51, green, yellow}, {0.6, green, yellow},
                          {0.61, yellow, yellow},    {0.7, yellow, yellow},  {0.71, yellow, red},   {0.8, yellow, red},
                          {0.81, red, black},        {0.9, red, black},      {0.91, black, black},  {1, black, black},
                          {1e300, black, black},     {infinity, black, black}, {-1, green, green},  {-infinity, green,
                                  green},
                          {-0.0, green, green},      {no_number, green, black}}) {
        CAPTURE(r.fraction);
        load_gauge low, high;
        REQUIRE(high.update(1.0) == black);
        REQUIRE(low.update(r.fraction) == r.from_green);
        REQUIRE(low.level() == r.from_green);
        REQUIRE(high.update(r.fraction) == r.from_black);
        REQUIRE(high.level() == r.from_black);
    }
}

TEST_CASE("load_gauge: counts and delays are fractions", "[flow][load_level][unit]") {
    load_gauge g({}, manual_clock{});
    REQUIRE(g.update(60, 100) == green);
    REQUIRE(g.update(61, 100) == yellow);
    REQUIRE(g.update(90, 100) == red);
    REQUIRE(g.update(91, 100) == black);
    REQUIRE(g.update(80, 100) == red);
    REQUIRE(g.update(70, 100) == yellow);
    REQUIRE(g.update(50, 100) == green);
    REQUIRE(g.update(UINT64_MAX, UINT64_MAX) == black);
    REQUIRE(g.update(0, 0) == green);
    REQUIRE(g.update(1, 0) == black);
    REQUIRE(g.update(3ms, 5ms) == yellow);  // 60 %: yellow does not begin here, but ends lower
    REQUIRE(g.update(-1s, 5ms) == green);
    REQUIRE(g.update(4001us, 5ms) == red);
    REQUIRE(g.update(1ns, 0ns) == black);
    REQUIRE(g.update(0ns, 0ns) == green);
    REQUIRE(g.update(sluice::duration::max(), 1ns) == black);
    REQUIRE(g.update(sluice::duration::min(), 1ns) == green);
}

TEST_CASE("load_gauge: without hysteresis a level ends where it begins", "[flow][load_level][unit]") {
    load_gauge g({.hysteresis = 0});
    REQUIRE(g.update(0.61) == yellow);
    REQUIRE(g.update(0.6) == green);
    REQUIRE(g.update(0.95) == black);
    REQUIRE(g.update(0.9) == red);
    load_gauge tenths({.yellow = 0.3, .red = 0.5, .black = 0.7, .hysteresis = 0.1});
    for (auto const& [enter, leave, below] : {std::tuple{0.31, 0.2, green}, {0.51, 0.4, yellow}, {0.71, 0.6, red}}) {
        (void)tenths.update(enter);
        REQUIRE(tenths.level() > below);
        REQUIRE(tenths.update(leave) == below);
    }
    load_gauge tiny({.yellow = 1e-13, .red = 2e-13, .black = 3e-13, .hysteresis = 0});
    REQUIRE(tiny.update(1.5e-13) == yellow);
    REQUIRE(tiny.update(1e-13) == green);
}

TEST_CASE("load_gauge: thresholds that cannot work are refused by name", "[flow][load_level][unit]") {
    REQUIRE_THROWS_WITH(load_gauge({.yellow = 0}), test::contains("yellow (> 0) is 0"));
    REQUIRE_THROWS_WITH(load_gauge({.yellow = no_number}), test::contains("yellow (> 0) is nan"));
    REQUIRE_THROWS_WITH(load_gauge({.yellow = -infinity}), test::contains("yellow"));
    REQUIRE_THROWS_WITH(load_gauge({.red = 0.6}), test::contains("red (> yellow) is 0.6"));
    REQUIRE_THROWS_WITH(load_gauge({.red = no_number}), test::contains("red"));
    REQUIRE_THROWS_WITH(load_gauge({.black = infinity}), test::contains("black (> red) is inf"));
    REQUIRE_THROWS_WITH(load_gauge({.hysteresis = -0.1}), test::contains("hysteresis"));
    REQUIRE_THROWS_WITH(load_gauge({.hysteresis = 0.6}), test::contains("hysteresis"));
    REQUIRE_THROWS_AS(load_gauge({.hysteresis = no_number}), std::invalid_argument);
    load_gauge g;
    REQUIRE_THROWS_AS(g.when_below(green, [] {}), std::invalid_argument);
    REQUIRE_THROWS_AS(g.wait_below(green), std::invalid_argument);
    REQUIRE_THROWS_AS(g.below(green), std::invalid_argument);
}

TEST_CASE("load_gauge: every edge is told once, in order, to all who were there", "[flow][load_level][unit]") {
    manual_clock           clock;
    load_gauge             g({}, clock);
    std::vector<load_edge> seen, late;
    g.on_edge([&](load_edge const& e) {
        REQUIRE(g.level() == e.to);  // the state is set first
        seen.push_back(e);
    });
    clock.advance(1s);
    (void)g.update(0.7);
    (void)g.update(0.75);
    g.on_edge([&](load_edge const& e) { late.push_back(e); });
    clock.advance(1s);
    (void)g.update(0.95);
    (void)g.update(0.1, time_point(500ms));  // a clock that stepped back is what the listeners are told
    REQUIRE(seen == std::vector<load_edge>{{green, yellow, 0.7, time_point(1s)},
                                           {yellow, black, 0.95, time_point(2s)},
                                           {black, green, 0.1, time_point(500ms)}});
    REQUIRE(late == std::vector<load_edge>(seen.begin() + 1, seen.end()));
}

TEST_CASE("load_gauge: note leaves the callbacks to deliver", "[flow][load_level][unit]") {
    load_gauge g({}, manual_clock{});
    int        edges = 0, below = 0;
    g.on_edge([&](load_edge const&) { ++edges; });
    REQUIRE(g.note(0.95, {}) == black);
    g.when_below(red, [&] { ++below; });
    REQUIRE(g.note(0.1, {}) == green);
    REQUIRE((edges == 0 && below == 0));
    g.deliver();
    REQUIRE((edges == 2 && below == 1));
    g.deliver();
    REQUIRE((edges == 2 && below == 1));
}

TEST_CASE("load_gauge: an edge is told to those who were there when it happened", "[flow][load_level][unit]") {
    load_gauge g({}, manual_clock{});
    int        first = 0, second = 0;
    g.on_edge([&](load_edge const&) { ++first; });
    (void)g.note(0.95, {});
    g.on_edge([&](load_edge const&) { ++second; });
    (void)g.note(0.1, {});
    g.deliver();
    REQUIRE((first == 2 && second == 1));
}

TEST_CASE("load_gauge: behind a slow callback the number of waiting edges is bounded", "[flow][load_level][unit]") {
    load_gauge             g({}, manual_clock{});
    std::vector<load_edge> seen, later;
    std::vector<int>       below;
    auto const             chain = [](std::vector<load_edge> const& edges, load_level from) {
        for (auto const& e : edges) {
            REQUIRE(e.from == from);
            REQUIRE(e.from != e.to);
            from = e.to;
        }
        return from;
    };
    g.on_edge([&](load_edge const& e) { seen.push_back(e); });
    for (int i = 0; i < 1'000; ++i) {
        (void)g.note(1.0, time_point(sluice::duration(i)));
        if (i % 100 == 50) g.when_below(red, [&below, i] { below.push_back(i); });
        (void)g.note(0.0, time_point(sluice::duration(i)));
    }
    (void)g.note(0.7, time_point(2s));
    g.on_edge([&](load_edge const& e) { later.push_back(e); });
    (void)g.note(1.0, time_point(3s));
    g.deliver();
    REQUIRE(seen.size() <= 66);
    REQUIRE(chain(seen, green) == black);
    REQUIRE(seen[0] == load_edge{green, black, 1.0, time_point{}});
    REQUIRE(seen.back() == load_edge{yellow, black, 1.0, time_point(3s)});
    REQUIRE(seen[seen.size() - 2].at == time_point(2s));  // the newest of those that were joined
    REQUIRE(later == std::vector{seen.back()});           // not told of what was before
    REQUIRE(below == std::vector{50, 150, 250, 350, 450, 550, 650, 750, 850, 950});

    // Where the joined changes lead back nothing is told, but who waited is called.
    load_gauge same({}, manual_clock{});
    int        n = 0;
    seen.clear();
    same.on_edge([&](load_edge const& e) { seen.push_back(e); });
    for (int i = 0; i < 64; ++i) (void)same.note(i % 2 == 0 ? 1.0 : 0.0, {});
    for (int i = 0; i < 3; ++i) (void)same.note(i % 2 == 0 ? 1.0 : 0.0, {});  // the last of 64 and these: black to black
    same.when_below(black, [&] { ++n; });
    (void)same.note(0.0, {});
    (void)same.note(1.0, {});
    same.deliver();
    REQUIRE(seen.size() == 63);
    REQUIRE(chain(seen, green) == black);
    REQUIRE(same.level() == black);
    REQUIRE(n == 1);
    (void)same.update(0.0);
    REQUIRE(seen.size() == 64);
    REQUIRE(chain(seen, green) == green);
}

TEST_CASE("load_gauge: a cancelled callback is destroyed without a lock held", "[flow][load_level][unit]") {
    load_gauge g({}, manual_clock{});
    (void)g.update(1.0);
    struct asks {
        load_gauge<manual_clock>* gauge;
        int*                      count;
        ~asks() { *count += gauge->cancel(99) ? 0 : 1; }
    };
    int        count = 0;
    auto       held = std::make_unique<asks>(asks{&g, &count});
    count = 0;
    auto const ticket = g.when_below(red, [held = std::move(held)] {});
    REQUIRE(g.cancel(ticket));
    REQUIRE(count == 1);
    g.when_below(red, [other = std::make_shared<asks>(asks{&g, &count})] {});
    count = 0;
    (void)g.update(0.0);
    REQUIRE(count == 1);
}

TEST_CASE("load_gauge: a callback may change the level; that edge comes after the present one", "[flow][load_level][unit]") {
    load_gauge              g({}, manual_clock{});
    std::vector<load_level> first, second;
    g.on_edge([&](load_edge const& e) {
        first.push_back(e.to);
        if (e.to == black) (void)g.update(0.0);
    });
    g.on_edge([&](load_edge const& e) { second.push_back(e.to); });
    (void)g.update(1.0);
    REQUIRE(first == std::vector{black, green});
    REQUIRE(second == std::vector{black, green});
}

TEST_CASE("load_gauge: what a callback throws leaves update when all is told", "[flow][load_level][unit]") {
    load_gauge g({}, manual_clock{});
    int        after = 0, below = 0;
    g.on_edge([](load_edge const& e) { throw std::runtime_error(e.to == green ? "green" : "other"); });
    g.on_edge([&](load_edge const&) { ++after; });
    REQUIRE_THROWS_WITH(g.update(1.0), test::contains("other"));
    REQUIRE(g.level() == black);
    REQUIRE(after == 1);
    g.when_below(red, [&] { ++below; });
    (void)g.note(0.7, {});
    (void)g.note(0.0, {});
    REQUIRE_THROWS_WITH(g.deliver(), test::contains("other"));  // the first of two
    REQUIRE((after == 3 && below == 1));
    REQUIRE_NOTHROW(g.deliver());
    REQUIRE_THROWS_AS(g.when_below(red, [] { throw 1; }), int);  // at once: the caller's
}

TEST_CASE("load_gauge: when_below runs once, at once or on the way down", "[flow][load_level][unit]") {
    load_gauge g({}, manual_clock{});
    int        n = 0;
    REQUIRE(g.when_below(yellow, [&] { ++n; }) == 0);
    REQUIRE(n == 1);
    (void)g.update(1.0);
    auto const a = g.when_below(black, [&] { n += 10; });
    auto const b = g.when_below(yellow, [&] { n += 100; });
    auto const c = g.when_below(black, [&] { n += 1000; });
    REQUIRE((a != 0 && b != 0 && c != 0 && a != b && b != c));
    REQUIRE(g.cancel(a));
    REQUIRE_FALSE(g.cancel(a));
    REQUIRE_FALSE(g.cancel(0));
    (void)g.update(0.79);
    REQUIRE(n == 1001);
    REQUIRE_FALSE(g.cancel(c));
    (void)g.update(1.0);
    (void)g.update(0.0);
    REQUIRE(n == 1101);
    (void)g.update(1.0);
    (void)g.update(0.0);
    REQUIRE(n == 1101);
}

TEST_CASE("load_gauge: callbacks that never ran are destroyed with it", "[flow][load_level][unit]") {
    auto alive = std::make_shared<int>(0);
    {
        load_gauge g;
        (void)g.update(1.0);
        g.when_below(red, [alive] { ++*alive; });
        g.on_edge([alive](load_edge const&) {});
        REQUIRE(alive.use_count() == 3);
        auto const ticket = g.when_below(red, [alive] {});
        REQUIRE(g.cancel(ticket));
        REQUIRE(alive.use_count() == 3);
    }
    REQUIRE(alive.use_count() == 1);
    REQUIRE(*alive == 0);
}

TEST_CASE("load_gauge: a coroutine awaits a lower level", "[flow][load_level][unit]") {
    load_gauge g({}, manual_clock{});
    int        n = 0;
    note_when_below(g, red, n);
    REQUIRE(n == 1);
    (void)g.update(1.0);
    note_when_below(g, red, n);
    note_when_below(g, yellow, n);
    REQUIRE(n == 1);
    (void)g.update(0.79);
    REQUIRE(n == 1);
    (void)g.update(0.7);
    REQUIRE(n == 2);
    (void)g.update(0.5);
    REQUIRE(n == 3);
}

TEST_CASE("load_gauge: wait_below ends by level, time or stop", "[flow][load_level][unit]") {
    manual_clock clock;
    load_gauge   g({}, clock);
    REQUIRE(g.wait_below(yellow, time_point::min()));
    (void)g.update(1.0);
    REQUIRE_FALSE(g.wait_below(black, clock.now()));
    REQUIRE_FALSE(g.wait_below(black, clock.now() + 5s));
    REQUIRE(clock.now() == time_point(5s));  // waited in virtual time
    std::stop_source stopped;
    stopped.request_stop();
    REQUIRE_FALSE(g.wait_below(black, time_point::max(), stopped.get_token()));
    load_gauge steady;
    (void)steady.update(1.0);
    REQUIRE_FALSE(steady.wait_below(black, sluice::steady_clock{}.now() + 1ms));
}

TEST_CASE("load_gauge: a fall just as the time ends is seen", "[flow][load_level][unit]") {
    sluice::unique_function<void()> asleep;
    load_gauge                      g({}, scripted_clock{&asleep});
    (void)g.update(1.0);
    asleep = [&] { (void)g.update(0.0); };
    REQUIRE(g.wait_below(red, time_point(5s)));
}

TEST_CASE("load_gauge: a stop ends a wait without a deadline", "[flow][load_level][stress]") {
    load_gauge        g;
    std::stop_source  stop;
    std::atomic<bool> begun{false}, below{true};
    (void)g.update(1.0);
    test::run_threads(2, [&](std::size_t i) {
        if (i == 0) {
            begun = true;
            below = g.wait_below(red, time_point::max(), stop.get_token());
        } else {
            (void)test::eventually([&] { return begun.load(); });
            stop.request_stop();
        }
    });
    REQUIRE_FALSE(below.load());
}

TEST_CASE("load_gauge: threads that wait are woken by the fall, and by a stop", "[flow][load_level][stress]") {
    load_gauge            g;
    std::stop_source      stop;
    std::atomic<unsigned> below{0}, stopped{0}, woken{0};
    (void)g.update(1.0);
    test::run_threads(4, [&](std::size_t i) {
        if (i == 3) {
            (void)g.update(0.8);
            (void)test::eventually([&] { return woken.load() == 1; });
            stop.request_stop();
            (void)test::eventually([&] { return stopped.load() == 1; });
            (void)g.update(0.0);
            return;
        }
        auto const level = i == 0 ? black : yellow;
        auto const token = i == 1 ? stop.get_token() : std::stop_token{};
        auto const until = i == 0 ? time_point::max() : sluice::steady_clock{}.now() + std::chrono::hours(2);
        if (g.wait_below(level, until, token)) {
            below.fetch_add(1);
            if (i == 0) woken.fetch_add(1);
        } else {
            stopped.fetch_add(1);
        }
    });
    REQUIRE(below.load() == 2);
    REQUIRE(stopped.load() == 1);
}

TEST_CASE("load_gauge: many threads, and still a chain of edges", "[flow][load_level][stress]") {
    load_gauge             g;
    std::vector<load_edge> seen;  // edges come one at a time: no lock of our own
    std::atomic<unsigned>  once{0};
    std::atomic<unsigned>  asked_total{0};
    g.on_edge([&](load_edge const& e) { seen.push_back(e); });
    auto const rounds = 500 * test::stress_factor();
    test::run_threads(4, [&](std::size_t i) {
        load_level const target = static_cast<load_level>(1 + i % 3);
        for (std::uint64_t k = 0; k < rounds; ++k) {
            (void)g.update(static_cast<double>((k * 7 + i * 3) % 11) / 10);
            if (k % 8 == 0) {
                g.when_below(target, [&] { once.fetch_add(1); });
                asked_total.fetch_add(1);
            }
        }
    });
    (void)g.update(0.0);
    g.deliver();
    REQUIRE(once.load() == asked_total.load());
    REQUIRE_FALSE(seen.empty());
    load_level level = green;
    for (auto const& e : seen) {
        REQUIRE(e.from == level);
        REQUIRE(e.to != e.from);
        level = e.to;
    }
    REQUIRE(level == g.level());
}

TEST_CASE("load_gauge: it follows a model over random measurements", "[flow][load_level][property]") {
    load_gauge g({}, manual_clock{});
    int        level = 0;  // in per cent, by the table
    for (auto const key : test::keys(20'000, test::seed())) {
        int const percent = static_cast<int>(key % 110);
        int const begins = percent > 90 ? 3 : percent > 80 ? 2 : percent > 60 ? 1 : 0;
        int const holds = percent > 80 ? 3 : percent > 70 ? 2 : percent > 50 ? 1 : 0;
        level = std::max(begins, std::min(level, holds));
        REQUIRE(static_cast<int>(g.update(static_cast<std::uint64_t>(percent), 100)) == level);
    }
}
