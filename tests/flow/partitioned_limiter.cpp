// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/partitioned_limiter.hpp>

#include <sluice/flow/concurrency_limiter.hpp>

#include "support/allocation.hpp"
#include "support/catch.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <cstdint>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using sluice::manual_clock;
using sluice::permit;
using sluice::time_point;

namespace {

struct fixed {
    double value = 10;
    double update(sluice::window_summary const&) noexcept { return value; }
    double limit() const noexcept { return value; }
};
using limiter = sluice::concurrency_limiter<fixed, manual_clock>;
using partitioned = sluice::partitioned_limiter<limiter>;

}  // namespace

TEST_CASE("partitioned_limiter: caps are shares of the limit, rounded up, at least one", "[flow][partitioned_limiter][unit]") {
    limiter     l;
    partitioned p(l, {.shares = {0.5, 0.01, 0.3}});
    REQUIRE(p.partitions() == 3);
    REQUIRE(p.cap(0) == 5);
    REQUIRE(p.cap(1) == 1);
    REQUIRE(p.cap(2) == 3);
    l.reconfigure(fixed{.value = 7});
    REQUIRE(p.cap(0) == 4);
}

TEST_CASE("partitioned_limiter: one may use everything while the others do not ask", "[flow][partitioned_limiter][unit]") {
    limiter             l;
    partitioned         p(l, {.shares = {0.3, 0.7}});
    std::vector<permit> held;
    for (int i = 0; i < 10; ++i) {
        held.push_back(p.try_acquire(0));
        REQUIRE(held.back());
        REQUIRE(p.inflight(0) == static_cast<std::uint32_t>(i + 1));
    }
    REQUIRE_FALSE(p.try_acquire(0));
    REQUIRE_FALSE(p.try_acquire(1));  // never above the limit; it is owed one place now
    REQUIRE(l.inflight() == 10);
    held.pop_back();
    REQUIRE_FALSE(p.try_acquire(0));
    auto live = p.try_acquire(1);
    REQUIRE(live);
    held.pop_back();
    REQUIRE(p.try_acquire(0));  // what was owed has been given
}

TEST_CASE("partitioned_limiter: what is owed lapses", "[flow][partitioned_limiter][unit]") {
    limiter             l;
    partitioned         p(l, {.shares = {0.5, 0.5}, .patience = 100ms});
    std::vector<permit> held;
    for (int i = 0; i < 10; ++i) held.push_back(p.try_acquire(0, time_point(0s)));
    for (int i = 0; i < 20; ++i) REQUIRE_FALSE(p.try_acquire(1, time_point(1s)));
    for (int i = 0; i < 6; ++i) held.pop_back();  // below its own cap
    held.push_back(p.try_acquire(0, time_point(1s)));
    REQUIRE(held.back());
    REQUIRE_FALSE(p.try_acquire(0, time_point(1s)));  // five are free, and owed
    REQUIRE_FALSE(p.try_acquire(0, time_point(1100ms)));
    REQUIRE(p.try_acquire(0, time_point(1100ms + 1ns)));
}

TEST_CASE("partitioned_limiter: one time from the far future keeps nothing owed", "[flow][partitioned_limiter][unit]") {
    limiter             l;
    partitioned         p(l, {.shares = {0.5, 0.5}, .patience = 100ms});
    std::vector<permit> held;
    for (int i = 0; i < 10; ++i) held.push_back(p.try_acquire(0, time_point(1s)));
    REQUIRE_FALSE(p.try_acquire(1, time_point::max()));
    held.pop_back();
    REQUIRE(p.try_acquire(0, time_point(1s)));
}

TEST_CASE("partitioned_limiter: outcomes reach the limiter; a move and an end count once", "[flow][partitioned_limiter][unit]") {
    limiter     l;
    partitioned p(l, {.shares = {1.0}});
    auto        a = p.try_acquire(0, time_point(1s));
    auto        b = std::move(a);
    REQUIRE(b.start() == time_point(1s));
    b.success(time_point(2s));
    b.drop();
    REQUIRE(p.inflight(0) == 0);
    REQUIRE(l.inflight() == 0);
}

TEST_CASE("partitioned_limiter: a hundred threads never exceed ten, and each share gets through", "[flow][partitioned_limiter][stress]") {
    limiter          l;
    partitioned      p(l, {.shares = {0.5, 0.3, 0.2}});
    std::atomic<int> inside{0}, most{0};
    std::atomic<int> got[3] = {};
    test::run_threads(100, [&](std::size_t i) {
        for (int k = 0; k < 30; ++k) {
            auto permit = p.try_acquire(i % 3);
            if (!permit) continue;
            int const n = ++inside;
            int       seen = most;
            while (seen < n && !most.compare_exchange_weak(seen, n)) {}
            ++got[i % 3];
            std::this_thread::yield();
            --inside;
        }
    });
    REQUIRE(most <= 10);
    for (auto const& n : got) REQUIRE(n > 0);
    for (std::size_t i = 0; i < 3; ++i) REQUIRE(p.inflight(i) == 0);
    REQUIRE(l.inflight() == 0);
}

TEST_CASE("partitioned_limiter: impossible options are refused by name", "[flow][partitioned_limiter][unit]") {
    limiter l;
    REQUIRE_THROWS_WITH(partitioned(l, {}), test::contains("partitioned_limiter: shares"));
    REQUIRE_THROWS_WITH(partitioned(l, {.shares = {0.5, 0.0}}), test::contains("share"));
    REQUIRE_THROWS_WITH(partitioned(l, {.shares = {std::numeric_limits<double>::quiet_NaN()}}), test::contains("share"));
    REQUIRE_THROWS_WITH(partitioned(l, {.shares = {0.7, 0.7}}), test::contains("sum of shares"));
    REQUIRE_THROWS_WITH(partitioned(l, {.shares = {1.0}, .patience = -1ns}), test::contains("patience"));
}

TEST_CASE("partitioned_limiter: memory grows by doubling, and permits that end leave it for the next",
          "[flow][partitioned_limiter][unit]") {
    limiter             l(fixed{.value = 2000});
    partitioned         p(l, {.shares = {0.5, 0.5}});
    std::vector<permit> held;
    held.reserve(2000);
    auto const taken = [&](std::size_t n) {
        test::scarce_memory const count(UINT64_MAX);
        for (std::size_t i = 0; i < n; ++i) held.push_back(p.try_acquire(i % 2, time_point{}));
        return count.allocations();
    };
    REQUIRE(taken(2000) < 1000);  // blocks of some permits each, and some ten times the list of the free ones
    REQUIRE(static_cast<bool>(held.back()));
    held.clear();
    REQUIRE(taken(2000) == 0);
    REQUIRE(p.inflight(0) == 1000);
}
