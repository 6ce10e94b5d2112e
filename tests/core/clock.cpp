// SPDX-License-Identifier: BSL-1.0
#include <sluice/core/clock.hpp>

#include "support/catch.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using sluice::duration;
using sluice::manual_clock;
using sluice::time_point;

namespace {

struct clock_that_may_throw {
    time_point now() const { return {}; }
};
struct clock_that_changes {
    time_point now() noexcept { return {}; }
};
struct clock_in_seconds {
    std::chrono::seconds now() const noexcept { return {}; }
};
struct clock_that_cannot_be_copied {
    time_point now() const noexcept { return {}; }
    std::unique_ptr<int> owned;
};

constexpr time_point at(std::int64_t nanoseconds) { return time_point(duration(nanoseconds)); }
constexpr auto last = std::numeric_limits<std::int64_t>::max();
constexpr auto first = std::numeric_limits<std::int64_t>::min();

}  // namespace

static_assert(sluice::clock_source<sluice::steady_clock>);
static_assert(sluice::clock_source<manual_clock>);
static_assert(!sluice::clock_source<clock_that_may_throw>);
static_assert(!sluice::clock_source<clock_that_changes>);
static_assert(!sluice::clock_source<clock_in_seconds>);
static_assert(!sluice::clock_source<clock_that_cannot_be_copied>);
static_assert(std::is_same_v<duration::rep, std::int64_t> && std::is_same_v<duration::period, std::nano>);

TEST_CASE("steady_clock: time does not run backward and is the standard library's", "[core][clock][unit]") {
    sluice::steady_clock const clock;
    auto const before = std::chrono::steady_clock::now();
    auto previous = clock.now();
    for (int i = 0; i < 1000; ++i) {
        auto const now = clock.now();
        REQUIRE(now >= previous);
        previous = now;
    }
    REQUIRE(std::chrono::time_point_cast<duration>(before) <= previous);
    REQUIRE(previous <= std::chrono::steady_clock::now());
}

TEST_CASE("saturating_add: a sum beyond the range stays at its end", "[core][clock][unit]") {
    struct row {
        std::int64_t a, b, sum;
    };
    for (auto const& [a, b, sum] : {row{0, 0, 0},
                                    {1, 2, 3},
                                    {-1, 2, 1},
                                    {last, 0, last},
                                    {last - 1, 1, last},
                                    {last, 1, last},
                                    {1, last, last},
                                    {last, last, last},
                                    {first, -1, first},
                                    {first, first, first},
                                    {-1, first, first},
                                    {first + 1, -1, first},
                                    {first, last, -1},
                                    {last, first, -1}}) {
        CAPTURE(a, b);
        REQUIRE(sluice::saturating_add(duration(a), duration(b)).count() == sum);
        REQUIRE(sluice::saturating_add(at(a), duration(b)) == at(sum));
    }
    STATIC_REQUIRE(sluice::saturating_add(at(last), 1h) == at(last));
}

TEST_CASE("saturating_sub: a difference beyond the range stays at its end", "[core][clock][unit]") {
    struct row {
        std::int64_t later, earlier, difference;
    };
    for (auto const& [later, earlier, difference] : {row{0, 0, 0},
                                                     {3, 2, 1},
                                                     {2, 3, -1},
                                                     {last, first, last},
                                                     {first, last, first},
                                                     {last, -1, last},
                                                     {last - 1, -1, last},
                                                     {0, first, last},
                                                     {-1, first, last},
                                                     {-2, last, first},
                                                     {-1, last, first},
                                                     {first, first, 0},
                                                     {last, last, 0}}) {
        CAPTURE(later, earlier);
        REQUIRE(sluice::saturating_sub(at(later), at(earlier)).count() == difference);
    }
}

TEST_CASE("manual_clock: it stands still until it is moved, also backward", "[core][clock][unit]") {
    manual_clock clock;
    REQUIRE(clock.now() == time_point{});
    REQUIRE(clock.now() == time_point{});
    REQUIRE(clock.advance(1ms) == at(1'000'000));
    REQUIRE(clock.now() == at(1'000'000));
    REQUIRE(clock.advance(-3ms) == at(-2'000'000));
    REQUIRE(clock.now() == at(-2'000'000));
    clock.set(at(5));
    REQUIRE(clock.now() == at(5));
    REQUIRE(manual_clock(at(7)).now() == at(7));
}

TEST_CASE("manual_clock: at the ends of the time line it stops", "[core][clock][unit]") {
    manual_clock clock(at(last - 1));
    REQUIRE(clock.advance(5ns) == at(last));
    REQUIRE(clock.now() == at(last));
    clock.set(at(first + 1));
    REQUIRE(clock.advance(duration::min()) == at(first));
}

TEST_CASE("manual_clock: copies share one time line, and it outlives the first of them", "[core][clock][unit]") {
    auto original = std::make_unique<manual_clock>();
    manual_clock const copy = *original;
    manual_clock assigned(at(99));
    assigned = *original;
    original->advance(2s);
    REQUIRE(copy.now() == at(2'000'000'000));
    REQUIRE(assigned.now() == at(2'000'000'000));
    original.reset();
    assigned.advance(1s);
    REQUIRE(copy.now() == at(3'000'000'000));

    manual_clock other;
    other.advance(1ns);
    REQUIRE(copy.now() == at(3'000'000'000));

    auto& self = assigned;
    assigned = self;
    REQUIRE(assigned.now() == at(3'000'000'000));
}

TEST_CASE("manual_clock: steps made by several threads are all counted", "[core][clock][stress]") {
    manual_clock const clock;
    test::run_threads(4, [&](std::size_t) {
        for (int i = 0; i < 10'000; ++i) {
            manual_clock mine = clock;
            mine.advance(3ns);
        }
    });
    REQUIRE(clock.now() == at(4 * 10'000 * 3));
}

TEST_CASE("manual_clock: the last of several threads ends it", "[core][clock][stress]") {
    for (int round = 0; round < 200; ++round) {
        std::vector<std::unique_ptr<manual_clock>> copies(3);
        {
            manual_clock const original;
            for (auto& copy : copies) copy = std::make_unique<manual_clock>(original);
        }
        test::run_threads(copies.size(), [&](std::size_t index) {
            copies[index]->advance(1ns);  // the thread sanitizer sees this meet another thread's delete
            copies[index].reset();
        });
        for (auto const& copy : copies) REQUIRE_FALSE(copy);
    }
}

TEST_CASE("manual_clock: who sees the new time sees what was done before", "[core][clock][stress]") {
    for (int round = 0; round < 200; ++round) {
        manual_clock clock;
        int plain = 0;  // not atomic: the thread sanitizer watches it
        int seen = -1;
        test::run_threads(2, [&](std::size_t index) {
            if (index == 0) {
                plain = round + 1;
                if (round % 2 == 0)
                    clock.set(at(1));
                else
                    clock.advance(1ns);
            } else {
                while (clock.now() == time_point{}) std::this_thread::yield();
                seen = plain;
            }
        });
        REQUIRE(seen == round + 1);
    }
}
