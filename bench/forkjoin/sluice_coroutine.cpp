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

/// Subjects of the family are functions that fork others; a coroutine is another kind of function, so it has its own fib.
void register_fib(unsigned n) {
    for (unsigned const workers : {1u, 2u})
        bench::add("forkjoin/fib/sluice_coroutine/n:" + std::to_string(n) + "/workers:" + std::to_string(workers),
                   [n, workers](benchmark::State& state) {
                       auto const          alone = fj::fib_alone(n);
                       sluice::thread_pool pool(workers);
                       fj::run(state, alone, fj::fib_forks(n), fj::fib_exact(n), [](auto&& root) { root(); },
                               [&] { return sluice::sync_wait(sluice::start_on(pool, fib(pool, n))); });
                   });
}
}  // namespace

void bench::register_all() {
    need_stack(fj::stack_bytes);
    register_fib(30);
}
