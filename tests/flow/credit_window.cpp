// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/credit_window.hpp>

#include "support/catch.hpp"
#include "support/threads.hpp"

#include <atomic>
#include <cstdint>

using namespace std::chrono_literals;
using sluice::credit_window;
using sluice::time_point;

static_assert(sluice::permit_source<credit_window<>>);
static_assert(!std::is_copy_constructible_v<credit_window<>>);

TEST_CASE("credit_window: so many may be under way", "[flow][credit_window][unit]") {
    credit_window w(2, 10us);
    auto          a = w.try_acquire(time_point(1s));
    auto          b = w.try_acquire(time_point(2s));
    REQUIRE((a && b));
    REQUIRE(b.start() == time_point(2s));
    auto c = w.try_acquire(time_point(3s));
    REQUIRE_FALSE(c);
    REQUIRE(c.why() == sluice::verdict::later(10us, 0));
    a.drop();
    REQUIRE(w.used_approx() == 1);
    c = w.try_acquire(time_point(3s));
    REQUIRE(c);
    w.grant(1);  // below what is under way: nothing new until enough has ended
    REQUIRE(w.window() == 1);
    b.success();
    REQUIRE_FALSE(w.try_acquire(time_point(4s)));
    c.ignore();
    REQUIRE(w.try_acquire(time_point(4s)));
    w.grant(0);
    REQUIRE_FALSE(w.try_acquire(time_point(4s)));
    w.grant(UINT32_MAX);
    REQUIRE(w.try_acquire(time_point(4s)));
    credit_window none(0, -1s);
    REQUIRE(none.try_acquire(time_point{}).why() == sluice::verdict::later(0s, 0));
}

TEST_CASE("credit_window: never more under way than the largest window", "[flow][credit_window][stress]") {
    credit_window         w(3);
    std::atomic<unsigned> in{0}, most{0}, spent{0};
    test::run_threads(4, [&](std::size_t i) {
        for (std::uint32_t k = 0; k < 5'000; ++k) {
            if (i == 0) w.grant(k % 4);
            auto p = w.try_acquire(time_point{});
            if (!p) continue;
            unsigned const n = in.fetch_add(1) + 1;
            unsigned       m = most.load();
            while (m < n && !most.compare_exchange_weak(m, n)) {}
            spent.fetch_add(1);
            in.fetch_sub(1);
        }
    });
    REQUIRE(most.load() <= 3);
    REQUIRE(spent.load() > 0);
    REQUIRE(w.used_approx() == 0);
}
