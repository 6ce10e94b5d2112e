// SPDX-License-Identifier: BSL-1.0
// sluice: a coroutine for each call of fib, forked by fork_join. The root runs on a worker; the outside thread waits.
#include <sluice/executor/fork_join.hpp>
#include <sluice/executor/sync_wait.hpp>
#include <sluice/executor/task.hpp>
#include <sluice/executor/thread_pool.hpp>

#include "workload.hpp"

namespace {
namespace fj = bench::forkjoin;

sluice::fork_task<std::uint64_t> fib(sluice::fork_point, sluice::thread_pool& pool, unsigned n) {
    if (n < 2) co_return n;
    auto const [x, y] = co_await sluice::fork_join(
        pool, [&](sluice::fork_point p) { return fib(p, pool, n - 1); },
        [&](sluice::fork_point p) { return fib(p, pool, n - 2); });
    co_return x + y;
}

sluice::task<std::uint64_t> root(sluice::thread_pool& pool, unsigned n) {
    auto const [x] = co_await sluice::fork_join(pool, [&](sluice::fork_point p) { return fib(p, pool, n); });
    co_return x;
}

/// The outside thread waits for the root.
struct team {
    sluice::thread_pool pool;
    explicit team(unsigned workers) : pool(workers) {}
    static void in(auto&& start) { start(); }
};
}  // namespace

void bench::register_all() {
    need_stack(fj::stack_bytes);
    fj::register_fib<team>("sluice_fork_join", 30, [](team& t, unsigned n) { return sluice::sync_wait(root(t.pool, n)); });
}
