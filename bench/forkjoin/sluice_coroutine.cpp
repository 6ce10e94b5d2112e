// SPDX-License-Identifier: BSL-1.0
// sluice: a coroutine for each call of fib, forked by when_all_on. The root runs on a worker; the outside thread waits.
#include <sluice/executor/schedule.hpp>
#include <sluice/executor/sync_wait.hpp>
#include <sluice/executor/task.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/executor/when_all.hpp>

#include "workload.hpp"

namespace {
namespace fj = bench::forkjoin;

sluice::task<std::uint64_t> fib(sluice::thread_pool& pool, unsigned n) {
    if (n < 2) co_return n;
    auto const [x, y] = co_await sluice::when_all_on(pool, fib(pool, n - 1), fib(pool, n - 2));
    co_return x + y;
}

/// Subjects of the family are functions that fork others; a coroutine is another kind of function, so it has its own fib. The
/// outside thread waits for the root.
struct team {
    sluice::thread_pool pool;
    explicit team(unsigned workers) : pool(workers) {}
    static void in(auto&& start) { start(); }
};
}  // namespace

void bench::register_all() {
    need_stack(fj::stack_bytes);
    fj::register_fib<team>("sluice_coroutine", 30,
                           [](team& t, unsigned n) { return sluice::sync_wait(sluice::start_on(t.pool, fib(t.pool, n))); });
}
