// SPDX-License-Identifier: BSL-1.0
#include <sluice/adapters/std_execution.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/catch.hpp"

#include <stdexcept>
#include <tuple>
#include <utility>

namespace ex = sluice::detail::execution_words;
using sluice::thread_pool;

static_assert(ex::scheduler<sluice::execution_scheduler>);
static_assert(ex::sender<decltype(std::declval<sluice::execution_scheduler>().schedule())>);

TEST_CASE("std_execution: pipelines run on the pool", "[adapters][std_execution][unit]") {
    thread_pool pool(2);
    auto const  s = sluice::get_execution_scheduler(pool);
    auto const  result = ex::sync_wait(ex::then(ex::schedule(s), [&] { return pool.on_worker() ? 7 : 0; }));
    REQUIRE(result);
    CHECK(std::get<0>(*result) == 7);

    auto const both = ex::sync_wait(
        ex::when_all(ex::then(ex::schedule(s), [] { return 1; }), ex::then(ex::schedule(s), [] { return 2; })));
    REQUIRE(both);
    CHECK(*both == std::tuple(1, 2));
    CHECK(ex::get_forward_progress_guarantee(s) == ex::forward_progress_guarantee::parallel);

    CHECK_THROWS_AS(ex::sync_wait(ex::then(ex::schedule(s), [] { throw std::runtime_error("x"); })), std::runtime_error);
    (void)pool.shutdown();
    CHECK_THROWS_AS(ex::sync_wait(ex::schedule(s)), sluice::pool_closed);
}
