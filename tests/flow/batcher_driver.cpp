// SPDX-License-Identifier: BSL-1.0
#include <sluice/flow/batcher.hpp>
#include <sluice/flow/batcher_driver.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/random.hpp"
#include "support/threads.hpp"

#include <atomic>

using namespace std::chrono_literals;
using sluice::batch;
using sluice::batcher;
using sluice::batcher_driver;

TEST_CASE("batcher_driver: old batches are flushed without anybody's call", "[flow][batcher_driver][unit]") {
    std::atomic<int> flushed{0};
    batcher<int>     b({.max_items = 100, .max_age = 1ms}, [&](batch<int>& all) { flushed += static_cast<int>(all.size()); });
    batcher_driver   driver(b);
    for (int i = 1; i <= 3; ++i) {
        REQUIRE(b.try_push(int(i)));
        REQUIRE(test::eventually([&] { return flushed.load() == i; }));
    }
}

TEST_CASE("batcher_driver: on another clock the batch goes when that clock says so", "[flow][batcher_driver][unit]") {
    sluice::manual_clock clock;
    std::atomic<int>     flushed{0};
    batcher<int, void, sluice::manual_clock> b({.max_age = 1h}, [&](batch<int>& all) { flushed += static_cast<int>(all.size()); },
                                               clock);
    batcher_driver driver(b);
    REQUIRE(b.try_push(1));
    REQUIRE(flushed.load() == 0);
    clock.advance(1h);
    REQUIRE(test::eventually([&] { return flushed.load() == 1; }));
}

TEST_CASE("batcher_driver: it ends at once, also while nothing is due, and leaves the rest to the batcher",
          "[flow][batcher_driver][unit]") {
    std::atomic<int> flushed{0};
    {
        batcher<int> b({.max_age = 1h}, [&](batch<int>& all) { flushed += static_cast<int>(all.size()); });
        { batcher_driver idle(b); }
        batcher_driver driver(b);
        REQUIRE(b.try_push(1));
    }
    REQUIRE(flushed.load() == 1);
}

TEST_CASE("batcher_driver: beside pushers every item ends once", "[flow][batcher_driver][stress]") {
    auto const       each = static_cast<int>(500 * test::stress_factor());
    std::atomic<int> ended{0}, flushed{0};
    batcher<int>     b({.max_items = 32, .max_age = 50us, .max_pending = 100},
                       [&](batch<int>& all) { flushed += static_cast<int>(all.size()); });
    batcher_driver   driver(b);
    test::run_threads(3, [&](std::size_t) {
        for (int i = 0; i < each; ++i)
            static_cast<void>(b.push_until(int(i), sluice::time_point::max(), {},
                                           {.done = [&](batcher<int>::outcome_type) noexcept { ended.fetch_add(1); }}));
    });
    b.close();
    REQUIRE(ended.load() == 3 * each);
    REQUIRE(flushed.load() == 3 * each);
}
