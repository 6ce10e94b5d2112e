// SPDX-License-Identifier: BSL-1.0
// oneTBB: parallel_invoke and task_group in an arena of W threads, of which the calling thread is one.
#include "workload.hpp"

#include <tbb/global_control.h>
#include <tbb/parallel_invoke.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#include <tbb/version.h>

namespace {
namespace fj = bench::forkjoin;

struct invoke_both {
    template <class F, class G>
    void operator()(F&& f, G&& g) const {
        tbb::parallel_invoke(f, g);
    }
};

struct group_both {
    template <class F, class G>
    void operator()(F&& f, G&& g) const {
        tbb::task_group group;
        group.run([&f] { f(); });
        g();
        group.wait();
    }
};

struct group_sum {
    template <class F>
    std::uint64_t operator()(unsigned n, F const& f) const {
        fj::slots       results(n);
        tbb::task_group group;
        for (unsigned i = 0; i + 1 < n; ++i) group.run([&results, &f, i] { results[i] = f(i); });
        results[n - 1] = f(n - 1);
        group.wait();
        return results.total();
    }
};

class team {
public:
    explicit team(unsigned workers)
        : stack_(tbb::global_control::thread_stack_size, fj::stack_bytes),
          limit_(tbb::global_control::max_allowed_parallelism, workers), arena_(static_cast<int>(workers)) {}

    template <class F>
    void in(F&& root) {
        arena_.execute([&root] { root(); });
    }

private:
    tbb::global_control stack_, limit_;
    tbb::task_arena     arena_;
};

struct by_invoke : team {
    using team::team;
    invoke_both                    both() { return {}; }
    fj::sum_by_halves<invoke_both> sum() { return {}; }
};

struct by_group : team {
    using team::team;
    group_both both() { return {}; }
    group_sum  sum() { return {}; }
};
}  // namespace

void bench::register_all() {
    need_stack(fj::stack_bytes);
    benchmark::AddCustomContext("version_tbb", TBB_runtime_version());
    fj::register_fib<by_invoke>("tbb_parallel_invoke", 30);
    fj::register_trees<by_invoke>("tbb_parallel_invoke");
    fj::register_fib<by_group>("tbb_task_group", 30);
    fj::register_trees<by_group>("tbb_task_group");
}
