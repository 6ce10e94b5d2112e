// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/load_shedder.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <deque>
#include <limits>
#include <utility>
#include <vector>

#include <sluice/core/unique_function.hpp>

using namespace std::chrono_literals;
using sluice::graded_shedder;
using sluice::level_history;
using sluice::load_shedder;
using sluice::load_shedder_options;
using sluice::manual_clock;
using sluice::time_point;
using sluice::upstream_filter;
using enum sluice::load_level;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

using shedder = load_shedder<manual_clock>;

/// Does something between one step of a call and the next: after the second fetch_add of a number of 32 bits.
sluice::unique_function<void()> after_adding;
int                             added = 0;
template <class T>
struct hooked : std::atomic<T> {
    using std::atomic<T>::atomic;
    T fetch_add(T n, std::memory_order order) noexcept {
        T const before = std::atomic<T>::fetch_add(n, order);
        if (sizeof(T) == 4 && after_adding && ++added == 2) std::exchange(after_adding, nullptr)();
        return before;
    }
};

/// One window of requests, each cohort `each` times, with a queueing time; ends it.
void window(shedder& s, manual_clock& clock, std::uint32_t each, sluice::duration waited) {
    for (std::uint32_t c = 0; c < s.cohorts(); ++c)
        for (std::uint32_t i = 0; i < each; ++i) (void)s.try_admit(c);
    clock.advance(1s);
    s.note_queueing(waited);
}

}  // namespace

TEST_CASE("cohort_of: priorities first, then 128 user levels that change every hour", "[flow][load_shedder][unit]") {
    using sluice::cohort_of;
    STATIC_REQUIRE(cohort_of(0, 0u) == 0);
    STATIC_REQUIRE(cohort_of(1, 0u) == 128);
    STATIC_REQUIRE(cohort_of(3, 127u) == 511);
    STATIC_REQUIRE(cohort_of(3, 128u) == 511);
    STATIC_REQUIRE(cohort_of(UINT32_MAX, UINT32_MAX) == (1u << 31) - 1);
    std::vector<int> count(128);
    int              same = 0;
    for (auto const key : test::keys(12'800, test::seed())) {
        auto const level = sluice::user_level(key, time_point(30min));
        REQUIRE(level < 128);
        REQUIRE(level == sluice::user_level(key, time_point(59min)));
        ++count[level];
        same += level == sluice::user_level(key, time_point(61min)) ? 1 : 0;
    }
    REQUIRE(*std::min_element(count.begin(), count.end()) > 50);
    REQUIRE(*std::max_element(count.begin(), count.end()) < 160);
    REQUIRE(same < 300);
    STATIC_REQUIRE(sluice::user_level(5, time_point(-1ns)) == sluice::user_level(5, time_point(-1h)));
}

TEST_CASE("load_shedder: overload takes 5 % of what was admitted, its absence gives 1 % back",
          "[flow][load_shedder][unit]") {
    manual_clock clock;
    shedder      s({.priorities = 5, .window_requests = 1'000'000}, clock);
    REQUIRE(s.cohorts() == 640);
    REQUIRE(s.threshold() == 640);
    window(s, clock, 2, 20ms);  // the first call only begins a window
    REQUIRE(s.threshold() == 640);
    window(s, clock, 2, 20ms);  // exactly the target is no overload
    REQUIRE(s.threshold() == 640);
    window(s, clock, 2, 20ms + 1ns);
    REQUIRE(s.threshold() == 608);  // 1280 · .95 = 1216 in 608 cohorts
    window(s, clock, 2, 30ms);
    REQUIRE(s.threshold() == 577);  // 1216 · .95 = 1155.2, in whole cohorts 1154
    REQUIRE(s.admits(576));
    REQUIRE_FALSE(s.admits(577));
    REQUIRE_FALSE(s.try_admit(640'000));  // beyond the last counts as the last
    window(s, clock, 2, 1ms);
    REQUIRE(s.threshold() == 583);  // 1154 · 1.01 = 1165.5 needs 583 cohorts
}

TEST_CASE("load_shedder: the histogram says how far", "[flow][load_shedder][unit]") {
    load_shedder_options const o{.priorities = 1};
    std::vector<std::uint32_t> came(128);
    came[0] = 900;
    came[100] = 60;
    came[101] = 40;
    auto const next = [&](std::uint32_t threshold, bool overload) { return shedder::next(threshold, came, overload, o); };
    REQUIRE(next(128, true) == 100);  // 1000 · .95: without 101 still 960
    REQUIRE(next(102, true) == 100);
    REQUIRE(next(101, true) == 100);  // 960 · .95 = 912
    REQUIRE(next(100, true) == 1);    // only cohort 0 is left, and that stays
    REQUIRE(next(1, true) == 1);
    REQUIRE(next(100, false) == 101);
    REQUIRE(next(101, false) == 102);
    REQUIRE(next(102, false) == 110);  // nobody came from there: a sixteenth of all cohorts
    REQUIRE(next(1, false) == 9);
    REQUIRE(next(127, false) == 128);
    REQUIRE(next(128, false) == 128);
    came.assign(128, 0);
    REQUIRE(next(1, false) == 9);  // nothing came at all: it opens nevertheless
    REQUIRE(next(50, true) == 50);
    came[1] = 5;
    REQUIRE(next(1, false) == 2);  // nothing was admitted: 1 % more is one cohort
}

TEST_CASE("load_shedder: a window ends by time or by number", "[flow][load_shedder][unit]") {
    manual_clock clock;
    shedder      s({.priorities = 1, .window = 1s, .window_requests = 256}, clock);
    for (std::uint32_t i = 0; i < 255; ++i) (void)s.try_admit(i % 128);
    s.note_queueing(50ms);
    s.note_queueing(-5ms);  // counts as 0
    REQUIRE(s.threshold() == 128);
    (void)s.try_admit(127);
    REQUIRE(s.threshold() < 128);
    auto const after_number = s.threshold();
    for (std::uint32_t i = 0; i < 100; ++i) (void)s.try_admit(i);
    s.note_queueing(sluice::duration::max());
    clock.advance(1s - 1ns);
    (void)s.try_admit(0);
    REQUIRE(s.threshold() == after_number);
    clock.advance(1ns);
    (void)s.try_admit(0);
    REQUIRE(s.threshold() < after_number);
    auto const after_time = s.threshold();
    clock.advance(-10h);  // a clock that steps back ends nothing
    s.note_queueing(1h);
    (void)s.try_admit(0);
    REQUIRE(s.threshold() == after_time);
    for (std::uint32_t i = 0; i < 256; ++i) (void)s.try_admit(i % 128);
    REQUIRE(s.threshold() < after_time);  // the number still does
}

TEST_CASE("load_shedder: a clock that was ahead costs one window of requests", "[flow][load_shedder][unit]") {
    manual_clock clock;
    shedder      s({.priorities = 1, .window = 1s, .window_requests = 256}, clock);
    (void)s.try_admit(0, time_point::max());
    clock.advance(1h);
    for (std::uint32_t i = 0; i < 254; ++i) (void)s.try_admit(i % 128);
    s.note_queueing(1h);
    REQUIRE(s.threshold() == 128);  // no window ends by time
    (void)s.try_admit(127);
    auto const after_number = s.threshold();
    REQUIRE(after_number < 128);
    for (std::uint32_t i = 0; i < 100; ++i) (void)s.try_admit(i);
    clock.advance(1s);
    s.note_queueing(1h);
    REQUIRE(s.threshold() < after_number);  // and again one does

    // Behind by a window or less is only a thread that was slow: the begin stays.
    shedder late({.priorities = 1, .window = 1s, .window_requests = 256}, clock);
    (void)late.try_admit(0, time_point(10s));
    for (std::uint32_t i = 0; i < 255; ++i) (void)late.try_admit(i % 128, time_point(9s));
    auto const ended = late.threshold();
    for (std::uint32_t i = 0; i < 100; ++i) (void)late.try_admit(i, time_point(9s));
    late.note_queueing(1h, time_point(11s - 1ns));
    REQUIRE(late.threshold() == ended);
    late.note_queueing(1h, time_point(11s));
    REQUIRE(late.threshold() < ended);
    shedder first({.priorities = 1, .window_requests = 1}, clock);
    (void)first.try_admit(5, time_point::min());
    first.note_queueing(1h, time_point::min());
    (void)first.try_admit(5, time_point::min());
    REQUIRE(first.threshold() < 128);
}

TEST_CASE("load_shedder: next takes any threshold", "[flow][load_shedder][unit]") {
    std::vector<std::uint32_t> const came(128, 10);
    REQUIRE(shedder::next(UINT32_MAX, came, false, {}) == 128);
    REQUIRE(shedder::next(UINT32_MAX, came, true, {}) == shedder::next(128, came, true, {}));
    REQUIRE(shedder::next(0, came, true, {}) == 0);
    REQUIRE(shedder::next(7, {}, false, {}) == 0);
    REQUIRE(shedder::next(7, {}, true, {}) == 0);
}

TEST_CASE("load_shedder: the mean is exact, however long somebody waited", "[flow][load_shedder][unit]") {
    auto const threshold = [](std::vector<sluice::duration> const& waits) {
        manual_clock clock;
        shedder      s({.priorities = 1, .window_requests = 1'000}, clock);
        for (std::uint32_t i = 0; i < 100; ++i) (void)s.try_admit(i);
        for (auto const w : waits) s.note_queueing(w);
        clock.advance(1s);
        (void)s.try_admit(0);
        return s.threshold();
    };
    REQUIRE(threshold({20ms, 20ms}) == 128);
    REQUIRE(threshold({20ms, 20ms + 1ns}) < 128);
    REQUIRE(threshold({19ms, 21ms + 1ns, 20ms - 1ns}) == 128);
    REQUIRE(threshold({-1h, 40ms}) == 128);
    REQUIRE(threshold({sluice::duration::max(), sluice::duration::max(), 3ns}) < 128);
}

TEST_CASE("load_shedder: of two who see a window's end one ends it", "[flow][load_shedder][unit]") {
    load_shedder<manual_clock, hooked> s({.priorities = 1, .window_requests = 2}, manual_clock{});
    (void)s.try_admit(7);
    s.note_queueing(1h);
    after_adding = [&] { (void)s.try_admit(6); };  // while the second request has been counted and has not looked further
    added = 0;
    (void)s.try_admit(5);
    REQUIRE_FALSE(after_adding);
    REQUIRE(s.threshold() == 7);  // once less; a window without samples would have raised it again
}

TEST_CASE("load_shedder: without samples there is no overload, and the threshold recovers", "[flow][load_shedder][unit]") {
    manual_clock clock;
    shedder      s({.priorities = 5, .window_requests = 1'000'000}, clock);
    for (int i = 0; i < 300; ++i) window(s, clock, 1, 1s);
    REQUIRE(s.threshold() == 1);
    REQUIRE(s.try_admit(0));
    REQUIRE_FALSE(s.try_admit(1));
    for (int i = 0; i < 20; ++i) {  // nobody comes
        clock.advance(1s);
        (void)s.try_admit(0);
    }
    REQUIRE(s.threshold() == 640);
}

TEST_CASE("load_shedder: what cannot work is refused by name", "[flow][load_shedder][unit]") {
    REQUIRE_THROWS_WITH(load_shedder({.priorities = 0}), test::contains("priorities (1 to 4096) is 0"));
    REQUIRE_THROWS_WITH(load_shedder({.priorities = 4097}), test::contains("is 4097"));
    REQUIRE_THROWS_WITH(load_shedder({.window = 0s}), test::contains("window (> 0 ns)"));
    REQUIRE_THROWS_WITH(load_shedder({.window_requests = 0}), test::contains("window_requests"));
    REQUIRE_THROWS_WITH(load_shedder({.target = -1ns}), test::contains("target (> 0 ns) is -1"));
    for (double const bad : {0.0, 1.0, -0.1, infinity, no_number}) {
        REQUIRE_THROWS_WITH(load_shedder({.decrease = bad}), test::contains("decrease"));
        REQUIRE_THROWS_WITH(load_shedder({.increase = bad}), test::contains("increase"));
    }
    REQUIRE_THROWS_WITH(load_shedder({.max_rise = 0}), test::contains("max_rise"));
    REQUIRE_THROWS_WITH(load_shedder({.max_rise = no_number}), test::contains("max_rise"));
    REQUIRE_THROWS_WITH(upstream_filter({.memory = 0s}), test::contains("memory (> 0 ns)"));
    REQUIRE_THROWS_WITH(upstream_filter({.priorities = 0}), test::contains("priorities"));
    REQUIRE_THROWS_WITH(level_history(0), test::contains("levels (> 0)"));
    REQUIRE_THROWS_WITH(level_history(5, 0), test::contains("window (> 0)"));
    REQUIRE_THROWS_WITH(graded_shedder({.refused = {}}), test::contains("no row"));
    REQUIRE_THROWS_WITH(graded_shedder({.refused = {{0, 0.5, 0.4, 1}}}), test::contains("rising in [0, 1]) is 0.4"));
    REQUIRE_THROWS_AS(graded_shedder({.refused = {{0, 0, 0, 1.1}}}), std::invalid_argument);
    REQUIRE_THROWS_AS(graded_shedder({.refused = {{0, no_number, 0, 1}}}), std::invalid_argument);
    REQUIRE_THROWS_AS(graded_shedder({.refused = {{-0.1, 0, 0, 1}}}), std::invalid_argument);
}

TEST_CASE("upstream_filter: a caller refuses what the callee would, for a while", "[flow][load_shedder][unit]") {
    manual_clock    clock;
    upstream_filter f({.priorities = 2, .memory = 2s}, clock);
    REQUIRE(f.admits(0));
    REQUIRE(f.admits(UINT32_MAX));
    f.learn(100);
    REQUIRE(f.admits(99));
    REQUIRE_FALSE(f.admits(100));
    clock.advance(2s);
    REQUIRE_FALSE(f.admits(100));
    clock.advance(2ms);  // until is kept to 2^20 ns
    REQUIRE(f.admits(100));
    f.learn(256);  // all of the callee's
    REQUIRE(f.admits(255));
    REQUIRE(f.admits(UINT32_MAX));
    f.learn(UINT32_MAX);
    REQUIRE(f.admits(UINT32_MAX));
    f.learn(0, time_point::min());
    REQUIRE_FALSE(f.admits(0, time_point::min()));
    REQUIRE(f.admits(0, time_point(0s)));
    f.learn(0, time_point::max());
    REQUIRE_FALSE(f.admits(0, time_point::max()));
    REQUIRE(f.admits(0, time_point(0s)));  // a time far ahead does not close the way until then
    f.learn(0, time_point(10s));
    REQUIRE_FALSE(f.admits(0, time_point(10s)));
    REQUIRE_FALSE(f.admits(0, time_point(8s)));  // a thread that is slow
    REQUIRE(f.admits(0, time_point(7s)));
    upstream_filter brief({.memory = 1ns}, clock);
    brief.learn(0, time_point(5s));
    REQUIRE_FALSE(brief.admits(0, time_point(5s)));
    REQUIRE(brief.admits(0, time_point(5s + 3ms)));
    REQUIRE(brief.admits(0, time_point(5s - 3ms)));
}

TEST_CASE("level_history: the quantile of the levels", "[flow][load_shedder][unit]") {
    struct row {
        double        q;
        std::uint32_t level;
    };
    level_history h;
    REQUIRE(h.quantile(0.5) == 0);
    for (auto const level : {400u, 200u, 100u, 300u}) h.record(level);
    for (auto const& r : {row{0, 100}, row{0.25, 100}, row{0.5, 200}, row{0.75, 300}, row{1, 400}, row{-1, 100},
                          row{2, 400}, row{no_number, 100}, row{infinity, 400}}) {
        CAPTURE(r.q);
        REQUIRE(h.quantile(r.q) == r.level);
    }
    REQUIRE(h.admits(0, 0));
    REQUIRE(h.admits(200, 0.5));
    REQUIRE_FALSE(h.admits(199, 0.5));

    level_history uniform;
    for (std::uint32_t i = 0; i < 1000; ++i) uniform.record(i % 500);
    REQUIRE(uniform.quantile(0.25) == 124);
    REQUIRE(uniform.quantile(0.5) == 249);
    for (int i = 0; i < 1000; ++i) uniform.record(9'999);  // beyond the last counts as the last; the old are forgotten
    REQUIRE(uniform.quantile(0) == 499);
}

TEST_CASE("level_history: it agrees with a sorted list", "[flow][load_shedder][property]") {
    level_history             h(50, 37);
    std::deque<std::uint32_t> last;
    for (auto const key : test::keys(3'000, test::seed())) {
        auto const level = static_cast<std::uint32_t>(key % 50);
        h.record(level);
        last.push_back(level);
        if (last.size() > 37) last.pop_front();
        auto sorted = last;
        std::sort(sorted.begin(), sorted.end());
        std::size_t const n = sorted.size(), percent = static_cast<std::size_t>(key >> 32) % 101;
        std::size_t const rank = std::max<std::size_t>((percent * n + 99) / 100, 1);
        REQUIRE(h.quantile(static_cast<double>(percent) / 100) == sorted[rank - 1]);
    }
}

TEST_CASE("graded_shedder: each class loses its share, step by step", "[flow][load_shedder][law]") {
    graded_shedder const s;
    sluice::xoshiro256ss random(test::seed());
    for (auto const level : {green, yellow, red, black}) {
        double before = 0;
        for (std::size_t priority = 0; priority < 6; ++priority) {
            int refused = 0;
            for (int i = 0; i < 10'000; ++i) refused += s.admits(level, priority, random) ? 0 : 1;
            CAPTURE(static_cast<int>(level), priority);
            REQUIRE(std::abs(refused / 1e4 - s.refused(level, priority)) < 0.02);
            REQUIRE(s.refused(level, priority) >= before);  // the less important lose more
            before = s.refused(level, priority);
        }
    }
    REQUIRE(s.refused(black, 0) == 0);
    REQUIRE(s.refused(red, 2) == 0.5);
    REQUIRE(s.refused(black, 99) == 1);
}

TEST_CASE("load_shedder: at twice the capacity the queue stays short, the important are served",
          "[flow][load_shedder][law]") {
    manual_clock         clock;
    shedder              s({.priorities = 4}, clock);
    sluice::xoshiro256ss random(test::seed());
    std::int64_t         free_at = 0;  // one server, 1 ms for each request
    std::uint64_t        came[4] = {}, served[4] = {}, sum_wait = 0, count = 0;
    for (std::int64_t t = 0; t < 200'000'000'000; t += 500'000) {  // 2000 a second
        clock.set(time_point(sluice::duration(t)));
        auto const priority = static_cast<std::uint32_t>(random() % 4);
        bool const late = t >= 150'000'000'000;
        if (late) ++came[priority];
        if (!s.try_admit(sluice::cohort_of(priority, random(), clock.now()))) continue;
        std::int64_t const begin = std::max(free_at, t);
        free_at = begin + 1'000'000;
        // Reported when it would leave the queue; the difference does not matter where the queue is short.
        s.note_queueing(sluice::duration(begin - t));
        if (!late) continue;
        ++served[priority];
        sum_wait += static_cast<std::uint64_t>(begin - t);
        ++count;
    }
    CAPTURE(served[0], served[1], served[2], served[3], count);
    REQUIRE(served[0] == came[0]);
    REQUIRE(static_cast<double>(served[1]) > 0.85 * static_cast<double>(came[1]));
    REQUIRE(static_cast<double>(served[3]) < 0.02 * static_cast<double>(came[3]));
    REQUIRE(count > 46'000);                             // of 50 000 that the server can do
    REQUIRE(sum_wait / count < 60'000'000);
}

TEST_CASE("load_shedder: many threads, every window counted once", "[flow][load_shedder][stress]") {
    manual_clock          clock;
    shedder               s({.priorities = 2, .window_requests = 500}, clock);
    upstream_filter       f({.priorities = 2}, clock);
    std::atomic<unsigned> admitted{0};
    test::run_threads(4, [&](std::size_t i) {
        sluice::xoshiro256ss random(i);
        for (int k = 0; k < 5'000; ++k) {
            auto const c = static_cast<std::uint32_t>(random() % 256);
            if (s.try_admit(c)) admitted.fetch_add(1);
            s.note_queueing(k % 100 < 50 ? 1s : 0s);
            if (k % 50 == 0) {
                clock.advance(100ms);
                f.learn(s.threshold());
            }
            (void)f.admits(c);
        }
    });
    REQUIRE(admitted.load() > 0);
    REQUIRE((s.threshold() >= 1 && s.threshold() <= 256));
}
