// SPDX-License-Identifier: BSL-1.0
// sluice: parallel_invoke on the caller's stack, and task_group. The root runs on a worker; the outside thread waits.
#include <sluice/executor/task_group.hpp>
#include <sluice/executor/thread_pool.hpp>
#include <sluice/parallel/parallel_invoke.hpp>

#include "workload.hpp"

namespace {
namespace fj = bench::forkjoin;

struct invoke_both {
    sluice::thread_pool* pool;

    template <class F, class G>
    void operator()(F&& f, G&& g) const {
        sluice::parallel_invoke(*pool, f, g);
    }
};

struct group_both {
    sluice::thread_pool* pool;

    template <class F, class G>
    void operator()(F&& f, G&& g) const {
        sluice::task_group group(*pool);
        group.run([&f] { f(); });
        g();
        group.wait();
    }
};

struct group_sum {
    sluice::thread_pool* pool;

    template <class F>
    std::uint64_t operator()(unsigned n, F const& f) const {
        fj::slots          results(n);
        sluice::task_group group(*pool);
        for (unsigned i = 0; i + 1 < n; ++i) group.run([&results, &f, i] { results[i] = f(i); });
        results[n - 1] = f(n - 1);
        group.wait();
        return results.total();
    }
};

class team {
public:
    explicit team(unsigned workers) : pool_(workers) {}

    template <class F>
    void in(F&& root) {
        pool_.submit([&root] { root(); }).get();
    }

protected:
    sluice::thread_pool pool_;
};

struct by_invoke : team {
    using team::team;
    invoke_both                   both() { return {&pool_}; }
    fj::sum_by_halves<invoke_both> sum() { return {{&pool_}}; }
};

struct by_group : team {
    using team::team;
    group_both both() { return {&pool_}; }
    group_sum  sum() { return {&pool_}; }
};
}  // namespace

void bench::register_all() {
    need_stack(fj::stack_bytes);
    fj::register_fib<by_invoke>("sluice", 30);
    fj::register_trees<by_invoke>("sluice");
    fj::register_fib<by_group>("sluice_task_group", 30);
    fj::register_trees<by_group>("sluice_task_group");
}
