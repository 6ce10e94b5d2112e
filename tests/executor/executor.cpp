// SPDX-License-Identifier: BSL-1.0
#include <sluice/executor/executor.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "support/catch.hpp"

#include <memory>
#include <type_traits>
#include <utility>

namespace {

struct inline_executor {
    template <class F>
    void post(F&& f) {
        std::forward<F>(f)();
    }
};
struct by_copy {
    template <class F>
        requires std::is_copy_constructible_v<std::decay_t<F>>
    void post(F&&);
};
struct only_for_const {
    template <class F>
    void post(F const& f)
        requires requires { f(); };
};
struct without {};

static_assert(sluice::executor<sluice::thread_pool>);
static_assert(sluice::executor<inline_executor>);
static_assert(!sluice::executor<by_copy>, "a callable that only moves must be taken, too");
static_assert(!sluice::executor<only_for_const>);
static_assert(!sluice::executor<without>);
static_assert(!sluice::executor<int>);

template <sluice::executor Executor>
int through(Executor& e) {
    int  result = 0;
    auto owned = std::make_unique<int>(41);
    e.post([&result, owned = std::move(owned)]() mutable { result = ++*owned; });
    return result;
}

}  // namespace

TEST_CASE("executor: one of the user's own, and the pool", "[executor][executor][unit]") {
    inline_executor here;
    CHECK(through(here) == 42);
    int result = 0;
    {
        sluice::thread_pool pool(1);
        pool.post([&result, owned = std::make_unique<int>(42)] { result = *owned; });
    }
    CHECK(result == 42);
}
