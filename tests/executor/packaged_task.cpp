// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/packaged_task.hpp>

#include <sluice/executor/strand.hpp>

#include "support/catch.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

TEST_CASE("packaged_task: the result reaches the future, whoever runs it", "[executor][packaged_task][unit]") {
    sluice::thread_pool pool(2);
    sluice::packaged_task here(pool, [p = std::make_unique<int>(7)] { return *p; });
    auto                  seven = here.get_future();
    REQUIRE_FALSE(seven.is_ready());
    here();
    REQUIRE(seven.get() == 7);

    sluice::strand        strand(pool);
    sluice::packaged_task there(pool, [] { return std::string("there"); });
    auto                  text = there.get_future();
    strand.post(std::move(there));
    REQUIRE(text.get() == "there");

    sluice::packaged_task throws(pool, []() -> int { throw std::runtime_error("no"); });
    auto                  error = throws.get_future();
    throws();
    REQUIRE_THROWS_AS(error.get(), std::runtime_error);

    int                   x = 1;
    sluice::packaged_task reference(pool, [&x]() -> int& { return x; });
    auto                  to_x = reference.get_future();
    reference();
    REQUIRE(&to_x.get() == &x);
}

TEST_CASE("packaged_task: never called it leaves broken_task, and its callable is destroyed once", "[executor][packaged_task][unit]") {
    sluice::thread_pool pool(1);
    auto const          owned = std::make_shared<int>(1);
    sluice::future<int> unrun;
    {
        sluice::packaged_task task(pool, [owned] { return *owned; });
        unrun = task.get_future();
        sluice::packaged_task moved(std::move(task));
        REQUIRE(owned.use_count() == 2);
    }
    REQUIRE(owned.use_count() == 1);
    REQUIRE_THROWS_AS(unrun.get(), sluice::broken_task);
    { sluice::packaged_task nobody_asks(pool, [owned] { return *owned; }); }
    {
        sluice::packaged_task nobody_waits(pool, [owned] { return *owned; });
        nobody_waits();
    }
    REQUIRE(owned.use_count() == 1);
    REQUIRE(pool.shutdown() == 0);  // those are none of the pool's tasks
}

TEST_CASE("packaged_task: a worker that waits runs it, and the call that comes later does nothing", "[executor][packaged_task][unit]") {
    sluice::thread_pool pool(1);
    int                 runs = 0;
    sluice::packaged_task task(pool, [&runs] { return ++runs; });
    auto                  f = task.get_future();
    REQUIRE(pool.submit([&] { return f.get(); }).get() == 1);
    task();
    REQUIRE(runs == 1);
}
