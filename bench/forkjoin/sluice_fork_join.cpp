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

void register_fib(unsigned n) {
    for (unsigned const workers : {1u, 2u})
        bench::add("forkjoin/fib/sluice_fork_join/n:" + std::to_string(n) + "/workers:" + std::to_string(workers),
                   [n, workers](benchmark::State& state) {
                       auto const          alone = fj::fib_alone(n);
                       sluice::thread_pool pool(workers);
                       fj::run(state, alone, fj::fib_forks(n), fj::fib_exact(n), [](auto&& start) { start(); },
                               [&] { return sluice::sync_wait(root(pool, n)); });
                   });
}
}  // namespace

void bench::register_all() {
    need_stack(fj::stack_bytes);
    register_fib(30);
}
